//! Reading back what was verified by hash, for those who want to see the bytes.

use super::hex;
use crate::error::{Error, ErrorKind, FlashState, Result};
use crate::event::{Event, Phase};
use crate::plan::{BLOCK_64K, Budget, Pieces};
use crate::transfer::{RamLoader, first_difference};

pub(super) fn add_readback_work(budget: &mut Budget, bytes: u64) {
    budget.read(bytes * 2);
    budget.hash(bytes * 7);
}

/// Reads every piece and compares it byte by byte; gives how many bytes that were.
///
/// # Errors
/// [`ErrorKind::Different`] for bytes that differ though their SHA-256 is right; as [`RamLoader::read_verified`].
pub(super) async fn read_back(loader: &mut RamLoader, pieces: &Pieces) -> Result<u64> {
    let total_bytes = pieces.total_bytes();
    let mut done_bytes = 0;
    for piece in pieces.iter() {
        let range = piece.range();
        for block in range.aligned_parts(BLOCK_64K) {
            let from = (block.start() - range.start()) as usize;
            let expected = &piece.bytes()[from..from + block.len() as usize];
            let (got, digest) = loader.read_verified(block).await?;
            if let Some(at) = first_difference(expected, &got) {
                if loader.link().flash_state() != FlashState::Unchanged {
                    loader.link().set_flash_state(FlashState::NotRight { ranges: vec![block] });
                }
                return Err(Error::new(ErrorKind::Different {
                    first: block.start() + at as u32,
                    found: expected.get(at).copied().zip(got.get(at).copied()),
                    differing_bytes: block.len(),
                }));
            }
            done_bytes += u64::from(block.len());
            let link = loader.link();
            link.emit(Event::Progress { phase: Phase::ReadBack, done_bytes, total_bytes });
            link.emit(Event::ReadBack { range: block, sha256: hex(&digest) });
        }
    }
    Ok(done_bytes)
}
