//! What an adapter's modem lines do to the module's EN and BOOT pins.
//!
//! Conventions of the field (`reference/clients.md` section 2): an asserted line is a low level at the pin of a
//! usual adapter. The vendor's tools and blisp have EN at RTS and BOOT at DTR; jq_flasher has them the other way round.

use crate::profile::{Boot, Wiring};

/// The two lines a host drives. `true` is asserted: the modem bit is set and the adapter's pin is low.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ModemLines {
    /// Data terminal ready.
    pub dtr: bool,
    /// Request to send.
    pub rts: bool,
}

impl ModemLines {
    /// What reaches the pins through an adapter whose lines named in `invert` are high while they are asserted.
    pub fn inverted(self, invert: ModemLines) -> ModemLines {
        ModemLines { dtr: self.dtr ^ invert.dtr, rts: self.rts ^ invert.rts }
    }
}

/// Which lines a host asserts and releases; those in neither stay as they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct LineChange {
    /// To be asserted.
    pub assert: ModemLines,
    /// To be released.
    pub release: ModemLines,
}

impl LineChange {
    /// All lines as in `lines`.
    pub fn to(lines: ModemLines) -> LineChange {
        LineChange { assert: lines, release: ModemLines { dtr: !lines.dtr, rts: !lines.rts } }
    }

    /// The lines after this change.
    pub fn apply(self, lines: ModemLines) -> ModemLines {
        ModemLines {
            dtr: (lines.dtr || self.assert.dtr) && !self.release.dtr,
            rts: (lines.rts || self.assert.rts) && !self.release.rts,
        }
    }
}

/// Levels at the module's pins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pins {
    /// EN is high: the module runs.
    pub enable_high: bool,
    /// BOOT is high: the next reset leads to the ROM's serial protocol.
    pub boot_high: bool,
}

/// The levels at the pins of a module wired like this, for these lines.
///
/// A port that has no lines (a plain pty) is one whose lines are both released: [`ModemLines::default`].
pub fn pins(wiring: Wiring, boot: Boot, lines: ModemLines) -> Pins {
    let enable_high = match wiring {
        Wiring::RtsEn => !lines.rts,
        Wiring::DtrEn => !lines.dtr,
        Wiring::None => true,
    };
    let boot_high = match boot {
        Boot::High => true,
        Boot::Low => false,
        Boot::Dtr => !lines.dtr,
        Boot::Rts => !lines.rts,
    };
    Pins { enable_high, boot_high }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const HIGH: bool = true;
    const LOW: bool = false;

    // The columns follow reference/clients.md, "Conventions".
    #[rstest]
    #[case::nothing_asserted(Wiring::RtsEn, Boot::Dtr, (false, false), (HIGH, HIGH))]
    #[case::vendor_holds_reset(Wiring::RtsEn, Boot::Dtr, (false, true), (LOW, HIGH))]
    #[case::both_asserted_at_open(Wiring::RtsEn, Boot::Dtr, (true, true), (LOW, LOW))]
    #[case::vendor_boot_line(Wiring::RtsEn, Boot::Dtr, (true, false), (HIGH, LOW))]
    #[case::jq_flasher_reset(Wiring::DtrEn, Boot::Rts, (true, false), (LOW, HIGH))]
    #[case::jq_flasher_boot(Wiring::DtrEn, Boot::Rts, (false, true), (HIGH, LOW))]
    #[case::fixed_strap_ignores_lines(Wiring::None, Boot::High, (true, true), (HIGH, HIGH))]
    #[case::strapped_low(Wiring::None, Boot::Low, (false, false), (HIGH, LOW))]
    #[case::one_line_for_both(Wiring::RtsEn, Boot::Rts, (false, true), (LOW, LOW))]
    fn levels(
        #[case] wiring: Wiring,
        #[case] boot: Boot,
        #[case] (dtr, rts): (bool, bool),
        #[case] (enable_high, boot_high): (bool, bool),
    ) {
        assert_eq!(pins(wiring, boot, ModemLines { dtr, rts }), Pins { enable_high, boot_high });
    }

    #[test]
    fn an_inverting_adapter() {
        let lines = ModemLines { dtr: true, rts: false };
        assert_eq!(lines.inverted(ModemLines::default()), lines);
        assert_eq!(lines.inverted(ModemLines { dtr: true, rts: true }), ModemLines { dtr: false, rts: true });
        assert_eq!(lines.inverted(ModemLines { dtr: false, rts: true }), ModemLines { dtr: true, rts: true });
    }

    #[test]
    fn changes_of_lines() {
        let both = ModemLines { dtr: true, rts: true };
        let dtr = ModemLines { dtr: true, rts: false };
        let none = ModemLines::default();
        assert_eq!(LineChange::to(dtr).apply(both), dtr);
        assert_eq!(LineChange { assert: dtr, release: none }.apply(none), dtr);
        assert_eq!(
            LineChange { assert: none, release: dtr }.apply(both),
            ModemLines { dtr: false, rts: true }
        );
    }
}
