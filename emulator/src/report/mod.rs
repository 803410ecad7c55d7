//! What a host did to a module, counted: for the summary after a run and for reports that programs read.
//!
//! Pure: [`ReportBuilder`] is fed with what a port observes and reads no clock.
//!
//! | part | what it does |
//! |---|---|
//! | [`ReportBuilder`] | counts |
//! | `manners` | protocol violations that the real chip punishes only sometimes |
//! | `cause` | what is probably behind a failed session |
//! | `summary` | the report as text for people |

mod cause;
mod manners;
mod summary;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use bl702_protocol::code::Code;
use bl702_protocol::command::{CommandRow, LoaderCommand, RomCommand};
use serde::Serialize;

use crate::Nanos;
use crate::event::{Event, Stage, TimedEvent};
use crate::fault::FaultReport;
use crate::line::Burst;
use crate::module::Module;
use crate::transport::control::Observation;
use cause::Clues;
use manners::Manners;
pub use manners::{Warning, WarningKind};

/// The version of the report's form. It grows when a field changes its meaning or goes.
pub const REPORT_VERSION: u32 = 1;

/// What a host did to a module.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// [`REPORT_VERSION`].
    pub version: u32,
    /// Profile of the module.
    pub profile: String,
    /// Module time from the start to the end, in nanoseconds.
    pub duration_ns: u64,
    /// How often EN or the supply brought the module out of reset, the power-up before the run not counted.
    pub resets: u64,
    /// How often a command reset the whole system.
    pub system_resets: u64,
    /// How often a command reset the CPU.
    pub cpu_resets: u64,
    /// Sessions that began with `OK`.
    pub handshakes: Vec<HandshakeCount>,
    /// Whole commands that a stage took, by id.
    pub commands: Vec<CommandCount>,
    /// `FL` answers, by code.
    pub errors: Vec<ErrorCount>,
    /// Bytes on the wire.
    pub bytes: ByteCounts,
    /// The host's rates in bits a second, in the order of first use.
    pub baud_bps: Vec<u32>,
    /// 4 KiB, 32 KiB and 64 KiB units whose erase was begun.
    pub erase_units: u64,
    /// Chip erases begun.
    pub chip_erases: u64,
    /// Bytes whose programming was begun.
    pub bytes_programmed: u64,
    /// Fuses burnt.
    pub fuses_burnt: u32,
    /// SHA-256 of the whole flash.
    pub flash: FlashDigests,
    /// What became of the faults that were armed.
    pub faults: FaultReport,
    /// What is probably behind a failed session, if something is.
    pub cause: Option<String>,
    /// More on that, for people.
    pub explanation: Option<String>,
    /// Protocol violations that the real chip would punish only sometimes, and bytes that were lost.
    pub warnings: Vec<Warning>,
    /// The client, where the report is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<ClientReport>,
}

/// Sessions of one stage at one rate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HandshakeCount {
    /// `rom` or `loader`.
    pub stage: &'static str,
    /// The rate that the chip settled on.
    pub baud_bps: u32,
    /// How many.
    pub count: u64,
}

/// Commands with one id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CommandCount {
    /// `rom` or `loader`.
    pub stage: &'static str,
    /// Two hexadecimal digits.
    pub id: String,
    /// Name for people.
    pub name: &'static str,
    /// How many.
    pub count: u64,
    /// How many of them were answered `FL`.
    pub refused: u64,
    /// Whether the stage has this command.
    pub known: bool,
}

/// `FL` answers with one code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ErrorCount {
    /// `rom` or `loader`.
    pub stage: &'static str,
    /// Four hexadecimal digits, as vendors print it.
    pub code: String,
    /// The vendor's name.
    pub name: &'static str,
    /// How many.
    pub count: u64,
}

/// Bytes on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ByteCounts {
    /// From the host.
    pub to_module: u64,
    /// From the chip.
    pub from_module: u64,
    /// Sent by the host while EN held the module in reset.
    pub while_in_reset: u64,
}

/// SHA-256 of the whole flash, hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FlashDigests {
    /// Before the run.
    pub sha256_before: String,
    /// After it.
    pub sha256_after: String,
    /// Whether they differ.
    pub changed: bool,
}

/// The client that made the report necessary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClientReport {
    /// Its command line, placeholders as given.
    pub command: Vec<String>,
    /// Its exit status, if it exited.
    pub exit_status: Option<u8>,
    /// The signal that ended it, if one did.
    pub signal: Option<i32>,
    /// Whether it ever changed a modem line.
    pub used_modem_lines: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    count: u64,
    refused: u64,
    known: bool,
}

/// Counts what a port observes.
#[derive(Debug)]
pub struct ReportBuilder {
    started: Nanos,
    sha256_before: String,
    burns_before: u32,
    resets_before: u64,
    system_resets: u64,
    cpu_resets: u64,
    handshakes: BTreeMap<(Stage, u32), u64>,
    commands: BTreeMap<(Stage, u8), Tally>,
    errors: BTreeMap<(Stage, u16), u64>,
    bytes: ByteCounts,
    baud_bps: Vec<u32>,
    enable_high: bool,
    manners: Manners,
    clues: Clues,
}

impl ReportBuilder {
    /// A report that begins with this module as it is now.
    pub fn new(module: &Module) -> ReportBuilder {
        ReportBuilder {
            started: module.now(),
            sha256_before: flash_digest(module),
            burns_before: module.otp().burn_count(),
            resets_before: module.resets(),
            system_resets: 0,
            cpu_resets: 0,
            handshakes: BTreeMap::new(),
            commands: BTreeMap::new(),
            errors: BTreeMap::new(),
            bytes: ByteCounts::default(),
            baud_bps: Vec::new(),
            enable_high: module.enable_high(),
            manners: Manners::default(),
            clues: Clues::new(module),
        }
    }

    /// Takes what a port has observed.
    pub fn observe(&mut self, observation: Observation<'_>) {
        match observation {
            Observation::Host { burst, unread_bytes } => self.host(burst, unread_bytes),
            Observation::Chip { burst } => self.chip(burst),
            Observation::Event(event) => self.event(event),
            Observation::Pins { enable_high, .. } => self.enable_high = enable_high,
        }
    }

    /// Bytes from the host. `unread_bytes` from the chip were waiting for it when it wrote them.
    pub fn host(&mut self, burst: &Burst, unread_bytes: usize) {
        let count = burst.bytes.len() as u64;
        self.bytes.to_module += count;
        if !self.baud_bps.contains(&burst.baud_bps) {
            self.baud_bps.push(burst.baud_bps);
        }
        if self.enable_high {
            self.manners.host(burst, unread_bytes);
            self.clues.host(burst);
        } else {
            self.bytes.while_in_reset += count;
        }
    }

    /// Bytes from the chip.
    pub fn chip(&mut self, burst: &Burst) {
        self.bytes.from_module += burst.bytes.len() as u64;
        self.manners.chip(burst);
    }

    /// Something the chip did.
    pub fn event(&mut self, timed: &TimedEvent) {
        self.manners.event(timed);
        self.clues.event(timed);
        match &timed.event {
            Event::SystemReset => self.system_resets += 1,
            Event::CpuReset => self.cpu_resets += 1,
            Event::Handshake { stage, baud_bps } => {
                *self.handshakes.entry((*stage, *baud_bps)).or_default() += 1;
            }
            Event::Command { stage, id, known, .. } => {
                let tally = self.commands.entry((*stage, *id)).or_default();
                tally.count += 1;
                tally.known |= known;
            }
            Event::Refused { stage, id, code } => {
                *self.errors.entry((*stage, *code)).or_default() += 1;
                if let Some(tally) = self.commands.get_mut(&(*stage, *id)) {
                    tally.refused += 1;
                }
            }
            _ => {}
        }
    }

    /// The report, with the module as it is at the end.
    pub fn finish(&self, module: &Module) -> Report {
        let operations = module.flash().operations();
        let sha256_after = flash_digest(module);
        let finding = self.clues.finding(&self.bytes);
        Report {
            version: REPORT_VERSION,
            profile: module.profile().name.clone(),
            duration_ns: module.now().since(self.started).0,
            resets: module.resets() - self.resets_before,
            system_resets: self.system_resets,
            cpu_resets: self.cpu_resets,
            handshakes: self.handshake_counts(),
            commands: self.command_counts(),
            errors: self.error_counts(),
            bytes: self.bytes,
            baud_bps: self.baud_bps.clone(),
            erase_units: operations.units_erased,
            chip_erases: operations.chip_erases,
            bytes_programmed: operations.bytes_programmed,
            fuses_burnt: module.otp().burn_count() - self.burns_before,
            flash: FlashDigests {
                changed: sha256_after != self.sha256_before,
                sha256_before: self.sha256_before.clone(),
                sha256_after,
            },
            faults: module.fault_report(),
            cause: finding.as_ref().map(|finding| finding.cause.clone()),
            explanation: finding.map(|finding| finding.explanation),
            warnings: self.manners.warnings(),
            client: None,
        }
    }

    fn handshake_counts(&self) -> Vec<HandshakeCount> {
        let rows = self.handshakes.iter();
        rows.map(|((stage, baud_bps), count)| HandshakeCount {
            stage: stage_name(*stage),
            baud_bps: *baud_bps,
            count: *count,
        })
        .collect()
    }

    fn command_counts(&self) -> Vec<CommandCount> {
        let rows = self.commands.iter();
        rows.map(|((stage, id), tally)| CommandCount {
            stage: stage_name(*stage),
            id: format!("{id:02x}"),
            name: row_of(*stage, *id).map_or("unknown command", |row| row.name),
            count: tally.count,
            refused: tally.refused,
            known: tally.known,
        })
        .collect()
    }

    fn error_counts(&self) -> Vec<ErrorCount> {
        let rows = self.errors.iter();
        rows.map(|((stage, code), count)| ErrorCount {
            stage: stage_name(*stage),
            code: format!("{code:04X}"),
            name: Code(*code).name(),
            count: *count,
        })
        .collect()
    }
}

fn flash_digest(module: &Module) -> String {
    let flash = module.flash();
    let digest = flash.sha256(0, u64::from(flash.capacity_bytes()));
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn stage_name(stage: Stage) -> &'static str {
    match stage {
        Stage::Rom => "rom",
        Stage::Loader => "loader",
    }
}

/// The table row of a command that this stage answers.
fn row_of(stage: Stage, id: u8) -> Option<&'static CommandRow> {
    match stage {
        Stage::Rom => RomCommand::from_id(id).map(RomCommand::row).filter(|row| row.enabled),
        Stage::Loader => LoaderCommand::from_id(id).map(LoaderCommand::row),
    }
}
