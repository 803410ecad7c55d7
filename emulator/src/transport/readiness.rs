//! Waiting for a file descriptor in tokio, checked with poll(2).

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use tokio::io::unix::AsyncFd;
use tokio::io::{Interest, Ready};

/// A descriptor registered with the runtime.
///
/// tokio remembers readiness until somebody sees the descriptor block. Here the descriptor itself is asked, so users
/// of a `Readiness` may read and write it as they like and need not tell tokio.
#[derive(Debug)]
pub(crate) struct Readiness(AsyncFd<OwnedFd>);

impl Readiness {
    /// Registers `fd`, which must not block. Must be called inside a tokio runtime.
    pub(crate) fn new(fd: OwnedFd, interest: Interest) -> io::Result<Readiness> {
        // SAFETY: the descriptor is owned by the value that is moved in, which is only ever borrowed again: it stays
        // open and the same until the registration is dropped.
        #[allow(unsafe_code)]
        let registered = unsafe { AsyncFd::register_with_interest(fd, interest) };
        Ok(Readiness(registered?))
    }

    /// Waits until the descriptor is ready for (one kind of) `interest`. Safe to drop at any time.
    pub(crate) async fn wait(&self, interest: Interest) -> io::Result<()> {
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::IN, interest.is_readable());
        flags.set(PollFlags::PRI, interest.is_priority());
        flags.set(PollFlags::OUT, interest.is_writable());
        loop {
            let mut guard = self.0.ready(interest).await?;
            if self.is_ready(flags)? {
                return Ok(());
            }
            let seen = guard.ready();
            let mut blocked = Ready::EMPTY;
            for (wanted, ready) in [
                (interest.is_readable(), Ready::READABLE),
                (interest.is_priority(), Ready::PRIORITY),
                (interest.is_writable(), Ready::WRITABLE),
            ] {
                if wanted && seen & ready == ready {
                    blocked |= ready;
                }
            }
            guard.clear_ready_matching(blocked);
        }
    }

    fn is_ready(&self, flags: PollFlags) -> io::Result<bool> {
        let mut fds = [PollFd::new(self.0.get_ref(), flags)];
        let now = rustix::time::Timespec { tv_sec: 0, tv_nsec: 0 };
        match poll(&mut fds, Some(&now)) {
            Ok(_) => Ok(!fds[0].revents().is_empty()),
            Err(rustix::io::Errno::INTR) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }
}

impl AsFd for Readiness {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.get_ref().as_fd()
    }
}

impl AsRawFd for Readiness {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.0.as_raw_fd()
    }
}
