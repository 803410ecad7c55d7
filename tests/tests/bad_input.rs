//! Bad files, addresses, options and ports, through the real program: each ends with the exit status of `DESIGN.md`, says
//! what is wrong and what to do, and nothing is lost.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code: a failure is a failed test")]

use std::fs::{self, File, Permissions};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use bl702_harness::images;
use bl702_harness::programs::{self, Ended, Serving, Started};
use bl702_harness::workbench::Workbench;
use rstest::rstest;
use rustix::fs::{FlockOperation, flock};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::ioctl_tiocexcl;

const FLASH_BYTES: usize = 1024 * 1024;

/// The flasher at an emulated module whose flash is the file `flash.raw`.
const EMULATED: [&str; 2] = ["--port", "emulated?flash=flash.raw&efuse=efuse.raw"];

/// A folder with good files, bad files, and the files of an emulated module.
fn bench() -> Workbench {
    let bench = Workbench::new();
    bench.put("flash.raw", &images::pattern(FLASH_BYTES));
    bench.put("good.bin", &images::other(5_000, 1));
    bench.put("empty.bin", b"");
    bench.put("flash-and-a-byte.bin", &images::other(FLASH_BYTES + 1, 2));
    bench.put_hollow("huge.bin", 16 * 1024 * 1024 + 1);
    bench.put("kept.bin", b"somebody's only backup");
    fs::create_dir(bench.path().join("folder")).unwrap();
    let loader = fs::read(images::made_up_loader()).unwrap();
    bench.put("cut-loader.bin", &loader[..loader.len() - 100]);
    bench.put("headless-loader.bin", &loader[..100]);
    bench.put_hollow("huge-loader.bin", 300 * 1024);
    let mut other_magic = loader;
    other_magic[2] = b'A';
    bench.put("foreign-loader.bin", &other_magic);
    bench
}

/// What the program says on its standard error, with the exit status it has to have.
fn refused(ended: &Ended, exit: i32, says: &str) {
    assert_eq!(ended.code(), Some(exit), "{}", ended.stderr);
    assert!(ended.stderr.contains(says), "{:?} does not say {says:?}", ended.stderr);
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    let stdout = String::from_utf8_lossy(&ended.stdout);
    assert_eq!(stdout, "", "a failed run has no result");
}

/// The error and the advice, which are what a person reads last.
fn last_words(bench: &Workbench, ended: &Ended) -> String {
    let text = bench.redacted(&ended.stderr);
    let from = text.find("error: ").unwrap_or_else(|| panic!("no error in {text:?}"));
    // How many there are in a given time differs from run to run.
    let words = text[from..].split(' ').collect::<Vec<_>>();
    let counted = |at: usize| words.get(at + 1) == Some(&"handshakes");
    let words = words.iter().enumerate().map(|(at, word)| if counted(at) { "[n]" } else { word });
    words.collect::<Vec<_>>().join(" ")
}

#[rstest]
// Files
#[case::absent_file(&["write", "absent.bin"], 2, "No such file or directory")]
#[case::folder(&["write", "folder"], 2, "it is a directory")]
#[case::folder_to_verify(&["verify", "0x1000=folder"], 2, "it is a directory")]
#[case::empty_file(&["write", "empty.bin"], 2, "it is empty")]
#[case::oversized_file(&["write", "huge.bin"], 2, "larger than 16 MiB")]
#[case::a_byte_too_long(&["write", "flash-and-a-byte.bin"], 2, "goes past the end of the flash")]
#[case::a_byte_too_long_to_verify(&["verify", "flash-and-a-byte.bin"], 2, "goes past the end of the flash")]
#[case::two_files_without_addresses(&["write", "good.bin", "kept.bin"], 2, "has no address")]
#[case::overlapping_files(&["write", "0=good.bin", "0x1000=good.bin"], 2, "overlap")]
// Addresses
#[case::starts_at_the_end(&["write", "0x100000=good.bin"], 2, "goes past the end of the flash")]
#[case::ends_past_the_end(&["write", "0xFF000=good.bin"], 2, "goes past the end of the flash")]
#[case::past_every_flash(&["write", "0xFFFFFFFF0=good.bin"], 2, "16 MiB")]
#[case::backup_past_the_end(&["backup", "--range", "0xFFFFF..0x100001", "new.bin"], 2, "goes past the end")]
#[case::erase_past_the_end(&["erase", "--range", "0x100000..0x101000"], 2, "goes past the end of the flash")]
#[case::range_backwards(&["erase", "--range", "0x2000..0x1000"], 2, "after its start")]
#[case::range_without_an_end(&["erase", "--range", "0x2000"], 2, "START..END")]
#[case::no_number(&["backup", "--range", "zero..0x1000", "new.bin"], 2, "is no number")]
#[case::misaligned_size(&["--flash-size", "5000", "info"], 2, "not a multiple of 4 KiB")]
// The RAM loader
#[case::absent_loader(&["--loader", "absent.bin", "info"], 2, "cannot read the RAM loader")]
#[case::folder_for_a_loader(&["--loader", "folder", "info"], 2, "cannot read the RAM loader")]
#[case::truncated_loader(&["--loader", "cut-loader.bin", "info"], 2, "is no RAM loader")]
#[case::loader_shorter_than_its_header(&["--loader", "headless-loader.bin", "info"], 2, "is no RAM loader")]
#[case::loader_of_another_cpu(&["--loader", "foreign-loader.bin", "info"], 2, "is no RAM loader")]
#[case::oversized_loader(&["--loader", "huge-loader.bin", "info"], 2, "larger than")]
// Outputs
#[case::existing_output(&["backup", "kept.bin"], 2, "it exists")]
#[case::folder_for_output(&["backup", "folder"], 2, "not a regular file")]
#[case::output_in_no_folder(&["backup", "no/such/folder/new.bin"], 2, "No such file or directory")]
#[case::device_for_output(&["backup", "--force", "/dev/full"], 2, "not a regular file")]
// Options
#[case::rate_that_is_rounded(&["--baud", "1200000", "info"], 2, "1200000 baud cannot be used")]
#[case::rate_too_fast(&["--boot-baud", "12M", "info"], 2, "cannot be used")]
#[case::rate_too_slow(&["--baud", "300", "info"], 2, "too slow")]
#[case::unknown_command(&["erace"], 2, "erace")]
#[case::erase_of_nothing(&["erase"], 2, "--chip")]
fn bad_input_is_refused_and_nothing_is_lost(
    #[case] arguments: &[&str],
    #[case] exit: i32,
    #[case] says: &str,
) {
    let bench = bench();
    let before = bench.contents();
    let ended = programs::run(bench.flasher().args(EMULATED).args(arguments));
    refused(&ended, exit, says);
    let mut after = bench.contents();
    // The fuses' file is made when the module is powered up.
    after.remove(&bench.path().join("efuse.raw"));
    assert!(before == after, "files have changed: {:?}", after.keys().collect::<Vec<_>>());
}

#[rstest]
#[case::no_port(&["info"], 2, "no port was given")]
#[case::unknown_kind_of_port(&["--port", "tcp://localhost:1", "info"], 2, "is of no kind")]
#[case::absent_port(&["--port", "/dev/ttyNOSUCH0", "info"], 1, "does not exist")]
#[case::file_for_a_port(&["--port", "good.bin", "info"], 1, "is not a serial port")]
#[case::folder_for_a_port(&["--port", "folder", "info"], 1, "is not a serial port")]
#[case::device_that_is_no_tty(&["--port", "/dev/null", "info"], 1, "is not a serial port")]
#[case::unknown_profile(&["--port", "emulated:no-such-board", "info"], 2, "no-such-board")]
#[case::unknown_option(&["--port", "emulated?colour=red", "info"], 2, "colour")]
#[case::flash_of_another_size(&["--port", "emulated?flash=good.bin", "info"], 1, "good.bin")]
fn bad_ports_are_named(#[case] arguments: &[&str], #[case] exit: i32, #[case] says: &str) {
    let bench = bench();
    let before = bench.contents();
    let ended = programs::run(bench.flasher().args(arguments));
    refused(&ended, exit, says);
    assert!(before == bench.contents(), "files have changed");
}

/// What is unaligned is no mistake: bytes around it are kept.
#[test]
fn a_misaligned_image_is_written_and_its_neighbours_are_kept() {
    let bench = bench();
    let ended = programs::run(bench.flasher().args(EMULATED).args(["write", "0x12345=good.bin"]));
    assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
    let mut expected = images::pattern(FLASH_BYTES);
    expected[0x12345..0x12345 + 5_000].copy_from_slice(&images::other(5_000, 1));
    assert!(bench.read("flash.raw") == expected, "the flash differs");
}

#[test]
fn files_that_may_not_be_read_are_named() {
    let bench = bench();
    let secret = bench.put("secret.bin", &images::other(100, 9));
    fs::set_permissions(&secret, Permissions::from_mode(0o000)).unwrap();
    for arguments in [["write", "secret.bin"], ["--loader=secret.bin", "info"]] {
        let ended = programs::run(bench.flasher_of_nobody().args(["--port", "emulated"]).args(arguments));
        refused(&ended, 2, "Permission denied");
        assert!(ended.stderr.contains("secret.bin"), "{}", ended.stderr);
    }
    fs::set_permissions(&secret, Permissions::from_mode(0o600)).unwrap();
    assert!(fs::read(&secret).unwrap() == images::other(100, 9));
}

#[test]
fn a_folder_that_may_not_be_written_to_gets_no_half_backup() {
    let bench = bench();
    let closed = bench.path().join("folder");
    fs::set_permissions(&closed, Permissions::from_mode(0o555)).unwrap();
    let ended =
        programs::run(bench.flasher_of_nobody().args(["--port", "emulated", "backup", "folder/new.bin"]));
    fs::set_permissions(&closed, Permissions::from_mode(0o755)).unwrap();
    refused(&ended, 2, "permission denied");
    assert_eq!(fs::read_dir(&closed).unwrap().count(), 0);
}

/// A pty that leads nowhere.
struct Tty {
    _master: OwnedFd,
    path: String,
}

fn tty() -> Tty {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let path = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
    Tty { _master: master, path }
}

fn open(path: &str) -> File {
    File::options().read(true).write(true).open(path).unwrap()
}

/// Two ways in which programs keep a port for themselves.
#[rstest]
#[case::flock(|port: &File| flock(port, FlockOperation::NonBlockingLockExclusive).unwrap())]
#[case::tiocexcl(|port: &File| ioctl_tiocexcl(port).unwrap())]
fn a_busy_port_is_named(#[case] hold: fn(&File)) {
    let bench = bench();
    let tty = tty();
    let holder = open(&tty.path);
    hold(&holder);
    // The super-user may open what TIOCEXCL forbids.
    let ended = programs::run(bench.flasher_of_nobody().args(["--port", &tty.path, "info"]));
    refused(&ended, 1, "is in use by another program");
    drop(holder);
}

#[test]
fn a_port_without_permission_is_named() {
    let bench = bench();
    let tty = tty();
    fs::set_permissions(&tty.path, Permissions::from_mode(0o000)).unwrap();
    let ended = programs::run(bench.flasher_of_nobody().args(["--port", &tty.path, "info"]));
    refused(&ended, 1, "no permission");
}

#[test]
fn a_port_at_which_nobody_answers_is_given_up_within_the_announced_bound() {
    let bench = bench();
    let before = bench.contents();
    let tty = tty();
    let arguments = ["--port", &tty.path, "--timing", "fast", "--wait", "0", "backup", "new.bin"];
    let ended = programs::run(bench.flasher().args(arguments));
    refused(&ended, 1, "at 500000 baud");
    assert!(ended.stderr.contains("this run ends within"), "{}", ended.stderr);
    assert!(before == bench.contents(), "files have changed");
}

fn serve(bench: &Workbench) -> Serving {
    let file = |name: &str| bench.path().join(name).display().to_string();
    let files = [["--flash", "flash.raw"], ["--efuse", "efuse.raw"], ["--link", "port"]];
    Serving::start(files.iter().flat_map(|[option, name]| [(*option).to_owned(), file(name)]))
}

fn at_the_port(bench: &Workbench, arguments: &[&str]) -> Command {
    let mut command = bench.flasher();
    command.args(["--port", "port", "--loader"]).arg(images::made_up_loader()).args(arguments);
    command
}

/// Unplugs the module in the middle of a phase; gives how the flasher ended.
fn unplugged(bench: &Workbench, arguments: &[&str], phase: &str) -> Ended {
    let serving = serve(bench);
    let mut flasher = Started::new(at_the_port(bench, arguments).args(["--format", "json"]));
    flasher.wait_for_line(&format!("\"phase\":\"{phase}\""));
    serving.killer().kill();
    serving.wait();
    flasher.finish()
}

#[test]
fn a_port_that_vanishes_during_a_backup_leaves_no_half_file() {
    let bench = bench();
    let ended = unplugged(&bench, &["backup", "new.bin"], "read");
    assert_eq!(ended.code(), Some(1));
    let stdout = String::from_utf8_lossy(&ended.stdout).into_owned();
    let last: serde_json::Value = serde_json::from_str(stdout.lines().last().unwrap()).unwrap();
    assert_eq!(last["event"], "finished", "{last}");
    assert!(last["error"].as_str().unwrap().contains("has vanished while it was in use"), "{last}");
    assert_eq!(last["flash"]["state"], "unchanged", "{last}");
    assert!(bench.read("flash.raw") == images::pattern(FLASH_BYTES), "a backup changed the flash");
    let left: Vec<String> = bench
        .contents()
        .keys()
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    assert!(!left.iter().any(|name| name == "new.bin" || name.starts_with(".bl702-flash")), "{left:?}");
    // What was read is kept beside it, and the next run goes on from there.
    assert!(left.iter().any(|name| name == "new.bin.part"), "{left:?}");
    let ended = programs::run(bench.flasher().args(EMULATED).args(["backup", "--resume", "new.bin"]));
    assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
    assert!(bench.read("new.bin") == images::pattern(FLASH_BYTES), "the backup is not the flash");
}

#[test]
fn a_port_that_vanishes_during_a_write_is_told_with_the_state_of_the_flash() {
    let bench = bench();
    let image = images::other(200_000, 4);
    bench.put("image.bin", &image);
    let ended = unplugged(&bench, &["write", "0x20000=image.bin"], "program");
    assert_eq!(ended.code(), Some(1));
    let stdout = String::from_utf8_lossy(&ended.stdout).into_owned();
    let last: serde_json::Value = serde_json::from_str(stdout.lines().last().unwrap()).unwrap();
    assert!(last["error"].as_str().unwrap().contains("has vanished while it was in use"), "{last}");
    assert_eq!(last["flash"]["state"], "changing", "{last}");
    assert!(bench.read("image.bin") == image, "the input file has changed");
    // Outside the image nothing was touched, and a second run puts it right.
    let pattern = images::pattern(FLASH_BYTES);
    let flash = bench.read("flash.raw");
    let end = 0x20000 + image.len().next_multiple_of(0x1000);
    assert!(
        flash[..0x20000] == pattern[..0x20000] && flash[end..] == pattern[end..],
        "bytes beside it were lost"
    );
    let ended = programs::run(bench.flasher().args(EMULATED).args(["write", "0x20000=image.bin"]));
    assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
    let flash = bench.read("flash.raw");
    assert!(flash[0x20000..0x20000 + image.len()] == image, "the image is not there");
}

/// Texts that people read, as a whole.
#[rstest]
#[case("absent_file", &["--port", "emulated", "write", "absent.bin"])]
#[case("past_the_end", &["--port", "emulated", "write", "0xFF000=good.bin"])]
#[case("existing_output", &["--port", "emulated", "backup", "kept.bin"])]
#[case("truncated_loader", &["--port", "emulated", "--loader", "cut-loader.bin", "info"])]
#[case("rate_that_is_rounded", &["--port", "emulated", "--baud", "1200000", "info"])]
#[case("difference", &["--port", "emulated?flash=flash.raw", "verify", "0x1000=good.bin"])]
#[case("absent_port", &["--port", "/dev/ttyNOSUCH0", "info"])]
#[case("file_for_a_port", &["--port", "good.bin", "info"])]
#[case("no_port", &["info"])]
#[case("no_handshake", &["--port", "emulated?boot=low&wiring=none", "backup", "new.bin"])]
fn what_a_person_reads(#[case] name: &str, #[case] arguments: &[&str]) {
    let bench = bench();
    let ended = programs::run(bench.flasher().args(arguments));
    assert_ne!(ended.code(), Some(0));
    insta::assert_snapshot!(name, last_words(&bench, &ended));
}
