//! Parts of error texts.

/// What came instead of an answer: as text where it is text, else its first bytes.
pub(super) fn heard_text(heard: &[u8]) -> String {
    if heard.is_empty() {
        return String::new();
    }
    if let Some(text) = quoted_text(heard) {
        return format!("; what came instead is text, as a firmware prints it: {text}");
    }
    let head: Vec<String> = heard.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let dots = if heard.len() > 16 { " ..." } else { "" };
    format!("; what came instead begins with {}{dots}", head.join(" "))
}

/// The first line or so of bytes that are text, in quotes; `None` for what is no text.
pub(crate) fn quoted_text(heard: &[u8]) -> Option<String> {
    const MOST_CHARACTERS: usize = 60;
    /// A few damaged bytes do not make text something else, and three letters make no text.
    const LEAST_CHARACTERS: usize = 8;
    let is_text = |byte: &u8| matches!(byte, b' '..=b'~' | b'\r' | b'\n' | b'\t');
    let count = heard.iter().filter(|byte| is_text(byte)).count();
    let distinct = heard.iter().collect::<std::collections::BTreeSet<_>>().len();
    if count < LEAST_CHARACTERS || distinct < 5 || count * 10 < heard.len() * 9 {
        return None;
    }
    let text: String = heard
        .iter()
        .map(|byte| if is_text(byte) { char::from(*byte) } else { '?' })
        .collect::<String>()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    let head: String = text.chars().take(MOST_CHARACTERS).collect();
    let dots = if head.len() < text.len() { " ..." } else { "" };
    Some(format!("\"{head}{dots}\""))
}

/// Bytes in their order.
pub(super) fn hex_bytes(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Little-endian words, as numbers.
pub(super) fn hex_words(bytes: &[u8]) -> String {
    let (words, _) = bytes.as_chunks::<4>();
    words.iter().map(|word| format!("{:08x}", u32::from_le_bytes(*word))).collect::<Vec<_>>().join(" ")
}

pub(super) fn rates_text(rates_bps: &[u32]) -> String {
    let mut rates: Vec<u32> = Vec::new();
    for rate in rates_bps {
        if !rates.contains(rate) {
            rates.push(*rate);
        }
    }
    let rates: Vec<String> = rates.iter().map(u32::to_string).collect();
    match rates.as_slice() {
        [head @ .., last] if !head.is_empty() => format!("{} or {last} baud", head.join(", ")),
        _ => format!("{} baud", rates.join("")),
    }
}

pub(super) fn times_text(count: u32) -> String {
    match count {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        count => format!("{count} times"),
    }
}

pub(super) fn difference_text(first: u32, found: &Option<(u8, u8)>, differing_bytes: &u32) -> String {
    let sector = first & !0xFFF;
    let bytes = match found {
        Some((expected, got)) => format!("{got:02x} where {expected:02x} belongs"),
        None => "another byte than belongs there".to_owned(),
    };
    format!(
        "flash differs: first at {first:#08x} (sector {sector:#08x}, offset {:#05x}) with {bytes}; {differing_bytes} bytes lie in sectors that differ",
        first - sector
    )
}

/// What the bits of a sector that did not take its data say.
pub(super) fn bits_text(zeros: u32, ones: u32, unchanged: bool) -> String {
    if unchanged {
        return "that sector holds exactly what it held before, so neither erasing nor writing had any effect".to_owned();
    }
    match (zeros, ones) {
        (0, 0) => "when it was read byte by byte it was right".to_owned(),
        (zeros, 0) => format!("{zeros} bits of that sector are 0 and should be 1: they were not erased"),
        (0, ones) => format!("{ones} bits of that sector are 1 and should be 0: they were not programmed"),
        (zeros, ones) => {
            format!("{zeros} bits of that sector are 0 and should be 1, {ones} are 1 and should be 0")
        }
    }
}

pub(super) fn status_text(status: &Option<[u8; 3]>) -> String {
    match status {
        Some([first, second, third]) => {
            format!(" (status registers 05h: {first:02x}, 35h: {second:02x}, 15h: {third:02x})")
        }
        None => String::new(),
    }
}

pub(super) fn unstable_text(byte: &Option<(u32, u8, u8)>) -> String {
    match byte {
        Some((address, one, other)) => {
            format!("; the byte at {address:#08x} was read as {one:02x} and as {other:02x}")
        }
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(b"dynamic memory init success\r\n", Some("\"dynamic memory init success\""))]
    #[case(b"[I][main] \xffboot ok, let's go\r\n", Some("\"[I][main] ?boot ok, let's go\""))]
    #[case(b"UUUUUUUUUUUUUUUUUUUU", None)]
    #[case(b"OK", None)]
    #[case(b"\x00\x12\x80\xff\xfe\x01\x02\x03\x04\x05", None)]
    fn text_is_told_from_noise(#[case] heard: &[u8], #[case] text: Option<&str>) {
        assert_eq!(quoted_text(heard).as_deref(), text);
    }

    #[test]
    fn rates_are_told_once() {
        assert_eq!(rates_text(&[2_000_000]), "2000000 baud");
        assert_eq!(rates_text(&[2_000_000, 1_000_000, 1_000_000]), "2000000 or 1000000 baud");
    }
}
