//! 10h, 21h, 60h, 61h and 71h: boot info, reset, XIP mode and log.

use bl702_protocol::frame;
use bl702_protocol::time::Nanos;

use super::commands::{Cpu, Job, Next, Request};
use super::memory_map::{self, ANSWER_DATA, ANSWER_DATA_BYTES, EFUSE_WORDS};
use crate::chip::Exit;
use crate::event::Stage;
use crate::registers::{HBN_DELAY, HBN_RSV0};

const BOOT_INFO_BYTES: u16 = 24;
/// What follows the four bytes of FFh: two eFuse words, and 12 bytes of the interface table by mistake.
const BOOT_INFO_COPIED_BYTES: usize = 20;
const BEFORE_RESET_MS: u64 = 4;
const RESET_US: u64 = 10;
/// Asks the ROM for 100 us before it samples the boot pin.
const RESET_DELAY_COUNT: u32 = 0x0b;

/// 10h: any payload.
pub(super) fn boot_info(_: &Request, cpu: &mut Cpu<'_>) -> Next {
    for offset in [0x10, 0x74] {
        cpu.chip.faults.fuses_read(cpu.at, Stage::Loader, offset..offset + 4);
    }
    let ram = &mut cpu.chip.ram;
    memory_map::begin_answer(ram, BOOT_INFO_BYTES);
    memory_map::store(ram, ANSWER_DATA, &u32::MAX.to_le_bytes());
    let copied = ram.slice(EFUSE_WORDS, BOOT_INFO_COPIED_BYTES).unwrap_or_default().to_vec();
    memory_map::store(ram, ANSWER_DATA + 4, &copied);
    Next::answer(cpu.at, u32::from(BOOT_INFO_BYTES) + 4)
}

/// 21h: any payload. `OK` has 4 ms to get out.
pub(super) fn reset(_: &Request, cpu: &mut Cpu<'_>) -> Next {
    let entered_at = cpu.send(&frame::OK);
    Next::At(entered_at + Nanos::from_millis(BEFORE_RESET_MS), Job::PrepareReset)
}

/// Leaves the ROM its word, and resets 10 us later.
pub(super) fn prepare_reset(cpu: &mut Cpu<'_>) -> Next {
    cpu.chip.registers.set_hbn(HBN_RSV0, HBN_DELAY | RESET_DELAY_COUNT);
    Next::At(cpu.at + Nanos::from_micros(RESET_US), Job::Leave(Exit::SystemReset))
}

/// 60h: any payload.
pub(super) fn xip_start(_: &Request, cpu: &mut Cpu<'_>) -> Next {
    cpu.data.xip_started = true;
    Next::ok(cpu.at)
}

/// 61h: any payload, started or not.
pub(super) fn xip_finish(_: &Request, cpu: &mut Cpu<'_>) -> Next {
    cpu.data.xip_started = false;
    Next::ok(cpu.at)
}

/// 71h: any payload. Reading does not clear the log.
pub(super) fn read_log(_: &Request, cpu: &mut Cpu<'_>) -> Next {
    let text = cpu.data.log.text();
    let text = &text[..text.len().min(ANSWER_DATA_BYTES as usize)];
    memory_map::begin_answer(&mut cpu.chip.ram, text.len() as u16);
    memory_map::store(&mut cpu.chip.ram, ANSWER_DATA, text);
    Next::answer(cpu.at, text.len() as u32 + 4)
}
