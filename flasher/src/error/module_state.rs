//! How a run has left the module, for whoever has to go on from there.

use std::fmt;

use serde::Serialize;

use crate::request::Side;

/// What is known about the module when a run ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(tag = "state", content = "side", rename_all = "snake_case")]
pub enum ModuleState {
    /// It has not answered, or not any more.
    #[default]
    NotReached,
    /// It was restarted by command 21h or by its EN line, and no session is open.
    Restarted,
    /// This side has an open session and waits for the next command.
    Waiting(Side),
    /// This side was in the middle of a command.
    MidCommand(Side),
}

impl fmt::Display for ModuleState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ModuleState::NotReached => f.write_str("did not answer; its state is not known"),
            ModuleState::Restarted => {
                f.write_str("restarted; with BOOT low it runs its firmware, with BOOT high it waits for a handshake")
            }
            ModuleState::Waiting(Side::Rom) => f.write_str(
                "the boot ROM waits in an open session and gives it up after 2 s of silence; the next run waits for that by itself",
            ),
            ModuleState::Waiting(Side::Loader) => f.write_str(
                "the RAM loader waits in an open session and gives it up after 4.1 s of silence; the next run waits for that by itself",
            ),
            ModuleState::MidCommand(side) => write!(
                f,
                "the {side} was in the middle of a command and may still be at work; it takes a new session after 4.1 s of silence, and the next run waits for that by itself"
            ),
        }
    }
}
