//! One ISP session: polls, the time each step takes, and the way out.

use bl702_protocol::code::Code;
use bl702_protocol::command::RomCommand;
use bl702_protocol::frame::{self, ROM_MAX_PAYLOAD};
use bl702_protocol::time::Nanos;

use super::PollModel;
use super::commands::{self, Context, Outcome};
use super::flash_job::FlashJob;
use super::image::ImageLoad;
use super::otp_record::OtpRecord;
use super::parser::{Parser, Step};
use super::secure::SecureLink;
use super::timing::{self, LogLine};
use crate::chip::{Chip, Exit, Wake};
use crate::event::{Event, Stage};
use crate::fault::Verdict;

/// What one step of the session came to.
pub(super) enum SessionStep {
    Done,
    /// Nothing more to do by the time given.
    Blocked,
    /// The session's idle time ran out.
    Idle(Nanos),
    Exit(Nanos, Exit),
}

/// From a handshake to the idle time-out, a reset or a jump.
#[derive(Debug)]
pub(super) struct Session {
    parser: Parser,
    context: Context,
    poll_model: PollModel,
    /// What the last poll found, and how much of it has been worked on.
    poll: Vec<u8>,
    worked_on: usize,
    /// The CPU is busy up to this time.
    free_at: Nanos,
    /// The receive FIFO was not read for a while: it may have run over by `free_at`.
    fifo_unread: bool,
    /// When the last byte was found.
    heard_at: Nanos,
    flash_job: Option<(FlashJob, RomCommand)>,
    leaving: Option<(Nanos, Exit)>,
}

impl Session {
    pub(super) fn new(at: Nanos, baud_bps: u32, poll_model: PollModel, otp: OtpRecord) -> Session {
        let secure = SecureLink::new(otp.efuse.mac());
        Session {
            parser: Parser::new(),
            context: Context { otp, image: ImageLoad::default(), secure, baud_bps },
            poll_model,
            poll: Vec::new(),
            worked_on: 0,
            free_at: at,
            fifo_unread: false,
            heard_at: at,
            flash_job: None,
            leaving: None,
        }
    }

    pub(super) fn baud_bps(&self) -> u32 {
        self.context.baud_bps
    }

    pub(super) fn step(&mut self, chip: &mut Chip, until: Nanos) -> SessionStep {
        if let Some((at, exit)) = &self.leaving {
            return if *at <= until { SessionStep::Exit(*at, exit.clone()) } else { SessionStep::Blocked };
        }
        if let Some((job, _)) = &self.flash_job {
            return match job.busy_until() {
                Some(at) if at > until => SessionStep::Blocked,
                at => self.continue_flash(chip, at.unwrap_or(self.free_at)),
            };
        }
        if self.worked_on < self.poll.len() {
            return if self.free_at <= until { self.work_on_poll(chip) } else { SessionStep::Blocked };
        }
        chip.rx.receive_at(self.context.baud_bps);
        let idle_at = self.idle_at(chip);
        match self.next_poll(chip) {
            Some((at, count)) if at <= until && at <= idle_at => {
                self.take_poll(chip, at, count);
                SessionStep::Done
            }
            _ if idle_at <= until => SessionStep::Idle(idle_at),
            _ => SessionStep::Blocked,
        }
    }

    pub(super) fn wake(&self, chip: &Chip) -> Wake {
        if let Some((at, _)) = &self.leaving {
            return Wake::Work(*at);
        }
        if let Some((job, _)) = &self.flash_job {
            return Wake::Work(job.busy_until().unwrap_or(self.free_at));
        }
        if self.worked_on < self.poll.len() {
            return Wake::Work(self.free_at);
        }
        let idle_at = self.idle_at(chip);
        match self.next_poll(chip) {
            Some((at, _)) if at <= idle_at => Wake::Work(at),
            _ => Wake::Idle(idle_at),
        }
    }

    /// When the session is closed if nothing is found. Bytes of an unfinished payload push it out as they arrive.
    fn idle_at(&self, chip: &Chip) -> Nanos {
        let limit = timing::SESSION_IDLE.scale(chip.profile.rom_time_scale);
        chip.rx.heard_until(self.heard_at.max(self.free_at), limit) + limit
    }

    /// When the next poll that finds something happens and how many bytes it takes.
    fn next_poll(&self, chip: &Chip) -> Option<(Nanos, usize)> {
        match (self.poll_model, self.parser.payload_missing()) {
            (PollModel::Timed, Some(missing)) => {
                let at = chip.rx.nth_arrival(missing - 1)?;
                Some((at.max(self.free_at), missing))
            }
            (PollModel::Timed, None) => {
                let (at, _) = chip.rx.next_arrival()?;
                Some((at.max(self.free_at), timing::POLL_MAX))
            }
            (PollModel::Fixed(size), _) => {
                let wanted = size.clamp(1, timing::POLL_MAX);
                let queued = chip.rx.queued();
                let count = wanted.min(queued);
                let at = chip.rx.nth_arrival(count.checked_sub(1)?)?;
                Some((at.max(self.free_at), count))
            }
        }
    }

    fn take_poll(&mut self, chip: &mut Chip, at: Nanos, count: usize) {
        if std::mem::take(&mut self.fifo_unread) && self.poll_model == PollModel::Timed {
            let lost = chip.rx.overrun(self.free_at, timing::RX_FIFO, self.context.baud_bps) as u32;
            if lost > 0 {
                let why = "receive FIFO overrun while the ROM was busy";
                chip.emit(self.free_at, Event::BytesLost { count: lost, why });
            }
        }
        self.poll.clear();
        self.worked_on = 0;
        chip.rx.take(at, count, &mut self.poll);
        self.heard_at = at;
        self.free_at = if self.parser.payload_missing().is_some() { at } else { at + timing::POLL };
    }

    fn work_on_poll(&mut self, chip: &mut Chip) -> SessionStep {
        let at = self.free_at;
        let mut rest = &self.poll[self.worked_on..];
        if let Some(frames) = &chip.frames {
            self.parser.claim(frames.rom_ids());
        }
        let step = self.parser.step(&mut rest);
        self.worked_on = self.poll.len() - rest.len();
        let log_disabled = self.context.otp.efuse.uart_log_disable();
        match step {
            Step::NeedMore => {}
            Step::Skipped(byte) => {
                chip.emit(at, Event::SkippedByte { byte });
                self.free_at = at + timing::SKIP;
            }
            Step::Overlong => {
                let code = Code(0x0102);
                chip.send(at + timing::REPLY, self.context.baud_bps, &frame::fl(code));
                chip.emit(at, Event::Refused { stage: Stage::Rom, id: 0, code: code.0 });
                self.free_at = at + timing::REPLY + LogLine::Overlong.time(log_disabled);
            }
            Step::NothingSelected { unknown_id } => {
                chip.emit(at, command_event(unknown_id, &[], false));
            }
            Step::CopyRunsAway => {
                chip.emit(at, Event::Fault);
                let reason =
                    "bus fault: a command shorter than the stale fill count made the ROM copy almost 4 GiB";
                self.leaving = Some((at, Exit::Dead { reason }));
            }
            Step::Rerun { unknown_id, command, length } => {
                chip.emit(at, Event::Reran { unknown_id, id: command.id() });
                self.execute(command, length, chip, at);
            }
            Step::Execute { command, length } => self.execute(command, length, chip, at),
            Step::Claimed { id, length } => {
                let payload = &self.parser.buffer()[..length];
                chip.emit(at, command_event(id, payload, false));
                let verdict = chip.judge(at, Stage::Rom, id, payload);
                self.obey(verdict, id, chip, at + timing::REPLY);
            }
        }
        SessionStep::Done
    }

    fn execute(&mut self, command: RomCommand, length: usize, chip: &mut Chip, at: Nanos) {
        let buffer: &[u8; ROM_MAX_PAYLOAD] = self.parser.buffer();
        chip.emit(at, command_event(command.id(), &buffer[..length], true));
        self.fifo_unread = true;
        let reply_at = at + timing::REPLY;
        let verdict = chip.judge(at, Stage::Rom, command.id(), &buffer[..length]);
        if verdict != Verdict::Execute {
            return self.obey(verdict, command.id(), chip, reply_at);
        }
        match commands::execute(command, buffer, length, &mut self.context, chip, at) {
            Outcome::Reply(reply) => self.reply(command.id(), &reply, chip, reply_at),
            Outcome::Silent => self.free_at = reply_at,
            Outcome::Flash(job) => {
                self.flash_job = Some((job, command));
                self.free_at = at;
            }
            Outcome::ChangeRate { baud_bps } => {
                self.context.baud_bps = baud_bps;
                self.reply(command.id(), &frame::ok(), chip, reply_at);
            }
            Outcome::Leave { reply, delay_units, exit } => {
                let mut leave_at = at;
                if let Some(reply) = reply {
                    self.reply(command.id(), &reply, chip, reply_at);
                    let units = timing::DELAY_UNIT.scale(chip.profile.rom_time_scale) * delay_units;
                    leave_at = chip.tx.free_at().max(self.free_at) + units;
                }
                match exit {
                    Exit::SystemReset => chip.emit(leave_at, Event::SystemReset),
                    Exit::CpuReset => chip.emit(leave_at, Event::CpuReset),
                    Exit::RomBoot2 => chip.emit(leave_at, Event::RomBoot2),
                    // The module tells of jumps and flash boots when they happen.
                    Exit::Jump { .. } | Exit::FlashBoot | Exit::Dead { .. } => {}
                }
                self.leaving = Some((leave_at, exit));
            }
        }
    }

    /// Does what a fault has decided instead of what a command says.
    fn obey(&mut self, verdict: Verdict, id: u8, chip: &mut Chip, reply_at: Nanos) {
        match verdict {
            Verdict::Execute | Verdict::Ignore => self.free_at = reply_at,
            Verdict::Refuse(code) => self.reply(id, &frame::fl(code), chip, reply_at),
            Verdict::Answer(bytes) => self.reply(id, &bytes, chip, reply_at),
        }
    }

    fn continue_flash(&mut self, chip: &mut Chip, at: Nanos) -> SessionStep {
        let Some((job, command)) = &mut self.flash_job else { return SessionStep::Done };
        if let Some(reply) = job.advance(chip, at) {
            let command = *command;
            self.flash_job = None;
            self.free_at = at;
            self.reply(command.id(), &reply, chip, at + timing::REPLY);
        } else if job.busy_until().is_none() {
            // Nothing to wait for: the job goes on at the same time.
            self.free_at = at;
        }
        SessionStep::Done
    }

    /// Sends a reply from `at`. The ROM goes on once the reply is in the transmit FIFO and the log line is out.
    fn reply(&mut self, id: u8, reply: &[u8], chip: &mut Chip, at: Nanos) {
        let end = chip.send(at, self.context.baud_bps, reply);
        let refused = reply.starts_with(&frame::FAIL);
        if let (true, Some(&[low, high])) = (refused, reply.get(2..)) {
            let code = u16::from_le_bytes([low, high]);
            chip.emit(at, Event::Refused { stage: Stage::Rom, id, code });
        }
        let line = if refused { LogLine::Refused } else { LogLine::Handled };
        let logged = at + line.time(self.context.otp.efuse.uart_log_disable());
        let queued = end - Nanos::byte_times(timing::TX_FIFO, self.context.baud_bps);
        self.free_at = logged.max(queued);
    }
}

fn command_event(id: u8, payload: &[u8], known: bool) -> Event {
    Event::Command { stage: Stage::Rom, id, payload: payload.to_vec(), known, checksum_ok: true }
}
