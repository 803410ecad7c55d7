//! How well `--pace wire` keeps the chip's time: one session over a real pty, the emulator being another program, beside the
//! same session in virtual time: `cargo bench -p bl702-harness --bench pace`.
//!
//! | figure | what it is |
//! |---|---|
//! | virtual | what the session takes in module time, exactly, and the millisecond that the emulated adapter keeps each short answer |
//! | pty | what it takes on the wall clock, as the client sees it: pacing, wake-ups of two programs, and the client's own work |
//! | error | the difference, of the session |
//! | clock | how far the module's clock, by the emulator's own recording, is from the wall clock over a session; the worst |
//!
//! A machine that is busy with other things is late, and so the figures are; the quickest of some sessions counts. A goal that is missed is marked and no failure;
//! wrong data are.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "what cannot go on ends with its reason")]

use std::process::ExitCode;
use std::sync::Arc;

use bl702_emulator::module::Module;
use bl702_emulator::profile::Profile;
use bl702_emulator::transport::outbox::FIRST_PACKET_WAIT;
use bl702_flasher::connect::ConnectOptions;
use bl702_flasher::driver;
use bl702_flasher::event::{Event, Phase};
use bl702_flasher::flow::{After, backup};
use bl702_flasher::plan::FlashRange;
use bl702_flasher::port::emulated::EmulatedPort;
use bl702_flasher::port::{Port, PortError, SerialPort};
use bl702_flasher::reset::Lines;
use bl702_harness::images;
use bl702_harness::programs::Serving;
use bl702_harness::workbench::Workbench;
use bl702_protocol::command::LoaderCommand;
use bl702_protocol::time::Nanos;
use bl702_protocol::trace::{BytesRecord, Direction, Record, RecordReader};

const RANGE_BYTES: u32 = 512 * 1024;
const FLASH_BYTES: usize = 1 << 20;
const BOOT_BAUD_BPS: u32 = 500_000;
const SESSIONS: usize = 3;
/// The project's own goal.
const GOAL_PERCENT: f64 = 1.0;

/// A port that notes when the first and the last bytes came.
struct Watched<P> {
    port: P,
    first: Option<Nanos>,
    last: Nanos,
    /// When requests with short answers were sent. The adapter of `--pace wire` keeps those for [`FIRST_PACKET_WAIT`]; of longer
    /// ones more is on its way meanwhile.
    short: Vec<Nanos>,
}

impl<P: Port> Port for Watched<P> {
    fn now(&self) -> Nanos {
        self.port.now()
    }

    fn read(&mut self, buffer: &mut [u8], until: Nanos) -> Result<usize, PortError> {
        let count = self.port.read(buffer, until)?;
        if count > 0 {
            self.last = self.port.now();
            self.first.get_or_insert(self.last);
        }
        Ok(count)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), PortError> {
        if bytes[0] != LoaderCommand::FlashRead.id() {
            self.short.push(self.port.now());
        }
        self.port.write(bytes)
    }

    fn set_baud(&mut self, baud_bps: u32) -> Result<(), PortError> {
        self.port.set_baud(baud_bps)
    }

    fn has_lines(&mut self) -> bool {
        false
    }

    fn set_lines(&mut self, lines: Lines) -> Result<(), PortError> {
        self.port.set_lines(lines)
    }

    fn purge_input(&mut self) -> Result<(), PortError> {
        self.port.purge_input()
    }
}

/// What parts of a session took.
struct Spans {
    upload: Nanos,
    read: Nanos,
    /// One block of it, the middle one of all by length: what a busy machine does to a few of them does not show.
    block: Nanos,
    looks: Nanos,
    /// From the first byte of an answer to the last.
    whole: Nanos,
}

/// Backs a range up; panics on wrong data. `kept` is what an adapter that this port does not have would keep each short answer.
fn session(port: impl Port, contents: &[u8], kept: Nanos) -> Spans {
    let mut port = Watched { port, first: None, last: Nanos::ZERO, short: Vec::new() };
    let loader = Some(Arc::new(images::long_loader()));
    let options = Arc::new(ConnectOptions { loader, ..ConnectOptions::default() });
    let mut events: Vec<(Nanos, Event)> = Vec::new();
    let flow = |link| backup(link, options, FlashRange::new(0, RANGE_BYTES), After::Reset);
    let read = driver::run(&mut port, BOOT_BAUD_BPS, flow, |at, event| events.push((at, event)), || false);
    assert!(read.expect("a backup").bytes == contents[..RANGE_BYTES as usize], "WRONG DATA");
    let first = |is: fn(&Event) -> bool| events.iter().find(|(_, event)| is(event)).expect("the event").0;
    let end_of = |wanted: Phase| {
        let is = |event: &Event| matches!(event, Event::Progress { phase, .. } if *phase == wanted);
        events.iter().rev().find(|(_, event)| is(event)).expect("the phase").0
    };
    let span = |from: Nanos, to: Nanos| {
        let short = port.short.iter().filter(|at| (from..to).contains(at)).count();
        to.since(from) + kept * short as u64
    };
    let upload = span(first(|event| matches!(event, Event::Upload { .. })), end_of(Phase::Upload));
    let read = span(first(|event| matches!(event, Event::Flash { .. })), end_of(Phase::Read));
    let looks = span(end_of(Phase::Read), first(|event| matches!(event, Event::ResetByCommand)));
    let is_read = |event: &Event| matches!(event, Event::Progress { phase: Phase::Read, .. });
    let ends: Vec<Nanos> = events.iter().filter(|(_, event)| is_read(event)).map(|(at, _)| *at).collect();
    let mut blocks: Vec<Nanos> = ends.windows(2).map(|pair| pair[1].since(pair[0])).collect();
    blocks.sort_unstable();
    let block = blocks[blocks.len() / 2];
    let whole = span(port.first.expect("an answer"), port.last);
    Spans { upload, read, block, looks, whole }
}

/// The same span as [`Spans::whole`], by the module's clock.
fn recorded_span(recording: &[u8]) -> Nanos {
    let mut reader = RecordReader::new();
    reader.push(recording);
    let mut ends: Option<(Nanos, Nanos)> = None;
    while let Some(record) = reader.next_record() {
        if let Record::Bytes(burst @ BytesRecord { direction: Direction::Chip, .. }) =
            record.expect("a record")
        {
            let end = burst.time_ns + Nanos::byte_times(burst.bytes.len() as u64, burst.baud_bps);
            ends = Some((ends.map_or(end, |(first, _)| first), end));
        }
    }
    ends.map_or(Nanos::ZERO, |(first, last)| last.since(first))
}

/// A session over a pty, and how long it was by the module's clock.
fn on_a_pty(contents: &[u8]) -> (Spans, Nanos) {
    let bench = Workbench::new();
    bench.put("flash.raw", contents);
    let file = |name: &str| bench.path().join(name).display().to_string();
    let (flash, link, record) = (file("flash.raw"), file("port"), file("r.jsonl"));
    let options = ["--pace", "wire", "--flash", &flash, "--link", &link, "--record", &record];
    let serving = Serving::start(options.map(str::to_owned));
    let port = SerialPort::open(&bench.path().join("port"), BOOT_BAUD_BPS).expect("the pty");
    let spans = session(port, contents, Nanos::ZERO);
    drop(serving);
    (spans, recorded_span(&bench.read("r.jsonl")))
}

fn percent(is: Nanos, should: Nanos) -> f64 {
    (is.as_secs_f64() / should.as_secs_f64() - 1.0) * 100.0
}

fn row(what: &str, exact: Nanos, took: Nanos) {
    println!(
        "{what:28} {:>10.1} ms {:>10.1} ms {:>+8.2} %",
        exact.as_secs_f64() * 1000.0,
        took.as_secs_f64() * 1000.0,
        percent(took, exact)
    );
}

fn main() -> ExitCode {
    let profile = Profile::builtin("xt-zb2").expect("the built-in profile");
    let contents = images::pattern(FLASH_BYTES);
    let module = Module::builder(profile).flash(contents.clone()).build();
    let exact = session(EmulatedPort::new(module, BOOT_BAUD_BPS), &contents, FIRST_PACKET_WAIT);

    let sessions: Vec<(Spans, Nanos)> = (0..SESSIONS).map(|_| on_a_pty(&contents)).collect();
    let clocks = sessions.iter().map(|(spans, module)| percent(*module, spans.whole).abs());
    let clock = clocks.fold(0.0, f64::max);
    let (real, _) = sessions.iter().min_by_key(|(spans, _)| spans.whole).expect("a session");

    println!(
        "backup of {} KiB, boot ROM at 500000 baud, RAM loader at 2000000; the quickest of {SESSIONS} on the pty\n",
        RANGE_BYTES / 1024
    );
    println!("{:28} {:>13} {:>13} {:>10}", "", "virtual", "pty", "error");
    row("upload", exact.upload, real.upload);
    row("reading", exact.read, real.read);
    row("  its middle block", exact.block, real.block);
    row("hashes", exact.looks, real.looks);
    row("session", exact.whole, real.whole);
    let verdict = |value: f64| if value.abs() <= GOAL_PERCENT { "reached" } else { "BEHIND" };
    let error = percent(real.whole, exact.whole);
    println!(
        "\nerror of the session     {error:+.3} %   goal: at most {GOAL_PERCENT} %   {}",
        verdict(error)
    );
    println!("the module's clock        {clock:.3} %   goal: at most {GOAL_PERCENT} %   {}", verdict(clock));
    ExitCode::SUCCESS
}
