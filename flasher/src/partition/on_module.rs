//! The partition table of a module: where its copies are, which one counts, and what may be done with it.

use bl702_protocol::image::boot_header::{BOOT_HEADER_LEN, BOOT_MAGIC, BootHeader};
use bl702_protocol::image::partition::{PARTITION_MAGIC, PartitionError, PartitionTable};

use super::TABLE_SECTOR;
use crate::plan::{FlashRange, PlanError};

/// Where the copies are when no boot header says otherwise: the layouts of ROM reference 7 without and with a boot2 in
/// flash.
const USUAL_PLACES: [[u32; 2]; 2] = [[0x1000, 0x2000], [0xE000, 0xF000]];

/// What is wrong with the table of a module, or with what is wanted of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// No copy anywhere.
    #[error("the flash holds no partition table (BFPT); looked at {}", addresses(.looked_at))]
    None {
        /// Where it was looked for.
        looked_at: Vec<u32>,
    },
    /// Neither copy is good.
    #[error("both copies of the partition table are bad; at {:#x}: {}; at {:#x}: {}", .places[0], .copies[0], .places[1], .copies[1])]
    Bad {
        /// Where they are.
        places: [u32; 2],
        /// What is wrong with each.
        copies: [PartitionError; 2],
    },
    /// No partition of this name.
    #[error("there is no partition {name:?} on this module; there are: {}", .known.join(", "))]
    Unknown {
        /// What was asked for.
        name: String,
        /// The names of the table.
        known: Vec<String>,
    },
    /// The partition takes no room where it is in use.
    #[error("partition {name} has no room at its place in use (active index {active})")]
    NoRoom {
        /// Which one.
        name: String,
        /// Its active index.
        active: u8,
    },
    /// The file is larger than the partition.
    #[error("the file has {file_bytes} bytes, partition {name} ({range}) has room for {}", .range.len())]
    TooLarge {
        /// Which one.
        name: String,
        /// Where it is.
        range: FlashRange,
        /// Bytes of the file.
        file_bytes: usize,
    },
    /// The table says something impossible.
    #[error("partition {name} of the module's table: {source}")]
    Impossible {
        /// Which one.
        name: String,
        /// What is wrong.
        source: PlanError,
    },
    /// The module has its table elsewhere.
    #[error("the new table is for {:#x} and {:#x}, but {why} at {:#x} and {:#x}", .wanted[0], .wanted[1], .there[0], .there[1])]
    Elsewhere {
        /// Where the new one is to go.
        wanted: [u32; 2],
        /// Where the module has it.
        there: [u32; 2],
        /// Who says so.
        why: &'static str,
    },
    /// There is something else at a place of the new table.
    #[error("the sector at {address:#x}, where a copy of the table is to go, holds something else")]
    Occupied {
        /// Where.
        address: u32,
    },
}

impl TableError {
    /// Exit status by `DESIGN.md`: 1 for what the module holds, 2 for what was asked for, 3 for what is refused.
    pub fn exit_code(&self) -> u8 {
        match self {
            TableError::None { .. }
            | TableError::Bad { .. }
            | TableError::NoRoom { .. }
            | TableError::Impossible { .. } => 1,
            TableError::Unknown { .. } | TableError::TooLarge { .. } => 2,
            TableError::Elsewhere { .. } | TableError::Occupied { .. } => 3,
        }
    }
}

fn addresses(list: &[u32]) -> String {
    list.iter().map(|address| format!("{address:#x}")).collect::<Vec<_>>().join(", ")
}

/// The tables of a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleTables {
    /// Where its copies are.
    pub places: [u32; 2],
    /// The copies, or what is wrong with them.
    pub copies: [Result<PartitionTable, PartitionError>; 2],
}

/// A partition where it is in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Its name.
    pub name: String,
    /// Where it is, by its active index.
    pub range: FlashRange,
}

impl ModuleTables {
    /// The number of the copy that counts, and its table: a good one, of two the one with the higher age, of two of one
    /// age the first. So does boot2.
    ///
    /// # Errors
    /// [`TableError::Bad`]
    pub fn active(&self) -> Result<(usize, &PartitionTable), TableError> {
        match &self.copies {
            [Ok(first), Ok(second)] if second.age > first.age => Ok((1, second)),
            [Ok(first), _] => Ok((0, first)),
            [Err(_), Ok(second)] => Ok((1, second)),
            [Err(first), Err(second)] => {
                Err(TableError::Bad { places: self.places, copies: [*first, *second] })
            }
        }
    }

    /// The partition of a name, where it is in use.
    ///
    /// # Errors
    /// [`TableError`] without a good table, without such a partition, or if it takes no room.
    pub fn partition(&self, name: &str) -> Result<Partition, TableError> {
        let (_, table) = self.active()?;
        let names = || table.entries.iter().map(|entry| entry.name.text());
        let entry = table.entries.iter().find(|entry| entry.name.text() == name);
        let unknown = || TableError::Unknown { name: name.to_owned(), known: names().collect() };
        let entry = entry.ok_or_else(unknown)?;
        let (start, len) = (entry.active_address(), entry.active_size());
        if len == 0 {
            return Err(TableError::NoRoom { name: name.to_owned(), active: entry.active });
        }
        let range = FlashRange::with_len(start, u64::from(len)).ok_or_else(|| TableError::Impossible {
            name: name.to_owned(),
            source: PlanError::PastAddresses { start: u64::from(start), len: u64::from(len) },
        })?;
        Ok(Partition { name: name.to_owned(), range })
    }

    /// A table with these entries, newer than what is there: with the age it has if it is there already, else one more
    /// than that of the copy that counts. And the numbers of the copies in the order in which they are to be written: the
    /// one that does not count first, so that at every moment one of them is good.
    pub fn successor(&self, new: &PartitionTable) -> (PartitionTable, [usize; 2]) {
        let Ok((active, there)) = self.active() else { return (new.clone(), [0, 1]) };
        let same = there.entries == new.entries && there.version == new.version;
        let age = if same { there.age } else { there.age.saturating_add(1) };
        (PartitionTable { age, ..new.clone() }, [1 - active, active])
    }
}

/// The places in which the tables of a module may be, the likeliest first: those that its boot header names, if there is a
/// good one (`header` is the beginning of the flash), then the usual ones.
pub fn likely_places(header: &[u8], flash_bytes: u32) -> Vec<[u32; 2]> {
    let mut places: Vec<[u32; 2]> = places_of_header(header).into_iter().collect();
    places.extend(USUAL_PLACES.iter().filter(|usual| !places.contains(usual)).copied().collect::<Vec<_>>());
    let inside = |address: u32| {
        address.is_multiple_of(TABLE_SECTOR)
            && address.checked_add(TABLE_SECTOR).is_some_and(|end| end <= flash_bytes)
    };
    places.retain(|[first, second]| inside(*first) && inside(*second) && first != second);
    places
}

/// Where the boot header at the beginning of a flash has the boot2 of the ROM look for the tables.
pub fn places_of_header(header: &[u8]) -> Option<[u32; 2]> {
    let header = BootHeader::parse(header.first_chunk::<BOOT_HEADER_LEN>()?);
    let counts = header.magic == BOOT_MAGIC && header.crc_is_accepted() && header.boot_config.boot2_enable();
    Some(header.partition_addresses).filter(|places| counts && places.iter().all(|place| *place != 0))
}

/// Whether bytes at one of the places are a copy of a table, be it a bad one.
pub fn is_table(bytes: &[u8]) -> bool {
    bytes.starts_with(&PARTITION_MAGIC)
}

#[cfg(test)]
mod tests {
    use bl702_protocol::image::partition::{PartitionEntry, PartitionName};
    use rstest::rstest;

    use super::*;

    fn table(age: u32, active: u8) -> PartitionTable {
        let entry = |name, addresses, sizes| PartitionEntry {
            name: PartitionName::new(name).unwrap(),
            active,
            addresses,
            sizes,
            ..PartitionEntry::default()
        };
        let entries = vec![
            entry("FW", [0x3000, 0x93000], [0x90000, 0x66000]),
            entry("PSM", [0xF9000, 0], [0x2000, 0]),
            entry("far", [0xFF_FFFF, 0xFF_FFFF], [2, 2]),
        ];
        PartitionTable { version: 0, age, entries }
    }

    const BAD: PartitionError = PartitionError::TooManyEntries { count: 99 };

    fn tables(first: Option<u32>, second: Option<u32>) -> ModuleTables {
        let copy = |age: Option<u32>| age.map(|age| table(age, 0)).ok_or(BAD);
        ModuleTables { places: [0x1000, 0x2000], copies: [copy(first), copy(second)] }
    }

    #[rstest]
    #[case(Some(3), Some(3), Some(0))]
    #[case(Some(3), Some(4), Some(1))]
    #[case(Some(4), Some(3), Some(0))]
    #[case(None, Some(0), Some(1))]
    #[case(Some(0), None, Some(0))]
    #[case(None, None, None)]
    fn the_copy_that_counts(
        #[case] first: Option<u32>,
        #[case] second: Option<u32>,
        #[case] active: Option<usize>,
    ) {
        assert_eq!(tables(first, second).active().ok().map(|(copy, _)| copy), active);
    }

    #[test]
    fn a_partition_is_where_its_active_index_says() {
        let mut tables = tables(Some(0), Some(0));
        assert_eq!(tables.partition("FW").unwrap().range.to_string(), "0x3000..0x93000");
        tables.copies[1] = Ok(table(1, 1));
        assert_eq!(tables.partition("FW").unwrap().range.to_string(), "0x93000..0xf9000");
        let told = |name: &str| tables.partition(name).unwrap_err().to_string();
        assert_eq!(told("PSM"), "partition PSM has no room at its place in use (active index 1)");
        assert_eq!(told("fw"), "there is no partition \"fw\" on this module; there are: FW, PSM, far");
        assert!(told("far").contains("16 MiB"), "{}", told("far"));
    }

    #[rstest]
    // The copy that does not count is written first, and the new table is newer than both.
    #[case(Some(3), Some(3), 4, [1, 0])]
    #[case(Some(3), Some(4), 5, [0, 1])]
    #[case(None, Some(7), 8, [0, 1])]
    #[case(None, None, 0, [0, 1])]
    fn the_next_table(
        #[case] first: Option<u32>,
        #[case] second: Option<u32>,
        #[case] age: u32,
        #[case] order: [usize; 2],
    ) {
        let mut new = table(0, 0);
        new.entries.pop();
        let (next, copies) = tables(first, second).successor(&new);
        assert_eq!((next.age, copies), (age, order));
    }

    #[test]
    fn a_table_that_is_there_keeps_its_age() {
        let (next, order) = tables(Some(3), Some(4)).successor(&table(0, 0));
        assert_eq!((next.age, order), (4, [0, 1]));
    }

    #[test]
    fn places_by_the_header_and_the_usual_ones() {
        assert_eq!(likely_places(&[0xFF; 176], 1 << 20), [[0x1000, 0x2000], [0xE000, 0xF000]]);
        assert_eq!(likely_places(&[], 0xF000), [[0x1000, 0x2000]]);
        let mut header = BootHeader::parse(&[0; BOOT_HEADER_LEN]);
        header.magic = BOOT_MAGIC;
        header.boot_config.0 = 1 << 19;
        header.partition_addresses = [0x5000, 0x8000];
        header.seal();
        let bytes = header.to_bytes();
        assert_eq!(likely_places(&bytes, 1 << 20)[0], [0x5000, 0x8000]);
        header.boot_config.0 = 0;
        header.seal();
        assert_eq!(places_of_header(&header.to_bytes()), None);
        header.boot_config.0 = 1 << 19;
        assert_eq!(places_of_header(&header.to_bytes()), None, "a wrong CRC");
    }
}
