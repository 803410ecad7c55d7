//! Golden bytes of the boot ROM's frames.
//!
//! If a test in this file fails, do not change the test: the chip in the drawer has not changed. Change the code.
//! Every byte here is copied from `fixtures/vectors/rom.jsonl`, which was read from the mask ROM while it ran; the
//! comment above each array names its row. Nothing here comes from our own encoder.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests may panic like tests"
)]

use bl702_protocol::boot_info::{BootInfo, DeviceInfo, RomBootInfo};
use bl702_protocol::code::Code;
use bl702_protocol::command::RomCommand;
use bl702_protocol::frame::{Checksum, Reply, ReplyDecoder, RequestHeader, fl, ok, ok_with_data, request};
use bl702_protocol::image::segment::SegmentHeader;

/// Decodes a whole reply to a command and insists that nothing is left over.
fn decode(command: RomCommand, payload: &[u8], wire: &[u8]) -> Reply {
    let mut decoder = ReplyDecoder::new(command.reply_shape(payload));
    let (taken, reply) = decoder.push(wire).expect("the chip's own reply");
    assert_eq!(taken, wire.len());
    reply.expect("a whole reply")
}

#[test]
fn get_boot_info() {
    // "boot info (poll bytewise)"
    let wire_request = [
        0x10, // id
        0x00, // never looked at
        0x00, 0x00, // payload length
    ];
    #[rustfmt::skip]
    let wire_reply = [
        0x4f, 0x4b, // "OK"
        0x18, 0x00, // 24 bytes
        0x01, 0x00, 0x02, 0x07, // ROM version
        0x00, // unsigned images
        0x00, // plain images
        0x00, 0x00, // never filled
        0x00, 0x00, 0x00, 0x00, // sw_usage_0
        0x28, 0x00, 0x00, 0x08, // device info: 40 zero bits in the MAC, 1 MiB flash inside
        0x81, 0x12, 0xd1, 0xe7, 0x38, 0xc1, 0xb4, 0x00, // chip id
    ];
    assert_eq!(request(RomCommand::GetBootInfo.id(), Checksum::Zero, &[]), wire_request);

    let Reply::Data(data) = decode(RomCommand::GetBootInfo, &[], &wire_reply) else { panic!("no data") };
    let expected = RomBootInfo {
        version: 0x0702_0001,
        sign: 0,
        encrypt: 0,
        reserved: [0; 2],
        sw_usage_0: 0,
        device_info: DeviceInfo(0x0800_0028),
        chip_id: [0x81, 0x12, 0xd1, 0xe7, 0x38, 0xc1, 0xb4, 0x00],
    };
    assert_eq!(BootInfo::parse(&data), Ok(BootInfo::Rom(expected)));
    assert_eq!(ok_with_data(&expected.to_bytes()), wire_reply);
}

#[test]
fn boot_info_of_a_locked_chip() {
    // "boot info: all signed encrypted tz"
    #[rustfmt::skip]
    let wire_reply = [
        0x4f, 0x4b, 0x18, 0x00, // "OK", 24 bytes
        0x01, 0x00, 0x02, 0x07, // ROM version
        0x01, // images must be signed
        0x03, // images must be AES-192
        0x00, 0x00,
        0x00, 0x00, 0x10, 0x00, // sw_usage_0: tz_boot
        0x28, 0x00, 0x00, 0x08, // device info
        0x81, 0x12, 0xd1, 0xe7, 0x38, 0xc1, 0xb4, 0x00, // chip id
    ];
    let Reply::Data(data) = decode(RomCommand::GetBootInfo, &[], &wire_reply) else { panic!("no data") };
    let Ok(BootInfo::Rom(info)) = BootInfo::parse(&data) else { panic!("not the ROM's form") };
    assert_eq!((info.sign, info.encrypt, info.sw_usage_0), (1, 3, 0x0010_0000));
}

#[test]
fn load_segment_header_is_echoed() {
    // "segment: reserved word is echoed"
    let wire_request = [
        0x17, 0x00, // id, not looked at
        0x10, 0x00, // 16 bytes
        0x00, 0x00, 0x01, 0x22, // destination 22010000h
        0x10, 0x00, 0x00, 0x00, // length 16
        0x78, 0x56, 0x34, 0x12, // reserved
        0x91, 0x6e, 0x82, 0xca, // CRC-32 of the three words
    ];
    let header =
        SegmentHeader { destination: 0x2201_0000, length: 0x10, reserved: 0x1234_5678, crc32: 0xca82_6e91 };
    assert!(header.crc_is_right());
    assert_eq!(request(RomCommand::LoadSegmentHeader.id(), Checksum::Zero, &header.to_bytes()), wire_request);
    // The reply is "OK", 16 bytes, and the same 16 bytes.
    let mut wire_reply = vec![0x4f, 0x4b, 0x10, 0x00];
    wire_reply.extend_from_slice(&wire_request[4..]);
    let reply = decode(RomCommand::LoadSegmentHeader, &wire_request[4..], &wire_reply);
    assert_eq!(reply, Reply::Data(wire_request[4..].to_vec()));
}

#[test]
fn flash_erase() {
    // "flash erase"
    let wire_request = [
        0x30, 0x00, // id, not looked at
        0x08, 0x00, // 8 bytes
        0x00, 0x00, 0x00, 0x00, // start
        0xff, 0x0f, 0x00, 0x00, // end, inclusive
    ];
    let payload = [0, 0, 0, 0, 0xff, 0x0f, 0, 0];
    assert_eq!(request(RomCommand::FlashErase.id(), Checksum::Zero, &payload), wire_request);
    assert_eq!(decode(RomCommand::FlashErase, &payload, &[0x4f, 0x4b]), Reply::Ok);
    assert_eq!(ok(), [0x4f, 0x4b]);
}

#[test]
fn efuse_read() {
    // "efuse read 14+8"
    let wire_request = [
        0x41, 0x00, // id, not looked at
        0x08, 0x00, // 8 bytes
        0x14, 0x00, 0x00, 0x00, // address
        0x08, 0x00, 0x00, 0x00, // length
    ];
    let payload = [0x14, 0, 0, 0, 8, 0, 0, 0];
    assert_eq!(request(RomCommand::EfuseRead.id(), Checksum::Zero, &payload), wire_request);
    let wire_reply = [0x4f, 0x4b, 0x08, 0x00, 0x81, 0x12, 0xd1, 0xe7, 0x38, 0xc1, 0xb4, 0x00];
    assert_eq!(decode(RomCommand::EfuseRead, &payload, &wire_reply), Reply::Data(wire_reply[4..].to_vec()));
}

#[test]
fn four_memory_writes_that_start_an_image() {
    // "start trick, four writes bytewise": one burst of 48 bytes, three answers.
    #[rustfmt::skip]
    let wire_request = [
        0x50, 0x00, 0x08, 0x00, 0x00, 0xf1, 0x00, 0x40, 0x45, 0x48, 0x42, 0x4e, // 4000F100h = "EHBN"
        0x50, 0x00, 0x08, 0x00, 0x04, 0xf1, 0x00, 0x40, 0x00, 0x00, 0x01, 0x22, // 4000F104h = 22010000h
        0x50, 0x00, 0x08, 0x00, 0x18, 0x00, 0x00, 0x40, 0x00, 0x00, 0x00, 0x00, // 40000018h = 0
        0x50, 0x00, 0x08, 0x00, 0x18, 0x00, 0x00, 0x40, 0x02, 0x00, 0x00, 0x00, // 40000018h = 2: CPU reset
    ];
    let writes: [(u32, u32); 4] =
        [(0x4000_F100, 0x4E42_4845), (0x4000_F104, 0x2201_0000), (0x4000_0018, 0), (0x4000_0018, 2)];
    let mut burst = Vec::new();
    for (address, value) in writes {
        let payload = [address.to_le_bytes(), value.to_le_bytes()].concat();
        burst.extend(request(RomCommand::MemoryWrite.id(), Checksum::Zero, &payload));
    }
    assert_eq!(burst, wire_request);

    let mut rest: &[u8] = &[0x4f, 0x4b, 0x4f, 0x4b, 0x4f, 0x4b];
    for _ in 0..3 {
        let mut decoder = ReplyDecoder::new(RomCommand::MemoryWrite.reply_shape(&[0; 8]));
        assert_eq!(decoder.push(rest), Ok((2, Some(Reply::Ok))));
        rest = &rest[2..];
    }
    assert!(rest.is_empty());
}

#[test]
fn a_refusal_has_its_low_byte_first() {
    // "17 in state 0, 16 bytes"
    let wire_reply = [
        0x46, 0x4c, // "FL"
        0x04, 0x01, // code 0104h
    ];
    assert_eq!(decode(RomCommand::LoadSegmentHeader, &[0; 16], &wire_reply), Reply::Refused(Code(0x0104)));
    assert_eq!(fl(Code(0x0104)), wire_reply);
    assert_eq!(Code(0x0104).to_string(), "FL0104");
    assert_eq!(Code(0x0104).name(), "BFLB_CMD_SEQ_ERROR");
}

#[test]
fn the_frame_of_the_field_report() {
    // "BL702L profile, wire 500000, load speed 2000000": what a tool told that the chip is a BL702L sends.
    #[rustfmt::skip]
    let wire = [
        0x22, // set clock, which a BL702 does not have
        0x8e, // the tool's checksum
        0x18, 0x00, // 24 bytes; 18h is also the id of "load segment data"
        0x01, 0x00, 0x00, 0x00,
        0x80, 0x84, 0x1e, 0x00, // 2,000,000; 80h is also the id of "encrypted eFuse write"
        0x50, 0x43, 0x46, 0x47, 0x01, 0x04, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, // "PCFG" and clock configuration
        0x54, 0xd2, 0xa7, 0x60, // its CRC-32
    ];
    let header = RequestHeader::parse([wire[0], wire[1], wire[2], wire[3]]);
    assert_eq!(header, RequestHeader { id: 0x22, checksum: 0x8e, length: 24 });
    assert!(header.checksum_accepts(&wire[4..]));
    assert_eq!(RomCommand::from_id(0x22), None);
    assert_eq!(RomCommand::from_id(wire[2]), Some(RomCommand::LoadSegmentData));
    assert_eq!(RomCommand::from_id(wire[8]), Some(RomCommand::SealedEfuseWrite));
    assert!(RomCommand::SealedEfuseWrite.row().burns_fuses);
}
