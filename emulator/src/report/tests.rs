use rstest::rstest;

use super::*;
use crate::profile::Profile;

const ROM_BAUD_BPS: u32 = 500_000;

/// A module that a test talks to in virtual time, and the report on it.
struct Bench {
    module: Module,
    report: ReportBuilder,
    /// When the host's line is free again.
    at: Nanos,
}

impl Bench {
    fn new(profile: Profile) -> Bench {
        let module = Module::new(profile);
        let report = ReportBuilder::new(&module);
        Bench { module, report, at: Nanos::from_millis(50) }
    }

    /// Sends bytes and lets `after` pass.
    fn say(&mut self, bytes: &[u8], unread_bytes: usize, after: Nanos) {
        let burst = Burst { start: self.at, baud_bps: ROM_BAUD_BPS, bytes: bytes.to_vec() };
        self.module.advance(self.at);
        self.report.host(&burst, unread_bytes);
        self.at = burst.end();
        self.module.receive(burst);
        self.wait(after);
    }

    fn wait(&mut self, duration: Nanos) {
        self.at += duration;
        self.module.advance(self.at);
        while let Some(burst) = self.module.transmit() {
            self.report.chip(&burst);
        }
        while let Some(event) = self.module.next_event() {
            self.report.event(&event);
        }
    }

    fn handshake(&mut self) {
        self.say(&[0x55; 150], 0, Nanos::from_millis(30));
    }

    fn finish(&self) -> Report {
        self.report.finish(&self.module)
    }

    fn kinds(&self) -> Vec<WarningKind> {
        self.finish().warnings.iter().map(|warning| warning.kind).collect()
    }
}

fn xt_zb2() -> Bench {
    Bench::new(Profile::builtin("xt-zb2").unwrap())
}

/// The frame of a clock setting for chips that have one, as in `reference/rom-and-module.md` section 1.7.
const CLOCK_SET: &[u8] = &[
    0x22, 0x8e, 0x18, 0x00, 0x01, 0x00, 0x00, 0x00, 0x80, 0x84, 0x1e, 0x00, b'P', b'C', b'F', b'G', 0x01,
    0x04, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x54, 0xd2, 0xa7, 0x60,
];
const REPLY_TIME: Nanos = Nanos::from_millis(20);

#[test]
fn a_plain_session_is_counted_and_has_no_warnings() {
    let mut bench = xt_zb2();
    bench.handshake();
    bench.say(&[0x10, 0, 0, 0], 0, REPLY_TIME);
    bench.say(&[0x19, 0, 0, 0], 0, REPLY_TIME);
    let report = bench.finish();
    assert_eq!(report.handshakes, [HandshakeCount { stage: "rom", baud_bps: ROM_BAUD_BPS, count: 1 }]);
    let commands: Vec<_> =
        report.commands.iter().map(|row| (row.id.as_str(), row.count, row.refused)).collect();
    assert_eq!(commands, [("10", 1, 0), ("19", 1, 1)]);
    let errors: Vec<_> = report.errors.iter().map(|row| (row.code.as_str(), row.count)).collect();
    assert_eq!(errors, [("0216", 1)]);
    assert_eq!(report.bytes, ByteCounts { to_module: 158, from_module: 2 + 28 + 4, while_in_reset: 0 });
    assert_eq!((report.resets, report.fuses_burnt, report.flash.changed), (0, 0, false));
    assert_eq!(report.baud_bps, [ROM_BAUD_BPS]);
    assert_eq!((report.warnings, report.cause), (vec![], None));
}

#[test]
fn another_chips_command_is_named_as_the_cause() {
    let mut bench = xt_zb2();
    bench.handshake();
    bench.say(&[0x10, 0, 0, 0], 0, REPLY_TIME);
    for _ in 0..4 {
        bench.say(CLOCK_SET, 0, REPLY_TIME);
    }
    bench.say(&[0x36, 0, 0, 0], 0, REPLY_TIME);
    let report = bench.finish();
    let expected =
        "wrong chip profile: command 0x22 does not exist in this ROM; its payload was read as commands";
    assert_eq!(report.cause.as_deref(), Some(expected));
    assert!(report.explanation.unwrap().contains("BL702L"));
    assert_eq!(report.fuses_burnt, 0);
}

#[rstest]
#[case::loaders_command(&[0x36, 0, 0, 0], "command 0x36 (read JEDEC id) was sent to the boot ROM, but only the RAM loader has it")]
#[case::foreign_and_nothing_else(&[0x23, 0, 0, 0], "wrong chip profile: command 0x23 does not exist in this ROM")]
fn causes(#[case] frame: &[u8], #[case] cause: &str) {
    let mut bench = xt_zb2();
    bench.handshake();
    bench.say(frame, 0, REPLY_TIME);
    assert_eq!(bench.finish().cause.as_deref(), Some(cause));
}

#[test]
fn a_part_without_uart_boot_is_recognised() {
    let mut profile = Profile::builtin("xt-zb2").unwrap();
    // sw_usage_0 bit 25.
    profile.efuse[0x13] |= 1 << 1;
    let mut bench = Bench::new(profile);
    bench.handshake();
    assert!(bench.finish().cause.unwrap().starts_with("UART boot is disabled"));
}

#[test]
fn a_module_that_was_never_let_out_of_reset() {
    let mut bench = xt_zb2();
    bench.report.observe(Observation::Pins { at: Nanos::ZERO, enable_high: false, boot_high: true });
    bench.module.set_enable(Nanos::from_millis(10), false);
    bench.handshake();
    let report = bench.finish();
    assert!(report.cause.unwrap().contains("held in reset"));
    assert_eq!(report.bytes.while_in_reset, 150);
}

#[test]
fn bad_manners_are_noted() {
    let mut bench = xt_zb2();
    bench.say(&[0x55; 150], 0, Nanos::ZERO);
    while bench.finish().handshakes.is_empty() {
        bench.wait(Nanos::from_micros(100));
    }
    bench.say(&[0x10, 0, 0, 0], 0, REPLY_TIME);
    assert!(bench.kinds().contains(&WarningKind::FrameTooEarly));

    let mut bench = xt_zb2();
    bench.handshake();
    bench.say(&[0x10, 0, 0, 0], 0, REPLY_TIME);
    bench.say(&[0x10, 0, 0, 0], 28, REPLY_TIME);
    assert_eq!(bench.kinds(), [WarningKind::UnreadReply]);

    let mut bench = xt_zb2();
    bench.handshake();
    bench.say(&[0x55; 3], 0, REPLY_TIME);
    assert_eq!(bench.kinds(), [WarningKind::SurplusHandshake]);

    let mut bench = xt_zb2();
    bench.handshake();
    bench.say(&[0x10, 0, 0, 0], 0, Nanos::from_micros(10));
    bench.say(&[0x10, 0, 0, 0], 0, REPLY_TIME);
    assert_eq!(bench.kinds(), [WarningKind::BeforeAnswer]);
}

#[test]
fn the_summary_is_a_line_for_each_thing() {
    let mut bench = xt_zb2();
    bench.handshake();
    bench.say(CLOCK_SET, 0, REPLY_TIME);
    let text = bench.finish().to_string();
    for expected in [
        "module      xt-zb2, 0 resets",
        "boot ROM at 500,000 baud (1)",
        "fuses       none burnt",
        "cause       wrong chip profile",
    ] {
        assert!(text.contains(expected), "{expected} in\n{text}");
    }
}

#[test]
fn the_json_form_is_flat_and_named_with_units() {
    let report = serde_json::to_value(xt_zb2().finish()).unwrap();
    for field in [
        "resets",
        "commands",
        "errors",
        "bytes",
        "baud_bps",
        "erase_units",
        "fuses_burnt",
        "warnings",
        "cause",
    ] {
        assert!(report.get(field).is_some(), "{field}");
    }
    assert_eq!(report["flash"]["sha256_before"], report["flash"]["sha256_after"]);
    assert!(report.get("client").is_none());
}
