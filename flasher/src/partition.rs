//! Partition tables as text and as bytes.
//!
//! The text is the vendor's TOML: `[pt_table]` with the places of both copies, `[[pt_entry]]` for each partition.
//! Format: `reference/rom-and-module.md` section 7.

use bl702_protocol::image::partition::{
    ENTRY_LEN, HEADER_LEN, MAX_ENTRIES, PartitionEntry, PartitionError, PartitionName, PartitionTable,
};
use toml::{Table, Value};

use crate::image::{FILL, ImageError};

mod on_module;

pub use on_module::{ModuleTables, Partition, TableError, is_table, likely_places, places_of_header};

/// Bytes that one copy takes in flash.
pub const TABLE_SECTOR: u32 = 4096;

/// A layout: the table and where its two copies go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Flash addresses of the copies.
    pub addresses: [u32; 2],
    /// The table.
    pub table: PartitionTable,
}

/// Why a text is no layout, or bytes hold none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// No TOML.
    #[error("{message} at line {line}")]
    Syntax {
        /// Number of the line, from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// A table or key is missing or of a wrong type.
    #[error("{place}: {what}")]
    Content {
        /// Where, as `pt_entry 2 (mfg)`.
        place: String,
        /// What is wrong.
        what: String,
    },
    /// Two of them cannot both be there.
    #[error("{first} and {second} overlap at {address:#x}")]
    Overlap {
        /// One.
        first: String,
        /// The other.
        second: String,
        /// First byte that both want.
        address: u32,
    },
    /// No table in the bytes.
    #[error("{source} (at offset {offset:#x})")]
    Binary {
        /// Where it was looked for.
        offset: usize,
        /// What is wrong.
        source: PartitionError,
    },
    /// There is no table at the start of any sector.
    #[error("there is no partition table (BFPT) at the start of any sector of the {bytes} bytes")]
    NoTable {
        /// Length of the file.
        bytes: usize,
    },
}

/// Reads the vendor's TOML.
///
/// # Errors
/// [`LayoutError`] with line or entry.
pub fn from_toml(text: &str) -> Result<Layout, LayoutError> {
    let document: Table = text.parse().map_err(|error: toml::de::Error| {
        let at = error.span().map_or(0, |span| span.start);
        let line = text.get(..at).map_or(1, |before| before.matches('\n').count() + 1);
        LayoutError::Syntax { line, message: error.message().to_owned() }
    })?;
    let wrong = |what: &str| LayoutError::Content { place: "the file".to_owned(), what: what.to_owned() };
    let place =
        document.get("pt_table").and_then(Value::as_table).ok_or_else(|| wrong("there is no [pt_table]"))?;
    let addresses =
        [number(place, "pt_table", "address0", None)?, number(place, "pt_table", "address1", None)?];
    let entries = document
        .get("pt_entry")
        .and_then(Value::as_array)
        .ok_or_else(|| wrong("there is no [[pt_entry]]"))?;
    if entries.len() > MAX_ENTRIES {
        return Err(wrong(&format!("{} entries, at most {MAX_ENTRIES} are allowed", entries.len())));
    }
    let entries = entries.iter().enumerate().map(|(at, value)| entry(at, value));
    let entries = entries.collect::<Result<Vec<_>, _>>()?;
    let layout = Layout { addresses, table: PartitionTable { version: 0, age: 0, entries } };
    layout.check()?;
    Ok(layout)
}

fn entry(at: usize, value: &Value) -> Result<PartitionEntry, LayoutError> {
    let numbered = format!("pt_entry {}", at + 1);
    let wrong =
        |place: &str, what: &str| LayoutError::Content { place: place.to_owned(), what: what.to_owned() };
    let table = value.as_table().ok_or_else(|| wrong(&numbered, "it is no table"))?;
    let name = table.get("name").and_then(Value::as_str).ok_or_else(|| wrong(&numbered, "it has no name"))?;
    let place = format!("{numbered} ({name})");
    // The vendor's tool takes at most seven letters, and boot2 needs a zero behind them.
    let short = PartitionName::new(name).filter(|_| (1..8).contains(&name.len()) && !name.contains('\0'));
    let name = short.ok_or_else(|| wrong(&place, "the name needs 1 to 7 bytes"))?;
    let byte = |key, default| {
        let value = number(table, &place, key, default)?;
        u8::try_from(value).map_err(|_| wrong(&place, &format!("{key} is {value}, it has one byte")))
    };
    let entry = PartitionEntry {
        kind: byte("type", None)?,
        // The vendor's tool reads it and writes 0 whatever it says.
        device: 0,
        active: byte("activeindex", Some(0))?,
        name,
        addresses: [number(table, &place, "address0", None)?, number(table, &place, "address1", None)?],
        sizes: [number(table, &place, "size0", None)?, number(table, &place, "size1", None)?],
        length: number(table, &place, "len", None)?,
        age: number(table, &place, "age", Some(0))?,
    };
    if entry.active > 1 {
        return Err(wrong(&place, &format!("activeindex is {}, there are only 0 and 1", entry.active)));
    }
    Ok(entry)
}

fn number(table: &Table, place: &str, key: &str, default: Option<u32>) -> Result<u32, LayoutError> {
    let wrong = |what: String| LayoutError::Content { place: place.to_owned(), what };
    match (table.get(key), default) {
        (None, Some(default)) => Ok(default),
        (None, None) => Err(wrong(format!("{key} is missing"))),
        (Some(value), _) => {
            let value = value.as_integer().ok_or_else(|| wrong(format!("{key} is no number")))?;
            u32::try_from(value)
                .map_err(|_| wrong(format!("{key} is {value}, which is no number of 32 bits")))
        }
    }
}

impl Layout {
    /// Looks for partitions that overlap each other or a copy of the table.
    ///
    /// Second places may overlap other partitions, as they do in the vendor's layouts, where an update of the firmware
    /// takes the room of the manufacturing test; they may not touch the table or their own first place.
    ///
    /// # Errors
    /// [`LayoutError::Overlap`], [`LayoutError::Content`] for a partition past 4 GiB.
    pub fn check(&self) -> Result<(), LayoutError> {
        let tables =
            self.addresses.map(|address| Place { name: "the table".to_owned(), address, size: TABLE_SECTOR });
        let place = |entry: &PartitionEntry, at: usize| Place {
            name: entry.name.text(),
            address: entry.addresses[at],
            size: entry.sizes[at],
        };
        let mut first: Vec<Place> = self.table.entries.iter().map(|entry| place(entry, 0)).collect();
        first.extend(tables.iter().cloned());
        apart(first)?;
        for entry in &self.table.entries {
            let mut second = vec![place(entry, 1), place(entry, 0)];
            second.extend(tables.iter().cloned());
            apart(second)?;
        }
        Ok(())
    }

    /// The vendor's TOML.
    pub fn to_toml(&self) -> String {
        let mut text =
            format!("[pt_table]\naddress0 = {:#x}\naddress1 = {:#x}\n", self.addresses[0], self.addresses[1]);
        for entry in &self.table.entries {
            let name = Value::String(entry.name.text());
            text.push_str(&format!(
                "\n[[pt_entry]]\ntype = {}\nname = {name}\ndevice = {}\naddress0 = {:#x}\nsize0 = {:#x}\naddress1 = {:#x}\nsize1 = {:#x}\nlen = {:#x}\nactiveindex = {}\nage = {}\n",
                entry.kind, entry.device, entry.addresses[0], entry.sizes[0], entry.addresses[1], entry.sizes[1],
                entry.length, entry.active, entry.age
            ));
        }
        text
    }
}

/// Something that takes room in flash.
#[derive(Clone, Debug)]
struct Place {
    name: String,
    address: u32,
    size: u32,
}

/// Whether all places can be there at once; those without a size take no room.
fn apart(mut places: Vec<Place>) -> Result<(), LayoutError> {
    places.retain(|place| place.size > 0);
    places.sort_by_key(|place| place.address);
    if let Some(Place { name, address, size }) =
        places.iter().find(|place| place.address.checked_add(place.size).is_none())
    {
        let what = format!("{address:#x} and {size:#x} bytes are past 4 GiB");
        return Err(LayoutError::Content { place: name.clone(), what });
    }
    match places.array_windows::<2>().find(|[left, right]| left.address + left.size > right.address) {
        Some([left, right]) => Err(LayoutError::Overlap {
            first: left.name.clone(),
            second: right.name.clone(),
            address: right.address,
        }),
        None => Ok(()),
    }
}

/// A copy of a table in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    /// Its offset.
    pub offset: usize,
    /// The table, or what is wrong with it.
    pub table: Result<PartitionTable, PartitionError>,
}

/// Every copy in a file: a table alone, or a dump of a flash.
///
/// # Errors
/// [`LayoutError::NoTable`].
pub fn copies(bytes: &[u8]) -> Result<Vec<Copy>, LayoutError> {
    let found =
        (0..bytes.len()).step_by(TABLE_SECTOR as usize).filter(|at| bytes[*at..].starts_with(b"BFPT"));
    let found: Vec<Copy> =
        found.map(|offset| Copy { offset, table: PartitionTable::parse(&bytes[offset..]) }).collect();
    if found.is_empty() { Err(LayoutError::NoTable { bytes: bytes.len() }) } else { Ok(found) }
}

/// The copy that counts: a good one, of two the one with the higher age, of two of one age the first. So does boot2.
///
/// # Errors
/// What is wrong with the first copy, if none is good.
pub fn active(copies: &[Copy]) -> Result<(usize, &PartitionTable), LayoutError> {
    let good = copies.iter().filter_map(|copy| Some((copy.offset, copy.table.as_ref().ok()?)));
    let newest = good.reduce(|first, next| if next.1.age > first.1.age { next } else { first });
    newest.ok_or_else(|| match copies.first() {
        Some(Copy { offset, table: Err(source) }) => LayoutError::Binary { offset: *offset, source: *source },
        _ => LayoutError::NoTable { bytes: 0 },
    })
}

/// Puts a table into both places of a dump, each filled up to a sector, so that either can be lost.
///
/// Its age becomes one more than that of any good table that was there, so that boot2 takes it whichever copy it reads
/// first; with none there it stays as it is.
///
/// # Errors
/// [`ImageError::Range`] if a place is not in the dump; [`PartitionError`] as [`LayoutError::Binary`] is impossible for
/// a layout that was checked and is reported as [`ImageError::Empty`].
pub fn install(layout: &Layout, dump: &mut [u8]) -> Result<PartitionTable, ImageError> {
    let there = copies(dump).unwrap_or_default();
    let oldest = active(&there).ok().map(|(_, table)| table.age);
    let mut table = layout.table.clone();
    table.age = oldest.map_or(table.age, |age| age.saturating_add(1));
    let mut bytes = table.to_bytes().map_err(|_| ImageError::Empty)?;
    bytes.resize(TABLE_SECTOR as usize, FILL);
    let len = dump.len();
    for address in layout.addresses {
        let start = address as usize;
        let end = start.saturating_add(bytes.len());
        let place = dump.get_mut(start..end).ok_or(ImageError::Range { start, end, len })?;
        place.copy_from_slice(&bytes);
    }
    Ok(table)
}

/// Bytes of a table with this many entries.
pub fn table_bytes(entries: usize) -> usize {
    HEADER_LEN + entries * ENTRY_LEN + 4
}

#[cfg(test)]
mod tests;
