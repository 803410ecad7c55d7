//! The scenarios of `features/*.feature` and what they need: a world, steps, targets, a runner.
//!
//! | part | what it does |
//! |---|---|
//! | [`catalogue`] | reads the feature files: one entry per scenario or row of an outline, with a stable id |
//! | [`runner`] | runs one scenario, and makes each a trial of libtest-mimic |
//! | [`world`] | what the steps of one scenario share |
//! | [`target`] | the module under test: emulated in this process or in one of its own, or on a bench |
//! | [`hardware`] | a module that is known only through a port: lease, backup, restore |
//! | [`host`] | a host that sends bytes, below the flasher |
//! | [`words`] | numbers, rates, bytes and answers as they stand in the scenarios |
//! | [`vectors`] | bytes of the reference vectors, by name |
//! | [`images`] | what a flash may hold |
//! | [`programs`] | the two programs as child processes, every wait bounded |
//! | [`clients`] | the vendor's published flashers as they are run against the emulator |
//! | [`measure`] | what the benchmarks share |
//! | [`fuzz`](mod@fuzz) | everything that reads bytes from outside, as targets |
//! | [`proof`] | whole sessions under faults, and the checker of the contract |
//! | [`report`] | what a run leaves in its directory, and the reports that are made of it |
//! | [`workbench`] | a folder in which the flasher is run as a person runs it |
//!
//! Scenarios on the emulated target run in virtual time: both ends in one thread, no clock, nobody sleeps.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "test support code: a failure is a failed test"
)]
#![deny(unsafe_code)]

pub mod catalogue;
pub mod clients;
pub mod fuzz;
pub mod hardware;
pub mod host;
pub mod images;
pub mod measure;
pub mod programs;
pub mod proof;
pub mod report;
pub mod runner;
mod steps;
pub mod target;
pub mod vectors;
pub mod words;
pub mod workbench;
pub mod world;
