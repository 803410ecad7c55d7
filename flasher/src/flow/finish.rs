//! How a run leaves the module.

use crate::connect::{ConnectOptions, run_steps};
use crate::error::Result;
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

/// Leaves a loader as asked. The work is done and verified by then, so trouble here is a warning.
pub(super) async fn finish(loader: RamLoader, options: &ConnectOptions, after: After) -> Result<()> {
    if after == After::Stay {
        return Ok(());
    }
    let link = loader.link().clone();
    if options.can_reset() {
        run_steps(&link, &options.wiring.strap_for_firmware(&options.timing)).await?;
    }
    if let Err(error) = loader.reset().await {
        link.emit(Event::Warning {
            text: format!("the work is done, but the module was not reset: {error}"),
        });
    }
    Ok(())
}
