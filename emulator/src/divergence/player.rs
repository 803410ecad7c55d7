//! Does to a module what the host did in a recording, in virtual time.
//!
//! A host waits for answers. So what it sent behind an answer goes out behind that answer here too, with the same pause,
//! however long this module takes; and what it sent because no answer came goes out after the same silence.

use bl702_protocol::time::Nanos;
use bl702_protocol::trace::{Direction, LineLevels, LinesRecord, Record};

use super::Options;
use super::script::{Act, Script, Step, Viewpoint};
use crate::line::Burst;
use crate::module::Module;
use crate::transport::outbox::HostReceiver;
use crate::transport::wiring::{ModemLines, pins};

/// How much longer than the recorded one this module may take: more than a chip erase (49.5 s), less than for ever.
const PATIENCE: Nanos = Nanos::from_secs(120);
/// A module that was found by its host had been on for a while, if the host does something as early as this.
const EARLY: Nanos = Nanos::from_millis(50);
const HEAD_START: Nanos = Nanos::from_secs(1);
/// How far time goes when the next wake-up has passed already.
const STEP: Nanos = Nanos::from_micros(1);

/// What a module made of a script.
#[derive(Debug)]
pub struct Replayed {
    /// What went over the wire.
    pub records: Vec<Record>,
    /// The module as it is at the end.
    pub module: Module,
    /// Bytes that did not come when the recorded host had them.
    pub missing_bytes: u64,
}

/// A replay under way.
#[derive(Debug)]
pub struct Player<'a> {
    module: Module,
    script: &'a Script,
    options: &'a Options,
    link_delay: Nanos,
    receiver: HostReceiver,
    receive_bps: u32,
    lines: ModemLines,
    records: Vec<Record>,
    /// Bytes heard, and when the last ones had arrived: (bytes up to its end, start, rate).
    heard: Vec<Heard>,
    /// What was heard beyond what was heard in the recording, where both were quiet.
    surplus: i64,
    /// The end of the last act, then and now.
    last_end: (Nanos, Nanos),
    missing_bytes: u64,
}

#[derive(Clone, Copy, Debug)]
struct Heard {
    start: Nanos,
    baud_bps: u32,
    before: u64,
    up_to: u64,
}

impl<'a> Player<'a> {
    /// A replay of `script` against a module that was just powered up.
    pub fn new(module: Module, script: &'a Script, options: &'a Options, link_delay: Nanos) -> Player<'a> {
        let tool = concat!("bl702-emu replay ", env!("CARGO_PKG_VERSION"));
        let records = vec![Record::header(module.profile().name.clone(), tool)];
        let first = script.steps.first().map_or(Nanos::ZERO, |step| step.start);
        let is_late = script.viewpoint == Viewpoint::Host && first < EARLY;
        let head_start = if is_late { HEAD_START } else { Nanos::ZERO };
        let first_sent_bps = script.steps.iter().find_map(|step| match &step.act {
            Act::Send { baud_bps, .. } => Some(*baud_bps),
            _ => None,
        });
        let receive_bps = script.first_receive_bps.or(first_sent_bps);
        Player {
            module,
            script,
            options,
            link_delay,
            receiver: HostReceiver::default(),
            receive_bps: receive_bps.unwrap_or(0),
            lines: ModemLines::default(),
            records,
            heard: Vec::new(),
            surplus: 0,
            last_end: (Nanos::ZERO, head_start),
            missing_bytes: 0,
        }
    }

    /// Plays it to its end.
    pub fn play(mut self) -> Replayed {
        let script = self.script;
        self.advance(self.last_end.1);
        for step in &script.steps {
            let start = self.await_turn(step);
            self.advance(start);
            self.resynchronise(step.heard_bytes);
            self.perform(step);
        }
        // What the recorded module still said, and no more: what comes later nobody recorded.
        let end = Step {
            act: Act::Lines(LineLevels::default()),
            start: script.end,
            end: script.end,
            heard_bytes: script.chip_bytes,
            heard_at: None,
            receive_bps: None,
        };
        let until = self.await_turn(&end);
        self.advance(until);
        Replayed { records: self.records, module: self.module, missing_bytes: self.missing_bytes }
    }

    /// Lets time pass until the host would do its next act; gives when that is.
    fn await_turn(&mut self, step: &Step) -> Nanos {
        let by_pause = self.last_end.1 + step.start.since(self.last_end.0);
        let wanted = step.heard_bytes.saturating_add_signed(self.surplus);
        let limit = by_pause + PATIENCE;
        loop {
            if self.heard_bytes() >= wanted {
                let answered_after = step.heard_at.filter(|at| *at >= self.last_end.0);
                let start = match (answered_after, self.arrival(wanted)) {
                    (Some(then), Some(now)) => now + step.start.since(then) + self.link_delay,
                    // A module that jumps over times can answer before the end of what it was sent, by the clock of the
                    // recording; but what the host had heard then, it has to hear first here, too.
                    (None, Some(now)) => by_pause.max(now),
                    _ => by_pause,
                };
                return start.max(self.last_end.1).max(self.module.now());
            }
            let busy = !self.module.waits_for_host();
            match self.module.next_wakeup() {
                Some(next) if (busy && next <= limit) || next <= by_pause => {
                    let least = self.module.now() + STEP;
                    self.advance(next.max(least));
                }
                // Nothing more comes by itself: the host went on after this silence.
                _ => {
                    self.missing_bytes += wanted - self.heard_bytes();
                    return by_pause.max(self.module.now());
                }
            }
        }
    }

    /// Where both sides are quiet, what one has said more than the other stays the difference from then on.
    fn resynchronise(&mut self, recorded: u64) {
        if self.module.waits_for_host() {
            self.surplus = self.heard_bytes() as i64 - recorded as i64;
        }
    }

    fn perform(&mut self, step: &Step) {
        let start = self.module.now();
        let mut end = start;
        match &step.act {
            Act::Send { baud_bps, bytes } => {
                let burst = Burst { start, baud_bps: *baud_bps, bytes: bytes.clone() };
                end = burst.end();
                self.records.push(Record::bytes(start, Direction::Host, *baud_bps, bytes.clone()));
                self.receive_bps = *baud_bps;
                self.module.receive(burst);
            }
            Act::Lines(levels) => {
                self.records.push(Record::Lines(LinesRecord { time_ns: start, lines: *levels }));
                self.set_lines(start, *levels);
            }
            Act::Power(on) => self.module.set_power(start, *on),
        }
        if let Some(receive_bps) = step.receive_bps {
            self.receive_bps = receive_bps;
        }
        self.last_end = (step.end, end);
    }

    fn set_lines(&mut self, at: Nanos, levels: LineLevels) {
        let mut pin_levels = (levels.enable, levels.boot);
        if levels.dtr.is_some() || levels.rts.is_some() {
            self.lines.dtr = levels.dtr.unwrap_or(self.lines.dtr);
            self.lines.rts = levels.rts.unwrap_or(self.lines.rts);
            let by_lines =
                pins(self.options.wiring, self.options.boot, self.lines.inverted(self.options.invert));
            pin_levels =
                (pin_levels.0.or(Some(by_lines.enable_high)), pin_levels.1.or(Some(by_lines.boot_high)));
        }
        // BOOT first: the edge of EN that comes with it must find the strap in place.
        if let Some(high) = pin_levels.1 {
            self.module.set_boot(at, high);
        }
        if let Some(high) = pin_levels.0 {
            self.module.set_enable(at, high);
        }
    }

    fn heard_bytes(&self) -> u64 {
        self.heard.last().map_or(0, |heard| heard.up_to)
    }

    /// When byte number `count` (from 1) had arrived.
    fn arrival(&self, count: u64) -> Option<Nanos> {
        let index = self.heard.partition_point(|heard| heard.up_to < count);
        let heard = self.heard.get(index).filter(|_| count > 0)?;
        Some(heard.start + Nanos::byte_times(count - heard.before, heard.baud_bps))
    }

    fn advance(&mut self, to: Nanos) {
        // In steps, so that what is said on the way is heard at its time and in its order.
        while let Some(next) = self.module.next_wakeup().filter(|next| *next < to) {
            let least = self.module.now() + STEP;
            self.module.advance(next.max(least).min(to));
            self.hear();
        }
        self.module.advance(to);
        self.hear();
    }

    fn hear(&mut self) {
        while let Some(burst) = self.module.transmit() {
            let more = self.module.is_sending();
            let (start, sent_bps) = (burst.start, burst.baud_bps);
            let (bytes, baud_bps) = match self.script.viewpoint {
                Viewpoint::Chip => (burst.bytes, sent_bps),
                Viewpoint::Host => (self.receiver.receive(burst, self.receive_bps, more), self.receive_bps),
            };
            if bytes.is_empty() {
                continue;
            }
            let before = self.heard_bytes();
            let up_to = before + bytes.len() as u64;
            // A run that had to be read as a whole has come to its end now.
            let start = start.min(self.module.now() - Nanos::byte_times(up_to - before, baud_bps));
            self.heard.push(Heard { start, baud_bps, before, up_to });
            self.records.push(Record::bytes(start, Direction::Chip, baud_bps, bytes));
        }
        while self.module.next_event().is_some() {}
    }
}
