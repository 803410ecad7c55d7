//! Drives a module through one vector and compares.

use std::fmt::Write as _;

use bl702_protocol::time::Nanos;

use super::vector::{Action, Step, Vector, VectorError};
use crate::event::Event;
use crate::flash::FlashFaults;
use crate::line::Burst;
use crate::module::{Module, Running, Start};
use crate::profile::Profile;
use crate::rom::{PollModel, RomState};

/// The rate of rows that name none.
const BAUD_BPS: u32 = 500_000;
/// A step that lasts longer than this in virtual time never ends.
const STEP_LIMIT: Nanos = Nanos::from_secs(600);
/// The host's pause before each burst.
const PAUSE: Nanos = Nanos::from_millis(2);

/// What the module did otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// 0 is the first step of the set-up; the request comes last.
    pub step: usize,
    /// Response, events or state.
    pub what: &'static str,
    /// As the row has it.
    pub expected: String,
    /// As the module did it.
    pub found: String,
}

/// The outcome of one vector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As the row says.
    Passed,
    /// Otherwise.
    Failed(Mismatch),
}

/// Replays `vector` against a fresh module.
///
/// # Errors
/// [`VectorError`] when the row asks for an injected failure that does not exist.
pub fn run(vector: &Vector) -> Result<Verdict, VectorError> {
    let mut bench = Bench::new(vector)?;
    let steps = vector.setup.iter().chain([&vector.request]);
    for (index, step) in steps.enumerate() {
        let (response, events) = bench.perform(&step.action)?;
        if let Some(mismatch) = compare(vector, step, index, &response, &events) {
            return Ok(Verdict::Failed(mismatch));
        }
    }
    let found = bench.state();
    let expected = vector.then.as_deref();
    let agrees = match expected {
        Some("reset" | "handshake") if bench.was_reset => matches!(bench.module.running(), Running::Rom(_)),
        Some("handshake" | "jump" | "flash_boot" | "rom_boot2" | "fault" | "stuck") => expected == found,
        // Some other stuck state, named in the row.
        Some(_) => found == Some("stuck"),
        // Rows for the loader do not tell a lost session apart.
        None if vector.is_for_loader() => found.is_none() || found == Some("handshake"),
        None => found.is_none(),
    };
    if agrees {
        return Ok(Verdict::Passed);
    }
    Ok(Verdict::Failed(Mismatch {
        step: vector.setup.len(),
        what: "state",
        expected: expected.unwrap_or("in session").to_owned(),
        found: found.unwrap_or("in session").to_owned(),
    }))
}

fn compare(
    vector: &Vector,
    step: &Step,
    index: usize,
    response: &[u8],
    events: &[Vec<String>],
) -> Option<Mismatch> {
    if let Some(expected) = step.response.as_deref().filter(|expected| *expected != response) {
        let (expected, found) = (to_hex(expected), to_hex(response));
        return Some(Mismatch { step: index, what: "response", expected, found });
    }
    let none = Vec::new();
    let expected = step.events.as_ref().unwrap_or(&none);
    let judged = !vector.is_for_loader() && matches!(step.action, Action::Send(_) | Action::Handshake);
    if judged && expected != events {
        let (expected, found) = (format!("{expected:?}"), format!("{events:?}"));
        return Some(Mismatch { step: index, what: "events", expected, found });
    }
    None
}

struct Bench {
    module: Module,
    baud_bps: u32,
    jumped: bool,
    was_reset: bool,
    faulted: bool,
}

impl Bench {
    fn new(vector: &Vector) -> Result<Bench, VectorError> {
        let profile =
            Profile::builtin(if vector.is_for_loader() { "vectors-loader" } else { "vectors-rom" })?;
        let poll_model = match (vector.poll, vector.baud_bps) {
            (Some(0), _) => PollModel::Fixed(usize::MAX),
            (Some(n), _) => PollModel::Fixed(n),
            (None, Some(_)) => PollModel::Timed,
            (None, None) => PollModel::Fixed(1),
        };
        let mut builder = Module::builder(profile).boot_high(vector.boot_high).poll_model(poll_model);
        if let Some(fuses) = vector.efuse {
            builder = builder.efuse(fuses);
        }
        if vector.is_for_loader() {
            builder = builder.start(Start::Loader);
        }
        if vector.state.as_deref() == Some("pattern") {
            let pattern = (0..1u32 << 20).map(|i| (7 * i + 13 * (i >> 8)) as u8).collect();
            builder = builder.flash(pattern);
        }
        let mut bench = Bench {
            module: builder.build(),
            baud_bps: vector.baud_bps.unwrap_or(BAUD_BPS),
            jumped: false,
            was_reset: false,
            faulted: false,
        };
        let faults = faults(&vector.flash_fail)?;
        bench.module.flash_mut().set_faults(faults);
        bench.settle();
        bench.perform(&Action::Handshake)?;
        Ok(bench)
    }

    /// Does one step; gives what the chip sent and the vectors' events.
    fn perform(&mut self, action: &Action) -> Result<(Vec<u8>, Vec<Vec<String>>), VectorError> {
        self.jumped = false;
        self.was_reset = false;
        let response = match action {
            Action::Send(bytes) => {
                self.send(bytes, PAUSE);
                self.settle()
            }
            Action::Sleep { ms } => self.wait(Nanos::from_millis(*ms)),
            Action::Handshake => self.handshake(),
            Action::Faults(names) => {
                self.module.flash_mut().set_faults(faults(names)?);
                Vec::new()
            }
            Action::ChipEraseTime { ms } => {
                self.module.flash_mut().set_chip_erase_ms(Some(*ms));
                Vec::new()
            }
            Action::Pipeline { frames, gap_us } => {
                let mut at = self.module.now() + PAUSE;
                for frame in frames {
                    let burst = Burst { start: at, baud_bps: self.baud_bps, bytes: frame.clone() };
                    at = burst.end() + Nanos::from_micros(*gap_us);
                    self.module.receive(burst);
                }
                self.settle()
            }
        };
        let mut events = Vec::new();
        while let Some(timed) = self.module.next_event() {
            self.jumped |= matches!(timed.event, Event::Jump { .. });
            self.was_reset |= matches!(timed.event, Event::SystemReset);
            self.faulted |= matches!(timed.event, Event::Fault);
            events.extend(event_row(&timed.event));
        }
        Ok((response, events))
    }

    fn send(&mut self, bytes: &[u8], pause: Nanos) {
        let start = self.module.now() + pause;
        self.module.receive(Burst { start, baud_bps: self.baud_bps, bytes: bytes.to_vec() });
    }

    /// 3 ms worth of 0x55, as the vendor's tool sends, until `OK`; then drains.
    fn handshake(&mut self) -> Vec<u8> {
        for _ in 0..4 {
            let count = self.baud_bps as usize * 3 / 10_000;
            self.send(&vec![0x55; count], PAUSE);
            let response = self.settle();
            if !response.is_empty() {
                self.wait(PAUSE);
                return response;
            }
        }
        Vec::new()
    }

    /// Lets the chip do what it has to do; gives what it sent.
    fn settle(&mut self) -> Vec<u8> {
        let mut sent = Vec::new();
        let limit = self.module.now() + STEP_LIMIT;
        while !self.module.waits_for_host() && self.module.now() < limit {
            let Some(at) = self.module.next_wakeup() else { break };
            self.module.advance(at);
            self.collect(&mut sent);
        }
        sent
    }

    fn wait(&mut self, span: Nanos) -> Vec<u8> {
        let mut sent = Vec::new();
        self.module.advance(self.module.now() + span);
        self.collect(&mut sent);
        sent
    }

    fn collect(&mut self, sent: &mut Vec<u8>) {
        while let Some(burst) = self.module.transmit() {
            sent.extend_from_slice(&burst.bytes);
            // The host follows a change of rate (20h).
            self.baud_bps = burst.baud_bps;
        }
    }

    fn state(&self) -> Option<&'static str> {
        match self.module.running() {
            _ if self.jumped => Some("jump"),
            Running::Rom(RomState::Session { .. }) => None,
            Running::Rom(RomState::UartDisabled) | Running::Nothing => Some("stuck"),
            Running::Rom(_) => Some("handshake"),
            Running::Loader(state) if state.in_session() => None,
            Running::Loader(_) => Some("handshake"),
            Running::Firmware => Some("flash_boot"),
            Running::RomBoot2 => Some("rom_boot2"),
            Running::Dead(_) if self.faulted => Some("fault"),
            Running::Dead(_) => Some("stuck"),
        }
    }
}

fn faults(names: &[String]) -> Result<FlashFaults, VectorError> {
    let mut faults = FlashFaults::default();
    for name in names {
        match name.as_str() {
            "program" | "write" => faults.program = true,
            "erase" => faults.erase = true,
            "wren" => faults.wren = true,
            "rsr" => faults.rsr = true,
            "wsr" => faults.wsr = true,
            "init" => faults.init = true,
            _ => return Err(VectorError::UnknownFault(name.clone())),
        }
    }
    Ok(faults)
}

/// An event as the vectors write it; nothing for those that they do not have.
fn event_row(event: &Event) -> Option<Vec<String>> {
    let row: Vec<String> = match event {
        Event::FlashInit => vec!["flash_init".into()],
        Event::FlashErase { start, end } => {
            vec!["flash_erase".into(), format!("{start:08x}"), format!("{end:08x}")]
        }
        Event::FlashWrite { address, length, head } => {
            vec!["flash_write".into(), format!("{address:08x}"), format!("{length:x}"), to_hex(head)]
        }
        Event::EfuseProgram { offset, word } => {
            vec!["efuse_program".into(), format!("{offset:02x}"), to_hex(&word.to_le_bytes())]
        }
        Event::RegWrite { address, value } => {
            vec!["reg_write".into(), format!("{address:08x}"), format!("{value:08x}")]
        }
        Event::CpuReset => vec!["cpu_reset".into()],
        Event::SystemReset => vec!["system_reset".into()],
        Event::Jump { address } => vec!["jump".into(), format!("{address:08x}")],
        Event::BootFromFlash => vec!["boot_from_flash".into()],
        Event::RomBoot2 => vec!["rom_boot2".into()],
        Event::Pll { xtal_type, pll } => vec!["pll".into(), format!("{xtal_type:x}"), format!("{pll:x}")],
        Event::Fault => vec!["fault".into()],
        _ => return None,
    };
    Some(row)
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
