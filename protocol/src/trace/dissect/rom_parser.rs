//! The boot ROM's view of the host's bytes, one byte a poll.

use crate::command::RomCommand;
use crate::frame::{ROM_MAX_PAYLOAD, RequestHeader};

/// What the ROM makes of some bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RomFinds {
    /// A whole command.
    Command {
        /// The command.
        command: RomCommand,
        /// Its payload.
        payload: Vec<u8>,
    },
    /// A header with a length over 4092, answered `FL 0102`.
    TooLong {
        /// The id.
        command: RomCommand,
        /// The length field.
        length: u16,
    },
}

/// Follows the ROM's parser: unknown bytes are skipped, an enabled id starts a frame, from there on it is positional.
#[derive(Debug, Default)]
pub(super) struct RomParser {
    frame: Vec<u8>,
}

impl RomParser {
    /// Takes the next byte and says what is complete.
    pub(super) fn push(&mut self, byte: u8) -> Option<RomFinds> {
        if self.frame.is_empty() && !RomCommand::from_id(byte).is_some_and(RomCommand::is_enabled) {
            return None;
        }
        self.frame.push(byte);
        let (command, length) = self.in_progress()?;
        if usize::from(length) > ROM_MAX_PAYLOAD {
            self.frame.clear();
            return Some(RomFinds::TooLong { command, length });
        }
        if self.frame.len() < RequestHeader::LEN + usize::from(length) {
            return None;
        }
        let payload = self.frame.split_off(RequestHeader::LEN);
        self.frame.clear();
        Some(RomFinds::Command { command, payload })
    }

    /// The command of the frame in progress and its length, once the header is complete.
    pub(super) fn in_progress(&self) -> Option<(RomCommand, u16)> {
        let header = RequestHeader::parse(*self.frame.first_chunk()?);
        Some((RomCommand::from_id(header.id)?, header.length))
    }

    /// Payload bytes that the frame in progress still lacks.
    pub(super) fn missing(&self) -> usize {
        let announced = self.in_progress().map_or(0, |(_, length)| usize::from(length));
        (RequestHeader::LEN + announced).saturating_sub(self.frame.len())
    }

    /// Whether no frame is in progress.
    pub(super) fn is_idle(&self) -> bool {
        self.frame.is_empty()
    }
}
