//! The RAM loader image: finding it, checking it, knowing the published builds.

mod image;
mod known;
mod search;

use std::path::PathBuf;

use bl702_protocol::image::ram_image::RamImageError;

pub use image::{LoaderImage, MAX_FILE_BYTES};
pub(crate) use known::known_build as known;
pub use known::{KnownBuild, PUBLISHED};
pub use search::{Environment, HOW_TO_OBTAIN, IN_PACKAGES, candidates, find};

/// Why there is no RAM loader to upload.
#[derive(Debug, thiserror::Error)]
pub enum LoaderError {
    /// None was given and none was found.
    #[error(
        "no RAM loader image: none was named with --loader, and no installed copy of the vendor's Python package was found"
    )]
    None,
    /// The file cannot be read.
    #[error("cannot read the RAM loader {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file is too large to be one.
    #[error("{} is no RAM loader: it is larger than {MAX_FILE_BYTES} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// A published build, for another chip. The ROM of a BL702 would load and start it.
    #[error("{name} is the RAM loader for a {members}, as published in {published_in}, not that for a BL702")]
    OtherChip {
        /// File or other name.
        name: String,
        /// The chips it is for.
        members: &'static str,
        /// Where it is published.
        published_in: &'static str,
    },
    /// The file is no image that the ROM would load.
    #[error("{name} is no RAM loader that the boot ROM would load")]
    NotAnImage {
        /// File or other name.
        name: String,
        /// What is wrong with it.
        source: RamImageError,
    },
}
