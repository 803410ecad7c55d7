//! Bootable images, as the vendor's tool makes them of the same header and data.

use bl702_protocol::chip::BL702;
use bl702_protocol::crc::crc32;
use bl702_protocol::image::boot_header::{
    BOOT_HEADER_LEN, BOOT_MAGIC, BootConfig, BootHeader, CLOCK_CONFIG_MAGIC, DEADBEEF, FLASH_CONFIG_MAGIC,
};
use bl702_protocol::image::segment::{SegmentHeader, destination_allowed};
use bl702_protocol::image::signature::{IvBlock, PublicKeyBlock, SignatureBlock};
use sha2::{Digest, Sha256};

use super::boards::Board;
use super::crypt::{AesKey, PrivateKey, cbc_mode, counter_mode};
use super::{FILL, FileKind, ImageError, elf, ihex, join};

/// Where flash appears to the processor.
const XIP: core::ops::Range<u32> = 0x2300_0000..0x2400_0000;

/// What an image is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Flash: the image follows its header at the offset that the header names (`img_start`).
    Flash,
    /// RAM: loaded by the ROM's commands to this address.
    Ram {
        /// First byte.
        address: u32,
    },
}

/// A program, ready to get a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    /// Its bytes.
    pub data: Vec<u8>,
    /// What it is for, where the file says so: an ELF or HEX file does, a raw one does not.
    pub target: Option<Target>,
    /// Entry address, where the file says so.
    pub entry: Option<u32>,
}

impl Payload {
    /// Reads an ELF, Intel HEX or raw file.
    ///
    /// # Errors
    /// [`ImageError`]: malformed, empty, or at addresses where no program can be.
    pub fn from_file(bytes: &[u8]) -> Result<Payload, ImageError> {
        let (parts, entry) = match FileKind::of(bytes) {
            FileKind::Elf => {
                let program = elf::parse(bytes)?;
                (program.parts, Some(program.entry))
            }
            FileKind::IntelHex => (ihex::parse(bytes)?, None),
            _ if bytes.is_empty() => return Err(ImageError::Empty),
            _ => return Ok(Payload { data: bytes.to_vec(), target: None, entry: None }),
        };
        // A part elsewhere would make the block span gigabytes: say which one it is.
        let in_flash = parts.first().is_some_and(|part| XIP.contains(&part.address));
        let lost =
            parts.iter().find(|part| XIP.contains(&part.address) != in_flash || !is_loadable(part.address));
        if let Some(part) = lost {
            return Err(ImageError::Place { what: "a part of the program", address: part.address });
        }
        let block = join(parts, if in_flash { FILL } else { 0 })?;
        let target = if in_flash { Target::Flash } else { Target::Ram { address: block.address } };
        Ok(Payload { data: block.data, target: Some(target), entry })
    }
}

fn is_loadable(address: u32) -> bool {
    XIP.contains(&address) || destination_allowed(address, 0)
}

/// How an image is locked.
#[derive(Clone, Debug, Default)]
pub struct Locks {
    /// Key and IV of the encryption.
    pub encryption: Option<(AesKey, [u8; 16])>,
    /// Key of the signature.
    pub signer: Option<PrivateKey>,
}

/// A header for a board: everything checked, nothing ignored, image at 1000h behind the header.
pub fn header_for(board: &Board) -> BootHeader {
    let mut header = BootHeader::parse(&[0; BOOT_HEADER_LEN]);
    header.magic = BOOT_MAGIC;
    header.revision = 1;
    header.flash_config_magic = FLASH_CONFIG_MAGIC;
    header.flash_config = board.flash_config().0;
    header.clock_config_magic = CLOCK_CONFIG_MAGIC;
    header.clock_config = board.clock_config().to_bytes();
    // key_sel 1, no_segment, cache_enable: what the vendor's tool sets.
    header.boot_config = BootConfig(0x310);
    header.ram_address = 0x1000;
    [header.partition_addresses, _] = BL702.partition_addresses;
    header
}

/// A finished image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    /// The header.
    pub header: BootHeader,
    /// Header, key, signature and IV blocks, as they stand at the front.
    pub front: Vec<u8>,
    /// What follows: segment headers and data, encrypted if so.
    pub body: Vec<u8>,
    /// What it is for.
    pub target: Target,
}

impl Built {
    /// The file: for flash the front filled up with `FF` to the offset of the image, for RAM without a gap.
    ///
    /// # Errors
    /// [`ImageError::Overlap`] if a flash image would begin inside its front.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ImageError> {
        let mut bytes = self.front.clone();
        if self.target == Target::Flash {
            let offset = self.header.ram_address as usize;
            if offset < bytes.len() {
                return Err(ImageError::Overlap { address: self.header.ram_address });
            }
            bytes.resize(offset, FILL);
        }
        bytes.extend_from_slice(&self.body);
        Ok(bytes)
    }
}

/// Puts a header in front of data: length or segment count, hash and CRCs, encryption and signature.
///
/// `header` is a template. With `hash_ignore` and no signature its hash stays as it is, with `crc_ignore` its CRC, as
/// with the vendor's tool. Data are filled up with zeros to a multiple of 16, as that tool does.
///
/// # Errors
/// [`ImageError`]: nothing to build of, a place in RAM where the ROM loads nothing, an image larger than any flash.
pub fn build(header: &BootHeader, data: &[u8], target: Target, locks: &Locks) -> Result<Built, ImageError> {
    if data.is_empty() {
        return Err(ImageError::Empty);
    }
    let mut body = data.to_vec();
    body.resize(data.len().next_multiple_of(16), 0);
    let len = u32::try_from(body.len()).ok().filter(|len| *len <= crate::plan::MAX_FLASH_BYTES);
    let len = len.ok_or(ImageError::TooLarge { bytes: data.len() as u64 })?;
    let mut header = header.clone();
    set_locks(&mut header, locks);
    if let Target::Ram { address } = target {
        if !destination_allowed(address, len) {
            return Err(ImageError::Place { what: "the image", address });
        }
        body.splice(0..0, segment_header(address, &body).to_bytes());
        header.segment_count = 1;
    } else {
        header.segment_count = len;
    }
    let mut iv_block = None;
    if let Some((key, iv)) = &locks.encryption {
        match target {
            Target::Flash => counter_mode(key, iv, &mut body),
            Target::Ram { .. } => cbc_mode(key, iv, &mut body),
        }
        iv_block = Some(IvBlock::new(*iv).to_bytes());
    }
    let hashed: Vec<u8> = iv_block.iter().flatten().chain(&body).copied().collect();
    finish_header(&mut header, &hashed, locks.signer.is_some());
    let mut front = header.to_bytes().to_vec();
    if let Some(signer) = &locks.signer {
        front.extend_from_slice(&PublicKeyBlock::new(signer.public_key()).to_bytes());
        front.extend_from_slice(&SignatureBlock::new(&signer.sign(&hashed)).to_bytes());
    }
    front.extend(iv_block.iter().flatten());
    Ok(Built { header, front, body, target })
}

/// The vendor's tool puts the CRC of the data into the reserved word.
fn segment_header(address: u32, data: &[u8]) -> SegmentHeader {
    let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
    let mut header = SegmentHeader { destination: address, length, reserved: crc32(data), crc32: 0 };
    header.crc32 = header.computed_crc32();
    header
}

fn set_locks(header: &mut BootHeader, locks: &Locks) {
    let encrypt = locks.encryption.as_ref().map_or(0, |(key, _)| u32::from(key.header_type()));
    let sign = u32::from(locks.signer.is_some());
    header.boot_config.0 = header.boot_config.0 & !0xF | sign | encrypt << 2;
}

/// Hash and CRCs, by the flags that the header has.
pub fn finish_header(header: &mut BootHeader, hashed: &[u8], signed: bool) {
    if !header.boot_config.hash_ignore() || signed {
        header.hash = Sha256::digest(hashed).into();
    }
    reseal(header);
}

/// Sets the CRCs of flash and clock configuration, and that of the header unless it is to be ignored.
pub fn reseal(header: &mut BootHeader) {
    let kept = header.crc32;
    header.seal();
    if header.boot_config.crc_ignore() {
        header.crc32 = kept;
    }
}

/// Sets the flags with which the ROM neither checks hash nor CRC, and what has to stand there then.
pub fn ignore_checks(header: &mut BootHeader) {
    header.boot_config.0 |= 0x3_0000;
    header.hash = [0; 32];
    header.hash[..4].copy_from_slice(&DEADBEEF.to_le_bytes());
    header.crc32 = DEADBEEF;
}
