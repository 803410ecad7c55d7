//! The control socket itself: who may open it, what comes of it, and what it makes of anything that is not a request.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use super::bench::{Emulator, arg, outcome};
use super::ctl::{ctl, status};
use super::network::Served;

struct Raw(BufReader<UnixStream>);

impl Raw {
    fn open(path: &str) -> Raw {
        let stream = UnixStream::connect(path).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Raw(BufReader::new(stream))
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0.get_mut().write_all(bytes).unwrap();
    }

    fn line(&mut self) -> Value {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line:?}: {error}"))
    }

    fn error(&mut self) -> String {
        let reply = self.line();
        assert_eq!(reply["ok"], json!(false), "{reply}");
        reply["error"].as_str().unwrap().to_owned()
    }
}

#[test]
fn what_is_no_request_gets_an_error_and_the_next_one_is_served() {
    let served = Served::run(&[]);
    let mut raw = Raw::open(served.at("control"));
    let wrong: [&[u8]; 7] =
        [b"", b"status", b"{", b"[]", b"{\"command\":\"burn\"}", b"{\"command\":1}", b"\xff\xfe\x00\"{"];
    for line in wrong {
        raw.write(&[line, b"\n"].concat());
        assert!(!raw.error().is_empty());
    }
    raw.write(b"{\"command\":\"reset\",\"ms\":0}\n");
    assert!(raw.error().contains("1 to 60000 ms"));
    raw.write(b"{\"command\":\"status\"}\r\n");
    assert_eq!(raw.line()["status"]["pid"], json!(served.emulator.pid()));
    // Two at once, the last one without a line feed.
    raw.write(b"{\"command\":\"boot\",\"level\":\"low\"}\n{\"command\":\"status\"}");
    raw.0.get_ref().shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(raw.line(), json!({"ok": true}));
    assert_eq!(raw.line()["status"]["boot_high"], json!(false));
}

#[test]
fn a_request_without_end_is_cut_off() {
    let served = Served::run(&[]);
    let mut raw = Raw::open(served.at("control"));
    // The emulator may close before all of it was written.
    let _ = raw.0.get_mut().write_all(&vec![b' '; 200_000]);
    assert!(raw.error().contains("65536 bytes at most"));
    assert_eq!(raw.0.read(&mut [0]).unwrap_or(0), 0);
    assert_eq!(status(served.at("control")).pid, served.emulator.pid());
}

#[test]
fn too_many_clients_are_told_so() {
    let served = Served::run(&[]);
    let mut held: Vec<_> = (0..32).map(|_| Raw::open(served.at("control"))).collect();
    for raw in &mut held {
        raw.write(b"{\"command\":\"power\",\"on\":true}\n");
        assert_eq!(raw.line(), json!({"ok": true}));
    }
    assert!(Raw::open(served.at("control")).error().contains("too many clients"));
    drop(held);
}

#[test]
fn it_is_for_its_user_only_and_goes_with_the_emulator() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("control");
    let mut emulator = Emulator::run(&["--control", arg(&path)]);
    assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    let pty = emulator.first_line.clone();
    assert_eq!(status(&pty).pid, emulator.pid(), "the pty leads to it as well");
    assert!(emulator.end(Signal::HUP).success());
    assert!(!path.exists());
    // The pty's number may be in use again by now, but not by this emulator.
    let (code, stdout, _) = outcome(&["ctl", &pty, "status"]);
    assert!(code != 0 || !stdout.contains(&format!("process {},", emulator.pid())), "{stdout}");
}

#[test]
fn what_a_killed_emulator_leaves_is_replaced_and_a_living_one_is_not_disturbed() {
    let dir = tempfile::tempdir().unwrap();
    let link = dir.path().join("module");
    let mut killed = Emulator::run(&["--link", arg(&link)]);
    killed.end(Signal::KILL);
    assert!(Path::new(&format!("{}.sock", arg(&link))).exists());
    let next = Emulator::run(&["--link", arg(&link)]);
    assert_eq!(status(arg(&link)).pid, next.pid());

    let socket = format!("{}.sock", arg(&link));
    let (code, stdout, stderr) = outcome(&["run", "--control", &socket]);
    assert_eq!((code, stdout.as_str()), (2, ""), "{stderr}");
    assert!(stderr.contains("is the control socket of another emulator"), "{stderr}");
    assert_eq!(status(arg(&link)).pid, next.pid());
}

#[test]
fn a_default_socket_that_cannot_be_had_is_a_warning() {
    let dir = tempfile::tempdir().unwrap();
    let link = dir.path().join("module");
    std::fs::write(dir.path().join("module.sock"), "precious").unwrap();
    let mut emulator = Emulator::run(&["--link", arg(&link)]);
    assert!(emulator.warning().contains("no control socket"));
    assert_eq!(std::fs::read(dir.path().join("module.sock")).unwrap(), b"precious");
    drop(emulator.open(500_000));
}

#[test]
fn several_modules_have_sockets_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("control");
    let served = Served::run(&["--count", "2", "--control", arg(&path)]);
    let sockets: Vec<_> = [0, 1].iter().map(|index| format!("{}-{index}", arg(&path))).collect();
    ctl(&[&sockets[1], "power", "off"]);
    assert!(status(&sockets[0]).power_on && !status(&sockets[1]).power_on);
    assert_eq!(served.addresses["modules"][1]["control"], json!(sockets[1]));
}
