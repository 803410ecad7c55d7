//! Two images of a flash, sector by sector.

use bl702_protocol::image::partition::PartitionEntry;
use serde::Serialize;

use crate::partition;
use crate::plan::FlashRange;

/// Bytes of a sector.
pub const SECTOR: usize = 4096;

/// How a sector of two images compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Sector {
    /// The same.
    Same,
    /// Both erased.
    Erased,
    /// Erased in the first only.
    FirstErased,
    /// Erased in the second only.
    SecondErased,
    /// Different.
    Different,
    /// In one image only.
    Missing,
}

impl Sector {
    /// Its letter in a map.
    pub fn letter(self) -> char {
        match self {
            Sector::Same => '=',
            Sector::Erased => '.',
            Sector::FirstErased => '+',
            Sector::SecondErased => '-',
            Sector::Different => 'X',
            Sector::Missing => '?',
        }
    }

    /// Whether the images agree there.
    pub fn is_same(self) -> bool {
        matches!(self, Sector::Same | Sector::Erased)
    }
}

/// A run of sectors that differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The sectors.
    pub range: FlashRange,
    /// First byte that differs.
    pub first: usize,
    /// Bytes that differ, those that one image lacks included.
    pub bytes: usize,
    /// Partitions of the first image's table that it touches.
    pub partitions: Vec<String>,
}

/// How two images compare.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Comparison {
    /// One for each sector of the longer image.
    pub sectors: Vec<Sector>,
    /// Runs of sectors that differ, in order.
    pub differences: Vec<Difference>,
}

/// Compares two images that begin at the same address.
pub fn compare(first: &[u8], second: &[u8]) -> Comparison {
    let sectors = first.len().max(second.len()).div_ceil(SECTOR);
    let at = |image: &[u8], number: usize| -> (usize, usize) {
        ((number * SECTOR).min(image.len()), ((number + 1) * SECTOR).min(image.len()))
    };
    let of = |number: usize| {
        let (a, b) = (at(first, number), at(second, number));
        sector(&first[a.0..a.1], &second[b.0..b.1])
    };
    let sectors: Vec<Sector> = (0..sectors).map(of).collect();
    let entries = entries(first);
    let mut differences: Vec<Difference> = Vec::new();
    let mut number = 0;
    for run in sectors.chunk_by(|left, right| left.is_same() == right.is_same()) {
        if !run[0].is_same() {
            differences.extend(difference(
                first,
                second,
                number * SECTOR,
                (number + run.len()) * SECTOR,
                &entries,
            ));
        }
        number += run.len();
    }
    Comparison { sectors, differences }
}

fn sector(first: &[u8], second: &[u8]) -> Sector {
    let erased = |bytes: &[u8]| bytes.iter().all(|byte| *byte == 0xFF);
    if first.is_empty() || second.is_empty() {
        Sector::Missing
    } else if first == second {
        if erased(first) { Sector::Erased } else { Sector::Same }
    } else if first.len() == second.len() && erased(first) {
        Sector::FirstErased
    } else if first.len() == second.len() && erased(second) {
        Sector::SecondErased
    } else {
        Sector::Different
    }
}

fn difference(
    first: &[u8],
    second: &[u8],
    start: usize,
    end: usize,
    entries: &[PartitionEntry],
) -> Option<Difference> {
    let differs = |at: &usize| first.get(*at) != second.get(*at);
    let end_of_both = end.min(first.len().max(second.len()));
    let range = FlashRange::new(u32::try_from(start).ok()?, u32::try_from(end).ok()?)?;
    let touched = entries.iter().filter(|entry| {
        entry
            .addresses
            .into_iter()
            .zip(entry.sizes)
            .any(|(address, size)| (address as usize) < end && address as usize + size as usize > start)
    });
    Some(Difference {
        range,
        first: (start..end_of_both).find(differs)?,
        bytes: (start..end_of_both).filter(differs).count(),
        partitions: touched.map(|entry| entry.name.text()).collect(),
    })
}

fn entries(image: &[u8]) -> Vec<PartitionEntry> {
    let found = partition::copies(image).unwrap_or_default();
    partition::active(&found).map(|(_, table)| table.entries.clone()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_and_runs() {
        let mut first = vec![0xFF; 5 * SECTOR];
        first[0] = 1;
        first[2 * SECTOR] = 7;
        let mut second = first.clone();
        second[SECTOR + 5] = 0;
        second[2 * SECTOR] = 0xFF;
        second.truncate(4 * SECTOR + 1);
        let found = compare(&first, &second);
        let map: String = found.sectors.iter().map(|sector| sector.letter()).collect();
        assert_eq!(map, "=+-.X");
        assert_eq!(found.differences.len(), 2);
        assert_eq!((found.differences[0].first, found.differences[0].bytes), (SECTOR + 5, 2));
        assert_eq!(found.differences[1].bytes, SECTOR - 1);
        assert!(compare(&first, &first).differences.is_empty());
        assert_eq!(compare(&[], &[1]).sectors, [Sector::Missing]);
        assert_eq!(compare(&[], &[]).sectors, []);
    }
}
