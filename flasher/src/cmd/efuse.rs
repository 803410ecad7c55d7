//! `efuse`: reading, explaining, comparing and burning, on files and on modules.

mod burn;

use std::path::{Path, PathBuf};

use bl702_flasher::efuse::{FieldValue, consequences, decode, diff, from_file, locks};
use bl702_flasher::flow;
use bl702_protocol::efuse::Efuse;
use serde_json::json;

pub(crate) use burn::plan_text;

use super::Outcome;
use super::context::Context;
use super::files::{read_file, write_output};
use super::options::Options;
use crate::failure::Failure;
use crate::report::Reporter;

const EXAMPLES: &str = "Examples:
  bl702-flash efuse decode --port /dev/ttyUSB0          what the fuses of a module mean
  bl702-flash efuse backup fuses.bin --port /dev/ttyUSB0
  bl702-flash efuse diff fuses.bin --port /dev/ttyUSB0  what has been burnt since
  bl702-flash efuse decode fuses.bin                    the same for a file, without a module
  bl702-flash efuse burn uart_log_disable=1 --port /dev/ttyUSB0   shows, burns nothing";

const FILE_HELP: &str = "File of 128 bytes; without one the module at --port is asked";

#[derive(Debug, clap::Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum Command {
    /// Say what the fuses of a module or of a 128-byte file mean
    Decode {
        #[arg(help = FILE_HELP)]
        file: Option<PathBuf>,
        /// Fields that are 0 as well
        #[arg(long)]
        all: bool,
    },
    /// Show the fuses of a module or of a 128-byte file word by word
    Dump {
        #[arg(help = FILE_HELP)]
        file: Option<PathBuf>,
    },
    /// Name the fields in which a file differs from a module, or from another file (status 4 if there are any)
    Diff {
        // Not `after`: that is an option of every command.
        /// File of 128 bytes read before
        #[arg(value_name = "BEFORE")]
        old: PathBuf,
        /// File of 128 bytes read after; without one the module at --port is asked
        #[arg(value_name = "AFTER")]
        new: Option<PathBuf>,
    },
    /// Tell the MAC address, and whether its parity is right
    Mac {
        #[arg(help = FILE_HELP)]
        file: Option<PathBuf>,
    },
    /// Read the fuses of a module into a file of 128 bytes
    Backup {
        /// File to write, `-` for standard output
        file: PathBuf,
        /// Replace a file that exists
        #[arg(long)]
        force: bool,
    },
    /// Burn fuses, for ever; without --yes-burn-fuses only show what would be burnt
    Burn(burn::Args),
}

pub(crate) fn run(
    command: &Command,
    options: &Options,
    reporter: &mut dyn Reporter,
) -> Result<Outcome, Failure> {
    let mut get = |file: &Option<PathBuf>| match file {
        Some(file) => read(file),
        None => ask(options, reporter),
    };
    match command {
        Command::Decode { file, all } => Ok(run_decode(&get(file)?, *all)),
        Command::Dump { file } => Ok(dump(&get(file)?)),
        Command::Diff { old, new } => {
            let before = read(old)?;
            Ok(run_diff(&before, &get(new)?))
        }
        Command::Mac { file } => Ok(mac(&get(file)?)),
        Command::Backup { file, force } => backup(file, *force, options, reporter),
        Command::Burn(args) => burn::run(args, options, reporter),
    }
}

/// The fuses of the module.
fn ask(options: &Options, reporter: &mut dyn Reporter) -> Result<Efuse, Failure> {
    let mut context = Context::open(options, reporter)?;
    let (connect, after) = (context.options.clone(), options.after());
    context.run(|link| flow::read_fuses(link, connect, after)).map(|report| report.efuse)
}

pub(super) fn read(path: &Path) -> Result<Efuse, Failure> {
    let bytes = read_file(path)?;
    from_file(&bytes).ok_or_else(|| Failure::File {
        path: path.into(),
        action: "use",
        reason: format!("it has {} bytes, the eFuses of a BL702 have 128", bytes.len()),
        hint: "Name a file of 128 raw bytes, as the vendor's tool and the emulator's --efuse write it.",
    })
}

fn backup(
    file: &Path,
    force: bool,
    options: &Options,
    reporter: &mut dyn Reporter,
) -> Result<Outcome, Failure> {
    // That the file can be written is made sure of before the module is touched.
    if file != Path::new("-") {
        drop(super::files::NewFile::begin(file, force)?);
    }
    let efuse = ask(options, reporter)?;
    let mut text = vec![format!("128 bytes of eFuses, read twice the same: {}", file.display())];
    let hidden: Vec<String> = locks(&efuse).into_iter().filter(|line| line.ends_with("read")).collect();
    text.extend(hidden.iter().map(|line| format!("not in it, read as 0: {line}")));
    let json = json!({"file": file.display().to_string(), "hidden": hidden});
    let mut outcome = Outcome::new(text, json);
    write_output(file, force, &efuse.0, &mut outcome)?;
    Ok(outcome)
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

fn mac(efuse: &Efuse) -> Outcome {
    let bytes = efuse.mac().map(|byte| format!("{byte:02x}"));
    let (zeros, parity) = (efuse.mac_zero_bits(), (efuse.device_info() & 0x3F) as u8);
    let right = efuse.mac_parity_is_right();
    let verdict = if right {
        format!("parity right: {zeros} bits are 0, as mac_parity says")
    } else {
        format!(
            "parity WRONG: {zeros} bits are 0, mac_parity says {parity}; the RAM loader refuses to tell this MAC (FL0407)"
        )
    };
    let text = vec![format!("MAC {}", bytes.join(" ")), verdict];
    let json =
        json!({"mac": bytes.concat(), "parity_right": right, "zero_bits": zeros, "mac_parity": parity});
    let mut outcome = Outcome::new(text, json);
    outcome.exit_code = if right { 0 } else { 4 };
    outcome
}

fn run_diff(before: &Efuse, after: &Efuse) -> Outcome {
    let changes = diff(before, after);
    let mut text: Vec<String> = changes.iter().map(change_text).collect();
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

fn change_text(change: &bl702_flasher::efuse::FieldChange) -> String {
    let (old, new) = (&change.before, &change.after);
    let back = if change.goes_back {
        "; bits went from 1 to 0, which no fuse does: another module, or a read lock"
    } else {
        ""
    };
    format!("{:<20} {} -> {}  {} ({}){back}", new.name, old.value, new.value, new.meaning, new.effect)
}
