//! The boot ROM on the wire: times, windows, straps and losses of `reference/rom-and-module.md` section 1.
#![allow(clippy::unwrap_used, reason = "test support code: a failure is a failed test")]

use bl702_emulator::Nanos;
use bl702_emulator::event::Event;
use bl702_emulator::line::Burst;
use bl702_emulator::module::{Module, Running};
use bl702_emulator::profile::Profile;
use bl702_emulator::rom::RomState;
use proptest::prelude::*;
use rstest::rstest;

const BOOT_INFO: [u8; 4] = [0x10, 0, 0, 0];

struct Host {
    module: Module,
    baud_bps: u32,
}

impl Host {
    fn new(module: Module, baud_bps: u32) -> Host {
        Host { module, baud_bps }
    }

    fn xt_zb2(baud_bps: u32) -> Host {
        let mut host = Host::new(Module::new(Profile::builtin("xt-zb2").unwrap()), baud_bps);
        host.settle();
        host
    }

    fn send_at(&mut self, at: Nanos, bytes: &[u8]) -> Nanos {
        let burst = Burst { start: at, baud_bps: self.baud_bps, bytes: bytes.to_vec() };
        let end = burst.end();
        self.module.receive(burst);
        end
    }

    fn send(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.send_at(self.module.now() + Nanos::from_millis(1), bytes);
        self.settle()
    }

    fn settle(&mut self) -> Vec<u8> {
        let mut sent = Vec::new();
        while !self.module.waits_for_host() {
            self.module.advance(self.module.next_wakeup().unwrap());
            while let Some(burst) = self.module.transmit() {
                sent.extend(burst.bytes);
            }
        }
        sent
    }

    fn handshake(&mut self) -> Vec<u8> {
        let count = self.baud_bps as usize * 3 / 10_000;
        let reply = self.send(&vec![0x55; count]);
        self.module.advance(self.module.now() + Nanos::from_millis(2));
        reply
    }

    fn burns(&self) -> u32 {
        self.module.otp().burn_count()
    }
}

#[rstest]
#[case::half_of_nominal(0.5, 4_000)]
#[case::nominal(1.0, 8_000)]
fn ok_comes_a_scaled_8_ms_after_the_first_0x55(#[case] scale: f64, #[case] wait_us: u64) {
    let mut profile = Profile::builtin("xt-zb2").unwrap();
    profile.rom_time_scale = scale;
    let mut host = Host::new(Module::new(profile), 500_000);
    host.settle();
    let start = host.module.now() + Nanos::from_millis(3);
    host.send_at(start, &[0x55; 300]);
    let mut ok = None;
    while ok.is_none() {
        host.module.advance(host.module.next_wakeup().unwrap());
        ok = host.module.transmit();
    }
    let ok = ok.unwrap();
    assert_eq!(ok.bytes, b"OK");
    let waited = ok.start - start;
    let (least, most) = (Nanos::from_micros(wait_us), Nanos::from_micros(wait_us + 4_000));
    assert!(waited >= least && waited <= most, "{waited}");
}

#[rstest]
// One character of 9600 baud is longer than a listening window of half the nominal time.
#[case(9_600, false)]
#[case(19_200, true)]
#[case(115_200, true)]
#[case(230_400, true)]
#[case(460_800, true)]
#[case(500_000, true)]
#[case(921_600, true)]
#[case(1_000_000, true)]
#[case(1_500_000, true)]
#[case(2_000_000, true)]
// Above 1.25 Mbaud the ROM rounds to multiples of 500,000: the answer comes at a rate the host does not hear.
#[case(1_750_000, false)]
// 32 MHz / 8 Mbaud = 4 is taken, / 10.6 Mbaud = 3 is not.
#[case(8_000_000, true)]
#[case(12_000_000, false)]
fn autobaud_takes_the_rates_of_section_1_2(#[case] baud_bps: u32, #[case] works: bool) {
    let mut host = Host::xt_zb2(baud_bps);
    let heard = host.handshake();
    let answer = match host.module.running() {
        Running::Rom(RomState::Session { baud_bps: found }) => {
            heard == b"OK" && bl702_emulator::uart::rates_agree(found, baud_bps)
        }
        _ => false,
    };
    assert_eq!(answer, works);
}

#[test]
fn a_character_in_the_usb_turn_is_not_heard() {
    // Listening starts when the third sample of the strap is taken; half scale: 1 ms UART, 0.5 ms USB.
    let mut host = Host::xt_zb2(500_000);
    let since = host.module.now();
    let round = Nanos::from_micros(1_500);
    host.send_at(since + round * 2 + Nanos::from_micros(1_100), &[0x55]);
    assert_eq!(host.settle(), b"");
    host.send_at(since + round * 9 + Nanos::from_micros(400), &[0x55]);
    assert_eq!(host.settle(), b"OK");
}

#[test]
fn a_frame_before_the_handshake_is_ignored() {
    let mut host = Host::xt_zb2(500_000);
    assert_eq!(host.send(&BOOT_INFO), b"");
    assert_eq!(host.handshake(), b"OK");
    assert!(host.send(&BOOT_INFO).starts_with(b"OK\x18\x00\x01\x00\x02\x07"));
}

#[test]
fn the_field_reports_triple_comes_from_a_healthy_module() {
    let mut host = Host::xt_zb2(500_000);
    host.handshake();
    host.send(&BOOT_INFO);
    // What a tool set to BL702L sends to set the clock.
    let clock_set = [
        0x22, 0x8e, 0x18, 0x00, 0x01, 0, 0, 0, 0x80, 0x84, 0x1e, 0x00, 0x50, 0x43, 0x46, 0x47, 0x01, 0x04,
        0x00, 0x01, 0, 0, 0, 0, 0x54, 0xd2, 0xa7, 0x60,
    ];
    let replies: Vec<Vec<u8>> = (0..4).map(|_| host.send(&clock_set)).collect();
    assert_eq!(replies, [b"FL\x04\x01", b"FL\x02\x04", b"FL\x04\x01", b"FL\x02\x04"]);
    assert_eq!(host.send(&[0x3b, 0x99, 4, 0, 0xff, 1, 1, 0]), b"");
    assert_eq!(host.send(&[0x36, 0, 0, 0]), b"");
    assert_eq!(host.burns(), 0);
}

#[test]
fn bytes_beyond_the_fifo_are_lost_while_the_rom_erases() {
    let mut host = Host::xt_zb2(500_000);
    host.handshake();
    let at = host.module.now() + Nanos::from_millis(1);
    let end = host.send_at(at, &[0x30, 0, 8, 0, 0, 0, 0, 0, 0xff, 0x0f, 0, 0]);
    host.send_at(end, &[0x00; 200]);
    assert!(host.settle().starts_with(b"OK"));
    let lost: u32 = std::iter::from_fn(|| host.module.next_event())
        .filter_map(|timed| match timed.event {
            Event::BytesLost { count, .. } => Some(count),
            _ => None,
        })
        .sum();
    assert_eq!(lost, 200 - 128);
}

#[test]
fn en_low_silences_the_module_and_a_5_ms_pulse_restarts_it() {
    let mut host = Host::xt_zb2(500_000);
    host.handshake();
    let now = host.module.now();
    host.module.set_enable(now, false);
    assert_eq!(host.module.running(), Running::Nothing);
    host.send_at(now, &BOOT_INFO);
    host.module.set_enable(now + Nanos::from_millis(5), true);
    host.settle();
    assert_eq!(host.module.running(), Running::Rom(RomState::Listening));
    assert_eq!(host.send(&BOOT_INFO), b"", "the session must not survive a reset");
    assert_eq!(host.handshake(), b"OK");
    assert_eq!(host.module.resets(), 2);
}

#[test]
fn boot_low_at_reset_boots_the_flash_and_boot_may_change_afterwards() {
    let mut host =
        Host::new(Module::builder(Profile::builtin("xt-zb2").unwrap()).boot_high(false).build(), 500_000);
    host.settle();
    assert_eq!(host.module.running(), Running::Firmware);
    let now = host.module.now();
    host.module.set_boot(now, true);
    assert_eq!(host.handshake(), b"", "the strap is sampled at reset only");
    let now = host.module.now();
    host.module.set_enable(now, false);
    host.module.set_enable(now + Nanos::from_millis(10), true);
    host.settle();
    let now = host.module.now();
    host.module.set_boot(now, false);
    assert_eq!(host.handshake(), b"OK");
}

#[test]
fn one_low_sample_of_three_is_still_isp() {
    let mut profile = Profile::builtin("xt-zb2").unwrap();
    profile.rom_time_scale = 1.0;
    for (high_after_us, isp) in [(900, true), (1_900, false)] {
        let start = Nanos::from_micros(profile.boot_rom_start_us);
        let mut module = Module::builder(profile.clone()).boot_high(false).build();
        module.set_boot(start + Nanos::from_micros(high_after_us), true);
        module.advance(Nanos::from_millis(50));
        assert_eq!(matches!(module.running(), Running::Rom(_)), isp, "high after {high_after_us} us");
    }
}

#[test]
fn a_power_cut_inside_an_erase_leaves_the_sector_torn_and_the_next_untouched() {
    let mut module =
        Module::builder(Profile::builtin("xt-zb2").unwrap()).flash(vec![0x00; 0x3000]).seed(7).build();
    module.advance(Nanos::from_millis(50));
    let mut host = Host::new(module, 500_000);
    host.handshake();
    let at = host.module.now();
    let end = host.send_at(at, &[0x30, 0, 8, 0, 0, 0, 0, 0, 0xff, 0x1f, 0, 0]);
    host.module.set_power(end + Nanos::from_millis(20), false);
    let flash = host.module.flash().dump();
    let erased = flash[..0x1000].iter().filter(|byte| **byte == 0xff).count();
    assert!(erased > 0 && erased < 0x1000, "{erased} bytes of the first sector are erased");
    assert!(flash[0x1000..0x3000].iter().all(|byte| *byte == 0));
}

#[test]
fn a_plain_efuse_write_burns_without_any_arming_and_is_counted() {
    let mut host = Host::xt_zb2(500_000);
    host.handshake();
    assert_eq!(host.send(&[0x40, 0, 8, 0, 0x5c, 0, 0, 0, 1, 0, 0, 0]), b"OK");
    assert_eq!(host.burns(), 1);
}

proptest! {
    #[test]
    fn any_phase_of_the_window_hears_3_ms_of_0x55(offset_us in 0u64..10_000, baud in 100_000u32..1_000_000) {
        let mut host = Host::xt_zb2(baud);
        let at = host.module.now() + Nanos::from_micros(offset_us);
        host.send_at(at, &vec![0x55; baud as usize * 3 / 10_000]);
        let reply = host.settle();
        prop_assert_eq!(reply, b"OK".to_vec());
    }

    #[test]
    fn no_byte_stream_panics_or_stops_the_clock(
        chunks in proptest::collection::vec((proptest::collection::vec(any::<u8>(), 1..300), 0u64..3_000_000), 1..12),
        baud in prop::sample::select(vec![115_200u32, 500_000, 2_000_000]),
    ) {
        let mut host = Host::xt_zb2(baud);
        host.handshake();
        for (bytes, pause_ns) in chunks {
            let before = host.module.now();
            let end = host.send_at(before + Nanos(pause_ns), &bytes);
            host.module.advance(end);
            host.module.advance(end + Nanos::from_secs(700));
            while host.module.transmit().is_some() {}
            prop_assert!(host.module.now() > before);
        }
    }
}
