//! Golden bytes are RFC 2217's and what pyserial 3.5 sends and expects (its `rfc2217.py`).

use proptest::prelude::*;
use rstest::rstest;

use super::*;

const OPENING: &[u8] = b"\xff\xfb\x00\xff\xfd\x00\xff\xfb\x03\xff\xfd\x03\xff\xfd\x2c";

/// A session whose opening has been sent.
fn session() -> Session {
    let mut session = Session::new("an emulator");
    assert_eq!(session.next_step(), Some(Step::Reply(OPENING.to_vec())));
    assert_eq!(session.next_step(), None);
    session
}

fn steps(session: &mut Session, input: &[u8]) -> Vec<Step> {
    session.handle_input(input);
    std::iter::from_fn(|| session.next_step()).collect()
}

fn reply(bytes: &[u8]) -> Step {
    Step::Reply(bytes.to_vec())
}

fn send(bytes: &[u8]) -> Step {
    Step::Send(bytes.to_vec())
}

fn command(content: &[u8]) -> Vec<u8> {
    [b"\xff\xfa\x2c", content, b"\xff\xf0"].concat()
}

const LINES: fn(bool, bool) -> ModemLines = |dtr, rts| ModemLines { dtr, rts };

#[test]
fn a_port_opened_by_pyserial() {
    let mut session = session();
    let options = b"\xff\xfd\x01\xff\xfb\x03\xff\xfd\x03\xff\xfd\x2c\xff\xfb\x2c";
    assert_eq!(
        steps(&mut session, options),
        [reply(b"\xff\xfb\x01\xff\xfb\x2c\xff\xfa\x2c\x6b\x00\xff\xf0")],
        "ECHO and COM-PORT agreed to, SGA was, and the modem lines told"
    );
    // 500,000 8N1, no flow control.
    let settings = [
        command(b"\x01\x00\x07\xa1\x20"),
        command(b"\x02\x08"),
        command(b"\x03\x01"),
        command(b"\x04\x01"),
        command(b"\x05\x01"),
    ]
    .concat();
    let answers = [
        command(b"\x65\x00\x07\xa1\x20"),
        command(b"\x66\x08"),
        command(b"\x67\x01"),
        command(b"\x68\x01"),
        command(b"\x69\x01"),
    ]
    .concat();
    assert_eq!(steps(&mut session, &settings), [Step::Rate(500_000), reply(&answers)]);
    // DTR and RTS on, as they are; both buffers purged.
    let rest =
        [command(b"\x05\x08"), command(b"\x05\x0b"), command(b"\x0c\x01"), command(b"\x0c\x02")].concat();
    assert_eq!(
        steps(&mut session, &rest),
        [
            reply(&[command(b"\x69\x08"), command(b"\x69\x0b")].concat()),
            Step::Purge { received: true, unsent: false },
            reply(&command(b"\x70\x01")),
            Step::Purge { received: false, unsent: true },
            reply(&command(b"\x70\x02")),
        ]
    );
    assert_eq!(steps(&mut session, b"UU\xff\xff"), [send(b"UU\xff")]);
}

#[test]
fn lines_move_in_order_with_bytes_and_rates() {
    let mut session = session();
    let input = [
        b"before".as_slice(),
        &command(b"\x05\x09"),
        b"between",
        &command(b"\x01\x00\x1e\x84\x80"),
        &command(b"\x05\x0c"),
        b"after",
    ]
    .concat();
    assert_eq!(
        steps(&mut session, &input),
        [
            send(b"before"),
            Step::Lines(LINES(false, true)),
            reply(&command(b"\x69\x09")),
            send(b"between"),
            Step::Rate(2_000_000),
            reply(&command(b"\x65\x00\x1e\x84\x80")),
            Step::Lines(LINES(false, false)),
            reply(&command(b"\x69\x0c")),
            send(b"after"),
        ]
    );
    assert_eq!(session.lines(), LINES(false, false));
}

#[rstest]
#[case::rate(b"\x01\x00\x00\x00\x00", b"\x65\x00\x01\xc2\x00")]
#[case::rate_that_no_adapter_has(b"\x01\x3b\x9a\xca\x00", b"\x65\x00\x01\xc2\x00")]
#[case::data_bits(b"\x02\x00", b"\x66\x08")]
#[case::nine_data_bits(b"\x02\x09", b"\x66\x08")]
#[case::parity(b"\x03\x00", b"\x67\x01")]
#[case::stop_bits(b"\x04\x00", b"\x68\x01")]
#[case::flow(b"\x05\x00", b"\x69\x01")]
#[case::xon_xoff_is_refused(b"\x05\x02", b"\x69\x01")]
#[case::hardware_flow_is_refused(b"\x05\x03", b"\x69\x01")]
#[case::cd_flow_is_refused(b"\x05\x11", b"\x69\x01")]
#[case::flow_in(b"\x05\x0d", b"\x69\x0e")]
#[case::hardware_flow_in_is_refused(b"\x05\x10", b"\x69\x0e")]
#[case::dtr_flow_in_is_refused(b"\x05\x12", b"\x69\x0e")]
#[case::no_break(b"\x05\x04", b"\x69\x06")]
#[case::dtr(b"\x05\x07", b"\x69\x08")]
#[case::rts(b"\x05\x0a", b"\x69\x0b")]
#[case::signature(b"\x00", b"\x64an emulator")]
#[case::line_state(b"\x06", b"\x6a\x00")]
#[case::modem_state(b"\x07", b"\x6b\x00")]
#[case::line_state_mask(b"\x0a\x02", b"\x6e\x02")]
#[case::modem_state_mask(b"\x0b\x00", b"\x6f\x00")]
fn questions_and_refusals(#[case] asked: &[u8], #[case] answered: &[u8]) {
    assert_eq!(steps(&mut session(), &command(asked)), [reply(&command(answered))]);
}

#[rstest]
#[case::short_rate(b"\x01\x00\x00")]
#[case::long_parity(b"\x03\x01\x01")]
#[case::no_control(b"\x05")]
#[case::control_20(b"\x05\x14")]
#[case::purge_nothing(b"\x0c\x00")]
#[case::purge_4(b"\x0c\x04")]
#[case::its_own_signature(b"\x00pyserial")]
#[case::a_servers_code(b"\x65\x00\x00\x00\x00")]
#[case::unknown(b"\x0d")]
#[case::nothing(b"")]
fn what_has_no_answer(#[case] asked: &[u8]) {
    assert_eq!(steps(&mut session(), &command(asked)), []);
}

#[test]
fn a_break_comes_once_and_then_silence() {
    let mut session = session();
    let on =
        steps(&mut session, &[&command(b"\x05\x05"), b"lost".as_slice(), &command(b"\x05\x05")].concat());
    assert_eq!(on, [Step::Break, reply(&[command(b"\x69\x05"), command(b"\x69\x05")].concat())]);
    let off = steps(&mut session, &[&command(b"\x05\x06"), b"heard".as_slice()].concat());
    assert_eq!(off, [reply(&command(b"\x69\x06")), send(b"heard")]);
    assert_eq!(steps(&mut session, b"\xff\xf3"), [Step::Break], "the break key");
}

#[test]
fn other_framing_is_garbled_both_ways() {
    let mut session = session();
    steps(&mut session, &[command(b"\x02\x07"), command(b"\x03\x03")].concat());
    // 43h with even parity has bit 7 set for an 8N1 receiver; the chip's bit 7 is lost to the client.
    assert_eq!(steps(&mut session, b"\x43"), [send(b"\xc3")]);
    assert_eq!(session.encode(b"\xcb\xff"), b"\x4b\x7f");
}

#[test]
fn data_for_the_network_are_escaped() {
    assert_eq!(session().encode(b"\x00\xff\r\n\xff"), b"\x00\xff\xff\r\n\xff\xff");
}

#[test]
fn suspend_and_resume() {
    let input = [command(b"\x08"), command(b"\x09")].concat();
    assert_eq!(steps(&mut session(), &input), [Step::Hold(true), Step::Hold(false)]);
}

#[test]
fn an_overrun_is_told_once_to_who_wants_to_know() {
    let mut session = session();
    assert_eq!(session.overrun(), b"", "nobody asked");
    assert_eq!(steps(&mut session, &command(b"\x06")), [reply(&command(b"\x6a\x02"))]);
    assert_eq!(steps(&mut session, &command(b"\x06")), [reply(&command(b"\x6a\x00"))]);
    steps(&mut session, &[b"\xff\xfb\x2c".as_slice(), &command(b"\x0a\x02")].concat());
    assert_eq!(session.overrun(), command(b"\x6a\x02"));
}

proptest! {
    // Whatever comes: no panic, and no more work than bytes came in.
    #[test]
    fn any_input(pieces in proptest::collection::vec(piece(), 0..60), cut in 1_usize..50) {
        let input = pieces.concat();
        let mut session = session();
        let (mut replied, mut sent, mut count) = (0, 0, 0);
        for part in input.chunks(cut) {
            for step in steps(&mut session, part) {
                count += 1;
                match step {
                    Step::Reply(bytes) => replied += bytes.len(),
                    Step::Send(bytes) => sent += bytes.len(),
                    _ => {}
                }
            }
        }
        prop_assert!(count <= 2 * input.len());
        // A framing may make five bytes of one; an answer with a doubled rate is 15 bytes for a command of 10, and the
        // signature 17 for 6.
        prop_assert!(sent <= 5 * input.len() && replied <= 16 + 4 * input.len(), "{sent} {replied}");
    }
}

fn piece() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..20),
        (any::<u8>(), any::<u8>()).prop_map(|(verb, option)| vec![0xff, 250 + verb % 6, option]),
        (0_u8..16, proptest::collection::vec(any::<u8>(), 0..6))
            .prop_map(|(code, value)| command(&[&[code], value.as_slice()].concat())),
    ]
}
