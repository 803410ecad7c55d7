//! Which rates the two sides take, and how many bytes make a burst.

use bl702_protocol::time::Nanos;

use crate::timing::BURST;

/// Why a rate cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BaudError {
    /// The chip would settle on another rate than the host.
    #[error(
        "{baud_bps} baud cannot be used: the {side} rounds what is above {threshold_bps} to the nearest multiple of 500000"
    )]
    Rounded {
        /// The rate asked for.
        baud_bps: u32,
        /// Who rounds.
        side: &'static str,
        /// From where on it rounds.
        threshold_bps: u32,
    },
    /// The chip does not answer at this rate.
    #[error("{baud_bps} baud cannot be used: the {side} does not answer above {limit_bps} baud")]
    TooFast {
        /// The rate asked for.
        baud_bps: u32,
        /// Who does not answer.
        side: &'static str,
        /// The highest usable rate.
        limit_bps: u32,
    },
    /// A frame could not be complete within the loader's 4 s.
    #[error("{baud_bps} baud is too slow: 9600 is the lowest rate that is supported")]
    TooSlow {
        /// The rate asked for.
        baud_bps: u32,
    },
}

const STEP_BPS: u32 = 500_000;

/// Whether the ROM can be spoken to at this rate.
///
/// It measures with a 32 MHz clock, rounds above 1,250,000 to multiples of 500,000, and rejects 32 MHz / baud <= 3
/// (ROM reference 1.2).
///
/// # Errors
/// [`BaudError`] says why not.
pub fn check_rom(baud_bps: u32) -> Result<(), BaudError> {
    check(baud_bps, "boot ROM", 1_250_000, 32_000_000)
}

/// Whether the RAM loader can be spoken to at this rate.
///
/// It measures with a 48 MHz clock, rounds above 970,000 to multiples of 500,000, and does not answer at
/// 48 MHz / baud <= 3 (loader reference 2).
///
/// # Errors
/// [`BaudError`] says why not.
pub fn check_loader(baud_bps: u32) -> Result<(), BaudError> {
    check(baud_bps, "RAM loader", 970_000, 48_000_000)
}

fn check(baud_bps: u32, side: &'static str, threshold_bps: u32, clock_hz: u32) -> Result<(), BaudError> {
    if baud_bps < 9_600 {
        return Err(BaudError::TooSlow { baud_bps });
    }
    if clock_hz / baud_bps <= 3 {
        let limit_bps = clock_hz / 4 / STEP_BPS * STEP_BPS;
        return Err(BaudError::TooFast { baud_bps, side, limit_bps });
    }
    if baud_bps > threshold_bps && !baud_bps.is_multiple_of(STEP_BPS) {
        return Err(BaudError::Rounded { baud_bps, side, threshold_bps });
    }
    Ok(())
}

/// How often in one run a lower rate may be taken.
pub const MAX_FALLBACKS: u32 = 2;

/// Rates to fall back to: what every adapter can do, each well below the one before.
const LADDER_BPS: [u32; 3] = [1_000_000, 500_000, 115_200];

/// Rates to climb to: whole multiples of 500,000, which the RAM loader settles on exactly, up to what published adapters do.
const CLIMB_BPS: [u32; 3] = [1_000_000, 2_000_000, 3_000_000];

/// The rates to climb to from this one, `most_bps` at most.
pub fn rates_above(baud_bps: u32, most_bps: u32) -> impl Iterator<Item = u32> {
    CLIMB_BPS.into_iter().filter(move |rate| (baud_bps + 1..=most_bps).contains(rate))
}

/// The rate to fall back to from this one, if there is a lower one.
pub fn lower_rate(baud_bps: u32) -> Option<u32> {
    LADDER_BPS.into_iter().find(|rate| *rate < baud_bps)
}

/// The lowest rate that a run which begins at this rate may end up with.
pub fn slowest_rate(baud_bps: u32) -> u32 {
    (0..MAX_FALLBACKS).fold(baud_bps, |rate, _| lower_rate(rate).unwrap_or(rate))
}

/// How many 55h bytes make a burst at this rate: 3 ms worth, at least two.
pub fn burst_len(baud_bps: u32) -> usize {
    usize::try_from(BURST.0 * u64::from(baud_bps) / 10_000_000_000).unwrap_or(usize::MAX).max(2)
}

/// How many data bytes to put into one frame at this rate: `limit_bytes`, or on slow lines as many whole pages of 256
/// bytes as travel within 2 s, half of what the loader allows for a frame (loader reference 5).
pub fn data_within_session(baud_bps: u32, limit_bytes: usize) -> usize {
    let bytes = Nanos::from_secs(2).0 / Nanos::byte_times(1, baud_bps).0.max(1);
    let pages = usize::try_from(bytes / 256 * 256).unwrap_or(usize::MAX);
    pages.max(256).min(limit_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(115_200, true, true)]
    #[case(460_800, true, true)]
    #[case(500_000, true, true)]
    #[case(921_600, true, true)]
    #[case(1_000_000, true, true)]
    #[case(1_200_000, true, false)]
    #[case(1_500_000, true, true)]
    #[case(2_000_000, true, true)]
    #[case(3_000_000, true, true)]
    #[case(8_000_000, true, true)]
    #[case(9_000_000, false, true)]
    #[case(12_500_000, false, false)]
    #[case(300, false, false)]
    #[case(0, false, false)]
    fn rates(#[case] baud_bps: u32, #[case] rom: bool, #[case] loader: bool) {
        assert_eq!(check_rom(baud_bps).is_ok(), rom, "{:?}", check_rom(baud_bps));
        assert_eq!(check_loader(baud_bps).is_ok(), loader, "{:?}", check_loader(baud_bps));
    }

    #[rstest]
    #[case(3_000_000, 500_000)]
    #[case(2_000_000, 500_000)]
    #[case(1_000_000, 115_200)]
    #[case(921_600, 115_200)]
    #[case(500_000, 115_200)]
    #[case(115_200, 115_200)]
    #[case(9_600, 9_600)]
    fn a_run_falls_back_twice_at_most(#[case] from: u32, #[case] to: u32) {
        assert_eq!(slowest_rate(from), to);
    }

    #[test]
    fn bursts_are_three_milliseconds() {
        assert_eq!(burst_len(500_000), 150);
        assert_eq!(burst_len(2_000_000), 600);
        assert_eq!(burst_len(115_200), 34);
    }

    #[test]
    fn slow_lines_get_smaller_frames() {
        assert_eq!(data_within_session(2_000_000, 9216), 9216);
        assert_eq!(data_within_session(9_600, 9216), 1792);
    }
}
