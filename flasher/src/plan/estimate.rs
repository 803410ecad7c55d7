//! How long work will take if nothing goes wrong, for a plan that a person reads before it is carried out.

use bl702_protocol::frame::{LOADER_MAX_READ, LOADER_MAX_WRITE};
use bl702_protocol::time::Nanos;
use serde::Serialize;

use super::erase::{BLOCK_32K, BLOCK_64K};
use super::program::PAGE;
use super::range::FlashRange;
use super::sectors::Step;
use crate::baud::data_within_session;

/// Typical times of the KH25L8005, the nearest relative of the XT-ZB2's flash with a data sheet (ROM reference 4); 32 KiB
/// by proportion. Most other parts are faster.
const PAGE_TIME: Nanos = Nanos::from_micros(1_400);
const SECTOR_TIME: Nanos = Nanos::from_millis(60);
const BLOCK_32K_TIME: Nanos = Nanos::from_millis(500);
const BLOCK_64K_TIME: Nanos = Nanos::from_secs(1);
/// Middle of the 2.5 to 7 s of ROM reference 4, on the long side.
const CHIP_TIME: Nanos = Nanos::from_secs(7);

/// A request and its answer over a USB adapter: a millisecond of latency each way (assumed).
const EXCHANGE_TIME: Nanos = Nanos::from_millis(2);

/// Bytes that the module hashes in a second, which is how fast it reads its flash (loader reference 4; the value is assumed).
const HASH_BYTES_PER_SECOND: u64 = 3_000_000;

/// What a change of the flash does, before it is done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ChangePlan {
    /// Bytes of sectors that hold what they should already.
    pub unchanged_bytes: u64,
    /// Whether the whole flash is erased by its own command; [`erase`](Self::erase) has what holds data then.
    pub chip_erase: bool,
    /// Erase commands, in their order.
    pub erase: Vec<FlashRange>,
    /// Runs of bytes to program.
    pub program: Vec<FlashRange>,
    /// Bytes outside of what was asked for that share a sector with it: read first, written back.
    pub preserved: Vec<FlashRange>,
    /// About how long erasing, programming and verifying take.
    pub estimate_ms: u64,
}

impl ChangePlan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.erase.is_empty() && self.program.is_empty()
    }

    /// Bytes to erase.
    pub fn erase_bytes(&self) -> u64 {
        total(&self.erase)
    }

    /// Bytes to program.
    pub fn program_bytes(&self) -> u64 {
        total(&self.program)
    }
}

fn total(ranges: &[FlashRange]) -> u64 {
    ranges.iter().map(|range| u64::from(range.len())).sum()
}

/// Sums up what work takes on an ordinary part over an ordinary adapter when nothing goes wrong.
#[derive(Clone, Copy, Debug)]
pub struct Estimate {
    baud_bps: u32,
    total: Nanos,
}

impl Estimate {
    /// Nothing yet, at this rate.
    pub fn new(baud_bps: u32) -> Estimate {
        Estimate { baud_bps, total: Nanos::ZERO }
    }

    /// Erasing and programming of these steps.
    pub fn steps(mut self, steps: &[Step]) -> Estimate {
        for step in steps {
            step.erase.iter().for_each(|unit| self.erase(unit));
            step.program.iter().for_each(|run| self.program(u64::from(run.len())));
        }
        self
    }

    /// Hashing so many bytes by one command.
    pub fn hash(mut self, bytes: u64) -> Estimate {
        self.total += EXCHANGE_TIME + at_rate(bytes, HASH_BYTES_PER_SECOND);
        self
    }

    /// Reading so many bytes.
    pub fn read(mut self, bytes: u64) -> Estimate {
        let blocks = bytes.div_ceil(LOADER_MAX_READ as u64);
        self.total += Nanos::byte_times(bytes, self.baud_bps) + EXCHANGE_TIME * blocks;
        self
    }

    /// Erasing the whole flash by its own command.
    pub fn chip_erase(mut self) -> Estimate {
        self.total += CHIP_TIME;
        self
    }

    /// In milliseconds.
    pub fn millis(&self) -> u64 {
        self.total.as_millis()
    }

    fn erase(&mut self, unit: &FlashRange) {
        let busy = match unit.len() {
            BLOCK_64K => BLOCK_64K_TIME,
            BLOCK_32K => BLOCK_32K_TIME,
            _ => SECTOR_TIME,
        };
        self.total += EXCHANGE_TIME + busy;
    }

    /// The loader programs one write while it takes the next, so the slower of both counts.
    fn program(&mut self, bytes: u64) {
        let block = data_within_session(self.baud_bps, LOADER_MAX_WRITE) as u64;
        let transfer = Nanos::byte_times(bytes, self.baud_bps);
        let busy = PAGE_TIME * bytes.div_ceil(u64::from(PAGE));
        self.total += transfer.max(busy) + EXCHANGE_TIME * bytes.div_ceil(block.max(1));
    }
}

fn at_rate(bytes: u64, bytes_per_second: u64) -> Nanos {
    Nanos(bytes.saturating_mul(1_000_000_000) / bytes_per_second)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(erase: &[&str], program: &[&str]) -> Step {
        let ranges = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        Step {
            range: "0..0x20000".parse().unwrap(),
            erase: ranges(erase),
            program: ranges(program),
            keeps: false,
        }
    }

    #[test]
    fn a_block_and_a_sector() {
        let steps = [step(&["0..0x10000", "0x10000..0x11000"], &[])];
        assert_eq!(Estimate::new(2_000_000).steps(&steps).millis(), 1000 + 60 + 2 * 2);
    }

    #[test]
    fn on_a_fast_line_the_flash_counts_and_on_a_slow_one_the_line() {
        let steps = [step(&[], &["0..0x10000"])];
        let millis = |baud_bps| Estimate::new(baud_bps).steps(&steps).millis();
        // 256 pages at 1.4 ms, eight writes.
        assert_eq!(millis(2_000_000), 358 + 8 * 2);
        // 65536 bytes at 11520 a second.
        assert!(millis(115_200) > 5_600, "{}", millis(115_200));
    }

    #[test]
    fn sums() {
        let range = |text: &str| text.parse().unwrap();
        let plan = ChangePlan {
            erase: vec![range("0..0x1000"), range("0x10000..0x20000")],
            program: vec![range("0..0x100")],
            ..ChangePlan::default()
        };
        assert_eq!((plan.erase_bytes(), plan.program_bytes(), plan.is_empty()), (0x11000, 0x100, false));
        assert!(ChangePlan::default().is_empty());
    }
}
