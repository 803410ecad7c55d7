//! What the program tells a person under each mode of the fault catalogue: a backup and a write through the real program
//! against an emulated module, in virtual time. The texts are snapshots, read by a person.
#![cfg(feature = "emulated")]
#![allow(clippy::unwrap_used, reason = "a test")]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use bl702_emulator::fault::catalogue::{mode, modes};

const FLASH_BYTES: u32 = 0x10_0000;
const PLACE: usize = 0x1800;

fn flash_before() -> Vec<u8> {
    (0..FLASH_BYTES).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

fn image() -> Vec<u8> {
    (0..0x9000u32).map(|at| (at.wrapping_mul(40_503) >> 7) as u8).collect()
}

fn flasher(folder: &Path, fault: &str, arguments: &[&str]) -> Output {
    let port = format!("emulated?flash=flash.raw&wiring=rts-en&boot=dtr&fault={fault}");
    Command::new(env!("CARGO_BIN_EXE_bl702-flash"))
        .args(["--port", &port])
        .args(arguments)
        .env_clear()
        .current_dir(folder)
        .output()
        .unwrap()
}

/// What the program said, without progress, whose rates tell nothing here.
fn told(output: &Output) -> String {
    let text = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    let text = String::from_utf8(text).unwrap();
    let is_progress = |line: &&str| line.contains(" % of ");
    let mut told: String =
        text.lines().filter(|line| !is_progress(line)).flat_map(|line| [line, "\n"]).collect();
    writeln!(told, "exit {}", output.status.code().unwrap()).unwrap();
    told
}

/// Whether a failure is told with all that belongs to it.
fn assert_complete(name: &str, output: &Output) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!stderr.contains("panicked"), "{name}: {stderr}");
    if output.status.success() {
        return;
    }
    for part in ["error: ", "flash: ", "module: ", "next:  "] {
        assert!(stderr.contains(part), "{name}: no {part:?} in {stderr}");
    }
    assert!(matches!(output.status.code(), Some(1 | 4)), "{name}: {:?}", output.status);
}

fn story(name: &str) -> String {
    let mode = mode(name).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("flash.raw"), flash_before()).unwrap();
    fs::write(path("image.bin"), image()).unwrap();

    let backup = flasher(folder.path(), name, &["backup", "backup.bin"]);
    assert_complete(name, &backup);
    assert_eq!(backup.status.success(), path("backup.bin").exists(), "{name}");
    if let Ok(bytes) = fs::read(path("backup.bin"))
        // There the chip has another flash than the file of its cells.
        && !["flash-smaller", "stuck-bits"].contains(&name)
    {
        assert!(bytes == flash_before(), "{name}: a backup that is not what the flash holds");
    }
    let place = format!("{PLACE:#x}=image.bin");
    let write = flasher(folder.path(), name, &["write", &place]);
    assert_complete(name, &write);
    if write.status.success() && name != "flash-smaller" {
        let mut expected = flash_before();
        expected[PLACE..PLACE + image().len()].copy_from_slice(&image());
        let flash = fs::read(path("flash.raw")).unwrap();
        assert!(flash == expected, "{name}: a success on a flash that is not right");
    }
    assert_eq!(fs::read(path("image.bin")).unwrap(), image(), "{name}: an input file was changed");
    format!("{}: {}\n\n--- backup\n{}\n--- write\n{}", name, mode.about.title, told(&backup), told(&write))
}

/// Reviewed: each failure names what failed and where, the likely cause, the states of flash and module, the next step.
#[test]
fn every_mode_is_told() {
    for mode in modes().unwrap() {
        insta::assert_snapshot!(mode.about.name.clone(), story(&mode.about.name));
    }
}

/// The four that people take for one another.
#[test]
fn locked_fuses_clocks_flash_and_a_wrong_tool_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let told = |fault: &str| {
        fs::write(folder.path().join("flash.raw"), flash_before()).unwrap();
        let output = flasher(folder.path(), fault, &["backup", "--force", "backup.bin"]);
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let locked = told("efuse-locked");
    assert!(locked.0 == 1 && locked.1.contains("FL0206") && locked.1.contains("eFuses"), "{}", locked.1);
    let pll = told("pll-fail");
    assert!(pll.0 == 1 && pll.1.contains("never answered") && pll.1.contains("crystal"), "{}", pll.1);
    assert!(!pll.1.contains("eFuse"), "{}", pll.1);
    let jedec = told("jedec-fail");
    assert!(
        jedec.0 == 1 && jedec.1.contains("flag byte 00") && jedec.1.contains("--flash-size"),
        "{}",
        jedec.1
    );
    let wrong = told("wrong-profile");
    assert_eq!(wrong.0, 0, "a healthy module: {}", wrong.1);
}

#[test]
fn an_unknown_flash_is_read_with_a_size() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("flash.raw"), flash_before()).unwrap();
    let output = flasher(folder.path(), "jedec-fail", &["--flash-size", "1MiB", "backup", "backup.bin"]);
    assert!(output.status.success());
    assert!(fs::read(folder.path().join("backup.bin")).unwrap() == flash_before());
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("warning: the RAM loader does not know this flash")
    );
}

#[test]
fn a_backup_goes_on_where_the_adapter_was_pulled_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("flash.raw"), flash_before()).unwrap();
    let backup = |fault: &str, more: &[&str]| {
        flasher(folder.path(), fault, &[&["backup", "backup.bin"], more].concat())
    };
    let plan = "[[fault]]\npower.unplug = {}\nwhen = { on = \"reply\", stage = \"loader\", nth = 60 }\n";
    fs::write(path("unplug.toml"), plan).unwrap();
    assert_eq!(backup("unplug.toml", &[]).status.code(), Some(1));
    assert!(!path("backup.bin").exists());
    let mut part = fs::read(path("backup.bin.part")).unwrap();
    assert!(part.len() > 0x4_0000, "{} bytes", part.len());
    // Nobody but who says so gets it continued, or overwritten.
    assert_eq!(backup("wrong-profile", &[]).status.code(), Some(2));
    // What is in it is not trusted.
    let middle = part.len() / 2;
    part[middle] ^= 1;
    fs::write(path("backup.bin.part"), &part).unwrap();
    let resumed = backup("wrong-profile", &["--resume"]);
    insta::assert_snapshot!("resumed_backup", told(&resumed));
    assert!(fs::read(path("backup.bin")).unwrap() == flash_before());
    assert!(!path("backup.bin.part").exists());
}
