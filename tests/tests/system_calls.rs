//! What the flasher's own port costs in system calls, by the kernel's count: over a real pty, the emulator being another
//! program.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code: a failure is a failed test")]

use std::fs;
use std::sync::Arc;

use bl702_flasher::connect::ConnectOptions;
use bl702_flasher::flow::{After, backup, write};
use bl702_flasher::plan::{FlashRange, Piece, Pieces};
use bl702_flasher::port::{Port, PortError, SerialPort};
use bl702_flasher::reset::Lines;
use bl702_flasher::session::Link;
use bl702_flasher::{Nanos, driver};
use bl702_harness::images;
use bl702_harness::programs::Serving;
use bl702_harness::workbench::Workbench;

/// Every system call of this thread that reads or writes, by the kernel's count.
fn system_calls() -> (u64, u64) {
    let text = fs::read_to_string("/proc/thread-self/io").unwrap();
    let count = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{text}"));
        line.trim_start_matches(": ").parse::<u64>().unwrap()
    };
    (count("syscr"), count("syscw"))
}

/// The flasher's own port, and the frames that go out through it.
struct CountingPort {
    port: SerialPort,
    frames: Vec<(u8, usize)>,
}

impl Port for CountingPort {
    fn now(&self) -> Nanos {
        self.port.now()
    }

    fn read(&mut self, buffer: &mut [u8], until: Nanos) -> Result<usize, PortError> {
        self.port.read(buffer, until)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), PortError> {
        let is_burst = bytes.iter().all(|byte| *byte == 0x55);
        let length = usize::from(u16::from_le_bytes([bytes[2], bytes[3]]));
        assert!(is_burst || bytes.len() == 4 + length, "{} bytes are no frame", bytes.len());
        self.frames.push((bytes[0], bytes.len()));
        self.port.write(bytes)
    }

    fn set_baud(&mut self, baud_bps: u32) -> Result<(), PortError> {
        self.port.set_baud(baud_bps)
    }

    fn has_lines(&mut self) -> bool {
        self.port.has_lines()
    }

    fn set_lines(&mut self, lines: Lines) -> Result<(), PortError> {
        self.port.set_lines(lines)
    }

    fn purge_input(&mut self) -> Result<(), PortError> {
        self.port.purge_input()
    }
}

/// What a session costs in system calls.
struct Calls {
    reads: u64,
    writes: u64,
    /// Command and length of each frame; bursts begin with 55h.
    frames: Vec<(u8, usize)>,
}

impl Calls {
    fn count(&self, command: u8) -> usize {
        self.frames.iter().filter(|(id, _)| *id == command).count()
    }

    /// A short frame goes out in one write. A pty may have no room for all of a long one, but it has for 1 KiB.
    fn most_writes(&self) -> u64 {
        self.frames.iter().map(|(_, length)| 1 + *length as u64 / 1024).sum()
    }
}

/// Runs a flow over a pty, in this thread.
fn counted<T, F, R>(bench: &Workbench, flow: F) -> (T, Calls)
where
    F: FnOnce(Link, Arc<ConnectOptions>) -> R,
    R: Future<Output = bl702_flasher::error::Result<T>> + Send + 'static,
{
    const BAUD_BPS: u32 = 500_000;
    let loader = Some(Arc::new(images::long_loader()));
    let options = Arc::new(ConnectOptions { loader, ..ConnectOptions::default() });
    let port = SerialPort::open(&bench.path().join("port"), BAUD_BPS).unwrap();
    let mut port = CountingPort { port, frames: Vec::new() };
    let (reads, writes) = system_calls();
    let done = driver::run(&mut port, BAUD_BPS, |link| flow(link, options), |_, _| {}, || false).unwrap();
    let after = system_calls();
    (done, Calls { reads: after.0 - reads, writes: after.1 - writes, frames: port.frames })
}

#[test]
fn a_block_takes_a_few_system_calls() {
    const BLOCK: u32 = 9220;
    const BLOCKS: u32 = 60;
    let bench = Workbench::new();
    let link = bench.path().join("port").display().to_string();
    let serving = Serving::start(["--pace", "none", "--link", &link].map(str::to_owned));
    let range = |blocks: u32| FlashRange::new(0, BLOCK * blocks);
    let read = |blocks| counted(&bench, |link, options| backup(link, options, range(blocks), After::Reset)).1;
    let (one, many) = (read(1), read(1 + BLOCKS));
    let blocks = many.count(0x32) - one.count(0x32);
    assert!(blocks >= BLOCKS as usize, "{blocks} more requests for {BLOCKS} more blocks");
    assert!(many.writes <= many.most_writes(), "{} writes for {:?}", many.writes, many.frames);
    // 4 KiB is what a pty hands over at once.
    let reads_a_block = many.reads.saturating_sub(one.reads) as f64 / blocks as f64;
    println!("{reads_a_block:.1} reads for a block of {BLOCK} bytes");
    assert!(reads_a_block <= 24.0, "{reads_a_block} reads for a block of {BLOCK} bytes");

    let image = images::other(64 * 4096, 13);
    let pieces = Pieces::new(vec![Piece::new(0, image).unwrap()]).unwrap();
    let (_, written) = counted(&bench, |link, options| write(link, options, pieces, After::Reset));
    let data: usize = written.frames.iter().filter(|(id, _)| *id == 0x31).map(|(_, length)| length).sum();
    assert!(data > 64 * 4096, "{:?}", written.frames);
    println!("{} writes for {} frames", written.writes, written.frames.len());
    assert!(written.writes <= written.most_writes(), "{} writes for {:?}", written.writes, written.frames);
    drop(serving);
}
