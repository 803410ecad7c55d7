//! The partition table: two copies in flash, the newer one counts.
//!
//! ```text
//! header  0   magic "BFPT"     4
//!         4   version          2
//!         6   entry count      2   at most 16
//!         8   age              4
//!         12  crc32            4   of bytes 0..12
//! entry   0   type             1
//!         1   device           1
//!         2   active index     1   which of the two addresses is in use
//!         3   name             9   filled up with zeros
//!         12  address          4+4
//!         20  size             4+4 room there is
//!         28  length           4   bytes in use
//!         32  age              4
//! end     0   crc32            4   of all entries
//! ```
//!
//! Source: `reference/rom-and-module.md` sections 5 and 7.

use crate::crc::crc32;

/// `BFPT`.
pub const PARTITION_MAGIC: [u8; 4] = *b"BFPT";

/// Most entries a table may have.
pub const MAX_ENTRIES: usize = 16;

/// Bytes of the header.
pub const HEADER_LEN: usize = 16;

/// Bytes of an entry.
pub const ENTRY_LEN: usize = 36;

/// One partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartitionEntry {
    /// Type: 0 firmware, and so on upwards.
    pub kind: u8,
    /// Device: 0 is the boot flash.
    pub device: u8,
    /// Which of the two addresses is in use: 0 or 1.
    pub active: u8,
    /// Name, at most nine bytes.
    pub name: PartitionName,
    /// Flash addresses; 0 in the second: there is none.
    pub addresses: [u32; 2],
    /// Room at each address in bytes.
    pub sizes: [u32; 2],
    /// Bytes in use.
    pub length: u32,
    /// Counts updates of this entry.
    pub age: u32,
}

/// A partition's name: nine bytes, filled up with zeros.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct PartitionName(pub [u8; 9]);

/// A partition table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartitionTable {
    /// Format version; 0 in everything seen.
    pub version: u16,
    /// Counts updates; of two good copies the one with the higher age counts.
    pub age: u32,
    /// The partitions.
    pub entries: Vec<PartitionEntry>,
}

/// Why there is no partition table in some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PartitionError {
    /// Bytes are missing.
    #[error("partition table needs {needed} bytes, {have} are there")]
    Truncated {
        /// Bytes the table needs.
        needed: usize,
        /// Bytes there are.
        have: usize,
    },
    /// It does not begin with `BFPT`.
    #[error("partition table magic is {found:02x?}, should be \"BFPT\"")]
    Magic {
        /// The first four bytes.
        found: [u8; 4],
    },
    /// The header's CRC is wrong.
    #[error("partition table header CRC is {found:08x}h, should be {computed:08x}h")]
    HeaderCrc {
        /// The field.
        found: u32,
        /// What it should be.
        computed: u32,
    },
    /// More than 16 entries.
    #[error("partition table has {count} entries, at most {MAX_ENTRIES} are allowed")]
    TooManyEntries {
        /// The field.
        count: u16,
    },
    /// The CRC of the entries is wrong.
    #[error("partition table entries CRC is {found:08x}h, should be {computed:08x}h")]
    EntriesCrc {
        /// The field.
        found: u32,
        /// What it should be.
        computed: u32,
    },
}

impl PartitionName {
    /// A name; `None` if it has more than nine bytes.
    pub fn new(name: &str) -> Option<PartitionName> {
        let mut bytes = [0; 9];
        bytes.get_mut(..name.len())?.copy_from_slice(name.as_bytes());
        Some(PartitionName(bytes))
    }

    /// The name as text, up to the first zero byte; bytes that are not UTF-8 become U+FFFD.
    pub fn text(&self) -> String {
        let end = self.0.iter().position(|byte| *byte == 0).unwrap_or(self.0.len());
        String::from_utf8_lossy(&self.0[..end]).into_owned()
    }
}

impl core::fmt::Debug for PartitionName {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:?}", self.text())
    }
}

impl PartitionEntry {
    /// Reads the fields of an entry.
    pub fn parse(bytes: &[u8; ENTRY_LEN]) -> PartitionEntry {
        let mut name = [0; 9];
        name.copy_from_slice(&bytes[3..12]);
        PartitionEntry {
            kind: bytes[0],
            device: bytes[1],
            active: bytes[2],
            name: PartitionName(name),
            addresses: [word(bytes, 12), word(bytes, 16)],
            sizes: [word(bytes, 20), word(bytes, 24)],
            length: word(bytes, 28),
            age: word(bytes, 32),
        }
    }

    /// The 36 bytes of the entry.
    pub fn to_bytes(&self) -> [u8; ENTRY_LEN] {
        let mut bytes = [0; ENTRY_LEN];
        bytes[..3].copy_from_slice(&[self.kind, self.device, self.active]);
        bytes[3..12].copy_from_slice(&self.name.0);
        let words =
            [self.addresses[0], self.addresses[1], self.sizes[0], self.sizes[1], self.length, self.age];
        for (chunk, word) in bytes[12..].chunks_exact_mut(4).zip(words) {
            chunk.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// The address in use.
    pub fn active_address(&self) -> u32 {
        self.addresses[usize::from(self.active & 1)]
    }

    /// The room at the address in use.
    pub fn active_size(&self) -> u32 {
        self.sizes[usize::from(self.active & 1)]
    }
}

impl PartitionTable {
    /// Reads a table from the front of `bytes` and checks both CRCs; what follows it is ignored.
    ///
    /// # Errors
    /// [`PartitionError`], the first thing that is wrong.
    pub fn parse(bytes: &[u8]) -> Result<PartitionTable, PartitionError> {
        let have = bytes.len();
        let header = bytes.get(..HEADER_LEN).ok_or(PartitionError::Truncated { needed: HEADER_LEN, have })?;
        if header[..4] != PARTITION_MAGIC {
            return Err(PartitionError::Magic { found: [header[0], header[1], header[2], header[3]] });
        }
        let (found, computed) = (word(header, 12), crc32(&header[..12]));
        if found != computed {
            return Err(PartitionError::HeaderCrc { found, computed });
        }
        let count = u16::from_le_bytes([header[6], header[7]]);
        if usize::from(count) > MAX_ENTRIES {
            return Err(PartitionError::TooManyEntries { count });
        }
        let end = HEADER_LEN + usize::from(count) * ENTRY_LEN;
        let table = bytes.get(..end + 4).ok_or(PartitionError::Truncated { needed: end + 4, have })?;
        let (found, computed) = (word(table, end), crc32(&table[HEADER_LEN..end]));
        if found != computed {
            return Err(PartitionError::EntriesCrc { found, computed });
        }
        let (entries, _) = table[HEADER_LEN..end].as_chunks();
        Ok(PartitionTable {
            version: u16::from_le_bytes([header[4], header[5]]),
            age: word(header, 8),
            entries: entries.iter().map(PartitionEntry::parse).collect(),
        })
    }

    /// The table with both CRCs: 20 bytes and 36 for each entry.
    ///
    /// # Errors
    /// [`PartitionError::TooManyEntries`] over 16 entries.
    pub fn to_bytes(&self) -> Result<Vec<u8>, PartitionError> {
        let count = u16::try_from(self.entries.len()).unwrap_or(u16::MAX);
        if self.entries.len() > MAX_ENTRIES {
            return Err(PartitionError::TooManyEntries { count });
        }
        let mut bytes = Vec::with_capacity(HEADER_LEN + self.entries.len() * ENTRY_LEN + 4);
        bytes.extend_from_slice(&PARTITION_MAGIC);
        bytes.extend_from_slice(&self.version.to_le_bytes());
        bytes.extend_from_slice(&count.to_le_bytes());
        bytes.extend_from_slice(&self.age.to_le_bytes());
        bytes.extend_from_slice(&crc32(&bytes).to_le_bytes());
        for entry in &self.entries {
            bytes.extend_from_slice(&entry.to_bytes());
        }
        let crc = crc32(&bytes[HEADER_LEN..]);
        bytes.extend_from_slice(&crc.to_le_bytes());
        Ok(bytes)
    }

    /// CRC of the header, as it stands at offset 12; the vendor's firmware prints it at boot.
    pub fn header_crc32(&self) -> Result<u32, PartitionError> {
        self.to_bytes().map(|bytes| word(&bytes, 12))
    }

    /// The entry with a name.
    pub fn find(&self, name: &str) -> Option<&PartitionEntry> {
        self.entries.iter().find(|entry| entry.name.text() == name)
    }
}

/// Which copy of the table counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selected {
    /// 0 or 1: which of the two.
    pub copy: usize,
    /// The table.
    pub table: PartitionTable,
}

/// Chooses between the two copies of the table: a good one, and of two good ones the newer.
///
/// With equal ages the first counts (the stock firmware logs `Active Partition[0]` with both copies at age 0).
///
/// # Errors
/// What is wrong with the first and with the second copy, if neither is good.
pub fn select(first: &[u8], second: &[u8]) -> Result<Selected, [PartitionError; 2]> {
    match (PartitionTable::parse(first), PartitionTable::parse(second)) {
        (Ok(first), Ok(second)) if second.age > first.age => Ok(Selected { copy: 1, table: second }),
        (Ok(table), _) => Ok(Selected { copy: 0, table }),
        (Err(_), Ok(table)) => Ok(Selected { copy: 1, table }),
        (Err(first), Err(second)) => Err([first, second]),
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

#[cfg(test)]
mod tests;
