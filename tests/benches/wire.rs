//! How long sessions take on the wire, in module time, against what line, flash and protocol allow:
//! `cargo bench -p bl702-harness --bench wire`.
//!
//! Everything runs in virtual time, so the figures are the same on every machine and in every run: what changes them is
//! the flasher, the emulator or a profile. A goal that is missed is marked and no failure; wrong data are.
//!
//! The bounds are computed here from the profile and the reference, not asked of the flasher:
//!
//! - A read of 9220 bytes is a request of 12 bytes, 80 bit times of silence before the module takes it for complete, the
//!   time of reading flash, an answer of 4 + 9220 bytes (`reference/loader-protocol.md` sections 3 and 6), and one delay
//!   of the adapter.
//! - A write is the larger of its frames on the line and its pages in the flash, and the erasing of 64 KiB units before.
//!   It is measured twice: until one SHA-256 of all of it says that the flash holds it, and with the looks behind that, which
//!   find cells that do not read the same each time.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "what cannot go on ends with its reason")]

use std::process::ExitCode;
use std::sync::Arc;

use bl702_emulator::module::Module;
use bl702_emulator::profile::Profile;
use bl702_flasher::connect::ConnectOptions;
use bl702_flasher::driver;
use bl702_flasher::event::{Event, Phase};
use bl702_flasher::flow::{After, backup, write};
use bl702_flasher::loader::LoaderImage;
use bl702_flasher::plan::{Piece, Pieces};
use bl702_flasher::port::emulated::EmulatedPort;
use bl702_harness::images;
use bl702_protocol::frame::{LOADER_MAX_READ, LOADER_MAX_WRITE, ROM_MAX_PAYLOAD};
use bl702_protocol::time::Nanos;

const FLASH_BYTES: usize = 1 << 20;
const BOOT_BAUD_BPS: u32 = 500_000;
const BAUD_BPS: u32 = 2_000_000;
/// Adapters: a good one, a usual one, an FTDI adapter as it comes.
const LATENCIES: [Nanos; 3] = [Nanos::from_micros(200), Nanos::from_millis(1), Nanos::from_millis(16)];
/// Silence after which the loader takes a frame for complete.
const FRAME_END_BITS: u64 = 80;

/// What a session does.
#[derive(Clone, Copy, PartialEq)]
enum Work {
    Backup,
    /// All other bytes.
    Write,
    /// The same bytes.
    Rewrite,
    /// One sector of other bytes.
    OneSector,
}

/// When what happened.
struct Times {
    events: Vec<(Nanos, Event)>,
    end: Nanos,
}

impl Times {
    fn first(&self, is: impl Fn(&Event) -> bool) -> Nanos {
        self.events.iter().find(|(_, event)| is(event)).map_or(self.end, |(at, _)| *at)
    }

    fn last(&self, is: impl Fn(&Event) -> bool) -> Nanos {
        self.events.iter().rev().find(|(_, event)| is(event)).map_or(self.end, |(at, _)| *at)
    }

    fn phase_end(&self, wanted: Phase) -> Nanos {
        self.last(|event| matches!(event, Event::Progress { phase, .. } if *phase == wanted))
    }

    /// From the identification of the flash to the end of the work, every look at it included, the reset left out.
    fn work(&self) -> Nanos {
        self.last(|event| matches!(event, Event::ResetByCommand)).since(self.identified())
    }

    /// From the identification to the first SHA-256 that says that the flash holds all of it.
    fn until_verified(&self) -> Nanos {
        self.first(|event| matches!(event, Event::Verified { .. })).since(self.identified())
    }

    /// Where the time of a write goes.
    fn shares(&self) -> Shares {
        let mut shares = Shares::default();
        let mut before = self.identified();
        for (at, event) in self.events.iter().filter(|(at, _)| *at >= self.identified()) {
            let share = match event {
                Event::Progress { phase: Phase::Compare, .. } => &mut shares.compare,
                Event::Progress { phase: Phase::Erase, .. } => &mut shares.erase,
                Event::Progress { phase: Phase::Program, .. } => &mut shares.program,
                Event::Verified { .. } => &mut shares.verify,
                Event::ResetByCommand => &mut shares.looks,
                _ => continue,
            };
            *share += at.since(before);
            before = *at;
        }
        shares
    }

    fn identified(&self) -> Nanos {
        self.first(|event| matches!(event, Event::Flash { .. }))
    }

    /// Uploading the RAM loader.
    fn upload(&self) -> Nanos {
        self.phase_end(Phase::Upload).since(self.first(|event| matches!(event, Event::Upload { .. })))
    }

    /// Everything before work can begin but the upload.
    fn overhead(&self) -> Nanos {
        self.identified().since(self.upload())
    }
}

/// Where the time of a write goes.
#[derive(Default)]
struct Shares {
    compare: Nanos,
    erase: Nanos,
    program: Nanos,
    verify: Nanos,
    looks: Nanos,
}

/// What the parts of a write take at the least.
struct WriteBounds {
    line: Nanos,
    program: Nanos,
    erase: Nanos,
    /// One hash of everything.
    hash: Nanos,
}

impl WriteBounds {
    /// Erasing, and the slower of line and programming.
    fn sum(&self) -> Nanos {
        self.erase + self.line.max(self.program)
    }
}

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

    /// One whole command; panics on wrong data.
    fn session(&self, work: Work, latency: Nanos) -> Times {
        self.session_at(BOOT_BAUD_BPS, work, latency)
    }

    fn session_at(&self, boot_baud_bps: u32, work: Work, latency: Nanos) -> Times {
        let module = Module::builder(self.profile.clone()).flash(self.old.clone()).build();
        let mut port = EmulatedPort::new(module, boot_baud_bps);
        port.set_latency(latency);
        let loader = Some(Arc::clone(&self.loader));
        let options =
            Arc::new(ConnectOptions { boot_baud_bps, loader, has_lines: true, ..ConnectOptions::default() });
        let mut events = Vec::new();
        let on_event = |at, event| events.push((at, event));
        let expected = match work {
            Work::Backup | Work::Rewrite => self.old.clone(),
            Work::Write => self.new.clone(),
            Work::OneSector => [&self.new[..4096], &self.old[4096..]].concat(),
        };
        if work == Work::Backup {
            let flow = |link| backup(link, options, None, After::Reset);
            let read = driver::run(&mut port, boot_baud_bps, flow, on_event, || false).expect("a backup");
            assert!(read.bytes == expected, "WRONG DATA");
        } else {
            let pieces = Pieces::new(vec![Piece::new(0, expected.clone()).unwrap()]).unwrap();
            let flow = |link| write(link, options, pieces, After::Reset);
            driver::run(&mut port, boot_baud_bps, flow, on_event, || false).expect("a write");
            assert!(port.module().flash().dump() == expected, "WRONG DATA");
        }
        assert_eq!(port.module().otp().burn_count(), 0);
        let end = port.module().now();
        Times { events, end }
    }

    /// What the protocol allows for reading the flash at so many bytes a second.
    fn read_bound_at(&self, latency: Nanos, flash_bytes_per_s: u64) -> Nanos {
        let blocks = FLASH_BYTES.div_ceil(LOADER_MAX_READ) as u64;
        let bytes = FLASH_BYTES as u64 + blocks * (12 + 4);
        let flash = FLASH_BYTES as u64 * 1_000_000_000 / flash_bytes_per_s;
        let waits = Nanos::bit_times(FRAME_END_BITS, BAUD_BPS) + latency;
        Nanos::byte_times(bytes, BAUD_BPS) + Nanos(flash) + waits * blocks
    }

    fn read_bound(&self, latency: Nanos) -> Nanos {
        self.read_bound_at(latency, u64::from(self.profile.flash_read_bytes_per_s))
    }

    /// How fast the chip would have to read its flash for the bound to be this share of the raw line; `None` if nothing is fast
    /// enough.
    fn read_rate_for(&self, latency: Nanos, share: f64) -> Option<f64> {
        let raw = Nanos::byte_times(FLASH_BYTES as u64, BAUD_BPS).as_secs_f64();
        let without_flash = self.read_bound_at(latency, u64::MAX).as_secs_f64();
        let left = raw / share - without_flash;
        (left > 0.0).then(|| FLASH_BYTES as f64 / left / 1e6)
    }

    /// What line and flash allow for a write of everything.
    fn write_bounds(&self) -> WriteBounds {
        let times = self.profile.flash_part.times(self.profile.flash_speed);
        let frames = FLASH_BYTES.div_ceil(LOADER_MAX_WRITE) as u64;
        let pages = FLASH_BYTES as u64 / u64::from(self.profile.flash_part.page_bytes);
        let hash_rate = self.profile.flash_read_bytes_per_s.min(self.profile.hash_bytes_per_s);
        WriteBounds {
            line: Nanos::byte_times(FLASH_BYTES as u64 + frames * 8, BAUD_BPS),
            program: Nanos::from_micros(times.page_program_us * pages),
            erase: Nanos::from_micros(times.block_64k_us * (FLASH_BYTES as u64 / 65_536)),
            hash: Nanos(FLASH_BYTES as u64 * 1_000_000_000 / u64::from(hash_rate)),
        }
    }

    /// What the line allows for the upload.
    fn upload_bound(&self, boot_baud_bps: u32) -> Nanos {
        let bytes: usize = self.loader.image.segments.iter().map(|segment| segment.data.len()).sum();
        let frames = bytes.div_ceil(ROM_MAX_PAYLOAD);
        Nanos::byte_times((bytes + frames * 4) as u64, boot_baud_bps)
    }
}

/// Whether a goal is a least or a most.
#[derive(Clone, Copy)]
enum Goal {
    None,
    AtLeast(f64),
    AtMost(f64),
}

impl Goal {
    /// Only where this holds.
    fn only_if(self, holds: bool) -> Goal {
        if holds { self } else { Goal::None }
    }
}

/// A row of the table: what was measured, and the goal that the project has set itself.
fn row(what: &str, measured: f64, unit: &str, goal: Goal) {
    let (goal, verdict) = match goal {
        Goal::None => (String::new(), ""),
        Goal::AtLeast(goal) => (format!(">= {goal}"), if measured >= goal { "reached" } else { "BEHIND" }),
        Goal::AtMost(goal) => (format!("<= {goal}"), if measured <= goal { "reached" } else { "BEHIND" }),
    };
    println!("  {what:64} {measured:9.3} {unit:4} {goal:>8}  {verdict}");
}

fn ratio(bound: Nanos, took: Nanos) -> f64 {
    bound.as_secs_f64() / took.as_secs_f64()
}

fn milliseconds(span: Nanos) -> f64 {
    span.as_secs_f64() * 1000.0
}

fn backups(bench: &Bench, latency: Nanos) {
    let raw = Nanos::byte_times(FLASH_BYTES as u64, BAUD_BPS);
    let is_quick = latency <= Nanos::from_millis(1);
    let read = bench.session(Work::Backup, latency);
    let took = read.phase_end(Phase::Read).since(read.identified());
    let share = if latency <= Nanos::from_micros(200) { 0.97 } else { 0.95 };
    let of_bound = ratio(bench.read_bound(latency), took);
    row("backup, of the protocol's bound", of_bound, "", Goal::AtLeast(0.99));
    row("backup, of the raw line", ratio(raw, took), "", Goal::AtLeast(share).only_if(is_quick));
    let bound = ratio(raw, bench.read_bound(latency));
    row("  the protocol's bound itself, of the raw line", bound, "", Goal::None);
    match bench.read_rate_for(latency, share).filter(|_| is_quick) {
        Some(rate) => {
            row(&format!("  flash-read rate at which the bound is {share}"), rate, "MB/s", Goal::None);
        }
        None => println!("  {:64}      none", format!("  flash-read rate at which the bound is {share}")),
    }
    row("whole backup, reset, upload and looks included", read.end.as_secs_f64(), "s", Goal::None);
    let goal = Goal::AtMost(250.0).only_if(is_quick);
    row("before the first data byte, upload left out", milliseconds(read.overhead()), "ms", goal);
    let upload = ratio(bench.upload_bound(BOOT_BAUD_BPS), read.upload());
    row("upload, of its line", upload, "", Goal::AtLeast(0.9).only_if(is_quick));
}

fn writes(bench: &Bench, latency: Nanos) {
    let is_quick = latency <= Nanos::from_millis(1);
    let bounds = bench.write_bounds();
    let written = bench.session(Work::Write, latency);
    let verified = ratio(bounds.sum(), written.until_verified());
    let goal = Goal::AtLeast(0.97).only_if(is_quick);
    row("write over old content until one SHA-256 has verified it", verified, "", goal);
    row("write over old content, all looks included", ratio(bounds.sum(), written.work()), "", Goal::None);
    row("  seconds of it, all looks included", written.work().as_secs_f64(), "s", Goal::None);
    let shares = written.shares();
    let parts = [
        ("comparing with what was there", shares.compare, Nanos::ZERO),
        ("erasing; bound: the part's", shares.erase, bounds.erase),
        ("sending and programming; bound: the slower", shares.program, bounds.line.max(bounds.program)),
        ("one SHA-256 of all of it", shares.verify, bounds.hash),
        ("more looks for unsteady cells", shares.looks, Nanos::ZERO),
    ];
    for (what, took, bound) in parts {
        let (took, bound) = (milliseconds(took), milliseconds(bound));
        println!("    {what:62} {took:9.0} ms   bound {bound:.0} ms");
    }
    let same = bench.session(Work::Rewrite, latency).work();
    row("write of what is there", milliseconds(same), "ms", Goal::AtMost(500.0));
    let sector = bench.session(Work::OneSector, latency).work();
    row("write with one sector changed", milliseconds(sector), "ms", Goal::AtMost(1000.0));
}

/// The ROM knows no checksum. Up to 500,000 baud it polls byte by byte, and what it makes of a damaged frame can be foretold
/// (ROM reference 1.10), so frames are chosen that do no harm then. Above that no exchange can prove a link safe, so 500,000
/// is the default; this is what the others would save.
fn uploads(bench: &Bench) {
    println!(
        "\nupload by rate of the boot ROM, adapter 1 ms; 500000 is the highest at which one damaged byte is known to do no harm"
    );
    for boot_baud_bps in [500_000, 1_000_000, 2_000_000] {
        let took = bench.session_at(boot_baud_bps, Work::Backup, Nanos::from_millis(1)).upload();
        let share = ratio(bench.upload_bound(boot_baud_bps), took);
        println!("  {boot_baud_bps:>9} baud {:9.1} ms, {share:.3} of its line", milliseconds(took));
    }
}

fn main() -> ExitCode {
    let bench = Bench::new();
    let bounds = bench.write_bounds();
    println!("XT-ZB2, 1 MiB, boot ROM at {BOOT_BAUD_BPS} baud, RAM loader at {BAUD_BPS} baud; module time");
    println!(
        "assumed: flash read at {} bytes/s; a write takes the line {:.2} s, programming {:.2} s, erasing {:.2} s",
        bench.profile.flash_read_bytes_per_s,
        bounds.line.as_secs_f64(),
        bounds.program.as_secs_f64(),
        bounds.erase.as_secs_f64()
    );
    for latency in LATENCIES {
        println!("\nadapter {} ms", milliseconds(latency));
        backups(&bench, latency);
        writes(&bench, latency);
    }
    uploads(&bench);
    ExitCode::SUCCESS
}
