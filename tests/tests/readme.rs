//! The walk-through of the README is what the programs print: every command in it is run, in its order, in one folder.
//!
//! `BL702_README=write cargo test -p bl702-harness --test readme` writes what they print into it.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::fs;
use std::path::Path;
use std::process::Command;

use bl702_harness::images;
use bl702_harness::programs::{emulator, flasher};
use bl702_harness::workbench::Workbench;

const BEGIN: &str =
    "<!-- walk-through: written by BL702_README=write cargo test -p bl702-harness --test readme -->\n";
const END: &str = "<!-- walk-through ends -->\n";
const PROMPT: &str = "$ ";

/// A command line as a reader would type it, and all that it prints.
fn transcript(folder: &Path, line: &str) -> String {
    let path =
        [emulator(), flasher()].map(|program| program.parent().unwrap().display().to_string()).join(":");
    // No settings, ports or loader of whoever runs the test.
    let output = Command::new("sh")
        .args(["-c", &format!("exec 2>&1; {line}")])
        .current_dir(folder)
        .env("PATH", format!("{path}:/usr/bin:/bin"))
        .env("HOME", folder)
        .env_remove("XDG_DATA_HOME")
        .env_remove("VIRTUAL_ENV")
        .env("BL702_SETTINGS", "none")
        .env("NO_COLOR", "1")
        .env("BL702_SYSTEM_ROOT", folder)
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let status = match output.status.code() {
        Some(0) => String::new(),
        code => format!("(exit status {})\n", code.unwrap()),
    };
    format!("{PROMPT}{line}\n{printed}{status}")
}

/// The walk-through with its commands run anew; whatever is not in a `console` block stays.
fn run_anew(text: &str, folder: &Path) -> String {
    let mut made = String::new();
    let mut in_block = false;
    for line in text.lines() {
        if line.starts_with("```") {
            in_block = line == "```console";
        } else if in_block {
            if let Some(command) = line.strip_prefix(PROMPT) {
                made.push_str(&transcript(folder, command));
            }
            continue;
        }
        made.push_str(line);
        made.push('\n');
    }
    made
}

#[test]
fn the_walk_through_is_what_the_programs_print() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let text = fs::read_to_string(&file).unwrap();
    let (head, rest) = text.split_once(BEGIN).unwrap();
    let (there, tail) = rest.split_once(END).unwrap();
    assert!(there.matches(PROMPT).count() > 5, "there is no walk-through left");
    let bench = Workbench::new();
    bench.put("stock.bin", &images::stock());
    bench.put("app.bin", &images::other(9000, 1));
    let now = run_anew(there, bench.path());
    if std::env::var("BL702_README").is_ok_and(|value| value == "write") {
        fs::write(&file, format!("{head}{BEGIN}{now}{END}{tail}")).unwrap();
        return;
    }
    assert_eq!(there, now, "the README shows other output; write it with BL702_README=write");
}
