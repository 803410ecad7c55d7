//! Numbers as people write them: decimal, hexadecimal, KiB and MiB.

/// Why text is not a number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no number; write decimal, 0x hexadecimal, or a size such as 64KiB or 1MiB")]
pub struct NumberError {
    /// What was written.
    pub text: String,
}

/// Reads a number: `4096`, `4_096`, `0x1000`, `0X1000`, `64K`, `64KiB`, `1M`, `1MiB`.
///
/// A suffix multiplies by 1024 or 1024 * 1024, in either case of letters.
///
/// # Errors
/// [`NumberError`] for anything else, and for what does not fit 64 bits.
pub fn parse_number(text: &str) -> Result<u64, NumberError> {
    let error = || NumberError { text: text.to_owned() };
    let cleaned = text.trim().replace('_', "").to_ascii_lowercase();
    if let Some(hex) = cleaned.strip_prefix("0x") {
        // Not `from_str_radix` alone: it takes a sign.
        let plain = !hex.is_empty() && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
        return plain.then(|| u64::from_str_radix(hex, 16).ok()).flatten().ok_or_else(error);
    }
    let digits = cleaned.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let factor = match cleaned[digits.len()..].trim() {
        "" => 1,
        "k" | "kib" => 1024,
        "m" | "mib" => 1024 * 1024,
        _ => return Err(error()),
    };
    let digits = digits.trim_end();
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(error());
    }
    digits.parse::<u64>().ok().and_then(|number| number.checked_mul(factor)).ok_or_else(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case("0", Some(0))]
    #[case("4096", Some(4096))]
    #[case("0x1000", Some(4096))]
    #[case("0XfF", Some(255))]
    #[case("1_000", Some(1000))]
    #[case("64K", Some(65536))]
    #[case("64 KiB", Some(65536))]
    #[case("1MiB", Some(1 << 20))]
    #[case("2m", Some(2 << 20))]
    #[case("", None)]
    #[case("0x", None)]
    #[case("0x+1", None)]
    #[case("-1", None)]
    #[case("1GiB", None)]
    #[case("1kb", None)]
    #[case("ten", None)]
    #[case("K", None)]
    #[case("99999999999999999999", None)]
    #[case("99999999999999999M", None)]
    fn texts(#[case] text: &str, #[case] expected: Option<u64>) {
        assert_eq!(parse_number(text).ok(), expected);
    }

    proptest! {
        #[test]
        fn decimal_and_hexadecimal_agree(number in any::<u64>()) {
            prop_assert_eq!(parse_number(&number.to_string()).unwrap(), number);
            prop_assert_eq!(parse_number(&format!("{number:#x}")).unwrap(), number);
        }

        #[test]
        fn nothing_panics(text in "\\PC{0,12}") {
            let _ = parse_number(&text);
        }
    }
}
