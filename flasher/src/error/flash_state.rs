//! What a run has done to the flash.

use std::fmt;

use serde::Serialize;

use crate::plan::FlashRange;

/// What a run has done to the flash, for the person who has to decide what to do next.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum FlashState {
    /// Nothing was erased or written.
    #[default]
    Unchanged,
    /// Nothing was asked for, but the boot ROM may have taken a damaged frame for a write.
    Misread,
    /// The whole flash was being erased.
    ChipErase,
    /// A damaged command made the module erase what nobody wanted erased.
    Damaged,
    /// Erasing and writing were under way.
    Changing {
        /// Ranges that were written and acknowledged; whether they hold their new content the hashes at the end tell.
        written: Vec<FlashRange>,
        /// Range that may be erased, or written in part.
        unsettled: FlashRange,
        /// Ranges still to come: as before.
        untouched: Vec<FlashRange>,
    },
    /// Everything was written, but it was not verified.
    Unverified {
        /// What was written or erased.
        ranges: Vec<FlashRange>,
    },
    /// Everything was written, and these ranges do not hold what they should.
    NotRight {
        /// What is not right.
        ranges: Vec<FlashRange>,
    },
    /// Everything was written and verified.
    Verified,
}

/// Flash content that was erased and is not written back yet.
#[derive(Clone, PartialEq, Eq)]
pub struct Rescue {
    /// Where it belongs.
    pub address: u32,
    /// What belongs there.
    pub bytes: Vec<u8>,
}

impl fmt::Debug for Rescue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rescue({} bytes for {:#08x})", self.bytes.len(), self.address)
    }
}

impl FlashState {
    /// Whether the flash may hold neither its old nor its new content.
    pub fn is_unsettled(&self) -> bool {
        matches!(self, FlashState::ChipErase | FlashState::Changing { .. } | FlashState::Unverified { .. })
    }
}

impl fmt::Display for FlashState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FlashState::Unchanged => f.write_str("unchanged by this run"),
            FlashState::Misread => f.write_str(
                "unchanged by this run, unless the boot ROM took a damaged frame for a write; compare it with a backup",
            ),
            FlashState::ChipErase => {
                f.write_str("a chip erase was under way: anything from untouched to erased")
            }
            FlashState::Damaged => {
                f.write_str("something was erased or written that was not to be; nothing is known about its content")
            }
            FlashState::Changing { written, unsettled, untouched } => {
                write!(f, "{unsettled} may be erased or written in part")?;
                if !written.is_empty() {
                    write!(f, "; written but not verified yet: {}", list(written))?;
                }
                if !untouched.is_empty() {
                    write!(f, "; not begun: {}", list(untouched))?;
                }
                f.write_str("; the rest of the flash is as before")
            }
            FlashState::Unverified { ranges } => write!(f, "changed but not verified: {}", list(ranges)),
            FlashState::NotRight { ranges } => {
                write!(
                    f,
                    "{} does not hold what was to be written; what was compared beside it is right",
                    list(ranges)
                )
            }
            FlashState::Verified => f.write_str("changed and verified"),
        }
    }
}

/// A few ranges by name, more by number.
fn list(ranges: &[FlashRange]) -> String {
    const NAMED: usize = 4;
    let mut text = ranges.iter().take(NAMED).map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if ranges.len() > NAMED {
        text.push_str(&format!(" and {} more ranges", ranges.len() - NAMED));
    }
    text
}
