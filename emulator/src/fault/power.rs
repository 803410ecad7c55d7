//! The power seam: supply, EN and the cable, and when they go.

use bl702_protocol::time::Nanos;

use super::effect::{CutPoint, PowerEffect};
use super::frame::command_in_words;
use super::line::byte_in_words;
use super::trigger::{Armed, Occasion};
use super::when::Moment;
use crate::flash::{FlashBegun, FlashWork};

/// What happens to the module from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// The supply goes, or comes back.
    Supply(bool),
    /// EN is pulled low, or let go.
    Enable(bool),
    /// The cable is pulled out of the host, or plugged in.
    Cable(bool),
}

/// Actions in the order of their times.
#[derive(Debug, Default)]
pub(super) struct Schedule(Vec<(Nanos, Action)>);

impl Schedule {
    /// When the first is due.
    pub(super) fn next(&self) -> Option<Nanos> {
        self.0.first().map(|(at, _)| *at)
    }

    /// The first one that is due at `now`.
    pub(super) fn take_due(&mut self, now: Nanos) -> Option<Action> {
        if self.next().is_none_or(|at| at > now) {
            return None;
        }
        Some(self.0.remove(0).1)
    }

    fn add(&mut self, at: Nanos, action: Action) {
        let place = self.0.partition_point(|(other, _)| *other <= at);
        self.0.insert(place, (at, action));
    }

    /// What an effect does from `at` on.
    fn plan(&mut self, effect: &PowerEffect, at: Nanos) {
        let (gone, back, span) = match effect {
            PowerEffect::Cut { off_us, .. } => (Action::Supply(false), Action::Supply(true), *off_us),
            PowerEffect::BrownOut { us } => (Action::Supply(false), Action::Supply(true), Some(*us)),
            PowerEffect::EnGlitch { us } => (Action::Enable(false), Action::Enable(true), Some(*us)),
            PowerEffect::Unplug { back_us } => (Action::Cable(false), Action::Cable(true), *back_us),
        };
        self.add(at, gone);
        if let Some(us) = span {
            self.add(at + Nanos::from_micros(us), back);
        }
    }
}

impl Armed<PowerEffect> {
    /// What it counts.
    pub(super) fn moment(&self) -> Moment {
        let given = &self.when;
        match self.when.on {
            Some(moment) => moment,
            None if given.byte.is_some()
                || given.session_byte.is_some()
                || given.frame_byte.is_some()
                || given.direction.is_some() =>
            {
                Moment::Byte
            }
            None if given.reply.is_some() => Moment::Reply,
            None if matches!(self.effect, PowerEffect::Unplug { .. }) => Moment::Byte,
            None => Moment::Operation,
        }
    }
}

/// The power faults that count `moment`.
fn counting(
    faults: &mut [Armed<PowerEffect>],
    moment: Moment,
) -> impl Iterator<Item = &mut Armed<PowerEffect>> {
    faults.iter_mut().filter(move |fault| fault.moment() == moment)
}

/// A fault that acts by the clock alone was armed.
pub(super) fn arm_timed(schedule: &mut Schedule, fault: &mut Armed<PowerEffect>, now: Nanos) {
    if fault.moment() != Moment::Time {
        return;
    }
    let from = fault.when.time_us.map_or(0, |span| span.from);
    let at = Nanos::from_micros(from).max(now);
    if fault.admits(&Occasion { at, ..Occasion::default() }) {
        fault.fire(at, || "the clock".to_owned());
        schedule.plan(&fault.effect, at);
    }
}

/// The flash has begun an operation for the command in `current`.
pub(super) fn flash_begun(
    schedule: &mut Schedule,
    faults: &mut [Armed<PowerEffect>],
    current: &Occasion,
    begun: &FlashBegun,
) {
    let from = u64::from(begun.address);
    let occasion = Occasion {
        at: begun.start,
        stage: current.stage,
        command: current.command,
        address: Some((from, from + u64::from(begun.length.max(1)))),
        ..Occasion::default()
    };
    for fault in counting(faults, Moment::Operation) {
        if !fault.admits(&occasion) {
            continue;
        }
        let took = begun.done.since(begun.start);
        let at = match &fault.effect {
            PowerEffect::Cut { at: CutPoint::Before, .. } => begun.start,
            PowerEffect::Cut { at: CutPoint::After, .. } => begun.done,
            PowerEffect::Cut { progress_percent, .. } => {
                begun.start + Nanos(took.0 / 100 * u64::from(*progress_percent)).max(Nanos(1))
            }
            _ => begun.start + Nanos(took.0 / 2),
        };
        fault.fire(at, || {
            let (from, to) = (begun.address, begun.address.wrapping_add(begun.length));
            match begun.work {
                FlashWork::Program => format!("the programming of {from:#x}..{to:#x}"),
                FlashWork::Erase => format!("the erasing of {from:#x}..{to:#x}"),
                FlashWork::Status => "the writing of a status register".to_owned(),
            }
        });
        schedule.plan(&fault.effect, at);
    }
}

/// A command was taken, or an answer begun.
pub(super) fn frame(schedule: &mut Schedule, faults: &mut [Armed<PowerEffect>], occasion: &Occasion) {
    let moment = if occasion.reply.is_some() { Moment::Reply } else { Moment::Command };
    for fault in counting(faults, moment) {
        if fault.admits(occasion) {
            fault.fire(occasion.at, || match occasion.reply {
                Some(_) => format!("the answer to {}", command_in_words(occasion)),
                None => command_in_words(occasion),
            });
            schedule.plan(&fault.effect, occasion.at);
        }
    }
}

/// A byte is about to pass the line.
pub(super) fn byte(schedule: &mut Schedule, faults: &mut [Armed<PowerEffect>], occasion: &Occasion) {
    for fault in counting(faults, Moment::Byte) {
        if fault.admits(occasion) {
            fault.fire(occasion.at, || byte_in_words(occasion));
            schedule.plan(&fault.effect, occasion.at);
        }
    }
}

/// Whether any power fault that counts this may still act.
pub(super) fn counts(faults: &[Armed<PowerEffect>], moment: Moment) -> bool {
    faults.iter().any(|fault| fault.may_still_act() && fault.moment() == moment)
}
