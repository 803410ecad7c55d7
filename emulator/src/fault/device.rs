//! The device seam: what is wrong with the chip, its fuses or its flash.
//!
//! A program of the chip asks here, or the flash does what was set in it when the fault was armed. Whoever makes the
//! difference calls [`Armed::consult`] (a state) or [`Armed::fire`] (one failure among many).

use super::effect::DeviceEffect;
use super::trigger::{Armed, FaultStatus};
use crate::chip::Chip;

/// The device faults of one module; empty for nearly all modules.
#[derive(Debug, Default)]
pub(crate) struct DeviceFaults {
    armed: Vec<Armed<DeviceEffect>>,
}

impl DeviceFaults {
    /// Arms a fault, before power-up or on a running module.
    pub(crate) fn arm(chip: &mut Chip, fault: Armed<DeviceEffect>) {
        chip.faults.armed.push(fault);
    }

    /// Nothing is wrong.
    pub(crate) fn is_empty(&self) -> bool {
        self.armed.is_empty()
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
}
