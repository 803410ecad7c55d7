//! What to do with a flash, as pure functions: ranges, pieces, erase units, programming chunks, time bounds.

mod budget;
mod erase;
mod estimate;
mod number;
mod pieces;
mod program;
mod range;
mod sectors;

pub use budget::Budget;
pub use erase::{BLOCK_32K, BLOCK_64K, SECTOR, erase_units};
pub use estimate::{ChangePlan, Estimate};
pub use number::{NumberError, parse_number};
pub use pieces::{Area, Piece, Pieces, Place, PlacedFile, PlacedFiles};
pub use program::{PAGE, program_runs};
pub use range::{FlashRange, MAX_FLASH_BYTES, ParseRangeError, join};
pub use sectors::{Change, Changes, Step, Target, Targets};

/// Why pieces and ranges cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// A range leaves the flash.
    #[error("{range} goes past the end of the flash ({flash_size} bytes)")]
    PastEnd {
        /// What was asked for.
        range: FlashRange,
        /// Size of the flash in bytes.
        flash_size: u32,
    },
    /// An address beyond every flash a BL702 can have.
    #[error("{len} bytes at {start:#x} go past 16 MiB, the end of 24-bit flash addresses")]
    PastAddresses {
        /// Where it would start.
        start: u64,
        /// How many bytes.
        len: u64,
    },
    /// Two pieces want the same place.
    #[error("{first} and {second} overlap")]
    Overlap {
        /// The one that starts first.
        first: FlashRange,
        /// The one that starts inside it.
        second: FlashRange,
    },
    /// A piece without bytes.
    #[error("nothing to do: no bytes at {start:#x}")]
    Empty {
        /// Where.
        start: u32,
    },
    /// A flash size that no part has.
    #[error("flash size {bytes} is not a multiple of 4 KiB between 4 KiB and 16 MiB")]
    FlashSize {
        /// What was given.
        bytes: u64,
    },
}
