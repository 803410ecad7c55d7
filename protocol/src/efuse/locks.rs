//! The lock fuses of word 7Ch.

use core::ops::Range;

/// What a lock fuse forbids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockKind {
    /// Burning.
    Write,
    /// Reading.
    Read,
}

/// One lock fuse of word 7Ch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lock {
    /// Name of the locked region.
    pub name: &'static str,
    /// What it forbids.
    pub kind: LockKind,
    /// Bit of word 7Ch.
    pub bit: u8,
    /// First locked byte.
    pub start: u8,
    /// One past the last locked byte.
    pub end: u8,
}

impl Lock {
    /// The locked bytes.
    pub fn bytes(&self) -> Range<usize> {
        usize::from(self.start)..usize::from(self.end)
    }
}

const fn write(name: &'static str, bit: u8, start: u8, end: u8) -> Lock {
    Lock { name, kind: LockKind::Write, bit, start, end }
}

const fn read(name: &'static str, bit: u8, start: u8, end: u8) -> Lock {
    Lock { name, kind: LockKind::Read, bit, start, end }
}

/// All lock fuses (`reference/rom-and-module.md` section 3).
///
/// Assumption: `_l` and `_h` of slots 4 and 5 lock the lower and the upper two words, and `boot_mode` locks word 0.
pub static LOCKS: &[Lock] = &[
    write("key_slot_4_l", 13, 0x5C, 0x64),
    write("key_slot_5_l", 14, 0x6C, 0x74),
    write("boot_mode", 15, 0x00, 0x04),
    write("dbg_pwd", 16, 0x04, 0x0C),
    write("sw_usage_0", 17, 0x10, 0x14),
    write("wifi_mac", 18, 0x14, 0x1C),
    write("key_slot_0", 19, 0x1C, 0x2C),
    write("key_slot_1", 20, 0x2C, 0x3C),
    write("key_slot_2", 21, 0x3C, 0x4C),
    write("key_slot_3", 22, 0x4C, 0x5C),
    write("key_slot_4_h", 23, 0x64, 0x6C),
    write("key_slot_5_h", 24, 0x74, 0x7C),
    read("dbg_pwd", 25, 0x04, 0x0C),
    read("key_slot_0", 26, 0x1C, 0x2C),
    read("key_slot_1", 27, 0x2C, 0x3C),
    read("key_slot_2", 28, 0x3C, 0x4C),
    read("key_slot_3", 29, 0x4C, 0x5C),
    read("key_slot_4", 30, 0x5C, 0x6C),
    read("key_slot_5", 31, 0x6C, 0x7C),
];
