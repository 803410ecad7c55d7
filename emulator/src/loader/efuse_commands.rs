//! 40h, 41h and 42h: burning and reading fuses.

use bl702_protocol::crc::crc32;
use bl702_protocol::time::Nanos;

use super::commands::{Cpu, Next, Request};
use super::memory_map::{self, ANSWER_DATA};
use crate::event::{Event, Stage};
use crate::otp::EFUSE_BYTES;

/// 40h and 41h change the clock and wait before every answer, refusals included.
const CLOCK_DELAY_US: u64 = 100;
const MAC: std::ops::Range<usize> = 0x14..0x1c;
const MAC_ANSWER_BYTES: u16 = 12;
/// Six bits of word 74h hold the number of 0 bits of the MAC.
const MAC_ZEROS_MASK: u32 = 0x3f;

/// 40h: address (4), data. Burns at once; address and length are rounded down to words, the length is cut at 80h.
///
/// The program trigger is pulled once for up to one word; of two and more, the last is burnt by a second pull. One
/// to three bytes are no word: the trigger is pulled with what the shadow registers hold.
pub(super) fn write(request: &Request, cpu: &mut Cpu<'_>) -> Next {
    let answer_at = cpu.at + Nanos::from_micros(CLOCK_DELAY_US);
    let Some(address) = request.address(cpu.chip) else { return Next::refuse(answer_at, 0x0401) };
    let Some(offset) = word_offset(address) else { return Next::refuse(answer_at, 0x0402) };
    let (words, _) = request.payload(cpu.chip)[4..].as_chunks::<4>();
    let words: Vec<(u8, u32)> = (offset..EFUSE_BYTES as u8)
        .step_by(4)
        .zip(words)
        .map(|(at, word)| (at, u32::from_le_bytes(*word)))
        .collect();
    match words.split_last() {
        Some((last, first)) if !first.is_empty() => {
            burn(cpu, first);
            burn(cpu, &[*last]);
        }
        _ => burn(cpu, &words),
    }
    Next::ok(answer_at)
}

fn burn(cpu: &mut Cpu<'_>, words: &[(u8, u32)]) {
    for (offset, word) in cpu.chip.otp.program_words(words) {
        cpu.emit(Event::EfuseProgram { offset, word });
    }
}

/// 41h: address (4), length (4), rounded and cut in the same way. Loads the shadow registers afresh.
pub(super) fn read(request: &Request, cpu: &mut Cpu<'_>) -> Next {
    let answer_at = cpu.at + Nanos::from_micros(CLOCK_DELAY_US);
    let Some([address, length]) = request.words(cpu.chip) else { return Next::refuse(answer_at, 0x0404) };
    memory_map::begin_answer(&mut cpu.chip.ram, 0);
    let Some(offset) = word_offset(address) else { return Next::refuse(answer_at, 0x0405) };
    let offset = usize::from(offset);
    let length = (length & !3).min((EFUSE_BYTES - offset) as u32);
    memory_map::begin_answer(&mut cpu.chip.ram, length as u16);
    cpu.chip.otp.reload_shadow();
    cpu.chip.faults.fuses_read(cpu.at, Stage::Loader, offset..offset + length as usize);
    let fuses = cpu.chip.otp.shadow();
    memory_map::store(&mut cpu.chip.ram, ANSWER_DATA, &fuses[offset..offset + length as usize]);
    Next::answer(answer_at, length + 4)
}

/// 42h: any payload. MAC and its CRC-32, if the number of its 0 bits is the one in word 74h.
pub(super) fn mac(_: &Request, cpu: &mut Cpu<'_>) -> Next {
    memory_map::begin_answer(&mut cpu.chip.ram, MAC_ANSWER_BYTES);
    cpu.chip.otp.reload_shadow();
    cpu.chip.faults.fuses_read(cpu.at, Stage::Loader, MAC);
    cpu.chip.faults.fuses_read(cpu.at, Stage::Loader, 0x74..0x78);
    let fuses = cpu.chip.otp.shadow();
    let mac = &fuses[MAC];
    memory_map::store(&mut cpu.chip.ram, ANSWER_DATA, mac);
    let zeros: u32 = mac.iter().map(|byte| byte.count_zeros()).sum();
    if (zeros ^ cpu.chip.otp.shadow_word(0x74 / 4)) & MAC_ZEROS_MASK != 0 {
        return Next::refuse(cpu.at, 0x0407);
    }
    memory_map::store(&mut cpu.chip.ram, ANSWER_DATA + mac.len() as u32, &crc32(mac).to_le_bytes());
    Next::answer(cpu.at, u32::from(MAC_ANSWER_BYTES) + 4)
}

/// The address rounded down to a word, if that is a fuse word.
fn word_offset(address: u32) -> Option<u8> {
    u8::try_from(address & !3).ok().filter(|offset| usize::from(*offset) < EFUSE_BYTES)
}
