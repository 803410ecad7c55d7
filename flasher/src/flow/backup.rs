//! Reading flash into a file.

use std::sync::Arc;

use super::finish::{After, conclude};
use super::hex;
use crate::connect::ConnectOptions;
use crate::error::Result;
use crate::event::{Event, Phase};
use crate::plan::FlashRange;
use crate::session::Link;
use crate::transfer::RamLoader;

/// Flash content whose SHA-256 the module has confirmed.
#[derive(Clone, PartialEq, Eq)]
pub struct Backup {
    /// Where it was read.
    pub range: FlashRange,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Their SHA-256, in hex.
    pub sha256: String,
}

impl std::fmt::Debug for Backup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Backup({}, sha256 {})", self.range, self.sha256)
    }
}

/// Reads a range, or all of the flash, and compares it with the SHA-256 that the module computes.
///
/// # Errors
/// [`crate::error::ErrorKind::Plan`] for a range past the end, before anything is read; everything that connecting and
/// reading can run into.
pub async fn backup(
    link: Link,
    options: Arc<ConnectOptions>,
    range: Option<FlashRange>,
    after: After,
) -> Result<Backup> {
    let mut loader = Arc::clone(&options).connect(&link).await?;
    let result = read(&mut loader, range).await;
    conclude(loader, &options, after, result).await
}

async fn read(loader: &mut RamLoader, range: Option<FlashRange>) -> Result<Backup> {
    let range = range.unwrap_or_else(|| loader.whole_flash());
    range.check_within(loader.flash().size_bytes)?;
    let mut budget = loader.budget();
    let bytes = u64::from(range.len());
    budget.read(bytes * 2);
    budget.hash(bytes * 4);
    loader.announce_work(&budget);
    let (bytes, digest) = loader.read_verified(range, Some(Phase::Read)).await?;
    let sha256 = hex(&digest);
    loader.link().emit(Event::Verified { range, sha256: sha256.clone() });
    Ok(Backup { range, bytes, sha256 })
}
