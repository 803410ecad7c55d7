//! The strict, incremental reply decoder.

use super::{FAIL, OK, PENDING, Reply};
use crate::code::Code;

/// What a reply to a command may look like. `FL` and a code may stand in place of any of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyShape {
    /// `OK`.
    Status,
    /// `OK`, length, data.
    Data,
    /// `PD` any number of times, then `OK` (loader commands 30h and 3Ch).
    PendingThenStatus,
    /// `OK`, a length field that is not to be trusted, then exactly this many bytes.
    ///
    /// Loader commands 37h and 38h send `n & FFh` as the length and then n bytes; ROM commands 90h and 91h send 0
    /// and then 64 or 96 bytes.
    DataOfKnownLength(u16),
}

/// Bytes that no reply of the expected shape can hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}, got {}", hex(.got))]
pub struct ReplyError {
    /// What would have been right here.
    pub expected: &'static str,
    /// The bytes that came instead, from the start of the reply.
    pub got: Vec<u8>,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Collecting the two letters.
    Word,
    /// Collecting the two code bytes of `FL`.
    Code,
    /// Collecting the two length bytes.
    Length,
    /// Collecting this many data bytes.
    Data(usize),
    /// A final reply was given.
    Finished,
}

/// Decodes the reply to one command from bytes as they arrive.
///
/// Feed it with [`push`](Self::push) until it returns a reply other than [`Reply::Pending`]. It takes no byte beyond
/// the end of the reply, so what is left over stays with the caller, who decides whether surplus bytes are an error.
/// Data are copied once, into a buffer of the announced size.
#[derive(Clone, Debug)]
pub struct ReplyDecoder {
    shape: ReplyShape,
    state: State,
    head: [u8; 2],
    head_len: usize,
    data: Vec<u8>,
}

impl ReplyDecoder {
    /// A decoder for one reply of this shape.
    pub fn new(shape: ReplyShape) -> ReplyDecoder {
        ReplyDecoder { shape, state: State::Word, head: [0; 2], head_len: 0, data: Vec::new() }
    }

    /// Takes bytes from the front of `bytes` and says how many it took, and the reply if one is complete.
    ///
    /// A [`Reply::Pending`] leaves the decoder ready for what follows it. After any other reply it takes nothing more.
    ///
    /// # Errors
    /// [`ReplyError`] as soon as a byte cannot belong to a reply of the expected shape. The decoder is then finished.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(usize, Option<Reply>), ReplyError> {
        let mut taken = 0;
        loop {
            if let State::Data(length) = self.state {
                let part = (length - self.data.len()).min(bytes.len() - taken);
                self.data.extend_from_slice(&bytes[taken..taken + part]);
                taken += part;
                if self.data.len() < length {
                    return Ok((taken, None));
                }
                self.state = State::Finished;
                return Ok((taken, Some(Reply::Data(core::mem::take(&mut self.data)))));
            }
            if self.state == State::Finished || taken == bytes.len() {
                return Ok((taken, None));
            }
            self.head[self.head_len] = bytes[taken];
            self.head_len += 1;
            taken += 1;
            if self.state == State::Word {
                self.check_word()?;
            }
            if self.head_len == 2 {
                self.head_len = 0;
                if let Some(reply) = self.end_of_pair() {
                    return Ok((taken, Some(reply)));
                }
            }
        }
    }

    /// Whether a final reply or an error was given.
    pub fn is_finished(&self) -> bool {
        self.state == State::Finished
    }

    /// Whether some bytes of a reply have come, but not all of it.
    pub fn is_partial(&self) -> bool {
        !self.is_finished() && (self.state != State::Word || self.head_len != 0)
    }

    /// Bytes still missing, as far as it is known now (at least 1 unless finished).
    pub fn missing(&self) -> usize {
        match self.state {
            State::Finished => 0,
            State::Data(length) => length - self.data.len(),
            State::Word | State::Code | State::Length => 2 - self.head_len,
        }
    }

    fn words(&self) -> (&'static str, &'static [[u8; 2]]) {
        match self.shape {
            ReplyShape::PendingThenStatus => ("OK, PD or FL", &[OK, FAIL, PENDING]),
            ReplyShape::Status | ReplyShape::Data | ReplyShape::DataOfKnownLength(_) => {
                ("OK or FL", &[OK, FAIL])
            }
        }
    }

    fn check_word(&mut self) -> Result<(), ReplyError> {
        let (expected, words) = self.words();
        let got = &self.head[..self.head_len];
        if words.iter().any(|word| word.starts_with(got)) {
            return Ok(());
        }
        let got = got.to_vec();
        self.state = State::Finished;
        Err(ReplyError { expected, got })
    }

    /// Two bytes of a word, code or length are complete.
    fn end_of_pair(&mut self) -> Option<Reply> {
        match (self.state, self.head) {
            (State::Word, FAIL) => self.state = State::Code,
            (State::Word, PENDING) => return Some(Reply::Pending),
            (State::Word, _) if matches!(self.shape, ReplyShape::Status | ReplyShape::PendingThenStatus) => {
                self.state = State::Finished;
                return Some(Reply::Ok);
            }
            (State::Word, _) => self.state = State::Length,
            (State::Code, wire) => {
                self.state = State::Finished;
                return Some(Reply::Refused(Code::from_wire(wire)));
            }
            (State::Length, field) => {
                let length = match self.shape {
                    ReplyShape::DataOfKnownLength(length) => length,
                    _ => u16::from_le_bytes(field),
                };
                self.data.reserve_exact(usize::from(length));
                self.state = State::Data(usize::from(length));
                if length == 0 {
                    self.state = State::Finished;
                    return Some(Reply::Data(Vec::new()));
                }
            }
            (State::Data(_) | State::Finished, _) => {}
        }
        None
    }
}

#[cfg(test)]
mod tests;
