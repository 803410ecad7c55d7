//! What bytes become when the two ends of a line do not agree on data bits, parity and stop bits. Pure.
//!
//! The chip's UART is 8N1 (`reference/rom-and-module.md` section 1.1), a client may ask for anything. What the real
//! chip makes of another frame was not measured; as in [`crate::uart`], assumed is a receiver that samples each bit
//! in its middle, delivers a byte whose stop bit is low like any other, and ignores parity.

/// The bit behind the data bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Parity {
    /// There is none.
    #[default]
    None,
    /// The number of ones is odd with it.
    Odd,
    /// The number of ones is even with it.
    Even,
    /// Always 1.
    Mark,
    /// Always 0.
    Space,
}

/// How long the line is high at least behind a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum StopBits {
    /// One bit time.
    #[default]
    One,
    /// One and a half.
    OneAndHalf,
    /// Two.
    Two,
}

/// How a byte is put on a line; 8N1 by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Framing {
    /// 5 to 8, the lowest bit first.
    pub data_bits: u8,
    /// The bit behind them.
    pub parity: Parity,
    /// The end of the frame.
    pub stop_bits: StopBits,
}

/// Eight data bits, no parity, one stop bit.
pub const EIGHT_N_ONE: Framing = Framing { data_bits: 8, parity: Parity::None, stop_bits: StopBits::One };

impl Default for Framing {
    fn default() -> Framing {
        EIGHT_N_ONE
    }
}

impl Framing {
    /// The level of the line in each half bit time while `byte` is sent.
    fn put(self, byte: u8, line: &mut Vec<bool>) {
        let mut bit = |level| line.extend([level, level]);
        bit(false);
        let data = byte & (0xff >> (8 - self.data_bits));
        (0..self.data_bits).for_each(|index| bit(data >> index & 1 == 1));
        let odd = data.count_ones() % 2 == 1;
        match self.parity {
            Parity::None => {}
            Parity::Odd => bit(!odd),
            Parity::Even => bit(odd),
            Parity::Mark => bit(true),
            Parity::Space => bit(false),
        }
        let stop_halves = match self.stop_bits {
            StopBits::One => 2,
            StopBits::OneAndHalf => 3,
            StopBits::Two => 4,
        };
        line.extend(std::iter::repeat_n(true, stop_halves));
    }

    /// Half bit times from the falling edge to the middle of the first stop bit, where a receiver is ready again.
    fn halves_to_stop(self) -> usize {
        let parity_bits = usize::from(self.parity != Parity::None);
        2 * (1 + usize::from(self.data_bits) + parity_bits) + 1
    }
}

/// What a receiver set to `received` makes of `bytes` sent as `sent` at the same rate, one behind the other; the line
/// is idle before and behind them.
pub fn reframe(bytes: &[u8], sent: Framing, received: Framing) -> Vec<u8> {
    if sent == received && sent.data_bits == 8 {
        return bytes.to_vec();
    }
    let mut line = Vec::with_capacity(bytes.len() * 24);
    bytes.iter().for_each(|byte| sent.put(*byte, &mut line));
    let level = |half: usize| line.get(half).copied().unwrap_or(true);

    let mut heard = Vec::new();
    let mut ready = 0;
    while let Some(edge) = (ready..line.len()).find(|half| !level(*half) && (*half == 0 || level(half - 1))) {
        // The middle of a bit is where its second half begins.
        let data = |index: u8| level(edge + 2 * (usize::from(index) + 1) + 1);
        heard.push((0..received.data_bits).fold(0, |byte, index| byte | u8::from(data(index)) << index));
        ready = edge + received.halves_to_stop();
    }
    heard
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    const fn framing(data_bits: u8, parity: Parity) -> Framing {
        Framing { data_bits, parity, stop_bits: StopBits::One }
    }

    const EIGHT_E_ONE: Framing = framing(8, Parity::Even);
    const SEVEN_E_ONE: Framing = framing(7, Parity::Even);
    const SEVEN_N_ONE: Framing = framing(7, Parity::None);
    const EIGHT_N_TWO: Framing = Framing { stop_bits: StopBits::Two, ..EIGHT_N_ONE };

    // Worked out with pencil and paper; the line is written lowest bit first, S start, P stop.
    #[rstest]
    #[case::same(&[0x55, 0xff, 0x00], EIGHT_N_ONE, EIGHT_N_ONE, &[0x55, 0xff, 0x00])]
    // More stop bits are a pause, and a pause is no harm.
    #[case::two_stop_bits(&[0x55, 0x00, 0xff], EIGHT_N_TWO, EIGHT_N_ONE, &[0x55, 0x00, 0xff])]
    // Parity of 07h is 1: it looks like a stop bit with another one behind it.
    #[case::parity_that_is_high(&[0x07, 0x07], EIGHT_E_ONE, EIGHT_N_ONE, &[0x07, 0x07])]
    // Parity of 55h is 0: a stop bit that is low. The byte is delivered, the real stop bit makes the next edge.
    #[case::parity_that_is_low(&[0x55, 0x55], EIGHT_E_ONE, EIGHT_N_ONE, &[0x55, 0x55])]
    // The parity takes the place of bit 7: 41h has two ones, so 0; 43h has three, so 1.
    #[case::seven_even(&[0x41, 0x43], SEVEN_E_ONE, EIGHT_N_ONE, &[0x41, 0xc3])]
    // S1000001P S1000001P: the stop bit is read as bit 7, the next start bit as a low stop bit. Ready again in the middle
    // of that start bit; the next falling edge is between bit 0 and bit 1 of the second byte: 00000 1 (bit 6), then stop
    // and idle: S 0000 1 1 1 1 -> bits 0..=3 low, 4..=7 high.
    #[case::seven_none(&[0x41, 0x41], SEVEN_N_ONE, EIGHT_N_ONE, &[0xc1, 0xf0])]
    // The chip's bit 7 is taken for parity, which nobody checks.
    #[case::heard_by_seven_even(&[0x4f, 0xcb], EIGHT_N_ONE, SEVEN_E_ONE, &[0x4f, 0x4b])]
    #[case::nothing(&[], SEVEN_N_ONE, EIGHT_N_ONE, &[])]
    fn a_line_with_two_opinions(
        #[case] bytes: &[u8],
        #[case] sent: Framing,
        #[case] received: Framing,
        #[case] heard: &[u8],
    ) {
        assert_eq!(reframe(bytes, sent, received), heard);
    }

    fn any_framing() -> impl Strategy<Value = Framing> {
        use {Parity::*, StopBits::*};
        let parity = prop_oneof![Just(Parity::None), Just(Odd), Just(Even), Just(Mark), Just(Space)];
        (5_u8..=8, parity, prop_oneof![Just(One), Just(OneAndHalf), Just(Two)])
            .prop_map(|(data_bits, parity, stop_bits)| Framing { data_bits, parity, stop_bits })
    }

    proptest! {
        #[test]
        fn ends_that_agree_understand_each_other(framing in any_framing(), bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let mask = 0xff >> (8 - framing.data_bits);
            let cut: Vec<u8> = bytes.iter().map(|byte| byte & mask).collect();
            prop_assert_eq!(reframe(&bytes, framing, framing), cut);
        }

        #[test]
        fn the_number_of_stop_bits_does_not_matter_to_a_receiver(framing in any_framing(), bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let two = Framing { stop_bits: StopBits::Two, ..framing };
            prop_assert_eq!(reframe(&bytes, two, Framing { stop_bits: StopBits::One, ..framing }), reframe(&bytes, framing, framing));
        }

        #[test]
        fn garbage_is_bounded(sent in any_framing(), received in any_framing(), bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            // A frame has at most five falling edges.
            prop_assert!(reframe(&bytes, sent, received).len() <= 5 * bytes.len());
        }
    }
}
