//! What a run reports while it goes on: one stream for bars, text and JSON.

use bl702_protocol::boot_info::BootInfo;
use bl702_protocol::time::Nanos;
use serde::Serialize;

use crate::efuse::BurnPlan;
use crate::error::{Error, Fallback, Troubles};
use crate::plan::FlashRange;
use crate::port::AdapterLatency;
use crate::request::Side;
use crate::session::Link;

/// Something worth telling. In JSON one object a line, `event` names the variant in snake case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The part of the run that begins now is over by then, whatever happens.
    Bound {
        /// `connect` or `work`.
        part: &'static str,
        /// The bound, from now.
        bound_ms: u64,
    },
    /// The whole run is over by then, whatever happens.
    RunBound {
        /// The bound, from now.
        bound_ms: u64,
        /// Whether the size of the flash is known; if not, the bound is for the largest, and closer ones follow.
        size_known: bool,
    },
    /// How often what may be tried again in the work to come.
    RetryBudget {
        /// Requests sent again, in all.
        repeats: u32,
        /// Sessions that may be lost and begun anew.
        resyncs: u32,
        /// Restarts of the module that may happen.
        restarts: u32,
    },
    /// What became of the adapter's latency timer.
    Adapter(AdapterLatency),
    /// The module is reset through the modem lines.
    ResetByLines,
    /// The port has no modem lines, so a person has to reset the module if need be.
    NoLines,
    /// `OK` came.
    Handshake {
        /// Rate of the session.
        baud_bps: u32,
        /// Bursts it took.
        bursts: u32,
    },
    /// Nothing is sent for a while, so that a session ends.
    Silence {
        /// How long.
        span_ms: u64,
        /// Why.
        reason: SilenceReason,
    },
    /// Nothing answers; a person has to do something.
    NeedsHands {
        /// How long handshakes go on being tried.
        wait_ms: u64,
        /// Whether the port could reset the module, and has.
        can_reset: bool,
    },
    /// What the module says about itself.
    BootInfo {
        /// Who answered.
        side: Side,
        /// ROM version, hexadecimal; absent for a loader.
        #[serde(skip_serializing_if = "Option::is_none")]
        version: Option<String>,
        /// Chip id as the vendor's tools print it; absent for a loader.
        #[serde(skip_serializing_if = "Option::is_none")]
        chip_id: Option<String>,
    },
    /// A RAM loader is running already and is used as it is.
    LoaderRunning,
    /// The RAM loader is uploaded.
    Upload {
        /// Bytes of its segments.
        bytes: u64,
        /// Whether it will be started by 1Ah, because eFuses forbid the usual way.
        run_command: bool,
    },
    /// The flash was identified.
    Flash {
        /// Id, as `c2 20 14`.
        jedec: String,
        /// Whether the loader knows it.
        identified: bool,
        /// Name of the part, where one is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        part: Option<&'static str>,
        /// Size that is used.
        size_bytes: u32,
    },
    /// A partition was looked up in the module's table.
    Partition {
        /// Its name.
        name: String,
        /// Where it is in use.
        range: FlashRange,
        /// Where the copy of the table is that counts.
        table_at: u32,
        /// Its age.
        table_age: u32,
    },
    /// What will be done to the flash, or what would be in a dry run.
    Plan {
        /// Sectors that hold what they should already.
        unchanged_bytes: u64,
        /// Bytes to erase.
        erase_bytes: u64,
        /// Erase commands.
        erase_commands: u64,
        /// Bytes to program.
        program_bytes: u64,
        /// Bytes outside the image that share a sector with it; they are kept.
        preserved: Vec<FlashRange>,
        /// About how long it takes if nothing goes wrong.
        estimate_ms: u64,
        /// Whether it is only told, not carried out.
        dry_run: bool,
    },
    /// How far a phase has come. The last one of a phase has `done_bytes == total_bytes`.
    Progress {
        /// Which phase.
        phase: Phase,
        /// Bytes done.
        done_bytes: u64,
        /// Bytes in all.
        total_bytes: u64,
    },
    /// Something failed and is tried again.
    Retry {
        /// What, and how.
        cause: String,
    },
    /// The module did not answer as agreed and is being reached again.
    Resync {
        /// How often this may still happen.
        left: u32,
    },
    /// The RAM loader was lost, because the module has restarted or hangs, and is started anew.
    Restarted {
        /// What shows it.
        evidence: String,
        /// How often this may still happen.
        left: u32,
    },
    /// After a restart, or before more is done: what a step has written was compared by SHA-256.
    Resumed {
        /// Sectors that held what they should.
        right_sectors: u64,
        /// Sectors that did not, and are written again.
        torn: Vec<FlashRange>,
    },
    /// A lower rate is taken.
    RateLowered(Fallback),
    /// On the way up, a rate was proven by a checked exchange and is taken.
    RateProven {
        /// The rate.
        baud_bps: u32,
        /// Bytes that were exchanged and checked.
        checked_bytes: u64,
    },
    /// On the way up, a rate did not work, and the last one that did is kept.
    RateNotProven {
        /// The rate that was tried.
        tried_bps: u32,
        /// The rate that is kept.
        kept_bps: u32,
        /// What went wrong.
        reason: String,
    },
    /// The link was measured with a short request to the RAM loader.
    LinkMeasured {
        /// Rate.
        baud_bps: u32,
        /// What an answer takes beyond the time of its bytes on the wire.
        round_trip_us: u64,
        /// What that comes to in reading 1 MiB.
        per_mib_ms: u64,
    },
    /// What the run had to overcome, told at its end if there was anything.
    Survived(Troubles),
    /// Bytes that were read, for a part file. Not verified yet.
    Block {
        /// Where.
        range: FlashRange,
        /// The bytes.
        #[serde(skip)]
        bytes: Vec<u8>,
    },
    /// Bytes of a part file were compared with the flash by SHA-256.
    PartChecked {
        /// Bytes that are the flash's.
        right_bytes: u64,
        /// Bytes that are not, and are read again.
        wrong_bytes: u64,
    },
    /// A range was compared by SHA-256.
    Verified {
        /// Which range.
        range: FlashRange,
        /// The hash, in hex.
        sha256: String,
    },
    /// A range was read and compared byte by byte.
    ReadBack {
        /// Which range.
        range: FlashRange,
        /// The module's hash of it, in hex.
        sha256: String,
    },
    /// A range does not hold what it should and is written again.
    Repair {
        /// The sectors.
        sectors: Vec<FlashRange>,
    },
    /// What will be burnt, if it may.
    BurnPlan(Box<BurnPlan>),
    /// A word of eFuses was burnt and read back.
    FusesBurnt {
        /// Byte offset of the word.
        offset: u8,
        /// The bits that were burnt.
        bits: u32,
    },
    /// Bytes that the module said while it was listened to.
    Heard {
        /// The bytes.
        #[serde(skip)]
        bytes: Vec<u8>,
    },
    /// The module is reset by command.
    ResetByCommand,
    /// Something worth knowing before the work begins.
    Note {
        /// What.
        text: String,
    },
    /// Something is not as it should be, but the work goes on or is done.
    Warning {
        /// What.
        text: String,
    },
}

/// Why the host is silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SilenceReason {
    /// No handshake: perhaps a session that another program left behind.
    NoHandshake,
    /// Host and module lost step.
    LostStep,
    /// Still no handshake, and more bursts in a row could hang a RAM loader.
    BurstLimit,
}

/// A phase with a length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// RAM loader to RAM.
    Upload,
    /// Another image to RAM.
    Load,
    /// Flash to host.
    Read,
    /// Comparing by hash what is there with what should be there.
    Compare,
    /// Erasing.
    Erase,
    /// Programming.
    Program,
    /// Comparing by hash what was done with what should be there.
    Verify,
    /// Reading back and comparing byte by byte.
    ReadBack,
}

impl Event {
    pub(crate) fn boot_info(info: &BootInfo) -> Event {
        match info {
            BootInfo::Rom(rom) => Event::BootInfo {
                side: Side::Rom,
                version: Some(format!("{:08x}", rom.version)),
                chip_id: Some(rom.chip_id_text()),
            },
            BootInfo::Loader(_) => Event::BootInfo { side: Side::Loader, version: None, chip_id: None },
        }
    }

    pub(crate) fn retry_of(error: &Error) -> Event {
        Event::Retry { cause: error.to_string() }
    }

    /// Announces a bound and has the session keep it.
    pub(crate) fn announce_bound(link: &Link, part: &'static str, span: Nanos) {
        link.emit(Event::Bound { part, bound_ms: span.as_millis() });
        link.set_bound(span);
    }
}
