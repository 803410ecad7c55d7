//! Runs scenarios: each is one filtered run of cucumber, and one trial of libtest-mimic.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use cucumber::writer::{self, Coloring, Stats as _, Verbosity};
use cucumber::{World as _, WriterExt as _, step};
use libtest_mimic::{Arguments, Completion, Failed, Trial};

use crate::catalogue::{self, Entry};
use crate::hardware::bench::Bench;
use crate::hardware::config::Chosen;
use crate::hardware::keeper;
use crate::report::{self, Watcher};
use crate::target;
use crate::world::{Ending, World};

/// A scenario that only an emulated module can run has this tag.
const EMULATED_ONLY: &str = "emulated-only";
/// A scenario that sends commands that burn fuses has this tag.
const BURNS: &str = "burns";

/// One module, one scenario at a time; each emulated scenario has a module of its own.
static BENCH_IN_USE: Mutex<()> = Mutex::new(());

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

/// The main function of a test program: runs the scenarios on what `TARGET` names, with libtest's arguments.
///
/// It is also the main function of the bench's keeper, which is this program once more.
pub fn main(arguments: impl Iterator<Item = String>) -> ExitCode {
    let arguments: Vec<String> = arguments.collect();
    if arguments.get(1).is_some_and(|argument| argument == keeper::ARGUMENT) {
        return keeper::main(arguments.get(2).map(String::as_str));
    }
    let arguments = Arguments::from_iter(arguments);
    // Listing is no reason to look for a bench.
    if !arguments.list
        && let Err(reason) = choose_target()
    {
        eprintln!("{reason}");
        return ExitCode::from(2);
    }
    libtest_mimic::run(&arguments, trials(&catalogue::features_folder())).exit_code()
}

fn choose_target() -> Result<(), String> {
    match Chosen::from_environment()? {
        Chosen::Emulated => Ok(()),
        Chosen::Bench(config) => {
            let own = std::env::current_exe().map_err(|error| error.to_string())?;
            target::use_bench(Bench::new(*config, own).map_err(|error| error.to_string())?)
        }
    }
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
            Verdict::Skipped(reason) => {
                if target::bench().is_some() {
                    println!("skipped: {reason}");
                }
                Ok(Completion::ignored_with(reason))
            }
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
    let _one_at_a_time = match target::bench() {
        Some(bench) => {
            if let Some(reason) = &entry.emulated_only_reason
                && entry.tags.iter().any(|tag| tag == EMULATED_ONLY)
            {
                return Verdict::Skipped(format!(
                    "a scenario that {reason} is not for {}",
                    bench.config.port
                ));
            }
            Some(BENCH_IN_USE.lock().unwrap_or_else(PoisonError::into_inner))
        }
        None => None,
    };
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
        .before(|feature, rule, scenario, world| {
            let tags =
                feature.tags.iter().chain(rule.iter().flat_map(|rule| &rule.tags)).chain(&scenario.tags);
            world.setup.burns = tags.clone().any(|tag| tag == BURNS);
            Box::pin(std::future::ready(()))
        })
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
    // Where every scenario is a process, what it prints stands in the report.
    ending.story.iter().for_each(|line| println!("state: {line}"));
    if let (Some(lacks), None) = (&ending.lacks, &ending.failure) {
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
