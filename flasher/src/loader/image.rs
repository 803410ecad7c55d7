//! A RAM loader image that was read and checked.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use bl702_protocol::image::ram_image::RamImage;
use sha2::{Digest, Sha256};

use super::LoaderError;
use super::known::{KnownBuild, known_build};
use crate::connect::UploadFrames;

/// No image for 120 KiB of RAM is larger than this.
pub const MAX_FILE_BYTES: u64 = 256 * 1024;

/// A RAM loader image.
#[derive(Clone)]
pub struct LoaderImage {
    /// Where it came from, for people.
    pub name: String,
    /// SHA-256 of the file, in hex.
    pub sha256: String,
    /// The published build it is, if it is one.
    pub known: Option<&'static KnownBuild>,
    /// The image in parts.
    pub image: RamImage,
    /// The frames of its upload, by rate; to find them takes a while.
    frames: Arc<Mutex<BTreeMap<u32, Arc<UploadFrames>>>>,
}

/// Without its bytes: what is printed for developers ends in logs and reports, and the image is the vendor's.
impl fmt::Debug for LoaderImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoaderImage")
            .field("name", &self.name)
            .field("sha256", &self.sha256)
            .finish_non_exhaustive()
    }
}

impl LoaderImage {
    /// Takes bytes apart and checks what the ROM will check.
    ///
    /// # Errors
    /// [`LoaderError::NotAnImage`]; [`LoaderError::OtherChip`] for a published build for another chip.
    pub fn from_bytes(name: impl Into<String>, bytes: &[u8]) -> Result<LoaderImage, LoaderError> {
        let name = name.into();
        let image = match RamImage::parse(bytes) {
            Ok(image) => image,
            Err(source) => return Err(LoaderError::NotAnImage { name, source }),
        };
        let known = known_build(&image);
        if let Some(build) = known.filter(|build| !build.chip.is_verified) {
            let KnownBuild { chip, published_in, .. } = build;
            return Err(LoaderError::OtherChip { name, members: chip.members, published_in });
        }
        let frames = Arc::default();
        Ok(LoaderImage { name, sha256: hex(&Sha256::digest(bytes)), known, image, frames })
    }

    /// The frames of which it is uploaded at a rate.
    pub(crate) fn frames(&self, baud_bps: u32) -> Arc<UploadFrames> {
        let mut frames = self.frames.lock().unwrap_or_else(PoisonError::into_inner);
        let chosen = frames.entry(baud_bps);
        Arc::clone(chosen.or_insert_with(|| Arc::new(UploadFrames::choose(&self.image, baud_bps))))
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`LoaderError`]
    pub fn from_file(path: &Path) -> Result<LoaderImage, LoaderError> {
        let unreadable = |source| LoaderError::Unreadable { path: path.to_owned(), source };
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(unreadable)?;
        // One byte more than allowed shows that there is more.
        file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() as u64 > MAX_FILE_BYTES {
            return Err(LoaderError::TooLarge { path: path.to_owned() });
        }
        LoaderImage::from_bytes(path.display().to_string(), &bytes)
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
