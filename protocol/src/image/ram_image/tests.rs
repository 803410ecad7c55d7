//! Offsets and messages of the errors; the vendor's real file is tried in the whole-system tests.

use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::image::boot_header::DEADBEEF;

fn image() -> RamImage {
    RamImage::from_segment(0x2201_0000, &[0x6f; 64])
}

/// A file in the vendor's manner: header CRC and hash dummies, ignore bits set.
fn vendor_style() -> Vec<u8> {
    let mut image = image();
    image.header.boot_config.0 = 0x0003_0300;
    image.header.hash = [0; 32];
    image.header.hash[..4].copy_from_slice(&DEADBEEF.to_le_bytes());
    image.header.crc32 = DEADBEEF;
    image.to_bytes()
}

#[test]
fn round_trip() {
    let image = image();
    assert_eq!(RamImage::parse(&image.to_bytes()), Ok(image));
}

#[test]
fn dummies_of_the_vendor_pass_and_surplus_is_counted() {
    let mut file = vendor_style();
    file.extend_from_slice(&[0xff; 5]);
    let image = RamImage::parse(&file).unwrap();
    assert_eq!(image.surplus_bytes, 5);
    assert_eq!(image.segments[0].data, [0x6f; 64]);
    assert_eq!(image.segments[0].header.destination, 0x2201_0000);
    assert!(image.header.hash_is_ignored());
}

#[rstest]
#[case::empty(0, "boot header", 0, 4)]
#[case::inside_the_header(100, "boot header", 0, 176)]
#[case::inside_the_segment_header(180, "segment header", 176, 192)]
#[case::last_byte_missing(255, "segment data", 192, 256)]
fn truncated(#[case] have: usize, #[case] part: &'static str, #[case] start: usize, #[case] end: usize) {
    let file = &image().to_bytes()[..have];
    assert_eq!(RamImage::parse(file), Err(RamImageError::Truncated { part, start, end, have }));
}

#[test]
fn another_file_is_not_called_truncated() {
    let error = RamImage::parse(b"\x7fELF").unwrap_err();
    assert_eq!(error, RamImageError::Magic { found: *b"\x7fELF" });
    assert!(error.to_string().contains("offset 0"), "{error}");
}

#[rstest]
#[case::boot_header(20, "boot header", 172)]
#[case::segment_header(177, "segment header", 188)]
fn damaged(#[case] byte: usize, #[case] damaged_part: &str, #[case] crc_offset: usize) {
    let mut file = image().to_bytes();
    file[byte] ^= 1;
    match RamImage::parse(&file) {
        Err(RamImageError::Crc { part, offset, .. }) => {
            assert_eq!((part, offset), (damaged_part, crc_offset))
        }
        other => panic!("{other:?}"),
    }
}

#[rstest]
#[case::notload(1 << 10, "notload")]
#[case::boot2_enable(1 << 19, "boot2_enable")]
fn flags_that_do_not_load(#[case] bit: u32, #[case] flag: &'static str) {
    let mut image = image();
    image.header.boot_config.0 |= bit;
    image.header.seal();
    assert_eq!(RamImage::parse(&image.to_bytes()), Err(RamImageError::Flag { flag }));
}

#[test]
fn segment_counts() {
    for count in [0, 65, u32::MAX] {
        let mut image = image();
        image.header.segment_count = count;
        image.header.seal();
        assert_eq!(RamImage::parse(&image.to_bytes()), Err(RamImageError::SegmentCount { count }));
    }
}

#[test]
fn destination_outside_ram() {
    let file = RamImage::from_segment(0x2300_0000, &[0; 16]).to_bytes();
    let error = RamImageError::Destination { offset: 176, destination: 0x2300_0000, length: 16 };
    assert_eq!(RamImage::parse(&file), Err(error));
}

#[test]
fn signed_and_encrypted_parts_stand_in_order() {
    let mut image = image();
    image.header.boot_config.0 = 0x0305;
    image.header.seal();
    image.public_key = Some(PublicKeyBlock::new([3; 64]));
    image.signature = Some(SignatureBlock::new(&[4; 64]));
    image.iv = Some(IvBlock::new([5; 16]));
    let file = image.to_bytes();
    assert_eq!(RamImage::parse(&file), Ok(image));

    let crc_offsets = [("public key block", 176 + 64), ("signature block", 244 + 68), ("IV block", 316 + 16)];
    for (expected_part, expected_offset) in crc_offsets {
        let mut damaged = file.clone();
        damaged[expected_offset] ^= 0x80;
        match RamImage::parse(&damaged) {
            Err(RamImageError::Crc { part, offset, .. }) => {
                assert_eq!((part, offset), (expected_part, expected_offset));
            }
            other => panic!("{other:?}"),
        }
    }
    let cut = RamImage::parse(&file[..300]).unwrap_err();
    assert_eq!(cut, RamImageError::Truncated { part: "signature block", start: 244, end: 316, have: 300 });
}

proptest! {
    #[test]
    fn any_bytes_are_taken_without_panic(file in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = RamImage::parse(&file);
    }

    #[test]
    fn any_damage_is_taken_without_panic(at in 0usize..256, value: u8, keep in 0usize..=256) {
        let mut file = vendor_style();
        file[at] = value;
        if let Ok(image) = RamImage::parse(&file[..keep]) {
            prop_assert_eq!(image.to_bytes().len() + image.surplus_bytes, keep);
        }
    }
}
