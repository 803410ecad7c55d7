//! Recordings: one JSON object a line, and a dissector that turns them into text for people.
//!
//! ```text
//! {"version":1,"profile":"xt-zb2","tool":"bl702-emu 0.1.0"}
//! {"time_ns":0,"lines":{"enable":true,"boot":true}}
//! {"time_ns":1000000,"direction":"host","baud_bps":500000,"bytes":"5555555555"}
//! {"time_ns":9100000,"direction":"chip","baud_bps":500000,"bytes":"4f4b"}
//! {"time_ns":9200000,"event":"reset","detail":{"cause":"enable"}}
//! ```
//!
//! The first line names the version and the profile. Times are nanoseconds since the start of the recording; of a
//! burst it is the start of its first byte. `bytes` is lower-case hex. `lines` holds the lines that are known or have
//! changed: `enable` and `boot` are levels at the module (true: high), `dtr` and `rts` are states as a program sets
//! them (true: asserted). `"repeat":4096` beside `bytes` says that they follow each other so many times; recorders need not
//! write it. Fields that a reader does not know are ignored.
//!
//! The crate does no input or output: [`to_line`] and [`parse_line`] work on single lines, [`RecordReader`] on bytes as
//! they come from wherever.

use serde::{Deserialize, Serialize};

use crate::time::Nanos;

mod dissect;
mod reader;

pub use dissect::{DecodedKind, DecodedLine, Dissector, Exchange, Requested, Side, Word, exchanges};
pub use reader::{CutLine, LineError, MAX_LINE_BYTES, RecordReader};

/// The version that [`to_line`] writes and [`parse_line`] takes.
pub const FORMAT_VERSION: u32 = 1;

/// Who sent bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Host to chip.
    Host,
    /// Chip to host.
    Chip,
}

/// The first line of a recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordingHeader {
    /// [`FORMAT_VERSION`].
    pub version: u32,
    /// Name of the module's profile, or what is known of a real module.
    pub profile: String,
    /// Name and version of the program that made it.
    #[serde(default)]
    pub tool: String,
}

/// Bytes that went over the wire without a pause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BytesRecord {
    /// Start of the first byte.
    pub time_ns: Nanos,
    /// Who sent them.
    pub direction: Direction,
    /// Rate of the sender.
    pub baud_bps: u32,
    /// The bytes.
    #[serde(with = "hex_bytes")]
    pub bytes: Vec<u8>,
}

/// Levels of control lines; `None`: unknown or unchanged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineLevels {
    /// EN at the module; true: high, running.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enable: Option<bool>,
    /// BOOT strap at the module; true: high, ISP at the next reset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot: Option<bool>,
    /// DTR as a program sets it; true: asserted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dtr: Option<bool>,
    /// RTS as a program sets it; true: asserted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rts: Option<bool>,
}

/// A change of control lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinesRecord {
    /// When.
    pub time_ns: Nanos,
    /// The lines.
    pub lines: LineLevels,
}

/// Something that happened inside the chip or the tool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRecord {
    /// When.
    pub time_ns: Nanos,
    /// Name of the event.
    pub event: String,
    /// More about it; any JSON value.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub detail: serde_json::Value,
}

/// One line of a recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Record {
    /// The first line.
    Header(RecordingHeader),
    /// Bytes on the wire.
    Bytes(BytesRecord),
    /// Control lines.
    Lines(LinesRecord),
    /// An event.
    Event(EventRecord),
}

impl Record {
    /// When it happened; zero for the first line.
    pub fn time(&self) -> Nanos {
        match self {
            Record::Header(_) => Nanos::ZERO,
            Record::Bytes(record) => record.time_ns,
            Record::Lines(record) => record.time_ns,
            Record::Event(record) => record.time_ns,
        }
    }

    /// The first line of a recording by `tool`.
    pub fn header(profile: impl Into<String>, tool: impl Into<String>) -> Record {
        Record::Header(RecordingHeader {
            version: FORMAT_VERSION,
            profile: profile.into(),
            tool: tool.into(),
        })
    }

    /// Bytes on the wire.
    pub fn bytes(time: Nanos, direction: Direction, baud_bps: u32, bytes: impl Into<Vec<u8>>) -> Record {
        Record::Bytes(BytesRecord { time_ns: time, direction, baud_bps, bytes: bytes.into() })
    }
}

/// Why a line is not a record.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// Not JSON, or not one of the four kinds of line.
    #[error("not a line of a recording: {reason}")]
    Syntax {
        /// What the parser says.
        reason: String,
    },
    /// Made by a newer program.
    #[error("recording has version {version}, this program reads version {FORMAT_VERSION}")]
    Version {
        /// The version found.
        version: u32,
    },
    /// The first line does not name a version.
    #[error("recording does not begin with a line that names its version and profile")]
    NoHeader,
    /// A line that is longer than anything a recorder writes.
    #[error("line is longer than {MAX_LINE_BYTES} bytes")]
    TooLong,
}

/// The record as a line, without the line feed.
pub fn to_line(record: &Record) -> String {
    // Strings, numbers and lists of these cannot fail to serialise.
    serde_json::to_string(record).unwrap_or_default()
}

/// Reads one line.
///
/// # Errors
/// [`TraceError::Syntax`] if it is no record, [`TraceError::Version`] if it is a header of another version.
pub fn parse_line(line: &str) -> Result<Record, TraceError> {
    let value: serde_json::Value =
        serde_json::from_str(line).map_err(|error| TraceError::Syntax { reason: error.to_string() })?;
    let syntax = |error: serde_json::Error| TraceError::Syntax { reason: error.to_string() };
    // By hand, not by trying one after the other, so that the message names the field that is wrong.
    let record = if value.get("bytes").is_some() {
        let repeat = value.get("repeat").cloned();
        let mut burst: BytesRecord = serde_json::from_value(value).map_err(syntax)?;
        if let Some(repeat) = repeat {
            burst.bytes = repeated(&burst.bytes, &repeat)?;
        }
        Record::Bytes(burst)
    } else if value.get("lines").is_some() {
        Record::Lines(serde_json::from_value(value).map_err(syntax)?)
    } else if value.get("event").is_some() {
        Record::Event(serde_json::from_value(value).map_err(syntax)?)
    } else {
        let header: RecordingHeader = serde_json::from_value(value).map_err(syntax)?;
        if header.version != FORMAT_VERSION {
            return Err(TraceError::Version { version: header.version });
        }
        Record::Header(header)
    };
    Ok(record)
}

/// A burst that is written down in short.
fn repeated(bytes: &[u8], repeat: &serde_json::Value) -> Result<Vec<u8>, TraceError> {
    let count = repeat.as_u64().and_then(|count| usize::try_from(count).ok());
    match count.and_then(|count| count.checked_mul(bytes.len()).map(|length| (count, length))) {
        Some((count, length)) if length <= MAX_LINE_BYTES => Ok(bytes.repeat(count)),
        _ => {
            let reason =
                format!("\"repeat\" is {repeat}, must be a number that gives {MAX_LINE_BYTES} bytes at most");
            Err(TraceError::Syntax { reason })
        }
    }
}

mod hex_bytes {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::to_hex(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        super::from_hex(&text).ok_or_else(|| D::Error::custom("bytes must be pairs of hex digits"))
    }
}

/// Bytes as lower-case hex without spaces.
pub fn to_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble & 0xF)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
}

/// Bytes from pairs of hex digits without spaces; `None` for anything else.
pub fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}
