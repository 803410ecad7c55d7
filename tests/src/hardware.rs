//! A module that the harness knows only through a port, and how it is kept from harm.
//!
//! | part | what it does |
//! |---|---|
//! | [`config`] | `TARGET`: a port, or a TOML file that describes a bench |
//! | [`wire`] | the port with the bench's wiring |
//! | [`client`] | a small client of the vendor's protocol that shares nothing with the flasher under test |
//! | [`lease`] | one run at a time for each port |
//! | [`store`] | the backups, and the note that a module's flash is not its owner's at the moment |
//! | [`bench`](mod@bench) | checks a module in: lease, chip id, backup, rescue of what a dead run left |
//! | [`keeper`] | a process that outlives the run and gives the flash back, whatever ended the run |
//!
//! The order that keeps a module safe: lease the port; read the chip id; if a note says that an earlier run died with
//! this module's flash, restore it; back up flash and eFuses, read twice; write the note; only then let scenarios
//! write. The note goes when the flash was restored and read back.

pub mod bench;
pub mod client;
pub mod config;
pub mod keeper;
pub mod lease;
pub mod store;
pub mod wire;
