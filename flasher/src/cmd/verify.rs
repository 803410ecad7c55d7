//! `verify`

use bl702_flasher::flow;
use serde_json::json;

use super::Outcome;
use super::context::Context;
use super::files::read_pieces;
use super::options::Options;
use crate::failure::Failure;
use crate::report::Reporter;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Files and where they should be, as 0x2000=firmware.bin; or one file for address 0
    #[arg(required = true, value_name = "[ADDRESS=]FILE")]
    pieces: Vec<String>,
}

pub(crate) fn run(args: &Args, options: &Options, reporter: &mut dyn Reporter) -> Result<Outcome, Failure> {
    let pieces = read_pieces(&args.pieces)?;
    let mut context = Context::open(options, reporter)?;
    let (connect, after) = (context.options.clone(), options.after());
    let report = context.run(|link| flow::verify(link, connect, pieces, after))?;
    let text = report.pieces.iter().map(|piece| {
        format!("{}: {} bytes are the same, SHA-256 {}", piece.range, piece.range.len(), piece.sha256)
    });
    let json = json!({"pieces": report.pieces, "elapsed_ms": context.elapsed_ms()});
    Ok(Outcome::new(text.collect(), json))
}
