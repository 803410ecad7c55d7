//! Restarting the module, and finding out what runs then.

use std::sync::Arc;

use bl702_protocol::boot_info::BootInfo;
use bl702_protocol::time::Nanos;
use serde::Serialize;

use crate::connect::{ConnectOptions, Handshake, Reached, run_steps};
use crate::error::{During, Error, ErrorKind, Result, quoted_text};
use crate::event::Event;
use crate::request::{Request, Side};
use crate::session::{Link, LinkError};

/// Rate at which the stock firmware talks (ROM reference 5).
const FIRMWARE_BAUD_BPS: u32 = 2_000_000;

/// How long a firmware that has started is listened to. The stock firmware's first line comes much sooner.
const LISTENING: Nanos = Nanos::from_millis(800);

/// Bursts that ask whether it is the ROM that keeps silent.
const BURSTS: u32 = 3;

/// What the module is to be restarted into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ResetInto {
    /// The boot ROM, which waits for a flasher.
    Isp,
    /// What is in its flash.
    Firmware,
}

/// What is known about the module after a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "found", rename_all = "snake_case")]
pub enum Found {
    /// The boot ROM answered, and waits for the next handshake.
    Rom,
    /// A firmware printed this.
    FirmwareSays {
        /// The first words of it.
        text: String,
    },
    /// Nothing was heard: a firmware that is silent or talks at another rate, or a flash that does not boot.
    Silence,
}

/// A restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ResetReport {
    /// Whether EN was pulsed through the port; else command 21h was sent.
    pub by_lines: bool,
    /// What runs now.
    #[serde(flatten)]
    pub found: Found,
}

/// Restarts the module: by EN with BOOT low where lines drive them, otherwise by command 21h to whoever answers. Where
/// no line drives BOOT, its strap decides what runs then.
///
/// # Errors
/// Without lines: no handshake, or no `OK` to 21h.
pub async fn reset(link: Link, options: Arc<ConnectOptions>) -> Result<()> {
    Event::announce_bound(&link, "connect", options.reach_bound());
    restart(&link, &options).await
}

async fn restart(link: &Link, options: &ConnectOptions) -> Result<()> {
    let by_lines = options.resets().into_firmware();
    if options.can_reset() && !by_lines.is_empty() {
        link.emit(Event::ResetByLines);
        run_steps(link, &by_lines).await?;
        link.note_restarted();
        return Ok(());
    }
    restart_by_command(options.reach(link).await?).await
}

async fn restart_by_command(mut reached: Reached) -> Result<()> {
    let side = match reached.info {
        BootInfo::Rom(_) => Side::Rom,
        BootInfo::Loader(_) => Side::Loader,
    };
    let request = Request::reset(side);
    let link = reached.wire.link.clone();
    link.emit(Event::ResetByCommand);
    reached.wire.exchange(&request).await.map_err(|trouble| {
        let during =
            During { side, id: request.id(), what: request.what, range: None, attempt: 1, attempts: 1 };
        Error::during(trouble.into(), during)
    })?;
    link.note_restarted();
    Ok(())
}

/// Restarts the module into its ROM or its firmware and finds out whether that is what runs. Without lines a strap
/// decides: then the one that is wanted is waited for, or it is told that it is the other one.
///
/// # Errors
/// [`ErrorKind::StillInIsp`] if the ROM answers where the firmware should run; no handshake where the ROM should answer.
pub async fn reset_into(link: Link, options: Arc<ConnectOptions>, into: ResetInto) -> Result<ResetReport> {
    Event::announce_bound(&link, "connect", options.reach_bound() * 2 + LISTENING * 4);
    let by_lines = options.can_reset();
    let found = match into {
        ResetInto::Isp => into_isp(&link, &options).await?,
        ResetInto::Firmware => into_firmware(&link, &options).await?,
    };
    Ok(ResetReport { by_lines, found })
}

/// Whoever answers is restarted, and then it has to be the ROM that answers. Its session is ended by another restart, since
/// it would ignore the next program's handshake for 2 s.
async fn into_isp(link: &Link, options: &ConnectOptions) -> Result<Found> {
    if !options.can_reset() {
        restart_by_command(options.reach(link).await?).await?;
        pause(link, options).await?;
    }
    let reached = options.reach(link).await?;
    match reached.info {
        BootInfo::Rom(_) => restart_by_command(reached).await.map(|()| Found::Rom),
        BootInfo::Loader(_) => Err(Error::new(ErrorKind::NotRestarted)),
    }
}

async fn pause(link: &Link, options: &ConnectOptions) -> Result<()> {
    link.sleep(options.timing.reset_to_burst).await.map_err(ErrorKind::from)?;
    link.purge();
    Ok(())
}

async fn into_firmware(link: &Link, options: &ConnectOptions) -> Result<Found> {
    restart(link, options).await?;
    link.set_baud(FIRMWARE_BAUD_BPS).await.map_err(ErrorKind::from)?;
    let heard = listen(link).await?;
    if let Some(text) = quoted_text(&heard) {
        return Ok(Found::FirmwareSays { text });
    }
    link.set_baud(options.boot_baud_bps).await.map_err(ErrorKind::from)?;
    let mut handshake = Handshake::default();
    for _ in 0..BURSTS {
        let answered = handshake.try_once(link, &options.timing, options.timing.ok_wait).await;
        if answered.map_err(ErrorKind::from)? {
            options.leave_rom(link).await;
            return Err(Error::new(ErrorKind::StillInIsp { by_lines: options.can_reset() }));
        }
    }
    Ok(Found::Silence)
}

/// What comes until there is enough of it for a line, or until the time is over.
async fn listen(link: &Link) -> Result<Vec<u8>> {
    const ENOUGH_BYTES: usize = 160;
    let until = link.now() + LISTENING;
    let mut heard = Vec::new();
    while heard.len() < ENOUGH_BYTES {
        match link.read_some(ENOUGH_BYTES, until).await {
            Ok(bytes) => heard.extend(bytes),
            Err(LinkError::TimedOut) => break,
            Err(LinkError::Halted) => return Err(Error::new(ErrorKind::from(LinkError::Halted))),
        }
    }
    Ok(heard)
}
