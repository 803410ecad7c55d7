//! Reading flash.

use std::collections::BTreeSet;

use bl702_protocol::frame::LOADER_MAX_READ;
use sha2::{Digest, Sha256};

use super::hash::{STEADY_LOOKS, within};
use super::loader::RamLoader;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, Phase};
use crate::plan::{BLOCK_64K, FlashRange, SECTOR};
use crate::request::Request;

/// How often parts that do not agree with the module's own hash are read: twice at each rate there may be.
const ROUNDS: u32 = 6;

/// How often data may be damaged at one rate.
const MISSES: u32 = 2;

impl RamLoader {
    /// Reads a range in the largest blocks that the loader gives. If `phase` is named, progress is reported and the bytes
    /// are handed out as events.
    ///
    /// Answers carry no checksum: see [`read_verified`](Self::read_verified).
    pub(crate) async fn read(&mut self, range: FlashRange, phase: Option<Phase>) -> Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(range.len() as usize);
        self.read_on(range, &mut bytes, phase).await?;
        Ok(bytes)
    }

    /// Reads what is missing of a range behind its first bytes.
    pub(crate) async fn read_on(
        &mut self,
        range: FlashRange,
        bytes: &mut Vec<u8>,
        phase: Option<Phase>,
    ) -> Result<()> {
        let mut rest = range.tail(bytes.len() as u32);
        while !rest.is_empty() {
            let request = Request::read(rest);
            // The loader cuts what is too long without a word; `ask` compares the length.
            let block = self.ask(&request).await?;
            if let Some(phase) = phase {
                let (done_bytes, total_bytes) = ((bytes.len() + block.len()) as u64, u64::from(range.len()));
                let range = rest.head(LOADER_MAX_READ as u32);
                self.link().emit(Event::Block { range, bytes: block.clone() });
                self.link().emit(Event::Progress { phase, done_bytes, total_bytes });
            }
            bytes.extend(block);
            rest = rest.tail(LOADER_MAX_READ as u32);
        }
        Ok(())
    }

    /// Reads a range and compares it with the SHA-256 that the module computes; what differs is read again.
    ///
    /// # Errors
    /// As [`settle_steady`](Self::settle_steady).
    pub(crate) async fn read_verified(&mut self, range: FlashRange) -> Result<(Vec<u8>, [u8; 32])> {
        let bytes = self.read(range, None).await?;
        self.settle_steady(range, bytes).await
    }

    /// As [`settle`](Self::settle), and makes sure that the cells read the same each time.
    ///
    /// # Errors
    /// As [`settle`](Self::settle).
    pub(crate) async fn settle_steady(
        &mut self,
        range: FlashRange,
        bytes: Vec<u8>,
    ) -> Result<(Vec<u8>, [u8; 32])> {
        let (bytes, digest) = self.settle(range, bytes).await?;
        match self.unsteady(range, &digest, STEADY_LOOKS - 1).await? {
            Some(unstable) => Err(Error::new(unstable)),
            None => Ok((bytes, digest)),
        }
    }

    /// Compares bytes that were read with the SHA-256 that the module computes; what differs is read again.
    ///
    /// # Errors
    /// [`ErrorKind::ReadMismatch`] if they never agree; [`ErrorKind::Unstable`] if that is because the module's own hash
    /// does not stay the same.
    async fn settle(&mut self, range: FlashRange, mut bytes: Vec<u8>) -> Result<(Vec<u8>, [u8; 32])> {
        let (mut bad, mut digests) = (Vec::new(), BTreeSet::new());
        let mut misses = 0;
        for round in 1..=ROUNDS {
            let digest = self.sha256(range).await?;
            if digest == <[u8; 32]>::from(Sha256::digest(&bytes)) {
                return Ok((bytes, digest));
            }
            digests.insert(digest);
            self.link().note_trouble(|troubles| troubles.repeats += 1);
            self.link().emit(Event::Retry {
                cause: format!(
                    "bytes read from {range} do not have the module's SHA-256 (round {round} of {ROUNDS})"
                ),
            });
            bad = self.bad_pieces(range, &bytes).await?;
            // Blocks that are all right, of a range that is not: a hash was damaged, or cells change.
            if bad.is_empty()
                && let Some(unstable) = self.find_unstable(range).await?
            {
                return Err(Error::new(unstable));
            }
            // Weak cells and a bad line look the same from here; the module's own hash tells them apart.
            if let Some(piece) = bad.first() {
                if let Some(unstable) = self.instability(*piece).await? {
                    return Err(Error::new(unstable));
                }
                misses += 1;
                if misses == MISSES && self.lower_rate_for_data(&Request::read(*piece), misses).await? {
                    misses = 0;
                }
            }
            for piece in &bad {
                let again = self.read(*piece, None).await?;
                self.link().emit(Event::Block { range: *piece, bytes: again.clone() });
                let from = (piece.start() - range.start()) as usize;
                bytes[from..from + again.len()].copy_from_slice(&again);
            }
        }
        if digests.len() > 1
            && let Some(unstable) = self.find_unstable(range).await?
        {
            return Err(Error::new(unstable));
        }
        let range = bad.first().copied().unwrap_or(range);
        Err(Error::new(ErrorKind::ReadMismatch { range, rounds: ROUNDS }))
    }

    /// Pieces of a range that do not have the module's hash, of which it is known that the whole does not.
    async fn bad_pieces(&mut self, range: FlashRange, bytes: &[u8]) -> Result<Vec<FlashRange>> {
        let mut bad = Vec::new();
        for part in range.aligned_parts(BLOCK_64K) {
            if part != range && self.holds(part, within(range, bytes, part)).await? {
                continue;
            }
            for piece in pieces(part) {
                if piece == range || !self.holds(piece, within(range, bytes, piece)).await? {
                    bad.push(piece);
                }
            }
        }
        Ok(bad)
    }
}

/// What is read again at once: sectors, or all of what fits into one answer.
fn pieces(part: FlashRange) -> Vec<FlashRange> {
    if part.len() as usize <= LOADER_MAX_READ { vec![part] } else { part.aligned_parts(SECTOR).collect() }
}
