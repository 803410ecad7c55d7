//! A recording as a file that may be committed and is replayed for ever.
//!
//! What is left out: events inside the chip, which a replay makes anew. What is replaced: the data of images that were
//! loaded into RAM, because a RAM loader is the vendor's. The boot ROM does not look at them (`crc_ignore` and
//! `hash_ignore` of the loaders' headers), so made-up data of the same length do as well. What is added: what the module
//! held at the start. Runs of one value are counted instead of written.

use bl702_protocol::frame::{Checksum, checksum, request};
use bl702_protocol::time::Nanos;
use bl702_protocol::trace::{
    BytesRecord, Direction, EventRecord, Record, RecordingHeader, Requested, exchanges, to_line,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::start::{EVENT, ModuleAtStart, in_short};

/// The command that carries the data of an image.
const SEGMENT_DATA: u8 = 0x18;
/// What stands in place of them.
const MADE_UP: u8 = 0xa5;

/// The lines of a fixture.
pub fn to_lines(records: &[Record], start: &ModuleAtStart, note: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let header = records.iter().find_map(|record| match record {
        Record::Header(header) => Some(header.clone()),
        _ => None,
    });
    if let Some(RecordingHeader { profile, tool, .. }) = header {
        lines.push(to_line(&Record::header(profile, tool)));
    }
    if !note.is_empty() {
        lines.push(event("note", json!({ "text": note })));
    }
    lines.extend(start.to_records().iter().map(to_line));
    let (replaced, told) = without_images(records);
    if !told.is_null() {
        lines.push(event("image_replaced", told));
    }
    for record in &replaced {
        match record {
            Record::Bytes(burst) => lines.extend(burst_lines(burst)),
            Record::Lines(_) => lines.push(to_line(record)),
            Record::Event(event) if matches!(event.event.as_str(), "power_on" | "power_off") => {
                lines.push(to_line(record));
            }
            Record::Header(_) | Record::Event(_) => {}
        }
    }
    lines
}

fn event(name: &str, detail: Value) -> String {
    to_line(&Record::Event(EventRecord { time_ns: Nanos::ZERO, event: name.to_owned(), detail }))
}

/// Whether an event of a fixture is one of those that only this module writes.
pub fn is_of_fixture(name: &str) -> bool {
    matches!(name, "note" | "image_replaced") || name == EVENT
}

/// A burst as one line, or as several that say the same in fewer bytes.
fn burst_lines(burst: &BytesRecord) -> Vec<String> {
    let lines = in_short(&burst.bytes).into_iter().map(|(at, bytes, repeat)| {
        let time_ns = burst.time_ns + Nanos::byte_times(at as u64, burst.baud_bps);
        let record = Record::bytes(time_ns, burst.direction, burst.baud_bps, bytes);
        let line = to_line(&record);
        match line.strip_suffix('}') {
            Some(open) if repeat > 1 => format!("{open},\"repeat\":{repeat}}}"),
            _ => line,
        }
    });
    lines.collect()
}

/// Where a frame lies among the host's bytes.
#[derive(Debug)]
struct Frame {
    offset: u64,
    payload_bytes: usize,
}

/// The recording with made-up data in place of the images', and what was replaced.
fn without_images(records: &[Record]) -> (Vec<Record>, Value) {
    let frames: Vec<Frame> = exchanges(records)
        .iter()
        .filter_map(|exchange| match &exchange.requested {
            Requested::Command { id: SEGMENT_DATA, payload_bytes, .. } => {
                Some(Frame { offset: exchange.host_offset, payload_bytes: *payload_bytes })
            }
            _ => None,
        })
        .collect();
    let mut host: Vec<u8> = records.iter().filter_map(host_bytes).flatten().copied().collect();
    let mut digest = Sha256::new();
    let mut bytes = 0;
    for frame in &frames {
        let at = frame.offset as usize;
        let Some(whole) = host.get_mut(at..at + 4 + frame.payload_bytes) else { continue };
        // What the ROM finds inside a frame that it does not know is no image.
        if whole[0] != SEGMENT_DATA {
            continue;
        }
        digest.update(&whole[4..]);
        bytes += frame.payload_bytes;
        let made_up = request(SEGMENT_DATA, Checksum::Zero, &vec![MADE_UP; frame.payload_bytes]);
        // The boot ROM does not look at the checksum; hosts that send one still do.
        if whole[1] != 0 {
            whole[1] = checksum(frame.payload_bytes as u16, &made_up[4..]);
        }
        whole[4..].copy_from_slice(&made_up[4..]);
    }
    if bytes == 0 {
        return (records.to_vec(), Value::Null);
    }
    let mut host = host.as_slice();
    let replaced = records.iter().map(|record| match record {
        Record::Bytes(burst) if burst.direction == Direction::Host => {
            let (own, rest) = host.split_at(burst.bytes.len());
            host = rest;
            Record::Bytes(BytesRecord { bytes: own.to_vec(), ..burst.clone() })
        }
        other => other.clone(),
    });
    let replaced = replaced.collect();
    let sha256: String = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    (replaced, json!({ "bytes": bytes, "sha256": sha256 }))
}

fn host_bytes(record: &Record) -> Option<&Vec<u8>> {
    match record {
        Record::Bytes(burst) if burst.direction == Direction::Host => Some(&burst.bytes),
        _ => None,
    }
}
