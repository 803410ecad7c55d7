//! How fast the campaign of seeds plays: drawing, session with all its faults, checking.

use std::time::Instant;

use bl702_harness::proof::campaign::{campaign, threads};
use bl702_harness::proof::mutant::Mutant;

/// Seeds of the default campaign, from its start.
const SEEDS: u64 = 4_000;

#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn main() {
    // Once to warm up: noise, profiles and the loader's image are made the first time.
    campaign(0..200, Mutant::None, || true);
    let began = Instant::now();
    let tally = campaign(0..SEEDS, Mutant::None, || true);
    let rate = tally.sessions() as f64 / began.elapsed().as_secs_f64();
    let threads = threads();
    println!(
        "campaign: {rate:.0} sessions a second on {threads} threads, {:.0} on each",
        rate / threads as f64
    );
}
