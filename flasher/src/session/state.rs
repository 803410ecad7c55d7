//! What a session and its flow share.

use std::collections::VecDeque;

use bl702_protocol::image::boot_header::BOOT_HEADER_LEN;
use bl702_protocol::time::Nanos;

use super::Output;
use crate::error::{Error, FlashState, FuseState, Halt, ModuleState, Rescue, Troubles};
use crate::event::Event;
use crate::request::Side;

/// How long a command that is under way may still be waited for when a person wants the run to end.
const LAST_ANSWER: Nanos = Nanos::from_secs(5);

/// How a wait takes it that a person wants the run to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// It ends at once.
    None,
    /// It waits a little longer, so that an answer under way does not leave the module out of step.
    LastAnswer,
}

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
    /// The whole run must be over by then.
    pub(super) run_bound: Option<(Nanos, Nanos)>,
    pub(super) halt: Option<Halt>,
    /// When a person wanted the run to end.
    interrupted_at: Nanos,
    /// Until when the flow may still tidy up after that.
    pub(super) farewell_until: Option<Nanos>,
    pub(super) flash: FlashState,
    pub(super) fuses: FuseState,
    pub(super) rescue: Vec<Rescue>,
    /// Who has an open session, and whether every request of it was answered.
    pub(super) session: Option<Side>,
    pub(super) in_step: bool,
    pub(super) restarted: bool,
    pub(super) troubles: Troubles,
    /// A rate is tried that the port may refuse.
    pub(super) trying_baud: bool,
    /// Why the port refused it.
    pub(super) baud_refused: Option<String>,
    pub(super) suspect_header: Option<[u8; BOOT_HEADER_LEN]>,
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
            run_bound: None,
            halt: None,
            interrupted_at: Nanos::ZERO,
            farewell_until: None,
            flash: FlashState::Unchanged,
            fuses: FuseState::Untouched,
            rescue: Vec::new(),
            session: None,
            in_step: false,
            restarted: false,
            troubles: Troubles::default(),
            trying_baud: false,
            baud_refused: None,
            suspect_header: None,
        }
    }

    pub(super) fn advance(&mut self, now: Nanos) {
        self.now = self.now.max(now);
    }

    pub(super) fn halt(&mut self, halt: Halt) {
        if self.halt.is_none() {
            self.interrupted_at = self.now;
        }
        match &self.halt {
            // A port that fails while the run is being ended leaves nothing to be tidied up.
            None | Some(Halt::Interrupted) => self.halt = Some(halt),
            Some(_) => {}
        }
    }

    /// Whether the flow has to end now: a bound turns into a halt when it is reached.
    pub(super) fn halted(&mut self, patience: Patience) -> bool {
        let bounds = [self.bound, self.run_bound];
        let reached = bounds.into_iter().flatten().find(|(deadline, _)| self.now >= *deadline);
        if let Some((_, span)) = reached {
            self.halt.get_or_insert(Halt::Bound { span });
            return true;
        }
        match &self.halt {
            None => false,
            Some(Halt::Interrupted) => self.now >= self.end_of_patience(patience),
            Some(_) => true,
        }
    }

    /// When a wait ends because a person wants it.
    fn end_of_patience(&self, patience: Patience) -> Nanos {
        match (self.farewell_until, patience) {
            (Some(until), _) => until,
            (None, Patience::None) => self.interrupted_at,
            (None, Patience::LastAnswer) => self.interrupted_at + LAST_ANSWER,
        }
    }

    pub(super) fn wake_by(&mut self, deadline: Nanos, patience: Patience) {
        let bounds = [self.bound, self.run_bound].into_iter().flatten().map(|(deadline, _)| deadline);
        let patience = match &self.halt {
            Some(Halt::Interrupted) => self.end_of_patience(patience),
            _ => Nanos::MAX,
        };
        self.wake_at = bounds.chain([deadline, patience]).min();
    }

    fn module(&self) -> ModuleState {
        match (self.session, self.in_step) {
            (_, _) if self.restarted => ModuleState::Restarted,
            (None, _) => ModuleState::NotReached,
            (Some(side), true) => ModuleState::Waiting(side),
            (Some(side), false) => ModuleState::MidCommand(side),
        }
    }

    /// Adds to an error of the flow what only the session knows.
    pub(super) fn complete(&mut self, error: Error) -> Error {
        let module = self.module();
        let rescue = std::mem::take(&mut self.rescue);
        let done = (self.flash.clone(), self.fuses.clone());
        error.completed(self.halt.take(), done, module, self.troubles.clone(), rescue)
    }
}
