//! Chips, ROM versions, JEDEC ids and rates in a line.

use bl702_protocol::chip::BL702;
use bl702_protocol::jedec::JedecId;

use super::{Chip, Rom, Signal, tokens};

const CHIPS: [(&str, Chip); 22] = [
    ("bl602", Chip::Bl602),
    ("bl604", Chip::Bl602),
    ("bl60x", Chip::Bl602),
    ("bl702", Chip::Bl702),
    ("bl704", Chip::Bl702),
    ("bl706", Chip::Bl702),
    ("bl70x", Chip::Bl702),
    ("bl702l", Chip::Bl702l),
    ("bl704l", Chip::Bl702l),
    ("bl70xl", Chip::Bl702l),
    ("702l", Chip::Bl702l),
    ("bl616", Chip::Bl616),
    ("bl618", Chip::Bl616),
    ("bl61x", Chip::Bl616),
    ("bl606p", Chip::Bl808),
    ("bl808", Chip::Bl808),
    ("bl808c", Chip::Bl808),
    ("bl808d", Chip::Bl808),
    ("bl628", Chip::Later),
    ("wb03", Chip::Later),
    ("bl616l", Chip::Later),
    ("bl616d", Chip::Later),
];

/// Version of the BL702's boot ROM in the forms in which it is printed.
const ROM_BL702: [&str; 4] = ["07020001", "7020001", "117571585", "1.0.2.7"];

/// First bytes of boot info as they come.
const BOOT_INFO_BL702: &str = "01000207";

/// What a line tells of chip, ROM, flash and rate.
pub(super) fn read(line: &str) -> Vec<Signal> {
    let lower = line.to_lowercase();
    let chips = tokens(&lower)
        .filter_map(|(_, token)| CHIPS.iter().find(|(name, _)| *name == token).map(|(_, chip)| *chip));
    let chips: Vec<Chip> = chips.collect();
    // EasyFlasher: "Selected chip type is BL602, but current chip type is BL702! Will continue anyway..."
    if let ([selected, current], true) = (&chips[..], lower.contains("selected chip")) {
        return vec![Signal::Mismatch(*selected, *current)];
    }
    let mut found: Vec<Signal> = chips.into_iter().map(Signal::Chip).collect();
    found.dedup();
    found.extend(rom(&lower).map(Signal::Rom));
    found.extend(jedec(&lower));
    found.extend(baud(&lower));
    found
}

fn rom(lower: &str) -> Option<Rom> {
    let asks = lower.contains("rom") || lower.contains("boot") || lower.contains("version");
    if asks && ROM_BL702.iter().any(|version| has_word(lower, version)) {
        return Some(Rom::Bl702);
    }
    if lower.contains("eflash") && (lower.contains("loader present") || lower.contains("already")) {
        return Some(Rom::Loader);
    }
    if lower.contains("handshake with eflash loader found") {
        return Some(Rom::Loader);
    }
    if asks && (has_word(lower, "6160001") || has_word(lower, "06160001")) {
        return Some(Rom::Other(Chip::Bl616));
    }
    if is_rom_of_bl602(lower) {
        return Some(Rom::Other(Chip::Bl602));
    }
    if asks && lower.contains("255.255.255.255") {
        return Some(Rom::Loader);
    }
    tokens(lower).find_map(|(_, token)| boot_info(token))
}

/// Version 00000001h, as blflash, EasyFlasher and blisp print it.
fn is_rom_of_bl602(lower: &str) -> bool {
    let Some((_, version)) = lower.split_once("bootrom version") else { return false };
    let version = version.trim_start_matches([':', ' ']);
    let word = version.split([' ', ',']).next().unwrap_or_default();
    matches!(word, "1" | "1.0.0.0")
}

/// 20 or 24 bytes of boot info as hexadecimal digits, with the length in front (`1800`) or without.
fn boot_info(token: &str) -> Option<Rom> {
    if !token.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let info = match token.len() {
        40 | 48 => token,
        44 | 52 => token.strip_prefix("1800").or_else(|| token.strip_prefix("1400"))?,
        _ => return None,
    };
    match (&info[..8], info.len()) {
        (BOOT_INFO_BL702, _) => Some(Rom::Bl702),
        ("ffffffff", _) => Some(Rom::Loader),
        ("01001606", _) => Some(Rom::Other(Chip::Bl616)),
        ("01000000", 40) => Some(Rom::Other(Chip::Bl602)),
        _ => None,
    }
}

/// Whether a word stands in a line with neither letter nor digit beside it.
fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let beside = |letter: Option<char>| letter.is_some_and(|letter| letter.is_ascii_alphanumeric());
        let before = line[..at].trim_end_matches("0x").chars().next_back();
        let joined = !line[..at].ends_with("0x") && beside(before);
        !joined && !beside(line[at + word.len()..].chars().next())
    })
}

/// An id of three or four bytes behind `jedec`, `flash id` or the like.
fn jedec(lower: &str) -> Option<Signal> {
    let after = ["jedec", "flash id", "flashid", "flash_id"]
        .iter()
        .find_map(|word| Some(lower.find(word)? + word.len()))?;
    let rest = &lower[after..];
    let token = tokens(rest)
        .map(|(_, token)| token.trim_start_matches("0x"))
        .find(|token| matches!(token.len(), 6 | 8) && token.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
    let byte = |at: usize| u8::from_str_radix(token.get(at..at + 2)?, 16).ok();
    let id = [byte(0)?, byte(2)?, byte(4)?];
    // What is neither a known part nor a missing one is some other number.
    let plausible = BL702.flash_part(JedecId(id)).is_some() || JedecId(id).is_absent() || token.len() == 8;
    plausible.then(|| Signal::Jedec(id, byte(6)))
}

fn baud(lower: &str) -> Option<Signal> {
    let named = ["baud", "uart speed", "speed", "波特率"].iter().any(|word| lower.contains(word));
    let rates = tokens(lower).filter_map(|(_, token)| token.parse::<u32>().ok());
    let mut rates = rates.filter(|rate| (9_600..=3_000_000).contains(rate));
    named.then(|| rates.next()).flatten().map(Signal::Baud)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("chip type: bl702l", vec![Signal::Chip(Chip::Bl702l)])]
    #[case("loading chips\\bl702l\\eflash_loader", vec![Signal::Chip(Chip::Bl702l)])]
    #[case("Chip name is bl702", vec![Signal::Chip(Chip::Bl702)])]
    #[case::blisp("BootROM version 1.0.2.7, ChipID: 0000271821A890C8", vec![Signal::Rom(Rom::Bl702)])]
    #[case::easy("BootROM version: 117571585 (7020001)", vec![Signal::Rom(Rom::Bl702)])]
    #[case::isp("version 07020001", vec![Signal::Rom(Rom::Bl702)])]
    #[case::official("data read is b'010002070000000000000000280000083230376c62020000'", vec![Signal::Rom(Rom::Bl702)])]
    #[case::loader("data read is b'ffffffff0000000028000008000100000824d00716250122'", vec![Signal::Rom(Rom::Loader)])]
    #[case::blisp_loader("Device already in eflash_loader.", vec![Signal::Rom(Rom::Loader)])]
    #[case::flash("flash jedec id: c2201480", vec![Signal::Jedec([0xc2, 0x20, 0x14], Some(0x80))])]
    #[case::no_flash("jedec id is ffffff", vec![Signal::Jedec([0xff; 3], None)])]
    #[case::rate("uart speed: 2000000", vec![Signal::Baud(2_000_000)])]
    #[case::blflash("[INFO  blflash] Bootrom version: 1", vec![Signal::Rom(Rom::Other(Chip::Bl602))])]
    #[case::easy_602("BootROM version: 1 (1)", vec![Signal::Rom(Rom::Other(Chip::Bl602))])]
    #[case::blisp_602("BootROM version 1.0.0.0, ChipID: 001122334455", vec![Signal::Rom(Rom::Other(Chip::Bl602))])]
    #[case::mismatch("Selected chip type is BL602, but current chip type is BL702! Will continue anyway...", vec![Signal::Mismatch(Chip::Bl602, Chip::Bl702)])]
    #[case::nothing("hello 1.0.2.70 bl7022", vec![])]
    fn what_lines_tell(#[case] line: &str, #[case] expected: Vec<Signal>) {
        assert_eq!(read(line), expected);
    }
}
