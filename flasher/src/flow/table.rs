//! The partition table of a module, read through the RAM loader.

use std::sync::Arc;

use bl702_protocol::image::boot_header::BOOT_HEADER_LEN;
use bl702_protocol::image::partition::{MAX_ENTRIES, PartitionTable};

use super::bound::announce_sizeless_run;
use super::finish::{After, conclude};
use crate::connect::ConnectOptions;
use crate::error::{Error, Result};
use crate::event::Event;
use crate::partition::{ModuleTables, Partition, TableError, is_table, likely_places, table_bytes};
use crate::plan::{Area, Budget, FlashRange, Piece, Pieces, Place, PlacedFiles, SECTOR};
use crate::session::Link;
use crate::transfer::RamLoader;

/// Pairs of places that are looked at, at most: those of a header and the usual ones.
const PAIRS: u64 = 3;

/// Reads the partition table of the module.
///
/// # Errors
/// [`crate::error::ErrorKind::Table`] if there is none; everything that connecting and reading can run into. That both copies
/// are bad is part of what is read.
pub async fn read_table(link: Link, options: Arc<ConnectOptions>, after: After) -> Result<ModuleTables> {
    announce_sizeless_run(&link, &options, add_table_work);
    let mut loader = Arc::clone(&options).connect(&link).await?;
    let mut budget = loader.budget();
    add_table_work(&mut budget);
    loader.announce_work(&budget);
    let result = tables(&mut loader).await;
    conclude(loader, &options, after, result).await
}

/// Finding the table: a header, and both copies in each place where they may be.
pub(super) fn add_table_work(budget: &mut Budget) {
    for _ in 0..=PAIRS * 2 {
        budget.read(u64::from(SECTOR) * 2);
        budget.hash(u64::from(SECTOR) * 7);
    }
}

/// The tables of the module: the first pair of places in which there is anything like one.
pub(super) async fn tables(loader: &mut RamLoader) -> Result<ModuleTables> {
    let found = find_tables(loader).await?;
    found.map_err(|looked_at| Error::new(TableError::None { looked_at }))
}

/// As [`tables`]; without one the addresses that were looked at.
pub(super) async fn find_tables(
    loader: &mut RamLoader,
) -> Result<std::result::Result<ModuleTables, Vec<u32>>> {
    let flash_bytes = loader.flash().size_bytes;
    let header = read_start(loader, 0, BOOT_HEADER_LEN).await?;
    let mut looked_at = Vec::new();
    for places in likely_places(&header, flash_bytes) {
        let first = read_start(loader, places[0], table_bytes(MAX_ENTRIES)).await?;
        let second = read_start(loader, places[1], table_bytes(MAX_ENTRIES)).await?;
        if is_table(&first) || is_table(&second) {
            let copies = [PartitionTable::parse(&first), PartitionTable::parse(&second)];
            return Ok(Ok(ModuleTables { places, copies }));
        }
        looked_at.extend(places);
    }
    Ok(Err(looked_at))
}

/// The first bytes at an address, verified by hash; less where the flash ends.
pub(super) async fn read_start(loader: &mut RamLoader, address: u32, len: usize) -> Result<Vec<u8>> {
    let range = FlashRange::with_len(address, len as u64)
        .and_then(|range| range.intersection(&loader.whole_flash()))
        .unwrap_or(FlashRange::whole(0));
    if range.is_empty() {
        return Ok(Vec::new());
    }
    Ok(loader.read_verified(range).await?.0)
}

/// Where an area is, by the module's own table if it is a partition.
pub(super) async fn locate(loader: &mut RamLoader, area: &Area) -> Result<FlashRange> {
    let range = match area {
        Area::Whole => loader.whole_flash(),
        Area::Range(range) => *range,
        Area::Partition(name) => {
            let tables = tables(loader).await?;
            found(loader, &tables, name)?.range
        }
    };
    range.check_within(loader.flash().size_bytes)?;
    Ok(range)
}

fn found(loader: &RamLoader, tables: &ModuleTables, name: &str) -> Result<Partition> {
    let partition = tables.partition(name)?;
    let (copy, table) = tables.active()?;
    loader.link().emit(Event::Partition {
        name: partition.name.clone(),
        range: partition.range,
        table_at: tables.places[copy],
        table_age: table.age,
    });
    partition
        .range
        .check_within(loader.flash().size_bytes)
        .map_err(|source| TableError::Impossible { name: name.to_owned(), source })?;
    Ok(partition)
}

/// Pieces of which some were named by their partition, and the partitions of those.
pub(super) struct Located {
    pub(super) pieces: Pieces,
    pub(super) partitions: Vec<Partition>,
}

impl Located {
    /// The name by which the piece at this range was asked for.
    pub(super) fn name_at(&self, range: FlashRange) -> Option<String> {
        let partition = self.partitions.iter().find(|partition| partition.range.start() == range.start());
        partition.map(|partition| partition.name.clone())
    }
}

/// Gives every file its address, by the module's own table where it is for a partition.
pub(super) async fn locate_files(loader: &mut RamLoader, files: &PlacedFiles) -> Result<Located> {
    let tables = if files.needs_table() { Some(tables(loader).await?) } else { None };
    let (mut pieces, mut partitions) = (Vec::new(), Vec::new());
    for file in files.iter() {
        let address = match (&file.place, &tables) {
            (Place::Partition(name), Some(tables)) => {
                let Partition { name, range } = found(loader, tables, name)?;
                let file_bytes = file.bytes.len();
                if file_bytes > range.len() as usize {
                    return Err(Error::new(TableError::TooLarge { name, range, file_bytes }));
                }
                partitions.push(Partition { name, range });
                u64::from(range.start())
            }
            (Place::Address(address), _) => *address,
            // `needs_table` has seen that there is none of these.
            (Place::Partition(_), None) => continue,
        };
        pieces.push(Piece::new(address, file.bytes.clone())?);
    }
    Ok(Located { pieces: Pieces::new(pieces)?, partitions })
}
