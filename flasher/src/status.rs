//! The status registers of a flash in words.
//!
//! Sources: data sheets of the MX25V and MX25R series for the KH parts (assumed to be alike), of GD25Q and W25Q for the
//! others. What the bits of a maker that is in neither mean is assumed to be what most makers do.

use bl702_protocol::jedec::JedecId;
use serde::Serialize;

/// Macronix and KH.
const MACRONIX: u8 = 0xC2;

const SRP: u8 = 0x80;
const MACRONIX_QE: u8 = 0x40;
const MACRONIX_BP: u8 = 0x3C;
/// In the configuration register; can be set once.
const MACRONIX_TB: u8 = 0x08;
const BP: u8 = 0x1C;
const TB: u8 = 0x20;
const SEC: u8 = 0x40;
const SRP1: u8 = 0x01;
const QE: u8 = 0x02;
const LB: u8 = 0x38;
const CMP: u8 = 0x40;

/// What the status registers say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FlashStatus {
    /// The registers that the part has, by their read commands: `05h` and so on.
    pub registers: Vec<(String, u8)>,
    /// Whether part of the flash, or all of it, is protected against erasing and writing.
    pub is_protected: bool,
    /// What the bits mean, the most important first.
    pub meaning: Vec<String>,
}

impl FlashStatus {
    /// Reads registers 05h, 35h and 15h of a part.
    pub fn of(jedec: JedecId, [first, second, third]: [u8; 3]) -> FlashStatus {
        if first == 0xFF {
            let meaning = vec!["reads as ones: the flash does not answer this command".to_owned()];
            let registers = vec![("05h".to_owned(), first)];
            return FlashStatus { registers, is_protected: false, meaning };
        }
        if jedec.0[0] == MACRONIX { macronix(first, third) } else { common(first, second, third) }
    }
}

fn macronix(status: u8, config: u8) -> FlashStatus {
    let blocks = (status & MACRONIX_BP) >> 2;
    // A part without the command 15h reads as ones.
    let has_config = config != 0xFF;
    let from = if has_config && config & MACRONIX_TB != 0 { "the beginning" } else { "the end" };
    let mut meaning = vec![protection(blocks != 0, &format!("BP3..0 = {blocks}, counted from {from}"))];
    meaning.extend(lock(status & SRP != 0, "SRWD"));
    meaning.push(quad(status & MACRONIX_QE != 0));
    let mut registers = vec![("05h".to_owned(), status)];
    registers.extend(has_config.then(|| ("15h".to_owned(), config)));
    FlashStatus { registers, is_protected: blocks != 0, meaning }
}

fn common(first: u8, second: u8, third: u8) -> FlashStatus {
    let has_second = second != 0xFF;
    let second_bits = if has_second { second } else { 0 };
    let blocks = (first & BP) >> 2;
    let complement = second_bits & CMP != 0;
    let is_protected = (blocks != 0) != complement;
    let flags: Vec<&str> = [(first & TB, "TB"), (first & SEC, "SEC"), (second_bits & CMP, "CMP")]
        .into_iter()
        .filter(|(bit, _)| *bit != 0)
        .map(|(_, name)| name)
        .collect();
    let flags = if flags.is_empty() { String::new() } else { format!(", {} set", flags.join(" and ")) };
    let mut meaning = vec![protection(is_protected, &format!("BP2..0 = {blocks}{flags}"))];
    meaning.extend(lock(first & SRP != 0, "SRP0"));
    if second_bits & SRP1 != 0 {
        meaning.push(
            "SRP1 is set: the status registers can not be changed before the power is switched off, or never"
                .to_owned(),
        );
    }
    if second_bits & LB != 0 {
        meaning.push("security registers are locked for ever (LB)".to_owned());
    }
    if has_second {
        meaning.push(quad(second & QE != 0));
    }
    let all = [("05h", first), ("35h", second), ("15h", third)];
    let there = all.into_iter().filter(|(name, value)| *name == "05h" || *value != 0xFF);
    let registers = there.map(|(name, value)| (name.to_owned(), value)).collect();
    FlashStatus { registers, is_protected, meaning }
}

fn protection(is_protected: bool, bits: &str) -> String {
    if is_protected {
        format!("part of it or all is protected against erasing and writing ({bits})")
    } else {
        "nothing is protected".to_owned()
    }
}

fn lock(is_set: bool, name: &str) -> Option<String> {
    is_set.then(|| format!("{name} is set: protection cannot be changed while the WP# pin is low"))
}

fn quad(is_on: bool) -> String {
    if is_on { "quad I/O is on" } else { "quad I/O is off" }.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const KH25V80: [u8; 3] = [0xC2, 0x20, 0x14];
    const W25Q80: [u8; 3] = [0xEF, 0x40, 0x14];

    #[rstest]
    #[case(KH25V80, [0x00, 0xFF, 0x00], false, "05h 15h", "nothing is protected; quad I/O is off")]
    #[case(KH25V80, [0x40, 0xFF, 0xFF], false, "05h", "nothing is protected; quad I/O is on")]
    #[case(KH25V80, [0xBC, 0xFF, 0x08], true, "05h 15h", "part of it or all is protected against erasing and writing (BP3..0 = 15, counted from the beginning); SRWD is set: protection cannot be changed while the WP# pin is low; quad I/O is off")]
    #[case(W25Q80, [0x00, 0x02, 0xFF], false, "05h 35h", "nothing is protected; quad I/O is on")]
    #[case(W25Q80, [0x24, 0x00, 0x60], true, "05h 35h 15h", "part of it or all is protected against erasing and writing (BP2..0 = 1, TB set); quad I/O is off")]
    #[case(W25Q80, [0x00, 0x40, 0x00], true, "05h 35h 15h", "part of it or all is protected against erasing and writing (BP2..0 = 0, CMP set); quad I/O is off")]
    #[case(W25Q80, [0xFF, 0xFF, 0xFF], false, "05h", "reads as ones: the flash does not answer this command")]
    fn registers(
        #[case] id: [u8; 3],
        #[case] values: [u8; 3],
        #[case] is_protected: bool,
        #[case] names: &str,
        #[case] meaning: &str,
    ) {
        let status = FlashStatus::of(JedecId(id), values);
        assert_eq!(status.is_protected, is_protected);
        let found: Vec<&str> = status.registers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(found.join(" "), names);
        assert_eq!(status.meaning.join("; "), meaning);
    }
}
