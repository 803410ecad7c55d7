//! A behavioural emulator of the BL702 boot ROM, the vendor's RAM loader and the XT-ZB2 module.
//!
//! The chip is a sans-IO state machine in virtual time: bytes, line levels and a time go in; bytes, events and
//! the next wake-up come out. Real time, ptys and sockets live in [`transport`] and in the binary.
//!
//! A module in a test of one's own:
//!
//! ```
//! use bl702_emulator::module::Module;
//! use bl702_emulator::profile::Profile;
//! use bl702_emulator::transport::memory::MemoryLink;
//!
//! let module = Module::new(Profile::builtin("xt-zb2")?);
//! let mut link = MemoryLink::new(module, 500_000);
//! assert_eq!(link.exchange(&[0x55; 150]), b"OK"); // auto-baud
//! let boot_info = link.exchange(&[0x10, 0, 0, 0]);
//! assert_eq!(boot_info[4..8], [1, 0, 2, 7]); // version of the boot ROM
//! assert_eq!(link.module().otp().burn_count(), 0); // no fuse was burnt
//! # Ok::<(), bl702_emulator::profile::ProfileError>(())
//! ```
//!
//! | to | look at |
//! |---|---|
//! | exchange bytes with a module in virtual time | [`transport::memory`] |
//! | drive one by hand: times of bytes, pins, power | [`module::Module`] |
//! | see what the chip did | [`event`] |
//! | make things go wrong | [`fault`] |
//! | look into or change flash and fuses | [`flash`], [`otp`] |
//! | describe another board | [`profile`] |
//! | give one to a program under test, on a pty | [`transport::serve`] |
//! | replay conformance vectors | [`conformance`] |
#![deny(unsafe_code)]

mod chip;
pub mod conformance;
pub mod control;
pub mod divergence;
pub mod event;
pub mod fault;
pub mod firmware;
pub mod flash;
#[cfg(target_os = "linux")]
pub mod launcher;
pub mod line;
pub mod loader;
pub mod module;
pub mod otp;
pub mod profile;
pub mod ram;
mod registers;
pub mod report;
pub mod rom;
pub mod transport;
pub mod uart;

pub use bl702_protocol::time::Nanos;
