//! Erasing on request.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::bound::announce_run;
use super::change::{ChangeMode, ChangeReport, add_work, change};
use super::finish::{After, conclude};
use super::hex;
use super::table::{add_table_work, locate};
use crate::connect::ConnectOptions;
use crate::error::{Error, FlashState, Result};
use crate::event::Event;
use crate::plan::{Area, Budget, Estimate, FlashRange, Pieces, Targets};
use crate::session::Link;
use crate::transfer::{BLOCK_LOOKS, Before, RamLoader, STEADY_LOOKS};

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
    erase_area(link, options, Area::Range(range), ChangeMode::default(), after).await
}

/// As [`erase_range`], of an area that may be a partition of the module's own table, and in a mode. For
/// [`Area::Whole`] see [`erase_chip`], which is faster where most of the flash holds data.
///
/// # Errors
/// As [`write`](super::write); [`crate::error::ErrorKind::Table`] for a partition that is not there.
pub async fn erase_area(
    link: Link,
    options: Arc<ConnectOptions>,
    area: Area,
    mode: ChangeMode,
    after: After,
) -> Result<EraseReport> {
    if let Area::Range(range) = &area {
        Pieces::erased(*range)?;
    }
    announce_run(&link, &options, |budget, size| {
        if let Area::Partition(_) = area {
            add_table_work(budget);
        }
        let range = if let Area::Range(range) = area { range } else { FlashRange::whole(size) };
        if let Ok(pieces) = Pieces::erased(range) {
            add_work(budget, &Targets::of(&pieces), size);
        }
    });
    let mut loader = Arc::clone(&options).connect(&link).await?;
    let result = erase(&mut loader, &area, mode).await;
    conclude(loader, &options, after, result).await
}

async fn erase(loader: &mut RamLoader, area: &Area, mode: ChangeMode) -> Result<EraseReport> {
    let range = locate(loader, area).await?;
    let report = change(loader, &Pieces::erased(range)?, mode).await?;
    Ok(EraseReport { range, change: Some(report) })
}

/// Erases the whole flash by its own command and verifies that it holds FFh.
///
/// # Errors
/// [`crate::error::ErrorKind::Different`] if it does not; everything that connecting and erasing can run into.
pub async fn erase_chip(link: Link, options: Arc<ConnectOptions>, after: After) -> Result<EraseReport> {
    announce_run(&link, &options, add_chip_erase);
    let mut loader = Arc::clone(&options).connect(&link).await?;
    let result = erase_all(&mut loader).await;
    let range = conclude(loader, &options, after, result).await?;
    Ok(EraseReport { range, change: None })
}

/// Tells what [`erase_chip`] would erase; changes nothing.
///
/// # Errors
/// Everything that connecting and comparing can run into.
pub async fn plan_chip_erase(link: Link, options: Arc<ConnectOptions>, after: After) -> Result<EraseReport> {
    let mode = ChangeMode { dry_run: true, readback: false };
    let mut report = erase_area(link.clone(), options, Area::Whole, mode, after).await?;
    if let Some(change) = &mut report.change {
        let size = u64::from(report.range.len());
        change.plan.chip_erase = true;
        change.plan.estimate_ms = Estimate::new(link.baud_bps()).chip_erase().hash(size).millis();
    }
    Ok(report)
}

fn add_chip_erase(budget: &mut Budget, size_bytes: u32) {
    budget.chip_erase();
    budget.chip_erase();
    budget.hash(u64::from(size_bytes) * u64::from(6 + STEADY_LOOKS + BLOCK_LOOKS));
}

async fn erase_all(loader: &mut RamLoader) -> Result<FlashRange> {
    let link = loader.link().clone();
    let range = loader.whole_flash();
    let mut budget = loader.budget();
    add_chip_erase(&mut budget, range.len());
    loader.announce_work(&budget);
    link.set_flash_state(FlashState::ChipErase);
    loader.chip_erase().await?;
    link.set_flash_state(FlashState::Unverified { ranges: vec![range] });
    let erased = vec![0xFF; range.len() as usize];
    let sectors = loader.differing_sectors(range, &erased).await?;
    if !sectors.is_empty() {
        return Err(Error::new(loader.not_taken(range, &erased, &sectors, &Before::new(), 1).await?));
    }
    let digest = Sha256::digest(&erased);
    if let Some(unstable) = loader.unsteady(range, &digest.into(), STEADY_LOOKS - 1).await? {
        return Err(Error::new(unstable));
    }
    link.set_flash_state(FlashState::Verified);
    link.emit(Event::Verified { range, sha256: hex(&digest) });
    Ok(range)
}
