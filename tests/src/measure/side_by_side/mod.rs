//! Flashers side by side: the same work against the same module, and what each took.
//!
//! | part | what it does |
//! |---|---|
//! | [`contestant`] | the flashers, and how each is told what to do |
//! | [`run`] | one run under `bl702-emu exec`, and what its report and recording say |
//! | [`present`] | the table and the plot |

pub mod contestant;
pub mod present;
pub mod run;

use bl702_protocol::time::Nanos;

use super::bounds::Bounds;
use crate::images;

/// Flash of the module XT-ZB2.
pub const FLASH_BYTES: usize = 1 << 20;
/// Where the sector is that differs in [`Work::OneSector`].
const CHANGED_SECTOR: std::ops::Range<usize> = 0x8_0000..0x8_1000;

/// What every flasher is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Read the whole flash into a file.
    Read,
    /// Write a file over a flash that is different everywhere.
    Write,
    /// Write the file that the flash holds already.
    Rewrite,
    /// Write a file over a flash that differs in one sector.
    OneSector,
}

impl Work {
    /// All of it, in the order of the table.
    pub const ALL: [Work; 4] = [Work::Read, Work::Write, Work::Rewrite, Work::OneSector];

    /// What it is called in the table.
    pub fn name(self) -> &'static str {
        match self {
            Work::Read => "read 1 MiB",
            Work::Write => "write 1 MiB over other bytes",
            Work::Rewrite => "write what is there already",
            Work::OneSector => "write, one sector differs",
        }
    }

    /// The file to be written, which is also what the flash is to hold in the end.
    pub fn image(self) -> Vec<u8> {
        images::other(FLASH_BYTES, 7)
    }

    /// What the flash holds before.
    pub fn before(self) -> Vec<u8> {
        let mut flash = self.image();
        match self {
            Work::Read | Work::Rewrite => {}
            Work::Write => flash = images::other(FLASH_BYTES, 3),
            Work::OneSector => flash[CHANGED_SECTOR].copy_from_slice(&images::pattern(CHANGED_SECTOR.len())),
        }
        flash
    }

    /// What upload, line and flash allow, no wait counted: the least that a flasher needs who is sure of the result, for
    /// rewriting a hash of the flash, for one sector besides that the sector itself.
    pub fn bound(self, bounds: &Bounds<'_>, loader_bytes: usize, boot_baud_bps: u32) -> Nanos {
        let upload = bounds.upload(loader_bytes, boot_baud_bps);
        upload
            + match self {
                Work::Read => bounds.read(FLASH_BYTES),
                Work::Write => bounds.write(FLASH_BYTES),
                Work::Rewrite => bounds.hash(FLASH_BYTES),
                Work::OneSector => bounds.hash(FLASH_BYTES) + bounds.one_sector(),
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flash_differs_where_it_should() {
        let differing = |work: Work| {
            let sectors = work.before();
            let image = work.image();
            let pairs = sectors.chunks(4096).zip(image.chunks(4096));
            pairs.filter(|(before, after)| before != after).count()
        };
        assert_eq!(Work::ALL.map(differing), [0, 256, 0, 1]);
    }
}
