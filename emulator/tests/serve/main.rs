//! `bl702-emu run` and `trace` as their users meet them: the program, a real pty, real files, signals.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "test support code: a failure is a failed test"
)]

mod bench;
mod clients;
mod conversation;
mod files;
mod links;
mod pacing;
mod recordings;
mod vectors;
