//! The NOR flash beside the chip: sparse contents, timed operations that a power cut can interrupt, status registers.
//!
//! Time goes in with every call. An operation is begun at `now` and gives the time at which it is done; its effect
//! is in the cells once [`Flash::settle`] was called with that time or a later one.

mod array;
mod defect;
mod fault;
mod image;
mod operation;
mod part;
mod power;
mod status;
mod wear;

use std::ops::Range;
use std::sync::Arc;

use bl702_protocol::time::Nanos;

use array::Array;
use defect::Defects;
pub(crate) use defect::concerns_the_part;
pub use fault::{FlashBegun, FlashError, FlashFaults, FlashOperations, FlashWork};
pub use image::FlashImage;
pub use operation::EraseUnit;
use operation::Operation;
pub use part::{FlashPart, FlashSpeed, FlashTimes, PARTS};
use status::StatusRegisters;
pub use status::{
    READ_STATUS_1, READ_STATUS_2, READ_STATUS_3, StatusLayout, WRITE_STATUS_1, WRITE_STATUS_2, WRITE_STATUS_3,
};

/// One NOR flash: its cells, its status registers and the operation it is busy with.
#[derive(Clone, Debug)]
pub struct Flash {
    part: FlashPart,
    times: FlashTimes,
    array: Array,
    status: StatusRegisters,
    operation: Option<Operation>,
    faults: FlashFaults,
    chip_erase_ms: Option<u64>,
    operations: FlashOperations,
    /// Operations begun, while somebody wants to know.
    begun: Option<Vec<FlashBegun>>,
    /// Nothing for nearly all parts.
    defects: Option<Box<Defects>>,
}

impl Flash {
    /// An erased part with the data sheet's typical times.
    pub fn new(part: &FlashPart) -> Flash {
        Flash::with_times(part, part.typical)
    }

    /// An erased part with these busy times.
    pub fn with_times(part: &FlashPart, times: FlashTimes) -> Flash {
        Flash {
            part: *part,
            times,
            array: Array::erased(part.capacity_bytes),
            status: StatusRegisters::new(part.status),
            operation: None,
            faults: FlashFaults::default(),
            chip_erase_ms: None,
            operations: FlashOperations::default(),
            begun: None,
            defects: None,
        }
    }

    /// What kind of part it is.
    pub fn part(&self) -> &FlashPart {
        &self.part
    }

    /// Manufacturer, type and capacity.
    pub fn jedec_id(&self) -> [u8; 3] {
        self.part.jedec_id
    }

    /// Size in bytes.
    pub fn capacity_bytes(&self) -> u32 {
        self.array.capacity_bytes()
    }

    /// The busy times in force.
    pub fn times(&self) -> FlashTimes {
        self.times
    }

    /// Replaces the busy times; an operation under way keeps its own.
    pub fn set_times(&mut self, times: FlashTimes) {
        self.times = times;
    }

    /// How long a chip erase takes, instead of the part's time; 0 = never seen busy.
    pub fn set_chip_erase_ms(&mut self, chip_erase_ms: Option<u64>) {
        self.chip_erase_ms = chip_erase_ms;
    }

    /// The injected failures.
    pub fn faults(&self) -> FlashFaults {
        self.faults
    }

    /// Sets the injected failures; the default value clears them.
    pub fn set_faults(&mut self, faults: FlashFaults) {
        self.faults = faults;
    }

    /// Copies the cells from `address` on into `out`, wrapping at the end of the part.
    ///
    /// These are the cells as last settled, busy or not; what a program on the chip sees is [`Flash::read_out`].
    pub fn read(&self, address: u32, out: &mut [u8]) {
        self.array.read(address, out);
    }

    /// What the part answers to a read command at `now`: the cells, or FFh while it is busy
    /// (data sheets: a busy part ignores all but status reads; that the line then reads as ones is assumed).
    pub fn read_out(&mut self, now: Nanos, address: u32, out: &mut [u8]) {
        self.settle(now);
        if self.operation.is_some() {
            out.fill(0xff);
        } else {
            self.array.read(address, out);
        }
        if let Some(defects) = &mut self.defects {
            let mut rest = out;
            let mut at = self.array.wrap(address);
            while !rest.is_empty() {
                let len = rest.len().min((self.array.capacity_bytes() - at) as usize);
                let (piece, more) = rest.split_at_mut(len);
                defects.spoil_read(now, at, piece);
                (rest, at) = (more, 0);
            }
        }
    }

    /// SHA-256 of `len` bytes of the cells from `address` on, wrapping at the end; as last settled.
    pub fn sha256(&self, address: u32, len: u64) -> [u8; 32] {
        self.array.sha256(address, len)
    }

    /// The SHA-256 that a program gets which begins at `now` to read `len` bytes and leaves the part alone meanwhile; nothing
    /// if what it reads could depend on when it reads: the part is busy or reads wrong. Nor for bytes past the end.
    pub(crate) fn settled_sha256(&mut self, now: Nanos, address: u32, len: u32) -> Option<[u8; 32]> {
        self.settle(now);
        let inside = u64::from(address) + u64::from(len) <= u64::from(self.capacity_bytes());
        let honest = self.defects.as_ref().is_none_or(|defects| !defects.concern_reads());
        (inside && self.operation.is_none() && honest).then(|| self.array.remembered_sha256(address, len))
    }

    /// Replaces the cells from address 0 on by `bytes` and erases the rest; more than the part holds is left out.
    ///
    /// Not an operation of the part: no time, no count, and [`Flash::take_changes`] does not tell of it.
    pub fn load(&mut self, bytes: &[u8]) {
        self.array = Array::erased(self.part.capacity_bytes);
        let len = bytes.len().min(self.capacity_bytes() as usize);
        self.array.set(0, &bytes[..len]);
        self.settle_in();
    }

    /// As [`Flash::load`], of an image that other parts hold too: nothing is copied before it is changed.
    pub fn load_image(&mut self, image: Arc<FlashImage>) {
        self.array = Array::with_image(self.part.capacity_bytes, image);
        self.settle_in();
    }

    /// Contents have been replaced, by what is no operation.
    fn settle_in(&mut self) {
        if let Some(defects) = &self.defects {
            let everything = 0..self.array.capacity_bytes();
            defects.force_stuck(&mut self.array, everything);
        }
        self.array.take_changes();
    }

    /// All cells, as last settled.
    pub fn dump(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.capacity_bytes() as usize];
        self.array.read(0, &mut bytes);
        bytes
    }

    /// The cells that changed since the last call, in the order of the changes: what a driver writes through to its file.
    pub fn take_changes(&mut self) -> Vec<Range<u32>> {
        self.array.take_changes()
    }

    /// How often what was done.
    pub fn operations(&self) -> FlashOperations {
        self.operations
    }

    /// From now on [`Flash::take_begun`] tells of operations.
    pub(crate) fn watch(&mut self) {
        self.begun.get_or_insert_default();
    }

    /// Operations begun since the last call.
    pub(crate) fn take_begun(&mut self) -> Vec<FlashBegun> {
        self.begun.as_mut().map(std::mem::take).unwrap_or_default()
    }

    fn note_begun(&mut self, work: FlashWork, address: u32, length: u32, start: Nanos, done: Nanos) {
        if let Some(begun) = &mut self.begun {
            begun.push(FlashBegun { work, address, length, start, done });
        }
    }

    /// How many 4 KiB sectors take memory (the others are erased).
    pub fn sectors_in_memory(&self) -> usize {
        self.array.sectors_in_memory()
    }

    /// The addresses that block protection keeps from being programmed and erased; empty when none are.
    pub fn protected(&self) -> Range<u32> {
        self.status.protected(self.capacity_bytes())
    }

    /// When the operation under way is done, if one is (as last settled).
    pub fn busy_until(&self) -> Option<Nanos> {
        self.operation.as_ref().map(Operation::done)
    }

    /// Reading the JEDEC id as a driver does to find the part.
    ///
    /// # Errors
    /// [`FlashError::Init`] when that failure is injected.
    pub fn init(&mut self, now: Nanos) -> Result<[u8; 3], FlashError> {
        if self.faults.init { Err(FlashError::Init) } else { Ok(self.read_jedec_id(now)) }
    }

    /// What the part answers to command 9Fh: its id, or what a defect makes of it; ones from a part that stays busy for ever.
    pub fn read_jedec_id(&mut self, now: Nanos) -> [u8; 3] {
        self.settle(now);
        let own = if self.busy_until() == Some(Nanos::MAX) { [0xff; 3] } else { self.part.jedec_id };
        match &mut self.defects {
            Some(defects) => defects.jedec_id(now, own),
            None => own,
        }
    }

    /// What the part answers to a register read: 05h, 35h and 15h repeat the register, 9Fh the id.
    ///
    /// Works while busy (BUSY is bit 0 of 05h). A command that the part does not have gives FFh (assumed: nothing drives the line).
    ///
    /// # Errors
    /// [`FlashError::ReadStatus`] when that failure is injected.
    pub fn read_register(&mut self, now: Nanos, command: u8, out: &mut [u8]) -> Result<(), FlashError> {
        if self.faults.rsr || self.defects.as_mut().is_some_and(|defects| defects.status_fails(now, false)) {
            return Err(FlashError::ReadStatus);
        }
        self.settle(now);
        if command == 0x9f {
            let id = self.read_jedec_id(now);
            for (byte, id) in out.iter_mut().zip(id.iter().cycle()) {
                *byte = *id;
            }
            return Ok(());
        }
        if let Some(level) =
            self.defects.as_mut().and_then(|defects| defects.dead_level(now, "reading a status register"))
        {
            out.fill(level);
            return Ok(());
        }
        let mut value = self.status.read(command).unwrap_or(0xff);
        // A driver's write enable and the operation it is for are one call here, so WEL (bit 1) is set just while busy.
        if command == READ_STATUS_1 && self.operation.is_some() {
            value |= 0x03;
        }
        out.fill(value);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
