//! JEDEC ids of the flash parts that BL702 boards carry.

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

/// Parts that have a BL702 profile in the vendor's tools.
pub static PARTS: &[Part] = &[];

impl JedecId {
    /// Capacity by the vendor's rule: 512 KiB shifted left by the low five bits of the third byte less 13h; 0 if the
    /// third byte is 0. `None` for what the rule cannot express in 32 bits, or below 512 KiB.
    pub fn size_bytes(self) -> Option<u32> {
        let capacity = self.0[2];
        if capacity == 0 {
            return Some(0);
        }
        let shift = u32::from(capacity & 0x1F).checked_sub(0x13)?;
        (shift < 13).then(|| 0x8_0000 << shift)
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
