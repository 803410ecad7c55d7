//! Adapters that are not as usual: inverted lines, sequences of one's own, rates that they refuse or garble, late answers.
#![cfg(feature = "emulated")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "test code: a failure is a failed test"
)]

use std::sync::{Arc, Mutex};

use bl702_flasher::error::ErrorKind;
use bl702_flasher::event::Event;
use bl702_flasher::port::emulated::{EmulatedOptions, EmulatedPort, made_up_loader};
use bl702_flasher::port::{Port, PortError};
use bl702_flasher::reset::{Lines, Wiring};
use bl702_flasher::{Flasher, Nanos};
use rstest::rstest;

/// Every change of the lines, as the module sees them, and its time in milliseconds.
type Seen = Arc<Mutex<Vec<(u64, Lines)>>>;

/// What is unusual about an adapter.
#[derive(Clone, Copy, Debug, Default)]
struct Quirks {
    invert: Lines,
    /// Refuses higher rates.
    most_bps: Option<u32>,
}

/// An adapter in front of an emulated module.
struct Adapter {
    port: EmulatedPort,
    quirks: Quirks,
    seen: Seen,
}

impl Port for Adapter {
    fn now(&self) -> Nanos {
        self.port.now()
    }

    fn read(&mut self, buffer: &mut [u8], until: Nanos) -> Result<usize, PortError> {
        self.port.read(buffer, until)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), PortError> {
        self.port.write(bytes)
    }

    fn set_baud(&mut self, baud_bps: u32) -> Result<(), PortError> {
        match self.quirks.most_bps {
            Some(most_bps) if baud_bps > most_bps => Err(PortError::BaudRefused {
                path: "adapter".into(),
                baud_bps,
                reason: format!("the adapter does {most_bps} baud instead"),
            }),
            _ => self.port.set_baud(baud_bps),
        }
    }

    fn has_lines(&mut self) -> bool {
        self.port.has_lines()
    }

    fn set_lines(&mut self, lines: Lines) -> Result<(), PortError> {
        let lines = lines.inverted(self.quirks.invert);
        self.seen.lock().unwrap().push((self.port.now().as_millis(), lines));
        self.port.set_lines(lines)
    }

    fn purge_input(&mut self) -> Result<(), PortError> {
        self.port.purge_input()
    }
}

/// A flasher behind an adapter, and what the module sees of its lines.
fn flasher(emulated: &str, quirks: Quirks) -> (Flasher, Seen) {
    let port = EmulatedOptions::parse(emulated).unwrap().open(500_000).unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let adapter = Adapter { port, quirks, seen: Arc::clone(&seen) };
    (Flasher::over(adapter).with_loader(made_up_loader().unwrap()), seen)
}

/// With BOOT low nobody answers until the lines have reset the module into ISP.
const BY_LINES_ONLY: &str = "?wiring=rts-en&boot=dtr";

fn lines(dtr: bool, rts: bool) -> Lines {
    Lines { dtr, rts }
}

#[rstest]
#[case::both(lines(true, true))]
#[case::rts(lines(false, true))]
#[case::dtr(lines(true, false))]
fn inverted_lines_are_right_if_the_flasher_knows_of_them(#[case] invert: Lines) {
    let (mut flasher, seen) = flasher(BY_LINES_ONLY, Quirks { invert, most_bps: None });
    flasher.options_mut().adapter.invert = invert;
    assert_eq!(flasher.backup_range(0, 4096).unwrap().bytes, [0xFF; 4096]);
    let seen: Vec<Lines> = seen.lock().unwrap().iter().map(|(_, lines)| *lines).collect();
    assert_eq!(seen[..3], [lines(true, true), lines(false, true), lines(false, false)]);
}

#[test]
fn inverted_lines_that_the_flasher_does_not_know_of_hold_the_module_in_reset() {
    let (mut flasher, _) = flasher(BY_LINES_ONLY, Quirks { invert: lines(false, true), most_bps: None });
    let events = flasher.events();
    let error = flasher.info().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::NoHandshake { .. }), "{error}");
    let asked = |event: &Event| matches!(event, Event::NeedsHands { can_reset: true, .. });
    assert!(events.try_iter().any(|(_, event)| asked(&event)));
}

#[test]
fn a_sequence_of_ones_own_is_played_as_it_is_written() {
    let (mut flasher, seen) = flasher(BY_LINES_ONLY, Quirks::default());
    let options = flasher.options_mut();
    options.wiring = Wiring::None;
    options.adapter.into_isp = Some("U1,1|W0.03|D0|W0.2|R0|W0.04".parse().unwrap());
    options.adapter.into_firmware = Some("D1|R1|W0.01|R0".parse().unwrap());
    flasher.info().unwrap();
    let mut seen = seen.lock().unwrap();
    assert_eq!(seen[..3], [(0, lines(true, true)), (30, lines(false, true)), (230, lines(false, false))]);
    let end: Vec<Lines> = seen[3..].iter().map(|(_, lines)| *lines).collect();
    assert_eq!(end, [lines(true, false), lines(true, true), lines(true, false)]);
    seen.clear();
    drop(seen);
    flasher.reset().unwrap();
}

#[test]
fn a_rate_that_the_adapter_refuses_is_left_for_a_lower_one() {
    let (mut flasher, _) = flasher("", Quirks { most_bps: Some(1_000_000), ..Quirks::default() });
    let events = flasher.events();
    flasher.backup_range(0, 65_536).unwrap();
    let told: Vec<String> = events
        .try_iter()
        .filter_map(|(_, event)| match event {
            Event::RateLowered(fallback) => Some(fallback.to_string()),
            _ => None,
        })
        .collect();
    insta::assert_snapshot!(told.join("\n"));
}

/// Rates that were proven, and the one that was not, in words.
fn climb(emulated: &str, quirks: Quirks) -> String {
    let (mut flasher, _) = flasher(emulated, quirks);
    (flasher.options_mut().climb, flasher.options_mut().baud_bps) = (true, 3_000_000);
    let events = flasher.events();
    let report = flasher.write(0x1000, vec![0x5A; 30_000]).unwrap();
    assert!(report.programmed_bytes >= 30_000, "{report:?}");
    let told = events.try_iter().filter_map(|(_, event)| match event {
        Event::RateProven { baud_bps, .. } => Some(format!("{baud_bps} proven")),
        Event::RateNotProven { tried_bps, kept_bps, reason } => {
            Some(format!("{tried_bps} not proven, {kept_bps} kept: {reason}"))
        }
        Event::LinkMeasured { baud_bps, .. } => Some(format!("measured at {baud_bps}")),
        Event::RateLowered(fallback) => Some(format!("lowered: {fallback}")),
        _ => None,
    });
    told.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_highest_rate_is_one_that_was_proven() {
    insta::assert_snapshot!("climb-clean", climb("", Quirks::default()));
    insta::assert_snapshot!("climb-loader-running", climb("?start=loader", Quirks::default()));
    insta::assert_snapshot!("climb-garbled-above-1m", climb("?fault=adapter-1m-max", Quirks::default()));
    let refusing = Quirks { most_bps: Some(2_000_000), ..Quirks::default() };
    insta::assert_snapshot!("climb-refused-above-2m", climb("", refusing));
}

#[test]
fn the_measured_round_trip_is_that_of_the_adapter() {
    let measured = |emulated: &str| {
        let (mut flasher, _) = flasher(emulated, Quirks::default());
        let events = flasher.events();
        flasher.info().unwrap();
        events.try_iter().find_map(|(_, event)| match event {
            Event::LinkMeasured { round_trip_us, per_mib_ms, .. } => Some((round_trip_us, per_mib_ms)),
            _ => None,
        })
    };
    let (quick_us, _) = measured("").unwrap();
    let (slow_us, slow_per_mib_ms) = measured("?latency-ms=16").unwrap();
    assert!(quick_us < 2_000, "{quick_us}");
    assert_eq!(slow_us - quick_us, 16_000);
    // 114 answers of 9220 bytes.
    assert_eq!(slow_per_mib_ms, slow_us * 114 / 1000);
}
