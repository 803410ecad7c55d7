//! Requests and what came back, as data: for programs that compare or measure recordings.

use super::{Dissector, Side};
use crate::code::Code;
use crate::frame::Reply;
use crate::time::Nanos;
use crate::trace::Record;

/// Payload bytes of a request that are kept: addresses and lengths stand first.
const PAYLOAD_KEPT: usize = 16;

/// What the host has sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Requested {
    /// Nothing yet: the chip spoke first.
    Nothing,
    /// A handshake of this many 55h.
    Handshake {
        /// How many.
        bytes: usize,
    },
    /// A command, whether it is answered or not.
    Command {
        /// Its id.
        id: u8,
        /// Its name.
        name: &'static str,
        /// Bytes of its payload.
        payload_bytes: usize,
        /// The first of them.
        payload: Vec<u8>,
    },
}

/// A word of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// `OK` and nothing else.
    Ok,
    /// `OK` and this many bytes of data.
    Data(usize),
    /// `PD`.
    Pending,
    /// `FL` and a code.
    Refused(Code),
}

/// A request and what came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// Who was asked, as far as the recording tells by then.
    pub side: Side,
    /// What the host has sent.
    pub requested: Requested,
    /// Its rate.
    pub baud_bps: u32,
    /// Bytes that the host had sent before.
    pub host_offset: u64,
    /// Start of its first byte.
    pub start: Nanos,
    /// End of its last byte.
    pub sent: Nanos,
    /// Whether an answer is due.
    pub expects_answer: bool,
    /// Words of the answer and when each began.
    pub words: Vec<(Nanos, Word)>,
    /// All bytes of the answer.
    pub reply: Vec<u8>,
    /// Bytes that came after it and belong to no request, and when they began.
    pub stray: Vec<u8>,
    /// When the first of them began.
    pub stray_at: Option<Nanos>,
}

impl Exchange {
    /// The command's id, if it is a command.
    pub fn id(&self) -> Option<u8> {
        match &self.requested {
            Requested::Command { id, .. } => Some(*id),
            _ => None,
        }
    }

    /// The word of four bytes at this place of the payload.
    pub fn payload_word(&self, offset: usize) -> Option<u32> {
        let Requested::Command { payload, .. } = &self.requested else { return None };
        payload.get(offset..offset + 4)?.try_into().ok().map(u32::from_le_bytes)
    }

    /// Bytes of the request's payload.
    pub fn payload_bytes(&self) -> usize {
        match &self.requested {
            Requested::Command { payload_bytes, .. } => *payload_bytes,
            _ => 0,
        }
    }

    /// When the first byte of the answer began.
    pub fn answered_at(&self) -> Option<Nanos> {
        self.words.first().map(|(at, _)| *at)
    }
}

/// The requests of a recording, in order, with what came back for each.
pub fn exchanges<'a>(records: impl IntoIterator<Item = &'a Record>) -> Vec<Exchange> {
    let mut dissector = Dissector::new();
    dissector.ledger.kept = Some(Vec::new());
    for record in records {
        dissector.record(record);
    }
    dissector.finish();
    let mut exchanges = dissector.ledger.kept.unwrap_or_default();
    name_sides(&mut exchanges);
    exchanges
}

/// Who has answered a handshake shows later, when boot info tells.
fn name_sides(exchanges: &mut [Exchange]) {
    let mut later = Side::Unknown;
    for exchange in exchanges.iter_mut().rev() {
        if exchange.side != Side::Unknown {
            later = exchange.side;
        } else if !exchange.reply.is_empty() {
            exchange.side = later;
        }
        // What was before a handshake may have been somebody else.
        if matches!(exchange.requested, Requested::Handshake { .. }) {
            later = Side::Unknown;
        }
    }
}

/// Keeps exchanges while a recording is dissected; nothing unless somebody wants them.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) kept: Option<Vec<Exchange>>,
    pub(super) baud_bps: u32,
    /// Bytes that the host has sent so far.
    pub(super) host_bytes: u64,
    /// Where the frame in progress, or the run of 55h, began.
    pub(super) start: Nanos,
    pub(super) start_offset: u64,
    /// End of the last byte of the host.
    pub(super) end: Nanos,
}

impl Ledger {
    /// A request; gives the number that its answer goes under.
    pub(super) fn open(&mut self, side: Side, requested: Requested, expects_answer: bool) -> Option<usize> {
        let (start, sent, host_offset, baud_bps) = (self.start, self.end, self.start_offset, self.baud_bps);
        let kept = self.kept.as_mut()?;
        kept.push(Exchange {
            side,
            requested,
            baud_bps,
            host_offset,
            start,
            sent,
            expects_answer,
            words: Vec::new(),
            reply: Vec::new(),
            stray: Vec::new(),
            stray_at: None,
        });
        Some(kept.len() - 1)
    }

    /// A command.
    pub(super) fn command(
        &mut self,
        side: Side,
        id: u8,
        name: &'static str,
        payload: &[u8],
        expects_answer: bool,
    ) -> Option<usize> {
        self.kept.as_ref()?;
        let kept = payload[..payload.len().min(PAYLOAD_KEPT)].to_vec();
        let requested = Requested::Command { id, name, payload_bytes: payload.len(), payload: kept };
        self.open(side, requested, expects_answer)
    }

    /// More of the handshake that was opened last.
    pub(super) fn more_handshake(&mut self, count: usize) {
        let end = self.end;
        if let Some(last) = self.kept.as_mut().and_then(|kept| kept.last_mut())
            && let Requested::Handshake { bytes } = &mut last.requested
        {
            *bytes += count;
            last.sent = end;
        }
    }

    /// The handshake that was opened last is answered.
    pub(super) fn handshake_answered(&mut self, at: Nanos, side: Side, reply: &[u8]) {
        let last = self.kept.as_mut().and_then(|kept| {
            kept.iter_mut().rfind(|exchange| matches!(exchange.requested, Requested::Handshake { .. }))
        });
        if let Some(last) = last {
            last.side = side;
            last.reply.extend_from_slice(reply);
            last.words.push((at, Word::Ok));
        }
    }

    /// Bytes of an answer.
    pub(super) fn answer(&mut self, number: Option<usize>, bytes: &[u8], word: Option<(Nanos, &Reply)>) {
        let Some(exchange) = number.and_then(|number| self.kept.as_mut()?.get_mut(number)) else { return };
        exchange.reply.extend_from_slice(bytes);
        if let Some((at, reply)) = word {
            let word = match reply {
                Reply::Ok => Word::Ok,
                Reply::Data(data) => Word::Data(data.len()),
                Reply::Pending => Word::Pending,
                Reply::Refused(code) => Word::Refused(*code),
            };
            exchange.words.push((at, word));
        }
    }

    /// Bytes that belong to no request: they stand with the newest one.
    pub(super) fn stray(&mut self, at: Nanos, bytes: &[u8]) {
        if self.kept.as_ref().is_some_and(Vec::is_empty) {
            self.open(Side::Unknown, Requested::Nothing, false);
        }
        if let Some(last) = self.kept.as_mut().and_then(|kept| kept.last_mut()) {
            last.stray.extend_from_slice(bytes);
            last.stray_at.get_or_insert(at);
        }
    }
}
