//! Reading flash.

use bl702_protocol::frame::LOADER_MAX_READ;
use sha2::{Digest, Sha256};

use super::hash::within;
use super::loader::RamLoader;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, Phase};
use crate::plan::{BLOCK_64K, FlashRange};
use crate::request::Request;

/// How often parts that do not agree with the module's own hash are read again.
const ROUNDS: u32 = 3;

impl RamLoader {
    /// Reads a range in the largest blocks that the loader gives. Progress is reported if `phase` is named.
    ///
    /// Answers carry no checksum: see [`read_verified`](Self::read_verified).
    pub(crate) async fn read(&mut self, range: FlashRange, phase: Option<Phase>) -> Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(range.len() as usize);
        let mut rest = range;
        while !rest.is_empty() {
            let request = Request::read(rest);
            // The loader cuts what is too long without a word; `ask` compares the length.
            bytes.extend(self.ask(&request).await?);
            rest = rest.tail(LOADER_MAX_READ as u32);
            if let Some(phase) = phase {
                let (done_bytes, total_bytes) = (bytes.len() as u64, u64::from(range.len()));
                self.link().emit(Event::Progress { phase, done_bytes, total_bytes });
            }
        }
        Ok(bytes)
    }

    /// Reads a range and compares it with the SHA-256 that the module computes; what differs is read again.
    ///
    /// # Errors
    /// [`ErrorKind::ReadMismatch`] if they never agree.
    pub(crate) async fn read_verified(
        &mut self,
        range: FlashRange,
        phase: Option<Phase>,
    ) -> Result<(Vec<u8>, [u8; 32])> {
        let mut bytes = self.read(range, phase).await?;
        for _ in 0..ROUNDS {
            let digest = self.sha256(range).await?;
            if digest == <[u8; 32]>::from(Sha256::digest(&bytes)) {
                return Ok((bytes, digest));
            }
            self.link().emit(Event::Retry {
                cause: format!("bytes read from {range} do not have the module's SHA-256"),
            });
            for part in range.aligned_parts(BLOCK_64K) {
                if part == range || !self.holds(part, within(range, &bytes, part)).await? {
                    let again = self.read(part, None).await?;
                    let from = (part.start() - range.start()) as usize;
                    bytes[from..from + again.len()].copy_from_slice(&again);
                }
            }
        }
        Err(Error::new(ErrorKind::ReadMismatch { range }))
    }
}
