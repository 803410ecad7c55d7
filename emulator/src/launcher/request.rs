//! The ioctls of a serial port that a pty lacks, by number and meaning (Linux `asm-generic/ioctls.h`, `termios.h`).

use super::settings::Form;
use crate::transport::wiring::{LineChange, ModemLines};

const TCGETS: u32 = 0x5401;
const TCSETS: u32 = 0x5402;
const TCSETSW: u32 = 0x5403;
const TCSETSF: u32 = 0x5404;
const TCGETA: u32 = 0x5405;
const TCSETA: u32 = 0x5406;
const TCSETAW: u32 = 0x5407;
const TCSETAF: u32 = 0x5408;
const TCSBRK: u32 = 0x5409;
const TIOCOUTQ: u32 = 0x5411;
const TIOCMGET: u32 = 0x5415;
const TIOCMBIS: u32 = 0x5416;
const TIOCMBIC: u32 = 0x5417;
const TIOCMSET: u32 = 0x5418;
const TIOCGSERIAL: u32 = 0x541e;
const TIOCSSERIAL: u32 = 0x541f;
const TCSBRKP: u32 = 0x5425;
const TIOCSBRK: u32 = 0x5427;
const TIOCCBRK: u32 = 0x5428;
const TIOCSERGETLSR: u32 = 0x5459;
const TIOCMIWAIT: u32 = 0x545c;
const TIOCGICOUNT: u32 = 0x545d;
const TCGETS2: u32 = 0x802c_542a;
const TCSETS2: u32 = 0x402c_542b;
const TCSETSW2: u32 = 0x402c_542c;
const TCSETSF2: u32 = 0x402c_542d;

/// The requests that are handed to the launcher.
pub(super) const NOTIFIED: &[u32] = &[
    TIOCMGET,
    TIOCMBIS,
    TIOCMBIC,
    TIOCMSET,
    TIOCGSERIAL,
    TIOCSSERIAL,
    TCSBRKP,
    TIOCSBRK,
    TIOCCBRK,
    TIOCMIWAIT,
    TIOCGICOUNT,
    TCSBRK,
    TIOCOUTQ,
    TIOCSERGETLSR,
    TCGETS,
    TCSETS,
    TCSETSW,
    TCSETSF,
    TCGETA,
    TCSETA,
    TCSETAW,
    TCSETAF,
    TCGETS2,
    TCSETS2,
    TCSETSW2,
    TCSETSF2,
];

/// In the answer to TIOCSERGETLSR: the transmitter is empty.
pub(super) const TIOCSER_TEMT: u32 = 1;

const TIOCM_DTR: u32 = 0x002;
const TIOCM_RTS: u32 = 0x004;
const TIOCM_CTS: u32 = 0x020;
const TIOCM_CAR: u32 = 0x040;
const TIOCM_DSR: u32 = 0x100;

/// How the input lines read, always: the module drives none, and a client that waits for a partner finds it ready. RI
/// is quiet.
const INPUTS: u32 = TIOCM_CTS | TIOCM_CAR | TIOCM_DSR;

/// How long tcsendbreak(3) takes when it is told no duration.
const BREAK_MS: u64 = 250;

/// What a client asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// Which lines are asserted.
    GetLines,
    /// To change the lines; the argument is a set of bits.
    ChangeLines(Change),
    /// To sleep until one of these input lines changes.
    AwaitChange,
    /// How often input lines have changed, and how many bytes went by.
    GetCounters,
    /// The driver's settings.
    GetSerial,
    /// To change them.
    SetSerial,
    /// A break for so long, then the answer.
    SendBreak { duration_ms: u64 },
    /// A break from now on.
    BeginBreak,
    /// The end of a break.
    EndBreak,
    /// To wait until all that was written is on the line: tcdrain(3).
    Drain,
    /// The settings: tcgetattr(3).
    GetSettings(Form),
    /// To change them, perhaps when all that was written is on the line: tcsetattr(3).
    SetSettings { form: Form, drains: bool },
    /// How many written bytes are not on the line yet.
    CountUnsent,
    /// Whether the transmitter is empty.
    GetTransmitterState,
}

/// What the bits of an argument do to the lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Assert,
    Release,
    SetTo,
}

impl Request {
    /// The meaning of an ioctl with this request number and argument.
    pub(super) fn of(number: u32, argument: u64) -> Option<Request> {
        Some(match number {
            TIOCMGET => Request::GetLines,
            TIOCMBIS => Request::ChangeLines(Change::Assert),
            TIOCMBIC => Request::ChangeLines(Change::Release),
            TIOCMSET => Request::ChangeLines(Change::SetTo),
            TIOCMIWAIT => Request::AwaitChange,
            TIOCGICOUNT => Request::GetCounters,
            TIOCGSERIAL => Request::GetSerial,
            TIOCSSERIAL => Request::SetSerial,
            TCSBRK if argument == 0 => Request::SendBreak { duration_ms: BREAK_MS },
            TCSBRK => Request::Drain,
            TCGETS => Request::GetSettings(Form::Termios),
            TCGETS2 => Request::GetSettings(Form::Termios2),
            TCGETA => Request::GetSettings(Form::Termio),
            TCSETS => Request::SetSettings { form: Form::Termios, drains: false },
            TCSETSW | TCSETSF => Request::SetSettings { form: Form::Termios, drains: true },
            TCSETS2 => Request::SetSettings { form: Form::Termios2, drains: false },
            TCSETSW2 | TCSETSF2 => Request::SetSettings { form: Form::Termios2, drains: true },
            TCSETA => Request::SetSettings { form: Form::Termio, drains: false },
            TCSETAW | TCSETAF => Request::SetSettings { form: Form::Termio, drains: true },
            TIOCOUTQ => Request::CountUnsent,
            TIOCSERGETLSR => Request::GetTransmitterState,
            // In tenths of a second; 0 is up to the driver.
            TCSBRKP if argument == 0 => Request::SendBreak { duration_ms: BREAK_MS },
            TCSBRKP => Request::SendBreak { duration_ms: argument.min(600) * 100 },
            TIOCSBRK => Request::BeginBreak,
            TIOCCBRK => Request::EndBreak,
            _ => return None,
        })
    }
}

impl Change {
    /// What a client wants of the lines with `bits` as the argument.
    pub(super) fn with(self, bits: u32) -> LineChange {
        let lines = ModemLines { dtr: bits & TIOCM_DTR != 0, rts: bits & TIOCM_RTS != 0 };
        match self {
            Change::Assert => LineChange { assert: lines, ..LineChange::default() },
            Change::Release => LineChange { release: lines, ..LineChange::default() },
            Change::SetTo => LineChange::to(lines),
        }
    }
}

/// The bits that a client reads.
pub(super) fn bits_of(lines: ModemLines) -> u32 {
    let mut bits = INPUTS;
    if lines.dtr {
        bits |= TIOCM_DTR;
    }
    if lines.rts {
        bits |= TIOCM_RTS;
    }
    bits
}

/// `struct serial_icounter_struct` of Linux `serial.h`: twenty ints.
pub(super) fn counters(received_bytes: u64, sent_bytes: u64, lost_bytes: u64) -> [u8; 80] {
    // cts, dsr, rng, dcd, rx, tx, frame, overrun, parity, brk, buf_overrun, 9 reserved. Ints wrap, as in drivers.
    let fields = [0, 0, 0, 0, received_bytes as u32, sent_bytes as u32, 0, 0, 0, 0, lost_bytes as u32];
    let mut bytes = [0; 80];
    for (place, field) in bytes.chunks_exact_mut(4).zip(fields) {
        place.copy_from_slice(&field.to_le_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_notified_request_has_a_meaning() {
        for number in NOTIFIED {
            assert!(Request::of(*number, 0).is_some(), "{number:x}");
        }
        assert_eq!(Request::of(TCSBRK, 0), Some(Request::SendBreak { duration_ms: 250 }));
        assert_eq!(Request::of(TCSBRK, 1), Some(Request::Drain));
        assert_eq!(Request::of(TCSBRKP, 3), Some(Request::SendBreak { duration_ms: 300 }));
        assert_eq!(Request::of(0x5413, 0), None);
    }

    #[test]
    fn bits_and_lines() {
        let both = ModemLines { dtr: true, rts: true };
        let rts = ModemLines { dtr: false, rts: true };
        assert_eq!(bits_of(both), 0x166);
        assert_eq!(bits_of(ModemLines::default()), 0x160);
        assert_eq!(Change::Assert.with(TIOCM_RTS).apply(ModemLines::default()), rts);
        assert_eq!(Change::Release.with(TIOCM_DTR).apply(both), rts);
        assert_eq!(Change::SetTo.with(TIOCM_RTS | TIOCM_CTS | 0x6000).apply(both), rts);
        assert_eq!(Change::SetTo.with(bits_of(rts)).apply(both), rts);
    }

    #[test]
    fn counters_lie_where_c_programs_look() {
        let bytes = counters(5, 6, 7);
        assert_eq!((bytes[16], bytes[20], bytes[40]), (5, 6, 7));
    }
}
