//! `reference/loader-protocol.md` section 2.

use rstest::rstest;

use super::{Bench, JEDEC, ms, request, us};
use crate::event::Event;

/// The moment at which UART0 has been armed for its 2 ms and USB has its turn: the reference measured from there.
fn usb_turn_begins(bench: &Bench) -> bl702_protocol::time::Nanos {
    bench.now() + ms(2)
}

#[test]
fn nothing_is_sent_before_a_handshake() {
    let mut bench = Bench::listening();
    assert_eq!(bench.ask(&request(0x36, &[])), b"");
    assert_eq!(bench.sleep(ms(60_000)), b"");
    assert_eq!(bench.lost(), [(4, "no session: the RAM loader hears nothing but a handshake")]);
}

#[rstest]
#[case::as_measured_from_the_beginning_of_a_usb_turn(2000, 12_960)]
#[case::armed(0, 12_060)]
#[case::the_last_whole_byte_of_the_window(1980, 12_060)]
#[case::cut_by_the_end_of_the_window(1981, 12_060 + 920)]
fn ok_ends_12_ms_and_up_to_a_usb_turn_after_the_first_55h(
    #[case] begin_us: u64,
    #[case] ok_ends_after_us: u64,
) {
    let mut bench = Bench::listening();
    let first = bench.now() + us(begin_us);
    bench.send_at(first, &[0x55; 150]);
    let first_byte_out = bench.first_byte_out();
    assert_eq!(first_byte_out + us(20), first + us(ok_ends_after_us));
}

#[rstest]
#[case::armed(0x55, 100, true)]
#[case::armed_again(0x55, 2_900, true)]
#[case::other_fixed_character(0xd5, 100, true)]
#[case::usb_turn(0x55, 2_400, false)]
#[case::half_in_the_window(0x55, 1_990, false)]
#[case::another_byte(0x54, 100, false)]
fn one_55h_in_an_armed_window_is_enough(#[case] byte: u8, #[case] begin_us: u64, #[case] heard: bool) {
    let mut bench = Bench::listening();
    bench.send_at(bench.now() + us(begin_us), &[byte]);
    assert_eq!(bench.settle(), if heard { &b"OK"[..] } else { b"" });
    assert_eq!(bench.in_session_now(), heard);
}

#[rstest]
#[case::slow_150(115_200, 150, true)]
#[case::slow_170(115_200, 170, false)]
#[case::fast_600(500_000, 600, true)]
#[case::fast_700(500_000, 700, false)]
fn surplus_55h_become_the_head_of_the_first_frame(
    #[case] baud_bps: u32,
    #[case] count: usize,
    #[case] fine: bool,
) {
    let mut bench = Bench::listening();
    bench.baud_bps = baud_bps;
    bench.send_at(usb_turn_begins(&bench), &vec![0x55; count]);
    assert_eq!(bench.settle(), b"OK");
    assert_eq!(bench.command(0x36, &[]), if fine { &JEDEC[..] } else { b"" });
    if !fine {
        // The session is dead until 4 s have passed, and then begins anew.
        bench.sleep(ms(4100));
        assert!(!bench.in_session_now());
        bench.handshake();
        assert_eq!(bench.command(0x36, &[]), JEDEC);
    }
}

#[rstest]
#[case::half_a_millisecond(500, false)]
#[case::at_once(0, false)]
#[case::from_900_us_on(900, true)]
#[case::what_the_vendor_waits(30_000, true)]
fn a_frame_right_after_ok_is_lost(#[case] after_us: u64, #[case] taken: bool) {
    let mut bench = Bench::listening();
    let begin = bench.now();
    bench.send_at(begin, &[0x55; 150]);
    let ok_ends = begin + us(12_060);
    bench.send_at(ok_ends + us(after_us), &request(0x36, &[]));
    let answer = if taken { [&b"OK"[..], &JEDEC].concat() } else { b"OK".to_vec() };
    assert_eq!(bench.settle(), answer);
    let lost = [(4, "sent before the RAM loader's session was ready")];
    assert_eq!(bench.lost(), if taken { &[][..] } else { &lost });
    // A lost frame leaves no trace: the next one is taken.
    assert_eq!(bench.command(0x36, &[]), JEDEC);
}

#[test]
fn bytes_in_the_hardware_fifo_survive_the_drain() {
    let mut bench = Bench::listening();
    let begin = bench.now();
    bench.send_at(begin, &[0x55; 150]);
    // Three of four bytes have arrived when the drain ends, 0.96 ms after OK; the interrupt comes with the fourth.
    bench.send_at(begin + us(12_060 + 900), &request(0x36, &[])[..3]);
    bench.send_at(begin + us(12_060 + 970), &request(0x36, &[])[3..]);
    assert_eq!(bench.settle(), [&b"OK"[..], &JEDEC].concat());
}

#[rstest]
#[case(9_600, 9_600)]
#[case(115_200, 115_107)]
#[case(500_000, 500_000)]
#[case(921_600, 923_076)]
#[case(1_000_000, 1_000_000)]
#[case(1_500_000, 1_500_000)]
#[case(2_000_000, 2_000_000)]
#[case(2_500_000, 2_500_000)]
#[case(3_000_000, 3_000_000)]
fn rates_that_work(#[case] sent_bps: u32, #[case] settled_bps: u32) {
    let mut bench = Bench::listening();
    bench.baud_bps = sent_bps;
    bench.handshake();
    assert_eq!(bench.command(0x36, &[]), JEDEC);
    assert_eq!(
        bench.count(|event| matches!(event, Event::Handshake { baud_bps, .. } if *baud_bps == settled_bps)),
        1
    );
}

#[test]
fn at_1200000_baud_the_answer_comes_at_a_million_and_commands_are_garbage() {
    let mut bench = Bench::listening();
    bench.baud_bps = 1_200_000;
    bench.handshake();
    assert_ne!(bench.command(0x36, &[]), JEDEC);
    assert_eq!(bench.count(|event| matches!(event, Event::Handshake { baud_bps: 1_000_000, .. })), 1);
}

#[test]
fn at_16_million_baud_there_is_no_answer_and_another_rate_is_heard_then() {
    let mut bench = Bench::listening();
    bench.baud_bps = 16_000_000;
    assert_eq!(bench.ask(&[0x55; 200]), b"");
    bench.baud_bps = 500_000;
    bench.handshake();
}
