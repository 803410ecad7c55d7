//! One command at several modules at once: each with its own port, its own result, and one report.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code: a failure is a failed test")]

use bl702_harness::images;
use bl702_harness::programs::{self, Ended, Serving};
use bl702_harness::workbench::Workbench;
use serde_json::Value;
use sha2::{Digest, Sha256};

const FLASH_BYTES: usize = 1024 * 1024;

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Eight flash files with other contents each, `flash-0.raw` and on.
fn eight_images(bench: &Workbench) -> Vec<Vec<u8>> {
    let images: Vec<Vec<u8>> = (0..8).map(|seed| images::other(FLASH_BYTES, 20 + seed)).collect();
    for (index, image) in images.iter().enumerate() {
        bench.put(&format!("flash-{index}.raw"), image);
    }
    images
}

fn run(bench: &Workbench, ports: &[String], arguments: &[&str]) -> Ended {
    let mut command = bench.flasher();
    command.arg("--loader").arg(images::made_up_loader());
    for port in ports {
        command.args(["--port", port]);
    }
    programs::run(command.args(arguments))
}

fn lines(ended: &Ended) -> Vec<Value> {
    let stdout = String::from_utf8_lossy(&ended.stdout).into_owned();
    stdout.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect()
}

/// Emulated modules inside the flasher; the last one's cable is pulled.
#[test]
fn eight_backups_at_once_and_one_cable_is_pulled() {
    let bench = Workbench::new();
    let images = eight_images(&bench);
    let mut ports: Vec<String> =
        (0..8).map(|n| format!("emulated?flash=flash-{n}.raw&efuse=efuse-{n}.raw")).collect();
    ports[7].push_str("&fault=usb-unplug");
    let ended =
        run(&bench, &ports, &["--format", "json", "--report", "units.csv", "backup", "copy-{port}.bin"]);
    assert_eq!(ended.code(), Some(1), "{}", ended.stderr);
    for (index, image) in images.iter().enumerate().take(7) {
        assert!(bench.read(&format!("copy-emulated-{}.bin", index + 1)) == *image, "module {index}");
    }
    assert!(!bench.path().join("copy-emulated-8.bin").exists(), "half a backup is none");

    let lines = lines(&ended);
    assert_eq!(lines[0]["event"], "started");
    let last = lines.last().unwrap();
    assert_eq!(
        (&last["event"], &last["exit_code"], &last["ok"]),
        (&"finished".into(), &1.into(), &false.into())
    );
    let events = &lines[1..lines.len() - 1];
    assert!(events.iter().all(|event| ports.iter().any(|port| event["port"] == *port)), "whose event is it?");
    let ends = |port: &str| {
        let of_port = |event: &&Value| event["event"] == "unit_finished" && event["port"] == *port;
        events.iter().filter(of_port).collect::<Vec<_>>()
    };
    assert!(ports[..7].iter().all(|port| matches!(ends(port)[..], [end] if end["ok"] == true)));
    assert!(matches!(ends(&ports[7])[..], [end] if end["exit_code"] == 1), "{last}");

    let report = String::from_utf8(bench.read("units.csv")).unwrap();
    let rows: Vec<Vec<&str>> = report.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(rows[0][..4], ["port", "command", "verdict", "exit_code"]);
    assert_eq!(rows.len(), 9, "{report}");
    for (index, row) in rows[1..].iter().enumerate() {
        let (verdict, digest) =
            if index < 7 { ("ok", sha256(&images[index])) } else { ("failed", String::new()) };
        assert_eq!((row[0], row[2], row[8]), (ports[index].as_str(), verdict, digest.as_str()), "{report}");
    }
    for (index, image) in images.iter().enumerate() {
        assert!(bench.read(&format!("flash-{index}.raw")) == *image, "a backup changed flash {index}");
    }
    assert_no_fuse_burnt(&bench, 8);
}

/// The emulator makes fuses from the profile; these are what a module of it has.
fn assert_no_fuse_burnt(bench: &Workbench, count: usize) {
    let first = bench.read("efuse-0.raw");
    assert!(first.iter().any(|byte| *byte != 0), "the profile has fuses");
    let mut fresh = bench.flasher();
    let ended = programs::run(fresh.args(["--port", "emulated?efuse=fresh.raw", "info"]));
    assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
    for index in 0..count {
        assert_eq!(bench.read(&format!("efuse-{index}.raw")), bench.read("fresh.raw"), "fuses were burnt");
    }
}

/// Eight ptys of other programs; one of them pulls its cable.
#[test]
fn eight_ptys_at_once_and_one_is_unplugged() {
    let bench = Workbench::new();
    let images = eight_images(&bench);
    let path = |name: String| bench.path().join(name).display().to_string();
    let _serving: Vec<Serving> = (0..8)
        .map(|n| {
            let mut options = vec!["--pace".to_owned(), "none".to_owned()];
            for (option, name) in [("--flash", "flash"), ("--efuse", "efuse")] {
                options.extend([option.to_owned(), path(format!("{name}-{n}.raw"))]);
            }
            options.extend(["--link".to_owned(), path(format!("port-{n}"))]);
            if n == 3 {
                options.extend(["--fault".to_owned(), "usb-unplug".to_owned()]);
            }
            Serving::start(options)
        })
        .collect();
    let ports: Vec<String> = (0..8).map(|n| format!("port-{n}")).collect();
    let ended = run(&bench, &ports, &["--report", "units.json", "backup", "copy-{port}.bin"]);
    assert_eq!(ended.code(), Some(1), "{}", ended.stderr);
    let report: Vec<Value> = serde_json::from_slice(&bench.read("units.json")).unwrap();
    for (index, image) in images.iter().enumerate() {
        let copy = bench.path().join(format!("copy-port-{index}.bin"));
        let verdict = if index == 3 { "failed" } else { "ok" };
        assert_eq!(report[index]["verdict"], verdict, "{}", report[index]);
        assert_eq!(copy.exists(), index != 3);
        if index != 3 {
            assert!(std::fs::read(copy).unwrap() == *image, "module {index}");
            assert_eq!(report[index]["sha256"], sha256(image), "module {index}");
        }
    }
    let summary = String::from_utf8(ended.stdout).unwrap();
    assert!(summary.starts_with("8 modules: 7 well, 1 not\n"), "{summary}");
    assert!(ended.stderr.contains("port-3: error: "), "{}", ended.stderr);
    assert_no_fuse_burnt(&bench, 8);
}

#[test]
fn an_image_goes_into_several_modules_and_is_found_there() {
    let bench = Workbench::new();
    let image = images::other(30_000, 9);
    bench.put("image.bin", &image);
    let ports: Vec<String> =
        (0..3).map(|n| format!("emulated?flash=flash-{n}.raw&efuse=efuse-{n}.raw")).collect();
    assert_eq!(run(&bench, &ports, &["write", "0x2000=image.bin"]).code(), Some(0));
    for index in 0..3 {
        let flash = bench.read(&format!("flash-{index}.raw"));
        assert!(flash[0x2000..0x2000 + image.len()] == image[..], "module {index}");
    }
    // One that holds something else: the others are right all the same, and the exit status says what is wrong.
    let ended = run(&bench, &ports[..1], &["erase", "--range", "0x3000..0x4000"]);
    assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
    let ended = run(&bench, &ports, &["--format", "json", "verify", "0x2000=image.bin"]);
    let last = lines(&ended).pop().unwrap();
    assert_eq!(ended.code(), Some(4), "{last}");
    let verdicts: Vec<&str> =
        last["units"].as_array().unwrap().iter().map(|unit| unit["verdict"].as_str().unwrap()).collect();
    assert_eq!(verdicts, ["different", "ok", "ok"]);
    assert_no_fuse_burnt(&bench, 3);
}

#[test]
fn mistakes_show_before_anything_is_touched() {
    let bench = Workbench::new();
    bench.put("image.bin", b"image");
    bench.put("taken.csv", b"precious");
    let two = ["emulated?flash=a.raw", "emulated?flash=b.raw"].map(str::to_owned);
    let twice = [two[0].clone(), two[0].clone()];
    let cases: [(&[String], &[&str], &str); 6] = [
        (&two, &["backup", "one.bin"], "2 modules cannot be backed up into one file"),
        (&two, &["backup", "-"], "standard output cannot hold the data of several modules"),
        (&two, &["--record", "r.jsonl", "info"], "several modules cannot share one recording"),
        (&two, &["--report", "taken.csv", "info"], "it exists"),
        (&two, &["--report", "units.txt", "info"], "neither .csv nor .json"),
        (&twice, &["write", "image.bin"], "is named twice"),
    ];
    for (ports, arguments, why) in cases {
        let ended = run(&bench, ports, arguments);
        assert_eq!(ended.code(), Some(2), "{arguments:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(why), "{arguments:?}: {}", ended.stderr);
        assert!(!bench.path().join("a.raw").exists(), "{arguments:?} touched a module");
    }
    assert_eq!(bench.read("taken.csv"), b"precious");
}

/// Where they stand in the command line makes no difference.
#[test]
fn ports_before_and_behind_the_command_are_all_meant() {
    let bench = Workbench::new();
    let before = ["emulated?flash=a.raw&efuse=efuse-0.raw".to_owned()];
    let behind =
        ["efuse-1.raw", "efuse-2.raw"].map(|fuses| format!("emulated?flash={}&efuse={fuses}", &fuses[6..]));
    let arguments =
        ["--format", "json", "info", "--port", &behind[0], &format!("-p{}", behind[1])].map(str::to_owned);
    let ended = run(&bench, &before, &arguments.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
    let last = lines(&ended).pop().unwrap();
    let ports: Vec<&str> =
        last["units"].as_array().unwrap().iter().map(|unit| unit["port"].as_str().unwrap()).collect();
    assert_eq!(ports, [before[0].as_str(), &behind[0], &behind[1]]);
    assert_no_fuse_burnt(&bench, 3);
}

#[test]
fn files_are_named_by_chip_id() {
    let bench = Workbench::new();
    let image = images::other(FLASH_BYTES, 31);
    bench.put("flash.raw", &image);
    let ended = run(&bench, &["emulated?flash=flash.raw".to_owned()], &["backup", "{port}-{chip_id}.bin"]);
    assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
    let found = String::from_utf8_lossy(&ended.stdout).into_owned();
    let name = found.split(": ").next().unwrap();
    let chip_id = name.strip_prefix("emulated-").and_then(|rest| rest.strip_suffix(".bin")).unwrap();
    assert!(chip_id.len() == 16 && chip_id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{found}");
    assert!(bench.read(name) == image, "the backup differs");
}
