//! The rules: which signals, in which order, have which cause.

mod chip;
mod connect;
mod efuse;
mod flash;
mod host;
mod image;

use super::signal::{Rom, Seen, Signal, Step};
use super::{Certainty, Finding};

/// Every cause that fits, in no order.
pub(super) fn apply(seen: &Seen) -> Vec<Finding> {
    if let Some(finding) = chip::wrong_chip_selected(seen) {
        // It explains handshake, codes and JEDEC at once; what else fits is an effect of it.
        return host::rules(seen).into_iter().chain([finding]).collect();
    }
    let mut findings = Vec::new();
    findings.extend(chip::rules(seen));
    findings.extend(connect::rules(seen));
    findings.extend(image::rules(seen));
    findings.extend(flash::rules(seen));
    findings.extend(efuse::rules(seen));
    findings.extend(host::rules(seen));
    if findings.is_empty() {
        findings.extend(host::success(seen));
    }
    if findings.is_empty() {
        findings.extend(chip::asked_the_rom(seen));
    }
    if findings.is_empty() && seen.has(&Signal::Firmware) {
        findings.push(connect::firmware_runs(seen, Certainty::Likely));
    }
    if findings.is_empty() {
        findings.extend(image::by_code_alone(seen));
    }
    findings
}

/// Whether the RAM loader was running: it answered, or its upload went well.
fn loader_ran(seen: &Seen) -> bool {
    seen.has(&Signal::Rom(Rom::Loader))
        || seen.has(&Signal::Done(Step::Load))
        || loader_handshake(seen).is_some()
}

/// Position of the second good handshake, which is that of the RAM loader.
fn loader_handshake(seen: &Seen) -> Option<usize> {
    let done = Signal::Done(Step::Handshake);
    let mut places = seen.all().enumerate().filter(|(_, (_, signal))| *signal == done).map(|(at, _)| at);
    places.nth(1)
}

/// Whether the boot ROM answered in any way.
fn rom_answered(seen: &Seen) -> bool {
    seen.signals().any(|signal| {
        matches!(
            signal,
            Signal::Code(_) | Signal::Rom(_) | Signal::Done(Step::Handshake | Step::BootInfo | Step::Load)
        )
    })
}
