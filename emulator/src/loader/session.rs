//! The main loop in a session: waiting for frames, checking them, working on commands, counting errors
//! (`reference/loader-protocol.md` sections 3 and 5).

use bl702_protocol::frame::RequestHeader;
use bl702_protocol::time::Nanos;

use super::commands::{self, Cpu, Job, LOST_POINTER, Next, Request};
use super::receive::{Frame, Served};
use super::{Phase, Progress, RamLoader, STORM, listen, memory_map};
use crate::chip::{Chip, Exit};
use crate::event::{Event, SessionEnd, Stage};
use crate::fault::Verdict;
use crate::fault::device::HANG;

/// This many counted errors end a session.
const COUNTED_ERRORS: u8 = 3;
/// After a bad checksum the frame is printed as hex to the debug UART: three characters a byte at 2 Mbaud (assumed;
/// inferred in section 6).
const HEX_PRINT_US_A_BYTE: u64 = 15;
const BAD_CHECKSUM: u16 = 0x0103;

/// Does what a fault has decided instead of what a command says. A refusal counts as the loader's own do.
fn obey(verdict: Verdict, cpu: &mut Cpu<'_>) -> Next {
    match verdict {
        Verdict::Execute | Verdict::Ignore => Next::silence(cpu.at),
        Verdict::Refuse(code) => Next::refuse(cpu.at, code.0),
        Verdict::Answer(bytes) => Next::Done { at: cpu.send(&bytes), counted_error: false },
    }
}

impl RamLoader {
    /// Calls the receive routine, with a time-out that counts from now.
    pub(super) fn begin_wait(&mut self, chip: &Chip, since: Nanos, missed: bool) -> Progress {
        if !memory_map::can_receive(&chip.ram) {
            return Progress::Exit(since, Exit::Dead { reason: LOST_POINTER });
        }
        let deadline = since + Nanos::from_millis(memory_map::receive_timeout_ms(&chip.ram));
        self.phase = Phase::Waiting { since, deadline, missed };
        Progress::Done
    }

    pub(super) fn wait(&mut self, chip: &mut Chip, wait: (Nanos, Nanos, bool), until: Nanos) -> Progress {
        let (since, deadline, missed) = wait;
        let served = match self.receiver.frame_bytes(&chip.ram) {
            Some(_) => Served::Frame(since),
            None => self.receiver.service(chip, deadline.min(until), true),
        };
        match served {
            Served::Frame(at) => match self.receiver.take_frame(&chip.ram) {
                Some(frame) => self.begin_command(chip, at, frame),
                None => Progress::Done,
            },
            Served::Storm(at) => Progress::Exit(at, Exit::Dead { reason: STORM }),
            Served::Nothing if deadline > until => Progress::Blocked,
            Served::Nothing if missed => {
                let count = self.receiver.partial(&chip.ram).len() as u32;
                if count > 0 {
                    let why = "part of a frame that was never completed";
                    chip.emit(deadline, Event::BytesLost { count, why });
                }
                self.end(chip, deadline, SessionEnd::Idle)
            }
            Served::Nothing => self.begin_wait(chip, deadline, true),
        }
    }

    /// Leaves the session for the next interface; its turn over, the UART is reset, whatever it was sending.
    fn end(&mut self, chip: &mut Chip, at: Nanos, why: SessionEnd) -> Progress {
        chip.emit(at, Event::SessionEnded { stage: Stage::Loader, why });
        let origin = listen::next_turn(at);
        if chip.tx.free_at() > origin {
            chip.tx.cut_keeping_sent(origin);
        }
        memory_map::fill_interface_table(&mut chip.ram);
        self.phase = Phase::Listening { origin };
        Progress::Done
    }

    fn begin_command(&mut self, chip: &mut Chip, at: Nanos, frame: Frame) -> Progress {
        if frame.lost > 0 {
            let why = "came in one burst behind a frame";
            chip.emit(at, Event::BytesLost { count: frame.lost as u32, why });
        }
        let header = chip.ram.slice(frame.address, RequestHeader::LEN).and_then(|bytes| bytes.first_chunk());
        let header = RequestHeader::parse(header.copied().unwrap_or_default());
        let request =
            Request { payload: frame.address + RequestHeader::LEN as u32, length: frame.payload_bytes };
        let payload = request.payload(chip).to_vec();
        let checksum_ok = header.checksum_accepts(&payload);
        let found = commands::find(header.id);
        let known = found.is_some();
        let verdict = match checksum_ok {
            true => chip.judge(at, Stage::Loader, header.id, &payload),
            false => Verdict::Execute,
        };
        let hangs = checksum_ok && chip.loader_hangs(at, header.id, &payload);
        chip.emit(at, Event::Command { stage: Stage::Loader, id: header.id, payload, known, checksum_ok });
        if hangs {
            return Progress::Exit(at, Exit::Dead { reason: HANG });
        }
        let mut cpu = Cpu { chip, data: &mut self.data, at, id: header.id, baud_bps: self.baud_bps };
        let next = match found {
            _ if !checksum_ok => {
                cpu.data.log.line("bad checksum");
                let printed = Nanos::from_micros(HEX_PRINT_US_A_BYTE) * frame.payload_bytes as u64;
                Next::refuse_uncounted(at + printed, BAD_CHECKSUM)
            }
            _ if verdict != Verdict::Execute => obey(verdict, &mut cpu),
            Some((command, handler)) => {
                cpu.data.log.line(&format!("{:02x} {}", command.id(), command.name()));
                handler(&request, &mut cpu)
            }
            None => Next::silence(at),
        };
        self.go_on(chip, header.id, next)
    }

    fn go_on(&mut self, chip: &mut Chip, id: u8, next: Next) -> Progress {
        match next {
            Next::At(at, job) => {
                self.phase = Phase::Busy { at, id, job };
                Progress::Done
            }
            Next::Leave(at, exit) => Progress::Exit(at, exit),
            Next::Done { at, counted_error } => {
                self.counted_errors += u8::from(counted_error);
                if self.counted_errors >= COUNTED_ERRORS {
                    return self.end(chip, at, SessionEnd::ThreeErrors);
                }
                self.begin_wait(chip, at, false)
            }
        }
    }

    /// The command at work: interrupts go on all the time, the main loop when its job is due.
    pub(super) fn work(&mut self, chip: &mut Chip, until: Nanos) -> Progress {
        let Phase::Busy { at, id, job } = &mut self.phase else { return Progress::Done };
        let (at, id) = (*at, *id);
        let limit = at.min(until);
        // Frames that arrive while this command is at work go to the current buffer; answers are built in buffer 1.
        let served = if self.receiver.current() == 1 && job.works_on_answer() {
            chip.rx.receive_at(self.baud_bps);
            let mut served = Served::Nothing;
            while let Some(interrupt_at) = self.receiver.next_interrupt(&chip.rx).filter(|at| *at <= limit)
                && served == Served::Nothing
            {
                job.before_interrupt(chip, interrupt_at);
                served = self.receiver.service(chip, interrupt_at, false);
                job.after_interrupt(chip, interrupt_at, self.baud_bps);
            }
            served
        } else {
            self.receiver.service(chip, limit, false)
        };
        if let Served::Storm(at) = served {
            return Progress::Exit(at, Exit::Dead { reason: STORM });
        }
        if at > until {
            return Progress::Blocked;
        }
        let waiting = Phase::Waiting { since: at, deadline: at, missed: false };
        let Phase::Busy { job, .. } = std::mem::replace(&mut self.phase, waiting) else {
            return Progress::Done;
        };
        let mut cpu = Cpu { chip, data: &mut self.data, at, id, baud_bps: self.baud_bps };
        let next = Job::run(job, &mut cpu);
        self.go_on(chip, id, next)
    }
}
