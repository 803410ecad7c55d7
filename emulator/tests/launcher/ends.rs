//! How clients and emulators end, by themselves and by force.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use rstest::rstest;
use rustix::process::{Pid, Signal, kill_process};

use crate::bench::{Bench, process, wait, wait_for_end};

#[rstest]
#[case("exit 0", Some(0), None)]
#[case("exit 7", Some(7), None)]
#[case("kill -TERM $$", None, Some(15))]
#[case("kill -KILL $$", None, Some(9))]
#[case("kill -SEGV $$", None, Some(11))]
fn the_end_is_the_clients_own(#[case] script: &str, #[case] code: Option<i32>, #[case] signal: Option<i32>) {
    let bench = Bench::new();
    let done = bench.exec(&[], &["sh", "-c", script]);
    assert_eq!((done.status.code(), done.status.signal()), (code, signal), "{done:#?}");
    assert_eq!(done.report["client"]["exit_status"].as_i64(), code.map(i64::from));
    assert_eq!(done.report["client"]["signal"].as_i64(), signal.map(i64::from));
}

#[rstest]
#[case::absent("/no/such/client", 127)]
#[case::absent_from_the_path("no-such-client-anywhere", 127)]
#[case::no_program("/etc/passwd", 126)]
#[case::a_directory("/", 126)]
fn a_client_that_cannot_be_run(#[case] client: &str, #[case] code: i32) {
    let bench = Bench::new();
    let done = bench.exec(&[], &[client]);
    assert_eq!(done.status.code(), Some(code), "{done:#?}");
    assert!(done.stderr.contains(client), "{done:#?}");
}

#[test]
fn input_and_output_are_the_clients_own() {
    let bench = Bench::new();
    let client = ["sh", "-c", "cat; echo to-stderr >&2"].map(OsStr::new);
    let mut command = bench.command(&[], &client);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"through and through\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.stdout, b"through and through\n");
    assert!(String::from_utf8_lossy(&output.stderr).contains("to-stderr\n"), "{output:?}");
    assert!(output.status.success());
}

#[rstest]
#[case(Signal::TERM, "TERM")]
#[case(Signal::INT, "INT")]
#[case(Signal::HUP, "HUP")]
#[case(Signal::USR1, "USR1")]
fn signals_are_passed_on(#[case] signal: Signal, #[case] name: &str) {
    let bench = Bench::new();
    // The sleep is left behind; the guardian ends it.
    let script = format!("trap 'exit 5' {name}; sleep 600 & echo $!; wait");
    let exec = bench.command(&[], &["sh", "-c", &script].map(OsStr::new));
    // These tests may run where signals are ignored (nohup, a job in the background), and a shell cannot trap those.
    let mut child = Command::new("env")
        .arg("--default-signal")
        .arg(exec.get_program())
        .args(exec.get_args())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let sleep = process(line.trim().parse().unwrap());
    kill_process(Pid::from_child(&child), signal).unwrap();
    assert_eq!(wait(child).code(), Some(5));
    wait_for_end(&sleep);
}

#[test]
fn an_ignored_signal_stays_ignored() {
    let bench = Bench::new();
    let program = bench.command(&[], &["sh", "-c", "kill -HUP $$; exit 3"].map(OsStr::new));
    let words = std::iter::once(program.get_program()).chain(program.get_args());
    let done = bench.run(Command::new("nohup").args(words));
    assert_eq!(done.status.code(), Some(3), "{done:#?}");
}

/// Starts a client that has a child of its own and tells both process ids.
fn start_tree(bench: &Bench, options: &[&str]) -> (std::process::Child, Vec<std::os::fd::OwnedFd>) {
    let script = "exec 3<>\"$1\"; sleep 600 & echo $$; echo $!; wait";
    let mut child = bench
        .command(options, &["sh", "-c", script, "sh", "{port}"].map(OsStr::new))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let tree = lines.take(2).map(|line| process(line.unwrap().trim().parse().unwrap())).collect();
    (child, tree)
}

#[test]
fn a_killed_emulator_leaves_nobody_behind_and_nothing_in_the_way() {
    let bench = Bench::new();
    let [link, flash] = ["link", "flash.bin"].map(|name| bench.path(name).to_str().unwrap().to_owned());
    let options = ["--link", &link, "--flash", &flash];
    for _ in 0..3 {
        let (mut child, tree) = start_tree(&bench, &options);
        child.kill().unwrap();
        assert_eq!(wait(child).signal(), Some(9));
        tree.iter().for_each(wait_for_end);
    }
    let done = bench.exec(&options, &["sh", "-c", "readlink \"$1\"; echo \"$2\"", "sh", &link, "{port}"]);
    let done = done.expect_success();
    let lines: Vec<_> = done.stdout.lines().collect();
    assert_eq!(lines[0], lines[1], "the link leads to the port");
    assert!(std::fs::symlink_metadata(&link).is_err(), "and goes at the end");
    assert_eq!(std::fs::metadata(&flash).unwrap().len(), 1 << 20);
}

#[test]
fn a_killed_client_ends_the_emulator_the_same_way() {
    let bench = Bench::new();
    let (child, tree) = start_tree(&bench, &[]);
    rustix::process::pidfd_send_signal(&tree[0], Signal::KILL).unwrap();
    assert_eq!(wait(child).signal(), Some(9));
    tree.iter().for_each(wait_for_end);
}

#[test]
fn a_killed_guardian_takes_the_client_with_it() {
    let bench = Bench::new();
    let (child, tree) = start_tree(&bench, &[]);
    // The one child that the emulator has.
    let children = format!("/proc/{0}/task/{0}/children", child.id());
    let Ok(guardian) = std::fs::read_to_string(&children) else {
        eprintln!("skipped: no {children} in this kernel");
        return;
    };
    kill_process(Pid::from_raw(guardian.trim().parse().unwrap()).unwrap(), Signal::KILL).unwrap();
    let status = wait(child);
    // 1 when the guardian had not even told that the client runs.
    assert!(status.signal() == Some(9) || status.code() == Some(1), "{status:?}");
    tree.iter().for_each(wait_for_end);
}

#[test]
fn a_launcher_inside_a_launcher_says_why_it_cannot_work() {
    let bench = Bench::new();
    let done = bench.exec(&[], &[env!("CARGO_BIN_EXE_bl702-emu"), "exec", "--", "true"]);
    assert_eq!(done.status.code(), Some(1), "{done:#?}");
    for expected in
        ["the kernel allows one in a process tree", "--rfc2217", "--wiring none", "bl702-emu run --link"]
    {
        assert!(done.stderr.contains(expected), "{expected}: {done:#?}");
    }
}

#[test]
fn a_report_that_cannot_be_written_is_told_before_the_client_runs() {
    let bench = Bench::new();
    let mark = bench.path("mark");
    let mut command = Command::new(env!("CARGO_BIN_EXE_bl702-emu"));
    command.args(["exec", "--report", "/no/such/directory/report.json", "--", "touch"]).arg(&mark);
    let done = bench.run(&mut command);
    assert_eq!(done.status.code(), Some(2), "{done:#?}");
    assert!(!mark.exists());
}
