//! Options that describe a module and how it is served; shared by the subcommands that run one.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use bl702_emulator::Nanos;
use bl702_emulator::fault::catalogue::load;
use bl702_emulator::flash::FlashSpeed;
use bl702_emulator::module::{Module, ModuleBuilder, Start};
use bl702_emulator::profile::{Boot, Profile, Wiring};
use bl702_emulator::transport::held_file::{HeldMemories, open_efuse, open_flash};
use bl702_emulator::transport::outbox::parse_latency_ms;
use bl702_emulator::transport::pace::Pace;
use bl702_emulator::transport::record::Recorder;
use bl702_emulator::transport::serve::PortOptions;
use bl702_emulator::transport::wiring::{ModemLines, pins};
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::failure::Failure;

/// What a board is like.
#[derive(Args, Debug)]
pub(crate) struct BoardOptions {
    /// Board profile: a built-in name or a TOML file
    #[arg(long, value_name = "NAME|FILE", default_value = "xt-zb2")]
    pub(crate) profile: String,

    /// Let this go wrong: a name that `bl702-emu faults` lists, or a plan in a TOML file; may be given more than once
    #[arg(long = "fault", value_name = "NAME|FILE")]
    pub(crate) faults: Vec<String>,

    /// Seed of all that is left to chance (what a power cut leaves in the flash, when faults fire)
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,

    /// Level of the BOOT pin, or the modem line it follows (asserted = low) [default: the profile's]
    #[arg(long, value_name = "LEVEL", value_parser = boot_parser())]
    pub(crate) boot: Option<Boot>,

    /// The modem line that drives EN (asserted = low) [default: the profile's]
    #[arg(long, value_name = "WIRING", value_parser = wiring_parser())]
    pub(crate) wiring: Option<Wiring>,

    /// DTR is high at the pin while it is asserted
    #[arg(long)]
    pub(crate) invert_dtr: bool,

    /// RTS is high at the pin while it is asserted
    #[arg(long)]
    pub(crate) invert_rts: bool,

    /// Busy times of the flash: the data sheet's typical or its worst ones [default: the profile's]
    #[arg(long, value_name = "SPEED", value_parser = flash_speed_parser())]
    pub(crate) flash_speed: Option<FlashSpeed>,

    /// Real over nominal duration of the boot ROM's waits [default: the profile's, 0.5]
    #[arg(long, value_name = "F")]
    pub(crate) rom_time_scale: Option<f64>,
}

/// What a module is like and how it is served.
#[derive(Args, Debug)]
pub(crate) struct ModuleOptions {
    #[command(flatten)]
    pub(crate) board: BoardOptions,

    /// Raw image that holds the flash; made erased if absent, always up to date, kept when the emulator ends
    #[arg(long, value_name = "FILE")]
    pub(crate) flash: Option<PathBuf>,

    /// 128 raw bytes that hold the fuses; made from the profile if absent; burns are kept
    #[arg(long, value_name = "FILE")]
    pub(crate) efuse: Option<PathBuf>,

    /// wire: everything takes the chip's time; none: delays and busy times are jumped over
    #[arg(long, value_name = "PACE", default_value = "wire", value_parser = pace_parser())]
    pub(crate) pace: Pace,

    /// What runs first; loader: as after somebody else's upload
    #[arg(long, value_name = "STAGE", default_value = "rom", value_parser = start_parser())]
    pub(crate) start: Start,

    /// Record all bytes, lines and events for `trace` and `replay`
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,

    /// How long an adapter keeps each reply; fractions are allowed, as 0.2
    #[arg(long = "latency-ms", value_name = "N", default_value = "0", value_parser = parse_latency_ms)]
    pub(crate) latency: Nanos,
}

impl BoardOptions {
    /// The profile with what the options change in it.
    pub(crate) fn profile(&self) -> Result<Profile, Failure> {
        let mut profile = load_profile(&self.profile)?;
        if let Some(boot) = self.boot {
            profile.boot = boot;
        }
        if let Some(wiring) = self.wiring {
            profile.wiring = wiring;
        }
        if let Some(speed) = self.flash_speed {
            profile.flash_speed = speed;
        }
        if let Some(scale) = self.rom_time_scale {
            if !(0.01..=10.0).contains(&scale) {
                let what = format!("--rom-time-scale is {scale}, must be 0.01 to 10");
                return Err(Failure::usage(
                    what,
                    "0.5 is what the boot ROM probably does, 1.0 what it means to do",
                ));
            }
            profile.rom_time_scale = scale;
        }
        Ok(profile)
    }

    /// The lines that the adapter inverts.
    pub(crate) fn invert(&self) -> ModemLines {
        ModemLines { dtr: self.invert_dtr, rts: self.invert_rts }
    }

    /// A module with the faults and the seed of these options, to be made complete.
    pub(crate) fn module(&self, profile: &Profile, seed: u64) -> Result<ModuleBuilder, Failure> {
        let mut builder = Module::builder(profile.clone()).seed(seed);
        for word in &self.faults {
            builder = builder.faults(load(word)?);
        }
        Ok(builder)
    }
}

impl ModuleOptions {
    /// The profile with what the options change in it.
    pub(crate) fn profile(&self) -> Result<Profile, Failure> {
        self.board.profile()
    }

    /// The seed of one of several modules.
    pub(crate) fn seed_of(&self, index: Option<usize>) -> u64 {
        self.board.seed.wrapping_add(index.unwrap_or(0) as u64)
    }

    /// The module and what serves it. Of several modules (`index`), each has files of its own: `FILE-0`, `FILE-1`...
    pub(crate) fn build(
        &self,
        profile: &Profile,
        index: Option<usize>,
    ) -> Result<(Module, PortOptions), Failure> {
        let levels = pins(profile.wiring, profile.boot, ModemLines::default());
        let mut builder =
            self.board.module(profile, self.seed_of(index))?.boot_high(levels.boot_high).start(self.start);
        let mut memories = HeldMemories::default();
        if let Some(path) = &self.flash {
            let (file, contents) = open_flash(&numbered(path, index), profile.flash_part.capacity_bytes)?;
            memories.flash = Some(file);
            builder = builder.flash(contents);
        }
        if let Some(path) = &self.efuse {
            let (file, fuses) = open_efuse(&numbered(path, index), &profile.efuse)?;
            memories.efuse = Some(file);
            builder = builder.efuse(fuses);
        }
        let recorder = match &self.record {
            Some(path) => Some(Recorder::create(&numbered(path, index), &profile.name)?),
            None => None,
        };
        let options = PortOptions {
            pace: self.pace,
            latency: self.latency,
            memories,
            recorder,
            wiring: Some(profile.wiring),
            boot: Some(profile.boot),
            invert: self.board.invert(),
            driver: None,
            observer: None,
        };
        Ok((builder.build(), options))
    }
}

/// `PATH` for a single module, `PATH-3` for number 3 of several.
pub(crate) fn numbered(path: &Path, index: Option<usize>) -> PathBuf {
    let Some(index) = index else { return path.to_owned() };
    let mut name = OsString::from(path);
    name.push(format!("-{index}"));
    PathBuf::from(name)
}

/// A word with a separator or a TOML ending is a file, anything else a name.
fn load_profile(word: &str) -> Result<Profile, Failure> {
    let path = Path::new(word);
    if !word.contains('/') && path.extension().is_none_or(|extension| extension != "toml") {
        return Ok(Profile::builtin(word)?);
    }
    let text = std::fs::read_to_string(path).map_err(|error| {
        let known = Profile::names().collect::<Vec<_>>().join(", ");
        Failure::usage(
            format!("cannot read the profile {path:?}: {error}"),
            format!("built-in profiles: {known}"),
        )
    })?;
    Profile::from_toml(&text).map_err(|error| {
        Failure::usage(
            format!("{path:?}: {error}"),
            "fixtures/profiles/xt-zb2.toml in the sources shows every field",
        )
    })
}

/// The words of an option and their meanings.
fn words<T: Copy + Send + Sync + 'static>(
    table: &'static [(&'static str, T)],
) -> impl TypedValueParser<Value = T> {
    PossibleValuesParser::new(table.iter().map(|(word, _)| *word)).try_map(|given| {
        table.iter().find(|(word, _)| *word == given).map(|(_, value)| *value).ok_or("unknown word")
    })
}

fn pace_parser() -> impl TypedValueParser<Value = Pace> {
    words(&[("wire", Pace::Wire), ("none", Pace::None)])
}

fn boot_parser() -> impl TypedValueParser<Value = Boot> {
    words(&[("high", Boot::High), ("low", Boot::Low), ("dtr", Boot::Dtr), ("rts", Boot::Rts)])
}

fn wiring_parser() -> impl TypedValueParser<Value = Wiring> {
    words(&[("rts-en", Wiring::RtsEn), ("dtr-en", Wiring::DtrEn), ("none", Wiring::None)])
}

pub(crate) fn start_parser() -> impl TypedValueParser<Value = Start> {
    words(&[("rom", Start::Rom), ("loader", Start::Loader)])
}

fn flash_speed_parser() -> impl TypedValueParser<Value = FlashSpeed> {
    words(&[("typical", FlashSpeed::Typical), ("worst", FlashSpeed::Worst)])
}
