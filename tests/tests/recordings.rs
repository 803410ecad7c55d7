//! Every recording of fixtures/recordings is replayed: the emulator answers as the module did that was recorded.
//!
//! `bl702-emu replay RECORDING --save-fixture fixtures/recordings/NAME.jsonl` adds one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "test support code: a failure is a failed test"
)]

use std::fs;
use std::path::PathBuf;

use bl702_emulator::divergence::replay_as_told;
use bl702_protocol::trace::{Record, RecordReader};
use rstest::rstest;

fn records(path: &PathBuf) -> Vec<Record> {
    let mut reader = RecordReader::new();
    reader.push(&fs::read(path).unwrap());
    assert_eq!(reader.finish(), None, "{path:?} was cut off");
    std::iter::from_fn(|| reader.next_record()).map(|record| record.unwrap()).collect()
}

#[rstest]
fn no_byte_and_no_time_differs(#[files("../fixtures/recordings/*.jsonl")] path: PathBuf) {
    let report = replay_as_told(&records(&path)).unwrap();
    assert!(report.is_equal(), "{}\n{report}", path.display());
    assert!(report.chip_bytes > 10, "{}: nothing was compared", path.display());
    assert_eq!(report.fuses_burnt, 0, "{}", path.display());
}
