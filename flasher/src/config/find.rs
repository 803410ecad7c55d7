//! Finding the files.

use std::io::{self, Read};
use std::path::Path;

use super::error::ConfigError;
use super::file::{ConfigFile, FileKind};

/// Name of the project's file.
pub const PROJECT_FILE: &str = "bl702.toml";

/// Name of the bench's file, beside the project's.
pub const LOCAL_FILE: &str = "bl702.local.toml";

/// No configuration is longer.
const MOST_BYTES: u64 = 256 * 1024;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The bench's file.
    pub local: Option<ConfigFile>,
    /// The project's file.
    pub project: Option<ConfigFile>,
}

/// Looks in a folder and in all above it; the nearest one that has either file gives both.
///
/// # Errors
/// [`ConfigError`] for files that cannot be read or are wrong.
pub fn find(folder: &Path) -> Result<Found, ConfigError> {
    for folder in folder.ancestors() {
        let found = Found {
            local: read(&folder.join(LOCAL_FILE), FileKind::Local)?,
            project: read(&folder.join(PROJECT_FILE), FileKind::Project)?,
        };
        if found != Found::default() {
            return Ok(found);
        }
    }
    Ok(Found::default())
}

/// Takes this file as the project's, and the bench's that lies beside it.
///
/// # Errors
/// [`ConfigError`], also if there is no such file.
pub fn from_file(path: &Path) -> Result<Found, ConfigError> {
    let project = read(path, FileKind::Project)?;
    if project.is_none() {
        return Err(ConfigError::of_file(path, "there is no such file"));
    }
    let folder = path.parent().map(Path::to_owned).unwrap_or_default();
    Ok(Found { local: read(&folder.join(LOCAL_FILE), FileKind::Local)?, project })
}

/// Reads a file if there is one.
fn read(path: &Path, kind: FileKind) -> Result<Option<ConfigFile>, ConfigError> {
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(ConfigError::of_file(path, format!("it cannot be read: {error}"))),
    };
    let mut bytes = Vec::new();
    if let Err(error) = file.take(MOST_BYTES + 1).read_to_end(&mut bytes) {
        return Err(ConfigError::of_file(path, format!("it cannot be read: {error}")));
    }
    if bytes.len() as u64 > MOST_BYTES {
        return Err(ConfigError::of_file(path, "it is longer than 256 KiB, so it is no configuration"));
    }
    let text = std::str::from_utf8(&bytes).map_err(|error| {
        let what = format!("it is no text: byte {} is not UTF-8", error.valid_up_to());
        ConfigError::of_file(path, what)
    })?;
    ConfigFile::parse(text, path, kind).map(Some)
}
