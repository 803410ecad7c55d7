//! A folder with a tool of its own, and runs of it under `bl702-emu exec`.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::programs::{Started, emulator, put};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::tools::{Family, Tool};

/// Longest run: 1 MiB at 500,000 baud takes 25 s, on a machine that does other things too.
const LIMIT: Duration = Duration::from_secs(180);

/// A tool and the files of its runs.
#[derive(Debug)]
pub struct Bench {
    /// The tool.
    pub tool: &'static Tool,
    folder: TempDir,
}

impl Bench {
    /// A folder with a copy of the tool's package as it was installed. The tools keep their state there, so that each
    /// test gets a new one.
    pub fn new(tool: &'static Tool) -> Bench {
        let bench = Bench { tool, folder: tempfile::tempdir().unwrap() };
        fs::create_dir(bench.path("packages")).unwrap();
        copy(&tool.site_packages().join(tool.package), &bench.path("packages"));
        bench
    }

    /// A file of this folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Puts a file into the folder.
    pub fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        put(&path, bytes);
        path
    }

    /// A file of the tool's package.
    pub fn package(&self, name: &str) -> PathBuf {
        self.path("packages").join(self.tool.package).join(name)
    }

    /// A file of the tool's folder for this chip.
    pub fn chip(&self, name: &str) -> PathBuf {
        self.package("chips/bl702").join(name)
    }

    /// Gives the module this flash.
    pub fn set_flash(&self, contents: &[u8]) {
        self.put("flash.raw", contents);
    }

    /// The module's flash.
    pub fn flash(&self) -> Vec<u8> {
        read(&self.path("flash.raw"))
    }

    /// Where the tool puts what it has read.
    pub fn read_file(&self) -> PathBuf {
        match self.tool.family {
            Family::Iot => self.package("flash.bin"),
            Family::Mcu | Family::FlashCommand => self.path("read.bin"),
        }
    }

    /// Runs the tool against a module that holds `flash.raw`. `options` are `bl702-emu exec`'s.
    pub fn exec(&self, options: &[&str], arguments: &[OsString]) -> Done {
        let (python, program) = (self.tool.python(), self.tool.program());
        self.run(Command::new(emulator()), options, &[python.as_os_str(), program.as_os_str()], arguments)
    }

    /// As [`exec`](Bench::exec), with the words that the emulator and the tool are started by.
    pub fn run(
        &self,
        mut command: Command,
        options: &[&str],
        program: &[&OsStr],
        arguments: &[OsString],
    ) -> Done {
        let report = self.path("report.json");
        command.arg("exec").args(options).arg("--flash").arg(self.path("flash.raw"));
        command.arg("--report").arg(&report).arg("--").args(program).args(arguments);
        command.current_dir(self.folder.path()).env("PYTHONPATH", self.path("packages"));
        let ended = Started::new(&mut command).finish_within(LIMIT);
        let said = String::from_utf8_lossy(&ended.stdout).into_owned();
        let Some(report) = fs::read(&report).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok())
        else {
            panic!("no report: {said}{}", ended.stderr);
        };
        Done { said, summary: ended.stderr, report }
    }
}

/// What came of a run.
#[derive(Debug)]
pub struct Done {
    /// Its standard output.
    pub said: String,
    /// Its standard error, and the emulator's summary.
    pub summary: String,
    /// The emulator's report.
    pub report: Value,
}

impl Done {
    /// A whole session without anything to complain of: the tool's six resets, one handshake with each side, nothing
    /// refused, nothing lost, no warning, no fuse burnt.
    pub fn expect_clean(self, tool: &Tool) -> Done {
        self.expect_clean_but_for_fuses(tool).expect_no_burn()
    }

    /// The same, but fuses may be burnt.
    pub fn expect_clean_but_for_fuses(self, tool: &Tool) -> Done {
        let baud_bps = tool.loader_baud_bps;
        let expected = json!({
            "resets": 6,
            "handshakes": [
                { "stage": "rom", "baud_bps": 500_000, "count": 1 },
                { "stage": "loader", "baud_bps": baud_bps, "count": 1 },
            ],
            "errors": [],
            "cause": null,
        });
        let warnings = self.report["warnings"].as_array().unwrap().iter().map(|warning| &warning["kind"]);
        // On a busy machine the kernel passes a burst of 55h on in pieces, the last of which come late.
        let warnings: Vec<&Value> = warnings.filter(|kind| *kind != "surplus_handshake").collect();
        assert!(warnings.is_empty(), "{warnings:?}\n{}{}", self.said, self.summary);
        for (field, value) in expected.as_object().unwrap() {
            assert_eq!(&self.report[field], value, "{field}\n{}{}", self.said, self.summary);
        }
        self
    }

    /// No fuse was burnt.
    pub fn expect_no_burn(self) -> Done {
        assert_eq!(self.report["fuses_burnt"], 0, "{}{}", self.said, self.summary);
        self
    }

    /// The tool said this.
    pub fn expect_said(self, text: &str) -> Done {
        assert!(self.said.contains(text), "{text:?} is missing\n{}{}", self.said, self.summary);
        self
    }

    /// The emulator names this as the cause.
    pub fn expect_cause(self, cause: &str) -> Done {
        let found = self.report["cause"].as_str().unwrap_or("none");
        assert!(found.starts_with(cause), "{found}\n{}{}", self.said, self.summary);
        assert!(self.summary.contains(found), "the summary tells the cause\n{}", self.summary);
        self
    }

    /// `FL` codes that the module answered, and how often.
    pub fn refusals(&self) -> Vec<(&str, u64)> {
        let rows = self.report["errors"].as_array().unwrap();
        rows.iter().map(|row| (row["code"].as_str().unwrap(), row["count"].as_u64().unwrap())).collect()
    }

    /// How often a stage took a command.
    pub fn count_of(&self, stage: &str, id: &str) -> u64 {
        let rows = self.report["commands"].as_array().unwrap();
        let row = rows.iter().find(|row| row["stage"] == stage && row["id"] == id);
        row.map_or(0, |row| row["count"].as_u64().unwrap())
    }

    /// How many bytes the host wrote and erased.
    pub fn number(&self, field: &str) -> u64 {
        self.report[field].as_u64().unwrap()
    }
}

/// A file's bytes.
pub fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Copies a folder with all that is in it, times included: Python looks at them.
pub fn copy(from: &Path, into: &Path) {
    let copied = Command::new("cp").arg("-a").args([from, into]).status().unwrap();
    assert!(copied.success(), "cp -a {from:?} {into:?}");
}
