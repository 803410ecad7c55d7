//! Runs scenarios: each is one filtered run of cucumber, and one trial of libtest-mimic.

use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use cucumber::writer::{self, Coloring, Stats as _, Verbosity};
use cucumber::{World as _, WriterExt as _, step};
use libtest_mimic::{Completion, Failed, Trial};

use crate::catalogue::{self, Entry};
use crate::report::{self, Watcher};
use crate::world::{Ending, World};

/// How a scenario ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every step, and the count of burnt fuses, as written.
    Passed,
    /// The target cannot do what a step needs, and what that is.
    Skipped(String),
    /// What cucumber has to say about it.
    Failed(String),
}

/// A trial for every scenario of a folder, and a failing one for every file that cannot be used.
pub fn trials(folder: &Path) -> Vec<Trial> {
    let (entries, bad) = catalogue::read(folder);
    let unusable = bad.into_iter().map(|bad| {
        let name = bad.file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Trial::test(format!("{name}::can-be-read"), move || Err(Failed::from(bad)))
    });
    let scenarios = entries.into_iter().map(|entry| {
        let (name, kind) = (entry.id.clone(), entry.tags.join(" "));
        Trial::ignorable_test(name, move || match report::logged(&entry, run) {
            Verdict::Passed => Ok(Completion::Completed),
            Verdict::Skipped(reason) => Ok(Completion::ignored_with(reason)),
            Verdict::Failed(output) => Err(Failed::from(output)),
        })
        .with_kind(kind)
    });
    unusable.chain(scenarios).collect()
}

/// Runs one scenario and nothing else.
///
/// A step without a function, two functions for one step, a file that does not parse, a scenario without steps and a
/// failed hook are failures. Nothing is tried twice.
pub fn run(entry: &Entry) -> Verdict {
    let output = Captured::default();
    let ending = Arc::new(Mutex::new(Ending::default()));
    let (shown, seen, wanted) = (output.clone(), Arc::clone(&ending), entry.clone());
    let writer = cucumber::Cucumber::<World, _, _, _, _>::new()
        .with_writer(
            writer::Basic::new(shown, Coloring::Never, Verbosity::ShowWorldAndDocString)
                .summarized()
                .tee(Watcher::default().discard_arbitrary_writes().discard_stats_writes()),
        )
        .steps(steps())
        .with_default_cli()
        .fail_on_skipped()
        .retry_options(|_, _, _, _| None)
        .after(move |_, _, _, finished, world| {
            let ended = world.map(|world| world.end(finished)).unwrap_or_default();
            let failure = ended.failure.clone();
            *seen.lock().unwrap_or_else(PoisonError::into_inner) = ended;
            // Only what panics inside the future counts as a failed hook.
            Box::pin(async move {
                if let Some(failure) = failure {
                    panic!("{failure}");
                }
            })
        })
        .filter_run(&entry.file, move |_, _, scenario| wanted.is(scenario));
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("cannot start a runtime");
    let writer = runtime.block_on(writer);

    let ending = ending.lock().unwrap_or_else(PoisonError::into_inner);
    let output = output.text();
    if let Some(lacks) = &ending.lacks {
        return Verdict::Skipped(lacks.clone());
    }
    if writer.execution_has_failed() {
        return Verdict::Failed(output);
    }
    if writer.passed_steps() == 0 || !ending.complete {
        return Verdict::Failed(format!("{output}\nnothing was run: {} has no steps\n", entry.id));
    }
    Verdict::Passed
}

/// The steps, their expressions compiled once.
fn steps() -> step::Collection<World> {
    static STEPS: OnceLock<step::Collection<World>> = OnceLock::new();
    STEPS.get_or_init(World::collection).clone()
}

/// What cucumber prints, kept for a failure.
#[derive(Clone, Debug, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Captured {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
