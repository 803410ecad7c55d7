//! Who has the pty open.
//!
//! A pty tells its master nothing of opens and closes as long as one slave stays open, so inotify on the slave's
//! path does (`reference/clients.md` section 2). inotify merges a report with an equal one before it that was not read
//! yet, so that two opens at short distance would count as one. A second watch, on the directory, keeps them apart:
//! each access then gives a report of the directory and one of the slave, by turns. Should two accesses on two
//! processors still be merged and the count come to zero too early, it is taken back as soon as somebody writes.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use tokio::io::Interest;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::readiness::Readiness;

/// What is reported.
const ACCESSES: WatchFlags = WatchFlags::OPEN.union(WatchFlags::CLOSE_WRITE).union(WatchFlags::CLOSE_NOWRITE);

/// Somebody opened or closed a watched path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// One more open.
    Opened,
    /// One less.
    Closed,
}

/// Watches the slaves of all ptys of this process: one inotify instance, of which a user has 128 by default.
#[derive(Debug)]
pub struct ClientWatch {
    own: Weak<ClientWatch>,
    inotify: Readiness,
    listeners: Mutex<HashMap<i32, UnboundedSender<Access>>>,
}

impl ClientWatch {
    /// A watch of nothing yet. Must be called inside a tokio runtime.
    pub fn new() -> io::Result<Arc<ClientWatch>> {
        let inotify = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        let inotify = Readiness::new(inotify, Interest::READABLE)?;
        Ok(Arc::new_cyclic(|own| ClientWatch { own: own.clone(), inotify, listeners: Mutex::default() }))
    }

    /// Opens and closes of `path` from now on, as long as [`ClientWatch::run`] is polled.
    pub fn watch(&self, path: &Path) -> io::Result<Accesses> {
        if let Some(directory) = path.parent() {
            // The same directory again and again is the same watch; nobody listens to it.
            inotify::add_watch(&self.inotify, directory, ACCESSES)?;
        }
        let watch = inotify::add_watch(&self.inotify, path, ACCESSES)?;
        let (sender, receiver) = unbounded_channel();
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner).insert(watch, sender);
        Ok(Accesses { reports: receiver, watch: self.own.clone() })
    }

    /// Hands the kernel's reports to the listeners, until an error.
    pub async fn run(&self) -> io::Error {
        loop {
            if let Err(error) = self.inotify.wait(Interest::READABLE).await {
                return error;
            }
            if let Err(error) = self.dispatch() {
                return error;
            }
        }
    }

    /// Hands over what the kernel has to report by now, without waiting: an open is reported before it returns.
    ///
    /// # Errors
    /// Those of reading an inotify descriptor.
    pub fn dispatch(&self) -> io::Result<()> {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = inotify::Reader::new(&self.inotify, &mut buffer);
        let mut listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let event = match reader.next() {
                Ok(event) => event,
                Err(rustix::io::Errno::AGAIN) => return Ok(()),
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            };
            let flags = event.events();
            let access = if flags.contains(ReadFlags::OPEN) {
                Access::Opened
            } else if flags.intersects(ReadFlags::CLOSE_WRITE | ReadFlags::CLOSE_NOWRITE) {
                Access::Closed
            } else {
                continue;
            };
            if listeners.get(&event.wd()).is_some_and(|listener| listener.send(access).is_err()) {
                listeners.remove(&event.wd());
            }
        }
    }
}

/// The opens and closes of one path, oldest first.
#[derive(Debug)]
pub struct Accesses {
    reports: UnboundedReceiver<Access>,
    watch: Weak<ClientWatch>,
}

impl Accesses {
    /// Takes in what has happened by now, without waiting for [`ClientWatch::run`]: whoever has written has opened before.
    ///
    /// # Errors
    /// Those of [`ClientWatch::dispatch`].
    pub fn catch_up(&self) -> io::Result<()> {
        self.watch.upgrade().map_or(Ok(()), |watch| watch.dispatch())
    }

    /// The next one that is known of.
    pub fn try_next(&mut self) -> Option<Access> {
        self.reports.try_recv().ok()
    }

    /// Waits for the next one; `None` when the watch is gone. Safe to drop at any time.
    pub async fn next(&mut self) -> Option<Access> {
        self.reports.recv().await
    }
}

/// How many clients have a port open, as far as is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Presence {
    opens: u32,
    spoke: bool,
}

impl Presence {
    /// How many times the port is open.
    pub fn opens(self) -> u32 {
        self.opens.max(u32::from(self.spoke))
    }

    /// Whether nobody has the port open.
    pub fn is_absent(self) -> bool {
        self.opens() == 0
    }

    /// Bytes came, so somebody is there.
    pub fn speaks(&mut self) {
        self.spoke = true;
    }

    /// A look has shown that nobody is there: the bytes were those of a client that has gone.
    pub fn was_nobody(&mut self) {
        self.spoke = false;
    }

    /// Counts an open or a close; tells what that means.
    pub fn note(&mut self, access: Access) -> Change {
        match access {
            Access::Opened => {
                self.opens += 1;
                match self.opens {
                    1 if !self.spoke => Change::First,
                    0 | 1 => Change::None,
                    opens => Change::Another { opens },
                }
            }
            Access::Closed => {
                self.opens = self.opens.saturating_sub(1);
                if self.opens == 0 {
                    self.spoke = false;
                    return Change::Last;
                }
                Change::None
            }
        }
    }
}

/// What an open or close means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing of note.
    None,
    /// The first client is there.
    First,
    /// The port was opened while it was open.
    Another {
        /// How many times it is open now.
        opens: u32,
    },
    /// The last client has gone.
    Last,
}

/// The other processes that have `path` open and that this user may look at: process id and name.
///
/// Reads all of `/proc`, which takes milliseconds: not for the thread that paces a line.
pub fn holders(path: &Path) -> Vec<(u32, String)> {
    let own = std::process::id();
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = processes.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let mut found: Vec<(u32, String)> = pids
        .filter(|pid| *pid != own && has_open(*pid, path))
        .map(|pid| {
            let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            (pid, name.trim_end().to_owned())
        })
        .collect();
    found.sort_unstable();
    found
}

fn has_open(pid: u32, path: &Path) -> bool {
    let Ok(descriptors) = fs::read_dir(PathBuf::from(format!("/proc/{pid}/fd"))) else { return false };
    descriptors.flatten().any(|entry| fs::read_link(entry.path()).is_ok_and(|target| target == path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_come_and_go() {
        let mut presence = Presence::default();
        assert!(presence.is_absent());
        assert_eq!(presence.note(Access::Opened), Change::First);
        assert_eq!(presence.note(Access::Opened), Change::Another { opens: 2 });
        assert_eq!(presence.note(Access::Closed), Change::None);
        assert_eq!(presence.opens(), 1);
        assert_eq!(presence.note(Access::Closed), Change::Last);
        assert!(presence.is_absent());
    }

    #[test]
    fn a_client_whose_open_was_merged_is_there_once_it_writes() {
        let mut presence = Presence::default();
        presence.note(Access::Opened); // two opens in one report
        presence.note(Access::Closed);
        assert!(presence.is_absent());
        presence.speaks();
        assert_eq!(presence.opens(), 1);
        // Its close takes the count below zero, which stays zero.
        assert_eq!(presence.note(Access::Closed), Change::Last);
        assert!(presence.is_absent());
    }

    #[test]
    fn the_last_bytes_of_a_client_that_has_gone_are_nobody() {
        let mut presence = Presence::default();
        presence.note(Access::Opened);
        presence.note(Access::Closed);
        presence.speaks();
        presence.was_nobody();
        assert!(presence.is_absent());
        assert_eq!(presence.note(Access::Opened), Change::First);
    }

    #[test]
    fn bytes_that_overtake_the_report_of_the_open_are_not_flushed() {
        let mut presence = Presence::default();
        presence.speaks();
        assert_eq!(presence.note(Access::Opened), Change::None);
    }

    #[tokio::test]
    async fn accesses_in_quick_succession_are_all_reported() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let watch = ClientWatch::new().unwrap();
        let mut accesses = watch.watch(file.path()).unwrap();
        // Nothing reads the reports before all five are there.
        let both = [fs::File::open(file.path()).unwrap(), fs::File::open(file.path()).unwrap()];
        drop(both);
        fs::File::open(file.path()).unwrap();
        watch.dispatch().unwrap();
        let mut seen = Vec::new();
        while let Some(access) = accesses.try_next() {
            seen.push(access);
        }
        use Access::{Closed, Opened};
        assert_eq!(seen, [Opened, Opened, Closed, Closed, Opened, Closed]);
    }

    #[test]
    fn this_test_holds_its_own_files_but_does_not_count() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(holders(file.path()), []);
    }
}
