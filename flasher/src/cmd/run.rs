//! `run`

use std::path::PathBuf;

use bl702_flasher::flow;
use bl702_flasher::image::FileKind;
use bl702_flasher::image::build::{Payload, Target, reseal};
use bl702_protocol::image::ram_image::RamImage;
use bl702_protocol::image::segment::destination_allowed;
use serde_json::json;

use super::Outcome;
use super::context::Context;
use super::files::read_file;
use super::image::refused;
use super::monitor::{ListenArgs, Listener, ended_text, exit_code, heard_json};
use super::options::Options;
use crate::failure::Failure;
use crate::report::Reporter;

const EXAMPLES: &str = "Examples:
  bl702-flash run blink.elf --port /dev/ttyUSB0             an ELF file linked for RAM
  bl702-flash run blink.bin --ram 0x22010000 --monitor --timeout 5 --port /dev/ttyUSB0
  bl702-flash run eflash_loader_32m.bin --port /dev/ttyUSB0 an image with boot header and segments";

/// Where raw programs go if nothing is said.
const RAM: u32 = 0x2201_0000;

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Image with boot header and segments (BFNP), or ELF, Intel HEX or raw program for RAM
    image: PathBuf,

    /// Address in RAM of a raw program [default: 0x22010000]
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    ram: Option<u32>,

    /// Check the file and say what would be loaded; the module is not touched
    #[arg(long)]
    dry_run: bool,

    /// Go on listening to what the program says
    #[arg(long)]
    monitor: bool,

    #[command(flatten, next_help_heading = "With --monitor")]
    listen: ListenArgs,
}

fn address(text: &str) -> Result<u32, String> {
    let number = bl702_flasher::plan::parse_number(text).map_err(|error| error.to_string())?;
    u32::try_from(number).map_err(|_| format!("{number:#x} is no address of 32 bits"))
}

pub(crate) fn run(args: &Args, options: &Options, reporter: &mut dyn Reporter) -> Result<Outcome, Failure> {
    let image = read_image(args)?;
    let (bytes, start) = (
        image.segments.iter().map(|segment| segment.data.len()).sum::<usize>(),
        image.header.start_address(),
    );
    if args.dry_run {
        let text = format!("{bytes} bytes would be loaded and started at {start:#010x}; nothing was sent");
        return Ok(Outcome::new(vec![text], json!({"started": false, "address": start, "bytes": bytes})));
    }
    if args.listen.waits() && !args.monitor {
        return Err(Failure::usage(
            "--until without --monitor",
            "Give --monitor as well, so that it is listened to.",
        ));
    }
    let mut listener = args.monitor.then(|| Listener::new(&args.listen, options)).transpose()?;
    let listening = args.monitor.then(|| args.listen.listening(options, false));
    let mut context = Context::open(options, reporter)?;
    let connect = context.options.clone();
    let report = context.run_watching(
        |link| flow::run_image(link, connect, image, listening),
        |at, event| listener.as_mut().is_some_and(|listener| listener.watch(at, event)),
    )?;
    listener.map_or(Ok(()), Listener::finish)?;
    let how = if report.run_command { "by command 1Ah" } else { "by a CPU reset" };
    let mut text = vec![format!(
        "{} bytes loaded, checked by the ROM and started at {:#010x} {how}",
        report.bytes, report.address
    )];
    let mut json = json!({
        "started": true, "address": report.address, "bytes": report.bytes, "run_command": report.run_command,
    });
    let mut status = 0;
    match &report.heard {
        Some(heard) => {
            text.push(ended_text(heard));
            json["heard"] = heard_json(heard);
            status = exit_code(heard, args.listen.waits());
        }
        None => text.push("whether it runs is not known from here: --monitor shows what it says".to_owned()),
    }
    let mut outcome = Outcome::new(text, json);
    outcome.exit_code = status;
    outcome.aside = args.monitor;
    Ok(outcome)
}

fn read_image(args: &Args) -> Result<RamImage, Failure> {
    let path = &args.image;
    let bytes = read_file(path)?;
    let wrong = |reason: String, hint| Failure::File { path: path.clone(), action: "use", reason, hint };
    if bytes.starts_with(b"BFNP") {
        if args.ram.is_some() {
            return Err(Failure::usage(
                "--ram with an image that has a boot header",
                "Leave --ram out: the image says where it goes.",
            ));
        }
        return RamImage::parse(&bytes).map_err(|error| {
            wrong(error.to_string(), "Name an image for RAM; one for flash is written with `write`, and a program is started from its ELF file.")
        });
    }
    let payload = Payload::from_file(&bytes).map_err(|error| refused(path, &error))?;
    let start = match (payload.target, args.ram) {
        (Some(Target::Flash), _) => {
            return Err(wrong(
                "it is linked for flash, not for RAM".to_owned(),
                "Link it for RAM (22010000h to 2201FFFFh), or make a flash image with `image build` and `write` it.",
            ));
        }
        (Some(Target::Ram { address }), None) => address,
        (Some(Target::Ram { .. }), Some(_)) => {
            return Err(Failure::usage("--ram with a file that says where it goes", "Leave --ram out."));
        }
        (None, ram) if FileKind::of(&bytes) == FileKind::Raw => ram.unwrap_or(RAM),
        (None, _) => {
            return Err(wrong("it is no program".to_owned(), "`image info FILE` shows what it is."));
        }
    };
    let length = u32::try_from(payload.data.len()).unwrap_or(u32::MAX);
    if !destination_allowed(start, length) {
        return Err(wrong(
            format!("{length} bytes do not fit into RAM at {start:#010x}"),
            "The ROM loads to 22010000h..22020000h and 22020000h..2202E000h.",
        ));
    }
    let mut image = RamImage::from_segment(start, &payload.data);
    if let Some(entry) = payload.entry {
        image.header.entry = entry;
        reseal(&mut image.header);
    }
    Ok(image)
}
