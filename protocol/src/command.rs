//! Every command of the boot ROM and of the RAM loader.
//!
//! Sources: `reference/rom-and-module.md` section 1.4 (23 ids, 32h present but disabled) and
//! `reference/loader-protocol.md` section 4 (22 ids).

mod foreign;
mod loader;
mod rom;

pub use foreign::{FOREIGN_COMMANDS, ForeignCommand, foreign_command};
pub use loader::{LOADER_COMMANDS, LoaderCommand};
pub use rom::{ROM_COMMANDS, RomCommand};

use crate::code::Code;
use crate::frame::ReplyShape;

/// A fixed part of a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Field term, as in the reference.
    pub name: &'static str,
    /// Bytes, little-endian.
    pub bytes: u8,
}

/// Which payload lengths a side takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LengthRule {
    /// The payload is ignored.
    Any,
    /// Exactly this many bytes.
    Exactly(u16),
    /// At least this many bytes.
    AtLeast(u16),
    /// At most this many bytes.
    AtMost(u16),
    /// One of two lengths.
    Either(u16, u16),
    /// A multiple of this many bytes; 0 is one.
    MultipleOf(u16),
}

impl LengthRule {
    /// Whether a payload of this length is taken.
    pub const fn accepts(self, length: usize) -> bool {
        match self {
            LengthRule::Any => true,
            LengthRule::Exactly(bytes) => length == bytes as usize,
            LengthRule::AtLeast(bytes) => length >= bytes as usize,
            LengthRule::AtMost(bytes) => length <= bytes as usize,
            LengthRule::Either(one, other) => length == one as usize || length == other as usize,
            LengthRule::MultipleOf(bytes) => length.is_multiple_of(bytes as usize),
        }
    }
}

/// What success looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Success {
    /// `OK`.
    Status,
    /// `OK`, length, data.
    Data,
    /// `PD` any number of times, then `OK`.
    PendingThenStatus,
    /// `OK`, a length that is not to be trusted, and as many bytes as the second payload word says (37h, 38h).
    DataAsAsked,
    /// `OK 00 00` and then this many bytes (90h, 91h).
    DataOfKnownLength(u16),
    /// Nothing: the command is present but disabled.
    Never,
}

/// One row of a command table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandRow {
    /// Id on the wire.
    pub id: u8,
    /// Name for people.
    pub name: &'static str,
    /// Payload layout in words.
    pub payload: &'static str,
    /// Fixed fields at the start of the payload, in order.
    pub fields: &'static [Field],
    /// What follows the fixed fields, if anything does.
    pub tail: Option<&'static str>,
    /// Which payload lengths are taken; others give one of [`codes`](Self::codes), or silence.
    pub length: LengthRule,
    /// What success looks like.
    pub success: Success,
    /// Codes this command can send.
    pub codes: &'static [Code],
    /// Whether its refusals count toward the three that end a loader session. Never on the ROM.
    pub errors_count: bool,
    /// Whether it burns eFuses.
    pub burns_fuses: bool,
    /// Whether the side answers it at all.
    pub enabled: bool,
}

impl CommandRow {
    /// The shape of the reply to a request with this payload.
    pub fn reply_shape(&self, payload: &[u8]) -> ReplyShape {
        match self.success {
            Success::Status | Success::Never => ReplyShape::Status,
            Success::Data => ReplyShape::Data,
            Success::PendingThenStatus => ReplyShape::PendingThenStatus,
            Success::DataOfKnownLength(length) => ReplyShape::DataOfKnownLength(length),
            Success::DataAsAsked => {
                let asked = payload.get(4..8).and_then(|word| word.try_into().ok()).map(u32::from_le_bytes);
                ReplyShape::DataOfKnownLength(asked.and_then(|n| u16::try_from(n).ok()).unwrap_or(0))
            }
        }
    }
}

const fn field(name: &'static str, bytes: u8) -> Field {
    Field { name, bytes }
}

#[cfg(test)]
mod tests;
