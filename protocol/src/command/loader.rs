//! Commands of the RAM loader (`reference/loader-protocol.md` section 4).

use super::{CommandRow, Field, LengthRule, Success, field};
use crate::code::Code;
use crate::frame::ReplyShape;

/// A command of the RAM loader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum LoaderCommand {
    /// FFFFFFFFh and eFuse words as they were at start.
    GetBootInfo = 0x10,
    /// System reset, 4 ms after the OK.
    Reset = 0x21,
    /// Erases; one PD before each erase unit.
    FlashErase = 0x30,
    /// Programs flash; OK comes before programming, a failure as FL 0006 after it.
    FlashWrite = 0x31,
    /// Reads flash.
    FlashRead = 0x32,
    /// Reads flash through the memory map.
    XipRead = 0x34,
    /// Three id bytes and a flag: 80h when the loader knows the part.
    ReadJedecId = 0x36,
    /// Sends a status command to the flash. A failure is silence.
    ReadStatusRegister = 0x37,
    /// Sends a status command to the flash; the data of the reply are left-overs.
    WriteStatusRegister = 0x38,
    /// Whether a write failed since the last erase or handshake.
    WriteCheck = 0x3A,
    /// Flash pins, clock and configuration.
    SetFlashParameters = 0x3B,
    /// Erases everything; one PD after each full second.
    ChipErase = 0x3C,
    /// Hash of a flash range.
    Sha256 = 0x3D,
    /// Hash of a flash range, read through the memory map.
    XipSha256 = 0x3E,
    /// Burns eFuses, at once and for ever.
    EfuseWrite = 0x40,
    /// Reads eFuses.
    EfuseRead = 0x41,
    /// Eight MAC bytes and their CRC-32.
    ReadMac = 0x42,
    /// Broken: stores the address itself, or the last but one word.
    MemoryWrite = 0x50,
    /// Broken: repeats the first word.
    MemoryRead = 0x51,
    /// Maps the flash into memory.
    XipStart = 0x60,
    /// Ends the mapping.
    XipFinish = 0x61,
    /// Text of the debug log.
    ReadLog = 0x71,
}

impl LoaderCommand {
    /// The command with this id, if this side has it.
    pub fn from_id(id: u8) -> Option<Self> {
        LOADER_COMMANDS.iter().find(|(_, row)| row.id == id).map(|(command, _)| *command)
    }

    /// The id on the wire.
    pub const fn id(self) -> u8 {
        self as u8
    }

    /// The name for people.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// The table row.
    pub fn row(self) -> &'static CommandRow {
        // The tables list the variants in order (a test holds them to it), so the variant finds its row.
        let place = LOADER_COMMANDS.iter().position(|(command, _)| *command == self).unwrap_or_default();
        &LOADER_COMMANDS[place].1
    }

    /// The shape of the reply to a request with this payload.
    pub fn reply_shape(self, payload: &[u8]) -> ReplyShape {
        self.row().reply_shape(payload)
    }
}

const START_END: &[Field] = &[field("start", 4), field("end", 4)];
const ADDRESS: &[Field] = &[field("address", 4)];
const ADDRESS_LENGTH: &[Field] = &[field("address", 4), field("length", 4)];
const FLASH_COMMAND_BYTES: &[Field] = &[field("flash command", 4), field("bytes", 4)];
const FLASH_COMMAND_BYTES_VALUE: &[Field] =
    &[field("flash command", 4), field("bytes", 4), field("value", 4)];
const PIN_CLOCK_IO_MODE_UNUSED: &[Field] =
    &[field("pin", 1), field("clock", 1), field("io mode", 1), field("unused", 1)];

/// One row a command, in the order of the ids.
pub static LOADER_COMMANDS: &[(LoaderCommand, CommandRow)] = &[
    (
        LoaderCommand::GetBootInfo,
        CommandRow {
            id: 0x10,
            name: "get boot info",
            payload: "any; ignored",
            fields: &[],
            tail: None,
            length: LengthRule::Any,
            success: Success::Data,
            codes: &[],
            errors_count: false,
            burns_fuses: false,
            enabled: true,
        },
    ),
    (
        LoaderCommand::Reset,
        CommandRow {
            id: 0x21,
            name: "reset",
            payload: "any; ignored",
            fields: &[],
            tail: None,
            length: LengthRule::Any,
            success: Success::Status,
            codes: &[],
            errors_count: false,
            burns_fuses: false,
            enabled: true,
        },
    ),
    (
        LoaderCommand::FlashErase,
        CommandRow {
            id: 0x30,
            name: "flash erase",
            payload: "start (4) end (4, inclusive)",
            fields: START_END,
            tail: None,
            length: LengthRule::Exactly(8),
            success: Success::PendingThenStatus,
            codes: &[Code(0x0002), Code(0x0003)],
            errors_count: true,
            burns_fuses: false,
            enabled: true,
        },
    ),
    (
        LoaderCommand::FlashWrite,
        CommandRow {
            id: 0x31,
            name: "flash write",
            payload: "address (4) data (1 to 9216)",
            fields: ADDRESS,
            tail: Some("data"),
            length: LengthRule::AtLeast(5),
            success: Success::Status,
            codes: &[Code(0x0004), Code(0x0005), Code(0x0006)],
            errors_count: true,
            burns_fuses: false,
            enabled: true,
        },
    ),
    (
        LoaderCommand::FlashRead,
        CommandRow {
            id: 0x32,
            name: "flash read",
            payload: "address (4) length (4); over 9220 cut to 9220",
            fields: ADDRESS_LENGTH,
            tail: None,
            length: LengthRule::Exactly(8),
            success: Success::Data,
            codes: &[Code(0x0004)],
            errors_count: true,
            burns_fuses: false,
            enabled: true,
        },
    ),
    (
        LoaderCommand::XipRead,
        CommandRow {
            id: 0x34,
            name: "XIP read",
            payload: "address (4) length (4); over 9220 cut to 9220",
            fields: ADDRESS_LENGTH,
            tail: None,
            length: LengthRule::Exactly(8),
            success: Success::Data,
            codes: &[Code(0x0004)],
            errors_count: true,
            burns_fuses: false,
            enabled: true,
        },
    ),
    (
        LoaderCommand::ReadJedecId,
        CommandRow {
            id: 0x36,
            name: "read JEDEC id",
            payload: "any; ignored",
            fields: &[],
            tail: None,
            length: LengthRule::Any,
            success: Success::Data,
            codes: &[],
            errors_count: false,
            burns_fuses: false,
            enabled: true,
        },
    ),
    (
        LoaderCommand::ReadStatusRegister,
        CommandRow {
            id: 0x37,
            name: "read status register",
            payload: "flash command (4) number of bytes (4)",
            fields: FLASH_COMMAND_BYTES,
            tail: None,
            length: LengthRule::Exactly(8),
            success: Success::DataAsAsked,
            codes: &[Code(0x0009)],
            errors_count: true,
            burns_fuses: false,
            enabled: true,
        },
    ),
    (
        LoaderCommand::WriteStatusRegister,
        CommandRow {
            id: 0x38,
            name: "write status register",
            payload: "flash command (4) number of bytes (4) value (4)",
            fields: FLASH_COMMAND_BYTES_VALUE,
            tail: None,
            length: LengthRule::Exactly(12),
            success: Success::DataAsAsked,
            codes: &[Code(0x000A)],
            errors_count: true,
            burns_fuses: false,
            enabled: true,
        },
    ),
    (
        LoaderCommand::WriteCheck,
        CommandRow {
            id: 0x3A,
            name: "write check",
            payload: "any; ignored",
            fields: &[],
            tail: None,
            length: LengthRule::Any,
            success: Success::Status,
            codes: &[Code(0x0006)],
            errors_count: false,
            burns_fuses: false,
            enabled: true,
        },
    ),
    (
        LoaderCommand::SetFlashParameters,
        CommandRow {
            id: 0x3B,
            name: "set flash parameters",
            payload: "pin (1) clock (1) I/O mode (1) unused (1), optionally flash config (84)",
            fields: PIN_CLOCK_IO_MODE_UNUSED,
            tail: Some("flash config"),
            length: LengthRule::Either(4, 88),
            success: Success::Status,
            codes: &[Code(0x0008)],
            errors_count: true,
            burns_fuses: false,
            enabled: true,
        },
    ),
    (
        LoaderCommand::ChipErase,
        CommandRow {
            id: 0x3C,
            name: "chip erase",
            payload: "any; ignored",
            fields: &[],
            tail: None,
            length: LengthRule::Any,
            success: Success::PendingThenStatus,
            codes: &[Code(0x0003)],
            errors_count: true,
            burns_fuses: false,
            enabled: true,
        },
    ),
    (
        LoaderCommand::Sha256,
        CommandRow {
            id: 0x3D,
            name: "SHA-256",
            payload: "address (4) length (4)",
            fields: ADDRESS_LENGTH,
            tail: None,
            length: LengthRule::Exactly(8),
            success: Success::Data,
            codes: &[Code(0x0004)],
            errors_count: true,
            burns_fuses: false,
            enabled: true,
        },
    ),
    (
        LoaderCommand::XipSha256,
        CommandRow {
            id: 0x3E,
            name: "XIP SHA-256",
            payload: "address (4) length (4)",
            fields: ADDRESS_LENGTH,
            tail: None,
            length: LengthRule::Exactly(8),
            success: Success::Data,
            codes: &[Code(0x0004)],
            errors_count: true,
            burns_fuses: false,
            enabled: true,
        },
    ),
    (
        LoaderCommand::EfuseWrite,
        CommandRow {
            id: 0x40,
            name: "eFuse write",
            payload: "address (4) data (at least 1)",
            fields: ADDRESS,
            tail: Some("data"),
            length: LengthRule::AtLeast(5),
            success: Success::Status,
            codes: &[Code(0x0401), Code(0x0402)],
            errors_count: true,
            burns_fuses: true,
            enabled: true,
        },
    ),
    (
        LoaderCommand::EfuseRead,
        CommandRow {
            id: 0x41,
            name: "eFuse read",
            payload: "address (4) length (4)",
            fields: ADDRESS_LENGTH,
            tail: None,
            length: LengthRule::Exactly(8),
            success: Success::Data,
            codes: &[Code(0x0404), Code(0x0405)],
            errors_count: true,
            burns_fuses: false,
            enabled: true,
        },
    ),
    (
        LoaderCommand::ReadMac,
        CommandRow {
            id: 0x42,
            name: "read MAC address",
            payload: "any; ignored",
            fields: &[],
            tail: None,
            length: LengthRule::Any,
            success: Success::Data,
            codes: &[Code(0x0407)],
            errors_count: true,
            burns_fuses: false,
            enabled: true,
        },
    ),
    (
        LoaderCommand::MemoryWrite,
        CommandRow {
            id: 0x50,
            name: "memory write",
            payload: "address (4) words",
            fields: ADDRESS,
            tail: Some("words"),
            length: LengthRule::AtLeast(5),
            success: Success::Status,
            codes: &[Code(0x0401)],
            errors_count: true,
            burns_fuses: false,
            enabled: true,
        },
    ),
    (
        LoaderCommand::MemoryRead,
        CommandRow {
            id: 0x51,
            name: "memory read",
            payload: "address (4) length (4)",
            fields: ADDRESS_LENGTH,
            tail: None,
            length: LengthRule::Exactly(8),
            success: Success::Data,
            codes: &[Code(0x0404)],
            errors_count: true,
            burns_fuses: false,
            enabled: true,
        },
    ),
    (
        LoaderCommand::XipStart,
        CommandRow {
            id: 0x60,
            name: "XIP start",
            payload: "any; ignored",
            fields: &[],
            tail: None,
            length: LengthRule::Any,
            success: Success::Status,
            codes: &[],
            errors_count: false,
            burns_fuses: false,
            enabled: true,
        },
    ),
    (
        LoaderCommand::XipFinish,
        CommandRow {
            id: 0x61,
            name: "XIP finish",
            payload: "any; ignored",
            fields: &[],
            tail: None,
            length: LengthRule::Any,
            success: Success::Status,
            codes: &[],
            errors_count: false,
            burns_fuses: false,
            enabled: true,
        },
    ),
    (
        LoaderCommand::ReadLog,
        CommandRow {
            id: 0x71,
            name: "read log",
            payload: "any; ignored",
            fields: &[],
            tail: None,
            length: LengthRule::Any,
            success: Success::Data,
            codes: &[],
            errors_count: false,
            burns_fuses: false,
            enabled: true,
        },
    ),
];
