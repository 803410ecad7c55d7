//! Planning a burn: which words, in which order, what it brings about, and what cannot be done.

use bl702_protocol::efuse::{EFUSE_LEN, Efuse, LOCKS, LockKind};
use serde::Serialize;

use super::effect::{Effect, effects};
use super::{FieldChange, diff};

/// The word that holds the locks.
const LOCK_WORD: usize = 0x7C;

/// Words that switch something on come after the keys that it needs, and the locks come last: a burn that is cut short
/// then leaves a chip that is less closed than it was to be, never one that is closed and lacks its key.
const LATE_WORDS: [usize; 3] = [0x10, 0x00, LOCK_WORD];

/// Fuses of one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct WordBurn {
    /// Byte offset of the word.
    pub offset: u8,
    /// What it holds before.
    pub before: u32,
    /// The bits to burn: none of them is burnt yet.
    pub bits: u32,
}

impl WordBurn {
    /// What the word holds afterwards.
    pub fn after(&self) -> u32 {
        self.before | self.bits
    }
}

/// What is to be burnt, checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BurnPlan {
    /// The words, in the order in which they are burnt.
    pub words: Vec<WordBurn>,
    /// The fields that change.
    pub changes: Vec<FieldChange>,
    /// What it brings about.
    pub effects: Vec<&'static Effect>,
    /// The fuses before.
    #[serde(skip)]
    pub before: Efuse,
    /// The fuses after.
    #[serde(skip)]
    pub after: Efuse,
}

/// Why fuses are not burnt.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BurnRefusal {
    /// A fuse is burnt that should not be.
    #[error(
        "fuses cannot be taken back: {name} (word {offset:02x}h) is {have:08x} in the module and would have to become {want:08x}"
    )]
    GoesBack {
        /// Byte offset of the word.
        offset: u8,
        /// A field of it.
        name: String,
        /// What the word holds.
        have: u32,
        /// What it would have to hold.
        want: u32,
    },
    /// The word is under a write lock.
    #[error("the fuses of word {offset:02x}h are write-locked ({name}): they cannot be burnt any more")]
    WriteLocked {
        /// Byte offset of the word.
        offset: u8,
        /// What is locked.
        name: &'static str,
    },
    /// The word is under a read lock.
    #[error(
        "the fuses of word {offset:02x}h are read-locked ({name}): what is burnt there already is not known, and what would be burnt could not be verified"
    )]
    ReadLocked {
        /// Byte offset of the word.
        offset: u8,
        /// What is locked.
        name: &'static str,
    },
    /// MAC address and parity would not agree.
    #[error(
        "mac_parity would be {parity}, but the MAC address would have {zero_bits} bits that are 0: the RAM loader would refuse to tell it (FL0407), and the vendor's tool would stop there"
    )]
    MacParity {
        /// Bits 5..0 of word 74h as they would be.
        parity: u8,
        /// As they should be.
        zero_bits: u8,
    },
    /// A consequence was not named.
    #[error("this would bring about what was not named: {}", .names.join(", "))]
    NotAccepted {
        /// The consequences.
        names: Vec<&'static str>,
    },
}

impl BurnRefusal {
    /// Exit status by `DESIGN.md`: what the part itself forbids is 1, what the flasher declines is 3.
    pub fn exit_code(&self) -> u8 {
        match self {
            BurnRefusal::GoesBack { .. } | BurnRefusal::WriteLocked { .. } => 1,
            BurnRefusal::ReadLocked { .. }
            | BurnRefusal::MacParity { .. }
            | BurnRefusal::NotAccepted { .. } => 3,
        }
    }
}

impl BurnPlan {
    /// Plans the way from the fuses as they are to the fuses as they shall be.
    ///
    /// # Errors
    /// [`BurnRefusal`], but not for consequences that were not named: see [`check_accepted`](Self::check_accepted).
    pub fn new(before: &Efuse, after: &Efuse) -> Result<BurnPlan, BurnRefusal> {
        let offsets = (0..EFUSE_LEN).step_by(4).filter(|offset| !LATE_WORDS.contains(offset));
        let mut words = Vec::new();
        for offset in offsets.chain(LATE_WORDS) {
            let (have, want) = (before.word(offset), after.word(offset));
            if have != want {
                check_word(before, offset, have, want, after)?;
                words.push(WordBurn { offset: offset as u8, before: have, bits: want & !have });
            }
        }
        let touches_mac = words
            .iter()
            .any(|word| matches!(word.offset, 0x14 | 0x18) || (word.offset == 0x74 && word.bits & 0x3F != 0));
        if touches_mac && !after.mac_parity_is_right() {
            let parity = (after.device_info() & 0x3F) as u8;
            return Err(BurnRefusal::MacParity { parity, zero_bits: after.mac_zero_bits() });
        }
        Ok(BurnPlan {
            words,
            changes: diff(before, after),
            effects: effects(before, after),
            before: *before,
            after: *after,
        })
    }

    /// The consequences that were not named.
    pub fn not_accepted(&self, accepted: &[&Effect]) -> Vec<&'static str> {
        let missing =
            self.effects.iter().filter(|effect| !accepted.iter().any(|named| named.name == effect.name));
        missing.map(|effect| effect.name).collect()
    }

    /// Makes sure that every consequence was named.
    ///
    /// # Errors
    /// [`BurnRefusal::NotAccepted`]
    pub fn check_accepted(&self, accepted: &[&Effect]) -> Result<(), BurnRefusal> {
        match self.not_accepted(accepted) {
            names if names.is_empty() => Ok(()),
            names => Err(BurnRefusal::NotAccepted { names }),
        }
    }

    /// How many fuses are to be burnt.
    pub fn fuse_count(&self) -> u32 {
        self.words.iter().map(|word| word.bits.count_ones()).sum()
    }
}

fn check_word(before: &Efuse, offset: usize, have: u32, want: u32, after: &Efuse) -> Result<(), BurnRefusal> {
    let at = offset as u8;
    let lock = |kind| {
        let mut locks = before.locks().filter(move |lock| lock.kind == kind);
        locks.find(|lock| lock.bytes().contains(&offset)).map(|lock| lock.name)
    };
    if let Some(name) = lock(LockKind::Read) {
        return Err(BurnRefusal::ReadLocked { offset: at, name });
    }
    if have & !want != 0 {
        let name = diff(before, after).into_iter().find(|change| {
            let span = usize::from(change.before.word)
                ..usize::from(change.before.word) + usize::from(change.before.bits).div_ceil(8).max(4);
            change.goes_back && span.contains(&offset)
        });
        let name = name.map_or("a fuse without a name", |change| change.before.name).to_owned();
        return Err(BurnRefusal::GoesBack { offset: at, name, have, want });
    }
    match lock(LockKind::Write) {
        Some(name) => Err(BurnRefusal::WriteLocked { offset: at, name }),
        None => Ok(()),
    }
}

/// What can be read of these fuses: read-locked words come as 0.
pub(crate) fn as_read(efuse: &Efuse) -> Efuse {
    let mut seen = *efuse;
    let read_locks = LOCKS.iter().filter(|lock| lock.kind == LockKind::Read && efuse.is_locked(lock));
    for lock in read_locks {
        seen.0[lock.bytes()].fill(0);
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn factory() -> Efuse {
        let mut efuse = Efuse::default();
        efuse.0[0x14..0x1C].copy_from_slice(&[0x81, 0x12, 0xd1, 0xe7, 0x38, 0xc1, 0xb4, 0x00]);
        efuse.set_word(0x74, 0x0800_0028);
        efuse
    }

    #[test]
    fn keys_come_first_and_locks_last() {
        let mut after = factory();
        for word in [0x00, 0x10, 0x1C, 0x58, 0x7C] {
            after.set_word(word, 1 << 13);
        }
        let plan = BurnPlan::new(&factory(), &after).unwrap();
        let offsets: Vec<u8> = plan.words.iter().map(|word| word.offset).collect();
        assert_eq!(offsets, [0x1C, 0x58, 0x10, 0x00, 0x7C]);
        assert_eq!(plan.fuse_count(), 5);
        assert!(plan.words.iter().all(|word| word.after() == 1 << 13));
    }

    #[test]
    fn nothing_to_do() {
        let plan = BurnPlan::new(&factory(), &factory()).unwrap();
        assert!(plan.words.is_empty() && plan.effects.is_empty() && plan.changes.is_empty());
        assert_eq!(plan.check_accepted(&[]), Ok(()));
    }

    #[test]
    fn what_is_burnt_stays() {
        let mut before = factory();
        before.set_word(0x10, 1 << 24);
        let refusal = BurnPlan::new(&before, &factory()).unwrap_err();
        assert_eq!(
            refusal.to_string(),
            "fuses cannot be taken back: mediaboot_disable (word 10h) is 01000000 in the module and would have to become 00000000"
        );
        assert_eq!(refusal.exit_code(), 1);
    }

    #[test]
    fn locks_are_kept() {
        let mut before = factory();
        before.set_word(0x7C, 1 << 17 | 1 << 28);
        let mut after = before;
        after.set_word(0x10, 2);
        let refusal = BurnPlan::new(&before, &after).unwrap_err();
        assert_eq!(refusal, BurnRefusal::WriteLocked { offset: 0x10, name: "sw_usage_0" });
        let mut after = before;
        after.set_word(0x40, 2);
        let refusal = BurnPlan::new(&before, &after).unwrap_err();
        assert_eq!(
            (&refusal, refusal.exit_code()),
            (&BurnRefusal::ReadLocked { offset: 0x40, name: "key_slot_2" }, 3)
        );
        // A lock that is burnt together with what it locks comes last, and so is no hindrance.
        let mut after = factory();
        after.set_word(0x10, 2);
        after.set_word(0x7C, 1 << 17);
        assert_eq!(BurnPlan::new(&factory(), &after).unwrap().words.len(), 2);
    }

    #[test]
    fn a_mac_needs_its_parity() {
        let mut after = factory();
        after.0[0x1B] |= 1;
        let refusal = BurnPlan::new(&factory(), &after).unwrap_err();
        assert_eq!(
            (&refusal, refusal.exit_code()),
            (&BurnRefusal::MacParity { parity: 40, zero_bits: 39 }, 3)
        );
        // A parity that was wrong before is not this burn's business.
        let mut wrong = factory();
        wrong.set_word(0x74, 0x0800_0029);
        let mut after = wrong;
        after.set_word(0x10, 2);
        assert_eq!(BurnPlan::new(&wrong, &after).unwrap().words.len(), 1);
    }

    #[test]
    fn consequences_have_to_be_named_one_by_one() {
        let mut after = factory();
        after.set_word(0x10, 1 << 24 | 1 << 25);
        let plan = BurnPlan::new(&factory(), &after).unwrap();
        assert_eq!(plan.not_accepted(&[]), ["uart-boot-disabled", "flash-boot-disabled"]);
        let one = Effect::named("uart-boot-disabled").unwrap();
        let refusal = plan.check_accepted(&[one]).unwrap_err();
        assert_eq!(
            (&refusal, refusal.exit_code()),
            (&BurnRefusal::NotAccepted { names: vec!["flash-boot-disabled"] }, 3)
        );
        let other = Effect::named("flash-boot-disabled").unwrap();
        assert_eq!(plan.check_accepted(&[other, one]), Ok(()));
    }

    #[test]
    fn read_locked_words_come_as_zero() {
        let mut efuse = Efuse([0xFF; 128]);
        efuse.set_word(0x7C, 1 << 28);
        let seen = as_read(&efuse);
        assert_eq!(
            (seen.word(0x3C), seen.word(0x48), seen.word(0x4C), seen.word(0x38)),
            (0, 0, u32::MAX, u32::MAX)
        );
    }
}
