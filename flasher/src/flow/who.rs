//! Who answers, and nothing more.

use std::sync::Arc;

use bl702_protocol::boot_info::BootInfo;

use super::bound::announce_sizeless_run;
use super::finish::{After, conclude};
use crate::connect::{ConnectOptions, farewell};
use crate::error::Result;
use crate::event::Event;
use crate::session::Link;
use crate::transfer::RamLoader;

/// Shakes hands and asks for boot info: of the boot ROM, or of a RAM loader that was running already. Nothing is uploaded.
///
/// # Errors
/// Everything that reaching a module can run into.
pub async fn who_answers(link: Link, options: Arc<ConnectOptions>, after: After) -> Result<BootInfo> {
    announce_sizeless_run(&link, &options, |_| ());
    Event::announce_bound(&link, "connect", options.reach_bound());
    let result = ask(&link, &options, after).await;
    if let Err(error) = &result {
        farewell(&link, &options.timing, error).await;
    }
    result
}

async fn ask(link: &Link, options: &Arc<ConnectOptions>, after: After) -> Result<BootInfo> {
    let reached = options.reach(link).await?;
    match reached.info {
        info @ BootInfo::Loader(_) => {
            let loader = RamLoader::new(reached.wire, Arc::clone(options));
            conclude(loader, options, after, Ok(info)).await
        }
        info @ BootInfo::Rom(_) => {
            if after == After::Reset {
                options.leave_rom(link).await;
            }
            Ok(info)
        }
    }
}
