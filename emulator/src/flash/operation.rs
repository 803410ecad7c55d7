//! What a flash does over time, and what is left of it when the power goes.

use std::collections::VecDeque;

use bl702_protocol::time::Nanos;
use rand::Rng;

use super::Flash;
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

/// Why the flash did not do what it was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FlashError {
    /// Injected: initialising (reading the JEDEC id) failed.
    #[error("flash initialisation failed")]
    Init,
    /// Injected: the write enable latch did not set.
    #[error("flash write enable failed")]
    WriteEnable,
    /// Injected: programming failed.
    #[error("flash program failed")]
    Program,
    /// Injected: erasing failed.
    #[error("flash erase failed")]
    Erase,
    /// Injected: a status register could not be read.
    #[error("flash status register read failed")]
    ReadStatus,
    /// Injected: a status register could not be written.
    #[error("flash status register write failed")]
    WriteStatus,
    /// The part is still busy with an earlier operation and ignores commands.
    #[error("flash busy until {until}")]
    Busy {
        /// When it is done.
        until: Nanos,
    },
}

/// Failures injected into the calls of the chip's flash driver, one by one, as the conformance vectors do.
///
/// `wren` is the separate write-enable call that the RAM loader makes in 38h and 3Ch; programming and erasing by
/// the ROM's driver, which enable writing themselves, fail with `program` and `erase`. A chip erase knows only `wren`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlashFaults {
    /// Programming fails.
    pub program: bool,
    /// Erasing a sector or block fails.
    pub erase: bool,
    /// Setting the write enable latch fails.
    pub wren: bool,
    /// Reading a status register fails.
    pub rsr: bool,
    /// Writing a status register fails.
    pub wsr: bool,
    /// Initialising fails.
    pub init: bool,
}

/// How often what was done to the flash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlashOperations {
    /// Programs begun, of any length.
    pub programs: u64,
    /// Pages (or parts of one) whose programming was begun.
    pub pages_programmed: u64,
    /// Bytes whose programming was begun.
    pub bytes_programmed: u64,
    /// 4 KiB, 32 KiB and 64 KiB erases begun.
    pub units_erased: u64,
    /// Chip erases begun.
    pub chip_erases: u64,
    /// Status register writes begun.
    pub status_writes: u64,
    /// Pages, erases and status writes that block protection or a status lock made the part ignore.
    pub ignored: u64,
}

/// One page of a program under way.
#[derive(Clone, Debug)]
pub(super) struct Page {
    start: Nanos,
    done: Nanos,
    address: u32,
    bytes: Vec<u8>,
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
        self.settle(now);
        Ok(done)
    }

    /// Takes the power away at `now`: what is done stays, what is under way is torn, volatile bits are as after power-up.
    ///
    /// Assumed, as no data sheet says: a page keeps a prefix of its bytes, then one byte of which some bits are
    /// programmed; a unit being erased is first driven to zeros (a tenth of the time) and then rises to ones bit by bit; a
    /// status register is either old or new. The same seed gives the same damage.
    pub fn power_cut(&mut self, now: Nanos, rng: &mut (impl Rng + ?Sized)) {
        self.settle(now);
        match self.operation.take() {
            Some(Operation::Program { pages, .. }) => {
                if let Some(page) = pages.front().filter(|page| page.start < now) {
                    self.tear_page(page, progress(page.start, page.done, now), rng);
                }
            }
            Some(Operation::Erase { start, done, address, len }) if start < now => {
                self.tear_erase(address, len, progress(start, done, now), rng);
            }
            Some(Operation::Status { new, .. }) => {
                if rng.next_u32() & 1 == 1 {
                    self.status = new;
                }
            }
            _ => {}
        }
        self.status.power_cycled();
    }

    fn tear_page(&mut self, page: &Page, progress: f64, rng: &mut (impl Rng + ?Sized)) {
        let whole = (page.bytes.len() as f64 * progress) as usize;
        let mut torn = page.bytes[..whole].to_vec();
        if let Some(byte) = page.bytes.get(whole) {
            // Bits that were to become 0 and did not get there stay 1.
            torn.push(byte | rng.next_u32() as u8);
        }
        self.array.program(page.address, &torn);
    }

    fn tear_erase(&mut self, address: u32, len: u32, progress: f64, rng: &mut (impl Rng + ?Sized)) {
        const ZEROING: f64 = 0.1;
        let mut cells = vec![0; len as usize];
        self.array.read(address, &mut cells);
        let mut draws = [0; 8];
        for cell in &mut cells {
            rng.fill_bytes(&mut draws);
            if progress < ZEROING {
                if f64::from(draws[0]) < 256.0 * progress / ZEROING {
                    *cell = 0;
                }
            } else {
                let risen = 256.0 * (progress - ZEROING) / (1.0 - ZEROING);
                *cell = (0..8).fold(0, |byte, bit| byte | u8::from(f64::from(draws[bit]) < risen) << bit);
            }
        }
        self.array.set(address, &cells);
    }
}

fn overlaps(area: &std::ops::Range<u32>, address: u32, len: u32) -> bool {
    !area.is_empty() && address < area.end && area.start < address + len
}

/// How much of the span from `start` to `done` has passed at `now`, from 0 to 1.
fn progress(start: Nanos, done: Nanos, now: Nanos) -> f64 {
    let whole = done.since(start).0.max(1);
    (now.since(start).0 as f64 / whole as f64).min(1.0)
}
