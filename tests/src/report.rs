//! The run directory: what a run of scenarios leaves behind, and the reports that are made of it.
//!
//! When `BL702_RUN_DIR` names a directory, every scenario leaves files of its own there; no two processes write to the
//! same one, so shards and retries need no lock. Without the variable nothing is written.
//!
//! ```text
//! RUN/
//!   run.json              optional, by whoever starts the run: one object, see RunInfo
//!   scenarios/*.jsonl     one file an attempt: NDJSON, see Line; a file without its last line is a process that died
//!   recordings/*.jsonl    what went over the wire, in the format of bl702_protocol::trace
//!   divergences/*.json    what `bl702-emu replay --json` says of the recording of the same name
//! ```
//!
//! A scenario's file:
//!
//! ```text
//! {"kind":"scenario","version":1,"id":"backup::a-backup-...","title":"A backup ...","feature":"Backup","file":"backup.feature",
//!  "line":12,"tags":["reads"],"target":"emulated","started_unix_ms":1790000000000}
//! {"kind":"step","number":1,"keyword":"Given","text":"...","verdict":"passed","duration_us":120}
//! {"kind":"finished","verdict":"passed","duration_us":5120,"recordings":["recordings/....jsonl"]}
//! ```
//!
//! `id` survives edits of a scenario (see [`crate::catalogue`]). Several files with the same `id` and `target` are attempts,
//! in the order of `started_unix_ms`: one that passed after one that failed is flaky, never simply passed.
//! `bl702-report RUN...` makes JUnit, NDJSON and a page of one or more run directories (several nights), oldest first.

use std::cell::RefCell;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::catalogue::Entry;
use crate::runner::Verdict;
use crate::target::{Setup, Target};

pub mod collect;
pub mod junit;
pub mod ndjson;
pub mod page;
mod recorded;
mod watcher;

pub use recorded::Recorded;
pub use watcher::Watcher;

/// The version of the files in a run directory.
pub const RUN_VERSION: u32 = 1;
/// Names the run directory.
pub const RUN_VARIABLE: &str = "BL702_RUN_DIR";
/// The rate of a target's port before somebody sets one.
const PORT_BAUD_BPS: u32 = 500_000;
/// Names the target, for reports too.
pub const TARGET_VARIABLE: &str = "TARGET";

/// `run.json`: what there is to say about a whole run. Every field but `version` may be left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunInfo {
    /// [`RUN_VERSION`].
    pub version: u32,
    /// Name of the run for people: a date, a build number.
    #[serde(default)]
    pub name: String,
    /// The tree that was tested.
    #[serde(default)]
    pub commit: String,
    /// When it began, in seconds since 1970.
    #[serde(default)]
    pub started_unix_s: u64,
    /// What is known of the module: chip id, board, adapter.
    #[serde(default)]
    pub module: String,
}

/// How a step or a scenario ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// As written.
    Passed,
    /// Not as written.
    Failed,
    /// Not tried: the target cannot do it, or an earlier step failed.
    Skipped,
}

/// One line of a scenario's file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Line {
    /// The first line.
    Scenario(Begun),
    /// A step, when it is over.
    Step(StepLine),
    /// The last line.
    Finished(Finished),
}

/// What is tried.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begun {
    /// [`RUN_VERSION`].
    pub version: u32,
    /// The stable id.
    pub id: String,
    /// Its title today.
    pub title: String,
    /// Title of the feature.
    pub feature: String,
    /// Name of the feature file.
    pub file: String,
    /// Line in that file.
    pub line: usize,
    /// Tags without `@`.
    pub tags: Vec<String>,
    /// What `TARGET` named.
    pub target: String,
    /// When it began.
    pub started_unix_ms: u64,
}

impl Begun {
    /// What there is to say of a scenario before it runs.
    fn of(entry: &Entry) -> Begun {
        let file = entry.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Begun {
            id: entry.id.clone(),
            title: entry.title.clone(),
            feature: entry.feature.clone(),
            file,
            line: entry.position.0,
            tags: entry.tags.clone(),
            ..Begun::default()
        }
    }
}

/// A step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepLine {
    /// From 1.
    pub number: usize,
    /// `Given`, `When`, `Then`, `And`...
    pub keyword: String,
    /// The sentence.
    pub text: String,
    /// How it ended.
    pub verdict: Outcome,
    /// How long it took.
    pub duration_us: u64,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finished {
    /// How.
    pub verdict: Outcome,
    /// Why it was skipped or failed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// How long it took.
    pub duration_us: u64,
    /// Recordings of its ports, relative to the run directory.
    #[serde(default)]
    pub recordings: Vec<String>,
}

/// A run directory that this process adds to.
#[derive(Clone, Debug)]
pub struct RunDirectory {
    path: PathBuf,
    target: String,
}

impl RunDirectory {
    /// The directory that `BL702_RUN_DIR` names, if it names one.
    pub fn from_environment() -> Option<RunDirectory> {
        let path = std::env::var_os(RUN_VARIABLE).filter(|path| !path.is_empty())?;
        let target = std::env::var(TARGET_VARIABLE).ok().filter(|target| !target.is_empty());
        Some(RunDirectory::new(path.into(), target.unwrap_or_else(|| "emulated".to_owned())))
    }

    /// A directory for results on one target.
    pub fn new(path: PathBuf, target: String) -> RunDirectory {
        RunDirectory { path, target }
    }

    /// Begins the file of an attempt.
    ///
    /// # Errors
    /// What the file system says.
    pub fn begin(&self, mut begun: Begun) -> io::Result<ScenarioLog> {
        begun.version = RUN_VERSION;
        begun.target.clone_from(&self.target);
        begun.started_unix_ms = unix_time().as_millis() as u64;
        let folder = self.path.join("scenarios");
        fs::create_dir_all(&folder)?;
        fs::create_dir_all(self.path.join("recordings"))?;
        let stem = file_stem(&begun);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(folder.join(&stem).with_extension("jsonl"))?;
        let mut log =
            ScenarioLog { file, path: self.path.clone(), stem, began: unix_time(), recordings: Vec::new() };
        log.put(&Line::Scenario(begun))?;
        Ok(log)
    }
}

/// A name that no other attempt has: id and target as far as file names carry them, the process, a count in it.
fn file_stem(begun: &Begun) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let plain = |text: &str| -> String {
        let letters = text.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' });
        letters.take(80).collect()
    };
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{}~{}~{}-{count}", plain(&begun.id), plain(&begun.target), std::process::id())
}

/// The time since 1970.
#[expect(clippy::disallowed_methods, reason = "reports of runs tell when they were made")]
fn unix_time() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// The file of an attempt. The first line is written at once; those of steps when cucumber tells of them, which is when
/// the runner waits for something: after a kill the recording says how far the scenario came.
#[derive(Debug)]
pub struct ScenarioLog {
    file: File,
    path: PathBuf,
    stem: String,
    began: Duration,
    recordings: Vec<String>,
}

impl ScenarioLog {
    /// Adds a step that is over.
    ///
    /// # Errors
    /// What the file system says.
    pub fn step(&mut self, step: StepLine) -> io::Result<()> {
        self.put(&Line::Step(step))
    }

    /// A new file for a recording of this attempt.
    pub fn recording(&mut self) -> PathBuf {
        let suffix =
            if self.recordings.is_empty() { String::new() } else { format!("-{}", self.recordings.len()) };
        let name = format!("recordings/{}{suffix}.jsonl", self.stem);
        let path = self.path.join(&name);
        self.recordings.push(name);
        path
    }

    /// Ends the file.
    ///
    /// # Errors
    /// What the file system says.
    pub fn finish(mut self, verdict: Outcome, reason: &str) -> io::Result<()> {
        let duration_us = unix_time().saturating_sub(self.began).as_micros() as u64;
        let recordings = std::mem::take(&mut self.recordings);
        self.put(&Line::Finished(Finished { verdict, reason: reason.to_owned(), duration_us, recordings }))?;
        self.file.sync_all()
    }

    fn put(&mut self, line: &Line) -> io::Result<()> {
        let mut text = serde_json::to_string(line)?;
        text.push('\n');
        self.file.write_all(text.as_bytes())
    }
}

thread_local! {
    /// The attempt that runs on this thread. cucumber makes worlds without asking us, so they find it here.
    static CURRENT: RefCell<Option<ScenarioLog>> = const { RefCell::new(None) };
}

/// Makes `log` the one of the scenario that runs on this thread, and gives the one before.
pub fn set_current(log: Option<ScenarioLog>) -> Option<ScenarioLog> {
    CURRENT.replace(log)
}

/// Lets `act` have the log of the scenario that runs on this thread, if one is written.
pub fn with_current<T>(act: impl FnOnce(&mut ScenarioLog) -> T) -> Option<T> {
    CURRENT.with_borrow_mut(|log| log.as_mut().map(act))
}

/// Runs a scenario, and writes down how it went if there is a run directory.
pub fn logged(entry: &Entry, run: impl FnOnce(&Entry) -> Verdict) -> Verdict {
    let Some(directory) = RunDirectory::from_environment() else { return run(entry) };
    let log = match directory.begin(Begun::of(entry)) {
        Ok(log) => log,
        // Results that nobody can read later are no results.
        Err(error) => return Verdict::Failed(format!("cannot write to the run directory: {error}")),
    };
    set_current(Some(log));
    let ended = catch_unwind(AssertUnwindSafe(|| run(entry)));
    let Some(log) = set_current(None) else {
        return Verdict::Failed("the scenario's log has gone".to_owned());
    };
    let (outcome, reason) = match &ended {
        Ok(Verdict::Passed) => (Outcome::Passed, ""),
        Ok(Verdict::Skipped(reason)) => (Outcome::Skipped, reason.as_str()),
        Ok(Verdict::Failed(output)) => (Outcome::Failed, output.as_str()),
        Err(_) => (Outcome::Failed, "the runner itself panicked"),
    };
    let written = log.finish(outcome, reason);
    match (ended, written) {
        (Ok(_), Err(error)) => Verdict::Failed(format!("cannot write to the run directory: {error}")),
        (Ok(verdict), Ok(())) => verdict,
        (Err(panic), _) => resume_unwind(panic),
    }
}

/// The same target; recorded, if the scenario that runs on this thread is written down.
pub fn recorded(target: Box<dyn Target>, setup: &Setup) -> Box<dyn Target> {
    match with_current(ScenarioLog::recording) {
        None => target,
        Some(path) => {
            let recorded = Recorded::new(target, &path, setup, PORT_BAUD_BPS);
            Box::new(recorded.unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display())))
        }
    }
}

/// Reads an attempt's file; lines that are cut off or unknown are left out.
///
/// # Errors
/// What the file system says.
pub fn read_lines(path: &Path) -> io::Result<Vec<Line>> {
    let text = fs::read_to_string(path)?;
    Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
}

#[cfg(test)]
mod tests;
