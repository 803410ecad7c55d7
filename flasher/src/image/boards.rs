//! Flash and clock configuration of named boards.
//!
//! The bytes are what the vendor's tool makes of its own configuration of each flash part
//! (`utils/flash/bl702/*.conf` of `bflb-iot-tool`); the tests with the vendor's packages compare them.

use bl702_protocol::boot_info::DeviceInfo;
use bl702_protocol::chip::BL702;
use bl702_protocol::image::boot_header::ClockConfig;
use bl702_protocol::image::flash_config::{FLASH_CONFIG_LEN, FlashConfig};
use bl702_protocol::jedec::JedecId;

/// A board, or a flash part that boards carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Board {
    /// Name for `--board`.
    pub name: &'static str,
    /// What it is.
    pub what: &'static str,
    /// JEDEC ids that its flash may have; empty where any will do.
    jedec: &'static [[u8; 3]],
    /// Flash configuration of its fuses, where it is known (ROM reference 3).
    fused_flash: Option<u8>,
    /// Bytes of the flash configuration that differ from [`GENERIC`]: offset and value.
    differs: &'static [(usize, u8)],
}

/// The configuration that the vendor's tool takes for a part it does not know yet: plain commands, no quad mode.
const GENERIC: [u8; FLASH_CONFIG_LEN] = [
    0x11, 0x00, 0x00, 0x03, 0x66, 0x99, 0xFF, 0x03, 0x9F, 0x00, 0x9F, 0x00, 0x04, 0xFF, 0x00, 0x01, 0xC7,
    0x20, 0x52, 0xD8, 0x06, 0x02, 0x32, 0x00, 0x0B, 0x01, 0x0B, 0x01, 0x3B, 0x01, 0xBB, 0x00, 0x6B, 0x01,
    0xEB, 0x02, 0xEB, 0x02, 0x02, 0x50, 0x00, 0x01, 0x00, 0x01, 0x01, 0x00, 0x02, 0x01, 0x02, 0x01, 0xAB,
    0x01, 0x05, 0x35, 0x00, 0x00, 0x01, 0x01, 0x00, 0x00, 0x38, 0xFF, 0xFF, 0xFF, 0x77, 0x03, 0x02, 0x40,
    0x77, 0x03, 0x02, 0xF0, 0x2C, 0x01, 0xB0, 0x04, 0xB0, 0x04, 0x05, 0x00, 0xE8, 0x80, 0x14, 0x00,
];

/// KH25V40, KH25V80 and KH25V16: one status register, so no second register commands.
const KH25V: &[(usize, u8)] = &[(13, 0xC2), (53, 0), (57, 0), (62, 0), (80, 0xFF), (81, 0xFF)];

/// GD25Q80E and GD25Q16E: quad reads.
const GD25Q: &[(usize, u8)] = &[(0, 4), (1, 1), (13, 0xC8), (62, 0xA0), (80, 0xFF), (81, 0xFF)];

/// W25Q80DV: quad reads.
const W25Q80DV: &[(usize, u8)] =
    &[(0, 4), (1, 1), (13, 0xEF), (62, 0xA0), (80, 0xFF), (81, 0xFF), (82, 0x03)];

/// All boards.
pub static BOARDS: &[Board] = &[
    Board {
        name: "generic",
        what: "any part, plain reads; what the vendor's tool takes by default",
        jedec: &[],
        fused_flash: None,
        differs: &[],
    },
    Board {
        name: "xt-zb2",
        what: "XT-ZB2, KH25V80 inside (c2 20 14)",
        jedec: &[[0xC2, 0x20, 0x14]],
        fused_flash: Some(INSIDE_1_MIB),
        differs: KH25V,
    },
    Board {
        name: "kh25v80",
        what: "KH25V40, KH25V80, KH25V16 (c2 20 13 to 15)",
        jedec: &[[0xC2, 0x20, 0x13], [0xC2, 0x20, 0x14], [0xC2, 0x20, 0x15]],
        fused_flash: None,
        differs: KH25V,
    },
    Board {
        name: "gd25q80e",
        what: "GD25Q80E, GD25Q16E (c8 40 14, 15)",
        jedec: &[[0xC8, 0x40, 0x14], [0xC8, 0x40, 0x15]],
        fused_flash: None,
        differs: GD25Q,
    },
    Board {
        name: "w25q80dv",
        what: "W25Q80DV (ef 40 14)",
        jedec: &[[0xEF, 0x40, 0x14]],
        fused_flash: None,
        differs: W25Q80DV,
    },
];

/// Flash configuration 2 of the fuses.
const INSIDE_1_MIB: u8 = 2;

impl Board {
    /// The board with a name.
    pub fn find(name: &str) -> Option<&'static Board> {
        BOARDS.iter().find(|board| board.name.eq_ignore_ascii_case(name))
    }

    /// What of a module is not as this board should be, in words; empty where all that is known agrees.
    pub fn differences(&self, device_info: DeviceInfo, jedec: Option<JedecId>) -> Vec<String> {
        let ids = |list: &[[u8; 3]]| {
            let names = list.iter().map(|id| {
                let id = JedecId(*id);
                BL702.flash_part(id).map_or_else(|| id.to_string(), |part| format!("{} ({id})", part.name))
            });
            names.collect::<Vec<_>>().join(" or ")
        };
        let mut differences = Vec::new();
        if let Some(wanted) = self.fused_flash.filter(|wanted| *wanted != device_info.flash_config()) {
            let wanted = DeviceInfo(u32::from(wanted) << 26).flash_config_text();
            let found = device_info.flash_config_text();
            differences.push(format!("its fuses say {found}, the board {} has {wanted}", self.name));
        }
        if let Some(found) = jedec.filter(|found| !self.jedec.is_empty() && !self.jedec.contains(&found.0)) {
            differences.push(format!(
                "its flash is {}, the board {} has {}",
                ids(&[found.0]),
                self.name,
                ids(self.jedec)
            ));
        }
        differences
    }

    /// Its flash configuration.
    pub fn flash_config(&self) -> FlashConfig {
        let mut bytes = GENERIC;
        for (offset, value) in self.differs {
            bytes[*offset] = *value;
        }
        FlashConfig(bytes)
    }

    /// Its clock configuration: 32 MHz crystal, no PLL, flash at the crystal's clock, as the vendor's tool sets it. The
    /// firmware raises the clock itself.
    pub fn clock_config(&self) -> ClockConfig {
        ClockConfig { crystal: 1, pll: 1, flash_clock: 1, ..ClockConfig::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_module_has_that_its_board_has_not() {
        let board = Board::find("xt-zb2").unwrap();
        let (inside, kh25v80) = (DeviceInfo(2 << 26), JedecId([0xC2, 0x20, 0x14]));
        assert!(board.differences(inside, Some(kh25v80)).is_empty());
        assert!(board.differences(inside, None).is_empty());
        let told = board.differences(DeviceInfo(0), Some(JedecId([0xEF, 0x40, 0x15]))).join("\n");
        insta::assert_snapshot!(told, @r"
        its fuses say external flash on GPIO23 to GPIO28, the board xt-zb2 has 1 MiB flash inside
        its flash is W25Q16JV (ef 40 15), the board xt-zb2 has KH25V80 (c2 20 14)
        ");
        let any = Board::find("generic").unwrap();
        assert!(any.differences(DeviceInfo(0), Some(JedecId([1, 2, 3]))).is_empty());
    }

    #[test]
    fn the_part_of_the_xt_zb2_differs_where_it_should() {
        let config = Board::find("XT-ZB2").unwrap().flash_config();
        assert_eq!(config.field("manufacturer_id"), Some(&[0xC2][..]));
        assert_eq!(config.chip_erase_time_ms(), 65_535);
        assert_eq!(config.sector_size_bytes(), 4096);
        assert!(Board::find("xt-zb3").is_none());
    }
}
