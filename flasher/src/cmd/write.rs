//! `write`

use bl702_flasher::flow::{self, ChangeReport};
use serde_json::{Value, json};

use super::Outcome;
use super::context::Context;
use super::files::read_pieces;
use super::options::Options;
use crate::failure::Failure;
use crate::report::Reporter;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Files and where they go, as 0x2000=firmware.bin; or one file for address 0
    /// [default: the images of bl702.toml]
    #[arg(value_name = "[ADDRESS=]FILE")]
    pieces: Vec<String>,
}

pub(crate) fn run(args: &Args, options: &Options, reporter: &mut dyn Reporter) -> Result<Outcome, Failure> {
    let pieces = read_pieces(&options.files_to_write(&args.pieces)?)?;
    let mut context = Context::open(options, reporter)?;
    let (connect, after) = (context.options.clone(), options.after());
    let report = context.run(|link| flow::write(link, connect, pieces, after))?;
    let mut json = change_json(&report);
    json["elapsed_ms"] = json!(context.elapsed_ms());
    let mut text: Vec<String> = report
        .pieces
        .iter()
        .map(|piece| {
            format!(
                "{}: {} bytes written and verified, SHA-256 {}",
                piece.range,
                piece.range.len(),
                piece.sha256
            )
        })
        .collect();
    text.push(change_text(&report));
    Ok(Outcome::new(text, json))
}

/// What had to be done, in words.
pub(super) fn change_text(report: &ChangeReport) -> String {
    let repaired = match report.repaired_sectors {
        0 => String::new(),
        sectors => format!(", {sectors} sectors were written more than once"),
    };
    if report.erased_bytes + report.programmed_bytes == 0 {
        return "the flash held all of it already".to_owned();
    }
    format!(
        "{} KiB erased, {} bytes programmed, {} KiB were right already{repaired}",
        report.erased_bytes / 1024,
        report.programmed_bytes,
        report.unchanged_bytes / 1024
    )
}

/// What had to be done, for programs.
pub(super) fn change_json(report: &ChangeReport) -> Value {
    json!({
        "pieces": report.pieces,
        "unchanged_bytes": report.unchanged_bytes,
        "erased_bytes": report.erased_bytes,
        "programmed_bytes": report.programmed_bytes,
        "repaired_sectors": report.repaired_sectors,
    })
}
