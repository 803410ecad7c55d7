//! Options that every command takes, before or after its name.

use std::path::PathBuf;

use bl702_flasher::Nanos;
use bl702_flasher::connect::ConnectOptions;
use bl702_flasher::flow::After;
use bl702_flasher::loader::LoaderImage;
use bl702_flasher::plan::parse_number;
use bl702_flasher::reset::Wiring;
use bl702_flasher::timing::{Pace, Timing};
use clap::{Args, ValueEnum};
use std::sync::Arc;

use crate::failure::Failure;

const PORT_HELP: &str = "Port: a tty such as /dev/ttyUSB0, rfc2217://HOST:PORT, or emulated[:PROFILE][?flash=FILE&start=loader&...]";

#[derive(Debug, Args)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct Options {
    // Not a doc comment: the brackets would be taken for a link.
    #[arg(long, short, global = true, value_name = "PORT", help = PORT_HELP)]
    pub(crate) port: Option<String>,

    /// Rate for the boot ROM
    #[arg(long, global = true, value_name = "BAUD", default_value = "500000", value_parser = baud)]
    pub(crate) boot_baud: u32,

    /// Rate for the RAM loader, at which data go
    #[arg(long, global = true, value_name = "BAUD", default_value = "2000000", value_parser = baud)]
    pub(crate) baud: u32,

    /// RAM loader image (eflash_loader_32m.bin); looked for in the vendor's Python packages if not given
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) loader: Option<PathBuf>,

    /// Flash size, for a flash that the RAM loader does not know (as 1MiB)
    #[arg(long, global = true, value_name = "SIZE", value_parser = size)]
    pub(crate) flash_size: Option<u32>,

    /// What becomes of the module afterwards
    #[arg(long, global = true, value_name = "WHAT", default_value = "reset")]
    pub(crate) after: AfterArg,

    /// Which modem line drives EN; the other one drives BOOT
    #[arg(long, global = true, value_name = "WIRING", default_value = "rts-en")]
    pub(crate) wiring: WiringArg,

    /// How patient to be with adapters
    #[arg(long, global = true, value_name = "TIMING", default_value = "normal")]
    pub(crate) timing: TimingArg,

    /// Seconds to go on asking for a handshake while a person resets the module [default: by --timing]
    #[arg(long, global = true, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(0..=3600))]
    pub(crate) wait: Option<u64>,

    /// Record all bytes and lines (read with bl702-emu trace)
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,

    /// text for people, json for programs: one event per line on standard output
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum AfterArg {
    /// Reset it, so that the next command starts clean
    Reset,
    /// Let the RAM loader go on running
    Stay,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum WiringArg {
    /// RTS drives EN, DTR drives BOOT (the vendor's convention)
    RtsEn,
    /// DTR drives EN, RTS drives BOOT
    DtrEn,
    /// No line is wired
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TimingArg {
    Slow,
    Normal,
    Fast,
}

impl Options {
    pub(crate) fn after(&self) -> After {
        match self.after {
            AfterArg::Reset => After::Reset,
            AfterArg::Stay => After::Stay,
        }
    }

    /// What a session needs to know, without what only the port can tell.
    ///
    /// # Errors
    /// Options that cannot work, whatever the module.
    pub(crate) fn connect_options(&self, loader: Option<LoaderImage>) -> Result<ConnectOptions, Failure> {
        let mut timing = Timing::of(match self.timing {
            TimingArg::Slow => Pace::Slow,
            TimingArg::Normal => Pace::Normal,
            TimingArg::Fast => Pace::Fast,
        });
        if let Some(seconds) = self.wait {
            timing.hands = Nanos::from_secs(seconds);
        }
        let options = ConnectOptions {
            boot_baud_bps: self.boot_baud,
            baud_bps: self.baud,
            timing,
            wiring: match self.wiring {
                WiringArg::RtsEn => Wiring::RtsEn,
                WiringArg::DtrEn => Wiring::DtrEn,
                WiringArg::None => Wiring::None,
            },
            has_lines: false,
            loader: loader.map(Arc::new),
            flash_size: self.flash_size,
        };
        options.check()?;
        Ok(options)
    }
}

fn baud(text: &str) -> Result<u32, String> {
    let number = parse_number(text).map_err(|error| error.to_string())?;
    u32::try_from(number).map_err(|_| format!("{number} baud is faster than anything"))
}

fn size(text: &str) -> Result<u32, String> {
    let number = parse_number(text).map_err(|error| error.to_string())?;
    u32::try_from(number).map_err(|_| format!("{number} bytes is larger than any flash"))
}
