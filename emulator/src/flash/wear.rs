//! Arming a part's defects, and how long a driver waits for it.

use std::ops::Range;

use super::defect::Defects;
use super::{Flash, FlashTimes};
use crate::event::Stage;
use crate::fault::{Armed, DeviceEffect, FaultStatus};

impl Flash {
    /// Gives the part a defect; cells and registers that it concerns change at once.
    pub(crate) fn arm(&mut self, fault: Armed<DeviceEffect>) {
        let everything = 0..self.capacity_bytes();
        if fault.effect == DeviceEffect::Protected {
            let area = fault.when.address.map_or(everything.clone(), |span| {
                let clip = |address: u64| address.min(u64::from(everything.end)) as u32;
                clip(span.from)..clip(span.to)
            });
            self.status.lock(area, everything.end);
        }
        self.defects.get_or_insert_default().arm(fault);
        self.after_change(everything);
    }

    /// Fits another part with the same contents, as far as it holds them, and the same defects.
    pub(crate) fn refit(&mut self, part: Flash) {
        let contents = self.dump();
        let (defects, begun) = (self.defects.take(), self.begun.take());
        *self = Flash { defects, begun, ..part };
        self.load(&contents);
    }

    /// Lines of the report on the part's defects, with their places in it.
    pub(crate) fn fault_statuses(&self) -> impl Iterator<Item = (usize, FaultStatus)> + '_ {
        self.defects.iter().flat_map(|defects| defects.iter().map(|fault| fault.status("device")))
    }

    /// The part's defects.
    pub(crate) fn defects_mut(&mut self) -> impl Iterator<Item = &mut Armed<DeviceEffect>> {
        self.defects.iter_mut().flat_map(|defects| Defects::iter_mut(defects))
    }

    /// Who uses the part from now on, and for which command: what conditions of faults name.
    pub(crate) fn set_user(&mut self, stage: Stage, command: u8) {
        if let Some(defects) = &mut self.defects {
            defects.set_user(stage, command);
        }
    }

    /// The cells of `range` were changed: stuck ones are as they were.
    pub(super) fn after_change(&mut self, range: Range<u32>) {
        if let Some(defects) = &self.defects {
            defects.force_stuck(&mut self.array, range);
        }
    }
}

/// How long the vendor's driver waits for the part, in microseconds: 450 ms for a sector, 1.8 s for a block, 10 ms for a
/// page. The configurations of the vendor's image name 300, 1200 and 5 ms
/// ([`FlashConfig`](bl702_protocol::image::flash_config::FlashConfig)), and the chip erase shows how the driver counts: one and
/// a half times its limit. That the smaller units are counted alike, and a page at twice its limit, is assumed. So is that a
/// part which takes just the time that its profile gives is always waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience(pub(super) FlashTimes);

const SECTOR_US: u64 = 450_000;
const BLOCK_US: u64 = 1_800_000;
const PAGE_US: u64 = 10_000;
const CHIP_US: u64 = 49_500_000;

impl Patience {
    pub(super) fn page_us(self) -> u64 {
        PAGE_US.max(self.0.page_program_us)
    }

    pub(super) fn unit_us(self, took_us: u64, bytes: u32) -> u64 {
        let limit_us = if bytes == 0x1000 { SECTOR_US } else { BLOCK_US };
        limit_us.max(took_us)
    }

    pub(super) fn chip_us(self, took_us: u64) -> u64 {
        CHIP_US.max(took_us)
    }
}
