//! Handshakes that fail, and loaders that run already.

use bl702_protocol::code::Code;

use super::{loader_handshake, loader_ran, rom_answered};
use crate::explain::signal::{HostTrouble, Rom, Seen, Signal, Step};
use crate::explain::{Certainty, Finding, finding};

const FAILED: Signal = Signal::Failed(Step::Handshake);

/// What the rest of a run hangs on: who answers.
pub(super) fn rules(seen: &Seen) -> Vec<Finding> {
    [
        loader_running(seen),
        loader_silent(seen),
        nobody_answers(seen),
        mute_session(seen),
        surplus_handshake(seen),
        session_lost(seen),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Boot info FFFFFFFFh, and then the upload fails, because a loader knows no upload.
fn loader_running(seen: &Seen) -> Option<Finding> {
    let there = Signal::Rom(Rom::Loader);
    let fails = [Signal::Vendor(0x0003), Signal::Failed(Step::Load), Signal::Failed(Step::BootInfo), FAILED];
    let after = seen.first(std::slice::from_ref(&there))? < seen.last(&fails)?;
    let mut lines = seen.lines(&there);
    lines.extend(seen.lines_of(&fails));
    after.then(|| {
        finding("loader_running", Certainty::Certain, "a RAM loader from an earlier run was still running", lines)
            .happened(&[
                "The module answered boot info with FFFFFFFFh: that is the RAM loader, not the boot ROM. The tool went on to upload a loader, which only the ROM can take, and failed.",
            ])
            .next(&[
                "reset the module (pulse EN low with BOOT, D28, at 3.3 V, or switch the power off and on) and run the tool again",
                "bl702-flash uses a loader that is running as it is, and resets the module afterwards",
            ])
    })
}

/// The loader was sent, and then nobody answers.
fn loader_silent(seen: &Seen) -> Option<Finding> {
    let fails = [Signal::Vendor(0x0001), FAILED];
    let failed = seen.last(&fails)?;
    let sent = seen.first(&[Signal::Done(Step::Load)]).is_some_and(|at| at < failed);
    let named = seen.has_vendor(0x0001) && rom_answered(seen);
    let rom_first = seen.first(&[Signal::Rom(Rom::Bl702)]).is_some_and(|at| at < failed) && seen.has(&FAILED);
    if seen.has(&Signal::Rom(Rom::Loader))
        || loader_handshake(seen).is_some_and(|at| at > failed)
        || !(sent || named || rom_first)
    {
        return None;
    }
    Some(
        finding("loader_silent", Certainty::Likely, "the RAM loader was sent but does not answer", seen.lines_of(&fails))
            .happened(&[
                "The boot ROM took the loader. The handshake that follows went unanswered: the loader did not start, the reset line pulled the module back into its ROM, or the loader refuses the rate.",
            ])
            .next(&[
                "choose a rate the loader takes: 500000, 1000000 or 2000000 (1200000 is rounded and fails)",
                "check that DTR and RTS do not reset the module on the way (--wiring none, or dtr-en)",
                "look at the fuses: hbn_jump_disable, tz_boot or a signed chip keep a loader from starting; bl702-flash --port PORT info",
            ]),
    )
}

/// No answer at all.
fn nobody_answers(seen: &Seen) -> Option<Finding> {
    let fails = [
        FAILED,
        Signal::Vendor(0x0050),
        Signal::Vendor(0x0001),
        Signal::Failed(Step::BootInfo),
        Signal::Vendor(0x0051),
    ];
    let lines = seen.lines_of(&fails);
    let port_is_at_fault = seen
        .signals()
        .any(|signal| matches!(signal, Signal::Host(trouble) if *trouble != HostTrouble::NoLines));
    if lines.is_empty() || rom_answered(seen) || port_is_at_fault {
        return None;
    }
    if seen.has(&Signal::Firmware) {
        return Some(firmware_runs(seen, Certainty::Certain));
    }
    Some(
        finding("nobody_answers", Certainty::Likely, "the module does not answer: it is not in ISP, or not connected", lines)
            .happened(&[
                "The boot ROM answers 55h with OK only if BOOT was high when it left reset, on UART0 (TX GPIO14, RX GPIO15). This log shows no byte from it.",
            ])
            .next(&[
                "hold BOOT (D28) at 3.3 V through 1 k, then pulse EN low or switch the power off and on; BOOT is looked at only then",
                "cross the wires: module TX (GPIO14) to the adapter's RX, module RX (GPIO15) to its TX; join the grounds; 3.3 V levels only",
                "take 500000 baud or less for the handshake, and the right port (unplug the adapter and see which one goes)",
                "if all that is right: uartboot_disable may be burnt, then only USB answers",
            ]),
    )
}

/// What a firmware prints, be it in answer to a handshake or pasted alone.
pub(super) fn firmware_runs(seen: &Seen, certainty: Certainty) -> Finding {
    let headline = "the module runs its firmware: it has booted from its flash and is not in ISP";
    finding("firmware_runs", certainty, headline, seen.lines(&Signal::Firmware))
        .happened(&[
            "This is text that the firmware prints. The boot ROM listens for a flasher only if BOOT was high when the module left reset; once the firmware runs, no handshake reaches the ROM. The module, its flash and the wire from its TX are good.",
        ])
        .next(&[
            "hold BOOT (D28) at 3.3 V through 1 k, then pulse EN low or switch the power off and on, and run the flasher again",
            "to see more of what it prints: bl702-flash --port PORT monitor",
        ])
}

/// The handshake was answered, and then nothing: no boot info.
fn mute_session(seen: &Seen) -> Option<Finding> {
    let fails = [Signal::Failed(Step::BootInfo), Signal::Vendor(0x0051)];
    let shaken = seen.first(&[Signal::Done(Step::Handshake)])?;
    let failed = seen.last(&fails)?;
    let told = seen.signals().any(|signal| matches!(signal, Signal::Rom(_) | Signal::Code(_)));
    if failed < shaken || told {
        return None;
    }
    Some(
        finding("mute_session", Certainty::Likely, "the handshake was answered, but no command after it", seen.lines_of(&fails))
            .happened(&[
                "OK came, and then boot info (10h) did not. That happens when a RAM loader or a session of an earlier run is still there and takes the command for the rest of something else, when the module was reset in between, or when the line loses bytes.",
            ])
            .next(&[
                "reset the module (BOOT, D28, at 3.3 V, then pulse EN low or switch the power off and on) and run the tool again; or leave the port alone for 5 s first, so that an old session ends",
                "if it stays so: 115200 baud, shorter wires, grounds joined",
            ]),
    )
}

/// FL0102 right after the handshake.
fn surplus_handshake(seen: &Seen) -> Option<Finding> {
    seen.has_code(0x0102).then(|| {
        finding(
            "surplus_handshake_bytes",
            Certainty::Likely,
            "the host sent more 55h than the handshake needs and did not drain its input",
            seen.lines(&Signal::Code(Code::CMD_LEN_ERROR)),
        )
        .happened(&[
            "55h that arrives after OK is taken for the head of a frame of 5555h bytes; the ROM answers FL0102 and goes on. Replies after it are one late.",
        ])
        .next(&["send 3 ms worth of 55h, wait 30 ms after OK, throw away what came, then ask for boot info"])
    })
}

/// Checksums, or silence in the middle: the line.
fn session_lost(seen: &Seen) -> Option<Finding> {
    let noise = [Signal::Code(Code::CMD_CRC_ERROR), Signal::Vendor(0x0025), Signal::Code(Code(0x0217))];
    let lines = seen.lines_of(&noise);
    if lines.is_empty() {
        return None;
    }
    let certainty = if lines.len() > 1 || loader_ran(seen) { Certainty::Likely } else { Certainty::Possible };
    Some(
        finding("line_garbles", certainty, "bytes are damaged or lost on the way", lines)
            .happened(&[
                "A checksum, CRC or hash over what was sent does not fit what arrived. FL0103 comes from the RAM loader and means that the frame had no effect; a tool that puts a fixed byte there gets it every time.",
            ])
            .next(&[
                "lower the rate (500000, then 115200), shorten the wires, join the grounds, feed the module from a supply that holds 3.3 V",
                "repeat the run: what was refused had no effect",
            ]),
    )
}
