//! What the emulated chip did, in order, for reports, recordings and conformance vectors.

use bl702_protocol::time::Nanos;
use serde::{Deserialize, Serialize};

/// Which program answers on UART0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// The boot ROM.
    Rom,
    /// The RAM loader.
    Loader,
}

/// Why a session came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionEnd {
    /// Nothing (or no whole frame) came for the stage's idle time.
    Idle,
    /// Three commands ended in a counted error (RAM loader only).
    ThreeErrors,
}

/// One thing that the chip did.
///
/// The variants up to [`Event::Stuck`] are those of the conformance vectors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The ROM initialised the flash.
    FlashInit,
    /// The ROM was told to erase flash.
    FlashErase {
        /// First address.
        start: u32,
        /// Last address.
        end: u32,
    },
    /// The ROM was told to write flash.
    FlashWrite {
        /// First address.
        address: u32,
        /// Bytes written.
        length: u32,
        /// The first 64 of them at most.
        head: Vec<u8>,
    },
    /// A fuse word changed.
    EfuseProgram {
        /// Byte offset in the eFuse block.
        offset: u8,
        /// The new value.
        word: u32,
    },
    /// A peripheral register was written by a memory write command.
    RegWrite {
        /// Its address.
        address: u32,
        /// The value written.
        value: u32,
    },
    /// The CPU was reset through GLB `swrst_cfg2` bit 1.
    CpuReset,
    /// The whole system was reset by a command.
    SystemReset,
    /// Execution went to RAM.
    Jump {
        /// Where.
        address: u32,
    },
    /// The ROM went to boot from flash.
    BootFromFlash,
    /// A boot header asked for the boot2 inside the ROM.
    RomBoot2,
    /// The PLL was set from a boot header.
    Pll {
        /// Crystal type of the header's clock configuration.
        xtal_type: u8,
        /// PLL clock of the header's clock configuration.
        pll: u8,
    },
    /// The CPU took a bus fault: dead until reset.
    Fault,
    /// The chip hangs or will never answer.
    Stuck {
        /// Why.
        reason: &'static str,
    },

    /// The module left reset (EN high with power).
    Reset {
        /// The level of the BOOT pin at that moment; the ROM samples it a little later.
        boot_high: bool,
    },
    /// Auto-baud locked and a session began with `OK`.
    Handshake {
        /// Who answered.
        stage: Stage,
        /// The rate, as rounded by the chip.
        baud_bps: u32,
    },
    /// A whole command was taken.
    Command {
        /// Who took it.
        stage: Stage,
        /// Its id.
        id: u8,
        /// Its payload.
        payload: Vec<u8>,
        /// False for ids that this stage does not have.
        known: bool,
        /// False if the loader found the checksum wrong (the ROM never looks).
        checksum_ok: bool,
    },
    /// The chip answered `FL`.
    Refused {
        /// Who answered.
        stage: Stage,
        /// The command refused; 0 for a ROM frame that is too long.
        id: u8,
        /// The code, as in `FL0104`.
        code: u16,
    },
    /// The ROM skipped a byte that is no command id while looking for one.
    SkippedByte {
        /// The byte.
        byte: u8,
    },
    /// The ROM ran the previous command again for an unknown id found with 3 or more bytes behind it.
    Reran {
        /// The id on the wire.
        unknown_id: u8,
        /// The command that ran.
        id: u8,
    },
    /// A session ended without a word.
    SessionEnded {
        /// Whose.
        stage: Stage,
        /// Why.
        why: SessionEnd,
    },
    /// Received bytes were lost (FIFO overrun, behind a frame, before the session was ready...).
    BytesLost {
        /// How many.
        count: u32,
        /// Why.
        why: &'static str,
    },
    /// The RAM loader erased one unit of flash.
    FlashUnitErased {
        /// First address.
        address: u32,
        /// Bytes.
        length: u32,
    },
    /// The RAM loader programmed flash.
    FlashProgrammed {
        /// First address.
        address: u32,
        /// Bytes.
        length: u32,
    },

    /// An armed fault has acted.
    FaultFired {
        /// Its name.
        name: String,
        /// `line`, `frame`, `device` or `power`.
        seam: &'static str,
        /// On what, in words.
        on: String,
    },
}

/// An event and when it happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimedEvent {
    /// Module time.
    pub at: Nanos,
    /// What happened.
    pub event: Event,
}
