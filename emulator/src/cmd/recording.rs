//! Reading a whole recording.

use std::path::Path;

use bl702_protocol::trace::{Record, RecordReader};

use super::failure::Failure;

const ADVICE: &str = "give a file made with --record, or by `bl702-emu proxy`";

/// All records of a file; a last line that was cut off is told of and left out.
pub(crate) fn read(path: &Path) -> Result<Vec<Record>, Failure> {
    let bytes = std::fs::read(path)
        .map_err(|error| Failure::usage(format!("cannot read {path:?}: {error}"), ADVICE))?;
    let mut reader = RecordReader::new();
    reader.push(&bytes);
    let cut = reader.finish();
    let mut records = Vec::new();
    while let Some(record) = reader.next_record() {
        let record = record.map_err(|error| {
            let what = format!("{path:?} line {} is not of a recording: {}", error.line, error.source);
            Failure::usage(what, ADVICE)
        })?;
        records.push(record);
    }
    if let Some(cut) = cut {
        eprintln!("note: {path:?} ends within line {}: its writer was killed or still runs", cut.line);
    }
    if records.is_empty() {
        return Err(Failure::usage(format!("{path:?} is not a recording: it has no whole line"), ADVICE));
    }
    Ok(records)
}
