//! `struct serial_struct` of Linux `tty_flags.h` and `serial.h`: what TIOCGSERIAL and TIOCSSERIAL carry.
//!
//! The driver that is played here is that of an FTDI adapter: a base of 24 MHz and a divisor that stands in for 38,400.

/// Where the fields lie; two of them are pointers or longs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// Of a 64-bit program.
    Bits64,
    /// Of a 32-bit program.
    Bits32,
}

impl Layout {
    /// Size in bytes.
    pub(super) const fn bytes(self) -> usize {
        match self {
            Layout::Bits64 => 72,
            Layout::Bits32 => 60,
        }
    }
}

/// What the custom divisor divides: 24 MHz, as at an FTDI adapter.
pub(super) const BAUD_BASE: u32 = 24_000_000;

/// `PORT_16550A`: anything but "unknown", which some clients take for a missing port.
const PORT_TYPE: u32 = 4;

/// Bits of `flags` that a client may set: all that Linux calls ASYNC_FLAGS, ASYNC_LOW_LATENCY (2000h) among them.
const USER_FLAGS: u32 = 0xffff;
const SPEED_MASK: u32 = 0x1030;

// Offsets that are the same in both layouts.
const TYPE: usize = 0;
const FLAGS: usize = 16;
const CUSTOM_DIVISOR: usize = 24;
const BASE: usize = 28;
const CLOSE_DELAY: usize = 32;
const CLOSING_WAIT: usize = 40;

/// A port's settings beyond termios.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SerialSettings {
    flags: u32,
    custom_divisor: u32,
    /// In hundredths of a second; kept, without effect.
    close_delay: u16,
    closing_wait: u16,
}

impl Default for SerialSettings {
    fn default() -> SerialSettings {
        // What usb-serial shows: 0.5 s and 30 s.
        SerialSettings { flags: 0, custom_divisor: 0, close_delay: 50, closing_wait: 3000 }
    }
}

impl SerialSettings {
    /// As a client reads it.
    pub(super) fn encode(&self, layout: Layout) -> Vec<u8> {
        let mut bytes = vec![0; layout.bytes()];
        let mut put =
            |offset: usize, field: &[u8]| bytes[offset..offset + field.len()].copy_from_slice(field);
        put(TYPE, &PORT_TYPE.to_le_bytes());
        put(FLAGS, &self.flags.to_le_bytes());
        put(CUSTOM_DIVISOR, &self.custom_divisor.to_le_bytes());
        put(BASE, &BAUD_BASE.to_le_bytes());
        put(CLOSE_DELAY, &self.close_delay.to_le_bytes());
        put(CLOSING_WAIT, &self.closing_wait.to_le_bytes());
        bytes
    }

    /// As a client wrote it. What a driver would not change is not taken over; too few bytes leave all as it is.
    pub(super) fn take(&mut self, bytes: &[u8]) {
        let word = |offset: usize| bytes.get(offset..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes));
        let half = |offset: usize| bytes.get(offset..)?.first_chunk().map(|bytes| u16::from_le_bytes(*bytes));
        let (Some(flags), Some(divisor)) = (word(FLAGS), word(CUSTOM_DIVISOR)) else { return };
        let (Some(close_delay), Some(closing_wait)) = (half(CLOSE_DELAY), half(CLOSING_WAIT)) else { return };
        *self =
            SerialSettings { flags: flags & USER_FLAGS, custom_divisor: divisor, close_delay, closing_wait };
    }

    /// The rate that 38,400 in termios stands for, if not for itself.
    pub(super) fn replaced_rate_bps(&self) -> Option<u32> {
        match self.flags & SPEED_MASK {
            0x0010 => Some(57_600),
            0x0020 => Some(115_200),
            0x1000 => Some(230_400),
            0x1010 => Some(460_800),
            0x0030 if self.custom_divisor > 0 => Some(BAUD_BASE / self.custom_divisor),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPD_CUST: u32 = 0x0030;
    const LOW_LATENCY: u32 = 0x2000;

    fn written(flags: u32, divisor: u32, layout: Layout) -> SerialSettings {
        let mut bytes = SerialSettings::default().encode(layout);
        bytes[FLAGS..FLAGS + 4].copy_from_slice(&flags.to_le_bytes());
        bytes[CUSTOM_DIVISOR..CUSTOM_DIVISOR + 4].copy_from_slice(&divisor.to_le_bytes());
        let mut settings = SerialSettings::default();
        settings.take(&bytes);
        settings
    }

    #[test]
    fn a_custom_divisor_gives_a_rate() {
        for layout in [Layout::Bits64, Layout::Bits32] {
            assert_eq!(written(SPD_CUST, 48, layout).replaced_rate_bps(), Some(500_000));
            assert_eq!(written(SPD_CUST, 12, layout).replaced_rate_bps(), Some(2_000_000));
            assert_eq!(written(SPD_CUST, 0, layout).replaced_rate_bps(), None);
            assert_eq!(written(LOW_LATENCY, 48, layout).replaced_rate_bps(), None);
            assert_eq!(written(0x0020, 48, layout).replaced_rate_bps(), Some(115_200));
        }
    }

    #[test]
    fn what_was_written_is_read_again() {
        let settings = written(SPD_CUST | LOW_LATENCY, 48, Layout::Bits64);
        let mut again = SerialSettings::default();
        again.take(&settings.encode(Layout::Bits64));
        assert_eq!(again, settings);
        assert_eq!(again.flags, SPD_CUST | LOW_LATENCY);
    }

    #[test]
    fn sizes_are_those_of_the_c_structs() {
        // Twelve ints and shorts to offset 44, a pointer, a short, an int, a long.
        assert_eq!(Layout::Bits64.bytes(), std::mem::size_of::<[u64; 9]>());
        assert_eq!(SerialSettings::default().encode(Layout::Bits32).len(), 60);
    }

    #[test]
    fn half_a_struct_changes_nothing() {
        let mut settings = SerialSettings::default();
        settings.take(&[0xff; 30]);
        assert_eq!(settings, SerialSettings::default());
    }
}
