//! How many instructions a session takes, counted by callgrind, beside what was recorded in `counts.toml`:
//! `cargo bench -p bl702-harness --bench counts`.
//!
//! Times on a shared machine tell little of a change of a few per cent; instructions are the same on every machine with the same compiler
//! and libraries, but for the seeds of hash maps. What is counted is one session more: a run with three less a run with
//! one, halved, so that what is done once for all sessions is left out.
//!
//! `BL702_COUNTS=record cargo bench -p bl702-harness --bench counts` records anew: after a change that is meant to be so,
//! and with another compiler. Without valgrind on the machine nothing is counted, and that is said.
//!
//! Valgrind's processor has no SHA instructions, so hashing weighs more here than it does in time.
#![allow(clippy::unwrap_used, reason = "what cannot go on ends with its reason")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;

use bl702_flasher::connect::ConnectOptions;
use bl702_harness::images;
use bl702_harness::measure::session::Setting;
use serde::{Deserialize, Serialize};

/// The word before the name of a session and how often it is to be carried out.
const CARRY_OUT: &str = "--carry-out";
/// Above this ratio to what was recorded a person should look: hash maps and allocator account for less.
const NOTABLE: f64 = 1.02;
/// So many functions are listed.
const FUNCTIONS: usize = 6;

/// The last is the first one with a RAM loader that was not uploaded before: above all the search for upload frames that the
/// boot ROM cannot misread.
const SESSIONS: [&str; 3] = ["write-16k", "backup-1m", "new-loader"];

/// `counts.toml`.
#[derive(Debug, Deserialize, Serialize)]
struct Recorded {
    valgrind: String,
    rustc: String,
    instructions: BTreeMap<String, u64>,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().collect();
    if let Some(at) = words.iter().position(|word| word == CARRY_OUT) {
        let right = carry_out(&words[at + 1], words[at + 2].parse().unwrap());
        return if right { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let Some(valgrind) = version("valgrind") else {
        println!("instructions: not counted, valgrind is not on this machine (Debian: apt install valgrind)");
        return ExitCode::SUCCESS;
    };
    let rustc = version("rustc").unwrap_or_default();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/counts.toml");
    let recorded: Option<Recorded> =
        fs::read_to_string(&file).ok().map(|text| toml::from_str(&text).unwrap());
    if let Some(there) = &recorded
        && (&there.valgrind, &there.rustc) != (&valgrind, &rustc)
    {
        println!("recorded with {} and {}; this is {valgrind} and {rustc}", there.valgrind, there.rustc);
    }
    let folder = tempfile::tempdir().unwrap();
    let mut counts = BTreeMap::new();
    for name in SESSIONS {
        let [one, three] = [1, 3].map(|times| count(name, times, folder.path()));
        let count = (three.instructions - one.instructions) / 2;
        println!("{}", line(name, count, recorded.as_ref().and_then(|there| there.instructions.get(name))));
        list_functions(&three.profile);
        counts.insert(name.to_owned(), count);
    }
    if std::env::var("BL702_COUNTS").is_ok_and(|value| value == "record") {
        let now = Recorded { valgrind, rustc, instructions: counts };
        let head = "# Instructions of a session more. Written by BL702_COUNTS=record cargo bench -p bl702-harness --bench counts\n";
        fs::write(&file, format!("{head}{}", toml::to_string(&now).unwrap())).unwrap();
        println!("recorded in {}", file.display());
    }
    ExitCode::SUCCESS
}

fn line(name: &str, count: u64, recorded: Option<&u64>) -> String {
    let beside = match recorded {
        Some(recorded) => {
            let ratio = count as f64 / *recorded as f64;
            let verdict = if ratio > NOTABLE { "  MORE than recorded" } else { "" };
            format!("{ratio:.3} of the recorded {recorded}{verdict}")
        }
        None => "nothing is recorded".to_owned(),
    };
    format!("{name:12} {count:>12} instructions, {beside}")
}

/// The first line that a program answers to `--version`.
fn version(program: &str) -> Option<String> {
    let output = Command::new(program).arg("--version").output().ok()?;
    String::from_utf8_lossy(&output.stdout).lines().next().map(str::to_owned)
}

/// What callgrind counted.
struct Counted {
    instructions: u64,
    profile: PathBuf,
}

/// Lets this program carry out sessions under callgrind.
fn count(name: &str, times: u32, folder: &Path) -> Counted {
    let profile = folder.join(format!("{name}-{times}"));
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", &format!("--callgrind-out-file={}", profile.display())])
        .arg(std::env::current_exe().unwrap())
        .args([CARRY_OUT, name, &times.to_string()])
        .output()
        .unwrap();
    assert!(output.status.success(), "{name}: WRONG DATA or {}", String::from_utf8_lossy(&output.stderr));
    let text = fs::read_to_string(&profile).unwrap();
    let totals = text.lines().rev().find_map(|line| line.strip_prefix("totals: ")).unwrap();
    Counted { instructions: totals.trim().parse().unwrap(), profile }
}

/// The functions that took most of a run with three sessions, by their own instructions. What is done once for all sessions
/// is in these shares.
fn list_functions(profile: &Path) {
    let Ok(output) = Command::new("callgrind_annotate").arg(profile).output() else { return };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let rows = text.lines().skip_while(|line| !line.contains("file:function"));
    println!("             of a run with three sessions, what is done once included:");
    for row in rows.filter(|row| row.contains('%')).take(FUNCTIONS) {
        // `COUNT (PER CENT)  FILE:FUNCTION [PROGRAM]`
        let (share, place) = row.split_once(')').unwrap_or((row, ""));
        let share = share.split_once('(').map_or(share, |(_, share)| share);
        let function = place.trim().split_once(':').map_or(place, |(_, function)| function);
        let function = function.rsplit_once(" [").map_or(function, |(function, _)| function);
        println!("{share:>20}  {}", function.chars().take(90).collect::<String>());
    }
}

/// Carries out sessions; whether all went right.
fn carry_out(name: &str, times: u32) -> bool {
    let mut setting = Setting::new();
    let new = images::other(16 * 1024, 1);
    let mut one = || match name {
        "write-16k" => setting.write(&new).right,
        "backup-1m" => setting.backup().right,
        "new-loader" => {
            let loader = Some(Arc::new(images::long_loader()));
            setting.options = Arc::new(ConnectOptions { loader, ..ConnectOptions::clone(&setting.options) });
            setting.write(&new).right
        }
        other => unreachable!("no session is called {other}"),
    };
    (0..times).all(|_| one())
}
