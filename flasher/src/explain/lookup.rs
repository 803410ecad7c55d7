//! One code, in whatever form somebody writes it.

use bl702_protocol::code::{CODES, Code, VENDOR_ERRORS, VendorError, vendor_error};
use serde::Serialize;

use super::Signal;

/// What one code means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Meaning {
    /// `FL0104`, or `ErrorCode 000C`.
    pub code: String,
    /// The vendor's name or text.
    pub name: String,
    /// What it means on a BL702.
    pub meaning: String,
    /// When the boot ROM sends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rom: Option<&'static str>,
    /// When the RAM loader sends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loader: Option<&'static str>,
    /// What to do.
    pub advice: String,
    /// How the text was read, if that is not plain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reading: Option<String>,
}

impl Meaning {
    /// What an `FL` code means, known or not.
    pub fn of_code(code: Code) -> Meaning {
        let Some(row) = code.row() else {
            return Meaning {
                code: code.to_string(),
                name: "unknown".to_owned(),
                meaning: "a code that is in none of the vendor's lists".to_owned(),
                rom: None,
                loader: None,
                advice: "The link garbles bytes, or the host talks to another chip. Lower the rate and check the wiring.".to_owned(),
                reading: None,
            };
        };
        Meaning {
            code: code.to_string(),
            name: row.name.to_owned(),
            meaning: row.meaning.to_owned(),
            rom: row.rom,
            loader: row.loader,
            advice: row.advice.to_owned(),
            reading: None,
        }
    }

    /// What an `ErrorCode` of the vendor's tools means.
    pub fn of_vendor(row: &VendorError) -> Meaning {
        let plain = "The vendor's tool prints it; nothing more is known about it on a BL702.";
        Meaning {
            code: format!("ErrorCode {:04X}", row.code),
            name: row.text.to_owned(),
            meaning: row.explanation.unwrap_or(plain).to_owned(),
            rom: None,
            loader: None,
            advice: "Look at the FL codes and messages before it: give the whole log to `bl702-flash explain FILE`.".to_owned(),
            reading: None,
        }
    }

    /// What the code of a signal means; `None` if it is no code.
    pub(super) fn of_signal(signal: &Signal) -> Option<Meaning> {
        match signal {
            Signal::Code(code) => Some(Meaning::of_code(*code)),
            Signal::Vendor(code) => vendor_error(*code).map(Meaning::of_vendor),
            _ => None,
        }
    }

    fn read_as(mut self, reading: impl Into<String>) -> Meaning {
        self.reading = Some(reading.into());
        self
    }
}

/// Every meaning that a text can have: `FL0104`, `0104`, `0x0104`, `000C`, `1026` (decimal, as blisp prints it),
/// `464c0401` (as on the wire), `CMD_SEQ_ERROR`, `SET CLOCK PLL FAIL`. Empty if it is no code.
pub fn look_up(text: &str) -> Vec<Meaning> {
    let text = text.trim();
    let bare: String =
        text.chars().filter(|letter| !letter.is_whitespace()).collect::<String>().to_ascii_uppercase();
    if let Some(code) = wire(&bare) {
        return vec![Meaning::of_code(code).read_as("the four bytes of a reply, low byte of the code first")];
    }
    if let Some(digits) = bare.strip_prefix("FL").filter(|digits| digits.len() == 4) {
        return u16::from_str_radix(digits, 16).map(fl_code).unwrap_or_default();
    }
    let named = by_name(text);
    if !named.is_empty() {
        return named;
    }
    let digits = bare.strip_prefix("ERRORCODE").unwrap_or(&bare).trim_start_matches([':', '=']);
    number(digits)
}

/// An `FL` code, and what it is if the tool that printed it forgot to swap its bytes.
fn fl_code(value: u16) -> Vec<Meaning> {
    let code = Code(value);
    let swapped = Code(value.swap_bytes());
    if code.row().is_none() && swapped.row().is_some() {
        let reading =
            format!("{code} is no code: the tool that printed it did not swap the two bytes of {swapped}");
        return vec![Meaning::of_code(swapped).read_as(reading)];
    }
    vec![Meaning::of_code(code)]
}

/// `464C0401`, with or without blanks.
fn wire(bare: &str) -> Option<Code> {
    let digits = bare.strip_prefix("464C").filter(|digits| digits.len() == 4)?;
    u16::from_str_radix(digits, 16).ok().map(|value| Code(value.swap_bytes()))
}

/// Four digits can be three things; every reading that is known is told.
fn number(digits: &str) -> Vec<Meaning> {
    let hex = digits.strip_prefix("0X").unwrap_or(digits);
    let mut found = Vec::new();
    if let Ok(value) = u16::from_str_radix(hex, 16).map_err(|_| ()).and_then(|value| in_four(hex, value)) {
        found.extend(vendor_error(value).map(|row| {
            Meaning::of_vendor(row).read_as("as an ErrorCode of the vendor's tools (BLDevCube, bflb tools)")
        }));
        if Code(value).row().is_some() {
            found.push(Meaning::of_code(Code(value)).read_as("as a code that the chip sends (FL)"));
        }
    }
    if let Ok(value) = digits.parse::<u16>()
        && Code(value).row().is_some()
        && !digits.starts_with('0')
    {
        found.push(
            Meaning::of_code(Code(value))
                .read_as(format!("{value} is {value:04X}h: blisp prints codes in decimal")),
        );
    }
    found
}

/// A number that was written with at most four digits.
fn in_four(digits: &str, value: u16) -> Result<u16, ()> {
    if digits.len() <= 4 { Ok(value) } else { Err(()) }
}

fn by_name(text: &str) -> Vec<Meaning> {
    let wanted = text.to_ascii_uppercase().replace([' ', '-'], "_");
    let wanted = wanted.trim_start_matches("BFLB_");
    if wanted.len() < 4 || !wanted.contains(|letter: char| letter.is_ascii_alphabetic()) {
        return Vec::new();
    }
    let codes = CODES.iter().filter(|row| row.name.trim_start_matches("BFLB_") == wanted);
    let errors = VENDOR_ERRORS.iter().filter(|row| row.text.replace(' ', "_") == wanted);
    codes.map(|row| Meaning::of_code(row.code)).chain(errors.map(Meaning::of_vendor)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn codes(text: &str) -> Vec<String> {
        look_up(text).into_iter().map(|meaning| meaning.code).collect()
    }

    #[rstest]
    #[case("FL0104", &["FL0104"])]
    #[case(" fl0402 ", &["FL0402"])]
    #[case("0104", &["FL0104"])]
    #[case("0x0104", &["FL0104"])]
    #[case::wire("46 4c 04 01", &["FL0104"])]
    #[case::blisp("1026", &["FL0402"])]
    #[case::short_decimal("260", &["FL0104"])]
    #[case::vendor_only("000C", &["ErrorCode 000C", "FL000C"])]
    #[case::both("0003", &["ErrorCode 0003", "FL0003"])]
    #[case::with_its_name("ErrorCode: 0030", &["ErrorCode 0030"])]
    #[case::name("BFLB_CMD_SEQ_ERROR", &["FL0104"])]
    #[case::short_name("cmd seq error", &["FL0104"])]
    #[case::vendors_text("SET CLOCK PLL FAIL", &["ErrorCode 000C"])]
    #[case::unswapped("FL0604", &["FL0604"])]
    #[case::swapped_only("FL0704", &["FL0704"])]
    #[case::unknown_fl("FL1234", &["FL1234"])]
    #[case::no_code("hello", &[])]
    #[case::no_number("99999999", &[])]
    #[case::nothing("", &[])]
    fn readings(#[case] text: &str, #[case] expected: &[&str]) {
        assert_eq!(codes(text), expected);
    }

    #[test]
    fn bytes_that_a_tool_did_not_swap() {
        let meanings = look_up("FL0602");
        assert_eq!(meanings[0].code, "FL0602");
        let meanings = look_up("FL0702");
        assert_eq!(meanings[0].code, "FL0702");
        let meanings = look_up("FL1002");
        assert_eq!(meanings[0].code, "FL0210");
        assert!(meanings[0].reading.as_ref().unwrap().contains("did not swap"), "{meanings:?}");
    }

    /// Every row of both tables can be asked for.
    #[test]
    fn all_codes_are_found() {
        for row in CODES {
            assert!(codes(&row.code.to_string()).contains(&row.code.to_string()), "{}", row.name);
            assert!(codes(row.name).contains(&row.code.to_string()), "{}", row.name);
        }
        for row in VENDOR_ERRORS {
            let digits = format!("{:04X}", row.code);
            assert!(codes(&digits).contains(&format!("ErrorCode {digits}")), "{}", row.text);
        }
    }
}
