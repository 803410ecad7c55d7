//! JEDEC ids of flash parts.
//!
//! Source: `reference/rom-and-module.md` section 4. Which parts the boards of a chip carry stands in its descriptor
//! ([`crate::chip`]).

/// Flag bit in the fourth byte of the loader's JEDEC reply (36h): the loader knows the part.
pub const LOADER_FLAG_IDENTIFIED: u8 = 0x80;

/// A three-byte JEDEC id: manufacturer, type, capacity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct JedecId(pub [u8; 3]);

/// A flash part, a row of [`Chip::flash_parts`](crate::chip::Chip::flash_parts).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The id.
    pub id: JedecId,
    /// Part name, or family where one id stands for several.
    pub name: &'static str,
    /// Capacity in bytes.
    pub size_bytes: u32,
}

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
}
