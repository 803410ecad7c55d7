//! Many scenes on all cores: the tally, and what to do about a scene that broke the contract.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use super::checker::{Broken, Verdict, judge};
use super::draw;
use super::minimise::minimise;
use super::mutant::Mutant;
use super::run::{Evidence, play_mutant};
use super::scene::Scene;

/// Seeds that `cargo test` plays.
pub const SEEDS: Range<u64> = 0..20_000;

/// After so many failures the rest is not worth playing.
const MOST_FAILURES: usize = 64;

/// Classes of faults, in the order of the table.
pub const CLASSES: [&str; 6] = ["none", "line", "frame", "device", "power", "several"];

/// What became of the sessions of one class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// Sessions in which faults of this class fired.
    pub sessions: u64,
    /// Those that succeeded.
    pub survived: u64,
    /// Those that ended with a named error.
    pub refused: u64,
    /// Those that broke the contract.
    pub broken: u64,
}

/// A scene that broke the contract.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Its seed.
    pub seed: u64,
    /// How.
    pub broken: Vec<String>,
}

/// What became of all sessions.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// By class of the faults that fired.
    pub classes: BTreeMap<&'static str, Row>,
    /// By command.
    pub works: BTreeMap<&'static str, Row>,
    /// How often each error was the answer.
    pub errors: BTreeMap<String, u64>,
    /// Faults that were armed, and those of them that fired.
    pub faults: (u64, u64),
    /// What broke the contract.
    pub failures: Vec<Failure>,
}

/// Says how a scene breaks the contract; a panic is one way.
pub fn verdict(scene: &Scene, mutant: Mutant) -> (Option<Evidence>, Result<Verdict, Vec<Broken>>) {
    let played = catch_unwind(AssertUnwindSafe(|| {
        let evidence = play_mutant(scene, mutant);
        let judged = judge(scene, &evidence);
        (Some(evidence), judged)
    }));
    played.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        let text = format!("panic: {}", text.unwrap_or_default());
        (None, Err(vec![Broken::Late(text)]))
    })
}

/// Classes of the faults that fired.
fn classes(evidence: Option<&Evidence>) -> Vec<&'static str> {
    let faults = evidence.map(|evidence| evidence.faults.faults.as_slice()).unwrap_or_default();
    let fired = |class: &str| faults.iter().any(|fault| fault.fired > 0 && fault.seam == class);
    let mut classes: Vec<&'static str> = CLASSES.into_iter().filter(|class| fired(class)).collect();
    match classes.len() {
        0 => vec!["none"],
        1 => classes,
        _ => {
            classes.push("several");
            classes
        }
    }
}

impl Tally {
    fn note(
        &mut self,
        seed: u64,
        scene: &Scene,
        evidence: Option<&Evidence>,
        judged: &Result<Verdict, Vec<Broken>>,
    ) {
        for class in classes(evidence) {
            bump(self.classes.entry(class).or_default(), judged);
        }
        bump(self.works.entry(scene.work.name()).or_default(), judged);
        let faults = evidence.map(|evidence| evidence.faults.faults.as_slice()).unwrap_or_default();
        self.faults.0 += faults.len() as u64;
        self.faults.1 += faults.iter().filter(|fault| fault.fired > 0).count() as u64;
        match judged {
            Ok(Verdict::Survived) => {}
            Ok(Verdict::Refused(name)) => *self.errors.entry(name.clone()).or_default() += 1,
            Err(broken) => {
                let broken = broken.iter().map(|broken| format!("{broken:?}")).collect();
                self.failures.push(Failure { seed, broken });
            }
        }
    }

    fn add(&mut self, other: Tally) {
        let add_rows = |to: &mut BTreeMap<&'static str, Row>, from: BTreeMap<&'static str, Row>| {
            for (name, row) in from {
                let sum = to.entry(name).or_default();
                sum.sessions += row.sessions;
                sum.survived += row.survived;
                sum.refused += row.refused;
                sum.broken += row.broken;
            }
        };
        add_rows(&mut self.classes, other.classes);
        add_rows(&mut self.works, other.works);
        for (name, count) in other.errors {
            *self.errors.entry(name).or_default() += count;
        }
        self.faults.0 += other.faults.0;
        self.faults.1 += other.faults.1;
        self.failures.extend(other.failures);
    }

    /// Sessions in all.
    pub fn sessions(&self) -> u64 {
        self.works.values().map(|row| row.sessions).sum()
    }

    /// The table for people, as Markdown.
    pub fn table(&self, seeds: &Range<u64>) -> String {
        let mut text =
            "| faults that fired | sessions | survived | refused with a named error | silent losses |\n"
                .to_owned();
        text.push_str("|---|---|---|---|---|\n");
        for class in CLASSES {
            let row = self.classes.get(class).copied().unwrap_or_default();
            let Row { sessions, survived, refused, broken } = row;
            let name = if class == "several" { "of several classes (counted above, too)" } else { class };
            let _ = writeln!(text, "| {name} | {sessions} | {survived} | {refused} | {broken} |");
        }
        let (armed, fired) = self.faults;
        let _ = write!(
            text,
            "\nSeeds {} to {}: {} sessions; of {armed} faults that were armed {fired} fired.\n",
            seeds.start,
            seeds.end - 1,
            self.sessions()
        );
        text
    }
}

fn bump(row: &mut Row, judged: &Result<Verdict, Vec<Broken>>) {
    row.sessions += 1;
    match judged {
        Ok(Verdict::Survived) => row.survived += 1,
        Ok(Verdict::Refused(_)) => row.refused += 1,
        Err(_) => row.broken += 1,
    }
}

/// How many threads share the work.
pub fn threads() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from).min(16)
}

/// Does `work` for every item, on all cores; results in the order of the items.
pub fn in_parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicU64::new(0);
    let results = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..threads() {
            scope.spawn(|| {
                let mut done = Vec::new();
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed) as usize;
                    let Some(item) = items.get(index) else { break };
                    done.push((index, work(item)));
                }
                results.lock().expect("another thread has panicked").extend(done);
            });
        }
    });
    let mut results = results.into_inner().expect("a thread has panicked");
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

/// Stands for a thread that plays no scene.
const NO_SEED: u64 = u64::MAX;

/// So long, in real time, one scene may take. Most take a millisecond.
const HANGS_AFTER_S: u32 = 60;

/// Ends the program when a thread is at the same seed for [`HANGS_AFTER_S`]: a loop without end in the code under test stops
/// virtual time too, so no bound of the run can tell of it. Returns when all senders of `ended` are gone.
fn watch_for_hangs(playing: &[AtomicU64], ended: &mpsc::Receiver<()>) {
    let mut seen = vec![(NO_SEED, 0); playing.len()];
    while ended.recv_timeout(Duration::from_secs(1)) == Err(RecvTimeoutError::Timeout) {
        for (slot, (seed, seconds)) in playing.iter().zip(&mut seen) {
            let now = slot.load(Ordering::Relaxed);
            *seconds = if now == *seed && now != NO_SEED { *seconds + 1 } else { 0 };
            *seed = now;
            if *seconds >= HANGS_AFTER_S {
                eprintln!("seed {now} hangs, {HANGS_AFTER_S} s by now\nplay it again: {}", again(now));
                std::process::exit(101);
            }
        }
    }
}

fn again(seed: u64) -> String {
    format!("BL702_SEED={seed} cargo test -p bl702-harness --test campaign one_seed -- --nocapture")
}

/// Plays the scenes of these seeds, as long as `go_on` says so.
pub fn campaign(seeds: Range<u64>, mutant: Mutant, go_on: impl Fn() -> bool + Sync) -> Tally {
    let next = AtomicU64::new(seeds.start);
    let sum = Mutex::new(Tally::default());
    let failures = AtomicU64::new(0);
    let playing: Vec<AtomicU64> = (0..threads()).map(|_| AtomicU64::new(NO_SEED)).collect();
    let (at_work, ended) = mpsc::channel::<()>();
    let player = |slot: &AtomicU64| {
        let mut tally = Tally::default();
        while go_on() && failures.load(Ordering::Relaxed) < MOST_FAILURES as u64 {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                break;
            }
            slot.store(seed, Ordering::Relaxed);
            let scene = draw::scene(seed);
            let (evidence, judged) = verdict(&scene, mutant);
            if judged.is_err() {
                failures.fetch_add(1, Ordering::Relaxed);
            }
            tally.note(seed, &scene, evidence.as_ref(), &judged);
        }
        slot.store(NO_SEED, Ordering::Relaxed);
        sum.lock().expect("another thread has panicked").add(tally);
    };
    std::thread::scope(|scope| {
        let slots = &playing;
        scope.spawn(move || watch_for_hangs(slots, &ended));
        for slot in slots {
            let (player, at_work) = (&player, at_work.clone());
            scope.spawn(move || {
                player(slot);
                drop(at_work);
            });
        }
        drop(at_work);
    });
    let mut sum = sum.into_inner().expect("a thread has panicked");
    sum.failures.sort_by_key(|failure| failure.seed);
    sum
}

/// The folder of scenes that once broke the contract.
pub fn seeds_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/seeds")
}

/// Minimises a scene that breaks the contract, keeps it in `fixtures/seeds`, and tells how to play it again.
pub fn keep(failure: &Failure) -> String {
    let least = minimise(&draw::scene(failure.seed), |scene| {
        verdict(scene, Mutant::None).1.err().and_then(|broken| broken.into_iter().next())
    });
    let how = failure.broken.join("; ");
    let file = seeds_folder().join(format!("{:06}.toml", failure.seed));
    let comment: String = how.lines().map(|line| format!("# {line}\n")).collect();
    let text =
        format!("# Seed {}, minimised. It broke the contract:\n{comment}\n{}", failure.seed, least.to_toml());
    let kept =
        fs::write(&file, &text).map_or_else(|error| format!("not kept: {error}"), |()| "kept".to_owned());
    format!(
        "seed {}: {how}\nplay it again: {}\n{kept} in {}:\n{text}",
        failure.seed,
        again(failure.seed),
        file.display()
    )
}
