//! Numbers, rates, bytes and answers as they stand in the scenarios: parameters of cucumber expressions.

use std::fmt;
use std::str::FromStr;

use bl702_protocol::time::Nanos;
use cucumber::Parameter;

/// Why a word of a scenario cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no {what}")]
pub struct BadWord {
    text: String,
    what: &'static str,
}

fn bad(text: &str, what: &'static str) -> BadWord {
    BadWord { text: text.to_owned(), what }
}

/// `500,000`: a rate, or any other number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Parameter)]
#[param(name = "number", regex = r"\d[\d,]*")]
pub struct Number(pub u32);

impl FromStr for Number {
    type Err = BadWord;

    fn from_str(text: &str) -> Result<Number, BadWord> {
        text.replace(',', "").parse().map(Number).map_err(|_| bad(text, "number"))
    }
}

/// `0x1F80`: a flash address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Parameter)]
#[param(name = "address", regex = r"0x[0-9A-Fa-f]+")]
pub struct Address(pub u32);

impl FromStr for Address {
    type Err = BadWord;

    fn from_str(text: &str) -> Result<Address, BadWord> {
        let digits = text.trim_start_matches("0x");
        u32::from_str_radix(digits, 16).map(Address).map_err(|_| bad(text, "address"))
    }
}

/// `300 bytes`, `64 KiB`, `1 MiB`: a length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Parameter)]
#[param(name = "size", regex = r"\d[\d,]* (?:bytes|byte|KiB|MiB)")]
pub struct Size(pub u32);

impl FromStr for Size {
    type Err = BadWord;

    fn from_str(text: &str) -> Result<Size, BadWord> {
        let (number, unit) = text.split_once(' ').ok_or_else(|| bad(text, "size"))?;
        let factor = match unit {
            "KiB" => 1024,
            "MiB" => 1024 * 1024,
            _ => 1,
        };
        Ok(Size(number.parse::<Number>()?.0 * factor))
    }
}

/// `4.1 s`, `30 ms`, `2 minutes`: a span of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Parameter)]
#[param(name = "span", regex = r"\d+(?:\.\d+)? (?:µs|ms|s|minutes)")]
pub struct Span(pub Nanos);

impl FromStr for Span {
    type Err = BadWord;

    fn from_str(text: &str) -> Result<Span, BadWord> {
        let (number, unit) = text.split_once(' ').ok_or_else(|| bad(text, "span of time"))?;
        let number: f64 = number.parse().map_err(|_| bad(text, "span of time"))?;
        let nanos = match unit {
            "µs" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            _ => 60e9,
        };
        Ok(Span(Nanos((number * nanos).round() as u64)))
    }
}

/// `once`, `twice`, `four times`: how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Parameter)]
#[param(name = "times", regex = r"once|twice|three times|four times|ten times|\d+ times")]
pub struct Times(pub u32);

impl FromStr for Times {
    type Err = BadWord;

    fn from_str(text: &str) -> Result<Times, BadWord> {
        let count = text.trim_end_matches(" times");
        match count {
            "once" => Ok(Times(1)),
            "twice" => Ok(Times(2)),
            "three" => Ok(Times(3)),
            "four" => Ok(Times(4)),
            "ten" => Ok(Times(10)),
            digits => digits.parse().map(Times).map_err(|_| bad(text, "number of times")),
        }
    }
}

/// `10 00 00 00`: bytes on the wire, in hex.
#[derive(Clone, Debug, PartialEq, Eq, Parameter)]
#[param(name = "bytes", regex = r"[0-9a-f]{2}(?: [0-9a-f]{2})*")]
pub struct Bytes(pub Vec<u8>);

impl FromStr for Bytes {
    type Err = BadWord;

    fn from_str(text: &str) -> Result<Bytes, BadWord> {
        let digits: String = text.split_whitespace().collect();
        if digits.is_empty() || !digits.len().is_multiple_of(2) || !digits.is_ascii() {
            return Err(bad(text, "hex bytes"));
        }
        (0..digits.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&digits[at..at + 2], 16))
            .collect::<Result<_, _>>()
            .map(Bytes)
            .map_err(|_| bad(text, "hex bytes"))
    }
}

/// `OK`, `PD PD OK`, `FL0104`, `OK 04 00 c2 20 14 80`, `OK 18 00 ..` or `nothing`: what a module answers.
///
/// `FL0104` is the code 0104h, which travels as `46 4c 04 01`. `..` stands for any bytes that follow.
#[derive(Clone, PartialEq, Eq, Parameter)]
#[param(
    name = "answer",
    regex = r"(?:OK|PD|FL[0-9A-F]{4}|nothing|[0-9a-f]{2})(?: (?:OK|PD|FL[0-9A-F]{4}|\.\.|[0-9a-f]{2}))*"
)]
pub struct Answer {
    bytes: Vec<u8>,
    more: bool,
}

impl Answer {
    /// Whether these bytes are the answer.
    pub fn is(&self, bytes: &[u8]) -> bool {
        if self.more { bytes.starts_with(&self.bytes) } else { bytes == self.bytes }
    }
}

impl FromStr for Answer {
    type Err = BadWord;

    fn from_str(text: &str) -> Result<Answer, BadWord> {
        let mut answer = Answer { bytes: Vec::new(), more: false };
        for word in text.split_whitespace() {
            if answer.more {
                return Err(bad(text, "answer: nothing can follow `..`"));
            }
            match word {
                "OK" | "PD" => answer.bytes.extend(word.as_bytes()),
                ".." => answer.more = true,
                "nothing" if answer.bytes.is_empty() => {}
                code if code.len() == 6 && code.starts_with("FL") => {
                    let value = u16::from_str_radix(&code[2..], 16).map_err(|_| bad(text, "answer"))?;
                    answer.bytes.extend(b"FL");
                    answer.bytes.extend(value.to_le_bytes());
                }
                hex => answer.bytes.extend(hex.parse::<Bytes>().map_err(|_| bad(text, "answer"))?.0),
            }
        }
        Ok(answer)
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", readable(&self.bytes), if self.more { " .." } else { "" })
    }
}

/// `FL0104, FL0402, nothing`: the answers to several requests, one after the other.
#[derive(Clone, Debug, PartialEq, Eq, Parameter)]
#[param(
    name = "answers",
    regex = r"(?:OK|PD|FL[0-9A-F]{4}|nothing|[0-9a-f]{2})(?:,? (?:OK|PD|FL[0-9A-F]{4}|nothing|\.\.|[0-9a-f]{2}))*"
)]
pub struct Answers(pub Vec<Answer>);

impl FromStr for Answers {
    type Err = BadWord;

    fn from_str(text: &str) -> Result<Answers, BadWord> {
        text.split(", ").map(str::parse).collect::<Result<_, _>>().map(Answers)
    }
}

/// Bytes as the scenarios write them.
pub fn readable(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "nothing".to_owned();
    }
    let mut words = Vec::new();
    let mut rest = bytes;
    let mut in_answer = true;
    while let Some((first, tail)) = rest.split_first() {
        match rest {
            [b'F', b'L', low, high, after @ ..] if in_answer => {
                words.push(format!("FL{:04X}", u16::from_le_bytes([*low, *high])));
                rest = after;
            }
            [b'O', b'K', after @ ..] if in_answer => {
                words.push("OK".to_owned());
                rest = after;
            }
            [b'P', b'D', after @ ..] if in_answer => {
                words.push("PD".to_owned());
                rest = after;
            }
            _ => {
                // Data follow, in which the same letters mean nothing.
                in_answer = false;
                words.push(format!("{first:02x}"));
                rest = tail;
            }
        }
        if words.len() == 64 && !rest.is_empty() {
            words.push(format!("... ({} bytes in all)", bytes.len()));
            break;
        }
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("OK", b"OK", true)]
    #[case("OK", b"OKOK", false)]
    #[case("FL0104", &[0x46, 0x4c, 0x04, 0x01], true)]
    #[case("FL0104", &[0x46, 0x4c, 0x01, 0x04], false)]
    #[case("PD PD OK", b"PDPDOK", true)]
    #[case("OK 18 00 ..", b"OK\x18\x00abc", true)]
    #[case("OK 18 00 ..", b"OK\x18", false)]
    #[case("nothing", b"", true)]
    #[case("nothing", b"O", false)]
    #[case("OK 04 00 c2 20 14 80", b"OK\x04\x00\xc2\x20\x14\x80", true)]
    fn answers(#[case] text: &str, #[case] bytes: &[u8], #[case] is: bool) {
        assert_eq!(text.parse::<Answer>().unwrap().is(bytes), is);
    }

    #[rstest]
    #[case("OK .. OK")]
    #[case("OKAY")]
    #[case("FL01")]
    #[case("zz")]
    fn bad_answers(#[case] text: &str) {
        assert!(text.parse::<Answer>().is_err());
    }

    #[test]
    fn several_answers_are_told_apart_by_commas() {
        let answers: Answers = "FL0104, OK 01 00, nothing".parse().unwrap();
        assert_eq!(answers.0.len(), 3);
        assert!(answers.0[1].is(b"OK\x01\x00"));
    }

    #[test]
    fn numbers_and_units() {
        assert_eq!("2,000,000".parse(), Ok(Number(2_000_000)));
        assert_eq!("64 KiB".parse(), Ok(Size(65_536)));
        assert_eq!("1 byte".parse(), Ok(Size(1)));
        assert_eq!("4.1 s".parse(), Ok(Span(Nanos::from_millis(4_100))));
        assert_eq!("250 µs".parse(), Ok(Span(Nanos::from_micros(250))));
        assert_eq!("0xFF000".parse(), Ok(Address(0xff000)));
        assert_eq!("four times".parse(), Ok(Times(4)));
        assert_eq!("12 times".parse(), Ok(Times(12)));
    }

    #[test]
    fn bytes_read_back_as_written() {
        assert_eq!(readable(b"PDOK"), "PD OK");
        assert_eq!(readable(b"OK\x02\x00OK"), "OK 02 00 4f 4b");
        assert_eq!(readable(b"FL\x04\x01FL\x02\x04"), "FL0104 FL0402");
        assert_eq!(readable(b""), "nothing");
    }
}
