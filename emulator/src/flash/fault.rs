//! Failures of a flash, real and injected, and the count of what it did.

use bl702_protocol::time::Nanos;

/// Why the flash did not do what it was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FlashError {
    /// Injected: initialising (reading the JEDEC id) failed.
    #[error("flash initialisation failed")]
    Init,
    /// The write enable latch did not set.
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
    /// The part was still busy when the driver had waited as long as it does.
    #[error("flash not ready in time; gave up at {gave_up_at}")]
    Timeout {
        /// When the driver gave up.
        gave_up_at: Nanos,
    },
}

impl FlashError {
    /// When a driver that asked at `now` knows of it.
    pub fn known_at(self, now: Nanos) -> Nanos {
        match self {
            FlashError::Timeout { gave_up_at } => gave_up_at.max(now),
            _ => now,
        }
    }
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

/// What an operation of the flash does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlashWork {
    /// Programs a page, or a part of one.
    Program,
    /// Erases a unit or the chip.
    Erase,
    /// Writes a status register.
    Status,
}

/// An operation that was begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlashBegun {
    /// What it does.
    pub work: FlashWork,
    /// First address.
    pub address: u32,
    /// Bytes.
    pub length: u32,
    /// When it begins; a page's turn comes when the pages before it are done.
    pub start: Nanos,
    /// When it is done.
    pub done: Nanos,
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

impl FlashOperations {
    /// How many operations were begun: pages, erases of any size, status register writes.
    pub fn total(&self) -> u64 {
        self.pages_programmed + self.units_erased + self.chip_erases + self.status_writes
    }
}
