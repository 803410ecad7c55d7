//! The RFC 2217 server in front of a module in real time.

use rustix::process::Signal;

use super::bench::{Client, Emulator, SILENCE_MS, arg, hex, outcome, vector};
use super::ctl::{ctl, status, wait_for};
use super::network::{NetworkClient, Served};

const LOADER: &[&str] = &["--profile", "vectors-loader", "--start", "loader", "--wiring", "none"];

fn bootinfo() -> (Vec<u8>, Vec<u8>) {
    vector("rom", "boot info (poll bytewise)")
}

#[test]
fn a_session_with_resets_by_the_modem_lines() {
    let served = Served::run(&["--profile", "vectors-rom", "--wiring", "rts-en", "--boot", "dtr"]);
    let mut client = served.connect();
    // As with a serial driver, opening the port asserts both lines: EN is low, and BOOT is low too.
    let at_open = wait_for(served.at("control"), |status| !status.enable_high);
    assert!((at_open.dtr, at_open.rts, at_open.boot_high) == (true, true, false), "{at_open:?}");

    client.write(b"\xff\xfb\x2c");
    client.set_baud(500_000);
    client.set_dtr(false);
    client.set_rts(false);
    client.shake_hands(500_000);
    let (request, reply) = bootinfo();
    assert_eq!(client.ask(&request, reply.len()), reply);

    // A reset ends the session: no more answers before a handshake.
    let starts = status(served.at("control")).resets;
    client.set_rts(true);
    client.set_rts(false);
    assert_eq!(status(served.at("control")).resets, starts + 1);
    client.send(&request);
    assert!(client.is_quiet(SILENCE_MS));
    client.shake_hands(500_000);
    assert_eq!(client.ask(&request, reply.len()), reply);

    // The last close releases what the client held.
    client.set_rts(true);
    client.close();
    let gone = wait_for(served.at("control"), |status| status.network_client.is_none());
    assert!((gone.dtr, gone.rts, gone.enable_high, gone.boot_high) == (false, false, true, true), "{gone:?}");
    assert_eq!(gone.fuses_burnt, 0);
}

#[test]
fn binary_is_offered_and_asked_for() {
    let served = Served::run(LOADER);
    let client = NetworkClient::ready(&served, 500_000);
    // Both ways, by the server itself: pyserial waits for it.
    assert!(
        client.options.contains(&[0xfb, 0]) && client.options.contains(&[0xfd, 0]),
        "{:?}",
        client.options
    );
    assert!(client.options.contains(&[0xfd, 44]), "{:?}", client.options);
}

#[test]
fn every_byte_value_passes_both_ways() {
    let served = Served::run(LOADER);
    let mut client = NetworkClient::ready(&served, 2_000_000);
    client.shake_hands(2_000_000);
    // 00h to ffh again and again, in frames and replies of more than any buffer on the way.
    let (write, ok) = vector("loader", "write largest 2400h");
    assert_eq!(client.ask(&write, ok.len()), ok);
    let reply = client.ask(&hex("320008000000000000240000"), 4 + 0x2400);
    assert_eq!(reply[..4], *b"OK\x00\x24");
    assert!(reply[4..] == write[8..], "what was read is not what was written");
}

#[test]
fn answers_take_the_chips_time() {
    let served = Served::run(LOADER);
    let mut client = NetworkClient::ready(&served, 2_000_000);
    client.shake_hands(2_000_000);
    // 64 KiB: 300 ms in the profile of the vectors.
    client.send(&hex("3008080000000100ffff0100"));
    assert_eq!(client.receive(2), b"PD");
    assert!(client.is_quiet(200), "too early");
    assert_eq!(client.receive(2), b"OK");
}

#[test]
fn the_rate_counts() {
    let served = Served::run(LOADER);
    let mut client = NetworkClient::ready(&served, 500_000);
    client.shake_hands(500_000);
    let (request, reply) = vector("loader", "bootinfo");
    assert_eq!(client.ask(&request, reply.len()), reply);
    client.set_baud(115_200);
    client.send(&request);
    assert!(client.is_quiet(SILENCE_MS));
    let seen = status(served.at("control"));
    assert_eq!((seen.send_bps, seen.receive_bps), (115_200, 115_200));
    // A new session at the new rate, found by the chip itself.
    ctl(&[served.at("control"), "reset", "--ms", "1"]);
    client.shake_hands(115_200);
}

#[test]
fn settings_that_the_chip_does_not_have_garble() {
    let served = Served::run(LOADER);
    let mut client = NetworkClient::ready(&served, 500_000);
    client.shake_hands(500_000);
    let (request, reply) = vector("loader", "bootinfo");
    // Seven data bits: the stop bit is read as the eighth, and the next start bit as a stop bit.
    assert_eq!(client.command(2, &[7]), [7]);
    client.send(&request);
    assert!(client.is_quiet(SILENCE_MS));
    ctl(&[served.at("control"), "reset", "--ms", "1"]);
    assert_eq!(client.command(2, &[8]), [8]);
    client.shake_hands(500_000);
    assert_eq!(client.ask(&request, 2), reply[..2]);
}

#[test]
fn a_purge_throws_away_what_was_not_read() {
    let served = Served::run(LOADER);
    let mut client = NetworkClient::ready(&served, 500_000);
    client.shake_hands(500_000);
    let before = status(served.at("control")).chip_bytes;
    let (request, reply) = vector("loader", "bootinfo");
    client.write(b"\xff\xfa\x2c\x08\xff\xf0");
    client.send(&request);
    wait_for(served.at("control"), |status| status.chip_bytes >= before + reply.len() as u64);
    assert!(client.is_quiet(SILENCE_MS), "suspended");
    assert_eq!(client.command(12, &[1]), [1]);
    client.write(b"\xff\xfa\x2c\x09\xff\xf0");
    assert!(client.is_quiet(SILENCE_MS), "purged");
    assert_eq!(client.ask(&request, reply.len()), reply);
}

#[test]
fn a_suspended_client_gets_everything_later() {
    let served = Served::run(LOADER);
    let mut client = NetworkClient::ready(&served, 500_000);
    client.shake_hands(500_000);
    let (request, reply) = vector("loader", "bootinfo");
    client.write(b"\xff\xfa\x2c\x08\xff\xf0");
    client.send(&request);
    assert!(client.is_quiet(SILENCE_MS));
    client.write(b"\xff\xfa\x2c\x09\xff\xf0");
    assert_eq!(client.receive(reply.len()), reply);
}

#[test]
fn a_client_that_does_not_read_loses_bytes_and_is_told() {
    let mut served = Served::run(LOADER);
    let mut client = NetworkClient::ready(&served, 2_000_000);
    client.shake_hands(2_000_000);
    // Overruns are to be told of (SET-LINESTATE-MASK), and nothing is to be sent.
    assert_eq!(client.command(10, &[2]), [2]);
    client.write(b"\xff\xfa\x2c\x08\xff\xf0");
    let (request, _) = vector("loader", "read largest");
    // A reply takes 46 ms; there is room for 80 kB.
    let lost = (0..100).find(|_| {
        client.send(&request);
        assert!(client.is_quiet(60));
        status(served.at("control")).unread_bytes_lost > 0
    });
    assert!(lost.is_some_and(|requests| requests >= 7), "{lost:?}");
    assert!(served.emulator.warning().contains("does not read what the module sends"));
    client.write(b"\xff\xfa\x2c\x09\xff\xf0");
    // The oldest bytes are kept: all of the first reply, from an erased flash.
    let reply = client.receive(4 + 0x2404);
    assert_eq!(reply[..4], *b"OK\x04\x24");
    assert!(reply[4..].iter().all(|byte| *byte == 0xff));
    // NOTIFY-LINESTATE: 2 is an overrun.
    assert_eq!(client.command(6, &[]), [2]);
    assert_eq!(client.command(6, &[]), [0]);
}

#[test]
fn a_second_client_is_turned_away_and_the_first_one_stays() {
    let mut served = Served::run(LOADER);
    let mut first = NetworkClient::ready(&served, 500_000);
    first.shake_hands(500_000);
    let told = String::from_utf8(served.connect().read_to_end()).unwrap();
    assert!(told.starts_with("bl702-emu: one client at a time: 127.0.0.1:"), "{told}");
    assert!(served.emulator.warning().contains("was turned away"));
    assert_eq!(status(served.at("control")).second_clients, 1);
    let (request, reply) = vector("loader", "bootinfo");
    assert_eq!(first.ask(&request, reply.len()), reply);
}

#[test]
fn a_client_may_come_back_at_once() {
    let served = Served::run(LOADER);
    for _ in 0..30 {
        NetworkClient::ready(&served, 500_000).close();
    }
    NetworkClient::ready(&served, 500_000).shake_hands(500_000);
    assert_eq!(status(served.at("control")).second_clients, 0);
}

#[test]
fn what_a_client_sends_last_reaches_the_module() {
    let served = Served::run(LOADER);
    let mut client = NetworkClient::ready(&served, 2_000_000);
    client.shake_hands(2_000_000);
    // Reset (21h), and gone.
    client.send(&hex("21000000"));
    client.close();
    wait_for(served.at("control"), |status| status.running.starts_with("boot ROM"));
}

#[test]
fn who_has_the_pty_open_comes_first() {
    let mut served = Served::run(LOADER);
    let local = Client::open(served.at("pty").as_ref(), 500_000);
    let told = String::from_utf8(served.connect().read_to_end()).unwrap();
    assert!(told.contains("a program on the module's own machine has /dev/pts/"), "{told}");
    assert!(served.emulator.warning().contains("was turned away"));
    local.shake_hands(500_000);
    drop(local);
    // Until the children that other tests start at this moment have let go of what they inherited.
    wait_for(served.at("control"), |status| status.opens == 0);
    NetworkClient::ready(&served, 500_000);
}

#[test]
fn a_program_that_has_gone_does_not_keep_the_port_by_its_last_bytes() {
    let served = Served::run(LOADER);
    let local = Client::open(served.at("pty").as_ref(), 115_200);
    // So many that the last ones wait for the line (86 us each) when the program has gone.
    local.send(&[0; 12_000]);
    drop(local);
    wait_for(served.at("control"), |status| status.host_bytes == 12_000 && status.opens == 0);
    NetworkClient::ready(&served, 500_000);
}

#[test]
fn while_a_client_is_connected_the_pty_is_there_for_nobody() {
    let mut served = Served::run(LOADER);
    let mut client = NetworkClient::ready(&served, 500_000);
    client.shake_hands(500_000);
    let local = Client::open(served.at("pty").as_ref(), 500_000);
    assert!(served.emulator.warning().contains("was opened while a client is connected by RFC 2217"));
    let (request, reply) = vector("loader", "bootinfo");
    let host_bytes = status(served.at("control")).host_bytes;
    local.send(&request);
    assert!(local.is_quiet(SILENCE_MS));
    assert_eq!(status(served.at("control")).host_bytes, host_bytes);
    assert_eq!(client.ask(&request, reply.len()), reply);
    client.close();
    // What was written meanwhile stays lost, and from now on it is the host.
    wait_for(served.at("control"), |status| status.network_client.is_none());
    assert_eq!(local.ask(&request, reply.len()), reply);
}

#[test]
fn noise_from_the_network_does_no_harm() {
    let served = Served::run(&["--profile", "vectors-rom", "--wiring", "none"]);
    let mut state = 1_u32;
    let mut noise = Vec::new();
    while noise.len() < 200_000 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let byte = (state >> 24) as u8;
        // A quarter of it looks like telnet; never 40h, which would burn fuses if it got into a session.
        noise.extend(match byte {
            0..=63 => vec![0xff, 0xf0 | byte & 0xf],
            64 => vec![0],
            byte => vec![byte],
        });
    }
    let mut client = served.connect();
    client.set_baud(2_000_000);
    for piece in noise.chunks(4096) {
        client.write(piece);
    }
    client.close();
    wait_for(served.at("control"), |status| status.network_client.is_none());
    ctl(&[served.at("control"), "reset", "--ms", "1"]);
    let mut next = NetworkClient::ready(&served, 500_000);
    next.shake_hands(500_000);
    let (request, reply) = bootinfo();
    assert_eq!(next.ask(&request, reply.len()), reply);
    assert_eq!(status(served.at("control")).fuses_burnt, 0);
}

#[test]
fn the_end_of_the_emulator_is_the_end_of_the_connection() {
    let mut served = Served::run(LOADER);
    let mut client = NetworkClient::ready(&served, 500_000);
    assert!(served.emulator.end(Signal::TERM).success());
    assert_eq!(client.read_to_end(), b"");
}

#[test]
fn several_modules_have_ports_of_their_own() {
    let served = Served::run(&["--count", "2"]);
    let modules = served.addresses["modules"].as_array().unwrap();
    let [first, second] = [0, 1].map(|index| modules[index]["rfc2217"].as_str().unwrap());
    assert_ne!(first, second);
    NetworkClient::connect(first);
    NetworkClient::connect(second);
}

#[test]
fn addresses_that_are_none() {
    for address in ["nowhere", "127.0.0.1:70000", "256.0.0.1.2:4000"] {
        let (code, stdout, stderr) = outcome(&["run", "--rfc2217", address]);
        assert_eq!((code, stdout.as_str()), (2, ""), "{stderr}");
        assert!(stderr.contains(address), "{stderr}");
    }
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (code, _, stderr) = outcome(&["run", "--rfc2217", &taken.local_addr().unwrap().to_string()]);
    assert_eq!(code, 2, "{stderr}");
}

#[test]
fn people_are_told_the_address() {
    let dir = tempfile::tempdir().unwrap();
    let mut emulator = Emulator::run(&["--rfc2217", "0", "--control", arg(&dir.path().join("c"))]);
    let path = emulator.first_line.clone();
    let line = emulator.error_line();
    assert!(line.starts_with(&format!("{path} is also rfc2217://127.0.0.1:")), "{line}");
    let line = emulator.error_line();
    assert!(line.contains("is controlled by: bl702-emu ctl ") && line.contains("/c COMMAND"), "{line}");
}
