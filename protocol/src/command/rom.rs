//! Commands of the boot ROM (`reference/rom-and-module.md` section 1.4).

use super::{CommandRow, Field, LengthRule, Success, field};
use crate::code::Code;
use crate::frame::ReplyShape;

/// A command of the boot ROM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum RomCommand {
    /// Version, security state, device info and chip id.
    GetBootInfo = 0x10,
    /// Starts loading an image into RAM.
    LoadBootHeader = 0x11,
    /// Key of a signed image.
    LoadPublicKey = 0x12,
    /// Signature of a signed image. The payload length itself is not compared.
    LoadSignature = 0x14,
    /// Initial value of an encrypted image.
    LoadAesIv = 0x16,
    /// Announces a segment; the reply holds the decrypted header.
    LoadSegmentHeader = 0x17,
    /// Bytes of the announced segment.
    LoadSegmentData = 0x18,
    /// Compares hash and signature.
    CheckImage = 0x19,
    /// Jumps into the image.
    RunImage = 0x1A,
    /// Changes the baud rate; the answer comes at the new one.
    ChangeRate = 0x20,
    /// System reset.
    Reset = 0x21,
    /// Initialises the flash and erases.
    FlashErase = 0x30,
    /// Programs flash.
    FlashWrite = 0x31,
    /// In the table but disabled: the ROM treats it as unknown and cannot read flash.
    FlashRead = 0x32,
    /// Boots from flash.
    FlashBoot = 0x33,
    /// Burns eFuses, at once and for ever.
    EfuseWrite = 0x40,
    /// Reads the eFuse shadow registers.
    EfuseRead = 0x41,
    /// Stores words.
    MemoryWrite = 0x50,
    /// Reads words.
    MemoryRead = 0x51,
    /// Burns eFuses from encrypted data.
    SealedEfuseWrite = 0x80,
    /// Reads eFuses, encrypted with the session key.
    SealedEfuseRead = 0x81,
    /// Key exchange.
    EcdhGetKey = 0x90,
    /// Proof that the key exchange worked.
    EcdhChallenge = 0x91,
}

impl RomCommand {
    /// The command with this id, if this side has it (in its table; see [`is_enabled`](Self::is_enabled)).
    pub fn from_id(id: u8) -> Option<Self> {
        ROM_COMMANDS.iter().find(|(_, row)| row.id == id).map(|(command, _)| *command)
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
        let place = ROM_COMMANDS.iter().position(|(command, _)| *command == self).unwrap_or_default();
        &ROM_COMMANDS[place].1
    }

    /// The shape of the reply to a request with this payload.
    pub fn reply_shape(self, payload: &[u8]) -> ReplyShape {
        self.row().reply_shape(payload)
    }

    /// Whether the ROM answers it; false for 32h alone.
    pub fn is_enabled(self) -> bool {
        self.row().enabled
    }
}

const SIGNATURE_LENGTH: &[Field] = &[field("signature length", 4)];
const DESTINATION_SEGMENT_LENGTH_RESERVED_CRC32: &[Field] =
    &[field("destination", 4), field("segment length", 4), field("reserved", 4), field("crc32", 4)];
const OLD_RATE_NEW_RATE: &[Field] = &[field("old rate", 4), field("new rate", 4)];
const START_END: &[Field] = &[field("start", 4), field("end", 4)];
const ADDRESS: &[Field] = &[field("address", 4)];
const UNUSED: &[Field] = &[field("unused", 4)];
const ADDRESS_LENGTH: &[Field] = &[field("address", 4), field("length", 4)];

/// One row a command, in the order of the ids.
pub static ROM_COMMANDS: &[(RomCommand, CommandRow)] = &[
    (
        RomCommand::GetBootInfo,
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
        RomCommand::LoadBootHeader,
        CommandRow {
            id: 0x11,
            name: "load boot header",
            payload: "boot header (176)",
            fields: &[],
            tail: Some("boot header"),
            length: LengthRule::Exactly(176),
            success: Success::Status,
            codes: &[
                Code(0x0201),
                Code(0x0202),
                Code(0x0203),
                Code(0x0204),
                Code(0x0205),
                Code(0x0206),
                Code(0x0207),
            ],
            errors_count: false,
            burns_fuses: false,
            enabled: true,
        },
    ),
    (
        RomCommand::LoadPublicKey,
        CommandRow {
            id: 0x12,
            name: "load public key",
            payload: "public key block (68): X Y CRC-32",
            fields: &[],
            tail: Some("public key block"),
            length: LengthRule::Exactly(68),
            success: Success::Status,
            codes: &[Code(0x0104), Code(0x020A), Code(0x0206), Code(0x020B), Code(0x020C)],
            errors_count: false,
            burns_fuses: false,
            enabled: true,
        },
    ),
    (
        RomCommand::LoadSignature,
        CommandRow {
            id: 0x14,
            name: "load signature",
            payload: "signature block (4+n+4), n at most 256",
            fields: SIGNATURE_LENGTH,
            tail: Some("signature and CRC-32"),
            length: LengthRule::Any,
            success: Success::Status,
            codes: &[Code(0x0104), Code(0x020D), Code(0x020E)],
            errors_count: false,
            burns_fuses: false,
            enabled: true,
        },
    ),
    (
        RomCommand::LoadAesIv,
        CommandRow {
            id: 0x16,
            name: "load AES IV",
            payload: "IV block (20): IV CRC-32",
            fields: &[],
            tail: Some("IV block"),
            length: LengthRule::Exactly(20),
            success: Success::Status,
            codes: &[Code(0x0104), Code(0x0208), Code(0x0205), Code(0x0209)],
            errors_count: false,
            burns_fuses: false,
            enabled: true,
        },
    ),
    (
        RomCommand::LoadSegmentHeader,
        CommandRow {
            id: 0x17,
            name: "load segment header",
            payload: "segment header (16)",
            fields: DESTINATION_SEGMENT_LENGTH_RESERVED_CRC32,
            tail: None,
            length: LengthRule::Exactly(16),
            success: Success::Data,
            codes: &[Code(0x0104), Code(0x020F), Code(0x0210), Code(0x0211)],
            errors_count: false,
            burns_fuses: false,
            enabled: true,
        },
    ),
    (
        RomCommand::LoadSegmentData,
        CommandRow {
            id: 0x18,
            name: "load segment data",
            payload: "data (0 to 4092)",
            fields: &[],
            tail: Some("data"),
            length: LengthRule::Any,
            success: Success::Status,
            codes: &[Code(0x0104), Code(0x0212), Code(0x0214)],
            errors_count: false,
            burns_fuses: false,
            enabled: true,
        },
    ),
    (
        RomCommand::CheckImage,
        CommandRow {
            id: 0x19,
            name: "check image",
            payload: "any; ignored",
            fields: &[],
            tail: None,
            length: LengthRule::Any,
            success: Success::Status,
            codes: &[Code(0x0216), Code(0x0217), Code(0x0219)],
            errors_count: false,
            burns_fuses: false,
            enabled: true,
        },
    ),
    (
        RomCommand::RunImage,
        CommandRow {
            id: 0x1A,
            name: "run image",
            payload: "any; ignored",
            fields: &[],
            tail: None,
            length: LengthRule::Any,
            success: Success::Status,
            codes: &[Code(0x0104)],
            errors_count: false,
            burns_fuses: false,
            enabled: true,
        },
    ),
    (
        RomCommand::ChangeRate,
        CommandRow {
            id: 0x20,
            name: "change rate",
            payload: "old rate (4) new rate (4), baud; other lengths: silence",
            fields: OLD_RATE_NEW_RATE,
            tail: None,
            length: LengthRule::Exactly(8),
            success: Success::Status,
            codes: &[],
            errors_count: false,
            burns_fuses: false,
            enabled: true,
        },
    ),
    (
        RomCommand::Reset,
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
        RomCommand::FlashErase,
        CommandRow {
            id: 0x30,
            name: "flash erase",
            payload: "start (4) end (4, inclusive)",
            fields: START_END,
            tail: None,
            length: LengthRule::Exactly(8),
            success: Success::Status,
            codes: &[Code(0x0002), Code(0x0003)],
            errors_count: false,
            burns_fuses: false,
            enabled: true,
        },
    ),
    (
        RomCommand::FlashWrite,
        CommandRow {
            id: 0x31,
            name: "flash write",
            payload: "address (4) data (1 to 4088)",
            fields: ADDRESS,
            tail: Some("data"),
            length: LengthRule::AtLeast(5),
            success: Success::Status,
            codes: &[Code(0x0004), Code(0x0005), Code(0x0006)],
            errors_count: false,
            burns_fuses: false,
            enabled: true,
        },
    ),
    (
        RomCommand::FlashRead,
        CommandRow {
            id: 0x32,
            name: "flash read",
            payload: "not taken",
            fields: &[],
            tail: None,
            length: LengthRule::Any,
            success: Success::Never,
            codes: &[],
            errors_count: false,
            burns_fuses: false,
            enabled: false,
        },
    ),
    (
        RomCommand::FlashBoot,
        CommandRow {
            id: 0x33,
            name: "flash boot",
            payload: "4 bytes; other lengths: silence",
            fields: UNUSED,
            tail: None,
            length: LengthRule::Exactly(4),
            success: Success::Status,
            codes: &[],
            errors_count: false,
            burns_fuses: false,
            enabled: true,
        },
    ),
    (
        RomCommand::EfuseWrite,
        CommandRow {
            id: 0x40,
            name: "eFuse write",
            payload: "address (4) data (at least 1)",
            fields: ADDRESS,
            tail: Some("data"),
            length: LengthRule::AtLeast(5),
            success: Success::Status,
            codes: &[Code(0x0401), Code(0x0402)],
            errors_count: false,
            burns_fuses: true,
            enabled: true,
        },
    ),
    (
        RomCommand::EfuseRead,
        CommandRow {
            id: 0x41,
            name: "eFuse read",
            payload: "address (4) length (4)",
            fields: ADDRESS_LENGTH,
            tail: None,
            length: LengthRule::Exactly(8),
            success: Success::Data,
            codes: &[Code(0x0404), Code(0x0405)],
            errors_count: false,
            burns_fuses: false,
            enabled: true,
        },
    ),
    (
        RomCommand::MemoryWrite,
        CommandRow {
            id: 0x50,
            name: "memory write",
            payload: "any number of pairs: address (4) value (4)",
            fields: &[],
            tail: Some("address and value pairs"),
            length: LengthRule::MultipleOf(8),
            success: Success::Status,
            codes: &[Code(0x0501)],
            errors_count: false,
            burns_fuses: false,
            enabled: true,
        },
    ),
    (
        RomCommand::MemoryRead,
        CommandRow {
            id: 0x51,
            name: "memory read",
            payload: "address (4) length (4, at most 4092)",
            fields: ADDRESS_LENGTH,
            tail: None,
            length: LengthRule::Exactly(8),
            success: Success::Data,
            codes: &[Code(0x0504)],
            errors_count: false,
            burns_fuses: false,
            enabled: true,
        },
    ),
    (
        RomCommand::SealedEfuseWrite,
        CommandRow {
            id: 0x80,
            name: "encrypted eFuse write",
            payload: "address (4) data (at least 1), encrypted with the session key",
            fields: ADDRESS,
            tail: Some("data"),
            length: LengthRule::AtLeast(5),
            success: Success::Status,
            codes: &[Code(0x0401), Code(0x0402), Code(0x0605)],
            errors_count: false,
            burns_fuses: true,
            enabled: true,
        },
    ),
    (
        RomCommand::SealedEfuseRead,
        CommandRow {
            id: 0x81,
            name: "encrypted eFuse read",
            payload: "address (4) length (4)",
            fields: ADDRESS_LENGTH,
            tail: None,
            length: LengthRule::Exactly(8),
            success: Success::Data,
            codes: &[Code(0x0404), Code(0x0405), Code(0x0606)],
            errors_count: false,
            burns_fuses: false,
            enabled: true,
        },
    ),
    (
        RomCommand::EcdhGetKey,
        CommandRow {
            id: 0x90,
            name: "ECDH get key",
            payload: "public key of the host (64)",
            fields: &[],
            tail: Some("public key"),
            length: LengthRule::Exactly(64),
            success: Success::DataOfKnownLength(64),
            codes: &[Code(0x0601), Code(0x0602), Code(0x0603)],
            errors_count: false,
            burns_fuses: false,
            enabled: true,
        },
    ),
    (
        RomCommand::EcdhChallenge,
        CommandRow {
            id: 0x91,
            name: "ECDH challenge",
            payload: "64 bytes",
            fields: &[],
            tail: Some("challenge"),
            length: LengthRule::Exactly(64),
            success: Success::DataOfKnownLength(96),
            codes: &[Code(0x0601), Code(0x0604)],
            errors_count: false,
            burns_fuses: false,
            enabled: true,
        },
    ),
];
