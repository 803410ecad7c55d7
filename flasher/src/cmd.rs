//! The command line: one file per subcommand, what they share, and how they end.

mod backup;
mod change;
mod compare;
mod config;
mod context;
pub(crate) mod efuse;
mod erase;
mod explain;
mod files;
mod image;
mod info;
mod loader;
mod monitor;
mod options;
mod part_file;
mod partition;
mod ports;
mod reset;
mod restore;
mod run;
mod shell;
mod units;
mod verify;
mod write;

use std::ffi::OsString;
use std::path::Path;

use clap::{Parser, Subcommand};
use serde_json::{Map, Value, json};

use crate::failure::Failure;
use crate::report::{self, Reporter};
pub(crate) use options::Format;
use options::Options;
pub(crate) use units::{image_digest, worst};

/// Reads, writes, verifies and erases the flash of a BL702 module over a serial port.
///
/// Exit status: 0 done and verified; 1 the device or link failed; 2 usage or input file; 3 refused for safety;
/// 4 verification found a difference.
#[derive(Debug, Parser)]
#[command(name = "bl702-flash", version, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    selection: units::Selection,
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Say what the module is: chip, fuses that matter, flash
    Info(info::Args),
    /// Read the flash into a file, verified by the module's own SHA-256
    #[command(visible_alias = "read")]
    Backup(backup::Args),
    /// Write files into the flash and verify them
    Write(write::Args),
    /// Write a backup of the whole flash back and verify it
    Restore(restore::Args),
    /// Compare files with the flash
    Verify(verify::Args),
    /// Erase the flash or a part of it
    Erase(erase::Args),
    /// List serial ports, what their adapters are, and what answers at them
    Ports(ports::Args),
    /// Say which RAM loader is used; get it from the vendor's published package; needs no module
    #[command(subcommand)]
    Loader(loader::Command),
    /// Restart the module
    Reset(reset::Args),
    /// Load an image into RAM and start it; the flash stays as it is
    Run(run::Args),
    /// Listen to what the firmware says; wait for a line of it
    Monitor(monitor::Args),
    /// Say what an error code means, or what really happened in the log of any flasher
    Explain(explain::Args),
    /// Look into images, build, join and change them; needs no module
    #[command(subcommand)]
    Image(image::Command),
    /// Compare two images of a flash sector by sector; needs no module
    Compare(compare::Args),
    /// Read eFuses, say what they mean and how they differ, burn them; works on files too
    #[command(subcommand)]
    Efuse(efuse::Command),
    /// Show, build, convert and install partition tables, of files and of modules
    #[command(subcommand)]
    Partition(partition::Command),
    /// Show which settings hold and where they come from, or write a file to begin with; needs no module
    #[command(subcommand)]
    Config(config::Command),
    /// Write the script with which a shell completes commands and options
    Completions(shell::CompletionsArgs),
    /// Write the manual page
    Man(shell::ManArgs),
}

/// What a command has to say when it went well.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Lines for people.
    pub(crate) text: Vec<String>,
    /// Fields of the last JSON line.
    pub(crate) json: Map<String, Value>,
    /// Exit status: 0; 4 if something was found to differ or to be wrong, which is what was asked; 3 if a burn was only
    /// shown; 1 if what was waited for did not come.
    pub(crate) exit_code: u8,
    /// Data for standard output, after which the text goes to standard error.
    pub(crate) data: Option<Vec<u8>>,
    /// Standard output holds what a module said, so that the text belongs to standard error.
    pub(crate) aside: bool,
}

impl Outcome {
    fn new(text: Vec<String>, json: Value) -> Outcome {
        let json = match json {
            Value::Object(json) => json,
            _ => Map::new(),
        };
        Outcome { text, json, exit_code: 0, data: None, aside: false }
    }
}

impl Command {
    fn name(&self) -> &'static str {
        match self {
            Command::Info(_) => "info",
            Command::Backup(_) => "backup",
            Command::Write(_) => "write",
            Command::Restore(_) => "restore",
            Command::Verify(_) => "verify",
            Command::Ports(_) => "ports",
            Command::Loader(command) => command.name(),
            Command::Erase(_) => "erase",
            Command::Run(_) => "run",
            Command::Monitor(_) => "monitor",
            Command::Reset(_) => "reset",
            Command::Explain(_) => "explain",
            Command::Image(_) => "image",
            Command::Compare(_) => "compare",
            Command::Efuse(_) => "efuse",
            Command::Partition(_) => "partition",
            Command::Config(_) => "config",
            Command::Completions(_) => "completions",
            Command::Man(_) => "man",
        }
    }

    /// Whether it wants to know what is set; the others work where a file is wrong, too.
    fn uses_settings(&self) -> bool {
        match self {
            Command::Explain(_) | Command::Compare(_) | Command::Completions(_) | Command::Man(_) => false,
            Command::Config(command) => command.uses_settings(),
            _ => true,
        }
    }

    /// The file that each of several modules is to have of its own, for commands that work for several.
    fn unit_file(&self) -> Option<Option<&Path>> {
        match self {
            Command::Backup(args) => Some(Some(args.file())),
            Command::Info(_)
            | Command::Write(_)
            | Command::Restore(_)
            | Command::Verify(_)
            | Command::Erase(_)
            | Command::Reset(_) => Some(None),
            _ => None,
        }
    }

    /// Whether it lists ports, of which several may be named, and no report is wanted of it.
    fn lists_ports(&self, selection: &units::Selection) -> bool {
        matches!(self, Command::Ports(_)) && !selection.wants_report()
    }

    fn run(
        &self,
        options: &Options,
        selection: &units::Selection,
        reporter: &mut dyn Reporter,
    ) -> Result<Outcome, Failure> {
        match self {
            Command::Info(args) => info::run(args, options, reporter),
            Command::Backup(args) => backup::run(args, options, reporter),
            Command::Write(args) => write::run(args, options, reporter),
            Command::Restore(args) => restore::run(args, options, reporter),
            Command::Verify(args) => verify::run(args, options, reporter),
            Command::Ports(args) => ports::run(args, options, &selection.ports),
            Command::Loader(command) => loader::run(command, options),
            Command::Erase(args) => erase::run(args, options, reporter),
            Command::Run(args) => run::run(args, options, reporter),
            Command::Monitor(args) => monitor::run(args, options, reporter),
            Command::Reset(args) => reset::run(args, options, reporter),
            Command::Explain(args) => explain::run(args),
            Command::Image(command) => image::run(command, options.settings().text("board").as_deref()),
            Command::Compare(args) => compare::run(args),
            Command::Efuse(command) => efuse::run(command, options, reporter),
            Command::Config(command) => config::run(command, options),
            Command::Partition(command) => partition::run(command, options, reporter),
            Command::Completions(args) => Ok(shell::completions(args)),
            Command::Man(args) => shell::man(args),
        }
    }
}

/// Runs a command line; gives the exit status.
pub(crate) fn main(args: Vec<OsString>) -> u8 {
    let mut cli = match Cli::try_parse_from(&args) {
        Ok(cli) => cli,
        Err(error) => return not_parsed(&args, &error),
    };
    cli.selection.gather(&args);
    let is_several = cli.selection.is_several() && !cli.command.lists_ports(&cli.selection);
    if !is_several && let Some(port) = cli.selection.ports.first() {
        cli.options.port = Some(port.clone());
    }
    let loaded = if cli.command.uses_settings() { cli.options.load() } else { Ok(()) };
    if is_several {
        return units::run(&cli.command, &cli.options, &cli.selection, loaded);
    }
    let mut reporter = report::for_format(cli.options.format);
    let name = cli.command.name();
    reporter.started(name, cli.options.port.as_deref().unwrap_or_default());
    let result = loaded.and_then(|()| cli.command.run(&cli.options, &cli.selection, reporter.as_mut()));
    let result = result.and_then(|mut outcome| {
        if let Some(data) = outcome.data.take() {
            files::write_stdout(&data)?;
            reporter.text_to_stderr();
        }
        if outcome.aside {
            reporter.text_to_stderr();
        }
        Ok(outcome)
    });
    reporter.finished(name, &result);
    match result {
        Ok(outcome) => outcome.exit_code,
        Err(failure) => failure.exit_code(),
    }
}

/// Help, version, or a mistake. A program that asked for JSON gets its last line all the same.
fn not_parsed(args: &[OsString], error: &clap::Error) -> u8 {
    let wants_json = args.windows(2).any(|pair| pair[0] == "--format" && pair[1] == "json")
        || args.iter().any(|arg| arg == "--format=json");
    // Nothing can be done if the terminal is gone.
    let _ = error.print();
    let exit_code = u8::try_from(error.exit_code()).unwrap_or(2);
    if wants_json && error.use_stderr() {
        let error = error.to_string();
        report::print_event(
            "finished",
            json!({"ok": false, "exit_code": exit_code, "error": error.trim_end()}),
        );
    }
    exit_code
}
