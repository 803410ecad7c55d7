//! Reading flash into a file.

use std::sync::Arc;

use super::bound::announce_run;
use super::finish::{After, conclude};
use super::hex;
use super::table::{add_table_work, locate};
use crate::connect::ConnectOptions;
use crate::error::Result;
use crate::event::{Event, Phase};
use crate::plan::{Area, BLOCK_64K, Budget, FlashRange, SECTOR};
use crate::session::Link;
use crate::transfer::{BLOCK_LOOKS, LOOKS, RamLoader, STEADY_LOOKS};

/// Flash content whose SHA-256 the module has confirmed.
#[derive(Clone, PartialEq, Eq)]
pub struct Backup {
    /// Where it was read.
    pub range: FlashRange,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Their SHA-256, in hex.
    pub sha256: String,
    /// How many of them came from a part file and were found right.
    pub resumed_bytes: u64,
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
    resume_backup(link, options, range, Vec::new(), after).await
}

/// As [`backup`], with the first bytes of the range as an earlier run has read them. They are not trusted: what the module
/// does not confirm by SHA-256 is read again.
///
/// # Errors
/// As [`backup`].
pub async fn resume_backup(
    link: Link,
    options: Arc<ConnectOptions>,
    range: Option<FlashRange>,
    part: Vec<u8>,
    after: After,
) -> Result<Backup> {
    backup_area(link, options, range.map_or(Area::Whole, Area::Range), part, after).await
}

/// As [`resume_backup`], of an area that may be a partition of the module's own table.
///
/// # Errors
/// As [`backup`]; [`crate::error::ErrorKind::Table`] for a partition that is not there.
pub async fn backup_area(
    link: Link,
    options: Arc<ConnectOptions>,
    area: Area,
    part: Vec<u8>,
    after: After,
) -> Result<Backup> {
    announce_run(&link, &options, |budget, size| {
        if let Area::Partition(_) = area {
            add_table_work(budget);
        }
        let range = if let Area::Range(range) = area { range } else { FlashRange::whole(size) };
        add_work(budget, range.len(), part.len());
    });
    let mut loader = Arc::clone(&options).connect(&link).await?;
    let result = read(&mut loader, &area, part).await;
    conclude(loader, &options, after, result).await
}

fn add_work(budget: &mut Budget, len: u32, part_len: usize) {
    let bytes = u64::from(len);
    budget.read(bytes * 2);
    // Six rounds of comparing, and looks for weak cells.
    budget.hash(bytes * u64::from(6 + STEADY_LOOKS + BLOCK_LOOKS * 2));
    for _ in 0..part_len.div_ceil(BLOCK_64K as usize) {
        budget.hash(u64::from(BLOCK_64K));
    }
    for _ in 0..LOOKS {
        budget.hash(u64::from(SECTOR));
        budget.read(u64::from(SECTOR));
    }
}

async fn read(loader: &mut RamLoader, area: &Area, mut part: Vec<u8>) -> Result<Backup> {
    let range = locate(loader, area).await?;
    let mut budget = loader.budget();
    add_work(&mut budget, range.len(), part.len());
    loader.announce_work(&budget);
    part.truncate(range.len() as usize);
    let resumed_bytes = check_part(loader, range, &mut part).await?;
    loader.read_on(range, &mut part, Some(Phase::Read)).await?;
    let (bytes, digest) = loader.settle_steady(range, part).await?;
    let sha256 = hex(&digest);
    loader.link().emit(Event::Verified { range, sha256: sha256.clone() });
    Ok(Backup { range, bytes, sha256, resumed_bytes })
}

/// Compares bytes of an earlier run with the flash, 64 KiB at a time, and reads what differs; gives how many were right.
async fn check_part(loader: &mut RamLoader, range: FlashRange, part: &mut [u8]) -> Result<u64> {
    let (mut right_bytes, mut wrong_bytes) = (0, 0);
    for block in range.head(part.len() as u32).aligned_parts(BLOCK_64K) {
        let from = (block.start() - range.start()) as usize;
        let have = &mut part[from..from + block.len() as usize];
        if loader.holds(block, have).await? {
            right_bytes += u64::from(block.len());
            continue;
        }
        wrong_bytes += u64::from(block.len());
        let bytes = loader.read(block, None).await?;
        have.copy_from_slice(&bytes);
        loader.link().emit(Event::Block { range: block, bytes });
    }
    if !part.is_empty() {
        loader.link().emit(Event::PartChecked { right_bytes, wrong_bytes });
    }
    Ok(right_bytes)
}
