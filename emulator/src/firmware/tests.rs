use std::sync::Arc;

use rstest::rstest;

use super::*;
use crate::fault::device::DeviceFaults;
use crate::flash::FlashPart;
use crate::line::{LineRx, LineTx};
use crate::profile::Profile;
use crate::ram::Ram;
use crate::registers::Registers;

const STOCK: &[u8] = include_bytes!("../../../fixtures/images/made-up-stock-flash.bin");

/// The recovered log (`reference/rom-and-module.md` section 5), and entry 4 and the end of entry 3 as inferred.
const STOCK_LOG: &str = "\
Starting bl702 now....
Booting BL702 Chip...
------------------------------------------------------------
RISC-V Core Feature:RV32-ACFIMX
Build Version: release_bl_iot_sdk_1.6.30-dirty
Std BSP Driver Version: cfe99fb-dirty
Std BSP Common Version: 8cf52ec-dirty
RF Version: 1504071-dirty
Build Date: Nov 22 2021
Build Time: 19:00:17
------------------------------------------------------------
Heap 45320@0x4201cef8, 23552@0x42028400
blog init set power on level 2, 2, 2.
[IRQ] Clearing and Disable all the pending IRQ...
[ 0][INFO : hal_boot2.c: 283] [HAL] [BOOT2] Active Partition[0] consumed 200 Bytes
======= PtTable_Config @0x420164f4=======
magicCode 0x54504642; version 0x0000; entryCnt 5; age 0; crc32 0x5F173B2D
idx type device activeIndex name Address[0] Address[1] Length[0] Length[1] age
[00] 00 0 0 FW 0x00003000 0x00093000 0x00090000 0x00066000 0
[01] 01 0 0 mfg 0x00093000 0x00000000 0x00066000 0x00000000 0
[02] 02 0 0 PSM 0x000f9000 0x00000000 0x00002000 0x00000000 0
[03] 03 0 0 media 0x000fb000 0x00000000 0x00004000 0x00000000 0
[04] 04 0 0 factory 0x000ff000 0x00000000 0x00001000 0x00000000 0
";

fn flash(contents: &[u8]) -> Flash {
    let mut flash = Flash::new(FlashPart::by_name("KH25V80").unwrap());
    flash.load(contents);
    flash
}

/// The stock image with `bytes` put at `at`.
fn stock_with(at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut image = STOCK.to_vec();
    image[at..at + bytes.len()].copy_from_slice(bytes);
    image
}

fn chip(contents: &[u8], firmware_log: bool) -> Chip {
    let mut profile = Profile::builtin("xt-zb2").unwrap();
    profile.firmware_log = firmware_log;
    Chip {
        otp: profile.new_otp(),
        profile: Arc::new(profile),
        flash: flash(contents),
        ram: Ram::new(),
        registers: Registers::default(),
        boot_high: false,
        pll_started: false,
        rx: LineRx::default(),
        tx: LineTx::default(),
        faults: DeviceFaults::default(),
        frames: None,
        events: VecDeque::new(),
    }
}

/// Runs to the end; gives what was sent and the time and rate of the first byte.
fn run(chip: &mut Chip, at: Nanos) -> (String, Option<(Nanos, u32)>) {
    let mut firmware = Firmware::start(chip, at);
    let mut text = Vec::new();
    let mut first = None;
    while let Wake::Work(next) = firmware.wake(chip) {
        assert_eq!(firmware.run(chip, next), None);
        while let Some(burst) = chip.tx.take(Nanos::MAX) {
            first = first.or(Some((burst.start, burst.baud_bps)));
            text.extend(burst.bytes);
        }
    }
    assert_eq!(firmware.wake(chip), Wake::Never);
    (String::from_utf8(text).unwrap(), first)
}

#[test]
fn the_stock_flash_gives_the_stock_log_at_2_megabaud() {
    let at = Nanos::from_millis(5);
    let (text, first) = run(&mut chip(STOCK, true), at);
    assert_eq!(text, STOCK_LOG.replace('\n', "\r\n"));
    assert_eq!(first, Some((at + Nanos::from_millis(60), 2_000_000)));
}

#[test]
fn the_log_comes_in_its_time_and_input_is_ignored() {
    let mut chip = chip(STOCK, true);
    let mut firmware = Firmware::start(&mut chip, Nanos::ZERO);
    firmware.run(&mut chip, Nanos(60_000_000 - 1));
    assert_eq!(chip.tx.next_end(), None);
    let bytes = vec![0x55; 100];
    chip.rx.push(crate::line::Burst { start: Nanos::ZERO, baud_bps: 500_000, bytes });
    firmware.run(&mut chip, Nanos::from_millis(60));
    firmware.run(&mut chip, Nanos::from_millis(60));
    assert_eq!(chip.tx.take(Nanos::from_secs(1)).unwrap().bytes, b"Starting bl702 now....\r\n");
    assert_eq!(chip.tx.take(Nanos::from_secs(1)), None);
    assert_eq!(chip.rx.available(Nanos::from_secs(1)), 0);
}

#[rstest]
#[case::empty(&[], true)]
#[case::no_log(STOCK, false)]
#[case::garbage(&[0x5a; 0x8000], true)]
fn what_does_not_boot_is_silent(#[case] contents: &[u8], #[case] log: bool) {
    let mut chip = chip(contents, log);
    assert_eq!(run(&mut chip, Nanos::ZERO), (String::new(), None));
}

#[rstest]
#[case::no_boot_header_is_not_missed(stock_with(0, &[0xff; 0x1000]), None)]
#[case::damaged_boot_header(stock_with(8, &[1]), Some("boot header at 0"))]
#[case::first_table_gone(stock_with(0x1000, &[0xff; 0x1000]), None)]
#[case::second_table_gone(stock_with(0x2000, &[0xff; 0x1000]), None)]
#[case::first_table_damaged(stock_with(0x1020, &[0x77]), None)]
#[case::both_tables_gone(stock_with(0x1000, &[0xff; 0x2000]), Some("no partition table"))]
#[case::firmware_header_gone(stock_with(0x3000, &[0xff; 176]), Some("firmware header at 3000h"))]
#[case::firmware_header_damaged(stock_with(0x3084, &[0]), Some("firmware header at 3000h"))]
#[case::firmware_code_is_not_looked_at(stock_with(0x4000, &[0]), None)]
fn what_boots_and_what_does_not(#[case] contents: Vec<u8>, #[case] failure: Option<&str>) {
    match (inspect(&flash(&contents)), failure) {
        (Ok(_), None) => {}
        (Err(error), Some(text)) => assert!(error.to_string().starts_with(text), "{error}"),
        (other, _) => panic!("{other:?}"),
    }
}

#[test]
fn the_newer_table_counts_and_its_active_address() {
    let PartitionTable { version, entries, .. } = PartitionTable::parse(&STOCK[0x1000..]).unwrap();
    let mut newer = PartitionTable { version, age: 7, entries };
    newer.entries[0].active = 1;
    let mut contents = stock_with(0x2000, &newer.to_bytes().unwrap());
    let error = inspect(&flash(&contents)).unwrap_err();
    assert!(error.to_string().starts_with("firmware header at 93000h"), "{error}");

    contents.resize(0x10_0000, 0xff);
    contents.copy_within(0x3000..0x5000, 0x9_3000);
    let image = inspect(&flash(&contents)).unwrap();
    assert_eq!((image.table_copy, image.table.age), (1, 7));
    let (text, _) = run(&mut chip(&contents, true), Nanos::ZERO);
    assert!(text.contains("Active Partition[1] consumed 200 Bytes") && text.contains("age 7;"), "{text}");

    newer.entries.remove(0);
    let contents = stock_with(0x2000, &newer.to_bytes().unwrap());
    assert_eq!(inspect(&flash(&contents)), Err(BootFailure::NoFirmwarePartition));
}
