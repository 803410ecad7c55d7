//! A file that the boot ROM can load into RAM: the vendor's `eflash_loader_32m.bin`, or one of your own.
//!
//! Order in the file: boot header (176), [public key block (68), signature block (4+n+4)] if signed, [IV block (20)]
//! if encrypted, and for each segment its header (16) and data. Source: `reference/rom-and-module.md` section 2.

use super::boot_header::{BOOT_HEADER_LEN, BootHeader, HeaderRefusal};
use super::segment::{SEGMENT_HEADER_LEN, SegmentHeader, destination_allowed};
use super::signature::{IvBlock, PublicKeyBlock, SignatureBlock, SignatureBlockError};

mod cursor;
mod error;

use cursor::Cursor;
pub use error::RamImageError;

/// One segment of a RAM image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Header as it is sent; if the image is encrypted it is ciphertext and its fields mean nothing.
    pub header: SegmentHeader,
    /// Data as they are sent; ciphertext if the image is encrypted.
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
    /// Number of bytes after the last segment, which are not sent.
    pub surplus_bytes: usize,
}

/// Most segments a file may announce. The ROM has no limit; a file that announces more is surely something else.
pub const MAX_SEGMENTS: u32 = 64;

impl RamImage {
    /// Takes a file apart and checks what the ROM would check and can be checked without keys.
    ///
    /// The segment headers of an encrypted image are ciphertext, so lengths are hidden: such an image must have one
    /// segment, which takes the rest of the file.
    ///
    /// # Errors
    /// [`RamImageError`] with the offset of the first thing that is wrong.
    pub fn parse(file: &[u8]) -> Result<RamImage, RamImageError> {
        let mut cursor = Cursor::new(file);
        let header = parse_header(&mut cursor)?;
        let (mut public_key, mut signature, mut iv) = (None, None, None);
        if header.boot_config.sign() != 0 {
            public_key = Some(parse_public_key(&mut cursor)?);
            signature = Some(parse_signature(&mut cursor)?);
        }
        let is_encrypted = header.boot_config.encrypt() != 0;
        if is_encrypted {
            iv = Some(parse_iv(&mut cursor)?);
            if header.segment_count != 1 {
                return Err(RamImageError::EncryptedSegments { count: header.segment_count });
            }
        }
        let mut segments = Vec::new();
        for _ in 0..header.segment_count {
            let segment =
                if is_encrypted { parse_hidden_segment(&mut cursor)? } else { parse_segment(&mut cursor)? };
            segments.push(segment);
        }
        Ok(RamImage { header, public_key, signature, iv, segments, surplus_bytes: cursor.rest().len() })
    }

    /// Builds an unsigned, plain image with one segment that starts at its first byte: CRCs right, hash filled in.
    pub fn from_segment(destination: u32, data: &[u8]) -> RamImage {
        use sha2::{Digest, Sha256};

        let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
        let segment = SegmentHeader::new(destination, length);
        let mut hash = Sha256::new();
        hash.update(segment.to_bytes());
        hash.update(data);
        let mut header = BootHeader::parse(&[0; BOOT_HEADER_LEN]);
        header.magic = super::boot_header::BOOT_MAGIC;
        header.revision = 1;
        header.segment_count = 1;
        header.ram_address = destination;
        header.hash = hash.finalize().into();
        header.seal();
        let segments = vec![Segment { header: segment, data: data.to_vec() }];
        RamImage { header, public_key: None, signature: None, iv: None, segments, surplus_bytes: 0 }
    }

    /// The file, without surplus bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.header.to_bytes().to_vec();
        if let Some(block) = &self.public_key {
            bytes.extend_from_slice(&block.to_bytes());
        }
        if let Some(block) = &self.signature {
            bytes.extend_from_slice(&block.to_bytes());
        }
        if let Some(block) = &self.iv {
            bytes.extend_from_slice(&block.to_bytes());
        }
        for segment in &self.segments {
            bytes.extend_from_slice(&segment.header.to_bytes());
            bytes.extend_from_slice(&segment.data);
        }
        bytes
    }

    /// Bytes that commands 17h and 18h carry in all.
    pub fn upload_bytes(&self) -> usize {
        self.segments.iter().map(|segment| SEGMENT_HEADER_LEN + segment.data.len()).sum()
    }
}

fn parse_header(cursor: &mut Cursor<'_>) -> Result<BootHeader, RamImageError> {
    // The magic first: a file of another kind should not be called a BL702 image that is too short.
    let found = cursor.peek("boot header", BOOT_HEADER_LEN.min(4))?;
    if found != super::boot_header::BOOT_MAGIC {
        return Err(RamImageError::Magic { found: [found[0], found[1], found[2], found[3]] });
    }
    let header = BootHeader::parse(cursor.take_array("boot header")?);
    match header.check_before_clock() {
        Err(HeaderRefusal::Crc { found, computed }) => {
            return Err(RamImageError::Crc { part: "boot header", offset: 172, found, computed });
        }
        Err(HeaderRefusal::NotLoad) => return Err(RamImageError::Flag { flag: "notload" }),
        _ => {}
    }
    if header.boot_config.boot2_enable() {
        return Err(RamImageError::Flag { flag: "boot2_enable" });
    }
    if header.segment_count == 0 || header.segment_count > MAX_SEGMENTS {
        return Err(RamImageError::SegmentCount { count: header.segment_count });
    }
    Ok(header)
}

fn parse_public_key(cursor: &mut Cursor<'_>) -> Result<PublicKeyBlock, RamImageError> {
    let start = cursor.offset();
    let bytes: &[u8; PublicKeyBlock::LEN] = cursor.take_array("public key block")?;
    let block = PublicKeyBlock::read(bytes);
    if !block.crc_is_right() {
        let (found, computed) = (block.crc32, PublicKeyBlock::new(block.key).crc32);
        return Err(RamImageError::Crc { part: "public key block", offset: start + 64, found, computed });
    }
    Ok(block)
}

fn parse_signature(cursor: &mut Cursor<'_>) -> Result<SignatureBlock, RamImageError> {
    let start = cursor.offset();
    let block = match SignatureBlock::parse(cursor.rest()) {
        Ok(block) => block,
        Err(SignatureBlockError::Truncated { needed, .. }) => {
            return Err(cursor.truncated("signature block", needed));
        }
        Err(source @ SignatureBlockError::TooLong { .. }) => {
            return Err(RamImageError::Signature { offset: start, source });
        }
    };
    if !block.crc_is_right() {
        let (found, computed) = (block.crc32, block.computed_crc32());
        let offset = start + 4 + block.signature.len();
        return Err(RamImageError::Crc { part: "signature block", offset, found, computed });
    }
    cursor.take("signature block", block.signature.len() + 8)?;
    Ok(block)
}

fn parse_iv(cursor: &mut Cursor<'_>) -> Result<IvBlock, RamImageError> {
    let start = cursor.offset();
    let bytes: &[u8; IvBlock::LEN] = cursor.take_array("IV block")?;
    let block = IvBlock::read(bytes);
    if !block.crc_is_right() {
        let (found, computed) = (block.crc32, IvBlock::new(block.iv).crc32);
        return Err(RamImageError::Crc { part: "IV block", offset: start + 16, found, computed });
    }
    Ok(block)
}

fn parse_segment(cursor: &mut Cursor<'_>) -> Result<Segment, RamImageError> {
    let offset = cursor.offset();
    let bytes: &[u8; SEGMENT_HEADER_LEN] = cursor.take_array("segment header")?;
    let header = SegmentHeader::parse(bytes);
    if !header.crc_is_right() {
        let (found, computed) = (header.crc32, header.computed_crc32());
        return Err(RamImageError::Crc { part: "segment header", offset: offset + 12, found, computed });
    }
    let SegmentHeader { destination, length, .. } = header;
    if !destination_allowed(destination, length) {
        return Err(RamImageError::Destination { offset, destination, length });
    }
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    Ok(Segment { header, data: cursor.take("segment data", length)?.to_vec() })
}

/// The one segment of an encrypted image: header unreadable, data up to the end of the file.
fn parse_hidden_segment(cursor: &mut Cursor<'_>) -> Result<Segment, RamImageError> {
    let header = SegmentHeader::parse(cursor.take_array("encrypted segment header")?);
    let data = cursor.take("encrypted segment data", cursor.rest().len())?;
    Ok(Segment { header, data: data.to_vec() })
}

#[cfg(test)]
mod tests;
