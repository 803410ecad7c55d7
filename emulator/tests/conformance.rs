//! The conformance vectors: what the vendor's own code answered.
#![allow(clippy::unwrap_used, reason = "test support code: a failure is a failed test")]

use bl702_emulator::conformance::{Vector, Verdict, run};
use rstest::rstest;

#[rstest]
#[case::rom("rom.jsonl", 359)]
#[case::loader("loader.jsonl", 168)]
fn every_row_that_must_pass_passes(#[case] file: &str, #[case] rows: usize) {
    let path = format!("{}/../fixtures/vectors/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    let vectors: Vec<Vector> = text.lines().map(|line| Vector::parse(line).unwrap()).collect();
    assert_eq!(vectors.len(), rows);
    let mut failures = Vec::new();
    for vector in vectors.iter().filter(|vector| !vector.is_informative()) {
        if let Verdict::Failed(mismatch) = run(vector).unwrap() {
            failures.push(format!("{}: {mismatch:?}", vector.name));
        }
    }
    assert!(failures.is_empty(), "{} failed:\n{}", failures.len(), failures.join("\n"));
}
