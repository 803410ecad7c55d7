//! Following a recording while it is written.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::FlockOperation;
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};

/// Tells when a recording grows and when its [`Recorder`](super::Recorder) is gone.
#[derive(Debug)]
pub struct Growth {
    reports: OwnedFd,
    /// Hangs up when the recorder has let go of its lock.
    recorder_gone: OwnedFd,
}

impl Growth {
    /// Watches the recording `path` from now on.
    pub fn of(path: &Path) -> io::Result<Growth> {
        let reports = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        inotify::add_watch(&reports, path, WatchFlags::MODIFY)?;
        let (recorder_gone, alive) = pipe_with(PipeFlags::CLOEXEC)?;
        let file = File::open(path)?;
        // The lock goes with the recorder's process, whatever ends that. To wait for it takes a thread; a report of the
        // close would come before the lock is gone.
        std::thread::Builder::new().name("recorder's end".to_owned()).spawn(move || {
            // An error ends the wait as well: without locks nobody can tell whether a recorder is there.
            while rustix::fs::flock(&file, FlockOperation::LockShared) == Err(Errno::INTR) {}
            drop(alive);
        })?;
        Ok(Growth { reports, recorder_gone })
    }

    /// Waits for the recording to grow, or takes growth since the last call; false when its recorder is gone.
    pub fn wait(&self) -> io::Result<bool> {
        let mut fds =
            [PollFd::new(&self.reports, PollFlags::IN), PollFd::new(&self.recorder_gone, PollFlags::IN)];
        match poll(&mut fds, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let goes_on = fds[1].revents().is_empty();
        let mut reports = [0; 4096];
        match rustix::io::read(&self.reports, &mut reports) {
            Ok(_) | Err(Errno::INTR | Errno::AGAIN) => Ok(goes_on),
            Err(errno) => Err(errno.into()),
        }
    }
}
