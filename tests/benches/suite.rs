//! How long all scenarios take: `cargo bench -p bl702-harness --bench suite`.
//!
//! They run as `cargo test` runs them, built by the profile of tests, by the test program itself, on as many threads as there are processors. Building is
//! not counted. A scenario that fails is wrong data.
#![allow(clippy::unwrap_used, reason = "what cannot go on ends with its reason")]

use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use bl702_harness::measure::figures::{Goal, row};
use bl702_harness::measure::{Stopwatch, median};
use bl702_harness::programs::Started;
use serde_json::Value;

const RUNS: usize = 3;
const LIMIT: Duration = Duration::from_secs(300);

/// Builds the test program and tells where it is.
fn program() -> PathBuf {
    let output = Command::new(env!("CARGO"))
        .args(["test", "-p", "bl702-harness", "--test", "scenarios", "--no-run", "--message-format", "json"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success(), "cargo could not build the scenarios");
    let text = String::from_utf8(output.stdout).unwrap();
    let mut messages = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let built = messages.find(|message| {
        message["reason"] == "compiler-artifact"
            && message["target"]["name"] == "scenarios"
            && message["executable"].is_string()
    });
    PathBuf::from(built.unwrap()["executable"].as_str().unwrap())
}

fn main() -> ExitCode {
    let program = program();
    let (mut seconds, mut counts) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let mut command = Command::new(&program);
        command.current_dir(env!("CARGO_MANIFEST_DIR")).env_remove("TARGET");
        let watch = Stopwatch::start();
        let ended = Started::new(&mut command).finish_within(LIMIT);
        seconds.push(watch.elapsed().as_secs_f64());
        let said = String::from_utf8_lossy(&ended.stdout).into_owned();
        if ended.code() != Some(0) {
            println!("{said}{}\nscenarios: WRONG DATA", ended.stderr);
            return ExitCode::FAILURE;
        }
        // `test result: ok. N passed; ...`
        let passed = said.lines().rev().find_map(|line| line.strip_prefix("test result: ok. "));
        let passed = passed.and_then(|rest| rest.split(' ').next()?.parse::<u32>().ok());
        counts.push(passed.unwrap());
    }
    let processors = std::thread::available_parallelism().unwrap();
    let what = format!("all {} scenarios, {processors} processors", counts[0]);
    row(&what, median(&seconds), "s", Goal::AtMost(10.0));
    ExitCode::SUCCESS
}
