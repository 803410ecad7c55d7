//! What is wrong with a flash: the device faults that concern the part, and what they make of each thing asked of it.
//!
//! The part keeps its cells and registers; what is asked of it passes here first. A fault is consulted where it makes a
//! difference and nowhere else, so that the report of what fired tells when that was.

use std::ops::Range;

use bl702_protocol::time::Nanos;
use rand::Rng;

use super::array::{Array, SECTOR_BYTES};
use crate::event::Stage;
use crate::fault::{Armed, DeviceEffect, LineLevel, Occasion};

/// What kind of operation is about to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// One page (or part of it) is programmed.
    Page,
    /// 4, 32 or 64 KiB are erased.
    Unit,
    /// Everything is erased.
    Chip,
    /// Status registers are written.
    Status,
}

impl Kind {
    fn in_words(self, (from, to): (u64, u64)) -> String {
        match self {
            Kind::Page => format!("programming {from:#x}..{to:#x}"),
            Kind::Unit => format!("erasing {from:#x}..{to:#x}"),
            Kind::Chip => "erasing the chip".to_owned(),
            Kind::Status => "writing a status register".to_owned(),
        }
    }
}

/// What becomes of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fate {
    /// The write enable latch sets; else the part does nothing at all.
    pub(super) enabled: bool,
    /// The cells (or registers) change.
    pub(super) works: bool,
    /// The part never tells that it is ready while the driver asks.
    pub(super) fails: bool,
    /// How long the part is busy.
    pub(super) took: Nanos,
}

impl Fate {
    /// Nothing is wrong.
    pub(super) fn healthy(took: Nanos) -> Fate {
        Fate { enabled: true, works: true, fails: false, took }
    }
}

/// Whether a fault of this effect is the flash's business.
pub(crate) fn concerns_the_part(effect: &DeviceEffect) -> bool {
    use DeviceEffect as E;
    matches!(
        effect,
        E::FlashDead { .. }
            | E::FlashPart { .. }
            | E::JedecId { .. }
            | E::Protected
            | E::WeakBits { .. }
            | E::StuckBits { .. }
            | E::Worn { .. }
            | E::WornProgram { .. }
            | E::ProgramFails
            | E::EraseFails
            | E::StaysBusy
            | E::WriteEnableFails
            | E::StatusReadFails
            | E::StatusWriteFails
            | E::ProgramLies
            | E::EraseLies
            | E::SlowErase { .. }
            | E::SlowProgram { .. }
    )
}

/// The defects of one part.
#[derive(Clone, Debug, Default)]
pub(super) struct Defects {
    armed: Vec<Armed<DeviceEffect>>,
    stage: Option<Stage>,
    command: Option<u8>,
}

impl Defects {
    pub(super) fn arm(&mut self, fault: Armed<DeviceEffect>) {
        self.armed.push(fault);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Armed<DeviceEffect>> {
        self.armed.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Armed<DeviceEffect>> {
        self.armed.iter_mut()
    }

    /// Who uses the part, and for which command.
    pub(super) fn set_user(&mut self, stage: Stage, command: u8) {
        (self.stage, self.command) = (Some(stage), Some(command));
    }

    fn occasion(&self, at: Nanos, address: u32, len: u32) -> Occasion {
        let from = u64::from(address);
        Occasion {
            at,
            stage: self.stage,
            command: self.command,
            address: Some((from, from + u64::from(len))),
            ..Occasion::default()
        }
    }

    /// An operation that would take `took` is about to begin, with a driver that waits no longer than `patience`.
    pub(super) fn begin(
        &mut self,
        at: Nanos,
        kind: Kind,
        (address, len): (u32, u32),
        (took, patience): (Nanos, Nanos),
    ) -> Fate {
        use DeviceEffect as E;
        let occasion = self.occasion(at, address, len);
        let mut fate = Fate::healthy(took);
        for fault in &mut self.armed {
            let concerned = matches!(
                (&fault.effect, kind),
                (E::FlashDead { .. } | E::WriteEnableFails | E::StaysBusy, _)
                    | (E::ProgramFails | E::ProgramLies | E::SlowProgram { .. }, Kind::Page)
                    | (E::EraseFails | E::EraseLies | E::SlowErase { .. }, Kind::Unit | Kind::Chip)
            );
            if !concerned || !fault.admits(&occasion) {
                continue;
            }
            match &fault.effect {
                // All zeros: the latch never reads as set. All ones: it does, and so does BUSY, for ever.
                E::FlashDead { level: LineLevel::Low } | E::WriteEnableFails => fate.enabled = false,
                E::FlashDead { level: LineLevel::High } | E::ProgramFails | E::EraseFails => {
                    (fate.works, fate.fails) = (false, true);
                }
                // The part goes on in vain until its supply is taken away.
                E::StaysBusy => (fate.works, fate.took) = (false, Nanos::MAX),
                E::SlowProgram { factor } | E::SlowErase { factor } => {
                    fate.took = fate.took * u64::from(*factor);
                }
                _ => fate.works = false,
            }
            let on = || kind.in_words(occasion.address.unwrap_or_default());
            match fault.effect {
                E::FlashDead { .. } => fault.consult(at, on),
                _ => fault.fire(at, on),
            }
        }
        if fate.fails {
            fate.took = fate.took.max(patience);
        }
        fate
    }

    /// Block protection keeps something away from the cells.
    pub(super) fn note_protected(&mut self, at: Nanos, kind: Kind, address: u32, len: u32) {
        let occasion = self.occasion(at, address, len);
        for fault in self.armed.iter_mut().filter(|fault| fault.effect == DeviceEffect::Protected) {
            fault.consult(at, || format!("{}: ignored", kind.in_words(occasion.address.unwrap_or_default())));
        }
    }

    /// The cells that an erase of `range` leaves at 0: addresses and the bits concerned.
    pub(super) fn unerased(&mut self, at: Nanos, range: Range<u32>) -> Vec<(u32, u8)> {
        let mut left = Vec::new();
        for sector in range.step_by(SECTOR_BYTES) {
            let occasion = self.occasion(at, sector, SECTOR_BYTES as u32);
            for fault in &mut self.armed {
                let DeviceEffect::Worn { bits } = fault.effect else { continue };
                if fault.admits(&occasion) {
                    left.extend(tired_bits(fault, bits, sector, SECTOR_BYTES));
                    fault.fire(at, || format!("erasing the sector at {sector:#x}"));
                }
            }
        }
        left
    }

    /// Takes from a page the bits that will not go to 0.
    pub(super) fn leave_unprogrammed(&mut self, at: Nanos, page_bytes: u32, address: u32, bytes: &mut [u8]) {
        let page = address / page_bytes * page_bytes;
        let occasion = self.occasion(at, address, bytes.len() as u32);
        for fault in &mut self.armed {
            let DeviceEffect::WornProgram { bits } = fault.effect else { continue };
            if !fault.admits(&occasion) {
                continue;
            }
            for (cell, mask) in tired_bits(fault, bits, page, page_bytes as usize) {
                if let Some(byte) = cell.checked_sub(address).and_then(|at| bytes.get_mut(at as usize)) {
                    *byte |= mask;
                }
            }
            fault.fire(at, || Kind::Page.in_words(occasion.address.unwrap_or_default()));
        }
    }

    /// Puts stuck cells of a range back to what they are stuck at.
    pub(super) fn force_stuck(&self, array: &mut Array, range: Range<u32>) {
        for fault in &self.armed {
            if let DeviceEffect::StuckBits { mask, ones } = fault.effect {
                array.force(place_of(fault, &range), mask, ones);
            }
        }
    }

    /// Stuck cells are among those that are read, programmed or erased.
    pub(super) fn note_stuck(&mut self, at: Nanos, what: &str, range: &Range<u32>) {
        for fault in &mut self.armed {
            if matches!(fault.effect, DeviceEffect::StuckBits { .. }) {
                let place = place_of(fault, range);
                if !place.is_empty() {
                    fault.consult(at, || format!("{what} {:#x}..{:#x}", place.start, place.end));
                }
            }
        }
    }

    /// What is read instead of the cells, if the bus is dead.
    pub(super) fn dead_level(&mut self, at: Nanos, on: &str) -> Option<u8> {
        let occasion = Occasion { at, stage: self.stage, command: self.command, ..Occasion::default() };
        let mut level = None;
        for fault in &mut self.armed {
            if let DeviceEffect::FlashDead { level: dead } = fault.effect
                && fault.admits(&occasion)
            {
                fault.consult(at, || on.to_owned());
                level = Some(if dead == LineLevel::High { 0xff } else { 0x00 });
            }
        }
        level
    }

    /// The id that a fault puts in the place of the part's own.
    pub(super) fn jedec_id(&mut self, at: Nanos, own: [u8; 3]) -> [u8; 3] {
        let on = "reading the JEDEC id";
        if let Some(level) = self.dead_level(at, on) {
            return [level; 3];
        }
        let occasion = Occasion { at, stage: self.stage, command: self.command, ..Occasion::default() };
        let mut shown = own;
        for fault in &mut self.armed {
            let id = match fault.effect {
                DeviceEffect::JedecId { id } => id,
                // The part itself gives its own.
                DeviceEffect::FlashPart { .. } => shown,
                _ => continue,
            };
            if fault.admits(&occasion) {
                fault.consult(at, || on.to_owned());
                shown = id;
            }
        }
        shown
    }

    /// Whether an access to a status register fails.
    pub(super) fn status_fails(&mut self, at: Nanos, write: bool) -> bool {
        let wanted = if write { DeviceEffect::StatusWriteFails } else { DeviceEffect::StatusReadFails };
        let occasion = Occasion { at, stage: self.stage, command: self.command, ..Occasion::default() };
        let mut fails = false;
        for fault in self.armed.iter_mut().filter(|fault| fault.effect == wanted) {
            if fault.admits(&occasion) {
                let on = if write { "writing a status register" } else { "reading a status register" };
                fault.fire(at, || on.to_owned());
                fails = true;
            }
        }
        fails
    }

    /// Whether reading cells is not as simple as with a healthy part.
    pub(super) fn concern_reads(&self) -> bool {
        use DeviceEffect as E;
        let concerns =
            |effect: &E| matches!(effect, E::FlashDead { .. } | E::WeakBits { .. } | E::StuckBits { .. });
        self.armed.iter().any(|fault| concerns(&fault.effect))
    }

    /// Changes what was read from the cells from `address` on, which do not wrap.
    pub(super) fn spoil_read(&mut self, at: Nanos, address: u32, out: &mut [u8]) {
        if let Some(level) = self.dead_level(at, "reading cells") {
            out.fill(level);
            return;
        }
        let range = address..address + out.len() as u32;
        self.note_stuck(at, "reading", &range);
        let (stage, command) = (self.stage, self.command);
        for fault in &mut self.armed {
            let DeviceEffect::WeakBits { mask } = fault.effect else { continue };
            for cell in place_of(fault, &range) {
                let place = u64::from(cell);
                let occasion =
                    Occasion { at, stage, command, address: Some((place, place + 1)), ..Occasion::default() };
                if !fault.admits(&occasion) {
                    continue;
                }
                let drawn = fault.rng().next_u32() as u8;
                let byte = &mut out[(cell - address) as usize];
                let read = *byte & !mask | drawn & mask;
                if read != *byte {
                    let held = *byte;
                    *byte = read;
                    fault.fire(at, || format!("reading {cell:#x}: {read:02x}, not {held:02x}"));
                }
            }
        }
    }
}

/// The part of `range` that a fault's conditions name.
fn place_of(fault: &Armed<DeviceEffect>, range: &Range<u32>) -> Range<u32> {
    let Some(span) = fault.when.address else { return range.clone() };
    let clip = |address: u64| u32::try_from(address).unwrap_or(u32::MAX).clamp(range.start, range.end);
    clip(span.from)..clip(span.to)
}

/// So many bits of the `len` cells from `address` on, the same ones each time.
fn tired_bits(fault: &Armed<DeviceEffect>, bits: u32, address: u32, len: usize) -> Vec<(u32, u8)> {
    let mut rng = fault.rng_at(u64::from(address));
    let most = bits.min(len as u32 * 8);
    (0..most)
        .map(|_| {
            let place = rng.next_u32() % (len as u32 * 8);
            (address + place / 8, 1 << (place % 8))
        })
        .collect()
}

#[cfg(test)]
mod tests;
