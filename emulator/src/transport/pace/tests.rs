//! The wall clock of these tests is a number.

use super::*;
use crate::module::Start;
use crate::profile::Profile;

const BAUD_BPS: u32 = 500_000;
const ERASE_64K: &[u8] = &[0x30, 0, 8, 0, 0, 0, 1, 0, 0xff, 0xff, 1, 0];
const BOOT_INFO: &[u8] = &[0x10, 0, 0, 0];

struct Bench {
    paced: Paced,
    wall: Nanos,
    audience: bool,
}

impl Bench {
    fn new(pace: Pace) -> Bench {
        let profile = Profile::builtin("vectors-loader").unwrap();
        let module = Module::builder(profile).start(Start::Loader).build();
        Bench { paced: Paced::new(module, pace), wall: Nanos::ZERO, audience: true }
    }

    fn write(&mut self, bytes: &[u8]) -> Burst {
        assert!(self.paced.hears_host(self.wall));
        self.paced.host_wrote(self.wall, BAUD_BPS, bytes)
    }

    /// Like the driver, up to `until` on the wall clock; gives what came when.
    fn run(&mut self, until: Nanos) -> Vec<(Nanos, Vec<u8>)> {
        let mut heard = Vec::new();
        loop {
            let progress = self.paced.advance(self.wall, self.audience);
            while let Some((burst, _)) = self.paced.sent() {
                heard.push((self.wall, burst.bytes));
            }
            if progress == Progress::Jumping {
                continue;
            }
            match self.paced.deadline() {
                Some(deadline) if deadline <= until => self.wall = self.wall.max(deadline),
                _ => break,
            }
        }
        self.wall = until;
        self.paced.advance(until, self.audience);
        heard
    }

    fn run_for(&mut self, span: Nanos) -> Vec<u8> {
        let heard = self.run(self.wall + span);
        heard.into_iter().flat_map(|(_, bytes)| bytes).collect()
    }

    fn shake_hands(&mut self) {
        self.write(&[0x55; 150]);
        assert_eq!(self.run_for(Nanos::from_millis(20)), b"OK");
    }
}

#[test]
fn a_booting_module_is_not_handed_out() {
    for pace in [Pace::Wire, Pace::None] {
        let mut bench = Bench::new(pace);
        assert_eq!(bench.paced.module_time(Nanos::ZERO), bench.paced.module().now());
        bench.shake_hands();
    }
}

#[test]
fn writes_that_are_read_apart_are_one_burst_on_the_line() {
    let mut bench = Bench::new(Pace::Wire);
    let first = bench.write(&[0x55; 100]);
    bench.wall = Nanos::from_micros(700);
    let second = bench.write(&[0x55; 50]);
    assert_eq!(second.start, first.end());
    bench.wall = Nanos::from_millis(5);
    let third = bench.write(&[0x55]);
    assert_eq!(third.start, bench.paced.module_time(bench.wall));
}

#[test]
fn on_the_wire_a_reply_comes_when_its_last_stop_bit_has() {
    let mut bench = Bench::new(Pace::Wire);
    bench.shake_hands();
    let sent = bench.wall;
    bench.write(BOOT_INFO);
    let heard = bench.run(sent + Nanos::from_millis(10));
    // 4 bytes there, 80 bit times of FIFO time-out (reference/loader-protocol.md section 6), 28 bytes back.
    let (at, _) = heard.last().unwrap();
    let wire = Nanos::bit_times(40 + 80 + 280, BAUD_BPS);
    assert!(*at >= sent + wire && *at < sent + wire + Nanos::from_micros(100), "{}", at.since(sent));
}

#[test]
fn a_long_reply_comes_in_slices_of_a_millisecond() {
    let mut bench = Bench::new(Pace::Wire);
    bench.shake_hands();
    bench.write(&[0x32, 0, 8, 0, 0, 0, 0, 0, 0, 8, 0, 0]);
    let heard = bench.run(bench.wall + Nanos::from_millis(100));
    // 2052 bytes at 500,000 baud are 41 ms.
    assert!((40..=44).contains(&heard.len()), "{}", heard.len());
    assert_eq!(heard.iter().map(|(_, bytes)| bytes.len()).sum::<usize>(), 2052);
}

#[test]
fn without_pacing_busy_times_take_no_time() {
    let mut bench = Bench::new(Pace::None);
    bench.shake_hands();
    let before = bench.wall;
    bench.write(ERASE_64K);
    assert_eq!(bench.run_for(Nanos::ZERO), b"PDOK");
    assert_eq!(bench.wall, before);
    // The module has lived through them all the same.
    assert!(bench.paced.module_time(bench.wall).since(before) > Nanos::from_millis(300));
}

#[test]
fn without_pacing_the_answer_to_a_handshake_still_waits_for_the_wall_clock() {
    let mut bench = Bench::new(Pace::None);
    // Twice: the end of the first session must not leave anything behind.
    for _ in 0..2 {
        let start = bench.wall;
        bench.write(&[0x55; 20]);
        assert_eq!(bench.run_for(Nanos::from_millis(8)), b"");
        bench.write(&[0x55; 20]);
        assert_eq!(bench.run_for(Nanos::from_millis(8)), b"OK");
        bench.write(BOOT_INFO);
        assert_eq!(bench.run_for(Nanos::ZERO).len(), 28);
        assert!(bench.wall.since(start) == Nanos::from_millis(16));
        assert_eq!(bench.run_for(Nanos::from_millis(4_100)), b"");
    }
}

#[test]
fn without_pacing_nothing_is_read_between_a_reply_and_the_end_of_the_work_behind_it() {
    let mut bench = Bench::new(Pace::None);
    bench.shake_hands();
    // The OK to a write comes before programming.
    let mut write = vec![0x31, 0, 4, 1, 0, 0, 0, 0];
    write.extend([0; 256]);
    bench.write(&write);
    let mut replied = false;
    while !replied {
        bench.paced.advance(bench.wall, true);
        replied = bench.paced.sent().is_some();
    }
    assert!(!bench.paced.hears_host(bench.wall));
    bench.run_for(Nanos::ZERO);
    assert!(bench.paced.hears_host(bench.wall));
    assert!(bench.paced.module().waits_for_host());
}

#[test]
fn idle_time_outs_take_their_time_without_pacing_too() {
    for pace in [Pace::Wire, Pace::None] {
        let mut bench = Bench::new(pace);
        bench.shake_hands();
        bench.run_for(Nanos::from_millis(3_800));
        bench.write(BOOT_INFO);
        assert_eq!(bench.run_for(Nanos::from_millis(5)).len(), 28);
        bench.run_for(Nanos::from_millis(4_100));
        bench.write(BOOT_INFO);
        assert_eq!(bench.run_for(Nanos::from_millis(5)), b"");
    }
}

#[test]
fn nobody_gains_from_a_hurry_when_nobody_listens() {
    let mut bench = Bench::new(Pace::None);
    bench.shake_hands();
    bench.audience = false;
    bench.write(ERASE_64K);
    assert_eq!(bench.run_for(Nanos::from_millis(290)), b"PD");
    assert_eq!(bench.run_for(Nanos::from_millis(20)), b"OK");
}

#[test]
fn a_host_far_ahead_of_the_line_has_to_wait() {
    let mut bench = Bench::new(Pace::Wire);
    // 5000 bytes are 100 ms on the line, of which the port holds 4096.
    bench.write(&[0; 5000]);
    bench.paced.advance(bench.wall, true);
    assert!(!bench.paced.hears_host(bench.wall));
    let resume = Nanos::byte_times(5000 - 4096, BAUD_BPS);
    bench.run(resume - Nanos(1_000));
    assert!(!bench.paced.hears_host(bench.wall));
    assert!(bench.paced.deadline().is_some_and(|deadline| deadline <= resume + Nanos(1_000)));
    bench.run(resume + Nanos(1_000));
    assert!(bench.paced.hears_host(bench.wall));
}
