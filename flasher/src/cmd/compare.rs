//! `compare`

use std::path::PathBuf;

use bl702_flasher::compare::{SECTOR, compare};
use serde_json::json;

use super::Outcome;
use super::files::read_file;
use crate::failure::Failure;

/// Sectors in a row of the map: 256 KiB.
const ROW: usize = 64;

/// Runs of differences that are listed.
const MAX_RUNS: usize = 32;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  bl702-flash compare before.bin after.bin")]
pub(crate) struct Args {
    /// One image
    first: PathBuf,
    /// Another
    second: PathBuf,
}

pub(crate) fn run(args: &Args) -> Result<Outcome, Failure> {
    let (first, second) = (read_file(&args.first)?, read_file(&args.second)?);
    let found = compare(&first, &second);
    let map: Vec<char> = found.sectors.iter().map(|sector| sector.letter()).collect();
    let mut text: Vec<String> = map
        .chunks(ROW)
        .enumerate()
        .map(|(row, letters)| format!("{:#08x}  {}", row * ROW * SECTOR, letters.iter().collect::<String>()))
        .collect();
    text.push("= same   . both erased   X different   + only in the second   - only in the first   ? in one file only".to_owned());
    for run in found.differences.iter().take(MAX_RUNS) {
        let place = if run.partitions.is_empty() {
            String::new()
        } else {
            format!(" ({})", run.partitions.join(", "))
        };
        text.push(format!("{}: {} bytes differ, the first at {:#x}{place}", run.range, run.bytes, run.first));
    }
    if found.differences.len() > MAX_RUNS {
        text.push(format!("and {} ranges more", found.differences.len() - MAX_RUNS));
    }
    if first.len() != second.len() {
        text.push(format!("the files have {} and {} bytes", first.len(), second.len()));
    }
    if found.differences.is_empty() {
        text.push(format!("all {} bytes are the same", first.len()));
    }
    let map: String = map.into_iter().collect();
    let mut outcome = Outcome::new(
        text,
        json!({"map": map, "differences": found.differences, "lengths": [first.len(), second.len()]}),
    );
    outcome.exit_code = if first == second { 0 } else { 4 };
    Ok(outcome)
}
