//! The module under test, and what a bench can do to it.
//!
//! Steps speak to a [`Target`]: bytes and modem lines go through its [`Port`], and what only hands or instruments can
//! do (pins, power, looking into the flash) through the other methods. A target that cannot do a thing says so with
//! [`Lacks`]; the scenario is then skipped and the reason reported.

mod emulated;
mod hardware;
mod process;

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use bl702_emulator::module::{Module, Start};
use bl702_emulator::profile::{Boot, Profile, Wiring};
use bl702_flasher::loader::LoaderImage;
use bl702_flasher::port::Port;
use bl702_flasher::reset;
use bl702_protocol::efuse::{Efuse, LockKind, offset};

use crate::hardware::bench::Bench;
use crate::hardware::store::hex;
use crate::images;
use crate::programs::Killer;

pub use emulated::EmulatedTarget;
pub use hardware::HardwareTarget;
pub use process::ProcessTarget;

/// What a scenario may need of a bench beyond a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capability {
    /// To set the level of EN.
    EnablePin,
    /// To set the level of BOOT.
    BootPin,
    /// An adapter that inverts its lines.
    Inversion,
    /// To switch the supply.
    Power,
    /// A board of another kind, or one with other fuses.
    OtherBoard,
    /// Failures that are injected into the module.
    Faults,
    /// A module that lives in a process that can be killed.
    Kill,
    /// Commands that burn fuses.
    Burning,
    /// Fuses that are not burnt yet.
    BlankFuses,
    /// A MAC address that cannot be burnt any further.
    LockedMac,
    /// A rate.
    Rate {
        /// Which.
        baud_bps: u32,
    },
    /// Things done within a millisecond of each other.
    Prompt,
    /// A firmware that is made up: a chip cannot run it.
    MadeUpFirmware,
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Capability::Rate { baud_bps } => return write!(f, "go at {baud_bps} baud"),
            Capability::EnablePin => "set the level of EN",
            Capability::BootPin => "set the level of BOOT",
            Capability::Inversion => "invert the lines of its adapter",
            Capability::MadeUpFirmware => "run a firmware that is made up",
            Capability::Power => "switch the supply",
            Capability::OtherBoard => "be another board, or one with other fuses",
            Capability::Faults => "be given failures",
            Capability::Kill => "be killed and started again",
            Capability::Burning => {
                "be sent commands that burn fuses, as its chip id is not marked as sacrificial"
            }
            Capability::BlankFuses => "offer blank fuses: they are burnt already",
            Capability::LockedMac => "offer a MAC address that is write-locked",
            Capability::Prompt => "do two things within a millisecond",
        })
    }
}

/// The target cannot do what a step needs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{target} cannot {capability}")]
pub struct Lacks {
    /// Which target.
    pub target: String,
    /// What it cannot.
    pub capability: Capability,
}

/// Why a target does not do what a step asks for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unready {
    /// It never can: the scenario is skipped.
    #[error(transparent)]
    Lacks(#[from] Lacks),
    /// It should, but something went wrong: the scenario fails.
    #[error("{0}")]
    Failed(String),
}

/// The rates at which a target is spoken to if a scenario does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    /// Rate for the boot ROM.
    pub boot_baud_bps: u32,
    /// Rate for the RAM loader.
    pub baud_bps: u32,
}

/// Where the module of a scenario lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// In this process, in virtual time.
    #[default]
    Here,
    /// In a process of its own, behind a pty.
    OwnProcess,
}

/// The state a scenario begins with.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Modes of failure, by their names in the emulator's catalogue.
    pub faults: Vec<String>,
    /// Profile of the board.
    pub profile: String,
    /// Fuses other than the profile's.
    pub fuses: Option<[u8; 128]>,
    /// What the flash holds, the rest erased; nothing where the scenario does not care.
    pub flash: Option<Vec<u8>>,
    /// Whether commands that burn fuses are sent (`@burns`).
    pub burns: bool,
    /// Fuses that must not be burnt yet, as bytes.
    pub blank_fuses: Vec<Range<usize>>,
    /// Whether the fuses of the MAC address must be locked against burning.
    pub locked_mac: bool,
    /// What BOOT follows.
    pub boot: Boot,
    /// Which modem line drives EN.
    pub wiring: Wiring,
    /// Lines that the adapter inverts.
    pub invert: reset::Lines,
    /// What runs first.
    pub start: Start,
    /// Where it lives.
    pub place: Place,
}

impl Default for Setup {
    fn default() -> Setup {
        Setup {
            faults: Vec::new(),
            profile: "xt-zb2".to_owned(),
            fuses: None,
            flash: None,
            burns: false,
            blank_fuses: Vec::new(),
            locked_mac: false,
            boot: Boot::High,
            wiring: Wiring::None,
            invert: reset::Lines::default(),
            start: Start::Rom,
            place: Place::Here,
        }
    }
}

impl Setup {
    /// The wiring as the flasher names it.
    pub fn host_wiring(&self) -> reset::Wiring {
        match self.wiring {
            Wiring::RtsEn => reset::Wiring::RtsEn,
            Wiring::DtrEn => reset::Wiring::DtrEn,
            Wiring::None => reset::Wiring::None,
        }
    }
}

/// What was seen, at the beginning, of a module that is known through its port only.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Its fuses.
    pub fuses: [u8; 128],
    /// Whether its flash holds what the set-up says, and not what was left in it.
    pub flash_is_known: bool,
}

/// A module on a bench.
pub trait Target: fmt::Debug {
    /// Name for reports.
    fn name(&self) -> String;

    /// The serial port that leads to it.
    fn port(&mut self) -> &mut dyn Port;

    /// What its flash holds. On a bench the module is restarted to find out.
    ///
    /// # Errors
    /// [`Unready`]
    fn flash(&mut self) -> Result<Vec<u8>, Unready>;

    /// How many fuses were burnt since the scenario began. On a bench the module is restarted to find out.
    ///
    /// # Errors
    /// [`Unready`]
    fn burnt_fuses(&mut self) -> Result<u32, Unready>;

    /// The chip id, 16 hex digits.
    fn chip_id(&mut self) -> String;

    /// Size of its flash.
    fn capacity_bytes(&mut self) -> usize;

    /// The RAM loader that it runs.
    ///
    /// # Panics
    /// If the image cannot be read.
    fn loader(&self) -> Arc<LoaderImage> {
        let file = images::made_up_loader();
        Arc::new(LoaderImage::from_file(&file).expect("the fixture is a loader image"))
    }

    /// The rates at which it is spoken to if the scenario does not say.
    fn rates(&self) -> Rates {
        Rates { boot_baud_bps: 500_000, baud_bps: 2_000_000 }
    }

    /// Whether the port can go at a rate.
    ///
    /// # Errors
    /// [`Lacks`]
    fn check_rate(&self, baud_bps: u32) -> Result<(), Lacks> {
        let _ = baud_bps;
        Ok(())
    }

    /// Whether a made-up firmware runs on it and prints its log.
    ///
    /// # Errors
    /// [`Lacks`]
    fn check_firmware(&self) -> Result<(), Lacks> {
        Ok(())
    }

    /// Whether two things can be done within a millisecond of each other.
    ///
    /// # Errors
    /// [`Lacks`]
    fn check_prompt(&self) -> Result<(), Lacks> {
        Ok(())
    }

    /// What was seen of a module that is known through its port only; it is restarted each time somebody looks into its
    /// flash or fuses.
    fn seen(&self) -> Option<Seen> {
        None
    }

    /// How it was brought to what the scenario begins with.
    fn story(&self) -> Vec<String> {
        Vec::new()
    }

    /// Sets the level of EN.
    ///
    /// # Errors
    /// [`Unready`]
    fn set_enable(&mut self, high: bool) -> Result<(), Unready> {
        let _ = high;
        Err(self.lacks(Capability::EnablePin).into())
    }

    /// Sets the level of BOOT.
    ///
    /// # Errors
    /// [`Unready`]
    fn set_boot(&mut self, high: bool) -> Result<(), Unready> {
        let _ = high;
        Err(self.lacks(Capability::BootPin).into())
    }

    /// Switches the supply.
    ///
    /// # Errors
    /// [`Unready`]
    fn set_power(&mut self, on: bool) -> Result<(), Unready> {
        let _ = on;
        Err(self.lacks(Capability::Power).into())
    }

    /// The emulated module itself, to inject failures.
    ///
    /// # Errors
    /// [`Lacks`]
    fn module_mut(&mut self) -> Result<&mut Module, Lacks> {
        Err(self.lacks(Capability::Faults))
    }

    /// Something that kills the process the module lives in, without warning, also while the port is in use.
    ///
    /// # Errors
    /// [`Lacks`]
    fn killer(&mut self) -> Result<Killer, Lacks> {
        Err(self.lacks(Capability::Kill))
    }

    /// Starts a new process on the same files after the old one was killed.
    ///
    /// # Errors
    /// [`Lacks`]
    fn restart(&mut self) -> Result<(), Lacks> {
        Err(self.lacks(Capability::Kill))
    }

    /// That this target cannot do something.
    fn lacks(&self, capability: Capability) -> Lacks {
        Lacks { target: self.name(), capability }
    }
}

static BENCH: OnceLock<Arc<Bench>> = OnceLock::new();

/// Has all scenarios of this process run on a bench from now on; without, each gets an emulated module.
///
/// # Errors
/// There is one already.
pub fn use_bench(bench: Bench) -> Result<(), String> {
    BENCH.set(Arc::new(bench)).map_err(|_| "this process has a bench already".to_owned())
}

/// The bench on which the scenarios of this process run, if there is one.
pub fn bench() -> Option<&'static Arc<Bench>> {
    BENCH.get()
}

/// Powers up what a scenario begins with.
///
/// # Errors
/// [`Unready`]
pub fn power_up(setup: &Setup) -> Result<Box<dyn Target>, Unready> {
    if let Some(bench) = bench() {
        return Ok(Box::new(HardwareTarget::power_up(bench, setup)?));
    }
    if setup.invert != reset::Lines::default() && setup.place != Place::Here {
        let target = "a module outside of this process".to_owned();
        return Err(Lacks { target, capability: Capability::Inversion }.into());
    }
    let fuses = fuses(setup)?;
    if let Some(lack) = fuses_lack(setup, &fuses) {
        return Err(Unready::Failed(format!("the board cannot {lack}")));
    }
    match setup.place {
        Place::Here => Ok(Box::new(EmulatedTarget::power_up(setup))),
        Place::OwnProcess => Ok(Box::new(ProcessTarget::power_up(setup)?)),
    }
}

/// The fuses of an emulated module at the beginning.
fn fuses(setup: &Setup) -> Result<[u8; 128], Unready> {
    let profile = Profile::builtin(&setup.profile).map_err(|error| Unready::Failed(error.to_string()))?;
    Ok(setup.fuses.unwrap_or(profile.efuse))
}

/// What these fuses cannot offer that a scenario begins with.
fn fuses_lack(setup: &Setup, fuses: &[u8; 128]) -> Option<Capability> {
    if setup.blank_fuses.iter().flat_map(Clone::clone).any(|at| fuses[at] != 0) {
        return Some(Capability::BlankFuses);
    }
    let is_locked = |at| Efuse(*fuses).byte_is_locked(LockKind::Write, at);
    (setup.locked_mac && !(offset::MAC..offset::MAC + 8).all(is_locked)).then_some(Capability::LockedMac)
}

/// The chip id that stands in these fuses (eFuse 14h to 1Bh).
fn chip_id(fuses: &[u8]) -> String {
    hex(&fuses[0x14..0x1c])
}
