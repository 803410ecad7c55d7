//! `bl702-emu check`: replays conformance vectors.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use bl702_emulator::conformance::{self, Mismatch, Vector, Verdict};

/// Replays conformance vectors in virtual time, each against a fresh module.
///
/// Prints every row that differs, then one line per class, and last `N passed, M failed`. Rows of class `model` and
/// `wire-model` are informative: they are counted apart and fail nothing. Exit code 1 if a row failed, 2 if a file
/// cannot be read or is not a vector file.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: bl702-emu check fixtures/vectors/*.jsonl --class core")]
pub(crate) struct CheckArgs {
    /// Vector files (one JSON object a line).
    #[arg(required = true, value_name = "FILE.jsonl")]
    files: Vec<PathBuf>,
    /// Only rows of this class (may be given several times).
    #[arg(long, value_name = "CLASS")]
    class: Vec<String>,
    /// Only rows whose name contains this text.
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
}

#[derive(Default)]
struct Count {
    passed: usize,
    failed: usize,
}

#[derive(Default)]
struct Tally {
    classes: BTreeMap<String, Count>,
    judged: Count,
    unreadable: usize,
}

/// Runs the command.
pub(crate) fn run(args: &CheckArgs) -> ExitCode {
    let mut tally = Tally::default();
    for path in &args.files {
        match std::fs::read_to_string(path) {
            Ok(text) => check_file(args, &path.display().to_string(), &text, &mut tally),
            Err(error) => {
                eprintln!("error: cannot read vector file {}: {error}", path.display());
                tally.unreadable += 1;
            }
        }
    }
    for (class, count) in &tally.classes {
        let informative = matches!(class.as_str(), "model" | "wire-model");
        let note = if informative { " (informative)" } else { "" };
        println!("{class}: {} passed, {} differ{note}", count.passed, count.failed);
    }
    if tally.judged.passed + tally.judged.failed == 0 && tally.unreadable == 0 {
        eprintln!("error: no vector was selected; look at --class and --name");
        tally.unreadable += 1;
    }
    println!("{} passed, {} failed", tally.judged.passed, tally.judged.failed);
    match (tally.unreadable, tally.judged.failed) {
        (0, 0) => ExitCode::SUCCESS,
        (0, _) => ExitCode::from(1),
        _ => ExitCode::from(2),
    }
}

fn check_file(args: &CheckArgs, file: &str, text: &str, tally: &mut Tally) {
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let place = format!("{file}:{}", index + 1);
        let vector = match Vector::parse(line) {
            Ok(vector) => vector,
            Err(error) => {
                eprintln!("error: {place}: {error}");
                tally.unreadable += 1;
                continue;
            }
        };
        let selected = (args.class.is_empty() || args.class.contains(&vector.class))
            && args.name.as_ref().is_none_or(|part| vector.name.contains(part));
        if !selected {
            continue;
        }
        let mismatch = match conformance::run(&vector) {
            Ok(Verdict::Passed) => None,
            Ok(Verdict::Failed(mismatch)) => Some(mismatch),
            Err(error) => {
                eprintln!("error: {place}: {error}");
                tally.unreadable += 1;
                continue;
            }
        };
        tally.count(&vector, mismatch.is_none());
        if let Some(mismatch) = mismatch {
            report(&place, &vector, &mismatch);
        }
    }
}

impl Tally {
    fn count(&mut self, vector: &Vector, passed: bool) {
        let class = self.classes.entry(vector.class.clone()).or_default();
        let counts = [Some(class), (!vector.is_informative()).then_some(&mut self.judged)];
        for count in counts.into_iter().flatten() {
            if passed {
                count.passed += 1;
            } else {
                count.failed += 1;
            }
        }
    }
}

fn report(place: &str, vector: &Vector, mismatch: &Mismatch) {
    let kind = if vector.is_informative() { "differs (informative)" } else { "FAILED" };
    let step = if mismatch.step == vector.setup.len() {
        "the request".to_owned()
    } else {
        format!("set-up step {}", mismatch.step + 1)
    };
    println!("{kind}: {place}: {} [{}]: {} of {step}", vector.name, vector.class, mismatch.what);
    println!("    expected {}", shorten(&mismatch.expected));
    println!("    found    {}", shorten(&mismatch.found));
}

/// Long answers are told by their head, tail and size.
fn shorten(text: &str) -> String {
    const MOST: usize = 160;
    match text {
        "" => "(nothing)".to_owned(),
        text if text.len() <= MOST || !text.is_ascii() => text.to_owned(),
        text => format!("{}...{} ({} digits)", &text[..MOST - 40], &text[text.len() - 24..], text.len()),
    }
}
