//! The clock configuration at offset 104 of a boot header.

/// `"PCFG"` read as a little-endian word.
pub const CLOCK_CONFIG_MAGIC: u32 = u32::from_le_bytes(*b"PCFG");

/// Clock configuration, 8 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClockConfig {
    /// 0 none, 1 32 MHz crystal, 2 RC32M.
    pub crystal: u8,
    /// 0 RC32M, 1 crystal, 2 57.6 MHz, 3 96 MHz, 4 144 MHz.
    pub pll: u8,
    /// Divider of the processor clock.
    pub hclk_div: u8,
    /// Divider of the bus clock.
    pub bclk_div: u8,
    /// 0 144 MHz, 1 crystal, 2 57.6 MHz, 3 72 MHz, 4 bus clock, 5 96 MHz.
    pub flash_clock: u8,
    /// Divider of the flash clock.
    pub flash_clock_div: u8,
    /// Two reserved bytes.
    pub reserved: [u8; 2],
}

impl ClockConfig {
    /// Reads the fields.
    pub const fn parse(bytes: [u8; 8]) -> ClockConfig {
        let [crystal, pll, hclk_div, bclk_div, flash_clock, flash_clock_div, reserved0, reserved1] = bytes;
        let reserved = [reserved0, reserved1];
        ClockConfig { crystal, pll, hclk_div, bclk_div, flash_clock, flash_clock_div, reserved }
    }

    /// The 8 bytes.
    pub const fn to_bytes(self) -> [u8; 8] {
        let [reserved0, reserved1] = self.reserved;
        [
            self.crystal,
            self.pll,
            self.hclk_div,
            self.bclk_div,
            self.flash_clock,
            self.flash_clock_div,
            reserved0,
            reserved1,
        ]
    }
}
