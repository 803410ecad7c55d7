//! `kill -9` of any process of a run, at any moment: nobody is left, nothing is in the way of the next run, and the
//! flash is that of a module that has lost its supply.

use std::ffi::OsStr;
use std::fs;
use std::io::{PipeReader, PipeWriter, Read};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rstest::rstest;
use rustix::process::{Pid, Signal, kill_process};
use rustix::time::Timespec;

use crate::bench::{Bench, process, readable, readable_in_time, wait};

/// So many runs a test.
const RUNS: u32 = 12;
/// No run is left alone for longer: that is in the middle of its writes, if the machine is idle.
const LONGEST_RUN_US: u32 = 150_000;

/// Whom to kill.
#[derive(Clone, Copy, Debug)]
enum Victim {
    Emulator,
    Guardian,
    Client,
}

/// A run, and the end of a pipe that is at its end when no process of it is left.
struct Run {
    child: Child,
    told: PipeReader,
    remains: PipeReader,
}

fn start(bench: &Bench, options: &[&str], program: &Path) -> Run {
    let command = bench.command(options, &[program.as_os_str(), OsStr::new("{port}")]);
    let (remains, held): (PipeReader, PipeWriter) = std::io::pipe().unwrap();
    let (told, stdout) = std::io::pipe().unwrap();
    // Number 9 stays open in whatever this becomes and starts.
    let child = Command::new("sh")
        .args(["-c", "exec 9<&0 </dev/null; exec \"$@\"", "sh"])
        .arg(command.get_program())
        .args(command.get_args())
        .stdin(OwnedFd::from(held))
        .stdout(stdout)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    Run { child, told, remains }
}

/// The first child of a process, if it has one by now.
fn child_of(pid: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    children.split_ascii_whitespace().next()?.parse().ok()
}

impl Run {
    /// Kills `victim`, or what there is of the run before it, after so long; gives the count of acknowledged pages.
    fn kill(mut self, victim: Victim, after_us: u32) -> usize {
        let ended = process(self.child.id());
        let patience = Timespec { tv_sec: 0, tv_nsec: i64::from(after_us) * 1000 };
        // It does not end by itself: this is nothing but a moment.
        readable(&ended, patience);
        let emulator = self.child.id();
        let guardian = child_of(emulator);
        let pid = match victim {
            Victim::Emulator => emulator,
            Victim::Guardian => guardian.unwrap_or(emulator),
            Victim::Client => guardian.and_then(child_of).unwrap_or(emulator),
        };
        // It may have ended: the run of a guardian that was found while it was still the shell's.
        let _ = kill_process(Pid::from_raw(pid as i32).unwrap(), Signal::KILL);
        wait(self.child);
        assert!(readable_in_time(&self.remains), "somebody is left of the run");
        let mut told = String::new();
        self.told.read_to_string(&mut told).unwrap();
        // The last line may be torn.
        told.matches('\n').count()
    }
}

/// Flash that was erased and then written by the client, up to somewhere.
fn check_flash(path: &Path, acknowledged: usize) {
    let Ok(flash) = fs::read(path) else {
        assert_eq!(acknowledged, 0);
        return;
    };
    assert_eq!(flash.len(), 1 << 20);
    for (page, bytes) in flash.chunks(256).enumerate() {
        let value = page as u8;
        // The RAM loader acknowledges a page before it programs it, and the next one not before it has.
        if page + 1 < acknowledged {
            assert!(bytes.iter().all(|byte| *byte == value), "page {page} of {acknowledged} is not written");
        } else if page <= acknowledged {
            assert!(bytes.iter().all(|byte| byte & value == value), "page {page}: bits that nobody cleared");
        } else {
            assert!(bytes.iter().all(|byte| *byte == 0xff), "page {page} of {acknowledged} is written");
        }
    }
}

#[rstest]
fn at_any_moment(#[values(Victim::Emulator, Victim::Guardian, Victim::Client)] victim: Victim) {
    let bench = Bench::new();
    let Some(program) = bench.compile("writer", &[]) else { return };
    let [link, flash] = ["link", "flash.bin"].map(|name| bench.path(name));
    let options = ["--start", "loader", "--link", link.to_str().unwrap(), "--flash", flash.to_str().unwrap()];
    let mut chance = ChaCha8Rng::seed_from_u64(victim as u64);
    let mut pages = 0;
    for run in 0..RUNS {
        let _ = fs::remove_file(&flash);
        // Half of them while it starts.
        let longest_us = if run % 2 == 0 { LONGEST_RUN_US } else { LONGEST_RUN_US / 10 };
        let acknowledged = start(&bench, &options, &program).kill(victim, chance.random_range(0..longest_us));
        check_flash(&flash, acknowledged);
        pages += acknowledged;
    }
    eprintln!("{pages} pages were written before a kill");
    let done =
        bench.exec(&options, &["sh", "-c", "readlink \"$1\"; echo \"$2\"", "sh", options[3], "{port}"]);
    let done = done.expect_success();
    let lines: Vec<_> = done.stdout.lines().collect();
    assert_eq!(lines[0], lines[1], "the link leads to the port");
    assert!(
        fs::symlink_metadata(&link).is_err() && fs::symlink_metadata(link.with_extension("sock")).is_err()
    );
}
