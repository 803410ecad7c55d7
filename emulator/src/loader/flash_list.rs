//! Which flash parts the loader knows, and the configuration it takes for them.

use bl702_protocol::image::flash_config::{FLASH_CONFIG_LEN, FlashConfig};

/// Manufacturer, type, first and last capacity byte of the parts that count as identified.
///
/// The vendor's loader asks the ROM's list first and then its own, which holds 20 ids. The ROM's list is not known; the
/// ids for which the vendor's host tool has a BL702 profile (`reference/rom-and-module.md` section 4) stand for
/// both (assumed; c2 20 14, the part of the conformance vectors, is in the loader's own list). Chip erase limits and I/O
/// modes are those of the list in the vendor's image (package bflb-mcu-tool-uart 1.10.1).
const KNOWN_IDS: &[(u8, u8, u8, u8)] = &[
    (0xc2, 0x20, 0x13, 0x15),
    (0xc2, 0x25, 0x34, 0x36),
    (0xef, 0x40, 0x14, 0x16),
    (0xef, 0x60, 0x14, 0x18),
    (0xef, 0x70, 0x15, 0x15),
    (0xef, 0x70, 0x18, 0x18),
    (0xef, 0x80, 0x16, 0x16),
    (0xc8, 0x40, 0x14, 0x18),
    (0xc8, 0x60, 0x14, 0x17),
    (0xc8, 0x65, 0x14, 0x16),
    (0x85, 0x60, 0x14, 0x16),
    (0x85, 0x20, 0x14, 0x19),
    (0x68, 0x40, 0x13, 0x18),
    (0x0b, 0x40, 0x13, 0x18),
    (0x0b, 0x60, 0x14, 0x14),
    (0x0b, 0x60, 0x16, 0x16),
    (0x20, 0x40, 0x14, 0x17),
    (0x5e, 0x32, 0x13, 0x14),
    (0x5e, 0x34, 0x15, 0x15),
    (0x5e, 0x40, 0x15, 0x16),
    (0x5e, 0x60, 0x15, 0x15),
    (0xa1, 0x40, 0x14, 0x14),
    (SHORT_CHIP_ERASE_ID[0], SHORT_CHIP_ERASE_ID[1], SHORT_CHIP_ERASE_ID[2], SHORT_CHIP_ERASE_ID[2]),
    (0xeb, 0x60, 0x15, 0x15),
    (0xc4, 0x60, 0x15, 0x16),
    (0x25, 0x61, 0x16, 0x16),
];

/// The only part of the loader's own list with another chip erase limit than 33,000 ms.
const SHORT_CHIP_ERASE_ID: [u8; 3] = [0x51, 0x40, 0x13];
const CHIP_ERASE_MS: u16 = 33_000;
const SHORT_CHIP_ERASE_MS: u16 = 20_000;

/// Manufacturer and type of the parts that the loader's own list does not run in quad I/O.
const DUAL_OUTPUT_KINDS: &[(u8, u8)] = &[(0xc2, 0x20), (0x51, 0x40), (0x5e, 0x32)];
const QUAD_IO: u8 = 0x04;
const DUAL_OUTPUT_UNWRAPPED: u8 = 0x11;

/// Whether a part is in a list.
pub(crate) fn is_known(jedec_id: [u8; 3]) -> bool {
    let [manufacturer, kind, capacity] = jedec_id;
    KNOWN_IDS.iter().any(|(known_manufacturer, known_kind, first, last)| {
        (manufacturer, kind) == (*known_manufacturer, *known_kind) && (*first..=*last).contains(&capacity)
    })
}

/// The configuration for a known part; `None` for one that is in no list.
pub(super) fn config(jedec_id: [u8; 3]) -> Option<FlashConfig> {
    let [manufacturer, kind, _] = jedec_id;
    let chip_erase_ms = if jedec_id == SHORT_CHIP_ERASE_ID { SHORT_CHIP_ERASE_MS } else { CHIP_ERASE_MS };
    let dual = DUAL_OUTPUT_KINDS.contains(&(manufacturer, kind));
    let io_mode = if dual { DUAL_OUTPUT_UNWRAPPED } else { QUAD_IO };
    is_known(jedec_id).then(|| config_with(io_mode, chip_erase_ms))
}

/// The configuration before anything is identified.
pub(super) fn default_config() -> FlashConfig {
    config_with(QUAD_IO, CHIP_ERASE_MS)
}

/// Whether a part in this configuration gets its quad enable bit set.
pub(super) fn is_quad(config: &FlashConfig) -> bool {
    matches!(config.io_mode() & 0x0f, 2 | 4)
}

/// A configuration with the fields that the loader's own code looks at (`reference/loader-protocol.md` section 1): I/O
/// mode, 4 KiB sectors, 256-byte pages, erase commands C7h, 20h, 52h, D8h, chip erase limit. The rest is for the ROM's
/// flash driver, which is not modelled command by command, and stays zero.
fn config_with(io_mode: u8, chip_erase_ms: u16) -> FlashConfig {
    let mut bytes = [0; FLASH_CONFIG_LEN];
    bytes[0] = io_mode;
    bytes[12] = 4;
    bytes[14..16].copy_from_slice(&0x0100_u16.to_le_bytes());
    bytes[16..20].copy_from_slice(&[0xc7, 0x20, 0x52, 0xd8]);
    bytes[80..82].copy_from_slice(&chip_erase_ms.to_le_bytes());
    FlashConfig(bytes)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::module([0xc2, 0x20, 0x14], Some(33_000))]
    #[case::winbond([0xef, 0x40, 0x16], Some(33_000))]
    #[case::short_chip_erase([0x51, 0x40, 0x13], Some(20_000))]
    #[case::capacity_beyond([0xc2, 0x20, 0x16], None)]
    #[case::no_flash([0xff, 0xff, 0xff], None)]
    #[case::silent([0, 0, 0], None)]
    fn lookup(#[case] jedec_id: [u8; 3], #[case] chip_erase_ms: Option<u16>) {
        assert_eq!(config(jedec_id).map(|config| config.chip_erase_time_ms()), chip_erase_ms);
    }
}
