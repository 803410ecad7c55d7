//! Bands of times: 5, 50 and 95 of a hundred are at or below.

use bl702_protocol::time::Nanos;
use serde::Serialize;

/// Where times lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Band {
    /// Number of times.
    pub count: usize,
    /// 5 of 100 are at or below.
    #[serde(rename = "p5_ns")]
    pub p5: Nanos,
    /// Half of them are at or below.
    #[serde(rename = "p50_ns")]
    pub p50: Nanos,
    /// 95 of 100 are at or below.
    #[serde(rename = "p95_ns")]
    pub p95: Nanos,
}

impl Band {
    /// The band of some times; `None` of none.
    pub fn of(times: impl IntoIterator<Item = Nanos>) -> Option<Band> {
        let mut times: Vec<Nanos> = times.into_iter().collect();
        times.sort_unstable();
        // The nearest rank: a time that was measured, never one between two.
        let at = |hundredths: usize| {
            let rank = (times.len() * hundredths).div_ceil(100).max(1);
            times.get(rank - 1).copied()
        };
        Some(Band { count: times.len(), p5: at(5)?, p50: at(50)?, p95: at(95)? })
    }

    /// Whether a time lies in it, or beside it by no more than `tolerance`.
    pub fn holds(&self, time: Nanos, tolerance: Nanos) -> bool {
        time + tolerance >= self.p5 && time <= self.p95 + tolerance
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_are_made_of_what_was_measured() {
        let times = (1..=100).map(Nanos);
        let band = Band::of(times).unwrap();
        assert_eq!((band.p5, band.p50, band.p95), (Nanos(5), Nanos(50), Nanos(95)));
        let one = Band::of([Nanos(7)]).unwrap();
        assert_eq!((one.count, one.p5, one.p50, one.p95), (1, Nanos(7), Nanos(7), Nanos(7)));
        assert_eq!(Band::of([]), None);
        assert!(band.holds(Nanos(97), Nanos(2)) && !band.holds(Nanos(98), Nanos(2)));
        assert!(band.holds(Nanos(3), Nanos(2)) && !band.holds(Nanos(2), Nanos(2)));
    }
}
