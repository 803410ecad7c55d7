//! Modem lines: which one drives EN, and the sequences that put the chip into ISP or let it run.
//!
//! A line that is asserted is low at the pin of a usual adapter (`reference/clients.md` section 2).

use bl702_protocol::time::Nanos;

use crate::timing::Timing;

/// State of the two modem lines; `true` is asserted, which is low at the pin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    /// Data terminal ready.
    pub dtr: bool,
    /// Request to send.
    pub rts: bool,
}

/// Which line drives EN; the other one drives BOOT.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wiring {
    /// EN follows RTS, BOOT follows DTR: the vendor's convention.
    #[default]
    RtsEn,
    /// EN follows DTR, BOOT follows RTS (jq_flasher).
    DtrEn,
    /// No line is wired; a person sets BOOT and pulses EN.
    None,
}

/// One step of a sequence: set the lines, then wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Lines to set.
    pub lines: Lines,
    /// Time to wait afterwards.
    pub wait: Nanos,
}

impl Wiring {
    /// The lines that give these levels at the pins; `None` when nothing is wired.
    pub fn lines(self, enable_high: bool, boot_high: bool) -> Option<Lines> {
        match self {
            Wiring::RtsEn => Some(Lines { dtr: !boot_high, rts: !enable_high }),
            Wiring::DtrEn => Some(Lines { dtr: !enable_high, rts: !boot_high }),
            Wiring::None => None,
        }
    }

    /// Resets into ISP: EN and BOOT low, BOOT high, EN high. The strap is sampled at reset only.
    pub fn into_isp(self, timing: &Timing) -> Vec<Step> {
        self.steps(&[
            (false, false, timing.reset_hold),
            (false, true, timing.strap_settle),
            (true, true, timing.reset_to_burst),
        ])
    }

    /// Resets with BOOT low, so that the chip boots its flash.
    pub fn into_firmware(self, timing: &Timing) -> Vec<Step> {
        self.steps(&[(false, false, timing.strap_settle), (true, false, timing.reset_to_burst)])
    }

    /// BOOT low with EN left high, so that a reset by command boots the flash.
    pub fn strap_for_firmware(self, timing: &Timing) -> Vec<Step> {
        self.steps(&[(true, false, timing.quiet)])
    }

    fn steps(self, levels: &[(bool, bool, Nanos)]) -> Vec<Step> {
        levels
            .iter()
            .filter_map(|(enable, boot, wait)| {
                self.lines(*enable, *boot).map(|lines| Step { lines, wait: *wait })
            })
            .collect()
    }
}

/// How long a sequence takes.
pub fn duration(steps: &[Step]) -> Nanos {
    steps.iter().fold(Nanos::ZERO, |sum, step| sum + step.wait)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vendor_wiring_resets_with_rts_and_straps_with_dtr() {
        let steps: Vec<Lines> =
            Wiring::RtsEn.into_isp(&Timing::default()).iter().map(|step| step.lines).collect();
        assert_eq!(
            steps,
            [
                Lines { dtr: true, rts: true },
                Lines { dtr: false, rts: true },
                Lines { dtr: false, rts: false }
            ]
        );
    }

    #[test]
    fn the_other_wiring_swaps_the_lines() {
        let swap = |lines: Lines| Lines { dtr: lines.rts, rts: lines.dtr };
        let timing = Timing::default();
        let rts: Vec<Lines> =
            Wiring::RtsEn.into_firmware(&timing).iter().map(|step| swap(step.lines)).collect();
        let dtr: Vec<Lines> = Wiring::DtrEn.into_firmware(&timing).iter().map(|step| step.lines).collect();
        assert_eq!(rts, dtr);
        assert!(!dtr.is_empty());
    }

    #[test]
    fn no_wiring_no_steps() {
        assert_eq!(Wiring::None.into_isp(&Timing::default()), []);
        assert_eq!(Wiring::None.lines(true, true), None);
    }
}
