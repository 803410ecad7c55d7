//! Device faults at the pins: BOOT, EN, and a RAM loader that somebody else has left running.

use bl702_protocol::time::Nanos;
use rand::Rng;

use super::effect::{DeviceEffect, FloatOr};
use super::trigger::Armed;
use crate::chip::Chip;

impl Chip {
    /// The level that the boot ROM finds when it samples the BOOT pin at `at`.
    pub(crate) fn sample_boot(&mut self, at: Nanos) -> bool {
        let wired = self.boot_high;
        let Some((fault, level)) = self.boot_pin_fault() else { return wired };
        let high = match level {
            FloatOr::High => true,
            FloatOr::Low => false,
            FloatOr::Floating => fault.rng().next_u32() & 1 == 1,
        };
        fault.consult(at, || format!("the boot ROM samples BOOT: {}", if high { "high" } else { "low" }));
        high
    }

    /// The level of BOOT when something drives it to `high`.
    pub(crate) fn boot_level(&mut self, high: bool) -> bool {
        match self.boot_pin_fault() {
            Some((_, FloatOr::High)) => true,
            Some((_, FloatOr::Low)) => false,
            Some((_, FloatOr::Floating)) | None => high,
        }
    }

    fn boot_pin_fault(&mut self) -> Option<(&mut Armed<DeviceEffect>, FloatOr)> {
        self.faults.iter_mut().find_map(|fault| match fault.effect {
            DeviceEffect::BootPin { level } => Some((fault, level)),
            _ => None,
        })
    }

    /// Whether a fault holds EN low.
    pub(crate) fn enable_is_held(&self) -> bool {
        self.faults.iter().any(|fault| fault.effect == DeviceEffect::EnableHeld)
    }

    /// EN or a byte that comes finds EN held low.
    pub(crate) fn miss_enable(&mut self, at: Nanos, what: &str) {
        if let Some(fault) = self.faults.iter_mut().find(|fault| fault.effect == DeviceEffect::EnableHeld) {
            fault.consult(at, || what.to_owned());
        }
    }

    /// Whether the RAM loader runs from the beginning.
    pub(crate) fn starts_with_loader(&self) -> bool {
        self.faults.iter().any(|fault| fault.effect == DeviceEffect::LoaderRuns)
    }

    /// Bytes come to a RAM loader that was there from the beginning.
    pub(crate) fn meet_loader(&mut self, at: Nanos) {
        if let Some(fault) = self.faults.iter_mut().find(|fault| fault.effect == DeviceEffect::LoaderRuns) {
            fault.consult(at, || "bytes come to a RAM loader that was running already".to_owned());
        }
    }
}
