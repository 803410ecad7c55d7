//! 50h and 51h, both broken in the vendor's code (`reference/loader-protocol.md` section 4).

use super::commands::{BUS_FAULT, Cpu, Job, Next, Request};
use super::memory_map::{self, ANSWER_DATA};
use crate::chip::{Chip, Exit};
use crate::event::Event;
use crate::registers::{GLB_SWRST_CFG2, SWRST_CPU, SWRST_POWER_ON, SWRST_SYSTEM};

/// The flash in the memory map.
const XIP: std::ops::Range<u32> = 0x2300_0000..0x2400_0000;

/// 50h: address (4), data. Stores as many words as there are whole words of data, but takes them from the beginning of
/// the payload, address included, and stores all at the one address.
pub(super) fn write(request: &Request, cpu: &mut Cpu<'_>) -> Next {
    let Some(address) = request.address(cpu.chip) else { return Next::refuse(cpu.at, 0x0401) };
    for n in 0..(request.length as u32 - 4) / 4 {
        // Read anew each time: the store may have hit the payload.
        let word = cpu.chip.ram.read_word(request.payload + 4 * n).unwrap_or_default();
        if let Some(exit) = store_word(cpu, address, word) {
            return Next::At(cpu.at, Job::Leave(exit));
        }
    }
    Next::ok(cpu.at)
}

/// Stores a word; a reset follows when it sets a bit of the reset register.
fn store_word(cpu: &mut Cpu<'_>, address: u32, value: u32) -> Option<Exit> {
    if cpu.chip.ram.write_word(address, value).is_some() {
        return None;
    }
    cpu.emit(Event::RegWrite { address, value });
    let Chip { registers, otp, .. } = cpu.chip;
    registers.store(address, value, otp);
    if address != GLB_SWRST_CFG2 {
        None
    } else if value & (SWRST_POWER_ON | SWRST_SYSTEM) != 0 {
        Some(Exit::SystemReset)
    } else {
        (value & SWRST_CPU != 0).then_some(Exit::CpuReset)
    }
}

/// 51h: address (4), length (4), both rounded down to words. Gives the one word at the address again and again, and
/// runs over the end of the answer buffer if it is told to.
pub(super) fn read(request: &Request, cpu: &mut Cpu<'_>) -> Next {
    let Some([address, length]) = request.words(cpu.chip) else { return Next::refuse(cpu.at, 0x0404) };
    let (address, length) = (address & !3, length & !3);
    memory_map::begin_answer(&mut cpu.chip.ram, length as u16);
    for offset in (0..length).step_by(4) {
        // Read anew each time: the answer may grow over the word.
        let word = load_word(cpu, address);
        if cpu.chip.ram.write_word(ANSWER_DATA.wrapping_add(offset), word).is_none() {
            return Next::Leave(cpu.at, Exit::Dead { reason: BUS_FAULT });
        }
    }
    Next::answer(cpu.at, length.wrapping_add(4))
}

fn load_word(cpu: &mut Cpu<'_>, address: u32) -> u32 {
    if let Some(word) = cpu.chip.ram.read_word(address) {
        return word;
    }
    if XIP.contains(&address) {
        let mut bytes = [0; 4];
        cpu.chip.flash.read_out(cpu.at, address - XIP.start, &mut bytes);
        return u32::from_le_bytes(bytes);
    }
    cpu.chip.load_register(cpu.at, address)
}
