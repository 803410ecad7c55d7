//! All that is told of what happens at a port: to the recording, to those who follow it, to an observer.

use super::control::{Observation, Observer};
use super::record::{Follower, RecordError, Recorder};
use crate::Nanos;
use crate::event::TimedEvent;
use crate::line::Burst;
use crate::module::Module;

/// Who is told.
#[derive(Debug, Default)]
pub(super) struct Journal {
    recorder: Recorder,
    observer: Option<Observer>,
}

impl Journal {
    /// A journal that begins with the pins of `module` as they are.
    pub(super) fn new(recorder: Option<Recorder>, observer: Option<Observer>, module: &Module) -> Journal {
        let mut recorder = recorder.unwrap_or_default();
        recorder.pins(module.now(), module.enable_high(), module.boot_high());
        Journal { recorder, observer }
    }

    /// Tells `follower` of everything from now on.
    pub(super) fn follow(&mut self, follower: Follower, module: &Module) -> Result<(), RecordError> {
        self.recorder.follow(follower, module)
    }

    /// Whether somebody wants to know what the host has not read.
    pub(super) fn is_observed(&self) -> bool {
        self.observer.is_some()
    }

    pub(super) fn host(&mut self, burst: &Burst, unread_bytes: usize) {
        self.recorder.host(burst);
        self.observe(Observation::Host { burst, unread_bytes });
    }

    /// A break: one byte for the chip, but nothing that a host has written.
    pub(super) fn line_break(&mut self, burst: &Burst) {
        self.recorder.host(burst);
    }

    pub(super) fn chip(&mut self, burst: &Burst, more: bool) {
        self.recorder.chip(burst, more);
        self.observe(Observation::Chip { burst });
    }

    pub(super) fn pins(&mut self, at: Nanos, enable_high: bool, boot_high: bool) {
        self.recorder.pins(at, enable_high, boot_high);
        self.observe(Observation::Pins { at, enable_high, boot_high });
    }

    pub(super) fn event(&mut self, event: &TimedEvent) {
        self.recorder.event(event);
        self.observe(Observation::Event(event));
    }

    /// Hands out what was recorded.
    pub(super) fn flush(&mut self) -> Result<(), RecordError> {
        self.recorder.flush()
    }

    fn observe(&mut self, observation: Observation<'_>) {
        if let Some(observer) = &mut self.observer {
            observer.observe(observation);
        }
    }
}
