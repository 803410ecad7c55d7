//! What the computer refuses, and runs that went well.

use crate::explain::signal::{HostTrouble, Seen, Signal, Step};
use crate::explain::{Certainty, Finding, finding};

/// Ports.
pub(super) fn rules(seen: &Seen) -> Vec<Finding> {
    let troubles = [
        HostTrouble::NoLines,
        HostTrouble::NoPermission,
        HostTrouble::Busy,
        HostTrouble::NoPort,
        HostTrouble::Vanished,
        HostTrouble::NoFile,
    ];
    // A port that cannot be opened for want of rights is often named as missing too.
    let first = troubles.into_iter().find(|trouble| seen.has(&Signal::Host(*trouble)));
    let refused = first.map(|trouble| of(trouble, seen.lines(&Signal::Host(trouble))));
    refused.or_else(|| not_opened(seen)).into_iter().collect()
}

/// A port that could not be opened, and the tool does not say why.
fn not_opened(seen: &Seen) -> Option<Finding> {
    let failed = Signal::Failed(Step::Port);
    seen.has(&failed).then(|| {
        finding("port_not_opened", Certainty::Likely, "the tool could not open the port", seen.lines(&failed))
            .happened(&["It does not say why: there is no such port, another program uses it, you may not open it, or (blisp and other tools with libserialport) it has no modem lines."])
            .next(&[
                "bl702-flash ports lists the ports and says which ones you may not open",
                "close other programs that use the port (Linux: fuser -v PORT names them)",
            ])
    })
}

fn of(trouble: HostTrouble, lines: Vec<usize>) -> Finding {
    let certain = |cause, headline: &str| finding(cause, Certainty::Certain, headline, lines.clone());
    match trouble {
        HostTrouble::NoLines => certain("no_modem_lines", "this port has no DTR and RTS lines (a pty, or a bridge without them)")
            .happened(&["The tool wants to reset the module through the modem lines and dies when the port has none. Nothing was sent."])
            .next(&[
                "use a USB adapter, or bl702-flash --wiring none and reset by hand",
                "on an emulated module: bl702-emu exec -- TOOL ..., which gives it the lines",
            ]),
        HostTrouble::NoPermission => certain("no_permission", "you may not open this port")
            .happened(&["The operating system refuses. On Windows this also means that another program holds the port."])
            .next(&["Linux: add yourself to the group dialout (or uucp), log in again", "close other programs that use the port"]),
        HostTrouble::Busy => certain("port_busy", "another program uses this port")
            .happened(&["A terminal program, ModemManager or a flasher that hangs has it open."])
            .next(&["close it (Linux: fuser -v PORT names it), then run the tool again"]),
        HostTrouble::NoPort => certain("no_port", "there is no such port")
            .happened(&["The name is wrong, the adapter is not plugged in, or its driver is missing."])
            .next(&["look which ports there are (Linux: ls /dev/ttyUSB* /dev/ttyACM*; Windows: the device manager), with the adapter plugged in and without"]),
        HostTrouble::NoFile => certain("no_input_file", "a file that was named is not there")
            .happened(&["The tool could not read a file, and ended before it talked to the module, or before it wrote to it."])
            .next(&["give the file's whole path, or go to its folder first"]),
        HostTrouble::Vanished => certain("port_vanished", "the adapter vanished while it was in use")
            .happened(&["The USB adapter was unplugged or reset itself, often because the module drew too much from its 3.3 V pin."])
            .next(&["feed the module from a supply of its own, take another cable, run the tool again: if it was writing, the flash is half written"]),
        HostTrouble::Program => certain("tool_broken", "the tool itself failed to start")
            .happened(&["Its own program ended with an error before or while it talked to the module."])
            .next(&["install it afresh in a virtual environment of its own"]),
    }
}

/// A run that ended well, if nothing failed after that; or a tool that could not start.
pub(super) fn success(seen: &Seen) -> Option<Finding> {
    let done = seen.last(&[Signal::Done(Step::All)]);
    let failed = seen.last_failure();
    if done.is_some() && done > failed {
        return Some(
            finding("success", Certainty::Certain, "the run ended well", seen.lines(&Signal::Done(Step::All)))
                .happened(&["The tool says that all went well, and nothing after that says otherwise."])
                .next(&["check it: bl702-flash --port PORT verify FILE; the vendor's tools end with status 0 whatever happened"]),
        );
    }
    let broken = Signal::Host(HostTrouble::Program);
    seen.has(&broken).then(|| of(HostTrouble::Program, seen.lines(&broken)))
}
