//! `reset`

use bl702_flasher::flow::{self, Found, ResetInto};
use serde_json::json;

use super::Outcome;
use super::context::Context;
use super::options::Options;
use crate::failure::Failure;
use crate::report::Reporter;

const EXAMPLES: &str = "Examples:
  bl702-flash --port /dev/ttyUSB0 reset
  bl702-flash --port /dev/ttyUSB0 reset --into firmware
  bl702-flash --port /dev/ttyUSB0 --wiring none reset --into isp

What runs after a reset is decided by BOOT (D28) at that moment: high is programming mode (ISP), low is the firmware.
Where a modem line drives BOOT, --into sets it. Where none does, hold it yourself: --into isp then asks for it and waits,
--into firmware says if it was the wrong way. Either way the result is checked.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// What to restart into, and make sure of; without it the module is restarted with BOOT low where a line drives it, and
    /// nothing is checked
    #[arg(long, value_name = "WHAT")]
    into: Option<Into>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Into {
    /// The boot ROM, which waits for a flasher
    Isp,
    /// What is in the flash
    Firmware,
}

pub(crate) fn run(args: &Args, options: &Options, reporter: &mut dyn Reporter) -> Result<Outcome, Failure> {
    let mut context = Context::open(options, reporter)?;
    let connect = context.options.clone();
    let by_lines = connect.can_reset();
    let how = if by_lines { "through its EN line" } else { "by command" };
    let into = match args.into {
        None => {
            context.run(|link| flow::reset(link, connect))?;
            let text = format!("the module was reset {how}");
            return Ok(Outcome::new(vec![text], json!({"by_lines": by_lines})));
        }
        Some(Into::Isp) => ResetInto::Isp,
        Some(Into::Firmware) => ResetInto::Firmware,
    };
    let report = context.run(|link| flow::reset_into(link, connect, into))?;
    let text = format!("the module was reset {how}: {}", found_text(&report.found));
    let mut json = json!(report);
    json["into"] = json!(into);
    Ok(Outcome::new(vec![text], json))
}

fn found_text(found: &Found) -> String {
    match found {
        Found::Rom => "the boot ROM answered and waits for the next command".to_owned(),
        Found::FirmwareSays { text } => format!("its firmware runs and says {text}"),
        Found::Silence => "the boot ROM does not answer, as it should be, but nothing was heard at 2000000 baud: a firmware that is silent or talks at another rate, or a flash that does not boot".to_owned(),
    }
}
