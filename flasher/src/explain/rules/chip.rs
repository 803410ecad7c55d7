//! The tool is set to another chip, or talks to another chip.

use bl702_protocol::code::Code;

use super::{loader_ran, rom_answered};
use crate::explain::signal::{Chip, Rom, Seen, Signal, Step};
use crate::explain::{Certainty, Finding, finding, is_of_a_bl702};

const SEQ: Signal = Signal::Code(Code::CMD_SEQ_ERROR);
const EFUSE_ADDRESS: Signal = Signal::Code(Code::EFUSE_WRITE_ADDR_ERROR);

/// The field report and its relatives (`reference/clients.md` section 7).
///
/// Only chips that are flashed by their own ROM get 22h (set clock), 3Bh and 36h right after the handshake. No BL702
/// ROM knows these: it searches the rest of each frame for ids, finds 18h or 80h (40h) there, and answers FL0104 and
/// FL0402 or nothing.
pub(super) fn wrong_chip_selected(seen: &Seen) -> Option<Finding> {
    if seen.signals().any(|signal| matches!(signal, Signal::Rom(Rom::Other(_)))) {
        return None;
    }
    if let Some(finding) = told_by_tool(seen).or_else(|| bl602_selected(seen)) {
        return Some(finding);
    }
    let clock =
        [Signal::Failed(Step::Clock), Signal::Vendor(0x000C), Signal::Vendor(0x000D), Signal::UnpackTrouble];
    let para = [Signal::Failed(Step::FlashPara), Signal::Vendor(0x003B)];
    let jedec = [Signal::Failed(Step::Jedec), Signal::Vendor(0x0030)];
    let selected = seen.chips().find(|(_, chip)| chip.is_flashed_by_its_rom());
    let burns = seen.has_any(&[Signal::Vendor(0x0021), Signal::Failed(Step::Efuse)]);
    let pair = seen.has(&SEQ) && seen.has(&EFUSE_ADDRESS);
    let stray = seen.has(&EFUSE_ADDRESS) && !burns && !loader_ran(seen);
    let trouble = seen.has(&SEQ) || seen.has(&EFUSE_ADDRESS) || seen.has_any(&para) || seen.has_any(&jedec);
    let set_up_failed =
        seen.has_any(&clock) && (trouble || selected.is_some() || seen.has(&Signal::Rom(Rom::Bl702)));
    // The ROM has said what it is, and the tool was told of another chip all along.
    let contradicted = seen.has(&Signal::Rom(Rom::Bl702))
        && seen.last_failure().is_some()
        && !seen.chips().any(|(_, chip)| chip == Chip::Bl702);
    let wrongly_selected = selected.is_some() && (trouble || contradicted) && !loader_ran(seen);
    let certainty = if set_up_failed || (pair && !burns) || wrongly_selected {
        Certainty::Certain
    } else if seen.has_any(&clock) || stray {
        Certainty::Likely
    } else {
        return None;
    };
    let mut lines = seen.lines_of(&[SEQ, EFUSE_ADDRESS]);
    for signals in [&clock[..], &para, &jedec] {
        lines.extend(seen.lines_of(signals).first());
    }
    lines.extend(selected.map(|(line, _)| line));
    // Of the newer chips' clock frames only that of the BL702L has length 18h, which the ROM takes for segment data.
    let name = match selected {
        Some((_, chip)) => chip.name(),
        None if seen.has(&SEQ) => Chip::Bl702l.name(),
        None => "BL702L (or another newer chip: BL616, BL808)",
    };
    let headline = format!("the tool was set to {name}; the module is a BL702");
    Some(explained(finding("wrong_chip_selected", certainty, headline, lines), seen))
}

fn explained(mut finding: Finding, seen: &Seen) -> Finding {
    finding = finding.happened(&[
        "For newer chips the tool sends command 22h, \"set clock\", right after the handshake. The boot ROM of a BL702 has no such command and searches the rest of the frame for one it knows.",
    ]);
    if seen.has(&SEQ) {
        finding = finding.happened(&[
            "It found 18h, the length byte of that frame, took it for \"segment data\" out of sequence, and answered FL0104.",
        ]);
    }
    if seen.has(&EFUSE_ADDRESS) {
        finding = finding.happened(&[
            "It found 80h or 40h, the low byte of the baud rate, took it for an eFuse write to an address that does not exist, and answered FL0402. No fuse was burnt by that answer.",
        ]);
    }
    finding = finding.happened(&[
        "Flash commands (JEDEC id 36h, 3Bh) are not known to this ROM either; it stays silent, and the tool prints what was left over from before.",
        "Nothing in this says that the module is broken, its flash dead, or its eFuses locked.",
    ]);
    finding = finding.next(&[
        "choose BL702 in the tool, not BL702L, BL616 or BL808",
        "BOOT is D28 (GPIO28): hold it at 3.3 V through 1 k, then switch the power off and on or pulse EN low",
        "back up before anything else: bl702-flash --port PORT backup flash.bin",
        "do not try other chip types or rates until one works: a stray 40h or 80h frame can burn fuses for ever",
    ]);
    if seen.has(&Signal::Baud(1_000_000)) {
        finding = finding.next(&[
            "the rate was 1,000,000 baud, at which the stray byte is the plain eFuse write: read the eFuses and look at them, bl702-flash efuse decode FILE",
        ]);
    }
    finding
}

/// A tool that saw it by itself, and went on.
fn told_by_tool(seen: &Seen) -> Option<Finding> {
    let (line, selected) = seen.all().find_map(|(line, signal)| match signal {
        Signal::Mismatch(selected, Chip::Bl702) if *selected != Chip::Bl702 => Some((*line, *selected)),
        _ => None,
    })?;
    let headline = format!("the tool was set to {}; the module is a BL702", selected.name());
    Some(
        finding("wrong_chip_selected", Certainty::Certain, headline, [line])
            .happened(&[
                "The tool has seen by the version of the boot ROM that the module is a BL702, and went on all the same, with the RAM loader of the chip it was set to. The boot ROM loads and starts that one, and it never answers.",
                "Nothing in this says that the module is broken or that the line is bad.",
            ])
            .next(&[
                "choose BL702 in the tool",
                "BOOT is D28 (GPIO28): hold it at 3.3 V through 1 k, then switch the power off and on or pulse EN low, and run the tool again",
            ]),
    )
}

/// BL602 was selected: it is flashed through a RAM loader too, but through one of its own, and the MAC of a BL702 is longer.
fn bl602_selected(seen: &Seen) -> Option<Finding> {
    let (line, _) = seen.chips().find(|(_, chip)| *chip == Chip::Bl602)?;
    let fails =
        [Signal::Vendor(0x0025), Signal::Vendor(0x0023), Signal::Vendor(0x0003), Signal::Vendor(0x0001)];
    let rom = Signal::Rom(Rom::Bl702);
    if !seen.has(&rom) || !seen.has_any(&fails) || seen.chips().any(|(_, chip)| chip == Chip::Bl702) {
        return None;
    }
    let mut lines = vec![line];
    lines.extend(seen.lines(&rom).first());
    lines.extend(seen.lines_of(&fails).first());
    let headline = "the tool was set to BL602; the module is a BL702";
    Some(
        finding("wrong_chip_selected", Certainty::Certain, headline, lines)
            .happened(&[
                "The boot ROM told that it is a BL702 (version 07020001h), and the tool went on as with a BL602: that one's RAM loader, and a MAC address of six bytes where a BL702 has eight, so that its CRC never fits.",
                "Nothing in this says that the module is broken or that the line is bad.",
            ])
            .next(&[
                "choose BL702 in the tool",
                "BOOT is D28 (GPIO28): hold it at 3.3 V through 1 k, then switch the power off and on or pulse EN low, and run the tool again",
            ]),
    )
}

/// The module is not a BL702, or sends what no BL702 sends.
pub(super) fn rules(seen: &Seen) -> Vec<Finding> {
    let mut findings = Vec::new();
    let other = seen.all().find_map(|(line, signal)| match signal {
        Signal::Rom(Rom::Other(chip)) => Some((*line, *chip)),
        Signal::Mismatch(Chip::Bl702, chip) => Some((*line, *chip)),
        _ => None,
    });
    if let Some((line, chip)) = other {
        let headline = format!("the module is a {}, not a BL702", chip.name());
        findings.push(
            finding("another_chip", Certainty::Certain, headline, [line])
                .happened(&["The boot ROM told its version, and it is not that of a BL702."])
                .next(&["choose that chip in a tool that knows it; bl702-flash works with BL702, BL704 and BL706 only"]),
        );
    }
    let foreign = seen.all().filter_map(|(line, signal)| match signal {
        Signal::Code(code) if !is_of_a_bl702(*code) => Some((*line, *code)),
        _ => None,
    });
    let foreign: Vec<(usize, Code)> = foreign.collect();
    if let (Some((_, code)), None) = (foreign.first(), other) {
        let headline = format!(
            "{code} is a code that a BL702 never sends: another chip answers, or the line garbles bytes"
        );
        findings.push(
            finding("foreign_code", Certainty::Likely, headline, foreign.iter().map(|(line, _)| *line))
                .happened(&["Neither the boot ROM nor the RAM loader of a BL702 has this code."])
                .next(&[
                    "check which chip is on the board; ask it: bl702-flash --port PORT info",
                    "if it is a BL702, lower the rate (115200), shorten the wires, join the grounds",
                ]),
        );
    }
    findings
}

/// The JEDEC id was asked of the boot ROM, which has no such command, and nothing tells why.
pub(super) fn asked_the_rom(seen: &Seen) -> Option<Finding> {
    let jedec = [
        Signal::Failed(Step::Jedec),
        Signal::Vendor(0x0030),
        Signal::Vendor(0x0035),
        Signal::Failed(Step::Read),
    ];
    if !seen.has_any(&jedec) || loader_ran(seen) {
        return None;
    }
    let certainty = if rom_answered(seen) { Certainty::Likely } else { Certainty::Possible };
    let headline = "the flash was asked for while no RAM loader was running";
    Some(
        finding("no_loader", certainty, headline, seen.lines_of(&jedec))
            .happened(&[
                "The boot ROM of a BL702 can neither read flash nor tell its JEDEC id: it stays silent. Tools load the RAM loader first; this log does not show that it started.",
            ])
            .next(&[
                "choose BL702 in the tool, not BL702L, BL616 or BL808: for those it loads no RAM loader",
                "reset the module with BOOT (D28) at 3.3 V and run the tool again",
            ]),
    )
}
