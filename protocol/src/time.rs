//! Virtual time: nanoseconds since the start of a session, recording or module.

use core::fmt;
use core::ops::{Add, AddAssign, Mul, Sub};

use serde::{Deserialize, Serialize};

/// A point in virtual time, or a span of it, in nanoseconds.
///
/// The zero point is whatever the owner of the clock says it is: the module's first power-up, the start of a
/// host session, the first line of a recording. Additions saturate, so that [`Nanos::MAX`] can mean "never".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Nanos(pub u64);

impl Nanos {
    /// The zero point, or an empty span.
    pub const ZERO: Nanos = Nanos(0);
    /// Later than anything that happens.
    pub const MAX: Nanos = Nanos(u64::MAX);

    /// A span of `us` microseconds.
    pub const fn from_micros(us: u64) -> Nanos {
        Nanos(us.saturating_mul(1_000))
    }

    /// A span of `ms` milliseconds.
    pub const fn from_millis(ms: u64) -> Nanos {
        Nanos(ms.saturating_mul(1_000_000))
    }

    /// A span of `s` seconds.
    pub const fn from_secs(s: u64) -> Nanos {
        Nanos(s.saturating_mul(1_000_000_000))
    }

    /// How long `bits` bits take at `baud_bps`, rounded to the nearest nanosecond. A rate of 0 counts as 1.
    pub const fn bit_times(bits: u64, baud_bps: u32) -> Nanos {
        let baud = if baud_bps == 0 { 1 } else { baud_bps as u64 };
        Nanos((bits * 1_000_000_000 + baud / 2) / baud)
    }

    /// How long `bytes` bytes take on an 8N1 line (ten bit times each) at `baud_bps`.
    pub const fn byte_times(bytes: u64, baud_bps: u32) -> Nanos {
        Nanos::bit_times(bytes * 10, baud_bps)
    }

    /// The span from `earlier` to `self`, or nothing when `earlier` is later.
    pub const fn since(self, earlier: Nanos) -> Nanos {
        Nanos(self.0.saturating_sub(earlier.0))
    }

    /// Whole milliseconds, rounded down.
    pub const fn as_millis(self) -> u64 {
        self.0 / 1_000_000
    }

    /// Seconds as a floating point number, for people.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// The span multiplied by a factor (negative factors count as 0).
    pub fn scale(self, factor: f64) -> Nanos {
        Nanos((self.0 as f64 * factor.max(0.0)).round() as u64)
    }
}

impl From<core::time::Duration> for Nanos {
    fn from(duration: core::time::Duration) -> Nanos {
        Nanos(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
    }
}

impl From<Nanos> for core::time::Duration {
    fn from(nanos: Nanos) -> core::time::Duration {
        core::time::Duration::from_nanos(nanos.0)
    }
}

impl Add for Nanos {
    type Output = Nanos;
    fn add(self, other: Nanos) -> Nanos {
        Nanos(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Nanos {
    fn add_assign(&mut self, other: Nanos) {
        *self = *self + other;
    }
}

impl Sub for Nanos {
    type Output = Nanos;
    fn sub(self, other: Nanos) -> Nanos {
        self.since(other)
    }
}

impl Mul<u64> for Nanos {
    type Output = Nanos;
    fn mul(self, factor: u64) -> Nanos {
        Nanos(self.0.saturating_mul(factor))
    }
}

impl fmt::Display for Nanos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            ns if ns < 1_000 => write!(f, "{ns} ns"),
            ns if ns < 1_000_000 => write!(f, "{:.1} us", ns as f64 / 1e3),
            ns if ns < 1_000_000_000 => write!(f, "{:.2} ms", ns as f64 / 1e6),
            ns => write!(f, "{:.3} s", ns as f64 / 1e9),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_bit_times_of_500_kbaud_are_20_microseconds() {
        assert_eq!(Nanos::byte_times(1, 500_000), Nanos::from_micros(20));
        assert_eq!(Nanos::byte_times(9220, 2_000_000), Nanos::from_micros(46_100));
    }

    #[test]
    fn never_stays_never() {
        assert_eq!(Nanos::MAX + Nanos::from_secs(1), Nanos::MAX);
        assert_eq!(Nanos::ZERO - Nanos::from_secs(1), Nanos::ZERO);
    }
}
