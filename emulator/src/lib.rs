//! A behavioural emulator of the BL702 boot ROM, the vendor's RAM loader and the XT-ZB2 module.
//!
//! The chip is a sans-IO state machine in virtual time: bytes, line levels and a time go in; bytes, events and
//! the next wake-up come out. Real time, ptys and sockets live in [`transport`] and in the binary.
#![deny(unsafe_code)]

mod chip;
pub mod conformance;
pub mod event;
pub mod firmware;
pub mod flash;
pub mod line;
pub mod loader;
pub mod module;
pub mod otp;
pub mod profile;
pub mod ram;
mod registers;
pub mod rom;
pub mod transport;
pub mod uart;

pub use bl702_protocol::time::Nanos;
