//! The files behind flash and fuses, whatever ends the emulator.

use std::fs;
use std::path::Path;

use rstest::rstest;
use rustix::process::Signal;

use super::bench::{Client, Emulator, arg, hex, outcome, write};

const FLASH_BYTES: usize = 1 << 20;
const SECTOR_BYTES: usize = 4096;

fn serve_loader(flash: &Path, pace: &str) -> (Emulator, Client) {
    let emulator = Emulator::run(&["--start", "loader", "--pace", pace, "--flash", arg(flash)]);
    let client = emulator.open(2_000_000);
    client.shake_hands(2_000_000);
    (emulator, client)
}

#[rstest]
fn flash_holds_what_was_written_before_a_kill(#[values("wire", "none")] pace: &str) {
    let dir = tempfile::tempdir().unwrap();
    let flash = dir.path().join("flash.bin");
    let (mut emulator, client) = serve_loader(&flash, pace);
    assert_eq!(fs::read(&flash).unwrap(), vec![0xff; FLASH_BYTES]);
    // Vectors "write across a page" and "write check".
    assert_eq!(client.ask(&hex("31900800fe00000061626364"), 2), b"OK");
    assert_eq!(client.ask(&hex("3a000000"), 2), b"OK");
    emulator.end(Signal::KILL);
    let held = fs::read(&flash).unwrap();
    assert_eq!((held.len(), &held[0xfc..0x104]), (FLASH_BYTES, &b"\xff\xffabcd\xff\xff"[..]));

    let (_emulator, client) = serve_loader(&flash, pace);
    assert_eq!(client.ask(&hex("320c0800fc00000008000000"), 12), hex("4f4b0800ffff61626364ffff"));
}

#[test]
fn a_kill_in_the_middle_of_an_erase_leaves_whole_sectors() {
    let dir = tempfile::tempdir().unwrap();
    let flash = dir.path().join("flash.bin");
    let pattern: Vec<u8> = (0..FLASH_BYTES).map(|i| (7 * i + 13 * (i >> 8)) as u8).collect();
    write(&flash, &pattern);
    let (mut emulator, client) = serve_loader(&flash, "none");
    // Vector "erase whole 1 MiB 0..fffff".
    client.send(&hex("3015080000000000ffff0f00"));
    assert_eq!(client.receive(4), b"PDPD");
    emulator.end(Signal::KILL);

    let held = fs::read(&flash).unwrap();
    assert_eq!(held.len(), FLASH_BYTES);
    let erased = held.chunks(SECTOR_BYTES).filter(|sector| sector.iter().all(|byte| *byte == 0xff)).count();
    for (index, (now, before)) in held.chunks(SECTOR_BYTES).zip(pattern.chunks(SECTOR_BYTES)).enumerate() {
        let is_erased = now.iter().all(|byte| *byte == 0xff);
        assert!(is_erased || now == before, "sector {index} is torn");
    }
    assert!(erased >= 16, "the second PD says that the first 64 KiB are erased, found {erased} sectors");
}

#[rstest]
#[case::short(FLASH_BYTES / 2)]
#[case::long(FLASH_BYTES + 1)]
#[case::empty(0)]
fn a_flash_file_of_the_wrong_size_is_refused_and_left(#[case] length: usize) {
    let dir = tempfile::tempdir().unwrap();
    let flash = dir.path().join("flash.bin");
    let contents: Vec<u8> = (0..length).map(|i| i as u8).collect();
    write(&flash, &contents);
    let (code, stdout, stderr) = outcome(&["run", "--flash", arg(&flash)]);
    assert_eq!((code, stdout.as_str()), (2, ""), "{stderr}");
    assert!(stderr.contains(&length.to_string()) && stderr.contains(&FLASH_BYTES.to_string()), "{stderr}");
    assert!(fs::read(&flash).unwrap() == contents);
}

#[test]
fn two_emulators_cannot_share_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let flash = dir.path().join("flash.bin");
    let _first = Emulator::run(&["--flash", arg(&flash)]);
    let (code, _, stderr) = outcome(&["run", "--flash", arg(&flash)]);
    assert_eq!(code, 2);
    assert!(stderr.contains("in use by another emulator"), "{stderr}");
}

#[test]
fn fuses_come_from_the_profile_and_burns_stay() {
    let dir = tempfile::tempdir().unwrap();
    let efuse = dir.path().join("efuse.bin");
    let args = ["--profile", "vectors-loader", "--start", "loader", "--efuse", arg(&efuse)];
    let mut emulator = Emulator::run(&args);
    let before = fs::read(&efuse).unwrap();
    assert_eq!(before.len(), 128);
    assert_eq!(before[0x14..0x1c], hex("8112d1e738c1b400"));
    let client = emulator.open(500_000);
    client.shake_hands(500_000);
    // Vectors "efuse write 4" and "efuse write 4 read".
    assert_eq!(client.ask(&hex("403708002000000001020408"), 2), b"OK");
    emulator.end(Signal::KILL);
    let mut expected = before;
    expected[0x20..0x24].copy_from_slice(&hex("01020408"));
    assert_eq!(fs::read(&efuse).unwrap(), expected);

    let emulator = Emulator::run(&args);
    let client = emulator.open(500_000);
    client.shake_hands(500_000);
    assert_eq!(client.ask(&hex("413008002000000008000000"), 12), hex("4f4b08000102040800000000"));
}

#[test]
fn an_efuse_file_of_the_wrong_size_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let efuse = dir.path().join("efuse.bin");
    write(&efuse, &[0; 127]);
    let (code, _, stderr) = outcome(&["run", "--efuse", arg(&efuse)]);
    assert_eq!(code, 2);
    assert!(stderr.contains("127") && stderr.contains("128"), "{stderr}");
    assert_eq!(fs::read(&efuse).unwrap(), [0; 127]);
}
