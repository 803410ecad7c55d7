//! Options that every command takes, before or after its name, and where their values come from if not from there.

use std::path::PathBuf;

use bl702_flasher::config::{self, Found, Layer, Settings, WiringChoice};
use bl702_flasher::connect::ConnectOptions;
use bl702_flasher::flow::After;
use bl702_flasher::loader::LoaderImage;
use bl702_flasher::plan::parse_number;
use bl702_flasher::port::usb_serial_number;
use bl702_flasher::reset::Sequence;
use bl702_flasher::timing::Pace;
use clap::{Args, ValueEnum};

use crate::failure::Failure;

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct Options {
    /// The port of this run; `--port` stands in [`Selection`](super::units::Selection), as it may be given more than once.
    #[arg(skip)]
    pub(crate) port: Option<String>,

    /// What `{port}` in a file's name becomes, if several modules are at work.
    #[arg(skip)]
    unit_label: Option<String>,

    /// Rate for the boot ROM [default: 500000]
    #[arg(long, global = true, value_name = "BAUD", value_parser = number)]
    boot_baud: Option<String>,

    /// Rate for the RAM loader, at which data go; max finds the highest that works [default: 2000000]
    #[arg(long, global = true, value_name = "BAUD", value_parser = number_or_max)]
    baud: Option<String>,

    /// RAM loader image (eflash_loader_32m.bin); looked for in the vendor's Python packages if not given
    #[arg(long, global = true, value_name = "FILE")]
    loader: Option<PathBuf>,

    /// Flash size, for a flash that the RAM loader does not know (as 1MiB)
    #[arg(long, global = true, value_name = "SIZE", value_parser = number)]
    flash_size: Option<String>,

    /// What becomes of the module afterwards [default: reset]
    #[arg(long, global = true, value_name = "WHAT")]
    after: Option<AfterArg>,

    /// Which modem line drives EN (rts-en, dtr-en, none), or a sequence that resets into ISP, as
    /// 'D0|R1|W0.1|R0': D is DTR, R is RTS, 1 asserted, 0 released, W waits seconds [default: rts-en]
    #[arg(long, global = true, value_name = "WIRING", value_parser = wiring)]
    wiring: Option<String>,

    /// Sequence that lets the firmware run, where --wiring does not tell
    #[arg(long, global = true, value_name = "SEQUENCE", value_parser = sequence)]
    into_firmware: Option<String>,

    /// DTR is high at the pin while it is asserted
    #[arg(long, global = true, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    invert_dtr: Option<bool>,

    /// RTS is high at the pin while it is asserted
    #[arg(long, global = true, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    invert_rts: Option<bool>,

    /// How patient to be with adapters: slow, normal, fast [default: normal]
    #[arg(long, global = true, value_name = "TIMING")]
    timing: Option<TimingArg>,

    /// Seconds to go on asking for a handshake while a person resets the module [default: by --timing]
    #[arg(long, global = true, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(0..=3600))]
    wait: Option<u64>,

    /// Settings: this file, or none [default: the nearest bl702.toml, from here upwards]
    #[arg(long = "settings", global = true, value_name = "FILE")]
    settings_file: Option<PathBuf>,

    /// Record all bytes and lines (read with bl702-emu trace)
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,

    /// text for people, json for programs: one event per line on standard output
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: Format,

    /// All of the above together with files and environment; see [`Options::load`].
    #[arg(skip)]
    settings: Settings,
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
pub(crate) enum TimingArg {
    Slow,
    Normal,
    Fast,
}

impl Options {
    /// The same for one of several modules.
    pub(crate) fn for_unit(&self, port: &str, label: String) -> Options {
        Options { port: Some(port.to_owned()), unit_label: Some(label), ..self.clone() }
    }

    /// What `{port}` in a file's name becomes.
    pub(crate) fn label(&self) -> String {
        let port = self.port.as_deref().unwrap_or_default();
        self.unit_label.clone().unwrap_or_else(|| super::units::label(port))
    }

    /// Reads the files and the environment, and takes from them what the command line does not say. To be called once,
    /// before anything else.
    ///
    /// # Errors
    /// Files and variables that are wrong.
    pub(crate) fn load(&mut self) -> Result<(), Failure> {
        let variable = |name: &str| std::env::var(name).ok();
        let named = self.settings_file.clone().or_else(|| variable("BL702_SETTINGS").map(PathBuf::from));
        let Found { local, project } = match named {
            Some(path) if path.as_os_str() == "none" => Found::default(),
            Some(path) => config::from_file(&path)?,
            None => match std::env::current_dir() {
                Ok(folder) => config::find(&folder)?,
                // A folder that was deleted holds no configuration.
                Err(_) => Found::default(),
            },
        };
        let environment = Layer::of_environment(variable)?;
        self.settings = Settings::new(self.command_line(), environment, local, project);
        self.port = self.settings.text("port");
        Ok(())
    }

    fn command_line(&self) -> Layer {
        let word = |text: &str| Some(text.to_owned());
        Layer::of_command_line([
            ("port", self.port.clone()),
            ("boot_baud", self.boot_baud.clone()),
            ("baud", self.baud.clone()),
            ("loader", self.loader.as_ref().map(|path| path.display().to_string())),
            ("flash_size", self.flash_size.clone()),
            (
                "after",
                self.after.and_then(|after| match after {
                    AfterArg::Reset => word("reset"),
                    AfterArg::Stay => word("stay"),
                }),
            ),
            ("wiring", self.wiring.clone()),
            ("into_firmware", self.into_firmware.clone()),
            ("invert_dtr", self.invert_dtr.map(|on| on.to_string())),
            ("invert_rts", self.invert_rts.map(|on| on.to_string())),
            (
                "timing.preset",
                self.timing.map(|timing| {
                    match timing {
                        TimingArg::Slow => Pace::Slow,
                        TimingArg::Normal => Pace::Normal,
                        TimingArg::Fast => Pace::Fast,
                    }
                    .to_string()
                }),
            ),
            ("timing.wait_s", self.wait.map(|seconds| seconds.to_string())),
        ])
    }

    /// What holds for all ports.
    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What holds at a port: some things may be set for it alone, by its path or by its adapter's serial number.
    pub(crate) fn at_port(&self, port: &str) -> Settings {
        let mut names = vec![port.to_owned()];
        names.extend(usb_serial_number(port));
        self.settings.at_port(&names)
    }

    /// The files that were named, or else those of the project.
    ///
    /// # Errors
    /// There are none.
    pub(crate) fn files_to_write(&self, named: &[String]) -> Result<Vec<String>, Failure> {
        let images = self.settings.images();
        match named {
            [] if images.is_empty() => Err(Failure::usage(
                "no file was named",
                "Name files and where they go, as 0x2000=firmware.bin, or list them in the section [images] of bl702.toml.",
            )),
            [] => {
                Ok(images.iter().map(|image| format!("{}={}", image.place, image.file.display())).collect())
            }
            named => Ok(named.to_vec()),
        }
    }

    pub(crate) fn after(&self) -> After {
        // What could not be read would have been refused when it was loaded.
        self.settings.after().unwrap_or_default()
    }

    /// The RAM loader image that was named.
    pub(crate) fn loader(&self) -> Option<PathBuf> {
        self.settings.text("loader").map(PathBuf::from)
    }

    /// What a session at a port needs to know, without what only the port can tell.
    ///
    /// # Errors
    /// Options that cannot work, whatever the module.
    pub(crate) fn connect_options(
        &self,
        port: &str,
        loader: Option<LoaderImage>,
    ) -> Result<ConnectOptions, Failure> {
        let options = self.at_port(port).connect_options(loader)?;
        options.check()?;
        Ok(options)
    }
}

fn number(text: &str) -> Result<String, String> {
    let number = parse_number(text).map_err(|error| error.to_string())?;
    u32::try_from(number).map(|number| number.to_string()).map_err(|_| format!("{number} is too much"))
}

fn number_or_max(text: &str) -> Result<String, String> {
    match text {
        "max" | "auto" => Ok(text.to_owned()),
        other => number(other),
    }
}

fn wiring(text: &str) -> Result<String, String> {
    text.parse::<WiringChoice>().map(|_| text.to_owned())
}

fn sequence(text: &str) -> Result<String, String> {
    text.parse::<Sequence>().map(|_| text.to_owned()).map_err(|error| error.to_string())
}
