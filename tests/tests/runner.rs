//! The runner of the scenarios, on feature files with known verdicts: what has to fail does fail.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code: a failure is a failed test")]

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use bl702_harness::catalogue::{self, Entry};
use bl702_harness::report::{Begun, Line, Outcome, RunDirectory, read_lines, set_current};
use bl702_harness::runner::{Verdict, run, trials};
use libtest_mimic::Arguments;
use rstest::rstest;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/runner")
}

fn entry(name: &str) -> Entry {
    let id = format!("verdicts::{name}");
    catalogue::read(&folder()).0.into_iter().find(|entry| entry.id == id).unwrap()
}

#[rstest]
#[case("all-is-well")]
#[case("row-1-of-an-outline")]
fn a_good_scenario_passes(#[case] name: &str) {
    assert_eq!(run(&entry(name)), Verdict::Passed);
}

#[rstest]
#[case::undefined_step("a-step-that-nobody-wrote", "Step doesn't match any function")]
#[case::failing_step("an-answer-that-does-not-come", "expected [FL0104]")]
#[case::unexpected_success("a-flasher-that-was-to-fail-and-did-not", "went on without an error")]
#[case::fuse("a-fuse-that-burns-without-a-word", "1 fuses were burnt, the scenario says 0")]
#[case::no_fuse("a-burn-that-was-announced-and-does-not-happen", "0 fuses were burnt")]
#[case::untagged_burn(
    "a-burn-that-is-refused-but-not-tagged",
    "a scenario that tells the flasher to burn must be @burns"
)]
#[case::unseen_answer("an-answer-that-no-step-looks-at", "no step looked at these answers")]
#[case::empty("no-steps-at-all", "has no steps")]
#[case::second_row("row-2-of-an-outline", "no OK, but nothing")]
fn a_bad_scenario_fails_and_says_why(#[case] name: &str, #[case] why: &str) {
    let Verdict::Failed(output) = run(&entry(name)) else { panic!("{name} did not fail") };
    assert!(output.contains(why), "{output}");
}

/// cucumber tells of a step when it is over: what counts is when it happened.
#[test]
fn a_step_is_written_down_with_the_time_that_it_took() {
    let (entries, _) = catalogue::read(&catalogue::features_folder());
    let entry = entries.iter().find(|entry| entry.id == "backup::two-backups-in-a-row-are-the-same").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let run_directory = RunDirectory::new(folder.path().to_owned(), "emulated".to_owned());
    let begun = Begun { id: entry.id.clone(), title: entry.title.clone(), ..Begun::default() };
    set_current(Some(run_directory.begin(begun).unwrap()));
    let verdict = run(entry);
    set_current(None).unwrap().finish(Outcome::Passed, "").unwrap();
    assert_eq!(verdict, Verdict::Passed);
    let file = fs::read_dir(folder.path().join("scenarios")).unwrap().next().unwrap().unwrap().path();
    let lines = read_lines(&file).unwrap();
    let Some(Line::Finished(finished)) = lines.last() else { panic!("{lines:?}") };
    let took = |line: &Line| match line {
        Line::Step(step) if step.keyword == "When" => step.duration_us,
        _ => 0,
    };
    // A mebibyte goes over the wire; nobody does that in less than a millisecond.
    let longest = lines.iter().map(took).max().unwrap();
    assert!((1_000..=finished.duration_us).contains(&longest), "{lines:#?}");
}

#[test]
fn nothing_is_tried_twice() {
    let Verdict::Failed(output) = run(&entry("a-failure-is-not-tried-again")) else {
        panic!("it did not fail")
    };
    assert_eq!(output.matches("a session at 12,000,000 baud").count(), 1, "{output}");
    assert!(!output.contains("Retry"), "{output}");
}

#[test]
fn what_a_target_lacks_is_skipped_and_named() {
    let verdict = run(&entry("a-target-that-cannot-do-it"));
    assert_eq!(
        verdict,
        Verdict::Skipped("the module in a process of its own cannot switch the supply".to_owned())
    );
}

/// Runs the trials as `cargo test` and `cargo nextest` do; gives how many passed and failed, and what was written.
fn run_trials(arguments: &[&str]) -> (u64, u64, String) {
    let log = tempfile::NamedTempFile::new().unwrap();
    let path = log.path().display().to_string();
    let all = ["scenarios", "--logfile", &path].into_iter().chain(arguments.iter().copied());
    let conclusion = libtest_mimic::run(&Arguments::from_iter(all), trials(&folder()));
    (conclusion.num_passed, conclusion.num_failed, fs::read_to_string(log.path()).unwrap())
}

#[test]
fn a_file_that_does_not_parse_is_a_failing_trial() {
    let (passed, failed, log) = run_trials(&["unreadable"]);
    assert_eq!((passed, failed), (0, 1), "{log}");
    assert!(log.contains("unreadable.feature"), "{log}");
}

#[test]
fn one_scenario_can_be_run_by_its_exact_name() {
    let (passed, failed, log) = run_trials(&["--exact", "verdicts::all-is-well"]);
    assert_eq!((passed, failed), (1, 0), "{log}");
    let (passed, failed, log) = run_trials(&["--exact", "[slow reads] verdicts::all-is-well"]);
    assert_eq!((passed, failed), (1, 0), "{log}");
    let (passed, failed, log) = run_trials(&["--exact", "verdicts::all-is"]);
    assert_eq!((passed, failed), (0, 0), "{log}");
}

#[test]
fn tags_are_kinds_and_filters_find_them() {
    let (passed, failed, _) = run_trials(&["[slow"]);
    assert_eq!((passed, failed), (1, 0));
}

#[test]
fn no_scenario_is_ignored_beforehand() {
    assert_eq!(run_trials(&["--ignored"]).0, 0);
}

/// Ids are in reports and in people's notes; the tags are what a bench chooses by.
#[test]
fn the_projects_scenarios_are_read_and_tagged() {
    let (entries, bad) = catalogue::read(&catalogue::features_folder());
    assert_eq!(bad, []);
    let mut scenarios: BTreeMap<&str, u32> = BTreeMap::new();
    for entry in &entries {
        *scenarios.entry(entry.id.split("::").next().unwrap()).or_default() += 1;
        let kinds = ["reads", "writes", "burns"];
        let chosen: Vec<&String> = entry.tags.iter().filter(|tag| kinds.contains(&tag.as_str())).collect();
        assert_eq!(chosen.len(), 1, "{} must be one of {kinds:?}", entry.id);
        let known = |tag: &String| kinds.contains(&tag.as_str()) || tag == "emulated-only";
        assert!(entry.tags.iter().all(known), "{}: {:?}", entry.id, entry.tags);
        let tagged = entry.tags.iter().any(|tag| tag == "emulated-only");
        assert_eq!(
            tagged,
            entry.emulated_only_reason.is_some(),
            "{}: a scenario is @emulated-only if it arms a fault, sets fuses or kills the emulator ({:?}), and only then",
            entry.id,
            entry.emulated_only_reason
        );
    }
    let areas = [
        "backup",
        "boot_header",
        "command_order",
        "erase",
        "field_report",
        "handshake",
        "info",
        "persistence",
        "secured_chips",
        "sessions",
        "straps_and_reset",
        "unknown_commands",
        "verify",
        "write",
        "wrong_baud",
    ];
    for area in areas {
        assert!(scenarios.contains_key(area), "{area} has no scenario");
    }
    assert!(entries.len() >= 45, "{} scenarios", entries.len());
}
