//! A file that is there whole or not at all.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

/// Writes `bytes` to the file `path`; nobody ever sees a part of it there, a power loss included.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] when there is something and it is not to be replaced, or is no file; else what the
/// file system says.
pub(super) fn write_whole(path: &Path, bytes: &[u8], replaces: bool) -> io::Result<()> {
    // A link is followed: it is the file that is replaced.
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    match path.symlink_metadata() {
        Err(_) => {}
        Ok(found) if replaces && found.is_file() => {}
        Ok(_) => return Err(io::ErrorKind::AlreadyExists.into()),
    }
    let beside = Unfinished(beside(path)?);
    let mut file = OpenOptions::new().write(true).create_new(true).open(&beside.0)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    if replaces {
        fs::rename(&beside.0, path)?;
    } else {
        match renameat_with(CWD, &beside.0, CWD, path, RenameFlags::NOREPLACE) {
            // The file system cannot do it in one step, so the look from before must do.
            Err(Errno::INVAL | Errno::NOSYS) => fs::rename(&beside.0, path)?,
            Err(Errno::EXIST) => return Err(io::ErrorKind::AlreadyExists.into()),
            renamed => renamed?,
        }
    }
    // The name is in the directory; some file systems cannot sync one.
    let _ = File::open(directory_of(path)).and_then(|directory| directory.sync_all());
    Ok(())
}

/// Removed unless it got its name.
struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A name in the same directory that nobody else uses.
fn beside(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or(io::Error::from(io::ErrorKind::IsADirectory))?;
    let mut beside = OsString::from(".");
    beside.push(name);
    beside.push(format!(".{}.part", std::process::id()));
    Ok(directory_of(path).join(beside))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_written_once_and_replaced_only_when_asked() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("flash.bin");
        write_whole(&path, b"first", false).unwrap();
        assert_eq!(write_whole(&path, b"second", false).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"first");
        write_whole(&path, b"third", true).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"third");
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        write_whole(&link, b"fourth", true).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"fourth");
        fs::remove_file(link).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left over");
    }

    #[test]
    fn a_failure_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        assert!(write_whole(&dir.path().join("none/flash.bin"), b"x", false).is_err());
        let taken = dir.path().join("directory");
        fs::create_dir(&taken).unwrap();
        for no_file in [taken.as_path(), Path::new("/dev/null"), Path::new("/")] {
            assert_eq!(write_whole(no_file, b"x", true).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
