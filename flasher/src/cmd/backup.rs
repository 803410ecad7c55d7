//! `backup`

use std::path::{Path, PathBuf};

use bl702_flasher::flow;
use bl702_flasher::plan::{Area, FlashRange};
use serde_json::json;

use super::Outcome;
use super::context::Context;
use super::files::NewFile;
use super::options::{Format, Options};
use super::part_file::PartFile;
use super::units;
use crate::failure::Failure;
use crate::report::Reporter;

const EXAMPLES: &str = "Examples:
  bl702-flash --port /dev/ttyUSB0 backup flash.bin
  bl702-flash --port /dev/ttyUSB0 backup --partition PSM psm.bin
  bl702-flash --port /dev/ttyUSB0 backup --range 0..0x3000 - | xxd | head";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// File to make, or - for standard output; {port} and {chip_id} in its name are filled in
    file: PathBuf,

    /// Part to read, as 0x1000..0x3000 (the end is not included) [default: the whole flash]
    #[arg(long, value_name = "A..B")]
    range: Option<FlashRange>,

    /// Partition to read, by its name in the module's own table
    #[arg(long, value_name = "NAME", conflicts_with_all = ["range", "resume"])]
    partition: Option<String>,

    /// Replace an existing file
    #[arg(long)]
    force: bool,

    /// Go on from FILE.part, which an interrupted backup has left; what is in it is checked by hash
    #[arg(long)]
    resume: bool,
}

impl Args {
    /// The file to make.
    pub(super) fn file(&self) -> &Path {
        &self.file
    }
}

pub(crate) fn run(args: &Args, options: &Options, reporter: &mut dyn Reporter) -> Result<Outcome, Failure> {
    let to_stdout = args.file == Path::new("-");
    if to_stdout && options.format == Format::Json {
        return Err(Failure::usage(
            "standard output cannot hold both the data and JSON",
            "Name a file, or leave --format json away.",
        ));
    }
    if to_stdout && args.resume {
        return Err(Failure::usage(
            "standard output has no part file",
            "Name a file, or leave --resume away.",
        ));
    }
    let file = units::file_name(&args.file, options, reporter)?;
    let new_file = if to_stdout { None } else { Some(NewFile::begin(&file, args.force)?) };
    let (mut part_file, part) = match to_stdout {
        true => (None, Vec::new()),
        // Where a partition is is not known yet; it is small enough to be read anew.
        false if args.partition.is_some() => (None, Vec::new()),
        false => {
            let (file, bytes) = PartFile::begin(&file, args.range, args.resume)?;
            (Some(file), bytes)
        }
    };
    let mut context = Context::open(options, reporter)?;
    let (connect, after) = (context.options.clone(), options.after());
    let area = match (&args.partition, args.range) {
        (Some(name), _) => Area::Partition(name.clone()),
        (None, range) => range.map_or(Area::Whole, Area::Range),
    };
    let store = |range, bytes: &[u8]| {
        if let Some(file) = &mut part_file {
            file.store(range, bytes);
        }
    };
    let flow = |link| flow::backup_area(link, connect, area, part, after);
    let backup = match context.run_storing(flow, store) {
        Ok(backup) => backup,
        Err(failure) => {
            context.warn(part_file.and_then(PartFile::keep));
            return Err(failure);
        }
    };
    let elapsed_ms = context.elapsed_ms();
    let size_bytes = backup.bytes.len();
    let place = match new_file {
        Some(file) => file.finish(&backup.bytes)?.display().to_string(),
        None => "standard output".to_owned(),
    };
    if let Some(file) = part_file {
        file.remove();
    }
    let mut outcome = Outcome::new(
        vec![
            format!("{place}: {size_bytes} bytes from {}, verified by the module", backup.range),
            format!("SHA-256 {}", backup.sha256),
        ],
        json!({
            "file": place,
            "range": backup.range,
            "size_bytes": size_bytes,
            "sha256": backup.sha256,
            "resumed_bytes": backup.resumed_bytes,
            "elapsed_ms": elapsed_ms,
        }),
    );
    outcome.data = to_stdout.then_some(backup.bytes);
    Ok(outcome)
}
