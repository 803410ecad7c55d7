//! What a run has done to the eFuses.

use std::fmt;

use serde::Serialize;

use crate::efuse::WordBurn;

/// What a run has done to the eFuses, for the person who has to decide what to do next.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum FuseState {
    /// No command that burns was sent.
    #[default]
    Untouched,
    /// A burn was under way.
    Burning {
        /// Words that were burnt and read back right.
        burnt: Vec<WordBurn>,
        /// The word that was being burnt: nothing, some or all of its bits may be burnt.
        unsettled: Option<WordBurn>,
        /// Words for which no command was sent.
        left: Vec<WordBurn>,
    },
}

impl FuseState {
    /// Whether a command that burns was sent.
    pub fn is_touched(&self) -> bool {
        *self != FuseState::Untouched
    }
}

impl fmt::Display for FuseState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FuseState::Burning { burnt, unsettled, left } = self else {
            return f.write_str("none was burnt");
        };
        match burnt.as_slice() {
            [] => f.write_str("none is known to be burnt")?,
            words => write!(f, "burnt and read back: {}", list(words))?,
        }
        if let Some(word) = unsettled {
            write!(
                f,
                "; of word {:02x}h the bits {:08x} were being burnt: none, some or all of them are, and no others",
                word.offset, word.bits
            )?;
        }
        match left.as_slice() {
            [] => Ok(()),
            words => write!(f, "; not begun: {}", list(words)),
        }
    }
}

fn list(words: &[WordBurn]) -> String {
    let words = words.iter().map(|word| format!("word {:02x}h bits {:08x}", word.offset, word.bits));
    words.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_for_a_burn_that_was_cut_short() {
        let word = |offset, bits| WordBurn { offset, before: 0, bits };
        let state = FuseState::Burning {
            burnt: vec![word(0x1C, 0xFF)],
            unsettled: Some(word(0x20, 0x10)),
            left: vec![word(0x10, 2), word(0x7C, 1 << 19)],
        };
        insta::assert_snapshot!(state, @"burnt and read back: word 1ch bits 000000ff; of word 20h the bits 00000010 were being burnt: none, some or all of them are, and no others; not begun: word 10h bits 00000002, word 7ch bits 00080000");
        assert_eq!(FuseState::Untouched.to_string(), "none was burnt");
    }
}
