//! What a flash does over time: programs, erases, register writes.

use std::collections::VecDeque;

use bl702_protocol::time::Nanos;

use super::Flash;
use super::fault::{FlashError, FlashWork};
use super::status::StatusRegisters;

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
    /// `len` bytes from `address`.
    Erase { start: Nanos, done: Nanos, address: u32, len: u32 },
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
                }
                if pages.is_empty() {
                    self.operation = None;
                }
            }
            Some(Operation::Erase { done, address, len, .. }) if *done <= now => {
                self.array.erase(*address, *len);
                self.operation = None;
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

    /// Begins to program `bytes` from `address` on, page by page as the ROM's driver does; gives the time when all is done.
    ///
    /// Cells only go from 1 to 0. Pages that touch a protected area are ignored, at once and without a word.
    ///
    /// # Errors
    /// [`FlashError::Busy`]; [`FlashError::Program`] when injected (nothing is programmed).
    pub fn begin_program(&mut self, now: Nanos, address: u32, bytes: &[u8]) -> Result<Nanos, FlashError> {
        self.ready(now)?;
        if self.faults.program {
            return Err(FlashError::Program);
        }
        self.operations.programs += 1;
        let protected = self.protected();
        let page_bytes = self.part.page_bytes;
        let mut pages = VecDeque::new();
        let mut at = self.array.wrap(address);
        let mut done = now;
        let mut rest = bytes;
        while !rest.is_empty() {
            let len = ((page_bytes - at % page_bytes) as usize).min(rest.len());
            let (page, later) = rest.split_at(len);
            if overlaps(&protected, at, len as u32) {
                self.operations.ignored += 1;
            } else {
                let start = done;
                done += Nanos::from_micros(self.times.program_us(len as u32, page_bytes));
                pages.push_back(Page { start, done, address: at, bytes: page.to_vec() });
                self.note_begun(FlashWork::Program, at, len as u32, start, done);
                self.operations.pages_programmed += 1;
                self.operations.bytes_programmed += len as u64;
            }
            at = self.array.wrap(at.wrapping_add(len as u32));
            rest = later;
        }
        if !pages.is_empty() {
            self.operation = Some(Operation::Program { pages, done });
        }
        self.settle(now);
        Ok(done)
    }

    /// Begins to erase the unit that holds `address`; gives the time when it is done.
    ///
    /// A unit that touches a protected area is ignored, at once and without a word.
    ///
    /// # Errors
    /// [`FlashError::Busy`]; [`FlashError::Erase`] when injected (nothing is erased).
    pub fn begin_erase(&mut self, now: Nanos, unit: EraseUnit, address: u32) -> Result<Nanos, FlashError> {
        self.ready(now)?;
        if self.faults.erase {
            return Err(FlashError::Erase);
        }
        let len = unit.bytes();
        let address = self.array.wrap(address) / len * len;
        if overlaps(&self.protected(), address, len) {
            self.operations.ignored += 1;
            return Ok(now);
        }
        let took_us = match unit {
            EraseUnit::Sector4K => self.times.sector_4k_us,
            EraseUnit::Block32K => self.times.block_32k_us,
            EraseUnit::Block64K => self.times.block_64k_us,
        };
        self.operations.units_erased += 1;
        Ok(self.begin_erasing(now, Nanos::from_micros(took_us), address, len))
    }

    /// Begins to erase everything; gives the time when it is done. Ignored while any part of the chip is protected.
    ///
    /// # Errors
    /// [`FlashError::Busy`]; [`FlashError::WriteEnable`] when injected.
    pub fn begin_chip_erase(&mut self, now: Nanos) -> Result<Nanos, FlashError> {
        self.ready(now)?;
        if self.faults.wren {
            return Err(FlashError::WriteEnable);
        }
        if !self.protected().is_empty() {
            self.operations.ignored += 1;
            return Ok(now);
        }
        let took = match self.chip_erase_ms {
            Some(ms) => Nanos::from_millis(ms),
            None => Nanos::from_micros(self.times.chip_us),
        };
        self.operations.chip_erases += 1;
        let capacity_bytes = self.capacity_bytes();
        Ok(self.begin_erasing(now, took, 0, capacity_bytes))
    }

    fn begin_erasing(&mut self, now: Nanos, took: Nanos, address: u32, len: u32) -> Nanos {
        let done = now + took;
        self.operation = Some(Operation::Erase { start: now, done, address, len });
        self.note_begun(FlashWork::Erase, address, len, now, done);
        self.settle(now);
        done
    }

    /// Begins to write status registers with 01h (one or two bytes), 31h or 11h; gives the time when it is done.
    ///
    /// A command that the part does not have, or that a status lock forbids, is ignored without a word.
    ///
    /// # Errors
    /// [`FlashError::Busy`]; [`FlashError::WriteEnable`] and [`FlashError::WriteStatus`] when injected.
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
        if self.faults.wsr {
            return Err(FlashError::WriteStatus);
        }
        let Some(new) = self.status.written(command, bytes) else {
            self.operations.ignored += 1;
            return Ok(now);
        };
        let done = now + Nanos::from_micros(self.times.write_status_us);
        self.operations.status_writes += 1;
        self.operation = Some(Operation::Status { start: now, done, new });
        self.note_begun(FlashWork::Status, 0, bytes.len() as u32, now, done);
        self.settle(now);
        Ok(done)
    }
}

fn overlaps(area: &std::ops::Range<u32>, address: u32, len: u32) -> bool {
    !area.is_empty() && address < area.end && area.start < address + len
}
