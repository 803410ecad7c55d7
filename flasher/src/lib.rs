//! A flasher for Bouffalo Lab's BL702, BL704 and BL706: sans-IO host sessions and what they need around them.
//!
//! [`Flasher`] does one thing after the other at a port: `Flasher::open("/dev/ttyUSB0")?.backup()?`. What it tells and how it
//! is ended from outside stands there; `examples/back_up.rs` and `examples/flash_three_boards.rs` are whole programs. For
//! async programs and for tests there is what it is made of:
//!
//! A [`Session`](session::Session) is a state machine: received bytes and a time go in; bytes to send, line levels,
//! rates, events and the next wake-up time come out. It owns no clock, thread or port. [`driver::run`] runs one over a
//! [`Port`](port::Port) until it ends; a test can do the same in virtual time.
//!
//! The commands of `bl702-flash` are the functions of [`flow`]. Each is an `async fn` over a
//! [`Link`](session::Link), polled by hand by the session; there is no async runtime.
//!
//! # Safety of the fuses
//! The ROM searches the payload of a command it does not know for command ids, and `40h` and `80h` burn fuses for
//! ever. So the flasher asks for boot info first, refuses another ROM version, and sends only ids that the side it
//! talks to has. One request burns, [`Request::efuse_write`](request::Request::efuse_write); it needs a
//! [`BurnPermit`](efuse::BurnPermit), which only the option `--yes-burn-fuses` gives, and goes to the RAM loader, whose
//! checksum it carries. Fuses are read without command 41h, which is one flipped bit away from it.
//!
//! Facts about the chip: `reference/loader-protocol.md` ("loader reference" below) and
//! `reference/rom-and-module.md` ("ROM reference").

pub mod baud;
pub mod compare;
pub mod config;
pub mod connect;
pub mod driver;
pub mod efuse;
pub mod error;
pub mod event;
pub mod explain;
pub mod flasher;
pub mod flow;
pub mod image;
pub mod loader;
pub mod partition;
pub mod plan;
pub mod port;
pub mod request;
pub mod reset;
pub mod session;
pub mod status;
pub mod timing;
pub mod transfer;

pub use bl702_protocol::time::Nanos;
pub use flasher::{Cancel, Flasher};
