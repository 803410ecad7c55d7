//! Why a file is not a RAM image.

use super::MAX_SEGMENTS;
use crate::image::signature::SignatureBlockError;

/// Why a file is not a RAM image, and at which offset that shows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RamImageError {
    /// The file ends inside a part.
    #[error("file ends at offset {have:#x}, inside the {part}, which needs bytes {start:#x} to {end:#x}")]
    Truncated {
        /// The part.
        part: &'static str,
        /// Offset of its first byte.
        start: usize,
        /// Offset one past its last byte.
        end: usize,
        /// Bytes in the file.
        have: usize,
    },
    /// It does not begin with `BFNP`.
    #[error("bad magic {found:02x?} at offset 0, a BL702 image begins with \"BFNP\" (42 46 4e 50)")]
    Magic {
        /// The first four bytes.
        found: [u8; 4],
    },
    /// A CRC is wrong.
    #[error("CRC of the {part} at offset {offset:#x} is {found:08x}h, should be {computed:08x}h")]
    Crc {
        /// The part.
        part: &'static str,
        /// Offset of the CRC field.
        offset: usize,
        /// The field.
        found: u32,
        /// What it should be.
        computed: u32,
    },
    /// The header makes the ROM do something else than load.
    #[error("boot config at offset 0x74 has {flag} set, so the ROM would not load this image")]
    Flag {
        /// The flag.
        flag: &'static str,
    },
    /// No segments, or absurdly many.
    #[error("segment count at offset 0x78 is {count}, an image for RAM has 1 to {MAX_SEGMENTS}")]
    SegmentCount {
        /// The field.
        count: u32,
    },
    /// An encrypted image of more than one segment: where one ends cannot be told without the key.
    #[error("encrypted image has {count} segments, whose lengths cannot be read without the key")]
    EncryptedSegments {
        /// The field.
        count: u32,
    },
    /// The signature block is malformed.
    #[error("signature block at offset {offset:#x} is malformed")]
    Signature {
        /// Offset of the block.
        offset: usize,
        /// What is wrong with it.
        source: SignatureBlockError,
    },
    /// The ROM would refuse the destination.
    #[error(
        "segment header at offset {offset:#x} wants {length} bytes at {destination:08x}h, where the ROM loads nothing"
    )]
    Destination {
        /// Offset of the segment header.
        offset: usize,
        /// Its destination.
        destination: u32,
        /// Its length.
        length: u32,
    },
}
