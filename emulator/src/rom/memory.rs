//! 50h and 51h: the ROM's memory commands, and the registers behind them that do something.

use bl702_protocol::code::Code;
use bl702_protocol::frame;
use bl702_protocol::time::Nanos;

use super::commands::{Outcome, data, leave, refused};
use super::otp_record::OtpRecord;
use super::{SW_USAGE_0, TZ_BOOT};
use crate::chip::{Chip, Exit};
use crate::event::{Event, Stage};
use crate::registers::{GLB_SWRST_CFG2, SWRST_CPU, SWRST_POWER_ON, SWRST_SYSTEM};

/// Longest answer of 51h.
const READ_MAX: u32 = 4092;

/// 50h: stores (address, value) pairs in order; the answer comes after all, so a store that resets the CPU has none.
pub(super) fn write(payload: &[u8], otp: &OtpRecord, chip: &mut Chip, at: Nanos) -> Outcome {
    let (pairs, rest) = payload.as_chunks::<8>();
    chip.faults.fuses_used(at, Stage::Rom, SW_USAGE_0, TZ_BOOT, "command 50h in the boot ROM");
    if !rest.is_empty() || otp.efuse.tz_boot() {
        return refused(Code(0x0501));
    }
    for pair in pairs {
        let address = u32::from_le_bytes([pair[0], pair[1], pair[2], pair[3]]);
        let value = u32::from_le_bytes([pair[4], pair[5], pair[6], pair[7]]);
        if chip.ram.contains(address, 4) {
            let _ = chip.ram.write(address, &value.to_le_bytes());
            continue;
        }
        chip.emit(at, Event::RegWrite { address, value });
        chip.registers.store(address, value, &mut chip.otp);
        if address == GLB_SWRST_CFG2 {
            // Bits 0 and 2 reset more than the CPU; the HBN words survive all three (section 1.6).
            if value & (SWRST_POWER_ON | SWRST_SYSTEM) != 0 {
                return leave(None, 0, Exit::SystemReset);
            }
            if value & SWRST_CPU != 0 {
                return leave(None, 0, Exit::CpuReset);
            }
        }
    }
    Outcome::Reply(frame::ok())
}

/// 51h: words from anywhere but the lower 64 KiB of the ROM.
pub(super) fn read(payload: &[u8], otp: &OtpRecord, chip: &mut Chip, now: Nanos) -> Outcome {
    let Ok(bytes) = <[u8; 8]>::try_from(payload) else { return refused(Code(0x0504)) };
    let address = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    let length = u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]) & !3;
    chip.faults.fuses_used(now, Stage::Rom, SW_USAGE_0, TZ_BOOT, "command 51h in the boot ROM");
    if otp.efuse.tz_boot() || length > READ_MAX || address & 0x0FFF_0000 == 0x0100_0000 {
        return refused(Code(0x0504));
    }
    let mut answer = Vec::with_capacity(length as usize);
    for offset in (0..length).step_by(4) {
        let at = (address & !3).wrapping_add(offset);
        let word = chip.ram.read_word(at).unwrap_or_else(|| chip.load_register(now, at));
        answer.extend_from_slice(&word.to_le_bytes());
    }
    data(&answer)
}
