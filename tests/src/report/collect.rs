//! Reads run directories, and says what is to be reported.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use bl702_emulator::divergence::{Report, replay_as_told};
use bl702_protocol::trace::{Record, RecordReader};
use serde::Serialize;

use super::{Begun, Finished, Line, Outcome, RunInfo, StepLine, read_lines};

/// Scenarios with this tag do to the module what no replay knows of.
const NOT_REPLAYED: &str = "emulated-only";

/// One run of a scenario on a target.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// What was tried.
    pub begun: Begun,
    /// Its steps.
    pub steps: Vec<StepLine>,
    /// How it ended; `None`: its process died.
    pub finished: Option<Finished>,
    /// Its recordings, with what a replay says of them.
    pub recordings: Vec<Recording>,
}

/// A recording of an attempt.
#[derive(Clone, Debug)]
pub struct Recording {
    /// The file.
    pub path: PathBuf,
    /// Its records.
    pub records: Vec<Record>,
    /// What a replay says of it, if it was replayed.
    pub report: Option<Report>,
}

/// How a scenario ended on a target, all attempts together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Passed at once.
    Passed,
    /// Passed in the end, after an attempt that failed.
    Flaky,
    /// Failed.
    Failed,
    /// Its process died before it ended.
    Died,
    /// Not run: the target cannot do it.
    Skipped,
}

/// A scenario on a target, in one run.
#[derive(Clone, Debug)]
pub struct Case {
    /// Attempts, oldest first; never empty.
    pub attempts: Vec<Attempt>,
    /// All together.
    pub verdict: Verdict,
}

impl Case {
    /// The attempt that counts.
    pub fn last(&self) -> &Attempt {
        &self.attempts[self.attempts.len() - 1]
    }

    /// How long all attempts took, in microseconds.
    pub fn duration_us(&self) -> u64 {
        self.attempts.iter().filter_map(|attempt| Some(attempt.finished.as_ref()?.duration_us)).sum()
    }
}

/// One run directory.
#[derive(Clone, Debug)]
pub struct Run {
    /// What is said of it.
    pub info: RunInfo,
    /// By id and target.
    pub cases: BTreeMap<(String, String), Case>,
}

/// Reads a run directory. Recordings are read and replayed only where `with_recordings`.
///
/// # Errors
/// What the file system says.
pub fn read_run(path: &Path, with_recordings: bool) -> io::Result<Run> {
    let mut info: RunInfo = match fs::read_to_string(path.join("run.json")) {
        Ok(text) => serde_json::from_str(&text).map_err(io::Error::other)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => RunInfo::default(),
        Err(error) => return Err(error),
    };
    if info.name.is_empty() {
        info.name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    }
    let mut grouped: BTreeMap<(String, String), Vec<Attempt>> = BTreeMap::new();
    let mut files: Vec<PathBuf> =
        fs::read_dir(path.join("scenarios"))?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    files.sort();
    for file in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "jsonl")) {
        let Some(attempt) = read_attempt(path, file, with_recordings)? else { continue };
        let key = (attempt.begun.id.clone(), attempt.begun.target.clone());
        grouped.entry(key).or_default().push(attempt);
    }
    if info.started_unix_s == 0 {
        let starts = grouped.values().flatten().map(|attempt| attempt.begun.started_unix_ms);
        info.started_unix_s = starts.min().unwrap_or(0) / 1000;
    }
    let cases = grouped.into_iter().map(|(key, mut attempts)| {
        attempts.sort_by_key(|attempt| attempt.begun.started_unix_ms);
        let verdict = verdict(&attempts);
        (key, Case { attempts, verdict })
    });
    Ok(Run { info, cases: cases.collect() })
}

fn verdict(attempts: &[Attempt]) -> Verdict {
    let of = |attempt: &Attempt| attempt.finished.as_ref().map(|finished| finished.verdict);
    let failed_before = attempts.iter().rev().skip(1).any(|attempt| of(attempt) != Some(Outcome::Passed));
    match attempts.last().and_then(of) {
        Some(Outcome::Passed) if failed_before => Verdict::Flaky,
        Some(Outcome::Passed) => Verdict::Passed,
        Some(Outcome::Failed) => Verdict::Failed,
        Some(Outcome::Skipped) => Verdict::Skipped,
        None => Verdict::Died,
    }
}

fn read_attempt(run: &Path, file: &Path, with_recordings: bool) -> io::Result<Option<Attempt>> {
    let mut attempt = None;
    for line in read_lines(file)? {
        match (line, &mut attempt) {
            (Line::Scenario(begun), _) => {
                attempt = Some(Attempt { begun, steps: Vec::new(), finished: None, recordings: Vec::new() });
            }
            (Line::Step(step), Some(attempt)) => attempt.steps.push(step),
            (Line::Finished(finished), Some(attempt)) => attempt.finished = Some(finished),
            _ => {}
        }
    }
    let Some(mut attempt) = attempt else { return Ok(None) };
    if with_recordings {
        for path in recordings_of(run, file, &attempt)? {
            let records = read_records(&path)?;
            let replayed = !attempt.begun.tags.iter().any(|tag| tag == NOT_REPLAYED);
            let report = replayed.then(|| replay_as_told(&records).ok()).flatten();
            attempt.recordings.push(Recording { path, records, report });
        }
    }
    Ok(Some(attempt))
}

/// Those that the last line names; of an attempt that died, those that bear its name.
fn recordings_of(run: &Path, file: &Path, attempt: &Attempt) -> io::Result<Vec<PathBuf>> {
    if let Some(finished) = &attempt.finished {
        let paths = finished.recordings.iter().map(|name| run.join(name));
        return Ok(paths.filter(|path| path.is_file()).collect());
    }
    let path = run.join("recordings").join(file.file_name().unwrap_or_default());
    Ok(if path.is_file() { vec![path] } else { Vec::new() })
}

fn read_records(path: &Path) -> io::Result<Vec<Record>> {
    let mut reader = RecordReader::new();
    reader.push(&fs::read(path)?);
    reader.finish();
    Ok(std::iter::from_fn(|| reader.next_record()).filter_map(Result::ok).collect())
}
