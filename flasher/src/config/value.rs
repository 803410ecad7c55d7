//! Reading single values.

use std::path::Path;

use super::error::nearest;
use crate::baud;
use crate::flow::After;
use crate::image::boards::{BOARDS, Board};
use crate::plan::parse_number;
use crate::reset::{Sequence, Wiring};
use crate::timing::{Pace, TimeOut};

/// The highest rate of the RAM loader that is a multiple of 500,000 and that published adapters do: where `--baud max`
/// stops.
pub const MOST_BAUD_BPS: u32 = 3_000_000;

/// What `wiring` says: a convention, or how to reset into ISP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WiringChoice {
    /// A convention.
    Named(Wiring),
    /// A sequence that leads into ISP.
    Sequence(Sequence),
}

impl std::str::FromStr for WiringChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<WiringChoice, String> {
        match text.trim() {
            "rts-en" => return Ok(WiringChoice::Named(Wiring::RtsEn)),
            "dtr-en" => return Ok(WiringChoice::Named(Wiring::DtrEn)),
            "none" => return Ok(WiringChoice::Named(Wiring::None)),
            _ => {}
        }
        // A word that is no step at all was meant to be a name.
        let is_sequence = text.contains('|') || text.chars().any(|c| c.is_ascii_digit());
        if !is_sequence {
            let meant = nearest(text, ["rts-en", "dtr-en", "none"]);
            let meant = meant.map_or_else(String::new, |name| format!("; did you mean {name}?"));
            return Err(format!(
                "{text:?} is no wiring: rts-en, dtr-en, none, or a sequence such as D0|R1|W0.1|R0{meant}"
            ));
        }
        sequence(text).map(WiringChoice::Sequence)
    }
}

pub(super) fn sequence(text: &str) -> Result<Sequence, String> {
    text.parse().map_err(|error| format!("the sequence {text:?} is wrong {error}"))
}

/// `None` is the highest rate that works.
pub(super) fn baud(text: &str) -> Result<Option<u32>, String> {
    match text {
        "max" | "auto" => Ok(None),
        number => rate(number).map(Some),
    }
}

pub(super) fn rate(text: &str) -> Result<u32, String> {
    let number = parse_number(text).map_err(|error| error.to_string())?;
    u32::try_from(number).map_err(|_| format!("{number} baud is faster than anything"))
}

pub(super) fn size(text: &str) -> Result<u32, String> {
    let number = parse_number(text).map_err(|error| error.to_string())?;
    u32::try_from(number).map_err(|_| format!("{number} bytes is larger than any flash"))
}

pub(super) fn after(text: &str) -> Result<After, String> {
    match text {
        "reset" => Ok(After::Reset),
        "stay" => Ok(After::Stay),
        _ => Err(format!("{text:?} is none of reset, stay")),
    }
}

pub(super) fn switch(text: &str) -> Result<bool, String> {
    match text {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(format!("{text:?} is neither true nor false")),
    }
}

pub(super) fn time_out(time_out: &TimeOut, text: &str) -> Result<u64, String> {
    let value: u64 = text.parse().map_err(|_| format!("{text:?} is no whole number"))?;
    if (time_out.least..=time_out.most).contains(&value) {
        return Ok(value);
    }
    Err(format!("{value} is out of bounds: {} takes {} to {}", time_out.name, time_out.least, time_out.most))
}

pub(super) fn check_boot_baud(text: &str) -> Result<(), String> {
    rate(text).and_then(|rate| baud::check_rom(rate).map_err(|error| error.to_string()))
}

pub(super) fn check_baud(text: &str) -> Result<(), String> {
    match baud(text)? {
        Some(rate) => baud::check_loader(rate).map_err(|error| error.to_string()),
        None => Ok(()),
    }
}

pub(super) fn check_board(text: &str) -> Result<(), String> {
    let names = || BOARDS.iter().map(|board| board.name).collect::<Vec<_>>().join(", ");
    Board::find(text).map(|_| ()).ok_or_else(|| format!("there is no board {text:?}, only {}", names()))
}

pub(super) fn check_text(text: &str) -> Result<(), String> {
    if text.is_empty() { Err("it is empty".to_owned()) } else { Ok(()) }
}

pub(super) fn check_pace(text: &str) -> Result<(), String> {
    text.parse::<Pace>().map(|_| ())
}

/// A file is named from where the configuration lies.
pub(super) fn beside(folder: &Path, file: &str) -> String {
    folder.join(file).display().to_string()
}
