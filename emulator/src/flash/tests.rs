use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rstest::rstest;

use super::*;

const MS: Nanos = Nanos::from_millis(1);

/// A KH25V80 with the round times of the conformance vectors, full of zeros.
fn flash() -> Flash {
    let times = FlashTimes {
        page_program_us: 500,
        byte_program_us: 500,
        sector_4k_us: 45_000,
        block_32k_us: 150_000,
        block_64k_us: 300_000,
        chip_us: 2_000_000,
        write_status_us: 5000,
    };
    let mut flash = Flash::with_times(FlashPart::by_name("KH25V80").unwrap(), times);
    flash.load(&vec![0; 1 << 20]);
    flash
}

fn bytes(flash: &Flash, address: u32, len: usize) -> Vec<u8> {
    let mut out = vec![0; len];
    flash.read(address, &mut out);
    out
}

/// What changed, as pairs of start and end.
fn changes(flash: &mut Flash) -> Vec<(u32, u32)> {
    flash.take_changes().into_iter().map(|range| (range.start, range.end)).collect()
}

fn status(flash: &mut Flash, now: Nanos, command: u8) -> u8 {
    let mut out = [0];
    flash.read_register(now, command, &mut out).unwrap();
    out[0]
}

#[rstest]
#[case::sector(EraseUnit::Sector4K, 0x1_5fff, 0x1_5000..0x1_6000, 45)]
#[case::block_32k(EraseUnit::Block32K, 0x1_8001, 0x1_8000..0x2_0000, 150)]
#[case::block_64k(EraseUnit::Block64K, 0x1_8001, 0x1_0000..0x2_0000, 300)]
#[case::beyond_the_end_wraps(EraseUnit::Sector4K, 0x10_0000, 0..0x1000, 45)]
fn an_erase_takes_its_time_and_its_unit(
    #[case] unit: EraseUnit,
    #[case] address: u32,
    #[case] erased: Range<u32>,
    #[case] took_ms: u64,
) {
    let mut flash = flash();
    let done = flash.begin_erase(MS, unit, address).unwrap();
    assert_eq!(done, MS + Nanos::from_millis(took_ms));
    flash.settle(Nanos(done.0 - 1));
    assert_eq!(bytes(&flash, erased.start, 1), [0]);
    flash.settle(done);
    let cells = flash.dump();
    let ff = |range: Range<usize>| cells[range].iter().filter(|byte| **byte == 0xff).count();
    assert_eq!(ff(erased.start as usize..erased.end as usize), erased.len());
    assert_eq!(ff(0..1 << 20), erased.len());
    assert_eq!(changes(&mut flash), [(erased.start, erased.end)]);
}

#[test]
fn a_program_ands_page_by_page() {
    let mut flash = flash();
    flash.load(&[0xf0; 0x400]);
    let done = flash.begin_program(MS, 0xff, &[0x3c; 0x102]).unwrap();
    // One byte, a page, and one byte: three pages.
    assert_eq!(done, MS + Nanos::from_micros(1500));
    flash.settle(MS + Nanos::from_micros(500));
    assert_eq!(bytes(&flash, 0xfe, 3), [0xf0, 0x30, 0xf0]);
    flash.settle(done);
    assert_eq!(bytes(&flash, 0xff, 0x102), [0x30; 0x102]);
    assert_eq!(bytes(&flash, 0x201, 1), [0xf0]);
    assert_eq!(changes(&mut flash), [(0xff, 0x201)]);
    let done =
        FlashOperations { programs: 1, pages_programmed: 3, bytes_programmed: 0x102, ..Default::default() };
    assert_eq!((flash.operations(), flash.operations().total()), (done, 3));
}

#[test]
fn a_program_that_runs_over_the_end_goes_on_at_the_start() {
    let mut flash = flash();
    flash.load(&[]);
    let done = flash.begin_program(MS, 0x10_0000 - 1, &[1, 2]).unwrap();
    flash.settle(done);
    assert_eq!((bytes(&flash, 0xf_ffff, 1), bytes(&flash, 0, 1)), (vec![1], vec![2]));
}

#[test]
fn a_busy_part_takes_no_command_and_reads_as_ones() {
    let mut flash = flash();
    let done = flash.begin_erase(MS, EraseUnit::Sector4K, 0).unwrap();
    let busy = FlashError::Busy { until: done };
    assert_eq!(flash.begin_program(MS * 2, 0x5000, &[1]), Err(busy));
    assert_eq!(flash.begin_erase(MS * 2, EraseUnit::Sector4K, 0), Err(busy));
    assert_eq!(flash.begin_chip_erase(MS * 2), Err(busy));
    assert_eq!(flash.begin_write_register(MS * 2, WRITE_STATUS_1, &[0]), Err(busy));
    assert_eq!(status(&mut flash, MS * 2, READ_STATUS_1), 0x03);
    let mut out = [0; 4];
    flash.read_out(MS * 2, 0x8000, &mut out);
    assert_eq!(out, [0xff; 4]);
    flash.read_out(done, 0x8000, &mut out);
    assert_eq!((out, status(&mut flash, done, READ_STATUS_1)), ([0; 4], 0));
}

#[test]
fn the_chip_erase_time_can_be_set() {
    let mut flash = flash();
    assert_eq!(flash.begin_chip_erase(MS), Ok(MS + Nanos::from_secs(2)));
    flash.settle(Nanos::from_secs(3));
    flash.load(&[0; 16]);
    flash.set_chip_erase_ms(Some(0));
    assert_eq!(flash.begin_chip_erase(MS), Ok(MS));
    assert_eq!((flash.busy_until(), bytes(&flash, 0, 16)), (None, vec![0xff; 16]));
    flash.set_chip_erase_ms(Some(60_000));
    assert_eq!(flash.begin_chip_erase(MS), Ok(MS + Nanos::from_secs(60)));
}

#[test]
fn registers_are_written_in_their_time_and_survive_a_power_cut() {
    let mut flash = flash();
    let done = flash.begin_write_register(MS, WRITE_STATUS_1, &[0x40]).unwrap();
    assert_eq!((done, status(&mut flash, MS, READ_STATUS_1)), (MS * 6, 0x03));
    assert_eq!(status(&mut flash, done, READ_STATUS_1), 0x40);
    flash.power_cut(done, &mut ChaCha8Rng::seed_from_u64(1));
    assert_eq!(status(&mut flash, done, READ_STATUS_1), 0x40);
    let mut id = [0; 4];
    flash.read_register(done, 0x9f, &mut id).unwrap();
    assert_eq!(id, [0xc2, 0x20, 0x14, 0xc2]);
    assert_eq!(status(&mut flash, done, 0x35), 0xff);
    assert_eq!(flash.begin_write_register(done, 0x31, &[2]), Ok(done));
    assert_eq!(flash.operations().ignored, 1);
}

#[test]
fn protected_cells_are_left_alone_without_a_word() {
    let mut flash = flash();
    let now = flash.begin_write_register(MS, WRITE_STATUS_1, &[0x04]).unwrap();
    assert_eq!(flash.begin_erase(now, EraseUnit::Sector4K, 0xf_0000), Ok(now));
    assert_eq!(flash.begin_chip_erase(now), Ok(now));
    let now = flash.begin_erase(now, EraseUnit::Block64K, 0xe_0000).unwrap();
    let done = flash.begin_program(now, 0xe_ff00, &[0x55; 0x200]).unwrap();
    assert_eq!(done, now + Nanos::from_micros(500));
    flash.settle(done);
    assert_eq!(bytes(&flash, 0xe_feff, 0x102), [&[0xff][..], &[0x55; 0x100], &[0]].concat());
    assert_eq!(flash.operations().ignored, 3);
}

#[rstest]
#[case::program(FlashFaults { program: true, ..Default::default() }, FlashError::Program)]
#[case::erase(FlashFaults { erase: true, ..Default::default() }, FlashError::Erase)]
#[case::wren(FlashFaults { wren: true, ..Default::default() }, FlashError::WriteEnable)]
#[case::rsr(FlashFaults { rsr: true, ..Default::default() }, FlashError::ReadStatus)]
#[case::wsr(FlashFaults { wsr: true, ..Default::default() }, FlashError::WriteStatus)]
#[case::init(FlashFaults { init: true, ..Default::default() }, FlashError::Init)]
fn an_injected_failure_hits_its_call_only(#[case] faults: FlashFaults, #[case] error: FlashError) {
    let calls = |flash: &mut Flash, round: u64| {
        let now = Nanos::from_secs(100 * round);
        let chip_erase = flash.begin_chip_erase(now).map(|_| ());
        let later = |s| now + Nanos::from_secs(s);
        let program = flash.begin_program(later(10), 0, &[1]).map(|_| ());
        let erase = flash.begin_erase(later(20), EraseUnit::Sector4K, 0).map(|_| ());
        let write_status = flash.begin_write_register(later(30), WRITE_STATUS_1, &[0]).map(|_| ());
        let read_status = flash.read_register(later(40), READ_STATUS_1, &mut [0]);
        [flash.init(later(40)).map(|_| ()), program, erase, chip_erase, write_status, read_status]
    };
    let mut flash = flash();
    assert!(calls(&mut flash, 1).iter().all(Result::is_ok));
    flash.set_faults(faults);
    let failed: Vec<_> = calls(&mut flash, 2).into_iter().filter_map(Result::err).collect();
    let expected = if error == FlashError::WriteEnable { 2 } else { 1 };
    assert_eq!(failed, vec![error; expected]);
    flash.set_faults(FlashFaults::default());
    assert!(calls(&mut flash, 3).iter().all(Result::is_ok));
}

#[test]
fn a_program_cut_short_leaves_a_prefix_of_the_page() {
    let mut torn = std::collections::BTreeSet::new();
    for seed in 0..8 {
        let mut flash = flash();
        flash.load(&[]);
        flash.begin_program(MS, 0x100, &[0; 0x300]).unwrap();
        // The first page is done, the second half way, the third not begun.
        flash.power_cut(MS + Nanos::from_micros(750), &mut ChaCha8Rng::seed_from_u64(seed));
        let cells = bytes(&flash, 0x100, 0x300);
        assert_eq!(cells[..0x180], [0; 0x180]);
        assert_eq!(cells[0x181..], [0xff; 0x17f]);
        assert_eq!((flash.busy_until(), changes(&mut flash)), (None, vec![(0x100, 0x281)]));
        torn.insert(cells[0x180]);
    }
    assert!(torn.len() > 1, "the byte under way depends on the seed");
}

#[rstest]
#[case::driving_to_zeros(3, 0x55, false)]
#[case::rising(25, 0x00, true)]
fn an_erase_cut_short_leaves_neither_old_nor_erased(#[case] ms: u64, #[case] old: u8, #[case] rises: bool) {
    let cut = |seed| {
        let mut flash = flash();
        flash.load(&vec![old; 1 << 20]);
        flash.begin_erase(Nanos::ZERO, EraseUnit::Sector4K, 0x3000).unwrap();
        flash.power_cut(Nanos::from_millis(ms), &mut ChaCha8Rng::seed_from_u64(seed));
        flash
    };
    let cells = bytes(&cut(7), 0x3000, 0x1000);
    let ones = cells.iter().map(|byte| byte.count_ones()).sum::<u32>();
    let before = u32::from(old).count_ones() * 0x1000;
    assert!(if rises { ones > before && ones < 0x8000 } else { ones < before && ones > 0 }, "{ones} ones");
    assert_eq!(bytes(&cut(7), 0x3000, 0x1000), cells, "the same seed gives the same damage");
    assert_ne!(bytes(&cut(8), 0x3000, 0x1000), cells);
    let flash = cut(7);
    assert_eq!((bytes(&flash, 0x2fff, 1), bytes(&flash, 0x4000, 1)), (vec![old], vec![old]));
}

#[test]
fn a_cut_when_all_is_done_or_nothing_begun_does_no_harm() {
    let mut flash = flash();
    let done = flash.begin_erase(MS, EraseUnit::Sector4K, 0).unwrap();
    flash.power_cut(done, &mut ChaCha8Rng::seed_from_u64(1));
    assert_eq!(bytes(&flash, 0, 0x1000), [0xff; 0x1000]);
    flash.begin_erase(done, EraseUnit::Sector4K, 0x1000).unwrap();
    flash.power_cut(done, &mut ChaCha8Rng::seed_from_u64(1));
    assert_eq!(bytes(&flash, 0x1000, 0x1000), [0; 0x1000]);
}

#[test]
fn a_register_write_cut_short_is_done_or_not() {
    let after = |seed, cut| {
        let mut flash = flash();
        flash.begin_write_register(MS, WRITE_STATUS_1, &[0x40]).unwrap();
        flash.power_cut(cut, &mut ChaCha8Rng::seed_from_u64(seed));
        status(&mut flash, cut, READ_STATUS_1)
    };
    let outcomes: std::collections::BTreeSet<_> = (0..16).map(|seed| after(seed, MS * 3)).collect();
    assert_eq!(Vec::from_iter(outcomes), [0x00, 0x40]);
    assert!((0..16).all(|seed| after(seed, MS) == 0 && after(seed, MS * 6) == 0x40));
}

#[test]
fn a_thousand_modules_fit() {
    let flashes = vec![Flash::new(FlashPart::by_name("KH25V80").unwrap()); 1000];
    assert_eq!(flashes.iter().map(Flash::sectors_in_memory).sum::<usize>(), 0);
}

#[derive(Clone, Debug)]
enum Op {
    Program(u32, Vec<u8>),
    Erase(EraseUnit, u32),
    ChipErase,
}

fn op() -> impl Strategy<Value = Op> {
    // Few addresses, so that operations meet; the last ones wrap.
    let address = prop_oneof![0_u32..0x3000, 0xf_e000_u32..0x10_2000];
    let unit = prop_oneof![Just(EraseUnit::Sector4K), Just(EraseUnit::Block32K), Just(EraseUnit::Block64K)];
    prop_oneof![
        8 => (address.clone(), proptest::collection::vec(any::<u8>(), 0..700)).prop_map(|(at, data)| Op::Program(at, data)),
        4 => (unit, address).prop_map(|(unit, at)| Op::Erase(unit, at)),
        1 => Just(Op::ChipErase),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn operations_do_to_the_cells_what_they_do_to_a_plain_array(ops in proptest::collection::vec(op(), 1..24)) {
        const SIZE: usize = 1 << 20;
        let mut flash = flash();
        let mut model = vec![0_u8; SIZE];
        let mut written_through = model.clone();
        let mut now = Nanos::ZERO;
        for op in ops {
            now = match op {
                Op::Program(address, data) => {
                    for (i, byte) in data.iter().enumerate() {
                        model[(address as usize + i) % SIZE] &= byte;
                    }
                    flash.begin_program(now, address, &data).unwrap()
                }
                Op::Erase(unit, address) => {
                    let start = address as usize % SIZE / unit.bytes() as usize * unit.bytes() as usize;
                    model[start..start + unit.bytes() as usize].fill(0xff);
                    flash.begin_erase(now, unit, address).unwrap()
                }
                Op::ChipErase => {
                    model.fill(0xff);
                    flash.begin_chip_erase(now).unwrap()
                }
            };
            flash.settle(now);
            for change in flash.take_changes() {
                let cells = bytes(&flash, change.start, change.len());
                written_through[change.start as usize..change.end as usize].copy_from_slice(&cells);
            }
        }
        let cells = flash.dump();
        prop_assert!(cells == model);
        prop_assert!(written_through == model, "take_changes told of every change");
    }
}
