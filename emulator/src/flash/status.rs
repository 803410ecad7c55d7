//! Status registers and block protection.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// Which status registers a part has, by which commands they are reached, and what protects what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StatusLayout {
    /// Macronix / KH: 05h reads the status register (BP0-3 in bits 2 to 5, QE bit 6, SRWD bit 7), 15h the configuration
    /// register (TB bit 3, once set for ever); 01h writes one or both. Assumed for the KH parts from the MX25V/MX25R series.
    Macronix,
    /// Two registers: 05h and 35h read them, 01h writes one or both (BP0-2 bits 2 to 4, TB bit 5, SEC bit 6, SRP0
    /// bit 7; SRP1 bit 8, QE bit 9, LB bits 11 to 13, CMP bit 14).
    WinbondTwo,
    /// The same and a third register: 15h reads it, 31h and 11h write the second and third alone.
    WinbondThree,
}

const SRP1: u8 = 0x01;
const LB: u8 = 0x38;
const CMP: u8 = 0x40;
const MACRONIX_TB: u8 = 0x08;
const WINBOND_TB: u8 = 0x20;
const WINBOND_SEC: u8 = 0x40;
const SRP0: u8 = 0x80;

const BLOCK_BYTES: u32 = 0x1_0000;
const SECTOR_BYTES: u32 = 0x1000;

/// Read status register command.
pub const READ_STATUS_1: u8 = 0x05;
/// Read status register 2 command.
pub const READ_STATUS_2: u8 = 0x35;
/// Read status register 3 (Macronix: configuration register) command.
pub const READ_STATUS_3: u8 = 0x15;
/// Write status register command.
pub const WRITE_STATUS_1: u8 = 0x01;
/// Write status register 2 command.
pub const WRITE_STATUS_2: u8 = 0x31;
/// Write status register 3 command.
pub const WRITE_STATUS_3: u8 = 0x11;

/// The non-volatile bits of the status registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StatusRegisters {
    layout: StatusLayout,
    values: [u8; 3],
    /// The WP# pin is tied low (else it is high).
    write_protect_low: bool,
}

impl StatusRegisters {
    /// As delivered: nothing protected, QE clear.
    pub(super) fn new(layout: StatusLayout) -> StatusRegisters {
        StatusRegisters { layout, values: [0; 3], write_protect_low: false }
    }

    /// The register that a read command gives, without BUSY and WEL; `None` when the part has no such command.
    pub(super) fn read(&self, command: u8) -> Option<u8> {
        match (self.layout, command) {
            (_, READ_STATUS_1) => Some(self.values[0]),
            (StatusLayout::Macronix, READ_STATUS_3) => Some(self.values[1]),
            (StatusLayout::WinbondTwo | StatusLayout::WinbondThree, READ_STATUS_2) => Some(self.values[1]),
            (StatusLayout::WinbondThree, READ_STATUS_3) => Some(self.values[2]),
            _ => None,
        }
    }

    /// What the registers become by a write command; `None` when the part ignores it.
    ///
    /// SRP0 / SRWD alone locks only while the WP# pin is low, and quad I/O has no such pin (data sheets).
    pub(super) fn written(&self, command: u8, bytes: &[u8]) -> Option<StatusRegisters> {
        if self.layout != StatusLayout::Macronix && self.values[1] & SRP1 != 0 {
            return None;
        }
        if self.write_protect_low && self.values[0] & SRP0 != 0 && !self.quad_enabled() {
            return None;
        }
        let first = match (self.layout, command) {
            (_, WRITE_STATUS_1) => 0,
            (StatusLayout::WinbondThree, WRITE_STATUS_2) => 1,
            (StatusLayout::WinbondThree, WRITE_STATUS_3) => 2,
            _ => return None,
        };
        let mut new = *self;
        for (offset, byte) in bytes.iter().take(if first == 0 { 2 } else { 1 }).enumerate() {
            let index = first + offset;
            // Bits that can be set once and never cleared.
            let one_time = match (self.layout, index) {
                (StatusLayout::Macronix, 1) => MACRONIX_TB,
                (StatusLayout::WinbondTwo | StatusLayout::WinbondThree, 1) => LB,
                _ => 0,
            };
            new.values[index] = (byte & self.writable(index)) | (self.values[index] & one_time);
        }
        (!bytes.is_empty()).then_some(new)
    }

    fn quad_enabled(&self) -> bool {
        match self.layout {
            StatusLayout::Macronix => self.values[0] & 0x40 != 0,
            StatusLayout::WinbondTwo | StatusLayout::WinbondThree => self.values[1] & 0x02 != 0,
        }
    }

    /// WP# is tied low, SRP is set, and the block protection bits cover `area` with as little more as they can.
    pub(super) fn lock(&mut self, area: Range<u32>, capacity_bytes: u32) {
        let mut best = *self;
        let mut best_len = u32::MAX;
        for (first, second) in
            (0x00..0x80).step_by(4).flat_map(|first| [0, 0x08, 0x40].map(|second| (first, second)))
        {
            let mut candidate = *self;
            candidate.values[0] = first;
            candidate.values[1] = second & candidate.writable(1) & !LB;
            if self.layout == StatusLayout::Macronix {
                (candidate.values[0], candidate.values[1]) = (first & 0x3c, second & MACRONIX_TB);
            }
            let protected = candidate.protected(capacity_bytes);
            if protected.start <= area.start
                && protected.end >= area.end
                && (protected.len() as u32) < best_len
            {
                (best, best_len) = (candidate, protected.len() as u32);
            }
        }
        *self = best;
        self.values[0] |= SRP0;
        self.write_protect_low = true;
    }

    fn writable(&self, index: usize) -> u8 {
        match (self.layout, index) {
            (_, 0) => 0xfc,
            (StatusLayout::Macronix, _) => MACRONIX_TB,
            (_, 1) => SRP1 | 0x02 | LB | CMP,
            // Output drive strength; WPS (single block locks) is not modelled.
            _ => 0x60,
        }
    }

    /// Loss of power: SRP1 without SRP0 ("power supply lock-down") ends; with it, it lasts for ever.
    pub(super) fn power_cycled(&mut self) {
        if self.layout != StatusLayout::Macronix && self.values[0] & SRP0 == 0 {
            self.values[1] &= !SRP1;
        }
    }

    /// The addresses that programs and erases do not touch.
    pub(super) fn protected(&self, capacity_bytes: u32) -> Range<u32> {
        let status = self.values[0];
        let (size, bottom, complement) = match self.layout {
            StatusLayout::Macronix => {
                let bp = u32::from(status >> 2 & 0x0f);
                (blocks(bp, capacity_bytes), self.values[1] & MACRONIX_TB != 0, false)
            }
            StatusLayout::WinbondTwo | StatusLayout::WinbondThree => {
                let bp = u32::from(status >> 2 & 0x07);
                let size = match bp {
                    6 if status & WINBOND_SEC != 0 => capacity_bytes,
                    7 => capacity_bytes,
                    1..=5 if status & WINBOND_SEC != 0 => SECTOR_BYTES << (bp - 1).min(3),
                    _ => blocks(bp, capacity_bytes),
                };
                (size, status & WINBOND_TB != 0, self.values[1] & CMP != 0)
            }
        };
        match (bottom, complement) {
            (false, false) => capacity_bytes - size..capacity_bytes,
            (true, false) => 0..size,
            (false, true) => 0..capacity_bytes - size,
            (true, true) => size..capacity_bytes,
        }
    }
}

/// 64 KiB doubled `bp - 1` times, none for 0, at most everything.
fn blocks(bp: u32, capacity_bytes: u32) -> u32 {
    match bp {
        0 => 0,
        _ => (u64::from(BLOCK_BYTES) << (bp - 1)).min(u64::from(capacity_bytes)) as u32,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const MIB: u32 = 0x10_0000;

    // W25Q80DV / W25Q16JV data sheets, "status register memory protection" (from memory of the sheets: assumed).
    #[rstest]
    #[case::none(StatusLayout::WinbondTwo, 0x00, 0x00, MIB..MIB)]
    #[case::top_block(StatusLayout::WinbondTwo, 0x04, 0x00, 0xf_0000..MIB)]
    #[case::top_half(StatusLayout::WinbondTwo, 0x10, 0x00, 0x8_0000..MIB)]
    #[case::bp_5_is_all_of_1_mib(StatusLayout::WinbondTwo, 0x14, 0x00, 0..MIB)]
    #[case::all(StatusLayout::WinbondTwo, 0x1c, 0x00, 0..MIB)]
    #[case::bottom_quarter(StatusLayout::WinbondTwo, 0x2c, 0x00, 0..0x4_0000)]
    #[case::top_sector(StatusLayout::WinbondTwo, 0x44, 0x00, 0xf_f000..MIB)]
    #[case::bottom_32k(StatusLayout::WinbondTwo, 0x70, 0x00, 0..0x8000)]
    #[case::sec_all(StatusLayout::WinbondTwo, 0x58, 0x00, 0..MIB)]
    #[case::all_but_the_top_block(StatusLayout::WinbondThree, 0x04, 0x40, 0..0xf_0000)]
    #[case::all_but_the_bottom_block(StatusLayout::WinbondThree, 0x24, 0x40, 0x1_0000..MIB)]
    #[case::complement_of_none(StatusLayout::WinbondThree, 0x00, 0x40, 0..MIB)]
    #[case::kh_none(StatusLayout::Macronix, 0x40, 0x00, MIB..MIB)]
    #[case::kh_top_block(StatusLayout::Macronix, 0x04, 0x00, 0xf_0000..MIB)]
    #[case::kh_bottom_half(StatusLayout::Macronix, 0x10, 0x08, 0..0x8_0000)]
    #[case::kh_all(StatusLayout::Macronix, 0x3c, 0x00, 0..MIB)]
    fn protection(
        #[case] layout: StatusLayout,
        #[case] first: u8,
        #[case] second: u8,
        #[case] area: Range<u32>,
    ) {
        let registers = StatusRegisters::new(layout).written(WRITE_STATUS_1, &[first, second]).unwrap();
        assert_eq!(registers.protected(MIB), area);
    }

    #[test]
    fn only_the_commands_a_part_has_reach_a_register() {
        let two = StatusRegisters::new(StatusLayout::WinbondTwo);
        assert_eq!(two.written(WRITE_STATUS_2, &[0x02]), None);
        assert_eq!(two.read(READ_STATUS_3), None);
        let three =
            StatusRegisters::new(StatusLayout::WinbondThree).written(WRITE_STATUS_2, &[0x02]).unwrap();
        let three = three.written(WRITE_STATUS_3, &[0x60]).unwrap();
        assert_eq!(
            [READ_STATUS_1, READ_STATUS_2, READ_STATUS_3].map(|c| three.read(c)),
            [Some(0), Some(2), Some(0x60)]
        );
        let kh = StatusRegisters::new(StatusLayout::Macronix).written(WRITE_STATUS_1, &[0xff, 0xff]).unwrap();
        assert_eq!(
            [READ_STATUS_1, READ_STATUS_2, READ_STATUS_3].map(|c| kh.read(c)),
            [Some(0xfc), None, Some(0x08)]
        );
        assert_eq!(kh.written(WRITE_STATUS_1, &[]), None);
    }

    #[test]
    fn one_time_bits_stay() {
        let kh = StatusRegisters::new(StatusLayout::Macronix).written(WRITE_STATUS_1, &[0, 0x08]).unwrap();
        assert_eq!(kh.written(WRITE_STATUS_1, &[0, 0]).unwrap().read(READ_STATUS_3), Some(0x08));
        let other =
            StatusRegisters::new(StatusLayout::WinbondTwo).written(WRITE_STATUS_1, &[0, 0x08]).unwrap();
        assert_eq!(other.written(WRITE_STATUS_1, &[0, 0x02]).unwrap().read(READ_STATUS_2), Some(0x0a));
    }

    #[rstest]
    #[case::until_the_next_power_up(0x00, 0x01, true)]
    #[case::for_ever(0x80, 0x01, false)]
    fn srp1_locks_the_registers(#[case] first: u8, #[case] second: u8, #[case] opens: bool) {
        let mut registers =
            StatusRegisters::new(StatusLayout::WinbondTwo).written(WRITE_STATUS_1, &[first, second]).unwrap();
        assert_eq!(registers.written(WRITE_STATUS_1, &[0]), None);
        registers.power_cycled();
        assert_eq!(registers.written(WRITE_STATUS_1, &[0]).is_some(), opens);
    }
}
