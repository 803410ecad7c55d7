//! What a request for another frame than 8N1 means (RFC 2217). Pure.

use bl702_protocol::rfc2217::com_port::Code;

use super::framing::{Framing, Parity, StopBits};

/// The framing after a request to change a part of it. What is 0 or unknown changes nothing.
pub fn reframed(framing: Framing, code: Code, value: u8) -> Framing {
    match (code, value) {
        (Code::DataSize, 5..=8) => Framing { data_bits: value, ..framing },
        (Code::Parity, value) => Framing { parity: parity(value).unwrap_or(framing.parity), ..framing },
        (Code::StopSize, value) => {
            Framing { stop_bits: stop_bits(value).unwrap_or(framing.stop_bits), ..framing }
        }
        _ => framing,
    }
}

/// The value of a part of the framing.
pub fn framing_value(framing: Framing, code: Code) -> u8 {
    match code {
        Code::Parity => match framing.parity {
            Parity::None => 1,
            Parity::Odd => 2,
            Parity::Even => 3,
            Parity::Mark => 4,
            Parity::Space => 5,
        },
        Code::StopSize => match framing.stop_bits {
            StopBits::One => 1,
            StopBits::Two => 2,
            StopBits::OneAndHalf => 3,
        },
        _ => framing.data_bits,
    }
}

fn parity(value: u8) -> Option<Parity> {
    [Parity::None, Parity::Odd, Parity::Even, Parity::Mark, Parity::Space]
        .get(usize::from(value).checked_sub(1)?)
        .copied()
}

fn stop_bits(value: u8) -> Option<StopBits> {
    [StopBits::One, StopBits::Two, StopBits::OneAndHalf].get(usize::from(value).checked_sub(1)?).copied()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::data(Code::DataSize, &[5, 6, 7, 8], &[0, 4, 9, 255])]
    #[case::parity(Code::Parity, &[1, 2, 3, 4, 5], &[0, 6, 255])]
    #[case::stop(Code::StopSize, &[1, 2, 3], &[0, 4, 255])]
    fn framing(#[case] code: Code, #[case] known: &[u8], #[case] others: &[u8]) {
        for value in known {
            let framing = reframed(Framing::default(), code, *value);
            assert_eq!(framing_value(framing, code), *value);
            for other in others {
                assert_eq!(reframed(framing, code, *other), framing);
            }
        }
    }
}
