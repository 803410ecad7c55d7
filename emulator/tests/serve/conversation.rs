//! Handshakes and frames at rates of all kinds.

use rstest::rstest;

use super::bench::{Emulator, SILENCE_MS, hex, vector};

const VECTORS_ROM: &[&str] = &["--profile", "vectors-rom"];
const VECTORS_LOADER: &[&str] = &["--profile", "vectors-loader", "--start", "loader"];

/// How often a burst in several writes may be torn apart by a busy machine.
const MOST_TRIES: u32 = 30;

#[rstest]
fn boot_info_at_any_rate(
    #[values("wire", "none")] pace: &str,
    #[values(38_400, 115_200, 460_800, 500_000, 921_600, 1_234_567, 2_000_000)] baud_bps: u32,
) {
    let emulator = Emulator::run(&[VECTORS_ROM, &["--pace", pace]].concat());
    let client = emulator.open(baud_bps);
    client.shake_hands(baud_bps);
    let (request, reply) = vector("rom", "boot info (poll bytewise)");
    for _ in 0..3 {
        assert_eq!(client.ask(&request, reply.len()), reply);
    }
}

#[rstest]
fn the_loader_at_any_rate_it_knows(
    #[values("wire", "none")] pace: &str,
    #[values(115_200, 500_000, 921_600, 2_000_000, 3_000_000)] baud_bps: u32,
) {
    let emulator = Emulator::run(&[VECTORS_LOADER, &["--pace", pace]].concat());
    let client = emulator.open(baud_bps);
    client.shake_hands(baud_bps);
    let (request, reply) = vector("loader", "bootinfo");
    assert_eq!(client.ask(&request, reply.len()), reply);
}

#[rstest]
#[case::six_hundred_at_once(2_000_000, 600, 600)]
#[case::in_several_writes(500_000, 300, 20)]
#[case::byte_by_byte(115_200, 60, 1)]
fn a_burst_of_55h_is_swallowed_however_it_is_written(
    #[values("wire", "none")] pace: &str,
    #[values(VECTORS_ROM, VECTORS_LOADER)] profile: &[&str],
    #[case] baud_bps: u32,
    #[case] count: usize,
    #[case] at_once: usize,
) {
    let file = if profile == VECTORS_ROM { "rom" } else { "loader" };
    let (request, reply) = vector(file, if file == "rom" { "boot info (poll bytewise)" } else { "bootinfo" });
    let args = [profile, &["--pace", pace]].concat();
    let is_swallowed = || {
        let emulator = Emulator::run(&args);
        let client = emulator.open(baud_bps);
        for _ in 0..count / at_once {
            client.send(&vec![0x55; at_once]);
        }
        assert_eq!(client.receive(2), b"OK");
        assert!(client.is_quiet(5));
        client.send(&request);
        client.receive_within(reply.len(), 1000) == reply
    };
    // What comes more than 13 ms behind the first byte is no part of the burst, and a busy machine may stop this process
    // or the emulator for so long.
    let tries = if at_once == count { 1 } else { MOST_TRIES };
    assert!((0..tries).any(|_| is_swallowed()));
}

/// blisp drains and flushes its input behind the burst; an `OK` that came before would be gone.
#[rstest]
fn a_flush_behind_the_burst_does_not_cost_the_ok(#[values("wire", "none")] pace: &str) {
    let emulator = Emulator::run(&["--pace", pace]);
    let client = emulator.open(500_000);
    client.send(&[0x55; 150]);
    client.flush_input();
    assert_eq!(client.receive(2), b"OK");
}

/// The chip goes on at its rate; a host at another one reads the bit stream in its own way.
#[test]
fn a_host_that_receives_at_another_rate_gets_garbage() {
    let emulator = Emulator::run(VECTORS_ROM);
    let client = emulator.open(500_000);
    client.shake_hands(500_000);
    let (request, reply) = vector("rom", "boot info (poll bytewise)");
    client.set_rates(500_000, 115_200);
    client.send(&request);
    // 28 bytes are 280 bits of the chip, 64.5 bits of the host: six bytes at most.
    let garbage = client.receive_within(28, 100);
    assert!(garbage.len() <= 6, "{garbage:02x?}");
    assert!(!reply.starts_with(&garbage) || garbage.is_empty(), "{garbage:02x?}");
    client.set_rates(500_000, 500_000);
    assert_eq!(client.ask(&request, reply.len()), reply);
}

#[test]
fn a_host_that_sends_at_another_rate_is_not_understood() {
    let emulator = Emulator::run(VECTORS_ROM);
    let client = emulator.open(500_000);
    client.shake_hands(500_000);
    let (request, reply) = vector("rom", "boot info (poll bytewise)");
    client.set_rates(115_200, 500_000);
    assert_ne!(client.ask(&request, 0), reply);
}

/// bouffalo_isp writes a `struct termios` of its own, which clears EXTPROC.
#[test]
fn a_client_that_clears_unknown_flags_still_has_its_rate_noticed() {
    let emulator = Emulator::run(VECTORS_LOADER);
    let client = emulator.open(115_200);
    for baud_bps in [500_000, 2_000_000] {
        client.set_bare_settings(baud_bps);
        // 4.1 s of silence end a session; three errors do so at once.
        client.shake_hands(baud_bps);
        let (request, reply) = vector("loader", "bootinfo");
        assert_eq!(client.ask(&request, reply.len()), reply);
        for _ in 0..3 {
            assert_eq!(client.ask(&hex("32000000"), 4), hex("464c0400"));
        }
    }
}

#[rstest]
fn a_module_with_boot_low_and_empty_flash_says_nothing(#[values("wire", "none")] pace: &str) {
    let emulator = Emulator::run(&["--boot", "low", "--pace", pace]);
    let client = emulator.open(500_000);
    client.send(&[0x55; 150]);
    assert!(client.is_quiet(SILENCE_MS));
}

#[test]
fn latency_holds_each_reply_back() {
    let emulator = Emulator::run(&["--profile", "vectors-rom", "--pace", "none", "--latency-ms", "300"]);
    let client = emulator.open(500_000);
    client.send(&[0x55; 150]);
    assert!(client.is_quiet(200));
    assert_eq!(client.receive(2), b"OK");
    let (request, reply) = vector("rom", "boot info (poll bytewise)");
    client.send(&request);
    assert!(client.is_quiet(200));
    assert_eq!(client.receive(reply.len()), reply);
}
