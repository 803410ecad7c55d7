//! How long work may take: the bound that is announced before it begins.

use bl702_protocol::frame::{LOADER_MAX_READ, LOADER_MAX_WRITE};
use bl702_protocol::time::Nanos;

use super::erase::{BLOCK_32K, BLOCK_64K};
use super::range::FlashRange;
use crate::baud::data_within_session;
use crate::timing::Timing;

/// Sums up what a piece of work may take on a slow chip over a slow adapter, without anything going wrong.
#[derive(Clone, Debug)]
pub struct Budget {
    baud_bps: u32,
    per_exchange: Nanos,
    repeat: Nanos,
    total: Nanos,
}

impl Budget {
    /// Nothing yet, at this rate.
    pub fn new(baud_bps: u32, timing: &Timing) -> Budget {
        // A tenth of what a single answer is waited for: no adapter is always that late.
        let per_exchange = timing.reply_margin.scale(0.1) + Nanos::from_millis(20);
        let frame = Nanos::byte_times(LOADER_MAX_WRITE as u64 + 16, baud_bps);
        let repeat = timing.reply_margin + timing.quiet * 10 + frame + Nanos::from_secs(1);
        Budget { baud_bps, per_exchange, repeat, total: per_exchange * 8 }
    }

    /// Reading so many bytes.
    pub fn read(&mut self, bytes: u64) {
        self.transfer(bytes, LOADER_MAX_READ as u64);
        self.total += at_rate(bytes, 524_288);
    }

    /// Writing so many bytes: transfer, and programming at 5 ms a page.
    pub fn program(&mut self, bytes: u64) {
        self.transfer(bytes, data_within_session(self.baud_bps, LOADER_MAX_WRITE) as u64);
        self.total += at_rate(bytes, 256 * 200);
    }

    /// Erasing one unit: 2 s for 64 KiB, 1.2 s for 32 KiB, 0.4 s for 4 KiB (limits of ROM reference 4).
    pub fn erase(&mut self, unit: &FlashRange) {
        self.total += self.per_exchange
            + match unit.len() {
                BLOCK_64K => Nanos::from_millis(2_000),
                BLOCK_32K => Nanos::from_millis(1_200),
                _ => Nanos::from_millis(400),
            };
    }

    /// Erasing the whole flash: the loader gives up after 49.5 s (loader reference 4, 3Ch).
    pub fn chip_erase(&mut self) {
        self.total += Nanos::from_secs(52);
    }

    /// Hashing so many bytes in one command.
    pub fn hash(&mut self, bytes: u64) {
        self.total += self.per_exchange + at_rate(bytes, 524_288);
    }

    /// So many short requests.
    pub fn exchanges(&mut self, count: u32) {
        self.total += self.per_exchange * u64::from(count);
    }

    /// What was added up.
    pub fn total(&self) -> Nanos {
        self.total
    }

    /// The bound of the work: half as much again for adapters that are late, and all the repeats a run is allowed.
    pub fn bound(&self, repeats: u32) -> Nanos {
        self.total.scale(1.5) + self.repeat * u64::from(repeats)
    }

    fn transfer(&mut self, bytes: u64, block: u64) {
        self.total += Nanos::byte_times(bytes + bytes / 16, self.baud_bps);
        self.total += self.per_exchange * bytes.div_ceil(block.max(1));
    }
}

fn at_rate(bytes: u64, bytes_per_second: u64) -> Nanos {
    Nanos(bytes.saturating_mul(1_000_000_000) / bytes_per_second)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timing::Pace;

    #[test]
    fn more_work_never_means_less_time() {
        let mut budget = Budget::new(2_000_000, &Timing::of(Pace::Fast));
        let mut last = budget.total();
        let steps: [fn(&mut Budget); 4] = [
            |budget| budget.read(1 << 20),
            |budget| budget.program(1 << 20),
            |budget| budget.hash(1 << 20),
            Budget::chip_erase,
        ];
        for step in steps {
            step(&mut budget);
            assert!(budget.total() > last);
            last = budget.total();
        }
    }

    #[test]
    fn a_slower_line_takes_longer() {
        let total = |baud_bps| {
            let mut budget = Budget::new(baud_bps, &Timing::default());
            budget.read(1 << 20);
            budget.total()
        };
        assert!(total(115_200) > total(2_000_000) + Nanos::from_secs(60));
    }
}
