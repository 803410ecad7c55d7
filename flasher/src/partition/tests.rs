use proptest::prelude::*;
use rstest::rstest;

use super::*;

const TOML: &str = "[pt_table]\naddress0 = 0x1000\naddress1 = 0x2000\n\n[[pt_entry]]\ntype = 0\nname = \"FW\"\ndevice = 0\naddress0 = 0x3000\nsize0 = 0x90000\naddress1 = 0x93000\nsize1 = 0x66000\nlen = 0\nactiveindex = 0\nage = 0\n";

#[test]
fn there_and_back() {
    let layout = from_toml(TOML).unwrap();
    assert_eq!(layout.addresses, [0x1000, 0x2000]);
    assert_eq!(layout.table.entries[0].name.text(), "FW");
    assert_eq!(from_toml(&layout.to_toml()).unwrap(), layout);
    let bytes = layout.table.to_bytes().unwrap();
    assert_eq!(bytes.len(), table_bytes(1));
    assert_eq!(copies(&bytes).unwrap(), [Copy { offset: 0, table: Ok(layout.table) }]);
}

#[rstest]
#[case::syntax("[pt_table\n", "at line 1")]
#[case::no_table("[[pt_entry]]\n", "there is no [pt_table]")]
#[case::no_entries("[pt_table]\naddress0=1\naddress1=2\n", "there is no [[pt_entry]]")]
#[case::missing(&TOML.replace("size1 = 0x66000\n", ""), "pt_entry 1 (FW): size1 is missing")]
#[case::no_number(&TOML.replace("0x66000", "\"big\""), "pt_entry 1 (FW): size1 is no number")]
#[case::negative(&TOML.replace("0x66000", "-1"), "pt_entry 1 (FW): size1 is -1, which is no number of 32 bits")]
#[case::long_name(&TOML.replace("FW", "firmware"), "pt_entry 1 (firmware): the name needs 1 to 7 bytes")]
#[case::byte(&TOML.replace("type = 0", "type = 256"), "pt_entry 1 (FW): type is 256, it has one byte")]
#[case::index(&TOML.replace("activeindex = 0", "activeindex = 2"), "there are only 0 and 1")]
#[case::overlap(&TOML.replace("0x93000", "0x92000"), "FW and FW overlap at 0x92000")]
#[case::over_the_table(&TOML.replace("0x3000", "0x2000"), "overlap at 0x2000")]
#[case::past_the_end(&TOML.replace("0x93000", "0xFFFFF000"), "past 4 GiB")]
fn refused(#[case] text: &str, #[case] says: &str) {
    let error = from_toml(text).unwrap_err().to_string();
    assert!(error.contains(says), "{error}");
}

#[test]
fn a_new_table_is_newer_than_both_that_were_there() {
    let layout = from_toml(TOML).unwrap();
    let mut dump = vec![0xFF; 0x4000];
    assert_eq!(install(&layout, &mut dump).unwrap().age, 0);
    assert_eq!(install(&layout, &mut dump).unwrap().age, 1);
    let found = copies(&dump).unwrap();
    assert_eq!(found.len(), 2);
    assert_eq!(found[0].table, found[1].table);
    // One copy lost, the other older: the next one is newer than the survivor.
    dump[0x1000..0x1010].fill(0);
    assert_eq!(active(&copies(&dump).unwrap()).unwrap().0, 0x2000);
    assert_eq!(install(&layout, &mut dump).unwrap().age, 2);
    assert!(install(&layout, &mut dump[..0x2800]).is_err());
}

#[test]
fn of_two_ages_the_higher_counts_and_of_equal_ones_the_first() {
    let table = |age| PartitionTable { age, ..PartitionTable::default() };
    let copy = |offset, age| Copy { offset, table: Ok(table(age)) };
    assert_eq!(active(&[copy(1, 3), copy(2, 3)]).unwrap().0, 1);
    assert_eq!(active(&[copy(1, 3), copy(2, 4)]).unwrap().0, 2);
    let bad = Copy { offset: 7, table: Err(PartitionError::TooManyEntries { count: 99 }) };
    assert_eq!(active(&[bad.clone(), copy(2, 0)]).unwrap().0, 2);
    assert!(active(&[bad]).unwrap_err().to_string().contains("at offset 0x7"));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, rng_seed: proptest::test_runner::RngSeed::Fixed(6), ..ProptestConfig::with_cases(300) })]

    /// A good text, cut and with one byte changed, is a layout or a named error.
    #[test]
    fn damaged_texts(cut in 0..TOML.len(), at in 0..TOML.len(), byte in any::<u8>()) {
        let mut bytes = TOML.as_bytes().to_vec();
        bytes[at] = byte;
        bytes.truncate(TOML.len() - cut / 4);
        if let Ok(layout) = from_toml(&String::from_utf8_lossy(&bytes)) {
            prop_assert!(layout.table.to_bytes().is_ok());
            prop_assert_eq!(from_toml(&layout.to_toml()), Ok(layout));
        }
    }

    /// A good table, cut and with one byte changed, is refused or the same.
    #[test]
    fn damaged_tables(cut in 0..60_usize, at in 0..56_usize, bit in 0..8_u8) {
        let good = from_toml(TOML).unwrap().table;
        let mut bytes = good.to_bytes().unwrap();
        let len = bytes.len();
        bytes[at] ^= 1 << bit;
        bytes.truncate(len - cut.min(len));
        match copies(&bytes) {
            Ok(found) => prop_assert!(active(&found).is_err()),
            Err(error) => {
                let is_no_table = matches!(error, LayoutError::NoTable { .. });
                prop_assert!(is_no_table);
            }
        }
    }
}
