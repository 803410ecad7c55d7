//! Files that hold a memory of the module, byte for byte, while it runs and afterwards.
//!
//! Bytes are written through at once and without a buffer of our own, so that the file is right whatever ends the process.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::RenameFlags;

use super::locked::Locked;
use crate::flash::Flash;
use crate::otp::{EFUSE_BYTES, Otp};

/// Why a file cannot hold a memory.
#[derive(Debug, thiserror::Error)]
pub enum HeldFileError {
    /// It is of another size, and stays as it is.
    #[error(
        "{path:?} is {actual_bytes} bytes long, the {memory} of this module has {expected_bytes}; it was left as it is"
    )]
    Size {
        /// The file.
        path: PathBuf,
        /// Which memory it should hold.
        memory: &'static str,
        /// Its size.
        actual_bytes: u64,
        /// The memory's size.
        expected_bytes: u64,
    },
    /// Another process holds it.
    #[error("{path:?} is in use by another emulator")]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// It is a directory, a device or the like.
    #[error("{path:?} is not a regular file")]
    NotAFile {
        /// The file.
        path: PathBuf,
    },
    /// The file system refused.
    #[error("{doing} {path:?} failed: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
}

/// A file of fixed size that no other emulator uses meanwhile.
#[derive(Debug)]
pub struct HeldFile {
    path: PathBuf,
    file: Locked,
}

impl HeldFile {
    /// Opens `path` and gives what it holds; makes it with `initial` as its contents if there is none.
    ///
    /// A new file appears under its name only when it is complete. An existing file is only read.
    pub fn open(
        path: &Path,
        memory: &'static str,
        initial: impl Fn() -> Vec<u8>,
    ) -> Result<(HeldFile, Vec<u8>), HeldFileError> {
        let io_error = |doing| move |source| HeldFileError::Io { path: path.to_owned(), doing, source };
        let file = match open_existing(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                create_whole(path, &initial()).map_err(io_error("creating"))?;
                open_existing(path).map_err(io_error("opening"))?
            }
            Err(error) if error.kind() == io::ErrorKind::IsADirectory => {
                return Err(HeldFileError::NotAFile { path: path.to_owned() });
            }
            other => other.map_err(io_error("opening"))?,
        };
        let found = file.metadata().map_err(io_error("looking at"))?;
        if !found.is_file() {
            return Err(HeldFileError::NotAFile { path: path.to_owned() });
        }
        let file = Locked::take(file).map_err(io_error("locking"))?;
        let file = file.ok_or_else(|| HeldFileError::InUse { path: path.to_owned() })?;
        let expected_bytes = initial().len() as u64;
        if found.len() != expected_bytes {
            let (path, actual_bytes) = (path.to_owned(), found.len());
            return Err(HeldFileError::Size { path, memory, actual_bytes, expected_bytes });
        }
        let mut contents = Vec::with_capacity(expected_bytes as usize);
        (&*file).read_to_end(&mut contents).map_err(io_error("reading"))?;
        Ok((HeldFile { path: path.to_owned(), file }, contents))
    }

    /// Writes through to the file.
    pub fn write(&self, offset_bytes: u64, bytes: &[u8]) -> Result<(), HeldFileError> {
        self.file.write_all_at(bytes, offset_bytes).map_err(|source| HeldFileError::Io {
            path: self.path.clone(),
            doing: "writing",
            source,
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// The files behind a module's memories, if it has any.
#[derive(Debug, Default)]
pub struct HeldMemories {
    /// The flash.
    pub flash: Option<HeldFile>,
    /// The fuses.
    pub efuse: Option<HeldFile>,
}

impl HeldMemories {
    /// Writes through what has changed. To be called before the host hears of it.
    pub fn keep(&self, flash: &mut Flash) -> Result<(), HeldFileError> {
        let changes = flash.take_changes();
        let Some(file) = &self.flash else { return Ok(()) };
        for range in changes {
            let mut bytes = vec![0; range.len()];
            flash.read(range.start, &mut bytes);
            file.write(u64::from(range.start), &bytes)?;
        }
        Ok(())
    }

    /// Writes the fuses through if some were burnt.
    pub fn keep_fuses(&self, otp: &mut Otp) -> Result<(), HeldFileError> {
        match &self.efuse {
            Some(file) if otp.take_changes() => file.write(0, &otp.lasting_fuses()),
            _ => Ok(()),
        }
    }
}

/// Opens a flash image: `capacity_bytes` raw bytes, erased (FFh) if it has to be made.
pub fn open_flash(path: &Path, capacity_bytes: u32) -> Result<(HeldFile, Vec<u8>), HeldFileError> {
    HeldFile::open(path, "flash", || vec![0xff; capacity_bytes as usize])
}

/// Opens an eFuse image: 128 raw bytes, `initial` if it has to be made.
pub fn open_efuse(
    path: &Path,
    initial: &[u8; EFUSE_BYTES],
) -> Result<(HeldFile, [u8; EFUSE_BYTES]), HeldFileError> {
    let (file, contents) = HeldFile::open(path, "eFuse block", || initial.to_vec())?;
    let mut fuses = *initial;
    fuses.copy_from_slice(&contents);
    Ok((file, fuses))
}

fn open_existing(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open(path)
}

/// Makes the file under another name and renames it, so that a kill never leaves half of it.
fn create_whole(path: &Path, contents: &[u8]) -> io::Result<()> {
    let mut name = OsString::from(".");
    name.push(path.file_name().ok_or(io::ErrorKind::InvalidFilename)?);
    name.push(format!(".{}.new", std::process::id()));
    let temporary = path.with_file_name(name);
    let made = (|| {
        let mut file = File::create(&temporary)?;
        file.write_all(contents)?;
        match move_without_replacing(&temporary, path) {
            // Another emulator has made it first: it will be found and locked like any existing file.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => fs::remove_file(&temporary),
            moved => moved,
        }
    })();
    if made.is_err() {
        // The reason for the failure matters more than a file that cannot be removed.
        let _ = fs::remove_file(&temporary);
    }
    made
}

/// Renames; fails with [`io::ErrorKind::AlreadyExists`] where something has the name.
pub(super) fn move_without_replacing(from: &Path, to: &Path) -> io::Result<()> {
    use rustix::io::Errno;
    match rustix::fs::renameat_with(rustix::fs::CWD, from, rustix::fs::CWD, to, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(()),
        // File systems without this flag (NFS, FUSE): there was no such file a moment ago.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => fs::rename(from, to),
        Err(errno) => Err(errno.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absent_flash_file_is_made_erased_and_nothing_else_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("flash.bin");
        let (_file, contents) = open_flash(&path, 4096).unwrap();
        assert_eq!(contents, [0xff; 4096]);
        assert_eq!(fs::read(&path).unwrap(), contents);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_of_the_wrong_size_is_refused_and_not_altered() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("flash.bin");
        fs::write(&path, b"a backup of something else").unwrap();
        let error = open_flash(&path, 4096).unwrap_err();
        assert!(
            matches!(error, HeldFileError::Size { actual_bytes: 26, expected_bytes: 4096, .. }),
            "{error}"
        );
        assert_eq!(fs::read(&path).unwrap(), b"a backup of something else");
    }

    #[test]
    fn two_cannot_hold_one_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("flash.bin");
        let first = open_flash(&path, 4096).unwrap();
        assert!(matches!(open_flash(&path, 4096).unwrap_err(), HeldFileError::InUse { .. }));
        drop(first);
        open_flash(&path, 4096).unwrap();
    }

    #[test]
    fn what_is_no_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(open_flash(dir.path(), 4096).unwrap_err(), HeldFileError::NotAFile { .. }));
        assert!(matches!(
            open_flash(Path::new("/dev/null"), 4096).unwrap_err(),
            HeldFileError::NotAFile { .. }
        ));
        let nowhere = dir.path().join("no/such/directory");
        assert!(matches!(
            open_flash(&nowhere, 4096).unwrap_err(),
            HeldFileError::Io { doing: "creating", .. }
        ));
        let dangling = dir.path().join("dangling");
        std::os::unix::fs::symlink("/no/such/file", &dangling).unwrap();
        assert!(matches!(
            open_flash(&dangling, 4096).unwrap_err(),
            HeldFileError::Io { doing: "opening", .. }
        ));
    }

    #[test]
    fn changes_go_to_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("flash.bin");
        let (file, _) = open_flash(&path, 4096).unwrap();
        file.write(4094, &[1, 2]).unwrap();
        let held = fs::read(&path).unwrap();
        assert_eq!((held.len(), &held[4093..]), (4096, &[0xff, 1, 2][..]));
    }

    #[test]
    fn an_absent_efuse_file_is_made_from_the_profile() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("efuse.bin");
        let mut profile = [0; EFUSE_BYTES];
        profile[0x14] = 0x81;
        let (file, fuses) = open_efuse(&path, &profile).unwrap();
        assert_eq!(fuses, profile);
        assert_eq!(fs::read(&path).unwrap(), profile);
        drop(file);
        // An existing one wins over the profile.
        assert_eq!(open_efuse(&path, &[0; EFUSE_BYTES]).unwrap().1, profile);
    }
}
