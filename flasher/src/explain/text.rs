//! From the bytes of a pasted log to clean lines.

/// Lines without escape sequences, surrounding blanks and control characters. Carriage returns, with which bars are
/// drawn, end lines too.
pub(super) fn lines(bytes: &[u8]) -> Vec<String> {
    let text = decode(bytes);
    let text = without_escapes(&text).replace("\r\n", "\n").replace('\r', "\n");
    text.split('\n').map(|line| printable(line).trim().to_owned()).collect()
}

/// UTF-8, or UTF-16 with a byte order mark, as PowerShell writes it.
fn decode(bytes: &[u8]) -> String {
    let wide = |order: fn([u8; 2]) -> u16, bytes: &[u8]| {
        let (units, _) = bytes.as_chunks();
        let units: Vec<u16> = units.iter().map(|unit| order(*unit)).collect();
        String::from_utf16_lossy(&units)
    };
    match bytes {
        [0xFF, 0xFE, rest @ ..] => wide(u16::from_le_bytes, rest),
        [0xFE, 0xFF, rest @ ..] => wide(u16::from_be_bytes, rest),
        [0xEF, 0xBB, 0xBF, rest @ ..] => String::from_utf8_lossy(rest).into_owned(),
        _ => String::from_utf8_lossy(bytes).into_owned(),
    }
}

/// Takes out terminal sequences: `ESC [ ... letter`, `ESC ] ... BEL`, `ESC` and one character. Logs that went through a
/// web page may have lost the `ESC`, so `[0;31m` is taken out as well.
fn without_escapes(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['\u{1b}', '\u{9b}', '[']) {
        clean.push_str(&rest[..at]);
        rest = &rest[at..];
        rest = match after_escape(rest) {
            Some(after) => after,
            None => {
                let first = rest.chars().next().map_or(0, char::len_utf8);
                clean.push_str(&rest[..first]);
                &rest[first..]
            }
        };
    }
    clean.push_str(rest);
    clean
}

/// What follows the sequence that `text` begins with; `None` if it is none.
fn after_escape(text: &str) -> Option<&str> {
    if let Some(body) = text.strip_prefix("\u{1b}]") {
        let end = body.find(['\u{7}', '\u{1b}', '\n'])?;
        return Some(body[end..].trim_start_matches(['\u{7}', '\u{1b}', '\\']));
    }
    if let Some(body) = text.strip_prefix("\u{1b}[").or_else(|| text.strip_prefix('\u{9b}')) {
        let end = body.find(|letter: char| ('@'..='~').contains(&letter)).unwrap_or(body.len());
        return Some(body.get(end + 1..).unwrap_or_default());
    }
    if let Some(body) = text.strip_prefix('\u{1b}') {
        return Some(body.char_indices().nth(1).map_or("", |(at, _)| &body[at..]));
    }
    let body = text.strip_prefix('[')?;
    let end = body.find(|letter: char| !letter.is_ascii_digit() && letter != ';')?;
    (end <= 8 && body[end..].starts_with('m')).then(|| &body[end + 1..])
}

fn printable(line: &str) -> String {
    line.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::crlf(b"one\r\ntwo\r\n", &["one", "two", ""])]
    #[case::bar(b" 10 %\r 20 %\r\n", &["10 %", "20 %", ""])]
    #[case::colours(b"\x1b[0;31m ======== \x1b[1mfail\x1b[0m", &["======== fail"])]
    #[case::colours_that_lost_their_escape(b"[0;32m [step.1] ok[0m", &["[step.1] ok"])]
    #[case::title(b"\x1b]0;window\x07text", &["text"])]
    #[case::brackets_stay(b"[12:00:01.123] - [All Success]", &["[12:00:01.123] - [All Success]"])]
    #[case::not_utf8(b"FL0104 \xff\xfe", &["FL0104 \u{fffd}\u{fffd}"])]
    #[case::utf16(b"\xff\xfeF\0L\x000\0", &["FL0"])]
    #[case::mark(b"\xef\xbb\xbftext", &["text"])]
    #[case::cut_escape(b"text\x1b[", &["text"])]
    #[case::lone_escape(b"text\x1b", &["text"])]
    #[case::empty(b"", &[""])]
    fn cleaned(#[case] bytes: &[u8], #[case] expected: &[&str]) {
        assert_eq!(lines(bytes), expected);
    }
}
