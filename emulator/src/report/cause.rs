//! What is probably behind a failed session. Derived from what the chip did; nothing here knows any client.

use bl702_protocol::command::{LoaderCommand, RomCommand, foreign_command};
use bl702_protocol::efuse::Efuse;
use bl702_protocol::frame::HANDSHAKE_BYTE;

use super::ByteCounts;
use crate::Nanos;
use crate::event::{Event, Stage, TimedEvent};
use crate::line::Burst;
use crate::loader::flash_list::is_known;
use crate::module::Module;

/// A probable cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    /// One line.
    pub(super) cause: String,
    /// What it means and what to do.
    pub(super) explanation: String,
}

/// A command id that the stage it was sent to does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct UnknownId {
    stage: Stage,
    id: u8,
    /// The chip took parts of its frame for commands.
    payload_was_read: bool,
}

/// A write of the host that the chip is working on.
#[derive(Clone, Copy, Debug)]
struct Frame {
    first_byte: u8,
    first_arrival: Nanos,
    end: Nanos,
}

/// How long after the end of a frame the boot ROM may still be at work on it.
const LAG: Nanos = Nanos::from_millis(20);

/// What a host also sends to a RAM loader that it takes for the boot ROM: a question, and the start of an image.
const MISTAKEN_FOR_ROM: &[LoaderCommand] = &[LoaderCommand::GetBootInfo, LoaderCommand::MemoryWrite];

/// What a host that does not know its flash yet sends to a RAM loader.
const BEFORE_FLASH_IS_USED: &[LoaderCommand] = &[
    LoaderCommand::GetBootInfo,
    LoaderCommand::MemoryWrite,
    LoaderCommand::ReadMac,
    LoaderCommand::SetFlashParameters,
    LoaderCommand::ReadJedecId,
    LoaderCommand::Reset,
];

fn is_one_of(commands: &[LoaderCommand], id: u8) -> bool {
    commands.iter().any(|command| command.id() == id)
}

/// Collects what points to a cause.
#[derive(Debug)]
pub(super) struct Clues {
    uart_boot_disabled: bool,
    signed: bool,
    encrypted: bool,
    boot_high: bool,
    answered: bool,
    /// The RAM loader ran, and no session of the boot ROM had come before.
    found_loader: bool,
    loader_worked: bool,
    /// The flash's id, if the RAM loader does not know it.
    unknown_flash: Option<[u8; 3]>,
    flash_id_read: bool,
    flash_used: bool,
    image_tried: bool,
    handshake_tried: bool,
    frame: Option<Frame>,
    unknown: Vec<UnknownId>,
    /// Index in `unknown` of the one whose frame the chip is still searching.
    searching: Option<usize>,
    refused: Vec<u16>,
}

impl Clues {
    pub(super) fn new(module: &Module) -> Clues {
        let efuse = Efuse(module.otp().fuses());
        Clues {
            uart_boot_disabled: efuse.uartboot_disable(),
            signed: efuse.sign_required(),
            encrypted: efuse.cpu_enc_en(),
            found_loader: false,
            loader_worked: false,
            unknown_flash: Some(module.flash().jedec_id()).filter(|jedec_id| !is_known(*jedec_id)),
            flash_id_read: false,
            flash_used: false,
            image_tried: false,
            boot_high: module.boot_high(),
            answered: false,
            handshake_tried: false,
            frame: None,
            unknown: Vec::new(),
            searching: None,
            refused: Vec::new(),
        }
    }

    pub(super) fn host(&mut self, burst: &Burst) {
        let Some(first_byte) = burst.bytes.first() else { return };
        self.handshake_tried |= *first_byte == HANDSHAKE_BYTE;
        self.frame =
            Some(Frame { first_byte: *first_byte, first_arrival: burst.arrival(1), end: burst.end() + LAG });
    }

    pub(super) fn event(&mut self, timed: &TimedEvent) {
        match &timed.event {
            Event::Handshake { stage, .. } => {
                self.found_loader |= *stage == Stage::Loader && !self.answered;
                self.answered = true;
            }
            Event::Reset { boot_high } => self.boot_high = *boot_high,
            Event::SkippedByte { byte } => self.skipped(*byte, timed.at),
            Event::Reran { unknown_id, .. } => {
                self.begin_search(Stage::Rom, *unknown_id);
                self.payload_was_read(timed.at);
            }
            Event::Command { stage, id, known: false, .. } => self.begin_search(*stage, *id),
            Event::Command { stage: Stage::Rom, id, known: true, .. } => {
                self.image_tried |= *id == RomCommand::LoadBootHeader.id();
                self.payload_was_read(timed.at);
            }
            Event::Command { stage: Stage::Loader, id, known: true, .. } => {
                self.flash_id_read |= *id == LoaderCommand::ReadJedecId.id();
                self.loader_worked |= !is_one_of(MISTAKEN_FOR_ROM, *id);
                self.flash_used |= !is_one_of(BEFORE_FLASH_IS_USED, *id);
            }
            Event::Refused { stage, id, code } => {
                // An answer to the unknown command itself is none to its payload.
                let to_itself = self.searching.is_some_and(|index| self.unknown[index].id == *id);
                if *stage == Stage::Rom && !to_itself {
                    self.payload_was_read(timed.at);
                }
                self.refused.push(*code);
            }
            _ => {}
        }
    }

    /// The first byte of a write that the ROM passes over is a command id that it does not have.
    fn skipped(&mut self, byte: u8, at: Nanos) {
        let Some(frame) = self.frame else { return };
        if byte == frame.first_byte && byte != HANDSHAKE_BYTE && frame.first_arrival <= at && at <= frame.end
        {
            // Its other bytes are not looked at again.
            self.frame = Some(Frame { first_byte: HANDSHAKE_BYTE, ..frame });
            self.begin_search(Stage::Rom, byte);
        }
    }

    fn begin_search(&mut self, stage: Stage, id: u8) {
        let same = |unknown: &UnknownId| unknown.stage == stage && unknown.id == id;
        let index = self.unknown.iter().position(same).unwrap_or_else(|| {
            self.unknown.push(UnknownId { stage, id, payload_was_read: false });
            self.unknown.len() - 1
        });
        self.searching = Some(index);
    }

    fn payload_was_read(&mut self, at: Nanos) {
        if let (Some(index), Some(frame)) = (self.searching, self.frame)
            && at <= frame.end
        {
            self.unknown[index].payload_was_read = true;
        } else {
            self.searching = None;
        }
    }

    /// The most telling clue.
    pub(super) fn finding(&self, bytes: &ByteCounts) -> Option<Finding> {
        let foreign = self
            .unknown
            .iter()
            .find_map(|unknown| foreign_command(unknown.id).map(|meaning| wrong_profile(*unknown, meaning)));
        foreign
            .or_else(|| self.unknown.iter().find_map(|unknown| wrong_stage(*unknown)))
            .or_else(|| self.locked())
            .or_else(|| self.silence(bytes))
    }

    /// What the part or its state forbids.
    fn locked(&self) -> Option<Finding> {
        let refused = |code| self.refused.contains(&code);
        // Careful hosts read the boot info and do not even try.
        let gave_up = self.answered && !self.image_tried && !self.loader_worked;
        let (cause, explanation) = if refused(0x0206) || self.signed && gave_up {
            (
                "the part is signed: it refuses an unsigned image (FL0206)",
                "nothing but an image signed with the part's key starts",
            )
        } else if refused(0x0205) || self.encrypted && gave_up {
            (
                "the part is encrypted: it refuses an unencrypted image (FL0205)",
                "nothing but an image encrypted with the part's key starts",
            )
        } else if self.found_loader && gave_up {
            (
                "the RAM loader was already running",
                "many clients can't go on from there; reset the module first",
            )
        } else {
            return self.flash_not_known();
        };
        Some(Finding { cause: cause.to_owned(), explanation: explanation.to_owned() })
    }

    fn flash_not_known(&self) -> Option<Finding> {
        let [manufacturer, kind, capacity] = self.unknown_flash?;
        (self.flash_id_read && !self.flash_used).then(|| Finding {
            cause: format!(
                "the RAM loader does not know the flash (JEDEC id {manufacturer:02x} {kind:02x} {capacity:02x})"
            ),
            explanation: "many clients go no further then; with 00 00 00 or ff ff ff no flash answers at all"
                .to_owned(),
        })
    }

    fn silence(&self, bytes: &ByteCounts) -> Option<Finding> {
        let finding = |cause: &str, explanation: &str| {
            Some(Finding { cause: cause.to_owned(), explanation: explanation.to_owned() })
        };
        if bytes.to_module > 0 && bytes.to_module == bytes.while_in_reset {
            return finding(
                "the module was held in reset whenever the host sent something",
                "the line that drives EN stayed asserted; a client that does not use the lines needs --wiring none",
            );
        }
        if self.answered || !self.handshake_tried {
            return None;
        }
        if self.uart_boot_disabled {
            return finding(
                "UART boot is disabled in the eFuses: the boot ROM never answers a handshake",
                "USB is the only way left into such a part",
            );
        }
        if !self.boot_high {
            return finding(
                "BOOT was low at reset: the module booted its flash and heard no handshake",
                "BOOT must be high while EN goes high",
            );
        }
        None
    }
}

fn wrong_profile(unknown: UnknownId, meaning: &str) -> Finding {
    let UnknownId { stage, id, payload_was_read } = unknown;
    let place = match stage {
        Stage::Rom => "this ROM",
        Stage::Loader => "the RAM loader",
    };
    let read = if payload_was_read { "; its payload was read as commands" } else { "" };
    Finding {
        cause: format!("wrong chip profile: command 0x{id:02x} does not exist in {place}{read}"),
        explanation: format!("on other chips it is: {meaning}; tell the client that the chip is a BL702"),
    }
}

/// An id that the other stage has.
fn wrong_stage(unknown: UnknownId) -> Option<Finding> {
    let UnknownId { stage, id, payload_was_read } = unknown;
    let read = if payload_was_read { "; its payload was read as commands" } else { "" };
    match stage {
        Stage::Rom => LoaderCommand::from_id(id).map(|command| Finding {
            cause: format!(
                "command 0x{id:02x} ({}) was sent to the boot ROM, but only the RAM loader has it{read}",
                command.name()
            ),
            explanation: "the RAM loader was not loaded, or did not start, or a reset ended it".to_owned(),
        }),
        Stage::Loader => RomCommand::from_id(id).map(|command| Finding {
            cause: format!(
                "command 0x{id:02x} ({}) was sent to the RAM loader, but only the boot ROM has it",
                command.name()
            ),
            explanation: "the RAM loader was already running; reset the module first".to_owned(),
        }),
    }
}
