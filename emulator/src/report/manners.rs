//! Protocol violations that the real chip punishes only sometimes, and bytes that were lost for sure.
//!
//! The limits are those of `reference/rom-and-module.md` section 1.2 and `reference/loader-protocol.md` sections 2 and 6.

use std::collections::BTreeMap;

use bl702_protocol::frame::HANDSHAKE_BYTE;
use serde::Serialize;

use crate::Nanos;
use crate::event::{Event, SessionEnd, TimedEvent};
use crate::line::Burst;
use crate::uart::rates_agree;

/// A host should leave this much time between a handshake's `OK` and its first frame. The loader loses a frame that
/// comes within about 0.5 ms and takes one after 0.9 ms; the ROM throws away what comes within 1 ms (nominal).
const SETTLED_AFTER_OK: Nanos = Nanos::from_millis(2);

/// What comes later than this after `OK` is not part of the handshake any more.
const DRAINED_AFTER_OK: Nanos = Nanos::from_millis(1);

/// How long an answer may take before a host that goes on has given it up.
const GIVEN_UP: Nanos = Nanos::from_millis(20);

/// The command that answers before its work is done, so that the next one may be sent at once: flash write.
const WRITE_ID: u8 = 0x31;

/// What a host did wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WarningKind {
    /// A frame came so soon after a handshake's `OK` that the chip may not be ready.
    FrameTooEarly,
    /// A reply, or a part of one, had not been read when the next frame was written.
    UnreadReply,
    /// 55h came after a session had begun.
    SurplusHandshake,
    /// A frame came before the answer to the last one.
    BeforeAnswer,
    /// Bytes came at a rate that the session does not run at.
    WrongRate,
    /// The loader left the session after three refused commands.
    ThreeErrors,
    /// Bytes were lost.
    BytesLost,
}

impl WarningKind {
    fn text(self) -> &'static str {
        match self {
            WarningKind::FrameTooEarly => {
                "a frame was sent less than 2 ms after the OK of a handshake; sent within about 1 ms it is lost"
            }
            WarningKind::UnreadReply => {
                "a frame was sent while bytes of an earlier reply had not been read; the next reply will be mistaken"
            }
            WarningKind::SurplusHandshake => {
                "55h was sent into a session; the boot ROM takes four of them at once for a frame (FL0102), the RAM loader is \
                 deaf for 4 s after them"
            }
            WarningKind::BeforeAnswer => {
                "a frame was sent before the answer to the last one; the RAM loader keeps one frame at most and may \
                 overwrite its answer, the boot ROM's FIFO holds 128 bytes"
            }
            WarningKind::WrongRate => "bytes were sent at a rate that the session does not run at",
            WarningKind::ThreeErrors => {
                "three commands were refused, after which the RAM loader leaves the session without a word"
            }
            WarningKind::BytesLost => "bytes were lost",
        }
    }
}

/// One kind of violation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// What it was.
    pub kind: WarningKind,
    /// In words.
    pub text: String,
    /// How often; for lost bytes, how many.
    pub count: u64,
    /// Module time of the first, in nanoseconds.
    pub first_at_ns: u64,
}

/// A session as the host's manners depend on it.
#[derive(Clone, Copy, Debug)]
struct Session {
    baud_bps: u32,
    /// The end of `OK`.
    ok_end: Nanos,
    /// No frame has come yet.
    fresh: bool,
}

/// Watches a host.
#[derive(Debug, Default)]
pub(super) struct Manners {
    found: BTreeMap<(WarningKind, &'static str), (u64, Nanos)>,
    session: Option<Session>,
    /// The end of the host's last run of 55h.
    sync_end: Option<Nanos>,
    /// The last command, until its answer begins.
    unanswered: Option<(u8, Nanos)>,
    /// The end of what the chip sent last: a port tells of bytes before it tells what they were sent for.
    heard_until: Nanos,
}

impl Manners {
    pub(super) fn host(&mut self, burst: &Burst, unread_bytes: usize) {
        let is_sync = burst.bytes.iter().all(|byte| *byte == HANDSHAKE_BYTE);
        if is_sync {
            self.sync_end = Some(burst.end());
            if self.session.is_some_and(|session| burst.start > session.ok_end + DRAINED_AFTER_OK) {
                self.warn(WarningKind::SurplusHandshake, "", 1, burst.start);
            }
            return;
        }
        if unread_bytes > 0 && self.session.is_some() {
            self.warn(WarningKind::UnreadReply, "", 1, burst.start);
        }
        let Some(session) = &mut self.session else { return };
        let fresh = std::mem::take(&mut session.fresh);
        let session = *session;
        if fresh && burst.start < session.ok_end + SETTLED_AFTER_OK {
            self.warn(WarningKind::FrameTooEarly, "", 1, burst.start);
        }
        if !rates_agree(burst.baud_bps, session.baud_bps) {
            self.warn(WarningKind::WrongRate, "", 1, burst.start);
        }
        if let Some((id, at)) = self.unanswered
            && id != WRITE_ID
            && burst.start.since(at) < GIVEN_UP
        {
            self.warn(WarningKind::BeforeAnswer, "", 1, burst.start);
        }
    }

    pub(super) fn chip(&mut self, burst: &Burst) {
        self.heard_until = burst.end();
        if self.unanswered.is_some_and(|(_, at)| burst.end() > at) {
            self.unanswered = None;
        }
    }

    pub(super) fn event(&mut self, timed: &TimedEvent) {
        let at = timed.at;
        match &timed.event {
            Event::Handshake { baud_bps, .. } => {
                let ok_end = at + Nanos::byte_times(2, *baud_bps);
                self.session = Some(Session { baud_bps: *baud_bps, ok_end, fresh: true });
                self.unanswered = None;
                if self.sync_end.is_some_and(|end| end > ok_end + DRAINED_AFTER_OK) {
                    self.warn(WarningKind::SurplusHandshake, "", 1, at);
                }
            }
            Event::Command { id, known: true, .. } if self.heard_until <= at => {
                self.unanswered = Some((*id, at))
            }
            Event::SkippedByte { byte: HANDSHAKE_BYTE } => {
                self.warn(WarningKind::SurplusHandshake, "", 1, at)
            }
            Event::SessionEnded { why, .. } => {
                if *why == SessionEnd::ThreeErrors {
                    self.warn(WarningKind::ThreeErrors, "", 1, at);
                }
                self.session = None;
                self.unanswered = None;
            }
            Event::BytesLost { count, why } => self.warn(WarningKind::BytesLost, why, u64::from(*count), at),
            Event::Reset { .. }
            | Event::SystemReset
            | Event::CpuReset
            | Event::Jump { .. }
            | Event::BootFromFlash => {
                self.session = None;
                self.unanswered = None;
                self.sync_end = None;
            }
            _ => {}
        }
    }

    fn warn(&mut self, kind: WarningKind, why: &'static str, count: u64, at: Nanos) {
        let (total, _) = self.found.entry((kind, why)).or_insert((0, at));
        *total += count;
    }

    pub(super) fn warnings(&self) -> Vec<Warning> {
        let rows = self.found.iter();
        rows.map(|((kind, why), (count, first_at))| {
            let text =
                if why.is_empty() { kind.text().to_owned() } else { format!("{}: {why}", kind.text()) };
            Warning { kind: *kind, text, count: *count, first_at_ns: first_at.0 }
        })
        .collect()
    }
}
