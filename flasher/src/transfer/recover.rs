//! Finding back to a loader that was lost: by the loader's own rules, at a lower rate if need be, or from the boot ROM on.

use std::sync::Arc;

use bl702_protocol::boot_info::BootInfo;
use bl702_protocol::code::Code;
use bl702_protocol::frame::{FAIL, OK};
use bl702_protocol::jedec::JedecId;

use super::ask::{CHECKSUM_ERROR, MAX_RESTARTS, MAX_RESYNCS, SESSION_ERRORS, SHORT_FRAME};
use super::exchange::{Trouble, pending_in};
use super::loader::RamLoader;
use crate::baud::{MAX_FALLBACKS, lower_rate};
use crate::error::{Error, ErrorKind, FlashState, Result, quoted_text};
use crate::event::{Event, SilenceReason};
use crate::request::{Request, Side};
use crate::session::LinkError;

/// Damaged or missing answers in a short time after which a lower rate is taken.
const DAMAGE_LIMIT: u32 = 3;
/// How much of what is no answer is kept, to find out where it comes from.
const MOST_HEARD: usize = 256;

/// Whether a code is none of the RAM loader's but one of the boot ROM's.
fn is_foreign(code: Code) -> bool {
    code.row().is_some_and(|row| row.loader.is_none() && row.rom.is_some())
}

/// How the loader was found again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Recovery {
    /// As it was.
    SameRate,
    /// At a lower rate.
    LowerRate,
    /// It had to be uploaded again.
    Restarted,
}

/// Who is there after a silence and a handshake.
enum Found {
    Loader,
    /// Another one, or nobody; in words.
    Other(String),
}

impl RamLoader {
    /// How often the module has restarted in this run: what was under way then may be torn.
    pub(crate) fn restarts(&self) -> u32 {
        self.state.restarts
    }

    /// Makes the loader ready for the request to be sent again.
    ///
    /// After any answer the loader has taken the whole frame and waits for the next. After none its buffer may hold
    /// part of a frame, and the only way out is silence (loader reference 5). A frame that lost a byte at its head is
    /// taken for other frames, whose checksums are wrong: so wrong checksums twice in a row are out of step, too, and
    /// before the first repeat the rest of the frame has to be out of the way.
    pub(super) async fn get_over(
        &mut self,
        request: &Request,
        trouble: Trouble,
        attempt: u32,
    ) -> Result<Recovery> {
        match trouble {
            Trouble::Halted => return Err(Error::new(ErrorKind::Interrupted)),
            // The loader never says that: the module has restarted, and it is the boot ROM that hears us.
            Trouble::Refused { code } if is_foreign(code) => return self.resync(request).await,
            Trouble::Refused { code } if code != CHECKSUM_ERROR => {
                if request.errors_count() {
                    self.state.session_errors += 1;
                }
                // `ask` begins a new session if this was the third.
                return Ok(Recovery::SameRate);
            }
            // The third counted error of this session was told late, behind a write.
            Trouble::NoAnswer { .. } if self.state.session_errors >= SESSION_ERRORS => {
                return Ok(Recovery::SameRate);
            }
            // It is still at work: no fault of the line.
            Trouble::NoAnswer { pending: 1.., .. } => return self.resync(request).await,
            _ => {}
        }
        if let Trouble::Surplus { heard } | Trouble::Garbled { heard, .. } = &trouble {
            self.note_heard(heard);
        }
        self.note_damage();
        if self.wants_lower_rate() {
            let reason = format!("{} answers in a short time were damaged or missing", self.state.damage);
            return self.fall_back(request, reason).await;
        }
        if matches!(trouble, Trouble::NoAnswer { .. }) || attempt > 1 {
            return self.resync(request).await;
        }
        let link = self.link().clone();
        let quiet = self.wire.timing.quiet;
        link.sleep_until(link.sent_at()).await.map_err(ErrorKind::from)?;
        let mut rest = Vec::new();
        if request.most_pending > 0 {
            rest = self.rest_of_erase(request).await?;
        }
        rest.extend(link.drain(quiet, quiet * 10).await.map_err(ErrorKind::from)?);
        self.note_heard(&rest);
        self.check_pending(request, &rest)?;
        if request.frame().len() > SHORT_FRAME && !self.is_still_there().await? {
            return self.resync(request).await;
        }
        Ok(Recovery::SameRate)
    }

    /// Whether the loader answers a short request. Had the module restarted, the boot ROM would take a 55h among many bytes for
    /// a handshake, and search those behind it for commands.
    async fn is_still_there(&mut self) -> Result<bool> {
        match self.wire.exchange(&Request::jedec_id()).await {
            Ok(answer) => Ok(self.flash.jedec == JedecId([0; 3]) || answer[..3] == self.flash.jedec.0),
            Err(Trouble::Halted) => Err(Error::new(ErrorKind::Interrupted)),
            Err(_) => Ok(false),
        }
    }

    /// Bytes read were not those in the flash, `times` in a row at this rate, which only a hash shows. Takes a lower rate, if
    /// there is one; gives whether.
    pub(super) async fn lower_rate_for_data(&mut self, request: &Request, times: u32) -> Result<bool> {
        if !self.can_lower_rate() {
            return Ok(false);
        }
        let reason = format!("data were damaged {times} times in a row, as their SHA-256 shows");
        self.fall_back(request, reason).await?;
        Ok(true)
    }

    fn note_damage(&mut self) {
        self.state.good = 0;
        self.state.damage += 1;
    }

    fn wants_lower_rate(&self) -> bool {
        self.state.damage >= DAMAGE_LIMIT && self.can_lower_rate()
    }

    fn can_lower_rate(&self) -> bool {
        self.state.fallbacks < MAX_FALLBACKS && lower_rate(self.options.baud_bps).is_some()
    }

    fn note_heard(&mut self, bytes: &[u8]) {
        let room = MOST_HEARD.saturating_sub(self.state.heard.len());
        self.state.heard.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// What comes of an erase whose answer was damaged, until it is over: before that the loader takes one frame at most.
    async fn rest_of_erase(&mut self, request: &Request) -> Result<Vec<u8>> {
        let link = self.link().clone();
        let mut rest = link.take_input();
        let is_over =
            |rest: &[u8]| rest.ends_with(&OK) || rest.iter().rev().skip(2).take(2).eq(FAIL.iter().rev());
        while !is_over(&rest) {
            match link.read_some(usize::MAX, link.now() + request.work).await {
                Ok(bytes) => rest.extend(bytes),
                Err(LinkError::TimedOut) => break,
                Err(LinkError::Halted) => return Err(Error::new(ErrorKind::Interrupted)),
            }
        }
        Ok(rest)
    }

    /// Bytes that nobody waited for may tell of an erase that nobody wanted.
    fn check_pending(&self, request: &Request, heard: &[u8]) -> Result<()> {
        let allowed = request.most_pending;
        if pending_in(heard) <= allowed {
            return Ok(());
        }
        self.link().set_flash_state(FlashState::Damaged);
        Err(Error::during(ErrorKind::ExcessPending { allowed }, self.during(request, 1)))
    }

    /// The loader has left its session by the rule of three errors and waits for a handshake.
    pub(super) async fn new_session(&mut self) -> Result<()> {
        let options = Arc::clone(&self.options);
        if options.loader_handshake(&self.wire).await.is_ok() {
            self.begin_session();
            return Ok(());
        }
        self.resync(&Request::jedec_id()).await?;
        Ok(())
    }

    fn begin_session(&mut self) {
        self.state.session_errors = 0;
        self.wire.forget_writes();
    }

    /// As [`resync`](Self::resync), with a lower rate after the silence.
    async fn fall_back(&mut self, after: &Request, reason: String) -> Result<Recovery> {
        let from_bps = self.options.baud_bps;
        let Some(to_bps) = lower_rate(from_bps) else { return self.resync(after).await };
        self.link().note_fallback(from_bps, to_bps, reason);
        self.state.fallbacks += 1;
        self.state.damage = 0;
        self.options = self.options.at_rate(to_bps);
        match self.resync(after).await? {
            Recovery::SameRate => Ok(Recovery::LowerRate),
            recovery => Ok(recovery),
        }
    }

    /// Silence until every session is over, then a handshake. If the module has restarted meanwhile, the loader is
    /// uploaded again.
    pub(super) async fn resync(&mut self, after: &Request) -> Result<Recovery> {
        self.state.resyncs += 1;
        if self.state.resyncs > MAX_RESYNCS {
            let last = "the module fell silent again and again".to_owned();
            let kind = ErrorKind::TooManyRepeats { repeats: MAX_RESYNCS, last };
            return Err(Error::during(kind, self.during(after, after.attempts())));
        }
        let link = self.link().clone();
        link.note_trouble(|troubles| troubles.resyncs += 1);
        link.emit(Event::Resync { left: MAX_RESYNCS - self.state.resyncs });
        let heard = crate::connect::silence(&link, SilenceReason::LostStep).await?;
        self.note_heard(&heard);
        self.check_pending(after, &heard)?;
        self.begin_session();
        link.set_baud(self.options.baud_bps).await.map_err(ErrorKind::from)?;
        if let Found::Other(evidence) = self.who_is_there().await? {
            self.restart(after, evidence).await?;
            return Ok(Recovery::Restarted);
        }
        self.check_same_flash().await?;
        Ok(Recovery::SameRate)
    }

    async fn who_is_there(&mut self) -> Result<Found> {
        let options = Arc::clone(&self.options);
        match options.loader_handshake(&self.wire).await {
            Ok(()) => {}
            Err(error) if matches!(error.kind(), ErrorKind::Interrupted) => return Err(error),
            Err(error) => {
                if let ErrorKind::NoHandshake { heard, .. } = error.kind() {
                    self.note_heard(heard);
                }
                return Ok(Found::Other(match quoted_text(&self.state.heard) {
                    Some(text) => format!("text of its firmware came instead of an answer: {text}"),
                    None => "the RAM loader did not answer a handshake any more".to_owned(),
                }));
            }
        }
        let mut info = crate::connect::boot_info(&mut self.wire).await;
        if let Ok(BootInfo::Rom(rom)) = info {
            info = crate::connect::confirmed_boot_info(&mut self.wire, BootInfo::Rom(rom)).await;
        }
        match info {
            Ok(BootInfo::Loader(_)) => Ok(Found::Loader),
            Ok(BootInfo::Rom(_)) => {
                self.link().note_session(Some(Side::Rom));
                Ok(Found::Other("the boot ROM answers where the RAM loader was".to_owned()))
            }
            Err(error) if matches!(error.kind(), ErrorKind::Interrupted) => Err(error),
            Err(_) => Ok(Found::Other("whoever answered the handshake gave no boot info".to_owned())),
        }
    }

    /// The loader is lost: from the boot ROM on again.
    async fn restart(&mut self, after: &Request, evidence: String) -> Result<()> {
        self.state.restarts += 1;
        // Then the line was not to blame for the answer that was missing.
        self.state.damage = self.state.damage.saturating_sub(1);
        self.link().note_trouble(|troubles| troubles.restarts += 1);
        if self.state.restarts > MAX_RESTARTS {
            let kind = ErrorKind::TooManyRestarts { restarts: self.state.restarts, evidence };
            return Err(Error::during(kind, self.during(after, after.attempts())));
        }
        let link = self.link().clone();
        link.note_session(None);
        link.emit(Event::Restarted { evidence, left: MAX_RESTARTS - self.state.restarts });
        let heard = std::mem::take(&mut self.state.heard);
        let options = Arc::clone(&self.options);
        let during = self.during(after, 1);
        let reached = options.reach(&link).await.map_err(|error| error.or_during(during).or_heard(&heard))?;
        self.wire = options.bring_up(reached).await?;
        self.options = self.options.at_rate(link.baud_bps());
        self.check_same_flash().await
    }

    /// The module may have been changed for another one.
    async fn check_same_flash(&mut self) -> Result<()> {
        let before = self.flash.jedec;
        if before == JedecId([0; 3]) {
            return Ok(());
        }
        let request = Request::jedec_id();
        let mut last = None;
        // Plain exchanges, since `ask` would come back here; two, since an answer may be damaged.
        for attempt in 1..=2 {
            match self.wire.exchange(&request).await {
                Ok(answer) if answer[..3] == before.0 => return Ok(()),
                Ok(answer) => {
                    let now = JedecId([answer[0], answer[1], answer[2]]);
                    last = Some(Error::new(ErrorKind::FlashChanged { before, now }));
                }
                Err(trouble) => {
                    let quiet = self.wire.timing.quiet;
                    let _ = self.link().drain(quiet, quiet * 10).await;
                    last = Some(Error::during(trouble.into(), self.during(&request, attempt)));
                }
            }
        }
        // What was only damaged or lost is the business of the next request.
        match last {
            Some(error)
                if matches!(error.kind(), ErrorKind::FlashChanged { .. } | ErrorKind::Interrupted) =>
            {
                Err(error)
            }
            _ => Ok(()),
        }
    }
}
