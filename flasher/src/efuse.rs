//! The 128 bytes of eFuses in words: every field, what it means for the owner, and what differs between two readings.
//!
//! Facts: `reference/rom-and-module.md` sections 1.8 and 3.

use bl702_protocol::efuse::{EFUSE_LEN, Efuse, FIELDS, Field, LockKind};
use serde::Serialize;

mod burn;
mod effect;
mod order;
mod permit;

pub(crate) use burn::as_read;
pub use burn::{BurnPlan, BurnRefusal, WordBurn};
pub use effect::{EFFECTS, Effect, effects};
pub use order::{Setting, SettingError, Wanted, names, parse_setting, parse_settings};
pub use permit::BurnPermit;

/// One field with its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldValue {
    /// Name, as in the vendor's tools.
    pub name: &'static str,
    /// Byte offset of its word.
    pub word: u8,
    /// Lowest bit in that word.
    pub bit: u8,
    /// Number of bits.
    pub bits: u16,
    /// Value in hexadecimal, highest byte first for numbers, in the order of the bytes for keys and addresses.
    pub value: String,
    /// What the field is, with the word for this value where there is one.
    pub meaning: String,
    /// What a value that is not 0 does.
    pub effect: &'static str,
    /// Whether any bit is burnt.
    pub is_set: bool,
}

/// A field that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldChange {
    /// Before.
    pub before: FieldValue,
    /// After.
    pub after: FieldValue,
    /// Bits that went from 1 to 0, which no fuse does: the files are of two modules, or a read lock hides the field.
    pub goes_back: bool,
}

/// Every field.
pub fn decode(efuse: &Efuse) -> Vec<FieldValue> {
    FIELDS.iter().map(|field| value_of(field, efuse)).collect()
}

fn value_of(field: &'static Field, efuse: &Efuse) -> FieldValue {
    let bytes = field.value(efuse);
    let number = bytes.iter().rev().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    let is_bytes = field.bits > 32;
    let value = if is_bytes {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    } else {
        format!("{number:#x}")
    };
    FieldValue {
        name: field.name,
        word: field.word,
        bit: field.low_bit,
        bits: field.bits,
        value,
        meaning: if is_bytes { field.meaning.to_owned() } else { meaning(field.meaning, number) },
        effect: field.effect,
        is_set: bytes.iter().any(|byte| *byte != 0),
    }
}

/// The meaning with the word for this value: `package: 0 QFN32, 1 QFN40` and 1 give `package: QFN40`.
fn meaning(text: &str, value: u64) -> String {
    let Some((title, values)) = text.split_once(": ") else { return text.to_owned() };
    let wanted = format!("{value} ");
    // Values are parted by commas, and so are the words of one of them.
    let mut parts = values.split(", ").skip_while(|part| !part.starts_with(&wanted));
    let Some(first) = parts.next() else {
        let named = values.starts_with(|digit: char| digit.is_ascii_digit());
        return if named { format!("{title}: no known value") } else { text.to_owned() };
    };
    let rest = parts.take_while(|part| !part.starts_with(|digit: char| digit.is_ascii_digit()));
    let words: Vec<&str> = std::iter::once(&first[wanted.len()..]).chain(rest).collect();
    format!("{title}: {}", words.join(", "))
}

/// What the burnt fuses mean for somebody with a flasher, the worst first. Empty: an open chip.
pub fn consequences(efuse: &Efuse) -> Vec<String> {
    let word0 = efuse.word(0);
    let encryption = ["none", "AES-128", "AES-256", "AES-192"][usize::from(efuse.encrypt_type() & 3)];
    let encrypted = format!(
        "encrypted images only ({encryption}): a plain loader is refused (FL0205), and a dump of the flash is ciphertext"
    );
    let rules: [(bool, &str); 13] = [
        (
            word0 >> 19 & 1 == 1,
            "sf_dis: the flash interface is off: the module can neither boot from flash nor be flashed",
        ),
        (efuse.uartboot_disable(), "uartboot_disable: the ROM never answers on UART; only USB is left"),
        (
            efuse.uartboot_disable() && efuse.sdioboot_disable(),
            "uartboot_disable and sdioboot_disable: neither UART nor USB answers; nothing can be loaded any more",
        ),
        (efuse.sign_required(), "signed images only: a plain loader is refused (FL0206)"),
        (efuse.encrypt_type() != 0, &encrypted),
        (
            efuse.mediaboot_disable(),
            "mediaboot_disable: the firmware in flash never runs, the module always waits in ISP",
        ),
        (
            efuse.tz_boot(),
            "tz_boot: memory commands are refused (FL0501, FL0504); a loader starts by 1Ah only",
        ),
        (
            efuse.hbn_jump_disable(),
            "hbn_jump_disable: a loader starts by 1Ah only; the usual start lands in flash boot",
        ),
        (efuse.sdioboot_disable(), "sdioboot_disable: the USB interface of the ROM is off"),
        (word0 >> 28 == 4, "dbg_mode: debugging is closed for ever"),
        (word0 >> 28 == 1, "dbg_mode: debugging needs the password"),
        (word0 >> 26 & 3 != 0, "dbg_jtag_dis: JTAG is off"),
        (efuse.xtal_type() != 0, "xtal_type: the ROM sets the PLL from the fuses before ISP"),
    ];
    let mut said: Vec<String> =
        rules.into_iter().filter(|(is, _)| *is).map(|(_, words)| words.to_owned()).collect();
    if !efuse.mac_parity_is_right() {
        said.push(
            "the MAC address fails its parity check: the loader refuses to tell it (FL0407), and the vendor's tool stops there".to_owned(),
        );
    }
    if efuse.0.iter().all(|byte| *byte == 0) {
        said.push("every fuse is 0: never programmed, or the reading failed".to_owned());
    }
    said
}

/// The locks that are set, in words.
pub fn locks(efuse: &Efuse) -> Vec<String> {
    let words = efuse.locks().map(|lock| {
        let what = match lock.kind {
            LockKind::Write => "can not be burnt further",
            LockKind::Read => "can not be read",
        };
        format!("{} ({:#04x}..{:#04x}) {what}", lock.name, lock.start, lock.end)
    });
    words.collect()
}

/// The fields that differ.
pub fn diff(before: &Efuse, after: &Efuse) -> Vec<FieldChange> {
    let pairs = FIELDS.iter().map(|field| (field, value_of(field, before), value_of(field, after)));
    let changed = pairs.filter(|(_, before, after)| before.value != after.value);
    changed
        .map(|(field, old, new)| {
            let bits = field.value(before).into_iter().zip(field.value(after));
            FieldChange {
                goes_back: bits.into_iter().any(|(old, new)| old & !new != 0),
                before: old,
                after: new,
            }
        })
        .collect()
}

/// Reads a file of 128 bytes; `None` for another length.
pub fn from_file(bytes: &[u8]) -> Option<Efuse> {
    Efuse::from_slice(bytes.get(..EFUSE_LEN).filter(|_| bytes.len() == EFUSE_LEN)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("package: 0 QFN32, 1 QFN40, 2 QFN48", 1, "package: QFN40")]
    #[case("package: 0 QFN32, 1 QFN40, 2 QFN48", 3, "package: no known value")]
    #[case("pins: 0 none, 1 CS, and IO2, 2 both", 1, "pins: CS, and IO2")]
    #[case("crystal", 1, "crystal")]
    fn words_for_values(#[case] text: &str, #[case] value: u64, #[case] expected: &str) {
        assert_eq!(meaning(text, value), expected);
    }

    /// One bit of a word and what it means.
    #[rstest]
    #[case(0x00, 1 << 2, "signed images only")]
    #[case(0x00, 0x81, "encrypted images only (AES-128)")]
    #[case(0x00, 0x83, "encrypted images only (AES-256)")]
    #[case(0x00, 1 << 19, "sf_dis")]
    #[case(0x00, 4 << 28, "closed for ever")]
    #[case(0x10, 1 << 20, "tz_boot")]
    #[case(0x10, 1 << 24, "mediaboot_disable")]
    #[case(0x10, 1 << 25, "uartboot_disable")]
    #[case(0x10, 1 << 27, "hbn_jump_disable")]
    #[case(0x14, 0xFFFF, "parity")]
    fn what_a_fuse_means(#[case] word: usize, #[case] value: u32, #[case] says: &str) {
        let mut efuse = Efuse::default();
        efuse.set_word(0x74, 0);
        efuse.set_word(word, value);
        let said = consequences(&efuse).join("\n");
        assert!(said.contains(says), "{said}");
    }

    #[test]
    fn every_field_is_decoded_and_every_bit_is_in_one() {
        let all = Efuse([0xFF; EFUSE_LEN]);
        assert_eq!(decode(&all).len(), FIELDS.len());
        assert!(decode(&all).iter().all(|field| field.is_set));
        assert!(decode(&Efuse::default()).iter().all(|field| !field.is_set));
    }

    #[test]
    fn differences_and_bits_that_no_fuse_gives_back() {
        let mut before = Efuse::default();
        before.set_word(0x10, 1 << 24);
        let mut after = before;
        after.set_word(0x10, 1 << 24 | 1 << 25);
        let changes = diff(&before, &after);
        assert_eq!(changes.len(), 1);
        assert_eq!((changes[0].after.name, changes[0].goes_back), ("uartboot_disable", false));
        assert!(diff(&after, &before)[0].goes_back);
        assert_eq!(diff(&after, &after), []);
    }

    #[test]
    fn only_128_bytes_are_taken() {
        assert!(from_file(&[0; 127]).is_none() && from_file(&[0; 129]).is_none());
        assert_eq!(from_file(&[0; 128]), Some(Efuse::default()));
    }
}
