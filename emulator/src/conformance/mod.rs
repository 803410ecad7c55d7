//! Replays conformance vectors against a fresh module each, in virtual time.
//!
//! The format is described in `fixtures/vectors/README.md`; [`Vector::parse`] reads a row, [`run`] judges the module
//! by it.

mod runner;
mod vector;

pub use runner::{Mismatch, Verdict, run};
pub use vector::{Action, Step, Vector, VectorError};
