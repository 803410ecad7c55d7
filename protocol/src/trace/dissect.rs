//! Turns records into text for people: handshakes, commands with their fields, replies with the meaning of their
//! codes, pauses, and what is probably a mistake.
//!
//! The host's bytes are cut into frames as the host meant them. For the boot ROM a second parser follows along byte by
//! byte, as the ROM does up to 500,000 baud, because after a command that the ROM does not know the two views differ:
//! the ROM searches the rest of the frame for command ids (`reference/rom-and-module.md` sections 1.3 and 1.7).

use std::collections::VecDeque;
use std::fmt;

use super::{BytesRecord, Direction, LineLevels, Record};
use crate::command::{CommandRow, LoaderCommand, RomCommand};
use crate::frame::ReplyDecoder;
use crate::time::Nanos;

mod chip;
mod describe;
mod exchange;
mod host;
mod rom_parser;
#[cfg(test)]
mod tests;

pub use exchange::{Exchange, Requested, Word, exchanges};

use exchange::Ledger;
use rom_parser::{RomFinds, RomParser};

/// What a decoded line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodedKind {
    /// The recording itself.
    Note,
    /// Sent by the host.
    Host,
    /// Sent by the chip.
    Chip,
    /// Control lines.
    Lines,
    /// An event inside the chip or the tool.
    Event,
    /// A pause on the wire.
    Gap,
    /// Something that is probably a mistake.
    Problem,
}

impl DecodedKind {
    /// A word for the start of a line.
    pub const fn label(self) -> &'static str {
        match self {
            DecodedKind::Note => "note",
            DecodedKind::Host => "host",
            DecodedKind::Chip => "chip",
            DecodedKind::Lines => "lines",
            DecodedKind::Event => "event",
            DecodedKind::Gap => "pause",
            DecodedKind::Problem => "!",
        }
    }
}

/// One line for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodedLine {
    /// When it happened.
    pub time: Nanos,
    /// What it is about.
    pub kind: DecodedKind,
    /// The text, one line.
    pub text: String,
}

impl fmt::Display for DecodedLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>12.6} s  {:<5}  {}", self.time.as_secs_f64(), self.kind.label(), self.text)
    }
}

/// Which program answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    /// Not known yet; ids are looked up on both sides.
    #[default]
    Unknown,
    /// The boot ROM.
    Rom,
    /// The RAM loader.
    Loader,
}

impl Side {
    /// Its name for people.
    pub const fn text(self) -> &'static str {
        match self {
            Side::Unknown => "chip",
            Side::Rom => "boot ROM",
            Side::Loader => "RAM loader",
        }
    }

    /// The table row of an id, if this side answers it.
    fn row(self, id: u8) -> Option<&'static CommandRow> {
        let rom = || RomCommand::from_id(id).map(RomCommand::row).filter(|row| row.enabled);
        let loader = || LoaderCommand::from_id(id).map(LoaderCommand::row);
        match self {
            Side::Unknown => rom().or_else(loader),
            Side::Rom => rom(),
            Side::Loader => loader(),
        }
    }

    /// Silence after which a session is over (nominal for the ROM).
    const fn session_timeout(self) -> Nanos {
        match self {
            Side::Loader => Nanos::from_secs(4),
            Side::Unknown | Side::Rom => Nanos::from_secs(2),
        }
    }
}

/// A request that waits for its reply.
#[derive(Debug)]
struct Pending {
    sent: Nanos,
    id: u8,
    name: &'static str,
    decoder: ReplyDecoder,
    /// When the first byte of the word in progress began.
    word_at: Option<Nanos>,
    /// Its number in the ledger.
    exchange: Option<usize>,
}

/// Pauses shorter than this are not mentioned.
const NOTABLE_PAUSE: Nanos = Nanos::from_millis(500);

/// A host that sends its next frame later than this after an unanswered one has given up on it.
const GIVEN_UP: Nanos = Nanos::from_millis(100);

/// Decodes a recording, record by record.
///
/// Memory is bounded by the longest frame plus the requests that wait for a reply.
#[derive(Debug, Default)]
pub struct Dissector {
    side: Side,
    /// A RAM image was started, so the next handshake reaches it.
    image_started: bool,
    /// A handshake was sent; number of 55h bytes, and when they began.
    handshake: Option<(usize, Nanos)>,
    /// The host's frame in progress, and when it began.
    host: Vec<u8>,
    host_start: Nanos,
    rom_parser: RomParser,
    /// What the ROM made of the bytes of the frame in progress.
    found: Vec<RomFinds>,
    pending: VecDeque<Pending>,
    /// Chip bytes that belong to no request.
    stray: Vec<u8>,
    /// The last id that the side did not know.
    unknown_id: Option<u8>,
    /// Whether a handshake or a command was answered since the last reset.
    in_session: bool,
    /// Refusals that count toward the three that end a loader session.
    loader_errors: u8,
    quiet_since: Nanos,
    lines: Vec<DecodedLine>,
    ledger: Ledger,
}

impl Dissector {
    /// A dissector at the start of a recording.
    pub fn new() -> Dissector {
        Dissector::default()
    }

    /// Takes the next record and gives the lines it completes.
    pub fn record(&mut self, record: &Record) -> Vec<DecodedLine> {
        match record {
            Record::Header(header) => {
                let tool = if header.tool.is_empty() { "an unnamed tool" } else { &header.tool };
                let text = format!("recording of {}, made by {tool}", header.profile);
                self.say(Nanos::ZERO, DecodedKind::Note, text);
            }
            Record::Bytes(burst) => self.burst(burst),
            Record::Lines(change) => self.line_change(change.time_ns, change.lines),
            Record::Event(event) => {
                let detail =
                    if event.detail.is_null() { String::new() } else { format!(": {}", event.detail) };
                self.say(event.time_ns, DecodedKind::Event, format!("{}{detail}", event.event));
            }
        }
        std::mem::take(&mut self.lines)
    }

    /// The end of the recording: what is left unfinished.
    pub fn finish(&mut self) -> Vec<DecodedLine> {
        let now = self.quiet_since;
        self.flush_stray(now);
        self.drop_partial_frame(now, "at the end of the recording");
        for request in std::mem::take(&mut self.pending) {
            self.unanswered(now, &request, "before the recording ends");
        }
        std::mem::take(&mut self.lines)
    }

    fn say(&mut self, time: Nanos, kind: DecodedKind, text: impl Into<String>) {
        self.lines.push(DecodedLine { time, kind, text: text.into() });
    }

    fn burst(&mut self, burst: &BytesRecord) {
        self.pause(burst.time_ns);
        match burst.direction {
            Direction::Host => self.host_bytes(burst),
            Direction::Chip => self.chip_bytes(burst),
        }
        let end = burst.time_ns + Nanos::byte_times(burst.bytes.len() as u64, burst.baud_bps);
        self.quiet_since = self.quiet_since.max(end);
    }

    /// Mentions the silence before a burst, and what it ended.
    fn pause(&mut self, until: Nanos) {
        let silence = until.since(self.quiet_since);
        if silence < NOTABLE_PAUSE || self.quiet_since == Nanos::ZERO {
            return;
        }
        self.flush_stray(self.quiet_since);
        let mut text = format!("nothing for {silence}");
        // A command that is still at work keeps its session, however long it takes.
        let is_over = self.in_session && self.pending.is_empty() && silence > self.side.session_timeout();
        if is_over {
            text += &format!(", so the {} has ended the session", self.side.text());
        } else if let Some(request) = self.pending.front() {
            text += &format!(", while {:02x}h {} waits for its answer", request.id, request.name);
        }
        self.say(self.quiet_since, DecodedKind::Gap, text);
        if is_over {
            self.drop_partial_frame(until, "when the session ended");
            self.end_session();
        }
    }

    fn end_session(&mut self) {
        self.in_session = false;
        self.loader_errors = 0;
        self.rom_parser = RomParser::default();
        self.found.clear();
        self.unknown_id = None;
    }

    fn line_change(&mut self, time: Nanos, levels: LineLevels) {
        let word = |name: &str, level: Option<bool>, on: &str, off: &str| {
            level.map(|level| format!("{name} {}", if level { on } else { off }))
        };
        let words = [
            word("EN", levels.enable, "high", "low"),
            word("BOOT", levels.boot, "high", "low"),
            word("DTR", levels.dtr, "asserted", "released"),
            word("RTS", levels.rts, "asserted", "released"),
        ];
        let text = words.into_iter().flatten().collect::<Vec<_>>().join(", ");
        self.say(time, DecodedKind::Lines, text);
        if levels.enable == Some(false) {
            self.reset();
        }
        // Which of the two drives EN is not known here, so a started image may be gone; boot info will tell.
        if levels.dtr == Some(true) || levels.rts == Some(true) {
            self.image_started = false;
        }
    }

    /// The chip starts anew: whatever was under way is gone.
    fn reset(&mut self) {
        self.side = Side::Unknown;
        self.image_started = false;
        self.handshake = None;
        self.host.clear();
        self.pending.clear();
        self.stray.clear();
        self.end_session();
    }

    fn drop_partial_frame(&mut self, now: Nanos, when: &str) {
        if self.host.is_empty() {
            return;
        }
        let bytes = std::mem::take(&mut self.host);
        let text = format!("{when} a frame was incomplete: {}", describe::bytes(&bytes));
        self.say(now, DecodedKind::Problem, text);
    }

    fn unanswered(&mut self, now: Nanos, request: &Pending, when: &str) {
        let waited = now.since(request.sent);
        let text = format!("{:02x}h {} got no answer {when} ({waited})", request.id, request.name);
        self.say(now, DecodedKind::Problem, text);
    }
}
