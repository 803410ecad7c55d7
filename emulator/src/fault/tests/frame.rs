//! Whole commands and answers.

use rstest::rstest;

use super::*;
use crate::event::Event;

#[rstest]
#[case::lose_reply("frame = 'lose-reply'", "command = 0x36", "")]
#[case::repeat_reply(
    "frame.repeat-reply = { times = 1 }",
    "reply = 'data'",
    "4f4b0400c22014804f4b0400c2201480"
)]
#[case::replace_reply("frame.replace-reply = { bytes = '464c 0600' }", "command = 0x36", "464c0600")]
#[case::lose_command("frame = 'lose-command'", "command = 0x36", "")]
#[case::refuse("frame.refuse = { code = 0xfffc }", "command = 0x36", "464cfcff")]
#[case::answer("frame.answer = { bytes = '4f4b' }", "command = 0x36", "4f4b")]
fn an_answer_is_another(#[case] effect: &str, #[case] when: &str, #[case] heard: &str) {
    let mut link = session(fault(effect, when));
    let answer: String = link.exchange(&JEDEC).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(answer, heard);
    assert_eq!(fired(&link), 1);
}

#[rstest]
#[case::command("frame = 'lose-reply'", "command = 0x37")]
#[case::stage("frame = 'lose-command'", "command = 0x36, stage = 'rom'")]
#[case::reply("frame = 'lose-reply'", "reply = 'refusal'")]
#[case::nth("frame.refuse = { code = 1 }", "command = 0x36, nth = 2")]
fn what_does_not_come_does_not_fire(#[case] effect: &str, #[case] when: &str) {
    let mut link = session(fault(effect, when));
    assert_eq!(link.exchange(&JEDEC), JEDEC_ANSWER);
    assert_eq!(fired(&link), 0);
}

#[test]
fn the_nth_command_to_an_address_is_refused_and_not_carried_out() {
    let when = "stage = 'loader', command = 0x31, address = { from = 0x9000, to = 0xa000 }, nth = 2";
    let mut link = session(fault("frame.refuse = { code = 0x0006 }", when));
    let answers = [0x8000, 0x9000, 0x9ffe, 0x9010].map(|address| link.exchange(&write(address, &[0x12; 4])));
    assert_eq!(answers, [b"OK".to_vec(), b"OK".to_vec(), vec![0x46, 0x4c, 6, 0], b"OK".to_vec()]);
    let mut cells = [0; 4];
    link.module().flash().read(0x9ffe, &mut cells);
    assert_eq!(cells, [0xff; 4]);
    assert_eq!(status(&link).first.unwrap().on, "31h in the RAM loader, 0x9ffe..0xa002");
}

#[test]
fn a_delayed_answer_comes_later() {
    let (_, usual) = took(&mut session(FaultPlan::default()), &JEDEC);
    let mut link = session(fault("frame.delay-reply = { us = 300_000 }", "command = 0x36"));
    let (heard, span) = took(&mut link, &JEDEC);
    assert_eq!((heard.as_slice(), span), (JEDEC_ANSWER.as_slice(), usual + Nanos::from_millis(300)));
}

#[test]
fn a_pending_note_can_be_lost_and_the_command_goes_on() {
    let mut link = session(fault("frame = 'lose-reply'", "reply = 'pending'"));
    assert_eq!(link.exchange(&ERASE_SECTOR), b"OK");
    assert_eq!(fired(&link), 1);
}

#[test]
fn a_handshake_can_be_lost() {
    let mut link = loader(fault("frame = 'lose-reply'", "reply = 'handshake', nth = 1"));
    assert_eq!(link.exchange(&[0x55; 600]), b"");
    assert_eq!(status(&link).first.unwrap().on, "the handshake's OK of the RAM loader");
}

/// 22h as the vendor's tool sends it when it is told that the chip is a BL702L (`reference/clients.md` section 7).
const CLOCK_SET: [u8; 28] = [
    0x22, 0x8e, 0x18, 0x00, 0x01, 0, 0, 0, 0x80, 0x84, 0x1e, 0x00, 0x50, 0x43, 0x46, 0x47, 0x01, 0x04, 0,
    0x01, 0, 0, 0, 0, 0x54, 0xd2, 0xa7, 0x60,
];

#[test]
fn the_rom_takes_a_command_that_only_a_fault_knows() {
    let mut link = rom_session(fault("frame.refuse = { code = 0xfffc }", "stage = 'rom', command = 0x22"));
    for _ in 0..2 {
        assert_eq!(link.exchange(&CLOCK_SET), [0x46, 0x4c, 0xfc, 0xff]);
    }
    // Nothing of its payload was searched for commands.
    assert_eq!(link.exchange(&[0x10, 0, 0, 0]).len(), 28);
    assert_eq!(fired(&link), 2);
}

#[test]
fn without_it_the_rom_searches_the_payload() {
    let mut link = rom_session(fault("frame.refuse = { code = 0xfffc }", "stage = 'loader', command = 0x22"));
    assert_eq!(link.exchange(&CLOCK_SET), [0x46, 0x4c, 0x04, 0x01]);
    assert_eq!(fired(&link), 0);
}

#[test]
fn three_refusals_end_a_session_as_the_loaders_own_do() {
    let mut link = session(fault("frame.refuse = { code = 6 }", "command = 0x36"));
    for _ in 0..3 {
        assert_eq!(link.exchange(&JEDEC), [0x46, 0x4c, 6, 0]);
    }
    assert_eq!(link.exchange(&JEDEC), b"");
}

#[test]
fn a_boot_rom_command_can_be_lost() {
    let mut link = rom_session(fault("frame = 'lose-command'", "command = 0x10, nth = 1"));
    assert_eq!(link.exchange(&[0x10, 0, 0, 0]), b"");
    assert_eq!(link.exchange(&[0x10, 0, 0, 0]).len(), 28);
}

#[test]
fn what_fires_is_told_among_the_events() {
    let mut link = session(fault("frame = 'lose-command'", "command = 0x36"));
    link.exchange(&JEDEC);
    let mut told = Vec::new();
    while let Some(event) = link.module_mut().next_event() {
        told.push(event);
    }
    assert!(told.is_sorted_by_key(|event| event.at));
    let fired = told.iter().find(|event| matches!(event.event, Event::FaultFired { .. })).unwrap();
    let on = "36h in the RAM loader".to_owned();
    assert_eq!(fired.event, Event::FaultFired { name: "it".to_owned(), seam: "frame", on });
}
