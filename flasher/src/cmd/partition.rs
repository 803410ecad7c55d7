//! `partition`

use std::path::{Path, PathBuf};

use bl702_flasher::partition::{Copy, Layout, LayoutError, active, copies, from_toml, install};
use bl702_protocol::image::partition::PartitionTable;
use serde_json::{Value, json};

use super::Outcome;
use super::files::read_file;
use super::image::{Output, refused, written};
use crate::failure::Failure;

const EXAMPLES: &str = "Examples:
  bl702-flash partition show dump.bin
  bl702-flash partition build partition_cfg_1M.toml -o partition.bin
  bl702-flash partition toml dump.bin -o layout.toml
  bl702-flash partition install layout.toml dump.bin -o new.bin";

#[derive(Debug, clap::Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum Command {
    /// Show the table of a file: a table alone, or a dump of a flash
    Show {
        /// Table or dump
        file: PathBuf,
    },
    /// Make a table of a TOML file in the vendor's form
    Build {
        /// TOML file
        toml: PathBuf,
        #[command(flatten)]
        output: Output,
    },
    /// Make a TOML file of the table that counts in a file
    Toml {
        /// Table or dump
        file: PathBuf,
        #[command(flatten)]
        output: Output,
    },
    /// Put a table into both of its places in a dump, newer than what was there
    Install {
        /// TOML file
        toml: PathBuf,
        /// Dump
        dump: PathBuf,
        #[command(flatten)]
        output: Output,
    },
}

pub(crate) fn run(command: &Command) -> Result<Outcome, Failure> {
    match command {
        Command::Show { file } => show(file),
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
            let bytes = read_file(file)?;
            let found = copies(&bytes).map_err(|error| wrong(file, &error))?;
            let (_, table) = active(&found).map_err(|error| wrong(file, &error))?;
            let layout = Layout { addresses: places(&found), table: table.clone() };
            written(output, layout.to_toml().as_bytes())
        }
        Command::Install { toml, dump, output } => {
            let layout = layout(toml)?;
            let mut bytes = read_file(dump)?;
            let table = install(&layout, &mut bytes).map_err(|error| refused(dump, &error))?;
            let mut outcome = written(output, &bytes)?;
            let [first, second] = layout.addresses;
            outcome.text.push(format!("the table has age {} at {first:#x} and {second:#x}", table.age));
            Ok(outcome)
        }
    }
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

fn show(path: &Path) -> Result<Outcome, Failure> {
    let bytes = read_file(path)?;
    let found = copies(&bytes).map_err(|error| wrong(path, &error))?;
    let mut text = Vec::new();
    for copy in &found {
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
    let (offset, table) = active(&found).map_err(|error| wrong(path, &error))?;
    if found.len() > 1 {
        text.push(format!("the one at {offset:#x} counts"));
    }
    text.push("type name      active  address0..end       address1..end       length     age".to_owned());
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
