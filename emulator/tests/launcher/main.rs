//! `bl702-emu exec` with real clients: small C programs (dynamic and static), a Python script, the serialport crate.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bench;
mod control;
mod ends;
mod kills;
mod lines;
mod names;
mod sandboxes;
