//! Files with images: what is in them, and how bootable ones are made.
//!
//! Formats: `reference/rom-and-module.md` sections 2 and 7. What the vendor's tool makes of the same input is compared
//! byte for byte in `tests/tests/vendor_build.rs`.

pub mod boards;
pub mod build;
pub mod crypt;
pub mod elf;
pub mod ihex;
pub mod inspect;
pub mod merge;
pub mod vendor_config;

use crate::plan::MAX_FLASH_BYTES;

/// Why a file is of no use, and where that shows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// An ELF file.
    #[error("malformed ELF file: {0}")]
    Elf(String),
    /// A line of an Intel HEX file.
    #[error("malformed Intel HEX at line {line}: {what}")]
    Hex {
        /// Number of the line, from 1.
        line: usize,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A line of a vendor's configuration.
    #[error("malformed configuration at line {line}: {what}")]
    Config {
        /// Number of the line, from 1.
        line: usize,
        /// What is wrong with it.
        what: String,
    },
    /// Nothing that could be loaded.
    #[error("nothing in it is to be loaded")]
    Empty,
    /// Two parts want the same bytes.
    #[error("two parts overlap at {address:#x}")]
    Overlap {
        /// First byte that both want.
        address: u32,
    },
    /// Larger than any flash.
    #[error("its parts span {bytes} bytes, more than the 16 MiB of the largest flash")]
    TooLarge {
        /// From the first to the last byte.
        bytes: u64,
    },
    /// A part is outside of flash and RAM.
    #[error(
        "{what} at {address:#010x} is neither in flash (23000000h) nor in the RAM that the ROM loads into"
    )]
    Place {
        /// The part.
        what: &'static str,
        /// Its address.
        address: u32,
    },
    /// A key.
    #[error("{0}")]
    Key(&'static str),
    /// There is no boot header.
    #[error("no boot header (BFNP) at offset {offset:#x}")]
    NoHeader {
        /// Where one was looked for.
        offset: usize,
    },
    /// A range is not in the file.
    #[error("bytes {start:#x}..{end:#x} are not in the file, which has {len:#x}")]
    Range {
        /// First byte.
        start: usize,
        /// One past the last byte.
        end: usize,
        /// Bytes there are.
        len: usize,
    },
}

/// Some bytes and where they go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Address of the first byte.
    pub address: u32,
    /// The bytes.
    pub data: Vec<u8>,
}

/// What gaps between parts are filled with: erased flash.
pub const FILL: u8 = 0xFF;

/// Joins parts into one block.
///
/// # Errors
/// [`ImageError::Overlap`], [`ImageError::TooLarge`], [`ImageError::Empty`].
pub fn join(mut parts: Vec<Part>, fill: u8) -> Result<Part, ImageError> {
    parts.retain(|part| !part.data.is_empty());
    parts.sort_by_key(|part| part.address);
    let (Some(first), Some(last)) = (parts.first(), parts.last()) else { return Err(ImageError::Empty) };
    let start = first.address;
    let bytes = u64::from(last.address - start) + last.data.len() as u64;
    if bytes > u64::from(MAX_FLASH_BYTES) {
        return Err(ImageError::TooLarge { bytes });
    }
    let mut data = Vec::new();
    for part in parts {
        // It is not below `start`, and what the block holds is at most 16 MiB.
        let at = (part.address - start) as usize;
        if at < data.len() {
            return Err(ImageError::Overlap { address: part.address });
        }
        data.resize(at, fill);
        data.extend_from_slice(&part.data);
    }
    Ok(Part { address: start, data })
}

/// What kind of file it is, by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// `7F 45 4C 46`.
    Elf,
    /// Lines that begin with a colon.
    IntelHex,
    /// A boot header at its start.
    Bfnp,
    /// A partition table at its start.
    PartitionTable,
    /// Anything else.
    Raw,
}

impl FileKind {
    /// Looks at the first bytes.
    pub fn of(bytes: &[u8]) -> FileKind {
        match bytes {
            [0x7F, b'E', b'L', b'F', ..] => FileKind::Elf,
            [b'B', b'F', b'N', b'P', ..] => FileKind::Bfnp,
            [b'B', b'F', b'P', b'T', ..] => FileKind::PartitionTable,
            _ if ihex::looks_like(bytes) => FileKind::IntelHex,
            _ => FileKind::Raw,
        }
    }
}

#[cfg(test)]
mod tests;
