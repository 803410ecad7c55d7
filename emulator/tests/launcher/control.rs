//! The buttons of a module while a client runs against it.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::bench::{Bench, wait};

/// `bl702-emu ctl`, run by the client's own shell on the port it was given.
const CTL: &str = env!("CARGO_BIN_EXE_bl702-emu");

fn ctl(arguments: &[&str]) -> Output {
    Command::new(CTL).arg("ctl").args(arguments).stdin(Stdio::null()).output().unwrap()
}

fn status(place: &str) -> Value {
    let done = ctl(&[place, "status", "--json"]);
    assert!(done.status.success(), "{done:?}");
    serde_json::from_slice(&done.stdout).unwrap()
}

/// A client that tells its port, and ends when its input does.
const WAITING: [&str; 5] = ["sh", "-c", "echo \"$1\"; read line", "sh", "{port}"];

struct Waiting {
    child: std::process::Child,
    port: String,
}

impl Waiting {
    fn start(bench: &Bench, options: &[&str]) -> Waiting {
        let client = WAITING.map(OsStr::new);
        let mut child = bench
            .command(options, &client)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut port = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut port).unwrap();
        Waiting { child, port: port.trim().to_owned() }
    }

    /// Lets it end; gives what it has said on stderr.
    fn end(mut self) -> String {
        let mut errors = self.child.stderr.take().unwrap();
        writeln!(self.child.stdin.take().unwrap()).unwrap();
        assert!(wait(self.child).success());
        std::io::read_to_string(&mut errors).unwrap()
    }
}

#[test]
fn the_pty_leads_to_the_buttons() {
    let bench = Bench::new();
    let waiting = Waiting::start(&bench, &[]);
    let before = status(&waiting.port);
    assert_eq!((&before["pid"], &before["resets"]), (&waiting.child.id().into(), &1.into()));
    assert!(ctl(&[&waiting.port, "reset", "--ms", "5"]).status.success());
    assert!(ctl(&[&waiting.port, "boot", "low"]).status.success());
    let after = status(&waiting.port);
    assert_eq!((&after["resets"], &after["boot_high"]), (&2.into(), &false.into()), "{after}");
    let (port, pid) = (waiting.port.clone(), waiting.child.id());
    let errors = waiting.end();
    assert!(
        errors.contains(&format!("the module is at {port}; its buttons: bl702-emu ctl {port}")),
        "{errors}"
    );
    // The number may be in use again by now, but not by this emulator.
    let gone = ctl(&[&port, "status", "--json"]);
    let found: Value = serde_json::from_slice(&gone.stdout).unwrap_or_default();
    assert_ne!(found["pid"], Value::from(pid));
}

#[test]
fn a_client_may_press_the_buttons_itself() {
    let bench = Bench::new();
    let script = "\"$1\" ctl \"$BL702_EMU_PORT\" reset --ms 5 && \"$1\" ctl \"$BL702_EMU_PORT\" status";
    let done = bench.exec(&[], &["sh", "-c", script, "sh", CTL]).expect_success();
    assert!(done.stdout.contains("2 starts, 0 fuses burnt"), "{done:#?}");
    assert_eq!(done.count("resets"), 1);
}

#[test]
fn a_link_and_a_named_socket_lead_there_too() {
    let bench = Bench::new();
    let [link, socket] = ["link", "control"].map(|name| bench.path(name).to_str().unwrap().to_owned());
    let waiting = Waiting::start(&bench, &["--link", &link]);
    for name in [&link, &waiting.port, &format!("{link}.sock")] {
        assert_eq!(status(name)["link"], Value::from(link.as_str()));
    }
    let errors = waiting.end();
    assert!(errors.contains(&format!("bl702-emu ctl {link} COMMAND")), "{errors}");
    let waiting = Waiting::start(&bench, &["--control", &socket]);
    for name in [&waiting.port, &socket] {
        assert_eq!(status(name)["pid"], Value::from(waiting.child.id()));
    }
    waiting.end();
    let left: Vec<_> =
        fs::read_dir(bench.directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["report.json"]);
}

#[test]
fn launchers_side_by_side_keep_their_modules_apart() {
    let bench = Bench::new();
    // One after another and all at once: numbers of ptys are used again while others run.
    for _ in 0..3 {
        let all: Vec<_> = (0..8).map(|_| Waiting::start(&bench, &[])).collect();
        for waiting in &all {
            assert_eq!(status(&waiting.port)["pid"], Value::from(waiting.child.id()));
        }
        for waiting in all {
            let errors = waiting.end();
            assert!(!errors.contains("warning"), "{errors}");
        }
    }
}

#[test]
fn what_a_killed_launcher_leaves_is_in_nobodys_way() {
    let bench = Bench::new();
    let mut ports = Vec::new();
    for _ in 0..3 {
        let mut killed = Waiting::start(&bench, &[]);
        killed.child.kill().unwrap();
        wait(killed.child);
        ports.push(killed.port);
    }
    let waiting = Waiting::start(&bench, &[]);
    assert_eq!(status(&waiting.port)["pid"], Value::from(waiting.child.id()), "numbers before: {ports:?}");
    waiting.end();
}

#[test]
fn the_network_finds_the_module_too() {
    let bench = Bench::new();
    let waiting = Waiting::start(&bench, &["--rfc2217", "0"]);
    let address = status(&waiting.port)["rfc2217"].as_str().unwrap().to_owned();
    let mut greeting = [0; 3];
    let mut stream = std::net::TcpStream::connect(&address).unwrap();
    std::io::Read::read_exact(&mut stream, &mut greeting).unwrap();
    assert_eq!(greeting[0], 0xff, "telnet");
    drop(stream);
    let errors = waiting.end();
    assert!(errors.contains(&format!("rfc2217://{address}")), "{errors}");
}
