//! A module in this process, in virtual time.

use std::fmt;

use bl702_emulator::fault::catalogue;
use bl702_emulator::module::Module;
use bl702_emulator::profile::{Boot, Profile};
use bl702_flasher::port::Port;
use bl702_flasher::port::emulated::EmulatedPort;

use super::{Lacks, Setup, Target, Unready};

/// The rate of the port before somebody sets one.
const BAUD_BPS: u32 = 500_000;

/// An emulated module at the flasher's own emulated port.
pub struct EmulatedTarget {
    port: EmulatedPort,
    chip_id: String,
    capacity_bytes: usize,
}

impl EmulatedTarget {
    /// Powers one up.
    ///
    /// # Panics
    /// If there is no such profile or fault.
    pub fn power_up(setup: &Setup) -> EmulatedTarget {
        let mut profile = Profile::builtin(&setup.profile).unwrap_or_else(|error| panic!("{error}"));
        profile.boot = setup.boot;
        profile.wiring = setup.wiring;
        let chip_id = super::chip_id(&setup.fuses.unwrap_or(profile.efuse));
        let capacity_bytes = profile.flash_part.capacity_bytes as usize;
        // Lines are released until the host asserts them.
        let mut builder = Module::builder(profile)
            .boot_high(setup.boot != Boot::Low)
            .start(setup.start)
            .flash(setup.flash.clone().unwrap_or_default());
        if let Some(fuses) = setup.fuses {
            builder = builder.efuse(fuses);
        }
        for name in &setup.faults {
            builder = builder.faults(catalogue::load(name).unwrap_or_else(|error| panic!("{error}")));
        }
        let mut port = EmulatedPort::new(builder.build(), BAUD_BPS);
        port.set_inverted(setup.invert).unwrap_or_else(|error| panic!("{error}"));
        EmulatedTarget { port, chip_id, capacity_bytes }
    }

    fn module(&mut self) -> &mut Module {
        self.port.module_mut()
    }
}

impl Target for EmulatedTarget {
    fn name(&self) -> String {
        "the emulated module".to_owned()
    }

    fn port(&mut self) -> &mut dyn Port {
        &mut self.port
    }

    fn flash(&mut self) -> Result<Vec<u8>, Unready> {
        Ok(self.port.module().flash().dump())
    }

    fn burnt_fuses(&mut self) -> Result<u32, Unready> {
        Ok(self.port.module().otp().burn_count())
    }

    fn chip_id(&mut self) -> String {
        self.chip_id.clone()
    }

    fn capacity_bytes(&mut self) -> usize {
        self.capacity_bytes
    }

    fn set_enable(&mut self, high: bool) -> Result<(), Unready> {
        let now = self.port.now();
        self.module().set_enable(now, high);
        Ok(())
    }

    fn set_boot(&mut self, high: bool) -> Result<(), Unready> {
        let now = self.port.now();
        self.module().set_boot(now, high);
        Ok(())
    }

    fn set_power(&mut self, on: bool) -> Result<(), Unready> {
        let now = self.port.now();
        self.module().set_power(now, on);
        Ok(())
    }

    fn module_mut(&mut self) -> Result<&mut Module, Lacks> {
        Ok(self.module())
    }
}

impl fmt::Debug for EmulatedTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let module = self.port.module();
        write!(f, "emulated module at {}: {:?}, ", module.now(), module.running())?;
        write!(f, "EN {}, BOOT {}", level(module.enable_high()), level(module.boot_high()))
    }
}

fn level(high: bool) -> &'static str {
    if high { "high" } else { "low" }
}
