//! Where the loader keeps what others can see or overwrite: two receive buffers and, right behind the second, the
//! eFuse words of boot info and the table of its interface.
//!
//! They lie in the chip's own RAM because two of the vendor's bugs are about memory: answers are built in receive
//! buffer 1 (`reference/loader-protocol.md` section 6), and 51h runs over its end (section 4). The addresses are those of
//! the symbols in the vendor's ELF (package bflb-mcu-tool-uart 1.10.1). The reference confirms the order: the 12 bytes that
//! boot info leaks are the head of the table, 51h with 2408h bytes changes the eFuse words, and with 2420h bytes it
//! reaches the pointer to the receive routine and crashes.

use crate::chip::Chip;
use crate::ram::Ram;

/// Bytes of one receive buffer: a header and the longest payload.
pub(super) const BUFFER_BYTES: usize = 0x2408;
/// Longest data in an answer: a buffer less the four bytes of `OK` and length.
pub(super) const ANSWER_DATA_BYTES: u32 = 0x2404;

/// The RAM image's variables, cleared when it starts: from the acknowledge buffer to the end of its bss.
const BSS: std::ops::Range<u32> = 0x4202_40b0..0x4202_ac54;
const BUFFERS: u32 = 0x4202_40f0;
/// Receive buffer 1, in which every answer with data is built.
pub(super) const ANSWER: u32 = BUFFERS + BUFFER_BYTES as u32;
/// Where the data of an answer begin.
pub(super) const ANSWER_DATA: u32 = ANSWER + 4;
/// eFuse word 10h and, behind it, word 74h, as they were at start.
pub(super) const EFUSE_WORDS: u32 = ANSWER + BUFFER_BYTES as u32;
const INTERFACE: u32 = EFUSE_WORDS + 8;
const RECEIVE_TIMEOUT_MS: u32 = INTERFACE + 6;
const RECEIVE_ROUTINE: u32 = INTERFACE + 16;
const SEND_ROUTINE: u32 = INTERFACE + 20;

/// The UART's table: kind 0, next interface 1, two unused bytes; longest frame 2408h; receive time-out 2000 ms; then the
/// routines that begin, poll for a handshake, receive, send, wait and end.
const INTERFACE_TABLE: [u32; 8] = [
    0x0000_0100,
    0x07d0_2408,
    0x2201_2516,
    0x2201_259c,
    RECEIVE_ADDRESS,
    SEND_ADDRESS,
    0x2201_26f4,
    0x2201_2704,
];
const RECEIVE_ADDRESS: u32 = 0x2201_26d6;
const SEND_ADDRESS: u32 = 0x2201_26de;

/// What the start code does: clears the variables, stores the two eFuse words and fills the table.
pub(super) fn initialise(chip: &mut Chip) {
    if let Some(bss) = chip.ram.slice_mut(BSS.start, (BSS.end - BSS.start) as usize) {
        bss.fill(0);
    }
    store_word(&mut chip.ram, EFUSE_WORDS, chip.otp.shadow_word(0x10 / 4));
    store_word(&mut chip.ram, EFUSE_WORDS + 4, chip.otp.shadow_word(0x74 / 4));
    fill_interface_table(&mut chip.ram);
}

/// Before each turn of listening the loader fills the table anew, which mends what 51h did to it.
pub(super) fn fill_interface_table(ram: &mut Ram) {
    for (place, word) in (INTERFACE..).step_by(4).zip(INTERFACE_TABLE) {
        store_word(ram, place, word);
    }
}

/// Address of a receive buffer, 0 or 1.
pub(super) fn buffer(index: usize) -> u32 {
    BUFFERS + (index & 1) as u32 * BUFFER_BYTES as u32
}

/// Receive time-out in milliseconds, which 51h can overwrite.
pub(super) fn receive_timeout_ms(ram: &Ram) -> u64 {
    ram.slice(RECEIVE_TIMEOUT_MS, 2).map_or(2000, |bytes| u64::from(u16::from_le_bytes([bytes[0], bytes[1]])))
}

/// Whether a call of the receive routine gets there.
pub(super) fn can_receive(ram: &Ram) -> bool {
    ram.read_word(RECEIVE_ROUTINE) == Some(RECEIVE_ADDRESS)
}

/// Whether a call of the send routine gets there.
pub(super) fn can_send(ram: &Ram) -> bool {
    ram.read_word(SEND_ROUTINE) == Some(SEND_ADDRESS)
}

/// Begins an answer: `OK` and a length.
pub(super) fn begin_answer(ram: &mut Ram, length: u16) {
    let [low, high] = length.to_le_bytes();
    store(ram, ANSWER, &[b'O', b'K', low, high]);
}

/// Stores bytes at one of this module's own addresses, all of which are RAM.
pub(super) fn store(ram: &mut Ram, address: u32, bytes: &[u8]) {
    debug_assert!(ram.contains(address, bytes.len()));
    let _ = ram.write(address, bytes);
}

fn store_word(ram: &mut Ram, address: u32, word: u32) {
    store(ram, address, &word.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_begins_with_the_bytes_that_boot_info_leaks() {
        let mut ram = Ram::new();
        fill_interface_table(&mut ram);
        // fixtures/vectors/loader.jsonl, "bootinfo": the last 12 bytes.
        let leaked = [0x00, 0x01, 0x00, 0x00, 0x08, 0x24, 0xd0, 0x07, 0x16, 0x25, 0x01, 0x22];
        assert_eq!(ram.slice(EFUSE_WORDS + 8, 12), Some(&leaked[..]));
        assert_eq!(receive_timeout_ms(&ram), 2000);
        assert!(can_receive(&ram) && can_send(&ram));
    }

    #[test]
    fn the_pointers_lie_where_the_reference_says_that_51h_crashes() {
        // 51h with n bytes of data writes up to ANSWER_DATA + n: 241Ch spares the receive routine, 2420h does not.
        assert_eq!(ANSWER_DATA + 0x241c, RECEIVE_ROUTINE);
        assert_eq!(ANSWER_DATA + 0x2420, SEND_ROUTINE);
        assert_eq!(ANSWER_DATA + 0x2404, EFUSE_WORDS);
        assert_eq!(buffer(1), ANSWER);
    }
}
