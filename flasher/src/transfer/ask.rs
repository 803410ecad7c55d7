//! Asking until there is a good answer, with a budget.

use bl702_protocol::code::Code;
use bl702_protocol::time::Nanos;

use super::exchange::Trouble;
use super::loader::RamLoader;
use super::recover::Recovery;
use crate::connect::ConnectOptions;
use crate::error::{During, Error, ErrorKind, FlashState, Result};
use crate::event::Event;
use crate::plan::Budget;
use crate::request::Request;

/// How often in one run anything may be sent again.
pub(crate) const MAX_REPEATS: u32 = 24;
/// How often in one run the session may be lost and found again.
pub(crate) const MAX_RESYNCS: u32 = 10;
/// How often in one run the loader may be uploaded again, because the module has restarted.
pub(crate) const MAX_RESTARTS: u32 = 3;
/// Counted errors that end a session of the loader (loader reference 5).
pub(super) const SESSION_ERRORS: u32 = 3;
/// After so many good answers in a row, damage that was before is forgotten.
const CALM: u32 = 64;
/// So often a short request may stay without an answer by a loader that answers everything else.
const SILENCES: u32 = 3;
/// A short request: not longer than the frames of a handshake's boot info and of a hash, which such a loader does answer.
pub(super) const SHORT_FRAME: usize = 16;
/// A frame arrived with a wrong checksum: it had no effect and does not count.
pub(super) const CHECKSUM_ERROR: Code = Code(0x0103);

/// How long work of this budget takes at most, all repeats, lost sessions and restarts included.
pub(crate) fn work_bound(options: &ConnectOptions, budget: &Budget) -> Nanos {
    budget.bound(MAX_REPEATS) + options.recovery_bound()
}

impl RamLoader {
    /// Announces the bound of the work to come and has the session keep it.
    pub(crate) fn announce_work(&self, budget: &Budget) {
        self.link().emit(Event::RetryBudget {
            repeats: MAX_REPEATS,
            resyncs: MAX_RESYNCS,
            restarts: MAX_RESTARTS,
        });
        Event::announce_bound(self.link(), "work", work_bound(&self.options, budget));
    }

    /// Sends a request until it has a good answer; only for requests that may be sent twice.
    pub(crate) async fn ask(&mut self, request: &Request) -> Result<Vec<u8>> {
        let (mut attempt, mut silences) = (1, 0);
        loop {
            if self.state.session_errors >= SESSION_ERRORS {
                self.new_session().await?;
            }
            let trouble = match self.wire.exchange(request).await {
                Ok(data) => {
                    self.note_good();
                    return Ok(data);
                }
                Err(trouble) => trouble,
            };
            self.note_late_failures();
            let during = self.during(request, attempt);
            if let Trouble::ExcessPending { .. } = trouble {
                self.link().set_flash_state(FlashState::Damaged);
            }
            if attempt == request.attempts() || is_final(&trouble) {
                return Err(Error::during(trouble.into(), during));
            }
            silences += u32::from(matches!(trouble, Trouble::NoAnswer { pending: 0, .. }));
            let is_ignored = silences == SILENCES && request.frame().len() <= SHORT_FRAME;
            let recovery = if is_ignored {
                // It will not be sent again; but if it became an erase on the way, that tells of itself once a second.
                self.resync(request).await
            } else {
                self.spend_repeat(&trouble, &during)?;
                self.get_over(request, trouble, attempt).await
            };
            match recovery.map_err(|error| error.or_during(during.clone()))? {
                Recovery::SameRate if is_ignored => {
                    return Err(Error::during(ErrorKind::Ignored { times: silences }, during));
                }
                Recovery::SameRate => attempt += 1,
                // What happened at a rate that is not used any more does not count.
                Recovery::LowerRate | Recovery::Restarted => (attempt, silences) = (1, 0),
            }
        }
    }

    fn note_good(&mut self) {
        self.note_late_failures();
        self.state.heard.clear();
        self.state.good += 1;
        if self.state.good >= CALM {
            self.state.damage = 0;
        }
    }

    /// Counts one more repeat of this run.
    pub(super) fn spend_repeat(&mut self, trouble: &Trouble, during: &During) -> Result<()> {
        let kind = ErrorKind::from(trouble.clone());
        self.state.repeats += 1;
        if self.state.repeats > MAX_REPEATS {
            let last = kind.to_string();
            return Err(Error::during(
                ErrorKind::TooManyRepeats { repeats: MAX_REPEATS, last },
                during.clone(),
            ));
        }
        self.link().note_trouble(|troubles| troubles.repeats += 1);
        self.link().emit(Event::Retry { cause: format!("{during}: {kind}") });
        Ok(())
    }

    /// Each write that failed late was counted by the loader, too.
    fn note_late_failures(&mut self) {
        let failures = self.wire.take_late_failures();
        self.state.session_errors += failures;
        self.state.late_failures += failures;
    }

    /// How many acknowledged writes failed since this was last asked.
    pub(super) fn take_late_failures(&mut self) -> u32 {
        std::mem::take(&mut self.state.late_failures)
    }
}

/// Trouble that asking again can only make worse.
fn is_final(trouble: &Trouble) -> bool {
    matches!(trouble, Trouble::Halted | Trouble::ExcessPending { .. })
}
