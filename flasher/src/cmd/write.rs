//! `write`

use bl702_flasher::flow;
use bl702_flasher::image::FileKind;
use bl702_flasher::plan::{Place, PlacedFiles};
use serde_json::json;

use super::Outcome;
use super::change::{DryRun, HowToVerify, change_json, change_text, piece_text};
use super::context::Context;
use super::files::read_pieces;
use super::options::Options;
use crate::failure::Failure;
use crate::report::Reporter;

const EXAMPLES: &str = "Examples:
  bl702-flash --port /dev/ttyUSB0 write whole-flash.bin
  bl702-flash --port /dev/ttyUSB0 write 0x3000=firmware.img 0xFB000=media.bin
  bl702-flash --port /dev/ttyUSB0 write FW=firmware.img --dry-run";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Files and where they go: 0x2000=firmware.bin, or FW=firmware.bin for a partition of the module's own table; or one
    /// file for address 0 [default: the images of bl702.toml]
    #[arg(value_name = "[ADDRESS=|PARTITION=]FILE")]
    pieces: Vec<String>,

    #[command(flatten)]
    dry_run: DryRun,

    #[command(flatten)]
    verify: HowToVerify,

    /// Write an ELF or Intel HEX file as it is, byte for byte
    #[arg(long)]
    as_is: bool,
}

pub(crate) fn run(args: &Args, options: &Options, reporter: &mut dyn Reporter) -> Result<Outcome, Failure> {
    let names = options.files_to_write(&args.pieces)?;
    let files = read_pieces(&names)?;
    if !args.as_is {
        refuse_programs(&files, &names)?;
    }
    let mut context = Context::open(options, reporter)?;
    let (connect, after) = (context.options.clone(), options.after());
    let mode = args.dry_run.mode(Some(&args.verify));
    let report = context.run(|link| flow::write_files(link, connect, files, mode, after))?;
    let mut json = change_json(&report);
    json["elapsed_ms"] = json!(context.elapsed_ms());
    let what = if report.dry_run { "would be there" } else { "written and verified" };
    let mut text: Vec<String> = report.pieces.iter().map(|piece| piece_text(piece, what)).collect();
    text.extend(change_text(&report));
    Ok(Outcome::new(text, json))
}

/// The chip cannot run the container of a program; only what is in it.
fn refuse_programs(files: &PlacedFiles, names: &[String]) -> Result<(), Failure> {
    for (file, name) in files.iter().zip(names) {
        let kind = match FileKind::of(&file.bytes) {
            FileKind::Elf => "an ELF file",
            FileKind::IntelHex => "an Intel HEX file",
            _ => continue,
        };
        let path = name.split_once('=').map_or(name.as_str(), |(_, path)| path);
        let place = match &file.place {
            Place::Partition(name) => name.clone(),
            Place::Address(address) => format!("{address:#x}"),
        };
        return Err(Failure::Refused {
            what: format!("{path} is {kind}: written as it is the chip could not run it"),
            hint: format!(
                "Make an image of it first: `image build {path} --board xt-zb2 -o firmware.img`, then `write {place}=firmware.img`. To write the file itself, add --as-is."
            ),
        });
    }
    Ok(())
}
