//! The vendor's RAM loader ("eflash_loader"): handshake, session and the 22 commands.
//!
//! All behaviour is from `reference/loader-protocol.md`; `fixtures/vectors/loader.jsonl` proves it. Three things run side by
//! side: the main loop (`RamLoader`: one `Phase` after the other), the receive interrupts (`receive`) and the
//! transmit FIFO (the line). What they share is memory (`memory_map`), and most quirks of the loader come about there.
//!
//! No processing time is charged but for what the reference lists: delays, flash, hashing, the hex print after a
//! bad checksum.

mod commands;
mod data;
mod efuse_commands;
mod flash_erase;
pub(crate) mod flash_list;
mod flash_program;
mod flash_read;
mod flash_registers;
mod listen;
mod log;
mod memory_commands;
mod memory_map;
mod receive;
mod session;
mod system_commands;
#[cfg(test)]
mod tests;

use bl702_protocol::frame;
use bl702_protocol::time::Nanos;

use crate::chip::{Chip, Exit, Program, Wake};
use crate::event::{Event, Stage};
use commands::Job;
use data::LoaderData;
use receive::{Receiver, Served};

/// From the byte that auto-baud caught to `OK`.
const BEFORE_OK_MS: u64 = 12;
/// After `OK` the loader receives for so long, or until a frame is whole, and throws away what the interrupt handlers
/// have copied. Bytes still in the hardware FIFO survive.
const DRAIN_MS: u64 = 1;
/// The receive interrupt can neither copy nor go away. The words are those of the conformance vectors.
const STORM: &str = "rx interrupt storm";

/// The RAM loader at work.
#[derive(Debug)]
pub(crate) struct RamLoader {
    phase: Phase,
    receiver: Receiver,
    data: LoaderData,
    baud_bps: u32,
    counted_errors: u8,
}

/// What the main loop does.
#[derive(Debug)]
enum Phase {
    /// Clocks, flash, interfaces.
    Starting { until: Nanos },
    /// Auto-baud is armed in turns from this time on.
    Listening { origin: Nanos },
    /// Auto-baud has locked; the UART is set up and `OK` comes at this time.
    Answering { ok_at: Nanos },
    /// Surplus bytes are received to be thrown away.
    Draining { until: Nanos },
    /// The receive routine waits for a frame since this time; `missed`: the wait before ended in a time-out.
    Waiting { since: Nanos, deadline: Nanos, missed: bool },
    /// A command goes on at this time.
    Busy { at: Nanos, id: u8, job: Job },
}

/// What the outside may know of the RAM loader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoaderState {
    /// Sets up clocks and flash.
    Starting,
    /// Waits for a handshake.
    Listening,
    /// Between the first 0x55 and the end of the drain.
    Handshake,
    /// In a session.
    Session {
        /// The rate found by auto-baud.
        baud_bps: u32,
        /// Works on a command (else it waits for one).
        busy: bool,
        /// Between the commands 60h and 61h.
        xip: bool,
    },
}

impl LoaderState {
    /// Whether it takes commands, now or when it is done with one.
    pub fn in_session(self) -> bool {
        matches!(self, LoaderState::Session { .. })
    }
}

/// What one step of the main loop came to.
enum Progress {
    Done,
    Blocked,
    Exit(Nanos, Exit),
}

impl RamLoader {
    /// Execution has reached the image at `at`.
    pub(crate) fn start(chip: &mut Chip, at: Nanos) -> RamLoader {
        chip.otp.reload_shadow();
        memory_map::initialise(chip);
        let mut data = LoaderData::new();
        data.log.line("RAM loader (emulated)");
        let flash_ready = data.identify_flash(chip, at);
        let until = (at + Nanos::from_micros(chip.profile.ram_loader_start_us)).max(flash_ready);
        let phase = Phase::Starting { until };
        RamLoader { phase, receiver: Receiver::new(), data, baud_bps: 0, counted_errors: 0 }
    }

    pub(crate) fn state(&self) -> LoaderState {
        let xip = self.data.xip_started;
        match self.phase {
            Phase::Starting { .. } => LoaderState::Starting,
            Phase::Listening { .. } => LoaderState::Listening,
            Phase::Answering { .. } | Phase::Draining { .. } => LoaderState::Handshake,
            Phase::Waiting { .. } => LoaderState::Session { baud_bps: self.baud_bps, busy: false, xip },
            Phase::Busy { .. } => LoaderState::Session { baud_bps: self.baud_bps, busy: true, xip },
        }
    }

    /// One thing at or before `until`.
    fn step(&mut self, chip: &mut Chip, until: Nanos) -> Progress {
        match &self.phase {
            Phase::Starting { until: ready_at } if *ready_at <= until => {
                chip.rx.discard(*ready_at);
                self.phase = Phase::Listening { origin: *ready_at };
                Progress::Done
            }
            Phase::Answering { ok_at } if *ok_at <= until => self.answer(chip, *ok_at),
            Phase::Starting { .. } | Phase::Answering { .. } => Progress::Blocked,
            Phase::Listening { origin } => self.listen(chip, *origin, until),
            Phase::Draining { until: end } => self.drain(chip, *end, until),
            Phase::Waiting { since, deadline, missed } => {
                self.wait(chip, (*since, *deadline, *missed), until)
            }
            Phase::Busy { .. } => self.work(chip, until),
        }
    }

    fn listen(&mut self, chip: &mut Chip, origin: Nanos, until: Nanos) -> Progress {
        let Some(heard) = listen::listen(chip, origin, until) else { return Progress::Blocked };
        self.phase = match heard.baud_bps {
            Some(baud_bps) => {
                self.baud_bps = baud_bps;
                Phase::Answering { ok_at: heard.at + Nanos::from_millis(BEFORE_OK_MS) }
            }
            None => {
                self.data.log.line("rate refused");
                Phase::Listening { origin: listen::next_turn(heard.at) }
            }
        };
        Progress::Done
    }

    /// The UART is reset, set to the rate found, and answers. What came in the meantime is gone.
    fn answer(&mut self, chip: &mut Chip, ok_at: Nanos) -> Progress {
        let mut surplus = Vec::new();
        chip.rx.take(ok_at, usize::MAX, &mut surplus);
        report_surplus(chip, ok_at, &surplus);
        self.receiver.set_up(ok_at, self.baud_bps);
        chip.send_handshake(ok_at, Stage::Loader, self.baud_bps);
        chip.emit(ok_at, Event::Handshake { stage: Stage::Loader, baud_bps: self.baud_bps });
        self.data.log.line(&format!("handshake at {} baud", self.baud_bps));
        self.phase = Phase::Draining { until: ok_at + Nanos::from_millis(DRAIN_MS) };
        Progress::Done
    }

    fn drain(&mut self, chip: &mut Chip, end: Nanos, until: Nanos) -> Progress {
        let end = match self.receiver.service(chip, end.min(until), true) {
            Served::Storm(at) => return Progress::Exit(at, Exit::Dead { reason: STORM }),
            Served::Frame(at) => at,
            Served::Nothing if end <= until => end,
            Served::Nothing => return Progress::Blocked,
        };
        let surplus = self.receiver.partial(&chip.ram).to_vec();
        report_surplus(chip, end, &surplus);
        self.receiver.restart(&mut chip.ram);
        self.data.write_failed = false;
        self.counted_errors = 0;
        self.begin_wait(chip, end, false)
    }
}

/// Surplus 55h of a handshake are expected to be lost; anything else is worth telling.
fn report_surplus(chip: &mut Chip, at: Nanos, surplus: &[u8]) {
    if surplus.iter().any(|byte| *byte != frame::HANDSHAKE_BYTE) {
        let why = "sent before the RAM loader's session was ready";
        chip.emit(at, Event::BytesLost { count: surplus.len() as u32, why });
    }
}

impl Program for RamLoader {
    fn run(&mut self, chip: &mut Chip, until: Nanos) -> Option<(Nanos, Exit)> {
        loop {
            match self.step(chip, until) {
                Progress::Done => {}
                Progress::Blocked => return None,
                Progress::Exit(at, exit) => return Some((at, exit)),
            }
        }
    }

    fn wake(&self, chip: &Chip) -> Wake {
        let work_at = || self.receiver.next_work(&chip.rx, &chip.ram);
        match &self.phase {
            Phase::Starting { until } => Wake::Work(*until),
            Phase::Answering { ok_at } => Wake::Work(*ok_at),
            Phase::Draining { until } => Wake::Work(work_at().map_or(*until, |at| at.min(*until))),
            Phase::Busy { at, .. } => {
                Wake::Work(self.receiver.next_storm(&chip.rx).map_or(*at, |storm_at| storm_at.min(*at)))
            }
            // With bytes on the line a time-out is no idle one: there will be work after it.
            Phase::Waiting { deadline, .. } => {
                work_at().map_or(Wake::Idle(*deadline), |at| Wake::Work(at.min(*deadline)))
            }
            Phase::Listening { origin } => {
                listen::next_work(&chip.rx, *origin).map_or(Wake::Never, Wake::Work)
            }
        }
    }
}
