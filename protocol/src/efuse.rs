//! The 128 bytes of eFuses, field by field.
//!
//! Source: `reference/rom-and-module.md` sections 1.8 and 3.

use core::fmt;

mod fields;
mod locks;

pub use fields::{FIELDS, Field};
pub use locks::{LOCKS, Lock, LockKind};

/// Number of eFuse bytes.
pub const EFUSE_LEN: usize = 128;

/// Byte offsets of the words that the ROM and the loader look at.
pub mod offset {
    /// Security and debug word.
    pub const CONFIG: usize = 0x00;
    /// `sw_usage_0`.
    pub const SW_USAGE_0: usize = 0x10;
    /// MAC address, 8 bytes, which are the chip id too.
    pub const MAC: usize = 0x14;
    /// Key slot 0; six slots of 16 bytes follow each other.
    pub const KEY_SLOT_0: usize = 0x1C;
    /// Device info (key slot 5, word 2).
    pub const DEVICE_INFO: usize = 0x74;
    /// Locks.
    pub const LOCKS: usize = 0x7C;
}

/// The eFuses of a chip.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Efuse(pub [u8; EFUSE_LEN]);

impl fmt::Debug for Efuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = (0..EFUSE_LEN).step_by(4).map(|at| (at, self.word(at))).filter(|(_, word)| *word != 0);
        f.write_str("Efuse")?;
        f.debug_map().entries(words.map(|(at, word)| (format!("{at:02x}"), format!("{word:08x}")))).finish()
    }
}

impl Default for Efuse {
    fn default() -> Efuse {
        Efuse([0; EFUSE_LEN])
    }
}

impl Efuse {
    /// From 128 raw bytes; `None` for another number.
    pub fn from_slice(bytes: &[u8]) -> Option<Efuse> {
        bytes.try_into().ok().map(Efuse)
    }

    /// The word at a byte offset, which is rounded down to 4. 0 beyond the end.
    pub fn word(&self, offset_bytes: usize) -> u32 {
        let at = offset_bytes & !3;
        self.0.get(at..at + 4).and_then(|word| word.try_into().ok()).map_or(0, u32::from_le_bytes)
    }

    /// Sets the word at a byte offset, which is rounded down to 4. Nothing beyond the end.
    pub fn set_word(&mut self, offset_bytes: usize, value: u32) {
        let at = offset_bytes & !3;
        if let Some(word) = self.0.get_mut(at..at + 4) {
            word.copy_from_slice(&value.to_le_bytes());
        }
    }

    /// A bit field of the word at a byte offset.
    pub fn bits(&self, offset_bytes: usize, low_bit: u32, bits: u32) -> u32 {
        let mask = if bits >= 32 { u32::MAX } else { (1 << bits) - 1 };
        (self.word(offset_bytes) >> low_bit) & mask
    }

    fn bit(&self, offset_bytes: usize, bit: u32) -> bool {
        self.bits(offset_bytes, bit, 1) == 1
    }

    /// Whether images must be signed: word 0 bit 2. Bit 3 of the two-bit `sboot_sign_mode` does not count.
    pub fn sign_required(&self) -> bool {
        self.bit(offset::CONFIG, 2)
    }

    /// `cpu_enc_en`: images must be encrypted as [`sf_aes_mode`](Self::sf_aes_mode) says.
    pub fn cpu_enc_en(&self) -> bool {
        self.bit(offset::CONFIG, 7)
    }

    /// `sf_aes_mode` in the eFuses' own numbering: 0 none, 1 AES-128, 2 AES-192, 3 AES-256.
    pub fn sf_aes_mode(&self) -> u8 {
        self.bits(offset::CONFIG, 0, 2) as u8
    }

    /// Encryption that a boot header must name, in the header's numbering: 0 none, 1 AES-128, 2 AES-256, 3 AES-192.
    pub fn encrypt_type(&self) -> u8 {
        match (self.cpu_enc_en(), self.sf_aes_mode()) {
            (false, _) => 0,
            (true, 2) => 3,
            (true, 3) => 2,
            (true, mode) => mode,
        }
    }

    /// The word `sw_usage_0`.
    pub fn sw_usage_0(&self) -> u32 {
        self.word(offset::SW_USAGE_0)
    }

    /// `bootrom_protect`; its effect was not traced.
    pub fn bootrom_protect(&self) -> bool {
        self.bit(offset::SW_USAGE_0, 0)
    }

    /// Whether the ROM's debug log on UART1 is off. The ROM tests bits 2:1 for 01.
    pub fn uart_log_disable(&self) -> bool {
        self.bits(offset::SW_USAGE_0, 1, 2) == 1
    }

    /// `xtal_type`: if not 0 the ROM sets the PLL from the eFuses before ISP.
    pub fn xtal_type(&self) -> u8 {
        self.bits(offset::SW_USAGE_0, 4, 3) as u8
    }

    /// `tz_boot`: memory commands 50h and 51h of the ROM are refused.
    pub fn tz_boot(&self) -> bool {
        self.bit(offset::SW_USAGE_0, 20)
    }

    /// `hbn_check_sign`: hash and signature are checked on wake-up too.
    pub fn hbn_check_sign(&self) -> bool {
        self.bit(offset::SW_USAGE_0, 22)
    }

    /// `mediaboot_disable`: always ISP, whatever the boot pin says.
    pub fn mediaboot_disable(&self) -> bool {
        self.bit(offset::SW_USAGE_0, 24)
    }

    /// `uartboot_disable`: the ROM never answers on UART.
    pub fn uartboot_disable(&self) -> bool {
        self.bit(offset::SW_USAGE_0, 25)
    }

    /// `sdioboot_disable`: on BL70x the USB interface is off.
    pub fn sdioboot_disable(&self) -> bool {
        self.bit(offset::SW_USAGE_0, 26)
    }

    /// `hbn_jump_disable`: starting a RAM image by the HBN words does not work.
    pub fn hbn_jump_disable(&self) -> bool {
        self.bit(offset::SW_USAGE_0, 27)
    }

    /// The eight MAC bytes, which are the chip id too.
    pub fn mac(&self) -> [u8; 8] {
        let mut mac = [0; 8];
        mac.copy_from_slice(&self.0[offset::MAC..offset::MAC + 8]);
        mac
    }

    /// Number of 0 bits of the eight MAC bytes, in six bits.
    pub fn mac_zero_bits(&self) -> u8 {
        let zeros: u32 = self.mac().iter().map(|byte| byte.count_zeros()).sum();
        (zeros & 0x3F) as u8
    }

    /// Whether the number of 0 bits agrees with bits 5:0 of word 74h (else loader command 42h gives `FL 0407`).
    pub fn mac_parity_is_right(&self) -> bool {
        u32::from(self.mac_zero_bits()) == self.bits(offset::DEVICE_INFO, 0, 6)
    }

    /// Device info (word 74h).
    pub fn device_info(&self) -> u32 {
        self.word(offset::DEVICE_INFO)
    }

    /// Key slot 0 to 5, 16 bytes; `None` for another number.
    pub fn key_slot(&self, slot: usize) -> Option<[u8; 16]> {
        let at = offset::KEY_SLOT_0 + slot.checked_mul(16)?;
        if slot > 5 {
            return None;
        }
        self.0.get(at..at + 16)?.try_into().ok()
    }

    /// What SHA-256 of the public key must be: key slots 0 and 1.
    pub fn public_key_hash(&self) -> [u8; 32] {
        let mut hash = [0; 32];
        hash.copy_from_slice(&self.0[offset::KEY_SLOT_0..offset::KEY_SLOT_0 + 32]);
        hash
    }

    /// Whether a lock fuse is set.
    pub fn is_locked(&self, lock: &Lock) -> bool {
        self.bit(offset::LOCKS, u32::from(lock.bit))
    }

    /// The locks that are set.
    pub fn locks(&self) -> impl Iterator<Item = &'static Lock> + '_ {
        LOCKS.iter().filter(|lock| self.is_locked(lock))
    }

    /// Whether the byte at an offset is under a set lock of this kind.
    pub fn byte_is_locked(&self, kind: LockKind, offset_bytes: usize) -> bool {
        self.locks().any(|lock| lock.kind == kind && lock.bytes().contains(&offset_bytes))
    }
}

#[cfg(test)]
mod tests;
