//! The vendor's published files, whole, through two processes and a pty.
//!
//! The files are the vendor's and are not in this repository, so these tests are ignored until somebody asks for them:
//!
//! ```text
//! eval "$(.ci/vendor-packages)"
//! cargo test -p bl702-harness --test vendor_images -- --ignored
//! ```
//!
//! The flash images were assembled by the vendor's own tool from its own parts, so nothing here compares our encoders
//! with themselves. `docs/vendor-packages.md` tells what they hold.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code: a failure is a failed test")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use bl702_harness::programs::{self, Serving};
use bl702_protocol::command::RomCommand;
use bl702_protocol::image::boot_header::{BOOT_HEADER_LEN, BootHeader};
use bl702_protocol::image::partition::{PartitionEntry, PartitionName, PartitionTable};
use bl702_protocol::image::ram_image::RamImage;
use bl702_protocol::image::segment::SEGMENT_HEADER_LEN;
use bl702_protocol::trace::{Direction, EventRecord, Record, RecordReader};
use rstest::rstest;
use rustix::termios::{OptionalActions, SpecialCodeIndex, tcgetattr, tcsetattr};
use sha2::{Digest, Sha256};

const FLASH_BYTES: usize = 1024 * 1024;
/// Rate of the stock firmware's log (`reference/rom-and-module.md` section 5).
const LOG_BAUD_BPS: u32 = 2_000_000;

/// A file or folder that `.ci/vendor-packages` names.
fn vendor(variable: &str) -> PathBuf {
    match std::env::var_os(variable) {
        Some(path) => path.into(),
        None => panic!("{variable} is not set: run `eval \"$(.ci/vendor-packages)\"` first"),
    }
}

fn read(path: impl AsRef<Path>) -> Vec<u8> {
    let path = path.as_ref();
    fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A file of the chip's folder in `bflb-iot-tool-uart`.
fn chip_file(name: &str) -> PathBuf {
    vendor("BL702_VENDOR_PACKAGES").join("bflb_iot_tool/chips/bl702").join(name)
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The image as the flash holds it afterwards: erased behind its end.
fn whole_flash(image: &[u8]) -> Vec<u8> {
    let mut flash = image.to_vec();
    flash.resize(FLASH_BYTES, 0xFF);
    flash
}

/// `reference/loader-protocol.md` section 1, "Header of eflash_loader_32m.bin".
#[test]
#[ignore = "needs the vendor's packages: see the head of this file"]
fn the_published_ram_loader_is_read_as_the_reference_describes_it() {
    let file = read(vendor("BL702_VENDOR_LOADER"));
    assert_eq!(file.len(), 59_392);
    assert_eq!(sha256(&file), "6cc34a81e9fa598b541e4c642dc1dac599f01135eb988c3d98d8afb91138de48");
    let image = RamImage::parse(&file).unwrap();
    assert_eq!(image.header.flash_config_magic, 0);
    assert_eq!(image.header.flash_config_crc32, 0xC4BD_D748);
    assert_eq!(image.header.clock_config_magic, 0);
    assert_eq!(image.header.clock_config_crc32, 0x824E_14BB);
    assert_eq!(image.header.boot_config.0, 0x0003_0300);
    assert_eq!(image.header.ram_address, 0x2201_0000);
    assert_eq!(image.header.computed_crc32(), 0x886C_F8FB);
    assert_eq!(image.header.crc32, 0xDEAD_BEEF);
    let [segment] = &image.segments[..] else { panic!("{} segments", image.segments.len()) };
    assert_eq!(segment.header.destination, 0x2201_0000);
    assert_eq!(segment.data.len(), 0xE740);
    assert_eq!(segment.header.crc32, 0xB10E_6207);
    assert_eq!(image.surplus_bytes, 0);
    assert_eq!(image.to_bytes(), file);
}

/// Both packages, both crystals: the four files of `reference/loader-protocol.md` section 1 are read and written alike.
#[test]
#[ignore = "needs the vendor's packages: see the head of this file"]
fn every_published_ram_loader_survives_reading_and_writing() {
    for package in ["bflb_mcu_tool", "bflb_iot_tool"] {
        for crystal in ["32m", "rc32m", "none"] {
            let name = format!("{package}/chips/bl702/eflash_loader/eflash_loader_{crystal}.bin");
            let file = read(vendor("BL702_VENDOR_PACKAGES").join(&name));
            assert_eq!(RamImage::parse(&file).unwrap().to_bytes(), file, "{name}");
        }
    }
}

/// The vendor's text of a partition table as our table.
fn table_from_toml(text: &str) -> (PartitionTable, [usize; 2]) {
    let document: toml::Table = text.parse().unwrap();
    let number = |entry: &toml::Table, key: &str| u32::try_from(entry[key].as_integer().unwrap()).unwrap();
    let entries = document["pt_entry"].as_array().unwrap().iter().map(|entry| {
        let entry = entry.as_table().unwrap();
        PartitionEntry {
            kind: number(entry, "type") as u8,
            device: number(entry, "device") as u8,
            active: number(entry, "activeindex") as u8,
            name: PartitionName::new(entry["name"].as_str().unwrap()).unwrap(),
            addresses: [number(entry, "address0"), number(entry, "address1")],
            sizes: [number(entry, "size0"), number(entry, "size1")],
            length: number(entry, "len"),
            age: number(entry, "age"),
        }
    });
    let table = PartitionTable { version: 0, age: 0, entries: entries.collect() };
    let place = document["pt_table"].as_table().unwrap();
    (table, [number(place, "address0") as usize, number(place, "address1") as usize])
}

#[rstest]
#[case("BL702_VENDOR_STOCK_IMAGE", "partition/partition_cfg_1M.toml", [0x1000, 0x2000])]
#[case("BL702_VENDOR_BOOT2_IMAGE", "partition/partition_cfg_1M_boot2_isp.toml", [0xE000, 0xF000])]
#[ignore = "needs the vendor's packages: see the head of this file"]
fn partition_tables_are_encoded_as_by_the_vendors_tool(
    #[case] image: &str,
    #[case] description: &str,
    #[case] places: [usize; 2],
) {
    let image = read(vendor(image));
    let (table, addresses) = table_from_toml(&fs::read_to_string(chip_file(description)).unwrap());
    assert_eq!(addresses, places);
    let ours = table.to_bytes().unwrap();
    // The value in the stock firmware's boot log.
    assert_eq!(table.header_crc32().unwrap(), 0x5F17_3B2D);
    for address in addresses {
        let theirs = &image[address..address + ours.len()];
        assert_eq!(theirs, ours, "at {address:x}h");
        assert_eq!(PartitionTable::parse(theirs).unwrap(), table, "at {address:x}h");
    }
}

#[rstest]
#[case::boot2_at_0("BL702_VENDOR_BOOT2_IMAGE", 0, [0xE000, 0xF000])]
#[case::firmware_behind_boot2("BL702_VENDOR_BOOT2_IMAGE", 0x10000, [0xE000, 0xF000])]
#[case::stock_at_0("BL702_VENDOR_STOCK_IMAGE", 0, [0x1000, 0x2000])]
#[case::stock_firmware("BL702_VENDOR_STOCK_IMAGE", 0x3000, [0x1000, 0x2000])]
#[ignore = "needs the vendor's packages: see the head of this file"]
fn boot_headers_of_the_vendors_tool_pass_the_roms_checks(
    #[case] image: &str,
    #[case] address: usize,
    #[case] partition_addresses: [u32; 2],
) {
    let image = read(vendor(image));
    let bytes: [u8; BOOT_HEADER_LEN] = image[address..address + BOOT_HEADER_LEN].try_into().unwrap();
    let header = BootHeader::parse(&bytes);
    header.check_before_clock().unwrap();
    assert_eq!(header.partition_addresses, partition_addresses);
    assert_eq!(header.flash_config_crc32, crc32(&header.flash_config));
    assert_eq!(header.usable_clock_config().map(|clock| clock.crystal), Some(1), "32 MHz crystal");
    assert_eq!(header.to_bytes(), bytes);
}

/// zlib's CRC-32, bit by bit, so that the header's own check does not vouch for itself.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg()))
    })
}

#[test]
#[ignore = "needs the vendor's packages: see the head of this file"]
fn the_assembled_images_hold_the_published_files() {
    let hello = read(vendor("BL702_VENDOR_PACKAGES").join("bflb_iot_tool/img/helloworld_bl702.bin"));
    let boot2 = read(chip_file("builtin_imgs/boot2_isp_bl702_v6.5.6/boot2_isp_debug.bin"));
    let manufacturing = read(chip_file("builtin_imgs/mfg/bl702_mfg_stdfw.bin"));
    let image = read(vendor("BL702_VENDOR_BOOT2_IMAGE"));
    assert!(image[0x2000..].starts_with(&boot2));
    assert!(image[0x11000..].starts_with(&hello));
    assert!(image[0x9A000..].starts_with(&manufacturing));
    let image = read(vendor("BL702_VENDOR_STOCK_IMAGE"));
    assert!(image[0x4000..].starts_with(&hello));
}

/// Serves a module whose files are in `folder`: the link `port`, `flash.raw`, `efuse.raw`, `recording.jsonl`. Dropping it
/// is kill -9: what is in the files then has to be enough.
fn serve(folder: &Path, options: &[&str]) -> Serving {
    let mut arguments = Vec::new();
    for (option, name) in [
        ("--link", "port"),
        ("--flash", "flash.raw"),
        ("--efuse", "efuse.raw"),
        ("--record", "recording.jsonl"),
    ] {
        arguments.extend([PathBuf::from(option), folder.join(name)]);
    }
    arguments.extend(options.iter().map(PathBuf::from));
    let serving = Serving::start(arguments);
    assert_eq!(fs::canonicalize(folder.join("port")).unwrap(), Path::new(&serving.first_line));
    serving
}

/// `bl702-flash` at `port` with the vendor's RAM loader; must end well.
fn flash(port: &Path, arguments: &[&str]) -> serde_json::Value {
    let mut command = Command::new(programs::flasher());
    command.arg("--port").arg(port).arg("--loader").arg(vendor("BL702_VENDOR_LOADER"));
    command.args(["--baud", "2000000", "--format", "json"]).args(arguments);
    let ended = programs::run(&mut command);
    let stdout = String::from_utf8(ended.stdout.clone()).unwrap();
    assert_eq!(ended.code(), Some(0), "{arguments:?}\n{stdout}\n{}", ended.stderr);
    let last: serde_json::Value = serde_json::from_str(stdout.lines().last().unwrap()).unwrap();
    assert_eq!(last["event"], "finished", "{last}");
    last
}

/// Writes an image into a module, verifies it, backs it up; each with a fresh upload of the RAM loader.
#[rstest]
#[case::boot2_at_any_pace("BL702_VENDOR_BOOT2_IMAGE", "none")]
#[case::boot2_at_the_chips_pace("BL702_VENDOR_BOOT2_IMAGE", "wire")]
#[ignore = "needs the vendor's packages: see the head of this file"]
fn what_was_written_through_the_pty_comes_back(#[case] image: &str, #[case] pace: &str) {
    let folder = tempfile::tempdir().unwrap();
    let file = vendor(image);
    let expected = whole_flash(&read(&file));
    let port = folder.path().join("port");
    let emulator = serve(folder.path(), &["--pace", pace]);
    let fuses_before = read(folder.path().join("efuse.raw"));

    flash(&port, &["write", file.to_str().unwrap()]);
    assert!(read(folder.path().join("flash.raw")) == expected, "the flash file differs after write");
    flash(&port, &["verify", file.to_str().unwrap()]);
    let backup = folder.path().join("backup.bin");
    let report = flash(&port, &["backup", backup.to_str().unwrap()]);
    drop(emulator);

    assert!(read(&backup) == expected, "the backup differs");
    assert_eq!(report["sha256"], sha256(&expected));
    assert!(read(folder.path().join("flash.raw")) == expected, "the flash file differs at the end");
    assert_eq!(read(folder.path().join("efuse.raw")), fuses_before);
    if pace == "wire" {
        // Ten bits a byte at 2,000,000 baud, at least.
        let elapsed_ms = report["elapsed_ms"].as_u64().unwrap();
        assert!(elapsed_ms >= 5_243, "{elapsed_ms} ms for 1 MiB");
    }
    let recording = records(&folder.path().join("recording.jsonl"));
    assert_uploads(&recording, 3);
}

/// All records of a recording whose program was killed.
fn records(path: &Path) -> Vec<Record> {
    let mut reader = RecordReader::new();
    reader.push(&read(path));
    reader.finish();
    std::iter::from_fn(|| reader.next_record()).map(|record| record.unwrap()).collect()
}

/// The RAM loader went over the wire byte for byte, the ROM checked it, started it, and burnt nothing.
fn assert_uploads(recording: &[Record], count: usize) {
    let file = read(vendor("BL702_VENDOR_LOADER"));
    let (header, rest) = file.split_at(BOOT_HEADER_LEN);
    let (segment_header, data) = rest.split_at(SEGMENT_HEADER_LEN);
    let frames = rom_frames(recording);
    let payloads = |command: RomCommand| -> Vec<&[u8]> {
        frames.iter().filter(|(id, _)| *id == command.id()).map(|(_, payload)| &payload[..]).collect()
    };
    // The vendor's header says that neither CRC nor hash count; it is sent with both, so that the ROM checks what it gets.
    let headers = payloads(RomCommand::LoadBootHeader);
    assert_eq!(headers.len(), count);
    for sent in headers {
        assert_eq!(sent.len(), header.len());
        assert_eq!(sent[0x78..0x84], header[0x78..0x84], "segment count and entry");
        assert_eq!(sent[0x84..0xa4], Sha256::digest(rest)[..], "hash");
        assert_eq!(sent[0xac..], crc32(&sent[..0xac]).to_le_bytes(), "CRC");
    }
    assert_eq!(payloads(RomCommand::LoadSegmentHeader), vec![segment_header; count]);
    assert!(payloads(RomCommand::LoadSegmentData).concat() == data.repeat(count), "segment data differ");
    assert_eq!(payloads(RomCommand::CheckImage).len(), count);

    let events = |name: &str| -> Vec<&EventRecord> {
        let events = recording.iter().filter_map(|record| match record {
            Record::Event(event) if event.event == name => Some(event),
            _ => None,
        });
        events.collect()
    };
    let jumps: Vec<u64> =
        events("jump").iter().map(|event| event.detail["address"].as_u64().unwrap()).collect();
    assert_eq!(jumps, vec![0x2201_0000; count]);
    for unwanted in ["refused", "efuse_program", "reran", "fault", "stuck"] {
        assert!(events(unwanted).is_empty(), "{unwanted}: {:?}", events(unwanted));
    }
}

/// What the host sent to the boot ROM, frame by frame: id and payload. A 0x55 between frames belongs to a handshake.
fn rom_frames(recording: &[Record]) -> Vec<(u8, Vec<u8>)> {
    let sent: Vec<u8> = recording
        .iter()
        .filter_map(|record| match record {
            Record::Bytes(sent) if sent.direction == Direction::Host && sent.baud_bps == 500_000 => {
                Some(sent)
            }
            _ => None,
        })
        .flat_map(|sent| sent.bytes.iter().copied())
        .collect();
    let mut frames = Vec::new();
    let mut rest = &sent[..];
    loop {
        match rest {
            [0x55, next @ ..] => rest = next,
            [id, _, low, high, tail @ ..] => {
                let (payload, next) = tail.split_at(usize::from(u16::from_le_bytes([*low, *high])));
                frames.push((*id, payload.to_vec()));
                rest = next;
            }
            [] => return frames,
            cut => panic!("the recording ends within a frame: {cut:02x?}"),
        }
    }
}

/// The stock layout, written by one emulator and booted by the next one, though the first was killed.
#[test]
#[ignore = "needs the vendor's packages: see the head of this file"]
fn the_vendors_stock_layout_boots_after_it_was_flashed() {
    let folder = tempfile::tempdir().unwrap();
    let port = folder.path().join("port");
    let file = vendor("BL702_VENDOR_STOCK_IMAGE");
    let emulator = serve(folder.path(), &["--pace", "none"]);
    flash(&port, &["write", file.to_str().unwrap()]);
    drop(emulator);

    let _emulator = serve(folder.path(), &["--pace", "none"]);
    let log = boot_log(&port);
    let text = log.join("\n");
    let table = "magicCode 0x54504642; version 0x0000; entryCnt 5; age 0; crc32 0x5F173B2D";
    let firmware = "[00] 00 0 0 FW 0x00003000 0x00093000 0x00090000 0x00066000 0";
    for line in ["Starting bl702 now....", table, firmware] {
        assert!(log.iter().any(|found| found == line), "{line:?} is missing:\n{text}");
    }
}

/// Tells the boot ROM to boot the flash (33h) and gives what the module prints, up to its last partition or a pause.
///
/// All of it goes at the rate of the log, so that no change of rate can come late.
fn boot_log(port: &Path) -> Vec<String> {
    let mut tty = fs::File::options().read(true).write(true).open(port).unwrap();
    let mut attributes = tcgetattr(&tty).unwrap();
    attributes.make_raw();
    attributes.set_speed(LOG_BAUD_BPS).unwrap();
    // A read without a byte for 10 s is the end.
    attributes.special_codes[SpecialCodeIndex::VMIN] = 0;
    attributes.special_codes[SpecialCodeIndex::VTIME] = 100;
    tcsetattr(&tty, OptionalActions::Now, &attributes).unwrap();
    let mut answer = [0; 2];
    for request in [&[0x55; 600][..], &[RomCommand::FlashBoot.id(), 0, 4, 0, 0, 0, 0, 0]] {
        tty.write_all(request).unwrap();
        tty.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"OK");
    }
    let mut log = Vec::new();
    for line in BufReader::new(tty).split(b'\n') {
        log.push(String::from_utf8_lossy(&line.unwrap()).trim_end().to_owned());
        if log.last().is_some_and(|line| line.starts_with("[04]")) {
            break;
        }
    }
    log
}
