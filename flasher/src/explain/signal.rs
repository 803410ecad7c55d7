//! What a log says, line by line: codes, steps that failed or were done, chips and ROM versions.

mod codes;
mod identity;
mod words;

use bl702_protocol::code::Code;
use serde::Serialize;

/// A step of a session with a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Opening the port.
    Port,
    /// 55h and `OK`.
    Handshake,
    /// Command 10h.
    BootInfo,
    /// Upload and start of the RAM loader.
    Load,
    /// Command 22h, which no BL702 has.
    Clock,
    /// Command 3Bh.
    FlashPara,
    /// Command 36h.
    Jedec,
    /// Erasing.
    Erase,
    /// Programming.
    Write,
    /// Reading the flash.
    Read,
    /// Comparing, by hash or byte by byte.
    Verify,
    /// eFuses.
    Efuse,
    /// The whole run.
    All,
}

/// A chip that a tool was told it talks to, or that somebody wrote of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Chip {
    /// BL602 or BL604.
    Bl602,
    /// BL702, BL704 or BL706.
    Bl702,
    /// BL702L or BL704L.
    Bl702l,
    /// BL616 or BL618.
    Bl616,
    /// BL606P or BL808.
    Bl808,
    /// BL628, or another one that came later.
    Later,
}

impl Chip {
    /// The name that a tool's list has.
    pub fn name(self) -> &'static str {
        match self {
            Chip::Bl602 => "BL602",
            Chip::Bl702 => "BL702",
            Chip::Bl702l => "BL702L",
            Chip::Bl616 => "BL616",
            Chip::Bl808 => "BL808",
            Chip::Later => "a newer chip",
        }
    }

    /// Whether the vendor's tools send this chip commands that the boot ROM of a BL702 does not have: 22h, 3Bh, 36h
    /// (`reference/rom-and-module.md` section 1.7).
    pub fn is_flashed_by_its_rom(self) -> bool {
        matches!(self, Chip::Bl702l | Chip::Bl616 | Chip::Bl808 | Chip::Later)
    }
}

/// Who answered the question for boot info.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rom {
    /// Version 07020001h.
    Bl702,
    /// Version FFFFFFFFh: a RAM loader, not the ROM.
    Loader,
    /// The ROM of this chip.
    Other(Chip),
}

/// What the computer refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HostTrouble {
    /// No such port.
    NoPort,
    /// No right to open it.
    NoPermission,
    /// Another program has it.
    Busy,
    /// It has no modem lines.
    NoLines,
    /// It vanished while in use.
    Vanished,
    /// A file that was named is not there.
    NoFile,
    /// The tool's own program failed.
    Program,
}

/// Something that a line says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Signal {
    /// An `FL` reply.
    Code(Code),
    /// An `ErrorCode` of the vendor's tools.
    Vendor(u16),
    /// A step failed.
    Failed(Step),
    /// A step went well.
    Done(Step),
    /// A chip is named.
    Chip(Chip),
    /// Boot info came.
    Rom(Rom),
    /// A JEDEC id came: id and, where it was printed, the loader's flag byte.
    Jedec([u8; 3], Option<u8>),
    /// A rate is named.
    Baud(u32),
    /// The computer refuses something.
    Host(HostTrouble),
    /// A tool was told the first chip, and says that the second one answers.
    Mismatch(Chip, Chip),
    /// Text that a firmware prints.
    Firmware,
    /// A newer chip's set-up met an answer that its tool cannot read.
    UnpackTrouble,
}

/// All signals with the numbers of their lines, in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen(Vec<(usize, Signal)>);

/// Reads all lines.
pub(super) fn read(lines: &[String]) -> Seen {
    let mut seen = Seen::default();
    for (at, line) in lines.iter().enumerate() {
        // Very long lines are data, not messages.
        let line = if line.len() > 4000 { line.get(..4000).unwrap_or_default() } else { line };
        let mut found = codes::read(line);
        found.extend(identity::read(line));
        found.extend(words::read(line, &found));
        seen.0.extend(found.into_iter().map(|signal| (at + 1, signal)));
    }
    seen
}

impl Seen {
    pub(super) fn signals(&self) -> impl Iterator<Item = &Signal> {
        self.0.iter().map(|(_, signal)| signal)
    }

    /// Lines with this signal.
    pub(super) fn lines(&self, wanted: &Signal) -> Vec<usize> {
        self.0.iter().filter(|(_, signal)| signal == wanted).map(|(line, _)| *line).collect()
    }

    /// Lines with one of these signals.
    pub(super) fn lines_of(&self, wanted: &[Signal]) -> Vec<usize> {
        self.0.iter().filter(|(_, signal)| wanted.contains(signal)).map(|(line, _)| *line).collect()
    }

    pub(super) fn has(&self, wanted: &Signal) -> bool {
        self.signals().any(|signal| signal == wanted)
    }

    pub(super) fn has_any(&self, wanted: &[Signal]) -> bool {
        self.signals().any(|signal| wanted.contains(signal))
    }

    pub(super) fn has_code(&self, code: u16) -> bool {
        self.has(&Signal::Code(Code(code)))
    }

    pub(super) fn has_vendor(&self, code: u16) -> bool {
        self.has(&Signal::Vendor(code))
    }

    /// Position of the first of these signals, for comparing what came before what.
    pub(super) fn first(&self, wanted: &[Signal]) -> Option<usize> {
        self.signals().position(|signal| wanted.contains(signal))
    }

    /// Position of the last of these signals.
    pub(super) fn last(&self, wanted: &[Signal]) -> Option<usize> {
        self.0.iter().rposition(|(_, signal)| wanted.contains(signal))
    }

    /// Position of the last signal that tells of a failure.
    pub(super) fn last_failure(&self) -> Option<usize> {
        self.0.iter().rposition(|(_, signal)| {
            matches!(signal, Signal::Code(_) | Signal::Vendor(_) | Signal::Failed(_) | Signal::Host(_))
        })
    }

    /// Chips that are named, with their lines.
    pub(super) fn chips(&self) -> impl Iterator<Item = (usize, Chip)> {
        self.0.iter().filter_map(|(line, signal)| match signal {
            Signal::Chip(chip) => Some((*line, *chip)),
            _ => None,
        })
    }

    /// All signals with their lines.
    pub(super) fn all(&self) -> impl Iterator<Item = &(usize, Signal)> {
        self.0.iter()
    }
}

/// Pieces of a line between characters that are neither letters nor digits, with the offset of each.
fn tokens(line: &str) -> impl Iterator<Item = (usize, &str)> {
    line.split(|letter: char| !letter.is_ascii_alphanumeric())
        .filter(|token| !token.is_empty())
        .map(|token| (token.as_ptr() as usize - line.as_ptr() as usize, token))
}
