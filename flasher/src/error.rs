//! What can go wrong in a run, with everything needed to say what, where, which attempt, in which state the flash is,
//! and what to do.

mod advice;
mod cause;
mod flash_state;
mod fuse_state;
mod module_state;
mod troubles;
mod words;

use std::fmt;

use bl702_protocol::boot_info::{BootInfoError, RomBootInfo};
use bl702_protocol::code::Code;
use bl702_protocol::image::boot_header::HeaderRefusal;
use bl702_protocol::jedec::JedecId;
use bl702_protocol::time::Nanos;

pub use flash_state::{FlashState, Rescue};
pub use fuse_state::FuseState;
pub use module_state::ModuleState;
pub use troubles::{Fallback, Troubles};
pub(crate) use words::quoted_text;
use words::{
    bits_text, difference_text, heard_text, hex_bytes, hex_words, rates_text, status_text, times_text,
};

use crate::baud::BaudError;
use crate::efuse::BurnRefusal;
use crate::loader::LoaderError;
use crate::partition::TableError;
use crate::plan::{FlashRange, PlanError};
use crate::port::PortError;
use crate::request::Side;
use crate::session::LinkError;

/// Result of a flow.
pub type Result<T> = std::result::Result<T, Error>;

/// A run that failed.
#[derive(Debug)]
pub struct Error(Box<Failure>);

/// What is known about a run that failed.
#[derive(Debug)]
pub struct Failure {
    /// What went wrong.
    pub kind: ErrorKind,
    /// During which command, if it was one.
    pub during: Option<During>,
    /// What the run has done to the flash.
    pub flash: FlashState,
    /// What the run has done to the eFuses.
    pub fuses: FuseState,
    /// How the module was left.
    pub module: ModuleState,
    /// What the run had overcome before.
    pub troubles: Troubles,
    /// Flash content that was erased and not yet written back.
    pub rescue: Vec<Rescue>,
}

/// The command that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct During {
    /// Who was asked.
    pub side: Side,
    /// Command id.
    pub id: u8,
    /// The command in words, to follow "failed to".
    pub what: &'static str,
    /// Flash range it was about.
    pub range: Option<FlashRange>,
    /// Which attempt was the last, from 1.
    pub attempt: u32,
    /// How many attempts there would have been.
    pub attempts: u32,
}

/// Why a session has to end.
#[derive(Debug)]
pub(crate) enum Halt {
    /// A person wants it.
    Interrupted,
    /// The port failed.
    Port(PortError),
    /// The bound given beforehand was reached.
    Bound {
        /// The bound.
        span: Nanos,
    },
}

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum ErrorKind {
    /// The port failed.
    #[error(transparent)]
    Port(#[from] PortError),
    /// A person ended the run.
    #[error("interrupted")]
    Interrupted,
    /// The run took longer than announced.
    #[error("not finished within the bound of {bound} that was announced")]
    BoundReached {
        /// The bound.
        bound: Nanos,
    },
    /// No rate of the port suits the chip.
    #[error(transparent)]
    Baud(#[from] BaudError),
    /// Nothing answered the handshake.
    #[error("no answer of the {side} to {bursts} handshakes at {baud_bps} baud{}", heard_text(.heard))]
    NoHandshake {
        /// Whom we spoke to.
        side: Side,
        /// At which rate.
        baud_bps: u32,
        /// What came instead of `OK`, at most its first 64 bytes.
        heard: Vec<u8>,
        /// Bursts of 55h that were sent.
        bursts: u32,
    },
    /// The loader was uploaded, found right by the ROM, started, and never answered.
    #[error("the RAM loader was uploaded, found right by the boot ROM and started {}, but never answered a handshake at {}{}", times_text(*.uploads), rates_text(.rates_bps), heard_text(.heard))]
    LoaderSilent {
        /// How often.
        uploads: u32,
        /// At which rates it was asked.
        rates_bps: Vec<u32>,
        /// What came instead of `OK`, at most its first 64 bytes.
        heard: Vec<u8>,
    },
    /// A command stays without an answer, though everything else is answered.
    #[error(
        "no answer to this command {times} times, though each time the module answered the handshake and boot info right after it"
    )]
    Ignored {
        /// How often.
        times: u32,
    },
    /// No reply began in time.
    #[error("no answer within {waited}{}", if *.pending == 0 { String::new() } else { format!(" after {pending} PD (still at work)") })]
    NoAnswer {
        /// The wait, from the end of the request or the last `PD`.
        waited: Nanos,
        /// How many `PD` (still at work) came.
        pending: u32,
    },
    /// A reply stopped half-way.
    #[error("the answer stopped short, {missing} bytes missing")]
    Short {
        /// How many bytes were missing, as far as the reply had said.
        missing: usize,
    },
    /// Bytes that no reply can hold.
    #[error("garbled answer: {reason}")]
    Garbled {
        /// What was expected and what came.
        reason: String,
    },
    /// The reply had another length than the command calls for.
    #[error("the answer has {got} data bytes instead of {expected}")]
    WrongLength {
        /// Bytes that belong there.
        expected: usize,
        /// Bytes that came.
        got: usize,
    },
    /// Bytes that nobody asked for.
    #[error("{} bytes came that nobody had asked for{}", .heard.len(), heard_text(.heard))]
    Surplus {
        /// The bytes.
        heard: Vec<u8>,
    },
    /// More `PD` than the command has units to erase, which for most commands is none.
    #[error(
        "the module erases more than it was told to (PD came more than {allowed} times): a command was damaged on the way"
    )]
    ExcessPending {
        /// How many there may be.
        allowed: u32,
    },
    /// The boot ROM has taken the boot header for a write.
    #[error(
        "the boot ROM took the boot header (11h) for a write (31h) and programmed it into flash at {range}, which nobody wanted: bits there have become 0"
    )]
    HeaderWritten {
        /// Where.
        range: FlashRange,
    },
    /// Flash outside of what was to be changed is not what it was.
    #[error(
        "flash at {range}, which was not to be changed, does not have the SHA-256 any more that it had before"
    )]
    Collateral {
        /// Where.
        range: FlashRange,
    },
    /// The side refused.
    #[error("the module answered {code} ({})", .code.name())]
    Refused {
        /// The code.
        code: Code,
    },
    /// The chip is no BL702, BL704 or BL706.
    #[error("boot ROM version {version:08x}h is not that of a BL702 (07020001h)")]
    WrongChip {
        /// What it said.
        version: u32,
    },
    /// A chip that is known, but with which nobody here has tried anything.
    #[error(
        "this is a {members} (boot info of {length} bytes, boot ROM version {version:08x}h), not a BL702: this program has not been verified with it and leaves it alone"
    )]
    OtherChip {
        /// Its names.
        members: &'static str,
        /// Bytes of its boot info.
        length: usize,
        /// What it said.
        version: u32,
    },
    /// Boot info of another chip.
    #[error(transparent)]
    BootInfo(#[from] BootInfoError),
    /// Each time boot info was asked for it said something else.
    #[error("boot info was asked for and no two of {answers} answers were the same")]
    BootInfoVaries {
        /// How many answers there were.
        answers: usize,
    },
    /// Two ways to the same fuses give two values.
    #[error("boot info gives the chip id {}, and the MAC address, which comes from the same fuses and has a checksum, is {}", hex_bytes(.chip_id), hex_bytes(.mac))]
    IdentityDiffers {
        /// As the boot ROM gave it.
        chip_id: [u8; 8],
        /// As the RAM loader gave it.
        mac: [u8; 8],
    },
    /// The ROM of this chip would refuse the RAM loader at hand.
    #[error("the boot ROM of this chip would refuse this {} with {} ({}): {refusal}", if *.is_loader { "RAM loader" } else { "image" }, .refusal.code(), .refusal.code().name())]
    Locked {
        /// Whether it is the RAM loader, and not an image of the user's own.
        is_loader: bool,
        /// What it would say.
        refusal: HeaderRefusal,
    },
    /// The ROM does not show the fuses of this chip, and the RAM loader, which would, cannot be started.
    #[error(
        "the boot ROM of this chip does not show its eFuses (tz_boot is burnt: it refuses to read memory), and the RAM loader, which would, cannot be started: {why}"
    )]
    FusesHidden {
        /// What the ROM tells all the same.
        told: RomBootInfo,
        /// What keeps the RAM loader from running.
        why: Box<ErrorKind>,
    },
    /// The ROM echoed another segment header than was sent.
    #[error("the boot ROM echoed another segment header than was sent")]
    SegmentEcho,
    /// The words that tell the ROM where to jump are not what was written there.
    #[error("the words that tell the boot ROM where to jump read {}, and {} was written", hex_words(.held), hex_words(.expected))]
    StartWords {
        /// What was written.
        expected: Vec<u8>,
        /// What was read.
        held: Vec<u8>,
    },
    /// There is no usable RAM loader image.
    #[error(transparent)]
    Loader(#[from] LoaderError),
    /// The loader does not know the flash.
    #[error(
        "the RAM loader cannot identify the flash: it answers the JEDEC id {jedec} with the flag byte {flag:02x} (80 would mean known)"
    )]
    FlashUnknown {
        /// What the flash says it is.
        jedec: JedecId,
        /// The fourth byte of the answer to 36h.
        flag: u8,
    },
    /// The flash says that it is larger than it is.
    #[error("the flash says that it has {} KiB ({jedec}), but from {repeats_at:#x} on it holds the same again, and the eFuses name {} KiB", .claimed_bytes / 1024, .repeats_at / 1024)]
    FlashRepeats {
        /// What the flash says it is.
        jedec: JedecId,
        /// The size of that, in bytes.
        claimed_bytes: u32,
        /// Where it begins again.
        repeats_at: u32,
    },
    /// Nothing answers on the flash bus.
    #[error(
        "no flash answers: the JEDEC id reads {jedec} (flag byte {flag:02x}), as a bus without a working flash does"
    )]
    FlashAbsent {
        /// What was read.
        jedec: JedecId,
        /// The fourth byte of the answer to 36h.
        flag: u8,
    },
    /// After the start of the RAM loader the boot ROM answers.
    #[error("the RAM loader was uploaded but did not start: the boot ROM answers instead")]
    NotStarted,
    /// After a restart the RAM loader still answers.
    #[error("the module was to restart, but the RAM loader that ran before still answers")]
    NotRestarted,
    /// After a restart into the firmware the boot ROM answers.
    #[error("the module was restarted and is in programming mode again, not in its firmware")]
    StillInIsp {
        /// Whether lines drive EN and BOOT.
        by_lines: bool,
    },
    /// The flash answers with another id than before.
    #[error("the flash now says {now}, at the start it said {before}")]
    FlashChanged {
        /// Then.
        before: JedecId,
        /// Now.
        now: JedecId,
    },
    /// What was asked for cannot be done with this flash or these pieces.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The module's partition table, or what is wanted of it.
    #[error(transparent)]
    Table(#[from] TableError),
    /// A file that is no backup of this module's flash.
    #[error(transparent)]
    NotThisBackup(#[from] BackupMismatch),
    /// The flash does not hold what it should.
    #[error("{}", difference_text(*.first, .found, .differing_bytes))]
    Different {
        /// Address of the first byte that differs.
        first: u32,
        /// Byte that belongs there and byte that is there, when it could be read.
        found: Option<(u8, u8)>,
        /// Bytes in sectors that differ.
        differing_bytes: u32,
    },
    /// After all tries the flash does not hold what was written.
    #[error("failed to write flash at {range}: after {tries} tries (each one answered OK) {}; {}{}", difference_text(*.first, .found, .differing_bytes), bits_text(*.zeros, *.ones, *.unchanged), status_text(.status))]
    NotTaken {
        /// The range that was verified.
        range: FlashRange,
        /// How often it was written.
        tries: u32,
        /// Address of the first byte that differs.
        first: u32,
        /// Byte that belongs there and byte that is there, when it could be read.
        found: Option<(u8, u8)>,
        /// Bytes in sectors that differ.
        differing_bytes: u32,
        /// Bits of the first such sector that are 0 and should be 1.
        zeros: u32,
        /// Bits of the first such sector that are 1 and should be 0.
        ones: u32,
        /// Whether that sector holds exactly what it held before.
        unchanged: bool,
        /// The flash's status registers 05h, 35h, 15h, if it lets them be read.
        status: Option<[u8; 3]>,
    },
    /// Block protection that the loader could not take away.
    #[error("the flash is protected: erase and write at {range} were answered OK, but the data stayed as they were; status bits are locked{}", status_text(&Some(*.status)))]
    Protected {
        /// The range that was to be written.
        range: FlashRange,
        /// The flash's status registers 05h, 35h, 15h.
        status: [u8; 3],
    },
    /// Cells that do not read the same twice.
    #[error("the flash at {sector} does not read the same twice: {hashes} different SHA-256 in {looks} looks by the module itself{}", words::unstable_text(.byte))]
    Unstable {
        /// The sector.
        sector: FlashRange,
        /// How often it was hashed.
        looks: u32,
        /// How many different hashes there were.
        hashes: u32,
        /// Address of the first byte seen to differ, and two of its values.
        byte: Option<(u32, u8, u8)>,
    },
    /// Reading again and again gives other bytes than the chip's own hash.
    #[error(
        "bytes read from {range} do not have the SHA-256 that the module computes, in {rounds} of {rounds} rounds; the module's own hash of it stays the same"
    )]
    ReadMismatch {
        /// Where.
        range: FlashRange,
        /// How often it was read.
        rounds: u32,
    },
    /// The module restarted too often.
    #[error("the module restarted {restarts} times in this run; the last time {evidence}")]
    TooManyRestarts {
        /// How often.
        restarts: u32,
        /// What showed it.
        evidence: String,
    },
    /// Fuses that were not to be burnt, or cannot be.
    #[error(transparent)]
    Burn(#[from] BurnRefusal),
    /// A word that was burnt does not read as it should.
    #[error(
        "eFuse word {offset:02x}h reads {found:08x} after it was burnt {times} times; it should read {wanted:08x}"
    )]
    FusesNotTaken {
        /// Byte offset of the word.
        offset: u8,
        /// What it should hold.
        wanted: u32,
        /// What it holds.
        found: u32,
        /// How often it was burnt.
        times: u32,
    },
    /// A word is not what it was before, though nothing of the kind was asked for.
    #[error("eFuse word {offset:02x}h reads {found:08x}, which it should not: {wanted:08x} was expected")]
    FusesChanged {
        /// Byte offset of the word.
        offset: u8,
        /// What it should hold.
        wanted: u32,
        /// What it holds.
        found: u32,
    },
    /// Readings that differ from one time to the next.
    #[error("the eFuses did not read the same twice in a row in {passes} readings")]
    FusesUnstable {
        /// How often they were read.
        passes: u32,
    },
    /// Another module than at the beginning.
    #[error("the module that answers now has the chip id {now}, at the start it was {before}")]
    OtherModule {
        /// Then.
        before: String,
        /// Now.
        now: String,
    },
    /// Too many repeats in one run.
    #[error("gave up after {repeats} repeats in one run; the last trouble: {last}")]
    TooManyRepeats {
        /// How many.
        repeats: u32,
        /// The last trouble, in words.
        last: String,
    },
}

/// Why a file is not put back as a backup of this module.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BackupMismatch {
    /// It has another length than the flash.
    #[error(
        "the file has {file_bytes} bytes, the flash of this module has {flash_bytes}: it is no backup of this flash"
    )]
    Size {
        /// Bytes of the file.
        file_bytes: u64,
        /// Bytes of the flash.
        flash_bytes: u32,
    },
    /// Its name has the chip id of another module.
    #[error("by its name the file is of the module with chip id {named}, this module has {found}")]
    Module {
        /// The chip id in the name.
        named: String,
        /// The chip id of the module.
        found: String,
    },
}

impl ErrorKind {
    /// Exit status by `DESIGN.md`: 1 device or link, 2 usage or input file, 3 refused for safety, 4 difference found.
    pub fn exit_code(&self) -> u8 {
        match self {
            ErrorKind::Baud(_) | ErrorKind::Loader(_) | ErrorKind::Plan(_) => 2,
            ErrorKind::WrongChip { .. } | ErrorKind::OtherChip { .. } | ErrorKind::BootInfo(_) => 3,
            ErrorKind::FusesHidden { why, .. } => why.exit_code(),
            ErrorKind::Burn(refusal) => refusal.exit_code(),
            ErrorKind::FusesNotTaken { .. } | ErrorKind::FusesChanged { .. } => 4,
            ErrorKind::Table(error) => error.exit_code(),
            ErrorKind::NotThisBackup(_) => 3,
            ErrorKind::Different { .. } | ErrorKind::NotTaken { .. } | ErrorKind::Collateral { .. } => 4,
            _ => 1,
        }
    }
}

impl Error {
    /// An error outside any command.
    pub fn new(kind: impl Into<ErrorKind>) -> Error {
        Error(Box::new(Failure {
            kind: kind.into(),
            during: None,
            flash: FlashState::Unchanged,
            fuses: FuseState::Untouched,
            module: ModuleState::NotReached,
            troubles: Troubles::default(),
            rescue: Vec::new(),
        }))
    }

    /// An error during a command.
    pub fn during(kind: ErrorKind, during: During) -> Error {
        let mut error = Error::new(kind);
        error.0.during = Some(during);
        error
    }

    /// The same with another kind, made of this one.
    pub(crate) fn map_kind(mut self, kind: impl FnOnce(ErrorKind) -> ErrorKind) -> Error {
        let old = std::mem::replace(&mut self.0.kind, ErrorKind::Interrupted);
        self.0.kind = kind(old);
        self
    }

    /// The same during a command, if none is named yet.
    pub(crate) fn or_during(mut self, during: During) -> Error {
        self.0.during.get_or_insert(during);
        self
    }

    /// The same with what had been heard before, if nobody was heard since.
    pub(crate) fn or_heard(mut self, before: &[u8]) -> Error {
        if let ErrorKind::NoHandshake { heard, .. } = &mut self.0.kind
            && heard.is_empty()
        {
            *heard = before.to_vec();
        }
        self
    }

    /// All that is known.
    pub fn failure(&self) -> &Failure {
        &self.0
    }

    /// What went wrong.
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// Exit status; see [`ErrorKind::exit_code`].
    pub fn exit_code(&self) -> u8 {
        self.0.kind.exit_code()
    }

    /// What most probably is behind it, by the evidence, if that is not said already.
    pub fn cause(&self) -> Option<String> {
        cause::cause(&self.0)
    }

    /// What to do next, in one or more sentences.
    pub fn advice(&self) -> String {
        advice::advice(&self.0)
    }

    /// Fills in what the session knows: why it was halted, the state of the flash, what is to be rescued.
    pub(crate) fn completed(
        mut self,
        halt: Option<Halt>,
        (flash, fuses): (FlashState, FuseState),
        module: ModuleState,
        troubles: Troubles,
        rescue: Vec<Rescue>,
    ) -> Error {
        match halt {
            Some(Halt::Interrupted) => self.0.kind = ErrorKind::Interrupted,
            Some(Halt::Port(error)) => self.0.kind = ErrorKind::Port(error),
            Some(Halt::Bound { span }) => self.0.kind = ErrorKind::BoundReached { bound: span },
            None => {}
        }
        (self.0.flash, self.0.fuses) = (flash, fuses);
        (self.0.module, self.0.troubles) = (module, troubles);
        self.0.rescue = rescue;
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(during) = &self.0.during {
            write!(f, "{during}: ")?;
        }
        write!(f, "{}", self.0.kind)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&self.0.kind)
    }
}

impl<K: Into<ErrorKind>> From<K> for Error {
    fn from(kind: K) -> Error {
        Error::new(kind)
    }
}

impl From<LinkError> for ErrorKind {
    /// A halted session replaces the kind by the reason when the flow ends; a time-out that nobody handled is no
    /// answer.
    fn from(error: LinkError) -> ErrorKind {
        match error {
            LinkError::Halted => ErrorKind::Interrupted,
            LinkError::TimedOut => ErrorKind::NoAnswer { waited: Nanos::ZERO, pending: 0 },
        }
    }
}

impl fmt::Display for During {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "failed to {}", self.what)?;
        if let Some(range) = &self.range {
            write!(f, " at {range}")?;
        }
        write!(f, " ({}, command {:02X}h, attempt {} of {})", self.side, self.id, self.attempt, self.attempts)
    }
}
