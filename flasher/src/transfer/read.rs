//! Reading flash.

use bl702_protocol::frame::LOADER_MAX_READ;
use sha2::{Digest, Sha256};

use super::hash::within;
use super::loader::RamLoader;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, Phase};
use crate::plan::{BLOCK_64K, FlashRange, SECTOR};
use crate::request::Request;

/// How often parts that do not agree with the module's own hash are read again.
const ROUNDS: u32 = 4;

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
    /// As [`settle`](Self::settle).
    pub(crate) async fn read_verified(&mut self, range: FlashRange) -> Result<(Vec<u8>, [u8; 32])> {
        let bytes = self.read(range, None).await?;
        self.settle(range, bytes).await
    }

    /// Compares bytes that were read with the SHA-256 that the module computes; what differs is read again.
    ///
    /// # Errors
    /// [`ErrorKind::ReadMismatch`] if they never agree; [`ErrorKind::Unstable`] if that is because the module's own hash
    /// does not stay the same.
    pub(crate) async fn settle(
        &mut self,
        range: FlashRange,
        mut bytes: Vec<u8>,
    ) -> Result<(Vec<u8>, [u8; 32])> {
        let mut suspect = None;
        for round in 1..=ROUNDS {
            let digest = self.sha256(range).await?;
            if digest == <[u8; 32]>::from(Sha256::digest(&bytes)) {
                return Ok((bytes, digest));
            }
            self.link().note_trouble(|troubles| troubles.repeats += 1);
            self.link().emit(Event::Retry {
                cause: format!(
                    "bytes read from {range} do not have the module's SHA-256 (round {round} of {ROUNDS})"
                ),
            });
            for part in range.aligned_parts(BLOCK_64K) {
                if part == range || !self.holds(part, within(range, &bytes, part)).await? {
                    suspect = Some(self.read_again(range, part, &mut bytes).await?.unwrap_or(part));
                }
            }
        }
        let part = suspect.unwrap_or(range);
        // Weak cells and a bad line look the same from here; the module's own hash tells them apart.
        for sector in part.aligned_parts(SECTOR) {
            if !self.holds(sector, within(range, &bytes, sector)).await?
                && let Some(unstable) = self.instability(sector).await?
            {
                return Err(Error::new(unstable));
            }
        }
        Err(Error::new(ErrorKind::ReadMismatch { range: part, rounds: ROUNDS }))
    }

    /// Reads sectors of a part again that do not have their hash; gives the last of them. A sector whose hash does not stay
    /// the same ends the run; otherwise the line is to blame.
    async fn read_again(
        &mut self,
        range: FlashRange,
        part: FlashRange,
        bytes: &mut [u8],
    ) -> Result<Option<FlashRange>> {
        let mut last = None;
        for sector in part.aligned_parts(SECTOR) {
            if self.holds(sector, within(range, bytes, sector)).await? {
                continue;
            }
            if let Some(unstable) = self.instability(sector).await? {
                return Err(Error::new(unstable));
            }
            self.note_damaged_data(&Request::read(sector)).await?;
            let again = self.read(sector, None).await?;
            self.link().emit(Event::Block { range: sector, bytes: again.clone() });
            let from = (sector.start() - range.start()) as usize;
            bytes[from..from + again.len()].copy_from_slice(&again);
            last = Some(sector);
        }
        Ok(last)
    }
}
