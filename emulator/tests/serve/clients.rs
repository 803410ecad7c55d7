//! Clients that come, go, crowd, and do not read.

use std::path::Path;

use rstest::rstest;
use rustix::process::Signal;

use super::bench::{Client, Emulator, SILENCE_MS, hex, vector};

#[rstest]
fn a_client_may_close_and_come_back(#[values("wire", "none")] pace: &str) {
    let emulator = Emulator::run(&["--profile", "vectors-rom", "--pace", pace]);
    let (request, reply) = vector("rom", "boot info (poll bytewise)");
    emulator.open(500_000).shake_hands(500_000);
    for _ in 0..3 {
        // The session lives in the chip, not in the client.
        assert_eq!(emulator.open(500_000).ask(&request, reply.len()), reply);
    }
}

#[test]
fn what_a_client_left_unread_is_gone_for_the_next() {
    let mut emulator = Emulator::run(&["--profile", "vectors-rom"]);
    let (request, reply) = vector("rom", "boot info (poll bytewise)");
    let first = emulator.open(500_000);
    first.shake_hands(500_000);
    first.send(&request);
    // All but the last byte, so that nothing of the reply is still on its way when the next client comes.
    assert_eq!(first.receive(reply.len() - 1), reply[..reply.len() - 1]);
    assert!(!first.is_quiet(20_000), "no last byte");
    drop(first);
    let second = emulator.open(500_000);
    // Opens and closes are handled in their order: once the third open is reported, the close was handled.
    let _third = emulator.open(500_000);
    assert!(emulator.warning().contains("second client"));
    assert!(second.is_quiet(SILENCE_MS));
    assert_eq!(second.ask(&request, reply.len()), reply);
}

/// A client that opens the port while the last one's close is still news must not lose its reply to the clean-up.
#[test]
fn a_change_of_clients_costs_the_new_one_nothing() {
    let emulator = Emulator::run(&["--profile", "vectors-rom", "--pace", "none"]);
    let (request, reply) = vector("rom", "boot info (poll bytewise)");
    let mut client = emulator.open(500_000);
    client.shake_hands(500_000);
    for _ in 0..200 {
        drop(client);
        client = emulator.open(500_000);
        client.send(&request);
        assert_eq!(client.receive(reply.len()), reply);
    }
}

#[test]
fn a_second_client_is_reported() {
    let mut emulator = Emulator::run(&[]);
    let _first = emulator.open(500_000);
    let _second = emulator.open(500_000);
    let warning = emulator.warning();
    assert!(warning.contains("second client on "), "{warning}");
    assert!(warning.contains("open 2 times"), "{warning}");
    assert!(warning.contains(&format!("pid {}", std::process::id())), "{warning}");
    // Closed and opened again is a second client again.
    drop(_second);
    let _third = emulator.open(500_000);
    assert!(emulator.warning().contains("second client on "));
}

/// Flashers lock the port (TIOCEXCL). One that is killed leaves the lock on a pty, where the slave lives as long as its master;
/// on a serial port it goes with the last close. Only unprivileged users notice: root may open an exclusive terminal.
#[test]
fn an_exclusive_lock_goes_with_its_client() {
    let emulator = Emulator::run(&["--profile", "vectors-rom"]);
    let first = emulator.open(500_000);
    first.set_exclusive();
    assert!(first.is_exclusive());
    first.shake_hands(500_000);
    drop(first);
    let second = emulator.open(500_000);
    let (request, reply) = vector("rom", "boot info (poll bytewise)");
    // The emulator has handled the close by the time it answers.
    assert_eq!(second.ask(&request, reply.len()), reply);
    assert!(!second.is_exclusive());
}

#[test]
fn an_exclusive_lock_stays_though_the_emulator_hears_late_of_the_open() {
    let emulator = Emulator::run(&["--profile", "vectors-rom"]);
    emulator.signal(Signal::STOP);
    let client = emulator.open(500_000);
    client.set_exclusive();
    emulator.signal(Signal::CONT);
    // It has heard of the open by the time it answers.
    client.shake_hands(500_000);
    assert!(client.is_exclusive());
}

#[test]
fn a_client_that_does_not_read_blocks_nothing() {
    let mut emulator = Emulator::run(&["--profile", "vectors-loader", "--start", "loader", "--count", "2"]);
    let clients = [emulator.first_line.clone(), emulator.next_line()]
        .map(|path| Client::open(Path::new(&path), 3_000_000));
    clients[0].shake_hands(3_000_000);
    // Status register read (37h) of 30,000 bytes; the kernel's queue takes 16 kB of them.
    clients[0].send(&hex("370008000500000030750000"));
    assert!(!clients[0].is_quiet(5_000), "no reply");
    let (request, reply) = vector("loader", "jedec id");
    clients[1].shake_hands(3_000_000);
    assert_eq!(clients[1].ask(&request, reply.len()), reply);
    // The rest is still there for a client that reads late.
    let status = clients[0].receive(4 + 30_000);
    assert_eq!((status.len(), &status[..4]), (30_004, &hex("4f4b3000")[..]));
    assert_eq!(clients[0].ask(&request, reply.len()), reply);
}

#[test]
fn a_flush_throws_away_what_was_not_read() {
    let emulator = Emulator::run(&["--profile", "vectors-loader", "--start", "loader"]);
    let client = emulator.open(3_000_000);
    client.shake_hands(3_000_000);
    client.send(&hex("370008000500000030750000"));
    // Until the chip has sent all of it (100 ms), a flush only takes what has come.
    while !client.is_quiet(200) {
        client.flush_input();
    }
    let (request, reply) = vector("loader", "jedec id");
    assert_eq!(client.ask(&request, reply.len()), reply);
}

#[test]
fn several_modules_in_one_process_are_several_modules() {
    let mut emulator = Emulator::run(&["--profile", "vectors-rom", "--count", "3"]);
    let paths = [emulator.first_line.clone(), emulator.next_line(), emulator.next_line()];
    let clients = paths.each_ref().map(|path| Client::open(Path::new(path), 500_000));
    let (request, reply) = vector("rom", "boot info (poll bytewise)");
    clients[1].shake_hands(500_000);
    assert_eq!(clients[1].ask(&request, reply.len()), reply);
    assert_eq!(clients[0].ask(&request, 0), b"");
    clients[2].shake_hands(500_000);
    clients[0].shake_hands(500_000);
    for client in &clients {
        assert_eq!(client.ask(&request, reply.len()), reply);
    }
}
