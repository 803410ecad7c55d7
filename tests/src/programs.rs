//! `bl702-emu` and `bl702-flash` as child processes. Every wait has an end, and nobody sleeps.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

/// A program that has not ended or spoken by then hangs. Generous: the machine may be busy with other tests.
pub const LIMIT: Duration = Duration::from_secs(60);

/// The emulator's program.
pub fn emulator() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| program("bl702-emu", "bl702-emulator"))
}

/// The flasher's program.
pub fn flasher() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| program("bl702-flash", "bl702-flasher"))
}

/// A program of another package of the workspace, as new as its sources: cargo builds it for tests of its own package only.
fn program(name: &str, package: &str) -> PathBuf {
    let test = std::env::current_exe().expect("no path of the test program");
    // target/PROFILE/deps/TEST
    let folder = test.parent().and_then(Path::parent).expect("the test program lies in target/PROFILE/deps");
    let file = folder.join(name);
    if !is_fresh(&file) {
        let target = folder.parent().expect("target/PROFILE");
        let profile = match folder.file_name().and_then(|name| name.to_str()) {
            Some("debug") | None => "dev",
            Some(profile) => profile,
        };
        let built = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--package", package, "--bin", name, "--profile", profile])
            .arg("--target-dir")
            .arg(target)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status()
            .expect("cannot run cargo");
        assert!(built.success() && file.exists(), "cargo could not build {name}");
    }
    file
}

/// Whether a program is newer than every source that its dependency file names.
fn is_fresh(file: &Path) -> bool {
    let changed = |path: &Path| fs::metadata(path).and_then(|found| found.modified());
    let (Ok(built), Ok(list)) = (changed(file), fs::read_to_string(file.with_extension("d"))) else {
        return false;
    };
    let sources = list.split_once(": ").map_or("", |(_, sources)| sources);
    sources.split_whitespace().all(|source| changed(Path::new(source)).is_ok_and(|at| at <= built))
}

/// What a program left behind.
#[derive(Debug)]
pub struct Ended {
    /// How it ended.
    pub status: ExitStatus,
    /// What it wrote to standard output.
    pub stdout: Vec<u8>,
    /// What it wrote to standard error.
    pub stderr: String,
}

impl Ended {
    /// Its exit status; `None` if a signal ended it.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }
}

/// Runs a program to its end, nothing on its standard input.
///
/// # Panics
/// If it cannot be run, or has not ended after [`LIMIT`].
pub fn run(command: &mut Command) -> Ended {
    Started::new(command).finish()
}

/// A program under way; what it writes is taken from it as it comes.
#[derive(Debug)]
pub struct Started {
    process: Process,
    stdout: Receiver<Vec<u8>>,
    stderr: Receiver<Vec<u8>>,
    said: Vec<u8>,
}

impl Started {
    /// Starts a program.
    ///
    /// # Panics
    /// If it cannot be run.
    pub fn new(command: &mut Command) -> Started {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = Process::spawn(command);
        let stdout = lines(process.child.stdout.take().expect("its output was to be piped"));
        let stderr = lines(process.child.stderr.take().expect("its output was to be piped"));
        Started { process, stdout, stderr, said: Vec::new() }
    }

    /// Something that can end it from outside.
    pub fn killer(&self) -> Killer {
        self.process.killer()
    }

    /// Waits until a line with this text came out of its standard output.
    ///
    /// # Panics
    /// If it has ended without, or says nothing for [`LIMIT`].
    pub fn wait_for_line(&mut self, text: &str) {
        loop {
            let line = self.stdout.recv_timeout(LIMIT);
            let line = line.unwrap_or_else(|error| {
                panic!("{error}, and no line with {text:?} in {}", String::from_utf8_lossy(&self.said))
            });
            let found = String::from_utf8_lossy(&line).contains(text);
            self.said.extend(line);
            if found {
                return;
            }
        }
    }

    /// Waits until what came out of its standard output so far is enough.
    ///
    /// # Panics
    /// As [`wait_for_line`](Self::wait_for_line).
    pub fn wait_until(&mut self, is_enough: impl Fn(&str) -> bool) {
        while !is_enough(&String::from_utf8_lossy(&self.said)) {
            self.wait_for_line("");
        }
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// If it has not ended after [`LIMIT`].
    pub fn finish(self) -> Ended {
        self.finish_within(LIMIT)
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// If it has not ended after `limit`.
    pub fn finish_within(mut self, limit: Duration) -> Ended {
        let status = self.process.wait_within(limit);
        let mut stdout = self.said;
        // The channels end with the pipes, which nobody but the program held.
        stdout.extend(self.stdout.iter().flatten());
        Ended { status, stdout, stderr: text(self.stderr.iter()) }
    }
}

/// Takes lines from a pipe as they come.
fn lines(pipe: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        loop {
            let mut line = Vec::new();
            match pipe.read_until(b'\n', &mut line) {
                Ok(count) if count > 0 && sender.send(line).is_ok() => {}
                _ => return,
            }
        }
    });
    receiver
}

fn text(lines: impl Iterator<Item = Vec<u8>>) -> String {
    String::from_utf8_lossy(&lines.flatten().collect::<Vec<u8>>()).into_owned()
}

/// A child process that does not outlive its owner.
#[derive(Debug)]
struct Process {
    child: Child,
    exit: OwnedFd,
}

impl Process {
    fn spawn(command: &mut Command) -> Process {
        let child = command.spawn().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
        let exit = pidfd_open(pid(&child), PidfdFlags::empty()).expect("cannot watch a child process");
        Process { child, exit }
    }

    fn killer(&self) -> Killer {
        Killer { pid: pid(&self.child) }
    }

    fn wait(&mut self) -> ExitStatus {
        self.wait_within(LIMIT)
    }

    fn wait_within(&mut self, limit: Duration) -> ExitStatus {
        assert!(readable(self.exit.as_fd(), limit), "a program has not ended after {} s", limit.as_secs());
        self.child.wait().expect("cannot wait for a child process")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn pid(child: &Child) -> Pid {
    Pid::from_child(child)
}

/// Ends a process without warning, as `kill -9` does.
#[derive(Clone, Copy, Debug)]
pub struct Killer {
    pid: Pid,
}

impl Killer {
    /// Kills it. A process that has ended already, and was not waited for, stays as it is.
    ///
    /// # Panics
    /// If there is no such process.
    pub fn kill(self) {
        kill_process(self.pid, Signal::KILL).expect("the process is gone");
    }

    /// Asks it to end, as Ctrl-C does.
    ///
    /// # Panics
    /// If there is no such process.
    pub fn interrupt(self) {
        kill_process(self.pid, Signal::INT).expect("the process is gone");
    }
}

/// Whether something can be read (or a process has ended) within `limit`.
fn readable(descriptor: BorrowedFd<'_>, limit: Duration) -> bool {
    let limit = Timespec { tv_sec: limit.as_secs() as i64, tv_nsec: 0 };
    let mut waited = [PollFd::new(&descriptor, PollFlags::IN)];
    loop {
        match poll(&mut waited, Some(&limit)) {
            Err(rustix::io::Errno::INTR) => {}
            found => return found.expect("cannot wait for a descriptor") > 0,
        }
    }
}

/// `bl702-emu run`, serving a module until it is dropped or killed.
#[derive(Debug)]
pub struct Serving {
    process: Process,
    _stdout: ChildStdout,
    stderr: Receiver<Vec<u8>>,
    /// The pty of the module, or the first line of its output.
    pub first_line: String,
}

impl Serving {
    /// Starts it with these arguments behind `run` and waits until it serves.
    ///
    /// # Panics
    /// If it ends, or says nothing within [`LIMIT`].
    pub fn start<A: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = A>) -> Serving {
        let mut command = Command::new(emulator());
        command.arg("run").args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = Process::spawn(&mut command);
        let mut stdout = process.child.stdout.take().expect("its output was to be piped");
        let stderr = lines(process.child.stderr.take().expect("its output was to be piped"));
        let mut line = Vec::new();
        while !line.ends_with(b"\n") {
            assert!(readable(stdout.as_fd(), LIMIT), "bl702-emu says nothing: {command:?}");
            let mut byte = [0];
            let count = stdout.read(&mut byte).expect("cannot read what bl702-emu says");
            assert!(count == 1, "bl702-emu ended at once: {}", text(stderr.iter()));
            line.push(byte[0]);
        }
        let first_line = text([line].into_iter()).trim_end().to_owned();
        Serving { process, _stdout: stdout, stderr, first_line }
    }

    /// What it has written to standard error so far.
    pub fn remarks(&self) -> String {
        text(self.stderr.try_iter())
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.child.id()
    }

    /// Something that kills it.
    pub fn killer(&self) -> Killer {
        self.process.killer()
    }

    /// Waits until it has ended.
    ///
    /// # Panics
    /// If it has not ended after [`LIMIT`].
    pub fn wait(mut self) -> ExitStatus {
        self.process.wait()
    }
}

/// Runs a program to its end with a terminal of 120 columns for its input and both outputs; gives its exit status and what
/// it wrote.
///
/// # Panics
/// If there is no terminal to be had, it cannot be run, or has not ended after [`LIMIT`].
pub fn run_on_terminal(command: &mut Command) -> (Option<i32>, String) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("no pty");
    grantpt(&master).and_then(|()| unlockpt(&master)).expect("no pty");
    let size = Winsize { ws_row: 40, ws_col: 120, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&master, size).expect("cannot set the size of a terminal");
    let path = ptsname(&master, Vec::new()).expect("no pty").into_string().expect("the name of a pty");
    let terminal = File::options().read(true).write(true).open(path).expect("cannot open a pty");
    let end = || Stdio::from(terminal.try_clone().expect("too many files"));
    command.env("TERM", "xterm").stdin(end()).stdout(end()).stderr(end());
    let mut process = Process::spawn(command);
    // From now on the program alone has it open, and the command that holds copies of it.
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    drop(terminal);
    let reader = std::thread::spawn(move || {
        let (mut said, mut master) = (Vec::new(), File::from(master));
        // It ends with an error when the last who has the terminal open is gone.
        let _ = master.read_to_end(&mut said);
        said
    });
    let status = process.wait();
    let said = reader.join().expect("cannot read a terminal");
    (status.code(), String::from_utf8_lossy(&said).into_owned())
}

/// Writes a file.
///
/// # Panics
/// If it cannot be written.
pub fn put(path: &Path, bytes: &[u8]) {
    File::create(path)
        .and_then(|mut file| file.write_all(bytes))
        .unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
}
