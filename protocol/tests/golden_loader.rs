//! Golden bytes of the RAM loader's frames.
//!
//! If a test in this file fails, do not change the test: the vendor's loader has not changed. Change the code.
//! Every byte here is copied from `fixtures/vectors/loader.jsonl`, which was read from the vendor's loader while it
//! ran; the comment above each array names its row. Nothing here comes from our own encoder.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests may panic like tests"
)]

use bl702_protocol::boot_info::{BootInfo, DeviceInfo, LOADER_LEAKED_BYTES, LoaderBootInfo};
use bl702_protocol::code::Code;
use bl702_protocol::command::LoaderCommand;
use bl702_protocol::crc::crc32;
use bl702_protocol::frame::{Checksum, Reply, ReplyDecoder, ok_with_data, request};
use bl702_protocol::jedec::{JedecId, LOADER_FLAG_IDENTIFIED};

/// Decodes all replies in some bytes and insists that nothing is left over.
fn decode(command: LoaderCommand, payload: &[u8], wire: &[u8]) -> Vec<Reply> {
    let mut decoder = ReplyDecoder::new(command.reply_shape(payload));
    let (mut rest, mut replies) = (wire, Vec::new());
    while !rest.is_empty() {
        let (taken, reply) = decoder.push(rest).expect("the loader's own reply");
        rest = &rest[taken..];
        replies.push(reply.expect("a whole reply"));
    }
    assert!(decoder.is_finished());
    replies
}

#[test]
fn boot_info() {
    // "bootinfo"
    #[rustfmt::skip]
    let wire_reply = [
        0x4f, 0x4b, // "OK"
        0x18, 0x00, // 24 bytes
        0xff, 0xff, 0xff, 0xff, // in place of a version
        0x00, 0x00, 0x00, 0x00, // sw_usage_0
        0x28, 0x00, 0x00, 0x08, // device info
        0x00, 0x01, 0x00, 0x00, 0x08, 0x24, 0xd0, 0x07, 0x16, 0x25, 0x01, 0x22, // left-overs
    ];
    let info =
        LoaderBootInfo { sw_usage_0: 0, device_info: DeviceInfo(0x0800_0028), leaked: LOADER_LEAKED_BYTES };
    let replies = decode(LoaderCommand::GetBootInfo, &[], &wire_reply);
    assert_eq!(replies, [Reply::Data(wire_reply[4..].to_vec())]);
    assert_eq!(BootInfo::parse(&wire_reply[4..]), Ok(BootInfo::Loader(info)));
    assert_eq!(ok_with_data(&info.to_bytes()), wire_reply);
}

#[test]
fn read_with_checksum() {
    // "read, right checksum"
    let wire_request = [
        0x32, // id
        0x19, // 08h + 00h + 00h + 01h + ... + 10h
        0x08, 0x00, // 8 bytes
        0x00, 0x01, 0x00, 0x00, // address 100h
        0x10, 0x00, 0x00, 0x00, // length 16
    ];
    let payload = [0x00, 0x01, 0x00, 0x00, 0x10, 0x00, 0x00, 0x00];
    assert_eq!(request(LoaderCommand::FlashRead.id(), Checksum::Sum, &payload), wire_request);
    // "read, checksum byte 0 is not checked"
    let mut unchecked = wire_request;
    unchecked[1] = 0;
    assert_eq!(request(LoaderCommand::FlashRead.id(), Checksum::Zero, &payload), unchecked);

    #[rustfmt::skip]
    let wire_reply = [
        0x4f, 0x4b, 0x10, 0x00, // "OK", 16 bytes
        0x0d, 0x14, 0x1b, 0x22, 0x29, 0x30, 0x37, 0x3e, 0x45, 0x4c, 0x53, 0x5a, 0x61, 0x68, 0x6f, 0x76,
    ];
    let replies = decode(LoaderCommand::FlashRead, &payload, &wire_reply);
    assert_eq!(replies, [Reply::Data(wire_reply[4..].to_vec())]);
}

#[test]
fn a_sum_of_zero_is_sent_as_zero() {
    // "checksum that sums to 0"
    let wire_request = [0x32, 0x00, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0xf8, 0x00, 0x00, 0x00];
    assert_eq!(request(0x32, Checksum::Sum, &wire_request[4..]), wire_request);
}

#[test]
fn write() {
    // "write"
    let wire_request = [
        0x31, // id
        0x2d, // checksum
        0x09, 0x00, // 9 bytes
        0x10, 0x00, 0x00, 0x00, // address 10h
        0x68, 0x65, 0x6c, 0x6c, 0x6f, // data "hello"
    ];
    assert_eq!(request(LoaderCommand::FlashWrite.id(), Checksum::Sum, b"\x10\0\0\0hello"), wire_request);
    assert_eq!(decode(LoaderCommand::FlashWrite, b"\x10\0\0\0hello", &[0x4f, 0x4b]), [Reply::Ok]);
}

#[test]
fn erase_reports_each_unit() {
    // "erase sector+64K+sector 1f000..30fff"
    let wire_request = [
        0x30, // id
        0x0a, // checksum
        0x08, 0x00, // 8 bytes
        0x00, 0xf0, 0x01, 0x00, // start
        0xff, 0x0f, 0x03, 0x00, // end, inclusive
    ];
    let payload = [0x00, 0xf0, 0x01, 0x00, 0xff, 0x0f, 0x03, 0x00];
    assert_eq!(request(LoaderCommand::FlashErase.id(), Checksum::Sum, &payload), wire_request);
    // "PD" three times, "OK"
    let wire_reply = [0x50, 0x44, 0x50, 0x44, 0x50, 0x44, 0x4f, 0x4b];
    let replies = decode(LoaderCommand::FlashErase, &payload, &wire_reply);
    assert_eq!(replies, [Reply::Pending, Reply::Pending, Reply::Pending, Reply::Ok]);
}

#[test]
fn erase_failure_after_its_pd() {
    // "erase failure"
    let wire_reply = [0x50, 0x44, 0x46, 0x4c, 0x03, 0x00];
    let replies = decode(LoaderCommand::FlashErase, &[0; 8], &wire_reply);
    assert_eq!(replies, [Reply::Pending, Reply::Refused(Code(0x0003))]);
}

#[test]
fn jedec_id() {
    // "jedec id"
    let wire_reply = [
        0x4f, 0x4b, // "OK"
        0x04, 0x00, // 4 bytes
        0xc2, 0x20, 0x14, // JEDEC id
        0x80, // the loader knows the part
    ];
    let replies = decode(LoaderCommand::ReadJedecId, &[], &wire_reply);
    assert_eq!(replies, [Reply::Data(vec![0xc2, 0x20, 0x14, LOADER_FLAG_IDENTIFIED])]);
    assert_eq!(JedecId([0xc2, 0x20, 0x14]).size_bytes(), Some(0x10_0000));
}

#[test]
fn mac_carries_its_crc() {
    // "mac"
    #[rustfmt::skip]
    let wire_reply = [
        0x4f, 0x4b, 0x0c, 0x00, // "OK", 12 bytes
        0x81, 0x12, 0xd1, 0xe7, 0x38, 0xc1, 0xb4, 0x00, // eFuse 14h to 1Bh
        0x0a, 0x44, 0x3f, 0x6c, // CRC-32 of them
    ];
    assert_eq!(decode(LoaderCommand::ReadMac, &[], &wire_reply), [Reply::Data(wire_reply[4..].to_vec())]);
    assert_eq!(crc32(&wire_reply[4..12]), u32::from_le_bytes([0x0a, 0x44, 0x3f, 0x6c]));
}

#[test]
fn status_register_reply_has_a_length_of_one_byte() {
    // "read status 300: length byte truncated"
    let payload = [
        0x05, 0x00, 0x00, 0x00, // flash command 05h
        0x2c, 0x01, 0x00, 0x00, // 300 bytes
    ];
    let mut wire_reply = vec![
        0x4f, 0x4b, // "OK"
        0x2c, 0x00, // 300 & FFh
    ];
    wire_reply.resize(4 + 300, 0x00);
    let replies = decode(LoaderCommand::ReadStatusRegister, &payload, &wire_reply);
    assert_eq!(replies, [Reply::Data(vec![0; 300])]);
    // "read status x0"
    let none = [0x05, 0, 0, 0, 0, 0, 0, 0];
    let replies = decode(LoaderCommand::ReadStatusRegister, &none, &[0x4f, 0x4b, 0x00, 0x00]);
    assert_eq!(replies, [Reply::Data(vec![])]);
}

#[test]
fn a_wrong_checksum_is_code_0103() {
    // "bad checksum, payload"
    let wire_reply = [0x46, 0x4c, 0x03, 0x01];
    assert_eq!(decode(LoaderCommand::FlashRead, &[0; 8], &wire_reply), [Reply::Refused(Code::CMD_CRC_ERROR)]);
    assert_eq!(Code::CMD_CRC_ERROR, Code(0x0103));
}
