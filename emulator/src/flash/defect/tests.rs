use std::ops::Range;

use bl702_protocol::time::Nanos;
use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rstest::rstest;

use super::super::{EraseUnit, Flash, FlashError, FlashPart, READ_STATUS_1, StatusLayout, WRITE_STATUS_1};
use crate::fault::{Armed, DeviceEffect, LineLevel, Span, When};

const MS: Nanos = Nanos::from_millis(1);

fn at(address: Range<u64>) -> When {
    When { address: Some(Span { from: address.start, to: address.end }), ..When::default() }
}

/// A part full of one value, with one defect.
fn flash_of(value: u8, effect: DeviceEffect, when: When) -> Flash {
    let mut flash = Flash::new(FlashPart::by_name("KH25V80").unwrap());
    flash.load(&vec![value; 1 << 20]);
    flash.arm(Armed::new(0, "defect".to_owned(), effect, when, 5));
    flash
}

fn read(flash: &mut Flash, now: Nanos, address: u32, len: usize) -> Vec<u8> {
    let mut out = vec![0; len];
    flash.read_out(now, address, &mut out);
    out
}

/// How often the defect fired, and on what first.
fn fired(flash: &Flash) -> (u64, String) {
    let (_, status) = flash.fault_statuses().next().unwrap();
    (status.fired, status.first.map(|first| first.on).unwrap_or_default())
}

#[rstest]
#[case::zero(0xff, false, 0xef)]
#[case::one(0x00, true, 0x10)]
fn a_stuck_bit_is_there_before_and_after_everything(
    #[case] value: u8,
    #[case] ones: bool,
    #[case] stuck: u8,
) {
    let mut flash = flash_of(value, DeviceEffect::StuckBits { mask: 0x10, ones }, at(0x1004..0x1006));
    assert_eq!(fired(&flash).0, 0);
    assert_eq!(read(&mut flash, MS, 0, 16), [value; 16]);
    assert_eq!(fired(&flash).0, 0, "not where it was read");
    assert_eq!(read(&mut flash, MS, 0x1003, 4), [value, stuck, stuck, value]);
    assert_eq!(fired(&flash), (1, "reading 0x1004..0x1006".to_owned()));
    let done = flash.begin_erase(MS, EraseUnit::Sector4K, 0x1000).unwrap();
    assert_eq!(read(&mut flash, done, 0x1003, 4), [0xff, stuck | 0xef, stuck | 0xef, 0xff]);
    let done = flash.begin_program(done, 0x1003, &[0; 4]).unwrap();
    assert_eq!(read(&mut flash, done, 0x1003, 4), [0, stuck & 0x10, stuck & 0x10, 0]);
    assert_eq!(flash.dump()[0x1004], stuck & 0x10, "the cell itself is stuck");
}

#[test]
fn a_weak_bit_reads_as_either_and_the_same_seed_as_the_same() {
    let reads = || {
        let mut flash = flash_of(0xff, DeviceEffect::WeakBits { mask: 0x81 }, at(0x2000..0x2001));
        (0..64).map(|n| read(&mut flash, MS * n, 0x1fff, 3)).collect::<Vec<_>>()
    };
    let all = reads();
    assert!(all.iter().all(|bytes| bytes[0] == 0xff && bytes[1] | 0x81 == 0xff && bytes[2] == 0xff));
    let values: std::collections::BTreeSet<u8> = all.iter().map(|bytes| bytes[1]).collect();
    assert_eq!(Vec::from_iter(values), [0x7e, 0x7f, 0xfe, 0xff]);
    assert_eq!(reads(), all);
}

#[test]
fn a_weak_bit_fires_when_it_reads_wrong_and_wraps_with_the_address() {
    let when = When { nth: Some(2), ..at(0..1) };
    let mut flash = flash_of(0x00, DeviceEffect::WeakBits { mask: 0xff }, when);
    assert_eq!(read(&mut flash, MS, 0x10_0000 - 1, 2), [0, 0]);
    assert_ne!(read(&mut flash, MS, 0x10_0000 - 1, 2), [0, 0], "the second reading of the byte");
    assert_eq!(fired(&flash).0, 1);
    assert_eq!(read(&mut flash, MS, 0, 1), [0]);
}

#[test]
fn a_worn_sector_keeps_the_same_zeros() {
    let mut flash = flash_of(0x00, DeviceEffect::Worn { bits: 3 }, at(0x1000..0x2000));
    let done = flash.begin_erase(MS, EraseUnit::Block32K, 0).unwrap();
    let zeros = |flash: &Flash, range: Range<usize>| -> u32 {
        flash.dump()[range].iter().map(|byte| byte.count_zeros()).sum()
    };
    flash.settle(done);
    assert_eq!(
        (zeros(&flash, 0..0x1000), zeros(&flash, 0x1000..0x2000), zeros(&flash, 0x2000..0x8000)),
        (0, 3, 0)
    );
    assert_eq!(fired(&flash), (1, "erasing the sector at 0x1000".to_owned()));
    let cells = flash.dump();
    let again = flash.begin_erase(done, EraseUnit::Sector4K, 0x1000).unwrap();
    flash.settle(again);
    assert!(flash.dump() == cells);
}

#[test]
fn worn_programming_leaves_the_same_ones() {
    let mut flash = flash_of(0xff, DeviceEffect::WornProgram { bits: 2 }, at(0x100..0x200));
    let done = flash.begin_program(MS, 0, &[0; 0x300]).unwrap();
    flash.settle(done);
    let cells = flash.dump();
    let ones = |range: Range<usize>| -> u32 { cells[range].iter().map(|byte| byte.count_ones()).sum() };
    assert_eq!((ones(0..0x100), ones(0x100..0x200), ones(0x200..0x300)), (0, 2, 0));
    // Byte by byte leaves what the whole page leaves.
    let mut single = flash_of(0xff, DeviceEffect::WornProgram { bits: 2 }, at(0x100..0x200));
    let mut now = MS;
    for address in 0x100..0x200 {
        now = single.begin_program(now, address, &[0]).unwrap();
    }
    single.settle(now);
    assert!(single.dump()[0x100..0x200] == cells[0x100..0x200]);
}

#[test]
fn a_failing_erase_keeps_the_part_busy_until_the_driver_gives_up() {
    let when = When { nth: Some(2), ..When::default() };
    let mut flash = flash_of(0x00, DeviceEffect::EraseFails, when);
    let now = flash.begin_erase(MS, EraseUnit::Sector4K, 0).unwrap();
    let gave_up_at = now + Nanos::from_millis(450);
    assert_eq!(flash.begin_erase(now, EraseUnit::Sector4K, 0x1000), Err(FlashError::Timeout { gave_up_at }));
    let busy = FlashError::Busy { until: gave_up_at };
    assert_eq!(flash.begin_erase(now + MS, EraseUnit::Sector4K, 0x1000), Err(busy));
    assert_eq!(read(&mut flash, gave_up_at, 0x1000, 1), [0]);
    assert_eq!(fired(&flash), (1, "erasing 0x1000..0x2000".to_owned()));
    let done = flash.begin_erase(gave_up_at, EraseUnit::Sector4K, 0x1000).unwrap();
    assert_eq!(read(&mut flash, done, 0x1000, 1), [0xff]);
}

#[test]
fn a_failing_page_ends_the_program() {
    let mut flash = flash_of(0xff, DeviceEffect::ProgramFails, at(0x100..0x101));
    let gave_up_at = MS + Nanos::from_micros(1400) + Nanos::from_millis(10);
    assert_eq!(flash.begin_program(MS, 0, &[0; 0x300]), Err(FlashError::Timeout { gave_up_at }));
    assert_eq!(read(&mut flash, gave_up_at, 0xff, 2), [0, 0xff]);
    assert_eq!(read(&mut flash, gave_up_at, 0x200, 1), [0xff], "the driver has not gone on");
}

#[rstest]
#[case::program(DeviceEffect::ProgramLies)]
#[case::erase(DeviceEffect::EraseLies)]
fn a_lie_takes_its_time_and_does_nothing(#[case] effect: DeviceEffect) {
    let mut flash = flash_of(0x5a, effect.clone(), When::default());
    let done = flash.begin_erase(MS, EraseUnit::Sector4K, 0).unwrap();
    assert_eq!(done, MS + Nanos::from_millis(60));
    let done = flash.begin_program(done, 0, &[0x0f]).unwrap();
    assert_eq!(done, MS + Nanos::from_millis(60) + Nanos::from_micros(10));
    let erased = effect == DeviceEffect::ProgramLies;
    assert_eq!(read(&mut flash, done, 0, 1), [if erased { 0xff } else { 0x5a & 0x0f }]);
}

#[test]
fn a_slow_part_is_waited_for_up_to_the_drivers_limit() {
    let mut flash = flash_of(0x00, DeviceEffect::SlowErase { factor: 5 }, When::default());
    let done = flash.begin_erase(MS, EraseUnit::Sector4K, 0).unwrap();
    assert_eq!(done, MS + Nanos::from_millis(300));
    let mut flash = flash_of(0x00, DeviceEffect::SlowErase { factor: 10 }, When::default());
    let gave_up_at = MS + Nanos::from_millis(450);
    assert_eq!(flash.begin_erase(MS, EraseUnit::Sector4K, 0), Err(FlashError::Timeout { gave_up_at }));
    assert_eq!(read(&mut flash, MS * 601, 0, 1), [0xff], "the part goes on all the same");
    let mut flash = flash_of(0xff, DeviceEffect::SlowProgram { factor: 3 }, When::default());
    assert_eq!(flash.begin_program(MS, 0, &[0; 256]), Ok(MS + Nanos::from_micros(4200)));
}

#[rstest]
#[case::all_ones(LineLevel::High, 0xff)]
#[case::all_zeros(LineLevel::Low, 0x00)]
fn a_dead_bus_reads_as_its_level_and_keeps_the_cells(#[case] level: LineLevel, #[case] value: u8) {
    let mut flash = flash_of(0x5a, DeviceEffect::FlashDead { level }, When::default());
    let now = Nanos::from_secs(1);
    assert_eq!(flash.init(now), Ok([value; 3]));
    assert_eq!(fired(&flash), (1, "reading the JEDEC id".to_owned()));
    assert_eq!(read(&mut flash, now, 0, 2), [value; 2]);
    let mut status = [0x77];
    flash.read_register(now, READ_STATUS_1, &mut status).unwrap();
    assert_eq!(status, [value]);
    let erase = flash.begin_erase(now, EraseUnit::Sector4K, 0);
    assert_eq!(matches!(erase, Err(FlashError::Timeout { .. })), level == LineLevel::High);
    assert_eq!(erase == Err(FlashError::WriteEnable), level == LineLevel::Low);
    assert!(flash.begin_program(now * 2, 0, &[0]).is_err());
    assert!(flash.begin_write_register(now * 3, WRITE_STATUS_1, &[0]).is_err());
    flash.settle(now * 4);
    assert_eq!(flash.dump()[0], 0x5a);
    assert_eq!(fired(&flash).0, 1, "a state fires once");
}

#[test]
fn a_part_that_stays_busy_does_so_until_its_supply_goes() {
    let mut flash = flash_of(0x00, DeviceEffect::StaysBusy, When { nth: Some(1), ..When::default() });
    assert!(matches!(flash.begin_erase(MS, EraseUnit::Sector4K, 0), Err(FlashError::Timeout { .. })));
    let later = Nanos::from_secs(3600);
    assert!(matches!(flash.begin_erase(later, EraseUnit::Sector4K, 0), Err(FlashError::Busy { .. })));
    assert_eq!(flash.read_jedec_id(later), [0xff; 3]);
    flash.power_cut(later, &mut ChaCha8Rng::seed_from_u64(1));
    assert_eq!(flash.read_jedec_id(later), [0xc2, 0x20, 0x14]);
    assert_eq!(read(&mut flash, later, 0, 1), [0]);
    assert!(flash.begin_erase(later, EraseUnit::Sector4K, 0).is_ok());
}

#[rstest]
#[case::everything("KH25V80", None, 0..0x10_0000)]
#[case::winbond("W25Q80DV", None, 0..0x10_0000)]
#[case::top_block("KH25V80", Some(0xf_8000..0xf_9000), 0xf_0000..0x10_0000)]
#[case::bottom_block("W25Q80DV", Some(0..0x8000), 0..0x8000)]
fn protection_that_the_loader_cannot_clear(
    #[case] part: &str,
    #[case] address: Option<Range<u64>>,
    #[case] protected: Range<u32>,
) {
    let mut flash = Flash::new(FlashPart::by_name(part).unwrap());
    let when = address.map_or(When::default(), at);
    flash.arm(Armed::new(0, "locked".to_owned(), DeviceEffect::Protected, when, 5));
    assert_eq!(flash.protected(), protected);
    let clear: &[u8] = if flash.part().status == StatusLayout::Macronix { &[0] } else { &[0, 0] };
    assert_eq!(flash.begin_write_register(MS, WRITE_STATUS_1, clear), Ok(MS), "ignored without a word");
    assert_eq!(fired(&flash), (1, "writing a status register: ignored".to_owned()));
    flash.power_cut(MS, &mut ChaCha8Rng::seed_from_u64(1));
    assert_eq!(flash.protected(), protected, "a power cycle does not help");
    assert_eq!(flash.begin_program(MS, protected.start, &[0]), Ok(MS));
    assert_eq!(flash.begin_chip_erase(MS), Ok(MS));
    assert_eq!(read(&mut flash, MS * 2, protected.start, 1), [0xff]);
}

#[test]
fn a_write_enable_or_a_register_that_fails() {
    let mut flash = flash_of(0, DeviceEffect::WriteEnableFails, at(0..0x1000));
    assert_eq!(flash.begin_erase(MS, EraseUnit::Sector4K, 0), Err(FlashError::WriteEnable));
    assert!(flash.begin_erase(MS, EraseUnit::Sector4K, 0x1000).is_ok());
    let mut flash = flash_of(0, DeviceEffect::StatusReadFails, When::default());
    assert_eq!(flash.read_register(MS, READ_STATUS_1, &mut [0]), Err(FlashError::ReadStatus));
    let mut flash = flash_of(0, DeviceEffect::StatusWriteFails, When::default());
    assert_eq!(flash.begin_write_register(MS, WRITE_STATUS_1, &[0]), Err(FlashError::WriteStatus));
}

fn any_effect() -> impl Strategy<Value = DeviceEffect> {
    prop_oneof![
        any::<u8>().prop_map(|mask| DeviceEffect::WeakBits { mask }),
        (0_u32..40).prop_map(|bits| DeviceEffect::Worn { bits }),
        (0_u32..40).prop_map(|bits| DeviceEffect::WornProgram { bits }),
        Just(DeviceEffect::ProgramFails),
        Just(DeviceEffect::EraseFails),
        Just(DeviceEffect::ProgramLies),
        Just(DeviceEffect::EraseLies),
        Just(DeviceEffect::StaysBusy),
        Just(DeviceEffect::WriteEnableFails),
        Just(DeviceEffect::Protected),
        (1_u32..50).prop_map(|factor| DeviceEffect::SlowProgram { factor }),
        Just(DeviceEffect::FlashDead { level: LineLevel::High }),
    ]
}

/// Conditions that let a fault act now and then.
fn any_when() -> impl Strategy<Value = When> {
    (proptest::option::of(0_u64..0x3000), proptest::option::of(1_u64..4)).prop_map(|(from, every)| When {
        address: from.map(|from| Span { from, to: from + 0x900 }),
        every,
        ..When::default()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn programming_only_clears_bits_and_only_where_it_was_told_to(
        faults in proptest::collection::vec((any_effect(), any_when()), 0..4),
        programs in proptest::collection::vec((0_u32..0x3000, proptest::collection::vec(any::<u8>(), 1..600)), 1..6),
        cut_us in proptest::option::of(0_u64..9_000),
        seed: u64,
    ) {
        let mut flash = Flash::new(FlashPart::by_name("KH25V80").unwrap());
        flash.load(&vec![0xb7; 0x4000]);
        for (index, (effect, when)) in faults.into_iter().enumerate() {
            flash.arm(Armed::new(index, String::new(), effect, when, seed));
        }
        let mut now = MS;
        for (address, bytes) in programs {
            let before = flash.dump();
            let _ = flash.begin_program(now, address, &bytes);
            now += Nanos::from_micros(cut_us.unwrap_or(30_000_000));
            if cut_us.is_some() {
                flash.power_cut(now, &mut ChaCha8Rng::seed_from_u64(seed));
            } else {
                flash.settle(now);
            }
            let after = flash.dump();
            let told = address as usize..address as usize + bytes.len();
            for (cell, (old, new)) in before.iter().zip(&after).enumerate() {
                prop_assert_eq!(old & new, *new, "a bit rose at {:#x}", cell);
                prop_assert!(old == new || told.contains(&cell), "{:#x} is outside", cell);
            }
        }
    }

    #[test]
    fn an_erase_changes_nothing_outside_its_unit(
        faults in proptest::collection::vec((any_effect(), any_when()), 0..4),
        unit in prop_oneof![Just(EraseUnit::Sector4K), Just(EraseUnit::Block32K)],
        address in 0_u32..0x1_8000,
        cut_ms in proptest::option::of(0_u64..600),
        seed: u64,
    ) {
        let mut flash = Flash::new(FlashPart::by_name("KH25V80").unwrap());
        flash.load(&vec![0x42; 0x2_0000]);
        for (index, (effect, when)) in faults.into_iter().enumerate() {
            flash.arm(Armed::new(index, String::new(), effect, when, seed));
        }
        let before = flash.dump();
        let _ = flash.begin_erase(MS, unit, address);
        let now = MS + Nanos::from_millis(cut_ms.unwrap_or(100_000));
        if cut_ms.is_some() {
            flash.power_cut(now, &mut ChaCha8Rng::seed_from_u64(seed));
        } else {
            flash.settle(now);
        }
        let start = (address / unit.bytes() * unit.bytes()) as usize;
        let after = flash.dump();
        prop_assert!(before[..start] == after[..start]);
        let end = start + unit.bytes() as usize;
        prop_assert!(before[end..] == after[end..]);
    }
}
