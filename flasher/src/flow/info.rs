//! What the module says about itself.

use std::sync::Arc;

use bl702_protocol::boot_info::BootInfo;
use bl702_protocol::efuse::{EFUSE_LEN, Efuse};

use super::bound::announce_sizeless_run;
use super::efuse::{TZ_BOOT, from_rom};
use super::finish::{After, conclude};
use crate::connect::{ConnectOptions, Reached, farewell, is_about_flash};
use crate::error::{Error, ErrorKind, Result};
use crate::event::Event;
use crate::loader::LoaderImage;
use crate::plan::Budget;
use crate::session::Link;
use crate::timing::Timing;
use crate::transfer::{FlashId, RamLoader, Wire};

/// What could be found out.
#[derive(Debug)]
pub struct InfoReport {
    /// Boot info, of the ROM or of a loader that was running already.
    pub boot_info: BootInfo,
    /// The flash; `None` without a RAM loader.
    pub flash: Option<FlashId>,
    /// MAC address as the loader reads it; `None` without a loader, or if its parity is wrong.
    pub mac: Option<[u8; 8]>,
    /// Why the flash was not looked at.
    pub no_flash: Option<Error>,
    /// All fuses, as the loader reads them, or the ROM if there is none; what is read-locked comes as 0.
    pub fuses: Option<Efuse>,
    /// Why the fuses were not read.
    pub no_fuses: Option<Error>,
    /// The flash's status registers 05h, 35h and 15h; `None` without a flash, or if they cannot be read.
    pub status: Option<[u8; 3]>,
    /// The RAM loader that answered.
    pub loader: LoaderUsed,
    /// Rate of the handshake with whoever answered first.
    pub boot_baud_bps: u32,
    /// Rate of the RAM loader, at which data go.
    pub baud_bps: Option<u32>,
}

/// Which RAM loader an answer came from.
#[derive(Clone, Debug)]
pub enum LoaderUsed {
    /// None: there is no image, or the chip does not take it.
    None,
    /// One that was running already; which one it does not say.
    Running,
    /// This one, uploaded in this run.
    Uploaded(Arc<LoaderImage>),
}

/// Short requests of a reading of all fuses: 42h and a word each.
const FUSE_REQUESTS: u32 = 1 + EFUSE_LEN as u32 / 4;

/// Asks the ROM, and then the RAM loader if there is one. That the loader cannot be uploaded, because there is none or
/// because of the eFuses, is part of the report, and so is that fuses or flash cannot be read; other errors are errors.
///
/// # Errors
/// Everything that connecting can run into, but for a missing loader, a locked chip and a flash that the loader does not
/// know.
pub async fn info(link: Link, options: Arc<ConnectOptions>, after: After) -> Result<InfoReport> {
    announce_sizeless_run(&link, &options, add_work);
    Event::announce_bound(&link, "connect", options.connect_bound());
    let result = ask(&link, &options, after).await;
    if let Err(error) = &result {
        farewell(&link, &options.timing, error).await;
    }
    result
}

/// The fuses, read twice or three times, the status registers and the MAC address.
fn add_work(budget: &mut Budget) {
    budget.exchanges(FUSE_REQUESTS * 3 + 8);
}

async fn ask(link: &Link, options: &Arc<ConnectOptions>, after: After) -> Result<InfoReport> {
    let reached = options.reach(link).await?;
    let boot_info = reached.info;
    let mut report = InfoReport {
        boot_info,
        flash: None,
        mac: None,
        no_flash: None,
        fuses: None,
        no_fuses: None,
        status: None,
        loader: LoaderUsed::None,
        boot_baud_bps: link.baud_bps(),
        baud_bps: None,
    };
    let timing = reached.wire.timing;
    let wire = match options.bring_up(reached).await {
        Ok(wire) => wire,
        Err(error) if matches!(error.kind(), ErrorKind::Loader(_) | ErrorKind::Locked { .. }) => {
            report.no_flash = Some(error);
            ask_rom(link, options, timing, &mut report).await?;
            if after == After::Reset {
                options.leave_rom(link).await;
            }
            return Ok(report);
        }
        Err(error) => return Err(error),
    };
    report.loader = match (&boot_info, &options.loader) {
        (BootInfo::Rom(_), Some(image)) => LoaderUsed::Uploaded(Arc::clone(image)),
        _ => LoaderUsed::Running,
    };
    let mut loader = RamLoader::new(wire, Arc::clone(options));
    let mut budget = loader.budget();
    add_work(&mut budget);
    loader.announce_work(&budget);
    let asked = ask_loader(&mut loader, &mut report).await;
    report.baud_bps = Some(link.baud_bps());
    conclude(loader, options, after, asked).await?;
    Ok(report)
}

/// Has the ROM show its fuses, where there is no RAM loader to ask. One that is locked for all images but its maker's shows
/// them, too, unless tz_boot is burnt.
async fn ask_rom(
    link: &Link,
    options: &Arc<ConnectOptions>,
    timing: Timing,
    report: &mut InfoReport,
) -> Result<()> {
    if report.boot_info.sw_usage_0() & TZ_BOOT != 0 {
        return Ok(());
    }
    let reached = Reached { wire: Wire::new(link.clone(), timing), info: report.boot_info };
    match from_rom(link, options, reached).await {
        Ok((fuses, _)) => report.fuses = fuses,
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::Interrupted | ErrorKind::Port(_) | ErrorKind::BoundReached { .. }
            ) =>
        {
            return Err(error);
        }
        Err(error) => report.no_fuses = Some(error),
    }
    Ok(())
}

async fn ask_loader(loader: &mut RamLoader, report: &mut InfoReport) -> Result<()> {
    match loader.identify_flash().await {
        Ok(()) => {
            report.flash = Some(loader.flash());
            loader.look_for_header().await?;
        }
        Err(error) if is_about_flash(&error) => report.no_flash = Some(error),
        Err(error) => return Err(error),
    }
    report.mac = loader.mac().await?;
    if let (BootInfo::Rom(rom), Some(mac)) = (report.boot_info, report.mac)
        && rom.chip_id != mac
    {
        return Err(Error::new(ErrorKind::IdentityDiffers { chip_id: rom.chip_id, mac }));
    }
    match loader.read_fuses().await {
        Ok(fuses) => report.fuses = Some(fuses),
        Err(error) if is_about_fuses(&error) => report.no_fuses = Some(error),
        Err(error) => return Err(error),
    }
    // Last, because a flash that does not answer them makes the loader silent.
    if report.flash.is_some() {
        report.status = loader.status_registers().await;
    }
    Ok(())
}

/// Whether the loader answers, but does not tell its fuses.
fn is_about_fuses(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Refused { .. }
            | ErrorKind::Ignored { .. }
            | ErrorKind::WrongLength { .. }
            | ErrorKind::FusesUnstable { .. }
    )
}
