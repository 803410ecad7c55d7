//! The campaign of seeds: random sessions under random faults, judged by a checker of its own.
//!
//! | variable | what it does |
//! |---|---|
//! | `BL702_SEED` | the seed that `one_seed` plays and tells about |
//! | `BL702_CAMPAIGN_SECONDS` | `nightly` plays new seeds for so long |
//! | `BL702_CAMPAIGN_FROM` | the first seed of `nightly` (by default behind those of `cargo test`) |
//! | `BL702_CAMPAIGN_TO` | the seed behind the last one of `nightly` |
//! | `BL702_README=write` | the figures are written into the README instead of compared with it |
#![allow(clippy::unwrap_used, reason = "a test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bl702_emulator::fault::{DeviceEffect, Effect, Fault, Span, When};
use bl702_flasher::error::ErrorKind;
use bl702_harness::proof::campaign::{SEEDS, Tally, campaign, keep, seeds_folder, verdict};
use bl702_harness::proof::checker::{Broken, judge};
use bl702_harness::proof::draw;
use bl702_harness::proof::mutant::{MUTANTS, Mutant};
use bl702_harness::proof::run::{Done, play};
use bl702_harness::proof::scene::{Scene, Work};

/// Scenes that once broke the contract keep it now.
#[test]
fn regressions() {
    let mut files: Vec<PathBuf> = fs::read_dir(seeds_folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    files.sort();
    for file in files {
        let scene = Scene::from_toml(&fs::read_to_string(&file).unwrap());
        let (_, judged) = verdict(&scene, Mutant::None);
        assert!(judged.is_ok(), "{}: {judged:?}", file.display());
    }
}

fn assert_kept(tally: &Tally) {
    for failure in &tally.failures {
        println!("seed {}: {}", failure.seed, failure.broken.join("; "));
    }
    let texts: Vec<String> = tally.failures.iter().take(4).map(keep).collect();
    assert!(
        texts.is_empty(),
        "{} scenes broke the contract:\n\n{}",
        tally.failures.len(),
        texts.join("\n\n")
    );
}

#[test]
fn twenty_thousand_seeds() {
    let tally = campaign(SEEDS, Mutant::None, || true);
    println!("{}\n{:#?}\n{:#?}", tally.table(&SEEDS), tally.works, tally.errors);
    assert_kept(&tally);
    assert_eq!(tally.sessions(), SEEDS.end - SEEDS.start);
    let (armed, fired) = tally.faults;
    assert!(fired * 3 > armed, "only {fired} of {armed} faults fired: the scenes miss the sessions");
    compare_with_readme(&tally.table(&SEEDS));
}

const BEGIN: &str =
    "<!-- campaign: written by BL702_README=write cargo test -p bl702-harness --test campaign twenty -->\n";
const END: &str = "<!-- campaign ends -->\n";

fn compare_with_readme(table: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let text = fs::read_to_string(&file).unwrap();
    // The README has a place for the table.
    let (head, rest) = text.split_once(BEGIN).unwrap();
    let (there, tail) = rest.split_once(END).unwrap();
    if std::env::var("BL702_README").is_ok_and(|value| value == "write") {
        fs::write(&file, format!("{head}{BEGIN}{table}{END}{tail}")).unwrap();
        return;
    }
    assert_eq!(there, table, "the README tells other figures; write them with BL702_README=write");
}

/// Plays one scene and tells all about it.
#[test]
fn one_seed() {
    let Ok(seed) = std::env::var("BL702_SEED") else { return };
    let scene = match seed.parse() {
        Ok(seed) => draw::scene(seed),
        Err(_) => Scene::from_toml(&fs::read_to_string(&seed).unwrap()),
    };
    println!("{}", scene.to_toml());
    let evidence = play(&scene);
    for fault in &evidence.faults.faults {
        println!("{} ({}): fired {} times, first {:?}", fault.name, fault.seam, fault.fired, fault.first);
    }
    match &evidence.result {
        Ok(Done::Backup(bytes)) => println!("success: {} bytes", bytes.len()),
        Ok(done) => println!("success: {done:x?}"),
        Err(error) => println!("{error}\nflash: {}\nnext: {}", error.failure().flash, error.advice()),
    }
    println!("from {} to {}, announced {:?}", evidence.began, evidence.ended, evidence.deadlines);
    let judged = judge(&scene, &evidence);
    println!("{judged:?}");
    assert!(judged.is_ok());
}

/// As many new seeds as there is time for.
#[test]
#[expect(clippy::disallowed_methods, reason = "the budget is one of real time")]
fn nightly() {
    let Ok(seconds) = std::env::var("BL702_CAMPAIGN_SECONDS") else { return };
    let budget = Duration::from_secs(seconds.parse().unwrap());
    let seed = |name: &str, default: u64| std::env::var(name).map_or(default, |seed| seed.parse().unwrap());
    let (from, to) = (seed("BL702_CAMPAIGN_FROM", SEEDS.end), seed("BL702_CAMPAIGN_TO", u64::MAX));
    let began = std::time::Instant::now();
    let tally = campaign(from..to, Mutant::None, || began.elapsed() < budget);
    let played = from..from + tally.sessions();
    println!("{}\n{:#?}", tally.table(&played), tally.errors);
    let rate = tally.sessions() as f64 / began.elapsed().as_secs_f64();
    println!("{rate:.0} sessions a second");
    assert_kept(&tally);
}

/// Each flasher that is wrong on purpose is caught, and for what is wrong with it.
#[test]
fn the_checker_catches_every_mutant() {
    let mut missed = Vec::new();
    for mutant in MUTANTS {
        let expected: &[&str] = match mutant {
            Mutant::IgnoresBound => &["Late"],
            Mutant::BurnsFuse => &["Fuse"],
            Mutant::ForgetsFlash => &["WrongStory"],
            Mutant::AcceptsDamagedOk | Mutant::SkipsErase => &["Weak"],
            Mutant::SendsNoChecksum => &["Weak", "WrongStory"],
            _ => &["WrongSuccess"],
        };
        let is_it = |text: &&String| expected.iter().any(|kind| text.starts_with(kind));
        let caught = (0..SEEDS.end).step_by(100).find_map(|from| {
            let tally = campaign(from..from + 100, mutant, || true);
            let mut broken = tally.failures.iter().flat_map(|failure| &failure.broken);
            broken.find(is_it).map(|text| format!("within {} sessions: {text}", from + 100))
        });
        println!("{mutant:?} is caught {caught:?}");
        missed.extend(caught.is_none().then_some(mutant));
    }
    assert!(missed.is_empty(), "not caught: {missed:?}");
}

/// A bit that reads as either value is told, but for those that happen to read the same in every look: of a fair one 1 in 16,
/// and a few more, since the closer look that follows can miss it, too.
#[test]
fn weak_cells_are_noticed() {
    const RUNS: u64 = 400;
    let (from, to) = (0x8000, 0x9000);
    let unnoticed = (0..RUNS).filter(|seed| {
        let address = Some(Span::one(u64::from(from) + seed * 10));
        let weak = Fault::new(Effect::Device(DeviceEffect::WeakBits { mask: 1 << (seed % 8) }))
            .when(When { address, ..When::always() });
        let backup = Scene::quiet(Work::Backup { from, to, part: None });
        let scene = Scene { seed: *seed, faults: vec![weak], ..backup };
        let evidence = play(&scene);
        assert!(judge(&scene, &evidence).is_ok());
        match &evidence.result {
            Ok(_) => true,
            Err(error) => {
                assert!(matches!(error.kind(), ErrorKind::Unstable { .. }), "{error}");
                false
            }
        }
    });
    let unnoticed = unnoticed.count() as u64;
    println!("{unnoticed} of {RUNS} weak cells were not noticed");
    assert!(unnoticed < RUNS / 8, "{unnoticed} of {RUNS} weak cells were not noticed");
}

/// A scene gives the same evidence each time.
#[test]
fn a_seed_reproduces_everything() {
    for seed in 0..40 {
        let scene = draw::scene(seed);
        let (first, second) = (play(&scene), play(&scene));
        let facts = |evidence: &bl702_harness::proof::run::Evidence| {
            format!(
                "{:?} {:?} {:?}",
                evidence.result.as_ref().map_err(ToString::to_string),
                evidence.ended,
                evidence.faults
            )
        };
        assert_eq!(facts(&first), facts(&second), "seed {seed}");
        assert!(first.cells == second.cells, "seed {seed}");
        assert!(!matches!(judge(&scene, &first), Err(broken) if broken.contains(&Broken::Fuse)));
    }
}
