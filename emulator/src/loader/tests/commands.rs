//! `reference/loader-protocol.md` section 4: what the vectors leave out.

use bl702_protocol::time::Nanos;
use rstest::rstest;

use super::{Bench, JEDEC, ms, request, us, words};
use crate::event::Event;
use crate::flash::StatusLayout;
use crate::line::Burst;
use crate::module::{Module, Running};

#[test]
fn an_erase_to_ffffffff_never_ends() {
    let mut bench = Bench::in_session(500_000);
    bench.send_at(bench.now(), &request(0x30, &words(&[0xf_0000, u32::MAX])));
    let pending = bench.sleep(Nanos::from_secs(60));
    assert!(
        pending.len() > 200 && pending.iter().zip(b"PD".iter().cycle()).all(|(sent, wanted)| sent == wanted)
    );
    assert!(!bench.module.waits_for_host());
    assert!(bench.module.flash().dump().iter().all(|cell| *cell == 0xff));
}

#[test]
fn a_sector_size_of_0_never_ends_either() {
    let mut bench = Bench::in_session(500_000);
    let mut config = [0; 84];
    config[16..20].copy_from_slice(&[0xc7, 0x20, 0xff, 0xff]);
    assert_eq!(bench.command(0x3b, &[&[0xff, 1, 1, 0][..], &config].concat()), b"OK");
    bench.send_at(bench.now(), &request(0x30, &words(&[0x1000, 0x1fff])));
    assert!(bench.sleep(Nanos::from_secs(10)).len() > 200);
    assert!(!bench.module.waits_for_host());
}

#[test]
fn an_endless_erase_that_takes_no_time_is_held_up_by_its_pd() {
    // Block protection makes the part ignore every unit.
    let mut bench = Bench::in_session(500_000);
    bench.command(0x38, &words(&[0x01, 1, 0x3c]));
    bench.send_at(bench.now(), &request(0x30, &words(&[0, u32::MAX])));
    let sent = bench.sleep(ms(100));
    assert!((4500..=5000).contains(&sent.len()), "{}", sent.len());
    assert_eq!(bench.count(|event| matches!(event, Event::FlashUnitErased { .. })), 0);
}

#[test]
fn erasing_takes_the_time_of_its_units_and_tells_of_each() {
    let mut bench = Bench::in_session(500_000);
    let begin = bench.now();
    assert_eq!(bench.command(0x30, &words(&[0x1_f000, 0x3_0fff])), b"PDPDPDOK");
    assert_eq!(bench.now() - begin, us(240 + 160 + 40) + ms(45 + 300 + 45));
    let units: Vec<(u32, u32)> = bench
        .events
        .iter()
        .filter_map(|timed| match timed.event {
            Event::FlashUnitErased { address, length } => Some((address, length)),
            _ => None,
        })
        .collect();
    assert_eq!(units, [(0x1_f000, 0x1000), (0x2_0000, 0x1_0000), (0x3_0000, 0x1000)]);
}

#[rstest]
#[case::not_a_second(999, 0)]
#[case::a_second(1000, 1)]
#[case::two_and_a_half(2500, 2)]
fn a_chip_erase_sends_pd_after_each_full_second(#[case] busy_ms: u64, #[case] pending: usize) {
    let mut bench = Bench::in_session(500_000);
    bench.module.flash_mut().set_chip_erase_ms(Some(busy_ms));
    assert_eq!(bench.command(0x3c, &[]), [b"PD".repeat(pending), b"OK".to_vec()].concat());
}

#[test]
fn a_chip_erase_gives_up_after_49_5_s() {
    let mut bench = Bench::in_session(500_000);
    bench.module.flash_mut().set_chip_erase_ms(Some(60_000));
    let begin = bench.now();
    let answer = bench.command(0x3c, &[]);
    assert_eq!(answer, [b"PD".repeat(49), b"FL\x03\x00".to_vec()].concat());
    assert_eq!((bench.now() - begin).as_millis(), 49_500);
}

#[rstest]
#[case::fills_the_buffer(0x2404, true, false)]
#[case::changes_the_efuse_words(0x2408, true, true)]
#[case::spares_the_receive_routine(0x241c, true, true)]
#[case::answers_and_crashes(0x2420, false, true)]
#[case::crashes_in_the_answer(0x2424, false, true)]
#[case::runs_out_of_ram(0xffff_fffc, false, true)]
fn a_memory_read_runs_over_the_end_of_its_buffer(
    #[case] length: u32,
    #[case] survives: bool,
    #[case] changes: bool,
) {
    let mut bench = Bench::in_session(2_000_000);
    let before = bench.command(0x10, &[]);
    // A word that leaves the address in free RAM: two words of data end with the first of them there. It keeps the time-out of 2000 ms in its upper half.
    bench.command(0x50, &words(&[0x4202_b800, 0x07d0_0001, 0]));
    let answer = bench.command(0x51, &words(&[0x4202_b800, length]));
    if length <= 0x2420 {
        assert_eq!(answer.len() as u32, length + 4);
        assert_eq!(answer[4..12], words(&[0x07d0_0001, 0x07d0_0001]));
    } else {
        assert_eq!(answer, b"");
    }
    assert_eq!(matches!(bench.module.running(), Running::Dead(_)), !survives);
    if survives {
        let after = bench.command(0x10, &[]);
        assert_eq!(after[..8], before[..8]);
        assert_eq!(after[8..12] != before[8..12], changes);
    }
}

#[test]
fn a_memory_write_can_reset_the_chip() {
    let mut bench = Bench::in_session(500_000);
    bench.send_at(bench.now(), &request(0x50, &words(&[0x4000_0018, 2, 0])));
    assert_eq!(bench.sleep(ms(1)), b"");
    assert!(matches!(bench.module.running(), Running::Rom(_)));
    assert_eq!(bench.count(|event| matches!(event, Event::CpuReset)), 1);
}

#[test]
fn status_bytes_beyond_the_truncated_count_are_left_over_from_the_last_answer() {
    let mut bench = Bench::in_session(500_000);
    assert_eq!(bench.command(0x32, &words(&[0, 0x200])).len(), 0x204);
    bench.command(0x3a, &[]);
    // In buffer 0, so that the request itself leaves the answer buffer alone.
    let answer = bench.command(0x37, &words(&[0x05, 300]));
    assert_eq!(answer[..4], [b'O', b'K', 0x2c, 0x00]);
    assert_eq!(answer[4..4 + 0x2c], [0; 0x2c]);
    assert_eq!(
        answer[4 + 0x2c..],
        (0x2c..300).map(|i: u32| (7 * i + 13 * (i >> 8)) as u8).collect::<Vec<u8>>()
    );
}

#[test]
fn status_reads_of_more_than_the_ram_behind_the_buffer_fault() {
    let mut bench = Bench::in_session(2_000_000);
    let answer = bench.command(0x37, &words(&[0x05, 1 << 20]));
    assert_eq!(answer.len(), 0x4202_e000 - 0x4202_64f8);
    assert!(matches!(bench.module.running(), Running::Dead(_)));
}

#[rstest]
#[case::write(0x40, &[0x20, 0, 0, 0, 1, 0, 0, 0], b"OK")]
#[case::read(0x41, &[0x20, 0, 0, 0, 0, 0, 0, 0], b"OK\0\0")]
#[case::refused(0x41, &[], b"FL\x04\x04")]
fn fuse_commands_wait_100_us(#[case] id: u8, #[case] payload: &[u8], #[case] answer: &[u8]) {
    let mut bench = Bench::in_session(2_000_000);
    let frame = request(id, payload);
    let begin = bench.now();
    assert_eq!(bench.ask(&frame), answer);
    let line = Nanos::byte_times((frame.len() + answer.len()) as u64, 2_000_000);
    assert_eq!(bench.now() - begin, line + us(40 + 100));
}

#[test]
fn burns_are_told_word_by_word_and_only_where_fuses_change() {
    let mut bench = Bench::in_session(500_000);
    bench.command(0x40, &words(&[0x20, 0x0f, 0, 0xf0]));
    bench.command(0x40, &words(&[0x20, 0x03]));
    let burnt: Vec<(u8, u32)> = bench
        .events
        .iter()
        .filter_map(|timed| match timed.event {
            Event::EfuseProgram { offset, word } => Some((offset, word)),
            _ => None,
        })
        .collect();
    assert_eq!(burnt, [(0x20, 0x0f), (0x28, 0xf0)]);
    assert_eq!(bench.module.otp().burn_count(), 8);
}

#[test]
fn boot_info_keeps_the_fuses_of_the_start_while_mac_reads_afresh() {
    let mut bench = Bench::in_session(500_000);
    let before = bench.command(0x10, &[]);
    bench.command(0x40, &words(&[0x10, 0x0000_0002]));
    assert_eq!(bench.command(0x10, &[]), before);
    assert_eq!(bench.command(0x41, &words(&[0x10, 4])), [b'O', b'K', 4, 0, 2, 0, 0, 0]);
}

#[test]
fn the_reset_comes_4_ms_after_ok_and_leaves_the_rom_its_word() {
    let mut bench = Bench::in_session(500_000);
    let arrived = bench.send_at(bench.now(), &request(0x21, &[]));
    let answer = bench.run_until(arrived + us(160) + ms(4) + us(9));
    assert_eq!(answer, b"OK");
    assert!(matches!(bench.module.running(), Running::Loader(_)));
    bench.sleep(us(1));
    assert!(matches!(bench.module.running(), Running::Rom(_)));
    assert_eq!(bench.count(|event| matches!(event, Event::SystemReset)), 1);
}

#[rstest]
#[case::no_pin(0xff, 0)]
#[case::with_pin(0x08, 2000)]
fn flash_parameters_with_a_pin_take_2_ms(#[case] pin: u8, #[case] delay_us: u64) {
    let mut bench = Bench::in_session(500_000);
    let arrived = bench.send_at(bench.now(), &request(0x3b, &[pin, 1, 1, 0]));
    assert_eq!(bench.first_byte_out() - arrived, us(160 + 20 + delay_us));
}

#[test]
fn a_pin_brings_the_configuration_of_the_list_back_and_clears_the_protection() {
    let mut bench = Bench::in_session(500_000);
    let mut config = [0; 84];
    config[12] = 4;
    config[16..20].copy_from_slice(&[0xc7, 0x20, 0xff, 0xff]);
    bench.command(0x3b, &[&[0xff, 1, 1, 0][..], &config].concat());
    bench.command(0x38, &words(&[0x01, 1, 0x3c]));
    assert_eq!(bench.command(0x3b, &[8, 1, 1, 0]), b"OK");
    assert_eq!(bench.command(0x37, &words(&[0x05, 1])), [b'O', b'K', 1, 0, 0]);
    assert_eq!(bench.command(0x30, &words(&[0, 0xffff])), b"PDOK");
    assert_eq!(bench.module.flash().dump()[..0x1_0000], [0xff; 0x1_0000]);
}

#[test]
fn the_start_clears_the_protection_of_the_flash() {
    let profile = Bench::profile();
    let mut module = Module::builder(profile).build();
    module.flash_mut().begin_write_register(Nanos::ZERO, 0x01, &[0x3c]).unwrap();
    assert!(!module.flash().protected().is_empty());
    // Two memory commands of the ROM, as a host that has uploaded an image sends them.
    module.advance(ms(100));
    send(&mut module, &[0x55; 150]);
    send(&mut module, &rom_write(0x2201_0000, 0x0000_0013));
    send(&mut module, &rom_write(0x4000_f100, 0x4e42_4845));
    send(&mut module, &rom_write(0x4000_f104, 0x2201_0000));
    assert!(!module.flash().protected().is_empty());
    send(&mut module, &rom_write(0x4000_0018, 2));
    assert!(matches!(module.running(), Running::Loader(_)));
    assert!(module.flash().protected().is_empty());
}

/// Sends bytes to a module and lets it do what it has to do.
fn send(module: &mut Module, bytes: &[u8]) {
    module.receive(Burst { start: module.now() + ms(20), baud_bps: 500_000, bytes: bytes.to_vec() });
    while !module.waits_for_host() {
        let Some(at) = module.next_wakeup() else { return };
        module.advance(at);
        while module.transmit().is_some() {}
    }
}

fn rom_write(address: u32, value: u32) -> Vec<u8> {
    [&[0x50, 0, 8, 0][..], &words(&[address, value])].concat()
}

#[rstest]
#[case::dual_output([0xc2, 0x20, 0x14], 0x00)]
#[case::quad_io([0xef, 0x40, 0x14], 0x02)]
fn the_start_sets_quad_enable_where_the_list_says_quad(#[case] jedec_id: [u8; 3], #[case] second: u8) {
    let mut profile = Bench::profile();
    profile.flash_part.jedec_id = jedec_id;
    profile.flash_part.status = StatusLayout::WinbondThree;
    let mut bench = Bench::in_session_with(profile, 500_000);
    assert_eq!(bench.command(0x37, &words(&[0x35, 1])), [b'O', b'K', 1, 0, second]);
}

#[test]
fn an_unknown_part_has_no_flag_but_works() {
    let mut profile = Bench::profile();
    profile.flash_part.jedec_id = [0x12, 0x34, 0x14];
    let mut bench = Bench::in_session_with(profile, 500_000);
    assert_eq!(bench.command(0x36, &[]), [b'O', b'K', 4, 0, 0x12, 0x34, 0x14, 0x00]);
    assert_eq!(bench.command(0x30, &words(&[0, 0xfff])), b"PDOK");
}

#[test]
fn a_hash_takes_the_time_of_reading() {
    let mut bench = Bench::in_session(500_000);
    let begin = bench.now();
    assert_eq!(bench.command(0x3d, &words(&[0, 0x10_0000])).len(), 36);
    // 1 MiB at 6 MB/s, and the answer.
    assert!(((bench.now() - begin).as_secs_f64() - 0.1755).abs() < 0.002, "{}", bench.now() - begin);
}

#[test]
fn the_log_stops_when_it_is_full() {
    let mut bench = Bench::in_session(2_000_000);
    for _ in 0..400 {
        assert_eq!(bench.command(0x36, &[]), JEDEC);
    }
    let log = bench.command(0x71, &[]);
    assert!((4096 - 40..4096).contains(&(log.len() - 4)), "{}", log.len());
    assert_eq!(bench.command(0x71, &[]), log);
}
