//! The process between launcher and client.
//!
//! It starts the client, tells the launcher how it ended, and outlives a launcher that is killed: then, and when the
//! launcher says farewell, it ends what is left of the client's process tree. Orphans of the tree come to it (it is
//! their subreaper), so nothing gets away; that also keeps them descendants of the launcher, which a kernel with the
//! Yama module wants of a process whose memory is read. If the guardian itself is killed, so is the client, and the
//! launcher, next in line for orphans, ends the rest.
//!
//! It is forked before the launcher opens anything that it must not share: a copy of the pty's master in here would
//! keep the port alive behind a dead launcher.
#![allow(unsafe_code)]

use std::collections::HashSet;
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitOptions, getpid, getppid, kill_process, pidfd_open, set_child_subreaper,
    set_parent_process_death_signal, waitpid,
};
use rustix::time::Timespec;

use super::messages::{FAREWELL, Places, Report, Step};
use super::seccomp::{self, Filter};
use super::signals::{self, SignalMask};
use crate::Nanos;
use crate::transport::clock::WallClock;

/// How long processes that the client leaves behind have for an end of their own.
const PATIENCE: Nanos = Nanos::from_secs(1);

/// What the client's arguments may contain, and gets replaced.
pub const PORT_PLACEHOLDER: &str = "{port}";
/// The same for clients that look for the port under `/sys/class/tty` and only take names in `/dev`.
pub const PORT_VIA_ROOT_PLACEHOLDER: &str = "{port-via-root}";
/// The port's path in the client's environment.
pub const PORT_VARIABLE: &str = "BL702_EMU_PORT";

/// What the guardian is to run.
pub(super) struct Job {
    /// The client and its arguments, with placeholders.
    pub(super) client: Vec<OsString>,
    pub(super) filter: Filter,
    /// The mask that the client gets back.
    pub(super) mask: SignalMask,
}

/// Forks the guardian; gives its process id. The calling process must have one thread.
pub(super) fn fork(job: Job, launchers_end: &OwnedFd, guardians_end: OwnedFd) -> io::Result<Pid> {
    // SAFETY: the process has one thread, so the child finds no lock taken and no structure half changed.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            let leave = Leave;
            // SAFETY: the copy of the launcher's end belongs to the launcher; here it is closed once and not used again.
            unsafe { libc::close(std::os::fd::AsRawFd::as_raw_fd(launchers_end)) };
            // Whatever goes wrong here, the launcher sees the socket close and the client is killed with this process.
            let _ = guard(&job, &guardians_end);
            leave.now()
        }
        pid => {
            drop(guardians_end);
            Pid::from_raw(pid).ok_or_else(|| io::ErrorKind::InvalidData.into())
        }
    }
}

/// Ends the process when dropped, by a panic too: the guardian must never go on as a second launcher.
struct Leave;

impl Leave {
    fn now(&self) -> ! {
        // SAFETY: ends this process at once; there is nothing to tidy up that its end does not.
        unsafe { libc::_exit(0) }
    }
}

impl Drop for Leave {
    fn drop(&mut self) {
        self.now()
    }
}

fn guard(job: &Job, socket: &OwnedFd) -> io::Result<()> {
    set_child_subreaper(Some(getpid()))?;
    let children = signals::block_all_but_report_children()?;
    let mut message = vec![0; Places::MOST_BYTES];
    let length = receive(socket, &mut message)?;
    // No places: the launcher could not set up what it needs, and has said why.
    let Some(places) = Places::decode(&message[..length]) else { return Ok(()) };
    // Old kernels lack it, and so do sandboxes that are older than it. The client must not have begun when that shows.
    if let Err(errno) = pidfd_open(getpid(), PidfdFlags::empty()) {
        let errno = errno.raw_os_error();
        return Report::Refused { step: Step::Watching, errno }.send(socket.as_fd(), None);
    }
    let client = match spawn(job, &places, socket.as_fd()) {
        Ok(pid) => pid,
        Err(error) => {
            let errno = error.raw_os_error().unwrap_or(libc::EIO);
            return Report::Refused { step: Step::Exec, errno }.send(socket.as_fd(), None);
        }
    };
    // Whatever fails from here on (most likely because the launcher has been killed), the tree must end.
    let said_farewell = attend(client, socket, &children).unwrap_or(false);
    if !said_farewell {
        tidy(&places);
    }
    end_children(&children, if said_farewell { PATIENCE } else { Nanos::ZERO })
}

/// Tells the launcher about the client and watches over it until the launcher is done (true) or dead.
fn attend(client: Pid, socket: &OwnedFd, children: &OwnedFd) -> io::Result<bool> {
    let process = pidfd_open(client, PidfdFlags::empty())?;
    Report::Started { pid: client.as_raw_nonzero().get() }.send(socket.as_fd(), Some(process.as_fd()))?;
    drop(process);
    let_go_of_terminal();
    watch(client, socket, children)
}

fn receive(socket: &OwnedFd, message: &mut [u8]) -> io::Result<usize> {
    loop {
        match rustix::io::read(socket, &mut *message) {
            Err(rustix::io::Errno::INTR) => {}
            other => return Ok(other?),
        }
    }
}

fn spawn(job: &Job, places: &Places, socket: BorrowedFd<'_>) -> io::Result<Pid> {
    let mut words = job.client.iter().map(|word| fill_in(word, places));
    let program = words.next().ok_or(io::ErrorKind::InvalidInput)?;
    let mut command = Command::new(program);
    command.args(words).env(PORT_VARIABLE, &places.port);
    let guardian = getpid();
    let (filter, mask) = (job.filter.clone(), job.mask);
    // SAFETY: the descriptor lives until the spawn has returned, and the closure runs before that.
    let socket = unsafe { BorrowedFd::borrow_raw(std::os::fd::AsRawFd::as_raw_fd(&socket)) };
    // SAFETY: `prepare` makes system calls and nothing else: no allocation, no lock.
    unsafe { command.pre_exec(move || prepare(guardian, &filter, &mask, socket)) };
    let child = command.spawn()?;
    Pid::from_raw(child.id() as i32).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Runs in the client's process before it becomes the client.
fn prepare(guardian: Pid, filter: &Filter, mask: &SignalMask, socket: BorrowedFd<'_>) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    if getppid() != Some(guardian) {
        // Killed before it could be arranged that this process dies as well.
        return Err(io::Error::from_raw_os_error(libc::ESRCH));
    }
    mask.restore()?;
    let told = |step| {
        move |error: io::Error| {
            let errno = error.raw_os_error().unwrap_or(libc::EIO);
            // If that fails too, the guardian's own report says less, but enough.
            let _ = Report::Refused { step, errno }.send(socket, None);
            io::Error::from_raw_os_error(errno)
        }
    };
    seccomp::forbid_new_privileges().map_err(told(Step::Privileges))?;
    let listener = filter.install().map_err(told(Step::Filter))?;
    Report::Listening.send(socket, Some(listener.as_fd())).map_err(told(Step::Passing))
}

fn fill_in(word: &OsString, places: &Places) -> OsString {
    let port = places.port.as_os_str().as_bytes();
    let mut via_root = b"/dev/../../..".to_vec();
    via_root.extend_from_slice(places.link.as_deref().unwrap_or(&places.port).as_os_str().as_bytes());
    let bytes = replace(word.as_bytes(), PORT_PLACEHOLDER.as_bytes(), port);
    OsString::from_vec(replace(&bytes, PORT_VIA_ROOT_PLACEHOLDER.as_bytes(), &via_root))
}

fn replace(text: &[u8], placeholder: &[u8], by: &[u8]) -> Vec<u8> {
    let mut replaced = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.windows(placeholder.len()).position(|window| window == placeholder) {
        replaced.extend_from_slice(&rest[..at]);
        replaced.extend_from_slice(by);
        rest = &rest[at + placeholder.len()..];
    }
    replaced.extend_from_slice(rest);
    replaced
}

/// Whoever waits for the end of a pipe that the client wrote to shall not wait for the guardian.
fn let_go_of_terminal() {
    if let Ok(nothing) = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null") {
        // Where this fails the guardian just holds them until its end.
        let _ = rustix::stdio::dup2_stdin(&nothing);
        let _ = rustix::stdio::dup2_stdout(&nothing);
        let _ = rustix::stdio::dup2_stderr(&nothing);
    }
}

/// Reports the client's end; returns when the launcher is done (true) or dead.
fn watch(client: Pid, socket: &OwnedFd, children: &OwnedFd) -> io::Result<bool> {
    loop {
        let mut fds = [PollFd::new(socket, PollFlags::IN), PollFd::new(children, PollFlags::IN)];
        match poll(&mut fds, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let (socket_speaks, child_ended) = (!fds[0].revents().is_empty(), !fds[1].revents().is_empty());
        if child_ended {
            signals::drain(children)?;
            while let Ok(Some((pid, status))) = waitpid(None, WaitOptions::NOHANG) {
                if pid == client {
                    // A launcher that is gone is noticed below.
                    let _ = Report::Ended { status: status.as_raw() }.send(socket.as_fd(), None);
                }
            }
        }
        if socket_speaks {
            let mut message = [0; 16];
            let length = receive(socket, &mut message)?;
            return Ok(&message[..length] == FAREWELL);
        }
    }
}

/// Removes what only this run could have a use for. A link that the user has named is left to the next run, which
/// replaces it, and which may have begun already.
fn tidy(places: &Places) {
    let (Some(link), Some(directory)) = (&places.link, &places.directory) else { return };
    // What cannot be removed is in nobody's way.
    let _ = std::fs::remove_file(link);
    let _ = std::fs::remove_dir(directory);
}

/// Ends every process that is left of the tree: asks first if there is `patience`, then kills.
fn end_children(children: &OwnedFd, patience: Nanos) -> io::Result<()> {
    let clock = WallClock::start();
    let mut asked = HashSet::new();
    loop {
        while let Ok(Some(_)) = waitpid(None, WaitOptions::NOHANG) {}
        if matches!(waitpid(None, WaitOptions::NOHANG), Err(rustix::io::Errno::CHILD)) {
            return Ok(());
        }
        let left = patience.since(clock.now());
        for pid in children_of(getpid()) {
            // One that has just ended cannot be another process yet: only this one reaps it.
            if left == Nanos::ZERO {
                let _ = kill_process(pid, Signal::KILL);
            } else if asked.insert(pid) {
                let _ = kill_process(pid, Signal::TERM);
            }
        }
        // A process that is killed may leave children of its own, which come here only then: hence the second limit.
        let wait = if left == Nanos::ZERO { Nanos::from_millis(100) } else { left };
        let timeout =
            Timespec { tv_sec: (wait.0 / 1_000_000_000) as _, tv_nsec: (wait.0 % 1_000_000_000) as _ };
        let mut fds = [PollFd::new(children, PollFlags::IN)];
        match poll(&mut fds, Some(&timeout)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => {}
            Ok(_) => signals::drain(children)?,
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// Ends what comes to the launcher when the guardian has been killed: the client and its children.
pub(super) fn end_orphans() {
    loop {
        for pid in children_of(getpid()) {
            // One that has just ended cannot be another process yet: only this one reaps it.
            let _ = kill_process(pid, Signal::KILL);
        }
        match waitpid(None, WaitOptions::empty()) {
            // Its children come here now.
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return,
        }
    }
}

/// The children of a process, from `/proc`.
fn children_of(parent: Pid) -> Vec<Pid> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok().and_then(Pid::from_raw));
    pids.filter(|pid| parent_of(*pid) == Some(parent)).collect()
}

fn parent_of(pid: Pid) -> Option<Pid> {
    let path = format!("/proc/{}/stat", pid.as_raw_nonzero());
    let stat = std::fs::read(Path::new(&path)).ok()?;
    // The name stands in parentheses and may contain anything, these included.
    let behind_name = stat.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(&stat[behind_name + 1..]).ok()?;
    Pid::from_raw(rest.split_ascii_whitespace().nth(1)?.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places() -> Places {
        Places { port: "/dev/pts/7".into(), link: Some("/tmp/x/port".into()), directory: None }
    }

    #[test]
    fn placeholders_are_filled_in_wherever_they_stand() {
        let filled = |word: &str| fill_in(&OsString::from(word), &places()).into_string().unwrap();
        assert_eq!(filled("{port}"), "/dev/pts/7");
        assert_eq!(filled("--port={port},raw;{port}"), "--port=/dev/pts/7,raw;/dev/pts/7");
        assert_eq!(filled("{port-via-root}"), "/dev/../../../tmp/x/port");
        assert_eq!(filled("{PORT} {por} port"), "{PORT} {por} port");
        assert_eq!(filled(""), "");
    }

    #[test]
    fn a_word_that_is_not_text_is_left_as_it_is() {
        let word = OsString::from_vec(vec![0xff, b'{', b'p', 0xfe]);
        assert_eq!(fill_in(&word, &places()), word);
    }

    #[test]
    fn the_parent_of_this_process() {
        assert_eq!(parent_of(getpid()), getppid());
    }
}
