//! Half-open ranges of flash addresses.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use super::number::{NumberError, parse_number};
use super::{PlanError, SECTOR};

/// End of 24-bit addresses: no flash of a BL702 is larger (ROM reference 4: ids up to 18h in the third byte).
pub const MAX_FLASH_BYTES: u32 = 0x0100_0000;

/// A half-open range of flash addresses, within [`MAX_FLASH_BYTES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct FlashRange {
    start: u32,
    end: u32,
}

/// Why text is not a range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseRangeError {
    /// No `..` in it.
    #[error("a range is written START..END, the end not included, as in 0x1000..0x3000")]
    Form,
    /// An end that is no number.
    #[error(transparent)]
    Number(#[from] NumberError),
    /// The end before the start, or nothing in it.
    #[error("the end of a range is after its start (it is not included)")]
    Order,
    /// Too far.
    #[error(transparent)]
    Plan(#[from] PlanError),
}

impl FlashRange {
    /// `start..end`; `None` if the end is before the start or past [`MAX_FLASH_BYTES`].
    pub fn new(start: u32, end: u32) -> Option<FlashRange> {
        (start <= end && end <= MAX_FLASH_BYTES).then_some(FlashRange { start, end })
    }

    /// `length` bytes from `start`; `None` past [`MAX_FLASH_BYTES`].
    pub fn with_len(start: u32, length: u64) -> Option<FlashRange> {
        let end = u32::try_from(u64::from(start) + length).ok()?;
        FlashRange::new(start, end)
    }

    /// The first `length` addresses of a flash, cut at [`MAX_FLASH_BYTES`].
    pub fn whole(length: u32) -> FlashRange {
        FlashRange { start: 0, end: length.min(MAX_FLASH_BYTES) }
    }

    /// First address.
    pub const fn start(&self) -> u32 {
        self.start
    }

    /// The address after the last one.
    pub const fn end(&self) -> u32 {
        self.end
    }

    /// Number of bytes.
    pub const fn len(&self) -> u32 {
        self.end - self.start
    }

    /// Whether there is no byte in it.
    pub const fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// At most the first `length` bytes of it.
    pub fn head(&self, length: u32) -> FlashRange {
        FlashRange { start: self.start, end: self.end.min(self.start.saturating_add(length)) }
    }

    /// What follows the first `length` bytes of it.
    pub fn tail(&self, length: u32) -> FlashRange {
        FlashRange { start: self.end.min(self.start.saturating_add(length)), end: self.end }
    }

    /// The smallest range of whole sectors around it.
    pub fn to_sectors(&self) -> FlashRange {
        FlashRange { start: self.start / SECTOR * SECTOR, end: self.end.div_ceil(SECTOR) * SECTOR }
    }

    /// Parts of at most `step` bytes, cut at multiples of `step`.
    pub fn aligned_parts(&self, step: u32) -> impl Iterator<Item = FlashRange> + use<> {
        let (mut at, end) = (self.start, self.end);
        std::iter::from_fn(move || {
            (at < end).then(|| {
                let part = FlashRange { start: at, end: end.min((at / step + 1) * step) };
                at = part.end;
                part
            })
        })
    }

    /// The addresses that both have, if any.
    pub fn intersection(&self, other: &FlashRange) -> Option<FlashRange> {
        let range = FlashRange { start: self.start.max(other.start), end: self.end.min(other.end) };
        (range.start < range.end).then_some(range)
    }

    /// What is left of it without these ranges, which are in order and do not overlap.
    pub fn without(&self, holes: &[FlashRange]) -> Vec<FlashRange> {
        let mut left = Vec::new();
        let mut start = self.start;
        for hole in holes.iter().filter_map(|hole| self.intersection(hole)) {
            left.extend(FlashRange::new(start, hole.start));
            start = hole.end;
        }
        left.extend(FlashRange::new(start, self.end));
        left.retain(|range| !range.is_empty());
        left
    }

    /// Refuses a range that leaves a flash of this size.
    ///
    /// # Errors
    /// [`PlanError::PastEnd`]
    pub fn check_within(&self, flash_size: u32) -> Result<(), PlanError> {
        if self.end > flash_size {
            return Err(PlanError::PastEnd { range: *self, flash_size });
        }
        Ok(())
    }
}

/// Joins ranges that touch. They must be in order and not overlap.
pub fn join(ranges: impl IntoIterator<Item = FlashRange>) -> Vec<FlashRange> {
    let mut joined: Vec<FlashRange> = Vec::new();
    for range in ranges {
        match joined.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => joined.push(range),
        }
    }
    joined
}

impl fmt::Display for FlashRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}..{:#x}", self.start, self.end)
    }
}

impl FromStr for FlashRange {
    type Err = ParseRangeError;

    fn from_str(text: &str) -> Result<FlashRange, ParseRangeError> {
        let (start, end) = text.split_once("..").ok_or(ParseRangeError::Form)?;
        let (start, end) = (parse_number(start)?, parse_number(end)?);
        if end <= start {
            return Err(ParseRangeError::Order);
        }
        let past = PlanError::PastAddresses { start, len: end - start };
        match (u32::try_from(start), u32::try_from(end)) {
            (Ok(start), Ok(end)) => FlashRange::new(start, end).ok_or(past.into()),
            _ => Err(past.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("0..0x1000", Ok((0, 0x1000)))]
    #[case("0x1000..8KiB", Ok((0x1000, 0x2000)))]
    #[case("0..16MiB", Ok((0, 0x100_0000)))]
    #[case("4096", Err(ParseRangeError::Form))]
    #[case("5..5", Err(ParseRangeError::Order))]
    #[case("0x2000..0x1000", Err(ParseRangeError::Order))]
    #[case("0..0x1000001", Err(ParseRangeError::Plan(PlanError::PastAddresses { start: 0, len: 0x100_0001 })))]
    #[case("0..0xffffffff00", Err(ParseRangeError::Plan(PlanError::PastAddresses { start: 0, len: 0xff_ffff_ff00 })))]
    fn texts(#[case] text: &str, #[case] expected: Result<(u32, u32), ParseRangeError>) {
        assert_eq!(text.parse::<FlashRange>().map(|range| (range.start(), range.end())), expected);
    }

    #[test]
    fn parts_are_cut_at_multiples() {
        let parts: Vec<String> = "0xf000..0x21000"
            .parse::<FlashRange>()
            .unwrap()
            .aligned_parts(0x10000)
            .map(|p| p.to_string())
            .collect();
        assert_eq!(parts, ["0xf000..0x10000", "0x10000..0x20000", "0x20000..0x21000"]);
    }

    #[rstest]
    #[case(&[], &["0x1000..0x5000"])]
    #[case(&["0x2000..0x3000"], &["0x1000..0x2000", "0x3000..0x5000"])]
    #[case(&["0..0x2000", "0x4000..0x8000"], &["0x2000..0x4000"])]
    #[case(&["0x1000..0x2000", "0x2000..0x5000"], &[])]
    #[case(&["0x6000..0x7000"], &["0x1000..0x5000"])]
    fn ranges_without_holes(#[case] holes: &[&str], #[case] left: &[&str]) {
        let holes: Vec<FlashRange> = holes.iter().map(|text| text.parse().unwrap()).collect();
        let range: FlashRange = "0x1000..0x5000".parse().unwrap();
        let texts: Vec<String> = range.without(&holes).iter().map(ToString::to_string).collect();
        assert_eq!(texts, left);
    }

    #[test]
    fn the_end_of_a_flash_is_allowed_and_nothing_beyond() {
        assert_eq!(FlashRange::whole(0x1000).check_within(0x1000), Ok(()));
        let range = FlashRange::with_len(0xfff, 2).unwrap();
        assert_eq!(range.check_within(0x1000), Err(PlanError::PastEnd { range, flash_size: 0x1000 }));
    }
}
