//! Putting a partition table onto a module.

use std::sync::Arc;

use bl702_protocol::image::boot_header::BOOT_HEADER_LEN;
use bl702_protocol::image::partition::PartitionTable;

use super::bound::announce_run;
use super::change::{ChangeMode, ChangeReport, add_work, change};
use super::finish::{After, conclude};
use super::table::{add_table_work, find_tables, read_start};
use crate::connect::ConnectOptions;
use crate::error::{Error, Result};
use crate::partition::{Layout, ModuleTables, TABLE_SECTOR, TableError, is_table, places_of_header};
use crate::plan::{FlashRange, Piece, Pieces, SECTOR, Targets};
use crate::session::Link;
use crate::transfer::RamLoader;

/// What became of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstallReport {
    /// The table, with the age that it has got.
    pub table: PartitionTable,
    /// Where its copies are, in the order in which they were written.
    pub places: [u32; 2],
    /// What the module had before.
    pub before: Option<ModuleTables>,
    /// What was done for each copy, in the same order.
    pub changes: [ChangeReport; 2],
}

/// Puts a table into both of its places, newer than what is there: first over the copy that does not count, so that a cut
/// of the supply at any moment leaves a good one.
///
/// # Errors
/// [`crate::error::ErrorKind::Table`], before anything is changed, if the module has its table elsewhere or holds something
/// else at a place of the new one, unless `force`; [`crate::error::ErrorKind::Plan`] for partitions past the end of the
/// flash; as [`write`](super::write).
pub async fn install_table(
    link: Link,
    options: Arc<ConnectOptions>,
    layout: Layout,
    force: bool,
    mode: ChangeMode,
    after: After,
) -> Result<InstallReport> {
    announce_run(&link, &options, |budget, size| {
        for address in layout.addresses {
            add_table_work(budget);
            if let Ok(pieces) = copy_at(address, &[0]) {
                add_work(budget, &Targets::of(&pieces), size);
            }
        }
    });
    let mut loader = Arc::clone(&options).connect(&link).await?;
    let result = install(&mut loader, &layout, force, mode).await;
    conclude(loader, &options, after, result).await
}

async fn install(
    loader: &mut RamLoader,
    layout: &Layout,
    force: bool,
    mode: ChangeMode,
) -> Result<InstallReport> {
    let mut budget = loader.budget();
    for _ in layout.addresses {
        add_table_work(&mut budget);
    }
    loader.announce_work(&budget);
    check_within(layout, loader.flash().size_bytes)?;
    let there = find_tables(loader).await?.ok();
    if !force {
        check_places(loader, layout, there.as_ref()).await?;
    }
    // A table elsewhere says nothing about the age that is needed here, but with a higher one it counts nowhere less.
    let (table, order) = match &there {
        Some(there) => there.successor(&layout.table),
        None => (layout.table.clone(), [0, 1]),
    };
    let bytes = table
        .to_bytes()
        .map_err(|source| TableError::Bad { places: layout.addresses, copies: [source, source] })?;
    let places = order.map(|copy| layout.addresses[copy]);
    let first = change(loader, &copy_at(places[0], &bytes)?, mode).await?;
    let second = change(loader, &copy_at(places[1], &bytes)?, mode).await?;
    Ok(InstallReport { table, places, before: there, changes: [first, second] })
}

/// One copy, filled up to the end of its sector.
fn copy_at(address: u32, table: &[u8]) -> Result<Pieces> {
    let mut bytes = table.to_vec();
    bytes.resize(TABLE_SECTOR as usize, 0xFF);
    Ok(Pieces::new(vec![Piece::new(u64::from(address), bytes)?])?)
}

/// Whether everything that the table names lies in the flash.
fn check_within(layout: &Layout, flash_bytes: u32) -> Result<()> {
    let copies = layout.addresses.map(|address| (address, SECTOR));
    let places = layout.table.entries.iter().flat_map(|entry| entry.addresses.into_iter().zip(entry.sizes));
    for (start, len) in copies.into_iter().chain(places).filter(|(_, len)| *len > 0) {
        let range = FlashRange::with_len(start, u64::from(len));
        let past = crate::plan::PlanError::PastAddresses { start: u64::from(start), len: u64::from(len) };
        range.ok_or(past)?.check_within(flash_bytes)?;
    }
    Ok(())
}

/// Refuses places at which boot2 would not look, and places that hold something else.
async fn check_places(loader: &mut RamLoader, layout: &Layout, there: Option<&ModuleTables>) -> Result<()> {
    let wanted = layout.addresses;
    let elsewhere = |there: [u32; 2], why| Err(Error::new(TableError::Elsewhere { wanted, there, why }));
    let header = read_start(loader, 0, BOOT_HEADER_LEN).await?;
    if let Some(places) = places_of_header(&header).filter(|places| *places != wanted) {
        return elsewhere(places, "the boot header has the ROM look for it");
    }
    if let Some(tables) = there.filter(|tables| tables.places != wanted) {
        return elsewhere(tables.places, "the module has one");
    }
    // Beside a good copy the other place is one of the table, too, be it torn by a cut.
    if there.is_some_and(|tables| tables.active().is_ok()) {
        return Ok(());
    }
    for address in wanted {
        let bytes = read_start(loader, address, SECTOR as usize).await?;
        let is_free = bytes.iter().all(|byte| *byte == 0xFF);
        if !is_free && !is_table(&bytes) {
            return Err(Error::new(TableError::Occupied { address }));
        }
    }
    Ok(())
}
