//! Putting files together into one image of a flash, and taking them out again.

use bl702_protocol::image::boot_header::{BOOT_HEADER_LEN, BOOT_MAGIC, BootHeader};
use sha2::{Digest, Sha256};

use super::build::reseal;
use super::{FILL, ImageError, Part, join};

/// Joins parts into an image that begins at address 0, erased between them, and as long as `size` if that is given.
///
/// # Errors
/// [`ImageError`]: parts overlap, or go past `size`.
pub fn merge(mut parts: Vec<Part>, size: Option<u32>) -> Result<Vec<u8>, ImageError> {
    let end = parts.iter().map(|part| u64::from(part.address) + part.data.len() as u64).max().unwrap_or(0);
    if let Some(size) = size.filter(|size| u64::from(*size) < end) {
        return Err(ImageError::Range {
            start: 0,
            end: usize::try_from(end).unwrap_or(usize::MAX),
            len: size as usize,
        });
    }
    if parts.iter().all(|part| part.data.is_empty()) {
        return Err(ImageError::Empty);
    }
    // A first byte at 0 makes the block begin there, unless a part does anyway.
    if !parts.iter().any(|part| part.address == 0 && !part.data.is_empty()) {
        parts.push(Part { address: 0, data: vec![FILL] });
    }
    let mut bytes = join(parts, FILL)?.data;
    if let Some(size) = size {
        bytes.resize(size as usize, FILL);
    }
    Ok(bytes)
}

/// A range of a file.
///
/// # Errors
/// [`ImageError::Range`].
pub fn extract(file: &[u8], start: usize, end: usize) -> Result<&[u8], ImageError> {
    let range = ImageError::Range { start, end, len: file.len() };
    if start >= end { Err(range) } else { file.get(start..end).ok_or(range) }
}

/// Changes the boot header at an offset and sets its CRCs, and its hash where one is kept and the image is there and
/// neither signed nor encrypted (then the hash covers blocks that stay as they are).
///
/// # Errors
/// [`ImageError::NoHeader`], or what `change` says.
pub fn patch_header(
    file: &mut [u8],
    offset: usize,
    change: impl FnOnce(&mut BootHeader) -> Result<(), ImageError>,
) -> Result<BootHeader, ImageError> {
    let missing = ImageError::NoHeader { offset };
    let place = file
        .get_mut(offset..)
        .and_then(|rest| rest.first_chunk_mut::<BOOT_HEADER_LEN>())
        .ok_or(missing.clone())?;
    if place[..4] != BOOT_MAGIC {
        return Err(missing);
    }
    let mut header = BootHeader::parse(place);
    change(&mut header)?;
    let image = image_range(&header, offset);
    let plain = header.boot_config.sign() == 0 && header.boot_config.encrypt() == 0;
    if plain
        && !header.hash_is_ignored()
        && let Some(image) = image.and_then(|range| file.get(range))
    {
        header.hash = Sha256::digest(image).into();
    }
    reseal(&mut header);
    if let Some(place) = file.get_mut(offset..offset + BOOT_HEADER_LEN) {
        place.copy_from_slice(&header.to_bytes());
    }
    Ok(header)
}

/// Where the image of a flash header is in a file that holds the header at `offset`; `None` for a RAM image.
pub fn image_range(header: &BootHeader, offset: usize) -> Option<core::ops::Range<usize>> {
    if !header.boot_config.no_segment() || header.ram_address >= 0x0100_0000 {
        return None;
    }
    let start = offset.checked_add(header.ram_address as usize)?;
    Some(start..start.checked_add(header.segment_count as usize)?)
}
