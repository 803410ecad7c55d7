//! A symbolic link to the pty under a name that stays the same from run to run.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

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
}

impl Link {
    /// Makes `path` a link to `target`, a pty that this process has just opened.
    ///
    /// A link that leads nowhere is what a killed emulator leaves, and is replaced. So is one to `target` itself: the
    /// kernel gives the lowest free number, so a new pty often has the name of a dead one.
    ///
    /// # Errors
    /// [`LinkError::Occupied`] when anything else has the name, [`LinkError::Io`] when the file system refuses.
    pub fn create(path: &Path, target: &Path) -> Result<Link, LinkError> {
        let io_error = |source| LinkError::Io { path: path.to_owned(), source };
        match fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(io_error(error)),
            Ok(found) if found.file_type().is_symlink() => {
                let leads_to = fs::read_link(path).map_err(io_error)?;
                if leads_to != target && path.try_exists().unwrap_or(true) {
                    let what = format!("a link to {}, which exists", leads_to.display());
                    return Err(LinkError::Occupied { path: path.to_owned(), what });
                }
                fs::remove_file(path).map_err(io_error)?;
            }
            Ok(found) => {
                let what = if found.is_dir() { "a directory" } else { "a file" };
                return Err(LinkError::Occupied { path: path.to_owned(), what: what.to_owned() });
            }
        }
        symlink(target, path).map_err(io_error)?;
        Ok(Link { path: path.to_owned(), target: target.to_owned() })
    }

    /// The link's own path.
    pub fn path(&self) -> &Path {
        &self.path
    }
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
