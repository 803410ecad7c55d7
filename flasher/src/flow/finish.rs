//! How a run leaves the module.

use crate::connect::{ConnectOptions, farewell, run_steps};
use crate::error::{ErrorKind, Result};
use crate::event::Event;
use crate::transfer::RamLoader;

/// What becomes of the module when a command is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum After {
    /// It is reset by command (21h), so that the next command starts clean. Where a line drives BOOT it is low then,
    /// so that the module runs what is in its flash.
    #[default]
    Reset,
    /// The RAM loader keeps running.
    Stay,
}

/// Leaves a loader as asked, if the work is done or has failed for a reason that leaves the session in step; then
/// gives the result of the work. Otherwise the next command recovers the session by itself.
pub(super) async fn conclude<T>(
    loader: RamLoader,
    options: &ConnectOptions,
    after: After,
    result: Result<T>,
) -> Result<T> {
    let link = loader.link().clone();
    let troubles = link.troubles();
    if result.is_ok() && !troubles.is_empty() {
        link.emit(Event::Survived(troubles));
    }
    match &result {
        Ok(_) => leave(loader, options, after).await,
        Err(error) if in_step(error.kind()) => leave(loader, options, after).await,
        Err(error) => farewell(&link, &options.timing, error).await,
    }
    result
}

fn in_step(kind: &ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::Plan(_)
            | ErrorKind::Table(_)
            | ErrorKind::NotThisBackup(_)
            | ErrorKind::Different { .. }
            | ErrorKind::Collateral { .. }
            | ErrorKind::ReadMismatch { .. }
            | ErrorKind::NotTaken { .. }
            | ErrorKind::Protected { .. }
            | ErrorKind::Unstable { .. }
            | ErrorKind::Burn(_)
            | ErrorKind::FusesNotTaken { .. }
            | ErrorKind::FusesChanged { .. }
            | ErrorKind::FusesUnstable { .. }
            | ErrorKind::OtherModule { .. }
    )
}

/// What happens here does not change what was achieved, so trouble is a warning.
async fn leave(loader: RamLoader, options: &ConnectOptions, after: After) {
    if after == After::Stay {
        return;
    }
    let link = loader.link().clone();
    if let Err(error) = reset(loader, options).await {
        link.emit(Event::Warning { text: format!("the module was not reset: {error}") });
    }
}

async fn reset(loader: RamLoader, options: &ConnectOptions) -> Result<()> {
    let link = loader.link().clone();
    let resets = options.can_reset().then(|| options.resets());
    if let Some(resets) = &resets {
        run_steps(&link, &resets.strap_for_firmware()).await?;
    }
    loader.reset().await?;
    match &resets {
        Some(resets) => run_steps(&link, &resets.after_command()).await,
        None => Ok(()),
    }
}
