//! A file that the boot ROM can load into RAM: the vendor's `eflash_loader_32m.bin`, or one of your own.
//!
//! Order in the file: boot header (176), [public key block (68), signature block (4+n+4)] if signed, [IV block (20)]
//! if encrypted, and for each segment its header (16) and data. Source: `reference/rom-and-module.md` section 2.

use super::boot_header::{BOOT_HEADER_LEN, BOOT_MAGIC, BootHeader};
use super::segment::{SEGMENT_HEADER_LEN, SegmentHeader, destination_allowed};
use super::signature::{IvBlock, PublicKeyBlock, SignatureBlock, SignatureBlockError};

/// One segment of a RAM image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Header, encrypted if the image is.
    pub header: SegmentHeader,
    /// Data, encrypted if the image is.
    pub data: Vec<u8>,
}

/// A file taken apart for the upload, in the order of the commands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RamImage {
    /// For command 11h.
    pub header: BootHeader,
    /// For command 12h, if signed.
    pub public_key: Option<PublicKeyBlock>,
    /// For command 14h, if signed.
    pub signature: Option<SignatureBlock>,
    /// For command 16h, if encrypted.
    pub iv: Option<IvBlock>,
    /// For commands 17h and 18h.
    pub segments: Vec<Segment>,
    /// Bytes after the last segment, which are not sent.
    pub surplus: usize,
}

/// Most segments a file may announce. The ROM has no limit; beyond this a file is surely something else.
pub const MAX_SEGMENTS: u32 = 64;

/// Why a file is not a RAM image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RamImageError {
    /// The file ends inside a part.
    #[error("file ends at offset {have}, inside {part}, which needs bytes {start} to {end}")]
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
    #[error("bad magic {found:02x?} at offset 0, a BL702 image begins with \"BFNP\"")]
    Magic {
        /// The first four bytes.
        found: [u8; 4],
    },
    /// A CRC is wrong.
    #[error("CRC of {part} at offset {offset} is {found:08x}h, should be {computed:08x}h")]
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
    #[error("boot header at offset 116 has {flag} set, so the ROM would not load this image")]
    Flag {
        /// The flag.
        flag: &'static str,
    },
    /// No segments, or absurdly many.
    #[error("boot header at offset 120 announces {count} segments, 1 to {MAX_SEGMENTS} make sense")]
    SegmentCount {
        /// The field.
        count: u32,
    },
    /// The signature block is malformed.
    #[error("signature block at offset {offset} is malformed")]
    Signature {
        /// Offset of the block.
        offset: usize,
        /// What is wrong with it.
        source: SignatureBlockError,
    },
    /// The ROM would refuse the destination.
    #[error(
        "segment header at offset {offset} wants {length} bytes at {destination:08x}h, where the ROM loads nothing"
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

impl RamImage {
    /// Takes a file apart and checks what the ROM would check without keys.
    ///
    /// Segment headers of an encrypted image are ciphertext: their lengths cannot be read without the key, so such an
    /// image must have one segment, which takes the rest of the file.
    ///
    /// # Errors
    /// [`RamImageError`] with the offset of the first thing that is wrong.
    pub fn parse(file: &[u8]) -> Result<RamImage, RamImageError> {
        let _ = (file, BOOT_HEADER_LEN, BOOT_MAGIC, SEGMENT_HEADER_LEN, destination_allowed(0, 0));
        Err(RamImageError::Magic { found: [0; 4] })
    }

    /// The file.
    pub fn to_bytes(&self) -> Vec<u8> {
        Vec::new()
    }
}
