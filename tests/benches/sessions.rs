//! How many whole sessions of flasher and emulator one core carries out in a second, in one process and virtual time:
//! `cargo bench -p bl702-harness --bench sessions`.
//!
//! [`session`](bl702_harness::measure::session) tells what a session is. What the flash holds afterwards is checked; wrong
//! data end the run with status 1, slowness never does.
//!
//! Seconds are those of the processor, so that other programs on the machine do not matter much.
//!
//! `... --bench sessions -- write-16k 5` carries out five of one kind and prints no rate, for a profiler.

use std::process::ExitCode;
use std::time::Duration;

use bl702_harness::images;
use bl702_harness::measure::figures::{Goal, row};
use bl702_harness::measure::session::{Ended, Setting, processor_time};

const KIB: usize = 1024;
const FLASH_BYTES: usize = 1024 * KIB;
/// Each kind is carried out for so long.
const SPAN: Duration = Duration::from_secs(2);

/// What a session does.
#[derive(Clone, Copy)]
enum Work {
    /// Writes so many bytes over old ones.
    Write(usize),
    /// Writes so many bytes to an erased flash.
    WriteErased(usize),
    /// Reads the whole flash.
    Backup,
}

/// Name, work, and how many a second the project asks of itself.
const KINDS: [(&str, Work, Goal); 5] = [
    ("write-16k", Work::WriteErased(16 * KIB), Goal::AtLeast(2000.0)),
    ("rewrite-16k", Work::Write(16 * KIB), Goal::AtLeast(2000.0)),
    ("write-1m", Work::WriteErased(FLASH_BYTES), Goal::AtLeast(100.0)),
    ("rewrite-1m", Work::Write(FLASH_BYTES), Goal::AtLeast(100.0)),
    ("backup-1m", Work::Backup, Goal::AtLeast(100.0)),
];

/// What all sessions share.
struct Bench {
    full: Setting,
    erased: Setting,
    old: Vec<u8>,
    new: Vec<u8>,
}

impl Bench {
    fn new() -> Bench {
        let full = Setting::new();
        Bench {
            erased: Setting { before: None, ..full.clone() },
            full,
            old: images::pattern(FLASH_BYTES),
            new: images::other(FLASH_BYTES, 1),
        }
    }

    /// One session from power-up to the last answer.
    fn session(&self, work: Work) -> Ended {
        match work {
            Work::Backup => self.full.backup(),
            Work::Write(len) => self.full.write(&self.new[..len]),
            Work::WriteErased(len) => self.erased.write(&self.new[..len]),
        }
    }

    /// What the whole flash should hold after a session.
    fn expected(&self, work: Work) -> Vec<u8> {
        match work {
            Work::Backup => self.old.clone(),
            Work::Write(len) => [&self.new[..len], &self.old[len..]].concat(),
            Work::WriteErased(len) => images::padded(&self.new[..len], FLASH_BYTES),
        }
    }

    /// Sessions a second of one kind, or nothing if data are wrong.
    fn rate(&self, work: Work) -> Option<f64> {
        let begun = processor_time();
        let mut sessions = 0;
        loop {
            let ended = self.session(work);
            if !ended.right {
                return None;
            }
            sessions += 1;
            let spent = processor_time() - begun;
            if spent >= SPAN {
                // The rest of the flash is looked at once: that takes as long as some sessions do.
                let right = ended.flash() == self.expected(work);
                return right.then(|| f64::from(sessions) / spent.as_secs_f64());
            }
        }
    }
}

fn main() -> ExitCode {
    let bench = Bench::new();
    // Cargo adds --bench.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let chosen = |name: &str| arguments.first().is_none_or(|wanted| wanted == name);
    let mut all_right = true;
    if let Some(count) = arguments.get(1).and_then(|count| count.parse::<u32>().ok()) {
        for (_, work, _) in KINDS.iter().filter(|(name, ..)| chosen(name)) {
            all_right &= (0..count).all(|_| bench.session(*work).right);
        }
        return if all_right { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    println!("sessions of flasher and emulator in one process, a second of processor time");
    for (name, work, goal) in KINDS.iter().filter(|(name, ..)| chosen(name)) {
        match bench.rate(*work) {
            Some(rate) => row(name, rate, "/s", *goal),
            None => {
                println!("{name}: WRONG DATA");
                all_right = false;
            }
        }
    }
    if all_right { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
