//! The vendor's published flashers, for the tests and the benchmark that run them against `bl702-emu exec`.
//!
//! The programs are the vendor's and are not in this repository: `.ci/client-packages` fetches them and prints where they are.

pub mod bench;
pub mod tools;
