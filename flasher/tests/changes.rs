//! What is found to need a change, and what is left as it is.
#![cfg(feature = "emulated")]
#![allow(clippy::unwrap_used, reason = "test code: a failure is a failed test")]

use bl702_flasher::Flasher;
use bl702_flasher::flow::ChangeReport;
use bl702_flasher::port::emulated::{EmulatedOptions, made_up_loader};
use rstest::rstest;

const SECTOR: usize = 4096;
const BLOCK: usize = 16 * SECTOR;
const IMAGE_BYTES: usize = 6 * BLOCK;

/// The first, and the one behind the last.
type Sectors = (usize, usize);

/// What the flash holds: no sector like another, and none erased.
fn old() -> Vec<u8> {
    (0..1_u32 << 20).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8 & 0x7F).collect()
}

/// An image that differs from it in every byte but those of these sectors.
fn image(same_sectors: &[Sectors]) -> Vec<u8> {
    let old = old();
    let is_same = |at: usize| same_sectors.iter().any(|(first, end)| (*first..*end).contains(&(at / SECTOR)));
    (0..IMAGE_BYTES).map(|at| if is_same(at) { old[at] } else { old[at] | 0x80 }).collect()
}

/// Writes it; what it took, and whether the flash holds it, and behind it what it held before.
fn write(image: &[u8]) -> ChangeReport {
    let mut port = EmulatedOptions::parse("").unwrap().open(500_000).unwrap();
    port.module_mut().flash_mut().load(&old());
    let mut flasher = Flasher::over(port).with_loader(made_up_loader().unwrap());
    let report = flasher.write(0, image.to_vec()).unwrap();
    let whole = [image, &old()[image.len()..]].concat();
    assert!(flasher.backup().unwrap().bytes == whole, "the flash does not hold what it should");
    report
}

#[rstest]
#[case::nothing(&[], 0)]
#[case::all(&[(0, 96)], 96)]
#[case::a_sector_of_the_first_block(&[(5, 6)], 1)]
#[case::the_beginning(&[(0, 20)], 20)]
#[case::the_end(&[(41, 96)], 55)]
#[case::the_first_sector_of_a_block(&[(48, 49)], 1)]
#[case::the_last_sector_of_a_block(&[(63, 64)], 1)]
#[case::a_whole_block(&[(64, 80)], 16)]
#[case::a_block_and_its_neighbours(&[(60, 84)], 24)]
// Behind a block that is all wrong one that is wrong at both ends counts as wrong.
#[case::an_island(&[(50, 55)], 0)]
// Behind one that is not, every sector is looked at.
#[case::an_island_behind_a_block_with_a_right_sector(&[(47, 48), (50, 55)], 6)]
fn sectors_that_are_right_stay(#[case] same: &[Sectors], #[case] unchanged_sectors: usize) {
    let report = write(&image(same));
    assert_eq!(report.unchanged_bytes, (unchanged_sectors * SECTOR) as u64);
    assert_eq!(report.erased_bytes, (IMAGE_BYTES - unchanged_sectors * SECTOR) as u64);
    assert_eq!(report.repaired_sectors, 0);
}
