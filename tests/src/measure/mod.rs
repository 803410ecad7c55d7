//! What the benchmarks share.
//!
//! | part | what it does |
//! |---|---|
//! | [`bounds`] | what line, flash and protocol allow |
//! | [`figures`] | a figure beside its goal, as a line of a table |
//! | [`fit`] | a straight line through measured points: fixed cost and cost of each unit |
//! | [`session`] | whole sessions of flasher and emulator in this process, in virtual time |
//! | [`two_programs`] | the two programs with a pty between them |
//! | [`bare_loop`] | what a request-response loop without any protocol moves through a pty |
//! | [`crowd`] | many modules of one process, all being backed up at once |
//! | [`process`] | what the kernel accounts to a process |
//! | [`side_by_side`] | flashers at the same work against the same module |
//!
//! A benchmark prints what it measured beside the goal and fails on wrong data only: machines are noisy, and a bad
//! figure on one is for a person to judge.

pub mod bare_loop;
pub mod bounds;
pub mod crowd;
pub mod figures;
pub mod fit;
pub mod process;
pub mod session;
pub mod side_by_side;
pub mod two_programs;

use std::time::{Duration, Instant};

/// A clock on the wall.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts it.
    #[expect(clippy::disallowed_methods, reason = "what measures real time reads a clock")]
    pub fn start() -> Stopwatch {
        Stopwatch(Instant::now())
    }

    /// The time since its start.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// A span in milliseconds.
pub fn milliseconds(span: Duration) -> f64 {
    span.as_secs_f64() * 1e3
}

/// The middle one of some figures, which may be in any order: what to quote of runs on a machine that others use too.
///
/// # Panics
/// If there are none.
pub fn median(figures: &[f64]) -> f64 {
    assert!(!figures.is_empty(), "nothing was measured");
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_one_is_the_median() {
        assert_eq!(median(&[3.0, 9.0, 1.0]), 3.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 9.0]), 3.0);
    }
}
