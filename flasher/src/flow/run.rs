//! Loading an image into RAM and starting it.

use std::sync::Arc;

use bl702_protocol::image::ram_image::RamImage;

use super::bound::announce_sizeless_run;
use super::monitor::{Heard, Listening, listen};
use crate::connect::{ConnectOptions, farewell};
use crate::error::Result;
use crate::event::Event;
use crate::session::Link;

/// An image that was started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunReport {
    /// Where execution went.
    pub address: u32,
    /// Bytes that were loaded.
    pub bytes: u64,
    /// Whether command 1Ah started it, because eFuses forbid the usual way.
    pub run_command: bool,
    /// What it said, if it was listened to.
    pub heard: Option<Heard>,
}

/// Loads an image into RAM through the boot ROM, which checks it, and starts it. Nothing is written to the flash. The ROM
/// does not tell whether the image runs; only what it says can, so it may be listened to.
///
/// # Errors
/// Everything that reaching the ROM can run into; an image that its fuses do not let run; a refused or failed upload.
pub async fn run_image(
    link: Link,
    options: Arc<ConnectOptions>,
    image: RamImage,
    listening: Option<Listening>,
) -> Result<RunReport> {
    if listening.is_none() {
        announce_sizeless_run(&link, &options, |_| ());
    }
    Event::announce_bound(&link, "connect", options.run_bound(&image));
    let started = options.load_and_start(&link, &image).await;
    let run_command = match started {
        Ok(run_command) => run_command,
        Err(error) => {
            farewell(&link, &options.timing, &error).await;
            return Err(error);
        }
    };
    link.clear_bound();
    let heard = match listening {
        Some(listening) => Some(listen(&link, &options, listening).await?),
        None => None,
    };
    let bytes = image.segments.iter().map(|segment| segment.data.len() as u64).sum();
    Ok(RunReport { address: image.header.start_address(), bytes, run_command, heard })
}
