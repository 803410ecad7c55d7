//! Which bytes of an erased area have to be programmed.

use super::range::{FlashRange, join};

/// Bytes of a program page.
pub const PAGE: u32 = 256;

/// Runs of pages of `bytes` (which begin at `start`) that hold anything but FFh, joined where they touch. An erased
/// flash holds FFh already.
pub fn program_runs(start: u32, bytes: &[u8]) -> Vec<FlashRange> {
    let Some(range) = FlashRange::with_len(start, bytes.len() as u64) else { return Vec::new() };
    join(range.aligned_parts(PAGE).filter(|page| {
        let from = (page.start() - start) as usize;
        bytes[from..from + page.len() as usize].iter().any(|byte| *byte != 0xFF)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn pages_of_ff_are_left_out() {
        let mut bytes = vec![0xFF; 0x1000];
        bytes[0x000] = 0;
        bytes[0x2ff] = 0;
        bytes[0x300] = 0;
        let runs: Vec<String> = program_runs(0x5000, &bytes).iter().map(ToString::to_string).collect();
        assert_eq!(runs, ["0x5000..0x5100", "0x5200..0x5400"]);
        assert_eq!(program_runs(0, &[0xFF; 512]), []);
    }

    proptest! {
        #[test]
        fn programming_the_runs_gives_the_bytes(
            start in 0u32..0x800,
            bytes in proptest::collection::vec(prop_oneof![9 => Just(0xFFu8), 1 => any::<u8>()], 0..2000),
        ) {
            let mut flash = vec![0xFFu8; bytes.len()];
            for run in program_runs(start, &bytes) {
                let (from, to) = ((run.start() - start) as usize, (run.end() - start) as usize);
                flash[from..to].copy_from_slice(&bytes[from..to]);
            }
            prop_assert_eq!(flash, bytes);
        }
    }
}
