//! `bl702-emu replay`: the host's side of a recording against a fresh module.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bl702_emulator::Nanos;
use bl702_emulator::divergence::start::{ModuleAtStart, learn_flash, learn_fuses, loader_ran_before};
use bl702_emulator::divergence::{Options, fixture, replay};
use bl702_emulator::module::{Module, Start};
use bl702_emulator::profile::Profile;
use bl702_protocol::trace::{Record, exchanges, to_line};
use clap::Args;

use super::failure::Failure;
use super::new_file::write_whole;
use super::options::{BoardOptions, start_parser};
use super::recording;

/// Arguments of `replay`.
#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct ReplayArgs {
    /// The recording
    #[arg(value_name = "RECORDING")]
    recording: PathBuf,

    #[command(flatten)]
    board: BoardOptions,

    /// What the flash held at the start: a raw image, which is only read
    #[arg(long, value_name = "FILE", conflicts_with = "learn_flash")]
    flash: Option<PathBuf>,

    /// The flash held what the recording reads from it before it is written; the rest was erased
    #[arg(long)]
    learn_flash: bool,

    /// The fuses at the start: 128 raw bytes, which are only read
    #[arg(long, value_name = "FILE", conflicts_with = "learn_efuse")]
    efuse: Option<PathBuf>,

    /// The fuses were what the module tells of them (chip id, device info, what is read)
    #[arg(long)]
    learn_efuse: bool,

    /// What ran first [default: what the first answers tell]
    #[arg(long, value_name = "STAGE", value_parser = start_parser())]
    start: Option<Start>,

    /// Times may differ by so many milliseconds [default: 0.1 or 2 % where the recording was made at the chip, 3 or 20 % where
    /// it was made at a host]
    #[arg(long, value_name = "MS")]
    tolerance_ms: Option<f64>,

    /// Compare bytes alone
    #[arg(long)]
    ignore_times: bool,

    /// Print the report as one JSON object
    #[arg(long)]
    json: bool,

    /// Record the replay
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,

    /// Write the recording as a fixture: with what the module held at the start, and without the vendor's RAM loader
    #[arg(long, value_name = "FILE")]
    save_fixture: Option<PathBuf>,

    /// Words for the fixture's reader
    #[arg(long, value_name = "TEXT", requires = "save_fixture", default_value = "")]
    note: String,

    /// Replace files that are there
    #[arg(long)]
    force: bool,
}

const AFTER_HELP: &str = "\
The host's bytes and modem lines go to a fresh module in virtual time. What the host sent behind an answer is sent behind that \
answer here too, with the recorded pause, however long this module takes.

The report names the first byte that differs, with command, place and occurrence, answers that are missing or too many, and \
times: in bands (5 to 95 in 100) where there are many of a kind, one by one where there are few.

Exit status: 0 equal, 1 something differs, 2 usage or an input file.

Examples:
  bl702-emu replay session.jsonl --learn-flash
  bl702-emu replay session.jsonl --flash before.bin --json
  bl702-emu replay session.jsonl --learn-flash --save-fixture fixtures/recordings/session.jsonl";

/// Replays and compares.
pub(crate) fn run(arguments: &ReplayArgs) -> Result<ExitCode, Failure> {
    let records = recording::read(&arguments.recording)?;
    let Scene { profile, start, assumed } = set(arguments, &records)?;
    let options = Options {
        wiring: profile.wiring,
        boot: profile.boot,
        invert: arguments.board.invert(),
        tolerance: arguments.tolerance_ms.map(|ms| Nanos((ms.max(0.0) * 1e6) as u64)),
        ignores_times: arguments.ignore_times,
    };
    // Once for its errors; the replay makes as many as it needs.
    module(arguments, &profile, &start)?;
    let fresh = || module(arguments, &profile, &start).unwrap_or_else(|_| Module::new(profile.clone()));
    let (mut report, replayed) = replay(&records, fresh, &options).map_err(|error| {
        Failure::usage(format!("{:?}: {error}", arguments.recording), "give a recording with a host's side")
    })?;
    report.assumed = assumed;
    if let Some(path) = &arguments.record {
        write_lines(path, &replayed.iter().map(to_line).collect::<Vec<_>>(), arguments.force)?;
    }
    if let Some(path) = &arguments.save_fixture {
        write_lines(path, &fixture::to_lines(&records, &start, &arguments.note), arguments.force)?;
        eprintln!("{}: {}", path.display(), in_fixture(&start));
    }
    let text = if arguments.json {
        let json = serde_json::to_string(&report)
            .map_err(|error| Failure::failed(format!("cannot write the report: {error}"), ""))?;
        format!("{json}\n")
    } else {
        report.to_string()
    };
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            return Err(Failure::failed(format!("cannot write to standard output: {error}"), ""));
        }
        _ => {}
    }
    Ok(ExitCode::from(u8::from(!report.is_equal())))
}

/// Whose bytes are in a fixture, before somebody publishes it.
fn in_fixture(start: &ModuleAtStart) -> String {
    let bytes: u64 =
        start.flash.iter().map(|piece| piece.bytes.len() as u64 / 2 * u64::from(piece.repeat)).sum();
    match bytes {
        0 => "data of RAM images are made up; it holds no contents of a flash".to_owned(),
        bytes => format!(
            "data of RAM images are made up; it holds {bytes} bytes of what the flash held at the start: look whose they are \
             before you publish it"
        ),
    }
}

/// What is replayed against.
struct Scene {
    profile: Profile,
    start: ModuleAtStart,
    assumed: Vec<String>,
}

/// The options go first, then what the recording tells, then what may be learned from it.
fn set(arguments: &ReplayArgs, records: &[Record]) -> Result<Scene, Failure> {
    let mut profile = arguments.board.profile()?;
    let mut start = ModuleAtStart::told(records);
    let recorded = exchanges(records);
    let mut assumed = Vec::new();
    if arguments.board.boot.is_none() {
        profile.boot = start.boot.unwrap_or(profile.boot);
    }
    if arguments.board.wiring.is_none() {
        profile.wiring = start.wiring.unwrap_or(profile.wiring);
    }
    if let Some(path) = &arguments.flash {
        start.set_flash(&read_input(path)?);
    } else if arguments.learn_flash || (start.flash_unknown == Some(true) && start.flash.is_empty()) {
        let learned = learn_flash(&recorded);
        assumed.push(format!(
            "the flash held the {} bytes that were read before they were written, else it was erased",
            learned.known_bytes
        ));
        start.set_flash(&learned.bytes);
    } else if start.flash.is_empty() {
        assumed.push("the flash was erased (--flash, --learn-flash)".to_owned());
    }
    if let Some(path) = &arguments.efuse {
        let fuses = read_input(path)?;
        let fuses = fuses.as_slice().try_into().map_err(|_| {
            Failure::usage(format!("{path:?} has {} bytes", fuses.len()), "eFuses are 128 raw bytes")
        })?;
        start.set_fuses(fuses);
    } else if arguments.learn_efuse {
        let mut fuses = start.fuses().unwrap_or(profile.efuse);
        let learned = learn_fuses(&recorded, &mut fuses);
        let what = if learned.is_empty() { "nothing".to_owned() } else { learned.join(", ") };
        assumed.push(format!("the fuses are the profile's but for what the module told: {what}"));
        start.set_fuses(&fuses);
    }
    if let Some(stage) = arguments.start {
        start.loader_runs = Some(stage == Start::Loader);
    } else if start.loader_runs.is_none() && loader_ran_before(&recorded) {
        assumed.push("a RAM loader was running at the start (--start rom if not)".to_owned());
        start.loader_runs = Some(true);
    }
    Ok(Scene { profile, start, assumed })
}

fn module(arguments: &ReplayArgs, profile: &Profile, start: &ModuleAtStart) -> Result<Module, Failure> {
    let builder = arguments.board.module(profile, arguments.board.seed)?;
    Ok(start.apply(builder, profile.boot).build())
}

fn read_input(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| Failure::usage(format!("cannot read {path:?}: {error}"), ""))
}

fn write_lines(path: &Path, lines: &[String], force: bool) -> Result<(), Failure> {
    let mut text = lines.join("\n");
    text.push('\n');
    write_whole(path, text.as_bytes(), force).map_err(|error| {
        let advice = if error.kind() == io::ErrorKind::AlreadyExists { "--force replaces it" } else { "" };
        Failure::usage(format!("cannot write {path:?}: {error}"), advice)
    })
}
