//! Running `bl702-emu exec` with a bound on its time, and compiling clients for it.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use rustix::time::Timespec;
use serde_json::Value;
use tempfile::TempDir;

/// No run of these tests takes longer, on the slowest machine.
const BOUND_S: i64 = 60;

/// What came of a run.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// `Null` when none was written.
    pub(crate) report: Value,
}

impl Done {
    /// Panics with everything that is known unless the client exited with 0.
    pub(crate) fn expect_success(self) -> Done {
        assert!(self.status.success(), "{self:#?}");
        self
    }

    /// The count of a field of the report.
    pub(crate) fn count(&self, field: &str) -> u64 {
        self.report[field].as_u64().unwrap_or_else(|| panic!("{field} in {self:#?}"))
    }

    /// How often the boot ROM began a session.
    pub(crate) fn handshakes(&self) -> u64 {
        let rows = self.report["handshakes"].as_array().unwrap();
        rows.iter().map(|row| row["count"].as_u64().unwrap()).sum()
    }
}

/// A directory for the files of one test.
pub(crate) struct Bench {
    pub(crate) directory: TempDir,
}

impl Bench {
    pub(crate) fn new() -> Bench {
        Bench { directory: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// `bl702-emu exec OPTIONS -- CLIENT`, not started yet, all output kept.
    pub(crate) fn command(&self, options: &[&str], client: &[&OsStr]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bl702-emu"));
        command.arg("exec").args(options).arg("--report").arg(self.path("report.json"));
        command.arg("--").args(client).stdin(Stdio::null());
        command
    }

    /// Runs it to its end.
    pub(crate) fn exec(&self, options: &[&str], client: &[&str]) -> Done {
        let client: Vec<&OsStr> = client.iter().map(OsStr::new).collect();
        self.run(&mut self.command(options, &client))
    }

    /// Runs a command to its end, with its output in files: nobody has to read while it runs.
    pub(crate) fn run(&self, command: &mut Command) -> Done {
        let [stdout, stderr] = ["stdout", "stderr"].map(|name| self.path(name));
        command.stdout(File::create(&stdout).unwrap()).stderr(File::create(&stderr).unwrap());
        let status = wait(command.spawn().unwrap());
        let text = |path: &Path| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
        let report = fs::read(self.path("report.json")).unwrap_or_default();
        let report = serde_json::from_slice(&report).unwrap_or(Value::Null);
        Done { status, stdout: text(&stdout), stderr: text(&stderr), report }
    }

    /// Compiles one of the clients beside this file; `None`, and a word about it, where there is no C compiler or it
    /// lacks what `flags` ask for.
    pub(crate) fn compile(&self, name: &str, flags: &[&str]) -> Option<PathBuf> {
        let source =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/launcher/clients").join(format!("{name}.c"));
        let program = self.path(name);
        if !self.can_compile(flags) {
            eprintln!("skipped: no C compiler here that takes {flags:?}");
            return None;
        }
        let done = Command::new("cc")
            .args(["-O1", "-Wall", "-Wextra", "-Wno-unused-function", "-Werror", "-pthread"])
            .arg("-o")
            .args([&program, &source])
            .args(flags)
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        Some(program)
    }

    fn can_compile(&self, flags: &[&str]) -> bool {
        let source = self.path("probe.c");
        fs::write(&source, "#include <stdio.h>\nint main(void) { return puts(\"\") < 0; }\n").unwrap();
        let program = self.path("probe");
        let done = Command::new("cc").arg("-o").args([&program, &source]).args(flags).output();
        done.is_ok_and(|done| done.status.success())
    }

    /// Compiles a client and runs it with `{port}` and `arguments`; `None` where it cannot be compiled.
    pub(crate) fn client(
        &self,
        name: &str,
        flags: &[&str],
        options: &[&str],
        arguments: &[&str],
    ) -> Option<Done> {
        let program = self.compile(name, flags)?;
        let mut client = vec![program.to_str().unwrap(), "{port}"];
        client.extend(arguments);
        Some(self.exec(options, &client))
    }
}

/// A descriptor of a process that becomes readable when the process has ended.
pub(crate) fn process(pid: u32) -> OwnedFd {
    pidfd_open(Pid::from_raw(pid as i32).unwrap(), PidfdFlags::empty()).unwrap()
}

/// Whether `fd` is readable or hung up within the bound.
pub(crate) fn readable(fd: &impl AsFd, bound: Timespec) -> bool {
    loop {
        match poll(&mut [PollFd::new(fd, PollFlags::IN)], Some(&bound)) {
            // Stopped for a moment.
            Err(rustix::io::Errno::INTR) => {}
            ready => return ready.unwrap() > 0,
        }
    }
}

/// As [`readable`], within what no run exceeds.
pub(crate) fn readable_in_time(fd: &impl AsFd) -> bool {
    readable(fd, Timespec { tv_sec: BOUND_S, tv_nsec: 0 })
}

/// Waits for the end of a process; panics when it does not come in time.
pub(crate) fn wait_for_end(process: &OwnedFd) {
    assert!(readable_in_time(process), "still running after {BOUND_S} s");
}

/// Waits for the end of a child, and kills it when that does not come in time.
pub(crate) fn wait(mut child: Child) -> ExitStatus {
    if !readable_in_time(&process(child.id())) {
        child.kill().unwrap();
    }
    child.wait().unwrap()
}
