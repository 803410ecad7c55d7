//! The faults of one module between its pins and the host: line and power. Those inside the chip are in the chip.

use bl702_protocol::time::Nanos;

use super::device::DeviceFaults;
use super::effect::{Effect, LineEffect, PowerEffect};
use super::host::HostFrames;
use super::line::{Adapter, Wire};
use super::plan::FaultPlan;
use super::power::{self, Action, Schedule};
use super::trigger::{Armed, FaultReport, FaultStatus, Occasion};
use super::when::{Direction, Moment};
use crate::chip::Chip;
use crate::event::{Event, Stage, TimedEvent};
use crate::line::Burst;

/// What is armed outside the chip.
#[derive(Debug)]
pub(crate) struct Engine {
    line: Vec<Armed<LineEffect>>,
    power: Vec<Armed<PowerEffect>>,
    armed: usize,
    host: HostFrames,
    to_module: Wire,
    to_host: Wire,
    adapter: Adapter,
    /// Empty; its memory is kept.
    passed: Vec<Burst>,
    schedule: Schedule,
    /// Bytes from the chip that power faults have seen.
    examined: u64,
    handshakes: u64,
    supply_lost: bool,
    enable_low: bool,
    unplugged: bool,
}

impl Default for Engine {
    fn default() -> Engine {
        Engine {
            line: Vec::new(),
            power: Vec::new(),
            armed: 0,
            host: HostFrames::default(),
            to_module: Wire::new(Direction::ToModule),
            to_host: Wire::new(Direction::ToHost),
            adapter: Adapter::default(),
            passed: Vec::new(),
            schedule: Schedule::default(),
            examined: 0,
            handshakes: 0,
            supply_lost: false,
            enable_low: false,
            unplugged: false,
        }
    }
}

impl Engine {
    /// Arms every fault of a plan besides those that are armed.
    pub(crate) fn arm(&mut self, chip: &mut Chip, plan: &FaultPlan, seed: u64, now: Nanos) {
        if !self.handles_line() {
            self.to_host.start_at(chip.tx.taken_bytes());
        }
        for fault in &plan.faults {
            let (index, name, when) = (self.armed, fault.title(), fault.when.clone());
            self.armed += 1;
            match fault.effect.clone() {
                Effect::Line(effect) => {
                    chip.frames.get_or_insert_default().mark_answers();
                    self.line.push(Armed::new(index, name, effect, when, seed));
                }
                Effect::Power(effect) => {
                    let mut fault = Armed::new(index, name, effect, when, seed);
                    power::arm_timed(&mut self.schedule, &mut fault, now);
                    self.power.push(fault);
                    self.watch(chip);
                }
                Effect::Frame(effect) => {
                    chip.frames.get_or_insert_default().arm(Armed::new(index, name, effect, when, seed));
                }
                Effect::Device(effect) => {
                    DeviceFaults::arm(chip, Armed::new(index, name, effect, when, seed));
                }
            }
        }
    }

    /// Lets the chip tell what power faults count.
    fn watch(&mut self, chip: &mut Chip) {
        let frames = chip.frames.get_or_insert_default();
        frames.mark_answers();
        if power::counts(&self.power, Moment::Command) || power::counts(&self.power, Moment::Reply) {
            frames.tell();
        }
        if power::counts(&self.power, Moment::Operation) {
            chip.flash.watch();
        }
        if !power::counts(&self.power, Moment::Byte) {
            self.examined = chip.tx.sent_bytes();
        }
    }

    /// Whether bytes may come out other than they went in.
    fn handles_line(&self) -> bool {
        !self.line.is_empty() || !self.power.is_empty()
    }

    /// Whether the chip must be looked at after everything that it does.
    pub(crate) fn watches_chip(&self) -> bool {
        self.power.iter().any(|fault| fault.may_still_act() && fault.moment() != Moment::Time)
    }

    /// Bytes from the host, on their way to the chip.
    pub(crate) fn receive(&mut self, chip: &mut Chip, stage: Option<Stage>, burst: Burst) {
        if self.unplugged {
            return;
        }
        if !self.handles_line() {
            return chip.rx.push(burst);
        }
        self.notice_session(chip);
        self.host.begin(&burst);
        let counts_bytes = power::counts(&self.power, Moment::Byte);
        let looked_at = self.to_module.looks_at(&self.line, &burst);
        let (host, power, schedule) = (&mut self.host, &mut self.power, &mut self.schedule);
        if counts_bytes {
            // A copy of where the host is: the line looks at the same bytes again.
            let mut host = host.clone();
            for index in 0..burst.bytes.len() {
                let frame = host.next(stage, &burst, index);
                power::byte(schedule, power, &self.to_module.occasion(&burst, index, frame));
            }
        }
        let rx = &mut chip.rx;
        if looked_at {
            let frame = |burst: &Burst, index| host.next(stage, burst, index);
            self.to_module.pass(&mut self.line, burst, frame, |burst| rx.push(burst));
        } else {
            host.skip(&burst);
            self.to_module.pass(&mut self.line, burst, |_, _| Occasion::default(), |burst| rx.push(burst));
        }
    }

    /// Looks at what the chip has done up to `now`, and takes what it has sent.
    pub(crate) fn look(&mut self, chip: &mut Chip, now: Nanos) {
        self.notice_session(chip);
        if self.watches_chip() {
            self.count_moments(chip);
        }
        if self.handles_line() {
            self.take_sent(chip, now);
        }
    }

    fn count_moments(&mut self, chip: &mut Chip) {
        let Some(frames) = &mut chip.frames else { return };
        let (schedule, faults) = (&mut self.schedule, &mut self.power);
        let current = frames.current();
        for begun in chip.flash.take_begun() {
            power::flash_begun(schedule, faults, &current, &begun);
        }
        for occasion in frames.take_news() {
            power::frame(schedule, faults, &occasion);
        }
        if !power::counts(faults, Moment::Byte) {
            return;
        }
        let session_start = frames.session_start();
        // A reset has taken back what was not sent.
        self.examined = self.examined.min(chip.tx.sent_bytes());
        for (number, at) in chip.tx.queued_from(self.examined) {
            let occasion = Occasion {
                at,
                direction: Some(Direction::ToHost),
                byte: Some(number),
                session_byte: number.checked_sub(session_start),
                ..frames.answer_of(number)
            };
            power::byte(schedule, faults, &occasion);
            self.examined = number + 1;
        }
    }

    fn take_sent(&mut self, chip: &mut Chip, now: Nanos) {
        while let Some(burst) = chip.tx.take(now) {
            if self.unplugged {
                continue;
            }
            let looked_at = self.to_host.looks_at(&self.line, &burst);
            let first = self.to_host.count();
            let frames = chip.frames.as_ref().filter(|_| looked_at);
            let frame = |_: &Burst, index| {
                frames.map_or_else(Occasion::default, |frames| frames.answer_of(first + index as u64))
            };
            let passed = &mut self.passed;
            self.to_host.pass(&mut self.line, burst, frame, |burst| passed.push(burst));
            for burst in self.passed.drain(..) {
                self.adapter.take_in(&self.to_host, &mut self.line, burst);
            }
        }
        if let Some(frames) = &mut chip.frames {
            frames.forget_before(self.to_host.count());
        }
    }

    /// A handshake's `OK` begins a session: bytes are counted anew, and the host's next byte begins a frame.
    fn notice_session(&mut self, chip: &Chip) {
        let Some(frames) = &chip.frames else { return };
        if frames.handshakes() == self.handshakes {
            return;
        }
        self.handshakes = frames.handshakes();
        self.to_host.begin_session(frames.session_start());
        self.to_module.begin_session(self.to_module.count());
        self.host.restart();
    }

    /// The next bytes that the host gets.
    pub(crate) fn transmit(&mut self, chip: &mut Chip, now: Nanos) -> Option<Burst> {
        if !self.handles_line() {
            return chip.tx.take(now);
        }
        self.take_sent(chip, now);
        self.adapter.take(&mut self.line, now)
    }

    /// When the host gets something that has left the chip already.
    pub(crate) fn next_due(&self) -> Option<Nanos> {
        self.adapter.next_due()
    }

    /// When something happens to supply, EN or cable.
    pub(crate) fn next_action(&self) -> Option<Nanos> {
        self.schedule.next()
    }

    /// What happens to supply, EN and cable by `now`; the module does it.
    pub(crate) fn take_action(&mut self, chip: &mut Chip, now: Nanos) -> Option<Action> {
        let action = self.schedule.take_due(now)?;
        match action {
            Action::Supply(on) => self.supply_lost = !on,
            Action::Enable(high) => self.enable_low = !high,
            Action::Cable(plugged) => {
                self.unplugged = !plugged;
                self.adapter.clear(now);
                chip.rx.cut_after(now);
            }
        }
        Some(action)
    }

    /// Whether a fault has taken the supply away or pulls EN low.
    pub(crate) fn holds_off(&self) -> bool {
        self.supply_lost || self.enable_low
    }

    /// Somebody switches the supply on: what a fault took away is there again.
    pub(crate) fn supply_given(&mut self) {
        self.supply_lost = false;
    }

    /// Whether the cable is out of the host.
    pub(crate) fn is_unplugged(&self) -> bool {
        self.unplugged
    }

    /// What became of all of them.
    pub(crate) fn report(&self, chip: &Chip) -> FaultReport {
        let mut faults: Vec<(usize, FaultStatus)> = Vec::with_capacity(self.armed);
        faults.extend(self.line.iter().map(|fault| fault.status("line")));
        faults.extend(self.power.iter().map(|fault| fault.status("power")));
        faults.extend(chip.frames.iter().flat_map(|frames| frames.statuses()));
        faults.extend(chip.faults.statuses());
        faults.extend(chip.flash.fault_statuses());
        faults.sort_by_key(|(index, _)| *index);
        FaultReport { faults: faults.into_iter().map(|(_, status)| status).collect() }
    }

    /// Tells of what fired since the last call.
    pub(crate) fn tell(&mut self, chip: &mut Chip, now: Nanos) {
        let mut fired = Vec::new();
        self.line.iter_mut().for_each(|fault| collect(&mut fired, "line", fault, now));
        self.power.iter_mut().for_each(|fault| collect(&mut fired, "power", fault, now));
        if let Some(frames) = &mut chip.frames {
            frames.iter_mut().for_each(|fault| collect(&mut fired, "frame", fault, now));
        }
        chip.faults.iter_mut().for_each(|fault| collect(&mut fired, "device", fault, now));
        chip.flash.defects_mut().for_each(|fault| collect(&mut fired, "device", fault, now));
        for event in fired {
            chip.emit_in_order(event);
        }
    }
}

fn collect<E>(fired: &mut Vec<TimedEvent>, seam: &'static str, fault: &mut Armed<E>, now: Nanos) {
    while let Some((at, on)) = fault.take_fired(now) {
        fired.push(TimedEvent { at, event: Event::FaultFired { name: fault.name.clone(), seam, on } });
    }
}
