//! `reference/loader-protocol.md` section 6.

use bl702_protocol::time::Nanos;
use rstest::rstest;

use super::{Bench, JEDEC, ms, request, us, words, write};
use crate::event::Event;
use crate::module::Running;

#[rstest]
#[case::at_2_mbaud(2_000_000, 40_000)]
#[case::at_500_kbaud(500_000, 160_000)]
#[case::at_115200(115_200, 80 * 1_000_000_000 / 115_107)]
fn the_answer_starts_80_bit_times_after_the_last_byte(#[case] baud_bps: u32, #[case] pause_ns: u64) {
    let mut bench = Bench::in_session(baud_bps);
    let arrived = bench.send_at(bench.now(), &request(0x36, &[]));
    let byte_time = Nanos::byte_times(1, baud_bps);
    let waited = bench.first_byte_out() - byte_time - arrived;
    assert!(waited.0.abs_diff(pause_ns) < 1000, "{waited}");
}

#[test]
fn the_first_answer_byte_is_out_45_us_after_the_frame_at_2_mbaud() {
    let mut bench = Bench::in_session(2_000_000);
    let arrived = bench.send_at(bench.now(), &request(0x36, &[]));
    assert_eq!(bench.first_byte_out() - arrived, us(45));
}

#[test]
fn a_frame_whose_last_byte_fills_the_fifo_to_its_level_is_answered_at_once() {
    let mut bench = Bench::in_session(2_000_000);
    let arrived = bench.send_at(bench.now(), &request(0x36, &[0; 12]));
    assert_eq!(bench.first_byte_out() - arrived, us(5));
}

#[rstest]
#[case::no_gap(0, 1)]
#[case::shorter_than_the_time_out(159, 1)]
#[case::eighty_bit_times(160, 2)]
fn a_second_frame_needs_a_gap_of_80_bit_times(#[case] gap_us: u64, #[case] answered: usize) {
    let mut bench = Bench::in_session(500_000);
    let end = bench.send_at(bench.now(), &write(0, &[0x61; 64]));
    bench.send_at(end + us(gap_us), &write(0x40, &[0x62; 64]));
    assert_eq!(bench.settle(), b"OK".repeat(answered));
    let lost = [(8, "came in one burst behind a frame")];
    assert_eq!(bench.lost(), if answered == 1 { &lost[..] } else { &[] });
}

#[test]
fn depth_is_one_while_the_loader_is_busy() {
    let mut profile = Bench::profile();
    profile.flash_times.page_program_us = Some(2000);
    profile.flash_times.byte_program_us = Some(2000);
    let mut bench = Bench::in_session_with(profile, 2_000_000);
    assert_eq!(bench.command(0x3c, &[]), b"OK");
    let mut at = bench.now();
    for n in 0..4_u8 {
        at = bench.send_at(at, &write(u32::from(n) * 256, &[n; 256])) + us(60);
    }
    assert_eq!(bench.settle(), b"OKOK");
    let flash = bench.module.flash().dump();
    assert_eq!(flash[..0x100], [0; 0x100]);
    assert_eq!(flash[0x100..0x200], [1; 0x100]);
    assert_eq!(flash[0x200..0x400], [0xff; 0x200]);
    assert_eq!(bench.lost().len(), 1);
}

#[test]
fn the_next_write_may_follow_each_ok_at_once() {
    let mut bench = Bench::in_session(2_000_000);
    bench.command(0x3c, &[]);
    let begin = bench.now();
    for page in 0..32_u32 {
        bench.send_at(bench.now(), &write(page * 2048, &[page as u8; 2048]));
        // As soon as OK is out, programming or not.
        let at = bench.first_byte_out() + us(5);
        bench.run_until(at);
    }
    bench.settle();
    assert_eq!(bench.command(0x3a, &[]), b"OK");
    for page in 0..32 {
        assert_eq!(bench.module.flash().dump()[page * 2048..][..2048], vec![page as u8; 2048]);
    }
    // 10.3 ms on the line, during which the 4 ms of the pages before pass unnoticed.
    let a_frame = Nanos::byte_times(2056, 2_000_000) + us(45);
    assert!(bench.now() - begin < a_frame * 34, "{}", bench.now() - begin);
    assert_eq!(bench.count(|event| matches!(event, Event::FlashProgrammed { length: 2048, .. })), 32);
}

#[test]
fn largest_frames_follow_each_other_without_gaps() {
    let mut bench = Bench::in_session(2_000_000);
    bench.command(0x3c, &[]);
    let frames: Vec<u8> = (0..6).flat_map(|n| write(n * 0x2400, &[n as u8; 0x2400])).collect();
    let answer = bench.ask(&frames);
    assert_eq!(answer, b"OK".repeat(6));
    assert_eq!(bench.lost(), []);
    let flash = bench.module.flash().dump();
    for n in 0..6 {
        assert_eq!(flash[n * 0x2400..][..0x2400], [n as u8; 0x2400]);
    }
}

/// The request for an 8 KiB read, then the frame `36 00 00 00` while flash is being read.
fn read_and_pipeline(bench: &mut Bench) -> Vec<u8> {
    let end = bench.send_at(bench.now(), &request(0x32, &words(&[0, 0x2000])));
    bench.send_at(end + us(300), &[0x36, 0, 0, 0]);
    bench.settle()
}

#[test]
fn a_frame_behind_a_read_overwrites_the_head_of_its_answer() {
    // Seen: an 8 K read whose OK and length came out as the next request's bytes.
    let mut bench = Bench::in_session(2_000_000);
    let answer = read_and_pipeline(&mut bench);
    assert_eq!(answer[..4], [0x36, 0, 0, 0]);
    assert_eq!(answer[4..8], [0x00, 0x07, 0x0e, 0x15]);
    assert_eq!(answer[0x2004..], JEDEC);
}

#[test]
fn a_frame_behind_a_read_does_no_harm_when_the_read_came_in_buffer_1() {
    let mut bench = Bench::in_session(2_000_000);
    bench.command(0x3a, &[]);
    let answer = read_and_pipeline(&mut bench);
    assert_eq!(answer[..8], [b'O', b'K', 0x00, 0x20, 0x00, 0x07, 0x0e, 0x15]);
    assert_eq!(answer[0x2004..], JEDEC);
}

#[test]
fn a_frame_behind_a_hash_is_overwritten_by_its_answer() {
    // The frame waits in buffer 1, where the digest is put at the end: what the loader then takes for a frame begins
    // with "OK" and 0020h.
    let mut bench = Bench::in_session(2_000_000);
    let expected = Bench::in_session(2_000_000).command(0x3d, &words(&[0, 0x1_0000]));
    let end = bench.send_at(bench.now(), &request(0x3d, &words(&[0, 0x1_0000])));
    bench.send_at(end + us(300), &[0x36, 0, 0, 0]);
    assert_eq!(bench.settle(), expected);
    // 32 more bytes complete it: id 4Fh, checksum 4Bh, which is wrong.
    assert_eq!(bench.ask(&[0; 32]), b"FL\x03\x01");
    assert_eq!(bench.command(0x36, &[]), JEDEC);
}

#[test]
fn a_bad_checksum_costs_15_us_a_payload_byte() {
    let mut bench = Bench::in_session(2_000_000);
    let arrived = bench.send_at(bench.now(), &{
        let mut frame = request(0x31, &[0x11; 4096]);
        frame[1] ^= 1;
        frame
    });
    assert_eq!(bench.first_byte_out() - arrived, us(45) + us(15) * 4096);
    bench.settle();
    // A frame of no payload is answered without delay.
    let arrived = bench.send_at(bench.now(), &[0x36, 5, 0, 0]);
    assert_eq!(bench.first_byte_out() - arrived, us(45));
}

#[rstest]
#[case::one_byte_below_the_level(0x2408 + 15, false)]
#[case::level_reached_without_room(0x2408 + 16, true)]
fn more_than_a_buffer_hangs_the_loader(#[case] bytes: usize, #[case] hangs: bool) {
    let mut bench = Bench::in_session(500_000);
    assert_eq!(bench.ask(&vec![0x55; bytes]), b"");
    let dead = matches!(bench.module.running(), Running::Dead("rx interrupt storm"));
    assert_eq!(dead, hangs);
    bench.sleep(ms(5000));
    if hangs {
        assert_eq!(bench.ask(&[0x55; 150]), b"");
        assert_eq!(bench.count(|event| matches!(event, Event::Stuck { reason: "rx interrupt storm" })), 1);
    } else {
        bench.handshake();
    }
}

#[test]
fn a_busy_loader_hangs_when_a_frame_follows_the_largest_one() {
    // The buffer is full, and the main loop erases for 300 ms before it makes the other one current.
    let mut bench = Bench::in_session(2_000_000);
    let end = bench.send_at(bench.now(), &request(0x30, &words(&[0, 0xffff])));
    let end = bench.send_at(end + us(40), &write(0, &[0; 0x2400]));
    bench.send_at(end, &request(0x36, &[0; 60]));
    bench.settle();
    assert!(matches!(bench.module.running(), Running::Dead("rx interrupt storm")));
}
