//! `restore`

use std::path::{Path, PathBuf};

use bl702_flasher::flow;
use bl702_flasher::image::FileKind;
use bl702_flasher::image::inspect::inspect;
use bl702_flasher::partition::{active, copies};
use bl702_flasher::plan::BLOCK_64K;
use serde_json::json;

use super::Outcome;
use super::change::{DryRun, HowToVerify, change_json, change_text, piece_text};
use super::context::Context;
use super::files::read_file;
use super::options::Options;
use crate::failure::Failure;
use crate::report::{Reporter, note, warn};

const EXAMPLES: &str = "Examples:
  bl702-flash --port /dev/ttyUSB0 restore flash.bin --dry-run
  bl702-flash --port /dev/ttyUSB0 restore flash-3230376c62020000.bin";

/// Hexadecimal digits of a chip id.
const CHIP_ID_DIGITS: usize = 16;

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Backup of the whole flash; a chip id in its name has to be that of the module
    file: PathBuf,

    #[command(flatten)]
    dry_run: DryRun,

    #[command(flatten)]
    verify: HowToVerify,

    /// Take the backup of another module: this one becomes a copy of it
    #[arg(long)]
    other_module: bool,
}

pub(crate) fn run(args: &Args, options: &Options, reporter: &mut dyn Reporter) -> Result<Outcome, Failure> {
    let bytes = read_file(&args.file)?;
    let chip_id = chip_id_in(&args.file);
    let kind = kind_of(&args.file, &bytes)?;
    let by_name = chip_id.as_ref().map(|id| format!("; by its name of the module with chip id {id}"));
    let path = args.file.display();
    note(reporter, format!("{path}: {kind}, {} KiB{}", bytes.len() / 1024, by_name.unwrap_or_default()));
    if let Some(text) = partitions_text(&bytes) {
        note(reporter, text);
    }
    if let Some(text) = doubt(&bytes) {
        warn(reporter, text);
    }
    let mut context = Context::open(options, reporter)?;
    let (connect, after) = (context.options.clone(), options.after());
    let mode = args.dry_run.mode(Some(&args.verify));
    let of_module = chip_id.clone().filter(|_| !args.other_module);
    let report = context.run(|link| flow::restore(link, connect, bytes, of_module, mode, after))?;
    let mut json = change_json(&report);
    json["file"] = json!(args.file);
    json["chip_id_in_name"] = json!(chip_id);
    json["elapsed_ms"] = json!(context.elapsed_ms());
    let what = if report.dry_run { "would be there" } else { "restored and verified" };
    let mut text: Vec<String> = report.pieces.iter().map(|piece| piece_text(piece, what)).collect();
    text.extend(change_text(&report));
    Ok(Outcome::new(text, json))
}

/// The chip id that a name holds, as `backup flash-{chip_id}.bin` makes it: 16 hexadecimal digits, not more.
fn chip_id_in(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_string_lossy().to_ascii_lowercase();
    let mut runs = name.split(|letter: char| !letter.is_ascii_hexdigit());
    runs.find(|run| run.len() == CHIP_ID_DIGITS).map(str::to_owned)
}

/// What kind of file it is; an error if it can be no backup of a whole flash, whatever the module.
fn kind_of(path: &Path, bytes: &[u8]) -> Result<String, Failure> {
    let kind = inspect(bytes).map_or_else(|error| error.to_string(), |found| found.kind);
    let is_file_of_its_own =
        matches!(FileKind::of(bytes), FileKind::Elf | FileKind::IntelHex | FileKind::PartitionTable);
    let has_a_size = bytes.len().is_multiple_of(BLOCK_64K as usize);
    if !is_file_of_its_own && has_a_size {
        return Ok(kind);
    }
    let path = path.display();
    Err(Failure::Refused {
        what: format!(
            "{path} is no backup of a whole flash: {kind}, {} bytes (a flash has 512 KiB, 1 MiB, 2 MiB and so on)",
            bytes.len()
        ),
        hint: format!(
            "To write it to its place: `write ADDRESS={path}` or `write PARTITION={path}`. To put it at the start of the flash all the same: `write 0={path}`."
        ),
    })
}

/// The partitions that the backup would bring.
fn partitions_text(bytes: &[u8]) -> Option<String> {
    let found = copies(bytes).ok()?;
    let (offset, table) = active(&found).ok()?;
    let names: Vec<String> = table
        .entries
        .iter()
        .map(|entry| format!("{} {:#x}", entry.name.text(), entry.active_address()))
        .collect();
    Some(format!("its partitions, by the table at {offset:#x}: {}", names.join(", ")))
}

/// What speaks against writing it, though it has the right form.
fn doubt(bytes: &[u8]) -> Option<&'static str> {
    if bytes.iter().all(|byte| *byte == 0xFF) {
        return Some("the file holds nothing but FF: restoring it erases the whole flash");
    }
    if bytes.iter().all(|byte| *byte == bytes[0]) {
        return Some("the file holds one byte over and over: it was not read from a working flash");
    }
    if copies(bytes).is_err() && FileKind::of(bytes) != FileKind::Bfnp {
        return Some(
            "the file has neither a boot header nor a partition table: the module will not start from it (unless its flash is encrypted)",
        );
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("flash-3230376C62020000.bin", Some("3230376c62020000"))]
    #[case("3230376c62020000.raw", Some("3230376c62020000"))]
    #[case("flash_3230376c62020000_2024.bin", Some("3230376c62020000"))]
    #[case("f3230376c62020000.bin", None)]
    #[case("flash.bin", None)]
    fn chip_ids_in_names(#[case] name: &str, #[case] id: Option<&str>) {
        assert_eq!(chip_id_in(Path::new(name)).as_deref(), id);
    }

    #[test]
    fn doubts() {
        assert!(doubt(&[0xFF; 64]).unwrap().contains("erases the whole flash"));
        assert!(doubt(&[0; 64]).unwrap().contains("not read from a working flash"));
        assert!(doubt(&[1, 2, 3, 4]).unwrap().contains("will not start"));
        assert_eq!(doubt(b"BFNP\0"), None);
    }
}
