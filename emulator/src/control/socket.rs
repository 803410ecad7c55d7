//! A listening socket that comes and goes with its module.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, symlink};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use tokio::net::UnixListener;

/// How many clients may wait to be accepted.
const BACKLOG: i32 = 16;

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Another emulator answers there.
    #[error("{path:?} is the control socket of another emulator")]
    InUse {
        /// The path.
        path: PathBuf,
    },
    /// Something else has the name.
    #[error("{path:?} exists and is no socket; it was left alone")]
    Occupied {
        /// The path.
        path: PathBuf,
    },
    /// The kernel has no room for the path.
    #[error("{path:?} is too long for a socket, whose path has 107 bytes at most")]
    TooLong {
        /// The path.
        path: PathBuf,
    },
    /// The kernel or the file system refused.
    #[error("cannot make the control socket {path:?}: {source}")]
    Io {
        /// The path.
        path: PathBuf,
        /// What was said.
        source: io::Error,
    },
}

/// A unix socket that only its user may open; removed when this value is dropped.
#[derive(Debug)]
pub struct ControlSocket {
    listener: UnixListener,
    path: PathBuf,
    /// Device and inode: whether the name is still ours.
    identity: (u64, u64),
    alias: Option<PathBuf>,
}

impl ControlSocket {
    /// Listens at `path`. Must be called inside a tokio runtime.
    ///
    /// A socket at which nobody answers is what a killed emulator leaves, and is replaced.
    ///
    /// # Errors
    /// [`SocketError`] when anything else has the name or the kernel refuses.
    pub fn bind(path: &Path) -> Result<ControlSocket, SocketError> {
        make_way(path)?;
        let path = std::path::absolute(path).map_err(io_error(path))?;
        let address = SocketAddrUnix::new(&path).map_err(|errno| match errno {
            Errno::NAMETOOLONG => SocketError::TooLong { path: path.clone() },
            errno => io_error(&path)(errno),
        })?;
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
            .map_err(io_error(&path))?;
        // Before the bind: Linux gives the file the socket's mode, so that there is no moment with a wider one.
        rustix::fs::fchmod(&socket, Mode::RUSR | Mode::WUSR).map_err(io_error(&path))?;
        rustix::net::bind(&socket, &address).map_err(io_error(&path))?;
        rustix::net::listen(&socket, BACKLOG).map_err(io_error(&path))?;
        let listener = UnixListener::from_std(socket.into()).map_err(io_error(&path))?;
        let identity = identity(&path).map_err(io_error(&path))?;
        Ok(ControlSocket { listener, path, identity, alias: None })
    }

    /// Lets a symbolic link `path` lead here too, for as long as the socket is there.
    ///
    /// # Errors
    /// What the file system says; [`io::ErrorKind::AlreadyExists`] when something has the name.
    pub fn add_alias(&mut self, path: &Path) -> io::Result<()> {
        symlink(&self.path, path)?;
        self.alias = Some(path.to_owned());
        Ok(())
    }

    /// Where it listens.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn listener(&self) -> &UnixListener {
        &self.listener
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        // Who has put something else there in the meantime keeps it. What cannot be removed answers nobody, and the next
        // emulator replaces it.
        if let Some(alias) = &self.alias
            && fs::read_link(alias).is_ok_and(|target| target == self.path)
        {
            let _ = fs::remove_file(alias);
        }
        if identity(&self.path).is_ok_and(|found| found == self.identity) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Removes a socket that nobody listens at.
fn make_way(path: &Path) -> Result<(), SocketError> {
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found.map_err(io_error(path))?,
    };
    if !found.file_type().is_socket() {
        return Err(SocketError::Occupied { path: path.to_owned() });
    }
    if is_dead(path) {
        fs::remove_file(path).map_err(io_error(path))
    } else {
        Err(SocketError::InUse { path: path.to_owned() })
    }
}

/// Whether there is a socket at the end of `path` that nobody listens at.
fn is_dead(path: &Path) -> bool {
    UnixStream::connect(path).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
        && fs::metadata(path).is_ok_and(|found| found.file_type().is_socket())
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|found| (found.dev(), found.ino()))
}

fn io_error<E: Into<io::Error>>(path: &Path) -> impl Fn(E) -> SocketError + '_ {
    |error| SocketError::Io { path: path.to_owned(), source: error.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_its_user_may_open_it_and_it_goes_with_its_owner() {
        let dir = tempfile::tempdir().unwrap();
        let (path, alias) = (dir.path().join("m.sock"), dir.path().join("alias.sock"));
        let mut socket = ControlSocket::bind(&path).unwrap();
        socket.add_alias(&alias).unwrap();
        assert_eq!(fs::metadata(&alias).unwrap().mode() & 0o777, 0o600);
        UnixStream::connect(&alias).unwrap();
        drop(socket);
        assert!(fs::symlink_metadata(&path).is_err());
        assert!(fs::symlink_metadata(&alias).is_err());
    }

    #[tokio::test]
    async fn a_dead_socket_is_replaced_and_a_live_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let socket = ControlSocket::bind(&path).unwrap();
        assert!(matches!(ControlSocket::bind(&path), Err(SocketError::InUse { .. })));
        UnixStream::connect(socket.path()).unwrap();
    }

    #[tokio::test]
    async fn nothing_else_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "precious").unwrap();
        let link = dir.path().join("link");
        symlink(&file, &link).unwrap();
        for path in [&file, &link, &dir.path().to_owned()] {
            assert!(matches!(ControlSocket::bind(path), Err(SocketError::Occupied { .. })));
        }
        assert_eq!(fs::read_to_string(&link).unwrap(), "precious");
    }

    #[tokio::test]
    async fn a_socket_that_was_taken_over_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m.sock");
        let socket = ControlSocket::bind(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let _other = ControlSocket::bind(&path).unwrap();
        drop(socket);
        UnixStream::connect(&path).unwrap();
    }

    #[tokio::test]
    async fn a_path_may_be_too_long_or_lead_nowhere() {
        let dir = tempfile::tempdir().unwrap();
        let long = ControlSocket::bind(&dir.path().join("x".repeat(120)));
        assert!(matches!(long, Err(SocketError::TooLong { .. })), "{long:?}");
        let nowhere = ControlSocket::bind(&dir.path().join("no-such-directory/m.sock"));
        assert!(matches!(nowhere, Err(SocketError::Io { .. })), "{nowhere:?}");
    }
}
