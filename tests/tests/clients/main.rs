//! The vendor's published flashers, as users run them, against `bl702-emu exec`.
//!
//! The programs are the vendor's and are not in this repository, so these tests are ignored until somebody asks for
//! them:
//!
//! ```text
//! eval "$(.ci/client-packages)"
//! cargo test -p bl702-harness --test clients -- --ignored --test-threads 8
//! ```
//!
//! The tools mostly sleep, hence the threads. Nothing here believes a tool: what counts are the bytes in its file or in
//! the flash, and the emulator's report. `docs/clients.md` tells more.
//!
//! With `BL702_CLIENT_RESULTS` set to a folder, each test that passes leaves there what it has shown; `.ci/client-table`
//! makes the README's table from it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code: a failure is a failed test")]

mod field_report;
mod fuses;
mod operations;
mod ordinary_user;
mod refusals;
mod results;
mod transcripts;
