//! Comparing flash with files.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::bound::announce_run;
use super::change::PieceReport;
use super::finish::{After, conclude};
use super::readback::{add_readback_work, read_back};
use super::table::{Located, add_table_work, locate_files};
use crate::connect::ConnectOptions;
use crate::error::{Error, Result};
use crate::event::{Event, Phase};
use crate::plan::{Budget, Pieces, PlacedFiles, SECTOR};
use crate::session::Link;
use crate::transfer::{BLOCK_LOOKS, LOOKS, RamLoader, STEADY_LOOKS};

/// Pieces that the flash holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyReport {
    /// In the order of addresses.
    pub pieces: Vec<PieceReport>,
    /// Bytes that were read back and compared, beside the SHA-256.
    pub readback_bytes: u64,
}

/// Compares pieces with the flash by SHA-256.
///
/// # Errors
/// [`crate::error::ErrorKind::Different`] with the first byte that differs, found by comparing hashes of smaller and smaller parts;
/// everything that connecting can run into.
pub async fn verify(
    link: Link,
    options: Arc<ConnectOptions>,
    pieces: Pieces,
    after: After,
) -> Result<VerifyReport> {
    verify_files(link, options, pieces.into(), false, after).await
}

/// As [`verify`], of files of which some are for a partition of the module's own table. With `readback` everything is
/// read and compared byte by byte as well.
///
/// # Errors
/// As [`verify`]; [`crate::error::ErrorKind::Table`] for a partition that is not there or too small.
pub async fn verify_files(
    link: Link,
    options: Arc<ConnectOptions>,
    files: PlacedFiles,
    readback: bool,
    after: After,
) -> Result<VerifyReport> {
    announce_run(&link, &options, |budget, _| {
        if files.needs_table() {
            add_table_work(budget);
        }
        add_work(budget, &files.as_costly(), readback);
    });
    let mut loader = Arc::clone(&options).connect(&link).await?;
    let result = compare_files(&mut loader, &files, readback).await;
    conclude(loader, &options, after, result).await
}

fn add_work(budget: &mut Budget, pieces: &Pieces, readback: bool) {
    if readback {
        add_readback_work(budget, pieces.total_bytes());
    }
    // The whole, blocks and sectors, each twice where it differs; or again and again, where it does not.
    budget.hash(pieces.total_bytes() * u64::from(6 + STEADY_LOOKS + BLOCK_LOOKS));
    // What differs is looked at more than once, to tell a difference from cells that do not read the same twice.
    for _ in 0..LOOKS {
        budget.hash(u64::from(SECTOR));
        budget.read(u64::from(SECTOR));
    }
}

async fn compare_files(loader: &mut RamLoader, files: &PlacedFiles, readback: bool) -> Result<VerifyReport> {
    let located: Located = locate_files(loader, files).await?;
    let mut report = compare(loader, &located.pieces, readback).await?;
    for piece in &mut report.pieces {
        piece.partition = located.name_at(piece.range);
    }
    Ok(report)
}

async fn compare(loader: &mut RamLoader, pieces: &Pieces, readback: bool) -> Result<VerifyReport> {
    pieces.check_within(loader.flash().size_bytes)?;
    let link = loader.link().clone();
    let total_bytes = pieces.total_bytes();
    let mut budget = loader.budget();
    add_work(&mut budget, pieces, readback);
    loader.announce_work(&budget);
    let mut reports = Vec::new();
    let mut done_bytes = 0;
    for piece in pieces.iter() {
        let range = piece.range();
        let sectors = loader.differing_sectors(range, piece.bytes()).await?;
        if !sectors.is_empty() {
            return Err(Error::new(loader.difference(range, piece.bytes(), &sectors).await?));
        }
        let digest = Sha256::digest(piece.bytes());
        if let Some(unstable) = loader.unsteady(range, &digest.into(), STEADY_LOOKS - 1).await? {
            return Err(Error::new(unstable));
        }
        done_bytes += u64::from(range.len());
        link.emit(Event::Progress { phase: Phase::Verify, done_bytes, total_bytes });
        let report = PieceReport::of(piece);
        link.emit(Event::Verified { range, sha256: report.sha256.clone() });
        reports.push(report);
    }
    let readback_bytes = if readback { read_back(loader, pieces).await? } else { 0 };
    Ok(VerifyReport { pieces: reports, readback_bytes })
}
