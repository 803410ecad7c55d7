//! What the emulated chip did, in order, for reports, recordings and conformance vectors.

use bl702_protocol::time::Nanos;

/// Which program answers on UART0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
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
    /// The ROM was told to erase `start..=end`.
    FlashErase { start: u32, end: u32 },
    /// The ROM was told to write `length` bytes at `address`; `head` holds the first 64 at most.
    FlashWrite { address: u32, length: u32, head: Vec<u8> },
    /// A fuse word changed to `word` (little-endian value) at byte `offset` of the eFuse block.
    EfuseProgram { offset: u8, word: u32 },
    /// A peripheral register was written by a memory write command.
    RegWrite { address: u32, value: u32 },
    /// The CPU was reset through GLB `swrst_cfg2` bit 1.
    CpuReset,
    /// The whole system was reset by a command.
    SystemReset,
    /// Execution went to `address` in RAM.
    Jump { address: u32 },
    /// The ROM went to boot from flash.
    BootFromFlash,
    /// A boot header asked for the boot2 inside the ROM.
    RomBoot2,
    /// The PLL was set from a boot header.
    Pll { xtal_type: u8, pll: u8 },
    /// The CPU took a bus fault: dead until reset.
    Fault,
    /// The chip hangs or will never answer, and why.
    Stuck { reason: &'static str },

    /// The module left reset (EN high with power).
    Reset { boot_high: bool },
    /// Auto-baud locked at `baud_bps` and a session of `stage` began with `OK`.
    Handshake { stage: Stage, baud_bps: u32 },
    /// A whole command was taken. `known` is false for ids that this stage does not have.
    Command { stage: Stage, id: u8, payload: Vec<u8>, known: bool, checksum_ok: bool },
    /// The chip answered `FL` with this code.
    Refused { stage: Stage, id: u8, code: u16 },
    /// The ROM skipped a byte that is no command id while looking for one.
    SkippedByte { byte: u8 },
    /// The ROM ran the previous command again for an unknown id found with 3 or more bytes behind it.
    Reran { unknown_id: u8, id: u8 },
    /// A session ended without a word.
    SessionEnded { stage: Stage, why: SessionEnd },
    /// Received bytes were lost, and why (FIFO overrun, behind a frame, before the session was ready...).
    BytesLost { count: u32, why: &'static str },
    /// The RAM loader erased one unit of flash.
    FlashUnitErased { address: u32, length: u32 },
    /// The RAM loader programmed flash.
    FlashProgrammed { address: u32, length: u32 },
}

/// An event and when it happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimedEvent {
    /// Module time.
    pub at: Nanos,
    /// What happened.
    pub event: Event,
}
