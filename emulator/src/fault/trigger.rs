//! Counting occasions, drawing lots, and telling of what fired.

use std::collections::VecDeque;
use std::fmt;

use bl702_protocol::time::Nanos;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::when::{Direction, ReplyKind, When};
use crate::event::Stage;

/// A moment at which a fault could act, and what is known of it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Occasion {
    pub(crate) at: Nanos,
    pub(crate) stage: Option<Stage>,
    pub(crate) command: Option<u8>,
    pub(crate) reply: Option<ReplyKind>,
    pub(crate) direction: Option<Direction>,
    /// First address, and the one behind the last.
    pub(crate) address: Option<(u64, u64)>,
    pub(crate) byte: Option<u64>,
    pub(crate) session_byte: Option<u64>,
    pub(crate) frame_byte: Option<u64>,
}

impl When {
    /// Whether an occasion meets every condition that is given. What an occasion does not know meets none.
    pub(crate) fn is_met(&self, occasion: &Occasion) -> bool {
        fn met<T: PartialEq>(wanted: Option<T>, there: Option<T>) -> bool {
            wanted.is_none() || wanted == there
        }
        let within = |wanted: Option<super::Span>, there: Option<u64>| {
            wanted.is_none_or(|span| there.is_some_and(|number| span.contains(number)))
        };
        met(self.stage, occasion.stage)
            && met(self.command, occasion.command)
            && met(self.reply, occasion.reply)
            && met(self.direction, occasion.direction)
            && within(self.byte, occasion.byte)
            && within(self.session_byte, occasion.session_byte)
            && within(self.frame_byte, occasion.frame_byte)
            && within(self.time_us, Some(occasion.at.0 / 1000))
            && self.address.is_none_or(|span| occasion.address.is_some_and(|(from, to)| span.meets(from, to)))
    }
}

/// The first time at which a fault fired.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirstFired {
    /// Module time in nanoseconds.
    pub at_ns: u64,
    /// On what, in words.
    pub on: String,
}

/// A fault at work: its effect, what it has counted, what it has done.
#[derive(Clone, Debug)]
pub(crate) struct Armed<E> {
    /// Its place in the report.
    pub(crate) index: usize,
    pub(crate) name: String,
    pub(crate) effect: E,
    pub(crate) when: When,
    seed: u64,
    rng: Option<ChaCha8Rng>,
    met: u64,
    /// What was not told yet.
    news: VecDeque<(Nanos, String)>,
    fired: u64,
    first: Option<FirstFired>,
}

impl<E> Armed<E> {
    pub(crate) fn new(index: usize, name: String, effect: E, when: When, seed: u64) -> Armed<E> {
        let (rng, news, first) = (None, VecDeque::new(), None);
        Armed { index, name, effect, when, seed, rng, met: 0, news, fired: 0, first }
    }

    /// Random numbers of this fault's own, so that faults do not disturb each other.
    pub(crate) fn rng(&mut self) -> &mut ChaCha8Rng {
        let (seed, index) = (self.seed, self.index as u64);
        self.rng.get_or_insert_with(|| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream(index);
            rng
        })
    }

    /// Whether there can be an occasion on which it acts.
    pub(crate) fn may_still_act(&self) -> bool {
        self.when.times.is_none_or(|times| self.fired < times)
            && self.when.nth.is_none_or(|nth| self.met < nth)
    }

    /// Random numbers that belong to a place, the same ones whenever it is visited.
    pub(crate) fn rng_at(&self, place: u64) -> ChaCha8Rng {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        // Apart from the streams of `rng`. A place has 16 blocks of 16 words, more than any needs at a time.
        rng.set_stream(1 << 63 | self.index as u64);
        rng.set_word_pos(u128::from(place) << 8);
        rng
    }

    /// Whether it acts now. Counts the occasion if it meets the conditions.
    pub(crate) fn admits(&mut self, occasion: &Occasion) -> bool {
        if !self.may_still_act() || !self.when.is_met(occasion) {
            return false;
        }
        self.met += 1;
        if self.when.nth.is_some_and(|nth| self.met != nth)
            || self.when.every.is_some_and(|every| !self.met.is_multiple_of(every.max(1)))
        {
            return false;
        }
        match self.when.probability {
            // The lot is drawn among 2^32 numbers: the same on every machine.
            Some(probability) => f64::from(self.rng().next_u32()) < probability * 4_294_967_296.0,
            None => true,
        }
    }

    /// It has acted, on what `on` says.
    pub(crate) fn fire(&mut self, at: Nanos, on: impl FnOnce() -> String) {
        self.fired += 1;
        let on = on();
        if self.first.is_none() {
            self.first = Some(FirstFired { at_ns: at.0, on: on.clone() });
        }
        self.news.push_back((at, on));
    }

    /// A state is consulted at `at`: it fires the first time, and only then.
    pub(crate) fn consult(&mut self, at: Nanos, on: impl FnOnce() -> String) {
        if self.fired == 0 {
            self.fire(at, on);
        }
    }

    /// The next thing it did by `now` that was not told yet.
    pub(crate) fn take_fired(&mut self, now: Nanos) -> Option<(Nanos, String)> {
        self.news.pop_front_if(|(at, _)| *at <= now)
    }

    /// Its line in the report.
    pub(crate) fn status(&self, seam: &'static str) -> (usize, FaultStatus) {
        let status = FaultStatus {
            name: self.name.clone(),
            seam: seam.to_owned(),
            fired: self.fired,
            first: self.first.clone(),
        };
        (self.index, status)
    }
}

/// What became of one fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultStatus {
    /// Its name.
    pub name: String,
    /// `line`, `frame`, `device` or `power`.
    pub seam: String,
    /// How often it fired.
    pub fired: u64,
    /// When it fired first, and on what; nothing if it never did.
    pub first: Option<FirstFired>,
}

/// What became of every fault that was armed, in the order of the plan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FaultReport {
    /// One entry a fault.
    pub faults: Vec<FaultStatus>,
}

impl FaultReport {
    /// Whether nothing was armed.
    pub fn is_empty(&self) -> bool {
        self.faults.is_empty()
    }

    /// The faults that fired.
    pub fn fired(&self) -> impl Iterator<Item = &FaultStatus> {
        self.faults.iter().filter(|fault| fault.fired > 0)
    }

    /// The faults that never fired.
    pub fn never_fired(&self) -> impl Iterator<Item = &FaultStatus> {
        self.faults.iter().filter(|fault| fault.fired == 0)
    }
}

impl fmt::Display for FaultStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): ", self.name, self.seam)?;
        let Some(first) = &self.first else { return f.write_str("armed, never fired") };
        let at = first.at_ns as f64 / 1e9;
        match self.fired {
            1 => write!(f, "fired at {at:.6} s on {}", first.on),
            count => write!(f, "fired {count} times, first at {at:.6} s on {}", first.on),
        }
    }
}
