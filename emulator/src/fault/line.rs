//! The line seam: bytes on their way, byte by byte.

use std::collections::VecDeque;

use bl702_protocol::time::Nanos;
use rand::Rng;

use super::effect::{LineEffect, LineLevel};
use super::frame::command_in_words;
use super::trigger::{Armed, Occasion};
use super::when::{Direction, ReplyKind};
use crate::line::Burst;

/// Bytes in a full packet of an FTDI adapter: 64 less two of status.
const FTDI_PACKET_BYTES: usize = 62;
/// A full-speed USB frame.
const USB_FRAME: Nanos = Nanos::from_millis(1);

/// One direction of the line.
#[derive(Debug)]
pub(super) struct Wire {
    direction: Direction,
    /// Bytes that have come so far.
    count: u64,
    /// How many of them were sent before the session.
    session_start: u64,
    /// When the last byte let through has passed.
    free: Nanos,
    /// The constant level, and until when.
    stuck_until: Option<Nanos>,
    /// Nothing is handed on before this time.
    clog_until: Nanos,
    /// How many more bytes are noise, and the fault that makes it.
    noise: Option<(usize, u32)>,
    /// Faults that may act on the burst at hand.
    candidates: Vec<usize>,
}

/// What becomes of one byte.
struct Shape {
    before: Option<u8>,
    byte: Option<u8>,
    twice: bool,
    later: Nanos,
}

impl Wire {
    pub(super) fn new(direction: Direction) -> Wire {
        Wire {
            direction,
            count: 0,
            session_start: 0,
            free: Nanos::ZERO,
            stuck_until: None,
            clog_until: Nanos::ZERO,
            noise: None,
            candidates: Vec::new(),
        }
    }

    /// How many bytes have come.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// So many bytes have come before anybody looked.
    pub(super) fn start_at(&mut self, count: u64) {
        self.count = count;
    }

    /// A session has begun when so many bytes had been sent.
    pub(super) fn begin_session(&mut self, sent: u64) {
        self.session_start = sent;
    }

    /// What is known of byte `index` of a burst, besides what `occasion` says of its frame.
    pub(super) fn occasion(&self, burst: &Burst, index: usize, occasion: Occasion) -> Occasion {
        let byte = self.count + index as u64;
        Occasion {
            at: burst.arrival(index),
            direction: Some(self.direction),
            byte: Some(byte),
            session_byte: byte.checked_sub(self.session_start),
            ..occasion
        }
    }

    /// Whether a burst holds bytes that a fault may act on; [`Wire::pass`] need not know of their frames otherwise.
    pub(super) fn looks_at(&mut self, faults: &[Armed<LineEffect>], burst: &Burst) -> bool {
        let bytes = (self.count, self.count + burst.bytes.len() as u64);
        let session =
            (bytes.0.saturating_sub(self.session_start), bytes.1.saturating_sub(self.session_start));
        let (direction, session_start) = (self.direction, self.session_start);
        let may_act = |fault: &Armed<LineEffect>| {
            let when = &fault.when;
            fault.may_still_act()
                && when.direction.is_none_or(|wanted| wanted == direction)
                && when.byte.is_none_or(|span| span.meets(bytes.0, bytes.1))
                && when
                    .session_byte
                    .is_none_or(|span| bytes.1 > session_start && span.meets(session.0, session.1))
                && when.time_us.is_none_or(|span| span.meets(burst.start.0 / 1000, burst.end().0 / 1000 + 1))
                && match &fault.effect {
                    LineEffect::GarbageAbove { baud_bps } => burst.baud_bps > *baud_bps,
                    LineEffect::Latency { .. } | LineEffect::ShortReads { .. } => false,
                    _ => true,
                }
        };
        self.candidates.clear();
        self.candidates.extend((0..faults.len()).filter(|index| may_act(&faults[*index])));
        !self.candidates.is_empty()
    }

    /// Lets a burst through; gives to `out` what comes out at the other end, in the order of time.
    ///
    /// `frame` says of each byte of the burst what it is part of. [`Wire::looks_at`] was called before.
    pub(super) fn pass(
        &mut self,
        faults: &mut [Armed<LineEffect>],
        burst: Burst,
        mut frame: impl FnMut(&Burst, usize) -> Occasion,
        mut out: impl FnMut(Burst),
    ) {
        let is_clear = self.stuck_until.is_none() && self.noise.is_none() && self.free <= burst.start;
        if self.candidates.is_empty() && is_clear {
            self.count += burst.bytes.len() as u64;
            self.free = burst.end();
            return out(burst);
        }
        let byte_time = Nanos::byte_times(1, burst.baud_bps);
        let mut piece = Burst { start: Nanos::ZERO, baud_bps: burst.baud_bps, bytes: Vec::new() };
        let mut garbled = false;
        for index in 0..burst.bytes.len() {
            let occasion = self.occasion(&burst, index, frame(&burst, index));
            if self.is_stuck(occasion.at) {
                continue;
            }
            let shape = self.shape(faults, &burst, index, &occasion, &mut garbled);
            let mut at = occasion.at.max(self.free) + shape.later;
            let byte = shape.byte;
            let again = byte.filter(|_| shape.twice);
            for byte in [shape.before, byte, again].into_iter().flatten() {
                if piece.bytes.is_empty() || piece.end() != at {
                    if !piece.bytes.is_empty() {
                        let next = Burst { start: at, baud_bps: burst.baud_bps, bytes: Vec::new() };
                        out(std::mem::replace(&mut piece, next));
                    }
                    piece.start = at;
                }
                piece.bytes.push(byte);
                at = piece.end().max(at + byte_time);
            }
            self.free = self.free.max(at);
        }
        self.count += burst.bytes.len() as u64;
        if !piece.bytes.is_empty() {
            self.free = self.free.max(piece.end());
            out(piece);
        }
    }

    fn is_stuck(&mut self, at: Nanos) -> bool {
        if self.stuck_until.is_some_and(|until| at >= until) {
            self.stuck_until = None;
        }
        self.stuck_until.is_some()
    }

    fn shape(
        &mut self,
        faults: &mut [Armed<LineEffect>],
        burst: &Burst,
        index: usize,
        occasion: &Occasion,
        garbled: &mut bool,
    ) -> Shape {
        let mut shape =
            Shape { before: None, byte: Some(burst.bytes[index]), twice: false, later: Nanos::ZERO };
        for position in 0..self.candidates.len() {
            let which = self.candidates[position];
            let fault = &mut faults[which];
            if !fault.admits(occasion) {
                continue;
            }
            let words = || byte_in_words(occasion);
            match fault.effect.clone() {
                LineEffect::Swapped => {
                    shape.byte = None;
                    fault.consult(occasion.at, words);
                    continue;
                }
                LineEffect::GarbageAbove { .. } => {
                    shape.byte = Some(fault.rng().next_u32() as u8);
                    if !std::mem::replace(garbled, true) {
                        fault.fire(occasion.at, || format!("{} at {} baud", words(), burst.baud_bps));
                    }
                    continue;
                }
                LineEffect::FlipBit { bit } => {
                    let bit = bit.unwrap_or_else(|| fault.rng().next_u32() as u8) & 7;
                    shape.byte = shape.byte.map(|byte| byte ^ 1 << bit);
                }
                LineEffect::Drop => shape.byte = None,
                LineEffect::Duplicate => shape.twice = true,
                LineEffect::Insert { byte } => shape.before = Some(byte),
                LineEffect::Noise { bytes } => self.noise = Some((which, bytes)),
                LineEffect::Stall { us } => shape.later += Nanos::from_micros(us),
                LineEffect::Clog { us } => {
                    self.clog_until = self.clog_until.max(occasion.at + Nanos::from_micros(us));
                    if self.direction == Direction::ToModule {
                        self.free = self.free.max(self.clog_until);
                    }
                }
                LineEffect::Stuck { level, us } => {
                    let until = us.map_or(Nanos(u64::MAX), |us| occasion.at + Nanos::from_micros(us));
                    self.stuck_until = Some(until);
                    shape.byte = (level == LineLevel::Low).then_some(0);
                }
                LineEffect::Latency { .. } | LineEffect::ShortReads { .. } => continue,
            }
            fault.fire(occasion.at, words);
        }
        if let Some((which, left)) = self.noise.take().filter(|(_, left)| *left > 0) {
            shape.byte = shape.byte.map(|_| faults[which].rng().next_u32() as u8);
            self.noise = Some((which, left - 1));
        }
        shape
    }
}

/// A byte in a report.
pub(super) fn byte_in_words(occasion: &Occasion) -> String {
    let to = match occasion.direction {
        Some(Direction::ToModule) => "to the module",
        _ => "to the host",
    };
    let byte = occasion.byte.unwrap_or_default();
    let Some(frame_byte) = occasion.frame_byte else { return format!("byte {byte} {to}") };
    let part = match (occasion.direction, occasion.reply) {
        (Some(Direction::ToModule), _) => format!("byte {frame_byte} of {}", command_in_words(occasion)),
        (_, Some(ReplyKind::Handshake)) => format!("byte {frame_byte} of a handshake's OK"),
        _ => format!("byte {frame_byte} of the answer to {}", command_in_words(occasion)),
    };
    format!("byte {byte} {to}, {part}")
}

/// What the adapter has for the host, and when it hands it over.
#[derive(Debug, Default)]
pub(super) struct Adapter {
    out: VecDeque<(Nanos, Burst)>,
    /// An unfinished packet and when the adapter's timer runs out.
    held: Option<(Nanos, Burst)>,
    last_due: Nanos,
}

impl Adapter {
    /// Bytes have come over the line.
    pub(super) fn take_in(&mut self, wire: &Wire, faults: &mut [Armed<LineEffect>], burst: Burst) {
        let occasion = Occasion {
            at: burst.end(),
            direction: Some(Direction::ToHost),
            byte: Some(wire.count().saturating_sub(1)),
            ..Occasion::default()
        };
        let due = burst.end().max(wire.clog_until);
        let mut timer = None;
        for fault in faults.iter_mut() {
            if let LineEffect::Latency { us } = fault.effect
                && fault.admits(&occasion)
            {
                fault.consult(burst.end(), || "bytes that wait in the adapter".to_owned());
                timer = Some(Nanos::from_micros(us));
            }
        }
        match timer {
            Some(timer) => self.packets(faults, due, timer, burst),
            None => self.hand_over(faults, due, burst),
        }
    }

    /// Full packets go at once, the rest waits.
    fn packets(&mut self, faults: &mut [Armed<LineEffect>], due: Nanos, timer: Nanos, burst: Burst) {
        let (held_due, mut bytes) = match self.held.take() {
            Some((held_due, held)) if held.baud_bps == burst.baud_bps => (Some(held_due), held.bytes),
            Some((_, held)) => {
                self.hand_over(faults, due, held);
                (None, Vec::new())
            }
            None => (None, Vec::new()),
        };
        bytes.extend_from_slice(&burst.bytes);
        let full = bytes.len() / FTDI_PACKET_BYTES * FTDI_PACKET_BYTES;
        let rest = bytes.split_off(full);
        let held_due = held_due.filter(|_| full == 0).unwrap_or(due + timer);
        if full > 0 {
            self.hand_over(faults, due, Burst { bytes, ..burst });
        }
        if !rest.is_empty() {
            self.held = Some((held_due, Burst { bytes: rest, ..burst }));
        }
    }

    fn hand_over(&mut self, faults: &mut [Armed<LineEffect>], due: Nanos, burst: Burst) {
        let occasion = Occasion { at: due, direction: Some(Direction::ToHost), ..Occasion::default() };
        let mut most = usize::MAX;
        for fault in faults.iter_mut() {
            if let LineEffect::ShortReads { bytes } = fault.effect
                && burst.bytes.len() > bytes as usize
                && fault.admits(&occasion)
            {
                fault.fire(due, || format!("{} bytes to the host", burst.bytes.len()));
                most = bytes.max(1) as usize;
            }
        }
        let mut due = due.max(self.last_due);
        if burst.bytes.len() <= most {
            return self.queue(due, burst);
        }
        for piece in burst.bytes.chunks(most) {
            self.queue(due, Burst { bytes: piece.to_vec(), ..burst });
            due += USB_FRAME;
        }
    }

    fn queue(&mut self, due: Nanos, mut burst: Burst) {
        self.last_due = due;
        if let Some((last_due, last)) = self.out.back_mut()
            && *last_due == due
            && last.baud_bps == burst.baud_bps
            && due > burst.end()
        {
            last.bytes.extend_from_slice(&burst.bytes);
            last.start = due - Nanos::byte_times(last.bytes.len() as u64, last.baud_bps);
            return;
        }
        if due > burst.end() {
            burst.start = due.since(Nanos::byte_times(burst.bytes.len() as u64, burst.baud_bps));
        }
        self.out.push_back((due, burst));
    }

    /// The next bytes that the host gets by `now`.
    pub(super) fn take(&mut self, faults: &mut [Armed<LineEffect>], now: Nanos) -> Option<Burst> {
        if let Some((due, held)) = self.held.take_if(|(due, _)| *due <= now) {
            self.hand_over(faults, due, held);
        }
        self.out.pop_front_if(|(due, _)| *due <= now).map(|(_, burst)| burst)
    }

    /// When the host gets something next.
    pub(super) fn next_due(&self) -> Option<Nanos> {
        let held = self.held.as_ref().map(|(due, _)| *due);
        let out = self.out.front().map(|(due, _)| *due);
        [held, out].into_iter().flatten().min()
    }

    /// The cable is pulled at `now`: what the host has not got by then is lost.
    pub(super) fn clear(&mut self, now: Nanos) {
        self.out.retain(|(due, _)| *due <= now);
        self.held = None;
    }
}
