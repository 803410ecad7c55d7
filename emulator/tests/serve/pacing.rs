//! What takes time, and what does not.

use rstest::rstest;

use super::bench::{Emulator, hex, vector};

const LOADER: &[&str] = &["--profile", "vectors-loader", "--start", "loader"];

#[test]
fn on_the_wire_an_erase_takes_the_flash_its_time() {
    let emulator = Emulator::run(LOADER);
    let client = emulator.open(2_000_000);
    client.shake_hands(2_000_000);
    // 64 KiB: 300 ms in the profile of the vectors.
    client.send(&hex("3008080000000100ffff0100"));
    assert_eq!(client.receive(2), b"PD");
    assert!(client.is_quiet(200), "too early");
    assert_eq!(client.receive(2), b"OK");
}

#[test]
fn without_pacing_it_takes_none() {
    let emulator = Emulator::run(&[LOADER, &["--pace", "none"]].concat());
    let client = emulator.open(2_000_000);
    client.shake_hands(2_000_000);
    // 1 MiB in 64 KiB blocks: 4.8 s of the flash's time. The bound is for a busy machine.
    let (request, reply) = vector("loader", "erase whole 1 MiB 0..fffff");
    client.send(&request);
    assert_eq!(client.receive_within(reply.len(), 1_000), reply);
}

/// On the chip a frame within 0.5 ms of the loader's `OK` is lost; without pacing it arrives when the module is ready.
#[test]
fn without_pacing_a_frame_right_behind_ok_is_heard() {
    let emulator = Emulator::run(&[LOADER, &["--pace", "none"]].concat());
    let client = emulator.open(500_000);
    let (request, reply) = vector("loader", "bootinfo");
    client.send(&[0x55; 150]);
    assert_eq!(client.receive(2), b"OK");
    assert_eq!(client.ask(&request, reply.len()), reply);
}

/// Idle time-outs run on the wall clock in both paces: half of the loader's 4 s do not end a session.
#[rstest]
fn a_pause_within_the_idle_time_does_not_end_a_session(#[values("wire", "none")] pace: &str) {
    let emulator = Emulator::run(&[LOADER, &["--pace", pace]].concat());
    let client = emulator.open(500_000);
    client.shake_hands(500_000);
    assert!(client.is_quiet(1_900));
    let (request, reply) = vector("loader", "bootinfo");
    assert_eq!(client.ask(&request, reply.len()), reply);
}

#[rstest]
fn a_pause_beyond_it_does(#[values("wire", "none")] pace: &str) {
    let emulator = Emulator::run(&[LOADER, &["--pace", pace]].concat());
    let client = emulator.open(500_000);
    client.shake_hands(500_000);
    assert!(client.is_quiet(4_200));
    let (request, reply) = vector("loader", "bootinfo");
    assert_eq!(client.ask(&request, 0), b"");
    client.shake_hands(500_000);
    assert_eq!(client.ask(&request, reply.len()), reply);
}

/// Bursts keep their meaning: two frames without a gap are one stream, of which the loader loses the second.
#[rstest]
fn two_frames_in_one_write_have_no_gap(#[values("wire", "none")] pace: &str) {
    let emulator = Emulator::run(&[LOADER, &["--pace", pace]].concat());
    let client = emulator.open(500_000);
    client.shake_hands(500_000);
    let (request, reply) = vector("loader", "bytes after a frame in one burst are lost");
    assert_eq!(client.ask(&request, reply.len()), reply);
}

/// An erase to FFFFFFFFh never ends. Without pacing the emulator must not drown its client or itself in it.
#[rstest]
fn an_endless_erase_leaves_the_emulator_alive(#[values("wire", "none")] pace: &str) {
    let mut emulator = Emulator::run(&[LOADER, &["--pace", pace]].concat());
    let client = emulator.open(500_000);
    client.shake_hands(500_000);
    // The loader's command with the end that it takes for "for ever" (reference/loader-protocol.md section 4).
    client.send(&hex("3000080000000000ffffffff"));
    assert_eq!(client.receive(4), b"PDPD");
    let second = emulator.open(500_000);
    assert!(emulator.warning().contains("second client"));
    drop((client, second));
    assert_eq!(emulator.end(rustix::process::Signal::TERM).code(), Some(0));
}

/// Nobody asks for anything, so nothing is to be done at any time: every timer is off.
#[test]
fn an_idle_emulator_has_no_timer_running() {
    let emulator = Emulator::run(&["--count", "5"]);
    let client = emulator.open(500_000);
    assert!(client.is_quiet(200));
    let timers = || -> Vec<String> {
        let infos = std::fs::read_dir(format!("/proc/{}/fdinfo", emulator.pid())).unwrap();
        let texts = infos.map(|info| std::fs::read_to_string(info.unwrap().path()).unwrap());
        let values = texts
            .filter_map(|text| Some(text.lines().find(|line| line.starts_with("it_value:"))?.to_owned()));
        values.collect()
    };
    assert_eq!(timers(), vec!["it_value: (0, 0)"; 5]);
    // The counter-example: a session has its idle time-out.
    client.shake_hands(500_000);
    assert_eq!(timers().iter().filter(|value| *value != "it_value: (0, 0)").count(), 1);
}
