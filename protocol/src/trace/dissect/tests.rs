//! Whole stories; the bytes are those of the vectors.

use rstest::rstest;

use super::*;
use crate::trace::{BytesRecord, EventRecord, LinesRecord, from_hex};

/// A recording in short: (milliseconds, who, hex).
fn dissect(story: &[(u64, Direction, &str)]) -> Vec<String> {
    let mut dissector = Dissector::new();
    let mut lines = Vec::new();
    for (ms, direction, hex) in story {
        let burst = BytesRecord {
            time_ns: Nanos::from_millis(*ms),
            direction: *direction,
            baud_bps: 500_000,
            bytes: from_hex(hex).unwrap(),
        };
        lines.extend(dissector.record(&Record::Bytes(burst)));
    }
    lines.extend(dissector.finish());
    lines.iter().map(|line| format!("{} {}", line.kind.label(), line.text)).collect()
}

use Direction::{Chip, Host};

const HANDSHAKE: (u64, Direction, &str) = (1, Host, "5555555555");
const HANDSHAKE_OK: (u64, Direction, &str) = (9, Chip, "4f4b");
const BOOT_INFO: (u64, Direction, &str) = (20, Host, "10000000");
const ROM_BOOT_INFO: (u64, Direction, &str) =
    (21, Chip, "4f4b1800010002070000000000000000280000088112d1e738c1b400");
const LOADER_BOOT_INFO: (u64, Direction, &str) =
    (21, Chip, "4f4b1800ffffffff0000000028000008000100000824d00716250122");

#[test]
fn handshake_and_boot_info() {
    let lines = dissect(&[HANDSHAKE, HANDSHAKE_OK, BOOT_INFO, ROM_BOOT_INFO]);
    assert_eq!(
        lines,
        [
            "host handshake: 5 x 55h at 500000 baud, 100.0 us",
            "chip OK to the handshake, 8.00 ms after its start: boot ROM, or a RAM loader that was running before",
            "host 10h get boot info",
            "chip OK to 10h, 1.00 ms: boot ROM version 07020001h (BL702), sign 0, encrypt 0, QFN32, 1 MiB flash \
             inside, chip id 8112d1e738c1b400",
        ]
    );
}

#[test]
fn the_field_report() {
    // fixtures/vectors/rom.jsonl "BL702L profile, wire 500000, load speed 2000000".
    let clock_set = "228e18000100000080841e0050434647010400010000000054d2a760";
    let lines = dissect(&[
        HANDSHAKE,
        HANDSHAKE_OK,
        BOOT_INFO,
        ROM_BOOT_INFO,
        (30, Host, clock_set),
        (31, Chip, "464c0401"),
        (40, Host, clock_set),
        (41, Chip, "464c0204"),
    ]);
    let unknown = "! 22h is unknown to the boot ROM and gets no answer; elsewhere: set clock and PLL (BL702L, BL606P, \
                   BL808, BL616); payload 0100000080841e0050434647010400010000000054d2a760";
    assert_eq!(
        lines[4..],
        [
            unknown,
            "! the boot ROM takes these bytes for: 18h load segment data with 1 byte; 80h encrypted eFuse write with \
             30 bytes, 14 still to come",
            "! FL0104 (BFLB_CMD_SEQ_ERROR) to 18h, 1.00 ms: a step of loading an image out of order",
            unknown,
            "! the boot ROM takes these bytes for: 80h encrypted eFuse write with 30 bytes",
            "! FL0402 (BFLB_EFUSE_WRITE_ADDR_ERROR) to 80h, 1.00 ms: an eFuse write outside the 128 bytes",
        ]
    );
}

#[test]
fn four_write_start_and_the_loader_after_it() {
    let lines = dissect(&[
        HANDSHAKE,
        HANDSHAKE_OK,
        BOOT_INFO,
        ROM_BOOT_INFO,
        (
            30,
            Host,
            "5000080000f100404548424e5000080004f10040000001225000080018000040000000005000080018000040\
             02000000",
        ),
        (31, Chip, "4f4b4f4b4f4b"),
        (300, Host, "5555"),
        (312, Chip, "4f4b"),
        (350, Host, "36000000"),
        (351, Chip, "4f4b0400c2201480"),
    ]);
    assert_eq!(
        lines[4..],
        [
            "host 50h memory write: 4000f100h = 4e424845h (wake-up flag \"EHBN\")",
            "host 50h memory write: 4000f104h = 22010000h (wake-up address)",
            "host 50h memory write: 40000018h = 00000000h",
            "host 50h memory write: 40000018h = 00000002h (CPU reset)",
            "note CPU reset: a RAM image starts, no answer to this frame",
            "chip OK to 50h, 1.00 ms",
            "chip OK to 50h, 1.00 ms",
            "chip OK to 50h, 1.00 ms",
            "host handshake: 2 x 55h at 500000 baud, 40.0 us",
            "chip OK to the handshake, 12.00 ms after its start: RAM loader",
            "host 36h read JEDEC id",
            "chip OK to 36h, 1.00 ms: JEDEC id c2 20 14 (KH25V80), known to the loader",
        ]
    );
}

#[rstest]
#[case::erase_with_pending(
    &[(30, Host, "301808000000000000100000"), (31, Chip, "5044"), (80, Chip, "50444f4b")],
    &["host 30h flash erase: start 00000000h, end 00001000h", "chip PD to 30h: at work, 1.00 ms",
      "chip PD to 30h: at work, 50.00 ms", "chip OK to 30h, 50.00 ms"]
)]
#[case::late_write_failure(
    &[(30, Host, "312d070000000000616263"), (31, Chip, "4f4b464c0600")],
    &["host 31h flash write: address 00000000h, data 616263", "chip OK to 31h, 1.00 ms",
      "! FL0006 (BFLB_FLASH_WRITE_ERROR) because a write failed after its OK: programming the flash failed"]
)]
#[case::bad_checksum(
    &[(30, Host, "327708000001000010000000"), (31, Chip, "464c0301")],
    &["host 32h flash read: address 00000100h, length 16", "! checksum of 32h is 77h, should be 19h or 0",
      "! FL0103 (BFLB_CMD_CRC_ERROR) to 32h, 1.00 ms: the checksum is wrong"]
)]
#[case::third_error(
    &[(30, Host, "32000000"), (31, Chip, "464c0400"), (32, Host, "31000000"), (33, Chip, "464c0400"),
      (34, Host, "30000000"), (35, Chip, "464c0200")],
    &["host 32h flash read", "! 32h wants address (4) length (4); over 9220 cut to 9220, got 0 bytes",
      "! FL0004 (BFLB_FLASH_WRITE_PARA_ERROR) to 32h, 1.00 ms: a flash command is too short or too long",
      "host 31h flash write", "! 31h wants address (4) data (1 to 9216), got 0 bytes",
      "! FL0004 (BFLB_FLASH_WRITE_PARA_ERROR) to 31h, 1.00 ms: a flash command is too short or too long",
      "host 30h flash erase", "! 30h wants start (4) end (4, inclusive), got 0 bytes",
      "! FL0002 (BFLB_FLASH_ERASE_PARA_ERROR) to 30h, 1.00 ms: the erase command does not hold a start and an end address",
      "note third error: the RAM loader has left the session"]
)]
#[case::over_long(
    &[(30, Host, "3129052400000000")],
    &["! 31h with length 9221: at most 9220, this frame never completes and costs the session"]
)]
#[case::session_lost_to_silence(
    &[(30, Host, "3228080010"), (4200, Host, "5555")],
    &["pause nothing for 4.170 s, so the RAM loader has ended the session",
      "! when the session ended a frame was incomplete: 3228080010",
      "host handshake: 2 x 55h at 500000 baud, 40.0 us"]
)]
#[case::no_answer(
    &[(30, Host, "370e08000500000001000000"), (900, Host, "60000000"), (901, Chip, "4f4b")],
    &["host 37h read status register: flash command 00000005h, bytes 1",
      "pause nothing for 869.76 ms, while 37h read status register waits for its answer",
      "! 37h read status register got no answer before the host went on (870.00 ms)",
      "host 60h XIP start", "chip OK to 60h, 1.00 ms"]
)]
#[case::rom_command(
    &[(30, Host, "11000000")],
    &["! 11h is unknown to the RAM loader and gets no answer; a command of the boot ROM; payload (none)"]
)]
#[case::garbage(
    &[(30, Host, "60000000"), (31, Chip, "00ff4f4b")],
    &["host 60h XIP start", "! not an answer to 60h XIP start: expected OK or FL, got 00; 00ff4f4b"]
)]
#[case::fuses(
    &[(30, Host, "403708002000000001020408"), (31, Chip, "4f4b")],
    &["! 40h eFuse write: address 00000020h, data 01020408", "chip OK to 40h, 1.00 ms"]
)]
fn with_the_loader(#[case] story: &[(u64, Direction, &str)], #[case] expected: &[&str]) {
    let mut whole = vec![HANDSHAKE, HANDSHAKE_OK, BOOT_INFO, LOADER_BOOT_INFO];
    whole.extend_from_slice(story);
    let lines = dissect(&whole);
    assert_eq!(lines[3], "chip OK to 10h, 1.00 ms: RAM loader, 1 MiB flash inside");
    assert_eq!(lines[4..], *expected);
}

#[test]
fn frames_cut_into_bursts_read_the_same() {
    let pieces = [(30, Host, "1800"), (31, Host, "5555"), (32, Chip, "464c"), (33, Chip, "0201")];
    let mut story = vec![HANDSHAKE, HANDSHAKE_OK, BOOT_INFO, ROM_BOOT_INFO];
    story.extend_from_slice(&pieces);
    let lines = dissect(&story);
    assert_eq!(
        lines[4..],
        [
            "! 18h with length 21845: at most 4092, the boot ROM answers FL0102",
            "! FL0102 (BFLB_CMD_LEN_ERROR) to 18h, 3.00 ms: the length field is too big",
        ]
    );
}

#[test]
fn boot_log_lines_and_events() {
    let mut dissector = Dissector::new();
    let lines = [
        Record::header("xt-zb2", "bl702-emu 0.1.0"),
        Record::Lines(LinesRecord {
            time_ns: Nanos::from_millis(1),
            lines: LineLevels { enable: Some(true), boot: Some(false), ..LineLevels::default() },
        }),
        Record::bytes(Nanos::from_millis(5), Chip, 2_000_000, b"Starting bl702 now....\r\n".to_vec()),
        Record::Event(EventRecord {
            time_ns: Nanos::from_millis(9),
            event: "reset".to_owned(),
            detail: serde_json::json!({"cause": "enable"}),
        }),
    ];
    let text: Vec<String> =
        lines.iter().flat_map(|record| dissector.record(record)).map(|line| line.to_string()).collect();
    assert_eq!(
        text,
        [
            "    0.000000 s  note   recording of xt-zb2, made by bl702-emu 0.1.0",
            "    0.001000 s  lines  EN high, BOOT low",
            "    0.005000 s  chip   text: Starting bl702 now....",
            "    0.009000 s  event  reset: {\"cause\":\"enable\"}",
        ]
    );
}

#[test]
fn loading_and_running_an_image() {
    // fixtures/vectors/rom.jsonl "run".
    let header = format!(
        "1100b00042464e5001000000{}00030000010000000000000000000122f0f9d909a383a8f789a3e7bbf8b7e8d09954dfea93d3e1d438dd\
         c62b82cf150d00000000000000002ec8ec7d",
        "00".repeat(108)
    );
    let data = format!("18002000{}", "6f000000".repeat(8));
    let lines = dissect(&[
        HANDSHAKE,
        HANDSHAKE_OK,
        BOOT_INFO,
        ROM_BOOT_INFO,
        (30, Host, &header),
        (31, Chip, "4f4b"),
        (32, Host, "17001000000001222000000000000000226566c1"),
        (33, Chip, "4f4b1000000001222000000000000000226566c1"),
        (34, Host, &data),
        (35, Chip, "4f4b"),
        (36, Host, "19000000"),
        (37, Chip, "4f4b"),
        (38, Host, "1a000000"),
        (39, Chip, "4f4b"),
        (300, Host, "5555"),
        (312, Chip, "4f4b"),
    ]);
    assert_eq!(
        lines[4..],
        [
            "host 11h load boot header: 1 segment, RAM address 22010000h, start 22010000h, sign 0 encrypt 0 no_segment \
             cache_enable",
            "chip OK to 11h, 1.00 ms",
            "host 17h load segment header: 32 bytes to 22010000h",
            "chip OK to 17h, 1.00 ms: segment header: 32 bytes to 22010000h",
            "host 18h load segment data: data 6f0000006f0000006f0000006f0000006f0000006f0000006f0000006f000000",
            "chip OK to 18h, 1.00 ms",
            "host 19h check image",
            "chip OK to 19h, 1.00 ms",
            "host 1ah run image",
            "chip OK to 1ah, 1.00 ms",
            "host handshake: 2 x 55h at 500000 baud, 40.0 us",
            "chip OK to the handshake, 12.00 ms after its start: RAM loader",
        ]
    );
}

#[test]
fn long_data_are_shortened() {
    let read = "320008000000000000010000";
    let reply = format!("4f4b0001{}", "a5".repeat(256));
    let lines = dissect(&[
        HANDSHAKE,
        HANDSHAKE_OK,
        BOOT_INFO,
        LOADER_BOOT_INFO,
        (30, Host, read),
        (31, Chip, &reply),
    ]);
    let shown = "a5".repeat(16);
    assert_eq!(lines[5], format!("chip OK to 32h, 1.00 ms: 256 bytes {shown}... and 240 more"));
}

#[test]
fn exchanges_hold_what_came_for_what() {
    let burst = |ms, direction, hex: &str| {
        Record::bytes(Nanos::from_millis(ms), direction, 500_000, from_hex(hex).unwrap())
    };
    let story = [HANDSHAKE, HANDSHAKE_OK, BOOT_INFO, LOADER_BOOT_INFO];
    let mut records: Vec<Record> =
        story.iter().map(|(ms, direction, hex)| burst(*ms, *direction, hex)).collect();
    // fixtures/vectors/loader.jsonl "erase sector+64K+sector 1f000..30fff", one reply cut in two.
    records.push(burst(30, Host, "300a080000f00100ff0f0300"));
    records.push(burst(31, Chip, "504450"));
    records.push(burst(76, Chip, "44"));
    records.push(burst(300, Chip, "50444f4b4f4b"));
    let exchanges = super::super::exchanges(&records);
    assert_eq!(exchanges.len(), 3);
    assert_eq!(exchanges[0].requested, Requested::Handshake { bytes: 5 });
    assert_eq!(exchanges[0].answered_at(), Some(Nanos::from_millis(9)));
    let erase = &exchanges[2];
    assert_eq!((erase.side, erase.id(), erase.host_offset), (Side::Loader, Some(0x30), 9));
    assert_eq!((erase.payload_word(0), erase.payload_word(4)), (Some(0x1_f000), Some(0x3_0fff)));
    assert_eq!(erase.sent, Nanos::from_millis(30) + Nanos::byte_times(12, 500_000));
    let word = |ms, bytes, word| (Nanos::from_millis(ms) + Nanos::byte_times(bytes, 500_000), word);
    assert_eq!(
        erase.words,
        [
            word(31, 0, Word::Pending),
            word(31, 2, Word::Pending),
            word(300, 0, Word::Pending),
            word(300, 2, Word::Ok)
        ]
    );
    assert_eq!((erase.reply.as_slice(), erase.stray.as_slice()), (&b"PDPDPDOK"[..], &b"OK"[..]));
}

#[rstest]
#[case::no_number("\"x\"")]
#[case::negative("-1")]
#[case::too_long("1048577")]
fn a_repeat_that_cannot_be(#[case] repeat: &str) {
    let line = format!(
        "{{\"time_ns\":0,\"direction\":\"host\",\"baud_bps\":1,\"bytes\":\"55\",\"repeat\":{repeat}}}"
    );
    assert!(crate::trace::parse_line(&line).is_err());
}

#[test]
fn a_repeated_burst_is_read_whole() {
    let line = r#"{"time_ns":0,"direction":"host","baud_bps":500000,"bytes":"5501","repeat":3}"#;
    let record = crate::trace::parse_line(line).unwrap();
    assert_eq!(record, Record::bytes(Nanos::ZERO, Host, 500_000, [0x55, 1, 0x55, 1, 0x55, 1]));
}
