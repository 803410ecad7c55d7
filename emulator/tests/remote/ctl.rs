//! `bl702-emu ctl`: each command, by each way to name a module, and its exit codes.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;

use bl702_emulator::control::message::Status;
use rustix::process::Signal;

use super::bench::{Client, Emulator, arg, command, outcome, vector};
use super::network::{NetworkClient, Served};

/// How often a state is looked at before a test fails; each look is a process, so this takes longer than anything does.
const PATIENCE_LOOKS: u32 = 2000;

/// What a command that must succeed prints.
pub(crate) fn ctl(args: &[&str]) -> String {
    let (code, stdout, stderr) = outcome(&[&["ctl"], args].concat());
    assert_eq!(code, 0, "ctl {args:?}: {stderr}");
    stdout
}

pub(crate) fn status(path: &str) -> Status {
    serde_json::from_str(&ctl(&[path, "status", "--json"])).unwrap()
}

/// The first status of which `wanted` holds.
pub(crate) fn wait_for(path: &str, wanted: impl Fn(&Status) -> bool) -> Status {
    let mut last = None;
    for _ in 0..PATIENCE_LOOKS {
        let found = status(path);
        if wanted(&found) {
            return found;
        }
        last = Some(found);
    }
    panic!("never: {last:?}");
}

#[test]
fn a_module_has_three_names() {
    let dir = tempfile::tempdir().unwrap();
    let link = dir.path().join("module");
    let served = Served::run(&["--link", arg(&link), "--seed", "7"]);
    assert_eq!(served.at("control"), arg(&dir.path().join("module.sock")));
    for name in [arg(&link), served.at("pty"), served.at("control")] {
        let status = status(name);
        assert_eq!((status.pid, status.seed), (served.emulator.pid(), 7));
        assert_eq!(status.pty, Path::new(served.at("pty")));
        assert_eq!(status.link.as_deref(), Some(link.as_path()));
        assert_eq!(status.rfc2217.unwrap().to_string(), served.at("rfc2217"));
    }
}

#[test]
fn a_status_for_people() {
    let served = Served::run(&["--start", "loader", "--wiring", "none"]);
    let mut client = NetworkClient::ready(&served, 2_000_000);
    client.shake_hands(2_000_000);
    let text = ctl(&[served.at("control"), "status"]);
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[1], "runs      RAM loader, in a session at 2000000 baud, waits for a command");
    assert_eq!(lines[2], "pins      supply on, EN high, BOOT high; DTR asserted, RTS released");
    assert!(lines[3].ends_with("1 starts, 0 fuses burnt"), "{text}");
    assert!(lines[4].starts_with("host      2000000 baud; 600 bytes sent, 2 received"), "{text}");
    assert!(lines[5].contains(&format!("RFC 2217 at {}, 127.0.0.1:", served.at("rfc2217"))), "{text}");
    // A fresh flash is erased: SHA-256 of 1,048,576 bytes FFh.
    let erased = "f5fb04aa5b882706b9309e885f19477261336ef76a150c3b4d3489dfac3953ec";
    assert_eq!(lines[6], format!("flash     1048576 bytes, SHA-256 {erased}"));
}

#[test]
fn the_reset_button() {
    let served = Served::run(&["--start", "loader"]);
    let control = served.at("control");
    assert!(status(control).running.starts_with("RAM loader"));
    let mut press = command(&["ctl", control, "reset", "--ms", "2000"]).spawn().unwrap();
    let pressed = wait_for(control, |status| !status.enable_high);
    assert_eq!(pressed.running, "nothing: EN is low, or there is no supply");
    assert!(press.wait().unwrap().success());
    let released = status(control);
    assert!(released.enable_high && released.running.starts_with("boot ROM"), "{released:?}");
    assert_eq!(released.resets, 2);
    for ms in ["0", "60001", "-1", "x"] {
        assert_eq!(outcome(&["ctl", control, "reset", "--ms", ms]).0, 2, "{ms}");
    }
}

#[test]
fn straps_and_resets_by_hand() {
    let emulator = Emulator::run(&["--boot", "low"]);
    let pty = emulator.first_line.as_str();
    assert!(status(pty).running.starts_with("firmware"));
    ctl(&[pty, "boot", "high"]);
    assert!(status(pty).running.starts_with("firmware"), "a strap alone changes nothing");
    ctl(&[pty, "reset", "--ms", "5"]);
    wait_for(pty, |status| status.running == "boot ROM, waits for a handshake (55h)");
    let client = emulator.open(500_000);
    client.shake_hands(500_000);
    ctl(&[pty, "boot", "low"]);
    ctl(&[pty, "reset", "--ms", "5"]);
    wait_for(pty, |status| status.running.starts_with("firmware"));
}

#[test]
fn a_held_button_is_stronger_than_the_modem_lines() {
    let served = Served::run(&["--wiring", "rts-en"]);
    let control = served.at("control");
    ctl(&[control, "en", "hold"]);
    let mut client = NetworkClient::ready(&served, 500_000);
    client.set_rts(true);
    client.set_rts(false);
    assert!(!status(control).enable_high);
    client.set_rts(true);
    ctl(&[control, "en", "release"]);
    assert!(!status(control).enable_high, "now the line holds it");
    client.set_rts(false);
    assert!(status(control).enable_high);
}

#[test]
fn without_supply_nothing_runs() {
    let served = Served::run(&["--start", "loader"]);
    let control = served.at("control");
    ctl(&[control, "power", "off"]);
    let off = status(control);
    assert!(!off.power_on && off.enable_high, "{off:?}");
    assert_eq!(off.running, "nothing: EN is low, or there is no supply");
    ctl(&[control, "power", "on"]);
    wait_for(control, |status| status.running == "boot ROM, waits for a handshake (55h)");
}

#[test]
fn memories_are_written_to_files_whole_and_once() {
    let dir = tempfile::tempdir().unwrap();
    let (flash, copy, fuses) = (dir.path().join("flash"), dir.path().join("copy"), dir.path().join("fuses"));
    let mut contents = vec![0xff; 1 << 20];
    contents[5000..5003].copy_from_slice(b"abc");
    std::fs::write(&flash, &contents).unwrap();
    let served = Served::run(&["--flash", arg(&flash)]);
    let control = served.at("control");

    ctl(&[control, "dump-flash", arg(&copy)]);
    assert!(std::fs::read(&copy).unwrap() == contents);
    std::fs::write(&copy, "precious").unwrap();
    let (code, _, stderr) = outcome(&["ctl", control, "dump-flash", arg(&copy)]);
    assert!(code == 2 && stderr.contains("--force"), "{code} {stderr}");
    assert_eq!(std::fs::read(&copy).unwrap(), b"precious");
    ctl(&[control, "dump-flash", "--force", arg(&copy)]);
    assert!(std::fs::read(&copy).unwrap() == contents);

    ctl(&[control, "dump-efuse", arg(&fuses)]);
    assert_eq!(std::fs::read(&fuses).unwrap().len(), 128);
    let (code, _, stderr) = outcome(&["ctl", control, "dump-efuse", arg(&dir.path().join("none/fuses"))]);
    assert!(code == 2 && stderr.contains("directory"), "{code} {stderr}");
    let stdout = command(&["ctl", control, "dump-efuse", "-"]).output().unwrap().stdout;
    assert_eq!(stdout, std::fs::read(&fuses).unwrap());
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 3, "nothing is left over");
}

#[test]
fn a_trace_shows_what_happens_until_the_emulator_ends() {
    let mut served = Served::run(&["--profile", "vectors-rom"]);
    let mut trace = command(&["ctl", served.at("control"), "trace"]).stderr(Stdio::piped()).spawn().unwrap();
    let mut shown = BufReader::new(trace.stdout.take().unwrap()).lines().map(Result::unwrap);
    // From here on it is there; what comes before the first line is not its business.
    assert!(shown.next().unwrap().contains("recording of vectors-rom"));
    let client = Client::open(served.at("pty").as_ref(), 500_000);
    client.shake_hands(500_000);
    let (request, reply) = vector("rom", "boot info (poll bytewise)");
    assert_eq!(client.ask(&request, reply.len()), reply);
    let mut seen = Vec::new();
    for word in ["EN high", "handshake", "10h", "version"] {
        while !seen.last().is_some_and(|line: &String| line.contains(word)) {
            seen.push(shown.next().unwrap_or_else(|| panic!("no {word} in {seen:#?}")));
        }
    }
    served.emulator.end(Signal::TERM);
    shown.for_each(drop);
    assert_eq!(trace.wait().unwrap().code(), Some(1));
}

#[test]
fn names_of_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    for path in ["/dev/null", "no-such-path", arg(&file)] {
        let (code, _, stderr) = outcome(&["ctl", path, "status"]);
        assert!(code == 2 && stderr.contains("no running module found"), "{code} {stderr}");
    }
    let dead = dir.path().join("dead.sock");
    drop(std::os::unix::net::UnixListener::bind(&dead).unwrap());
    let (code, _, stderr) = outcome(&["ctl", arg(&dead), "status"]);
    assert!(code == 2 && stderr.contains("nobody answers"), "{code} {stderr}");
}
