//! A symbolic link to the pty under a name that stays the same from run to run.
//!
//! A killed emulator leaves its link behind, and the kernel soon gives the pty's number to somebody else, so that a link
//! which leads to a pty proves nothing. Two things tell whose it is: a mark in the link's own time of modification says
//! that an emulator made it, and an abstract socket named after the link, which the kernel closes with its process, that
//! this emulator still runs.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{MetadataExt, symlink};
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_OMIT};
use sha2::{Digest, Sha256};

use super::held_file::move_without_replacing;

/// The nanoseconds in the time of modification of a link that an emulator has made.
const MARK_NS: i64 = 702_702_702;

/// Why a link was not made.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// Something else is there.
    #[error("{path:?} exists and is {what}; it was left alone")]
    Occupied {
        /// The link that was asked for.
        path: PathBuf,
        /// What is there instead.
        what: String,
    },
    /// The file system refused.
    #[error("cannot make the link {path:?}: {source}")]
    Io {
        /// The link that was asked for.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

/// A link that is removed when this value is dropped, unless it leads elsewhere by then.
#[derive(Debug)]
pub struct Link {
    path: PathBuf,
    target: PathBuf,
    /// Says to others that the link is in use.
    _claim: UnixDatagram,
}

impl Link {
    /// Makes `path` a link to `target`, a pty that this process has just opened.
    ///
    /// Links that are replaced: those that an emulator made which no longer runs, those that lead nowhere, and one that
    /// leads to `target` itself (a new pty often has the number of a dead one).
    ///
    /// # Errors
    /// [`LinkError::Occupied`] when anything else has the name, [`LinkError::Io`] when the file system refuses.
    pub fn create(path: &Path, target: &Path) -> Result<Link, LinkError> {
        let io_error = |source| LinkError::Io { path: path.to_owned(), source };
        let occupied = |what| LinkError::Occupied { path: path.to_owned(), what };
        let claim = match claim(path) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                return Err(occupied("the link of a bl702-emu that runs".to_owned()));
            }
            other => other.map_err(io_error)?,
        };
        match fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(io_error(error)),
            Ok(found) if found.file_type().is_symlink() => {
                let leads_to = fs::read_link(path).map_err(io_error)?;
                let is_stale = found.mtime_nsec() == MARK_NS || leads_to == target;
                if !is_stale && path.try_exists().unwrap_or(true) {
                    return Err(occupied(format!("a link to {}, which exists", leads_to.display())));
                }
                fs::remove_file(path).map_err(io_error)?;
            }
            Ok(found) => {
                let what = if found.is_dir() { "a directory" } else { "a file" };
                return Err(occupied(what.to_owned()));
            }
        }
        // Under another name until it has its mark: a kill in between would leave a link that nobody dares to replace.
        // Whoever has the claim is alone, so what has that name is left of such a kill.
        let unfinished = unfinished(path).map_err(io_error)?;
        match fs::remove_file(&unfinished) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io_error(error)),
            _ => {}
        }
        symlink(target, &unfinished).map_err(io_error)?;
        // A file system that cannot keep the mark costs a stale link whose pty's number is in use again its replacement.
        let _ = mark(&unfinished);
        if let Err(error) = move_without_replacing(&unfinished, path) {
            // The reason for the failure matters more than a link that cannot be removed.
            let _ = fs::remove_file(&unfinished);
            return Err(match error.kind() {
                io::ErrorKind::AlreadyExists => occupied("somebody else's, made this moment".to_owned()),
                _ => io_error(error),
            });
        }
        Ok(Link { path: path.to_owned(), target: target.to_owned(), _claim: claim })
    }

    /// The link's own path.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Takes the socket that stands for the link; fails with `AddrInUse` while another process has it.
fn claim(path: &Path) -> io::Result<UnixDatagram> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
    let whole = fs::canonicalize(parent)?.join(name);
    // A socket's name has room for 107 bytes, a path is longer.
    let digest = Sha256::digest(whole.as_os_str().as_encoded_bytes());
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(format!("bl702-emu:link:{hex}"))?)
}

/// The name of a link that is being made.
fn unfinished(path: &Path) -> io::Result<PathBuf> {
    let mut name = OsString::from(".");
    name.push(path.file_name().ok_or(io::ErrorKind::InvalidFilename)?);
    name.push(".bl702-emu");
    Ok(path.with_file_name(name))
}

fn mark(path: &Path) -> io::Result<()> {
    let made = fs::symlink_metadata(path)?.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    let times = Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: made.as_secs() as i64, tv_nsec: MARK_NS as _ },
    };
    Ok(rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}

impl Drop for Link {
    fn drop(&mut self) {
        // Somebody may have put another link there in the meantime; that one is not ours to remove.
        if fs::read_link(&self.path).is_ok_and(|target| target == self.target) {
            // Nothing is left to do when it fails: the link then dangles, and the next run replaces it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_made_and_removed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("module");
        let link = Link::create(&path, Path::new("/dev/null")).unwrap();
        assert_eq!(fs::read_link(link.path()).unwrap(), Path::new("/dev/null"));
        drop(link);
        assert!(fs::symlink_metadata(&path).is_err());
    }

    #[test]
    fn dangling_links_and_links_to_the_same_pty_are_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("module");
        for old in ["/dev/pts/no-such-pty", "/dev/null"] {
            symlink(old, &path).unwrap();
            let link = Link::create(&path, Path::new("/dev/null")).unwrap();
            assert_eq!(fs::read_link(&path).unwrap(), Path::new("/dev/null"));
            drop(link);
        }
    }

    #[test]
    fn the_link_of_a_dead_emulator_is_replaced_though_its_pty_is_somebody_elses_by_now() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("module");
        // What is left of a killed process: the link with its mark, and no socket.
        symlink("/dev/zero", &path).unwrap();
        mark(&path).unwrap();
        let link = Link::create(&path, Path::new("/dev/null")).unwrap();
        assert_eq!(fs::read_link(&path).unwrap(), Path::new("/dev/null"));
        // A living one keeps it, under any spelling of the path.
        let spelled = dir.path().join("../").join(dir.path().file_name().unwrap()).join("module");
        assert!(matches!(Link::create(&spelled, Path::new("/dev/zero")), Err(LinkError::Occupied { .. })));
        drop(link);
        assert!(fs::symlink_metadata(&path).is_err());
    }

    #[test]
    fn a_link_that_a_kill_left_unfinished_is_in_nobodys_way() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("module");
        symlink("/dev/zero", unfinished(&path).unwrap()).unwrap();
        let link = Link::create(&path, Path::new("/dev/null")).unwrap();
        assert_eq!(fs::read_link(&path).unwrap(), Path::new("/dev/null"));
        assert_eq!(fs::symlink_metadata(&path).unwrap().mtime_nsec(), MARK_NS);
        drop(link);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn nothing_else_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "precious").unwrap();
        let link = dir.path().join("link");
        symlink(&file, &link).unwrap();
        for path in [&file, &link, &dir.path().to_owned()] {
            let error = Link::create(path, Path::new("/dev/null")).unwrap_err();
            assert!(matches!(error, LinkError::Occupied { .. }), "{error}");
        }
        assert_eq!(fs::read_to_string(&link).unwrap(), "precious");
    }

    #[test]
    fn a_link_that_was_taken_over_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("module");
        let link = Link::create(&path, Path::new("/dev/null")).unwrap();
        fs::remove_file(&path).unwrap();
        symlink("/dev/zero", &path).unwrap();
        drop(link);
        assert_eq!(fs::read_link(&path).unwrap(), Path::new("/dev/zero"));
    }
}
