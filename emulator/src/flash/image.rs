//! Contents that many parts begin with, held once.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};

/// No more digests than these are remembered.
const DIGESTS_KEPT: usize = 256;

/// What flashes begin with that share it until they are changed: a part that begins with an image takes memory of its own
/// for sectors that were written since, and cells that nobody has changed are hashed once for all parts.
///
/// For test suites that power up modules with the same firmware by the thousand.
#[derive(Debug, Default)]
pub struct FlashImage {
    bytes: Vec<u8>,
    /// Digests by first address and length.
    digests: Mutex<BTreeMap<(u32, u32), [u8; 32]>>,
}

impl FlashImage {
    /// An image of these bytes, from address 0 on; what is behind them is erased.
    pub fn new(mut bytes: Vec<u8>) -> FlashImage {
        let whole_sectors = bytes.len().next_multiple_of(super::array::SECTOR_BYTES);
        bytes.resize(whole_sectors, 0xff);
        FlashImage { bytes, digests: Mutex::default() }
    }

    /// The bytes, filled up to whole sectors with FFh.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// SHA-256 of bytes inside the image.
    pub(super) fn sha256(&self, address: u32, len: u32) -> [u8; 32] {
        let mut known = self.digests.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= DIGESTS_KEPT {
            known.clear();
        }
        let bytes = &self.bytes[address as usize..][..len as usize];
        *known.entry((address, len)).or_insert_with(|| Sha256::digest(bytes).into())
    }
}
