//! `--record` and `trace`.

use std::io::Read;

use bl702_protocol::trace::{Direction, Record, parse_line};
use rustix::process::Signal;

use super::bench::{Emulator, arg, command, outcome, vector, write};

#[test]
fn a_recording_holds_both_directions_and_trace_explains_it() {
    let dir = tempfile::tempdir().unwrap();
    let recording = dir.path().join("session.jsonl");
    let mut emulator = Emulator::run(&["--profile", "vectors-rom", "--record", arg(&recording)]);
    let client = emulator.open(460_800);
    client.shake_hands(460_800);
    let (request, reply) = vector("rom", "boot info (poll bytewise)");
    assert_eq!(client.ask(&request, reply.len()), reply);
    emulator.end(Signal::TERM);

    let text = std::fs::read_to_string(&recording).unwrap();
    let records: Vec<Record> = text.lines().map(|line| parse_line(line).unwrap()).collect();
    assert!(matches!(&records[0], Record::Header(header) if header.profile == "vectors-rom"));
    let (mut asked, mut answered) = (false, false);
    for record in &records {
        if let Record::Bytes(burst) = record {
            asked |=
                burst.direction == Direction::Host && burst.baud_bps == 460_800 && burst.bytes == request;
            answered |= burst.direction == Direction::Chip && burst.bytes == reply;
        }
    }
    assert!(asked && answered, "{text}");
    assert!(text.contains(r#""event":"handshake""#), "{text}");

    let (code, listing, stderr) = outcome(&["trace", arg(&recording)]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert!(listing.contains("handshake") && listing.contains("get boot info"), "{listing}");
}

#[test]
fn trace_follows_a_recording_until_the_emulator_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let recording = dir.path().join("session.jsonl");
    let mut emulator = Emulator::run(&["--record", arg(&recording)]);
    let mut follower = command(&["trace", "--follow", arg(&recording)]).spawn().unwrap();
    let mut listing = follower.stdout.take().unwrap();
    let mut seen = String::new();
    let mut until = |what: &str| {
        while !seen.contains(what) {
            assert!(super::bench::readable(&listing, 20_000), "{what:?} is not in {seen:?}");
            let mut buffer = [0; 4096];
            let length = listing.read(&mut buffer).unwrap();
            assert!(length > 0, "the listing ended before {what:?}: {seen:?}");
            seen.push_str(std::str::from_utf8(&buffer[..length]).unwrap());
        }
    };
    until("recording of xt-zb2");
    let client = emulator.open(500_000);
    client.shake_hands(500_000);
    until("OK to the handshake");
    assert!(follower.try_wait().unwrap().is_none(), "it must go on");
    emulator.end(Signal::KILL);
    assert_eq!(follower.wait().unwrap().code(), Some(0));
}

#[test]
fn a_finished_recording_is_not_followed_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    let recording = dir.path().join("session.jsonl");
    write(&recording, b"{\"version\":1,\"profile\":\"xt-zb2\"}\n");
    let (code, listing, _) = outcome(&["trace", "--follow", arg(&recording)]);
    assert_eq!(code, 0);
    assert!(listing.contains("xt-zb2"), "{listing}");
}

#[test]
fn a_broken_recording_is_decoded_as_far_as_it_goes() {
    let dir = tempfile::tempdir().unwrap();
    let recording = dir.path().join("session.jsonl");
    let header = "{\"version\":1,\"profile\":\"xt-zb2\"}\n";
    let burst = "{\"time_ns\":0,\"direction\":\"host\",\"baud_bps\":500000,\"bytes\":\"10000000\"}\n";
    write(&recording, format!("{header}nonsense\n{burst}").as_bytes());
    let (code, listing, stderr) = outcome(&["trace", arg(&recording)]);
    assert_eq!(code, 2);
    assert!(stderr.contains("line 2"), "{stderr}");
    assert!(listing.contains("10h"), "{listing}");

    write(&recording, &[0xff; 5000]);
    let (code, listing, stderr) = outcome(&["trace", arg(&recording)]);
    assert_eq!((code, listing.as_str()), (2, ""));
    assert!(stderr.contains("not a recording"), "{stderr}");
}

#[test]
fn other_files_are_not_overwritten_by_a_recording() {
    let dir = tempfile::tempdir().unwrap();
    let backup = dir.path().join("backup.bin");
    write(&backup, &[0xff; 5000]);
    let (code, _, stderr) = outcome(&["run", "--record", arg(&backup)]);
    assert_eq!(code, 2);
    assert!(stderr.contains("not a recording"), "{stderr}");
    assert_eq!(std::fs::read(&backup).unwrap(), [0xff; 5000]);
}
