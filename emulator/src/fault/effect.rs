//! What a fault does, seam by seam.

use std::fmt;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One effect at one seam.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Bytes on their way.
    Line(LineEffect),
    /// Whole commands and answers.
    Frame(FrameEffect),
    /// Chip, fuses and flash.
    Device(DeviceEffect),
    /// Supply, EN and the cable.
    Power(PowerEffect),
}

impl Effect {
    /// `line`, `frame`, `device` or `power`.
    pub fn seam(&self) -> &'static str {
        match self {
            Effect::Line(_) => "line",
            Effect::Frame(_) => "frame",
            Effect::Device(_) => "device",
            Effect::Power(_) => "power",
        }
    }
}

/// A constant level of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LineLevel {
    /// For a UART: idle. Nothing is heard.
    High,
    /// For a UART: a break. One 00h is heard when it begins.
    Low,
}

/// What happens to bytes on the line. An occasion is a byte.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum LineEffect {
    /// One bit of the byte is inverted.
    FlipBit {
        /// Which, 0 to 7; drawn by lot if not given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bit: Option<u8>,
    },
    /// The byte is lost.
    Drop,
    /// The byte comes twice.
    Duplicate,
    /// Another byte comes before it.
    Insert {
        /// Its value.
        byte: u8,
    },
    /// The byte and those behind it become noise.
    Noise {
        /// How many bytes.
        bytes: u32,
    },
    /// The byte, and all behind it, comes so much later.
    Stall {
        /// How much later.
        us: u64,
    },
    /// From this byte on nothing comes for a while; then all that was held up comes in one burst.
    Clog {
        /// For how long.
        us: u64,
    },
    /// From this byte on the line has a constant level.
    Stuck {
        /// Which.
        level: LineLevel,
        /// For how long; for ever if not given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        us: Option<u64>,
    },
    /// TX is wired to TX and RX to RX: nothing arrives anywhere.
    Swapped,
    /// The adapter cannot keep this rate: bytes at a higher one are garbage.
    GarbageAbove {
        /// The highest rate that works.
        baud_bps: u32,
    },
    /// The adapter hands bytes to the host only when its timer has run out since it got the first of them, or when a packet
    /// of 62 bytes is full (FTDI's latency timer).
    Latency {
        /// The timer.
        us: u64,
    },
    /// The adapter hands bytes to the host in pieces of this size, a USB frame of 1 ms apart.
    ShortReads {
        /// The size.
        bytes: u32,
    },
}

/// Bytes as hexadecimal digits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HexBytes(pub Vec<u8>);

impl Serialize for HexBytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let digits: String = self.0.iter().map(|byte| format!("{byte:02x}")).collect();
        serializer.serialize_str(&digits)
    }
}

impl<'de> Deserialize<'de> for HexBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<HexBytes, D::Error> {
        struct Digits;
        impl Visitor<'_> for Digits {
            type Value = HexBytes;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("bytes as hexadecimal digits, such as \"464c0600\"")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<HexBytes, E> {
                let digits: Option<Vec<u8>> =
                    text.chars().filter(|c| *c != ' ').map(|c| c.to_digit(16).map(|d| d as u8)).collect();
                let digits = digits.ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))?;
                let (pairs, rest) = digits.as_chunks::<2>();
                if !rest.is_empty() {
                    return Err(E::custom("an odd number of hexadecimal digits"));
                }
                Ok(HexBytes(pairs.iter().map(|[high, low]| high << 4 | low).collect()))
            }
        }
        deserializer.deserialize_str(Digits)
    }
}

/// What happens to whole commands and answers. An occasion is a command that was taken, or an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum FrameEffect {
    /// The answer is lost.
    LoseReply,
    /// The answer comes so much later.
    DelayReply {
        /// How much.
        us: u64,
    },
    /// The answer comes more than once.
    RepeatReply {
        /// How often in addition.
        times: u8,
    },
    /// Other bytes come instead of the answer.
    ReplaceReply {
        /// Which.
        bytes: HexBytes,
    },
    /// The command is taken, not carried out, and not answered.
    LoseCommand,
    /// The command is not carried out, but answered `FL` and this code.
    Refuse {
        /// As in `FL0104`.
        code: u16,
    },
    /// The command is not carried out, but answered by these bytes.
    Answer {
        /// Which.
        bytes: HexBytes,
    },
}

impl FrameEffect {
    /// Whether it acts on commands (else on answers).
    pub fn acts_on_commands(&self) -> bool {
        matches!(self, FrameEffect::LoseCommand | FrameEffect::Refuse { .. } | FrameEffect::Answer { .. })
    }
}

/// A level that a pin may not have at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FloatOr {
    /// High.
    High,
    /// Low.
    Low,
    /// Nothing drives it: each sample is drawn by lot.
    Floating,
}

/// What is wrong with the chip, its fuses or its flash. An occasion is a moment at which it makes a difference: the chip
/// consults the state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum DeviceEffect {
    /// Fuses that are burnt besides those of the profile.
    Fuses {
        /// Byte offset of the fuse word, a multiple of 4 below 80h.
        offset: u8,
        /// The bits that are 1.
        bits: u32,
    },
    /// A register that always reads as this value, whatever is stored there.
    Register {
        /// Its address.
        address: u32,
        /// What is read.
        value: u32,
    },
    /// The crystal oscillates, but the PLL never locks: the RAM loader never gets to its handshake.
    PllNeverLocks,
    /// The crystal does not oscillate: the same for a loader that uses it; the boot ROM runs on its RC oscillator.
    CrystalDead,
    /// The flash works, but the RAM loader has no configuration for it: flag byte 00h in the answer to 36h.
    FlashUnknown,
    /// Nothing answers on the flash's bus: every read gives ones or zeros, programs and erases have no effect.
    FlashDead {
        /// The level that is read.
        level: LineLevel,
    },
    /// Another part is fitted than the profile says, with the same contents as far as it holds them.
    FlashPart {
        /// Its name, as in a profile.
        part: String,
    },
    /// The flash gives this JEDEC id, whatever it is.
    JedecId {
        /// Manufacturer, type and capacity.
        id: [u8; 3],
    },
    /// The status registers protect `address` (all of it if not given), SRP is set and WP# is low: the registers cannot be
    /// written, and programs and erases there are ignored without a word.
    Protected,
    /// Cells that give either value when they are read.
    WeakBits {
        /// The bits of a byte that are weak.
        mask: u8,
    },
    /// Cells that always read as this value.
    StuckBits {
        /// The bits of a byte that are stuck.
        mask: u8,
        /// As ones (else as zeros).
        ones: bool,
    },
    /// Worn-out sectors: an erase leaves some bits, drawn by lot but always the same, at 0.
    Worn {
        /// How many bits of each 4 KiB sector.
        bits: u32,
    },
    /// Worn-out cells: programming leaves some bits, drawn by lot but always the same, at 1.
    WornProgram {
        /// How many bits of each page.
        bits: u32,
    },
    /// Programming a page fails: it stays busy until the driver gives up, and nothing has changed.
    ProgramFails,
    /// Erasing fails: the part stays busy until the driver gives up, and nothing has changed.
    EraseFails,
    /// The part never becomes ready again once it has begun to erase, to program or to write a register, until its supply is
    /// taken away.
    StaysBusy,
    /// The write enable latch does not set.
    WriteEnableFails,
    /// A status register cannot be read.
    StatusReadFails,
    /// A status register cannot be written.
    StatusWriteFails,
    /// Programming reports success and does nothing.
    ProgramLies,
    /// Erasing reports success and does nothing.
    EraseLies,
    /// Erasing takes longer.
    SlowErase {
        /// So many times longer.
        factor: u32,
    },
    /// Programming takes longer.
    SlowProgram {
        /// So many times longer.
        factor: u32,
    },
    /// The RAM loader hangs when it is to carry out the command, until the next reset.
    LoaderHangs,
    /// The RAM loader runs when the module is given to its user, after somebody else's upload.
    LoaderRuns,
    /// The BOOT pin, whatever the board or a modem line makes of it.
    BootPin {
        /// Its level.
        level: FloatOr,
    },
    /// EN is held low, whatever the modem lines do.
    EnableHeld,
}

/// Where in a flash operation the supply goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CutPoint {
    /// Before it has changed a cell.
    Before,
    /// While it goes on: a torn page, a half-erased unit.
    #[default]
    Inside,
    /// When it is done, before the chip does anything else.
    After,
}

/// What happens to supply, EN and cable. What an occasion is, `when.on` says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum PowerEffect {
    /// The supply goes.
    Cut {
        /// Where in the flash operation.
        #[serde(default)]
        at: CutPoint,
        /// How much of the operation is done, for `inside`.
        #[serde(default = "half")]
        progress_percent: u8,
        /// When it comes back; never by itself if not given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        off_us: Option<u64>,
    },
    /// The supply dips below what the chip needs: a reset that tears the flash operation under way.
    BrownOut {
        /// How long it is low.
        us: u64,
    },
    /// A spike on EN: low for so long.
    EnGlitch {
        /// How long.
        us: u64,
    },
    /// The cable is pulled out of the host.
    Unplug {
        /// When it is plugged in again; never if not given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        back_us: Option<u64>,
    },
}

fn half() -> u8 {
    50
}
