//! Modem lines, driver settings and what else a pty lacks.

use std::ffi::OsStr;
use std::process::Command;

use rstest::rstest;

use crate::bench::Bench;

#[rstest]
#[case::dynamic(&[])]
#[case::without_any_library(&["-static"])]
fn a_client_resets_the_module_and_talks_to_its_boot_rom(#[case] flags: &[&str]) {
    let bench = Bench::new();
    let Some(done) = bench.client("reset", flags, &[], &[]) else { return };
    let done = done.expect_success();
    assert_eq!((done.count("resets"), done.handshakes()), (2, 2), "{done:#?}");
    assert_eq!(done.report["client"]["used_modem_lines"], true);
    assert_eq!(done.report["commands"][0]["id"], "10");
    assert_eq!(done.count("fuses_burnt"), 0);
    assert_eq!(done.stdout, "", "the client's standard output is its own");
}

#[test]
fn the_other_wiring_follows_the_other_line() {
    let bench = Bench::new();
    // The client moves RTS, which is not connected to EN here: it must find the module running when it expects it held.
    let Some(done) = bench.client("reset", &[], &["--wiring", "dtr-en"], &[]) else { return };
    assert_eq!(done.status.code(), Some(99));
    assert!(done.stderr.contains("!handshake(fd, 1)"), "{done:#?}");
}

#[test]
fn threads_do_not_wait_for_each_other_and_signals_wake_a_waiting_one() {
    let bench = Bench::new();
    let Some(done) = bench.client("threads", &[], &[], &[]) else { return };
    // Each of 200 releases of RTS lets the module out of reset.
    assert_eq!(done.expect_success().count("resets"), 200);
}

#[test]
fn forked_children_orphans_and_processes_that_were_sent_the_descriptor_are_answered() {
    let bench = Bench::new();
    let Some(done) = bench.client("passing", &[], &[], &[]) else { return };
    done.expect_success();
}

#[test]
fn a_custom_divisor_sets_the_rate_that_the_module_hears() {
    let bench = Bench::new();
    let Some(done) = bench.client("custom_rate", &[], &[], &[]) else { return };
    let done = done.expect_success();
    assert_eq!(done.report["baud_bps"], serde_json::json!([500_000]));
}

#[test]
fn who_waits_for_the_line_waits_as_long_as_it_takes() {
    let bench = Bench::new();
    let Some(done) = bench.client("drain", &[], &[], &[]) else { return };
    let done = done.expect_success();
    // Three handshakes with a question behind, and three questions before a change of rate.
    assert_eq!(done.report["commands"][0]["id"], "10");
    assert_eq!(done.report["commands"][0]["count"], 6, "{done:#?}");
}

#[test]
fn framing_is_kept_and_matters() {
    let bench = Bench::new();
    let Some(done) = bench.client("framing", &[], &[], &[]) else { return };
    let done = done.expect_success();
    assert_eq!(done.report["commands"][0]["id"], "10");
    assert_eq!((done.report["commands"][0]["count"].as_u64(), done.handshakes()), (Some(3), 2), "{done:#?}");
}

/// coreutils' stty compares what it has set with what it reads then.
#[rstest]
#[case("500000 raw -echo")]
#[case("115200 evenp")]
#[case("115200 oddp cstopb")]
#[case("-extproc 2000000 cs7 -cread")]
#[case("sane")]
fn stty_finds_its_settings_again(#[case] settings: &str) {
    let bench = Bench::new();
    let line = format!("stty -F \"$1\" {settings} && stty -F \"$1\" -a");
    let done = bench.exec(&[], &["sh", "-c", &line, "sh", "{port}"]).expect_success();
    assert_eq!(done.stderr.matches("stty").count(), 0, "{done:#?}");
    assert!(done.stdout.contains("-extproc"), "{done:#?}");
}

#[test]
fn calls_on_other_files_are_the_kernels() {
    let bench = Bench::new();
    let Some(done) = bench.client("other_files", &[], &[], &[]) else { return };
    done.expect_success();
}

#[test]
fn a_client_without_lines_finds_the_module_running_unless_a_wiring_is_named() {
    let bench = Bench::new();
    let Some(done) = bench.client("no_lines", &[], &[], &["answers"]) else { return };
    let done = done.expect_success();
    assert_eq!(done.report["client"]["used_modem_lines"], false);
    assert!(done.stderr.contains("changed no modem line"), "{done:#?}");

    let done = bench.client("no_lines", &[], &["--wiring", "none"], &["answers"]).unwrap().expect_success();
    assert_eq!(done.count("resets"), 0);

    let done = bench.client("no_lines", &[], &["--wiring", "rts-en"], &["silent"]).unwrap().expect_success();
    assert!(done.report["cause"].as_str().unwrap().contains("held in reset"), "{done:#?}");
}

#[test]
fn lines_are_asserted_at_open_and_released_at_the_last_close() {
    let bench = Bench::new();
    let Some(done) = bench.client("reopen", &[], &["--wiring", "rts-en"], &[]) else { return };
    assert_eq!(done.expect_success().count("resets"), 3);
}

#[test]
fn boot_follows_a_line_too() {
    let bench = Bench::new();
    // The client asserts DTR at open and releases it before RTS, so that BOOT is high again when EN goes up.
    let Some(done) = bench.client("reset", &[], &["--wiring", "rts-en", "--boot", "dtr"], &[]) else {
        return;
    };
    done.expect_success();
    // Here BOOT follows the line that EN follows: low when sampled? No: both rise together, and the strap is there first.
    let done = bench.client("reset", &[], &["--wiring", "rts-en", "--boot", "rts"], &[]).unwrap();
    done.expect_success();
}

#[test]
fn a_script_in_plain_python() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/launcher/clients/lines.py");
    if Command::new("python3").arg("-c").arg("import termios").status().is_ok_and(|status| status.success()) {
        let bench = Bench::new();
        let done = bench.exec(&[], &["python3", script, "{port}"]).expect_success();
        assert_eq!(done.count("resets"), 1);
    } else {
        eprintln!("skipped: no python3 here");
    }
}

/// The variable that makes [`client_with_the_serialport_crate`] a client.
const ROLE: &str = "BL702_TEST_SERIALPORT_CLIENT";

#[test]
fn a_client_with_the_serialport_crate_is_answered() {
    let bench = Bench::new();
    let own = std::env::current_exe().unwrap();
    let words = ["--exact", "lines::client_with_the_serialport_crate", "--nocapture"];
    let client: Vec<&OsStr> = std::iter::once(own.as_os_str()).chain(words.iter().map(OsStr::new)).collect();
    let done = bench.run(bench.command(&[], &client).env(ROLE, "1")).expect_success();
    assert_eq!((done.count("resets"), done.handshakes()), (1, 1), "{done:#?}");
}

/// Not a test by itself: it plays the client when another one runs it under the launcher.
#[test]
fn client_with_the_serialport_crate() {
    if std::env::var_os(ROLE).is_none() {
        return;
    }
    let path = std::env::var("BL702_EMU_PORT").unwrap();
    let mut port =
        serialport::new(path, 500_000).timeout(std::time::Duration::from_millis(1000)).open().unwrap();
    port.write_data_terminal_ready(false).unwrap();
    port.write_request_to_send(true).unwrap();
    port.write_request_to_send(false).unwrap();
    assert!(port.read_clear_to_send().unwrap());
    let mut answer = [0; 2];
    let answered = (0..20).any(|_| {
        port.write_all(&[0x55; 150]).unwrap();
        port.read_exact(&mut answer).is_ok() && &answer == b"OK"
    });
    assert!(answered);
}
