//! Faults from outside: options, a running module, what is told at the end, and a cable that is pulled.

use std::path::Path;

use rstest::rstest;
use rustix::process::Signal;

use super::bench::{Client, Emulator, arg, outcome, write};
use super::ctl::{ctl, status, wait_for};
use super::network::Served;

const JEDEC: [u8; 4] = [0x36, 0, 0, 0];

#[test]
fn what_fired_is_told_at_the_end() {
    let mut emulator = Emulator::run(&[
        "--start",
        "loader",
        "--fault",
        "read-refused",
        "--fault",
        "efuse-locked",
        "--seed",
        "7",
    ]);
    let client = emulator.open(2_000_000);
    client.shake_hands(2_000_000);
    let read = [0x32, 0, 8, 0, 0, 0, 0, 0, 4, 0, 0, 0];
    assert_eq!(client.ask(&read, 4), [0x46, 0x4c, 4, 0]);
    assert!(emulator.end(Signal::TERM).success());
    let told: Vec<String> =
        (0..8).map(|_| emulator.error_line()).filter(|line| line.contains(": fault ")).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    let pty = &emulator.first_line;
    assert!(told[0].starts_with(&format!("{pty}: fault read-refused (frame): fired at ")), "{told:?}");
    assert!(told[0].ends_with("on 32h in the RAM loader, 0x0..0x4"), "{told:?}");
    assert_eq!(told[1], format!("{pty}: fault efuse-sign (device): armed, never fired"));
}

#[test]
fn what_fired_is_told_to_programs() {
    let mut served = Served::run(&["--start", "loader", "--fault", "stall"]);
    let pty = served.at("pty").to_owned();
    assert!(served.emulator.end(Signal::INT).success());
    let last: serde_json::Value = serde_json::from_str(&served.emulator.next_line()).unwrap();
    assert_eq!(
        last,
        serde_json::json!({"event": "finished", "modules": [
            {"pty": pty, "faults": [{"name": "stall", "seam": "line", "fired": 0, "first": null}]}
        ]})
    );
}

#[test]
fn a_running_module_is_armed() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("mine.toml");
    write(
        &file,
        b"[[fault]]\nname = 'mine'\nframe.refuse = { code = 0x0006 }\nwhen = { command = 0x36, nth = 2 }\n",
    );
    let emulator = Emulator::run(&["--start", "loader"]);
    let client = emulator.open(2_000_000);
    client.shake_hands(2_000_000);
    assert_eq!(client.ask(&JEDEC, 8).len(), 8);
    let pty = emulator.first_line.as_str();
    ctl(&[pty, "fault", arg(&file)]);
    ctl(&[pty, "fault", "brown-out"]);
    assert_eq!(client.ask(&JEDEC, 8).len(), 8);
    assert_eq!(client.ask(&JEDEC, 4), [0x46, 0x4c, 6, 0]);
    let faults = status(pty).faults.faults;
    let counts: Vec<_> = faults.iter().map(|fault| (fault.name.as_str(), fault.fired)).collect();
    assert_eq!(counts, [("mine", 1), ("brown-out", 0)]);
    assert!(ctl(&[pty, "status"]).contains("\nfault     brown-out (power): armed, never fired\n"));
}

#[test]
fn a_pulled_cable_hangs_up_and_the_link_leads_to_the_new_port() {
    let dir = tempfile::tempdir().unwrap();
    let link = dir.path().join("module");
    let plan = dir.path().join("pull.toml");
    let text =
        "[[fault]]\npower.unplug = { back_us = 300_000 }\nwhen = { on = 'reply', command = 0x36, nth = 2 }\n";
    write(&plan, text.as_bytes());
    let mut emulator = Emulator::run(&["--start", "loader", "--link", arg(&link), "--fault", arg(&plan)]);
    let client = Client::open(&link, 2_000_000);
    client.shake_hands(2_000_000);
    assert_eq!(client.ask(&JEDEC, 8).len(), 8);
    client.send(&JEDEC);
    assert!(client.hangs_up());
    let was = emulator.first_line.clone();
    assert_eq!(emulator.warning(), format!("warning: a fault has unplugged {was}"));
    let again = emulator.warning();
    let now = again.strip_prefix(&format!("warning: {was} is plugged in again and is now ")).unwrap();
    assert_ne!(now, was);
    let moved = wait_for(arg(&link), |_| std::fs::read_link(&link).is_ok_and(|to| to == Path::new(now)));
    assert_eq!(moved.pty, Path::new(now));
    // The module kept its supply: its session goes on.
    let client = Client::open(&link, 2_000_000);
    assert_eq!(client.ask(&JEDEC, 8).len(), 8);
}

#[rstest]
#[case::name("no-such-fault", "no fault is called \"no-such-fault\"")]
#[case::file("/no/such/plan.toml", "cannot read the fault plan \"/no/such/plan.toml\"")]
fn what_is_no_fault(#[case] word: &str, #[case] why: &str) {
    for args in [vec!["run", "--fault", word], vec!["exec", "--fault", word, "--", "true"]] {
        let (code, _, stderr) = outcome(&args);
        assert_eq!(code, 2);
        assert!(stderr.starts_with(&format!("error: {why}")), "{stderr}");
        assert!(stderr.contains("\n  "), "{stderr}");
    }
}

#[test]
fn a_plan_with_a_mistake_is_told_by_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("wrong.toml");
    write(&file, b"[[fault]]\nline = 'drop'\nwhen = { comand = 0x36 }\n");
    let (code, _, stderr) = outcome(&["run", "--fault", arg(&file)]);
    assert_eq!(code, 2);
    assert!(stderr.contains("line 3") && stderr.contains("comand"), "{stderr}");
}

#[test]
fn a_mode_can_be_copied() {
    let (code, toml, _) = outcome(&["faults", "stall", "--toml"]);
    assert_eq!(code, 0);
    assert_eq!(toml, std::fs::read_to_string(super::bench::fixture("faults/stall.toml")).unwrap());
    let (code, _, stderr) = outcome(&["faults", "stal"]);
    assert_eq!(
        (code, stderr.lines().next()),
        (2, Some("error: no fault is called \"stal\"; there are stall"))
    );
}

#[test]
fn exec_reports_what_fired() {
    let dir = tempfile::tempdir().unwrap();
    let report = dir.path().join("report.json");
    let faults = ["--fault", "boot-strap-low", "--fault", "stall"];
    let args = [&["exec"], &faults[..], &["--report", arg(&report), "--", "true"]].concat();
    let (code, _, stderr) = outcome(&args);
    assert_eq!(code, 0, "{stderr}");
    assert!(stderr.contains("\n  faults      boot-strap-low (device): fired at "), "{stderr}");
    assert!(stderr.contains("\n              stall (line): armed, never fired\n"), "{stderr}");
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(&report).unwrap()).unwrap();
    assert_eq!(report["faults"][0]["fired"], 1);
    assert_eq!(
        report["faults"][1],
        serde_json::json!({"name": "stall", "seam": "line", "fired": 0, "first": null})
    );
}
