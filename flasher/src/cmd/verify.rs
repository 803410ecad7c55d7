//! `verify`

use bl702_flasher::flow;
use serde_json::json;

use super::Outcome;
use super::change::piece_text;
use super::context::Context;
use super::files::read_pieces;
use super::options::Options;
use crate::failure::Failure;
use crate::report::Reporter;

const EXAMPLES: &str = "Examples:
  bl702-flash --port /dev/ttyUSB0 verify backup.bin
  bl702-flash --port /dev/ttyUSB0 verify FW=firmware.img --readback

Exit status 4: the flash differs; the first byte that does is named.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Files and where they should be: 0x2000=firmware.bin, or FW=firmware.bin for a partition of the module's own table; or
    /// one file for address 0
    #[arg(required = true, value_name = "[ADDRESS=|PARTITION=]FILE")]
    pieces: Vec<String>,

    /// After the comparison by the module's own SHA-256 read every byte and compare it, too
    #[arg(long)]
    readback: bool,
}

pub(crate) fn run(args: &Args, options: &Options, reporter: &mut dyn Reporter) -> Result<Outcome, Failure> {
    let files = read_pieces(&args.pieces)?;
    let mut context = Context::open(options, reporter)?;
    let (connect, after, readback) = (context.options.clone(), options.after(), args.readback);
    let report = context.run(|link| flow::verify_files(link, connect, files, readback, after))?;
    let mut text: Vec<String> = report.pieces.iter().map(|piece| piece_text(piece, "are the same")).collect();
    if report.readback_bytes > 0 {
        text.push(format!("{} bytes read back and compared, all the same", report.readback_bytes));
    }
    let json = json!({
        "pieces": report.pieces,
        "readback_bytes": report.readback_bytes,
        "elapsed_ms": context.elapsed_ms(),
    });
    Ok(Outcome::new(text, json))
}
