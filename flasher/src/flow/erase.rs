//! Erasing on request.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::change::{ChangeReport, change};
use super::finish::{After, conclude};
use super::hex;
use crate::connect::ConnectOptions;
use crate::error::{Error, FlashState, Result};
use crate::event::Event;
use crate::plan::{FlashRange, Pieces};
use crate::session::Link;
use crate::transfer::RamLoader;

/// What was erased, verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EraseReport {
    /// What holds FFh now.
    pub range: FlashRange,
    /// What had to be done for it; `None` after a chip erase.
    pub change: Option<ChangeReport>,
}

/// Brings a range to hold FFh. Bytes beside it that share a sector with it are kept; sectors that are erased already
/// are left alone.
///
/// # Errors
/// As [`write`](super::write).
pub async fn erase_range(
    link: Link,
    options: Arc<ConnectOptions>,
    range: FlashRange,
    after: After,
) -> Result<EraseReport> {
    let pieces = Pieces::erased(range)?;
    let mut loader = Arc::clone(&options).connect(&link).await?;
    let result = change(&mut loader, &pieces).await;
    let report = conclude(loader, &options, after, result).await?;
    Ok(EraseReport { range, change: Some(report) })
}

/// Erases the whole flash by its own command and verifies that it holds FFh.
///
/// # Errors
/// [`crate::error::ErrorKind::Different`] if it does not; everything that connecting and erasing can run into.
pub async fn erase_chip(link: Link, options: Arc<ConnectOptions>, after: After) -> Result<EraseReport> {
    let mut loader = Arc::clone(&options).connect(&link).await?;
    let result = erase_all(&mut loader).await;
    let range = conclude(loader, &options, after, result).await?;
    Ok(EraseReport { range, change: None })
}

async fn erase_all(loader: &mut RamLoader) -> Result<FlashRange> {
    let link = loader.link().clone();
    let range = loader.whole_flash();
    let mut budget = loader.budget();
    budget.chip_erase();
    budget.chip_erase();
    budget.hash(u64::from(range.len()) * 3);
    loader.announce_work(&budget);
    link.set_flash_state(FlashState::ChipErase);
    loader.chip_erase().await?;
    link.set_flash_state(FlashState::Unverified { ranges: vec![range] });
    let erased = vec![0xFF; range.len() as usize];
    let sectors = loader.differing_sectors(range, &erased).await?;
    if !sectors.is_empty() {
        return Err(Error::new(loader.difference(range, &erased, &sectors).await?));
    }
    link.set_flash_state(FlashState::Verified);
    link.emit(Event::Verified { range, sha256: hex(&Sha256::digest(&erased)) });
    Ok(range)
}
