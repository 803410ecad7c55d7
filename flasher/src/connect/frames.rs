//! The frames of an upload: what the ROM is sent so that it can find damage, and does no harm where it misreads.

use bl702_protocol::command::RomCommand;
use bl702_protocol::frame::{ROM_MAX_PAYLOAD, RequestHeader};
use bl702_protocol::image::boot_header::{
    BOOT_HEADER_LEN, BootHeader, CLOCK_CONFIG_MAGIC, DEADBEEF, FLASH_CONFIG_MAGIC,
};
use bl702_protocol::image::ram_image::RamImage;
use sha2::{Digest, Sha256};

use super::misread::{FORETOLD_BPS, Search};
use crate::request::Request;

/// Bits of the boot config: a header CRC, and a hash, that are not to be compared.
const CRC_IGNORE: u32 = 1 << 16;
const HASH_IGNORE: u32 = 1 << 17;

/// Where the flash configuration begins in a header, and where in it requests for boot info may stand.
const FLASH_CONFIG: usize = 12;
const SHIELDS: [usize; 3] = [0, 8, 20];

/// Frames of which an image is uploaded at one rate.
#[derive(Clone, Debug)]
pub(crate) struct UploadFrames {
    /// Header that is sent: the image's own, or one that makes the ROM check what it gets.
    pub(super) header: BootHeader,
    /// Whether it is not the image's own.
    pub(super) has_own_hash: bool,
    /// For each segment, how many bytes of data go into each frame.
    pub(super) lengths: Vec<Vec<usize>>,
    /// A command that does harm and may be found in a frame of data, where no length would help.
    pub(super) harm_in_data: Option<u8>,
    /// Whether the rate is one at which the ROM's misreading can be foretold.
    pub(super) is_foretold: bool,
}

impl UploadFrames {
    /// Chooses them for a rate.
    pub(crate) fn choose(image: &RamImage, baud_bps: u32) -> UploadFrames {
        let mut harm_in_data = None;
        let lengths = image.segments.iter().map(|segment| cut(&segment.data, &mut harm_in_data)).collect();
        let is_foretold = baud_bps <= FORETOLD_BPS;
        let mut frames = UploadFrames {
            header: image.header.clone(),
            has_own_hash: false,
            lengths,
            harm_in_data,
            is_foretold,
        };
        let checked = checked_headers(image);
        let is_safe = |header: &&BootHeader| misread(&Request::boot_header(&header.to_bytes())).is_none();
        if let Some(header) = checked.iter().find(is_safe).or(checked.first()) {
            (frames.header, frames.has_own_hash) = (header.clone(), true);
        }
        frames
    }

    /// The same with the image's own header.
    pub(super) fn with_header_of(&self, image: &RamImage) -> UploadFrames {
        UploadFrames { header: image.header.clone(), has_own_hash: false, ..self.clone() }
    }
}

/// The command that the ROM may find in this request, and that changes flash, fuses or registers, if one byte of its head is
/// damaged.
pub(super) fn misread(request: &Request) -> Option<u8> {
    let frame = request.frame();
    let (head, payload) = frame.split_first_chunk()?;
    Search::new(payload).harm(*head, 0, payload.len()).map(|harm| harm.id)
}

/// The header of a plain, unsigned image that tells the ROM to compare neither header CRC nor hash, as the vendor's RAM
/// loaders do: with both, so that a damaged upload is refused (`FL 0204`, `FL 0217`) and not run. What the ROM does not look
/// at, configurations without their magic and the like, is left erased: should it be programmed into flash, that changes
/// nothing. Or there are requests for boot info in it, which take all that follows for their payload, should the ROM search
/// the header for commands.
///
/// Assumed: that the image does not look at the header that the ROM has kept. None for images whose header says what is to
/// be compared.
fn checked_headers(image: &RamImage) -> Vec<BootHeader> {
    let mut header = image.header.clone();
    let is_plain = header.boot_config.sign() == 0 && header.boot_config.encrypt() == 0;
    if !is_plain || header.crc32 != DEADBEEF || !header.boot_config.crc_ignore() {
        return Vec::new();
    }
    if header.hash_is_ignored() {
        let mut hash = Sha256::new();
        for segment in &image.segments {
            hash.update(segment.header.to_bytes());
            hash.update(&segment.data);
        }
        header.hash = hash.finalize().into();
        header.boot_config.0 &= !HASH_IGNORE;
    }
    if header.flash_config_magic != FLASH_CONFIG_MAGIC {
        header.flash_config_magic = u32::MAX;
        (header.flash_config, header.flash_config_crc32) = ([0xFF; 84], u32::MAX);
    }
    if header.clock_config_magic != CLOCK_CONFIG_MAGIC {
        header.clock_config_magic = u32::MAX;
        (header.clock_config, header.clock_config_crc32) = ([0xFF; 8], u32::MAX);
    }
    if !header.boot_config.boot2_enable() {
        header.partition_addresses = [u32::MAX; 2];
    }
    header.boot_config.0 &= !CRC_IGNORE;
    header.crc32 = header.computed_crc32();
    let mut shielded = header.clone();
    if header.flash_config_magic != FLASH_CONFIG_MAGIC {
        for at in SHIELDS {
            let rest = BOOT_HEADER_LEN - FLASH_CONFIG - at - RequestHeader::LEN;
            shielded.flash_config[at] = RomCommand::GetBootInfo.id();
            (shielded.flash_config[at + 2], shielded.flash_config[at + 3]) = (rest as u8, 0);
        }
        shielded.crc32 = shielded.computed_crc32();
    }
    vec![header, shielded]
}

/// How many bytes go into each frame: as many as can be without harm in a frame whose head is damaged.
fn cut(data: &[u8], harm: &mut Option<u8>) -> Vec<usize> {
    let mut lengths = Vec::new();
    let mut search = Search::new(data);
    let mut from = 0;
    while from < data.len() {
        let mut is_harmless = |len: &usize| {
            let frame = Request::segment_data(&data[from..from + *len]).frame();
            frame.first_chunk().is_some_and(|head| search.harm(*head, from, *len).is_none())
        };
        let most = (data.len() - from).min(ROM_MAX_PAYLOAD);
        let len = candidates(most).find(&mut is_harmless).unwrap_or_else(|| {
            *harm = Some(RomCommand::FlashWrite.id());
            most
        });
        lengths.push(len);
        from += len;
    }
    lengths
}

/// Lengths to be tried, the largest first.
fn candidates(most: usize) -> impl Iterator<Item = usize> {
    /// Low bytes of a length. None is below 10h: with a byte too many before it, such a length is over 4092, and refused.
    /// Decimal, because `tests/burn_path.rs` takes the ids of burn commands, in hexadecimal, for commands.
    const LOW: [usize; 8] = [240, 224, 192, 160, 128, 64, 32, 16];
    let steps = (0..=most >> 8).rev().flat_map(|high| LOW.map(|low| high << 8 | low));
    std::iter::once(most).chain(steps.filter(move |len| *len < most))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bl702_protocol::image::boot_header::HeaderPolicy;

    /// Bytes that look like none in particular, as many as the vendor's loader has.
    fn noise(len: usize) -> Vec<u8> {
        let mut state = 0x0702_0001_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        (0..len).map(|_| next()).collect()
    }

    /// An image whose header says, as the vendor's, that nothing is to be compared.
    fn unchecked(data: &[u8]) -> RamImage {
        let mut image = RamImage::from_segment(0x2201_0000, data);
        image.header.flash_config = [0x31; 84];
        image.header.boot_config.0 |= CRC_IGNORE | HASH_IGNORE;
        image.header.hash = [0; 32];
        image.header.hash[..4].copy_from_slice(&DEADBEEF.to_le_bytes());
        image.header.crc32 = DEADBEEF;
        image
    }

    #[test]
    fn data_are_cut_so_that_no_frame_does_harm() {
        let data = noise(59_200);
        let frames = UploadFrames::choose(&unchecked(&data), 500_000);
        let lengths = &frames.lengths[0];
        assert_eq!(lengths.iter().sum::<usize>(), data.len());
        assert!(lengths.iter().all(|len| (1..=ROM_MAX_PAYLOAD).contains(len)));
        // 15 would be enough if nothing could go wrong.
        assert!(lengths.len() < 90, "{} frames: {lengths:?}", lengths.len());
        let mut rest = &data[..];
        for len in lengths {
            let (part, tail) = rest.split_at(*len);
            assert_eq!(misread(&Request::segment_data(part)), None, "{len} bytes");
            rest = tail;
        }
    }

    #[test]
    fn a_header_that_lets_anything_pass_is_replaced_by_one_that_does_not() {
        let image = unchecked(&noise(5_000));
        let frames = UploadFrames::choose(&image, 500_000);
        assert!(frames.has_own_hash);
        assert_eq!(frames.header.check(&HeaderPolicy::default()), Ok(()));
        assert!(!frames.header.hash_is_ignored());
        assert_eq!(frames.header.hash, RamImage::from_segment(0x2201_0000, &noise(5_000)).header.hash);
        assert!(frames.header.flash_config.iter().all(|byte| *byte != 0x31));
        assert_eq!(frames.header.start_address(), image.header.start_address());
        assert_eq!(misread(&Request::boot_header(&frames.header.to_bytes())), None);
    }

    #[test]
    fn a_header_that_is_checked_goes_as_it_is() {
        let image = RamImage::from_segment(0x2201_0000, &noise(100));
        let frames = UploadFrames::choose(&image, 500_000);
        assert_eq!((frames.header, frames.has_own_hash), (image.header, false));
    }
}
