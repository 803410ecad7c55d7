//! A configuration to begin with, every line of it a remark.

use std::fmt::Write as _;

use super::file::FileKind;
use super::key::{KEYS, environment_name};
use crate::timing::{TIME_OUTS, Timing};

/// What belongs into `.gitignore`.
pub const GIT_IGNORE_HINT: &str =
    "Add the line /bl702.local.toml to .gitignore: ports are a matter of each bench.";

/// The text of a file that changes nothing until the first `#` is taken away.
pub fn example(kind: FileKind) -> String {
    let mut text = match kind {
        FileKind::Project => String::from(
            "# Settings of bl702-flash for this project: for everybody who works on it. Ports belong into\n# bl702.local.toml beside this file, which is not to be shared (put it into .gitignore).\n# The command line wins over the environment, that over bl702.local.toml, that over this file.\n# `bl702-flash config show` tells what holds and where it comes from.\n",
        ),
        FileKind::Local => String::from(
            "# Settings of bl702-flash for this bench alone: do not share this file (put it into .gitignore).\n# It may hold all that bl702.toml may, and wins over that.\n",
        ),
    };
    for key in KEYS.iter().filter(|key| !key.name.starts_with("timing.")) {
        if key.is_local != (kind == FileKind::Local) {
            continue;
        }
        // Writing into a String cannot fail.
        let _ =
            write!(text, "\n# {} ({})\n#{} = {}\n", key.what, environment_name(key), key.name, key.example);
    }
    match kind {
        FileKind::Project => {
            text.push_str("\n# What `bl702-flash write` writes if no file is named: address and file, as seen from here\n#[images]\n#\"0x2000\" = \"build/firmware.bin\"\n\n# Waits; without a line here they follow from the preset\n#[timing]\n#preset = \"normal\"\n");
            for time_out in &TIME_OUTS {
                let value = time_out.get(&Timing::default());
                let _ = writeln!(text, "#{} = {value} # {}", time_out.name, time_out.what);
            }
        }
        FileKind::Local => text.push_str(
            "\n# What is special about one port: by its path, or by the serial number of its adapter, wherever it is plugged in\n#[ports.\"A50285BI\"]\n#wiring = \"dtr-en\"\n#invert_rts = true\n#baud = 1000000\n",
        ),
    }
    text
}
