//! Our flasher and others at the same work against the same module: `cargo bench -p bl702-harness --bench side_by_side`.
//!
//! The module is paced like a real one, behind an adapter with 1 ms of latency; every flasher is told 2,000,000 baud. The vendor's flashers
//! are fetched from PyPI by `.ci/client-packages`; without them only the others take part, and that is said. Any other flasher takes
//! part by `BL702_CLIENTS=FILE.toml`:
//!
//! ```toml
//! [[client]]
//! name = "mine"
//! read = ["mine", "--port", "{port}", "read", "{file}"]      # the whole flash
//! write = ["mine", "--port", "{port}", "write", "{file}"]    # to address 0
//! ```
//!
//! `BL702_README=write` puts the table between its markers in the README, and the plot into `docs/side-by-side.svg`;
//! otherwise the plot is in `target/side-by-side.svg`. `-- ours` leaves the vendor's flashers out.
#![allow(clippy::unwrap_used, reason = "what cannot go on ends with its reason")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use bl702_emulator::profile::Profile;
use bl702_flasher::loader::LoaderImage;
use bl702_harness::clients::tools::{FLASH_COMMAND, IOT_1_10_0, Tool};
use bl702_harness::images;
use bl702_harness::measure::bounds::Bounds;
use bl702_harness::measure::side_by_side::Work;
use bl702_harness::measure::side_by_side::contestant::{Contestant, Described};
use bl702_harness::measure::side_by_side::present::{Row, plot, table};
use bl702_harness::measure::side_by_side::run::{Outcome, run};
use bl702_protocol::time::Nanos;

const VENDORS: [&Tool; 2] = [&IOT_1_10_0, &FLASH_COMMAND];
const MODULE: [&str; 4] = ["--pace", "wire", "--latency-ms", "1"];
const LATENCY: Nanos = Nanos::from_millis(1);
const BAUD_BPS: u32 = 2_000_000;
const BOOT_BAUD_BPS: u32 = 500_000;
const BEGIN: &str = "<!-- side by side: written by BL702_README=write cargo bench -p bl702-harness --bench side_by_side -->\n";
const END: &str = "<!-- side by side ends -->\n";

fn main() -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let only_ours = std::env::args().any(|word| word == "ours");
    let packages = if only_ours { None } else { Packages::fetch(&root) };
    let loader = packages.as_ref().map_or_else(images::made_up_loader, Packages::loader);
    let mut contestants = vec![Contestant::Ours { loader: loader.clone() }];
    if packages.is_some() {
        contestants.extend(VENDORS.map(Contestant::Vendor));
    } else {
        println!(
            "the vendor's flashers are not here: they do not take part, and our RAM loader is a made-up one"
        );
    }
    if let Some(file) = std::env::var_os("BL702_CLIENTS") {
        let described = fs::read_to_string(&file).map_err(|error| error.to_string());
        match described.and_then(|text| Described::all_from_toml(&text)) {
            Ok(clients) => contestants.extend(clients.into_iter().map(Contestant::Described)),
            Err(error) => {
                eprintln!("{}: {error}", Path::new(&file).display());
                return ExitCode::from(2);
            }
        }
    }
    let (rows, all_right) = compete(&contestants, &loader);
    let text = table(&rows);
    println!("XT-ZB2, adapter {} ms, told {BAUD_BPS} baud, --pace wire\n\n{text}", LATENCY.as_millis());
    if let Err(error) = keep(&root, &text, &plot(&rows)) {
        eprintln!("{error}");
        return ExitCode::FAILURE;
    }
    if all_right { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Everybody does everything, the works by turns; whether our data were right. What others write is theirs to answer for.
fn compete(contestants: &[Contestant], loader: &Path) -> (Vec<Row>, bool) {
    let profile = Profile::builtin("xt-zb2").unwrap();
    let bounds = Bounds { profile: &profile, baud_bps: BAUD_BPS, latency: LATENCY };
    let image = LoaderImage::from_bytes("the RAM loader", &fs::read(loader).unwrap()).unwrap();
    let loader_bytes: usize = image.image.segments.iter().map(|segment| segment.data.len()).sum();
    let mut rows = Vec::new();
    let mut all_right = true;
    for work in Work::ALL {
        let bound_s = work.bound(&bounds, loader_bytes, BOOT_BAUD_BPS).as_secs_f64();
        for contestant in contestants {
            let Some(outcome) = run(contestant, work, &MODULE) else { continue };
            let took = match outcome {
                Outcome::Right(took) => Ok(took),
                Outcome::Wrong(why) => {
                    eprintln!("{}, {}: WRONG DATA: {why}", contestant.name(), work.name());
                    all_right &= !matches!(contestant, Contestant::Ours { .. });
                    Err(why.lines().next().unwrap_or_default().to_owned())
                }
            };
            rows.push(Row { work, flasher: contestant.name(), took, bound_s });
        }
    }
    (rows, all_right)
}

/// Puts table and plot where people look for them.
fn keep(root: &Path, table: &str, plot: &str) -> Result<(), String> {
    let write = |path: &Path, text: &str| {
        fs::write(path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))
    };
    if std::env::var("BL702_README").is_ok_and(|value| value == "write") {
        let readme = root.join("README.md");
        let text = fs::read_to_string(&readme).map_err(|error| format!("{}: {error}", readme.display()))?;
        let parts = text.split_once(BEGIN).and_then(|(head, rest)| Some((head, rest.split_once(END)?.1)));
        let Some((head, tail)) = parts else {
            return Err(format!(
                "README.md has no place for the table; put these lines there:\n{BEGIN}{END}"
            ));
        };
        write(&root.join("docs/side-by-side.svg"), plot)?;
        let picture = "![Module time side by side](docs/side-by-side.svg)";
        return write(&readme, &format!("{head}{BEGIN}{table}\n{picture}\n{END}{tail}"));
    }
    let path = target().join("side-by-side.svg");
    write(&path, plot)?;
    println!("plot: {}", path.display());
    Ok(())
}

/// `target`, wherever it is: this program is in `target/PROFILE/deps`.
fn target() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    own.ancestors().nth(3).unwrap().to_owned()
}

/// The vendor's flashers, each in a virtual environment.
struct Packages;

impl Packages {
    /// Fetches them unless they are here; nothing without network or Python.
    fn fetch(root: &Path) -> Option<Packages> {
        if VENDORS.iter().all(|tool| tool.is_here()) {
            return Some(Packages);
        }
        let script = root.join(".ci/client-packages");
        let output = Command::new(script).env("CARGO_TARGET_DIR", target()).output().ok()?;
        if !output.status.success() {
            eprintln!("{}", String::from_utf8_lossy(&output.stderr));
            return None;
        }
        VENDORS.iter().all(|tool| tool.is_here()).then_some(Packages)
    }

    /// The RAM loader that the vendor's flashers upload.
    fn loader(&self) -> PathBuf {
        IOT_1_10_0.site_packages().join("bflb_iot_tool/chips/bl702/eflash_loader/eflash_loader_32m.bin")
    }
}
