//! Every conformance vector, as far as the formats alone decide it.
//!
//! If a test in this file fails, do not change the vectors: they are what the vendor's own code answered. The behaviour
//! of the chip as a whole is tested with the emulator; here are the questions that the tables and formats must answer:
//! can a reply be decoded, may this command send that code, does the header check refuse what the ROM refused.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests may panic like tests"
)]

use std::path::Path;

use bl702_protocol::boot_info::RomBootInfo;
use bl702_protocol::code::Code;
use bl702_protocol::command::{CommandRow, LoaderCommand, RomCommand};
use bl702_protocol::efuse::Efuse;
use bl702_protocol::frame::{
    LOADER_MAX_PAYLOAD, ROM_MAX_PAYLOAD, Reply, ReplyDecoder, ReplyError, RequestHeader,
};
use bl702_protocol::image::boot_header::{BootHeader, HeaderPolicy};
use bl702_protocol::image::segment::{SegmentHeader, destination_allowed};
use bl702_protocol::image::signature::{IvBlock, PublicKeyBlock, SignatureBlock};
use bl702_protocol::trace::from_hex;
use serde_json::Value;

fn rows(file: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/vectors").join(file);
    let text = std::fs::read_to_string(&path).expect("conformance vectors stand in fixtures/vectors");
    text.lines().map(|line| serde_json::from_str(line).expect("a JSON object a line")).collect()
}

fn hex(row: &Value, key: &str) -> Option<Vec<u8>> {
    from_hex(row.get(key)?.as_str()?)
}

fn name(row: &Value) -> &str {
    row["name"].as_str().unwrap_or_default()
}

/// A request that is exactly one frame of a known command, with its payload.
fn single_frame(request: &[u8]) -> Option<(RequestHeader, &[u8])> {
    let header = RequestHeader::parse(*request.first_chunk()?);
    let payload = &request[RequestHeader::LEN..];
    (payload.len() == usize::from(header.length)).then_some((header, payload))
}

/// All replies in `wire`, which must be used up.
fn replies(row: &CommandRow, payload: &[u8], wire: &[u8]) -> Result<Vec<Reply>, ReplyError> {
    let mut decoder = ReplyDecoder::new(row.reply_shape(payload));
    let (mut rest, mut replies) = (wire, Vec::new());
    while !rest.is_empty() && !decoder.is_finished() {
        let (taken, reply) = decoder.push(rest)?;
        rest = &rest[taken..];
        replies.extend(reply);
    }
    // A write may fail after its OK; that refusal is a reply of its own.
    if let (true, [b'F', b'L', low, high]) = (decoder.is_finished(), rest) {
        replies.push(Reply::Refused(Code::from_wire([*low, *high])));
        rest = &[];
    }
    assert!(rest.is_empty(), "left over after {replies:?}: {rest:02x?}");
    Ok(replies)
}

/// Compares a reply with what the command's row says it can be.
fn agrees(row: &CommandRow, payload: &[u8], wire: &[u8], extra: &[Code], name: &str) {
    let replies = replies(row, payload, wire).unwrap_or_else(|error| panic!("{name}: {error}"));
    for reply in &replies {
        if let Reply::Refused(code) = reply {
            assert!(
                row.codes.contains(code) || extra.contains(code),
                "{name}: {code} is not in the row of {:02x}h",
                row.id
            );
        }
    }
    let refused_for_length = !row.length.accepts(payload.len());
    if refused_for_length {
        assert!(!matches!(replies.last(), Some(Reply::Ok | Reply::Data(_))), "{name}: length was taken");
    }
}

#[test]
fn loader_replies_fit_the_tables() {
    let mut checked = 0;
    for row in rows("loader.jsonl") {
        let Some(request) = hex(&row, "request") else { continue };
        let Some((header, payload)) = single_frame(&request) else { continue };
        let response = hex(&row, "response").expect("a response");
        let Some(command) = LoaderCommand::from_id(header.id) else {
            let bad = !header.checksum_accepts(payload);
            let expected: &[u8] = if bad { &[0x46, 0x4c, 0x03, 0x01] } else { &[] };
            assert_eq!(response, expected, "{}", name(&row));
            continue;
        };
        if response.is_empty() {
            continue;
        }
        assert_eq!(
            !header.checksum_accepts(payload),
            response == [0x46, 0x4c, 0x03, 0x01],
            "{}: checksum",
            name(&row)
        );
        agrees(command.row(), payload, &response, &[Code::CMD_CRC_ERROR], name(&row));
        checked += 1;
    }
    assert!(checked > 100, "only {checked} rows were looked at");
}

#[test]
fn rom_replies_fit_the_tables() {
    let mut checked = 0;
    for row in rows("rom.jsonl") {
        let Some(request) = hex(&row, "request") else { continue };
        let Some((header, payload)) = single_frame(&request) else { continue };
        let Some(command) = RomCommand::from_id(header.id).filter(|command| command.is_enabled()) else {
            continue;
        };
        let response = hex(&row, "response").expect("a response");
        if response.is_empty() {
            continue;
        }
        agrees(command.row(), payload, &response, &[], name(&row));
        checked += 1;
    }
    assert!(checked > 150, "only {checked} rows were looked at");
}

#[test]
fn every_code_on_the_wire_has_a_row_that_names_its_sender() {
    for (file, is_rom) in [("rom.jsonl", true), ("loader.jsonl", false)] {
        for row in rows(file) {
            let response = hex(&row, "response").expect("a response");
            let Some(at) = response.windows(2).position(|word| word == b"FL") else { continue };
            // Refusals stand at the end, alone or after PDs or an OK; data may hold these letters by chance.
            if response.len() != at + 4 {
                continue;
            }
            let code = Code::from_wire([response[at + 2], response[at + 3]]);
            let known = code.row().unwrap_or_else(|| panic!("{}: {code} has no row", name(&row)));
            let sender = if is_rom { known.rom } else { known.loader };
            assert!(sender.is_some(), "{}: {code} should not come from this side", name(&row));
        }
    }
}

/// What the eFuses of a row demand of a header.
fn policy(row: &Value) -> HeaderPolicy {
    let efuse =
        hex(row, "efuse").map(|bytes| Efuse::from_slice(&bytes).expect("128 bytes")).unwrap_or_default();
    HeaderPolicy { sign_required: efuse.sign_required(), encrypt_type: efuse.encrypt_type() }
}

/// Replays commands 11h of a row against the header checks.
#[test]
fn header_checks_refuse_what_the_rom_refused() {
    let (mut passed, mut refused) = (0, 0);
    for row in rows("rom.jsonl") {
        let steps = row["setup"].as_array().into_iter().flatten().chain(std::iter::once(&row));
        for step in steps {
            let Some(request) = hex(step, "request") else { continue };
            let Some((RequestHeader { id: 0x11, length: 176, .. }, payload)) = single_frame(&request) else {
                continue;
            };
            let header = BootHeader::parse(payload.try_into().expect("176 bytes"));
            assert_eq!(header.to_bytes(), payload);
            let response = hex(step, "response").expect("a response");
            if header.boot_config.boot2_enable() {
                assert_eq!(header.check_before_clock(), Ok(()), "{}", name(&row));
                assert!(response.is_empty(), "{}", name(&row));
                continue;
            }
            match header.check(&policy(&row)) {
                Ok(()) => {
                    assert_eq!(response, b"OK", "{}", name(&row));
                    passed += 1;
                }
                Err(refusal) => {
                    let [low, high] = refusal.code().to_wire();
                    assert_eq!(response, [b'F', b'L', low, high], "{}: {refusal}", name(&row));
                    refused += 1;
                }
            }
        }
    }
    assert!(passed > 50 && refused > 20, "{passed} passed, {refused} refused");
}

#[test]
fn pll_is_set_from_usable_clock_configurations_only() {
    for row in rows("rom.jsonl") {
        let Some(request) = hex(&row, "request") else { continue };
        let Some((RequestHeader { id: 0x11, length: 176, .. }, payload)) = single_frame(&request) else {
            continue;
        };
        let header = BootHeader::parse(payload.try_into().expect("176 bytes"));
        let pll = row["events"].as_array().into_iter().flatten().find(|event| event[0] == "pll");
        let expected = pll.map(|event| (event[1].as_str() == Some("1"), event[2].as_str() == Some("4")));
        let clock = header.usable_clock_config().map(|clock| (clock.crystal == 1, clock.pll == 4));
        if header.check_before_clock().is_ok() {
            assert_eq!(clock, expected, "{}", name(&row));
        }
    }
}

#[test]
fn segment_checks_refuse_what_the_rom_refused() {
    let mut checked = 0;
    for row in rows("rom.jsonl").iter().filter(|row| name(row).starts_with("segment")) {
        let request = hex(row, "request").expect("a request");
        let Some((RequestHeader { id: 0x17, length: 16, .. }, payload)) = single_frame(&request) else {
            continue;
        };
        if name(row) == "segment header twice" {
            continue; // The order of commands, which is not the format's business.
        }
        let header = SegmentHeader::parse(payload.try_into().expect("16 bytes"));
        assert_eq!(header.to_bytes(), payload);
        let expected = if !header.crc_is_right() {
            vec![0x46, 0x4c, 0x10, 0x02]
        } else if !destination_allowed(header.destination, header.length) {
            vec![0x46, 0x4c, 0x11, 0x02]
        } else {
            [&[0x4f, 0x4b, 0x10, 0x00], payload].concat()
        };
        assert_eq!(hex(row, "response"), Some(expected), "{}", name(row));
        checked += 1;
    }
    assert!(checked >= 20, "only {checked} rows were looked at");
}

#[test]
fn key_signature_and_iv_blocks() {
    for row in rows("rom.jsonl") {
        let Some(request) = hex(&row, "request") else { continue };
        let Some((header, payload)) = single_frame(&request) else { continue };
        // Rows where the block itself decides, not the order of the commands.
        let response = hex(&row, "response").expect("a response");
        let crc_is_right = match (header.id, response.as_slice()) {
            (0x12, b"OK" | [b'F', b'L', 0x0b, 0x02]) => {
                PublicKeyBlock::parse(payload).map(|b| b.crc_is_right())
            }
            (0x14, b"OK" | [b'F', b'L', 0x0e, 0x02]) => {
                SignatureBlock::parse(payload).ok().map(|b| b.crc_is_right())
            }
            (0x16, b"OK" | [b'F', b'L', 0x09, 0x02]) => IvBlock::parse(payload).map(|b| b.crc_is_right()),
            _ => continue,
        };
        assert_eq!(crc_is_right, Some(response == b"OK"), "{}", name(&row));
    }
}

#[test]
fn boot_info_follows_from_the_efuses() {
    let mut checked = 0;
    for row in rows("rom.jsonl").iter().filter(|row| name(row).starts_with("boot info: ")) {
        let efuse = Efuse::from_slice(&hex(row, "efuse").expect("eFuses")).expect("128 bytes");
        let expected = [&b"OK\x18\x00"[..], &RomBootInfo::from_efuse(&efuse).to_bytes()].concat();
        assert_eq!(hex(row, "response"), Some(expected), "{}", name(row));
        checked += 1;
    }
    assert!(checked >= 10, "only {checked} rows were looked at");
}

#[test]
fn over_long_frames_are_those_beyond_the_limits() {
    assert_eq!((ROM_MAX_PAYLOAD, LOADER_MAX_PAYLOAD), (0xffc, 0x2404));
    for row in rows("rom.jsonl") {
        let Some(request) = hex(&row, "request") else { continue };
        let Some(header) = request.first_chunk().map(|bytes| RequestHeader::parse(*bytes)) else { continue };
        if header.id == 0x18 && row["setup"].as_array().is_some_and(Vec::is_empty) && request.len() == 4 {
            let too_long = usize::from(header.length) > ROM_MAX_PAYLOAD;
            let response = hex(&row, "response").expect("a response");
            assert_eq!(response == [0x46, 0x4c, 0x02, 0x01], too_long, "{}", name(&row));
        }
    }
}
