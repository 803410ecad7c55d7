//! What a module with BOOT low does: boots the firmware in its flash, which prints its log and goes about its business.
//!
//! The firmware is not executed. If the flash holds what the ROM needs, the stock image's boot log
//! (`reference/rom-and-module.md` section 5) comes out of UART0 at 2,000,000 baud; otherwise nothing ever does, as the
//! ROM tries again and again without a word.

mod log;

use std::collections::VecDeque;

use bl702_protocol::image::boot_header::{BOOT_HEADER_LEN, BOOT_MAGIC, BootHeader, HeaderRefusal};
use bl702_protocol::image::partition::{self, PartitionError, PartitionTable, Selected};
use bl702_protocol::jedec::JedecId;
use bl702_protocol::time::Nanos;

use crate::chip::{Chip, Exit, Program, Wake};
use crate::flash::Flash;

/// Where the two copies of the partition table are when the boot2 inside the ROM is used.
const PARTITION_ADDRESSES: [u32; 2] = [0x1000, 0x2000];
/// The longest table there can be.
const PARTITION_MAX_BYTES: usize = partition::HEADER_LEN + partition::MAX_ENTRIES * partition::ENTRY_LEN + 4;
/// Type of the partition that holds the firmware.
const FIRMWARE_PARTITION: u8 = 0;
/// Rate of the stock firmware's UART0 (`reference/rom-and-module.md` section 5).
const LOG_BAUD_BPS: u32 = 2_000_000;

/// What is wrong with a flash that does not boot.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BootFailure {
    /// There is a boot header at 0, but the ROM would refuse it.
    #[error("boot header at 0: {0}")]
    BootHeader(HeaderRefusal),
    /// Neither copy of the partition table is good.
    #[error("no partition table: at 1000h: {first}; at 2000h: {second}")]
    PartitionTable {
        /// What is wrong with the first copy.
        first: PartitionError,
        /// What is wrong with the second copy.
        second: PartitionError,
    },
    /// The table has no entry of type 0.
    #[error("partition table has no firmware partition")]
    NoFirmwarePartition,
    /// The header at the start of the firmware partition is not one that boots.
    #[error("firmware header at {address:x}h: {refusal}")]
    FirmwareHeader {
        /// Where it was looked for.
        address: u32,
        /// What is wrong with it.
        refusal: HeaderRefusal,
    },
}

/// What the ROM found in the flash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootImage {
    /// Which copy of the partition table counts: 0 or 1.
    pub table_copy: usize,
    /// The table.
    pub table: PartitionTable,
    /// The firmware's header.
    pub header: BootHeader,
}

/// Looks at a flash as the ROM and its boot2 do: partition table at 1000h or 2000h, header of the firmware it names.
///
/// Assumed where facts are missing: a boot header at 0 that is there must be good, one that is absent is not missed
/// (boot2 then looks for the tables where they are by default); signing, encryption and the firmware's hash are not
/// checked; an image with a boot2 of its own in flash (tables at E000h) is not understood.
///
/// # Errors
/// [`BootFailure`], the first thing that keeps it from booting.
pub fn inspect(flash: &Flash) -> Result<BootImage, BootFailure> {
    let boot_header = header_at(flash, 0);
    if boot_header.magic == BOOT_MAGIC {
        boot_header.check_before_clock().map_err(BootFailure::BootHeader)?;
    }
    let [first, second] = PARTITION_ADDRESSES.map(|address| {
        let mut bytes = [0; PARTITION_MAX_BYTES];
        flash.read(address, &mut bytes);
        bytes
    });
    let Selected { copy, table } = partition::select(&first, &second)
        .map_err(|[first, second]| BootFailure::PartitionTable { first, second })?;
    let firmware = table.entries.iter().find(|entry| entry.kind == FIRMWARE_PARTITION);
    let address = firmware.ok_or(BootFailure::NoFirmwarePartition)?.active_address();
    let header = header_at(flash, address);
    header.check_before_clock().map_err(|refusal| BootFailure::FirmwareHeader { address, refusal })?;
    Ok(BootImage { table_copy: copy, table, header })
}

fn header_at(flash: &Flash, address: u32) -> BootHeader {
    let mut bytes = [0; BOOT_HEADER_LEN];
    flash.read(address, &mut bytes);
    BootHeader::parse(&bytes)
}

/// The firmware as a program: a queue of lines with the times at which they are printed, then nothing.
#[derive(Debug)]
pub(crate) struct Firmware {
    lines: VecDeque<(Nanos, String)>,
}

impl Firmware {
    /// The ROM begins to boot the flash at `at`.
    pub(crate) fn start(chip: &mut Chip, at: Nanos) -> Firmware {
        chip.flash.settle(at);
        let mut lines = VecDeque::new();
        // A dead bus shows in the id as it does everywhere.
        let answers = !JedecId(chip.flash.read_jedec_id(at)).is_absent();
        if let (true, Ok(image)) = (chip.profile.firmware_log && answers, inspect(&chip.flash)) {
            let mut time = at + Nanos::from_micros(chip.profile.firmware_start_us);
            for (pause, line) in log::lines(&image) {
                time += pause;
                lines.push_back((time, line));
            }
        }
        Firmware { lines }
    }
}

impl Program for Firmware {
    fn run(&mut self, chip: &mut Chip, until: Nanos) -> Option<(Nanos, Exit)> {
        while let Some((at, line)) = self.lines.pop_front_if(|(at, _)| *at <= until) {
            chip.tx.push(at, LOG_BAUD_BPS, line.as_bytes());
        }
        // Nobody reads the UART.
        chip.rx.discard(until);
        None
    }

    fn wake(&self, _chip: &Chip) -> Wake {
        self.lines.front().map_or(Wake::Never, |(at, _)| Wake::Work(*at))
    }
}

#[cfg(test)]
mod tests;
