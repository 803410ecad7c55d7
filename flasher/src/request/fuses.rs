//! Payloads of the requests about fuses, made so that a damaged one does no harm.

use bl702_protocol::frame;

/// Address of the eFuses' shadow registers (ROM reference 3).
pub(super) const SHADOW: u32 = 0x4000_7000;

/// Set bits of a checksum byte that stays a checksum: 0 means "not checked" (loader reference 3), and so many flips are
/// needed to get there.
const CHECKSUM_BITS: u32 = 3;

/// Address and length for 51h: one word. The length is rounded down to 4, so there is a choice of checksums.
pub(super) fn shadow_word(offset: u8) -> Vec<u8> {
    let address = SHADOW + u32::from(offset & !3);
    let payload = |length: u32| [address.to_le_bytes(), length.to_le_bytes()].concat();
    payload((4..8).max_by_key(|length| checksum_bits(&payload(*length))).unwrap_or(4))
}

/// Address, one word of data, and three bytes that the loader drops because they are no whole word (loader reference 4,
/// vector "efuse write tail dropped"); with less than eight bytes of data it programs once.
///
/// The three are there because the checksum is a plain sum: a byte that is doubled on the way moves those behind it, the
/// last one falls off, and the sum stays right if that was the same as the doubled one. Two zeros would do, in a word that
/// holds a single bit. So what can fall off differs from everything before it.
pub(super) fn burn_payload(offset: u8, bits: u32) -> Vec<u8> {
    let head = [u32::from(offset & !3).to_le_bytes(), bits.to_le_bytes()].concat();
    let length = head.len() as u8 + 3;
    let free: Vec<u8> = (1..=254).rev().filter(|byte| !head.contains(byte) && *byte != length).collect();
    let with = |last: &u8| {
        let others = free.iter().filter(|byte| *byte != last).take(2).copied();
        head.iter().copied().chain(others).chain([*last]).collect::<Vec<u8>>()
    };
    let good = free.iter().map(with).find(|payload| checksum_bits(payload) >= CHECKSUM_BITS);
    // There are more than 200 to choose from, and their sums are all different.
    good.unwrap_or(head)
}

fn checksum_bits(payload: &[u8]) -> u32 {
    frame::checksum(payload.len() as u16, payload).count_ones()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_word_can_be_asked_for_with_a_checksum() {
        for offset in (0..128).step_by(4) {
            let payload = shadow_word(offset);
            assert!(checksum_bits(&payload) >= 2, "{offset:02x}h");
            assert_eq!(payload[..4], (SHADOW + u32::from(offset)).to_le_bytes());
            assert_eq!(u32::from_le_bytes(payload[4..].try_into().unwrap()) & !3, 4);
        }
    }

    /// A byte put in before the end of the payload, and one taken out of the front or the middle with any byte behind it:
    /// never a frame of the same sum that burns something else.
    fn is_safe_when_doubled(payload: &[u8]) -> bool {
        let sum = frame::checksum(payload.len() as u16, payload);
        (0..8).all(|at| {
            let mut doubled = payload.to_vec();
            doubled.insert(at, payload[at]);
            doubled.truncate(payload.len());
            doubled[..8] == payload[..8] || frame::checksum(payload.len() as u16, &doubled) != sum
        })
    }

    proptest! {
        #[test]
        fn a_burn_is_checked_and_says_one_word(word in 0_u8..32, bits in 1_u32..) {
            let payload = burn_payload(word * 4, bits);
            prop_assert_eq!(payload.len(), 11);
            prop_assert_eq!(&payload[..4], &u32::from(word * 4).to_le_bytes()[..]);
            prop_assert_eq!(&payload[4..8], &bits.to_le_bytes()[..]);
            prop_assert!(checksum_bits(&payload) >= CHECKSUM_BITS);
            prop_assert!(is_safe_when_doubled(&payload));
            prop_assert!(!payload[..10].contains(&payload[10]));
        }
    }

    #[test]
    fn single_bits_are_safe_too() {
        for word in 0..32 {
            for bit in 0..32 {
                let payload = burn_payload(word * 4, 1 << bit);
                assert!(checksum_bits(&payload) >= CHECKSUM_BITS && is_safe_when_doubled(&payload));
            }
        }
    }
}
