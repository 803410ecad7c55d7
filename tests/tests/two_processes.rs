//! The emulator and the flasher as two programs with a real pty between them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code: a failure is a failed test")]

use std::fs;
use std::process::Command;

use bl702_harness::images;
use bl702_harness::programs::{self, Ended, Serving};
use bl702_harness::workbench::Workbench;
use rstest::rstest;
use serde_json::Value;

const FLASH_BYTES: usize = 1024 * 1024;

/// A module with its files in the folder: `flash.raw`, `efuse.raw`, and the link `port` to its pty.
fn serve(bench: &Workbench, options: &[&str]) -> Serving {
    let file = |name: &str| bench.path().join(name).display().to_string();
    let files = [["--flash", "flash.raw"], ["--efuse", "efuse.raw"], ["--link", "port"]];
    let named = files.iter().flat_map(|[option, name]| [(*option).to_owned(), file(name)]);
    Serving::start(named.chain(options.iter().map(|option| (*option).to_owned())))
}

fn command(bench: &Workbench, arguments: &[&str]) -> Command {
    let mut command = bench.flasher();
    command
        .args(["--port", "port", "--format", "json", "--loader"])
        .arg(images::made_up_loader())
        .args(arguments);
    command
}

/// The last line of what a program with `--format json` says.
fn last_line(ended: &Ended) -> Value {
    let stdout = String::from_utf8_lossy(&ended.stdout).into_owned();
    let line = stdout.lines().last().unwrap_or_else(|| panic!("it said nothing; {}", ended.stderr));
    serde_json::from_str(line).unwrap()
}

/// Runs the flasher, which has to go well.
fn flash(bench: &Workbench, arguments: &[&str]) -> Value {
    let ended = programs::run(&mut command(bench, arguments));
    let last = last_line(&ended);
    assert_eq!(ended.code(), Some(0), "{arguments:?}: {last}");
    assert_eq!((&last["event"], &last["ok"]), (&Value::from("finished"), &Value::from(true)), "{last}");
    last
}

fn assert_no_fuse_burnt(bench: &Workbench, fuses_before: &[u8]) {
    assert_eq!(bench.read("efuse.raw"), fuses_before, "fuses were burnt");
}

#[rstest]
#[case::fast(&["--pace", "none"], "2000000")]
#[case::slow(&["--pace", "none"], "500000")]
#[case::late_adapter(&["--pace", "none", "--latency-ms", "4"], "2000000")]
fn what_is_written_comes_back(#[case] options: &[&str], #[case] baud: &str) {
    let bench = Workbench::new();
    let image = images::other(FLASH_BYTES, 3);
    bench.put("image.bin", &image);
    let _serving = serve(&bench, options);
    let fuses = bench.read("efuse.raw");

    flash(&bench, &["--baud", baud, "write", "image.bin"]);
    assert!(bench.read("flash.raw") == image, "the flash differs after the write");
    flash(&bench, &["--baud", baud, "verify", "image.bin"]);
    let report = flash(&bench, &["--baud", baud, "backup", "backup.bin"]);

    assert!(bench.read("backup.bin") == image, "the backup differs");
    assert_eq!(report["size_bytes"], FLASH_BYTES);
    assert!(bench.read("flash.raw") == image, "the flash differs in the end");
    assert_no_fuse_burnt(&bench, &fuses);
}

#[test]
fn a_part_is_erased_and_a_difference_is_found() {
    let bench = Workbench::new();
    let image = images::other(0x6000, 5);
    bench.put("image.bin", &image);
    let _serving = serve(&bench, &["--pace", "none"]);
    let fuses = bench.read("efuse.raw");

    flash(&bench, &["write", "0x3000=image.bin"]);
    flash(&bench, &["erase", "--range", "0x4000..0x5000"]);
    let mut expected = images::padded(&[], FLASH_BYTES);
    expected[0x3000..0x9000].copy_from_slice(&image);
    expected[0x4000..0x5000].fill(0xff);
    assert!(bench.read("flash.raw") == expected, "the flash differs");

    let ended = programs::run(&mut command(&bench, &["verify", "0x3000=image.bin"]));
    let last = last_line(&ended);
    assert_eq!(ended.code(), Some(4), "{last}");
    assert_eq!(last["first_difference"], 0x4000, "{last}");
    assert!(bench.read("flash.raw") == expected, "a verification changed the flash");
    assert_no_fuse_burnt(&bench, &fuses);
}

#[test]
fn a_client_that_is_killed_leaves_a_module_that_the_next_one_can_use() {
    let bench = Workbench::new();
    let image = images::other(FLASH_BYTES, 7);
    bench.put("image.bin", &image);
    let _serving = serve(&bench, &["--pace", "none"]);
    let mut command = command(&bench, &["backup", "first.bin"]);
    let mut first = programs::Started::new(&mut command);
    first.wait_for_line("\"phase\":\"read\"");
    first.killer().kill();
    assert_eq!(first.finish().code(), None, "it was killed");
    assert!(!bench.path().join("first.bin").exists(), "half a backup is none");

    flash(&bench, &["write", "image.bin"]);
    assert!(bench.read("flash.raw") == image, "the flash differs");
}

#[test]
fn the_link_goes_when_the_emulator_ends_and_stays_of_no_use_when_it_is_killed() {
    let bench = Workbench::new();
    let serving = serve(&bench, &["--pace", "none"]);
    let pty = fs::canonicalize(bench.path().join("port")).unwrap();
    assert_eq!(pty.display().to_string(), serving.first_line);
    serving.killer().kill();
    serving.wait();
    let ended = programs::run(&mut command(&bench, &["info"]));
    assert_eq!(ended.code(), Some(1), "{}", last_line(&ended));
    // The next emulator takes the dangling link over.
    let _serving = serve(&bench, &["--pace", "none"]);
    let report = flash(&bench, &["info"]);
    assert_eq!(report["ok"], true);
}

/// What the emulated port of the flasher does is what the emulator does.
#[test]
fn the_emulated_port_keeps_its_flash_in_a_file_that_the_emulator_takes_over() {
    let bench = Workbench::new();
    let image = images::other(50_000, 11);
    bench.put("image.bin", &image);
    let mut command = bench.flasher();
    command.args(["--port", "emulated?flash=flash.raw&efuse=efuse.raw", "write", "0x10000=image.bin"]);
    let ended = programs::run(&mut command);
    assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
    let _serving = serve(&bench, &["--pace", "none"]);
    flash(&bench, &["backup", "--range", "0x10000..0x1c350", "backup.bin"]);
    assert!(bench.read("backup.bin") == image, "the backup differs");
}

/// An adapter whose lines are high while they are asserted: a flasher that is told so resets the module into ISP by them, and
/// one that is not holds it in reset.
#[test]
fn inverted_lines_of_an_adapter_reset_the_module() {
    let bench = Workbench::new();
    let mut command = Command::new(programs::emulator());
    command.current_dir(bench.path()).args(["exec", "--pace", "none", "--wiring", "rts-en", "--boot", "dtr"]);
    command.args(["--invert-dtr", "--invert-rts", "--efuse", "efuse.raw", "--report", "report.json", "--"]);
    command.arg(programs::flasher()).args(["--settings", "none", "--port", "{port}", "--loader"]);
    command.arg(images::made_up_loader()).args(["--format", "json", "--invert-dtr", "--invert-rts", "info"]);
    let ended = programs::run(&mut command);
    let last = last_line(&ended);
    assert_eq!((ended.code(), &last["ok"]), (Some(0), &Value::from(true)), "{last}");
    let said = String::from_utf8_lossy(&ended.stdout).into_owned();
    assert!(said.contains("\"reset_by_lines\""), "it has not used the lines: {said}");
    let report: Value = serde_json::from_slice(&bench.read("report.json")).unwrap();
    assert!(report["resets"].as_u64().is_some_and(|resets| resets > 0), "{report}");
    assert_eq!(report["fuses_burnt"], 0, "{report}");
}
