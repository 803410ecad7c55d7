//! How many whole sessions of flasher and emulator one core carries out in a second, in one process and virtual time:
//! `cargo bench -p bl702-harness --bench sessions`.
//!
//! A session is what a user's command is: power-up, reset, handshake with the boot ROM, upload of a RAM loader (made up, but
//! as long as the vendor's), handshake with it, and then a backup, or a write with its comparison before and its verification behind. What the flash
//! holds afterwards is checked; wrong data end the run with status 1, slowness never does.
//!
//! Seconds are those of the processor, so that other programs on the machine do not matter much.
//!
//! `... --bench sessions -- write-16k 5` carries out five of one kind and prints no rate, for a profiler.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "what cannot go on ends with its reason")]

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use bl702_emulator::module::Module;
use bl702_emulator::profile::Profile;
use bl702_flasher::connect::ConnectOptions;
use bl702_flasher::driver;
use bl702_flasher::flow::{After, backup, write};
use bl702_flasher::loader::LoaderImage;
use bl702_flasher::plan::{Piece, Pieces};
use bl702_flasher::port::emulated::EmulatedPort;
use bl702_harness::images;
use rustix::time::{ClockId, clock_gettime};

const KIB: usize = 1024;
const FLASH_BYTES: usize = 1024 * KIB;
/// Each kind is carried out for so long.
const SPAN: Duration = Duration::from_secs(2);
const BOOT_BAUD_BPS: u32 = 500_000;

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

/// Name, work, and the rate that the project asks of itself (none: for information).
const KINDS: [(&str, Work, Option<u32>); 5] = [
    ("write-16k", Work::WriteErased(16 * KIB), Some(2000)),
    ("rewrite-16k", Work::Write(16 * KIB), None),
    ("write-1m", Work::WriteErased(FLASH_BYTES), Some(100)),
    ("rewrite-1m", Work::Write(FLASH_BYTES), None),
    ("backup-1m", Work::Backup, Some(100)),
];

/// What all sessions share.
struct Bench {
    profile: Profile,
    loader: Arc<LoaderImage>,
    old: Vec<u8>,
    new: Vec<u8>,
}

impl Bench {
    fn new() -> Bench {
        Bench {
            profile: Profile::builtin("xt-zb2").expect("the built-in profile"),
            loader: Arc::new(images::long_loader()),
            old: images::pattern(FLASH_BYTES),
            new: images::other(FLASH_BYTES, 1),
        }
    }

    /// One session from power-up to the last answer; whether the data are right.
    fn session(&self, work: Work) -> bool {
        let mut module = Module::builder(self.profile.clone());
        if !matches!(work, Work::WriteErased(_)) {
            module = module.flash(self.old.clone());
        }
        let mut port = EmulatedPort::new(module.build(), BOOT_BAUD_BPS);
        let loader = Some(Arc::clone(&self.loader));
        let options = Arc::new(ConnectOptions { loader, has_lines: true, ..ConnectOptions::default() });
        let right = match work {
            Work::Backup => {
                let flow = |link| backup(link, options, None, After::Reset);
                let read = driver::run(&mut port, BOOT_BAUD_BPS, flow, |_, _| {}, || false);
                read.is_ok_and(|read| read.bytes == self.old)
            }
            Work::Write(len) | Work::WriteErased(len) => {
                let piece = Piece::new(0, self.new[..len].to_vec()).expect("a piece in the flash");
                let pieces = Pieces::new(vec![piece]).expect("one piece");
                let flow = |link| write(link, options, pieces, After::Reset);
                let written = driver::run(&mut port, BOOT_BAUD_BPS, flow, |_, _| {}, || false);
                let mut held = vec![0; len];
                port.module().flash().read(0, &mut held);
                written.is_ok() && held == self.new[..len]
            }
        };
        right && port.module().otp().burn_count() == 0
    }

    /// Sessions a second of one kind, or nothing if data are wrong.
    fn rate(&self, work: Work) -> Option<f64> {
        let begun = processor_time();
        let mut sessions = 0;
        loop {
            if !self.session(work) {
                return None;
            }
            sessions += 1;
            let spent = processor_time() - begun;
            if spent >= SPAN {
                return Some(f64::from(sessions) / spent.as_secs_f64());
            }
        }
    }
}

/// What this process has had of the processor.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

fn main() -> ExitCode {
    let bench = Bench::new();
    // Cargo adds --bench.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let chosen = |name: &str| arguments.first().is_none_or(|wanted| wanted == name);
    if let Some(count) = arguments.get(1).and_then(|count| count.parse::<u32>().ok()) {
        let kinds = KINDS.iter().filter(|(name, ..)| chosen(name));
        let right =
            kinds.flat_map(|(_, work, _)| (0..count).map(|_| bench.session(*work))).all(|right| right);
        return if right { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    println!("{:12} {:>14} {:>10}", "session", "a second", "goal");
    let mut all_right = true;
    for (name, work, goal) in KINDS.iter().filter(|(name, ..)| chosen(name)) {
        let goal = goal.map_or_else(|| "-".to_owned(), |goal| goal.to_string());
        match bench.rate(*work) {
            Some(rate) => println!("{name:12} {rate:14.0} {goal:>10}"),
            None => {
                println!("{name:12} {:>14} {goal:>10}", "WRONG DATA");
                all_right = false;
            }
        }
    }
    if all_right { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
