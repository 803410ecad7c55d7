//! How long the boot ROM takes for what it does.
//!
//! Nominal delays stand in `reference/rom-and-module.md` sections 1.1 and 1.2. They run on a timer whose divider the
//! ROM probably sets wrong, so one factor (`rom_time_scale` of the profile, 0.5 by default) scales them all (1.10).
//! The processing costs decide how many bytes one poll of the UART finds. They are assumptions, fitted to the
//! `wire` and `wire-model` rows of `fixtures/vectors/rom.jsonl`: those rows bound each of them.

use bl702_protocol::time::Nanos;

/// How long auto-baud listens before the USB interface gets its turn (nominal).
pub(super) const LISTEN: Nanos = Nanos::from_micros(2_000);
/// How long USB is polled between two turns of the UART (nominal).
pub(super) const USB_TURN: Nanos = Nanos::from_micros(1_000);
/// From the first 0x55 to the `OK` (nominal).
pub(super) const BEFORE_OK: Nanos = Nanos::from_millis(8);
/// How long the ROM waits for surplus bytes after `OK`, once (nominal).
pub(super) const DRAIN: Nanos = Nanos::from_millis(1);
/// How many surplus bytes that one read throws away at most.
pub(super) const DRAIN_BYTES: usize = 64;
/// Idle time after which a session is closed (nominal).
pub(super) const SESSION_IDLE: Nanos = Nanos::from_millis(2_000);
/// The unit in which the boot pin is sampled; also "delay units" of the reset command (nominal 1 ms, assumed).
pub(super) const DELAY_UNIT: Nanos = Nanos::from_millis(1);
/// From the reset command's `OK` to the reset, in delay units.
pub(super) const RESET_DELAY_UNITS: u64 = 10;
/// Flash initialisation: up to five JEDEC reads, 500 units apart; one read suffices on a healthy part (assumed).
pub(super) const FLASH_INIT: Nanos = Nanos::from_micros(500);

/// Receive FIFO of UART0 in bytes (data sheet).
pub(super) const RX_FIFO: usize = 128;
/// Transmit FIFO of UART0 in bytes.
pub(super) const TX_FIFO: u64 = 128;
/// Most bytes that one poll takes.
pub(super) const POLL_MAX: usize = 4096;

/// One pass of the idle loop that found something.
pub(super) const POLL: Nanos = Nanos(6_250);
/// Looking up a byte that is no id.
pub(super) const SKIP: Nanos = Nanos(4_700);
/// From the last byte of a command to the first bit of its answer.
pub(super) const REPLY: Nanos = Nanos::from_micros(15);

/// What the debug log (UART1, 2,000,000 baud) adds behind an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LogLine {
    /// A command that was carried out ("get bootinfo", "Ack", ...).
    Handled,
    /// A command that was refused.
    Refused,
    /// A frame that is too long.
    Overlong,
}

impl LogLine {
    /// Time for the line, none when the log is switched off by its fuse.
    pub(super) fn time(self, log_disabled: bool) -> Nanos {
        match self {
            _ if log_disabled => Nanos::from_micros(5),
            LogLine::Handled => Nanos::from_micros(35),
            LogLine::Refused => Nanos::from_micros(10),
            LogLine::Overlong => Nanos::from_micros(63),
        }
    }
}
