//! Work with the RAM loader: requests that are repeated when that is safe, and recovery of a lost session.

mod ask;
mod diagnose;
mod erase;
mod exchange;
mod fuses;
mod hash;
mod loader;
mod read;
mod recover;
mod write;
mod write_pace;

pub(crate) use ask::{MAX_RESTARTS, work_bound};
pub use diagnose::LOOKS;
pub(crate) use diagnose::{BLOCK_LOOKS, Before};
pub(crate) use exchange::{Trouble, Wire};
pub(crate) use hash::STEADY_LOOKS;
pub use hash::first_difference;
pub use loader::{FlashId, RamLoader};
