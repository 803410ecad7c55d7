//! The RAM that commands and images can reach: 120 KiB behind four address prefixes.

/// First address at the prefix 22h.
const BASE: u32 = 0x2201_0000;
/// Bytes from 22010000h to 2202DFFFh (`reference/rom-and-module.md` section 1.4).
const SIZE: usize = 0x1_e000;
/// The same RAM appears at these prefixes. That 32h and 52h are the same cells as 22h and 42h is assumed
/// (the reference says it of 42h and 22h, and accepts all four as destinations).
const PREFIXES: [u32; 4] = [0x22, 0x32, 0x42, 0x52];

/// The chip's RAM, zero after power-up (assumed: real cells come up at random).
#[derive(Clone, Debug)]
pub struct Ram {
    cells: Vec<u8>,
}

impl Default for Ram {
    fn default() -> Ram {
        Ram::new()
    }
}

impl Ram {
    /// RAM as after power-up.
    pub fn new() -> Ram {
        Ram { cells: vec![0; SIZE] }
    }

    /// What a loss of power does: all zero again.
    pub fn clear(&mut self) {
        self.cells.fill(0);
    }

    /// Whether all of `len` bytes from `address` are RAM. Nothing (`len` 0) is contained at any RAM address.
    pub fn contains(&self, address: u32, len: usize) -> bool {
        offset(address).is_some_and(|start| len <= SIZE - start)
    }

    /// How many bytes of RAM there are from `address` on.
    pub fn bytes_from(&self, address: u32) -> usize {
        offset(address).map_or(0, |start| SIZE - start)
    }

    /// `len` bytes from `address`, or `None` when one of them is not RAM.
    pub fn slice(&self, address: u32, len: usize) -> Option<&[u8]> {
        let start = offset(address)?;
        self.cells.get(start..start.checked_add(len)?)
    }

    /// The same, to be written.
    pub fn slice_mut(&mut self, address: u32, len: usize) -> Option<&mut [u8]> {
        let start = offset(address)?;
        self.cells.get_mut(start..start.checked_add(len)?)
    }

    /// Copies `bytes` to `address`; `None`, and nothing written, when they do not all fall in RAM.
    pub fn write(&mut self, address: u32, bytes: &[u8]) -> Option<()> {
        self.slice_mut(address, bytes.len())?.copy_from_slice(bytes);
        Some(())
    }

    /// The byte at `address`.
    pub fn read_byte(&self, address: u32) -> Option<u8> {
        self.slice(address, 1).map(|bytes| bytes[0])
    }

    /// Stores a byte.
    pub fn write_byte(&mut self, address: u32, value: u8) -> Option<()> {
        self.write(address, &[value])
    }

    /// The little-endian word at `address`, which may be unaligned.
    pub fn read_word(&self, address: u32) -> Option<u32> {
        self.slice(address, 4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
    }

    /// Stores a little-endian word.
    pub fn write_word(&mut self, address: u32, value: u32) -> Option<()> {
        self.write(address, &value.to_le_bytes())
    }
}

/// Where in the cells an address lies.
fn offset(address: u32) -> Option<usize> {
    if !PREFIXES.contains(&(address >> 24)) {
        return None;
    }
    let offset = (address & 0x00ff_ffff).checked_sub(BASE & 0x00ff_ffff)? as usize;
    (offset < SIZE).then_some(offset)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::first(0x2201_0000, 4, true)]
    #[case::last_word(0x2202_dffc, 4, true)]
    #[case::over_the_end(0x2202_dffd, 4, false)]
    #[case::below(0x2200_ffff, 1, false)]
    #[case::behind(0x2202_e000, 0, false)]
    #[case::whole(0x4201_0000, 0x1_e000, true)]
    #[case::one_too_many(0x4201_0000, 0x1_e001, false)]
    #[case::loader_data(0x4202_b800, 0x100, true)]
    #[case::rom_data(0x4202_8000, 0x1000, true)]
    #[case::prefix_32(0x3201_0000, 16, true)]
    #[case::prefix_52(0x5201_0000, 16, true)]
    #[case::other_prefix(0x6201_0000, 16, false)]
    #[case::rom(0x2100_0000, 4, false)]
    #[case::huge(0x2201_0000, usize::MAX, false)]
    fn addresses(#[case] address: u32, #[case] len: usize, #[case] inside: bool) {
        let mut ram = Ram::new();
        assert_eq!(ram.contains(address, len), inside);
        assert!(!inside || ram.bytes_from(address) >= len);
        assert_eq!(ram.slice(address, len).is_some(), inside);
        assert_eq!(ram.slice_mut(address, len).is_some(), inside);
    }

    #[test]
    fn the_prefixes_are_one_ram_and_words_are_little_endian() {
        let mut ram = Ram::new();
        assert_eq!(ram.read_word(0x2201_0000), Some(0));
        ram.write_word(0x2201_4001, 0x4433_2211).unwrap();
        for prefix in [0x2200_0000, 0x3200_0000, 0x4200_0000, 0x5200_0000_u32] {
            assert_eq!(ram.slice(prefix | 0x1_4000, 6), Some(&[0, 0x11, 0x22, 0x33, 0x44, 0][..]));
        }
        assert_eq!(ram.read_byte(0x4201_4004), Some(0x44));
        ram.clear();
        assert_eq!(ram.read_word(0x2201_4001), Some(0));
    }

    #[test]
    fn a_write_that_does_not_fit_writes_nothing() {
        let mut ram = Ram::new();
        assert_eq!(ram.write(0x2202_dffe, &[1, 2, 3]), None);
        assert_eq!(ram.read_byte(0x2202_dffe), Some(0));
        assert_eq!(ram.write_byte(0x2300_0000, 1), None);
    }
}
