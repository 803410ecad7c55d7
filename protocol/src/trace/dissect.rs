//! Turns records into text for people.

use super::Record;
use crate::time::Nanos;

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

/// Decodes a recording, record by record.
#[derive(Debug, Default)]
pub struct Dissector {}

impl Dissector {
    /// A dissector at the start of a recording.
    pub fn new() -> Dissector {
        Dissector::default()
    }

    /// Takes the next record and gives the lines it completes.
    pub fn record(&mut self, record: &Record) -> Vec<DecodedLine> {
        let _ = record;
        Vec::new()
    }

    /// The end of the recording: what is left unfinished.
    pub fn finish(&mut self) -> Vec<DecodedLine> {
        Vec::new()
    }
}
