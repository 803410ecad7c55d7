//! Reading a recording from bytes as they come.

use std::collections::VecDeque;

use super::{Record, TraceError, parse_line};

/// Longest line a reader takes. A burst of half a million bytes fits; memory stays bounded whatever is fed in.
pub const MAX_LINE_BYTES: usize = 1024 * 1024;

/// An error, and the line it is in.
#[derive(Debug, thiserror::Error)]
#[error("line {line}")]
pub struct LineError {
    /// Number of the line, from 1.
    pub line: u64,
    /// What is wrong.
    pub source: TraceError,
}

/// The last line of a recording, cut off because its program was killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CutLine {
    /// Number of the line, from 1.
    pub line: u64,
    /// Bytes of it that are there.
    pub bytes: usize,
}

/// Takes a recording in pieces and gives its records.
///
/// [`push`](Self::push) bytes, take records with [`next_record`](Self::next_record) until there is none, push more;
/// at the end of the file call [`finish`](Self::finish).
#[derive(Debug, Default)]
pub struct RecordReader {
    part: Vec<u8>,
    part_is_too_long: bool,
    lines: VecDeque<(u64, Result<Vec<u8>, TraceError>)>,
    lines_seen: u64,
    header_seen: bool,
}

impl RecordReader {
    /// A reader at the start of a recording.
    pub fn new() -> RecordReader {
        RecordReader::default()
    }

    /// Takes the next bytes of the file.
    pub fn push(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            self.extend_part(&rest[..end]);
            rest = &rest[end + 1..];
            self.end_line();
        }
        self.extend_part(rest);
    }

    /// The next record, if a whole line of it has come. Empty lines are skipped.
    ///
    /// # Errors
    /// [`LineError`] for a line that is no record, or if the first record is not a header. Reading may go on.
    pub fn next_record(&mut self) -> Option<Result<Record, LineError>> {
        let (line, content) = self.lines.pop_front()?;
        let record = content.and_then(|bytes| self.parse(&bytes));
        Some(record.map_err(|source| LineError { line, source }))
    }

    /// The end of the file: a last line without line feed counts if it is a whole record (ask
    /// [`next_record`](Self::next_record) once more); otherwise it was cut off, and is described, not refused.
    pub fn finish(&mut self) -> Option<CutLine> {
        let whole = core::str::from_utf8(&self.part).is_ok_and(|text| parse_line(text).is_ok());
        if whole || self.part.iter().all(u8::is_ascii_whitespace) {
            self.end_line();
            return None;
        }
        let bytes = self.part.len();
        self.part.clear();
        self.part_is_too_long = false;
        Some(CutLine { line: self.lines_seen + 1, bytes })
    }

    fn extend_part(&mut self, bytes: &[u8]) {
        let room = MAX_LINE_BYTES - self.part.len();
        self.part_is_too_long |= bytes.len() > room;
        self.part.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn end_line(&mut self) {
        self.lines_seen += 1;
        let line = core::mem::take(&mut self.part);
        if core::mem::take(&mut self.part_is_too_long) {
            self.lines.push_back((self.lines_seen, Err(TraceError::TooLong)));
        } else if !line.iter().all(u8::is_ascii_whitespace) {
            self.lines.push_back((self.lines_seen, Ok(line)));
        }
    }

    fn parse(&mut self, line: &[u8]) -> Result<Record, TraceError> {
        let text =
            core::str::from_utf8(line).map_err(|error| TraceError::Syntax { reason: error.to_string() })?;
        let record = parse_line(text)?;
        let is_header = matches!(record, Record::Header(_));
        if !is_header && !core::mem::replace(&mut self.header_seen, true) {
            return Err(TraceError::NoHeader);
        }
        self.header_seen = true;
        Ok(record)
    }
}

#[cfg(test)]
mod tests;
