//! Builds the made-up images under `fixtures/images` and holds the committed files against them.
//!
//! `BL702_REGENERATE_FIXTURES=1 cargo test -p bl702-emulator --test fixture_images` writes the files anew.
#![allow(clippy::unwrap_used, reason = "all of this is a test")]

use std::path::PathBuf;

use bl702_protocol::image::boot_header::{BOOT_MAGIC, BootConfig, BootHeader, DEADBEEF};
use bl702_protocol::image::partition::{PartitionEntry, PartitionName, PartitionTable};
use sha2::{Digest, Sha256};

const RAM_ADDRESS: u32 = 0x2201_0000;
const MARKER: &str = "made-up RAM loader for bl702-emulator; not the vendor's";
const FIRMWARE_MARKER: &str = "made-up firmware for bl702-emulator; nobody runs it";

/// `len` bytes of numbered lines of text: recognisable anywhere in a dump, and without a zero.
fn text_body(marker: &str, len: usize) -> Vec<u8> {
    let lines = (0..).flat_map(|n| format!("{marker} #{n:04}\n").into_bytes());
    lines.take(len).collect()
}

/// The flash configuration of a plain SPI NOR part, as far as its bytes are known; the rest is 0.
fn flash_config() -> [u8; 84] {
    let mut config = [0; 84];
    config[0] = 4; // I/O mode
    config[8] = 0x9f; // JEDEC id command
    config[12] = 4; // sector size in KiB
    config[13] = 0xc2; // manufacturer
    config[14..16].copy_from_slice(&256_u16.to_le_bytes()); // page size
    config[16..22].copy_from_slice(&[0xc7, 0x20, 0x52, 0xd8, 0x06, 0x02]); // erase, write enable, program
    config
}

fn header(boot_config: u32) -> BootHeader {
    let mut header = BootHeader::parse(&[0; 176]);
    header.magic = BOOT_MAGIC;
    header.revision = 1;
    header.flash_config = flash_config();
    header.clock_config = [4, 4, 0, 1, 2, 0, 0, 0];
    header.boot_config = BootConfig(boot_config);
    header
}

/// Laid out like the vendor's `eflash_loader_32m.bin` (`reference/loader-protocol.md` section 1), body excepted.
fn ram_loader() -> Vec<u8> {
    let body = text_body(MARKER, 8192);
    let mut header = header(0x0003_0300);
    header.segment_count = 1;
    header.ram_address = RAM_ADDRESS;
    header.hash[..4].copy_from_slice(&DEADBEEF.to_le_bytes());
    header.seal();
    header.crc32 = DEADBEEF;
    let mut file = header.to_bytes().to_vec();
    let mut segment = Vec::new();
    for word in [RAM_ADDRESS, body.len() as u32, crc32fast::hash(&body)] {
        segment.extend(word.to_le_bytes());
    }
    let crc = crc32fast::hash(&segment);
    segment.extend(crc.to_le_bytes());
    file.extend(segment);
    file.extend(body);
    file
}

/// The stock layout: header for the ROM's boot2 at 0, table at 1000h and 2000h, firmware with its header at 3000h.
fn stock_flash() -> Vec<u8> {
    let code = text_body(FIRMWARE_MARKER, 4096);
    let mut flash = vec![0xff; 0x4000];
    // boot2_enable, no_segment, cache_enable, hash_ignore.
    let mut boot = header(1 << 19 | 1 << 17 | 0x300);
    boot.segment_count = code.len() as u32;
    boot.ram_address = 0x3000;
    boot.hash[..4].copy_from_slice(&DEADBEEF.to_le_bytes());
    boot.partition_addresses = [0x1000, 0x2000];
    boot.seal();
    flash[..176].copy_from_slice(&boot.to_bytes());

    // rom-and-module.md section 5; entry 4 is inferred there.
    let rows = [
        ("FW", [0x3000, 0x9_3000], [0x9_0000, 0x6_6000]),
        ("mfg", [0x9_3000, 0], [0x6_6000, 0]),
        ("PSM", [0xf_9000, 0], [0x2000, 0]),
        ("media", [0xf_b000, 0], [0x4000, 0]),
        ("factory", [0xf_f000, 0], [0x1000, 0]),
    ];
    let entries = rows.iter().zip(0..).map(|((name, addresses, sizes), kind)| PartitionEntry {
        kind,
        device: 0,
        active: 0,
        name: PartitionName::new(name).unwrap(),
        addresses: *addresses,
        sizes: *sizes,
        length: 0,
        age: 0,
    });
    let table = PartitionTable { version: 0, age: 0, entries: entries.collect() }.to_bytes().unwrap();
    for copy in [0x1000, 0x2000] {
        flash[copy..copy + table.len()].copy_from_slice(&table);
    }

    let mut firmware = header(0x300);
    firmware.segment_count = code.len() as u32;
    firmware.ram_address = 0x4000;
    firmware.hash = Sha256::digest(&code).into();
    firmware.seal();
    flash[0x3000..0x30b0].copy_from_slice(&firmware.to_bytes());
    flash.extend(code);
    flash
}

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fixtures/images").join(name)
}

fn hold_against(name: &str, built: &[u8]) {
    if std::env::var_os("BL702_REGENERATE_FIXTURES").is_some() {
        std::fs::write(path(name), built).unwrap();
    }
    let committed = std::fs::read(path(name)).unwrap();
    assert!(committed == built, "{name} differs from what this test builds; see the head of this file");
}

#[test]
fn the_made_up_ram_loader_is_what_this_builds() {
    let image = ram_loader();
    hold_against("made-up-ram-loader.bin", &image);
    // Golden: the words that the vendor's image has too (loader-protocol.md section 1).
    let word = |at: usize| u32::from_le_bytes(image[at..at + 4].try_into().unwrap());
    assert_eq!(&image[..8], b"BFNP\x01\0\0\0");
    assert_eq!([0x68, 0x6c, 0x70].map(word), [0x0100_0404, 2, 0x824e_14bb]);
    assert_eq!(
        [0x74, 0x78, 0x7c, 0x80, 0x84, 0x88].map(word),
        [0x0003_0300, 1, 0, RAM_ADDRESS, 0xdead_beef, 0]
    );
    assert_eq!([0xac, 0xb0, 0xb4].map(word), [0xdead_beef, RAM_ADDRESS, 8192]);
    assert_eq!(word(0x60), crc32fast::hash(&image[0x0c..0x60]));
    assert_eq!(word(0xbc), crc32fast::hash(&image[0xb0..0xbc]));
    assert!(image[0xc0..].starts_with(MARKER.as_bytes()) && !image[0xc0..].contains(&0));
    assert_eq!(image.len(), 0xc0 + 8192);
}

#[test]
fn the_made_up_stock_flash_is_what_this_builds() {
    let flash = stock_flash();
    hold_against("made-up-stock-flash.bin", &flash);
    // Golden: the CRC in the stock module's boot log (rom-and-module.md section 5).
    assert_eq!(flash[0x1000..0x1010], *b"BFPT\x00\x00\x05\x00\x00\x00\x00\x00\x2d\x3b\x17\x5f");
    assert_eq!(flash[0x1000..0x10c8], flash[0x2000..0x20c8]);
    assert_eq!(flash.len(), 0x5000);
}
