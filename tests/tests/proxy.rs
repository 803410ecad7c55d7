//! `bl702-emu proxy`: a client against a module in another process, recorded, and the recording replayed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "test support code: a failure is a failed test"
)]
#![cfg(target_os = "linux")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use bl702_harness::images;
use bl702_harness::programs::{Ended, Serving, emulator, flasher, put, run};
use serde_json::Value;

/// The chip's own time: what is sent at once, as to a module that has none, cannot be sent so to one that has.
const PACE: [&str; 2] = ["--pace", "wire"];

struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Bench {
        let bench = Bench { folder: tempfile::tempdir().unwrap() };
        put(&bench.path("module.raw"), &images::padded(&images::stock(), 1024 * 1024));
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs the flasher through a proxy in front of `port`.
    fn proxied(&self, port: &str, arguments: &[&str]) -> Ended {
        let mut command = Command::new(emulator());
        command
            .args(["proxy", "--port", port, "--module", "xt-zb2", "--record"])
            .arg(self.path("session.jsonl"));
        command.arg("--").arg(flasher()).args(["--port", "{port}"]).args(arguments);
        // The made-up loader is for emulated modules, and this one is: only the flasher does not know.
        command.current_dir(self.folder.path());
        run(&mut command)
    }

    fn replayed(&self, arguments: &[&str]) -> Ended {
        let mut command = Command::new(emulator());
        command.arg("replay").arg(self.path("session.jsonl")).args(arguments);
        run(command.current_dir(self.folder.path()))
    }
}

fn loader() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fixtures/images/made-up-ram-loader.bin")
        .display()
        .to_string()
}

fn network_address(serving: &Serving) -> String {
    let told: Value = serde_json::from_str(&serving.first_line).unwrap();
    format!("rfc2217://{}", told["rfc2217"].as_str().unwrap())
}

#[test]
fn a_session_over_the_network_replays_without_a_differing_byte_and_a_fault_is_named() {
    let bench = Bench::new();
    let flash = bench.path("module.raw").display().to_string();
    let options = ["--json", "--rfc2217", "127.0.0.1:0", "--wiring", "rts-en", "--flash", flash.as_str()];
    let serving = Serving::start(options.iter().chain(&PACE));
    let loader = loader();
    let backup = ["--wiring", "rts-en", "--loader", &loader, "backup", "--range", "0..0x6000", "part.bin"];
    let done = bench.proxied(&network_address(&serving), &backup);
    assert_eq!(done.code(), Some(0), "{}{}", String::from_utf8_lossy(&done.stdout), done.stderr);
    assert!(fs::read(bench.path("part.bin")).unwrap() == images::padded(&images::stock(), 0x6000));
    assert!(done.stderr.contains("changes of modem lines; next: bl702-emu trace"), "{}", done.stderr);
    let recording = fs::read_to_string(bench.path("session.jsonl")).unwrap();
    assert!(recording.contains("\"rts\":true"), "lines are recorded");
    assert!(recording.contains("\"baud_bps\":2000000"), "rates are recorded");

    let equal = bench.replayed(&["--learn-flash", "--ignore-times"]);
    let said = String::from_utf8_lossy(&equal.stdout).into_owned();
    assert_eq!(equal.code(), Some(0), "{said}{}", equal.stderr);
    assert!(said.starts_with("0 differing bytes of "), "{said}");

    let other = bench.replayed(&["--learn-flash", "--ignore-times", "--fault", "jedec-dead", "--json"]);
    let report: Value = serde_json::from_slice(&other.stdout).unwrap();
    assert_eq!(other.code(), Some(1), "{report:#}");
    let first = report["differences"][0]["text"].as_str().unwrap();
    assert!(first.contains("36h") && first.contains("the emulator"), "{first}");
}

#[test]
fn a_device_without_modem_lines_is_told_of_and_carries_the_rest() {
    let bench = Bench::new();
    let flash = bench.path("module.raw").display().to_string();
    let options = ["--wiring", "none", "--start", "loader", "--flash", flash.as_str()];
    let serving = Serving::start(options.iter().chain(&PACE));
    let loader = loader();
    let read = ["--wiring", "none", "--loader", &loader, "backup", "--range", "0..0x1000", "part.bin"];
    let done = bench.proxied(&serving.first_line, &read);
    assert_eq!(done.code(), Some(0), "{}{}", String::from_utf8_lossy(&done.stdout), done.stderr);
    assert!(done.stderr.contains("the port carries no modem lines"), "{}", done.stderr);
    assert!(fs::read(bench.path("part.bin")).unwrap() == images::stock()[..0x1000]);
    let equal = bench.replayed(&["--learn-flash", "--ignore-times", "--wiring", "none"]);
    let said = String::from_utf8_lossy(&equal.stdout).into_owned();
    assert_eq!(equal.code(), Some(0), "{said}{}", equal.stderr);
}

#[test]
fn ports_that_are_none_are_named() {
    let bench = Bench::new();
    for (port, code, words) in [
        ("rfc2217://127.0.0.1:1", 1, "connecting to rfc2217://127.0.0.1:1"),
        ("tcp://127.0.0.1:1", 2, "is no port"),
        ("/dev/none", 1, "opening \"/dev/none\""),
    ] {
        let done = bench.proxied(port, &["info"]);
        assert_eq!(done.code(), Some(code), "{port}: {}", done.stderr);
        assert!(done.stderr.contains(words), "{port}: {}", done.stderr);
    }
}
