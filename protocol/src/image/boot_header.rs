//! The 176-byte boot header and the checks the boot ROM makes on it.
//!
//! ```text
//! offset  bytes  field
//!      0      4  magic "BFNP"
//!      4      4  revision (1; not checked)
//!      8      4  flash config magic "FCFG" or 0
//!     12     84  flash config
//!     96      4  CRC-32 of 12..96
//!    100      4  clock config magic "PCFG" or 0
//!    104      8  clock config
//!    112      4  CRC-32 of 104..112
//!    116      4  boot config (bits, see BootConfig)
//!    120      4  segment count, or image length if no_segment
//!    124      4  entry: where 1Ah jumps, absolute; 0: to the RAM address
//!    128      4  RAM address, or offset in flash
//!    132     32  SHA-256 of the image
//!    164      8  partition table addresses for the boot2 inside the ROM
//!    172      4  CRC-32 of 0..172, or DEADBEEFh with crc_ignore
//! ```
//!
//! Source: `reference/rom-and-module.md` sections 1.4 and 2.
//!
//! What the vectors prove about the start address: in the row "run with entry" entry is 22010010h, RAM address and
//! segment destination are 22010000h, and the ROM jumps to 22010010h, so a non-zero entry is absolute. In the row
//! "run" entry is 0 and the jump goes to 22010000h. RAM address and destination are equal in every row, so that it is
//! the RAM address that counts then is an assumption.

use crate::code::Code;
use crate::crc::crc32;
use crate::image::flash_config::FlashConfig;

mod boot_config;
mod clock_config;

pub use boot_config::BootConfig;
pub use clock_config::{CLOCK_CONFIG_MAGIC, ClockConfig};

/// Bytes of a boot header.
pub const BOOT_HEADER_LEN: usize = 176;

/// The magic that a BL702 accepts.
pub const BOOT_MAGIC: [u8; 4] = *b"BFNP";

/// `"FCFG"` read as a little-endian word.
pub const FLASH_CONFIG_MAGIC: u32 = u32::from_le_bytes(*b"FCFG");

/// What stands in a CRC or hash field that is to be ignored.
pub const DEADBEEF: u32 = 0xDEAD_BEEF;

/// A boot header, field by field; any 176 bytes are one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootHeader {
    /// `BFNP`.
    pub magic: [u8; 4],
    /// 1 in everything seen; the ROM does not look.
    pub revision: u32,
    /// [`FLASH_CONFIG_MAGIC`] or 0.
    pub flash_config_magic: u32,
    /// Flash configuration; see [`FlashConfig`].
    pub flash_config: [u8; 84],
    /// CRC-32 of the flash configuration.
    pub flash_config_crc32: u32,
    /// [`CLOCK_CONFIG_MAGIC`] or 0.
    pub clock_config_magic: u32,
    /// Clock configuration; see [`ClockConfig`].
    pub clock_config: [u8; 8],
    /// CRC-32 of the clock configuration.
    pub clock_config_crc32: u32,
    /// Flags.
    pub boot_config: BootConfig,
    /// Number of segments, or the image length in bytes if `no_segment` (flash images).
    pub segment_count: u32,
    /// Where to jump, absolute; 0 for the RAM address (see the module's text).
    pub entry: u32,
    /// Address in RAM, or offset in flash, of the image.
    pub ram_address: u32,
    /// SHA-256 of the image as transmitted.
    pub hash: [u8; 32],
    /// Flash addresses of the two partition tables, used by the boot2 in ROM.
    pub partition_addresses: [u32; 2],
    /// CRC-32 of everything before it.
    pub crc32: u32,
}

/// What a chip's eFuses demand of a header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeaderPolicy {
    /// eFuse word 0 bit 2.
    pub sign_required: bool,
    /// Required `encrypt` field: 0 none, 1 AES-128, 2 AES-256, 3 AES-192.
    pub encrypt_type: u8,
}

/// Why the ROM refuses a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderRefusal {
    /// `FL 0204`.
    #[error("header CRC is {found:08x}h, should be {computed:08x}h")]
    Crc {
        /// The field.
        found: u32,
        /// What it should be.
        computed: u32,
    },
    /// `FL 0202`.
    #[error("header says not to load the image (boot config bit 10)")]
    NotLoad,
    /// `FL 0203`.
    #[error("header magic is {found:02x?}, should be \"BFNP\"")]
    Magic {
        /// The field.
        found: [u8; 4],
    },
    /// `FL 0205`.
    #[error("header says encryption type {found}, the chip demands {required}")]
    Encrypt {
        /// The field.
        found: u8,
        /// What the eFuses demand.
        required: u8,
    },
    /// `FL 0206`.
    #[error("header says sign type {found}, the chip demands {required}")]
    Sign {
        /// The field.
        found: u8,
        /// What the eFuses demand.
        required: u8,
    },
    /// `FL 0207`.
    #[error("header announces no segments")]
    SegmentCount,
}

impl HeaderRefusal {
    /// The code the ROM answers.
    pub const fn code(self) -> Code {
        match self {
            HeaderRefusal::NotLoad => Code(0x0202),
            HeaderRefusal::Magic { .. } => Code(0x0203),
            HeaderRefusal::Crc { .. } => Code(0x0204),
            HeaderRefusal::Encrypt { .. } => Code(0x0205),
            HeaderRefusal::Sign { .. } => Code(0x0206),
            HeaderRefusal::SegmentCount => Code(0x0207),
        }
    }
}

impl BootHeader {
    /// Reads the fields.
    pub fn parse(bytes: &[u8; BOOT_HEADER_LEN]) -> BootHeader {
        let word = |at: usize| u32::from_le_bytes(array(bytes, at));
        BootHeader {
            magic: array(bytes, 0),
            revision: word(4),
            flash_config_magic: word(8),
            flash_config: array(bytes, 12),
            flash_config_crc32: word(96),
            clock_config_magic: word(100),
            clock_config: array(bytes, 104),
            clock_config_crc32: word(112),
            boot_config: BootConfig(word(116)),
            segment_count: word(120),
            entry: word(124),
            ram_address: word(128),
            hash: array(bytes, 132),
            partition_addresses: [word(164), word(168)],
            crc32: word(172),
        }
    }

    /// The 176 bytes of the header.
    pub fn to_bytes(&self) -> [u8; BOOT_HEADER_LEN] {
        let mut bytes = [0; BOOT_HEADER_LEN];
        let mut put = |at: usize, part: &[u8]| bytes[at..at + part.len()].copy_from_slice(part);
        put(0, &self.magic);
        put(4, &self.revision.to_le_bytes());
        put(8, &self.flash_config_magic.to_le_bytes());
        put(12, &self.flash_config);
        put(96, &self.flash_config_crc32.to_le_bytes());
        put(100, &self.clock_config_magic.to_le_bytes());
        put(104, &self.clock_config);
        put(112, &self.clock_config_crc32.to_le_bytes());
        put(116, &self.boot_config.0.to_le_bytes());
        put(120, &self.segment_count.to_le_bytes());
        put(124, &self.entry.to_le_bytes());
        put(128, &self.ram_address.to_le_bytes());
        put(132, &self.hash);
        put(164, &self.partition_addresses[0].to_le_bytes());
        put(168, &self.partition_addresses[1].to_le_bytes());
        put(172, &self.crc32.to_le_bytes());
        bytes
    }

    /// The CRC-32 of the first 172 bytes.
    pub fn computed_crc32(&self) -> u32 {
        crc32(&self.to_bytes()[..172])
    }

    /// Sets all three CRCs to what they should be.
    pub fn seal(&mut self) {
        self.flash_config_crc32 = crc32(&self.flash_config);
        self.clock_config_crc32 = crc32(&self.clock_config);
        self.crc32 = self.computed_crc32();
    }

    /// Whether the ROM is content with the CRC field: it is right, or it is DEADBEEFh and `crc_ignore` is set.
    ///
    /// With `crc_ignore` any other wrong value is refused, and so is DEADBEEFh without the bit.
    pub fn crc_is_accepted(&self) -> bool {
        self.crc32 == self.computed_crc32() || (self.crc32 == DEADBEEF && self.boot_config.crc_ignore())
    }

    /// Whether the ROM skips the hash: `hash_ignore` is set, the first hash word is DEADBEEFh, and the image is not
    /// signed.
    pub fn hash_is_ignored(&self) -> bool {
        self.boot_config.hash_ignore()
            && self.hash[..4] == DEADBEEF.to_le_bytes()
            && self.boot_config.sign() == 0
    }

    /// Where command 1Ah jumps.
    pub fn start_address(&self) -> u32 {
        // Assumption for entry 0, see the module's text.
        if self.entry == 0 { self.ram_address } else { self.entry }
    }

    /// The flash configuration, decoded.
    pub fn flash_config(&self) -> FlashConfig {
        FlashConfig(self.flash_config)
    }

    /// The clock configuration, if the ROM would use it: magic and CRC right and a crystal named.
    pub fn usable_clock_config(&self) -> Option<ClockConfig> {
        let config = ClockConfig::parse(self.clock_config);
        let sealed = self.clock_config_magic == CLOCK_CONFIG_MAGIC
            && self.clock_config_crc32 == crc32(&self.clock_config);
        (sealed && config.crystal != 0).then_some(config)
    }

    /// The checks the ROM makes before it sets the PLL and looks at `boot2_enable`: CRC, notload, magic.
    ///
    /// # Errors
    /// The first refusal, in the ROM's order. Only [`HeaderRefusal::Crc`] leaves the ROM's load state as it was.
    pub fn check_before_clock(&self) -> Result<(), HeaderRefusal> {
        if !self.crc_is_accepted() {
            return Err(HeaderRefusal::Crc { found: self.crc32, computed: self.computed_crc32() });
        }
        if self.boot_config.notload() {
            return Err(HeaderRefusal::NotLoad);
        }
        if self.magic != BOOT_MAGIC {
            return Err(HeaderRefusal::Magic { found: self.magic });
        }
        Ok(())
    }

    /// The checks the ROM makes after that: encryption, signature, segment count.
    ///
    /// # Errors
    /// The first refusal, in the ROM's order.
    pub fn check_after_clock(&self, policy: &HeaderPolicy) -> Result<(), HeaderRefusal> {
        let encrypt = self.boot_config.encrypt();
        if encrypt != policy.encrypt_type {
            return Err(HeaderRefusal::Encrypt { found: encrypt, required: policy.encrypt_type });
        }
        let sign = self.boot_config.sign();
        let required = u8::from(policy.sign_required);
        // The vectors have 0 and 1 only; that 2 and 3 fit nothing is an assumption.
        if sign != required {
            return Err(HeaderRefusal::Sign { found: sign, required });
        }
        if self.segment_count == 0 {
            return Err(HeaderRefusal::SegmentCount);
        }
        Ok(())
    }

    /// All checks of command 11h in the ROM's order, the payload length apart (`FL 0201` unless 176).
    ///
    /// # Errors
    /// The first refusal.
    pub fn check(&self, policy: &HeaderPolicy) -> Result<(), HeaderRefusal> {
        self.check_before_clock()?;
        self.check_after_clock(policy)
    }
}

/// `N` bytes of a header from offset `at`; offsets are those of the layout, so they always lie inside.
fn array<const N: usize>(bytes: &[u8; BOOT_HEADER_LEN], at: usize) -> [u8; N] {
    let mut part = [0; N];
    part.copy_from_slice(&bytes[at..at + N]);
    part
}

#[cfg(test)]
mod tests;
