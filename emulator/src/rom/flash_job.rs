//! 30h and 31h: flash work of the boot ROM, which answers only when it is done.

use bl702_protocol::code::Code;
use bl702_protocol::frame;
use bl702_protocol::time::Nanos;

use super::timing::FLASH_INIT;
use crate::chip::Chip;
use crate::event::Event;
use crate::flash::{EraseUnit, FlashError};

/// How much of the data written an event shows.
const HEAD: usize = 64;

/// Flash work under way.
#[derive(Debug)]
pub(super) struct FlashJob {
    work: Work,
    /// When the operation under way is done; nothing before the first call of [`FlashJob::advance`].
    busy_until: Option<Nanos>,
    /// The driver gives up then, and this is the answer.
    failed: Option<Code>,
}

#[derive(Debug)]
enum Work {
    /// Erase `position..end`; wider than the address, so that an end of FFFFFFFFh does not wrap.
    Erase { position: u64, end: u64, started: bool },
    /// Program all of it in one go.
    Write { address: u32, data: Vec<u8> },
}

impl FlashJob {
    /// Erases whole sectors from the one that holds `start` to the one that holds `end`.
    pub(super) fn erase(start: u32, end: u32) -> FlashJob {
        let work = Work::Erase { position: u64::from(start), end: u64::from(end) + 1, started: false };
        FlashJob { work, busy_until: None, failed: None }
    }

    /// Programs `data` from `address`.
    pub(super) fn write(address: u32, data: &[u8]) -> FlashJob {
        FlashJob { work: Work::Write { address, data: data.to_vec() }, busy_until: None, failed: None }
    }

    /// When it wants to be advanced next.
    pub(super) fn busy_until(&self) -> Option<Nanos> {
        self.busy_until
    }

    /// Goes on at `at`; gives the answer when all is done.
    pub(super) fn advance(&mut self, chip: &mut Chip, at: Nanos) -> Option<Vec<u8>> {
        if self.busy_until.take().is_some() {
            chip.flash.settle(at);
        }
        if let Some(code) = self.failed {
            return Some(frame::fl(code));
        }
        match &mut self.work {
            Work::Erase { position, end, started: started @ false } => {
                *started = true;
                // Its failure is ignored: the erase that follows tells.
                chip.emit(at, Event::FlashInit);
                chip.emit(at, Event::FlashErase { start: *position as u32, end: (*end - 1) as u32 });
                *position &= !0xFFF;
                self.busy_until = Some(at + FLASH_INIT.scale(chip.profile.rom_time_scale));
                None
            }
            Work::Erase { position, end, .. } => {
                let Some((unit, bytes)) = next_unit(*position, *end) else { return Some(frame::ok()) };
                match chip.flash.begin_erase(at, unit, *position as u32) {
                    Ok(done) => self.busy_until = Some(done),
                    Err(error) => return self.fail(at, error, Code(0x0003)),
                }
                *position += bytes;
                None
            }
            Work::Write { data, .. } if data.is_empty() => Some(frame::ok()),
            Work::Write { address, data } => {
                let data = std::mem::take(data);
                let head = data[..data.len().min(HEAD)].to_vec();
                let (address, length) = (*address, data.len() as u32);
                chip.emit(at, Event::FlashWrite { address, length, head });
                match chip.flash.begin_program(at, address, &data) {
                    Ok(done) => self.busy_until = Some(done),
                    Err(error) => return self.fail(at, error, Code(0x0006)),
                }
                None
            }
        }
    }
}

impl FlashJob {
    fn fail(&mut self, at: Nanos, error: FlashError, code: Code) -> Option<Vec<u8>> {
        if error.known_at(at) <= at {
            return Some(frame::fl(code));
        }
        (self.busy_until, self.failed) = (Some(error.known_at(at)), Some(code));
        None
    }
}

/// The largest unit that fits at `position`, by the rule of the vendor's driver (the RAM loader's 30h, section 4 of
/// `reference/loader-protocol.md`; that the ROM's copy of the driver follows it too is assumed).
fn next_unit(position: u64, end: u64) -> Option<(EraseUnit, u64)> {
    let left = end.saturating_sub(position);
    if left == 0 {
        None
    } else if position & 0xFFFF == 0 && left > 60 * 1024 {
        Some((EraseUnit::Block64K, 0x1_0000))
    } else if position & 0x7FFF == 0 && left > 28 * 1024 {
        Some((EraseUnit::Block32K, 0x8000))
    } else {
        Some((EraseUnit::Sector4K, 0x1000))
    }
}
