//! 36h, 37h, 38h and 3Bh: id and status registers of the flash, and the loader's idea of it.

use bl702_protocol::image::flash_config::{FLASH_CONFIG_LEN, FlashConfig};
use bl702_protocol::jedec::LOADER_FLAG_IDENTIFIED;
use bl702_protocol::time::Nanos;

use super::commands::{Cpu, Next, Request};
use super::memory_map::{self, ANSWER_DATA};

/// Value of the pin byte of 3Bh that leaves pins and flash alone.
const PINS_UNCHANGED: u8 = 0xff;
const PIN_DELAY_MS: u64 = 2;

/// 36h: any payload.
pub(super) fn jedec_id(_: &Request, cpu: &mut Cpu<'_>) -> Next {
    let flag = if cpu.data.flash_identified { LOADER_FLAG_IDENTIFIED } else { 0 };
    let [manufacturer, kind, capacity] = cpu.chip.flash.read_jedec_id(cpu.at);
    memory_map::begin_answer(&mut cpu.chip.ram, 4);
    memory_map::store(&mut cpu.chip.ram, ANSWER_DATA, &[manufacturer, kind, capacity, flag]);
    Next::answer(cpu.at, 8)
}

/// 37h: command (4, the low byte counts), n (4). Reads n & FFh bytes but sends n: the rest is left over in the buffer.
/// A failure is silence.
pub(super) fn read_status(request: &Request, cpu: &mut Cpu<'_>) -> Next {
    let Some([command, count]) = request.words(cpu.chip) else { return Next::refuse(cpu.at, 0x0009) };
    let read = count & 0xff;
    memory_map::begin_answer(&mut cpu.chip.ram, read as u16);
    let mut values = [0; 0xff];
    let values = &mut values[..read as usize];
    if cpu.chip.flash.read_register(cpu.at, command as u8, values).is_err() {
        return Next::silence(cpu.at);
    }
    memory_map::store(&mut cpu.chip.ram, ANSWER_DATA, values);
    Next::answer(cpu.at, count.wrapping_add(4))
}

/// 38h: command (4), n (4), value (4). Sends n bytes, but never puts any into the buffer.
pub(super) fn write_status(request: &Request, cpu: &mut Cpu<'_>) -> Next {
    let Some([command, count, value]) = request.words(cpu.chip) else { return Next::refuse(cpu.at, 0x000a) };
    let written = count & 0xff;
    memory_map::begin_answer(&mut cpu.chip.ram, written as u16);
    // More than the four bytes of the value would come from the stack; no register is longer than two.
    let values = value.to_le_bytes();
    let values = &values[..(written as usize).min(4)];
    match cpu.chip.flash.begin_write_register(cpu.at, command as u8, values) {
        Ok(done_at) => Next::answer(done_at.max(cpu.at), count.wrapping_add(4)),
        Err(error) => Next::refuse(error.known_at(cpu.at), 0x000a),
    }
}

/// 3Bh: pin, clock, I/O mode, unused; optionally the 84 bytes of a configuration.
///
/// The clock divider and the way to the crystal clock and back have no effect here (assumed: no byte is lost).
pub(super) fn set_parameters(request: &Request, cpu: &mut Cpu<'_>) -> Next {
    let payload = request.payload(cpu.chip);
    let Some(([pin, _clock, io_mode, _unused], rest)) = payload.split_first_chunk::<4>() else {
        return Next::refuse(cpu.at, 0x0008);
    };
    let (pin, io_mode) = (*pin, *io_mode);
    let config = match <[u8; FLASH_CONFIG_LEN]>::try_from(rest) {
        Ok(bytes) => Some(FlashConfig(bytes)),
        Err(_) if rest.is_empty() => None,
        Err(_) => return Next::refuse(cpu.at, 0x0008),
    };
    let mut done_at = cpu.at;
    if pin != PINS_UNCHANGED {
        done_at = cpu.data.identify_flash(cpu.chip, cpu.at) + Nanos::from_millis(PIN_DELAY_MS);
    }
    if let Some(config) = config {
        cpu.data.flash_config = config;
    }
    cpu.data.flash_config.0[0] = io_mode;
    Next::ok(done_at)
}
