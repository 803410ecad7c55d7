//! The device seam: what is wrong with the chip, its fuses or its flash.
//!
//! A fault of the flash is the flash's own ([`Flash::arm`](crate::flash::Flash)); the others stand here, and the programs of
//! the chip ask where a state would make a difference. Whoever asks makes the fault fire: a state once, when it is first
//! consulted; a failure each time.

use bl702_protocol::time::Nanos;

use super::effect::DeviceEffect;
use super::frame::addresses;
use super::trigger::{Armed, FaultStatus, Occasion};
use crate::chip::Chip;
use crate::event::Stage;
use crate::flash::{self, FlashPart};
use crate::registers::Registers;

/// The image byte of the vendor's loaders that names their clock (`reference/loader-protocol.md` section 1): 2 = the chip's RC
/// oscillator, 1 = the crystal.
const LOADER_CLOCK_OFFSET: u32 = 0xe0;
const LOADER_CLOCK_RC: u8 = 2;

/// Words for what runs, in the reasons below.
pub(crate) const HANG: &str = "the RAM loader hangs in a command";
const PLL: &str = "the program waits for ever for the PLL to lock";
const CRYSTAL: &str = "the program waits for ever for the crystal to oscillate";

/// The device faults of one module outside its flash; empty for nearly all modules.
#[derive(Debug, Default)]
pub(crate) struct DeviceFaults {
    armed: Vec<Armed<DeviceEffect>>,
}

impl DeviceFaults {
    /// Arms a fault, before power-up or on a running module.
    pub(crate) fn arm(chip: &mut Chip, fault: Armed<DeviceEffect>) {
        match &fault.effect {
            DeviceEffect::FlashPart { part } => {
                if let Some(part) = FlashPart::by_name(part) {
                    let flash = chip.profile.flash_of(part);
                    chip.flash.refit(flash);
                }
            }
            DeviceEffect::Fuses { offset, bits } => chip.otp.add_at_factory(*offset, *bits),
            _ => {}
        }
        if flash::concerns_the_part(&fault.effect) {
            chip.flash.arm(fault);
        } else {
            chip.faults.armed.push(fault);
        }
    }

    /// All of them.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Armed<DeviceEffect>> {
        self.armed.iter_mut()
    }

    /// All of them, to look at.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Armed<DeviceEffect>> {
        self.armed.iter()
    }

    /// Lines of the report, with their places in it.
    pub(crate) fn statuses(&self) -> impl Iterator<Item = (usize, FaultStatus)> + '_ {
        self.armed.iter().map(|fault| fault.status("device"))
    }

    /// Whether a state of this effect holds on an occasion; it is consulted.
    fn holds(
        &mut self,
        occasion: &Occasion,
        wanted: impl Fn(&DeviceEffect) -> bool,
        on: impl Fn() -> String,
    ) -> bool {
        let mut holds = false;
        for fault in self.armed.iter_mut().filter(|fault| wanted(&fault.effect)) {
            if fault.admits(occasion) {
                fault.consult(occasion.at, &on);
                holds = true;
            }
        }
        holds
    }

    /// A program makes use of bits of a fuse word: of those of `mask`.
    pub(crate) fn fuses_used(&mut self, at: Nanos, stage: Stage, offset: u8, mask: u32, on: &str) {
        let occasion = Occasion {
            at,
            stage: Some(stage),
            address: Some((u64::from(offset), u64::from(offset) + 4)),
            ..Occasion::default()
        };
        let concerned = |effect: &DeviceEffect| matches!(effect, DeviceEffect::Fuses { offset: word, bits } if *word == offset && bits & mask != 0);
        self.holds(&occasion, concerned, || on.to_owned());
    }

    /// All fuse words of a range are read.
    pub(crate) fn fuses_read(&mut self, at: Nanos, stage: Stage, range: std::ops::Range<usize>) {
        if !self.armed.is_empty() {
            for offset in range.step_by(4) {
                let on = format!(
                    "the {}",
                    if stage == Stage::Rom { "boot ROM reading fuses" } else { "RAM loader reading fuses" }
                );
                self.fuses_used(at, stage, (offset & !3) as u8, u32::MAX, &on);
            }
        }
    }

    /// Whether the RAM loader is kept from knowing the flash.
    pub(crate) fn flash_unknown(&mut self, at: Nanos) -> bool {
        let occasion = Occasion { at, stage: Some(Stage::Loader), ..Occasion::default() };
        self.holds(
            &occasion,
            |effect| *effect == DeviceEffect::FlashUnknown,
            || "the RAM loader looking for the flash's configuration".to_owned(),
        )
    }
}

impl Chip {
    /// Whether a program that needs the PLL, and the crystal unless it `uses_rc`, hangs, and why.
    pub(crate) fn clock_hangs(&mut self, at: Nanos, uses_rc: bool, who: &str) -> Option<&'static str> {
        let occasion = Occasion { at, ..Occasion::default() };
        let on = || format!("{who} setting its clock");
        if !uses_rc && self.faults.holds(&occasion, |effect| *effect == DeviceEffect::CrystalDead, on) {
            return Some(CRYSTAL);
        }
        self.faults.holds(&occasion, |effect| *effect == DeviceEffect::PllNeverLocks, on).then_some(PLL)
    }

    /// The same for an image in RAM that execution goes to.
    pub(crate) fn image_hangs(&mut self, at: Nanos, address: u32) -> Option<&'static str> {
        let clock = self.ram.read_byte((address & !1).wrapping_add(LOADER_CLOCK_OFFSET));
        self.clock_hangs(at, clock == Some(LOADER_CLOCK_RC), "the RAM loader")
    }

    /// Whether the RAM loader hangs in this command.
    pub(crate) fn loader_hangs(&mut self, at: Nanos, id: u8, payload: &[u8]) -> bool {
        let stage = Stage::Loader;
        let occasion = Occasion {
            at,
            stage: Some(stage),
            command: Some(id),
            address: addresses(stage, id, payload),
            ..Occasion::default()
        };
        let mut hangs = false;
        for fault in self.faults.armed.iter_mut().filter(|fault| fault.effect == DeviceEffect::LoaderHangs) {
            if fault.admits(&occasion) {
                fault.fire(at, || format!("command {id:02x}h"));
                hangs = true;
            }
        }
        hangs
    }

    /// What a program reads from a register.
    pub(crate) fn load_register(&mut self, at: Nanos, address: u32) -> u32 {
        let place = u64::from(address);
        let occasion = Occasion { at, address: Some((place, place + 4)), ..Occasion::default() };
        let mut value = self.registers.load(address, &self.otp);
        for fault in &mut self.faults.armed {
            if let DeviceEffect::Register { address: stuck, value: held } = fault.effect
                && stuck == address
                && fault.admits(&occasion)
            {
                value = held;
                fault.consult(at, || format!("reading the register {address:08x}h"));
            }
        }
        if let (true, Some(offset)) = (!self.faults.armed.is_empty(), Registers::fuse_offset(address)) {
            self.faults.fuses_read(at, Stage::Rom, offset..offset + 4);
        }
        value
    }
}

#[cfg(test)]
mod tests;
