//! What line, flash and protocol allow, computed from the profile and the reference, not asked of the flasher.

use bl702_emulator::profile::Profile;
use bl702_protocol::frame::{LOADER_MAX_READ, LOADER_MAX_WRITE, ROM_MAX_PAYLOAD};
use bl702_protocol::time::Nanos;

/// Silence after which the loader takes a frame for complete.
const FRAME_END_BITS: u64 = 80;
/// Request and head of an answer of a read.
const READ_BYTES: u64 = 12 + 4;
/// Head and address of a write.
const WRITE_BYTES: u64 = 8;

/// Module and line.
#[derive(Clone, Copy, Debug)]
pub struct Bounds<'p> {
    /// The module.
    pub profile: &'p Profile,
    /// Rate of the RAM loader.
    pub baud_bps: u32,
    /// Delay of the adapter before each answer.
    pub latency: Nanos,
}

impl Bounds<'_> {
    /// Reading so many bytes: for every 9220 of them a request of 12 bytes, 80 bit times of silence before the module takes
    /// it for complete, the reading of the flash, an answer of 4 bytes more (`reference/loader-protocol.md` sections 3 and
    /// 6), and one delay of the adapter.
    pub fn read(&self, bytes: usize) -> Nanos {
        let blocks = bytes.div_ceil(LOADER_MAX_READ) as u64;
        let waits = Nanos::bit_times(FRAME_END_BITS, self.baud_bps) + self.latency;
        Nanos::byte_times(bytes as u64 + blocks * READ_BYTES, self.baud_bps)
            + self.flash_read(bytes)
            + waits * blocks
    }

    /// Writing so many bytes over others: erasing in units of 64 KiB, and the slower of the frames on the line and the
    /// programming of pages.
    pub fn write(&self, bytes: usize) -> Nanos {
        let times = self.profile.flash_part.times(self.profile.flash_speed);
        Nanos::from_micros(times.block_64k_us * (bytes as u64).div_ceil(65_536)) + self.line_or_program(bytes)
    }

    /// Finding out what a flash holds without reading it: one hash over so many bytes.
    pub fn hash(&self, bytes: usize) -> Nanos {
        self.flash_read(bytes)
    }

    /// Changing one sector, where it is known which.
    pub fn one_sector(&self) -> Nanos {
        const SECTOR_BYTES: usize = 4096;
        let times = self.profile.flash_part.times(self.profile.flash_speed);
        Nanos::from_micros(times.sector_4k_us) + self.line_or_program(SECTOR_BYTES)
    }

    /// Sending so many bytes of a RAM loader's segments to the boot ROM, in frames of at most 4092.
    pub fn upload(&self, bytes: usize, boot_baud_bps: u32) -> Nanos {
        let frames = bytes.div_ceil(ROM_MAX_PAYLOAD);
        Nanos::byte_times((bytes + frames * 4) as u64, boot_baud_bps)
    }

    fn flash_read(&self, bytes: usize) -> Nanos {
        Nanos(bytes as u64 * 1_000_000_000 / u64::from(self.profile.flash_read_bytes_per_s))
    }

    fn line_or_program(&self, bytes: usize) -> Nanos {
        let times = self.profile.flash_part.times(self.profile.flash_speed);
        let frames = bytes.div_ceil(LOADER_MAX_WRITE) as u64;
        let line = Nanos::byte_times(bytes as u64 + frames * WRITE_BYTES, self.baud_bps);
        let pages = (bytes as u64).div_ceil(u64::from(self.profile.flash_part.page_bytes));
        line.max(Nanos::from_micros(times.page_program_us * pages))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_sums_that_can_be_checked_by_hand() {
        let profile = Profile::builtin("xt-zb2").unwrap();
        let bounds = Bounds { profile: &profile, baud_bps: 2_000_000, latency: Nanos::from_millis(1) };
        // 9236 bytes of 5 us, 80 bits of 0.5 us, 9220 bytes at 6 MB/s, 1 ms.
        let expected = 9236 * 5_000 + 80 * 500 + 9220 * 1_000_000 / 6_000 + 1_000_000;
        assert_eq!(bounds.read(9220), Nanos(expected));
        assert_eq!(bounds.upload(4092, 500_000), Nanos(4096 * 20_000));
        let times = profile.flash_part.times(profile.flash_speed);
        let erase = Nanos::from_micros(times.block_64k_us);
        assert!(bounds.write(65_536) >= erase + Nanos::byte_times(65_536, 2_000_000));
        assert_eq!(bounds.hash(6_000_000), Nanos::from_secs(1));
    }
}
