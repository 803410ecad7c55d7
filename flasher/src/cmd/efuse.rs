//! `efuse`: files with no device.

use std::path::{Path, PathBuf};

use bl702_flasher::efuse::{FieldValue, consequences, decode, diff, from_file, locks};
use bl702_protocol::efuse::Efuse;
use serde_json::json;

use super::Outcome;
use super::files::read_file;
use crate::failure::Failure;

const EXAMPLES: &str = "Examples:
  bl702-flash efuse decode efuse.bin
  bl702-flash efuse diff before.bin after.bin";

#[derive(Debug, clap::Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum Command {
    /// Say what the fuses of a 128-byte file mean
    Decode {
        /// File of 128 bytes
        file: PathBuf,
        /// Fields that are 0 as well
        #[arg(long)]
        all: bool,
    },
    /// Show a 128-byte file word by word
    Dump {
        /// File of 128 bytes
        file: PathBuf,
    },
    /// Name the fields in which two files differ (status 4 if there are any)
    Diff {
        // Not `after`: that is an option of every command.
        /// File of 128 bytes read before
        #[arg(value_name = "BEFORE")]
        old: PathBuf,
        /// File of 128 bytes read after
        #[arg(value_name = "AFTER")]
        new: PathBuf,
    },
}

pub(crate) fn run(command: &Command) -> Result<Outcome, Failure> {
    match command {
        Command::Decode { file, all } => Ok(run_decode(&read(file)?, *all)),
        Command::Dump { file } => Ok(dump(&read(file)?)),
        Command::Diff { old, new } => Ok(run_diff(&read(old)?, &read(new)?)),
    }
}

fn read(path: &Path) -> Result<Efuse, Failure> {
    let bytes = read_file(path)?;
    from_file(&bytes).ok_or_else(|| Failure::File {
        path: path.into(),
        action: "use",
        reason: format!("it has {} bytes, the eFuses of a BL702 have 128", bytes.len()),
        hint: "Name a file of 128 raw bytes, as the vendor's tool and the emulator's --efuse write it.",
    })
}

fn run_decode(efuse: &Efuse, all: bool) -> Outcome {
    let fields = decode(efuse);
    let said = consequences(efuse);
    let locked = locks(efuse);
    let mut text: Vec<String> = match said.is_empty() {
        true => vec!["an open chip: any image may run, nothing is locked out".to_owned()],
        false => said.iter().map(|line| format!("! {line}")).collect(),
    };
    text.extend(fields.iter().filter(|field| all || field.is_set).map(row));
    text.extend(locked.iter().map(|line| format!("locked: {line}")));
    Outcome::new(text, json!({"consequences": said, "locks": locked, "fields": fields}))
}

fn row(field: &FieldValue) -> String {
    let place = if field.bits > 32 {
        format!("{:#04x}", field.word)
    } else {
        format!("{:#04x}.{}", field.word, field.bit)
    };
    let effect =
        if field.effect.starts_with("none") { String::new() } else { format!(" ({})", field.effect) };
    format!("{place:<8} {:<20} {}  {}{effect}", field.name, field.value, field.meaning)
}

fn dump(efuse: &Efuse) -> Outcome {
    let rows = (0..128).step_by(16).map(|at| {
        let words: Vec<String> = (0..4).map(|word| format!("{:08x}", efuse.word(at + 4 * word))).collect();
        format!("{at:#04x}  {}", words.join(" "))
    });
    let words: Vec<String> = (0..128).step_by(4).map(|at| format!("{:08x}", efuse.word(at))).collect();
    Outcome::new(rows.collect(), json!({"words": words}))
}

fn run_diff(before: &Efuse, after: &Efuse) -> Outcome {
    let changes = diff(before, after);
    let mut text: Vec<String> = changes
        .iter()
        .map(|change| {
            let (old, new) = (&change.before, &change.after);
            let back = if change.goes_back {
                "; bits went from 1 to 0, which no fuse does: another module, or a read lock"
            } else {
                ""
            };
            format!("{:<20} {} -> {}  {} ({}){back}", new.name, old.value, new.value, new.meaning, new.effect)
        })
        .collect();
    let had = consequences(before);
    let new: Vec<String> = consequences(after).into_iter().filter(|line| !had.contains(line)).collect();
    text.extend(new.iter().map(|line| format!("! new: {line}")));
    if changes.is_empty() {
        text.push("the fuses are the same".to_owned());
    }
    let mut outcome = Outcome::new(text, json!({"changes": changes, "new_consequences": new}));
    outcome.exit_code = if changes.is_empty() { 0 } else { 4 };
    outcome
}
