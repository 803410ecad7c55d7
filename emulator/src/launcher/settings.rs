//! `struct termios` and its relatives, as programs pass them to the kernel (Linux `asm-generic/termbits.h`, `termios.h`).
//!
//! A pty keeps all settings but some of those that say how bytes are framed: it is always 8 bits without parity, and a
//! program that looks whether its settings were taken over finds them changed (glibc does, and fails with `EINVAL`). A
//! serial driver keeps them. Besides, our end of the pty needs EXTPROC (`transport::pty`), which no serial port has set.

use crate::transport::pty::TERMIOS2_BYTES;
use crate::transport::rfc2217::framing::{Framing, Parity, StopBits};

const INPUT_FLAGS: usize = 0;
const OUTPUT_FLAGS: usize = 4;
const CONTROL_FLAGS: usize = 8;
const LOCAL_FLAGS: usize = 12;
const DISCIPLINE: usize = 16;

const CSIZE: u32 = 0x30;
const CSTOPB: u32 = 0x40;
const CREAD: u32 = 0x80;
const PARENB: u32 = 0x100;
const PARODD: u32 = 0x200;
const CMSPAR: u32 = 0x4000_0000;
const EXTPROC: u32 = 0x1_0000;

/// What a pty sets as it likes.
const NOT_KEPT: u32 = CSIZE | CREAD | PARENB;

/// How a program passes the settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `struct termio`, from System V: half words, 8 characters.
    Termio,
    /// `struct termios`.
    Termios,
    /// `struct termios2`: with rates of any number.
    Termios2,
}

impl Form {
    /// Size in bytes, with 32 bits and with 64.
    pub(super) const fn bytes(self) -> usize {
        match self {
            Form::Termio => 18,
            Form::Termios => 36,
            Form::Termios2 => TERMIOS2_BYTES,
        }
    }
}

/// What a client has set and the pty has not kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Settings {
    /// Control flags; `None` before a client has set any.
    control: Option<u32>,
    /// EXTPROC, as the client has it.
    extproc: bool,
}

impl Settings {
    /// Remembers what a client sets; gives how its bytes are framed from now on. Too few bytes set nothing.
    pub(super) fn take(&mut self, form: Form, bytes: &[u8]) -> Framing {
        let word = |at: usize| bytes.get(at..)?.first_chunk().map(|word| u32::from_le_bytes(*word));
        let half =
            |at: usize| bytes.get(at / 2..)?.first_chunk().map(|half| u32::from(u16::from_le_bytes(*half)));
        // The upper halves stay as they were.
        let (control, local) = match form {
            Form::Termio => {
                let upper = self.control.unwrap_or_default() & 0xffff_0000;
                let extproc = if self.extproc { EXTPROC } else { 0 };
                (half(CONTROL_FLAGS).map(|lower| upper | lower), Some(extproc))
            }
            Form::Termios | Form::Termios2 => (word(CONTROL_FLAGS), word(LOCAL_FLAGS)),
        };
        if let (Some(control), Some(local)) = (control, local) {
            self.control = Some(control);
            self.extproc = local & EXTPROC != 0;
        }
        self.control.map(framing).unwrap_or_default()
    }

    /// The settings of the pty as a client of a serial port reads them.
    pub(super) fn show(self, of_pty: &[u8; TERMIOS2_BYTES], form: Form) -> Vec<u8> {
        let mut whole = *of_pty;
        let word =
            |at: usize| u32::from_le_bytes([of_pty[at], of_pty[at + 1], of_pty[at + 2], of_pty[at + 3]]);
        let control = word(CONTROL_FLAGS);
        let control = self.control.map_or(control, |set| control & !NOT_KEPT | set & NOT_KEPT);
        let local = word(LOCAL_FLAGS) & !EXTPROC | if self.extproc { EXTPROC } else { 0 };
        whole[CONTROL_FLAGS..CONTROL_FLAGS + 4].copy_from_slice(&control.to_le_bytes());
        whole[LOCAL_FLAGS..LOCAL_FLAGS + 4].copy_from_slice(&local.to_le_bytes());
        if form != Form::Termio {
            return whole[..form.bytes()].to_vec();
        }
        let mut bytes = Vec::with_capacity(form.bytes());
        for flags in [INPUT_FLAGS, OUTPUT_FLAGS, CONTROL_FLAGS, LOCAL_FLAGS] {
            bytes.extend_from_slice(&whole[flags..flags + 2]);
        }
        // The discipline and the first eight characters lie behind each other in all forms.
        bytes.extend_from_slice(&whole[DISCIPLINE..DISCIPLINE + 9]);
        bytes.resize(form.bytes(), 0);
        bytes
    }
}

fn framing(control: u32) -> Framing {
    let parity = match (control & PARENB != 0, control & CMSPAR != 0, control & PARODD != 0) {
        (false, _, _) => Parity::None,
        (true, false, false) => Parity::Even,
        (true, false, true) => Parity::Odd,
        (true, true, false) => Parity::Space,
        (true, true, true) => Parity::Mark,
    };
    let stop_bits = if control & CSTOPB != 0 { StopBits::Two } else { StopBits::One };
    Framing { data_bits: 5 + (control & CSIZE) as u8 / 0x10, parity, stop_bits }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::transport::rfc2217::framing::EIGHT_N_ONE;

    /// What a pty shows: 8 bits, CREAD, EXTPROC.
    fn of_pty() -> [u8; TERMIOS2_BYTES] {
        let mut bytes = [0; TERMIOS2_BYTES];
        bytes[CONTROL_FLAGS..CONTROL_FLAGS + 4].copy_from_slice(&(0x1000_04b0_u32 | PARODD).to_le_bytes());
        bytes[LOCAL_FLAGS..LOCAL_FLAGS + 4].copy_from_slice(&(EXTPROC | 0x20).to_le_bytes());
        for (at, byte) in bytes.iter_mut().enumerate().skip(DISCIPLINE) {
            *byte = at as u8;
        }
        bytes
    }

    fn flags(bytes: &[u8], at: usize) -> u32 {
        u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
    }

    #[rstest]
    #[case(0x30, 8, Parity::None, StopBits::One)]
    #[case(0x30 | CSTOPB, 8, Parity::None, StopBits::Two)]
    #[case(0x20 | PARENB, 7, Parity::Even, StopBits::One)]
    #[case(0x10 | PARENB | PARODD, 6, Parity::Odd, StopBits::One)]
    #[case(PARENB | CMSPAR, 5, Parity::Space, StopBits::One)]
    #[case(0x30 | PARENB | PARODD | CMSPAR, 8, Parity::Mark, StopBits::One)]
    #[case(0x30 | PARODD, 8, Parity::None, StopBits::One)]
    fn framings(
        #[case] control: u32,
        #[case] data_bits: u8,
        #[case] parity: Parity,
        #[case] stop_bits: StopBits,
    ) {
        assert_eq!(framing(control), Framing { data_bits, parity, stop_bits });
    }

    #[test]
    fn before_anything_was_set_only_extproc_is_hidden() {
        let shown = Settings::default().show(&of_pty(), Form::Termios2);
        assert_eq!(flags(&shown, CONTROL_FLAGS), flags(&of_pty(), CONTROL_FLAGS));
        assert_eq!(flags(&shown, LOCAL_FLAGS), 0x20);
        assert_eq!(shown[DISCIPLINE..], of_pty()[DISCIPLINE..]);
    }

    #[test]
    fn what_was_set_is_read_again() {
        for form in [Form::Termios, Form::Termios2] {
            let mut set = of_pty();
            set[CONTROL_FLAGS..CONTROL_FLAGS + 4].copy_from_slice(&(PARENB | 0x20 | 0xf).to_le_bytes());
            set[LOCAL_FLAGS..LOCAL_FLAGS + 4].copy_from_slice(&EXTPROC.to_le_bytes());
            let mut settings = Settings::default();
            let framing = settings.take(form, &set[..form.bytes()]);
            assert_eq!((framing.data_bits, framing.parity), (7, Parity::Even));
            let shown = settings.show(&of_pty(), form);
            assert_eq!(shown.len(), form.bytes());
            // All else is the pty's, which has what was really set.
            assert_eq!(flags(&shown, CONTROL_FLAGS), 0x1000_0400 | PARODD | PARENB | 0x20);
            assert_eq!(flags(&shown, LOCAL_FLAGS), EXTPROC | 0x20);
        }
    }

    #[test]
    fn the_old_form_has_the_lower_halves() {
        let mut settings = Settings::default();
        let shown = settings.show(&of_pty(), Form::Termio);
        assert_eq!(shown.len(), 18);
        assert_eq!((shown[4], shown[5], shown[6], shown[8]), (0xb0, 0x06, 0x20, DISCIPLINE as u8));
        assert_eq!(shown[9..17], of_pty()[17..25]);
        let framing =
            settings.take(Form::Termio, &[0, 0, 0, 0, 0xa0, 0x01, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!((framing.data_bits, framing.parity), (7, Parity::Even));
    }

    #[test]
    fn half_a_struct_sets_nothing() {
        let mut settings = Settings::default();
        assert_eq!(settings.take(Form::Termios, &[0; 10]), EIGHT_N_ONE);
        assert_eq!(settings, Settings::default());
    }
}
