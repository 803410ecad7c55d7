//! A file that nobody else uses meanwhile.

use std::fs::File;
use std::io;
use std::ops::Deref;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// A file with an exclusive `flock`, which ends with this value.
#[derive(Debug)]
pub(super) struct Locked(File);

impl Locked {
    /// Takes the lock; nothing while somebody else has it.
    pub(super) fn take(file: File) -> io::Result<Option<Locked>> {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Locked(file))),
            Err(Errno::WOULDBLOCK) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }
}

impl Drop for Locked {
    /// Closing alone would not do: a process that another thread starts at this moment has the open file too until it
    /// runs its program.
    fn drop(&mut self) {
        // The file is closed next, whether it could be unlocked or not.
        let _ = flock(&self.0, FlockOperation::Unlock);
    }
}

impl Deref for Locked {
    type Target = File;

    fn deref(&self) -> &File {
        &self.0
    }
}
