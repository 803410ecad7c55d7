//! UART arithmetic: what auto-baud makes of a rate, and what a receiver at another rate makes of a byte stream.
//!
//! Pure functions; the line itself is [`crate::line`].

/// UART clock of the boot ROM in Hz (`reference/rom-and-module.md` section 1.1).
pub const ROM_UART_CLOCK_HZ: u32 = 32_000_000;
/// UART clock of the RAM loader in Hz (`reference/loader-protocol.md` section 2).
pub const LOADER_UART_CLOCK_HZ: u32 = 48_000_000;

/// Above this measured rate the ROM rounds to a multiple of 500,000.
const ROM_ROUNDS_ABOVE_BPS: u32 = 1_250_000;
/// Above this measured rate the RAM loader rounds to a multiple of 500,000.
const LOADER_ROUNDS_ABOVE_BPS: u32 = 970_000;
const ROUNDING_STEP_BPS: u32 = 500_000;
/// Both refuse a rate that leaves this many UART clocks a bit, or fewer.
const REFUSED_CLOCKS_A_BIT: u32 = 3;

/// By how much two rates may differ, in thousandths, with every byte still received right.
///
/// The last sample of an 8N1 byte is taken 9.5 bit times after the falling edge and must be less than half a bit
/// off: 5.2 %. The receiver sees the edge up to one of its clocks late, which at the coarsest useful setting (16
/// clocks a bit: 2,000,000 baud in the ROM) costs another sixteenth of a bit: (0.5 - 0.0625) / 9.5 = 4.6 %.
const TOLERANCE_PER_MILLE: u64 = 46;

/// Whether a receiver set to one of these rates gets the other's bytes right: they differ by 4.6 % or less.
///
/// A rate of 0 agrees only with itself.
pub fn rates_agree(a_bps: u32, b_bps: u32) -> bool {
    let (low, high) = (u64::from(a_bps.min(b_bps)), u64::from(a_bps.max(b_bps)));
    (high - low) * 1000 <= low * TOLERANCE_PER_MILLE
}

/// Whether the auto-baud hardware takes this byte as its fixed character: 55h or D5h.
///
/// It compares the lengths of the start bit and the first six data bits; the seventh must differ from the sixth so
/// that the sixth has an end, and the eighth is not looked at (`reference/rom-and-module.md` section 1.2).
pub fn is_autobaud_byte(byte: u8) -> bool {
    byte & 0x7f == 0x55
}

/// The rate the boot ROM settles on when a host sends 55h at `measured_bps`, or `None` when it does not answer.
pub fn rom_autobaud(measured_bps: u32) -> Option<u32> {
    autobaud(measured_bps, ROM_UART_CLOCK_HZ, ROM_ROUNDS_ABOVE_BPS)
}

/// The rate the RAM loader settles on when a host sends 55h at `measured_bps`, or `None` when it does not answer.
pub fn loader_autobaud(measured_bps: u32) -> Option<u32> {
    autobaud(measured_bps, LOADER_UART_CLOCK_HZ, LOADER_ROUNDS_ABOVE_BPS)
}

fn autobaud(measured_bps: u32, clock_hz: u32, rounds_above_bps: u32) -> Option<u32> {
    if measured_bps == 0 {
        return None;
    }
    // The hardware counts clocks in a bit. That it comes to the nearest whole count (and not the lower one) is assumed;
    // that the count is a 16-bit register is too (slower than 488 baud would overflow it).
    let clocks_a_bit = (clock_hz + measured_bps / 2) / measured_bps;
    if clocks_a_bit == 0 || clocks_a_bit > 0x1_0000 {
        return None;
    }
    let mut baud_bps = clock_hz / clocks_a_bit;
    if baud_bps > rounds_above_bps {
        baud_bps = (baud_bps + ROUNDING_STEP_BPS / 2) / ROUNDING_STEP_BPS * ROUNDING_STEP_BPS;
    }
    (clock_hz / baud_bps > REFUSED_CLOCKS_A_BIT).then_some(baud_bps)
}

/// What an 8N1 receiver at `to_bps` makes of `bytes` sent without gaps at `from_bps`.
///
/// The real bit stream (start, eight data bits with the lowest first, stop; idle high around it) is sampled in the
/// middle of each of the receiver's bits, counted from a falling edge. A start bit that is high in its middle is
/// no start. Assumed: a byte whose stop bit is low is delivered like any other (the chip's UART has no framing
/// error flag), and the receiver then waits for the next falling edge. Rates of 0 give nothing.
pub fn resample(bytes: &[u8], from_bps: u32, to_bps: u32) -> Vec<u8> {
    if from_bps == 0 || to_bps == 0 {
        return Vec::new();
    }
    if from_bps == to_bps {
        return bytes.to_vec();
    }
    // Time in units of 1 / (2 * from * to) seconds, so that both bit times and half of the receiver's are whole.
    let sender_bit = 2 * u64::from(to_bps);
    let receiver_half_bit = u64::from(from_bps);
    let bit_count = bytes.len() as u64 * 10;
    let level = |bit: u64| bit >= bit_count || line_bit(bytes[(bit / 10) as usize], bit % 10);

    let mut received = Vec::new();
    // The first sender bit at whose beginning the receiver is ready to see an edge.
    let mut bit = 0;
    while let Some(edge) = (bit..bit_count).find(|bit| !level(*bit) && (*bit == 0 || level(bit - 1))) {
        let sample = |n: u64| level((edge * sender_bit + (2 * n + 1) * receiver_half_bit) / sender_bit);
        if sample(0) {
            bit = edge + 1;
            continue;
        }
        received.push((0..8).fold(0, |byte, n| byte | u8::from(sample(n + 1)) << n));
        bit = (edge * sender_bit + 19 * receiver_half_bit).div_ceil(sender_bit);
    }
    received
}

/// Level of bit `index` (0 start, 1 to 8 data, 9 stop) of a byte on the line.
fn line_bit(byte: u8, index: u64) -> bool {
    match index {
        0 => false,
        9 => true,
        n => byte >> (n - 1) & 1 == 1,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::same(500_000, 500_000, true)]
    #[case::rounding_of_the_counter(921_600, 923_076, true)]
    #[case::limit(1_000_000, 1_046_000, true)]
    #[case::limit_swapped(1_046_000, 1_000_000, true)]
    #[case::beyond(1_000_000, 1_047_000, false)]
    #[case::double(500_000, 1_000_000, false)]
    #[case::standard_neighbours(460_800, 500_000, false)]
    #[case::zero(0, 1, false)]
    #[case::zeros(0, 0, true)]
    fn agreement(#[case] a: u32, #[case] b: u32, #[case] agree: bool) {
        assert_eq!(rates_agree(a, b), agree);
    }

    #[test]
    fn two_bytes_are_auto_baud_characters() {
        assert_eq!((0..=255).filter(|byte| is_autobaud_byte(*byte)).collect::<Vec<u8>>(), [0x55, 0xd5]);
    }

    #[rstest]
    #[case(115_200, Some(115_107))]
    #[case(460_800, Some(463_768))]
    #[case(500_000, Some(500_000))]
    #[case(1_000_000, Some(1_000_000))]
    #[case(1_200_000, Some(1_185_185))] // below the limit: not rounded
    #[case(1_500_000, Some(1_500_000))]
    #[case(2_000_000, Some(2_000_000))]
    #[case(3_000_000, Some(3_000_000))]
    #[case(8_000_000, Some(8_000_000))]
    #[case(11_000_000, None)] // three clocks a bit
    #[case(100_000_000, None)]
    #[case(9_600, Some(9_600))]
    #[case(300, None)]
    #[case(0, None)]
    fn rom_rates(#[case] sent_bps: u32, #[case] settled_bps: Option<u32>) {
        assert_eq!(rom_autobaud(sent_bps), settled_bps);
    }

    #[rstest]
    #[case(115_200, Some(115_107))]
    #[case(500_000, Some(500_000))]
    #[case(921_600, Some(923_076))] // what the loader's own log says
    #[case(1_000_000, Some(1_000_000))]
    #[case(1_200_000, Some(1_000_000))] // goes to 1.0: the host's 1.2 does not work
    #[case(1_500_000, Some(1_500_000))]
    #[case(2_000_000, Some(2_000_000))]
    #[case(2_500_000, Some(2_500_000))]
    #[case(3_000_000, Some(3_000_000))]
    #[case(16_000_000, None)]
    #[case(0, None)]
    fn loader_rates(#[case] sent_bps: u32, #[case] settled_bps: Option<u32>) {
        assert_eq!(loader_autobaud(sent_bps), settled_bps);
    }

    #[test]
    fn the_loaders_1200000_is_not_understood_but_921600_is() {
        assert!(!rates_agree(1_200_000, loader_autobaud(1_200_000).unwrap()));
        assert!(rates_agree(921_600, loader_autobaud(921_600).unwrap()));
    }

    // Worked out with pencil and paper from the bit streams.
    #[rstest]
    // 55h = 0 10101010 1. A receiver twice as fast reads each sender bit twice: 00 11 00 11 00 11 00 11 00 11, then idle.
    // Start 0, data 01100110 = 66h, stop 0 (delivered all the same). The next falling edge is the 13th half bit:
    // start 0, data 0110011 and one idle bit = E6h, stop 1.
    #[case::fast_receiver(&[0x55], 500_000, 1_000_000, &[0x66, 0xe6])]
    // A receiver at half the rate sees every second bit: from the start bit the middle of its first bit lies on
    // the boundary of the sender's bits 0 and 1, which is bit 1: high, so that no edge ever counts as a start.
    #[case::slow_receiver(&[0x55, 0x55], 1_000_000, 500_000, &[])]
    // 00h is a low level of nine sender bits: 18 bits of a receiver of twice the rate. One byte of zeros is
    // delivered with a low stop bit; the rest of the low level has no falling edge.
    #[case::long_low(&[0x00], 500_000, 1_000_000, &[0x00])]
    // FFh has one low bit, two for the fast receiver: a byte whose lowest bit is 0.
    #[case::short_low(&[0xff], 500_000, 1_000_000, &[0xfe])]
    #[case::nothing(&[], 500_000, 1_000_000, &[])]
    #[case::zero_rate(&[0x55], 0, 1_000_000, &[])]
    fn a_wrong_rate_gives_garbage(
        #[case] sent: &[u8],
        #[case] from: u32,
        #[case] to: u32,
        #[case] received: &[u8],
    ) {
        assert_eq!(resample(sent, from, to), received);
    }

    proptest! {
        #[test]
        fn the_same_rate_is_the_identity(bytes in proptest::collection::vec(any::<u8>(), 0..64), bps in 1_u32..10_000_000) {
            prop_assert_eq!(resample(&bytes, bps, bps), bytes);
        }

        #[test]
        fn rates_that_agree_are_the_identity(
            bytes in proptest::collection::vec(any::<u8>(), 0..64), bps in 9_600_u32..4_000_000, per_mille in -43_i64..=45,
        ) {
            let other = (i64::from(bps) * (1000 + per_mille) / 1000) as u32;
            prop_assert!(rates_agree(bps, other));
            prop_assert_eq!(resample(&bytes, bps, other), bytes);
        }

        #[test]
        fn any_rates_end_and_give_no_more_than_the_edges_allow(
            bytes in proptest::collection::vec(any::<u8>(), 0..64), from in any::<u32>(), to in any::<u32>(),
        ) {
            // A byte of eight data bits has at most five falling edges.
            prop_assert!(resample(&bytes, from, to).len() <= bytes.len() * 5);
        }
    }
}
