//! Peripheral registers that the memory commands reach.

use std::collections::BTreeMap;

use crate::otp::Otp;

/// HBN reserved word 0: wake-up flag "EHBN", reset delay "DLY".
pub(crate) const HBN_RSV0: u32 = 0x4000_F100;
/// HBN reserved word 1: wake-up address.
pub(crate) const HBN_RSV1: u32 = 0x4000_F104;
/// "EHBN": the ROM jumps to the address in [`HBN_RSV1`] instead of booting.
pub(crate) const HBN_ENTER: u32 = 0x4E42_4845;
/// "WHBN": what the ROM leaves there when it has seen "EHBN".
pub(crate) const HBN_WOKEN: u32 = 0x4E42_4857;
/// "DLY" and a count in the low byte: the ROM waits before it samples the boot pin.
pub(crate) const HBN_DELAY: u32 = 0x594C_4400;
/// GLB software reset register.
pub(crate) const GLB_SWRST_CFG2: u32 = 0x4000_0018;
/// Bit 0: power-on reset.
pub(crate) const SWRST_POWER_ON: u32 = 1;
/// Bit 1: CPU reset.
pub(crate) const SWRST_CPU: u32 = 2;
/// Bit 2: system reset.
pub(crate) const SWRST_SYSTEM: u32 = 4;

/// The 32 shadow registers of the eFuse controller.
const EFUSE_SHADOW: std::ops::Range<u32> = 0x4000_7000..0x4000_7080;

/// The values last written, by address; what was never written reads as 0 (assumed: reset values are not modelled).
///
/// A power-up clears all; a CPU or system reset clears all but the HBN words.
#[derive(Debug, Default)]
pub(crate) struct Registers {
    written: BTreeMap<u32, u32>,
}

impl Registers {
    /// Most different addresses kept: a client that sprays writes must not eat the host's memory.
    const MOST: usize = 4096;

    pub(crate) fn store(&mut self, address: u32, value: u32, otp: &mut Otp) {
        if EFUSE_SHADOW.contains(&address) {
            otp.load_shadow(((address - EFUSE_SHADOW.start) / 4) as usize, value);
        } else if self.written.len() < Self::MOST || self.written.contains_key(&address) {
            self.written.insert(address, value);
        }
    }

    pub(crate) fn load(&self, address: u32, otp: &Otp) -> u32 {
        if EFUSE_SHADOW.contains(&address) {
            return otp.shadow_word(((address - EFUSE_SHADOW.start) / 4) as usize);
        }
        self.written.get(&address).copied().unwrap_or(0)
    }

    /// Byte offset in the eFuse block of the shadow register at `address`, if there is one.
    pub(crate) fn fuse_offset(address: u32) -> Option<usize> {
        EFUSE_SHADOW.contains(&address).then(|| (address - EFUSE_SHADOW.start) as usize)
    }

    pub(crate) fn set_hbn(&mut self, address: u32, value: u32) {
        self.written.insert(address, value);
    }

    /// A CPU or system reset.
    pub(crate) fn reset(&mut self) {
        self.written.retain(|address, _| (HBN_RSV0..HBN_RSV0 + 0x10).contains(address));
    }

    /// Loss of power, or EN low.
    pub(crate) fn power_off(&mut self) {
        self.written.clear();
    }
}
