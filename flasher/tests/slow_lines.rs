//! Boards whose EN or BOOT follows the modem lines late: a capacitor on the pin. A quick reset does not get through to them; the
//! patient one behind it does, before anything else is tried.
#![cfg(feature = "emulated")]
#![allow(clippy::unwrap_used, reason = "test code: a failure is a failed test")]

use bl702_flasher::event::Event;
use bl702_flasher::flow::{Found, ResetInto, reset_into};
use bl702_flasher::port::emulated::{EmulatedOptions, EmulatedPort, made_up_loader};
use bl702_flasher::port::{Port, PortError};
use bl702_flasher::reset::Lines;
use bl702_flasher::timing::{Pace, Timing};
use bl702_flasher::{Flasher, Nanos};
use rstest::rstest;

/// A pin that follows its line so much later, and not at all where the line is back before that.
struct SlowPin {
    delay: Nanos,
    /// What the module sees (asserted or not).
    level: bool,
    /// When it will see the other level.
    changes_at: Option<Nanos>,
}

impl SlowPin {
    fn new(delay: Nanos) -> SlowPin {
        SlowPin { delay, level: false, changes_at: None }
    }

    fn drive(&mut self, level: bool, now: Nanos) {
        self.changes_at = if level == self.level { None } else { self.changes_at.or(Some(now + self.delay)) };
    }

    fn settle(&mut self, now: Nanos) {
        if self.changes_at.is_some_and(|at| at <= now) {
            (self.level, self.changes_at) = (!self.level, None);
        }
    }
}

/// A board wired as the vendor's: EN follows RTS, BOOT follows DTR, each through its capacitor.
struct SlowBoard {
    port: EmulatedPort,
    enable: SlowPin,
    boot: SlowPin,
}

impl SlowBoard {
    fn next_change(&self) -> Nanos {
        [self.enable.changes_at, self.boot.changes_at].into_iter().flatten().min().unwrap_or(Nanos::MAX)
    }

    fn settle(&mut self) -> Result<(), PortError> {
        let now = self.port.now();
        self.enable.settle(now);
        self.boot.settle(now);
        self.port.set_lines(Lines { dtr: self.boot.level, rts: self.enable.level })
    }
}

impl Port for SlowBoard {
    fn now(&self) -> Nanos {
        self.port.now()
    }

    fn read(&mut self, buffer: &mut [u8], until: Nanos) -> Result<usize, PortError> {
        loop {
            let count = self.port.read(buffer, until.min(self.next_change()))?;
            if self.next_change() <= self.port.now() {
                self.settle()?;
            }
            if count > 0 || self.port.now() >= until {
                return Ok(count);
            }
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), PortError> {
        self.port.write(bytes)
    }

    fn set_baud(&mut self, baud_bps: u32) -> Result<(), PortError> {
        self.port.set_baud(baud_bps)
    }

    fn has_lines(&mut self) -> bool {
        self.port.has_lines()
    }

    fn set_lines(&mut self, lines: Lines) -> Result<(), PortError> {
        let now = self.port.now();
        self.boot.drive(lines.dtr, now);
        self.enable.drive(lines.rts, now);
        Ok(())
    }

    fn purge_input(&mut self) -> Result<(), PortError> {
        self.port.purge_input()
    }
}

/// A flasher in front of a board whose pins are so slow, BOOT being low at first: the firmware runs.
fn flasher(pace: Pace, enable_ms: u64, boot_ms: u64) -> Flasher {
    const STOCK: &[u8] = include_bytes!("../../fixtures/images/made-up-stock-flash.bin");
    let mut port = EmulatedOptions::parse("?wiring=rts-en&boot=dtr").unwrap().open(500_000).unwrap();
    port.module_mut().flash_mut().load(STOCK);
    let mut board = SlowBoard {
        port,
        enable: SlowPin::new(Nanos::from_millis(enable_ms)),
        boot: SlowPin::new(Nanos::from_millis(boot_ms)),
    };
    board.boot.level = true;
    board.settle().unwrap();
    let mut flasher = Flasher::over(board).with_loader(made_up_loader().unwrap());
    flasher.options_mut().timing = Timing::of(pace);
    flasher
}

/// What it took to read the first sector: whether a second, patient reset, and whether a silence.
fn reset_and_read(pace: Pace, enable_ms: u64, boot_ms: u64) -> (bool, bool) {
    let mut flasher = flasher(pace, enable_ms, boot_ms);
    let events = flasher.events();
    assert_eq!(flasher.backup_range(0, 4096).unwrap().bytes.len(), 4096);
    let events: Vec<Event> = events.try_iter().map(|(_, event)| event).collect();
    let resets = events.iter().filter(|event| matches!(event, Event::ResetByLines)).count();
    assert!((1..=2).contains(&resets), "{events:?}");
    let patient = |event: &Event| matches!(event, Event::Retry { cause } if cause.contains("longer waits"));
    assert_eq!(events.iter().any(patient), resets == 2);
    (resets == 2, events.iter().any(|event| matches!(event, Event::Silence { .. })))
}

#[rstest]
#[case::as_usual(Pace::Normal, 0, 0, false)]
#[case::a_usual_capacitor_on_enable(Pace::Normal, 12, 0, false)]
#[case::and_on_boot(Pace::Normal, 12, 5, false)]
#[case::enable_late_for_the_first_burst(Pace::Normal, 40, 0, false)]
#[case::enable_that_a_quick_reset_does_not_pull_low(Pace::Normal, 70, 0, true)]
#[case::boot_still_low_when_it_is_sampled(Pace::Normal, 0, 80, true)]
#[case::both(Pace::Normal, 90, 90, true)]
#[case::fast_on_a_usual_board(Pace::Fast, 12, 5, false)]
#[case::fast_on_a_slow_board(Pace::Fast, 70, 80, true)]
#[case::slow(Pace::Slow, 90, 90, false)]
#[case::slow_on_the_slowest_board(Pace::Slow, 180, 180, false)]
fn a_slow_board_is_reset_at_the_second_try(
    #[case] pace: Pace,
    #[case] enable_ms: u64,
    #[case] boot_ms: u64,
    #[case] needs_patience: bool,
) {
    assert_eq!(reset_and_read(pace, enable_ms, boot_ms), (needs_patience, false));
}

#[rstest]
#[case::as_usual(0, 0)]
#[case::slow(80, 80)]
fn a_slow_board_is_reset_into_its_firmware_at_once(#[case] enable_ms: u64, #[case] boot_ms: u64) {
    let mut flasher = flasher(Pace::Normal, enable_ms, boot_ms);
    // From the ROM, which a lost pulse would leave in peace.
    flasher.backup_range(0, 4096).unwrap();
    let report = flasher.run(|link, options| reset_into(link, options, ResetInto::Firmware)).unwrap();
    assert!(matches!(report.found, Found::FirmwareSays { .. }), "{report:?}");
}

#[test]
fn a_patient_reset_is_never_quicker_and_changes_no_other_wait() {
    for pace in [Pace::Slow, Pace::Normal, Pace::Fast] {
        let quick = Timing::of(pace);
        let patient = quick.with_patient_reset();
        assert!(patient.reset_hold >= quick.reset_hold && patient.strap_settle >= quick.strap_settle);
        assert!(patient.reset_to_burst >= quick.reset_to_burst);
        let Timing { reset_hold, strap_settle, reset_to_burst, .. } = quick;
        assert_eq!(Timing { reset_hold, strap_settle, reset_to_burst, ..patient }, quick);
    }
    assert_eq!(Timing::of(Pace::Slow).with_patient_reset(), Timing::of(Pace::Slow));
}
