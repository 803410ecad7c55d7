//! What `bl702-emu exec` costs a client that needs no modem lines: `cargo bench -p bl702-emulator --bench exec`.
//!
//! One client, run by turns through `exec` and against `run` without it, reads the flash of a module at `--pace none`, so
//! that nothing but the programs and the kernel takes time; then the same at `--pace wire`. The goal is a ratio of 0.95
//! or more. Then the time that `exec -- true` takes beyond `true`; the goal is 30 ms or less.
//!
//! Figures are printed and judged by people. The exit status tells only whether the bytes were right.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failure is a failed benchmark")]
#![allow(clippy::disallowed_methods, reason = "it measures real time")]

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use rustix::fs::{Mode, OFlags};
use rustix::termios::OptionalActions;

const EMULATOR: &str = env!("CARGO_BIN_EXE_bl702-emu");
/// The word that makes this program the client.
const CLIENT: &str = "--be-the-client";
const BAUD_BPS: u32 = 3_000_000;
const FLASH_BYTES: usize = 1 << 20;
/// What one command reads.
const CHUNK_BYTES: usize = 2048;
const PAIRS: usize = 9;
const STARTS: usize = 15;

fn main() {
    let words: Vec<String> = std::env::args().collect();
    if let Some(at) = words.iter().position(|word| word == CLIENT) {
        return client(Path::new(&words[at + 1]), words[at + 2].parse().unwrap());
    }
    let scratch = Scratch::new();
    compare(&scratch.flash, "none", 8 * FLASH_BYTES);
    compare(&scratch.flash, "wire", FLASH_BYTES / 8);
    start_up();
}

/// The flash image, and the directory it is in.
struct Scratch {
    directory: PathBuf,
    flash: PathBuf,
}

impl Scratch {
    fn new() -> Scratch {
        let directory = std::env::temp_dir().join(format!("bl702-emu-bench-{}", std::process::id()));
        std::fs::create_dir(&directory).unwrap();
        let flash = directory.join("flash.bin");
        std::fs::write(&flash, pattern()).unwrap();
        Scratch { directory, flash }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn pattern() -> Vec<u8> {
    (0..FLASH_BYTES as u32).map(|at| (7 * at + 13 * (at >> 8)) as u8).collect()
}

/// Lets the client read so many bytes through `exec` and without it, by turns.
fn compare(flash: &Path, pace: &str, bytes: usize) {
    let (mut ratios, mut best) = (Vec::new(), (0.0_f64, 0.0_f64));
    for pair in 0..PAIRS {
        // Who comes first must not always be the same.
        let (through, without) = if pair % 2 == 0 {
            let through = through_exec(flash, pace, bytes);
            (through, without_exec(flash, pace, bytes))
        } else {
            let without = without_exec(flash, pace, bytes);
            (through_exec(flash, pace, bytes), without)
        };
        ratios.push(through / without);
        best = (best.0.max(through), best.1.max(without));
        println!(
            "pace {pace}: {:7.0} KiB/s through exec, {:7.0} KiB/s without, ratio {:.3}",
            through / 1024.0,
            without / 1024.0,
            through / without
        );
    }
    // On a busy machine the best of each tells more than the median, which compares who was disturbed less.
    let (median, best) = (median(&mut ratios), best.0 / best.1);
    println!("pace {pace}: median ratio {median:.3}, ratio of the best {best:.3} (goal: 0.950 or more)");
}

fn median(figures: &mut [f64]) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn options<'a>(flash: &'a Path, pace: &'a str) -> [&'a str; 8] {
    ["--start", "loader", "--profile", "vectors-loader", "--pace", pace, "--flash", flash.to_str().unwrap()]
}

fn through_exec(flash: &Path, pace: &str, bytes: usize) -> f64 {
    let own = std::env::current_exe().unwrap();
    let mut command = Command::new(EMULATOR);
    command.arg("exec").args(options(flash, pace)).arg("--").arg(own);
    rate_of(command.args([CLIENT, "{port}", &bytes.to_string()]))
}

fn without_exec(flash: &Path, pace: &str, bytes: usize) -> f64 {
    let mut command = Command::new(EMULATOR);
    command.arg("run").args(options(flash, pace));
    let mut served = Served(command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap());
    let mut port = String::new();
    BufReader::new(served.0.stdout.as_mut().unwrap()).read_line(&mut port).unwrap();
    let mut client = Command::new(std::env::current_exe().unwrap());
    rate_of(client.args([CLIENT, port.trim(), &bytes.to_string()]))
}

/// A running emulator, killed when it is no longer needed.
struct Served(Child);

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Bytes a second, as the client tells.
fn rate_of(command: &mut Command) -> f64 {
    let output = command.stdin(Stdio::null()).stderr(Stdio::piped()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
}

/// How long `exec -- true` takes beyond `true`.
fn start_up() {
    let time = |words: &[&str]| {
        let began = Instant::now();
        let mut command = Command::new(words[0]);
        let status = command.args(&words[1..]).stderr(Stdio::null()).status().unwrap();
        assert!(status.success(), "{words:?}: {status}");
        began.elapsed().as_secs_f64() * 1e3
    };
    let mut costs: Vec<f64> =
        (0..STARTS).map(|_| time(&[EMULATOR, "exec", "--", "true"]) - time(&["true"])).collect();
    let median = median(&mut costs);
    println!(
        "start and end: median {median:.1} ms more than without exec, best {:.1} ms (goal: 30 ms or less)",
        costs[0]
    );
}

/// Reads `bytes` of the flash by the RAM loader's command 32h, checks them, and prints how many a second there were.
fn client(path: &Path, bytes: usize) {
    let mut port = open(path);
    port.write_all(&[0x55; BAUD_BPS as usize * 3 / 10_000]).unwrap();
    let mut ok = [0; 2];
    port.read_exact(&mut ok).unwrap();
    assert_eq!(&ok, b"OK");
    // The loader throws away what comes just behind its OK.
    let pause = rustix::event::Timespec { tv_sec: 0, tv_nsec: 30_000_000 };
    rustix::event::poll(&mut [], Some(&pause)).unwrap();
    let expected = pattern();
    let began = Instant::now();
    let mut reply = vec![0; 4 + CHUNK_BYTES];
    for done in (0..bytes).step_by(CHUNK_BYTES) {
        let at = done % FLASH_BYTES;
        let mut request = vec![0x32, 0, 8, 0];
        request.extend((at as u32).to_le_bytes());
        request.extend((CHUNK_BYTES as u32).to_le_bytes());
        port.write_all(&request).unwrap();
        port.read_exact(&mut reply).unwrap();
        assert!(
            reply[..2] == *b"OK" && reply[4..] == expected[at..at + CHUNK_BYTES],
            "wrong data at {at:#x}"
        );
    }
    println!("{}", bytes as f64 / began.elapsed().as_secs_f64());
}

fn open(path: &Path) -> File {
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let port: OwnedFd = rustix::fs::open(path, flags, Mode::empty()).unwrap();
    let mut settings = rustix::termios::tcgetattr(&port).unwrap();
    settings.make_raw();
    settings.set_speed(BAUD_BPS).unwrap();
    rustix::termios::tcsetattr(&port, OptionalActions::Now, &settings).unwrap();
    File::from(port)
}
