//! From an open port to a running RAM loader: reset, handshake, boot info, upload, start, second handshake.

mod climb;
mod farewell;
mod frames;
mod handshake;
mod misread;
mod reach;
mod start;
mod upload;

use std::sync::Arc;

use bl702_protocol::boot_info::BootInfo;
use bl702_protocol::chip::{BL702, StartMethod};

pub(crate) use farewell::farewell;
pub(crate) use frames::UploadFrames;
pub use handshake::Handshake;
pub use reach::Reached;
pub(crate) use reach::{boot_info, confirmed_boot_info, run_steps, silence};
pub(crate) use start::is_about_flash;

use crate::baud::{self, BaudError};
use crate::loader::LoaderImage;
use crate::plan::{MAX_FLASH_BYTES, PlanError, SECTOR};
use crate::reset::{Adapter, Resets, Wiring};
use crate::timing::Timing;

/// How to reach a module.
#[derive(Clone, Debug)]
pub struct ConnectOptions {
    /// Rate for the ROM.
    pub boot_baud_bps: u32,
    /// Rate for the RAM loader; with `climb` the highest that is tried.
    pub baud_bps: u32,
    /// Whether to begin at a safe rate and go up as long as a checked exchange proves the next one.
    pub climb: bool,
    /// Waits.
    pub timing: Timing,
    /// Which line drives EN.
    pub wiring: Wiring,
    /// Inverted lines, and reset sequences of one's own.
    pub adapter: Adapter,
    /// Whether the port has modem lines at all; a pty has none.
    pub has_lines: bool,
    /// RAM loader to upload; without one only the ROM or a loader that already runs can be spoken to.
    pub loader: Option<Arc<LoaderImage>>,
    /// Flash size in bytes, for a flash that the loader does not know.
    pub flash_size: Option<u32>,
}

impl Default for ConnectOptions {
    fn default() -> ConnectOptions {
        ConnectOptions {
            boot_baud_bps: 500_000,
            baud_bps: 2_000_000,
            climb: false,
            timing: Timing::default(),
            wiring: Wiring::default(),
            adapter: Adapter::default(),
            has_lines: false,
            loader: None,
            flash_size: None,
        }
    }
}

/// Why options cannot work, whatever the module.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptionsError {
    /// A rate.
    #[error(transparent)]
    Baud(#[from] BaudError),
    /// A size.
    #[error(transparent)]
    Plan(#[from] PlanError),
}

impl ConnectOptions {
    /// Checks what can be checked before a port is opened.
    ///
    /// # Errors
    /// [`OptionsError`]
    pub fn check(&self) -> Result<(), OptionsError> {
        baud::check_rom(self.boot_baud_bps)?;
        baud::check_loader(self.baud_bps)?;
        if let Some(bytes) = self.flash_size
            && (bytes == 0 || bytes > MAX_FLASH_BYTES || !bytes.is_multiple_of(SECTOR))
        {
            return Err(PlanError::FlashSize { bytes: u64::from(bytes) }.into());
        }
        Ok(())
    }

    /// The same with this rate, and no other, for the RAM loader.
    pub(crate) fn at_rate(self: &Arc<Self>, baud_bps: u32) -> Arc<ConnectOptions> {
        if self.baud_bps == baud_bps && !self.climb {
            return Arc::clone(self);
        }
        Arc::new(ConnectOptions { baud_bps, climb: false, ..(**self).clone() })
    }

    /// Whether the module can be reset through the port.
    pub fn can_reset(&self) -> bool {
        self.has_lines && self.resets().can_reset()
    }

    /// What the lines do.
    pub fn resets(&self) -> Resets<'_> {
        Resets { wiring: self.wiring, adapter: &self.adapter, timing: &self.timing }
    }
}

/// Whether memory writes, and with them the start through the HBN words, are of no use (ROM reference 1.8).
fn needs_run_command(info: &BootInfo) -> bool {
    const TZ_BOOT: u32 = 1 << 20;
    const HBN_JUMP_DISABLE: u32 = 1 << 27;
    BL702.start == StartMethod::RunCommand || info.sw_usage_0() & (TZ_BOOT | HBN_JUMP_DISABLE) != 0
}
