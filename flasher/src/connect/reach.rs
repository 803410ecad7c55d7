//! Finding out who answers: the ROM, a RAM loader that already runs, or nobody.

use bl702_protocol::boot_info::{BootInfo, BootInfoError};
use bl702_protocol::chip::Chip;
use bl702_protocol::time::Nanos;

use super::{ConnectOptions, Handshake};
use crate::error::{During, Error, ErrorKind, Result};
use crate::event::{Event, SilenceReason};
use crate::request::{Request, Side};
use crate::reset::{Step, duration};
use crate::session::Link;
use crate::timing::SESSION_END_SILENCE;
use crate::transfer::{Trouble, Wire};

/// A module that answered.
#[derive(Debug)]
pub struct Reached {
    pub(crate) wire: Wire,
    /// What it says about itself.
    pub info: BootInfo,
}

/// Bursts of the first, quick round.
const FIRST_BURSTS: u32 = 3;

/// How often a handshake may have to be begun again because no boot info follows it.
const ROUNDS: u32 = 2;

impl ConnectOptions {
    /// How long [`reach`](Self::reach) takes at most.
    pub(crate) fn reach_bound(&self) -> Nanos {
        let timing = &self.timing;
        let reset = duration(&self.resets().into_isp());
        let again = duration(&self.patiently().resets().into_isp());
        let quick = (timing.ok_wait + timing.quiet * 10) * u64::from(FIRST_BURSTS * 2);
        let patient = SESSION_END_SILENCE + timing.ok_wait * 10 + timing.quiet * 10;
        let hands =
            timing.hands + (SESSION_END_SILENCE + again) * (1 + timing.hands.0 / SESSION_END_SILENCE.0);
        let asks = u64::from(BOOT_INFO_ASKS) + BOOT_INFO_ANSWERS as u64;
        let info = (timing.reply_margin + Nanos::from_millis(200)) * asks;
        (reset + again + quick + patient + info) * u64::from(ROUNDS) + hands
    }

    /// Resets the module if the port can, shakes hands at the boot rate, and asks for boot info.
    ///
    /// # Errors
    /// No handshake, no boot info, or another chip than a BL702.
    pub async fn reach(&self, link: &Link) -> Result<Reached> {
        link.set_baud(self.boot_baud_bps).await.map_err(ErrorKind::from)?;
        self.reset_into_isp(link).await?;
        let mut last = None;
        for _ in 0..ROUNDS {
            self.shake_hands(link, last.is_some()).await?;
            let mut wire = Wire::new(link.clone(), self.timing);
            // The answer tells which side it is; until then the side that most probably is.
            link.note_session(Some(Side::Rom));
            match self.introduce(&mut wire).await {
                Ok(info) => return check_chip(wire, info),
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::Interrupted | ErrorKind::BootInfo(_) | ErrorKind::OtherChip { .. }
                    ) =>
                {
                    return Err(error);
                }
                Err(error) => {
                    link.emit(Event::retry_of(&error));
                    last = Some(error);
                }
            }
        }
        Err(last.unwrap_or_else(|| self.no_handshake(&Handshake::default())))
    }

    /// What whoever answers says about itself, twice the same; and how fast it answers.
    async fn introduce(&self, wire: &mut Wire) -> Result<BootInfo> {
        let first = boot_info(wire).await?;
        let answer = wire.link.now().since(wire.link.sent_at_last());
        wire.timing = wire.timing.allowing_for(answer);
        confirmed_boot_info(wire, first).await
    }

    async fn reset_into_isp(&self, link: &Link) -> Result<()> {
        if self.can_reset() {
            link.emit(Event::ResetByLines);
            link.note_session(None);
            run_steps(link, &self.resets().into_isp()).await?;
        } else if self.resets().can_reset() {
            link.emit(Event::NoLines);
        }
        link.purge();
        Ok(())
    }

    /// The same with a reset that takes its time.
    fn patiently(&self) -> ConnectOptions {
        ConnectOptions { timing: self.timing.with_patient_reset(), ..self.clone() }
    }

    /// A reset that takes its time and bursts behind it, for lines that were too slow for the first. What it costs is paid only
    /// where the first had no answer. Lines that do not reset at all leave whoever hears in his session, so there are no
    /// more bursts in a row than that stands.
    async fn reset_patiently(&self, link: &Link, handshake: &mut Handshake) -> Result<bool> {
        let patiently = self.patiently();
        if !self.can_reset() || patiently.resets().into_isp() == self.resets().into_isp() {
            return Ok(false);
        }
        let cause = "no handshake after a quick reset; now one with longer waits".to_owned();
        link.emit(Event::Retry { cause });
        patiently.reset_into_isp(link).await?;
        let room = Handshake::bursts_in_a_row(link.baud_bps()).saturating_sub(FIRST_BURSTS);
        for _ in 0..FIRST_BURSTS.min(room) {
            if self.attempt(link, handshake, self.timing.ok_wait).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Bursts, a more patient reset and bursts, then silence and bursts, then bursts while a person resets the module.
    async fn shake_hands(&self, link: &Link, silence_first: bool) -> Result<()> {
        let timing = &self.timing;
        let mut handshake = Handshake::default();
        if !silence_first {
            for _ in 0..FIRST_BURSTS {
                if self.attempt(link, &mut handshake, timing.ok_wait).await? {
                    return Ok(());
                }
            }
            if self.reset_patiently(link, &mut handshake).await? {
                return Ok(());
            }
        }
        let reason = if silence_first { SilenceReason::LostStep } else { SilenceReason::NoHandshake };
        silence(link, reason).await?;
        if self.attempt(link, &mut handshake, timing.ok_wait * 10).await? {
            return Ok(());
        }
        let end = link.now() + timing.hands;
        link.emit(Event::NeedsHands { wait_ms: timing.hands.as_millis(), can_reset: self.can_reset() });
        loop {
            if self.can_reset() {
                // A BOOT pin that nothing drives is high after some resets only; a reset line may have a loose contact.
                self.patiently().reset_into_isp(link).await?;
            }
            for _ in 0..Handshake::bursts_in_a_row(link.baud_bps()) {
                if link.now() >= end {
                    return Err(self.no_handshake(&handshake));
                }
                if self.attempt(link, &mut handshake, timing.ok_wait).await? {
                    return Ok(());
                }
            }
            silence(link, SilenceReason::BurstLimit).await?;
        }
    }

    async fn attempt(&self, link: &Link, handshake: &mut Handshake, ok_wait: Nanos) -> Result<bool> {
        let answered = handshake.try_once(link, &self.timing, ok_wait).await.map_err(ErrorKind::from)?;
        if answered {
            link.emit(Event::Handshake { baud_bps: link.baud_bps(), bursts: handshake.bursts });
        }
        Ok(answered)
    }

    fn no_handshake(&self, handshake: &Handshake) -> Error {
        Error::new(ErrorKind::NoHandshake {
            side: Side::Rom,
            baud_bps: self.boot_baud_bps,
            heard: handshake.heard.clone(),
            bursts: handshake.bursts,
        })
    }
}

/// Sets lines and waits, step by step.
pub(crate) async fn run_steps(link: &Link, steps: &[Step]) -> Result<()> {
    for step in steps {
        link.set_lines(step.lines);
        link.sleep(step.wait).await.map_err(ErrorKind::from)?;
    }
    Ok(())
}

/// Sends nothing until every session, of ROM or loader, is over; gives what came meanwhile.
pub(crate) async fn silence(link: &Link, reason: SilenceReason) -> Result<Vec<u8>> {
    link.emit(Event::Silence { span_ms: SESSION_END_SILENCE.as_millis(), reason });
    let until = link.sent_at() + SESSION_END_SILENCE;
    link.sleep_until(until).await.map_err(ErrorKind::from)?;
    let heard = link.take_input();
    link.purge();
    Ok(heard)
}

/// How often boot info is asked for until there is a whole answer.
const BOOT_INFO_ASKS: u32 = 4;

/// How many whole answers may differ from one another.
const BOOT_INFO_ANSWERS: usize = 5;

/// Asks for boot info until an answer is whole. What it says may still be damaged: answers carry no checksum.
pub(crate) async fn boot_info(wire: &mut Wire) -> Result<BootInfo> {
    let request = Request::boot_info();
    let (mut attempt, mut last_length) = (1, None);
    loop {
        let trouble = match wire.exchange(&request).await {
            Ok(bytes) => {
                let error = match BootInfo::parse(&bytes) {
                    Ok(info) => return Ok(info),
                    Err(error) => error,
                };
                // Another chip says the same again; a damaged length hardly does.
                if last_length == Some(bytes.len()) || attempt == BOOT_INFO_ASKS {
                    return Err(not_bl702(&bytes, error));
                }
                last_length = Some(bytes.len());
                let quiet = wire.timing.quiet;
                wire.link.drain(quiet, quiet * 10).await.map_err(ErrorKind::from)?;
                attempt += 1;
                continue;
            }
            Err(trouble) => trouble,
        };
        let is_final = matches!(trouble, Trouble::Halted | Trouble::NoAnswer { .. });
        if is_final || attempt == BOOT_INFO_ASKS {
            return Err(boot_info_error(&request, trouble, attempt));
        }
        let quiet = wire.timing.quiet;
        wire.link.drain(quiet, quiet * 10).await.map_err(ErrorKind::from)?;
        attempt += 1;
    }
}

/// Asks for boot info until two answers agree, the first of them `first`: what is done next, and what a person is told,
/// depends on it.
pub(crate) async fn confirmed_boot_info(wire: &mut Wire, first: BootInfo) -> Result<BootInfo> {
    let mut seen = vec![first];
    for _ in 1..BOOT_INFO_ANSWERS {
        // A byte too many behind an answer may be one that had slipped into it.
        if wire.link.input_len() > 0 {
            seen.pop();
        }
        let again = boot_info(wire).await?;
        if seen.contains(&again) {
            return Ok(again);
        }
        seen.push(again);
    }
    Err(Error::new(ErrorKind::BootInfoVaries { answers: BOOT_INFO_ANSWERS }))
}

fn boot_info_error(request: &Request, trouble: Trouble, attempt: u32) -> Error {
    let during = During {
        side: request.side,
        id: request.id(),
        what: request.what,
        range: None,
        attempt,
        attempts: BOOT_INFO_ASKS,
    };
    Error::during(trouble.into(), during)
}

/// Boot info that is not a BL702's: another chip of the family, if its length and version say so.
fn not_bl702(bytes: &[u8], error: BootInfoError) -> Error {
    match Chip::by_boot_info(bytes) {
        Some(chip) if !chip.is_verified => Error::new(ErrorKind::OtherChip {
            members: chip.members,
            length: chip.boot_info_len,
            version: chip.rom_version,
        }),
        _ => Error::new(error),
    }
}

/// Lets only a BL702 pass, before anything that other chips would take for something else.
fn check_chip(wire: Wire, info: BootInfo) -> Result<Reached> {
    wire.link.emit(Event::boot_info(&info));
    wire.link.note_session(Some(match info {
        BootInfo::Rom(_) => Side::Rom,
        BootInfo::Loader(_) => Side::Loader,
    }));
    match info {
        BootInfo::Rom(rom) if !rom.is_bl702() => {
            Err(Error::new(ErrorKind::WrongChip { version: rom.version }))
        }
        info => Ok(Reached { wire, info }),
    }
}
