//! Plans as text.

use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::event::Stage;
use crate::fault::{
    CutPoint, DeviceEffect, Direction, Effect, Fault, FloatOr, FrameEffect, HexBytes, LineEffect, LineLevel,
    Moment, PowerEffect, ReplyKind, Span, When,
};

// What is wrong, and the line it is on.
#[rstest]
#[case::no_toml("fault", "line 1")]
#[case::unknown_table("[[faults]]\nline = 'drop'", "unknown field `faults`")]
#[case::no_effect("[[fault]]\nname = 'x'", "one effect")]
#[case::two_effects("[[fault]]\nline = 'drop'\nframe = 'lose-reply'", "one effect")]
#[case::unknown_effect("[[fault]]\nline = 'dorp'", "unknown variant `dorp`")]
#[case::unknown_parameter(
    "[[fault]]\nline.stall = { ms = 3 }",
    "unexpected keys in table: ms, available keys: us"
)]
#[case::missing_parameter("[[fault]]\n\n\nline.stall = {}", "line 4")]
#[case::unknown_condition("[[fault]]\nline = 'drop'\nwhen = { comand = 1 }", "unknown field `comand`")]
#[case::wrong_type("[[fault]]\nline = 'drop'\nwhen = { command = '31' }", "line 3")]
#[case::too_large("[[fault]]\nline = 'drop'\nwhen = { command = 0x131 }", "line 3")]
#[case::empty_span("[[fault]]\nline = 'drop'\nwhen = { byte = { from = 3, to = 3 } }", "larger than `from`")]
#[case::span_word("[[fault]]\nline = 'drop'\nwhen = { byte = { first = 3 } }", "unknown field `first`")]
#[case::negative("[[fault]]\nline = 'drop'\nwhen = { byte = -1 }", "never negative")]
#[case::probability("[[fault]]\nline = 'drop'\nwhen = { probability = 1.5 }", "0 to 1")]
#[case::zeroth("[[fault]]\nline = 'drop'\nwhen = { nth = 0 }", "count from 1")]
#[case::bit("[[fault]]\nline.flip-bit = { bit = 8 }", "0 to 7")]
#[case::odd_digits("[[fault]]\nframe.answer = { bytes = '4f4' }", "odd number")]
#[case::no_digits("[[fault]]\nframe.answer = { bytes = 'OK' }", "hexadecimal")]
#[case::condition_of_another_seam(
    "[[fault]]\ndevice = 'pll-never-locks'\nwhen = { byte = 3 }",
    "`when.byte` does not apply"
)]
#[case::reply_of_a_command(
    "[[fault]]\nframe = 'lose-command'\nwhen = { reply = 'ok' }",
    "`when.reply` does not apply"
)]
#[case::on("[[fault]]\nline = 'drop'\nwhen = { on = 'byte' }", "`when.on` does not apply")]
#[case::clock_without_time("[[fault]]\npower.cut = {}\nwhen = { on = 'time' }", "needs `when.time_us`")]
#[case::fuse_offset("[[fault]]\ndevice.fuses = { offset = 3, bits = 1 }", "multiple of 4")]
#[case::flash_part("[[fault]]\ndevice.flash-part = { part = 'XY' }", "no flash part")]
#[case::progress("[[fault]]\npower.cut = { progress_percent = 101 }", "0 to 100")]
fn what_is_no_plan(#[case] text: &str, #[case] why: &str) {
    let error = FaultPlan::from_toml(text).unwrap_err().to_string();
    assert!(error.contains(why), "{error}");
}

#[test]
fn an_empty_plan_is_a_plan() {
    assert!(FaultPlan::from_toml("").unwrap().is_empty());
}

#[test]
fn a_plan_is_written_as_people_write_it() {
    let plan = plan(
        "[[fault]]\nname = 'n'\nframe.refuse = { code = 6 }\nwhen = { command = 0x31, address = { from = 4 } }\n",
    );
    let text = plan.to_toml().unwrap();
    assert_eq!(
        text,
        "[[fault]]\nname = \"n\"\n\n[fault.frame.refuse]\ncode = 6\n\n[fault.when]\ncommand = 49\n\n[fault.when.address]\nfrom = 4\n"
    );
    assert_eq!(FaultPlan::from_toml(&text).unwrap(), plan);
}

fn line_effect() -> impl Strategy<Value = LineEffect> {
    prop_oneof![
        proptest::option::of(0_u8..8).prop_map(|bit| LineEffect::FlipBit { bit }),
        Just(LineEffect::Drop),
        Just(LineEffect::Duplicate),
        any::<u8>().prop_map(|byte| LineEffect::Insert { byte }),
        any::<u32>().prop_map(|bytes| LineEffect::Noise { bytes }),
        any::<u32>().prop_map(|us| LineEffect::Stall { us: us.into() }),
        any::<u32>().prop_map(|us| LineEffect::Clog { us: us.into() }),
        proptest::option::of(any::<u32>())
            .prop_map(|us| LineEffect::Stuck { level: LineLevel::Low, us: us.map(u64::from) }),
        Just(LineEffect::Swapped),
        any::<u32>().prop_map(|baud_bps| LineEffect::GarbageAbove { baud_bps }),
        any::<u32>().prop_map(|us| LineEffect::Latency { us: us.into() }),
        (1_u32..).prop_map(|bytes| LineEffect::ShortReads { bytes }),
    ]
}

fn frame_effect() -> impl Strategy<Value = FrameEffect> {
    prop_oneof![
        Just(FrameEffect::LoseReply),
        any::<u32>().prop_map(|us| FrameEffect::DelayReply { us: us.into() }),
        any::<u8>().prop_map(|times| FrameEffect::RepeatReply { times }),
        any::<Vec<u8>>().prop_map(|bytes| FrameEffect::ReplaceReply { bytes: HexBytes(bytes) }),
        any::<u16>().prop_map(|code| FrameEffect::Refuse { code }),
    ]
}

fn device_effect() -> impl Strategy<Value = DeviceEffect> {
    prop_oneof![
        (0_u8..32, any::<u32>()).prop_map(|(word, bits)| DeviceEffect::Fuses { offset: word * 4, bits }),
        (any::<u32>(), any::<u32>()).prop_map(|(address, value)| DeviceEffect::Register { address, value }),
        Just(DeviceEffect::PllNeverLocks),
        Just(DeviceEffect::FlashDead { level: LineLevel::High }),
        Just(DeviceEffect::FlashPart { part: "KH25V40".to_owned() }),
        any::<[u8; 3]>().prop_map(|id| DeviceEffect::JedecId { id }),
        any::<u8>().prop_map(|mask| DeviceEffect::WeakBits { mask }),
        any::<(u8, bool)>().prop_map(|(mask, ones)| DeviceEffect::StuckBits { mask, ones }),
        Just(DeviceEffect::BootPin { level: FloatOr::Floating }),
    ]
}

fn power_effect() -> impl Strategy<Value = PowerEffect> {
    prop_oneof![
        (0_u8..=100, proptest::option::of(any::<u32>())).prop_map(|(progress_percent, off_us)| {
            PowerEffect::Cut { at: CutPoint::After, progress_percent, off_us: off_us.map(u64::from) }
        }),
        any::<u32>().prop_map(|us| PowerEffect::BrownOut { us: us.into() }),
        any::<u32>().prop_map(|us| PowerEffect::EnGlitch { us: us.into() }),
        proptest::option::of(any::<u32>()).prop_map(|us| PowerEffect::Unplug { back_us: us.map(u64::from) }),
    ]
}

fn span() -> impl Strategy<Value = Span> {
    (any::<u32>(), 1_u32..)
        .prop_map(|(from, length)| Span { from: from.into(), to: u64::from(from) + u64::from(length) })
}

fn when() -> impl Strategy<Value = When> {
    let where_to = (
        proptest::option::of(Just(Stage::Loader)),
        proptest::option::of(any::<u8>()),
        proptest::option::of(span()),
        proptest::option::of(span()),
    );
    let which = (
        proptest::option::of(1_u64..1000),
        proptest::option::of(1_u64..1000),
        proptest::option::of(0.0..=1.0),
        proptest::option::of(0_u64..1000),
    );
    (where_to, which).prop_map(|((stage, command, address, time_us), (nth, every, probability, times))| {
        When { stage, command, address, time_us, nth, every, probability, times, ..When::always() }
    })
}

fn any_fault() -> impl Strategy<Value = Fault> {
    let line = (line_effect(), when(), proptest::option::of(span()), any::<bool>()).prop_map(
        |(effect, when, byte, back)| {
            let direction = Some(if back { Direction::ToHost } else { Direction::ToModule });
            (Effect::Line(effect), When { byte, direction, reply: Some(ReplyKind::Pending), ..when })
        },
    );
    let frame = (frame_effect(), when()).prop_map(|(effect, when)| (Effect::Frame(effect), when));
    let device = (device_effect(), when()).prop_map(|(effect, when)| (Effect::Device(effect), when));
    let power = (power_effect(), when())
        .prop_map(|(effect, when)| (Effect::Power(effect), When { on: Some(Moment::Operation), ..when }));
    (proptest::option::of(".*"), prop_oneof![line, frame, device, power])
        .prop_map(|(name, (effect, when))| Fault { name, effect, when })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn every_plan_is_read_back_as_it_was_written(faults in proptest::collection::vec(any_fault(), 0..4)) {
        let plan: FaultPlan = faults.into_iter().collect();
        let text = plan.to_toml().unwrap();
        prop_assert_eq!(FaultPlan::from_toml(&text).unwrap(), plan, "{}", text);
    }
}
