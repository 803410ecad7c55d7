//! Golden bytes of images: boot header, key, signature and IV blocks, partition table.
//!
//! If a test in this file fails, do not change the test: the mask ROM and the modules in the field have not changed.
//! Change the code. Bytes are copied from `fixtures/vectors/rom.jsonl` (the comments name the rows) or from a stock
//! module's boot log (`reference/rom-and-module.md` section 5). Nothing here comes from our own encoder.

use bl702_protocol::image::boot_header::{BOOT_HEADER_LEN, BootHeader, ClockConfig, HeaderPolicy};
use bl702_protocol::image::partition::{PartitionEntry, PartitionName, PartitionTable};
use bl702_protocol::image::signature::{IvBlock, PublicKeyBlock, SignatureBlock};

/// "header: with clock config"
#[rustfmt::skip]
fn header_with_clock_config() -> [u8; BOOT_HEADER_LEN] {
    let mut bytes = [0; BOOT_HEADER_LEN];
    bytes[0..4].copy_from_slice(&[0x42, 0x46, 0x4e, 0x50]); // magic "BFNP"
    bytes[4..8].copy_from_slice(&[0x01, 0x00, 0x00, 0x00]); // revision
    // 8..100: no flash configuration, not even its CRC
    bytes[100..104].copy_from_slice(&[0x50, 0x43, 0x46, 0x47]); // "PCFG"
    bytes[104..112].copy_from_slice(&[0x01, 0x04, 0x00, 0x00, 0x01, 0x02, 0x00, 0x00]); // crystal 1, PLL 4
    bytes[112..116].copy_from_slice(&[0xef, 0x48, 0xff, 0xe6]); // CRC-32 of the clock configuration
    bytes[116..120].copy_from_slice(&[0x00, 0x03, 0x00, 0x00]); // no_segment, cache_enable
    bytes[120..124].copy_from_slice(&[0x01, 0x00, 0x00, 0x00]); // one segment
    // 124..128: entry 0
    bytes[128..132].copy_from_slice(&[0x00, 0x00, 0x01, 0x22]); // RAM address 22010000h
    // 132..172: no hash, no partition tables
    bytes[172..176].copy_from_slice(&[0x7c, 0xf3, 0x91, 0x4d]); // CRC-32 of 0..172
    bytes
}

#[test]
fn boot_header_fields() {
    let bytes = header_with_clock_config();
    let mut header = BootHeader::parse(&bytes);
    assert_eq!(header.magic, *b"BFNP");
    assert_eq!(header.revision, 1);
    assert_eq!(header.boot_config.0, 0x300);
    assert!(header.boot_config.no_segment() && header.boot_config.cache_enable());
    assert_eq!((header.segment_count, header.entry, header.ram_address), (1, 0, 0x2201_0000));
    assert_eq!(header.start_address(), 0x2201_0000);
    let clock =
        ClockConfig { crystal: 1, pll: 4, flash_clock: 1, flash_clock_div: 2, ..ClockConfig::default() };
    assert_eq!(header.usable_clock_config(), Some(clock));
    assert_eq!(header.check(&HeaderPolicy::default()), Ok(()));
    assert_eq!(header.to_bytes(), bytes);

    // Sealed anew the CRCs come out as the ROM wants them.
    (header.clock_config_crc32, header.crc32) = (0, 0);
    header.seal();
    assert_eq!(header.clock_config_crc32.to_le_bytes(), [0xef, 0x48, 0xff, 0xe6]);
    header.flash_config_crc32 = 0;
    assert_eq!(header.computed_crc32().to_le_bytes(), [0x7c, 0xf3, 0x91, 0x4d]);
}

#[test]
fn an_entry_is_an_absolute_address() {
    // "run with entry": the ROM jumps to 22010010h.
    let mut bytes = header_with_clock_config();
    bytes[124..128].copy_from_slice(&[0x10, 0x00, 0x01, 0x22]);
    assert_eq!(BootHeader::parse(&bytes).start_address(), 0x2201_0010);
}

#[test]
fn public_key_block() {
    // "signed chip: key"
    #[rustfmt::skip]
    let wire = [
        // X
        0x68, 0x8d, 0x4a, 0x43, 0x39, 0x92, 0x75, 0x29, 0xa1, 0x23, 0x30, 0xe3, 0x92, 0xf7, 0xaf, 0x01,
        0x5f, 0x63, 0xf0, 0xe4, 0x7c, 0xeb, 0x19, 0x2c, 0x63, 0x32, 0x6e, 0x58, 0x86, 0x4d, 0x41, 0x6b,
        // Y
        0x54, 0x81, 0xfe, 0xc3, 0x82, 0xe7, 0xb5, 0x71, 0x3e, 0x19, 0x4e, 0x4d, 0x5c, 0xf3, 0x86, 0xba,
        0xd1, 0xd7, 0x57, 0xe0, 0x40, 0x44, 0xb2, 0x04, 0x97, 0xdb, 0x81, 0x5c, 0xea, 0xc9, 0xe2, 0x56,
        // CRC-32
        0x8e, 0x26, 0x01, 0xd2,
    ];
    let block = PublicKeyBlock::parse(&wire).unwrap();
    assert!(block.crc_is_right());
    assert_eq!(PublicKeyBlock::new(block.key).to_bytes(), wire);
}

#[test]
fn iv_block() {
    // "encrypted: IV"
    #[rustfmt::skip]
    let wire = [
        0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f,
        0x88, 0xe2, 0xce, 0xce, // CRC-32
    ];
    let block = IvBlock::parse(&wire).unwrap();
    assert!(block.crc_is_right());
    assert_eq!(IvBlock::new(block.iv).to_bytes(), wire);
}

#[test]
fn signature_block() {
    // "signed chip: signature"
    #[rustfmt::skip]
    let wire = [
        0x40, 0x00, 0x00, 0x00, // 64 bytes
        // r
        0xd7, 0x1f, 0x76, 0xff, 0x07, 0x20, 0x04, 0x63, 0x9b, 0xc1, 0xf9, 0x55, 0xe5, 0xba, 0x79, 0xcd,
        0x3e, 0xbf, 0x95, 0x10, 0x62, 0x8e, 0x59, 0x28, 0x76, 0x02, 0x7e, 0x93, 0xb8, 0x0f, 0x5a, 0x18,
        // s
        0x47, 0x8d, 0xfc, 0x2a, 0xbc, 0xd1, 0x2a, 0x01, 0x6f, 0xfc, 0xe9, 0xb2, 0x4a, 0xb0, 0x51, 0xb9,
        0x5a, 0x36, 0xe4, 0xeb, 0x62, 0x20, 0x30, 0xf6, 0xc0, 0xcf, 0x3e, 0x4f, 0x74, 0xf4, 0x79, 0x5f,
        0x44, 0x4c, 0x74, 0x99, // CRC-32 of length and signature
    ];
    let block = SignatureBlock::parse(&wire).unwrap();
    assert!(block.crc_is_right());
    assert_eq!(SignatureBlock::new(&block.signature).to_bytes(), wire);
}

#[test]
fn stock_partition_table_of_the_xt_zb2() {
    // The stock firmware logs "entryCnt 5; age 0; crc32 0x5F173B2D" and "consumed 200 Bytes". Entries 0 to 3 are from
    // the same log, completed by the vendor's layout for 1 MiB; entry 4 follows from that layout.
    let entry = |kind, name, addresses, sizes| PartitionEntry {
        kind,
        name: PartitionName::new(name).unwrap(),
        addresses,
        sizes,
        ..PartitionEntry::default()
    };
    let table = PartitionTable {
        version: 0,
        age: 0,
        entries: vec![
            entry(0, "FW", [0x3000, 0x9_3000], [0x9_0000, 0x6_6000]),
            entry(1, "mfg", [0x9_3000, 0], [0x6_6000, 0]),
            entry(2, "PSM", [0xF_9000, 0], [0x2000, 0]),
            entry(3, "media", [0xF_B000, 0], [0x4000, 0]),
            entry(4, "factory", [0xF_F000, 0], [0x1000, 0]),
        ],
    };
    let bytes = table.to_bytes().unwrap();
    assert_eq!(bytes.len(), 200);
    #[rustfmt::skip]
    let header = [
        0x42, 0x46, 0x50, 0x54, // "BFPT"
        0x00, 0x00, // version
        0x05, 0x00, // five entries
        0x00, 0x00, 0x00, 0x00, // age
        0x2d, 0x3b, 0x17, 0x5f, // CRC-32, 5F173B2Dh in the log
    ];
    assert_eq!(bytes[..16], header);
    assert_eq!(table.header_crc32(), Ok(0x5F17_3B2D));
    #[rustfmt::skip]
    let first_entry = [
        0x00, // type
        0x00, // device
        0x00, // active index
        b'F', b'W', 0, 0, 0, 0, 0, 0, 0, // name
        0x00, 0x30, 0x00, 0x00, // address 0
        0x00, 0x30, 0x09, 0x00, // address 1
        0x00, 0x00, 0x09, 0x00, // size 0
        0x00, 0x60, 0x06, 0x00, // size 1
        0x00, 0x00, 0x00, 0x00, // length
        0x00, 0x00, 0x00, 0x00, // age
    ];
    assert_eq!(bytes[16..52], first_entry);
    assert_eq!(PartitionTable::parse(&bytes), Ok(table));
}
