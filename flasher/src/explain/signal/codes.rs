//! `FL` replies and `ErrorCode`s in a line, in all forms in which tools print them.

use bl702_protocol::code::{CODES, Code, VENDOR_ERRORS, vendor_error};

use super::{Signal, tokens, words};

/// Words before a number that make it a code. Letters outside ASCII are those of the other languages' words.
const CODE_WORDS: [&str; 12] = [
    "errorcode",
    "error code",
    "errcode",
    "error_code",
    "err code",
    "fehlercode",
    "code d'erreur",
    "código",
    "codice",
    "код ошибки",
    "错误码",
    "错误代码",
];

/// The codes of a line.
pub(super) fn read(line: &str) -> Vec<Signal> {
    let lower = line.to_lowercase();
    let mut found = vendor_codes(line, &lower);
    found.extend(fl_codes(line));
    if !has_code(&found) {
        found.extend(wire_codes(line));
    }
    if !has_code(&found) {
        found.extend(numbered(&lower));
    }
    if !has_code(&found) {
        found.extend(named(line));
    }
    found
}

fn has_code(found: &[Signal]) -> bool {
    found.iter().any(|signal| matches!(signal, Signal::Code(_) | Signal::Vendor(_)))
}

/// `FL0104`, `FL 0104`, `FL0104(BFLB_CMD_SEQ_ERROR)`.
fn fl_codes(line: &str) -> Vec<Signal> {
    let words: Vec<&str> = tokens(line).map(|(_, token)| token).collect();
    let of = |digits: &str| hex4(digits).map(|value| Signal::Code(as_printed(value)));
    let mut found = Vec::new();
    for (at, word) in words.iter().enumerate() {
        if let Some(digits) = word.get(..2).filter(|head| head.eq_ignore_ascii_case("FL")).map(|_| &word[2..])
        {
            let digits =
                if digits.is_empty() { words.get(at + 1).copied().unwrap_or_default() } else { digits };
            found.extend(of(digits));
        }
    }
    found
}

/// A code, the right way round: a tool that did not swap the bytes gives itself away by codes that do not exist.
fn as_printed(value: u16) -> Code {
    let (code, swapped) = (Code(value), Code(value.swap_bytes()));
    if code.row().is_none() && swapped.row().is_some() { swapped } else { code }
}

/// `46 4c 04 01`, `464c0401`, `0x46, 0x4C, 0x04, 0x01`, `b'FL\x04\x01'`.
fn wire_codes(line: &str) -> Vec<Signal> {
    let upper = line.to_ascii_uppercase();
    let of = |low: &str, high: &str| {
        let byte = |digits: &str| u8::from_str_radix(digits, 16).ok();
        Some(Signal::Code(Code::from_wire([byte(low)?, byte(high)?])))
    };
    let mut found = Vec::new();
    for (at, _) in upper.match_indices("FL\\X") {
        let (low, high) = (upper.get(at + 4..at + 6), upper.get(at + 8..at + 10));
        found.extend(low.zip(high).and_then(|(low, high)| of(low, high)));
    }
    let bytes: Vec<&str> = tokens(&upper).map(|(_, token)| token.trim_start_matches("0X")).collect();
    for window in bytes.windows(4) {
        if let ["46", "4C", low, high] = window
            && low.len() == 2
            && high.len() == 2
        {
            found.extend(of(low, high));
        }
    }
    for token in bytes {
        if let Some(digits) = token.strip_prefix("464C").filter(|digits| digits.len() == 4) {
            found.extend(of(&digits[..2], &digits[2..]));
        }
    }
    found
}

/// `ErrorCode: 000C`; the same in other languages; four digits on a line that tells of a failure; the text alone.
fn vendor_codes(line: &str, lower: &str) -> Vec<Signal> {
    for word in CODE_WORDS {
        if let Some(at) = lower.find(word) {
            let digits = tokens(&lower[at + word.len()..]).next().map(|(_, token)| token).unwrap_or_default();
            if let Some(row) = hex4(digits).and_then(vendor_error) {
                return vec![Signal::Vendor(row.code)];
            }
        }
    }
    let upper = line.to_ascii_uppercase();
    // The longest text, as one may hold another.
    let by_text =
        VENDOR_ERRORS.iter().filter(|row| row.code != 0 && row.text.len() > 12 && upper.contains(row.text));
    if let Some(row) = by_text.max_by_key(|row| row.text.len()) {
        return vec![Signal::Vendor(row.code)];
    }
    if !words::tells_of_failure(lower) {
        return Vec::new();
    }
    let digits = tokens(line).filter(|(at, token)| token.starts_with("00") && !follows_number(line, *at));
    digits
        .filter_map(|(_, token)| hex4(token).and_then(vendor_error))
        .map(|row| Signal::Vendor(row.code))
        .take(1)
        .collect()
}

/// Whether what stands at an offset goes on with a number, as the `0030` of `1.0030` or `12:0030`.
fn follows_number(line: &str, at: usize) -> bool {
    let mut before = line[..at].chars().rev();
    before.next().is_some_and(|letter| matches!(letter, '.' | ':' | '-'))
        && before.next().is_some_and(|letter| letter.is_ascii_digit())
}

/// `Chip returned error: 1026` (decimal, blisp), `error 0x0402`, `err_msb: 1, err_lsb 4` (jq_flasher).
fn numbered(lower: &str) -> Vec<Signal> {
    let words: Vec<&str> = tokens(lower).map(|(_, token)| token).collect();
    let number_after = |word: &str| {
        let at = words.iter().position(|token| *token == word)?;
        words.get(at + 1)?.parse::<u16>().ok()
    };
    if let (Some(high), Some(low)) = (number_after("msb"), number_after("lsb")) {
        return vec![Signal::Code(Code((high << 8) | (low & 0xFF)))];
    }
    if !(lower.contains("error") || lower.contains("returned") || words::tells_of_failure(lower)) {
        return Vec::new();
    }
    let says_the_chip = lower.contains("chip returned");
    let read = |token: &&str| -> Option<Signal> {
        if let Some(digits) = token.strip_prefix("0x") {
            return known(u16::from_str_radix(digits, 16).ok().filter(|_| digits.len() == 4)?);
        }
        let value: u16 = token.parse().ok()?;
        if let Some(signal) = hex4(token).filter(|_| token.starts_with('0')).and_then(known) {
            return Some(signal);
        }
        // Small numbers are those of the operating system, unless the chip is named.
        known(value).filter(|_| value > 0xFF || says_the_chip)
    };
    words.iter().filter_map(read).take(1).collect()
}

fn known(value: u16) -> Option<Signal> {
    Code(value).row().map(|row| Signal::Code(row.code))
}

/// `BFLB_CMD_SEQ_ERROR` without a number.
fn named(line: &str) -> Vec<Signal> {
    let upper = line.to_ascii_uppercase();
    let row = CODES.iter().filter(|row| {
        let name = row.name.trim_start_matches("BFLB_");
        name.len() > 12 && upper.contains(name)
    });
    row.max_by_key(|row| row.name.len()).map(|row| Signal::Code(row.code)).into_iter().collect()
}

fn hex4(digits: &str) -> Option<u16> {
    if digits.len() != 4 {
        return None;
    }
    u16::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn code(value: u16) -> Vec<Signal> {
        vec![Signal::Code(Code(value))]
    }

    #[rstest]
    #[case::official("[22:01:10.123] - FL0104(BFLB_CMD_SEQ_ERROR)", code(0x0104))]
    #[case::split("reply FL 0402", code(0x0402))]
    #[case::wire("rx: 46 4c 04 01", code(0x0104))]
    #[case::wire_in_one("recv 464c0402", code(0x0204))]
    #[case::python("b'FL\\x04\\x01'", code(0x0104))]
    #[case::blisp("Chip returned error: 1026", code(0x0402))]
    #[case::blisp_small("Chip returned error: 3", code(0x0003))]
    #[case::web("Error 0x0402 (unknown)", code(0x0402))]
    #[case::jq("DEBUG:root:err_msb: 1, err_lsb 4", code(0x0104))]
    #[case::name_alone("raise bl_errors.CMD_SEQ_ERROR", code(0x0104))]
    #[case::vendor("ErrorCode: 000C, ErrorMsg: BFLB SET CLOCK PLL FAIL", vec![Signal::Vendor(0x000C)])]
    #[case::chinese("错误代码：0030", vec![Signal::Vendor(0x0030)])]
    #[case::text_alone("BFLB READ FLASH JEDEC ID FAIL", vec![Signal::Vendor(0x0030)])]
    #[case::digits_on_a_failing_line("烧写失败 (0036)", vec![Signal::Vendor(0x0036)])]
    #[case::flash("flash load", vec![])]
    #[case::time("12:00:30.0030 handshake failed", vec![])]
    #[case::errno("error: [Errno 25] Inappropriate ioctl for device", vec![])]
    #[case::plain("Finished with 0030 blocks", vec![])]
    fn forms(#[case] line: &str, #[case] expected: Vec<Signal>) {
        assert_eq!(read(line), expected);
    }
}
