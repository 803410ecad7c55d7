//! What a flash does over time: programs, erases, register writes.

use std::collections::VecDeque;

use bl702_protocol::time::Nanos;

use super::Flash;
use super::defect::{Fate, Kind};
use super::fault::{FlashError, FlashWork};
use super::status::StatusRegisters;
use super::wear::Patience;

/// What can be erased at once, besides the whole chip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EraseUnit {
    /// 4 KiB (command 20h).
    Sector4K,
    /// 32 KiB (command 52h).
    Block32K,
    /// 64 KiB (command D8h).
    Block64K,
}

impl EraseUnit {
    /// Its size in bytes.
    pub fn bytes(self) -> u32 {
        match self {
            EraseUnit::Sector4K => 0x1000,
            EraseUnit::Block32K => 0x8000,
            EraseUnit::Block64K => 0x1_0000,
        }
    }
}

/// One page of a program under way.
#[derive(Clone, Debug)]
pub(super) struct Page {
    pub(super) start: Nanos,
    pub(super) done: Nanos,
    pub(super) address: u32,
    pub(super) bytes: Vec<u8>,
}

/// What keeps the part busy.
#[derive(Clone, Debug)]
pub(super) enum Operation {
    /// Pages still to be finished, in order; never empty.
    Program { pages: VecDeque<Page>, done: Nanos },
    /// `len` bytes from `address`, if it works at all; then the bits of `left` are still 0.
    Erase { start: Nanos, done: Nanos, address: u32, len: u32, works: bool, left: Vec<(u32, u8)> },
    /// The registers as they will be.
    Status { start: Nanos, done: Nanos, new: StatusRegisters },
}

impl Operation {
    pub(super) fn done(&self) -> Nanos {
        match self {
            Operation::Program { done, .. }
            | Operation::Erase { done, .. }
            | Operation::Status { done, .. } => *done,
        }
    }
}

impl Flash {
    /// Puts into the cells what is done at `now`. Call it before looking at them.
    pub fn settle(&mut self, now: Nanos) {
        match &mut self.operation {
            Some(Operation::Program { pages, .. }) => {
                while let Some(page) = pages.pop_front_if(|page| page.done <= now) {
                    self.array.program(page.address, &page.bytes);
                    if let Some(defects) = &self.defects {
                        let end = page.address + page.bytes.len() as u32;
                        defects.force_stuck(&mut self.array, page.address..end);
                    }
                }
                if pages.is_empty() {
                    self.operation = None;
                }
            }
            Some(Operation::Erase { done, address, len, works, left, .. }) if *done <= now => {
                let (address, len) = (*address, *len);
                if *works {
                    self.array.erase(address, len);
                    for (cell, mask) in left.drain(..) {
                        self.array.program(cell, &[!mask]);
                    }
                }
                self.operation = None;
                self.after_change(address..address + len);
            }
            Some(Operation::Status { done, new, .. }) if *done <= now => {
                self.status = *new;
                self.operation = None;
            }
            _ => {}
        }
    }

    fn ready(&mut self, now: Nanos) -> Result<(), FlashError> {
        self.settle(now);
        match self.busy_until() {
            Some(until) => Err(FlashError::Busy { until }),
            None => Ok(()),
        }
    }

    /// What becomes of an operation that is about to begin.
    fn fate(&mut self, at: Nanos, kind: Kind, place: (u32, u32), took_us: u64, patience_us: u64) -> Fate {
        let took = Nanos::from_micros(took_us);
        match &mut self.defects {
            Some(defects) => defects.begin(at, kind, place, (took, Nanos::from_micros(patience_us))),
            None => Fate::healthy(took),
        }
    }

    /// Whether block protection makes the part ignore an operation.
    fn ignores(&mut self, at: Nanos, kind: Kind, address: u32, len: u32) -> bool {
        let protected = self.protected();
        let ignores = match kind {
            Kind::Chip => !protected.is_empty(),
            _ => overlaps(&protected, address, len),
        };
        if ignores {
            self.operations.ignored += 1;
            if let Some(defects) = &mut self.defects {
                defects.note_protected(at, kind, address, len);
            }
        }
        ignores
    }

    /// Begins to program `bytes` from `address` on, page by page as the ROM's driver does; gives the time when all is done.
    ///
    /// Cells only go from 1 to 0. Pages that touch a protected area are ignored, at once and without a word.
    ///
    /// # Errors
    /// [`FlashError::Busy`]; [`FlashError::Program`] when injected (nothing is programmed). A defect can end it in the midst:
    /// [`FlashError::WriteEnable`], or [`FlashError::Timeout`] while the part goes on.
    pub fn begin_program(&mut self, now: Nanos, address: u32, bytes: &[u8]) -> Result<Nanos, FlashError> {
        self.ready(now)?;
        if self.faults.program {
            return Err(FlashError::Program);
        }
        self.operations.programs += 1;
        let page_bytes = self.part.page_bytes;
        let mut pages = VecDeque::new();
        let mut at = self.array.wrap(address);
        let mut ready_at = now;
        let mut rest = bytes;
        let mut ended = Ok(());
        while !rest.is_empty() && ended.is_ok() {
            let len = ((page_bytes - at % page_bytes) as usize).min(rest.len());
            let (page, later) = rest.split_at(len);
            if !self.ignores(ready_at, Kind::Page, at, len as u32) {
                match self.begin_page(ready_at, at, page) {
                    Ok((page, page_ended)) => {
                        ready_at = page.done;
                        ended = page_ended;
                        pages.push_back(page);
                    }
                    Err(error) => ended = Err(error),
                }
            }
            at = self.array.wrap(at.wrapping_add(len as u32));
            rest = later;
        }
        if !pages.is_empty() {
            self.operation = Some(Operation::Program { pages, done: ready_at });
        }
        self.settle(now);
        ended.map(|()| ready_at)
    }

    /// One page, and whether the driver waits until it is done.
    fn begin_page(
        &mut self,
        start: Nanos,
        address: u32,
        bytes: &[u8],
    ) -> Result<(Page, Result<(), FlashError>), FlashError> {
        let (len, page_bytes) = (bytes.len() as u32, self.part.page_bytes);
        let patience_us = Patience(self.times).page_us();
        let took_us = self.times.program_us(len, page_bytes);
        let fate = self.fate(start, Kind::Page, (address, len), took_us, patience_us);
        if !fate.enabled {
            return Err(FlashError::WriteEnable);
        }
        let mut bytes = bytes.to_vec();
        if let Some(defects) = &mut self.defects {
            defects.leave_unprogrammed(start, page_bytes, address, &mut bytes);
            defects.note_stuck(start, "programming", &(address..address + len));
        }
        if !fate.works {
            bytes.clear();
        }
        self.operations.pages_programmed += 1;
        self.operations.bytes_programmed += u64::from(len);
        let done = start + fate.took;
        self.note_begun(FlashWork::Program, address, len, start, done);
        Ok((Page { start, done, address, bytes }, waited(start, fate, patience_us)))
    }

    /// Begins to erase the unit that holds `address`; gives the time when it is done.
    ///
    /// A unit that touches a protected area is ignored, at once and without a word.
    ///
    /// # Errors
    /// [`FlashError::Busy`]; [`FlashError::Erase`] when injected (nothing is erased). By a defect
    /// [`FlashError::WriteEnable`], or [`FlashError::Timeout`] while the part goes on.
    pub fn begin_erase(&mut self, now: Nanos, unit: EraseUnit, address: u32) -> Result<Nanos, FlashError> {
        self.ready(now)?;
        if self.faults.erase {
            return Err(FlashError::Erase);
        }
        let len = unit.bytes();
        let address = self.array.wrap(address) / len * len;
        if self.ignores(now, Kind::Unit, address, len) {
            return Ok(now);
        }
        let took_us = match unit {
            EraseUnit::Sector4K => self.times.sector_4k_us,
            EraseUnit::Block32K => self.times.block_32k_us,
            EraseUnit::Block64K => self.times.block_64k_us,
        };
        let patience_us = Patience(self.times).unit_us(took_us, len);
        let fate = self.fate(now, Kind::Unit, (address, len), took_us, patience_us);
        if !fate.enabled {
            return Err(FlashError::WriteEnable);
        }
        self.operations.units_erased += 1;
        let done = self.begin_erasing(now, fate, address, len);
        waited(now, fate, patience_us).map(|()| done)
    }

    /// Begins to erase everything; gives the time when it is done. Ignored while any part of the chip is protected.
    ///
    /// # Errors
    /// [`FlashError::Busy`]; [`FlashError::WriteEnable`] when injected, or by a defect.
    pub fn begin_chip_erase(&mut self, now: Nanos) -> Result<Nanos, FlashError> {
        self.ready(now)?;
        if self.faults.wren {
            return Err(FlashError::WriteEnable);
        }
        let capacity_bytes = self.capacity_bytes();
        if self.ignores(now, Kind::Chip, 0, capacity_bytes) {
            return Ok(now);
        }
        let took_us = self.chip_erase_ms.map_or(self.times.chip_us, |ms| ms.saturating_mul(1000));
        let patience_us = Patience(self.times).chip_us(took_us);
        let fate = self.fate(now, Kind::Chip, (0, capacity_bytes), took_us, patience_us);
        if !fate.enabled {
            return Err(FlashError::WriteEnable);
        }
        self.operations.chip_erases += 1;
        Ok(self.begin_erasing(now, fate, 0, capacity_bytes))
    }

    fn begin_erasing(&mut self, start: Nanos, fate: Fate, address: u32, len: u32) -> Nanos {
        let done = start + fate.took;
        let mut left = Vec::new();
        if let Some(defects) = &mut self.defects {
            left = defects.unerased(start, address..address + len);
            defects.note_stuck(start, "erasing", &(address..address + len));
        }
        self.note_begun(FlashWork::Erase, address, len, start, done);
        self.operation = Some(Operation::Erase { start, done, address, len, works: fate.works, left });
        self.settle(start);
        done
    }

    /// Begins to write status registers with 01h (one or two bytes), 31h or 11h; gives the time when it is done.
    ///
    /// A command that the part does not have, or that a status lock forbids, is ignored without a word.
    ///
    /// # Errors
    /// [`FlashError::Busy`]; [`FlashError::WriteEnable`] and [`FlashError::WriteStatus`] when injected, or by a defect.
    pub fn begin_write_register(
        &mut self,
        now: Nanos,
        command: u8,
        bytes: &[u8],
    ) -> Result<Nanos, FlashError> {
        self.ready(now)?;
        if self.faults.wren {
            return Err(FlashError::WriteEnable);
        }
        let took_us = self.times.write_status_us;
        // The vendor's driver does not wait for a register longer than for anything else (assumed).
        let fate = self.fate(now, Kind::Status, (0, 0), took_us, took_us);
        if !fate.enabled {
            return Err(FlashError::WriteEnable);
        }
        let fails = self.defects.as_mut().is_some_and(|defects| defects.status_fails(now, true));
        if self.faults.wsr || fate.fails || fails {
            return Err(FlashError::WriteStatus);
        }
        let Some(new) = self.status.written(command, bytes) else {
            self.operations.ignored += 1;
            if let Some(defects) = &mut self.defects {
                defects.note_protected(now, Kind::Status, 0, 0);
            }
            return Ok(now);
        };
        let new = if fate.works { new } else { self.status };
        let done = now + fate.took;
        self.operations.status_writes += 1;
        self.operation = Some(Operation::Status { start: now, done, new });
        self.note_begun(FlashWork::Status, 0, bytes.len() as u32, now, done);
        self.settle(now);
        Ok(done)
    }
}

/// Whether the driver waits until an operation is done.
fn waited(start: Nanos, fate: Fate, patience_us: u64) -> Result<(), FlashError> {
    let patience = Nanos::from_micros(patience_us);
    if fate.fails || fate.took > patience {
        return Err(FlashError::Timeout { gave_up_at: start + patience });
    }
    Ok(())
}

fn overlaps(area: &std::ops::Range<u32>, address: u32, len: u32) -> bool {
    !area.is_empty() && address < area.end && area.start < address + len
}
