//! What a session and its flow share.

use std::collections::VecDeque;

use bl702_protocol::time::Nanos;

use super::Output;
use crate::error::{Error, FlashState, Halt, Rescue};
use crate::event::Event;

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) now: Nanos,
    pub(super) baud_bps: u32,
    /// When the last byte handed out for sending has left the wire, at the latest.
    pub(super) sent_at: Nanos,
    pub(super) input: VecDeque<u8>,
    pub(super) outputs: VecDeque<Output>,
    pub(super) events: VecDeque<Event>,
    pub(super) wake_at: Option<Nanos>,
    /// The flow must be over by then.
    pub(super) bound: Option<(Nanos, Nanos)>,
    pub(super) halt: Option<Halt>,
    pub(super) flash: FlashState,
    pub(super) rescue: Vec<Rescue>,
}

impl Shared {
    pub(super) fn new(now: Nanos, baud_bps: u32) -> Shared {
        Shared {
            now,
            baud_bps,
            sent_at: now,
            input: VecDeque::new(),
            outputs: VecDeque::new(),
            events: VecDeque::new(),
            wake_at: None,
            bound: None,
            halt: None,
            flash: FlashState::Unchanged,
            rescue: Vec::new(),
        }
    }

    pub(super) fn advance(&mut self, now: Nanos) {
        self.now = self.now.max(now);
    }

    /// Whether the flow has to end now: the bound turns into a halt when it is reached.
    pub(super) fn halted(&mut self) -> bool {
        if let Some((deadline, span)) = self.bound
            && self.now >= deadline
        {
            self.halt.get_or_insert(Halt::Bound { span });
        }
        self.halt.is_some()
    }

    pub(super) fn wake_by(&mut self, deadline: Nanos) {
        let bound = self.bound.map_or(Nanos::MAX, |(deadline, _)| deadline);
        self.wake_at = Some(deadline.min(bound));
    }

    /// Adds to an error of the flow what only the session knows.
    pub(super) fn complete(&mut self, error: Error) -> Error {
        error.completed(self.halt.take(), self.flash.clone(), std::mem::take(&mut self.rescue))
    }
}
