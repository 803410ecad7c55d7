//! The modem lines of a port, as its driver keeps them, and the order in which they reach the module's pins.
//!
//! A serial driver asserts both lines when a port is opened and releases them at the last close. A pty has no lines, so
//! whoever answers for it (the launcher, a network server) passes the host's wishes on as [`Control`]s. They take effect
//! in order with the bytes: what the host wrote before has arrived at the chip when a pin moves, and whoever asked
//! hears of it afterwards.

use std::collections::VecDeque;

use tokio::sync::oneshot;

use super::control::{Answer, Control};
use super::pty::HostRates;
use super::wiring::{ModemLines, Pins, pins};
use crate::Nanos;
use crate::profile::{Boot, Wiring};

/// The rate in a port's settings that a driver replaces when a custom divisor is set (`setserial(8)`, spd_cust).
pub const REPLACED_RATE_BPS: u32 = 38_400;

/// Makes a port behave like one with a serial driver behind it.
#[derive(Clone, Debug)]
pub struct SerialDriver {
    /// Whether the pins follow the lines from the start. If not, they do from the first change that a host asks for: a
    /// host that knows of no lines finds the module running, as with an adapter that connects none.
    pub follows_at_once: bool,
}

/// The levels that a change of lines leads to; `None` leaves a pin alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Drive {
    pub(super) enable_high: Option<bool>,
    pub(super) boot_high: Option<bool>,
}

/// A control that waits for its turn.
#[derive(Debug)]
struct Waiting {
    control: Control,
    /// What the host has written before must have been read first.
    drain: bool,
    answer: Option<oneshot::Sender<Answer>>,
}

/// The state of the lines.
#[derive(Debug)]
pub(super) struct Modem {
    driver: Option<SerialDriver>,
    wiring: Option<Wiring>,
    boot: Option<Boot>,
    /// Lines that the adapter inverts.
    invert: ModemLines,
    /// As the host knows them: the newest that were asked for, done or not.
    lines: ModemLines,
    /// As the pins have them.
    done: ModemLines,
    /// A hand holds EN low.
    is_held: bool,
    follows: bool,
    replaced_rate_bps: Option<u32>,
    queue: VecDeque<Waiting>,
    /// Module time at which the first of the queue is done.
    due: Option<Nanos>,
}

impl Modem {
    pub(super) fn new(
        driver: Option<SerialDriver>,
        wiring: Option<Wiring>,
        boot: Option<Boot>,
        invert: ModemLines,
    ) -> Modem {
        Modem {
            follows: driver.as_ref().is_none_or(|driver| driver.follows_at_once),
            driver,
            wiring,
            boot,
            invert,
            lines: ModemLines::default(),
            done: ModemLines::default(),
            is_held: false,
            replaced_rate_bps: None,
            queue: VecDeque::new(),
            due: None,
        }
    }

    pub(super) fn lines(&self) -> ModemLines {
        self.lines
    }

    pub(super) fn replace_rate(&mut self, bps: Option<u32>) {
        self.replaced_rate_bps = bps.filter(|bps| *bps > 0);
    }

    /// The rates in force, for these in the port's settings.
    pub(super) fn rates(&self, rates: HostRates) -> HostRates {
        let replace = |bps| match self.replaced_rate_bps {
            Some(rate_bps) if bps == REPLACED_RATE_BPS => rate_bps,
            _ => bps,
        };
        HostRates { send_bps: replace(rates.send_bps), receive_bps: replace(rates.receive_bps) }
    }

    /// Puts something to do to lines or pins in the queue.
    pub(super) fn ask(&mut self, control: Control, answer: oneshot::Sender<Answer>) {
        let control = match control {
            Control::Lines(lines) => self.change(lines),
            Control::ChangeLines(change) => self.change(change.apply(self.lines)),
            other => other,
        };
        self.queue.push_back(Waiting { control, drain: true, answer: Some(answer) });
    }

    fn change(&mut self, lines: ModemLines) -> Control {
        self.lines = lines;
        self.follows = true;
        Control::Lines(lines)
    }

    /// A client has opened the port that nobody had open.
    pub(super) fn opened(&mut self) {
        if self.driver.is_some() {
            self.lines = ModemLines { dtr: true, rts: true };
            // Nothing that this client writes can be older than its open.
            self.queue.push_back(Waiting { control: Control::Lines(self.lines), drain: false, answer: None });
        }
    }

    /// The last client has closed the port. `hangs_up` is its setting HUPCL.
    pub(super) fn closed(&mut self, hangs_up: bool) {
        if self.driver.is_some() && hangs_up {
            self.lines = ModemLines::default();
            self.queue.push_back(Waiting { control: Control::Lines(self.lines), drain: true, answer: None });
        }
    }

    /// All that the host had written was read, and will have arrived at module time `line_free`.
    pub(super) fn drained(&mut self, line_free: Nanos) {
        if self.due.is_none() && self.queue.front().is_some_and(|waiting| waiting.drain) {
            self.due = Some(line_free);
        }
    }

    /// Module time at which something is to be done; the host's further bytes are not to be read before.
    pub(super) fn due(&self) -> Option<Nanos> {
        self.due
    }

    /// Whether nothing waits to be done.
    pub(super) fn is_idle(&self) -> bool {
        self.queue.is_empty()
    }

    /// What is to be done at module time `now`.
    pub(super) fn next(&mut self, now: Nanos) -> Option<(Control, Option<oneshot::Sender<Answer>>)> {
        let waiting = self.queue.front()?;
        let is_due = match self.due {
            Some(due) => due <= now,
            None => !waiting.drain,
        };
        if !is_due {
            return None;
        }
        self.due = None;
        self.queue.pop_front().map(|waiting| (waiting.control, waiting.answer))
    }

    /// The lines have taken these levels: what that does to the pins of this module.
    pub(super) fn drive(&mut self, lines: ModemLines) -> Drive {
        self.done = lines;
        if !self.follows {
            return Drive::default();
        }
        let levels = self.levels();
        let drives_enable = self.wiring.is_some_and(|wiring| wiring != Wiring::None);
        let drives_boot = matches!(self.boot, Some(Boot::Dtr | Boot::Rts));
        Drive {
            enable_high: drives_enable.then_some(levels.enable_high && !self.is_held),
            boot_high: drives_boot.then_some(levels.boot_high),
        }
    }

    /// A hand holds EN low, or no longer; gives the level of EN.
    pub(super) fn hold_by_hand(&mut self, holds: bool) -> bool {
        self.is_held = holds;
        !holds && (!self.follows || self.levels().enable_high)
    }

    fn levels(&self) -> Pins {
        let lines = self.done.inverted(self.invert);
        pins(self.wiring.unwrap_or(Wiring::None), self.boot.unwrap_or_default(), lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::wiring::LineChange;

    const BOTH: ModemLines = ModemLines { dtr: true, rts: true };
    const NONE: ModemLines = ModemLines { dtr: false, rts: false };
    const RTS: ModemLines = ModemLines { dtr: false, rts: true };

    /// A modem with a driver.
    fn modem(follows_at_once: bool) -> Modem {
        Modem::new(Some(SerialDriver { follows_at_once }), Some(Wiring::RtsEn), Some(Boot::Dtr), NONE)
    }

    fn next_lines(modem: &mut Modem, now: Nanos) -> Option<ModemLines> {
        modem.next(now).map(|(control, answer)| {
            if let Some(answer) = answer {
                let _ = answer.send(Answer::Done);
            }
            match control {
                Control::Lines(lines) => lines,
                other => panic!("{other:?}"),
            }
        })
    }

    #[test]
    fn a_change_waits_for_the_bytes_before_it() {
        let mut modem = modem(true);
        modem.opened();
        assert_eq!(next_lines(&mut modem, Nanos::ZERO), Some(BOTH));
        let (answer, mut answered) = oneshot::channel();
        modem.ask(Control::ChangeLines(LineChange { release: RTS, ..LineChange::default() }), answer);
        assert_eq!(next_lines(&mut modem, Nanos::from_secs(9)), None, "not drained yet");
        modem.drained(Nanos::from_millis(5));
        assert_eq!(next_lines(&mut modem, Nanos::from_millis(4)), None, "still on the line");
        assert!(answered.try_recv().is_err(), "answered only when done");
        assert_eq!(next_lines(&mut modem, Nanos::from_millis(5)), Some(ModemLines { dtr: true, rts: false }));
        assert_eq!(answered.try_recv().unwrap(), Answer::Done);
    }

    #[test]
    fn a_close_and_an_open_are_both_seen() {
        let mut modem = modem(true);
        modem.opened();
        assert_eq!(next_lines(&mut modem, Nanos::ZERO), Some(BOTH));
        modem.closed(true);
        modem.opened();
        modem.drained(Nanos::ZERO);
        assert_eq!(next_lines(&mut modem, Nanos::ZERO), Some(NONE));
        assert_eq!(next_lines(&mut modem, Nanos::ZERO), Some(BOTH));
        assert_eq!(modem.lines(), BOTH);
    }

    #[test]
    fn without_hang_up_the_lines_stay() {
        let mut modem = modem(true);
        modem.opened();
        assert_eq!(next_lines(&mut modem, Nanos::ZERO), Some(BOTH));
        modem.closed(false);
        modem.drained(Nanos::ZERO);
        assert_eq!(next_lines(&mut modem, Nanos::ZERO), None);
        assert_eq!(modem.lines(), BOTH);
    }

    #[test]
    fn pins_may_wait_for_the_first_change_that_is_asked_for() {
        let mut modem = modem(false);
        modem.opened();
        assert_eq!(modem.drive(modem.lines()), Drive::default());
        modem.ask(
            Control::ChangeLines(LineChange { release: RTS, ..LineChange::default() }),
            oneshot::channel().0,
        );
        assert_eq!(modem.drive(modem.lines()), Drive { enable_high: Some(true), boot_high: Some(false) });
    }

    #[test]
    fn an_inverting_adapter_moves_the_pins_the_other_way() {
        let driver = SerialDriver { follows_at_once: true };
        let mut modem = Modem::new(Some(driver), Some(Wiring::RtsEn), Some(Boot::Dtr), RTS);
        modem.opened();
        // RTS asserted is high at the pin: EN is released, and BOOT held low by DTR.
        assert_eq!(modem.drive(modem.lines()), Drive { enable_high: Some(true), boot_high: Some(false) });
        assert_eq!(modem.drive(NONE), Drive { enable_high: Some(false), boot_high: Some(true) });
        // The host is told what it has asked for.
        assert_eq!(modem.lines(), BOTH);
    }

    #[test]
    fn a_port_without_a_driver_has_no_lines_of_its_own() {
        let mut modem = Modem::new(None, Some(Wiring::DtrEn), Some(Boot::Low), NONE);
        modem.opened();
        modem.closed(true);
        modem.drained(Nanos::ZERO);
        assert_eq!(next_lines(&mut modem, Nanos::ZERO), None);
        // A strap is not a line: what a hand has done to it stays.
        assert_eq!(modem.drive(BOTH), Drive { enable_high: Some(false), boot_high: None });
    }

    #[test]
    fn a_hand_on_the_button_is_stronger_than_the_lines() {
        let mut modem = Modem::new(None, Some(Wiring::RtsEn), None, NONE);
        assert!(!modem.hold_by_hand(true));
        assert_eq!(modem.drive(NONE).enable_high, Some(false));
        assert!(modem.hold_by_hand(false));
        assert_eq!(modem.drive(RTS).enable_high, Some(false));
        assert!(!modem.hold_by_hand(false), "the line still holds it");
    }

    #[test]
    fn a_custom_rate_stands_in_for_38400_only() {
        let mut modem = modem(true);
        let rates = |bps| HostRates { send_bps: bps, receive_bps: bps };
        modem.replace_rate(Some(2_000_000));
        assert_eq!(modem.rates(rates(38_400)), rates(2_000_000));
        assert_eq!(modem.rates(rates(115_200)), rates(115_200));
        modem.replace_rate(None);
        assert_eq!(modem.rates(rates(38_400)), rates(38_400));
    }
}
