//! What the flasher does when the line is bad, the module restarts, the port goes away or a person has enough: whole runs
//! against an emulated module, in virtual time.
#![cfg(feature = "emulated")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod bench;

use bench::{Bench, Ran, Trick, image, pattern};
use bl702_emulator::module::Running;
use bl702_emulator::profile::Wiring;
use bl702_flasher::Nanos;
use bl702_flasher::error::{ErrorKind, FlashState, ModuleState};
use bl702_flasher::event::Event;
use bl702_flasher::flow::{self, After};
use bl702_flasher::plan::{FlashRange, Piece, Pieces};
use bl702_flasher::port::PortError;
use rstest::rstest;

const PLACE: u32 = 0x3000;

fn write(bench: &mut Bench, len: usize) -> Ran<flow::ChangeReport> {
    write_to(bench, PLACE, len)
}

fn write_to(bench: &mut Bench, place: u32, len: usize) -> Ran<flow::ChangeReport> {
    let pieces = Pieces::new(vec![Piece::new(u64::from(place), image(len)).unwrap()]).unwrap();
    bench.run(|link, options| flow::write(link, options, pieces, After::Reset))
}

fn backup(bench: &mut Bench, part: Vec<u8>) -> Ran<flow::Backup> {
    let range = FlashRange::new(0, 0x2_8000);
    bench.run(|link, options| flow::resume_backup(link, options, range, part, After::Reset))
}

fn assert_written(bench: &Bench, len: usize) {
    let mut expected = pattern();
    expected[PLACE as usize..PLACE as usize + len].copy_from_slice(&image(len));
    assert!(bench.flash() == expected, "the flash is not what it should be");
}

#[test]
fn damage_again_and_again_lowers_the_rate_and_is_told() {
    let mut bench = Bench::new().with(Trick::DamageAnswers { above_bps: 1_000_000, longer_than: 1000 });
    let ran = backup(&mut bench, vec![]);
    assert_eq!(ran.result.unwrap().bytes, pattern()[..0x2_8000]);
    let told = ran.events.iter().find_map(|event| match event {
        Event::RateLowered(fallback) => Some(fallback.to_string()),
        _ => None,
    });
    insta::assert_snapshot!(told.unwrap(), @"fell back from 2000000 to 1000000 baud, because 3 answers in a short time were damaged or missing");
    let Some(Event::Survived(troubles)) = ran.events.iter().find(|e| matches!(e, Event::Survived(_))) else {
        panic!("the end does not tell of it")
    };
    assert_eq!(troubles.fallbacks.len(), 1);
    assert_eq!(bench.baud_bps(), 1_000_000);
}

#[test]
fn data_that_never_have_their_hash_lower_the_rate_too() {
    // Damage that leaves the length of answers as it is shows by nothing but the hash.
    let mut bench = Bench::new().with(Trick::FlipInAnswers { above_bps: 1_000_000, longer_than: 1000 });
    let ran = backup(&mut bench, vec![]);
    assert_eq!(ran.result.unwrap().bytes, pattern()[..0x2_8000]);
    assert_eq!(bench.baud_bps(), 1_000_000);
}

#[rstest]
#[case::by_lines(Wiring::RtsEn)]
#[case::without_lines(Wiring::None)]
fn an_adapter_that_is_bad_at_high_rates_gets_a_lower_one(#[case] wiring: Wiring) {
    let mut bench = Bench::wired(wiring).with(Trick::GarbageAbove { baud_bps: 1_000_000 });
    let ran = write(&mut bench, 0x4000);
    ran.result.unwrap();
    assert_written(&bench, 0x4000);
    let lowered = ran
        .events
        .iter()
        .any(|event| matches!(event, Event::RateLowered(fallback) if fallback.to_bps == 1_000_000));
    assert!(lowered && bench.baud_bps() == 1_000_000);
}

#[rstest]
#[case::by_lines(Wiring::RtsEn)]
#[case::without_lines(Wiring::None)]
fn a_power_loss_in_a_write_is_found_and_the_torn_sector_written_again(#[case] wiring: Wiring) {
    let (mut torn_runs, mut restarts) = (0, 0);
    for nth in 1..8 {
        for delay_us in [100, 20_000] {
            let delay = Nanos::from_micros(delay_us);
            let mut bench = Bench::wired(wiring).with(Trick::PowerCutAfter { id: 0x31, nth, delay });
            let ran = write(&mut bench, 0xD000);
            if !bench.fired() {
                continue;
            }
            let report = ran.result.unwrap();
            assert_written(&bench, 0xD000);
            restarts += ran.events.iter().filter(|e| matches!(e, Event::Restarted { .. })).count();
            let torn =
                ran.events.iter().any(|e| matches!(e, Event::Resumed { torn, .. } if !torn.is_empty()));
            torn_runs += usize::from(torn);
            assert_eq!(torn, report.repaired_sectors > 0);
        }
    }
    assert!(torn_runs >= 3 && restarts >= 8, "{torn_runs} torn, {restarts} restarts");
}

#[test]
fn a_power_loss_in_an_erase_is_survived() {
    let mut bench =
        Bench::new().with(Trick::PowerCutAfter { id: 0x30, nth: 1, delay: Nanos::from_millis(20) });
    let ran = write(&mut bench, 0xD000);
    ran.result.unwrap();
    assert!(bench.fired());
    assert_written(&bench, 0xD000);
}

#[test]
fn a_supply_that_breaks_down_each_time_is_named() {
    let delay = Nanos::from_millis(1);
    let mut bench = Bench::new().with(Trick::PowerCutAfterEach { id: 0x31, delay });
    let ran = write(&mut bench, 0xD000);
    insta::assert_snapshot!("brown_out", ran.told());
    assert!(matches!(ran.result.unwrap_err().kind(), ErrorKind::TooManyRestarts { restarts: 4, .. }));
}

/// What a restart was known by.
fn evidence(events: &[Event]) -> String {
    let restarted = events.iter().find_map(|event| match event {
        Event::Restarted { evidence, .. } => Some(evidence.clone()),
        _ => None,
    });
    restarted.unwrap()
}

#[test]
fn a_restart_into_the_firmware_is_known_by_what_it_prints() {
    let mut bench = Bench::with_firmware(Wiring::RtsEn).with(Trick::FirmwareAfter { id: 0x31, nth: 2 });
    let ran = write_to(&mut bench, 0x2_0000, 0xD000);
    assert!(evidence(&ran.events).contains("text of its firmware"), "{}", evidence(&ran.events));
    // The lines bring it back into ISP.
    ran.result.unwrap();
}

#[test]
fn without_lines_a_person_has_to_bring_it_back() {
    let mut bench = Bench::with_firmware(Wiring::None).with(Trick::FirmwareAfter { id: 0x31, nth: 2 });
    let ran = write_to(&mut bench, 0x2_0000, 0xD000);
    assert!(ran.events.iter().any(|event| matches!(event, Event::NeedsHands { .. })));
    insta::assert_snapshot!("firmware_runs", ran.told());
}

#[test]
fn a_port_that_goes_away_leaves_a_part_that_the_next_run_goes_on_from() {
    let mut bench = Bench::new().with(Trick::UnpluggedAfter { id: 0x32, nth: 12 });
    let ran = backup(&mut bench, vec![]);
    insta::assert_snapshot!("unplugged", ran.told());
    assert!(matches!(ran.result.unwrap_err().kind(), ErrorKind::Port(PortError::Vanished { .. })));
    let mut part = ran.part;
    assert_eq!(part.len(), 11 * 0x2404);

    bench.replug();
    // One of the two blocks that are whole is damaged while nobody looked.
    part[0x123] ^= 1;
    let ran = backup(&mut bench, part);
    let backup = ran.result.unwrap();
    assert_eq!(backup.bytes, pattern()[..0x2_8000]);
    assert_eq!(backup.resumed_bytes, 11 * 0x2404 - 0x1_0000);
    assert!(
        ran.events
            .contains(&Event::PartChecked { right_bytes: 11 * 0x2404 - 0x1_0000, wrong_bytes: 0x1_0000 })
    );
}

#[test]
fn a_part_that_is_longer_than_the_range_is_cut() {
    let mut bench = Bench::new();
    let ran = backup(&mut bench, vec![0x5A; 0x4_0000]);
    let backup = ran.result.unwrap();
    assert_eq!((backup.bytes.len(), backup.resumed_bytes), (0x2_8000, 0));
}

#[rstest]
#[case::in_the_upload(0x18, 1)]
#[case::in_the_comparison(0x3d, 3)]
#[case::in_an_erase(0x30, 1)]
#[case::in_a_write(0x31, 2)]
fn who_interrupts_finds_the_module_restarted(#[case] id: u8, #[case] nth: usize) {
    let mut bench = Bench::new().with(Trick::StopAfter { id, nth });
    let ran = write(&mut bench, 0xD000);
    let error = ran.result.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Interrupted), "{error}");
    assert_eq!(error.failure().module, ModuleState::Restarted);
    // It answers first and restarts 4 ms later.
    bench.wait(Nanos::from_millis(10));
    assert!(!matches!(bench.module().running(), Running::Loader(_)));
    assert_eq!(bench.frames().last(), Some(&0x21));
    let began = matches!(error.failure().flash, FlashState::Changing { .. });
    assert_eq!(began, id == 0x30 || id == 0x31);
}

#[test]
fn who_interrupts_a_module_that_is_silent_is_told_so() {
    let mut bench =
        Bench::new().with(Trick::MuteAfter { id: 0x31, nth: 2 }).with(Trick::StopAfter { id: 0x31, nth: 2 });
    let ran = write(&mut bench, 0xD000);
    insta::assert_snapshot!("interrupted_while_silent", ran.told());
    let error = ran.result.unwrap_err();
    assert!(matches!(error.failure().module, ModuleState::MidCommand(_)));
    assert_eq!(bench.frames().last(), Some(&0x31), "nothing is sent to who is in the middle of something");
}

#[test]
fn a_loader_that_never_answers_is_told_from_a_bad_line() {
    let mut bench = Bench::new().with(Trick::DeadAfterStart);
    let ran = write(&mut bench, 0x1000);
    insta::assert_snapshot!("loader_silent", ran.told());
    let error = ran.result.unwrap_err();
    let ErrorKind::LoaderSilent { uploads, rates_bps, .. } = error.kind() else { panic!("{error}") };
    assert_eq!((*uploads, rates_bps.as_slice()), (3, &[2_000_000, 1_000_000, 500_000][..]));
}

#[test]
fn a_line_that_dies_in_the_middle_ends_the_run_within_its_bounds() {
    let mut bench = Bench::new().with(Trick::DeadLineAfter { id: 0x31, nth: 2 });
    let ran = write(&mut bench, 0xD000);
    insta::assert_snapshot!("line_died", ran.told());
    assert!(ran.took < ran.bound, "{} of {}", ran.took, ran.bound);
    assert!(ran.took < ran.run_bound, "{} of {}", ran.took, ran.run_bound);
}

#[test]
fn cells_that_do_not_read_the_same_twice_are_told_from_a_bad_line() {
    let mut bench = Bench::new().with(Trick::WeakBit { address: 0x1_2345 });
    let ran = backup(&mut bench, vec![]);
    insta::assert_snapshot!("weak_bit", ran.told());
    assert!(matches!(ran.result.unwrap_err().kind(), ErrorKind::Unstable { .. }));
}

#[test]
fn locked_protection_is_named_with_the_status_registers() {
    let mut bench = Bench::new().with(Trick::Protected);
    let ran = write(&mut bench, 0x3000);
    insta::assert_snapshot!("protected", ran.told());
    let error = ran.result.unwrap_err();
    assert_eq!(error.exit_code(), 1);
    assert!(bench.flash() == pattern(), "nothing was written");
}
