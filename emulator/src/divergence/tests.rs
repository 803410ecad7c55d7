//! A session of a made-up host, played once to have a recording and then again.

use bl702_protocol::trace::{Direction, LineLevels, LinesRecord, from_hex};
use rstest::rstest;

use super::report::What;
use super::start::ModuleAtStart;
use super::*;
use crate::fault::FaultPlan;
use crate::fault::catalogue::load;
use crate::module::Start;
use crate::profile::Profile;

/// What the host sends, and how long it waits before it sends the next: (hex, milliseconds).
const SESSION: &[(&str, u64)] = &[
    ("10000000", 5),
    // Vectors "erase 32K block", "erase one sector", "write", "write check", "read", "sha 16".
    ("3086080000800000ffff0000", 2_500),
    ("3036080000100000ff1f0000", 300),
    ("3036080000200000ff2f0000", 300),
    ("310012001000000068656c6c6f68656c6c6f68656c6c", 10),
    ("3a000000", 5),
    ("320008000c00000010000000", 5),
    ("3d1908000001000010000000", 5),
    ("36000000", 5),
    // Vector "read status 05 x1".
    ("370e08000500000001000000", 5),
];

/// Slower than usual, and still within the time that the driver waits.
const SLOW_ERASE: &str = "slower-erase";
const SLOW_PLAN: &str = "[[fault]]\ndevice.slow-erase = { factor = 3 }\n";

fn module(faults: &[&str]) -> Module {
    let profile = Profile::builtin("xt-zb2").unwrap();
    let mut builder = Module::builder(profile).start(Start::Loader).flash(vec![0x42; 0x400]);
    for fault in faults {
        let plan = if *fault == SLOW_ERASE {
            FaultPlan::from_toml(SLOW_PLAN).unwrap()
        } else {
            load(fault).unwrap()
        };
        builder = builder.faults(plan);
    }
    builder.build()
}

fn options() -> Options {
    Options {
        wiring: Wiring::RtsEn,
        boot: Boot::High,
        invert: ModemLines::default(),
        tolerance: None,
        ignores_times: false,
    }
}

fn end(time_ns: Nanos) -> Record {
    Record::Lines(LinesRecord { time_ns, lines: LineLevels::default() })
}

/// A recording at the chip of the session with this module.
fn recording(faults: &[&str]) -> Vec<Record> {
    let mut at = Nanos::from_millis(100);
    let mut records = vec![Record::header("xt-zb2", "bl702-emu 0.0.0")];
    records.push(Record::bytes(at, Direction::Host, 2_000_000, vec![0x55; 600]));
    at += Nanos::from_millis(30);
    for (hex, pause_ms) in SESSION {
        let bytes = from_hex(hex).unwrap();
        records.push(Record::bytes(at, Direction::Host, 2_000_000, bytes));
        at += Nanos::from_millis(*pause_ms);
    }
    // Nothing moves; but what the host waits for at the end is recorded too.
    records.push(end(at));
    let script = script::Script::of(&records);
    let mut replayed = play(&script, module(faults), &options(), Nanos::ZERO).records;
    replayed[0] = records[0].clone();
    replayed
}

#[test]
fn a_recording_is_equal_to_itself() {
    let records = recording(&[]);
    let (report, _) = replay(&records, || module(&[]), &options()).unwrap();
    assert!(report.is_equal(), "{report}");
    assert!(report.chip_bytes > 80 && report.intervals > 8, "{report}");
    assert_eq!(report.fuses_burnt, 0);
}

#[rstest]
#[case::lost_word("reply-lost", What::Bytes, "the module sent PD 1 times, the emulator 0")]
#[case::missing_answer("status-read-fail", What::Missing, "the emulator nothing")]
#[case::other_answer("erase-fail", What::Bytes, "the emulator FL0003")]
#[case::slow(SLOW_ERASE, What::Time, "from PD to OK, the emulator")]
fn the_first_difference_is_named(#[case] fault: &str, #[case] what: What, #[case] words: &str) {
    let records = recording(&[]);
    let (report, _) = replay(&records, || module(&[fault]), &options()).unwrap();
    let first = report.differences.first().unwrap_or_else(|| panic!("{report}"));
    assert_eq!(first.what, what, "{report}");
    assert!(first.text.contains(words), "{report}");
}

#[test]
fn a_host_that_waited_is_not_early_when_this_module_is_slower() {
    // Erases take three times as long as they did, and still no byte differs.
    let records = recording(&[]);
    let (report, replayed) = replay(&records, || module(&[SLOW_ERASE]), &options()).unwrap();
    assert_eq!(report.differing_bytes, 0, "{report}");
    let end = |records: &[Record]| records.iter().map(Record::time).max().unwrap();
    assert!(end(&replayed) > end(&records));
}

#[test]
fn a_recording_at_a_host_is_judged_without_the_links_delay() {
    let mut records = recording(&[]);
    records[0] = Record::header("xt-zb2", "bl702-emu proxy 0.0.0");
    for record in &mut records {
        if let Record::Bytes(burst) = record
            && burst.direction == Direction::Chip
        {
            burst.time_ns += Nanos::from_millis(4);
        }
    }
    let (report, _) = replay(&records, || module(&[]), &options()).unwrap();
    assert!(report.is_equal(), "{report}");
    assert_eq!(report.link_delay_ns, Nanos::from_millis(4));
}

#[test]
fn a_fixture_replays_as_its_recording_and_holds_no_loader() {
    // A boot ROM gets three chunks of an image.
    let mut at = Nanos::from_millis(100);
    let mut records = vec![Record::header("xt-zb2", "a host")];
    let mut send = |bytes: Vec<u8>, pause_ms| {
        records.push(Record::bytes(at, Direction::Host, 500_000, bytes));
        at += Nanos::from_millis(pause_ms);
    };
    send(vec![0x55; 150], 20);
    send(from_hex("10000000").unwrap(), 20);
    let secret = b"the vendor's own bytes";
    send([&[0x18, 0x99, secret.len() as u8, 0], &secret[..]].concat(), 20);
    records.push(end(at));
    let script = script::Script::of(&records);
    let rom = || Module::new(Profile::builtin("xt-zb2").unwrap());
    let mut records = play(&script, rom(), &options(), Nanos::ZERO).records;
    records[0] = Record::header("xt-zb2", "bl702-emu 0.0.0");
    let mut start = ModuleAtStart::default();
    start.set_flash(&[1, 2, 3]);
    let lines = fixture::to_lines(&records, &start, "made by a test");
    let text = lines.join("\n");
    assert!(!text.contains(&bl702_protocol::trace::to_hex(secret)), "{text}");
    let read: Vec<Record> =
        lines.iter().map(|line| bl702_protocol::trace::parse_line(line).unwrap()).collect();
    assert_eq!(ModuleAtStart::told(&read).flash_bytes().unwrap()[..3], [1, 2, 3]);
    let (report, _) = replay(&read, rom, &options()).unwrap();
    assert_eq!(report.exchanges, 3, "{report}");
    assert!(report.is_equal(), "{report}");
}

#[test]
fn a_recording_without_a_host_is_no_replay() {
    let records = [Record::header("xt-zb2", "x")];
    assert_eq!(replay(&records, || module(&[]), &options()).unwrap_err(), ReplayError::NothingToReplay);
}

#[test]
fn a_fit_finds_the_times_of_the_profile() {
    let mut samples = fit::Samples::default();
    samples.add(&recording(&[]));
    let fit = samples.fit();
    let value = |key: &str| {
        let found = fit.keys.iter().find(|fitted| fitted.key == key);
        found.map(|fitted| fitted.value.parse::<f64>().unwrap())
    };
    let times = Profile::builtin("xt-zb2").unwrap().new_flash().times();
    let near = |found: Option<f64>, wanted: u64| {
        let found = found.unwrap_or_else(|| panic!("{fit}"));
        assert!((found - wanted as f64).abs() <= wanted as f64 / 50.0, "{found} is not {wanted}\n{fit}");
    };
    near(value("sector_4k_us"), times.sector_4k_us);
    near(value("block_32k_us"), times.block_32k_us);
    assert!(fit.missing.contains(&"no chip erase"), "{fit}");
}
