//! The parts: one row per flash that BL702 boards carry.

use serde::{Deserialize, Serialize};

use super::status::StatusLayout;

/// Whether busy times are the data sheet's typical or its worst ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FlashSpeed {
    /// Typical times.
    #[default]
    Typical,
    /// The maxima the data sheet allows.
    Worst,
}

/// Busy times in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlashTimes {
    /// Programming a whole page.
    pub page_program_us: u64,
    /// Programming one byte; between one byte and a page the time grows in proportion (assumed).
    pub byte_program_us: u64,
    /// Erasing 4 KiB.
    pub sector_4k_us: u64,
    /// Erasing 32 KiB.
    pub block_32k_us: u64,
    /// Erasing 64 KiB.
    pub block_64k_us: u64,
    /// Erasing the chip.
    pub chip_us: u64,
    /// Writing a status register.
    pub write_status_us: u64,
}

impl FlashTimes {
    /// How long programming `len` bytes of one page takes.
    pub fn program_us(&self, len: u32, page_bytes: u32) -> u64 {
        let more = self.page_program_us.saturating_sub(self.byte_program_us);
        self.byte_program_us + more * u64::from(len.saturating_sub(1)) / u64::from(page_bytes.max(2) - 1)
    }
}

/// What is known of one kind of flash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlashPart {
    /// The maker's name for it, as profiles write it.
    pub name: &'static str,
    /// Manufacturer, type and capacity, as command 9Fh gives them.
    pub jedec_id: [u8; 3],
    /// Size in bytes.
    pub capacity_bytes: u32,
    /// Bytes in one page.
    pub page_bytes: u32,
    /// Typical busy times.
    pub typical: FlashTimes,
    /// Longest busy times.
    pub worst: FlashTimes,
    /// Which status registers it has and what their bits mean.
    pub status: StatusLayout,
    /// Where the row comes from, and what in it is assumed.
    pub source: &'static str,
}

impl FlashPart {
    /// The part of this name, in any case of letters.
    pub fn by_name(name: &str) -> Option<&'static FlashPart> {
        PARTS.iter().find(|part| part.name.eq_ignore_ascii_case(name))
    }

    /// The first part with this JEDEC id.
    pub fn by_jedec_id(jedec_id: [u8; 3]) -> Option<&'static FlashPart> {
        PARTS.iter().find(|part| part.jedec_id == jedec_id)
    }

    /// Its busy times.
    pub fn times(&self, speed: FlashSpeed) -> FlashTimes {
        match speed {
            FlashSpeed::Typical => self.typical,
            FlashSpeed::Worst => self.worst,
        }
    }
}

/// Times in the order of the data sheets: page, byte (us); 4K, 32K, 64K, chip, status register (ms).
const fn times(page_us: u64, byte_us: u64, ms: [u64; 5]) -> FlashTimes {
    FlashTimes {
        page_program_us: page_us,
        byte_program_us: byte_us,
        sector_4k_us: ms[0] * 1000,
        block_32k_us: ms[1] * 1000,
        block_64k_us: ms[2] * 1000,
        chip_us: ms[3] * 1000,
        write_status_us: ms[4] * 1000,
    }
}

const KIB: u32 = 1024;

/// All parts that a profile may name.
pub const PARTS: &[FlashPart] = &[
    FlashPart {
        name: "KH25V80",
        jedec_id: [0xc2, 0x20, 0x14],
        capacity_bytes: 1024 * KIB,
        page_bytes: 256,
        typical: times(1400, 100, [60, 500, 1000, 15_000, 5]),
        worst: times(5000, 300, [120, 1000, 2000, 30_000, 40]),
        status: StatusLayout::Macronix,
        source: "id and size: XT-ZB2 (rom-and-module.md 4); its own data sheet was not found: page, 4K and 64K of the \
                 KH25L8005 data sheet, the rest assumed",
    },
];
