//! `bl702-emu exec` with real clients: C programs (dynamic and static), scripts, the libraries of other languages.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bench;
mod control;
mod ends;
mod foreign;
mod kills;
mod lines;
mod names;
mod sandboxes;
