//! Whole runs over a line that damages one byte: no run may end in a wrong success, hang, change what it was not asked to
//! change without saying so, or tell a wrong story about the flash.
#![cfg(feature = "emulated")]
#![allow(clippy::unwrap_used, reason = "a test")]

use std::ops::Range;
use std::sync::Arc;

use bl702_emulator::module::Module;
use bl702_emulator::profile::{Profile, Wiring};
use bl702_flasher::Nanos;
use bl702_flasher::connect::ConnectOptions;
use bl702_flasher::driver;
use bl702_flasher::error::{Error, ErrorKind, FlashState};
use bl702_flasher::event::Event;
use bl702_flasher::flow::{self, After};
use bl702_flasher::plan::{FlashRange, Piece, Pieces};
use bl702_flasher::port::emulated::{EmulatedPort, made_up_loader};
use bl702_flasher::port::{Port, PortError};
use bl702_flasher::reset::Lines;
use bl702_flasher::timing::{Pace, Timing};

/// What happens to a byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Damage {
    Lost,
    Flipped(u8),
    Doubled,
}

/// Which byte of which direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fault {
    to_chip: bool,
    at: usize,
    damage: Damage,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    Write,
    Backup,
}

const PIECE: Range<usize> = 0x1800..0x3100;
const BACKUP: Range<usize> = 0x1000..0x5000;

struct FaultyPort {
    port: EmulatedPort,
    fault: Option<Fault>,
    sent: usize,
    received: usize,
    fired: bool,
    /// Offsets of frames among the bytes sent.
    frames: Vec<usize>,
}

impl FaultyPort {
    fn damage(&mut self, to_chip: bool, bytes: &[u8]) -> Vec<u8> {
        let count = if to_chip { &mut self.sent } else { &mut self.received };
        let start = *count;
        *count += bytes.len();
        let mut bytes = bytes.to_vec();
        if let Some(fault) = self.fault
            && fault.to_chip == to_chip
            && (start..start + bytes.len()).contains(&fault.at)
        {
            self.fired = true;
            let index = fault.at - start;
            match fault.damage {
                Damage::Lost => drop(bytes.remove(index)),
                Damage::Flipped(mask) => bytes[index] ^= mask,
                Damage::Doubled => bytes.insert(index, bytes[index]),
            }
        }
        bytes
    }
}

impl Port for FaultyPort {
    fn now(&self) -> Nanos {
        self.port.now()
    }

    fn read(&mut self, buffer: &mut [u8], until: Nanos) -> Result<usize, PortError> {
        // One byte less, so that a doubled one has room.
        let mut part = vec![0; buffer.len() - 1];
        let count = self.port.read(&mut part, until)?;
        let bytes = self.damage(false, &part[..count]);
        buffer[..bytes.len()].copy_from_slice(&bytes);
        Ok(bytes.len())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), PortError> {
        if bytes[0] != 0x55 {
            self.frames.push(self.sent);
            assert!(bytes[0] != 0x40 && bytes[0] != 0x80, "a command that burns fuses");
        }
        let bytes = self.damage(true, bytes);
        self.port.write(&bytes)
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

fn flash_before() -> Vec<u8> {
    (0..0x10_0000u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

fn piece() -> Vec<u8> {
    (0..PIECE.len() as u32).map(|at| (at.wrapping_mul(40_503) >> 7) as u8).collect()
}

fn flash_after() -> Vec<u8> {
    let mut after = flash_before();
    after[PIECE].copy_from_slice(&piece());
    after
}

struct Run {
    /// What was read, of a backup.
    result: Result<Vec<u8>, Error>,
    flash: Vec<u8>,
    sent: usize,
    received: usize,
    frames: Vec<usize>,
    fired: bool,
    took: Nanos,
    /// When it had to be over, by what was announced last.
    bound: Nanos,
}

fn run(work: Work, wiring: Wiring, fault: Option<Fault>) -> Run {
    let profile = Profile { wiring, ..Profile::builtin("xt-zb2").unwrap() };
    let port = EmulatedPort::new(Module::builder(profile).flash(flash_before()).build(), 500_000);
    let mut port = FaultyPort { port, fault, sent: 0, received: 0, fired: false, frames: vec![] };
    let options = Arc::new(ConnectOptions {
        has_lines: port.has_lines(),
        loader: Some(Arc::new(made_up_loader().unwrap())),
        timing: Timing::of(Pace::Fast),
        ..ConnectOptions::default()
    });
    let mut bound = Nanos::ZERO;
    let on_event = |at: Nanos, event: Event| {
        if let Event::Bound { bound_ms, .. } = event {
            bound = at + Nanos::from_millis(bound_ms + 1);
        }
    };
    let result = match work {
        Work::Write => {
            let pieces = Pieces::new(vec![Piece::new(PIECE.start as u64, piece()).unwrap()]).unwrap();
            let flow = |link| flow::write(link, options, pieces, After::Reset);
            driver::run(&mut port, 500_000, flow, on_event, || false).map(|_| vec![])
        }
        Work::Backup => {
            let range = FlashRange::new(BACKUP.start as u32, BACKUP.end as u32);
            let flow = |link| flow::backup(link, options, range, After::Reset);
            driver::run(&mut port, 500_000, flow, on_event, || false).map(|backup| backup.bytes)
        }
    };
    Run {
        result,
        flash: port.port.module().flash().dump(),
        took: port.now(),
        bound,
        sent: port.sent,
        received: port.received,
        frames: port.frames,
        fired: port.fired,
    }
}

/// What is wrong with how a run ended.
fn complaint(work: Work, run: &Run) -> Option<String> {
    let (before, after) = (flash_before(), flash_after());
    if run.took > run.bound {
        return Some(format!("took {} with a bound of {}", run.took, run.bound));
    }
    let error = match (&run.result, work) {
        (Ok(_), Work::Write) => return (run.flash != after).then(|| "success, wrong flash".to_owned()),
        (Ok(bytes), Work::Backup) => {
            let right = *bytes == before[BACKUP] && run.flash == before;
            return (!right).then(|| "success, wrong backup".to_owned());
        }
        (Err(error), _) => error,
    };
    let told = match &error.failure().flash {
        FlashState::Unchanged => run.flash == before,
        FlashState::Verified => run.flash == after,
        FlashState::Changing { written, unsettled, .. } => {
            let holds = |range: &FlashRange, what: &[u8]| {
                let range = range.start() as usize..range.end() as usize;
                run.flash[range.clone()] == what[range]
            };
            let changed: Vec<FlashRange> = written.iter().copied().chain([*unsettled]).collect();
            let mut sorted = changed.clone();
            sorted.sort();
            let others = FlashRange::whole(0x10_0000).without(&sorted);
            written.iter().all(|range| holds(range, &after))
                && others.iter().all(|range| holds(range, &before))
        }
        FlashState::Unverified { .. }
        | FlashState::NotRight { .. }
        | FlashState::ChipErase
        | FlashState::Misread
        | FlashState::Damaged => true,
    };
    (!told).then(|| format!("{error}; flash said to be {}", error.failure().flash))
}

/// Faults at every `stride`-th byte, and denser where frames begin and in short answers.
fn faults(clean: &Run, stride: usize) -> Vec<Fault> {
    let mut faults = Vec::new();
    for damage in [Damage::Lost, Damage::Doubled, Damage::Flipped(0x01), Damage::Flipped(0x80)] {
        let head = if matches!(damage, Damage::Flipped(_)) { 1 } else { 9 };
        let heads = clean.frames.iter().flat_map(|start| *start..(*start + head).min(clean.sent));
        let to_chip = (0..clean.sent).step_by(stride).chain(heads).map(|at| (true, at));
        let to_host = (0..clean.received).step_by(stride / 4).map(|at| (false, at));
        faults.extend(to_chip.chain(to_host).map(|(to_chip, at)| Fault { to_chip, at, damage }));
    }
    faults
}

fn campaign(work: Work, wiring: Wiring, stride: usize) {
    let clean = run(work, wiring, None);
    assert_eq!(complaint(work, &clean), None);
    clean.result.as_ref().unwrap();
    let faults = faults(&clean, stride);
    let (mut wrong, mut errors) = (Vec::new(), Vec::new());
    for fault in &faults {
        let run = run(work, wiring, Some(*fault));
        // The reset at the end has no answer to wait for when its own bytes are damaged.
        assert!(run.fired, "{fault:?} never fired");
        wrong.extend(complaint(work, &run).map(|text| format!("{fault:?}: {text}")));
        errors.extend(
            run.result
                .err()
                .filter(|error| !is_beyond_repair(error, wiring))
                .map(|error| format!("{fault:?}: {error}")),
        );
    }
    assert!(wrong.is_empty(), "{} of {} runs went wrong: {wrong:#?}", wrong.len(), faults.len());
    assert!(errors.is_empty(), "{} of {} runs failed: {errors:#?}", errors.len(), faults.len());
}

/// One bad byte is to be survived, but for a command that turned into an erase on the way, and for one that keeps the
/// module busy for minutes (a hash of 256 MiB) where no line can reset it.
fn is_beyond_repair(error: &Error, wiring: Wiring) -> bool {
    match error.kind() {
        ErrorKind::ExcessPending { .. } | ErrorKind::Collateral { .. } => true,
        ErrorKind::NoHandshake { .. } | ErrorKind::LoaderSilent { .. } => wiring == Wiring::None,
        _ => false,
    }
}

#[test]
fn one_bad_byte_in_a_write() {
    campaign(Work::Write, Wiring::RtsEn, 701);
}

#[test]
fn one_bad_byte_in_a_write_without_lines() {
    campaign(Work::Write, Wiring::None, 1999);
}

#[test]
fn one_bad_byte_in_a_backup() {
    campaign(Work::Backup, Wiring::RtsEn, 701);
}
