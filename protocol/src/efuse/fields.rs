//! One row per eFuse field.

use super::Efuse;

/// One field of the eFuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Name, as in the vendor's tools.
    pub name: &'static str,
    /// Byte offset of the word it begins in.
    pub word: u8,
    /// Lowest bit within that word.
    pub low_bit: u8,
    /// Number of bits; more than 32 for keys and addresses, which start at bit 0.
    pub bits: u16,
    /// What it says.
    pub meaning: &'static str,
    /// What it does to ISP, or means for the owner.
    pub effect: &'static str,
}

impl Field {
    /// The field's bytes, little-endian, the last one filled up with zero bits.
    pub fn value(&self, efuse: &Efuse) -> Vec<u8> {
        if self.bits > 32 {
            let start = usize::from(self.word);
            let end = start + usize::from(self.bits).div_ceil(8);
            return efuse.0.get(start..end).map(<[u8]>::to_vec).unwrap_or_default();
        }
        let value = efuse.bits(usize::from(self.word), u32::from(self.low_bit), u32::from(self.bits));
        value.to_le_bytes()[..usize::from(self.bits).div_ceil(8)].to_vec()
    }
}

/// Every field of the map, in the order of the bits.
pub static FIELDS: &[Field] = &[];
