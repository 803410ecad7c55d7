//! What is to be burnt, as a person says it: fields by name, or all 128 bytes.

use bl702_protocol::efuse::{Efuse, FIELDS, Field, LOCKS, LockKind};

use crate::plan::parse_number;

/// What is to be burnt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// These fields get these values; all others stay.
    Fields(Vec<Setting>),
    /// All fuses shall be these.
    Whole(Box<Efuse>),
}

/// One field and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Byte offset of the word it begins in.
    pub word: u8,
    /// Lowest bit.
    pub low_bit: u8,
    /// Number of bits.
    pub bits: u16,
    /// Little-endian, as many bytes as the field has bits, rounded up.
    pub value: Vec<u8>,
    /// As it was written.
    pub text: String,
}

/// What is wrong with a setting.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    /// No `=`.
    #[error("{text:?} is not NAME=VALUE")]
    NoValue {
        /// What was written.
        text: String,
    },
    /// No such field.
    #[error("there is no fuse field {name:?}{}", .near.as_ref().map(|near| format!("; did you mean {near}?")).unwrap_or_default())]
    Unknown {
        /// What was written.
        name: String,
        /// A name that looks like it.
        near: Option<String>,
    },
    /// Not a value for it.
    #[error("{value:?} is no value for {name}, which takes {takes}")]
    Value {
        /// What was written.
        value: String,
        /// The field.
        name: String,
        /// What it takes.
        takes: String,
    },
    /// Named twice.
    #[error("{name} is named twice")]
    Twice {
        /// The field.
        name: String,
    },
}

/// Names of words, which may stand before a field's name with a dot.
const WORDS: [(&str, u8); 4] =
    [("boot_mode", 0x00), ("sw_usage_0", 0x10), ("device_info", 0x74), ("locks", 0x7C)];

/// A place that can be named.
struct Place {
    name: String,
    word: u8,
    low_bit: u8,
    bits: u16,
}

fn of_field(field: &Field) -> Place {
    Place { name: field.name.to_owned(), word: field.word, low_bit: field.low_bit, bits: field.bits }
}

/// Every field, and every lock by the name of what it locks (`wr_lock.key_slot_2`).
fn places() -> Vec<Place> {
    let locks = LOCKS.iter().map(|lock| {
        let kind = if lock.kind == LockKind::Write { "wr_lock" } else { "rd_lock" };
        Place { name: format!("{kind}.{}", lock.name), word: 0x7C, low_bit: lock.bit, bits: 1 }
    });
    FIELDS.iter().map(of_field).chain(locks).collect()
}

/// The names that can be set, for help.
pub fn names() -> Vec<String> {
    places().into_iter().map(|place| place.name).collect()
}

fn find(name: &str) -> Option<Place> {
    let places = places();
    if let Some(found) = places.iter().position(|place| place.name == name) {
        return places.into_iter().nth(found);
    }
    let (word, field) = name.split_once('.')?;
    let (_, offset) = WORDS.iter().find(|(known, _)| *known == word)?;
    places.into_iter().find(|place| place.name == field && place.word == *offset)
}

fn near(name: &str) -> Option<String> {
    let name = name.rsplit('.').next().unwrap_or(name).to_lowercase().replace('-', "_");
    let wanted: Vec<&str> = name.split('_').filter(|part| part.len() > 2).collect();
    let score = |place: &Place| wanted.iter().filter(|part| place.name.contains(**part)).count();
    let best = places().into_iter().max_by_key(score)?;
    (score(&best) > 0).then_some(best.name)
}

/// Reads `NAME=VALUE`: numbers for fields of up to 32 bits, bytes in hexadecimal (in the order of the fuses) for longer
/// ones.
///
/// # Errors
/// [`SettingError`]
pub fn parse_setting(text: &str) -> Result<Setting, SettingError> {
    let (name, value) =
        text.split_once('=').ok_or_else(|| SettingError::NoValue { text: text.to_owned() })?;
    let place =
        find(name).ok_or_else(|| SettingError::Unknown { name: name.to_owned(), near: near(name) })?;
    let bytes = if place.bits > 32 { bytes_of(value, place.bits) } else { number_of(value, place.bits) };
    let value = bytes.ok_or_else(|| SettingError::Value {
        value: value.to_owned(),
        name: place.name.clone(),
        takes: match place.bits {
            33.. => format!("{} hexadecimal digits", place.bits / 4),
            1 => "0 or 1".to_owned(),
            32 => "a number of 32 bits".to_owned(),
            bits => format!("a number from 0 to {}", (1_u64 << bits) - 1),
        },
    })?;
    Ok(Setting { word: place.word, low_bit: place.low_bit, bits: place.bits, value, text: text.to_owned() })
}

/// Reads settings, none of which may overlap another.
///
/// # Errors
/// [`SettingError`]
pub fn parse_settings(texts: &[String]) -> Result<Vec<Setting>, SettingError> {
    let mut settings: Vec<Setting> = Vec::new();
    for text in texts {
        let setting = parse_setting(text)?;
        if settings.iter().any(|other| other.overlaps(&setting)) {
            let name = text.split('=').next().unwrap_or_default().to_owned();
            return Err(SettingError::Twice { name });
        }
        settings.push(setting);
    }
    Ok(settings)
}

fn number_of(text: &str, bits: u16) -> Option<Vec<u8>> {
    let number = parse_number(text).ok().filter(|number| *number < 1 << bits)?;
    Some(number.to_le_bytes()[..usize::from(bits).div_ceil(8)].to_vec())
}

fn bytes_of(text: &str, bits: u16) -> Option<Vec<u8>> {
    let digits: String = text.chars().filter(|c| !matches!(c, ':' | '-')).collect();
    if digits.len() != usize::from(bits / 4) || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).ok()).collect()
}

impl Setting {
    fn span(&self) -> std::ops::Range<usize> {
        let start = usize::from(self.word) * 8 + usize::from(self.low_bit);
        start..start + usize::from(self.bits)
    }

    fn overlaps(&self, other: &Setting) -> bool {
        self.span().start < other.span().end && other.span().start < self.span().end
    }

    fn apply(&self, efuse: &mut Efuse) {
        for (index, bit) in self.span().enumerate() {
            let is_set = self.value.get(index / 8).is_some_and(|byte| byte >> (index % 8) & 1 == 1);
            if let Some(byte) = efuse.0.get_mut(bit / 8) {
                *byte = *byte & !(1 << (bit % 8)) | u8::from(is_set) << (bit % 8);
            }
        }
    }
}

impl Wanted {
    /// What the fuses shall be, given what they are.
    pub fn target(&self, before: &Efuse) -> Efuse {
        match self {
            Wanted::Whole(efuse) => **efuse,
            Wanted::Fields(settings) => {
                let mut target = *before;
                settings.iter().for_each(|setting| setting.apply(&mut target));
                target
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("uart_log_disable=1", 0x10, 0x2)]
    #[case("sw_usage_0.uart_log_disable=1", 0x10, 0x2)]
    #[case("dbg_mode=4", 0x00, 4 << 28)]
    #[case("boot_mode.dbg_mode=0x4", 0x00, 4 << 28)]
    #[case("wr_lock.key_slot_2=1", 0x7C, 1 << 21)]
    #[case("rd_lock.key_slot_2=1", 0x7C, 1 << 28)]
    #[case("cap_code=0xFFFFFFFF", 0x78, u32::MAX)]
    #[case("key_slot_4_w0_w1=0102030405060708", 0x5C, 0x0403_0201)]
    #[case("wifi_mac=81:12:d1:e7:38:c1:b4:00", 0x14, 0xe7d1_1281)]
    fn settings(#[case] text: &str, #[case] word: usize, #[case] value: u32) {
        let wanted = Wanted::Fields(parse_settings(&[text.to_owned()]).unwrap());
        let target = wanted.target(&Efuse::default());
        assert_eq!(target.word(word), value);
        // Nothing but the field changes, and a field that is set to 0 is 0.
        let all = Efuse([0xFF; 128]);
        let cleared = Wanted::Fields(vec![Setting { value: vec![0; 16], ..parse_setting(text).unwrap() }]);
        let bits = usize::from(parse_setting(text).unwrap().bits);
        let zeros: u32 = cleared.target(&all).0.iter().map(|byte| byte.count_zeros()).sum();
        assert_eq!(zeros as usize, bits);
    }

    #[rstest]
    #[case("uart_log_disable", "\"uart_log_disable\" is not NAME=VALUE")]
    #[case("uart-log=1", "there is no fuse field \"uart-log\"; did you mean ")]
    #[case("xyzzy=1", "there is no fuse field \"xyzzy\"")]
    #[case("device_info.uart_log_disable=1", "there is no fuse field")]
    #[case("uart_log_disable=2", "\"2\" is no value for uart_log_disable, which takes 0 or 1")]
    #[case("dbg_mode=16", "which takes a number from 0 to 15")]
    #[case("cap_code=0x100000000", "which takes a number of 32 bits")]
    #[case("key_slot_0=00", "which takes 32 hexadecimal digits")]
    #[case("key_slot_0=0123456789abcdef0123456789abcdeg", "which takes 32 hexadecimal digits")]
    #[case("dbg_mode=", "is no value")]
    fn mistakes(#[case] text: &str, #[case] says: &str) {
        let error = parse_setting(text).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }

    #[test]
    fn nothing_is_named_twice() {
        let texts = ["wr_lock=1".to_owned(), "wr_lock.key_slot_4_l=1".to_owned()];
        assert!(matches!(parse_settings(&texts), Err(SettingError::Twice { .. })));
    }
}
