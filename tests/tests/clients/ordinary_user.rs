//! Nothing of this needs a privilege.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use bl702_harness::images::other;
use bl702_harness::programs::emulator;
use rustix::process::geteuid;

use super::results::{EQUAL, passed};
use bl702_harness::clients::bench::{Bench, copy, read};
use bl702_harness::clients::tools::IOT_1_10_0;

/// `setpriv` as the user and group that own nothing.
const AS_NOBODY: &[&str] = &["--reuid", "65534", "--regid", "65534", "--clear-groups", "--no-new-privs"];

/// `setpriv` as root without any of root's powers, for where nobody may not look at any Python.
const AS_POWERLESS_ROOT: &[&str] =
    &["--securebits", "+noroot", "--bounding-set", "-all", "--inh-caps", "-all", "--no-new-privs"];

/// Version of a Python, as somebody sees it.
fn version(run_as: &[&str], python: &Path) -> Option<Vec<u8>> {
    let script = "import sys; print(sys.version_info[:2])";
    // setpriv itself starts a program with the powers it has had.
    let told =
        Command::new("setpriv").args(run_as).arg("env").arg(python).args(["-c", script]).output().ok()?;
    told.status.success().then_some(told.stdout)
}

/// A Python that packages for `own` work with, and how root lays down its powers to run it.
fn without_powers(own: &Path) -> (PathBuf, &'static [&'static str]) {
    let wanted = version(AS_POWERLESS_ROOT, own).unwrap();
    let mut candidates = [own.to_owned(), PathBuf::from("/usr/bin/python3")].into_iter();
    let found = candidates.find(|python| version(AS_NOBODY, python).as_ref() == Some(&wanted));
    found.map_or((own.to_owned(), AS_POWERLESS_ROOT), |python| (python, AS_NOBODY))
}

/// Word for word what the README names. As root the whole runs as nobody, with copies of all programs: where the
/// originals are, nobody may not look.
#[test]
#[ignore = "needs the vendor's flashers: see main.rs"]
fn an_ordinary_user_reads_the_flash() {
    let tool = &IOT_1_10_0;
    let bench = Bench::new(tool);
    let contents = other(1024 * 1024, 9);
    bench.set_flash(&contents);
    for entry in fs::read_dir(tool.site_packages()).unwrap() {
        let path = entry.unwrap().path();
        if !bench.path("packages").join(path.file_name().unwrap()).exists() {
            copy(&path, &bench.path("packages"));
        }
    }
    let (own, script) = (bench.path("bl702-emu"), bench.path("bflb-iot-tool"));
    fs::copy(emulator(), &own).unwrap();
    fs::copy(tool.program(), &script).unwrap();
    let mut python = fs::canonicalize(tool.python()).unwrap();
    let mut command = Command::new(&own);
    if geteuid().is_root() {
        let run_as;
        (python, run_as) = without_powers(&python);
        if run_as == AS_NOBODY {
            let given = Command::new("chown").args(["-R", "65534:65534"]).arg(bench.path("")).status();
            assert!(given.unwrap().success());
        }
        command = Command::new("setpriv");
        command.args(run_as).arg(&own);
    }
    let program: [&OsStr; 2] = [python.as_os_str(), script.as_os_str()];
    let arguments = tool.read(0, 0x10_0000, &bench.read_file());
    let done = bench.run(command, &["--pace", "none"], &program, &arguments).expect_clean(tool);
    assert!(read(&bench.read_file()) == contents, "what was read differs: {}", done.said);
    passed(tool, "read 1 MiB as an ordinary user", EQUAL);
}
