//! Work with the RAM loader: requests that are repeated when that is safe, and recovery of a lost session.

mod erase;
mod exchange;
mod hash;
mod loader;
mod read;
mod write;

pub(crate) use exchange::{Trouble, Wire};
pub use hash::first_difference;
pub use loader::{FlashId, RamLoader};
