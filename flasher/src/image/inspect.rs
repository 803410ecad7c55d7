//! What is in a file: every header and table in it, and whether their CRCs and hashes are right.

use bl702_protocol::chip::{BL702, Chip};
use bl702_protocol::crc::crc32;
use bl702_protocol::image::boot_header::{
    BOOT_HEADER_LEN, BOOT_MAGIC, BootHeader, CLOCK_CONFIG_MAGIC, ClockConfig, FLASH_CONFIG_MAGIC,
};
use bl702_protocol::image::partition::PARTITION_MAGIC;
use bl702_protocol::image::ram_image::RamImage;
use bl702_protocol::image::segment::SegmentHeader;
use bl702_protocol::image::signature::{IvBlock, PublicKeyBlock, SignatureBlock};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::merge::image_range;
use super::{FileKind, ImageError, Part, crypt, elf, ihex};
use crate::loader::KnownBuild;

mod dump;

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Right.
    Good,
    /// Switched off by a flag of the header.
    Ignored,
    /// Cannot be checked: the bytes are not there, or a key is needed.
    Unchecked,
    /// Wrong.
    Bad,
}

/// One line about a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Offset in the file, for what has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<usize>,
    /// What it is.
    pub text: String,
    /// How its check came out, for what is checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
}

/// What is in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Inspection {
    /// What kind of file it is, in words.
    pub kind: String,
    /// Its parts, in order.
    pub lines: Vec<Line>,
}

impl Inspection {
    /// Whether a check failed.
    pub fn is_bad(&self) -> bool {
        self.lines.iter().any(|line| line.verdict == Some(Verdict::Bad))
    }

    fn say(&mut self, offset: impl Into<Option<usize>>, text: impl Into<String>) {
        self.lines.push(Line { offset: offset.into(), text: text.into(), verdict: None });
    }

    fn check(&mut self, offset: impl Into<Option<usize>>, text: impl Into<String>, verdict: Verdict) {
        self.lines.push(Line { offset: offset.into(), text: text.into(), verdict: Some(verdict) });
    }
}

/// Looks into a file of any known kind.
///
/// # Errors
/// [`ImageError`] for an ELF or HEX file that cannot be read. Everything else is some kind of file; what is wrong with
/// it stands in the lines.
pub fn inspect(bytes: &[u8]) -> Result<Inspection, ImageError> {
    let mut found = Inspection::default();
    match FileKind::of(bytes) {
        FileKind::Elf => {
            let program = elf::parse(bytes)?;
            found.kind = "ELF program for RISC-V".to_owned();
            found.say(None, format!("entry {:#010x}", program.entry));
            parts(&mut found, &program.parts);
        }
        FileKind::IntelHex => {
            let read = ihex::parse(bytes)?;
            found.kind = "Intel HEX; every record's checksum is right".to_owned();
            parts(&mut found, &read);
        }
        FileKind::PartitionTable => {
            found.kind = "partition table".to_owned();
            dump::table(&mut found, bytes, 0);
        }
        FileKind::Bfnp if is_ram_image(bytes) => ram_image(&mut found, bytes),
        FileKind::Bfnp | FileKind::Raw => dump::flash(&mut found, bytes),
    }
    found.say(None, format!("{} bytes, SHA-256 {}", bytes.len(), hex(&Sha256::digest(bytes))));
    Ok(found)
}

fn parts(found: &mut Inspection, parts: &[Part]) {
    for part in parts {
        let end = u64::from(part.address) + part.data.len() as u64;
        found.say(None, format!("{:#010x}..{end:#010x}: {} bytes", part.address, part.data.len()));
    }
}

fn header_at(bytes: &[u8], offset: usize) -> Option<BootHeader> {
    let header = bytes.get(offset..)?.first_chunk::<BOOT_HEADER_LEN>()?;
    (header[..4] == BOOT_MAGIC).then(|| BootHeader::parse(header))
}

/// Whether the header's address is one in RAM: flash offsets are below 16 MiB.
fn is_ram_image(bytes: &[u8]) -> bool {
    header_at(bytes, 0).is_some_and(|header| header.ram_address >= 0x0100_0000)
}

fn ram_image(found: &mut Inspection, bytes: &[u8]) {
    found.kind = "image for RAM, which the boot ROM loads".to_owned();
    if let Some(header) = header_at(bytes, 0) {
        header_lines(found, &header, 0);
    }
    match RamImage::parse(bytes) {
        Ok(image) => {
            let hashed = hashed_of(&image);
            for segment in &image.segments {
                let SegmentHeader { destination, length, .. } = segment.header;
                let hidden = image.iv.is_some();
                let text = if hidden {
                    format!("segment of {} bytes, encrypted", segment.data.len())
                } else {
                    format!("segment to {destination:#010x}, {length} bytes; CRC of its header")
                };
                found.check(None, text, if hidden { Verdict::Unchecked } else { Verdict::Good });
                if !hidden && segment.header.reserved != 0 {
                    let right = segment.header.reserved == crc32(&segment.data);
                    found.check(None, "CRC of the segment data (the ROM does not look)", verdict(right));
                }
            }
            hash_line(found, &image.header, Some(&hashed), 132);
            if let (Some(key), Some(signature)) = (&image.public_key, &image.signature) {
                let right = crypt::verifies(&key.key, &hashed, &signature.signature);
                found.check(
                    BOOT_HEADER_LEN,
                    format!("signature by the key with SHA-256 {}", hex(&Sha256::digest(key.key))),
                    verdict(right),
                );
            }
            if let Some(build) = crate::loader::known(&image) {
                loader_line(found, build);
            }
            if image.surplus_bytes > 0 {
                found.say(
                    bytes.len() - image.surplus_bytes,
                    format!("{} bytes more, which are not sent", image.surplus_bytes),
                );
            }
        }
        Err(error) => found.check(None, error.to_string(), Verdict::Bad),
    }
}

/// A published build of the RAM loader; one for a chip that this program is not for counts as wrong.
fn loader_line(found: &mut Inspection, build: &KnownBuild) {
    let KnownBuild { chip, published_in, .. } = build;
    if chip.is_verified {
        found.say(None, format!("the vendor's RAM loader, as published in {published_in}"));
        return;
    }
    let text = format!(
        "the vendor's RAM loader for a {}, as published in {published_in}: a {} would start it, and it would not answer",
        chip.members, BL702.members
    );
    found.check(None, text, Verdict::Bad);
}

/// What hash and signature of a RAM image cover.
fn hashed_of(image: &RamImage) -> Vec<u8> {
    let mut bytes: Vec<u8> = image.iv.iter().flat_map(IvBlock::to_bytes).collect();
    for segment in &image.segments {
        bytes.extend_from_slice(&segment.header.to_bytes());
        bytes.extend_from_slice(&segment.data);
    }
    bytes
}

/// What a header says, and its three CRCs.
fn header_lines(found: &mut Inspection, header: &BootHeader, offset: usize) {
    found.say(offset, format!("boot header: {}", header.boot_config));
    if header.flash_config_magic == FLASH_CONFIG_MAGIC {
        let config = header.flash_config();
        let maker = config.field("manufacturer_id").and_then(|id| id.first()).copied().unwrap_or_default();
        let text = format!(
            "flash configuration: maker {maker:02x}, I/O mode {:#x}, {} B pages; CRC",
            config.io_mode(),
            config.page_size_bytes()
        );
        found.check(offset + 96, text, verdict(header.flash_config_crc32 == crc32(&header.flash_config)));
    } else {
        found.say(offset + 8, "no flash configuration: the one that is set stays");
    }
    if header.clock_config_magic == CLOCK_CONFIG_MAGIC {
        let ClockConfig { crystal, pll, hclk_div, bclk_div, flash_clock, flash_clock_div, .. } =
            ClockConfig::parse(header.clock_config);
        if let Some(other) = Chip::other_with_crystal(crystal) {
            found.check(
                offset + 104,
                format!(
                    "crystal type {crystal} ({}), which no BL702 has: this is for a {}",
                    other.crystal(crystal).unwrap_or_default(),
                    other.members
                ),
                Verdict::Bad,
            );
        }
        let crystal = BL702.crystal(crystal).unwrap_or("unknown crystal");
        let text = format!(
            "clock: {crystal}, PLL {pll}, dividers {hclk_div} {bclk_div}, flash clock {flash_clock} divider {flash_clock_div}; CRC"
        );
        found.check(offset + 112, text, verdict(header.clock_config_crc32 == crc32(&header.clock_config)));
    } else {
        found.say(offset + 100, "no clock configuration: RC 32 MHz stays");
    }
    let right = header.crc32 == header.computed_crc32();
    let crc = match (right, header.crc_is_accepted()) {
        (true, _) => Verdict::Good,
        (false, true) => Verdict::Ignored,
        (false, false) => Verdict::Bad,
    };
    let text = match crc {
        Verdict::Bad => {
            format!("header CRC is {:08x}h, should be {:08x}h", header.crc32, header.computed_crc32())
        }
        _ => "header CRC".to_owned(),
    };
    found.check(offset + 172, text, crc);
    if header.boot_config.boot2_enable() {
        let [first, second] = header.partition_addresses;
        found.say(offset + 164, format!("boot2 of the ROM, partition tables at {first:#x} and {second:#x}; never send this header over UART"));
    }
}

/// The hash, over `hashed` if the bytes are there. `offset` is that of the field.
fn hash_line(found: &mut Inspection, header: &BootHeader, hashed: Option<&[u8]>, offset: usize) {
    let verdict = match hashed {
        _ if header.hash_is_ignored() => Verdict::Ignored,
        Some(hashed) => verdict(header.hash[..] == Sha256::digest(hashed)[..]),
        None => Verdict::Unchecked,
    };
    let text = match verdict {
        Verdict::Bad => {
            let computed = hashed.map(|hashed| hex(&Sha256::digest(hashed))).unwrap_or_default();
            format!("image hash is {}, should be {computed}", hex(&header.hash))
        }
        Verdict::Unchecked => "image hash (the image is not in this file)".to_owned(),
        _ => "image hash".to_owned(),
    };
    found.check(offset, text, verdict);
}

/// Where the image of a header is: counted from the header, as the vendor's tool writes it, unless only the bytes counted
/// from the start of the flash have the right hash.
fn placed(bytes: &[u8], header: &BootHeader, offset: usize) -> Option<core::ops::Range<usize>> {
    let has_hash = |range: &core::ops::Range<usize>| {
        bytes.get(range.clone()).is_some_and(|image| Sha256::digest(image)[..] == header.hash[..])
    };
    let from_header = image_range(header, offset)?;
    let from_start = image_range(header, 0).filter(|range| !has_hash(&from_header) && has_hash(range));
    Some(from_start.unwrap_or(from_header))
}

/// Key, signature and IV blocks behind a flash header; gives what the hash covers.
fn locked_image(found: &mut Inspection, bytes: &[u8], header: &BootHeader, offset: usize) {
    let image = placed(bytes, header, offset).and_then(|range| bytes.get(range));
    let mut at = offset + BOOT_HEADER_LEN;
    let mut signed_by = None;
    if header.boot_config.sign() != 0 {
        let rest = bytes.get(at..).unwrap_or_default();
        let key = rest.first_chunk().map(PublicKeyBlock::read);
        let signature = SignatureBlock::parse(rest.get(PublicKeyBlock::LEN..).unwrap_or_default()).ok();
        let good = key.is_some_and(|key| key.crc_is_right())
            && signature.as_ref().is_some_and(SignatureBlock::crc_is_right);
        found.check(at, "public key and signature blocks; CRCs", verdict(good));
        at += PublicKeyBlock::LEN + signature.as_ref().map_or(0, |block| block.signature.len() + 8);
        signed_by = key.zip(signature);
    }
    let mut hashed = Vec::new();
    if header.boot_config.encrypt() != 0 {
        let iv = bytes.get(at..).and_then(|rest| rest.first_chunk()).map(IvBlock::read);
        found.check(at, "IV block; CRC", verdict(iv.is_some_and(|iv| iv.crc_is_right())));
        hashed.extend(iv.iter().flat_map(IvBlock::to_bytes));
    }
    let hashed = image.map(|image| {
        hashed.extend_from_slice(image);
        hashed
    });
    hash_line(found, header, hashed.as_deref(), offset + 132);
    if let (Some((key, signature)), Some(hashed)) = (signed_by, &hashed) {
        let right = crypt::verifies(&key.key, hashed, &signature.signature);
        let text = format!("signature by the key with SHA-256 {}", hex(&Sha256::digest(key.key)));
        found.check(offset + BOOT_HEADER_LEN, text, verdict(right));
    }
}

fn verdict(right: bool) -> Verdict {
    if right { Verdict::Good } else { Verdict::Bad }
}

fn starts_with_table(bytes: &[u8], offset: usize) -> bool {
    bytes.get(offset..).is_some_and(|rest| rest.starts_with(&PARTITION_MAGIC))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
