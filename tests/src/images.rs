//! What a flash may hold.

use std::fs;
use std::path::{Path, PathBuf};

use bl702_flasher::loader::LoaderImage;
use bl702_protocol::crc::crc32;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A file of `fixtures/images`.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/images").join(name)
}

/// The RAM loader image that only an emulated module runs.
pub fn made_up_loader() -> PathBuf {
    fixture("made-up-ram-loader.bin")
}

/// The made-up RAM loader with noise for a body as long as the vendor's (`reference/loader-protocol.md` section 1), so that
/// its upload takes as long: noise has to be cut into about as many frames as the vendor's code.
///
/// # Panics
/// If the fixture is not an image with one segment.
pub fn long_loader() -> LoaderImage {
    const LOADER_BODY_BYTES: usize = 59_200;
    /// Where the segment header begins in an image, and its data.
    const SEGMENT: usize = 0xb0;
    const BODY: usize = 0xc0;
    let mut image = fs::read(made_up_loader()).expect("cannot read the made-up RAM loader");
    let mut body = vec![0; LOADER_BODY_BYTES];
    ChaCha8Rng::seed_from_u64(702).fill_bytes(&mut body);
    image.truncate(BODY);
    image[SEGMENT + 4..SEGMENT + 8].copy_from_slice(&(LOADER_BODY_BYTES as u32).to_le_bytes());
    image[SEGMENT + 8..SEGMENT + 12].copy_from_slice(&crc32(&body).to_le_bytes());
    let crc = crc32(&image[SEGMENT..SEGMENT + 12]);
    image[SEGMENT + 12..BODY].copy_from_slice(&crc.to_le_bytes());
    image.extend(body);
    LoaderImage::from_bytes("made-up loader of full length", &image).expect("an image that the ROM loads")
}

/// The made-up flash in the stock layout, its first 20 KiB.
///
/// # Panics
/// If the fixture cannot be read.
pub fn stock() -> Vec<u8> {
    let file = fixture("made-up-stock-flash.bin");
    fs::read(&file).unwrap_or_else(|error| panic!("cannot read {}: {error}", file.display()))
}

/// The pattern of the reference vectors: byte i is (7 i + 13 (i >> 8)) & FFh (`fixtures/vectors/README.md`).
pub fn pattern(len: usize) -> Vec<u8> {
    (0..len as u64).map(|i| (7 * i + 13 * (i >> 8)) as u8).collect()
}

/// Bytes that are unlike the pattern and unlike erased flash everywhere, different for each `seed`.
pub fn other(len: usize, seed: u32) -> Vec<u8> {
    (0..len as u32).map(|i| ((i.wrapping_mul(31).wrapping_add(seed * 17) ^ (i >> 7)) % 251) as u8).collect()
}

/// `contents`, and FFh behind it up to `len`.
pub fn padded(contents: &[u8], len: usize) -> Vec<u8> {
    let mut flash = vec![0xff; len];
    flash[..contents.len()].copy_from_slice(contents);
    flash
}
