//! Supply, EN and the cable.

use rstest::rstest;

use super::*;
use crate::module::Running;

fn cell(link: &MemoryLink, address: u32) -> u8 {
    let mut cell = [0];
    link.module().flash().read(address, &mut cell);
    cell[0]
}

/// Erases the second sector, whose bytes are not all ones.
fn erase_second(link: &mut MemoryLink) -> Vec<u8> {
    link.exchange(&[0x30, 0, 8, 0, 0, 0x10, 0, 0, 0, 0x10, 0, 0])
}

#[rstest]
#[case::before("before", b"", 0)]
#[case::after("after", b"PD", 4096)]
fn the_supply_goes_around_an_operation(#[case] at: &str, #[case] heard: &[u8], #[case] erased: usize) {
    let mut link = session(fault(&format!("power.cut = {{ at = '{at}' }}"), "command = 0x30"));
    assert_eq!(erase_second(&mut link), heard);
    assert_eq!(link.module().running(), Running::Nothing);
    let mut sector = [0; 4096];
    link.module().flash().read(0x1000, &mut sector);
    let before: Vec<u8> = (0x1000..0x2000_u32).map(|i| (7 * i + 13 * (i >> 8)) as u8).collect();
    let ones = sector.iter().filter(|byte| **byte == 0xff).count();
    assert!(if erased == 0 { sector[..] == before[..] } else { ones == erased });
    assert_eq!(status(&link).first.unwrap().on, "the erasing of 0x1000..0x2000");
}

#[test]
fn an_erase_is_torn() {
    let mut link = session(fault("power.cut = { at = 'inside', progress_percent = 60 }", "command = 0x30"));
    assert_eq!(erase_second(&mut link), b"PD");
    let mut sector = [0; 4096];
    link.module().flash().read(0x1000, &mut sector);
    let ones = sector.iter().filter(|byte| **byte == 0xff).count();
    assert!(ones < 4096 && sector.iter().any(|byte| *byte != 0xff));
}

#[test]
fn a_page_of_several_is_torn() {
    // The write of 768 bytes is three pages: the second is hit, the third is never begun.
    let mut link = session(fault("power.cut = { at = 'inside' }", "command = 0x31, nth = 2"));
    assert_eq!(link.exchange(&ERASE_SECTOR), b"PDOK");
    assert_eq!(link.exchange(&write(0, &[0; 768])), b"OK");
    let cells = [0, 255, 256, 511, 512, 767].map(|address| cell(&link, address));
    assert_eq!(cells, [0, 0, 0, 0xff, 0xff, 0xff]);
    assert_eq!(status(&link).first.unwrap().on, "the programming of 0x100..0x200");
}

#[test]
fn a_cut_supply_comes_back_by_itself_or_by_hand() {
    let mut link = session(fault("power.cut = { off_us = 50_000 }", "command = 0x30"));
    erase_second(&mut link);
    assert_eq!(link.module().running(), Running::Nothing);
    link.pause(Nanos::from_millis(100));
    assert!(matches!(link.module().running(), Running::Rom(_)));

    let mut link = session(fault("power.cut = {}", "command = 0x30"));
    erase_second(&mut link);
    link.pause(Nanos::from_secs(1));
    assert_eq!(link.module().running(), Running::Nothing);
    let now = link.module().now();
    link.module_mut().set_power(now, false);
    link.module_mut().set_power(now, true);
    link.pause(Nanos::from_millis(100));
    assert!(matches!(link.module().running(), Running::Rom(_)));
}

#[rstest]
#[case::brown_out("power.brown-out = { us = 500 }")]
#[case::en_glitch("power.en-glitch = { us = 5 }")]
fn a_reset_in_the_middle_leads_to_the_rom(#[case] effect: &str) {
    let mut link = session(fault(effect, "command = 0x30"));
    let resets = link.module().resets();
    assert_eq!(erase_second(&mut link), b"PD");
    link.pause(Nanos::from_millis(50));
    assert!(matches!(link.module().running(), Running::Rom(_)));
    assert_eq!(link.module().resets(), resets + 1);
    assert_eq!(fired(&link), 1);
}

#[test]
fn the_cable_is_pulled_before_a_byte_to_the_host() {
    let mut link = session(fault("power.unplug = {}", "direction = 'to-host', session_byte = 3"));
    assert!(link.module().is_plugged_in());
    assert_eq!(link.exchange(&JEDEC), JEDEC_ANSWER[..3]);
    assert!(!link.module().is_plugged_in());
    assert_eq!(link.exchange(&JEDEC), b"");
}

#[test]
fn the_cable_is_pulled_before_a_byte_to_the_module() {
    let when = "direction = 'to-module', command = 0x31, frame_byte = 20";
    let mut link = session(fault("power.unplug = { back_us = 5_000_000 }", when));
    assert_eq!(link.exchange(&write(0x8000, &[0; 64])), b"");
    assert!(!link.module().is_plugged_in());
    link.pause(Nanos::from_secs(6));
    assert!(link.module().is_plugged_in());
    assert_eq!(cell(&link, 0x8000), 0xff);
    // The loader's session has run out meanwhile.
    assert_eq!(link.exchange(&[0x55; 600]), b"OK");
    assert_eq!(link.exchange(&JEDEC), JEDEC_ANSWER);
}

#[rstest]
#[case::command("on = 'command', command = 0x36", "36h in the RAM loader", 0)]
#[case::reply("on = 'reply', command = 0x36", "the answer to 36h in the RAM loader", 0)]
#[case::byte(
    "on = 'byte', command = 0x36, direction = 'to-host', frame_byte = 5",
    "byte 7 to the host, byte 5 of the answer to 36h in the RAM loader",
    5
)]
fn a_cut_counts_what_it_is_told_to(#[case] when: &str, #[case] on: &str, #[case] heard: usize) {
    let mut link = session(fault("power.cut = {}", when));
    assert_eq!(link.exchange(&JEDEC), JEDEC_ANSWER[..heard]);
    assert_eq!(link.module().running(), Running::Nothing);
    assert_eq!(status(&link).first.unwrap().on, on);
}

#[test]
fn a_cut_by_the_clock() {
    let mut link = session(fault("power.cut = {}", "on = 'time', time_us = { from = 1_000_000 }"));
    assert_eq!(link.exchange(&JEDEC), JEDEC_ANSWER);
    link.pause(Nanos::from_secs(1));
    assert_eq!(link.module().running(), Running::Nothing);
    assert_eq!(status(&link).first.unwrap().at_ns, 1_000_000_000);
}

#[rstest]
// The loader's start clears the status register: an operation too.
#[case::too_few_operations("power.cut = {}", "nth = 4")]
#[case::elsewhere("power.cut = {}", "address = { from = 0x8000 }")]
#[case::other_command("power.brown-out = { us = 100 }", "command = 0x3c")]
#[case::bytes_do_not_come("power.unplug = {}", "byte = 1_000_000")]
fn what_does_not_come_does_not_fire(#[case] effect: &str, #[case] when: &str) {
    let mut link = session(fault(effect, when));
    assert_eq!(link.exchange(&ERASE_SECTOR), b"PDOK");
    assert_eq!(link.exchange(&write(0, &[0x12])), b"OK");
    assert_eq!(fired(&link), 0);
}
