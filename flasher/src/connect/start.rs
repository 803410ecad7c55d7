//! From whoever answered to a RAM loader at the transfer rate.

use std::sync::Arc;

use bl702_protocol::boot_info::BootInfo;
use bl702_protocol::code::Code;
use bl702_protocol::image::ram_image::RamImage;
use bl702_protocol::time::Nanos;

use super::frames::UploadFrames;
use super::upload::{check_policy, start, upload, upload_bound};
use super::{ConnectOptions, Handshake, Reached, farewell, needs_run_command, reach};
use crate::baud::{MAX_FALLBACKS, lower_rate};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, Phase, SilenceReason};
use crate::loader::{LoaderError, LoaderImage};
use crate::request::{Request, Side};
use crate::session::Link;
use crate::timing::SESSION_END_SILENCE;
use crate::transfer::{RamLoader, Wire};

/// How often the image is uploaded before giving up: once for each rate that may be tried with it.
const UPLOADS: u32 = 1 + MAX_FALLBACKS;

/// How often the ROM may find another hash than ours before it is taken to be right.
const HASH_REFUSALS: u32 = 2;

/// For two hashes of 1 MiB, where the flash says that it is larger than the fuses do.
const SIZE_CHECK: Nanos = Nanos::from_secs(16);

/// Bursts for the loader's handshake; the wait after each is longer than after the one before.
const LOADER_BURSTS: u32 = 6;

/// Refused reads that end a session of the loader (loader reference 5).
const ERRORS_THAT_END_A_SESSION: u32 = 3;

impl ConnectOptions {
    /// How long it takes at most to get from nothing to a RAM loader that knows its flash.
    pub(crate) fn connect_bound(&self) -> Nanos {
        self.reach_bound() + self.loader_bound()
    }

    /// What is allowed for losing the session, or the loader, and finding it again.
    pub(crate) fn recovery_bound(&self) -> Nanos {
        /// So many lost sessions are allowed for; each is over in much less than its bound.
        const SESSIONS: u64 = 5;
        (SESSION_END_SILENCE + self.loader_handshake_bound()) * SESSIONS + self.connect_bound()
    }

    fn loader_bound(&self) -> Nanos {
        let timing = &self.timing;
        let upload = self.loader.as_ref().map_or(Nanos::ZERO, |loader| {
            upload_bound(
                &loader.image,
                &loader.frames(self.boot_baud_bps),
                self.boot_baud_bps,
                timing.reply_margin,
            )
        });
        let handshakes = timing.jump_to_burst + self.loader_handshake_bound();
        // Most of `reach_bound` is for a person, who is needed once.
        let identify = timing.reply_margin * 12 + SESSION_END_SILENCE * u64::from(UPLOADS) + SIZE_CHECK;
        (upload + handshakes) * u64::from(UPLOADS) + self.reach_bound() + identify + self.climb_bound()
    }

    pub(crate) fn loader_handshake_bound(&self) -> Nanos {
        let waits = u64::from(LOADER_BURSTS * (LOADER_BURSTS + 1) / 2);
        self.timing.ok_wait * waits
            + self.timing.quiet * 10 * u64::from(LOADER_BURSTS)
            + SESSION_END_SILENCE * 2
    }

    /// Reaches the module and brings it to a RAM loader that talks at the transfer rate, or at a lower one where that one
    /// does not work, and knows its flash.
    ///
    /// The time this takes at most is announced as an event and kept to.
    ///
    /// # Errors
    /// All of [`reach`](Self::reach); a refused or failed upload; a loader that does not start or does not know the
    /// flash.
    pub async fn connect(self: Arc<Self>, link: &Link) -> Result<RamLoader> {
        Event::announce_bound(link, "connect", self.connect_bound());
        let result = self.to_loader(link).await;
        if let Err(error) = &result {
            farewell(link, &self.timing, error).await;
        }
        result
    }

    async fn to_loader(self: &Arc<Self>, link: &Link) -> Result<RamLoader> {
        let reached = self.reach(link).await?;
        let device_info = reached.info.device_info();
        let wire = match self.bring_up(reached).await {
            Err(error) if matches!(error.kind(), ErrorKind::Loader(_) | ErrorKind::Locked { .. }) => {
                self.leave_rom(link).await;
                return Err(error);
            }
            result => result?,
        };
        let mut loader = RamLoader::new(wire, Arc::clone(self));
        let identified = match loader.identify_flash().await {
            Ok(()) => loader.compare_size(device_info).await,
            Err(error) => Err(error),
        };
        let identified = match identified {
            Ok(()) => loader.look_for_header().await,
            Err(error) => Err(error),
        };
        match identified {
            Err(error) if is_about_flash(&error) => {
                // What went wrong is known; that the reset works is not needed for it.
                let _ = loader.reset().await;
                Err(error)
            }
            result => result.map(|()| loader),
        }
    }

    /// Resets a ROM that is in step. It would keep its session for 2 s and ignore the next program's handshake.
    pub(crate) async fn leave_rom(&self, link: &Link) {
        link.emit(Event::ResetByCommand);
        match Wire::new(link.clone(), self.timing).exchange(&Request::reset(Side::Rom)).await {
            Ok(_) => link.note_restarted(),
            Err(trouble) => {
                let kind = ErrorKind::from(trouble);
                link.emit(Event::Warning { text: format!("the module was not reset: {kind}") });
            }
        }
    }

    /// Uploads and starts the loader unless it runs already; ends with it at the transfer rate, or at a lower one if it did
    /// not answer at that.
    pub(crate) async fn bring_up(self: &Arc<Self>, reached: Reached) -> Result<Wire> {
        if !self.climb {
            return self.bring_up_at_rate(reached).await;
        }
        let mut wire = self.at_rate(self.safe_rate()).bring_up_at_rate(reached).await?;
        self.climb(&mut wire).await?;
        Ok(wire)
    }

    async fn bring_up_at_rate(self: &Arc<Self>, mut reached: Reached) -> Result<Wire> {
        let mut options = Arc::clone(self);
        let mut rates = Vec::new();
        let (mut attempt, mut hash_refusals) = (1, 0);
        loop {
            let link = reached.wire.link.clone();
            let result = match reached.info {
                BootInfo::Loader(_) => {
                    link.emit(Event::LoaderRunning);
                    options.change_rate(&mut reached.wire).await
                }
                BootInfo::Rom(_) => options.upload_and_start(&mut reached, attempt, hash_refusals).await,
            };
            let error = match result {
                Ok(()) => return Ok(reached.wire),
                Err(error) => error,
            };
            let is_silent = matches!(error.kind(), ErrorKind::NoHandshake { side: Side::Loader, .. });
            if is_silent {
                rates.push(options.baud_bps);
            }
            if attempt == UPLOADS || !is_worth_repeating(&error) {
                return Err(never_answered(error, attempt, rates));
            }
            link.emit(Event::retry_of(&error));
            link.note_trouble(|troubles| troubles.repeats += 1);
            hash_refusals += u32::from(is_hash_refusal(&error));
            if is_silent && let Some(lower) = lower_rate(options.baud_bps) {
                let reason = format!("the RAM loader did not answer at {} baud", options.baud_bps);
                link.note_fallback(options.baud_bps, lower, reason);
                options = options.at_rate(lower);
            }
            // A ROM in the middle of a frame would take the bursts of the next handshake for the rest of it, should the reset
            // line not be connected.
            if !self.can_reset() || may_be_mid_frame(&error) {
                reach::silence(&link, SilenceReason::LostStep).await?;
            }
            reached = match options.reach(&link).await {
                Ok(reached) => reached,
                // That nobody answers any more is the same story, told worse.
                Err(again) if is_silent && matches!(again.kind(), ErrorKind::NoHandshake { .. }) => {
                    return Err(never_answered(error, attempt, rates));
                }
                Err(again) => return Err(again),
            };
            attempt += 1;
        }
    }

    /// How long loading and starting an image takes at most.
    pub(crate) fn run_bound(&self, image: &RamImage) -> Nanos {
        let frames = UploadFrames::choose(image, self.boot_baud_bps);
        let upload = upload_bound(image, &frames, self.boot_baud_bps, self.timing.reply_margin);
        (self.reach_bound() + upload) * u64::from(UPLOADS + 1)
    }

    /// Loads an image of anybody's into RAM through the ROM and starts it; gives whether by command 1Ah.
    pub(crate) async fn load_and_start(&self, link: &Link, image: &RamImage) -> Result<bool> {
        let frames = UploadFrames::choose(image, self.boot_baud_bps);
        let mut attempt = 1;
        loop {
            let error = match self.load_once(link, image, &frames, attempt).await {
                Ok(run_command) => return Ok(run_command),
                Err(error) => error,
            };
            if matches!(error.kind(), ErrorKind::Locked { .. }) {
                self.leave_rom(link).await;
            }
            if attempt == UPLOADS || !is_worth_repeating(&error) {
                return Err(error);
            }
            link.emit(Event::retry_of(&error));
            link.note_trouble(|troubles| troubles.repeats += 1);
            if !self.can_reset() || may_be_mid_frame(&error) {
                reach::silence(link, SilenceReason::LostStep).await?;
            }
            attempt += 1;
        }
    }

    async fn load_once(
        &self,
        link: &Link,
        image: &RamImage,
        frames: &UploadFrames,
        attempt: u32,
    ) -> Result<bool> {
        let mut reached = self.reach(link).await?;
        if matches!(reached.info, BootInfo::Loader(_)) {
            // Only the ROM loads images.
            link.emit(Event::ResetByCommand);
            let _ = reached.wire.exchange(&Request::reset(Side::Loader)).await;
            reached = self.reach(link).await?;
        }
        let info = reached.info;
        let BootInfo::Rom(rom) = &info else { return Err(Error::new(ErrorKind::NotStarted)) };
        check_policy(image, rom, false)?;
        let run_command = needs_run_command(&info);
        let wire = &mut reached.wire;
        upload(wire, image, frames, Phase::Load, (attempt, UPLOADS)).await?;
        start(wire, image, frames, &info, (attempt, UPLOADS)).await?;
        link.sleep_until(link.sent_at()).await.map_err(ErrorKind::from)?;
        Ok(run_command)
    }

    async fn upload_and_start(&self, reached: &mut Reached, attempt: u32, hash_refusals: u32) -> Result<()> {
        let loader = self.image()?;
        let wire = &mut reached.wire;
        if let BootInfo::Rom(info) = &reached.info {
            check_policy(&loader.image, info, true)?;
        }
        let run_command = needs_run_command(&reached.info);
        let bytes = loader.image.segments.iter().map(|segment| segment.data.len() as u64).sum();
        wire.link.emit(Event::Upload { bytes, run_command });
        let mut frames = loader.frames(self.boot_baud_bps);
        if hash_refusals >= HASH_REFUSALS && frames.has_own_hash {
            let text = "the boot ROM finds another hash of the image again and again; it is uploaded with its own header, which has none".to_owned();
            wire.link.emit(Event::Warning { text });
            frames = Arc::new(frames.with_header_of(&loader.image));
        }
        upload(wire, &loader.image, &frames, Phase::Upload, (attempt, UPLOADS)).await?;
        start(wire, &loader.image, &frames, &reached.info, (attempt, UPLOADS)).await?;
        let link = wire.link.clone();
        link.sleep_until(link.sent_at() + self.timing.jump_to_burst).await.map_err(ErrorKind::from)?;
        self.take_rate(&link).await?;
        link.purge();
        self.expect_loader(wire).await
    }

    /// Takes the transfer rate, or the next lower one that the port takes.
    async fn take_rate(&self, link: &Link) -> Result<()> {
        let mut rate = self.baud_bps;
        loop {
            let Err(reason) = link.try_set_baud(rate).await.map_err(ErrorKind::from)? else { return Ok(()) };
            let Some(lower) = lower_rate(rate) else {
                // Then the port's own error ends the run.
                return Ok(link.set_baud(rate).await.map_err(ErrorKind::from)?);
            };
            link.note_fallback(rate, lower, reason);
            rate = lower;
        }
    }

    fn image(&self) -> Result<&LoaderImage> {
        self.loader.as_deref().ok_or_else(|| Error::new(LoaderError::None))
    }

    /// A handshake with a loader that waits for one, at the port's present rate.
    pub(crate) async fn loader_handshake(&self, wire: &Wire) -> Result<()> {
        let (link, timing) = (&wire.link, &wire.timing);
        let mut handshake = Handshake::default();
        for burst in 1..=LOADER_BURSTS {
            let ok_wait = timing.ok_wait * u64::from(burst);
            if handshake.try_once(link, timing, ok_wait).await.map_err(ErrorKind::from)? {
                link.note_session(Some(Side::Loader));
                link.emit(Event::Handshake { baud_bps: link.baud_bps(), bursts: burst });
                return Ok(());
            }
            // An OK that came later than we waited would make a frame head of the next burst.
            if burst == LOADER_BURSTS / 2 {
                reach::silence(link, SilenceReason::NoHandshake).await?;
            }
        }
        Err(Error::new(ErrorKind::NoHandshake {
            side: Side::Loader,
            baud_bps: link.baud_bps(),
            heard: handshake.heard,
            bursts: handshake.bursts,
        }))
    }

    /// Brings a loader that answered at the boot rate to the transfer rate: it has no command for that, so its
    /// session is ended by three refused requests, and a new one begun.
    async fn change_rate(&self, wire: &mut Wire) -> Result<()> {
        if self.baud_bps == wire.link.baud_bps() {
            return Ok(());
        }
        end_session(wire).await;
        let link = wire.link.clone();
        self.take_rate(&link).await?;
        link.purge();
        self.expect_loader(wire).await
    }

    /// Shakes hands and makes sure that it is a loader that answers. An `OK` without an answer after it means that a
    /// burst hit the session that an earlier one had begun.
    pub(super) async fn expect_loader(&self, wire: &mut Wire) -> Result<()> {
        self.loader_handshake(wire).await?;
        let info = match reach::boot_info(wire).await {
            Err(error) if matches!(error.kind(), ErrorKind::NoAnswer { .. }) => {
                reach::silence(&wire.link, SilenceReason::LostStep).await?;
                self.loader_handshake(wire).await?;
                reach::boot_info(wire).await?
            }
            info => info?,
        };
        match info {
            // No damage makes a ROM's answer a loader's.
            BootInfo::Loader(_) => Ok(()),
            BootInfo::Rom(_) => match reach::confirmed_boot_info(wire, info).await? {
                BootInfo::Loader(_) => Ok(()),
                BootInfo::Rom(_) => Err(Error::new(ErrorKind::NotStarted)),
            },
        }
    }
}

/// Has the loader leave its session, so that it waits for a handshake at any rate.
pub(super) async fn end_session(wire: &mut Wire) {
    for _ in 0..ERRORS_THAT_END_A_SESSION {
        // The answer is a refusal; should it be anything else, the silence after a handshake that fails puts it right.
        let _ = wire.exchange(&Request::counted_error()).await;
    }
}

/// What is to be said of a loader that was uploaded, checked and started, and answered nowhere.
fn never_answered(error: Error, uploads: u32, rates_bps: Vec<u32>) -> Error {
    match error.kind() {
        ErrorKind::NoHandshake { side: Side::Loader, heard, .. } => {
            let heard = heard.clone();
            Error::new(ErrorKind::LoaderSilent { uploads, rates_bps, heard })
        }
        _ => error,
    }
}

/// Whether the ROM found another hash of the image than its header names.
fn is_hash_refusal(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Refused { code: Code(0x0217) })
}

/// Whether the ROM may wait for the rest of a frame.
fn may_be_mid_frame(error: &Error) -> bool {
    let is_rom = error.failure().during.as_ref().is_some_and(|during| during.side == Side::Rom);
    is_rom && !matches!(error.kind(), ErrorKind::Refused { .. })
}

/// Whether an error is about the flash, so that the loader is in step.
pub(crate) fn is_about_flash(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::FlashUnknown { .. }
            | ErrorKind::FlashAbsent { .. }
            | ErrorKind::FlashRepeats { .. }
            | ErrorKind::HeaderWritten { .. }
    )
}

/// Whether a second upload may go better: not when the ROM or the eFuses gave a reason, or a person wants an end.
fn is_worth_repeating(error: &Error) -> bool {
    !matches!(
        error.kind(),
        ErrorKind::Interrupted
            | ErrorKind::Locked { .. }
            | ErrorKind::Loader(_)
            | ErrorKind::WrongChip { .. }
            | ErrorKind::OtherChip { .. }
            | ErrorKind::BootInfo(_)
    )
}
