//! `bl702-report RUN...`: JUnit, NDJSON and a page of one or more run directories, oldest first.
#![allow(clippy::print_stdout, reason = "it is a program")]

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bl702_emulator::divergence::report::What;
use bl702_harness::report::collect::{Run, Verdict, read_run};
use bl702_harness::report::{junit, ndjson, page};

const USAGE: &str = "\
usage: bl702-report [--out DIR] RUN...

Reads run directories (BL702_RUN_DIR of a scenario run), oldest first, and writes into DIR (by default the last of them):
  junit.xml     the last run, for CI systems
  steps.ndjson  every step of the last run
  report.html   a page: divergences, matrix of scenarios by target, history, wires

Exit status: 0 whatever the scenarios did; 2 usage, or a directory that cannot be read or written";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(summary) => {
            println!("{summary}");
            ExitCode::SUCCESS
        }
        Err(problem) => {
            eprintln!("error: {problem}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &[String]) -> Result<String, String> {
    let (mut out, mut directories) = (None, Vec::new());
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--help" | "-h" => return Ok(USAGE.to_owned()),
            "--out" => out = Some(PathBuf::from(rest.next().ok_or("--out wants a directory")?)),
            option if option.starts_with('-') => return Err(format!("no such option: {option}\n\n{USAGE}")),
            directory => directories.push(PathBuf::from(directory)),
        }
    }
    let Some(last) = directories.last() else { return Err(format!("no run directory\n\n{USAGE}")) };
    let out = out.unwrap_or_else(|| last.clone());
    let mut runs: Vec<Run> = Vec::new();
    for (index, directory) in directories.iter().enumerate() {
        let run = read_run(directory, index + 1 == directories.len())
            .map_err(|error| format!("cannot read the run directory {}: {error}", directory.display()))?;
        runs.push(run);
    }
    let newest = &runs[runs.len() - 1];
    if newest.cases.is_empty() {
        return Err(format!("{} holds no scenario", last.display()));
    }
    let page = page::page(&runs).map_err(|error| format!("cannot make the page: {error}"))?;
    let written = [
        put(&out, "junit.xml", &junit::junit(newest)),
        put(&out, "steps.ndjson", &ndjson::steps(newest)),
        put(&out, "report.html", &page),
    ];
    for result in written {
        result.map_err(|error| format!("cannot write to {}: {error}", out.display()))?;
    }
    let count = |verdict| newest.cases.values().filter(|case| case.verdict == verdict).count();
    let divergences: Vec<_> = newest.cases.values().flat_map(|case| case.last().divergences()).collect();
    let of_bytes = divergences.iter().filter(|difference| difference.what != What::Time).count();
    Ok(format!(
        "{}: {} passed, {} flaky, {} failed, {} died, {} skipped; divergences: {of_bytes} in bytes, {} in time",
        out.join("report.html").display(),
        count(Verdict::Passed),
        count(Verdict::Flaky),
        count(Verdict::Failed),
        count(Verdict::Died),
        count(Verdict::Skipped),
        divergences.len() - of_bytes,
    ))
}

fn put(folder: &Path, name: &str, text: &str) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    fs::write(folder.join(name), text)
}
