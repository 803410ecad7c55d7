//! Reading, writing, erasing and verifying flash.

use std::path::PathBuf;

use bl702_harness::images::{other, padded, pattern, stock};
use rstest::rstest;

use super::results::{EQUAL, passed};
use bl702_harness::clients::bench::{Bench, read};
use bl702_harness::clients::tools::{FLASH_COMMAND, IOT_1_8_9, IOT_1_10_0, MCU_1_10_0, Tool};

const FLASH_BYTES: usize = 1024 * 1024;
const SECTOR_BYTES: usize = 4096;
/// Boot header of an image (`reference/rom-and-module.md` section 2).
const BOOT_HEADER_BYTES: usize = 176;

/// What a flash holds before it is written: nothing that an erased one holds, nothing that is written.
fn before() -> Vec<u8> {
    other(FLASH_BYTES, 3)
}

/// An image of no round length.
fn image() -> Vec<u8> {
    pattern(200_001)
}

/// `flash` after its sectors from `address` on were erased as far as `contents` go, and those were written.
fn written(mut flash: Vec<u8>, address: usize, contents: &[u8]) -> Vec<u8> {
    let end = address + contents.len();
    flash[address..end.next_multiple_of(SECTOR_BYTES)].fill(0xff);
    flash[address..end].copy_from_slice(contents);
    flash
}

fn assert_flash(bench: &Bench, expected: &[u8]) {
    let flash = bench.flash();
    assert_eq!(flash.len(), expected.len());
    if let Some(at) = flash.iter().zip(expected).position(|(found, expected)| found != expected) {
        panic!(
            "the flash differs from {at:#x} on: {:02x?}, not {:02x?}",
            &flash[at..][..8],
            &expected[at..][..8]
        );
    }
}

#[rstest]
#[case::iot(&IOT_1_10_0)]
#[case::iot_1_8_9(&IOT_1_8_9)]
#[case::flash_command(&FLASH_COMMAND)]
#[ignore = "needs the vendor's flashers: see main.rs"]
fn reads_the_whole_flash_at_the_pace_of_the_wire(#[case] tool: &'static Tool) {
    let bench = Bench::new(tool);
    bench.set_flash(&before());
    let file = bench.read_file();
    let done = bench.exec(&[], &tool.read(0, FLASH_BYTES as u32, &file)).expect_clean(tool);
    assert!(read(&file) == before(), "what was read differs");
    assert_flash(&bench, &before());
    assert_eq!(done.report["flash"]["changed"], false);
    assert_eq!(done.count_of("loader", "32"), 512, "2048 bytes each");
    passed(tool, "read 1 MiB", EQUAL);
}

#[rstest]
#[case::iot(&IOT_1_10_0)]
#[case::iot_1_8_9(&IOT_1_8_9)]
#[case::flash_command(&FLASH_COMMAND)]
#[ignore = "needs the vendor's flashers: see main.rs"]
fn writes_a_file_at_the_pace_of_the_wire(#[case] tool: &'static Tool) {
    let bench = Bench::new(tool);
    bench.set_flash(&before());
    let file = bench.put("image.bin", &image());
    let done = bench.exec(&[], &tool.write(&file, 0x1_1000)).expect_clean(tool);
    assert_flash(&bench, &written(before(), 0x1_1000, &image()));
    assert_eq!(done.number("bytes_programmed"), image().len() as u64);
    assert_eq!(done.count_of("loader", "3e"), 1, "the tool lets the loader hash what was written");
    passed(tool, "write", EQUAL);
}

/// `openbouffalo/buildroot` issue 91 tells of 0040 on writing back a full dump with two boot headers in it.
#[rstest]
#[case::iot(&IOT_1_10_0)]
#[case::iot_1_8_9(&IOT_1_8_9)]
#[case::flash_command(&FLASH_COMMAND)]
#[ignore = "needs the vendor's flashers: see main.rs"]
fn writes_back_a_full_dump(#[case] tool: &'static Tool) {
    let bench = Bench::new(tool);
    let dump = padded(&stock(), FLASH_BYTES);
    let headers = dump.windows(4).filter(|bytes| bytes == b"BFNP").count();
    assert!(headers >= 2, "{headers} boot headers");
    bench.set_flash(&before());
    let file = bench.put("dump.bin", &dump);
    bench.exec(&["--pace", "none"], &tool.write(&file, 0)).expect_clean(tool);
    assert_flash(&bench, &dump);
    passed(tool, "write back a 1 MiB dump", EQUAL);
}

#[rstest]
#[case::iot(&IOT_1_10_0)]
#[case::iot_1_8_9(&IOT_1_8_9)]
#[ignore = "needs the vendor's flashers: see main.rs"]
fn erases_the_chip_then_writes_a_file(#[case] tool: &'static Tool) {
    let bench = Bench::new(tool);
    bench.set_flash(&before());
    let file = bench.put("image.bin", &image());
    let mut command = tool.write(&file, 0x3000);
    command.push("--erase".into());
    let done = bench.exec(&["--pace", "none"], &command).expect_clean(tool);
    assert_flash(&bench, &written(vec![0xff; FLASH_BYTES], 0x3000, &image()));
    assert_eq!((done.number("chip_erases"), done.number("erase_units")), (1, 0));
    passed(tool, "erase chip and write", EQUAL);
}

#[rstest]
#[case::iot(&IOT_1_10_0)]
#[case::iot_1_8_9(&IOT_1_8_9)]
#[case::flash_command(&FLASH_COMMAND)]
#[ignore = "needs the vendor's flashers: see main.rs"]
fn erases_the_chip_at_the_pace_of_the_wire(#[case] tool: &'static Tool) {
    let bench = Bench::new(tool);
    bench.set_flash(&before());
    let done = bench.exec(&[], &tool.erase_chip()).expect_clean(tool);
    assert_flash(&bench, &vec![0xff; FLASH_BYTES]);
    assert_eq!((done.number("chip_erases"), done.number("erase_units")), (1, 0));
    passed(tool, "erase chip", EQUAL);
}

#[rstest]
#[case::iot(&IOT_1_10_0)]
#[case::iot_1_8_9(&IOT_1_8_9)]
#[case::flash_command(&FLASH_COMMAND)]
#[ignore = "needs the vendor's flashers: see main.rs"]
fn erases_a_range(#[case] tool: &'static Tool) {
    let bench = Bench::new(tool);
    bench.set_flash(&before());
    let done = bench.exec(&["--pace", "none"], &tool.erase_range(0x3000, 0x2000)).expect_clean(tool);
    let mut expected = before();
    expected[0x3000..0x5000].fill(0xff);
    assert_flash(&bench, &expected);
    assert_eq!((done.number("chip_erases"), done.number("erase_units")), (0, 2));
    passed(tool, "erase range", EQUAL);
}

/// `verify` is no option of the command line, it stands in a file of the tool.
#[rstest]
#[case::iot(&IOT_1_10_0)]
#[case::iot_1_8_9(&IOT_1_8_9)]
#[ignore = "needs the vendor's flashers: see main.rs"]
fn verifies_what_it_wrote_by_reading_it_back(#[case] tool: &'static Tool) {
    let bench = Bench::new(tool);
    let settings = bench.chip("eflash_loader/eflash_loader_cfg.conf");
    let text = String::from_utf8(read(&settings)).unwrap();
    assert_eq!(text.matches("\nverify = 0").count(), 1);
    std::fs::write(&settings, text.replace("\nverify = 0", "\nverify = 1")).unwrap();
    bench.set_flash(&before());
    let file = bench.put("image.bin", &image());
    let done = bench.exec(&["--pace", "none"], &tool.write(&file, 0)).expect_clean(tool);
    assert_flash(&bench, &written(before(), 0, &image()));
    assert_eq!((done.count_of("loader", "32"), done.count_of("loader", "3d")), (98, 1));
    passed(tool, "write and verify", EQUAL);
}

/// Boot header, partition tables, firmware and device tree, each to its place. The tool's own file names the places.
#[rstest]
#[case::iot(&IOT_1_10_0)]
#[case::iot_1_8_9(&IOT_1_8_9)]
#[ignore = "needs the vendor's flashers: see main.rs"]
fn assembles_and_writes_an_application(#[case] tool: &'static Tool) {
    let bench = Bench::new(tool);
    let firmware = bench.package("img/helloworld_bl702.bin");
    let partitions = bench.chip("partition/partition_cfg_1M.toml");
    let tree = bench.chip("device_tree/bl_factory_params_IoTKitA_32M.dts");
    let [firmware, partitions, tree] = [&firmware, &partitions, &tree].map(|path| path.to_str().unwrap());
    let command = tool.command(&["--firmware", firmware, "--pt", partitions, "--dts", tree]);
    let done = bench.exec(&["--pace", "none"], &command).expect_clean(tool);
    let settings = String::from_utf8(read(&bench.chip("eflash_loader/eflash_loader_cfg.ini"))).unwrap();
    let words = |key: &str| -> Vec<String> {
        let line = settings.lines().find_map(|line| line.strip_prefix(key)?.trim_start().strip_prefix('='));
        line.unwrap().split_whitespace().map(str::to_owned).collect()
    };
    let (files, addresses) = (words("file"), words("address"));
    assert_eq!((files.len(), addresses.len()), (5, 5), "{settings}");
    let mut expected = vec![0xff; FLASH_BYTES];
    for (file, address) in files.iter().zip(&addresses) {
        let address = usize::from_str_radix(address.trim_start_matches("0x"), 16).unwrap();
        let part = read(&bench.package(file));
        expected[address..address + part.len()].copy_from_slice(&part);
    }
    assert_flash(&bench, &expected);
    assert_eq!(done.count_of("loader", "3e"), 5);
    passed(tool, "write an application in five parts", EQUAL);
}

/// mcu-tool puts a boot header of its own at 0 and fills the firmware up to 16 bytes with zeros.
fn mcu_flash(bench: &Bench, before: Vec<u8>) -> Vec<u8> {
    let header = read(&bench.chip("img_create_mcu/bootinfo.bin"));
    assert_eq!((header.len(), &header[..4]), (BOOT_HEADER_BYTES, &b"BFNP"[..]));
    let mut firmware = image();
    firmware.resize(firmware.len().next_multiple_of(16), 0);
    written(written(before, 0, &header), 0x2000, &firmware)
}

#[test]
#[ignore = "needs the vendor's flashers: see main.rs"]
fn mcu_tool_writes_a_firmware_at_the_pace_of_the_wire() {
    let tool = &MCU_1_10_0;
    let bench = Bench::new(tool);
    bench.set_flash(&before());
    let file = bench.put("image.bin", &image());
    bench.exec(&[], &tool.write(&file, 0x2000)).expect_clean(tool);
    assert_flash(&bench, &mcu_flash(&bench, before()));
    passed(tool, "write", EQUAL);
}

#[test]
#[ignore = "needs the vendor's flashers: see main.rs"]
fn mcu_tool_erases_the_chip_then_writes_a_firmware() {
    let tool = &MCU_1_10_0;
    let bench = Bench::new(tool);
    bench.set_flash(&before());
    let file = bench.put("image.bin", &image());
    let mut command = tool.write(&file, 0x2000);
    command.push("--erase".into());
    let done = bench.exec(&["--pace", "none"], &command).expect_clean(tool);
    assert_flash(&bench, &mcu_flash(&bench, vec![0xff; FLASH_BYTES]));
    assert_eq!((done.number("chip_erases"), done.number("erase_units")), (1, 0));
    passed(tool, "erase chip and write", EQUAL);
}

#[test]
#[ignore = "needs the vendor's flashers: see main.rs"]
fn flash_command_writes_several_files() {
    let tool = &FLASH_COMMAND;
    let bench = Bench::new(tool);
    bench.set_flash(&before());
    let files: [PathBuf; 2] = [bench.put("a.bin", &pattern(8192)), bench.put("b.bin", &image())];
    let [a, b] = files.each_ref().map(|path| path.to_str().unwrap());
    let command = tool.command(&["write_flash_files", "0x0", a, "0x8000", b]);
    bench.exec(&["--pace", "none"], &command).expect_clean(tool);
    assert_flash(&bench, &written(written(before(), 0, &pattern(8192)), 0x8000, &image()));
    passed(tool, "write several files", EQUAL);
}

#[test]
#[ignore = "needs the vendor's flashers: see main.rs"]
fn flash_command_finds_the_chip_by_itself() {
    let tool = &FLASH_COMMAND;
    let bench = Bench::new(tool);
    bench.set_flash(&before());
    let file = bench.read_file();
    let mut command = tool.read(0x2000, 0x1000, &file);
    let name = command.iter().position(|word| word == "bl702").unwrap();
    command[name] = "auto".into();
    let done = bench.exec(&["--pace", "none"], &command).expect_no_burn();
    assert_eq!(read(&file), before()[0x2000..0x3000]);
    assert_eq!((done.number("resets"), done.refusals()), (12, vec![]), "once to ask, once to work");
    passed(tool, "find the chip (`--chipname auto`) and read", EQUAL);
}

#[test]
#[ignore = "needs the vendor's flashers: see main.rs"]
fn flash_command_resets_the_module_after_writing() {
    let tool = &FLASH_COMMAND;
    let bench = Bench::new(tool);
    bench.set_flash(&before());
    let file = bench.put("image.bin", &pattern(8192));
    let mut command = tool.write(&file, 0x1000);
    command.push("--reset".into());
    let done = bench.exec(&["--pace", "none"], &command).expect_no_burn();
    assert_flash(&bench, &written(before(), 0x1000, &pattern(8192)));
    assert_eq!((done.number("resets"), done.refusals()), (7, vec![]));
    passed(tool, "write and reset", EQUAL);
}

#[test]
#[ignore = "needs the vendor's flashers: see main.rs"]
fn flash_command_starts_an_image_in_ram() {
    let tool = &FLASH_COMMAND;
    let bench = Bench::new(tool);
    let image = bench.chip("eflash_loader/eflash_loader_32m.bin");
    let command = tool.command(&["--ram", "--firmware", image.to_str().unwrap()]);
    let done = bench.exec(&["--pace", "none"], &command).expect_no_burn();
    assert_eq!(done.report["errors"], serde_json::json!([]), "{}{}", done.said, done.summary);
    assert_eq!(
        (done.count_of("rom", "19"), done.number("cpu_resets")),
        (1, 1),
        "{}{}",
        done.said,
        done.summary
    );
    passed(tool, "start an image in RAM", "the boot ROM checks and starts it, no fuse burnt");
}
