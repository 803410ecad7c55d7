//! `erase`

use bl702_flasher::flow;
use bl702_flasher::plan::{Area, FlashRange};
use serde_json::json;

use super::Outcome;
use super::change::{DryRun, change_json, change_text};
use super::context::Context;
use super::options::Options;
use crate::failure::Failure;
use crate::report::Reporter;

const EXAMPLES: &str = "Examples:
  bl702-flash --port /dev/ttyUSB0 erase --partition PSM
  bl702-flash --port /dev/ttyUSB0 erase --range 0x3000..0x4000 --dry-run
  bl702-flash --port /dev/ttyUSB0 erase --chip";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    what: What,

    #[command(flatten)]
    dry_run: DryRun,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct What {
    /// Erase the whole flash
    #[arg(long)]
    chip: bool,

    /// Erase a part, as 0x1000..0x3000 (the end is not included); bytes beside it are kept
    #[arg(long, value_name = "A..B")]
    range: Option<FlashRange>,

    /// Erase a partition of the module's own table, where it is in use
    #[arg(long, value_name = "NAME")]
    partition: Option<String>,
}

impl What {
    fn area(&self) -> Area {
        match (self.range, &self.partition) {
            (Some(range), _) => Area::Range(range),
            (None, Some(name)) => Area::Partition(name.clone()),
            (None, None) => Area::Whole,
        }
    }
}

pub(crate) fn run(args: &Args, options: &Options, reporter: &mut dyn Reporter) -> Result<Outcome, Failure> {
    let mut context = Context::open(options, reporter)?;
    let (connect, after) = (context.options.clone(), options.after());
    let mode = args.dry_run.mode(None);
    let report = match args.what.area() {
        Area::Whole if mode.dry_run => context.run(|link| flow::plan_chip_erase(link, connect, after))?,
        Area::Whole => context.run(|link| flow::erase_chip(link, connect, after))?,
        area => context.run(|link| flow::erase_area(link, connect, area, mode, after))?,
    };
    let name = args.what.partition.as_ref().map(|name| format!("{name} at ")).unwrap_or_default();
    let what = if mode.dry_run { "would be erased" } else { "erased and verified" };
    let mut text = vec![format!("{name}{}: {} bytes {what}", report.range, report.range.len())];
    let mut json = json!({});
    if let Some(change) = &report.change {
        text.extend(change_text(change));
        json = change_json(change);
    }
    json["range"] = json!(report.range);
    json["partition"] = json!(args.what.partition);
    json["elapsed_ms"] = json!(context.elapsed_ms());
    Ok(Outcome::new(text, json))
}
