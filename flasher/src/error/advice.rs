//! What to do next, for each error.

use super::{ErrorKind, Failure};
use crate::loader::{HOW_TO_OBTAIN, LoaderError};
use crate::plan::PlanError;
use crate::port::PortError;
use crate::request::Side;

const AGAIN: &str = "Run the same command again: sectors that are right already are left alone.";

const HANDS: &str = "Put the module into ISP: hold BOOT (D28 on an XT-ZB2) at 3.3 V through 1 k, pull EN low for a moment and \
release it; then run the command again. Check that TX and RX are crossed (module TX = GPIO14, RX = GPIO15), that \
grounds are joined, and that the adapter works with 3.3 V.";

/// What to do about a failure.
pub(super) fn advice(failure: &Failure) -> String {
    let mut text = of_kind(&failure.kind);
    if failure.flash.is_unsettled() && !text.contains("command again") {
        text.push(' ');
        text.push_str(AGAIN);
    }
    text
}

fn of_kind(kind: &ErrorKind) -> String {
    match kind {
        ErrorKind::Port(error) => of_port(error).to_owned(),
        ErrorKind::Interrupted => "Nothing more was sent. The module may need 4 s until it takes a new session; the next command waits for that by itself.".to_owned(),
        ErrorKind::NoHandshake { side: Side::Loader, .. } => {
            "The RAM loader was started but does not answer at this rate. Try a lower --baud (1000000, 500000), then --timing slow; check the image given with --loader.".to_owned()
        }
        ErrorKind::NoHandshake { heard, .. } if heard.is_empty() => HANDS.to_owned(),
        ErrorKind::NoHandshake { .. } => format!(
            "Something answers, but not the boot ROM: perhaps the module runs its firmware (BOOT was low at reset), or the rate is wrong. {HANDS}"
        ),
        ErrorKind::WrongChip { .. } | ErrorKind::BootInfo(_) => {
            "This program speaks to BL702, BL704 and BL706 only. Nothing that is specific to a chip was sent.".to_owned()
        }
        ErrorKind::Locked { refusal } => format!(
            "The eFuses of this chip let it run only images of its maker ({}). Without an image that is signed or encrypted to match, named with --loader, its flash can be neither read nor written over UART.",
            refusal.code()
        ),
        ErrorKind::Loader(LoaderError::None) => HOW_TO_OBTAIN.to_owned(),
        ErrorKind::Loader(_) => format!("Name another file with --loader.\n{HOW_TO_OBTAIN}"),
        ErrorKind::FlashUnknown { .. } => {
            "Check that the flash is soldered and powered. If you know its size, give it with --flash-size (for example 1MiB); the loader then uses its default settings for this part.".to_owned()
        }
        ErrorKind::FlashChanged { .. } => "The module was changed, or the line is bad. Begin again.".to_owned(),
        ErrorKind::NotStarted => "The image may not be a RAM loader for this chip, or it was damaged on the way: try --boot-baud 115200 and check the file given with --loader.".to_owned(),
        ErrorKind::Plan(PlanError::PastEnd { .. }) => "Check address and file; if the flash is larger than its id says, give --flash-size.".to_owned(),
        ErrorKind::Plan(_) => "Check addresses and files.".to_owned(),
        ErrorKind::Baud(_) => "Rates that work: 115200, 230400, 460800, 500000, 921600, 1000000, 1500000, 2000000, 2500000, 3000000.".to_owned(),
        ErrorKind::Different { .. } => "If this was a verification: the flash holds something else, write it again or check the file. If it follows a write: the flash may be worn or protected.".to_owned(),
        ErrorKind::Refused { code } => match code.row() {
            Some(row) => format!("{}: {} {AGAIN}", row.meaning, row.advice),
            None => format!("The code is not known. {AGAIN}"),
        },
        ErrorKind::Collateral { .. } => {
            "A command was damaged on the way and changed it, or the first answer was. Read that range and compare it with a backup, once the wires are shorter and --baud is lower.".to_owned()
        }
        ErrorKind::ExcessPending { .. } => {
            "The line is unreliable, and flash was lost: restore it from a backup, once the wires are shorter and --baud is lower.".to_owned()
        }
        ErrorKind::BoundReached { .. } => format!("The line or the adapter is much slower than it should be: try --timing slow. {AGAIN}"),
        ErrorKind::NoAnswer { .. }
        | ErrorKind::Short { .. }
        | ErrorKind::Garbled { .. }
        | ErrorKind::WrongLength { .. }
        | ErrorKind::Surplus { .. }
        | ErrorKind::SegmentEcho
        | ErrorKind::ReadMismatch { .. }
        | ErrorKind::TooManyRepeats { .. } => {
            "The line is unreliable: shorten the wires, lower --baud (1000000, 500000) and --boot-baud (115200), try --timing slow.".to_owned()
        }
    }
}

fn of_port(error: &PortError) -> &'static str {
    match error {
        PortError::NotFound { .. } => {
            "Plug the adapter in, and look which ports there are (ls /dev/ttyUSB* /dev/ttyACM*). `--port emulated` needs none."
        }
        PortError::NotATty { .. } => "Name the adapter's device, such as /dev/ttyUSB0.",
        PortError::Busy { .. } => {
            "Close the terminal or the flasher that uses it (fuser -v PORT shows which)."
        }
        PortError::Denied { .. } => {
            "Join the group that may use serial ports (often dialout or uucp), then log in again."
        }
        PortError::Vanished { .. } => {
            "The adapter was unplugged, or what serves the port has ended. Plug it in, then run the same command again: sectors that are right already are left alone."
        }
        PortError::Stuck { .. } => "Nothing takes the bytes: check the adapter, or what serves the port.",
        PortError::BaudRefused { .. } => "Choose another --baud or --boot-baud, or another adapter.",
        PortError::System { .. } => "Check the adapter and its driver.",
        PortError::Recording { .. } => "Check the file given with --record, and the space on its disk.",
        PortError::Emulated { .. } => "Check the options after `emulated:`.",
    }
}
