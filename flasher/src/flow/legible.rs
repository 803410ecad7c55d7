//! Whether what a module says is text, or looks like what a wrong rate makes of it.

use bl702_protocol::time::Nanos;

/// So many bytes are looked at before anything is said while more are coming.
const ENOUGH: u64 = 64;
/// So many at least, when nothing more comes.
const LEAST: u64 = 8;
/// A pause after which what has come is judged.
pub(super) const PAUSE: Nanos = Nanos::from_millis(500);

/// Counts of what has come.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Legible {
    bytes: u64,
    /// Bytes that no text holds.
    odd: u64,
    /// Bytes in which the level changes twice at most, as where a bit of the sender takes several of ours.
    stretched: u64,
    told: bool,
}

impl Legible {
    pub(super) fn take(&mut self, came: &[u8]) {
        self.bytes += came.len() as u64;
        self.stretched += came.iter().filter(|byte| is_stretched(**byte)).count() as u64;
        for chunk in came.utf8_chunks() {
            let control = chunk.valid().chars().filter(|c| is_odd(*c)).count();
            self.odd += (control + chunk.invalid().len()) as u64;
        }
    }

    /// What to say of it, once: nothing for text.
    pub(super) fn hint(&mut self, baud_bps: u32, is_over: bool) -> Option<String> {
        let enough = if is_over { LEAST } else { ENOUGH };
        if self.told || self.bytes < enough || self.odd * 3 < self.bytes {
            return None;
        }
        self.told = true;
        let guess =
            if self.stretched * 5 >= self.bytes * 4 { ", and looks like that of a lower rate" } else { "" };
        // What the stock firmware and the ROM's log have, and what most others have.
        let others: Vec<String> =
            [2_000_000, 115_200].iter().filter(|rate| **rate != baud_bps).map(u32::to_string).collect();
        Some(format!(
            "{} of {} bytes are no text{guess}: if the firmware prints text, its rate is not {baud_bps} baud; try --monitor-baud {}",
            self.odd,
            self.bytes,
            others.join(" or ")
        ))
    }
}

/// Characters that no log holds: escape sequences, tabulators, bells and backspaces are in some.
fn is_odd(c: char) -> bool {
    c.is_control() && !matches!(c, '\r' | '\n' | '\t' | '\x1b' | '\x07' | '\x08' | '\x0c')
}

/// Bytes like that are one in five among random ones, and nearly all where a bit of the sender is three of ours or more.
fn is_stretched(byte: u8) -> bool {
    let changes = (byte ^ (byte >> 1)) & 0x7F;
    changes.count_ones() <= 2
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::a_log(
        b"\x1b[32m[INFO] boot ok\r\n\ttask 1\x08\r\n and so on, for quite a while, in words\r\n",
        None
    )]
    #[case::other_languages("Grüße, 你好，世界！ Привет, мир. Текст без латинских букв, длинный.".as_bytes(), None)]
    #[case::too_little(b"\xff\xfe\x00", None)]
    #[case::a_lower_rate(&[0xF8, 0xFF, 0x00, 0xE0, 0x80, 0xFE, 0x00, 0xF0, 0x7F], Some("looks like that of a lower rate"))]
    #[case::a_higher_rate(&[0x95, 0xD3, 0x4A, 0xB1, 0x52, 0xA9, 0x96, 0x6D, 0xCB, 0x12], Some("bytes are no text: if the"))]
    fn texts_and_noise(#[case] came: &[u8], #[case] expected: Option<&str>) {
        let mut legible = Legible::default();
        legible.take(came);
        let hint = legible.hint(2_000_000, true);
        match (&hint, expected) {
            (Some(hint), Some(part)) => assert!(hint.contains(part), "{hint}"),
            (hint, expected) => assert_eq!(hint.as_deref(), expected),
        }
        assert_eq!(legible.hint(2_000_000, true), None, "said once");
    }

    #[test]
    fn a_few_odd_bytes_at_the_start_are_not_enough_to_speak_while_more_comes() {
        let mut legible = Legible::default();
        legible.take(&[0xFF; 20]);
        assert_eq!(legible.hint(115_200, false), None);
        legible.take(b"Starting bl702 now....\r\nBooting BL702 Chip...\r\n");
        assert_eq!(legible.hint(115_200, false), None);
        assert_eq!(legible.hint(115_200, true), None);
    }
}
