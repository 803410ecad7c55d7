use super::*;
use crate::time::Nanos;
use crate::trace::{Direction, FORMAT_VERSION};

const HEADER: &str = r#"{"version":1,"profile":"xt-zb2","tool":"bl702-emu 0.1.0"}"#;
const BURST: &str = r#"{"time_ns":1000000,"direction":"host","baud_bps":500000,"bytes":"5555"}"#;

fn all(reader: &mut RecordReader) -> Vec<Result<Record, String>> {
    let text = |error: LineError| format!("{error}: {}", error.source);
    std::iter::from_fn(|| reader.next_record()).map(|record| record.map_err(text)).collect()
}

#[test]
fn lines_come_in_any_pieces() {
    let text = format!("{HEADER}\n\n{BURST}\r\n");
    let burst = Record::bytes(Nanos::from_millis(1), Direction::Host, 500_000, [0x55, 0x55]);
    for size in [1, 7, 1000] {
        let mut reader = RecordReader::new();
        text.as_bytes().chunks(size).for_each(|piece| reader.push(piece));
        let records = all(&mut reader);
        assert_eq!(records, [Ok(Record::header("xt-zb2", "bl702-emu 0.1.0")), Ok(burst.clone())]);
        assert_eq!(reader.finish(), None);
    }
}

#[test]
fn a_cut_last_line_is_no_error() {
    let mut reader = RecordReader::new();
    reader.push(format!("{HEADER}\n{BURST}\n{}", &BURST[..30]).as_bytes());
    assert_eq!(all(&mut reader).len(), 2);
    assert_eq!(reader.finish(), Some(CutLine { line: 3, bytes: 30 }));
    assert_eq!(all(&mut reader), []);
}

#[test]
fn a_whole_last_line_without_line_feed_counts() {
    let mut reader = RecordReader::new();
    reader.push(format!("{HEADER}\n{BURST}").as_bytes());
    assert_eq!(all(&mut reader).len(), 1);
    assert_eq!(reader.finish(), None);
    assert_eq!(all(&mut reader).len(), 1);
}

#[test]
fn the_first_line_must_name_the_version() {
    let mut reader = RecordReader::new();
    reader.push(format!("{BURST}\n{BURST}\n").as_bytes());
    let records = all(&mut reader);
    let expected = "line 1: recording does not begin with a line that names its version and profile";
    assert_eq!(records[0], Err(expected.to_owned()));
    assert!(records[1].is_ok(), "reading goes on");
}

#[test]
fn a_newer_version_is_refused_by_name() {
    let mut reader = RecordReader::new();
    reader.push(b"{\"version\":2,\"profile\":\"x\"}\n");
    let expected = format!("line 1: recording has version 2, this program reads version {FORMAT_VERSION}");
    assert_eq!(all(&mut reader), [Err(expected)]);
}

#[test]
fn a_damaged_line_is_named_and_skipped() {
    let mut reader = RecordReader::new();
    reader.push(format!("{HEADER}\n{{\"time_ns\":1,\"bytes\":\"5\"}}\nnonsense\n{BURST}\n").as_bytes());
    let records = all(&mut reader);
    assert_eq!(records.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, false, true]);
    let message = records[1].as_ref().unwrap_err();
    assert!(message.starts_with("line 2: not a line of a recording: "), "{message}");
}

#[test]
fn an_endless_line_takes_bounded_memory() {
    let mut reader = RecordReader::new();
    reader.push(format!("{HEADER}\n").as_bytes());
    for _ in 0..3 {
        reader.push(&vec![b'x'; MAX_LINE_BYTES]);
        assert!(reader.part.len() <= MAX_LINE_BYTES);
    }
    reader.push(format!("\n{BURST}\n").as_bytes());
    let records = all(&mut reader);
    assert_eq!(records[1], Err(format!("line 2: line is longer than {MAX_LINE_BYTES} bytes")));
    assert!(records[2].is_ok());
}
