//! Finding out why flash does not hold what it should.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::hash::{first_difference, within};
use super::loader::RamLoader;
use crate::error::{ErrorKind, Result};
use crate::plan::{BLOCK_64K, FlashRange, SECTOR};

/// How often a sector that is not as it should be is hashed and read, to tell cells that do not read the same twice.
pub const LOOKS: u32 = 12;

/// How often a block of 64 KiB is hashed again, to find out whether it holds such a sector.
pub(crate) const BLOCK_LOOKS: u32 = 6;

/// Block protect bits in the first status register: BP0 to BP3, or BP0 to BP2 and TB, by the maker (data sheets).
const BLOCK_PROTECT: u8 = 0x3C;

/// What sectors held before they were written: their addresses and SHA-256.
pub(crate) type Before = BTreeMap<u32, [u8; 32]>;

impl RamLoader {
    /// What a verification ends with when these sectors of a range differ from `bytes`.
    pub(crate) async fn difference(
        &mut self,
        range: FlashRange,
        bytes: &[u8],
        sectors: &[FlashRange],
    ) -> Result<ErrorKind> {
        let differing_bytes = sectors.iter().map(FlashRange::len).sum();
        let Some(sector) = sectors.first() else {
            return Ok(ErrorKind::Different { first: range.start(), found: None, differing_bytes });
        };
        if let Some(unstable) = self.instability(*sector).await? {
            return Ok(unstable);
        }
        let expected = within(range, bytes, *sector);
        let got = self.read(*sector, None).await?;
        let (first, found) = first_of(*sector, expected, &got);
        Ok(ErrorKind::Different { first, found, differing_bytes })
    }

    /// What a write ends with when these sectors still differ after `tries`, from worst news to plainest: cells that change
    /// by themselves, protection, cells that did not take it.
    pub(crate) async fn not_taken(
        &mut self,
        range: FlashRange,
        bytes: &[u8],
        sectors: &[FlashRange],
        before: &Before,
        tries: u32,
    ) -> Result<ErrorKind> {
        let Some(sector) = sectors.first() else {
            return self.difference(range, bytes, sectors).await;
        };
        if let Some(unstable) = self.instability(*sector).await? {
            return Ok(unstable);
        }
        let expected = within(range, bytes, *sector);
        let got = self.read(*sector, None).await?;
        let status = self.status_registers().await;
        if let Some(status) = status.filter(is_protecting) {
            return Ok(ErrorKind::Protected { range: *sector, status });
        }
        let (first, found) = first_of(*sector, expected, &got);
        let bits = |mask: fn(u8, u8) -> u8| -> u32 {
            expected.iter().zip(&got).map(|(expected, got)| mask(*expected, *got).count_ones()).sum()
        };
        Ok(ErrorKind::NotTaken {
            range,
            tries,
            first,
            found,
            differing_bytes: sectors.iter().map(FlashRange::len).sum(),
            zeros: bits(|expected, got| expected & !got),
            ones: bits(|expected, got| !expected & got),
            unchanged: before
                .get(&sector.start())
                .is_some_and(|digest| digest[..] == Sha256::digest(&got)[..]),
            status,
        })
    }

    /// Whether the status registers say that part of the flash is protected; `None` if not, or if they cannot be read.
    pub(crate) async fn protection(&mut self) -> Option<[u8; 3]> {
        self.status_registers().await.filter(is_protecting)
    }

    /// [`ErrorKind::Unstable`] for the first sector of a range that is; to be asked when hashes of the whole differed.
    pub(crate) async fn find_unstable(&mut self, range: FlashRange) -> Result<Option<ErrorKind>> {
        for block in range.aligned_parts(BLOCK_64K) {
            let first = self.sha256(block).await?;
            let mut varies = false;
            for _ in 0..BLOCK_LOOKS {
                varies |= self.sha256(block).await? != first;
            }
            let sectors = if varies { block.aligned_parts(SECTOR).collect() } else { Vec::new() };
            for sector in sectors {
                if let Some(unstable) = self.instability(sector).await? {
                    return Ok(Some(unstable));
                }
            }
        }
        Ok(None)
    }

    /// [`ErrorKind::Unstable`] if the module's own hashes of a sector differ from one another. An answer with a hash has no
    /// checksum, so one that is one of its kind may have been damaged on the line.
    pub(crate) async fn instability(&mut self, sector: FlashRange) -> Result<Option<ErrorKind>> {
        let mut seen: BTreeMap<[u8; 32], u32> = BTreeMap::new();
        for _ in 0..LOOKS {
            *seen.entry(self.sha256(sector).await?).or_default() += 1;
        }
        let repeated = seen.values().filter(|count| **count >= 2).count();
        let most = seen.values().copied().max().unwrap_or_default();
        if seen.len() < 2 || (repeated < 2 && most * 2 > LOOKS) {
            return Ok(None);
        }
        let first = self.read(sector, None).await?;
        let mut byte = None;
        for _ in 1..LOOKS {
            let again = self.read(sector, None).await?;
            if let Some(at) = first_difference(&first, &again) {
                byte = Some((sector.start() + at as u32, first[at], again[at]));
                break;
            }
        }
        Ok(Some(ErrorKind::Unstable { sector, looks: LOOKS, hashes: seen.len() as u32, byte }))
    }
}

/// A register that reads as ones is not one that protects: nothing answers then.
fn is_protecting(status: &[u8; 3]) -> bool {
    status[0] & BLOCK_PROTECT != 0 && status[0] != 0xFF
}

fn first_of(sector: FlashRange, expected: &[u8], got: &[u8]) -> (u32, Option<(u8, u8)>) {
    let found = first_difference(expected, got).and_then(|at| Some((at, *expected.get(at)?, *got.get(at)?)));
    match found {
        Some((at, expected, got)) => (sector.start() + at as u32, Some((expected, got))),
        None => (sector.start(), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case([0x00, 0, 0], false)]
    #[case([0x40, 2, 0], false)]
    #[case([0xbc, 0, 0], true)]
    #[case([0x04, 0, 0], true)]
    #[case([0xff, 0xff, 0xff], false)]
    fn protect_bits(#[case] status: [u8; 3], #[case] protecting: bool) {
        assert_eq!(is_protecting(&status), protecting);
    }
}
