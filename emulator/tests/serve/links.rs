//! Links, addresses, signals and exit codes.

use std::fs;
use std::path::Path;

use rstest::rstest;
use rustix::process::Signal;

use super::bench::{Client, Emulator, arg, outcome, vector, write};

#[rstest]
#[case(Signal::INT)]
#[case(Signal::TERM)]
#[case(Signal::HUP)]
fn the_link_leads_to_the_pty_and_goes_with_the_emulator(#[case] signal: Signal) {
    let dir = tempfile::tempdir().unwrap();
    let link = dir.path().join("module");
    let mut emulator = Emulator::run(&["--link", arg(&link)]);
    assert_eq!(fs::read_link(&link).unwrap(), Path::new(&emulator.first_line));
    Client::open(&link, 500_000).shake_hands(500_000);
    assert_eq!(emulator.end(signal).code(), Some(0));
    assert!(fs::symlink_metadata(&link).is_err());
}

#[test]
fn after_a_kill_the_same_link_serves_again() {
    let dir = tempfile::tempdir().unwrap();
    let link = dir.path().join("module");
    let mut first = Emulator::run(&["--link", arg(&link)]);
    assert_eq!(first.end(Signal::KILL).code(), None);
    assert!(fs::symlink_metadata(&link).is_ok(), "a killed process removes nothing");
    // The next to open a pty gets the dead one's number.
    let _other = Emulator::run(&[]);
    let second = Emulator::run(&["--link", arg(&link)]);
    assert_eq!(fs::read_link(&link).unwrap(), Path::new(&second.first_line));
    Client::open(&link, 500_000).shake_hands(500_000);
}

#[test]
fn a_link_in_use_and_a_file_are_not_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let link = dir.path().join("module");
    let first = Emulator::run(&["--link", arg(&link)]);
    let file = dir.path().join("file");
    write(&file, b"precious");
    for occupied in [&link, &file] {
        let (code, stdout, stderr) = outcome(&["run", "--link", arg(occupied)]);
        assert_eq!((code, stdout.as_str()), (2, ""), "{stderr}");
        assert!(stderr.contains(arg(occupied)) && stderr.contains("left alone"), "{stderr}");
    }
    assert_eq!(fs::read_link(&link).unwrap(), Path::new(&first.first_line));
    assert_eq!(fs::read(&file).unwrap(), b"precious");
}

#[test]
fn json_names_every_address() {
    let dir = tempfile::tempdir().unwrap();
    let (link, flash) = (dir.path().join("module"), dir.path().join("flash.bin"));
    let mut emulator = Emulator::run(&[
        "--profile",
        "vectors-rom",
        "--json",
        "--count",
        "2",
        "--link",
        arg(&link),
        "--flash",
        arg(&flash),
    ]);
    let all: serde_json::Value = serde_json::from_str(&emulator.first_line).unwrap();
    assert_eq!(all["pid"], emulator.pid());
    assert_eq!(all["profile"], "vectors-rom");
    let (request, reply) = vector("rom", "boot info (poll bytewise)");
    for (index, module) in all["modules"].as_array().unwrap().iter().enumerate() {
        assert_eq!(module["link"], format!("{}-{index}", link.display()));
        assert_eq!(module["flash"], format!("{}-{index}", flash.display()));
        let client = Client::open(Path::new(module["link"].as_str().unwrap()), 500_000);
        client.shake_hands(500_000);
        assert_eq!(client.ask(&request, reply.len()), reply);
    }
    assert_eq!(all["pty"], all["modules"][0]["pty"]);
    emulator.end(Signal::TERM);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "two flash files, no link");
}

#[rstest]
#[case::unknown_profile(&["run", "--profile", "xt-zb9"], "xt-zb2")]
#[case::absent_profile_file(&["run", "--profile", "/no/such/profile.toml"], "/no/such/profile.toml")]
#[case::link_nowhere(&["run", "--link", "/no/such/directory/link"], "/no/such/directory/link")]
#[case::flash_nowhere(&["run", "--flash", "/no/such/directory/flash.bin"], "/no/such/directory/flash.bin")]
#[case::flash_is_a_directory(&["run", "--flash", "/tmp"], "not a regular file")]
#[case::flash_is_a_device(&["run", "--flash", "/dev/null"], "not a regular file")]
#[case::record_nowhere(&["run", "--record", "/no/such/directory/r.jsonl"], "/no/such/directory/r.jsonl")]
#[case::time_scale(&["run", "--rom-time-scale", "nan"], "0.01 to 10")]
#[case::unknown_pace(&["run", "--pace", "fast"], "wire")]
#[case::no_modules(&["run", "--count", "0"], "--count")]
#[case::nothing(&[], "Usage")]
#[case::trace_nothing(&["trace", "/no/such/recording"], "/no/such/recording")]
#[case::trace_directory(&["trace", "/tmp"], "/tmp")]
fn wrong_usage_is_exit_code_2_and_tells_what_is_wrong(#[case] args: &[&str], #[case] says: &str) {
    let (code, stdout, stderr) = outcome(args);
    assert_eq!((code, stdout.as_str()), (2, ""), "{stderr}");
    assert!(stderr.contains(says), "{stderr}");
}
