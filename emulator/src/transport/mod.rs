//! The edge: real time, ptys and files around a [`Module`](crate::module::Module).
//!
//! | part | what it does |
//! |---|---|
//! | [`pty`] | the pseudo-terminal that a client opens like a serial port |
//! | [`pace`] | how the module's time follows the wall clock (sans-IO) |
//! | [`memory`] | a module without a port, in virtual time (sans-IO) |
//! | [`outbox`] | what the client's rate makes of the chip's bytes, and when they are due (sans-IO) |
//! | [`serve`] | one module at one pty, until the program ends |
//! | [`rfc2217`] | the same port for a client on the network |
//! | `remote` | a port that leads to a module somewhere else |
//! | `proxy` | a pty in front of it, and a recording of all that goes through |
//! | [`clients`] | who has the pty open |
//! | [`held_file`] | the files behind flash and fuses |
//! | [`record`] | recordings |
//! | [`link`] | a name for the pty that stays the same |
//! | [`wiring`] | what modem lines do to EN and BOOT (pure) |
//! | [`modem`] | what a serial driver does with the lines, and their order with the bytes (pure) |
//! | [`control`] | what can be done to a served module from outside |
//! | [`clock`] | the wall clock and a precise alarm |
//! | [`status`] | what is known of a port while it is served |
//!
//! All of it runs in tokio's current-thread runtime; any number of ports share one.

pub mod clients;
pub mod clock;
pub mod control;
pub mod held_file;
mod host;
mod journal;
pub mod link;
mod locked;
pub mod memory;
pub mod modem;
mod network;
pub mod outbox;
pub mod pace;
#[cfg(target_os = "linux")]
pub mod proxy;
pub mod pty;
pub(crate) mod readiness;
pub mod record;
#[cfg(target_os = "linux")]
pub mod remote;
pub mod rfc2217;
pub mod serve;
pub mod status;
pub mod wiring;
