//! The module under test, and what a bench can do to it.
//!
//! Steps speak to a [`Target`]: bytes and modem lines go through its [`Port`], and what only hands or instruments can
//! do (pins, power, looking into the flash) through the other methods. A target that cannot do a thing says so with
//! [`Lacks`]; the scenario is then skipped and the reason reported.

mod emulated;
mod process;

use std::fmt;

use bl702_emulator::module::{Module, Start};
use bl702_emulator::profile::{Boot, Wiring};
use bl702_flasher::port::Port;
use bl702_flasher::reset;

use crate::programs::Killer;

pub use emulated::EmulatedTarget;
pub use process::ProcessTarget;

/// What a scenario may need of a bench beyond a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capability {
    /// To set the level of EN.
    EnablePin,
    /// To set the level of BOOT.
    BootPin,
    /// To switch the supply.
    Power,
    /// A board of another kind, or one with other fuses.
    OtherBoard,
    /// Failures that are injected into the module.
    Faults,
    /// A module that lives in a process that can be killed.
    Kill,
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Capability::EnablePin => "set the level of EN",
            Capability::BootPin => "set the level of BOOT",
            Capability::Power => "switch the supply",
            Capability::OtherBoard => "be another board, or one with other fuses",
            Capability::Faults => "be given failures",
            Capability::Kill => "be killed and started again",
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
    /// What the flash holds; the rest is erased.
    pub flash: Vec<u8>,
    /// What BOOT follows.
    pub boot: Boot,
    /// Which modem line drives EN.
    pub wiring: Wiring,
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
            flash: Vec::new(),
            boot: Boot::High,
            wiring: Wiring::None,
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

/// A module on a bench.
pub trait Target: fmt::Debug {
    /// Name for reports.
    fn name(&self) -> String;

    /// The serial port that leads to it.
    fn port(&mut self) -> &mut dyn Port;

    /// What its flash holds.
    fn flash(&mut self) -> Vec<u8>;

    /// How many fuses were burnt since the scenario began.
    fn burnt_fuses(&mut self) -> u32;

    /// Sets the level of EN.
    ///
    /// # Errors
    /// [`Lacks`]
    fn set_enable(&mut self, high: bool) -> Result<(), Lacks> {
        let _ = high;
        Err(self.lacks(Capability::EnablePin))
    }

    /// Sets the level of BOOT.
    ///
    /// # Errors
    /// [`Lacks`]
    fn set_boot(&mut self, high: bool) -> Result<(), Lacks> {
        let _ = high;
        Err(self.lacks(Capability::BootPin))
    }

    /// Switches the supply.
    ///
    /// # Errors
    /// [`Lacks`]
    fn set_power(&mut self, on: bool) -> Result<(), Lacks> {
        let _ = on;
        Err(self.lacks(Capability::Power))
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

/// Powers up what a scenario begins with.
///
/// # Errors
/// [`Lacks`]
pub fn power_up(setup: &Setup) -> Result<Box<dyn Target>, Lacks> {
    match setup.place {
        Place::Here => Ok(Box::new(EmulatedTarget::power_up(setup))),
        Place::OwnProcess => Ok(Box::new(ProcessTarget::power_up(setup)?)),
    }
}
