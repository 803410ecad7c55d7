//! One command at several modules at once: a thread each, one report, one exit status.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::thread;

use bl702_flasher::port::list;
use clap::Args;
use serde_json::Value;

use super::context::Context;
use super::files::NewFile;
use super::options::Options;
use super::{Command, Outcome};
use crate::failure::Failure;
use crate::report::Reporter;
use crate::report::units::{Board, Facts, UnitResult};

const PORT_HELP: &str = "Port: a tty such as /dev/ttyUSB0, rfc2217://HOST:PORT, serial:NUMBER or usb:VID:PID[:NUMBER] of an adapter, or \
emulated[:PROFILE][?flash=FILE&start=loader&...]; may be given more than once [default: the only USB serial port]";

/// Which modules, and where their results go.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct Selection {
    // Not a doc comment: the brackets would be taken for a link.
    #[arg(long = "port", short, global = true, value_name = "PORT", help = PORT_HELP)]
    pub(crate) ports: Vec<String>,

    /// All USB serial ports of this machine at once
    #[arg(long, global = true)]
    all: bool,

    /// Write each module's result into a new file: FILE.csv or FILE.json
    #[arg(long, global = true, value_name = "FILE")]
    report: Option<PathBuf>,
}

impl Selection {
    /// Whether the command is to be run once per port, with a report at the end, be there one port or many.
    pub(crate) fn is_several(&self) -> bool {
        self.ports.len() > 1 || self.all || self.report.is_some()
    }

    /// Takes in every port of a command line that was found right: of those before and those behind the command's name
    /// clap keeps one kind only.
    pub(crate) fn gather(&mut self, args: &[OsString]) {
        let mut given = Vec::new();
        let mut args = args.iter().skip(1).take_while(|arg| *arg != "--").map(|arg| arg.to_string_lossy());
        while let Some(arg) = args.next() {
            // No other short option can stand before p in a bunch: those that there are take a value or end the program.
            let value = match arg.strip_prefix("--port").or_else(|| arg.strip_prefix("-p")) {
                Some("") => args.next().map(|value| value.into_owned()),
                Some(value) if arg.starts_with("--") => value.strip_prefix('=').map(str::to_owned),
                Some(value) => Some(value.strip_prefix('=').unwrap_or(value).to_owned()),
                None => None,
            };
            given.extend(value);
        }
        if given.len() > self.ports.len() {
            self.ports = given;
        }
    }

    /// Whether a report was asked for.
    pub(crate) fn wants_report(&self) -> bool {
        self.report.is_some()
    }
}

/// Where `{port}` and `{chip_id}` stand in a file's name.
const PORT: &str = "{port}";
const CHIP_ID: &str = "{chip_id}";

/// Whether a file's name is another one for each module.
pub(crate) fn names_units(file: &Path) -> bool {
    let name = file.to_string_lossy();
    name.contains(PORT) || name.contains(CHIP_ID)
}

/// The name of a file with `{port}` and `{chip_id}` filled in. For the second one the module is asked.
///
/// # Errors
/// What keeps the module from saying its chip id.
pub(crate) fn file_name(
    file: &Path,
    options: &Options,
    reporter: &mut dyn Reporter,
) -> Result<PathBuf, Failure> {
    // A name that is no text has no such words in it.
    let Some(name) = file.to_str().filter(|_| names_units(file)) else { return Ok(file.to_owned()) };
    let mut name = name.replace(PORT, &options.label());
    if name.contains(CHIP_ID) {
        let chip_id = Context::open(options, reporter)?.chip_id()?;
        name = name.replace(CHIP_ID, &chip_id);
    }
    Ok(PathBuf::from(name))
}

/// A short name of a port that can be a part of a file's name.
pub(crate) fn label(port: &str) -> String {
    let short = match port.strip_prefix("/dev/") {
        Some(rest) => rest.rsplit('/').next().unwrap_or(rest),
        None if port.contains("://") => port.split_once("://").map_or(port, |(_, rest)| rest),
        // What follows is long, and a number will tell modules apart.
        None if port.starts_with("emulated") => "emulated",
        None => port.rsplit('/').next().unwrap_or(port),
    };
    let word = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
    short.trim_end_matches('/').chars().map(word).collect()
}

/// Short names of ports, each another one.
fn labels(ports: &[String]) -> Vec<String> {
    let short: Vec<String> = ports.iter().map(|port| label(port)).collect();
    let numbered = |(index, label): (usize, &String)| {
        if short.iter().filter(|other| *other == label).count() == 1 {
            return label.clone();
        }
        let before = short[..index].iter().filter(|other| *other == label).count();
        format!("{label}-{}", before + 1)
    };
    short.iter().enumerate().map(numbered).collect()
}

/// Runs a command at every port; gives the exit status.
pub(crate) fn run(
    command: &Command,
    options: &Options,
    selection: &Selection,
    loaded: Result<(), Failure>,
) -> u8 {
    let mut board = Board::new(options.format);
    board.started(command.name());
    let prepared = loaded.and_then(|()| prepare(command, options, selection));
    let (units, report) = match prepared {
        Ok(prepared) => prepared,
        Err(failure) => {
            board.refused(command.name(), &failure);
            return failure.exit_code();
        }
    };
    let results: Vec<UnitResult> = thread::scope(|scope| {
        let threads: Vec<_> = units
            .iter()
            .map(|unit| {
                let mut reporter = board.unit(unit.label(), unit.port.clone().unwrap_or_default());
                scope.spawn(move || {
                    let result = command.run(unit, selection, &mut reporter);
                    reporter.finished(command.name(), &result);
                    UnitResult::new(unit.port.clone().unwrap_or_default(), result, reporter.facts())
                })
            })
            .collect();
        let ended = threads.into_iter().zip(&units).map(|(thread, unit)| {
            thread.join().unwrap_or_else(|_| {
                let what = "this program failed in the middle of it; please report it";
                let failure = Failure::usage(what, "Run it again for this port alone.");
                let port = unit.port.clone().unwrap_or_default();
                let mut result = UnitResult::new(port, Err(failure), Facts::default());
                result.exit_code = 1;
                result
            })
        });
        ended.collect()
    });
    let written = report.map_or(Ok(()), |report| report.finish(command.name(), &results));
    board.finished(command.name(), &results, written.as_ref().err());
    let exit_code = worst(results.iter().map(|result| result.exit_code));
    match written {
        Err(failure) if exit_code == 0 => failure.exit_code(),
        _ => exit_code,
    }
}

/// The exit status of all: 0 if every one is. Otherwise 1 (a module or link failed) comes before 4 (a difference was
/// found), 3 (refused) and 2 (usage), as that is how much is not known about the modules.
pub(crate) fn worst(exit_codes: impl Iterator<Item = u8>) -> u8 {
    let weight = |code: &u8| match code {
        0 => 0,
        2 => 1,
        3 => 2,
        4 => 3,
        _ => 4,
    };
    exit_codes.max_by_key(weight).unwrap_or(0)
}

/// The options of every unit, and the report to be. Mistakes show before anything is touched.
fn prepare(
    command: &Command,
    options: &Options,
    selection: &Selection,
) -> Result<(Vec<Options>, Option<ReportFile>), Failure> {
    let ports = ports(options, selection)?;
    command.check_units(ports.len())?;
    if ports.len() > 1 && options.record.as_ref().is_some_and(|record| !names_units(record)) {
        return Err(Failure::usage(
            "several modules cannot share one recording",
            "Put {port} into its name, as --record {port}.jsonl.",
        ));
    }
    let report = selection.report.as_deref().map(ReportFile::begin).transpose()?;
    let units = ports.iter().zip(labels(&ports)).map(|(port, label)| options.for_unit(port, label));
    Ok((units.collect(), report))
}

/// The ports that are meant, each one once.
fn ports(options: &Options, selection: &Selection) -> Result<Vec<String>, Failure> {
    if selection.all && !selection.ports.is_empty() {
        return Err(Failure::usage("--all and --port exclude each other", "Give one of them."));
    }
    if selection.all {
        let found = super::ports::found().into_iter().filter(list::FoundPort::is_plausible);
        let ports: Vec<String> = found.map(|port| port.path.display().to_string()).collect();
        if ports.is_empty() {
            return Err(super::ports::none_found());
        }
        return Ok(ports);
    }
    let ports = match selection.ports.as_slice() {
        [] => vec![match &options.port {
            Some(port) => port.clone(),
            None => super::ports::the_only_one()?.path.display().to_string(),
        }],
        ports => ports.to_vec(),
    };
    // The same tty by another name is refused by its lock.
    for (index, port) in ports.iter().enumerate() {
        let holds_nothing =
            port.starts_with("emulated") && !port.contains("flash=") && !port.contains("efuse=");
        if ports[..index].contains(port) && !holds_nothing {
            return Err(Failure::usage(
                format!("port {port} is named twice"),
                "Name each module's own port.",
            ));
        }
    }
    Ok(ports)
}

/// The file that `--report` names.
struct ReportFile {
    file: NewFile,
    as_csv: bool,
}

impl ReportFile {
    fn begin(path: &Path) -> Result<ReportFile, Failure> {
        let as_csv = match path.extension().and_then(|extension| extension.to_str()) {
            Some("csv") => true,
            Some("json") => false,
            _ => {
                return Err(Failure::usage(
                    format!("the report {} is neither .csv nor .json", path.display()),
                    "Its ending says what it is to be: --report FILE.csv or --report FILE.json.",
                ));
            }
        };
        Ok(ReportFile { file: NewFile::begin(path, false)?, as_csv })
    }

    fn finish(self, command: &str, results: &[UnitResult]) -> Result<(), Failure> {
        let text = if self.as_csv {
            let rows = results.iter().map(|result| result.csv_row(command));
            std::iter::once(UnitResult::CSV_HEAD.to_owned()).chain(rows).collect()
        } else {
            let units: Vec<Value> = results.iter().map(|result| result.json(command)).collect();
            format!("{:#}\n", Value::Array(units))
        };
        self.file.finish(text.as_bytes()).map(|_| ())
    }
}

impl Command {
    /// Whether this command can be run at so many modules.
    fn check_units(&self, count: usize) -> Result<(), Failure> {
        let Some(file) = self.unit_file() else {
            return Err(Failure::usage(
                format!("`{}` works for one module at a time, without --all and --report", self.name()),
                "Those that work for several: info, backup, write, verify, erase, restore, reset.",
            ));
        };
        match file {
            Some(file) if file == Path::new("-") => Err(Failure::usage(
                "standard output cannot hold the data of several modules, nor data and a report",
                "Name a file with {port} or {chip_id} in it, as backup-{port}.bin.",
            )),
            Some(file) if count > 1 && !names_units(file) => Err(Failure::usage(
                format!("{count} modules cannot be backed up into one file"),
                "Put {port} or {chip_id} into its name, as backup-{port}.bin.",
            )),
            _ => Ok(()),
        }
    }
}

/// The SHA-256 of what was read or written; of several pieces, each one's.
pub(crate) fn image_digest(outcome: &Outcome) -> Option<String> {
    let hash = |value: &Value| value["sha256"].as_str().map(str::to_owned);
    if let Some(hash) = outcome.json.get("sha256").and_then(Value::as_str) {
        return Some(hash.to_owned());
    }
    let pieces = outcome.json.get("pieces")?.as_array()?;
    let hashes: Vec<String> = pieces.iter().filter_map(hash).collect();
    (!hashes.is_empty()).then(|| hashes.join(" "))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("/dev/ttyUSB0", "ttyUSB0")]
    #[case("/dev/serial/by-id/usb-FTDI_A5-if00", "usb-FTDI_A5-if00")]
    #[case("rfc2217://bench-pi:4000", "bench-pi_4000")]
    #[case("rfc2217://[::1]:4000/", "___1__4000")]
    #[case("emulated?flash=/tmp/a.raw&fault=stall", "emulated")]
    #[case("COM3", "COM3")]
    #[case("serial:A50285BI", "serial_A50285BI")]
    #[case("/tmp/bench/port-3", "port-3")]
    fn short_names(#[case] port: &str, #[case] expected: &str) {
        assert_eq!(label(port), expected);
    }

    #[rstest]
    #[case(&["--port", "a", "info"], &["a"])]
    #[case(&["--port", "a", "info", "--port=b", "-p", "c", "-pd", "-p=e"], &["a", "b", "c", "d", "e"])]
    #[case(&["-p", "a", "efuse", "-p", "b", "dump", "x", "-p", "c"], &["a", "b", "c"])]
    #[case(&["info"], &[])]
    #[case(&["--port", "a", "explain", "--", "--port", "b"], &["a"])]
    #[case(&["info", "--psram", "--portable=1"], &[])]
    fn ports_of_the_whole_command_line(#[case] args: &[&str], #[case] expected: &[&str]) {
        let mut selection = Selection { ports: Vec::new(), all: false, report: None };
        let args: Vec<OsString> = ["bl702-flash"].iter().chain(args).map(OsString::from).collect();
        selection.gather(&args);
        assert_eq!(selection.ports, expected);
    }

    #[test]
    fn the_same_short_name_gets_numbers() {
        let ports = ["a/port", "emulated", "b/port", "/dev/ttyUSB0", "emulated?seed=2"].map(str::to_owned);
        assert_eq!(labels(&ports), ["port-1", "emulated-1", "port-2", "ttyUSB0", "emulated-2"]);
    }

    #[rstest]
    #[case(&[0, 0], 0)]
    #[case(&[0, 2, 0], 2)]
    #[case(&[3, 2], 3)]
    #[case(&[3, 4, 2], 4)]
    #[case(&[4, 1, 3, 2, 0], 1)]
    #[case(&[], 0)]
    fn one_exit_status_for_all(#[case] codes: &[u8], #[case] all: u8) {
        assert_eq!(worst(codes.iter().copied()), all);
    }
}
