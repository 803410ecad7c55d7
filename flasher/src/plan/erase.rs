//! Which erase commands clear a set of sectors and nothing else.

use super::range::{FlashRange, join};

/// The smallest erase unit.
pub const SECTOR: u32 = 0x1000;
/// The middle erase unit.
pub const BLOCK_32K: u32 = 0x8000;
/// The large erase unit.
pub const BLOCK_64K: u32 = 0x1_0000;

/// Aligned units of 64 KiB, 32 KiB or 4 KiB that cover exactly these sectors: ranges of whole sectors, in order, not
/// overlapping.
///
/// Each is one erase command that the loader turns into one unit: it takes a 64 KiB block when it stands on its
/// alignment with more than 60 KiB to go, 32 KiB with more than 28 KiB (loader reference 4).
pub fn erase_units(sectors: &[FlashRange]) -> Vec<FlashRange> {
    let mut units = Vec::new();
    for range in join(sectors.iter().copied()) {
        let mut rest = range;
        while !rest.is_empty() {
            let size = [BLOCK_64K, BLOCK_32K]
                .into_iter()
                .find(|size| rest.start().is_multiple_of(*size) && rest.len() >= *size)
                .unwrap_or(SECTOR);
            units.push(rest.head(size));
            rest = rest.tail(size);
        }
    }
    units
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    fn units_of(texts: &[&str]) -> Vec<String> {
        let ranges: Vec<FlashRange> = texts.iter().map(|text| text.parse().unwrap()).collect();
        erase_units(&ranges).iter().map(ToString::to_string).collect()
    }

    #[rstest]
    #[case(&["0..0x1000"], &["0x0..0x1000"])]
    #[case(&["0..0x8000"], &["0x0..0x8000"])]
    #[case(&["0..0x10000"], &["0x0..0x10000"])]
    #[case(&["0x1000..0x3000"], &["0x1000..0x2000", "0x2000..0x3000"])]
    #[case(&["0xf000..0x21000"], &["0xf000..0x10000", "0x10000..0x20000", "0x20000..0x21000"])]
    #[case(&["0x7000..0x10000"], &["0x7000..0x8000", "0x8000..0x10000"])]
    #[case(&["0..0x8000", "0x8000..0x10000"], &["0x0..0x10000"])]
    #[case(&["0..0x1000", "0x8000..0x9000"], &["0x0..0x1000", "0x8000..0x9000"])]
    #[case(&[], &[])]
    fn tables(#[case] sectors: &[&str], #[case] units: &[&str]) {
        assert_eq!(units_of(sectors), units);
    }

    proptest! {
        #[test]
        fn units_cover_exactly_what_was_asked(wanted in proptest::collection::btree_set(0u32..256, 0..200)) {
            let sectors: Vec<FlashRange> =
                wanted.iter().map(|n| FlashRange::with_len(n * SECTOR, u64::from(SECTOR)).unwrap()).collect();
            let units = erase_units(&sectors);
            let covered: Vec<u32> = units.iter().flat_map(|u| (u.start() / SECTOR)..(u.end() / SECTOR)).collect();
            prop_assert_eq!(covered, wanted.into_iter().collect::<Vec<_>>());
            for unit in units {
                prop_assert!([SECTOR, BLOCK_32K, BLOCK_64K].contains(&unit.len()));
                prop_assert!(unit.start().is_multiple_of(unit.len()));
            }
        }
    }
}
