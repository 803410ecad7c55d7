//! The RAM loader as a partner: it is asked until it answers well, and reached again when it is lost.

use std::sync::Arc;

use bl702_protocol::boot_info::BootInfo;
use bl702_protocol::code::Code;
use bl702_protocol::jedec::{JedecId, LOADER_FLAG_IDENTIFIED};

use super::exchange::{Trouble, Wire, pending_in};
use crate::connect::ConnectOptions;
use crate::error::{During, Error, ErrorKind, FlashState, Result};
use crate::event::{Event, SilenceReason};
use crate::plan::{Budget, FlashRange, MAX_FLASH_BYTES, SECTOR};
use crate::request::{Request, Side};
use crate::session::Link;
use crate::timing::SESSION_END_SILENCE;

/// How often in one run anything may be sent again.
pub(crate) const MAX_REPEATS: u32 = 24;
/// How often in one run the session may be lost and found again.
pub(crate) const MAX_RESYNCS: u32 = 5;
/// How often in one run the loader may be uploaded again, because the module has restarted.
pub(crate) const MAX_RECONNECTS: u32 = 1;
/// Counted errors that end a session of the loader (loader reference 5).
const SESSION_ERRORS: u32 = 3;
/// How often the JEDEC id is asked for again while answers differ.
const JEDEC_REPEATS: u32 = 3;
/// A frame arrived with a wrong checksum: it had no effect and does not count.
const CHECKSUM_ERROR: Code = Code(0x0103);

/// The flash that the loader sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlashId {
    /// JEDEC id.
    pub jedec: JedecId,
    /// Whether the loader knows the part.
    pub identified: bool,
    /// Size in bytes that is used.
    pub size_bytes: u32,
}

/// A RAM loader in a session at the transfer rate, with an identified flash.
#[derive(Debug)]
pub struct RamLoader {
    pub(super) wire: Wire,
    options: Arc<ConnectOptions>,
    flash: FlashId,
    session_errors: u32,
    late_failures: u32,
    repeats: u32,
    resyncs: u32,
    reconnects: u32,
}

impl RamLoader {
    pub(crate) fn new(wire: Wire, options: Arc<ConnectOptions>) -> RamLoader {
        let flash = FlashId { jedec: JedecId([0; 3]), identified: false, size_bytes: 0 };
        RamLoader {
            wire,
            options,
            flash,
            session_errors: 0,
            late_failures: 0,
            repeats: 0,
            resyncs: 0,
            reconnects: 0,
        }
    }

    /// The session's link.
    pub fn link(&self) -> &Link {
        &self.wire.link
    }

    /// The flash.
    pub fn flash(&self) -> FlashId {
        self.flash
    }

    /// The whole flash.
    pub fn whole_flash(&self) -> FlashRange {
        FlashRange::whole(self.flash.size_bytes)
    }

    /// A budget for work at this rate and with these waits.
    pub(crate) fn budget(&self) -> Budget {
        Budget::new(self.wire.link.baud_bps(), &self.wire.timing)
    }

    /// Announces the bound of the work to come and has the session keep it.
    pub(crate) fn announce_work(&self, budget: &Budget) {
        let resync = (SESSION_END_SILENCE + self.options.loader_handshake_bound()) * u64::from(MAX_RESYNCS);
        let reconnect = self.options.connect_bound() * u64::from(MAX_RECONNECTS);
        Event::announce_bound(self.link(), "work", budget.bound(MAX_REPEATS) + resync + reconnect);
    }

    /// Asks for the JEDEC id and settles the size (ROM reference 4).
    pub(crate) async fn identify_flash(&mut self) -> Result<()> {
        // Answers carry no checksum, and everything depends on this one: two in a row have to agree.
        let mut id = self.jedec().await?;
        for _ in 0..JEDEC_REPEATS {
            let again = self.jedec().await?;
            if again == id {
                break;
            }
            id = again;
        }
        let (jedec, identified) = id;
        let known_size = jedec.part().map(|part| part.size_bytes).or_else(|| jedec.size_bytes());
        let usable = |size: &u32| *size >= SECTOR && *size <= MAX_FLASH_BYTES;
        let size_bytes = match self.options.flash_size {
            Some(size) => size,
            None if identified => {
                known_size.filter(usable).ok_or_else(|| Error::new(ErrorKind::FlashUnknown { jedec }))?
            }
            None => return Err(Error::new(ErrorKind::FlashUnknown { jedec })),
        };
        self.flash = FlashId { jedec, identified, size_bytes };
        let part = jedec.part().map(|part| part.name);
        self.link().emit(Event::Flash { jedec: jedec.to_string(), identified, part, size_bytes });
        Ok(())
    }

    async fn jedec(&mut self) -> Result<(JedecId, bool)> {
        let answer = self.ask(&Request::jedec_id()).await?;
        match answer.as_slice() {
            [id @ .., flag] if id.len() == 3 => {
                Ok((JedecId([id[0], id[1], id[2]]), flag & LOADER_FLAG_IDENTIFIED != 0))
            }
            _ => Err(Error::new(ErrorKind::WrongLength { expected: 4, got: answer.len() })),
        }
    }

    /// MAC address: eight bytes, their CRC-32 checked; `None` when the chip says that its parity is wrong.
    pub(crate) async fn mac(&mut self) -> Result<Option<[u8; 8]>> {
        const MAC_PARITY: Code = Code(0x0407);
        let answer = match self.ask(&Request::mac()).await {
            Ok(answer) => answer,
            Err(error) if matches!(error.kind(), ErrorKind::Refused { code } if *code == MAC_PARITY) => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let mut mac = [0; 8];
        mac.copy_from_slice(&answer[..8]);
        let crc = bl702_protocol::crc::crc32(&mac).to_le_bytes();
        if answer[8..] != crc {
            let reason = "the CRC-32 behind the MAC address is wrong".to_owned();
            return Err(Error::new(ErrorKind::Garbled { reason }));
        }
        Ok(Some(mac))
    }

    /// 21h: `OK`, then the module restarts and this session is over. Tried once: nothing depends on it.
    pub(crate) async fn reset(mut self) -> Result<()> {
        self.link().emit(Event::ResetByCommand);
        let request = Request::reset(Side::Loader);
        match self.wire.exchange(&request).await {
            Ok(_) => Ok(()),
            Err(trouble) => {
                Err(Error::during(trouble.into(), During { attempts: 1, ..self.during(&request, 1) }))
            }
        }
    }

    /// Sends a request until it has a good answer; only for requests that may be sent twice.
    pub(crate) async fn ask(&mut self, request: &Request) -> Result<Vec<u8>> {
        let mut attempt = 1;
        loop {
            if self.session_errors >= SESSION_ERRORS {
                self.new_session().await?;
            }
            let trouble = match self.wire.exchange(request).await {
                Ok(data) => {
                    self.note_late_failures();
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
            self.spend_repeat(&trouble, &during)?;
            self.get_over(request, trouble, attempt).await?;
            attempt += 1;
        }
    }

    pub(super) fn during(&self, request: &Request, attempt: u32) -> During {
        During {
            side: request.side,
            id: request.id(),
            what: request.what,
            range: request.range,
            attempt,
            attempts: request.attempts(),
        }
    }

    /// Counts one more repeat of this run.
    pub(super) fn spend_repeat(&mut self, trouble: &Trouble, during: &During) -> Result<()> {
        let kind = ErrorKind::from(trouble.clone());
        self.repeats += 1;
        if self.repeats > MAX_REPEATS {
            let last = kind.to_string();
            return Err(Error::during(
                ErrorKind::TooManyRepeats { repeats: MAX_REPEATS, last },
                during.clone(),
            ));
        }
        self.link().emit(Event::Retry { cause: format!("{during}: {kind}") });
        Ok(())
    }

    /// Makes the loader ready for the request to be sent again.
    ///
    /// After any answer the loader has taken the whole frame and waits for the next. After none its buffer may hold
    /// part of a frame, and the only way out is silence (loader reference 5). A frame that lost a byte at its head is
    /// taken for other frames, whose checksums are wrong: so wrong checksums twice in a row are out of step, too, and
    /// before the first repeat the rest of the frame has to be out of the way.
    pub(super) async fn get_over(&mut self, request: &Request, trouble: Trouble, attempt: u32) -> Result<()> {
        match trouble {
            Trouble::Halted => Err(Error::new(ErrorKind::Interrupted)),
            Trouble::Refused { code } if code != CHECKSUM_ERROR => {
                if request.errors_count() {
                    self.session_errors += 1;
                }
                // `ask` begins a new session if this was the third.
                Ok(())
            }
            // The third counted error of this session was told late, behind a write.
            Trouble::NoAnswer { .. } if self.session_errors >= SESSION_ERRORS => Ok(()),
            Trouble::NoAnswer { .. } => self.resync(request).await,
            _ if attempt > 1 => self.resync(request).await,
            _ => {
                let link = self.link().clone();
                let quiet = self.wire.timing.quiet;
                link.sleep_until(link.sent_at()).await.map_err(ErrorKind::from)?;
                let rest = link.drain(quiet, quiet * 10).await.map_err(ErrorKind::from)?;
                self.check_pending(request, &rest)
            }
        }
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

    /// Each write that failed late was counted by the loader, too.
    fn note_late_failures(&mut self) {
        let failures = self.wire.take_late_failures();
        self.session_errors += failures;
        self.late_failures += failures;
    }

    /// How many acknowledged writes failed since this was last asked.
    pub(super) fn take_late_failures(&mut self) -> u32 {
        std::mem::take(&mut self.late_failures)
    }

    /// The loader has left its session by the rule of three errors and waits for a handshake.
    async fn new_session(&mut self) -> Result<()> {
        if self.options.loader_handshake(&self.wire).await.is_ok() {
            self.begin_session();
            return Ok(());
        }
        self.resync(&Request::jedec_id()).await
    }

    fn begin_session(&mut self) {
        self.session_errors = 0;
        self.wire.forget_writes();
    }

    /// Silence until every session is over, then a handshake. If the module has restarted meanwhile, the loader is
    /// uploaded again.
    async fn resync(&mut self, after: &Request) -> Result<()> {
        self.resyncs += 1;
        if self.resyncs > MAX_RESYNCS {
            let last = "the module fell silent again and again".to_owned();
            return Err(Error::new(ErrorKind::TooManyRepeats { repeats: MAX_RESYNCS, last }));
        }
        let link = self.link().clone();
        link.emit(Event::Resync { left: MAX_RESYNCS - self.resyncs });
        let heard = crate::connect::silence(&link, SilenceReason::LostStep).await?;
        self.check_pending(after, &heard)?;
        self.begin_session();
        let options = Arc::clone(&self.options);
        let answered = match options.loader_handshake(&self.wire).await {
            Ok(()) => matches!(crate::connect::boot_info(&mut self.wire).await, Ok(BootInfo::Loader(_))),
            Err(error) if matches!(error.kind(), ErrorKind::Interrupted) => return Err(error),
            Err(_) => false,
        };
        if !answered {
            self.reconnects += 1;
            if self.reconnects > MAX_RECONNECTS {
                let last = "the module restarted again and again".to_owned();
                return Err(Error::new(ErrorKind::TooManyRepeats { repeats: MAX_RECONNECTS, last }));
            }
            let reached = options.reach(&link).await?;
            self.wire = options.bring_up(reached).await?;
        }
        self.check_same_flash().await
    }

    async fn check_same_flash(&mut self) -> Result<()> {
        let before = self.flash.jedec;
        if before == JedecId([0; 3]) {
            return Ok(());
        }
        // One plain exchange, since `ask` would come back here.
        let answer = self
            .wire
            .exchange(&Request::jedec_id())
            .await
            .map_err(|trouble| Error::during(trouble.into(), self.during(&Request::jedec_id(), 1)))?;
        let now = JedecId([answer[0], answer[1], answer[2]]);
        if now == before { Ok(()) } else { Err(Error::new(ErrorKind::FlashChanged { before, now })) }
    }
}

/// Trouble that asking again can only make worse.
fn is_final(trouble: &Trouble) -> bool {
    matches!(trouble, Trouble::Halted | Trouble::ExcessPending { .. })
}
