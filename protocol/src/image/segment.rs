//! Segment headers and the places the boot ROM lets a segment go.
//!
//! ```text
//! 0   destination   4
//! 4   length        4
//! 8   reserved      4   echoed, otherwise unused
//! 12  crc32         4   of bytes 0..12
//! ```
//!
//! Source: `reference/rom-and-module.md` sections 1.4 and 2; the "segment ..." rows of `rom.jsonl`.

use crate::crc::crc32;

/// Bytes of a segment header.
pub const SEGMENT_HEADER_LEN: usize = 16;

/// A segment header, field by field; any 16 bytes are one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SegmentHeader {
    /// Address of the first byte.
    pub destination: u32,
    /// Number of data bytes that follow.
    pub length: u32,
    /// Not looked at, but echoed by the ROM.
    pub reserved: u32,
    /// CRC-32 of the three words before it.
    pub crc32: u32,
}

impl SegmentHeader {
    /// A header with the right CRC.
    pub fn new(destination: u32, length: u32) -> SegmentHeader {
        let mut header = SegmentHeader { destination, length, reserved: 0, crc32: 0 };
        header.crc32 = header.computed_crc32();
        header
    }

    /// Reads the fields.
    pub fn parse(bytes: &[u8; SEGMENT_HEADER_LEN]) -> SegmentHeader {
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        SegmentHeader { destination: word(0), length: word(4), reserved: word(8), crc32: word(12) }
    }

    /// The 16 bytes of the header.
    pub fn to_bytes(self) -> [u8; SEGMENT_HEADER_LEN] {
        let mut bytes = [0; SEGMENT_HEADER_LEN];
        let words = [self.destination, self.length, self.reserved, self.crc32];
        for (chunk, word) in bytes.chunks_exact_mut(4).zip(words) {
            chunk.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// The CRC that belongs in [`crc32`](Self::crc32).
    pub fn computed_crc32(&self) -> u32 {
        crc32(&self.to_bytes()[..12])
    }

    /// Whether the CRC field is right (else `FL 0210`).
    pub fn crc_is_right(&self) -> bool {
        self.crc32 == self.computed_crc32()
    }
}

/// The two ranges of RAM, as (first, last) offsets below the alias byte.
const RANGES: [(u32, u32); 2] = [(0x01_0000, 0x01_FFFF), (0x02_0000, 0x02_DFFF)];

/// The alias bytes under which the same RAM appears.
const ALIASES: [u32; 4] = [0x22, 0x32, 0x42, 0x52];

/// Whether the ROM lets a segment of `length` bytes go to `destination` (else `FL 0211`).
///
/// The whole segment must lie in one of 22010000h..=2201FFFFh and 22020000h..=2202DFFFh, or the same with 32h, 42h or
/// 52h in front. The ROM computes the end modulo 2^32 and compares only that it is not past the range, so a length of
/// 0 passes, and so does FFFFFFFFh.
pub fn destination_allowed(destination: u32, length: u32) -> bool {
    let end = destination.wrapping_add(length);
    ALIASES
        .iter()
        .flat_map(|alias| RANGES.map(|(first, last)| ((alias << 24) + first, (alias << 24) + last)))
        .any(|(first, last)| (first..=last).contains(&destination) && end <= last + 1)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    // Places and lengths of the "segment ..." rows are tested in tests/vectors.rs; here are edges between them.
    #[rstest]
    #[case::second_range_to_its_last_byte(0x5202_0000, 0xE000, true)]
    #[case::second_range_one_too_many(0x5202_0000, 0xE001, false)]
    #[case::across_both_ranges(0x2201_0000, 0x1_0004, false)]
    #[case::end_wraps_round(0x2201_0000, 0xE000_0000, true)]
    #[case::empty_at_the_last_byte(0x2201_FFFF, 0, true)]
    #[case::empty_just_outside(0x2202_E000, 0, false)]
    fn destinations(#[case] destination: u32, #[case] length: u32, #[case] allowed: bool) {
        assert_eq!(destination_allowed(destination, length), allowed);
    }
}
