//! What the loader remembers: flash configuration, whether the flash was identified, XIP state, write error and log.
//!
//! Only the write error ends with a session; the rest stays (`reference/loader-protocol.md` section 5).

use bl702_protocol::image::flash_config::FlashConfig;
use bl702_protocol::time::Nanos;

use super::flash_list;
use super::log::Log;
use crate::chip::Chip;
use crate::flash::{StatusLayout, WRITE_STATUS_1};

/// QE in the second status register.
const QUAD_ENABLE: u8 = 0x02;

/// State that outlives a session.
#[derive(Debug)]
pub(super) struct LoaderData {
    pub(super) flash_config: FlashConfig,
    /// Flag 80h of the JEDEC id answer. Once set it stays.
    pub(super) flash_identified: bool,
    /// Between 60h and 61h. What that changes for other commands is not known: nothing here (assumed).
    pub(super) xip_started: bool,
    /// A write has failed since the session or the last well-formed erase began.
    pub(super) write_failed: bool,
    pub(super) log: Log,
}

impl LoaderData {
    pub(super) fn new() -> LoaderData {
        LoaderData {
            flash_config: flash_list::default_config(),
            flash_identified: false,
            xip_started: false,
            write_failed: false,
            log: Log::default(),
        }
    }

    /// Reads the JEDEC id, looks the flash configuration up and clears the status registers, as the loader does at its
    /// start and in 3Bh with a pin; gives the time when the flash is ready.
    ///
    /// Which pins are chosen makes no difference here: the flash is always found (assumed). One still busy with what
    /// was begun before a reset is waited for, unless it is for ever (assumed).
    pub(super) fn identify_flash(&mut self, chip: &mut Chip, at: Nanos) -> Nanos {
        let busy_until = chip.flash.busy_until().filter(|until| *until != Nanos::MAX);
        let at = busy_until.map_or(at, |busy_until| busy_until.max(at));
        let unknown = chip.faults.flash_unknown(at);
        let found = chip.flash.init(at).ok().filter(|_| !unknown).and_then(flash_list::config);
        if let Some(config) = found {
            self.flash_config = config;
            self.flash_identified = true;
        }
        let [manufacturer, kind, capacity] = chip.flash.read_jedec_id(at);
        let known = if found.is_some() { "known" } else { "not known" };
        self.log.line(&format!("flash id {manufacturer:02x}{kind:02x}{capacity:02x} {known}"));
        // The second register is cleared too where there is one; quad I/O then needs its bit (QE) again. Two writes in the
        // vendor's code are one here. Bit 6 of a Macronix part, its QE, stays clear (assumed: none runs in quad I/O).
        let quad_enable = if flash_list::is_quad(&self.flash_config) { QUAD_ENABLE } else { 0x00 };
        let cleared: &[u8] = match chip.flash.part().status {
            StatusLayout::Macronix => &[0x00],
            StatusLayout::WinbondTwo | StatusLayout::WinbondThree => &[0x00, quad_enable],
        };
        match chip.flash.begin_write_register(at, WRITE_STATUS_1, cleared) {
            Ok(ready_at) => ready_at,
            Err(error) => {
                self.log.line(&format!("status register not cleared: {error}"));
                at
            }
        }
    }
}
