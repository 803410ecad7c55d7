//! What runs on a chip, for people.

use crate::loader::LoaderState;
use crate::module::Running;
use crate::rom::RomState;

/// A line about what runs on the chip.
pub fn running(running: Running) -> String {
    match running {
        Running::Nothing => "nothing: EN is low, or there is no supply".to_owned(),
        Running::Rom(state) => format!("boot ROM, {}", rom(state)),
        Running::Loader(state) => format!("RAM loader, {}", loader(state)),
        Running::Firmware => {
            "firmware from flash, or the ROM that looks for one (BOOT was low at reset)".to_owned()
        }
        Running::RomBoot2 => "boot2 of the ROM".to_owned(),
        Running::Dead(why) => format!("nothing until the next reset: {why}"),
    }
}

fn rom(state: RomState) -> String {
    match state {
        RomState::Booting => "just out of reset".to_owned(),
        RomState::Listening => "waits for a handshake (55h)".to_owned(),
        RomState::UartDisabled => "will never answer: the fuse uartboot_disable is burnt".to_owned(),
        RomState::Handshake => "in a handshake".to_owned(),
        RomState::Session { baud_bps } => format!("in a session at {baud_bps} baud"),
    }
}

fn loader(state: LoaderState) -> String {
    match state {
        LoaderState::Starting => "starting".to_owned(),
        LoaderState::Listening => "waits for a handshake (55h)".to_owned(),
        LoaderState::Handshake => "in a handshake".to_owned(),
        LoaderState::Session { baud_bps, busy, xip } => {
            let work = if busy { "works on a command" } else { "waits for a command" };
            let mode = if xip { ", flash mapped into memory (60h)" } else { "" };
            format!("in a session at {baud_bps} baud, {work}{mode}")
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(Running::Nothing, "nothing: EN is low, or there is no supply")]
    #[case(Running::Rom(RomState::Listening), "boot ROM, waits for a handshake (55h)")]
    #[case(Running::Rom(RomState::Session { baud_bps: 500_000 }), "boot ROM, in a session at 500000 baud")]
    #[case(
        Running::Loader(LoaderState::Session { baud_bps: 2_000_000, busy: true, xip: false }),
        "RAM loader, in a session at 2000000 baud, works on a command"
    )]
    #[case(
        Running::Loader(LoaderState::Session { baud_bps: 2_000_000, busy: false, xip: true }),
        "RAM loader, in a session at 2000000 baud, waits for a command, flash mapped into memory (60h)"
    )]
    #[case(Running::Dead("bus fault"), "nothing until the next reset: bus fault")]
    fn sentences(#[case] state: Running, #[case] sentence: &str) {
        assert_eq!(running(state), sentence);
    }
}
