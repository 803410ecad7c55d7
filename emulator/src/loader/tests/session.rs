//! `reference/loader-protocol.md` section 5.

use bl702_protocol::time::Nanos;
use rstest::rstest;

use super::{Bench, JEDEC, ms, request, us, words, write};
use crate::event::{Event, SessionEnd, Stage};

const ERRING: [u8; 4] = [0x32, 0, 0, 0];

#[rstest]
#[case::idle_3_9_s(3900, true)]
#[case::idle_4_1_s(4100, false)]
fn two_time_outs_in_a_row_end_the_session(#[case] idle_ms: u64, #[case] alive: bool) {
    let mut bench = Bench::in_session(500_000);
    bench.sleep(ms(idle_ms));
    assert_eq!(bench.in_session_now(), alive);
    assert_eq!(bench.command(0x36, &[]), if alive { &JEDEC[..] } else { b"" });
    let ended = Event::SessionEnded { stage: Stage::Loader, why: SessionEnd::Idle };
    assert_eq!(bench.count(|event| *event == ended), usize::from(!alive));
}

#[rstest]
#[case::good(&[0x36, 0, 0, 0])]
#[case::wrong_checksum(&[0x36, 9, 0, 0])]
#[case::unknown_id(&[0x22, 0, 0, 0])]
fn any_whole_frame_starts_the_time_out_anew(#[case] frame: &[u8]) {
    let mut bench = Bench::in_session(500_000);
    for _ in 0..5 {
        bench.sleep(ms(3900));
        bench.ask(frame);
        assert!(bench.in_session_now());
    }
}

#[test]
fn the_time_out_counts_from_the_beginning_of_the_wait_not_from_the_last_byte() {
    let mut bench = Bench::in_session(500_000);
    bench.ask(&[0x32]);
    bench.sleep(ms(3000));
    bench.ask(&[0x00]);
    bench.sleep(ms(1050));
    assert!(!bench.in_session_now());
    assert_eq!(bench.lost(), [(2, "part of a frame that was never completed")]);
}

#[rstest]
#[case::three_thousand_bytes(3000, true)]
#[case::four_thousand_two_hundred(4200, false)]
fn a_frame_must_be_complete_within_4_s(#[case] bytes: usize, #[case] passes: bool) {
    let mut bench = Bench::in_session(9600);
    let frame = write(0, &vec![0xff; bytes - 8]);
    assert_eq!(bench.ask(&frame), if passes { &b"OK"[..] } else { b"" });
}

#[test]
fn time_spent_in_a_command_does_not_count() {
    let mut bench = Bench::in_session(500_000);
    bench.module.flash_mut().set_chip_erase_ms(Some(10_000));
    let begin = bench.now();
    assert_eq!(bench.command(0x3c, &[]), [b"PD".repeat(10), b"OK".to_vec()].concat());
    assert!(bench.now() - begin >= ms(10_000));
    bench.sleep(ms(3900));
    assert_eq!(bench.command(0x36, &[]), JEDEC);
}

#[test]
fn the_third_counted_error_is_answered_and_ends_the_session() {
    let mut bench = Bench::in_session(500_000);
    for _ in 0..3 {
        assert_eq!(bench.ask(&ERRING), [b'F', b'L', 4, 0]);
        // None of these counts, and none takes a count back.
        bench.ask(&[0x36, 9, 0, 0]);
        bench.ask(&[0x22, 0, 0, 0]);
    }
    assert!(!bench.in_session_now());
    let ended = Event::SessionEnded { stage: Stage::Loader, why: SessionEnd::ThreeErrors };
    assert_eq!(bench.count(|event| *event == ended), 1);
    bench.handshake();
    bench.ask(&ERRING);
    bench.ask(&ERRING);
    assert_eq!(bench.command(0x36, &[]), JEDEC);
}

#[test]
fn a_host_that_lost_step_recovers_with_silence_and_a_handshake() {
    let mut bench = Bench::in_session(2_000_000);
    assert_eq!(bench.ask(&[0x31, 0, 0x05, 0x24, 1, 2, 3]), b"");
    assert_eq!(bench.command(0x36, &[]), b"");
    bench.sleep(ms(4100));
    bench.baud_bps = 500_000;
    bench.handshake();
    assert_eq!(bench.command(0x36, &[]), JEDEC);
}

#[test]
fn a_handshake_forgets_the_write_error_and_keeps_flash_config_and_log() {
    let mut bench = Bench::in_session(500_000);
    let mut config = [0; 84];
    config[12] = 4;
    config[16..20].copy_from_slice(&[0xc7, 0x20, 0xff, 0xff]);
    assert_eq!(bench.command(0x3b, &[&[0xff, 1, 1, 0][..], &config].concat()), b"OK");
    bench.module.flash_mut().set_faults(crate::flash::FlashFaults { program: true, ..Default::default() });
    assert_eq!(bench.ask(&write(0, &[0])), [b'O', b'K', b'F', b'L', 6, 0]);
    assert_eq!(bench.command(0x3a, &[]), [b'F', b'L', 6, 0]);
    bench.sleep(ms(4100));
    bench.handshake();
    assert_eq!(bench.command(0x3a, &[]), b"OK");
    assert_eq!(bench.command(0x30, &words(&[0, 0xffff])), [b"PD".repeat(16), b"OK".to_vec()].concat());
    let log = bench.command(0x71, &[]);
    assert_eq!(usize::from(u16::from_le_bytes([log[2], log[3]])), log.len() - 4);
    assert_eq!(String::from_utf8_lossy(&log[4..]).matches("handshake at 500000 baud").count(), 2);
}

#[test]
fn an_answer_that_is_still_leaving_is_cut_when_the_session_ends() {
    // After the third error the UART is reset within a millisecond; the four bytes take 4.2 ms at 9600 baud.
    let mut bench = Bench::in_session(9600);
    bench.ask(&ERRING);
    bench.ask(&ERRING);
    assert_eq!(bench.ask(&ERRING), b"");
}

#[test]
fn a_session_of_small_frames_keeps_exact_time() {
    let mut bench = Bench::in_session(500_000);
    let begin = bench.now();
    for _ in 0..100 {
        assert_eq!(bench.command(0x36, &[]), JEDEC);
    }
    // 80 us of frame, 160 us of time-out, 160 us of answer.
    assert_eq!(bench.now() - begin, us(400) * 100);
}

#[test]
fn a_wakeup_is_never_late() {
    // Whoever advances only to the wake-ups sees every byte at the very time at which it is sent.
    let mut bench = Bench::in_session(2_000_000);
    bench.send_at(bench.now(), &request(0x32, &words(&[0, 0x2000])));
    bench.send_at(bench.now() + ms(100), &request(0x3d, &words(&[0, 0x10_0000])));
    while !bench.module.waits_for_host() {
        let at = bench.module.next_wakeup().unwrap();
        bench.module.advance(at);
        while let Some(burst) = bench.module.transmit() {
            assert_eq!(burst.end(), at);
        }
    }
    assert_eq!(bench.module.next_wakeup().map(|at| at > bench.now() + Nanos::from_secs(1)), Some(true));
}
