//! What a flow can do: write, read with a deadline, sleep, change rate and lines, report.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use bl702_protocol::image::boot_header::BOOT_HEADER_LEN;
use bl702_protocol::time::Nanos;

use super::state::{Patience, Shared};
use super::{Event, FlashState, Lines, Output};
use crate::error::{Fallback, FuseState, Rescue, Troubles};
use crate::request::Side;

/// Why a wait ended without what was waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkError {
    /// The deadline passed. What had been received is still there.
    TimedOut,
    /// The session is to end: interrupted, port failed, or bound reached. Every later wait gives the same.
    Halted,
}

/// A flow's handle to its session.
#[derive(Clone, Debug)]
pub struct Link {
    shared: Arc<Mutex<Shared>>,
}

impl Link {
    pub(super) fn new(shared: Arc<Mutex<Shared>>) -> Link {
        Link { shared }
    }

    fn with<R>(&self, f: impl FnOnce(&mut Shared) -> R) -> R {
        f(&mut self.shared.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The session's time.
    pub fn now(&self) -> Nanos {
        self.with(|shared| shared.now)
    }

    /// The rate of the port.
    pub fn baud_bps(&self) -> u32 {
        self.with(|shared| shared.baud_bps)
    }

    /// Sends bytes, as one write. They leave the wire one after the other; see [`sent_at`](Self::sent_at).
    pub fn write(&self, bytes: Vec<u8>) {
        self.with(|shared| {
            let span = Nanos::byte_times(bytes.len() as u64, shared.baud_bps);
            shared.sent_at = shared.sent_at.max(shared.now) + span;
            shared.outputs.push_back(Output::Write(bytes));
        });
    }

    /// When everything written so far has left the wire, by the rate of the port.
    pub fn sent_at(&self) -> Nanos {
        self.with(|shared| shared.sent_at.max(shared.now))
    }

    /// When the last byte that was written has left the wire, be it in the past.
    pub fn sent_at_last(&self) -> Nanos {
        self.with(|shared| shared.sent_at)
    }

    /// An answer shows that all of its request has arrived. By the rate of the port that may be later: behind a pty, or an
    /// adapter that is faster than the rate it was told, bytes take no time.
    pub(crate) fn note_arrived(&self) {
        self.with(|shared| shared.sent_at = shared.sent_at.min(shared.now));
    }

    /// Waits a span of time. Bytes that come meanwhile are kept.
    ///
    /// # Errors
    /// [`LinkError::Halted`]
    pub async fn sleep(&self, span: Nanos) -> Result<(), LinkError> {
        let until = self.now() + span;
        self.sleep_until(until).await
    }

    /// Waits until a time.
    ///
    /// # Errors
    /// [`LinkError::Halted`]
    pub async fn sleep_until(&self, until: Nanos) -> Result<(), LinkError> {
        match self.wait(until, Patience::None, |_| None::<()>).await {
            Err(LinkError::TimedOut) => Ok(()),
            Err(LinkError::Halted) => Err(LinkError::Halted),
            Ok(()) => Ok(()),
        }
    }

    /// Takes received bytes as soon as there is at least one, `limit` at most.
    ///
    /// # Errors
    /// [`LinkError::TimedOut`] when none came until `deadline`; [`LinkError::Halted`].
    pub async fn read_some(&self, limit: usize, deadline: Nanos) -> Result<Vec<u8>, LinkError> {
        self.wait(deadline, Patience::None, |shared| take_some(shared, limit)).await
    }

    /// As [`read_some`](Self::read_some), for the answer to a request that has been sent: when a person wants the run to
    /// end it is still waited for a little, since without it the module would be left in the middle of a command.
    ///
    /// # Errors
    /// As [`read_some`](Self::read_some).
    pub async fn read_answer(&self, limit: usize, deadline: Nanos) -> Result<Vec<u8>, LinkError> {
        self.wait(deadline, Patience::LastAnswer, |shared| take_some(shared, limit)).await
    }

    /// Whether the session is to end, so that nothing new should be begun.
    pub fn is_halted(&self) -> bool {
        self.with(|shared| shared.halted(Patience::None))
    }

    /// Whether a person wants the run to end.
    pub(crate) fn is_interrupted(&self) -> bool {
        self.with(|shared| matches!(shared.halt, Some(crate::error::Halt::Interrupted)))
    }

    /// After an interruption: `span` to tidy up in. Gives whether there is anything to tidy up, that is, whether it was an
    /// interruption that ended the run and the module waits for a command.
    pub(crate) fn begin_farewell(&self, span: Nanos) -> Option<Side> {
        self.with(|shared| {
            let interrupted = matches!(shared.halt, Some(crate::error::Halt::Interrupted));
            let side = shared.session.filter(|_| interrupted && shared.in_step && !shared.restarted)?;
            shared.farewell_until = Some(shared.now + span);
            Some(side)
        })
    }

    /// Takes what has been received, without waiting.
    pub fn take_input(&self) -> Vec<u8> {
        self.with(|shared| take(shared, shared.input.len()))
    }

    /// Number of received bytes that nobody took yet.
    pub fn input_len(&self) -> usize {
        self.with(|shared| shared.input.len())
    }

    /// Takes bytes until the line was quiet for `quiet`, but no longer than `limit`; gives what came.
    ///
    /// # Errors
    /// [`LinkError::Halted`]
    pub async fn drain(&self, quiet: Nanos, limit: Nanos) -> Result<Vec<u8>, LinkError> {
        let end = self.now() + limit;
        let mut drained = self.take_input();
        loop {
            let deadline = (self.now() + quiet).min(end);
            match self.read_some(usize::MAX, deadline).await {
                Ok(bytes) => drained.extend(bytes),
                Err(LinkError::TimedOut) => return Ok(drained),
                Err(LinkError::Halted) => return Err(LinkError::Halted),
            }
        }
    }

    /// Changes the rate, after the time that written bytes need to leave the wire.
    ///
    /// # Errors
    /// [`LinkError::Halted`]
    pub async fn set_baud(&self, baud_bps: u32) -> Result<(), LinkError> {
        if self.baud_bps() == baud_bps {
            return Ok(());
        }
        // 2 ms: what an adapter may hold back of what it was given.
        self.sleep_until(self.sent_at() + Nanos::from_millis(2)).await?;
        self.with(|shared| {
            shared.baud_bps = baud_bps;
            shared.outputs.push_back(Output::SetBaud(baud_bps));
        });
        Ok(())
    }

    /// As [`set_baud`](Self::set_baud), for a rate that the port may refuse; then it keeps the one that it has, and the reason is
    /// given.
    ///
    /// # Errors
    /// [`LinkError::Halted`]
    pub(crate) async fn try_set_baud(&self, baud_bps: u32) -> Result<Result<(), String>, LinkError> {
        let before_bps = self.baud_bps();
        self.with(|shared| (shared.trying_baud, shared.baud_refused) = (true, None));
        self.set_baud(baud_bps).await?;
        // The driver does it before anything else goes on.
        let waited = self.sleep(Nanos(1)).await;
        let refused = self.with(|shared| {
            shared.trying_baud = false;
            let refused = shared.baud_refused.take();
            if refused.is_some() {
                shared.baud_bps = before_bps;
            }
            refused
        });
        waited?;
        Ok(refused.map_or(Ok(()), Err))
    }

    /// Sets the modem lines.
    pub fn set_lines(&self, lines: Lines) {
        self.with(|shared| shared.outputs.push_back(Output::SetLines(lines)));
    }

    /// Throws away what was received, here and in the port.
    pub fn purge(&self) {
        self.with(|shared| {
            shared.input.clear();
            shared.outputs.push_back(Output::PurgeInput);
        });
    }

    /// Reports something.
    pub fn emit(&self, event: Event) {
        self.with(|shared| shared.events.push_back(event));
    }

    /// Sets a time by which the flow must be over, `span` from now; every later wait ends there. Replaces the bound
    /// that was set before.
    pub fn set_bound(&self, span: Nanos) {
        self.with(|shared| shared.bound = Some((shared.now + span, span)));
    }

    /// Takes the bound away: what follows ends when a person or its own limit says so.
    pub(crate) fn clear_bound(&self) {
        self.with(|shared| shared.bound = None);
    }

    /// Sets a time by which the whole run must be over, `span` from now, unless there is one already. Gives whether there
    /// was none.
    pub fn set_run_bound(&self, span: Nanos) -> bool {
        self.with(|shared| {
            let is_first = shared.run_bound.is_none();
            let bound = (shared.now + span, span);
            shared.run_bound.get_or_insert(bound);
            is_first
        })
    }

    /// Notes who has an open session now; `None` when nobody is known to have one.
    pub(crate) fn note_session(&self, side: Option<Side>) {
        self.with(|shared| {
            (shared.session, shared.in_step, shared.restarted) = (side, side.is_some(), false);
        });
    }

    /// Notes whether every request so far was answered.
    pub(crate) fn note_in_step(&self, in_step: bool) {
        self.with(|shared| shared.in_step = in_step);
    }

    /// Notes that the module was restarted on purpose, and by that has no session.
    pub(crate) fn note_restarted(&self) {
        self.with(|shared| (shared.session, shared.in_step, shared.restarted) = (None, false, true));
    }

    /// Notes that this boot header may have been programmed into flash.
    pub(crate) fn suspect_header(&self, header: [u8; BOOT_HEADER_LEN]) {
        self.with(|shared| shared.suspect_header = Some(header));
    }

    /// The boot header that may have been programmed into flash; once.
    pub(crate) fn take_suspect_header(&self) -> Option<[u8; BOOT_HEADER_LEN]> {
        self.with(|shared| shared.suspect_header.take())
    }

    /// What the run had to overcome so far.
    pub fn troubles(&self) -> Troubles {
        self.with(|shared| shared.troubles.clone())
    }

    /// Notes what the run had to overcome, for the report at its end.
    pub(crate) fn note_trouble(&self, note: impl FnOnce(&mut Troubles)) {
        self.with(|shared| note(&mut shared.troubles));
    }

    /// Notes and reports that a lower rate is taken.
    pub(crate) fn note_fallback(&self, from_bps: u32, to_bps: u32, reason: String) {
        let fallback = Fallback { from_bps, to_bps, reason };
        self.emit(Event::RateLowered(fallback.clone()));
        self.note_trouble(|troubles| troubles.fallbacks.push(fallback));
    }

    /// Notes what the run has done to the flash, for whatever error comes.
    pub fn set_flash_state(&self, state: FlashState) {
        self.with(|shared| shared.flash = state);
    }

    /// Notes that the boot ROM may have taken a damaged frame for a write. What the run has done on purpose weighs more.
    pub(crate) fn suspect_misreading(&self) {
        if self.flash_state() == FlashState::Unchanged {
            self.set_flash_state(FlashState::Misread);
        }
    }

    /// The session has got through after little trouble: what was suspected did not happen.
    pub(crate) fn clear_of_misreading(&self) {
        if self.flash_state() == FlashState::Misread && self.troubles().misread_frames == 0 {
            self.set_flash_state(FlashState::Unchanged);
        }
    }

    /// Notes what the run has done to the eFuses, for whatever error comes.
    pub(crate) fn set_fuse_state(&self, state: FuseState) {
        self.with(|shared| shared.fuses = state);
    }

    /// What the run has done to the flash so far.
    pub(crate) fn flash_state(&self) -> FlashState {
        self.with(|shared| shared.flash.clone())
    }

    /// Notes bytes that are for the moment in nobody's hands but ours, for whatever error comes.
    pub fn set_rescue(&self, rescue: Vec<Rescue>) {
        self.with(|shared| shared.rescue = rescue);
    }

    async fn wait<R>(
        &self,
        deadline: Nanos,
        patience: Patience,
        mut take: impl FnMut(&mut Shared) -> Option<R>,
    ) -> Result<R, LinkError> {
        poll_fn(|_| {
            self.with(|shared| {
                if shared.halted(patience) {
                    return Poll::Ready(Err(LinkError::Halted));
                }
                if let Some(taken) = take(shared) {
                    return Poll::Ready(Ok(taken));
                }
                if shared.now >= deadline {
                    return Poll::Ready(Err(LinkError::TimedOut));
                }
                shared.wake_by(deadline, patience);
                Poll::Pending
            })
        })
        .await
    }
}

fn take_some(shared: &mut Shared, limit: usize) -> Option<Vec<u8>> {
    let count = shared.input.len().min(limit);
    (count > 0).then(|| take(shared, count))
}

/// Takes the first `count` bytes, as many as there are at most.
fn take(shared: &mut Shared, count: usize) -> Vec<u8> {
    let (head, tail) = shared.input.as_slices();
    let from_head = count.min(head.len());
    // In two pieces, not byte by byte.
    let taken = [&head[..from_head], &tail[..count.min(head.len() + tail.len()) - from_head]].concat();
    shared.input.drain(..taken.len());
    taken
}
