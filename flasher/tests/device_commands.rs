//! `efuse`, `run` and `monitor` as a person meets them: what they print, in virtual time and so to the microsecond, and
//! with which status they end. Every test says how many fuses were burnt.
#![cfg(feature = "emulated")]
#![allow(clippy::unwrap_used, reason = "a test")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use rstest::rstest;
use tempfile::TempDir;

const STOCK: &[u8] = include_bytes!("../../fixtures/images/made-up-stock-flash.bin");
const LOADER: &[u8] = include_bytes!("../../fixtures/images/made-up-ram-loader.bin");

/// Fuses of the module at `fuses.bin`, made from the profile's by the first command if it is not there.
const FUSED: &str = "emulated?efuse=fuses.bin";
const BOOTING: &str = "emulated?boot=low&flash=flash.bin";

/// Fuses as in the profile, by word; the rest is 0.
fn fuses(words: &[(usize, u32)]) -> Vec<u8> {
    let mut bytes = vec![0; 128];
    let factory = [(0x14, 0x6c37_3032), (0x18, 0x0000_0262), (0x74, 0x0800_002e), (0x7C, 0x0004_0000)];
    for (at, word) in factory.iter().chain(words) {
        bytes[*at..at + 4].copy_from_slice(&word.to_le_bytes());
    }
    bytes
}

fn bench() -> TempDir {
    let bench = tempfile::tempdir().unwrap();
    let put = |name: &str, bytes: &[u8]| fs::write(bench.path().join(name), bytes).unwrap();
    put("fuses.bin", &fuses(&[]));
    put("before.bin", &fuses(&[]));
    put("locked.bin", &fuses(&[(0x7C, 0x0006_0000)]));
    put("shut.bin", &fuses(&[(0x7C, 0x1004_0000)]));
    put("wrong-parity.bin", &fuses(&[(0x74, 0x0800_002d)]));
    put("tz.bin", &fuses(&[(0x10, 1 << 20)]));
    put("signed.bin", &fuses(&[(0x00, 1 << 2)]));
    put("wanted.bin", &fuses(&[(0x10, 2), (0x5C, 0x0102)]));
    put("other.bin", &fuses(&[(0x18, 0)]));
    put("short.bin", &[0; 127]);
    put("flash.bin", &[STOCK, &vec![0xFF; (1 << 20) - STOCK.len()]].concat());
    put("loader.bin", LOADER);
    put("raw.bin", &[0x13; 64]);
    put("zeros.bin", &[0; 64]);
    bench
}

fn flash(bench: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bl702-flash"))
        .args(arguments)
        .current_dir(bench)
        .env_clear()
        .env("HOME", bench)
        .output()
        .unwrap()
}

fn words(bench: &Path, arguments: &[&str], output: &Output) -> String {
    let arguments = arguments.join(" ");
    let folder = format!("{}/", bench.canonicalize().unwrap().display());
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(&folder, "");
    format!(
        "$ bl702-flash {arguments}\n{}--- standard error\n{}--- status {}\n",
        text(&output.stdout),
        text(&output.stderr),
        output.status.code().unwrap()
    )
}

fn burnt(bench: &Path, file: &str, before: &[u8]) -> u32 {
    let after = fs::read(bench.join(file)).unwrap();
    assert!(before.iter().zip(&after).all(|(old, new)| old & !new == 0), "fuses went back");
    before.iter().zip(&after).map(|(old, new)| (new & !old).count_ones()).sum()
}

#[rstest]
#[case("efuse_decode", &["efuse", "decode"], 0)]
#[case("efuse_dump", &["efuse", "dump"], 0)]
#[case("efuse_mac", &["efuse", "mac"], 0)]
#[case("efuse_diff_same", &["efuse", "diff", "before.bin"], 0)]
#[case("efuse_diff_other", &["efuse", "diff", "other.bin"], 4)]
#[case("efuse_backup", &["efuse", "backup", "new.bin"], 0)]
#[case("efuse_backup_exists", &["efuse", "backup", "before.bin"], 2)]
#[case("efuse_dump_short", &["efuse", "dump", "short.bin"], 2)]
#[case("burn_shown", &["efuse", "burn", "uart_log_disable=1"], 3)]
#[case("burn_dry_run", &["efuse", "burn", "wanted.bin", "--dry-run"], 0)]
#[case("burn_dry_run_refused", &["efuse", "burn", "uartboot_disable=1", "wr_lock.key_slot_0=1", "--accept", "write-locked", "--dry-run"], 3)]
#[case("burn_not_named", &["efuse", "burn", "sboot_sign_mode=1", "--yes-burn-fuses"], 3)]
#[case("burn_older_file", &["efuse", "burn", "other.bin", "--yes-burn-fuses"], 1)]
#[case("burn_nothing", &["efuse", "burn", "before.bin", "--yes-burn-fuses"], 0)]
#[case("burn_bad_parity", &["efuse", "burn", "mac_parity=0x2f", "--accept", "mac-changed", "--yes-burn-fuses"], 3)]
#[case("burn_locked_mac", &["efuse", "burn", "wifi_mac=3230376c62020001", "--accept", "mac-changed", "--yes-burn-fuses"], 1)]
#[case("burn_unknown_field", &["efuse", "burn", "uart_log=1"], 2)]
#[case("burn_no_value", &["efuse", "burn", "uart_log_disable"], 2)]
#[case("burn_bad_value", &["efuse", "burn", "uart_log_disable=2"], 2)]
#[case("burn_two_files", &["efuse", "burn", "before.bin", "other.bin"], 2)]
#[case("burn_short_file", &["efuse", "burn", "short.bin", "--yes-burn-fuses"], 2)]
#[case("burn_unknown_consequence", &["efuse", "burn", "uart_log_disable=1", "--accept", "everything"], 2)]
#[case("burn_dry_and_yes", &["efuse", "burn", "uart_log_disable=1", "--dry-run", "--yes-burn-fuses"], 2)]
#[case("burn_nothing_named", &["efuse", "burn"], 2)]
fn fuses_that_are_read_and_not_burnt(#[case] name: &str, #[case] arguments: &[&str], #[case] status: i32) {
    let bench = bench();
    let all: Vec<&str> = arguments.iter().copied().chain(["--port", FUSED]).collect();
    let output = flash(bench.path(), &all);
    insta::assert_snapshot!(name, words(bench.path(), arguments, &output));
    assert_eq!(output.status.code(), Some(status));
    assert_eq!(burnt(bench.path(), "fuses.bin", &fuses(&[])), 0);
}

#[rstest]
#[case("burn_a_field", "fuses.bin", &["efuse", "burn", "sw_usage_0.uart_log_disable=1", "--yes-burn-fuses"], 1)]
#[case("burn_a_file", "fuses.bin", &["efuse", "burn", "wanted.bin", "--yes-burn-fuses"], 3)]
#[case("burn_a_lock", "fuses.bin", &["efuse", "burn", "usb_vid_pid_customer=0x10", "wr_lock.key_slot_4_h=1", "--accept", "write-locked,usb-ids-changed", "--yes-burn-fuses"], 2)]
#[case("burn_a_read_lock", "fuses.bin", &["efuse", "burn", "key_slot_2=01000000000000000000000000000080", "rd_lock.key_slot_2=1", "--accept", "aes-key", "--accept", "read-locked", "--yes-burn-fuses"], 3)]
#[case("burn_with_wrong_parity_elsewhere", "wrong-parity.bin", &["efuse", "burn", "uart_log_disable=1", "--yes-burn-fuses"], 1)]
#[case("burn_trusted_zone", "tz.bin", &["efuse", "burn", "uart_log_disable=1", "--yes-burn-fuses"], 1)]
fn fuses_that_are_burnt(
    #[case] name: &str,
    #[case] file: &str,
    #[case] arguments: &[&str],
    #[case] count: u32,
) {
    let bench = bench();
    let before = fs::read(bench.path().join(file)).unwrap();
    let port = format!("emulated?efuse={file}");
    let all: Vec<&str> = arguments.iter().copied().chain(["--port", &port]).collect();
    let output = flash(bench.path(), &all);
    insta::assert_snapshot!(name, words(bench.path(), arguments, &output));
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(burnt(bench.path(), file, &before), count);
    // Once more: there is nothing left to burn, and where a read lock was burnt, it is told that nobody can tell.
    let now = fs::read(bench.path().join(file)).unwrap();
    let again = flash(bench.path(), &all);
    assert!(matches!(again.status.code(), Some(0 | 3)), "{}", words(bench.path(), arguments, &again));
    assert_eq!(burnt(bench.path(), file, &now), 0);
}

#[rstest]
#[case("burn_write_locked", "locked.bin", &["efuse", "burn", "uart_log_disable=1", "--yes-burn-fuses"], 1)]
#[case("burn_read_locked", "shut.bin", &["efuse", "burn", "key_slot_2=01000000000000000000000000000080", "--accept", "aes-key", "--yes-burn-fuses"], 3)]
#[case("mac_wrong_parity", "wrong-parity.bin", &["efuse", "mac"], 4)]
#[case("backup_shut", "shut.bin", &["efuse", "backup", "new.bin"], 0)]
#[case("decode_trusted_zone", "tz.bin", &["efuse", "decode"], 0)]
fn other_modules(#[case] name: &str, #[case] file: &str, #[case] arguments: &[&str], #[case] status: i32) {
    let bench = bench();
    let before = fs::read(bench.path().join(file)).unwrap();
    let port = format!("emulated?efuse={file}");
    let all: Vec<&str> = arguments.iter().copied().chain(["--port", &port]).collect();
    let output = flash(bench.path(), &all);
    insta::assert_snapshot!(name, words(bench.path(), arguments, &output));
    assert_eq!(output.status.code(), Some(status));
    assert_eq!(burnt(bench.path(), file, &before), 0);
}

#[rstest]
#[case("monitor_to_the_end", BOOTING, &["monitor", "--timestamps", "--log", "boot.log"], 0)]
#[case("monitor_found", BOOTING, &["monitor", "--until", "^Build Date: (.*)$", "--timeout", "5"], 0)]
#[case("monitor_not_found", BOOTING, &["monitor", "--until", "panic", "--timeout", "0.25"], 1)]
#[case("monitor_nothing", "emulated", &["monitor", "--timeout", "3"], 0)]
#[case("monitor_no_reset", BOOTING, &["monitor", "--no-reset", "--until", "Heap", "--timeout", "1"], 0)]
#[case("monitor_bad_regex", BOOTING, &["monitor", "--until", "("], 2)]
#[case("monitor_bad_timeout", BOOTING, &["monitor", "--timeout", "soon"], 2)]
#[case("monitor_log_exists", BOOTING, &["monitor", "--log", "raw.bin"], 2)]
#[case("run_image", "emulated", &["run", "loader.bin"], 0)]
#[case("run_raw", "emulated", &["run", "raw.bin", "--monitor", "--timeout", "1"], 0)]
#[case("run_raw_waits", "emulated", &["run", "raw.bin", "--monitor", "--until", "hello", "--timeout", "1"], 1)]
#[case("run_dry", "emulated", &["run", "raw.bin", "--ram", "0x22020000", "--dry-run"], 0)]
#[case("run_over_a_loader", "emulated?start=loader&wiring=none", &["run", "raw.bin"], 0)]
#[case("run_flash_image", "emulated", &["run", "flash.bin"], 2)]
#[case("run_outside", "emulated", &["run", "raw.bin", "--ram", "0x22020000000"], 2)]
#[case("run_past_the_end", "emulated", &["run", "raw.bin", "--ram", "0x2202DFF0"], 2)]
#[case("run_ram_twice", "emulated", &["run", "loader.bin", "--ram", "0x22010000"], 2)]
#[case("run_until_alone", "emulated", &["run", "raw.bin", "--until", "hello"], 2)]
#[case("run_locked", "emulated?efuse=signed.bin", &["run", "raw.bin"], 1)]
fn programs_that_run(
    #[case] name: &str,
    #[case] port: &str,
    #[case] arguments: &[&str],
    #[case] status: i32,
) {
    let bench = bench();
    let all: Vec<&str> = arguments.iter().copied().chain(["--port", port]).collect();
    let output = flash(bench.path(), &all);
    insta::assert_snapshot!(name, words(bench.path(), arguments, &output));
    assert_eq!(output.status.code(), Some(status));
    if name == "monitor_to_the_end" {
        assert_eq!(fs::read(bench.path().join("boot.log")).unwrap(), output.stdout);
    }
}

/// For programs: the last line has what the text has.
#[rstest]
#[case(FUSED, &["efuse", "mac"], 0, "parity_right")]
#[case(FUSED, &["efuse", "burn", "uart_log_disable=1"], 3, "words")]
#[case(FUSED, &["efuse", "burn", "uart_log_disable=1", "--yes-burn-fuses"], 0, "burnt")]
#[case(FUSED, &["efuse", "burn", "dbg_mode=4", "--yes-burn-fuses"], 3, "next_step")]
#[case(BOOTING, &["monitor", "--until", "Heap"], 0, "line")]
#[case("emulated", &["run", "raw.bin"], 0, "address")]
fn json(#[case] port: &str, #[case] arguments: &[&str], #[case] status: i32, #[case] key: &str) {
    let bench = bench();
    let all: Vec<&str> = arguments.iter().copied().chain(["--port", port, "--format", "json"]).collect();
    let output = flash(bench.path(), &all);
    assert_eq!(output.status.code(), Some(status), "{}", words(bench.path(), arguments, &output));
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let last = lines.last().unwrap();
    assert_eq!((&last["event"], &last["exit_code"]), (&"finished".into(), &status.into()), "{last}");
    assert!(!last[key].is_null(), "{last}");
    let burns = lines.iter().filter(|line| line["event"] == "fuses_burnt").count() as u32;
    assert_eq!(burnt(bench.path(), "fuses.bin", &fuses(&[])), burns);
}

/// The help names every field and every consequence.
#[test]
fn help_of_burn() {
    let bench = bench();
    let output = flash(bench.path(), &["efuse", "burn", "--help"]);
    let text = String::from_utf8(output.stdout).unwrap();
    for effect in bl702_flasher::efuse::EFFECTS {
        assert!(text.contains(effect.name), "{}", effect.name);
    }
    for name in bl702_flasher::efuse::names() {
        assert!(text.contains(&name), "{name}");
    }
}

/// Where execution goes, by what the emulated module does there: it takes any program for a RAM loader, and stops dead on a
/// word of zeros, which is no instruction.
#[test]
fn the_image_is_where_execution_goes() {
    use std::sync::Arc;

    use bl702_emulator::module::{Module, Running};
    use bl702_emulator::profile::Profile;
    use bl702_flasher::connect::ConnectOptions;
    use bl702_flasher::port::emulated::EmulatedPort;
    use bl702_flasher::{driver, flow};
    use bl702_protocol::image::ram_image::RamImage;

    let run = |data: &[u8]| {
        let mut port = EmulatedPort::new(Module::new(Profile::builtin("xt-zb2").unwrap()), 500_000);
        let options = Arc::new(ConnectOptions { has_lines: true, ..ConnectOptions::default() });
        let image = RamImage::from_segment(0x2202_0000, data);
        let flow = |link| flow::run_image(link, options, image, None);
        let report = driver::run(&mut port, 500_000, flow, |_, _| {}, || false).unwrap();
        assert_eq!((report.address, report.bytes, report.heard), (0x2202_0000, data.len() as u64, None));
        let later = port.module().now() + bl702_flasher::Nanos::from_millis(50);
        port.module_mut().advance(later);
        assert_eq!(port.module().otp().burn_count(), 0);
        port.module().running()
    };
    assert!(matches!(run(&[0x13; 16]), Running::Loader(_)));
    assert_eq!(run(&[0; 16]), Running::Dead("jumped into RAM that holds no program"));
}

#[test]
fn at_another_rate_nothing_is_found() {
    let bench = bench();
    let arguments =
        ["monitor", "--monitor-baud", "115200", "--until", "Heap", "--timeout", "1", "--port", BOOTING];
    let output = flash(bench.path(), &arguments);
    assert_eq!(output.status.code(), Some(1), "{}", words(bench.path(), &arguments, &output));
    assert!(!output.stdout.is_empty() && !String::from_utf8_lossy(&output.stdout).contains("Heap"));
}
