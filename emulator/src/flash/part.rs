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

const MIB: u32 = 1 << 20;

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

/// All parts that a profile may name.
pub const PARTS: &[FlashPart] = &[
    FlashPart {
        name: "KH25V80",
        jedec_id: [0xc2, 0x20, 0x14],
        capacity_bytes: MIB,
        page_bytes: 256,
        typical: times(1400, 10, [60, 500, 1000, 7500, 5]),
        worst: times(5000, 50, [120, 1000, 2000, 15_000, 40]),
        status: StatusLayout::Macronix,
        source: "id and size: rom-and-module.md section 4. Its own data sheet was not found: page, 4K and 64K are \
                 those of the KH25L8005 data sheet, all else is assumed",
    },
    FlashPart {
        name: "KH25V40",
        jedec_id: [0xc2, 0x20, 0x13],
        capacity_bytes: MIB / 2,
        page_bytes: 256,
        typical: times(1400, 10, [60, 500, 1000, 3500, 5]),
        worst: times(5000, 50, [120, 1000, 2000, 7500, 40]),
        status: StatusLayout::Macronix,
        source: "id: rom-and-module.md section 4; times as KH25V80 (assumed)",
    },
    FlashPart {
        name: "KH25V16",
        jedec_id: [0xc2, 0x20, 0x15],
        capacity_bytes: 2 * MIB,
        page_bytes: 256,
        typical: times(1400, 10, [60, 500, 1000, 14_000, 5]),
        worst: times(5000, 50, [120, 1000, 2000, 30_000, 40]),
        status: StatusLayout::Macronix,
        source: "id: rom-and-module.md section 4; times as KH25V80 (assumed)",
    },
    FlashPart {
        name: "GD25Q80E",
        jedec_id: [0xc8, 0x40, 0x14],
        capacity_bytes: MIB,
        page_bytes: 256,
        typical: times(250, 30, [45, 120, 150, 2500, 5]),
        worst: times(2000, 60, [400, 1600, 2000, 7000, 30]),
        status: StatusLayout::WinbondThree,
        source: "id: rom-and-module.md section 4; typical times in its ranges marked GEN, the rest assumed",
    },
    FlashPart {
        name: "GD25Q16E",
        jedec_id: [0xc8, 0x40, 0x15],
        capacity_bytes: 2 * MIB,
        page_bytes: 256,
        typical: times(250, 30, [45, 120, 150, 5000, 5]),
        worst: times(2000, 60, [400, 1600, 2000, 15_000, 30]),
        status: StatusLayout::WinbondThree,
        source: "id: rom-and-module.md section 4; typical times in its ranges marked GEN, the rest assumed",
    },
    FlashPart {
        name: "W25Q80DV",
        jedec_id: [0xef, 0x40, 0x14],
        capacity_bytes: MIB,
        page_bytes: 256,
        typical: times(700, 20, [45, 120, 150, 2000, 10]),
        worst: times(3000, 50, [400, 1600, 2000, 6000, 15]),
        status: StatusLayout::WinbondTwo,
        source: "id: rom-and-module.md section 4; erase times and limits as marked GEN there, the rest assumed",
    },
    FlashPart {
        name: "W25Q16JV",
        jedec_id: [0xef, 0x40, 0x15],
        capacity_bytes: 2 * MIB,
        page_bytes: 256,
        typical: times(400, 20, [45, 120, 150, 5000, 10]),
        worst: times(3000, 50, [400, 1600, 2000, 25_000, 15]),
        status: StatusLayout::WinbondThree,
        source: "id: rom-and-module.md section 4; erase times and limits as marked GEN there, the rest assumed",
    },
    FlashPart {
        name: "XT25F08B",
        jedec_id: [0x0b, 0x40, 0x14],
        capacity_bytes: MIB,
        page_bytes: 256,
        typical: times(400, 30, [70, 200, 300, 4000, 5]),
        worst: times(1500, 60, [300, 1600, 2000, 10_000, 30]),
        status: StatusLayout::WinbondTwo,
        source: "page and 4K: XT25F08B-S data sheet (rom-and-module.md section 4); the rest assumed",
    },
    FlashPart {
        name: "P25Q80H",
        jedec_id: [0x85, 0x60, 0x14],
        capacity_bytes: MIB,
        page_bytes: 256,
        typical: times(2000, 2000, [8, 8, 8, 8, 8]),
        worst: times(3000, 3000, [20, 20, 20, 20, 12]),
        status: StatusLayout::WinbondThree,
        source: "id: rom-and-module.md section 4; that every erase takes the same short time is how Puya builds them, \
                 the figures are assumed",
    },
    FlashPart {
        name: "BY25Q80",
        jedec_id: [0x68, 0x40, 0x14],
        capacity_bytes: MIB,
        page_bytes: 256,
        typical: times(600, 30, [60, 300, 500, 6000, 5]),
        worst: times(2400, 60, [300, 800, 1200, 15_000, 30]),
        status: StatusLayout::WinbondThree,
        source: "id: rom-and-module.md section 4; times assumed",
    },
    FlashPart {
        name: "FM25Q08",
        jedec_id: [0xa1, 0x40, 0x14],
        capacity_bytes: MIB,
        page_bytes: 256,
        typical: times(600, 30, [50, 150, 250, 4000, 5]),
        worst: times(2500, 60, [300, 1600, 2000, 20_000, 30]),
        status: StatusLayout::WinbondTwo,
        source: "id: rom-and-module.md section 4; times assumed",
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_and_ids_are_unique_and_sizes_follow_the_id() {
        let names: BTreeSet<_> = PARTS.iter().map(|part| part.name).collect();
        let ids: BTreeSet<_> = PARTS.iter().map(|part| part.jedec_id).collect();
        assert_eq!((names.len(), ids.len()), (PARTS.len(), PARTS.len()));
        for part in PARTS {
            // The vendor's rule (rom-and-module.md section 4).
            assert_eq!(part.capacity_bytes, (512 * 1024) << (part.jedec_id[2] - 0x13), "{}", part.name);
        }
    }

    #[test]
    fn worst_is_never_better_than_typical() {
        for part in PARTS {
            let pairs = |t: FlashTimes| {
                let erases = [t.sector_4k_us, t.block_32k_us, t.block_64k_us, t.chip_us];
                (t.page_program_us, t.byte_program_us, erases, t.write_status_us)
            };
            let (typical, worst) = (pairs(part.typical), pairs(part.worst));
            assert!(typical.0 < worst.0 && typical.1 < worst.1 && typical.3 < worst.3, "{}", part.name);
            assert!(typical.2.iter().zip(worst.2).all(|(typical, worst)| *typical < worst), "{}", part.name);
            assert!(part.typical.byte_program_us <= part.typical.page_program_us, "{}", part.name);
        }
    }

    #[test]
    fn a_program_takes_from_a_byte_to_a_page() {
        let times = FlashPart::by_name("kh25v80").unwrap().typical;
        assert_eq!([0, 1, 256].map(|len| times.program_us(len, 256)), [10, 10, 1400]);
        assert_eq!(FlashPart::by_jedec_id([0xc2, 0x20, 0x14]).unwrap().name, "KH25V80");
        assert!(FlashPart::by_name("KH25V81").is_none());
    }
}
