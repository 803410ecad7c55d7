//! Comparing flash with bytes by SHA-256, without reading it.

use sha2::{Digest, Sha256};

use super::loader::RamLoader;
use crate::error::{Error, ErrorKind, Result};
use crate::plan::{BLOCK_64K, FlashRange, SECTOR};
use crate::request::Request;

/// How many answers that differ from one another are listened to before a range counts as one that does not hold its bytes.
const MOST_ANSWERS: usize = 4;

/// How often in all a range is hashed before success is told. Cells that have lost their charge in part read as either
/// value, so once is not enough. Hashing takes the module 0.17 s for 1 MiB.
pub(crate) const STEADY_LOOKS: u32 = 4;

/// Index of the first byte that differs, the shorter one's end counting as a difference.
pub fn first_difference(expected: &[u8], got: &[u8]) -> Option<usize> {
    let differs = expected.iter().zip(got).position(|(expected, got)| expected != got);
    differs.or_else(|| (expected.len() != got.len()).then(|| expected.len().min(got.len())))
}

impl RamLoader {
    /// SHA-256 of a range, computed by the module.
    pub(crate) async fn sha256(&mut self, range: FlashRange) -> Result<[u8; 32]> {
        let answer = self.ask(&Request::sha256(range)).await?;
        let got = answer.len();
        answer.try_into().map_err(|_| Error::new(ErrorKind::WrongLength { expected: 32, got }))
    }

    /// Whether a range holds these bytes. An answer has no checksum, so that it does not is believed when the module has
    /// said the same twice; that it does, no damage can pretend.
    pub(crate) async fn holds(&mut self, range: FlashRange, bytes: &[u8]) -> Result<bool> {
        let expected: [u8; 32] = Sha256::digest(bytes).into();
        let mut seen = Vec::new();
        while seen.len() < MOST_ANSWERS {
            let digest = self.sha256(range).await?;
            if digest == expected {
                return Ok(true);
            }
            if seen.contains(&digest) {
                return Ok(false);
            }
            seen.push(digest);
        }
        Ok(false)
    }

    /// Hashes a range `more` times that has just had this digest: `Some` if cells of it do not read the same each time.
    ///
    /// One that reads as either value, as likely, and was read right the first time, is missed once in
    /// 2<sup>1 + `more`</sup>.
    pub(crate) async fn unsteady(
        &mut self,
        range: FlashRange,
        digest: &[u8; 32],
        more: u32,
    ) -> Result<Option<ErrorKind>> {
        for _ in 0..more {
            // Another one may have been damaged on the line; the closer look tells.
            if self.sha256(range).await? != *digest {
                return self.find_unstable(range).await;
            }
        }
        Ok(None)
    }

    /// The parts of a range, cut at sector boundaries, that do not hold these bytes: the whole is compared, then blocks
    /// of 64 KiB, then sectors.
    pub(crate) async fn differing_sectors(
        &mut self,
        range: FlashRange,
        bytes: &[u8],
    ) -> Result<Vec<FlashRange>> {
        let mut differing = Vec::new();
        if self.holds(range, bytes).await? {
            return Ok(differing);
        }
        for block in range.aligned_parts(BLOCK_64K) {
            // A range within one block has been compared already.
            if block != range && self.holds(block, within(range, bytes, block)).await? {
                continue;
            }
            for sector in block.aligned_parts(SECTOR) {
                if sector == range || !self.holds(sector, within(range, bytes, sector)).await? {
                    differing.push(sector);
                }
            }
        }
        Ok(differing)
    }
}

/// The bytes of `part`, which lies in `range`, whose bytes are `bytes`.
pub(super) fn within(range: FlashRange, bytes: &[u8], part: FlashRange) -> &[u8] {
    let from = (part.start() - range.start()) as usize;
    &bytes[from..from + part.len() as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_difference_is_found() {
        assert_eq!(first_difference(b"same", b"same"), None);
        assert_eq!(first_difference(b"abcd", b"abXd"), Some(2));
        assert_eq!(first_difference(b"abcd", b"ab"), Some(2));
        assert_eq!(first_difference(b"", b"a"), Some(0));
    }
}
