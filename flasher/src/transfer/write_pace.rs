//! How long the frames of a write should be.
//!
//! The next block travels while the last one is programmed, so the longest frames cost the least, but for the first of a run:
//! nothing is programmed while it travels. Where the flash is slower than the line, shorter frames hide behind it just as
//! well, and the first one costs less: what a frame needs is to be programmed no sooner than the next one is there. How fast
//! a flash is shows in how late it lets the next `OK` come.

use bl702_protocol::frame::LOADER_MAX_WRITE;
use bl702_protocol::time::Nanos;

use crate::plan::PAGE;

/// Frames are never shorter, unless the bytes are at an end: what the vendor's tools take.
const LEAST_BYTES: usize = 2048;

/// Bytes of a write frame beside its data: header and address.
const FRAME_BYTES: u64 = 8;

/// An `OK` that is later than this, beyond what line and adapter take, was kept back by the flash.
const NOTABLE_WAIT: Nanos = Nanos::from_micros(500);

/// What is known of line and flash.
#[derive(Debug, Default)]
pub(crate) struct WritePace {
    /// What an answer takes beyond its bytes.
    round_trip: Nanos,
    /// What the flash takes for a byte, where it was seen to be slower than the line.
    flash_ns_a_byte: Option<u64>,
}

impl WritePace {
    /// Notes what a short answer took beyond its bytes on the wire.
    pub(crate) fn note_round_trip(&mut self, took: Nanos) {
        self.round_trip = took;
    }

    /// Notes that the `OK` for a frame of `sent` bytes of data came `took` after it was begun, while `programmed` bytes of the
    /// frame before were in the works.
    ///
    /// What slows an answer down besides makes the flash look slower, never faster, so the quickest counts.
    pub(crate) fn note(&mut self, programmed: usize, sent: usize, took: Nanos, baud_bps: u32) {
        let line = Nanos::byte_times(sent as u64 + FRAME_BYTES, baud_bps) + self.round_trip;
        if programmed > 0 && took > line + NOTABLE_WAIT {
            let ns_a_byte = took.0 / programmed as u64;
            self.flash_ns_a_byte = Some(self.flash_ns_a_byte.map_or(ns_a_byte, |known| known.min(ns_a_byte)));
        }
    }

    /// How many bytes of data a frame should have at most: the fewest that take longer to program than as many more to arrive.
    pub(crate) fn frame_bytes(&self, baud_bps: u32) -> usize {
        let line_ns_a_byte = Nanos::byte_times(1, baud_bps).0;
        let slower_by = self.flash_ns_a_byte.and_then(|flash| flash.checked_sub(line_ns_a_byte));
        let Some(slower_by) = slower_by.filter(|ns| *ns > 0) else { return LOADER_MAX_WRITE };
        // Half of a round trip more, since not all of them are alike.
        let to_hide = self.round_trip.0 * 3 / 2 + FRAME_BYTES * line_ns_a_byte;
        let pages = to_hide.div_ceil(slower_by).div_ceil(u64::from(PAGE));
        usize::try_from(pages * u64::from(PAGE)).unwrap_or(usize::MAX).clamp(LEAST_BYTES, LOADER_MAX_WRITE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const BAUD_BPS: u32 = 2_000_000;

    /// A pace as it is after two frames of 9216 bytes over this adapter to a flash with this page time.
    fn seen(round_trip_us: u64, page_us: u64) -> WritePace {
        let mut pace = WritePace::default();
        pace.note_round_trip(Nanos::from_micros(round_trip_us));
        let line = Nanos::byte_times(9224, BAUD_BPS) + Nanos::from_micros(round_trip_us);
        pace.note(9216, 9216, line.max(Nanos::from_micros(page_us * 36)), BAUD_BPS);
        pace
    }

    #[rstest]
    // 5.47 us a byte, the line 5.00.
    #[case::slow_flash_behind_a_good_adapter(290, 1_400, 2048)]
    #[case::a_usual_adapter(1_090, 1_400, 3584)]
    #[case::one_whose_delay_only_the_longest_frame_could_hide(2_900, 1_400, 9216)]
    #[case::one_whose_delay_nothing_hides(16_090, 1_400, 9216)]
    #[case::a_very_slow_flash(1_090, 5_000, 2048)]
    // 1.56 us a byte: the line is what counts.
    #[case::fast_flash(290, 400, 9216)]
    fn frames_are_as_short_as_the_flash_can_hide(
        #[case] round_trip_us: u64,
        #[case] page_us: u64,
        #[case] expected: usize,
    ) {
        assert_eq!(seen(round_trip_us, page_us).frame_bytes(BAUD_BPS), expected);
    }

    #[test]
    fn nothing_is_shortened_before_the_flash_was_seen_to_be_slow() {
        let mut pace = WritePace::default();
        assert_eq!(pace.frame_bytes(BAUD_BPS), LOADER_MAX_WRITE);
        // The first frame of a run finds nothing in the works.
        pace.note(0, 9216, Nanos::from_millis(90), BAUD_BPS);
        assert_eq!(pace.frame_bytes(BAUD_BPS), LOADER_MAX_WRITE);
    }

    #[test]
    fn an_answer_that_was_late_for_another_reason_does_not_last() {
        let mut pace = seen(1_090, 1_400);
        pace.note(3584, 3584, Nanos::from_secs(1), BAUD_BPS);
        assert_eq!(pace.frame_bytes(BAUD_BPS), 3584);
    }

    #[test]
    fn at_a_higher_rate_of_the_line_shorter_ones_do() {
        let pace = seen(2_000, 1_400);
        assert!(pace.frame_bytes(3_000_000) < pace.frame_bytes(BAUD_BPS));
        // At a lower one the line is the slower of the two.
        assert_eq!(pace.frame_bytes(1_000_000), LOADER_MAX_WRITE);
    }
}
