//! The faults of one module between its pins and the host: line and power. Those inside the chip are in the chip.

use super::device::DeviceFaults;
use super::effect::{Effect, LineEffect, PowerEffect};
use super::plan::FaultPlan;
use super::trigger::{Armed, FaultReport, FaultStatus};
use crate::chip::Chip;
use crate::event::Event;

/// What is armed outside the chip.
#[derive(Debug, Default)]
pub(crate) struct Engine {
    pub(super) line: Vec<Armed<LineEffect>>,
    pub(super) power: Vec<Armed<PowerEffect>>,
    armed: usize,
}

impl Engine {
    /// Arms every fault of a plan besides those that are armed.
    pub(crate) fn arm(&mut self, chip: &mut Chip, plan: &FaultPlan, seed: u64) {
        for fault in &plan.faults {
            let (index, name, when) = (self.armed, fault.title(), fault.when.clone());
            self.armed += 1;
            match fault.effect.clone() {
                Effect::Line(effect) => self.line.push(Armed::new(index, name, effect, when, seed)),
                Effect::Power(effect) => self.power.push(Armed::new(index, name, effect, when, seed)),
                Effect::Frame(effect) => {
                    chip.frames.get_or_insert_default().arm(Armed::new(index, name, effect, when, seed));
                }
                Effect::Device(effect) => {
                    DeviceFaults::arm(chip, Armed::new(index, name, effect, when, seed));
                }
            }
        }
    }

    /// What became of all of them.
    pub(crate) fn report(&self, chip: &Chip) -> FaultReport {
        let mut faults: Vec<(usize, FaultStatus)> =
            self.line.iter().map(|fault| fault.status("line")).collect();
        faults.extend(self.power.iter().map(|fault| fault.status("power")));
        faults.extend(chip.frames.iter().flat_map(|frames| frames.statuses()));
        faults.extend(chip.faults.statuses());
        faults.sort_by_key(|(index, _)| *index);
        FaultReport { faults: faults.into_iter().map(|(_, status)| status).collect() }
    }

    /// Tells of what fired since the last call.
    pub(crate) fn tell(&mut self, chip: &mut Chip) {
        let mut fired = Vec::new();
        fn collect<E>(
            fired: &mut Vec<(bl702_protocol::time::Nanos, Event)>,
            seam: &'static str,
            fault: &mut Armed<E>,
        ) {
            for (at, on) in fault.take_fired() {
                fired.push((at, Event::FaultFired { name: fault.name.clone(), seam, on }));
            }
        }
        self.line.iter_mut().for_each(|fault| collect(&mut fired, "line", fault));
        self.power.iter_mut().for_each(|fault| collect(&mut fired, "power", fault));
        if let Some(frames) = &mut chip.frames {
            frames.iter_mut().for_each(|fault| collect(&mut fired, "frame", fault));
        }
        chip.faults.iter_mut().for_each(|fault| collect(&mut fired, "device", fault));
        for (at, event) in fired {
            chip.emit(at, event);
        }
    }
}
