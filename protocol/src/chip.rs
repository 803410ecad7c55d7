//! What differs from chip to chip: one descriptor each.
//!
//! Source: `reference/rom-and-module.md` section 8, and for the BL702 family all of it. Only what this project was verified with
//! is spoken to; the others are here to be recognised, and to be named when they are refused.

use crate::boot_info::{BOOT_INFO_LEN, ROM_VERSION};
use crate::command::{LoaderCommand, RomCommand};
use crate::image::boot_header::BOOT_HEADER_LEN;
use crate::jedec::{JedecId, Part};

mod flash_parts;

/// How an image in RAM is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartMethod {
    /// The HBN words and a CPU reset by memory writes, as the vendor's tool does (ROM reference 1.6); command 1Ah where
    /// eFuses forbid that.
    HbnWords,
    /// Command 1Ah.
    RunCommand,
}

/// Everything in which chips of the family differ for a flasher.
#[derive(Debug)]
pub struct Chip {
    /// The name of the descriptor.
    pub name: &'static str,
    /// The chips it is for, for people.
    pub members: &'static str,
    /// Version of the boot ROM, the first word of its boot info.
    pub rom_version: u32,
    /// Bytes of boot info.
    pub boot_info_len: usize,
    /// Bytes of a boot header.
    pub header_len: usize,
    /// Offset of the segment count in it.
    pub segment_count_offset: usize,
    /// Ids that the ROM accepts.
    pub rom_ids: &'static [u8],
    /// Ids that its RAM loader accepts.
    pub loader_ids: &'static [u8],
    /// Flash parts for which the vendor's host tools have a profile: those that its relative has too, and its own.
    ///
    /// That a part is in here does not mean that the RAM loader knows it; its reply to 36h says that itself
    /// ([`LOADER_FLAG_IDENTIFIED`](crate::jedec::LOADER_FLAG_IDENTIFIED)).
    pub flash_parts: [&'static [Part]; 2],
    /// Milliseconds of 55h that make a handshake.
    pub sync_ms: u64,
    /// How an image is started.
    pub start: StartMethod,
    /// Crystal types of a clock configuration, in words; what is not here the chip does not have.
    pub crystals: &'static [&'static str],
    /// Where the two copies of the partition table are, without and with a boot2 in flash.
    pub partition_addresses: [[u32; 2]; 2],
    /// Whether this project was verified with it: if not, it is refused.
    pub is_verified: bool,
}

/// BL702, BL704 and BL706: one mask ROM.
pub static BL702: Chip = Chip {
    name: "BL702",
    members: "BL702/704/706",
    rom_version: ROM_VERSION,
    boot_info_len: BOOT_INFO_LEN,
    header_len: BOOT_HEADER_LEN,
    segment_count_offset: 120,
    rom_ids: &[
        0x10, 0x11, 0x12, 0x14, 0x16, 0x17, 0x18, 0x19, 0x1A, 0x20, 0x21, 0x30, 0x31, 0x33, 0x40, 0x41, 0x50,
        0x51, 0x80, 0x81, 0x90, 0x91,
    ],
    loader_ids: &[
        0x10, 0x21, 0x30, 0x31, 0x32, 0x34, 0x36, 0x37, 0x38, 0x3A, 0x3B, 0x3C, 0x3D, 0x3E, 0x40, 0x41, 0x42,
        0x50, 0x51, 0x60, 0x61, 0x71,
    ],
    flash_parts: [flash_parts::OF_BOTH, flash_parts::OF_BL702],
    sync_ms: 3,
    start: StartMethod::HbnWords,
    crystals: &["none", "32 MHz crystal", "RC 32 MHz"],
    partition_addresses: [[0x1000, 0x2000], [0xE000, 0xF000]],
    is_verified: true,
};

/// BL602 and BL604: the same protocol with another boot info, and no 80h, 81h, 90h, 91h. Not verified.
///
/// The ids of its RAM loader are those of the table `eflash_loader_cmds` in `eflash_loader.elf` of bflb-mcu-tool 1.10 for the
/// BL602: those of the BL702's, and 33h (boot from flash) and 3Fh (write compressed data) besides.
///
/// Assumptions: that it has the same ids from 10h to 1Ah; its crystal types, from the vendor's configuration files; the reference says that it has 40 MHz, and its
/// partition tables are where those of the BL702 are with a boot2 in flash.
pub static BL602: Chip = Chip {
    name: "BL602",
    members: "BL602/604",
    rom_version: 1,
    boot_info_len: 20,
    header_len: 176,
    segment_count_offset: 120,
    rom_ids: &[
        0x10, 0x11, 0x12, 0x14, 0x16, 0x17, 0x18, 0x19, 0x1A, 0x20, 0x21, 0x30, 0x31, 0x33, 0x40, 0x41, 0x50,
        0x51,
    ],
    loader_ids: &[
        0x10, 0x21, 0x30, 0x31, 0x32, 0x33, 0x34, 0x36, 0x37, 0x38, 0x3A, 0x3B, 0x3C, 0x3D, 0x3E, 0x3F, 0x40,
        0x41, 0x42, 0x50, 0x51, 0x60, 0x61, 0x71,
    ],
    flash_parts: [flash_parts::OF_BOTH, flash_parts::OF_BL602],
    sync_ms: 6,
    start: StartMethod::RunCommand,
    crystals: &[
        "none",
        "24 MHz crystal",
        "32 MHz crystal",
        "38.4 MHz crystal",
        "40 MHz crystal",
        "26 MHz crystal",
        "RC 32 MHz",
    ],
    partition_addresses: [[0xE000, 0xF000]; 2],
    is_verified: false,
};

/// Every chip that is known.
pub static CHIPS: [&Chip; 2] = [&BL702, &BL602];

impl Chip {
    /// The chip whose ROM answers 10h so: by length and version.
    pub fn by_boot_info(bytes: &[u8]) -> Option<&'static Chip> {
        let version = bytes.first_chunk::<4>().map(|word| u32::from_le_bytes(*word))?;
        CHIPS.into_iter().find(|chip| chip.boot_info_len == bytes.len() && chip.rom_version == version)
    }

    /// The crystal of a clock configuration, in words.
    pub fn crystal(&self, kind: u8) -> Option<&'static str> {
        self.crystals.get(usize::from(kind)).copied()
    }

    /// The only chips that have this crystal type, if the BL702 does not.
    pub fn other_with_crystal(kind: u8) -> Option<&'static Chip> {
        if BL702.crystal(kind).is_some() {
            return None;
        }
        CHIPS.into_iter().find(|chip| chip.crystal(kind).is_some())
    }

    /// Whether its ROM answers this command.
    pub fn rom_has(&self, command: RomCommand) -> bool {
        self.rom_ids.contains(&command.row().id)
    }

    /// Whether its RAM loader answers this command.
    pub fn loader_has(&self, command: LoaderCommand) -> bool {
        self.loader_ids.contains(&command.id())
    }

    /// The flash part with this id.
    pub fn flash_part(&self, id: JedecId) -> Option<&'static Part> {
        self.flash_parts.into_iter().flatten().find(|part| part.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{LOADER_COMMANDS, ROM_COMMANDS};
    use crate::image::boot_header::BootHeader;
    use rstest::rstest;

    #[test]
    fn the_ids_of_a_bl702_are_those_of_the_command_table() {
        let table: Vec<u8> =
            ROM_COMMANDS.iter().filter(|(_, row)| row.enabled).map(|(_, row)| row.id).collect();
        assert_eq!(BL702.rom_ids, table);
        assert!(BL702.rom_has(RomCommand::EcdhGetKey) && !BL602.rom_has(RomCommand::EcdhGetKey));
        assert!(!BL702.rom_has(RomCommand::FlashRead));
        let mut table: Vec<u8> = LOADER_COMMANDS.iter().map(|(_, row)| row.id).collect();
        table.sort_unstable();
        assert_eq!(BL702.loader_ids, table);
        assert!(BL702.loader_has(LoaderCommand::Sha256));
        // What the BL602 has besides is sent to none.
        let besides: Vec<u8> =
            BL602.loader_ids.iter().copied().filter(|id| !BL702.loader_ids.contains(id)).collect();
        assert_eq!(besides, [0x33, 0x3F]);
        assert!(BL702.loader_ids.iter().all(|id| BL602.loader_ids.contains(id)));
    }

    #[test]
    fn flash_parts_are_sorted_and_have_sizes() {
        for chip in CHIPS {
            let [shared, own] = chip.flash_parts;
            for parts in [shared, own] {
                assert!(parts.windows(2).all(|pair| pair[0].id.0 < pair[1].id.0), "{}", chip.name);
            }
            let mut parts = chip.flash_parts.concat();
            parts.sort_unstable_by_key(|part| part.id.0);
            assert!(parts.windows(2).all(|pair| pair[0].id.0 < pair[1].id.0), "{}", chip.name);
            assert!(parts.iter().all(|part| part.size_bytes >= 512 * 1024), "{}", chip.name);
        }
        let part = BL702.flash_part(JedecId([0xc2, 0x20, 0x14])).unwrap();
        assert_eq!((part.name, part.size_bytes), ("KH25V80", 1024 * 1024));
        assert_eq!(BL702.flash_part(JedecId([1, 2, 3])), None);
        // A part that the vendor's tool knows at a BL602 only.
        let id = JedecId([0xba, 0x60, 0x15]);
        assert_eq!(BL602.flash_part(id).map(|part| part.name), Some("ZD25Q16B"));
        assert_eq!(BL702.flash_part(id), None);
    }

    #[rstest]
    #[case(24, 0x0702_0001, Some("BL702"))]
    #[case(20, 0x0000_0001, Some("BL602"))]
    #[case(24, 0x0000_0001, None)]
    #[case(20, 0x0702_0001, None)]
    #[case(24, 0x0616_0001, None)]
    #[case(3, 0, None)]
    fn by_boot_info(#[case] length: usize, #[case] version: u32, #[case] name: Option<&str>) {
        let mut bytes = version.to_le_bytes().to_vec();
        bytes.resize(length, 0);
        assert_eq!(Chip::by_boot_info(&bytes).map(|chip| chip.name), name);
    }

    #[test]
    fn the_headers_of_both_are_read_alike() {
        for chip in CHIPS {
            let mut bytes = [0; BOOT_HEADER_LEN];
            assert_eq!(chip.header_len, bytes.len());
            bytes[chip.segment_count_offset] = 7;
            assert_eq!(BootHeader::parse(&bytes).segment_count, 7, "{}", chip.name);
        }
    }

    #[test]
    fn crystals_tell_chips_apart() {
        assert!(Chip::other_with_crystal(1).is_none());
        assert_eq!(Chip::other_with_crystal(4).map(|chip| chip.name), Some("BL602"));
        assert!(Chip::other_with_crystal(9).is_none());
    }
}
