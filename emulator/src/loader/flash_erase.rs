//! 30h and 3Ch: erasing by units and as a whole.

use bl702_protocol::frame;
use bl702_protocol::time::Nanos;

use super::commands::{Cpu, Job, Next, Request};
use crate::event::Event;
use crate::flash::EraseUnit;

const BLOCK_32K: u32 = 0x8000;
const BLOCK_64K: u32 = 0x1_0000;

/// How often the chip erase looks at BUSY.
const POLL_US: u64 = 500;
/// Polls in a second: one `PD` each.
const POLLS_A_PENDING: u64 = 2000;
/// The chip erase gives up after this many polls for each millisecond of the configuration's limit.
const POLLS_A_LIMIT_MS: u64 = 3;

/// 30h: start (4), end (4), inclusive.
pub(super) fn erase(request: &Request, cpu: &mut Cpu<'_>) -> Next {
    let Some([start, end]) = request.words(cpu.chip) else { return Next::refuse(cpu.at, 0x0002) };
    cpu.data.write_failed = false;
    Next::At(cpu.at, Job::Erase(Erase { position: start, end }))
}

/// What is left to erase.
#[derive(Debug)]
pub(super) struct Erase {
    position: u32,
    end: u32,
}

impl Erase {
    /// `PD`, then one unit. An `end` of FFFFFFFFh is never passed, and a sector size of 0 never gets on: both go on for ever.
    pub(super) fn run(self, cpu: &mut Cpu<'_>) -> Next {
        if self.end < self.position {
            return Next::ok(cpu.at);
        }
        let begin_at = cpu.send(&frame::PENDING);
        let (unit, address, next_position) = self.next_unit(cpu);
        let erased_before = cpu.chip.flash.operations().units_erased;
        // The unit's own length counts, not the erase command that the configuration names: the ROM's driver is not
        // modelled command by command (assumed).
        match cpu.chip.flash.begin_erase(begin_at, unit, address) {
            Err(error) => Next::refuse(error.known_at(begin_at), 0x0003),
            Ok(done_at) => {
                let erased = cpu.chip.flash.operations().units_erased > erased_before;
                let rest = Erase { position: next_position, end: self.end };
                let unit = erased.then_some((address, unit.bytes()));
                Next::At(done_at.max(begin_at), Job::ErasedUnit(ErasedUnit { unit, rest }))
            }
        }
    }

    /// The unit, its address and the position behind it, in the loader's 32-bit arithmetic.
    fn next_unit(&self, cpu: &Cpu<'_>) -> (EraseUnit, u32, u32) {
        let config = &cpu.data.flash_config;
        let sector = config.sector_size_bytes();
        let rest = self.end.wrapping_add(1).wrapping_sub(self.position);
        let fits = |block: u32| self.position.is_multiple_of(block) && rest > block.wrapping_sub(sector);
        if config.erases_64k_blocks() && fits(BLOCK_64K) {
            (EraseUnit::Block64K, self.position, self.position.wrapping_add(BLOCK_64K))
        } else if config.erases_32k_blocks() && fits(BLOCK_32K) {
            (EraseUnit::Block32K, self.position, self.position.wrapping_add(BLOCK_32K))
        } else {
            let address = self.position & sector.wrapping_neg();
            (EraseUnit::Sector4K, address, address.wrapping_add(sector))
        }
    }
}

/// A unit whose time is over.
#[derive(Debug)]
pub(super) struct ErasedUnit {
    /// Address and length, unless block protection made the part ignore it.
    unit: Option<(u32, u32)>,
    rest: Erase,
}

impl ErasedUnit {
    pub(super) fn run(self, cpu: &mut Cpu<'_>) -> Next {
        if let Some((address, length)) = self.unit {
            cpu.emit(Event::FlashUnitErased { address, length });
        }
        Next::At(cpu.at, Job::Erase(self.rest))
    }
}

/// 3Ch: any payload.
pub(super) fn chip_erase(_: &Request, cpu: &mut Cpu<'_>) -> Next {
    match cpu.chip.flash.begin_chip_erase(cpu.at) {
        Err(_) => Next::refuse(cpu.at, 0x0003),
        Ok(done_at) => Next::At(cpu.at, Job::ChipErase(ChipErase { begun_at: cpu.at, done_at, polls: 0 })),
    }
}

/// A chip erase that is polled: poll `n` comes `n - 1` half milliseconds after the beginning.
#[derive(Debug)]
pub(super) struct ChipErase {
    begun_at: Nanos,
    done_at: Nanos,
    /// Polls that found the part busy; the delay after the last of them is over.
    polls: u64,
}

impl ChipErase {
    /// Goes to the poll that finds the part ready, sends `PD` or gives up, whichever comes first.
    pub(super) fn run(mut self, cpu: &mut Cpu<'_>) -> Next {
        let limit = u64::from(cpu.data.flash_config.chip_erase_time_ms()) * POLLS_A_LIMIT_MS;
        if self.polls > 0 && self.polls.is_multiple_of(POLLS_A_PENDING) {
            cpu.send(&frame::PENDING);
        }
        if self.polls > limit {
            return Next::refuse(cpu.at, 0x0003);
        }
        let busy_polls = self.done_at.since(self.begun_at).0.div_ceil(POLL_US * 1000);
        if self.polls >= busy_polls {
            return Next::ok(cpu.at);
        }
        let next_pending = (self.polls / POLLS_A_PENDING + 1) * POLLS_A_PENDING;
        self.polls = next_pending.min(limit + 1).min(busy_polls);
        let at = self.begun_at + Nanos::from_micros(POLL_US) * self.polls;
        Next::At(at, Job::ChipErase(self))
    }
}
