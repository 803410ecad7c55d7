//! JEDEC ids of the flash parts that BL702 boards carry.
//!
//! Source: `reference/rom-and-module.md` section 4; names of the parts as in the vendor's host tools.

/// Flag bit in the fourth byte of the loader's JEDEC reply (36h): the loader knows the part.
pub const LOADER_FLAG_IDENTIFIED: u8 = 0x80;

/// A three-byte JEDEC id: manufacturer, type, capacity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct JedecId(pub [u8; 3]);

/// One row of the table [`PARTS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The id.
    pub id: JedecId,
    /// Part name, or family where one id stands for several.
    pub name: &'static str,
    /// Capacity in bytes.
    pub size_bytes: u32,
}

const fn part(id: [u8; 3], name: &'static str) -> Part {
    let id = JedecId(id);
    // Every id of the table obeys the rule; a test compares the sizes with those known otherwise.
    let size_bytes = match id.size_bytes() {
        Some(size_bytes) => size_bytes,
        None => 0,
    };
    Part { id, name, size_bytes }
}

/// Parts that have a BL702 profile in the vendor's host tools (1.10), in the order of the ids.
///
/// Being in this table does not mean that the RAM loader knows the part; its reply to 36h says that itself
/// ([`LOADER_FLAG_IDENTIFIED`]).
pub static PARTS: &[Part] = &[
    part([0x0b, 0x40, 0x13], "XT25F04D"),
    part([0x0b, 0x40, 0x15], "XT25F16B"),
    part([0x0b, 0x40, 0x16], "XT25F32B"),
    part([0x0b, 0x40, 0x17], "XT25F64B"),
    part([0x0b, 0x40, 0x18], "XT25F128B"),
    part([0x0b, 0x60, 0x14], "XT25Q80B"),
    part([0x0b, 0x60, 0x16], "XT25Q32B"),
    part([0x20, 0x40, 0x14], "XM25QH80B"),
    part([0x20, 0x40, 0x15], "XM25QH16C"),
    part([0x20, 0x40, 0x16], "XM25QE32C"),
    part([0x20, 0x40, 0x17], "XM25QH64"),
    part([0x25, 0x61, 0x16], "SK25E032"),
    part([0x51, 0x40, 0x13], "MD25D40"),
    part([0x5e, 0x32, 0x13], "ZB25D40B"),
    part([0x5e, 0x32, 0x14], "ZB25D80B"),
    part([0x5e, 0x34, 0x15], "ZBWQ16A"),
    part([0x5e, 0x40, 0x15], "ZB25Q16B"),
    part([0x5e, 0x40, 0x16], "ZB25Q32B"),
    part([0x5e, 0x60, 0x13], "ZB25D40B"),
    part([0x5e, 0x60, 0x14], "FTVQ80"),
    part([0x5e, 0x60, 0x15], "ZBVQ16"),
    part([0x68, 0x40, 0x13], "BY25Q40BS"),
    part([0x68, 0x40, 0x14], "BY25Q80BS"),
    part([0x68, 0x40, 0x15], "BY25Q16BS"),
    part([0x68, 0x40, 0x16], "BY25Q32BS"),
    part([0x68, 0x40, 0x17], "BY25Q64BS"),
    part([0x68, 0x40, 0x18], "BY25128BS"),
    part([0x85, 0x20, 0x14], "PY25Q80HB"),
    part([0x85, 0x20, 0x15], "PY25Q16HB"),
    part([0x85, 0x20, 0x16], "PY25Q32HB"),
    part([0x85, 0x20, 0x17], "PY25Q64HA"),
    part([0x85, 0x20, 0x18], "PY25Q128HA"),
    part([0x85, 0x20, 0x19], "PY25Q256HB"),
    part([0x85, 0x60, 0x14], "P25Q80H"),
    part([0x85, 0x60, 0x15], "P25Q16H"),
    part([0x85, 0x60, 0x16], "P25Q32H"),
    part([0x9d, 0x60, 0x14], "IS25LP080D"),
    part([0x9d, 0x60, 0x15], "IS25LP016D"),
    part([0x9d, 0x60, 0x16], "IS25LP032D"),
    part([0x9d, 0x70, 0x14], "IS25WP080D"),
    part([0x9d, 0x70, 0x15], "IS25WP016D"),
    part([0x9d, 0x70, 0x16], "IS25WP032D"),
    part([0xa1, 0x40, 0x14], "FM25Q08"),
    part([0xc2, 0x20, 0x13], "KH25V40"),
    part([0xc2, 0x20, 0x14], "KH25V80"),
    part([0xc2, 0x20, 0x15], "KH25V16"),
    part([0xc2, 0x25, 0x34], "MX25V8035F"),
    part([0xc2, 0x25, 0x35], "MX25V1633FM"),
    part([0xc2, 0x25, 0x36], "MX25V3233FM"),
    part([0xc4, 0x60, 0x15], "GT25Q16A"),
    part([0xc4, 0x60, 0x16], "GT25Q32A"),
    part([0xc8, 0x40, 0x14], "GD25Q80E"),
    part([0xc8, 0x40, 0x15], "GD25Q16E"),
    part([0xc8, 0x40, 0x16], "GD25Q32C"),
    part([0xc8, 0x40, 0x18], "GD25Q128E"),
    part([0xc8, 0x60, 0x14], "GD25LQ80C"),
    part([0xc8, 0x60, 0x15], "GD25LE16C"),
    part([0xc8, 0x60, 0x16], "GD25LQ32D"),
    part([0xc8, 0x60, 0x17], "GD25LQ64E"),
    part([0xc8, 0x65, 0x14], "GD25WQ80E"),
    part([0xc8, 0x65, 0x15], "GD25WQ16E"),
    part([0xc8, 0x65, 0x16], "GD25WQ32E"),
    part([0xeb, 0x60, 0x15], "TH25Q16HB"),
    part([0xef, 0x40, 0x14], "W25Q80DV"),
    part([0xef, 0x40, 0x15], "W25Q16JV"),
    part([0xef, 0x40, 0x16], "W25Q32FV"),
    part([0xef, 0x60, 0x14], "W25Q80EW"),
    part([0xef, 0x60, 0x15], "W25Q16FW"),
    part([0xef, 0x60, 0x16], "W25Q32FW"),
    part([0xef, 0x60, 0x18], "W25Q128FW"),
    part([0xef, 0x70, 0x15], "W25Q16JV"),
    part([0xef, 0x70, 0x18], "W25Q128JV"),
    part([0xef, 0x80, 0x16], "W25Q32JW"),
];

impl JedecId {
    /// Capacity by the vendor's rule: 512 KiB shifted left by the low five bits of the third byte less 13h; 0 if the
    /// third byte is 0. `None` for what the rule cannot express in 32 bits, or below 512 KiB.
    pub const fn size_bytes(self) -> Option<u32> {
        let capacity = self.0[2];
        if capacity == 0 {
            return Some(0);
        }
        match capacity & 0x1F {
            shift @ 0x13..=0x1F => Some(0x8_0000 << (shift - 0x13)),
            _ => None,
        }
    }

    /// The table row of this id.
    pub fn part(self) -> Option<&'static Part> {
        PARTS.iter().find(|part| part.id == self)
    }

    /// Whether it is what a bus without a flash reads: all 00h or all FFh.
    pub fn is_absent(self) -> bool {
        self.0 == [0x00; 3] || self.0 == [0xFF; 3]
    }
}

impl core::fmt::Display for JedecId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:02x} {:02x} {:02x}", self.0[0], self.0[1], self.0[2])
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    // Sizes from the data sheets' capacities, which the part numbers name in Mbit.
    #[rstest]
    #[case::kh25v40([0xc2, 0x20, 0x13], Some(512 * 1024))]
    #[case::kh25v80([0xc2, 0x20, 0x14], Some(1024 * 1024))]
    #[case::w25q16([0xef, 0x40, 0x15], Some(2 * 1024 * 1024))]
    #[case::w25q32([0xef, 0x40, 0x16], Some(4 * 1024 * 1024))]
    #[case::w25q128([0xef, 0x70, 0x18], Some(16 * 1024 * 1024))]
    #[case::mx25v8035f_whose_capacity_byte_has_bit_5_set([0xc2, 0x25, 0x34], Some(1024 * 1024))]
    #[case::capacity_byte_0([0xc2, 0x20, 0x00], Some(0))]
    #[case::no_answer([0xff, 0xff, 0xff], Some(0x8000_0000))]
    #[case::too_small_for_the_rule([0xc2, 0x20, 0x12], None)]
    fn size_rule(#[case] id: [u8; 3], #[case] size: Option<u32>) {
        assert_eq!(JedecId(id).size_bytes(), size);
    }

    #[test]
    fn table_is_sorted_and_has_no_part_without_size() {
        assert!(PARTS.windows(2).all(|pair| pair[0].id.0 < pair[1].id.0));
        assert!(PARTS.iter().all(|part| part.size_bytes >= 512 * 1024));
    }

    #[test]
    fn the_part_of_the_xt_zb2() {
        let part = JedecId([0xc2, 0x20, 0x14]).part().unwrap();
        assert_eq!((part.name, part.size_bytes), ("KH25V80", 1024 * 1024));
        assert_eq!(JedecId([1, 2, 3]).part(), None);
    }
}
