//! Damage and the choice between two copies; the stock table stands in `tests/golden_image.rs`.

use rstest::rstest;

use super::*;

fn table(age: u32) -> PartitionTable {
    let entry = PartitionEntry {
        name: PartitionName::new("FW").unwrap(),
        addresses: [0x3000, 0x9_3000],
        sizes: [0x9_0000, 0x6_6000],
        active: 1,
        ..PartitionEntry::default()
    };
    PartitionTable { version: 0, age, entries: vec![entry] }
}

fn bytes(age: u32) -> Vec<u8> {
    table(age).to_bytes().unwrap()
}

#[rstest]
#[case::newer_first(bytes(2), bytes(1), 0)]
#[case::newer_second(bytes(1), bytes(2), 1)]
#[case::equal(bytes(1), bytes(1), 0)]
#[case::first_erased(vec![0xFF; 0x1000], bytes(0), 1)]
#[case::second_erased(bytes(0), vec![0xFF; 0x1000], 0)]
fn selection(#[case] first: Vec<u8>, #[case] second: Vec<u8>, #[case] copy: usize) {
    let expected = PartitionTable::parse(if copy == 0 { &first } else { &second }).unwrap();
    assert_eq!(select(&first, &second), Ok(Selected { copy, table: expected }));
}

#[test]
fn neither_copy() {
    let magic = PartitionError::Magic { found: [0xFF; 4] };
    let truncated = PartitionError::Truncated { needed: 16, have: 3 };
    assert_eq!(select(&[0xFF; 64], &[0; 3]), Err([magic, truncated]));
}

#[test]
fn every_damaged_bit_is_noticed() {
    let good = bytes(7);
    for at in 0..good.len() * 8 {
        let mut damaged = good.clone();
        damaged[at / 8] ^= 1 << (at % 8);
        assert!(PartitionTable::parse(&damaged).is_err(), "bit {at}");
    }
}

#[test]
fn too_many_entries() {
    let mut table = table(0);
    table.entries = vec![table.entries[0].clone(); 17];
    let error = PartitionError::TooManyEntries { count: 17 };
    assert_eq!(table.to_bytes(), Err(error));
    assert_eq!(error.to_string(), "partition table has 17 entries, at most 16 are allowed");

    // A count of 17 under a right CRC must not be believed either.
    let mut bytes = bytes(0);
    bytes[6] = 17;
    let crc = crc32(&bytes[..12]).to_le_bytes();
    bytes[12..16].copy_from_slice(&crc);
    assert_eq!(PartitionTable::parse(&bytes), Err(error));
}

#[test]
fn names_and_active_addresses() {
    assert_eq!(PartitionName::new("123456789").unwrap().text(), "123456789");
    assert_eq!(PartitionName::new("1234567890"), None);
    let table = table(0);
    let firmware = table.find("FW").unwrap();
    assert_eq!((firmware.active_address(), firmware.active_size()), (0x9_3000, 0x6_6000));
    assert_eq!(table.find("F"), None);
}
