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

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// What the ROM finds in some bytes: ids and payload lengths, and how much is missing of a frame in progress.
    fn finds(bytes: &[u8]) -> (Vec<(u8, usize)>, usize) {
        let mut parser = RomParser::default();
        let found = bytes.iter().filter_map(|byte| parser.push(*byte)).map(|finds| match finds {
            RomFinds::Command { command, payload } => (command.id(), payload.len()),
            RomFinds::TooLong { command, length } => (command.id(), usize::from(length)),
        });
        let found = found.collect();
        (found, if parser.is_idle() { 0 } else { parser.missing() })
    }

    // The first four are rows of fixtures/vectors/rom.jsonl that are polled byte by byte; the answers there tell what
    // the ROM found.
    #[rstest]
    #[case::disabled_32_is_unknown(&[0x32, 0, 0, 0], &[], 0)]
    #[case::command_inside_an_unknown_one(&[0x3b, 0, 4, 0, 0x10, 0, 0, 0], &[(0x10, 0)], 0)]
    #[case::burst_of_55(&[0x55; 8], &[], 0)]
    #[case::rest_of_an_over_long_frame(
        &[0x18, 0, 0xff, 0xff, 0x10, 0, 0, 0], &[(0x18, 0xffff), (0x10, 0)], 0
    )]
    #[case::header_in_progress(&[0x10, 0], &[], 2)]
    #[case::payload_in_progress(&[0x41, 0, 8, 0, 0x14], &[], 7)]
    fn views(#[case] bytes: &[u8], #[case] found: &[(u8, usize)], #[case] missing: usize) {
        assert_eq!(finds(bytes), (found.to_vec(), missing));
    }
}
