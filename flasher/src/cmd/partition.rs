//! `partition`

use std::path::{Path, PathBuf};

use bl702_flasher::flow::{self, ChangeMode, InstallReport};
use bl702_flasher::partition::{
    Copy, Layout, LayoutError, ModuleTables, TableError, active, copies, from_toml, install,
};
use bl702_protocol::image::partition::PartitionTable;
use serde_json::{Value, json};

use super::Outcome;
use super::change::{DryRun, change_json, plan_text};
use super::context::Context;
use super::files::read_file;
use super::image::{Output, refused, written};
use super::options::Options;
use crate::failure::Failure;
use crate::report::Reporter;

const EXAMPLES: &str = "Examples:
  bl702-flash --port /dev/ttyUSB0 partition show
  bl702-flash --port /dev/ttyUSB0 partition toml -o layout.toml
  bl702-flash --port /dev/ttyUSB0 partition install layout.toml --dry-run
  bl702-flash partition show dump.bin
  bl702-flash partition build partition_cfg_1M.toml -o partition.bin
  bl702-flash partition toml dump.bin -o layout.toml
  bl702-flash partition install layout.toml dump.bin -o new.bin";

#[derive(Debug, clap::Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum Command {
    /// Show the table of a module, or of a file: a table alone, or a dump of a flash
    Show {
        /// Table or dump; without it the module at --port is asked
        file: Option<PathBuf>,
    },
    /// Make a table of a TOML file in the vendor's form
    Build {
        /// TOML file
        toml: PathBuf,
        #[command(flatten)]
        output: Output,
    },
    /// Make a TOML file of the table that counts, of a module or of a file
    Toml {
        /// Table or dump; without it the module at --port is asked
        file: Option<PathBuf>,
        #[command(flatten)]
        output: Output,
    },
    /// Put a table into both of its places on a module, or in a dump, newer than what was there
    ///
    /// On a module the copy that does not count is written first and verified, then the other one: if the supply fails in
    /// between, one of them is good.
    Install {
        /// TOML file
        toml: PathBuf,
        /// Dump to change instead of the module at --port
        #[arg(requires = "output")]
        dump: Option<PathBuf>,
        /// File to write the changed dump to; - is standard output
        #[arg(long, short, value_name = "FILE", requires = "dump")]
        output: Option<PathBuf>,
        /// Replace an existing file; on a module: go on though its table is elsewhere or something else is in the way
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        dry_run: DryRun,
    },
}

pub(crate) fn run(
    command: &Command,
    options: &Options,
    reporter: &mut dyn Reporter,
) -> Result<Outcome, Failure> {
    match command {
        Command::Show { file: Some(file) } => {
            let found = copies(&read_file(file)?).map_err(|error| wrong(file, &error))?;
            show(&found).map_err(|error| wrong(file, &error))
        }
        Command::Show { file: None } => {
            let tables = ask(options, reporter)?;
            show(&copies_of(&tables)).map_err(|_| Failure::Run(neither(&tables)))
        }
        Command::Build { toml, output } => {
            let layout = layout(toml)?;
            let bytes = layout
                .table
                .to_bytes()
                .map_err(|error| wrong(toml, &LayoutError::Binary { offset: 0, source: error }))?;
            let mut outcome = written(output, &bytes)?;
            let [first, second] = layout.addresses;
            outcome.text.push(format!("its copies go to {first:#x} and {second:#x}"));
            outcome.json.insert("addresses".to_owned(), json!(layout.addresses));
            Ok(outcome)
        }
        Command::Toml { file, output } => {
            let layout = match file {
                Some(file) => {
                    let found = copies(&read_file(file)?).map_err(|error| wrong(file, &error))?;
                    let (_, table) = active(&found).map_err(|error| wrong(file, &error))?;
                    Layout { addresses: places(&found), table: table.clone() }
                }
                None => {
                    let tables = ask(options, reporter)?;
                    let (_, table) = tables.active().map_err(|_| Failure::Run(neither(&tables)))?;
                    Layout { addresses: tables.places, table: table.clone() }
                }
            };
            written(output, layout.to_toml().as_bytes())
        }
        Command::Install { toml, dump: Some(dump), output: Some(output), force, .. } => {
            let layout = layout(toml)?;
            let mut bytes = read_file(dump)?;
            let table = install(&layout, &mut bytes).map_err(|error| refused(dump, &error))?;
            let mut outcome = written(&Output { output: output.clone(), force: *force }, &bytes)?;
            let [first, second] = layout.addresses;
            outcome.text.push(format!("the table has age {} at {first:#x} and {second:#x}", table.age));
            Ok(outcome)
        }
        Command::Install { toml, force, dry_run, .. } => {
            let layout = layout(toml)?;
            let mut context = Context::open(options, reporter)?;
            let (connect, after) = (context.options.clone(), options.after());
            let (force, mode) = (*force, dry_run.mode(None));
            let report =
                context.run(|link| flow::install_table(link, connect, layout, force, mode, after))?;
            Ok(installed(&report, mode, context.elapsed_ms()))
        }
    }
}

/// Asks the module for its table.
fn ask(options: &Options, reporter: &mut dyn Reporter) -> Result<ModuleTables, Failure> {
    if options.port.is_none() {
        return Err(Failure::usage(
            "neither a file nor a port was given",
            "Name a dump or a table, or the module's port with --port, as /dev/ttyUSB0.",
        ));
    }
    let mut context = Context::open(options, reporter)?;
    let (connect, after) = (context.options.clone(), options.after());
    context.run(|link| flow::read_table(link, connect, after))
}

fn copies_of(tables: &ModuleTables) -> Vec<Copy> {
    let copies = tables.places.iter().zip(&tables.copies);
    copies.map(|(place, table)| Copy { offset: *place as usize, table: table.clone() }).collect()
}

/// The error of a module with two bad copies.
fn neither(tables: &ModuleTables) -> bl702_flasher::error::Error {
    let error = tables.active().err();
    bl702_flasher::error::Error::new(error.unwrap_or(TableError::None { looked_at: tables.places.to_vec() }))
}

fn installed(report: &InstallReport, mode: ChangeMode, elapsed_ms: u64) -> Outcome {
    let mut text = Vec::new();
    for (place, change) in report.places.iter().zip(&report.changes) {
        if mode.dry_run {
            text.push(format!("copy at {place:#x}:"));
            text.extend(plan_text(&change.plan).into_iter().map(|line| format!("  {line}")));
            continue;
        }
        let done = match change.erased_bytes + change.programmed_bytes {
            0 => "was there already",
            _ => "written and verified",
        };
        text.push(format!("copy at {place:#x}: {done}"));
    }
    let age = report.table.age;
    let before = match report.before.as_ref().and_then(|tables| Some(tables.active().ok()?.1.age)) {
        Some(before) if before == age => "; the module had it already".to_owned(),
        Some(before) => format!(", newer than what was there (age {before})"),
        None => "; the module had none before".to_owned(),
    };
    let verb = if mode.dry_run { "would have" } else { "has" };
    text.push(format!("the table {verb} {} entries and age {age}{before}", report.table.entries.len()));
    text.push(HEAD.to_owned());
    text.extend(rows(&report.table));
    let changes: Vec<Value> = report.changes.iter().map(change_json).collect();
    Outcome::new(
        text,
        json!({
            "places": report.places,
            "age": age,
            "entries": entries(&report.table),
            "changes": changes,
            "dry_run": mode.dry_run,
            "elapsed_ms": elapsed_ms,
        }),
    )
}

fn layout(path: &Path) -> Result<Layout, Failure> {
    let text = String::from_utf8_lossy(&read_file(path)?).into_owned();
    from_toml(&text).map_err(|error| wrong(path, &error))
}

fn wrong(path: &Path, error: &LayoutError) -> Failure {
    let hint = match error {
        LayoutError::NoTable { .. } | LayoutError::Binary { .. } => {
            "Name a table (BFPT) or a dump that holds one at the start of a sector; stock images have it at 1000h and 2000h, those with a boot2 at E000h and F000h."
        }
        _ => {
            "The form is that of the vendor's partition_cfg_1M.toml: [pt_table] with address0 and address1, [[pt_entry]] with type, name, address0, size0, address1, size1, len."
        }
    };
    Failure::File { path: path.into(), action: "use", reason: error.to_string(), hint }
}

/// Where the copies are; a table alone has the places of the stock layout.
fn places(found: &[Copy]) -> [u32; 2] {
    let at = |copy: &Copy| u32::try_from(copy.offset).unwrap_or_default();
    match found {
        [first, second, ..] => [at(first), at(second)],
        _ => [0x1000, 0x2000],
    }
}

const HEAD: &str = "type name      active  address0..end       address1..end       length     age";

/// The copies of a table, which one counts, and its entries.
fn show(found: &[Copy]) -> Result<Outcome, LayoutError> {
    let mut text = Vec::new();
    for copy in found {
        text.push(match &copy.table {
            Ok(table) => format!(
                "{:#x}: {} entries, age {}, both CRCs right",
                copy.offset,
                table.entries.len(),
                table.age
            ),
            Err(error) => format!("{:#x}: BAD, {error}", copy.offset),
        });
    }
    let (offset, table) = active(found)?;
    if found.len() > 1 {
        text.push(format!("the one at {offset:#x} counts"));
    }
    text.push(HEAD.to_owned());
    text.extend(rows(table));
    let is_bad = found.iter().any(|copy| copy.table.is_err());
    let mut outcome =
        Outcome::new(text, json!({"offset": offset, "age": table.age, "entries": entries(table)}));
    outcome.exit_code = if is_bad { 4 } else { 0 };
    Ok(outcome)
}

fn rows(table: &PartitionTable) -> impl Iterator<Item = String> {
    table.entries.iter().map(|entry| {
        let range = |at: usize| match entry.sizes[at] {
            0 => "-".to_owned(),
            size => {
                format!("{:#x}..{:#x}", entry.addresses[at], u64::from(entry.addresses[at]) + u64::from(size))
            }
        };
        format!(
            "{:>4} {:<9} {:>6}  {:<19} {:<19} {:<#10x} {}",
            entry.kind,
            entry.name.text(),
            entry.active,
            range(0),
            range(1),
            entry.length,
            entry.age
        )
    })
}

fn entries(table: &PartitionTable) -> Vec<Value> {
    let entry = |entry: &bl702_protocol::image::partition::PartitionEntry| {
        json!({"type": entry.kind, "name": entry.name.text(), "active": entry.active, "addresses": entry.addresses,
            "sizes": entry.sizes, "length": entry.length, "age": entry.age})
    };
    table.entries.iter().map(entry).collect()
}
