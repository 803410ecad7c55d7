//! The program under test and a client of its own: raw termios, bounded waits, no shared code with the emulator.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal, kill_process};
use rustix::termios::{OptionalActions, QueueSelector};

/// Longer than anything takes on a busy machine; only a failing test waits so long.
const PATIENCE_MS: u64 = 20_000;
/// How long nothing must come for "the chip says nothing". Too short makes a test weaker, never wrong.
pub(crate) const SILENCE_MS: u64 = 30;

/// Whether `fd` is readable (or hung up) within `ms`.
pub(crate) fn readable(fd: &impl AsFd, ms: u64) -> bool {
    let timeout = Timespec { tv_sec: (ms / 1000) as i64, tv_nsec: (ms % 1000 * 1_000_000) as i64 };
    let mut fds = [PollFd::new(fd, PollFlags::IN)];
    loop {
        match poll(&mut fds, Some(&timeout)) {
            Ok(count) => return count > 0,
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => panic!("poll: {errno}"),
        }
    }
}

/// `bl702-emu` with these arguments, all of its output captured.
pub(crate) fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bl702-emu"));
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Exit code, stdout and stderr of a run that ends by itself.
pub(crate) fn outcome(args: &[&str]) -> (i32, String, String) {
    let output = command(args).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// A line from a pipe, without reading beyond it.
fn line(pipe: &mut (impl Read + AsFd)) -> String {
    let mut line = Vec::new();
    while line.last() != Some(&b'\n') {
        assert!(readable(pipe, PATIENCE_MS), "no line within {PATIENCE_MS} ms");
        let mut byte = [0];
        if pipe.read(&mut byte).unwrap() == 0 {
            break;
        }
        line.push(byte[0]);
    }
    String::from_utf8(line).unwrap().trim_end().to_owned()
}

/// A running `bl702-emu run`, killed at the end of the test.
pub(crate) struct Emulator {
    child: Child,
    pub(crate) first_line: String,
}

impl Emulator {
    /// Starts it and waits for its first line.
    pub(crate) fn run(args: &[&str]) -> Emulator {
        let mut child = command(&[&["run"], args].concat()).spawn().unwrap();
        let first_line = line(child.stdout.as_mut().unwrap());
        if first_line.is_empty() {
            let mut errors = String::new();
            child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
            panic!("bl702-emu run {args:?}: {errors}");
        }
        Emulator { child, first_line }
    }

    pub(crate) fn next_line(&mut self) -> String {
        line(self.child.stdout.as_mut().unwrap())
    }

    /// The next line of warnings.
    pub(crate) fn warning(&mut self) -> String {
        loop {
            let line = self.error_line();
            // The addresses come there as well.
            if line.is_empty() || line.starts_with("warning: ") {
                return line;
            }
        }
    }

    /// The next line on standard error.
    pub(crate) fn error_line(&mut self) -> String {
        line(self.child.stderr.as_mut().unwrap())
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn open(&self, baud_bps: u32) -> Client {
        Client::open(Path::new(&self.first_line), baud_bps)
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Sends a signal and waits for the end.
    pub(crate) fn end(&mut self, signal: Signal) -> ExitStatus {
        self.signal(signal);
        self.child.wait().unwrap()
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client with the port open.
pub(crate) struct Client {
    port: OwnedFd,
}

impl Client {
    pub(crate) fn open(path: &Path, baud_bps: u32) -> Client {
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let port =
            rustix::fs::open(path, flags, Mode::empty()).unwrap_or_else(|errno| panic!("{path:?}: {errno}"));
        let client = Client { port };
        client.set_rates(baud_bps, baud_bps);
        client
    }

    /// What the client sends at, and what it receives at.
    pub(crate) fn set_rates(&self, send_bps: u32, receive_bps: u32) {
        let mut settings = rustix::termios::tcgetattr(&self.port).unwrap();
        settings.make_raw();
        settings.set_output_speed(send_bps).unwrap();
        settings.set_input_speed(receive_bps).unwrap();
        rustix::termios::tcsetattr(&self.port, OptionalActions::Now, &settings).unwrap();
    }

    /// What a client with a fresh `struct termios` does: clears every flag it does not know, EXTPROC among them.
    pub(crate) fn set_bare_settings(&self, baud_bps: u32) {
        let mut settings = rustix::termios::tcgetattr(&self.port).unwrap();
        settings.make_raw();
        settings.local_modes = rustix::termios::LocalModes::empty();
        settings.set_speed(baud_bps).unwrap();
        rustix::termios::tcsetattr(&self.port, OptionalActions::Now, &settings).unwrap();
    }

    pub(crate) fn flush_input(&self) {
        rustix::termios::tcflush(&self.port, QueueSelector::IFlush).unwrap();
    }

    pub(crate) fn set_exclusive(&self) {
        rustix::termios::ioctl_tiocexcl(&self.port).unwrap();
    }

    /// Whether the terminal is locked for other users' opens (TIOCGEXCL).
    #[allow(unsafe_code)]
    pub(crate) fn is_exclusive(&self) -> bool {
        // SAFETY: TIOCGEXCL of Linux's `asm-generic/ioctls.h` writes one int.
        let exclusive: i32 = unsafe {
            const TIOCGEXCL: rustix::ioctl::Opcode = rustix::ioctl::opcode::read::<i32>(b'T', 0x40);
            rustix::ioctl::ioctl(&self.port, rustix::ioctl::Getter::<TIOCGEXCL, i32>::new()).unwrap()
        };
        exclusive != 0
    }

    pub(crate) fn send(&self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let written = rustix::io::write(&self.port, rest).unwrap();
            rest = &rest[written..];
        }
    }

    /// Exactly `count` bytes, or what came within the bound.
    pub(crate) fn receive(&self, count: usize) -> Vec<u8> {
        self.receive_within(count, PATIENCE_MS)
    }

    pub(crate) fn receive_within(&self, count: usize, ms: u64) -> Vec<u8> {
        let mut received = Vec::new();
        while received.len() < count && readable(&self.port, ms) {
            let mut buffer = vec![0; count - received.len()];
            let length = rustix::io::read(&self.port, &mut buffer).unwrap();
            received.extend_from_slice(&buffer[..length]);
        }
        received
    }

    /// Sends, and gives as many bytes as are expected and whatever comes behind them.
    pub(crate) fn ask(&self, request: &[u8], expected_bytes: usize) -> Vec<u8> {
        self.send(request);
        let mut received = self.receive(expected_bytes);
        received.extend(self.receive_within(1, if expected_bytes == 0 { SILENCE_MS } else { 2 }));
        received
    }

    /// Whether the port goes within the bound: what was sent before may still be read.
    #[allow(dead_code, reason = "one of the test programs pulls cables")]
    pub(crate) fn hangs_up(&self) -> bool {
        while readable(&self.port, PATIENCE_MS) {
            match rustix::io::read(&self.port, &mut [0; 64]) {
                Ok(0) | Err(rustix::io::Errno::IO) => return true,
                _ => {}
            }
        }
        false
    }

    pub(crate) fn is_quiet(&self, ms: u64) -> bool {
        !readable(&self.port, ms)
    }

    /// 3 ms worth of 55h until `OK`, a few times, as the vendor's tool does; then waits for the drain to pass.
    pub(crate) fn shake_hands(&self, baud_bps: u32) {
        for _ in 0..5 {
            self.send(&vec![0x55; (baud_bps as usize * 3 / 10_000).max(1)]);
            let answer = self.receive_within(2, 2_000);
            if !answer.is_empty() {
                assert_eq!(answer, b"OK");
                assert!(self.is_quiet(5), "something came behind OK");
                return;
            }
        }
        panic!("no OK at {baud_bps} baud");
    }
}

pub(crate) fn hex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2));
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// A file of the repository's fixtures.
pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures").join(name)
}

/// The rows of a vector file.
pub(crate) fn vectors(name: &str) -> Vec<bl702_emulator::conformance::Vector> {
    let text = std::fs::read_to_string(fixture(&format!("vectors/{name}.jsonl"))).unwrap();
    text.lines().map(|line| bl702_emulator::conformance::Vector::parse(line).unwrap()).collect()
}

/// Request and reply of a row by its name.
pub(crate) fn vector(file: &str, name: &str) -> (Vec<u8>, Vec<u8>) {
    let row = vectors(file).into_iter().find(|row| row.name == name).unwrap();
    match row.request.action {
        bl702_emulator::conformance::Action::Send(request) => (request, row.request.response.unwrap()),
        other => panic!("{name} sends nothing: {other:?}"),
    }
}

pub(crate) fn write(path: &Path, bytes: &[u8]) {
    File::create(path).unwrap().write_all(bytes).unwrap();
}

/// A path as an argument.
pub(crate) fn arg(path: &Path) -> &str {
    path.to_str().unwrap()
}
