//! The boot ROM's frame parser, with the faults that its shape brings about.
//!
//! The ROM works on what one poll of the UART found. A header that it meets with fewer than four bytes left in the
//! poll is looked at byte by byte, and a byte that is no known id is skipped. With four or more bytes left the
//! header is taken as a whole *before* the id is looked up, and a failed look-up changes nothing: the command of
//! the last known id stays selected, with its fill count, and is run with the new length
//! (`reference/rom-and-module.md` section 1.3). Nothing here knows any particular unknown id.

use bl702_protocol::command::RomCommand;
use bl702_protocol::frame::ROM_MAX_PAYLOAD;

use crate::fault::IdSet;

/// Bytes in a request header: id, reserved, length (little-endian, 2 bytes).
const HEADER_LEN: usize = 4;

/// What one step of the parser came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The poll is used up.
    NeedMore,
    /// A byte that is no command id was passed over.
    Skipped(u8),
    /// The length is over 4092: the caller answers FL0201; the rest of the poll is gone.
    Overlong,
    /// A whole command: its payload is `payload(length)`.
    Execute { command: RomCommand, length: usize },
    /// The same, but under an id that is not in the table: the previous command runs again.
    Rerun { unknown_id: u8, command: RomCommand, length: usize },
    /// A whole command under an id that only a fault knows.
    Claimed { id: u8, length: usize },
    /// An unknown id was taken with its payload while no command had been selected: nothing happens.
    NothingSelected { unknown_id: u8 },
    /// The fill count left by an earlier command is larger than the new length: the ROM copies almost 4 GiB.
    CopyRunsAway,
}

#[derive(Debug)]
enum Phase {
    Header { bytes: [u8; HEADER_LEN], have: usize },
    Payload,
}

/// Frame state of one ISP session.
#[derive(Debug)]
pub(super) struct Parser {
    phase: Phase,
    /// The command of the last id that was found in the table; an unknown id does not change it.
    selected: Option<RomCommand>,
    /// The id in the header at hand when it was not in the table.
    unknown_id: Option<u8>,
    /// Ids that faults answer though they are not in the table; none in a healthy module.
    claims: IdSet,
    /// The id in the header at hand when it is one of these.
    claimed: Option<u8>,
    length: usize,
    /// How much of a payload that came in pieces has been stored. Set to 0 when a known id is taken, and only then.
    fill: usize,
    payload: Box<[u8; ROM_MAX_PAYLOAD]>,
}

impl Parser {
    /// The state just after a handshake: all zero.
    pub(super) fn new() -> Parser {
        Parser {
            phase: Phase::Header { bytes: [0; HEADER_LEN], have: 0 },
            selected: None,
            unknown_id: None,
            claims: IdSet::default(),
            claimed: None,
            length: 0,
            fill: 0,
            payload: Box::new([0; ROM_MAX_PAYLOAD]),
        }
    }

    /// Takes whole frames under these ids too.
    pub(super) fn claim(&mut self, ids: IdSet) {
        self.claims = ids;
    }

    /// The first `length` bytes of the payload buffer; what lies behind a short payload is left from earlier ones.
    pub(super) fn buffer(&self) -> &[u8; ROM_MAX_PAYLOAD] {
        &self.payload
    }

    /// How many more bytes the payload at hand needs, if the parser is inside a payload.
    ///
    /// Inside a payload nothing depends on how the bytes are spread over polls, so the caller may wait for all.
    pub(super) fn payload_missing(&self) -> Option<usize> {
        match self.phase {
            Phase::Payload if self.fill < self.length => Some(self.length - self.fill),
            _ => None,
        }
    }

    /// Works on `poll`, the rest of what one poll found, and takes what it used from its front.
    pub(super) fn step(&mut self, poll: &mut &[u8]) -> Step {
        if poll.is_empty() {
            return Step::NeedMore;
        }
        match self.phase {
            Phase::Payload => self.continue_payload(poll),
            Phase::Header { have: 0, .. } if poll.len() >= HEADER_LEN => {
                let (header, rest) = poll.split_at(HEADER_LEN);
                let header = [header[0], header[1], header[2], header[3]];
                *poll = rest;
                self.select(header[0]);
                self.begin_payload(header, poll)
            }
            Phase::Header { mut bytes, have } => {
                let byte = poll[0];
                *poll = &poll[1..];
                if have == 0 && accepted(byte).is_none() && !self.claims.contains(byte) {
                    return Step::Skipped(byte);
                }
                if have == 0 {
                    self.select(byte);
                }
                bytes[have] = byte;
                if have + 1 < HEADER_LEN {
                    self.phase = Phase::Header { bytes, have: have + 1 };
                    return self.step(poll);
                }
                self.begin_payload(bytes, poll)
            }
        }
    }

    fn select(&mut self, id: u8) {
        self.claimed = None;
        match accepted(id) {
            Some(command) => {
                self.selected = Some(command);
                self.unknown_id = None;
                self.fill = 0;
            }
            None if self.claims.contains(id) => {
                self.claimed = Some(id);
                self.unknown_id = None;
                self.fill = 0;
            }
            None => self.unknown_id = Some(id),
        }
    }

    fn begin_payload(&mut self, header: [u8; HEADER_LEN], poll: &mut &[u8]) -> Step {
        self.phase = Phase::Header { bytes: [0; HEADER_LEN], have: 0 };
        self.length = usize::from(u16::from_le_bytes([header[2], header[3]]));
        if self.length > ROM_MAX_PAYLOAD {
            *poll = &[];
            return Step::Overlong;
        }
        if poll.len() >= self.length {
            // The whole payload is in this poll: it is copied in one go, past the fill count.
            let (payload, rest) = poll.split_at(self.length);
            self.payload[..self.length].copy_from_slice(payload);
            *poll = rest;
            return self.execute();
        }
        self.phase = Phase::Payload;
        if poll.is_empty() { Step::NeedMore } else { self.continue_payload(poll) }
    }

    fn continue_payload(&mut self, poll: &mut &[u8]) -> Step {
        if self.fill > self.length {
            return Step::CopyRunsAway;
        }
        let n = poll.len().min(self.length - self.fill);
        let (piece, rest) = poll.split_at(n);
        self.payload[self.fill..self.fill + n].copy_from_slice(piece);
        self.fill += n;
        *poll = rest;
        if self.fill < self.length {
            return Step::NeedMore;
        }
        self.phase = Phase::Header { bytes: [0; HEADER_LEN], have: 0 };
        self.execute()
    }

    fn execute(&mut self) -> Step {
        let length = self.length;
        if let Some(id) = self.claimed.take() {
            return Step::Claimed { id, length };
        }
        match (self.unknown_id.take(), self.selected) {
            (None, Some(command)) => Step::Execute { command, length },
            (Some(unknown_id), Some(command)) => Step::Rerun { unknown_id, command, length },
            (Some(unknown_id), None) => Step::NothingSelected { unknown_id },
            (None, None) => Step::NeedMore,
        }
    }
}

/// The command that `id` selects. 0x32 is in the ROM's table but switched off, which makes it as good as unknown.
fn accepted(id: u8) -> Option<RomCommand> {
    RomCommand::from_id(id).filter(|command| *command != RomCommand::FlashRead)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds polls of `size` bytes and gives what was executed as (id run, length), `(0, 0)` for FL0201.
    fn run(parser: &mut Parser, bytes: &[u8], size: usize) -> Vec<(u8, usize)> {
        let mut ran = Vec::new();
        for poll in bytes.chunks(size) {
            let mut rest = poll;
            while !rest.is_empty() {
                match parser.step(&mut rest) {
                    Step::Execute { command, length } | Step::Rerun { command, length, .. } => {
                        ran.push((command.id(), length));
                    }
                    Step::Overlong => ran.push((0, 0)),
                    _ => {}
                }
            }
        }
        ran
    }

    #[test]
    fn an_unknown_id_in_a_poll_of_four_runs_the_previous_command() {
        let mut parser = Parser::new();
        assert_eq!(run(&mut parser, &[0x10, 0, 0, 0], 4), [(0x10, 0)]);
        assert_eq!(run(&mut parser, &[0x36, 0, 0, 0], 4), [(0x10, 0)]);
        assert_eq!(run(&mut parser, &[0x36, 0, 0, 0], 3), []);
    }

    #[test]
    fn bytes_of_an_unknown_command_are_searched_for_ids() {
        let mut parser = Parser::new();
        assert_eq!(run(&mut parser, &[0x3b, 0, 4, 0, 0x10, 0, 0, 0], 1), [(0x10, 0)]);
    }

    #[test]
    fn a_stale_fill_count_keeps_the_head_of_the_old_payload() {
        let mut parser = Parser::new();
        run(&mut parser, &[0x51, 0, 8, 0, 1, 2, 3, 4, 5, 6, 7, 8], 4);
        assert_eq!(run(&mut parser, &[0x3b, 0, 9, 0, 0xee], 4), [(0x51, 9)]);
        assert_eq!(parser.buffer()[..9], [1, 2, 3, 4, 5, 6, 7, 8, 0xee]);
    }

    #[test]
    fn a_payload_shorter_than_the_stale_fill_count_runs_away() {
        let mut parser = Parser::new();
        run(&mut parser, &[0x51, 0, 8, 0, 1, 2, 3, 4, 5, 6, 7, 8], 4);
        let mut header: &[u8] = &[0x3b, 0, 4, 0];
        assert_eq!(parser.step(&mut header), Step::NeedMore);
        let mut payload: &[u8] = &[0xee; 4];
        assert_eq!(parser.step(&mut payload), Step::CopyRunsAway);
    }
}
