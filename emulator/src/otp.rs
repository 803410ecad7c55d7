//! The eFuse block: 128 bytes of fuses, the shadow registers at 40007000h and the program trigger.
//!
//! Fuses only go from 0 to 1, for ever. Software never touches them directly: it loads the shadow registers and
//! pulls the program trigger, which burns every bit that is 1 in the shadow and may be burnt
//! (`reference/loader-protocol.md` section 4, commands 40h and 41h).

/// Bytes of fuses.
pub const EFUSE_BYTES: usize = 128;
/// 32-bit words of fuses.
pub const EFUSE_WORDS: usize = EFUSE_BYTES / 4;
/// The word that holds the write locks (bits 13 to 24) and read locks (bits 25 to 31).
const LOCK_WORD: usize = 0x7c / 4;

/// Write locks: bit of word 7Ch, first and last byte offset of the words it protects
/// (`reference/rom-and-module.md` section 3). Assumed: `_l` covers the first two words of its slot and `_h` the last two.
const WRITE_LOCKS: [(u8, u8, u8); 12] = [
    (13, 0x5c, 0x63), // slot 4, low half
    (14, 0x6c, 0x73), // slot 5, low half
    (15, 0x00, 0x03), // boot mode
    (16, 0x04, 0x0b), // debug password
    (17, 0x10, 0x13), // sw_usage_0
    (18, 0x14, 0x1b), // Wi-Fi MAC = chip id
    (19, 0x1c, 0x2b), // slot 0
    (20, 0x2c, 0x3b), // slot 1
    (21, 0x3c, 0x4b), // slot 2
    (22, 0x4c, 0x5b), // slot 3
    (23, 0x64, 0x6b), // slot 4, high half
    (24, 0x74, 0x7b), // slot 5, high half
];

/// Read locks, in the same form. Assumed: a locked word reads as zero in the shadow.
const READ_LOCKS: [(u8, u8, u8); 7] = [
    (25, 0x04, 0x0b), // debug password
    (26, 0x1c, 0x2b), // slot 0
    (27, 0x2c, 0x3b), // slot 1
    (28, 0x3c, 0x4b), // slot 2
    (29, 0x4c, 0x5b), // slot 3
    (30, 0x5c, 0x6b), // slot 4
    (31, 0x6c, 0x7b), // slot 5
];

/// The fuses of one chip and the registers in front of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Otp {
    fuses: [u32; EFUSE_WORDS],
    shadow: [u32; EFUSE_WORDS],
    /// Fuses among them that a fault plan has added.
    added: [u32; EFUSE_WORDS],
    burnt_bits: u32,
    program_operations: u32,
    refused_bits: u32,
    changed: bool,
}

impl Otp {
    /// A chip with these fuses, its shadow loaded as after power-up.
    pub fn new(fuses: [u8; EFUSE_BYTES]) -> Otp {
        let mut otp = Otp {
            fuses: words(&fuses),
            shadow: [0; EFUSE_WORDS],
            added: [0; EFUSE_WORDS],
            burnt_bits: 0,
            program_operations: 0,
            refused_bits: 0,
            changed: false,
        };
        otp.reload_shadow();
        otp
    }

    /// The fuses themselves, locks or not.
    pub fn fuses(&self) -> [u8; EFUSE_BYTES] {
        bytes(&self.fuses)
    }

    /// The fuses without those of a fault plan: what a driver writes to the `--efuse` file.
    pub fn lasting_fuses(&self) -> [u8; EFUSE_BYTES] {
        bytes(&std::array::from_fn(|index| self.fuses[index] & !self.added[index]))
    }

    /// Fuses that were burnt before the module came to its user; an offset over 7Fh has no effect.
    pub(crate) fn add_at_factory(&mut self, offset: u8, bits: u32) {
        let index = usize::from(offset) / 4;
        if let (Some(word), Some(added)) = (self.fuses.get_mut(index), self.added.get_mut(index)) {
            *added |= bits & !*word;
            *word |= bits;
        }
        self.reload_shadow();
    }

    /// One fuse word, `index` 0 to 31; 0 beyond.
    pub fn fuse_word(&self, index: usize) -> u32 {
        self.fuses.get(index).copied().unwrap_or(0)
    }

    /// The shadow registers: what the chip's programs read.
    pub fn shadow(&self) -> [u8; EFUSE_BYTES] {
        bytes(&self.shadow)
    }

    /// One shadow register, `index` 0 to 31; 0 beyond.
    pub fn shadow_word(&self, index: usize) -> u32 {
        self.shadow.get(index).copied().unwrap_or(0)
    }

    /// Writes a shadow register. Nothing is burnt before [`Otp::program`]. An index over 31 has no effect.
    pub fn load_shadow(&mut self, index: usize, value: u32) {
        if let Some(word) = self.shadow.get_mut(index) {
            *word = value;
        }
    }

    /// Loads the shadow registers from the fuses; read-locked words become zero.
    pub fn reload_shadow(&mut self) {
        self.shadow = self.fuses;
        let locks = self.fuses[LOCK_WORD];
        for (index, word) in self.shadow.iter_mut().enumerate() {
            if locked(&READ_LOCKS, locks, index) {
                *word = 0;
            }
        }
    }

    /// Pulls the program trigger: burns every fuse whose shadow bit is 1, unless its word is write-locked.
    ///
    /// Gives the byte offset and new value of each word that changed, lowest first. The locks that hold are those
    /// burnt before this call. The shadow keeps what was loaded (`fixtures/vectors/rom.jsonl`, "efuse write then read").
    pub fn program(&mut self) -> Vec<(u8, u32)> {
        self.program_operations += 1;
        let locks = self.fuses[LOCK_WORD];
        let mut changed = Vec::new();
        for index in 0..EFUSE_WORDS {
            let new_bits = self.shadow[index] & !self.fuses[index];
            if new_bits == 0 {
                continue;
            }
            if locked(&WRITE_LOCKS, locks, index) {
                self.refused_bits += new_bits.count_ones();
                continue;
            }
            self.fuses[index] |= new_bits;
            self.burnt_bits += new_bits.count_ones();
            changed.push(((index * 4) as u8, self.fuses[index]));
        }
        self.changed |= !changed.is_empty();
        changed
    }

    /// Loads the shadow words at these byte offsets (rounded down to 4, over 7Fh ignored), then programs once.
    pub fn program_words(&mut self, words: &[(u8, u32)]) -> Vec<(u8, u32)> {
        for (offset, value) in words {
            self.load_shadow(usize::from(*offset) / 4, *value);
        }
        self.program()
    }

    /// How many fuses were burnt since this value was made.
    pub fn burn_count(&self) -> u32 {
        self.burnt_bits
    }

    /// How often the program trigger was pulled, with effect or without.
    pub fn program_operations(&self) -> u32 {
        self.program_operations
    }

    /// How many burns a write lock refused.
    pub fn refused_count(&self) -> u32 {
        self.refused_bits
    }

    /// True once after fuses changed: tells a driver to write them through to its file.
    pub fn take_changes(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }
}

fn locked(table: &[(u8, u8, u8)], locks: u32, index: usize) -> bool {
    let offset = index * 4;
    table.iter().any(|(bit, first, last)| {
        locks >> bit & 1 == 1 && (usize::from(*first)..=usize::from(*last)).contains(&offset)
    })
}

fn words(bytes: &[u8; EFUSE_BYTES]) -> [u32; EFUSE_WORDS] {
    std::array::from_fn(|i| {
        u32::from_le_bytes([bytes[4 * i], bytes[4 * i + 1], bytes[4 * i + 2], bytes[4 * i + 3]])
    })
}

fn bytes(words: &[u32; EFUSE_WORDS]) -> [u8; EFUSE_BYTES] {
    std::array::from_fn(|i| words[i / 4].to_le_bytes()[i % 4])
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn word(otp: &Otp, offset: u8) -> u32 {
        otp.fuse_word(usize::from(offset) / 4)
    }

    #[test]
    fn a_burn_only_sets_bits_and_leaves_the_shadow_as_loaded() {
        let mut otp = Otp::new([0; EFUSE_BYTES]);
        assert_eq!(otp.program_words(&[(0x5c, 0x0f)]), [(0x5c, 0x0f)]);
        assert_eq!(otp.program_words(&[(0x5c, 0xf0)]), [(0x5c, 0xff)]);
        assert_eq!(otp.shadow_word(0x5c / 4), 0xf0);
        otp.reload_shadow();
        assert_eq!(otp.shadow_word(0x5c / 4), 0xff);
        assert_eq!((otp.burn_count(), otp.program_operations()), (8, 2));
        assert!(otp.take_changes());
        assert!(!otp.take_changes());
    }

    #[test]
    fn burning_what_is_burnt_changes_nothing() {
        let mut fuses = [0; EFUSE_BYTES];
        fuses[0x14] = 0x81;
        let mut otp = Otp::new(fuses);
        assert_eq!(otp.program_words(&[(0x14, 0x01)]), []);
        assert_eq!((otp.burn_count(), otp.program_operations()), (0, 1));
        assert!(!otp.take_changes());
        assert_eq!(otp.fuses(), fuses);
    }

    #[rstest]
    #[case::slot_4_low(13, &[0x5c, 0x60], &[0x58, 0x64])]
    #[case::slot_5_low(14, &[0x6c, 0x70], &[0x68, 0x74])]
    #[case::boot_mode(15, &[0x00], &[0x04])]
    #[case::debug_password(16, &[0x04, 0x08], &[0x00, 0x0c])]
    #[case::sw_usage_0(17, &[0x10], &[0x0c, 0x14])]
    #[case::mac(18, &[0x14, 0x18], &[0x10, 0x1c])]
    #[case::slot_0(19, &[0x1c, 0x28], &[0x18, 0x2c])]
    #[case::slot_3(22, &[0x4c, 0x58], &[0x48, 0x5c])]
    #[case::slot_4_high(23, &[0x64, 0x68], &[0x60, 0x6c])]
    #[case::slot_5_high(24, &[0x74, 0x78], &[0x70])]
    fn a_write_lock_refuses_burns_to_its_words_only(
        #[case] bit: u8,
        #[case] shut: &[u8],
        #[case] open: &[u8],
    ) {
        let mut otp = Otp::new([0; EFUSE_BYTES]);
        otp.program_words(&[(0x7c, 1 << bit)]);
        for offset in shut {
            assert_eq!(otp.program_words(&[(*offset, 0x1234_5678)]), [], "{offset:02x}h");
            otp.reload_shadow();
            assert_eq!(word(&otp, *offset), 0);
        }
        assert_eq!(otp.refused_count(), shut.len() as u32 * 0x1234_5678_u32.count_ones());
        for offset in open {
            assert_eq!(otp.program_words(&[(*offset, 1)]), [(*offset, 1)], "{offset:02x}h");
        }
    }

    #[test]
    fn a_lock_burnt_together_with_its_words_comes_too_late_for_them() {
        let mut otp = Otp::new([0; EFUSE_BYTES]);
        assert_eq!(
            otp.program_words(&[(0x78, u32::MAX), (0x7c, u32::MAX)]),
            [(0x78, u32::MAX), (0x7c, u32::MAX)]
        );
    }

    #[rstest]
    #[case(25, 0x04)]
    #[case(26, 0x1c)]
    #[case(27, 0x2c)]
    #[case(28, 0x3c)]
    #[case(29, 0x4c)]
    #[case(30, 0x5c)]
    #[case(31, 0x78)]
    fn a_read_locked_word_reads_as_zero_but_stays_burnt(#[case] bit: u8, #[case] offset: u8) {
        let mut otp = Otp::new([0; EFUSE_BYTES]);
        otp.program_words(&[(offset, 0xdead_beef)]);
        otp.program_words(&[(0x7c, 1 << bit)]);
        otp.reload_shadow();
        assert_eq!(otp.shadow_word(usize::from(offset) / 4), 0);
        assert_eq!(word(&otp, offset), 0xdead_beef);
    }
}
