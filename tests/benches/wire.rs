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
        let module = Module::builder(self.profile.clone()).flash(self.old.clone()).build();
        let mut port = EmulatedPort::new(module, BOOT_BAUD_BPS);
        port.set_latency(latency);
        let loader = Some(Arc::clone(&self.loader));
        let options = Arc::new(ConnectOptions { loader, has_lines: true, ..ConnectOptions::default() });
        let mut events = Vec::new();
        let on_event = |at, event| events.push((at, event));
        let expected = match work {
            Work::Backup | Work::Rewrite => self.old.clone(),
            Work::Write => self.new.clone(),
            Work::OneSector => [&self.new[..4096], &self.old[4096..]].concat(),
        };
        if work == Work::Backup {
            let flow = |link| backup(link, options, None, After::Reset);
            let read = driver::run(&mut port, BOOT_BAUD_BPS, flow, on_event, || false).expect("a backup");
            assert!(read.bytes == expected, "WRONG DATA");
        } else {
            let pieces = Pieces::new(vec![Piece::new(0, expected.clone()).unwrap()]).unwrap();
            let flow = |link| write(link, options, pieces, After::Reset);
            driver::run(&mut port, BOOT_BAUD_BPS, flow, on_event, || false).expect("a write");
            assert!(port.module().flash().dump() == expected, "WRONG DATA");
        }
        assert_eq!(port.module().otp().burn_count(), 0);
        let end = port.module().now();
        Times { events, end }
    }

    /// What the protocol allows for reading the flash.
    fn read_bound(&self, latency: Nanos) -> Nanos {
        let blocks = FLASH_BYTES.div_ceil(LOADER_MAX_READ) as u64;
        let bytes = FLASH_BYTES as u64 + blocks * (12 + 4);
        let flash = FLASH_BYTES as u64 * 1_000_000_000 / u64::from(self.profile.flash_read_bytes_per_s);
        let waits = Nanos::bit_times(FRAME_END_BITS, BAUD_BPS) + latency;
        Nanos::byte_times(bytes, BAUD_BPS) + Nanos(flash) + waits * blocks
    }

    /// What line and flash allow for a write of everything: erasing, and the slower of line and programming.
    fn write_bound(&self) -> Nanos {
        let times = self.profile.flash_part.times(self.profile.flash_speed);
        let frames = FLASH_BYTES.div_ceil(LOADER_MAX_WRITE) as u64;
        let line = Nanos::byte_times(FLASH_BYTES as u64 + frames * 8, BAUD_BPS);
        let pages = FLASH_BYTES as u64 / u64::from(self.profile.flash_part.page_bytes);
        let programming = Nanos::from_micros(times.page_program_us * pages);
        let erasing = Nanos::from_micros(times.block_64k_us * (FLASH_BYTES as u64 / 65_536));
        erasing + line.max(programming)
    }

    /// What the line allows for the upload.
    fn upload_bound(&self) -> Nanos {
        let bytes: usize = self.loader.image.segments.iter().map(|segment| segment.data.len()).sum();
        let frames = bytes.div_ceil(ROM_MAX_PAYLOAD);
        Nanos::byte_times((bytes + frames * 4) as u64, BOOT_BAUD_BPS)
    }
}

/// A row of the table: what was measured, and the goal that the project has set itself.
fn row(what: &str, measured: f64, unit: &str, goal: Option<(f64, bool)>) {
    let (goal, verdict) = match goal {
        None => (String::new(), ""),
        Some((goal, at_least)) => {
            let sign = if at_least { "≥" } else { "≤" };
            let reached = if at_least { measured >= goal } else { measured <= goal };
            (format!("{sign} {goal}"), if reached { "reached" } else { "BEHIND" })
        }
    };
    println!("{what:58} {measured:9.3} {unit:3} {goal:>8}  {verdict}");
}

fn ratio(bound: Nanos, took: Nanos) -> f64 {
    bound.as_secs_f64() / took.as_secs_f64()
}

fn milliseconds(span: Nanos) -> f64 {
    span.as_secs_f64() * 1000.0
}

fn main() -> ExitCode {
    let bench = Bench::new();
    let raw = Nanos::byte_times(FLASH_BYTES as u64, BAUD_BPS);
    println!("XT-ZB2, 1 MiB, boot ROM at {BOOT_BAUD_BPS} baud, RAM loader at {BAUD_BPS} baud; module time\n");
    for latency in LATENCIES {
        let at = format!("adapter {} ms", milliseconds(latency));
        let read = bench.session(Work::Backup, latency);
        let took = read.phase_end(Phase::Read).since(read.identified());
        let raw_goal =
            if latency <= Nanos::from_micros(200) { Some((0.97, true)) } else { Some((0.95, true)) };
        let raw_goal = raw_goal.filter(|_| latency <= Nanos::from_millis(1));
        row(
            &format!("{at}: backup, of the protocol's bound"),
            ratio(bench.read_bound(latency), took),
            "",
            Some((0.99, true)),
        );
        row(&format!("{at}: backup, of the raw line"), ratio(raw, took), "", raw_goal);
        row(
            &format!("{at}: the bound itself, of the raw line"),
            ratio(raw, bench.read_bound(latency)),
            "",
            None,
        );
        let written = bench.session(Work::Write, latency);
        let took = written.work();
        let goal = Some((0.97, true)).filter(|_| latency <= Nanos::from_millis(1));
        row(
            &format!("{at}: write over old content, of line, flash and erasing"),
            ratio(bench.write_bound(), took),
            "",
            goal,
        );
        row(&format!("{at}: write over old content"), took.as_secs_f64(), "s", None);
        let same = bench.session(Work::Rewrite, latency).work();
        row(&format!("{at}: write of what is there"), milliseconds(same), "ms", Some((500.0, false)));
        let sector = bench.session(Work::OneSector, latency).work();
        row(
            &format!("{at}: write with one sector changed"),
            milliseconds(sector),
            "ms",
            Some((1000.0, false)),
        );
        let goal = Some((250.0, false)).filter(|_| latency <= Nanos::from_millis(1));
        row(
            &format!("{at}: before the first data byte, upload left out"),
            milliseconds(read.overhead()),
            "ms",
            goal,
        );
        let goal = Some((0.9, true)).filter(|_| latency <= Nanos::from_millis(1));
        row(&format!("{at}: upload, of its line"), ratio(bench.upload_bound(), read.upload()), "", goal);
        row(&format!("{at}: whole backup, reset and upload included"), read.end.as_secs_f64(), "s", None);
        println!();
    }
    ExitCode::SUCCESS
}
