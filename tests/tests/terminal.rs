//! What a person at a terminal sees, what a pipe gets instead, and what Ctrl-C leaves where several modules are at work.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code: a failure is a failed test")]

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use bl702_harness::images;
use bl702_harness::programs::{self, Ended, Serving, Started, run_on_terminal};
use bl702_harness::workbench::Workbench;
use rstest::rstest;
use serde_json::Value;

const FLASH_BYTES: usize = 1024 * 1024;

/// A module of another process behind the link `port-N`, in real time, with its flash and fuses in files.
fn serve(bench: &Workbench, number: usize, options: &[&str]) -> Serving {
    let file = |name: &str| bench.path().join(format!("{name}-{number}")).display().to_string();
    let files = [["--flash", "flash"], ["--efuse", "efuse"], ["--link", "port"]];
    let named = files.iter().flat_map(|[option, name]| [(*option).to_owned(), file(name)]);
    Serving::start(named.chain(options.iter().map(|option| (*option).to_owned())))
}

fn flasher(bench: &Workbench, ports: usize, arguments: &[&str]) -> Command {
    let mut command = bench.flasher();
    command.arg("--loader").arg(images::made_up_loader());
    for number in 0..ports {
        command.arg("--port").arg(format!("port-{number}"));
    }
    command.args(arguments);
    command
}

fn fuses(bench: &Workbench, modules: usize) -> Vec<Vec<u8>> {
    (0..modules).map(|number| bench.read(&format!("efuse-{number}"))).collect()
}

/// Sequences of a terminal that set colours and the like: ESC, `[`, numbers, `m`.
fn colours(said: &str) -> usize {
    let ends =
        |rest: &str| rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';').starts_with('m');
    said.match_indices("\x1b[").filter(|(at, _)| ends(&said[at + 2..])).count()
}

/// A bar has the phase, how far it is, the rate and the time left; nothing is red when all went well, and the result
/// stands alone on its lines.
#[test]
fn a_terminal_gets_a_bar() {
    let bench = Workbench::new();
    let _serving = serve(&bench, 0, &[]);
    let before = fuses(&bench, 1);
    let (code, said) =
        run_on_terminal(&mut flasher(&bench, 1, &["backup", "--range", "0..0x40000", "part.bin"]));
    assert_eq!(code, Some(0), "{said}");
    let frames: Vec<&str> = said.split(['\r', '\n']).filter(|frame| frame.contains("reading")).collect();
    assert!(frames.len() > 3, "{said:?}");
    let moving = frames.iter().find(|frame| frame.contains(" KiB/s, ") && frame.contains(" s left"));
    let moving = moving.unwrap_or_else(|| panic!("no rate and time left: {frames:?}"));
    assert!(moving.contains("[=") && moving.contains("/256.00 KiB"), "{moving:?}");
    assert!(!said.contains(" % of "), "lines for a pipe: {said:?}");
    assert_eq!(colours(&said), 0, "{said:?}");
    let result = said.split(['\r', '\n']).find(|line| line.contains("part.bin: 262144 bytes")).unwrap();
    assert!(!result.contains("reading") && !result.contains("[="), "{result:?}");
    assert_eq!(fuses(&bench, 1), before, "fuses were burnt");
}

/// A line for each module, and each with its own name.
#[test]
fn a_terminal_gets_a_bar_for_each_of_several_modules() {
    let bench = Workbench::new();
    let _serving: Vec<Serving> = (0..2).map(|number| serve(&bench, number, &[])).collect();
    let before = fuses(&bench, 2);
    let arguments = ["backup", "--range", "0..0x40000", "{port}.bin"];
    let (code, said) = run_on_terminal(&mut flasher(&bench, 2, &arguments));
    assert_eq!(code, Some(0), "{said}");
    for name in ["port-0", "port-1"] {
        let frame = said.split(['\r', '\n']).find(|frame| {
            frame.contains(&format!("{name} reading"))
                && frame.contains(" KiB/s, ")
                && frame.contains(" s left")
        });
        assert!(frame.is_some_and(|frame| frame.contains("[=")), "{name}: {said:?}");
    }
    assert!(said.contains("2 modules, all well"), "{said:?}");
    assert_eq!(colours(&said), 0, "{said:?}");
    assert_eq!(fuses(&bench, 2), before, "fuses were burnt");
}

/// No bar, no control characters: lines that a log can hold.
#[test]
fn a_pipe_gets_lines() {
    let bench = Workbench::new();
    let ended = programs::run(bench.flasher().env("TERM", "xterm").args([
        "--port",
        "emulated?efuse=efuse-0",
        "backup",
        "part.bin",
    ]));
    assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
    let said = ended.stderr + &String::from_utf8_lossy(&ended.stdout);
    assert!(said.contains("reading 25 % of 1048576 bytes"), "{said}");
    assert!(!said.contains(['\x1b', '\r', '\x08']), "{said:?}");
    programs::run(bench.flasher().args(["--port", "emulated?efuse=efuse-1", "info"]));
    assert_eq!(bench.read("efuse-0"), bench.read("efuse-1"), "fuses were burnt");
}

/// Mistakes may be told in colours, unless NO_COLOR forbids it.
#[rstest]
#[case::usage(&["info", "--nonsense"], 2)]
#[case::help(&["--help"], 0)]
#[case::failure(&["--port", "emulated?fault=jedec-fail", "info", "--board", "xt-zb2"], 0)]
#[case::error(&["--port", "emulated?fault=jedec-fail", "backup", "b.bin"], 1)]
fn no_color_is_obeyed(#[case] arguments: &[&str], #[case] exit_code: i32) {
    let bench = Workbench::new();
    let (code, said) = run_on_terminal(bench.flasher().env("NO_COLOR", "1").args(arguments));
    assert_eq!(code, Some(exit_code), "{said}");
    assert_eq!(colours(&said), 0, "{said:?}");
}

#[test]
fn a_mistake_is_told_in_colours_on_a_terminal() {
    let bench = Workbench::new();
    let (code, said) = run_on_terminal(bench.flasher().args(["info", "--nonsense"]));
    assert_eq!(code, Some(2));
    assert!(colours(&said) > 0, "so that the test above means something: {said:?}");
}

fn last(ended: &Ended) -> Value {
    let stdout = String::from_utf8_lossy(&ended.stdout).into_owned();
    serde_json::from_str(stdout.lines().last().unwrap()).unwrap()
}

/// Ctrl-C while three modules are read: each is restarted and says so, each is named in the report, and each works at once.
#[test]
fn ctrl_c_leaves_each_of_several_modules_in_a_known_state() {
    let bench = Workbench::new();
    let _serving: Vec<Serving> = (0..3).map(|number| serve(&bench, number, &[])).collect();
    let before = fuses(&bench, 3);
    let arguments = ["--format", "json", "--report", "units.csv", "backup", "{port}.bin"];
    let mut started = Started::new(&mut flasher(&bench, 3, &arguments));
    started.wait_until(|said| {
        (0..3).all(|number| {
            let port = format!("\"port-{number}\"");
            said.lines().any(|line| line.contains("\"read\"") && line.contains(&port))
        })
    });
    started.killer().interrupt();
    let ended = started.finish();
    assert_eq!(ended.code(), Some(1), "{}", ended.stderr);
    let last = last(&ended);
    assert_eq!((&last["event"], &last["ok"]), (&"finished".into(), &false.into()), "{last}");
    let said = String::from_utf8_lossy(&ended.stdout).into_owned();
    for number in 0..3 {
        let port = format!("port-{number}");
        let end = said
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .find(|event| event["event"] == "unit_finished" && event["port"] == *port)
            .unwrap_or_else(|| panic!("{port} has no end: {said}"));
        assert!(end["error"].as_str().unwrap().contains("interrupted"), "{end}");
        assert_eq!(end["module"]["state"], "restarted", "{end}");
        assert_eq!(end["flash"]["state"], "unchanged", "{end}");
        assert!(!bench.path().join(format!("{port}.bin")).exists(), "half a backup is none");
    }
    let report = String::from_utf8(bench.read("units.csv")).unwrap();
    assert_eq!(report.lines().filter(|line| line.contains(",failed,1,")).count(), 3, "{report}");

    // No session is left open that would have to be waited for.
    let ended = programs::run(&mut flasher(&bench, 3, &["--format", "json", "info"]));
    assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
    assert!(!String::from_utf8_lossy(&ended.stdout).contains("\"silence\""), "a session was left open");
    assert_eq!(fuses(&bench, 3), before, "fuses were burnt");
}

/// A system whose USB adapters are these ptys.
fn system_of(bench: &Workbench, serving: &[Serving]) -> std::path::PathBuf {
    let root = bench.path().join("system");
    for (number, module) in serving.iter().enumerate() {
        let device = root.join(format!("sys/devices/usb1/1-{number}"));
        fs::create_dir_all(device.join("if/tty")).unwrap();
        for (file, content) in [("idVendor", "1a86"), ("idProduct", "7523"), ("if/bInterfaceNumber", "00")] {
            fs::write(device.join(file), content).unwrap();
        }
        fs::write(device.join("serial"), format!("SN{number}")).unwrap();
        // As the kernel names what lies in a folder of /dev.
        let name = module.first_line.strip_prefix("/dev/").unwrap().replace('/', "!");
        let class = root.join("sys/class/tty").join(name);
        fs::create_dir_all(&class).unwrap();
        symlink(device.join("if/tty"), class.join("device")).unwrap();
    }
    root
}

/// One is right, one has a flash that nobody knows, one holds something else: each is told, and the worst decides.
#[test]
fn all_modules_with_mixed_results() {
    let bench = Workbench::new();
    let image = images::other(20_000, 4);
    bench.put("image.bin", &image);
    bench.put("flash-0", &images::padded(&image, FLASH_BYTES));
    bench.put("flash-2", &vec![0xFF; FLASH_BYTES]);
    let faults = [&["--pace", "none"][..], &["--pace", "none", "--fault", "jedec-fail"], &["--pace", "none"]];
    let serving: Vec<Serving> =
        faults.iter().enumerate().map(|(number, options)| serve(&bench, number, options)).collect();
    let before = fuses(&bench, 3);
    let system = system_of(&bench, &serving);
    let mut command = flasher(&bench, 0, &["--all", "--format", "json", "verify", "image.bin"]);
    let ended = programs::run(command.env("BL702_SYSTEM_ROOT", &system));
    assert_eq!(ended.code(), Some(1), "{}", ended.stderr);
    let last = last(&ended);
    let verdict = |module: &Serving| {
        let units = last["units"].as_array().unwrap();
        let unit = units.iter().find(|unit| unit["port"] == *module.first_line).unwrap();
        (unit["verdict"].as_str().unwrap().to_owned(), unit["exit_code"].as_u64().unwrap())
    };
    let verdicts: Vec<(String, u64)> = serving.iter().map(verdict).collect();
    let expected = [("ok", 0), ("failed", 1), ("different", 4)].map(|(word, code)| (word.to_owned(), code));
    assert_eq!(verdicts, expected, "{last}");

    // And who is there, asked at all of them at once.
    let mut command = flasher(&bench, 0, &["--format", "json", "ports", "--probe"]);
    let ended = programs::run(command.env("BL702_SYSTEM_ROOT", &system));
    assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
    let found = self::last(&ended);
    for (number, module) in serving.iter().enumerate() {
        let rows = found["ports"].as_array().unwrap();
        let row = rows.iter().find(|row| row["path"] == *module.first_line).unwrap();
        assert_eq!(row["usb"]["serial_number"], format!("SN{number}"), "{found}");
        assert_eq!(row["found"]["kind"], "rom", "{found}");
    }
    assert_eq!(fuses(&bench, 3), before, "fuses were burnt");
}
