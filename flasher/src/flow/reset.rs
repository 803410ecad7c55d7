//! Restarting the module.

use std::sync::Arc;

use bl702_protocol::boot_info::BootInfo;

use crate::connect::{ConnectOptions, run_steps};
use crate::error::{During, Error, Result};
use crate::event::Event;
use crate::request::{Request, Side};
use crate::session::Link;

/// Restarts the module: by EN with BOOT low where lines drive them, otherwise by command 21h to whoever answers. Where
/// no line drives BOOT, its strap decides what runs then.
///
/// # Errors
/// Without lines: no handshake, or no `OK` to 21h.
pub async fn reset(link: Link, options: Arc<ConnectOptions>) -> Result<()> {
    Event::announce_bound(&link, "connect", options.reach_bound());
    let by_lines = options.resets().into_firmware();
    if options.can_reset() && !by_lines.is_empty() {
        link.emit(Event::ResetByLines);
        run_steps(&link, &by_lines).await?;
        link.note_restarted();
        return Ok(());
    }
    let mut reached = options.reach(&link).await?;
    let side = match reached.info {
        BootInfo::Rom(_) => Side::Rom,
        BootInfo::Loader(_) => Side::Loader,
    };
    let request = Request::reset(side);
    link.emit(Event::ResetByCommand);
    reached.wire.exchange(&request).await.map_err(|trouble| {
        let during =
            During { side, id: request.id(), what: request.what, range: None, attempt: 1, attempts: 1 };
        Error::during(trouble.into(), during)
    })?;
    link.note_restarted();
    Ok(())
}
