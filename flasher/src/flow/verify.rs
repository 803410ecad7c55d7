//! Comparing flash with files.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::bound::announce_run;
use super::change::PieceReport;
use super::finish::{After, conclude};
use super::hex;
use crate::connect::ConnectOptions;
use crate::error::{Error, Result};
use crate::event::{Event, Phase};
use crate::plan::{Budget, Pieces, SECTOR};
use crate::session::Link;
use crate::transfer::{LOOKS, RamLoader};

/// Pieces that the flash holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyReport {
    /// In the order of addresses.
    pub pieces: Vec<PieceReport>,
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
    announce_run(&link, &options, |budget, _| add_work(budget, &pieces));
    let mut loader = Arc::clone(&options).connect(&link).await?;
    let result = compare(&mut loader, &pieces).await;
    conclude(loader, &options, after, result).await
}

fn add_work(budget: &mut Budget, pieces: &Pieces) {
    budget.hash(pieces.total_bytes() * 3);
    // What differs is looked at more than once, to tell a difference from cells that do not read the same twice.
    for _ in 0..LOOKS {
        budget.hash(u64::from(SECTOR));
        budget.read(u64::from(SECTOR));
    }
}

async fn compare(loader: &mut RamLoader, pieces: &Pieces) -> Result<VerifyReport> {
    pieces.check_within(loader.flash().size_bytes)?;
    let link = loader.link().clone();
    let total_bytes = pieces.total_bytes();
    let mut budget = loader.budget();
    add_work(&mut budget, pieces);
    loader.announce_work(&budget);
    let mut reports = Vec::new();
    let mut done_bytes = 0;
    for piece in pieces.iter() {
        let range = piece.range();
        let sectors = loader.differing_sectors(range, piece.bytes()).await?;
        if !sectors.is_empty() {
            return Err(Error::new(loader.difference(range, piece.bytes(), &sectors).await?));
        }
        done_bytes += u64::from(range.len());
        link.emit(Event::Progress { phase: Phase::Verify, done_bytes, total_bytes });
        let sha256 = hex(&Sha256::digest(piece.bytes()));
        link.emit(Event::Verified { range, sha256: sha256.clone() });
        reports.push(PieceReport { range, sha256 });
    }
    Ok(VerifyReport { pieces: reports })
}
