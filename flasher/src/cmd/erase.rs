//! `erase`

use bl702_flasher::flow;
use bl702_flasher::plan::FlashRange;
use serde_json::json;

use super::Outcome;
use super::context::Context;
use super::options::Options;
use super::write::{change_json, change_text};
use crate::failure::Failure;
use crate::report::Reporter;

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Args {
    /// Erase the whole flash
    #[arg(long)]
    chip: bool,

    /// Erase a part, as 0x1000..0x3000 (the end is not included); bytes beside it are kept
    #[arg(long, value_name = "A..B")]
    range: Option<FlashRange>,
}

pub(crate) fn run(args: &Args, options: &Options, reporter: &mut dyn Reporter) -> Result<Outcome, Failure> {
    let mut context = Context::open(options, reporter)?;
    let (connect, after) = (context.options.clone(), options.after());
    let report = match args.range {
        Some(range) => context.run(|link| flow::erase_range(link, connect, range, after))?,
        None => context.run(|link| flow::erase_chip(link, connect, after))?,
    };
    let mut text = vec![format!("{}: {} bytes erased and verified", report.range, report.range.len())];
    let mut json = json!({});
    if let Some(change) = &report.change {
        text.push(change_text(change));
        json = change_json(change);
    }
    json["range"] = json!(report.range);
    json["elapsed_ms"] = json!(context.elapsed_ms());
    Ok(Outcome::new(text, json))
}
