//! The flag word at offset 116 of a boot header.

use core::fmt;

/// Flags of a boot header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BootConfig(pub u32);

impl BootConfig {
    const fn bit(self, bit: u32) -> bool {
        self.0 >> bit & 1 == 1
    }

    const fn field(self, low_bit: u32, bits: u32) -> u8 {
        (self.0 >> low_bit & ((1 << bits) - 1)) as u8
    }

    /// Bits 1:0: 0 unsigned, 1 signed.
    pub const fn sign(self) -> u8 {
        self.field(0, 2)
    }

    /// Bits 3:2: 0 plain, 1 AES-128, 2 AES-256, 3 AES-192.
    pub const fn encrypt(self) -> u8 {
        self.field(2, 2)
    }

    /// Bits 5:4: key slot selection.
    pub const fn key_sel(self) -> u8 {
        self.field(4, 2)
    }

    /// Bit 8: flash images have no segment headers; does not matter to an upload.
    pub const fn no_segment(self) -> bool {
        self.bit(8)
    }

    /// Bit 9: cache on.
    pub const fn cache_enable(self) -> bool {
        self.bit(9)
    }

    /// Bit 10: the image is not to be loaded (`FL 0202`).
    pub const fn notload(self) -> bool {
        self.bit(10)
    }

    /// Bit 11: lock the AES region.
    pub const fn aes_region_lock(self) -> bool {
        self.bit(11)
    }

    /// Bits 15:12: cache ways switched off.
    pub const fn cache_way_disable(self) -> u8 {
        self.field(12, 4)
    }

    /// Bit 16: the header CRC may be DEADBEEFh.
    pub const fn crc_ignore(self) -> bool {
        self.bit(16)
    }

    /// Bit 17: the hash may begin with DEADBEEFh.
    pub const fn hash_ignore(self) -> bool {
        self.bit(17)
    }

    /// Bit 18: halt the processor.
    pub const fn halt_ap(self) -> bool {
        self.bit(18)
    }

    /// Bit 19: run the boot2 inside the ROM, at once, also over UART. Never send such a header.
    pub const fn boot2_enable(self) -> bool {
        self.bit(19)
    }

    /// Bit 20: that boot2 may roll back.
    pub const fn boot2_rollback(self) -> bool {
        self.bit(20)
    }
}

impl fmt::Display for BootConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags = [
            (self.no_segment(), "no_segment"),
            (self.cache_enable(), "cache_enable"),
            (self.notload(), "notload"),
            (self.aes_region_lock(), "aes_region_lock"),
            (self.crc_ignore(), "crc_ignore"),
            (self.hash_ignore(), "hash_ignore"),
            (self.halt_ap(), "halt_ap"),
            (self.boot2_enable(), "boot2_enable"),
            (self.boot2_rollback(), "boot2_rollback"),
        ];
        write!(f, "sign {} encrypt {}", self.sign(), self.encrypt())?;
        flags.iter().filter(|(set, _)| *set).try_for_each(|(_, name)| write!(f, " {name}"))
    }
}
