//! Decoders never panic, whatever they are fed, and what they read they can write again.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests may panic like tests"
)]

use bl702_protocol::boot_info::BootInfo;
use bl702_protocol::code::Code;
use bl702_protocol::efuse::{Efuse, FIELDS};
use bl702_protocol::frame::{self, Checksum, Reply, ReplyDecoder, ReplyShape, RequestHeader};
use bl702_protocol::image::boot_header::{BootHeader, ClockConfig, HeaderPolicy};
use bl702_protocol::image::partition::{self, PartitionEntry, PartitionName, PartitionTable};
use bl702_protocol::image::segment::{SegmentHeader, destination_allowed};
use bl702_protocol::image::signature::{IvBlock, PublicKeyBlock, SignatureBlock};
use bl702_protocol::jedec::JedecId;
use bl702_protocol::time::Nanos;
use bl702_protocol::trace::{
    Direction, Dissector, EventRecord, LineLevels, LinesRecord, Record, RecordReader, from_hex, parse_line,
    to_hex, to_line,
};
use proptest::collection::vec;
use proptest::prelude::*;

fn shapes() -> impl Strategy<Value = ReplyShape> {
    prop_oneof![
        Just(ReplyShape::Status),
        Just(ReplyShape::Data),
        Just(ReplyShape::PendingThenStatus),
        (0u16..600).prop_map(ReplyShape::DataOfKnownLength),
    ]
}

/// A reply of a shape, and its bytes.
fn reply_of(shape: ReplyShape, data: &[u8], code: Option<u16>) -> (Reply, Vec<u8>) {
    match (shape, code) {
        (_, Some(code)) => (Reply::Refused(Code(code)), frame::fl(Code(code))),
        (ReplyShape::Status | ReplyShape::PendingThenStatus, None) => (Reply::Ok, frame::ok()),
        (ReplyShape::Data, None) => (Reply::Data(data.to_vec()), frame::ok_with_data(data)),
        (ReplyShape::DataOfKnownLength(length), None) => {
            let data = vec![0x5a; usize::from(length)];
            let wire = [b"OK\xaa\xbb", data.as_slice()].concat();
            (Reply::Data(data), wire)
        }
    }
}

/// Feeds a decoder in pieces of these sizes.
fn decode_in_pieces(shape: ReplyShape, wire: &[u8], sizes: &[usize]) -> (Vec<Reply>, usize) {
    let mut decoder = ReplyDecoder::new(shape);
    let (mut replies, mut at, mut sizes) = (Vec::new(), 0, sizes.iter().cycle());
    while at < wire.len() && !decoder.is_finished() {
        let size = sizes.next().copied().unwrap_or(1).clamp(1, wire.len() - at);
        let (taken, reply) = decoder.push(&wire[at..at + size]).expect("a good reply");
        at += taken;
        replies.extend(reply);
    }
    (replies, at)
}

prop_compose! {
    fn bursts()(
        gap_us in 0u64..5_000_000,
        host: bool,
        ids in vec(prop_oneof![Just(0x10u8), Just(0x22), Just(0x50), Just(0x55), Just(0x4f), Just(0x46), any::<u8>()], 0..3),
        tail in vec(any::<u8>(), 0..40),
        baud_bps in 1u32..3_000_000,
    ) -> (u64, Direction, u32, Vec<u8>) {
        let direction = if host { Direction::Host } else { Direction::Chip };
        (gap_us, direction, baud_bps, [ids, tail].concat())
    }
}

proptest! {
    #[test]
    fn requests_round_trip(id: u8, sum: bool, payload in vec(any::<u8>(), 0..600)) {
        let kind = if sum { Checksum::Sum } else { Checksum::Zero };
        let wire = frame::request(id, kind, &payload);
        let header = RequestHeader::parse([wire[0], wire[1], wire[2], wire[3]]);
        prop_assert_eq!(header.encode(), &wire[..4]);
        prop_assert_eq!((header.id, usize::from(header.length)), (id, payload.len()));
        prop_assert!(header.checksum_accepts(&payload));
        prop_assert_eq!(&wire[4..], payload);
    }

    #[test]
    fn replies_decode_alike_in_pieces_of_any_size(
        shape in shapes(),
        data in vec(any::<u8>(), 0..600),
        code in proptest::option::of(any::<u16>()),
        pending in 0usize..4,
        surplus in vec(any::<u8>(), 0..4),
        sizes in vec(1usize..80, 1..10),
    ) {
        let pending = if shape == ReplyShape::PendingThenStatus { pending } else { 0 };
        let (reply, wire) = reply_of(shape, &data, code);
        let mut whole = b"PD".repeat(pending);
        whole.extend_from_slice(&wire);
        let end = whole.len();
        whole.extend_from_slice(&surplus);
        let mut expected = vec![Reply::Pending; pending];
        expected.push(reply);
        prop_assert_eq!(decode_in_pieces(shape, &whole, &sizes), (expected, end));
    }

    #[test]
    fn reply_decoder_takes_anything(shape in shapes(), pieces in vec(vec(any::<u8>(), 0..40), 0..10)) {
        let mut decoder = ReplyDecoder::new(shape);
        for piece in pieces {
            match decoder.push(&piece) {
                Ok((taken, reply)) => {
                    prop_assert!(taken <= piece.len());
                    prop_assert!(taken == piece.len() || reply.is_some() || decoder.is_finished());
                }
                Err(error) => {
                    prop_assert!(decoder.is_finished());
                    prop_assert!(!error.got.is_empty() && error.got.len() <= 2);
                }
            }
        }
    }

    #[test]
    fn fixed_layouts_round_trip(bytes in vec(any::<u8>(), 176)) {
        let header: &[u8; 176] = bytes.as_slice().try_into().unwrap();
        let parsed = BootHeader::parse(header);
        prop_assert_eq!(&parsed.to_bytes(), header);
        let _ = parsed.check(&HeaderPolicy { sign_required: true, encrypt_type: 2 });
        let _ = (parsed.usable_clock_config(), parsed.boot_config.to_string(), parsed.start_address());
        let segment: &[u8; 16] = bytes[..16].try_into().unwrap();
        prop_assert_eq!(&SegmentHeader::parse(segment).to_bytes(), segment);
        let entry: &[u8; 36] = bytes[..36].try_into().unwrap();
        prop_assert_eq!(&PartitionEntry::parse(entry).to_bytes(), entry);
        let _ = PartitionEntry::parse(entry).name.text();
        let clock: [u8; 8] = bytes[..8].try_into().unwrap();
        prop_assert_eq!(ClockConfig::parse(clock).to_bytes(), clock);
        prop_assert_eq!(&PublicKeyBlock::parse(&bytes[..68]).unwrap().to_bytes()[..], &bytes[..68]);
        prop_assert_eq!(&IvBlock::parse(&bytes[..20]).unwrap().to_bytes()[..], &bytes[..20]);
        prop_assert_eq!(&BootInfo::parse(&bytes[..24]).unwrap().to_bytes()[4..], &bytes[4..24]);
    }

    #[test]
    fn a_sealed_header_is_accepted(bytes in vec(any::<u8>(), 176)) {
        let mut header = BootHeader::parse(bytes.as_slice().try_into().unwrap());
        header.seal();
        prop_assert!(header.crc_is_accepted());
        header.revision ^= 1;
        prop_assert!(!header.crc_is_accepted());
    }

    #[test]
    fn blocks_of_any_length_are_taken(bytes in vec(any::<u8>(), 0..400)) {
        let _ = (PublicKeyBlock::parse(&bytes), IvBlock::parse(&bytes), BootInfo::parse(&bytes));
        if let Ok(block) = SignatureBlock::parse(&bytes) {
            prop_assert!(bytes.starts_with(&block.to_bytes()));
        }
        prop_assert_eq!(Efuse::from_slice(&bytes).is_some(), bytes.len() == 128);
    }

    #[test]
    fn signatures_round_trip(signature in vec(any::<u8>(), 0..=256)) {
        let block = SignatureBlock::new(&signature);
        prop_assert!(block.crc_is_right());
        prop_assert_eq!(SignatureBlock::parse(&block.to_bytes()), Ok(block));
    }

    #[test]
    fn partition_tables_round_trip(
        version: u16,
        age: u32,
        entries in vec((any::<[u8; 3]>(), "[a-zA-Z0-9_]{0,9}", any::<[u32; 6]>()), 0..=16),
    ) {
        let entries = entries.into_iter().map(|([kind, device, active], name, words)| PartitionEntry {
            kind,
            device,
            active,
            name: PartitionName::new(&name).unwrap(),
            addresses: [words[0], words[1]],
            sizes: [words[2], words[3]],
            length: words[4],
            age: words[5],
        });
        let table = PartitionTable { version, age, entries: entries.collect() };
        let bytes = table.to_bytes().unwrap();
        prop_assert_eq!(PartitionTable::parse(&bytes), Ok(table));
        for cut in 0..bytes.len() {
            prop_assert!(PartitionTable::parse(&bytes[..cut]).is_err());
        }
    }

    #[test]
    fn partition_tables_take_anything(mut bytes in vec(any::<u8>(), 0..700), magic: bool) {
        if magic && bytes.len() >= 4 {
            bytes[..4].copy_from_slice(b"BFPT");
        }
        let _ = PartitionTable::parse(&bytes);
        let _ = partition::select(&bytes, &bytes);
    }

    #[test]
    fn efuse_fields_take_anything(bytes in vec(any::<u8>(), 128), offset in 0usize..200) {
        let efuse = Efuse::from_slice(&bytes).unwrap();
        for field in FIELDS {
            prop_assert_eq!(field.value(&efuse).len(), usize::from(field.bits).div_ceil(8));
        }
        let _ = (efuse.word(offset), efuse.key_slot(offset), efuse.locks().count(), format!("{efuse:?}"));
        let _ = JedecId([bytes[0], bytes[1], bytes[2]]).size_bytes();
    }

    #[test]
    fn small_segments_inside_ram_are_allowed(offset in 0u32..0xFFFF, length in 0u32..0x1_0000) {
        let inside = offset + length <= 0x1_0000;
        for alias in [0x2201_0000, 0x3201_0000, 0x4201_0000, 0x5201_0000] {
            prop_assert_eq!(destination_allowed(alias + offset, length), inside);
        }
    }

    #[test]
    fn hex_round_trips(bytes in vec(any::<u8>(), 0..100), text in "\\PC{0,20}") {
        prop_assert_eq!(from_hex(&to_hex(&bytes)), Some(bytes));
        let _ = from_hex(&text);
    }

    #[test]
    fn records_round_trip(time: u64, lines: [Option<bool>; 4], bytes in vec(any::<u8>(), 0..100), name in "\\PC{0,20}") {
        let [enable, boot, dtr, rts] = lines;
        let time_ns = Nanos(time);
        let records = [
            Record::header(name.as_str(), name.as_str()),
            Record::bytes(time_ns, Direction::Chip, 115_200, bytes),
            Record::Lines(LinesRecord { time_ns, lines: LineLevels { enable, boot, dtr, rts } }),
            Record::Event(EventRecord { time_ns, event: name.clone(), detail: serde_json::json!({ "n": time }) }),
        ];
        for record in records {
            let line = to_line(&record);
            prop_assert!(!line.contains('\n'));
            prop_assert_eq!(parse_line(&line).unwrap(), record);
        }
    }

    #[test]
    fn record_reader_takes_anything(pieces in vec(vec(any::<u8>(), 0..80), 0..10)) {
        let mut reader = RecordReader::new();
        for piece in pieces {
            reader.push(&piece);
            while let Some(record) = reader.next_record() {
                let _ = record;
            }
        }
        let _ = reader.finish();
    }

    #[test]
    fn dissector_takes_anything(story in vec(bursts(), 0..30), start_with_session: bool) {
        let mut dissector = Dissector::new();
        let mut now = Nanos::ZERO;
        if start_with_session {
            let boot_info = b"OK\x18\0\x01\0\x02\x07\0\0\0\0\0\0\0\0\x28\0\0\x08\x81\x12\xd1\xe7\x38\xc1\xb4\0";
            dissector.record(&Record::bytes(now, Direction::Host, 500_000, b"\x10\0\0\0".to_vec()));
            dissector.record(&Record::bytes(now, Direction::Chip, 500_000, boot_info.to_vec()));
        }
        for (gap_us, direction, baud_bps, bytes) in story {
            now += Nanos::from_micros(gap_us);
            for line in dissector.record(&Record::bytes(now, direction, baud_bps, bytes)) {
                prop_assert!(!line.text.contains('\n') && !line.text.is_empty());
            }
        }
        dissector.finish();
    }
}
