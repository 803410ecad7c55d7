//! Dumps of a whole flash, and parts of one.

use std::collections::BTreeSet;

use bl702_protocol::image::partition::{PartitionTable, select};

use super::{Inspection, Verdict, header_at, header_lines, locked_image, placed, starts_with_table};

/// Headers and tables begin at sectors.
const STEP: usize = 4096;

/// Everything that is found in an image of a flash.
pub(super) fn flash(found: &mut Inspection, bytes: &[u8]) {
    let places: Vec<usize> = (0..bytes.len()).step_by(STEP).collect();
    let headers: Vec<usize> = places.iter().copied().filter(|at| header_at(bytes, *at).is_some()).collect();
    let tables: Vec<usize> = places.iter().copied().filter(|at| starts_with_table(bytes, *at)).collect();
    found.kind = kind(bytes, &headers, &tables);
    let mut told = BTreeSet::new();
    for at in headers.iter().chain(&tables).copied().collect::<BTreeSet<usize>>() {
        match header_at(bytes, at) {
            // The second header of a pair inside an image is data of that image.
            Some(header) if told.insert(at) => {
                header_lines(found, &header, at);
                if let Some(range) = placed(bytes, &header, at) {
                    found.say(range.start, format!("image of {} bytes", header.segment_count));
                }
                locked_image(found, bytes, &header, at);
            }
            _ => table(found, bytes, at),
        }
    }
    if let [first, second] = tables[..] {
        copies(found, bytes, first, second);
    }
    let erased = bytes.chunks(STEP).filter(|sector| sector.iter().all(|byte| *byte == 0xFF)).count();
    found.say(None, format!("{erased} of {} sectors are erased", bytes.len().div_ceil(STEP)));
}

fn kind(bytes: &[u8], headers: &[usize], tables: &[usize]) -> String {
    match (headers, tables) {
        ([], []) if bytes.iter().all(|byte| *byte == 0xFF) => "erased flash".to_owned(),
        ([], []) => "raw data: no boot header and no partition table at the start of any sector".to_owned(),
        ([0], []) => "image for flash".to_owned(),
        (_, []) => "part of a flash, with boot headers".to_owned(),
        _ => "dump of a flash, or an image for all of it".to_owned(),
    }
}

/// A partition table and its entries.
pub(super) fn table(found: &mut Inspection, bytes: &[u8], at: usize) {
    match PartitionTable::parse(bytes.get(at..).unwrap_or_default()) {
        Ok(table) => {
            let text =
                format!("partition table: {} entries, age {}; both CRCs", table.entries.len(), table.age);
            found.check(at, text, Verdict::Good);
            for entry in &table.entries {
                let start = entry.active_address();
                let end = u64::from(start) + u64::from(entry.active_size());
                let content = content(bytes, at, start as usize, end);
                found.say(None, format!("  {:<9} {start:#x}..{end:#x}{content}", entry.name.text()));
            }
        }
        Err(error) => found.check(at, error.to_string(), Verdict::Bad),
    }
}

/// What a partition holds, where its bytes are in the file.
fn content(bytes: &[u8], table_at: usize, start: usize, end: u64) -> &'static str {
    // A table that is a file of its own says nothing of the flash.
    let Some(body) = bytes.get(start..usize::try_from(end).unwrap_or(usize::MAX).min(bytes.len())) else {
        return "";
    };
    if table_at == 0 || body.is_empty() {
        ""
    } else if body.iter().all(|byte| *byte == 0xFF) {
        ", erased"
    } else if header_at(bytes, start).is_some() {
        ", holds an image with a boot header"
    } else if body.starts_with(&[0xD0, 0x0D, 0xFE, 0xED]) {
        ", holds a device tree"
    } else {
        ", holds data"
    }
}

/// Which of two copies counts, and whether they agree.
fn copies(found: &mut Inspection, bytes: &[u8], first: usize, second: usize) {
    let rest = |at: usize| bytes.get(at..).unwrap_or_default();
    if let Ok(selected) = select(rest(first), rest(second)) {
        let at = [first, second][selected.copy];
        let both = (PartitionTable::parse(rest(first)), PartitionTable::parse(rest(second)));
        let text = match both {
            (Ok(first), Ok(second)) if first == second => "both copies of the table are the same".to_owned(),
            (Ok(_), Ok(_)) => {
                format!("the copies of the table differ; the one at {at:#x} is the newer and counts")
            }
            _ => format!("one copy of the table is bad; the one at {at:#x} counts"),
        };
        found.say(None, text);
    }
}
