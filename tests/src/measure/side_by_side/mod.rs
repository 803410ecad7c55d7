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
/// What is written. Half of the flash, because the vendor's tools wait 15 s for an erase and the whole takes longer (16
/// units of 64 KiB by the part's data sheet): they give up, and nothing could be compared.
pub const IMAGE_BYTES: usize = FLASH_BYTES / 2;
/// Where the sector is that differs in [`Work::OneSector`].
const CHANGED_SECTOR: std::ops::Range<usize> = 0x4_0000..0x4_1000;

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
            Work::Write => "write 512 KiB over other bytes",
            Work::Rewrite => "write 512 KiB that are there already",
            Work::OneSector => "write 512 KiB, one sector differs",
        }
    }

    /// The file to be written.
    pub fn image(self) -> Vec<u8> {
        images::other(IMAGE_BYTES, 7)
    }

    /// What the flash is to hold in the end.
    pub fn after(self) -> Vec<u8> {
        [self.image(), images::other(FLASH_BYTES - IMAGE_BYTES, 9)].concat()
    }

    /// What the flash holds before.
    pub fn before(self) -> Vec<u8> {
        let mut flash = self.after();
        match self {
            Work::Read | Work::Rewrite => {}
            Work::Write => flash[..IMAGE_BYTES].copy_from_slice(&images::other(IMAGE_BYTES, 3)),
            Work::OneSector => flash[CHANGED_SECTOR].copy_from_slice(&images::pattern(CHANGED_SECTOR.len())),
        }
        flash
    }

    /// What upload, line and flash allow, no wait counted: the least that a flasher needs who is sure of the result, for
    /// rewriting a hash of the image, for one sector besides that the sector itself.
    pub fn bound(self, bounds: &Bounds<'_>, loader_bytes: usize, boot_baud_bps: u32) -> Nanos {
        let upload = bounds.upload(loader_bytes, boot_baud_bps);
        upload
            + match self {
                Work::Read => bounds.read(FLASH_BYTES),
                Work::Write => bounds.write(IMAGE_BYTES),
                Work::Rewrite => bounds.hash(IMAGE_BYTES),
                Work::OneSector => bounds.hash(IMAGE_BYTES) + bounds.one_sector(),
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
            let after = work.after();
            let pairs = sectors.chunks(4096).zip(after.chunks(4096));
            pairs.filter(|(before, after)| before != after).count()
        };
        assert_eq!(Work::ALL.map(differing), [0, 128, 0, 1]);
    }
}
