//! Where control sockets are.
//!
//! | started with | socket |
//! |---|---|
//! | `--control PATH` | PATH |
//! | `--link LINK` | LINK.sock |
//! | neither | `pts-N.sock` in the [runtime directory](runtime_directory), for the pty `/dev/pts/N` |
//!
//! A socket that is elsewhere has a symbolic link in the runtime directory, so that the pty's path leads to it as well.

use std::env;
use std::ffi::OsString;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// This user's directory of sockets: `$XDG_RUNTIME_DIR/bl702-emu`, or `bl702-emu-UID` among the temporary files.
pub fn runtime_directory() -> PathBuf {
    let given = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute());
    match given {
        Some(directory) => directory.join("bl702-emu"),
        None => env::temp_dir().join(format!("bl702-emu-{}", rustix::process::getuid().as_raw())),
    }
}

/// Makes the runtime directory, for this user only, if it is not there.
///
/// # Errors
/// What the file system says; [`io::ErrorKind::PermissionDenied`] when it belongs to somebody else or others may write
/// to it.
pub fn make_runtime_directory() -> io::Result<PathBuf> {
    let path = runtime_directory();
    match DirBuilder::new().mode(0o700).create(&path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => made?,
    }
    let found = fs::symlink_metadata(&path)?;
    let is_ours = found.uid() == rustix::process::getuid().as_raw() && found.mode() & 0o022 == 0;
    if found.is_dir() && is_ours {
        Ok(path)
    } else {
        Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            format!("{path:?} is not this user's own directory"),
        ))
    }
}

/// The name of a pty's socket in the runtime directory: `pts-7.sock` for `/dev/pts/7`.
pub fn name_for_pty(pty: &Path) -> OsString {
    let path = pty.strip_prefix("/dev").unwrap_or(pty);
    let name: Vec<_> = path.iter().filter(|part| *part != "/").collect();
    let mut name = name.join(std::ffi::OsStr::new("-"));
    name.push(".sock");
    name
}

/// The place in the runtime directory for the socket (or the link to it) of a pty that this process has just opened.
///
/// A socket or a link there is of an emulator whose pty had the same number: it was killed, or is about to end. Both are
/// removed.
///
/// # Errors
/// Those of [`make_runtime_directory`].
pub fn claim_for_pty(pty: &Path) -> io::Result<PathBuf> {
    let path = make_runtime_directory()?.join(name_for_pty(pty));
    let is_old = |found: fs::Metadata| found.file_type().is_symlink() || found.file_type().is_socket();
    if fs::symlink_metadata(&path).is_ok_and(is_old) {
        match fs::remove_file(&path) {
            // It has ended by now.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            removed => removed?,
        }
    }
    Ok(path)
}

/// The socket of a link: `module.sock` for `module`.
pub fn beside_link(link: &Path) -> PathBuf {
    let mut name = link.as_os_str().to_owned();
    name.push(".sock");
    PathBuf::from(name)
}

/// The socket that `path` means: itself, or that of a link or a pty.
///
/// # Errors
/// All the places where none was found.
pub fn resolve(path: &Path) -> Result<PathBuf, Vec<PathBuf>> {
    let mut places = vec![path.to_owned(), beside_link(path)];
    if let Ok(target) = fs::canonicalize(path) {
        places.push(runtime_directory().join(name_for_pty(&target)));
    }
    let is_socket = |path: &PathBuf| fs::metadata(path).is_ok_and(|found| found.file_type().is_socket());
    places.iter().find(|place| is_socket(place)).cloned().ok_or(places)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("/dev/pts/7", "pts-7.sock")]
    #[case("/tmp/pts/7", "tmp-pts-7.sock")]
    fn names(#[case] pty: &str, #[case] name: &str) {
        assert_eq!(name_for_pty(Path::new(pty)), name);
    }

    #[test]
    fn a_path_means_itself_or_its_neighbour() {
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("module");
        std::os::unix::fs::symlink("/dev/null", &link).unwrap();
        let places = resolve(&link).unwrap_err();
        assert_eq!(places[..2], [link.clone(), beside_link(&link)]);
        assert!(places[2].ends_with("null.sock"));
        let _socket = std::os::unix::net::UnixListener::bind(beside_link(&link)).unwrap();
        assert_eq!(resolve(&link).unwrap(), beside_link(&link));
        assert_eq!(resolve(&beside_link(&link)).unwrap(), beside_link(&link));
        fs::write(dir.path().join("file.sock"), "no socket").unwrap();
        assert!(resolve(&dir.path().join("file")).is_err());
    }
}
