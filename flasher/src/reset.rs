//! Modem lines: which one drives EN, and the sequences that put the chip into ISP or let it run.
//!
//! A line that is asserted is low at the pin of a usual adapter (`reference/clients.md` section 2). Where it is not, or
//! the wiring has a name of no convention, [`Adapter`] tells how it is.

mod sequence;

pub use sequence::{Sequence, SequenceError};

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

impl Lines {
    /// What an adapter has to be told where these of its lines are inverted.
    #[must_use]
    pub fn inverted(self, invert: Lines) -> Lines {
        Lines { dtr: self.dtr ^ invert.dtr, rts: self.rts ^ invert.rts }
    }
}

/// What is unusual about an adapter and its wiring.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Adapter {
    /// Lines that are high at the pin while they are asserted.
    pub invert: Lines,
    /// What leads into ISP, instead of what the wiring says.
    pub into_isp: Option<Sequence>,
    /// What leads into the firmware, instead of what the wiring says.
    pub into_firmware: Option<Sequence>,
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

    /// Resets with BOOT low, so that the chip boots its flash. Nobody answers to this, so there is no second try: EN and BOOT
    /// get the time of a patient reset.
    pub fn into_firmware(self, timing: &Timing) -> Vec<Step> {
        let settle = timing.with_patient_reset().strap_settle;
        self.steps(&[(false, false, settle), (true, false, timing.reset_to_burst)])
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

/// What a port does with its lines: the wiring, and what is unusual about it.
#[derive(Clone, Copy, Debug)]
pub struct Resets<'o> {
    /// Which line drives EN.
    pub wiring: Wiring,
    /// What is unusual.
    pub adapter: &'o Adapter,
    /// How long steps of a named wiring take.
    pub timing: &'o Timing,
}

impl Resets<'_> {
    /// Whether there is any way into ISP.
    pub fn can_reset(&self) -> bool {
        self.wiring != Wiring::None || self.adapter.into_isp.is_some()
    }

    /// Resets into ISP; empty if no line does that.
    pub fn into_isp(&self) -> Vec<Step> {
        let named = || self.wiring.into_isp(self.timing);
        self.as_wired(self.adapter.into_isp.as_ref().map_or_else(named, Sequence::steps))
    }

    /// Resets so that the chip boots its flash; empty if no line does that.
    pub fn into_firmware(&self) -> Vec<Step> {
        let named = || if self.is_custom() { Vec::new() } else { self.wiring.into_firmware(self.timing) };
        self.as_wired(self.adapter.into_firmware.as_ref().map_or_else(named, Sequence::steps))
    }

    /// What comes before a reset by command that is to boot the flash: BOOT low, EN left high. Only a named wiring tells which
    /// line that is.
    pub fn strap_for_firmware(&self) -> Vec<Step> {
        if self.is_custom() { Vec::new() } else { self.as_wired(self.wiring.strap_for_firmware(self.timing)) }
    }

    /// What comes after a reset by command that is to boot the flash: the sequence into the firmware, if there is one of one's
    /// own.
    pub fn after_command(&self) -> Vec<Step> {
        if self.adapter.into_firmware.is_some() { self.into_firmware() } else { Vec::new() }
    }

    fn is_custom(&self) -> bool {
        self.adapter.into_isp.is_some()
    }

    fn as_wired(&self, mut steps: Vec<Step>) -> Vec<Step> {
        steps.iter_mut().for_each(|step| step.lines = step.lines.inverted(self.adapter.invert));
        steps
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
    fn inverted_lines_are_told_the_opposite() {
        let timing = Timing::default();
        let usual = Adapter::default();
        let inverted = Adapter { invert: Lines { dtr: true, rts: false }, ..Adapter::default() };
        let resets = |adapter| Resets { wiring: Wiring::RtsEn, adapter, timing: &timing };
        for (usual, inverted) in [
            (resets(&usual).into_isp(), resets(&inverted).into_isp()),
            (resets(&usual).into_firmware(), resets(&inverted).into_firmware()),
            (resets(&usual).strap_for_firmware(), resets(&inverted).strap_for_firmware()),
        ] {
            assert!(!usual.is_empty());
            assert_eq!(usual.len(), inverted.len());
            for (usual, inverted) in usual.iter().zip(&inverted) {
                assert_eq!(usual.wait, inverted.wait);
                assert_eq!((usual.lines.dtr, usual.lines.rts), (!inverted.lines.dtr, inverted.lines.rts));
            }
        }
    }

    #[test]
    fn a_sequence_of_ones_own_takes_the_place_of_the_wiring() {
        let timing = Timing::default();
        let adapter = Adapter {
            invert: Lines { dtr: false, rts: true },
            into_isp: Some("R1|W0.1|R0".parse().unwrap()),
            into_firmware: None,
        };
        let resets = Resets { wiring: Wiring::None, adapter: &adapter, timing: &timing };
        assert!(resets.can_reset());
        let rts: Vec<bool> = resets.into_isp().iter().map(|step| step.lines.rts).collect();
        assert_eq!(rts, [false, true]);
        assert_eq!((resets.into_firmware(), resets.strap_for_firmware()), (vec![], vec![]));
        let adapter = Adapter { into_firmware: Some("D1|R1|W0.1|R0".parse().unwrap()), ..adapter };
        let resets = Resets { wiring: Wiring::RtsEn, adapter: &adapter, timing: &timing };
        assert_eq!((resets.into_firmware().len(), resets.after_command().len()), (3, 3));
        assert_eq!(resets.strap_for_firmware(), []);
    }

    #[test]
    fn no_wiring_no_steps() {
        assert_eq!(Wiring::None.into_isp(&Timing::default()), []);
        assert_eq!(Wiring::None.lines(true, true), None);
    }
}
