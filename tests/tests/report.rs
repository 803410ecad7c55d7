//! The reports of a run with two injected divergences, and of nights before it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "test support code: a failure is a failed test"
)]

use std::fs;
use std::path::Path;

use bl702_emulator::fault::FaultPlan;
use bl702_emulator::fault::catalogue::load;
use bl702_emulator::module::Start;
use bl702_flasher::port::Port;
use bl702_harness::report::collect::{Run, Verdict, read_run};
use bl702_harness::report::{
    Begun, Outcome, Recorded, RunDirectory, RunInfo, ScenarioLog, StepLine, junit, ndjson, page,
};
use bl702_harness::target::{EmulatedTarget, Setup, Target};
use bl702_harness::{host, images};
use bl702_protocol::time::Nanos;

const BAUD_BPS: u32 = 2_000_000;

/// Slower than usual, and still within the time that the driver waits.
const SLOW_ERASE: &str = "slower-erase";
const SLOW_PLAN: &str = "[[fault]]\ndevice.slow-erase = { factor = 3 }\n";

fn begun(id: &str, title: &str, line: usize) -> Begun {
    let (file, _) = id.split_once("::").unwrap();
    Begun {
        id: id.to_owned(),
        title: title.to_owned(),
        feature: format!("The {file} feature"),
        file: format!("{file}.feature"),
        line,
        tags: vec!["writes".to_owned()],
        ..Begun::default()
    }
}

fn step(log: &mut ScenarioLog, number: usize, keyword: &str, text: &str, failure: &str) {
    let verdict = if failure.is_empty() { Outcome::Passed } else { Outcome::Failed };
    let line = StepLine {
        number,
        keyword: keyword.to_owned(),
        text: text.to_owned(),
        verdict,
        duration_us: 1_500,
        message: failure.to_owned(),
    };
    log.step(line).unwrap();
}

/// A module that is not quite what its recording says: an answer is changed, erases are slow.
fn odd_module(setup: &Setup, faults: &[&str]) -> Box<dyn Target> {
    let mut target = EmulatedTarget::power_up(setup);
    let mut plan = FaultPlan::default();
    for fault in faults {
        let one = if *fault == SLOW_ERASE {
            FaultPlan::from_toml(SLOW_PLAN).unwrap()
        } else {
            load(fault).unwrap()
        };
        plan.extend(one);
    }
    target.module_mut().unwrap().arm(&plan);
    Box::new(target)
}

/// Handshake, boot info, erases, a write and its check, a read, as a host below any flasher does it.
fn erase_write_read(port: &mut dyn Port) {
    let mut ask = |hex: &str, wait_ms| {
        let bytes = bl702_protocol::trace::from_hex(hex).unwrap();
        host::ask(port, BAUD_BPS, &bytes, Nanos::from_millis(wait_ms)).unwrap()
    };
    ask(&"55".repeat(600), 50);
    ask("10000000", 50);
    for sector in 0..6_u8 {
        ask(&format!("30000800{:02x}{:02x}0000ff{:02x}0000", 0, sector << 4, (sector << 4) | 0x0f), 3_000);
    }
    ask("310012000010000068656c6c6f20776f726c64212121", 50);
    ask("3a000000", 50);
    ask("320008000010000010000000", 50);
}

fn record(run: &RunDirectory, of: Begun, faults: &[&str]) {
    let setup = Setup { start: Start::Loader, flash: Some(images::stock()), ..Setup::default() };
    let mut log = run.begin(of).unwrap();
    let mut target = Recorded::new(odd_module(&setup, faults), &log.recording(), &setup, BAUD_BPS).unwrap();
    host::listen(target.port(), Nanos::from_millis(100)).unwrap();
    target.port().set_baud(BAUD_BPS).unwrap();
    step(&mut log, 1, "Given", "a module with the RAM loader running", "");
    erase_write_read(target.port());
    step(&mut log, 2, "When", "six sectors are erased and one is written", "");
    step(&mut log, 3, "Then", "it reads back", "");
    assert_eq!(target.burnt_fuses().unwrap(), 0);
    drop(target);
    log.finish(Outcome::Passed, "").unwrap();
}

fn night(folder: &Path, name: &str, started_unix_s: u64, faults: &[(&str, &[&str])]) -> Run {
    let info = RunInfo {
        version: 1,
        name: name.to_owned(),
        commit: "0123abc".to_owned(),
        started_unix_s,
        module: "XT-ZB2, chip id 3230376c62020000".to_owned(),
    };
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join("run.json"), serde_json::to_string(&info).unwrap()).unwrap();
    for target in ["emulated", "/dev/ttyUSB0"] {
        let run = RunDirectory::new(folder.to_owned(), target.to_owned());
        for (index, (id, faults)) in faults.iter().enumerate() {
            let faults = if target == "emulated" { &[][..] } else { *faults };
            record(
                &run,
                begun(id, &format!("Sectors are erased and written, {}", index + 1), 10 + index),
                faults,
            );
        }
        let mut flaky = run.begin(begun("links::a-loose-plug", "A loose plug", 30)).unwrap();
        step(
            &mut flaky,
            1,
            "Given",
            "a module",
            if target == "emulated" { "" } else { "no answer <within> 1 s & \u{1}" },
        );
        let verdict = if target == "emulated" { Outcome::Passed } else { Outcome::Failed };
        flaky.finish(verdict, if target == "emulated" { "" } else { "no answer\nat all" }).unwrap();
        if target != "emulated" {
            let again = run.begin(begun("links::a-loose-plug", "A loose plug", 30)).unwrap();
            again.finish(Outcome::Passed, "").unwrap();
        }
        let skipped = run.begin(begun("power::a-cut", "A power cut", 5)).unwrap();
        skipped.finish(Outcome::Skipped, "the module cannot switch the supply").unwrap();
        drop(run.begin(begun("power::killed", "A process that was killed", 9)).unwrap());
    }
    read_run(folder, true).unwrap()
}

/// The runs of the picture in docs/: `BL702_REPORT_DEMO=DIR cargo test -p bl702-harness --test report`.
fn nights(folder: &Path) -> Vec<Run> {
    let healthy: &[&str] = &[];
    let quiet = [("erase::sectors-1", healthy), ("erase::sectors-2", healthy)];
    let odd: [(&str, &[&str]); 2] =
        [("erase::sectors-1", &[SLOW_ERASE]), ("erase::sectors-2", &["read-refused"])];
    vec![
        night(&folder.join("night-1"), "night of 26 November", 1_795_651_200, &quiet),
        night(&folder.join("night-2"), "night of 27 November", 1_795_737_600, &quiet),
        night(&folder.join("night-3"), "night of 28 November", 1_795_824_000, &odd),
    ]
}

#[test]
fn both_divergences_are_named_with_their_place() {
    let folder = tempfile::tempdir().unwrap();
    let wanted = std::env::var_os("BL702_REPORT_DEMO");
    let folder = wanted.as_ref().map_or(folder.path(), Path::new);
    let runs = nights(folder);
    let (quiet, odd) = (&runs[1], &runs[2]);
    let case = |run: &Run, id: &str, target: &str| run.cases[&(id.to_owned(), target.to_owned())].clone();
    for id in ["erase::sectors-1", "erase::sectors-2"] {
        for (run, target) in [(quiet, "/dev/ttyUSB0"), (odd, "emulated")] {
            let case = case(run, id, target);
            let found: Vec<_> = case.last().divergences().collect();
            assert!(found.is_empty(), "{target}: {found:#?}");
        }
    }
    let slow = case(odd, "erase::sectors-1", "/dev/ttyUSB0");
    let slow: Vec<_> = slow.last().divergences().collect();
    assert!(slow[0].text.contains("30h") && slow[0].text.contains("from PD to OK"), "{slow:#?}");
    assert!(slow[0].at_ns > Nanos::from_millis(100), "{slow:#?}");
    // Each of the erases is one; people are told of the sort.
    assert!(slow.len() > 1 && slow.iter().all(|found| found.sort == slow[0].sort), "{slow:#?}");
    assert!(
        slow[0].sort.contains("erase of 4 KiB, from PD to") && slow[0].sort.ends_with("longer"),
        "{slow:#?}"
    );
    let changed = case(odd, "erase::sectors-2", "/dev/ttyUSB0");
    let changed: Vec<_> = changed.last().divergences().collect();
    assert!(changed[0].text.contains("32h") && changed[0].text.contains("FL"), "{changed:#?}");
    assert_eq!(case(odd, "links::a-loose-plug", "/dev/ttyUSB0").verdict, Verdict::Flaky);
    assert_eq!(case(odd, "power::killed", "emulated").verdict, Verdict::Died);

    let page = page::page(&runs).unwrap();
    assert!(page.contains("from PD to OK") && !page.contains("no answer <within>"), "data are quoted");
    assert!(!page.contains("https:") && !page.contains("http:"), "nothing to ask for");
    if wanted.is_some() {
        fs::write(folder.join("report.html"), page).unwrap();
    }
}

#[test]
fn junit_and_steps_as_programs_read_them() {
    let folder = tempfile::tempdir().unwrap();
    let healthy: &[&str] = &[];
    let faults: [(&str, &[&str]); 2] = [("erase::sectors-1", &[SLOW_ERASE]), ("erase::sectors-2", healthy)];
    let run = night(&folder.path().join("night"), "a night", 1_795_824_000, &faults);
    insta::with_settings!({ filters => vec![(r#"time="[0-9.]+""#, "time=\"...\"")] }, {
        insta::assert_snapshot!("junit", junit::junit(&run));
    });
    let steps = ndjson::steps(&run);
    let first: serde_json::Value = serde_json::from_str(steps.lines().next().unwrap()).unwrap();
    assert_eq!((first["run"].as_str(), first["attempt"].as_u64()), (Some("a night"), Some(1)));
    assert_eq!(steps.lines().count(), 4 * 3 + 2);
}
