//! What the module says about itself.

use std::sync::Arc;

use bl702_protocol::boot_info::BootInfo;

use super::bound::announce_run;
use super::finish::{After, conclude};
use crate::connect::{ConnectOptions, confirmed_boot_info, farewell, is_about_flash};
use crate::error::{Error, ErrorKind, Result};
use crate::event::Event;
use crate::session::Link;
use crate::transfer::{FlashId, RamLoader};

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
}

/// Asks the ROM, and then the RAM loader if there is one. That the loader cannot be uploaded, because there is none or
/// because of the eFuses, is part of the report; other errors are errors.
///
/// # Errors
/// Everything that connecting can run into, but for a missing loader, a locked chip and a flash that the loader does not
/// know.
pub async fn info(link: Link, options: Arc<ConnectOptions>, after: After) -> Result<InfoReport> {
    announce_run(&link, &options, |_, _| ());
    Event::announce_bound(&link, "connect", options.connect_bound());
    let result = ask(&link, &options, after).await;
    if let Err(error) = &result {
        farewell(&link, &options.timing, error).await;
    }
    result
}

async fn ask(link: &Link, options: &Arc<ConnectOptions>, after: After) -> Result<InfoReport> {
    let mut reached = options.reach(link).await?;
    let boot_info = confirmed_boot_info(&mut reached.wire, reached.info).await?;
    reached.info = boot_info;
    let mut report = InfoReport { boot_info, flash: None, mac: None, no_flash: None };
    let wire = match options.bring_up(reached).await {
        Ok(wire) => wire,
        Err(error) if matches!(error.kind(), ErrorKind::Loader(_) | ErrorKind::Locked { .. }) => {
            report.no_flash = Some(error);
            if after == After::Reset {
                options.leave_rom(link).await;
            }
            return Ok(report);
        }
        Err(error) => return Err(error),
    };
    let mut loader = RamLoader::new(wire, Arc::clone(options));
    match loader.identify_flash().await {
        Ok(()) => report.flash = Some(loader.flash()),
        Err(error) if is_about_flash(&error) => report.no_flash = Some(error),
        Err(error) => return Err(error),
    }
    let mac = loader.mac().await;
    report.mac = conclude(loader, options, after, mac).await?;
    Ok(report)
}
