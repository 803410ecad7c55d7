//! Many modules of one emulator, all being backed up at the same time by one process: a [`Session`] for each, driven by
//! hand over ptys that never block.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bl702_flasher::connect::ConnectOptions;
use bl702_flasher::error::Result;
use bl702_flasher::event::{Event, Phase};
use bl702_flasher::flow::{After, Backup, backup};
use bl702_flasher::session::{Output, Session};
use bl702_protocol::time::Nanos;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::termios::{OptionalActions, QueueSelector, tcflush, tcgetattr, tcsetattr};

use super::Stopwatch;

/// What came of it.
#[derive(Debug)]
pub struct Crowd {
    /// From the first handshake to the last backup.
    pub took: Duration,
    /// Of every member the bytes that were read when half of all bytes were.
    pub halfway_bytes: Vec<u64>,
    /// When every member was through.
    pub ended_at: Vec<Duration>,
    /// What every member read.
    pub backups: Vec<Result<Backup>>,
}

/// Backs up the flash of every module at these ports, `flash_bytes` each.
///
/// # Panics
/// If a port cannot be opened or used.
pub fn back_up_all(ports: &[&Path], options: &Arc<ConnectOptions>, flash_bytes: u64) -> Crowd {
    allow_descriptors(ports.len() as u64 + 64);
    let watch = Stopwatch::start();
    let mut members: Vec<Member> = ports.iter().map(|port| Member::new(port, options, watch)).collect();
    let half = flash_bytes * ports.len() as u64 / 2;
    let mut halfway_bytes = Vec::new();
    while members.iter().any(Member::is_under_way) {
        wait(&mut members, watch);
        let read = |member: &Member| member.read_bytes;
        if halfway_bytes.is_empty() && members.iter().map(read).sum::<u64>() >= half {
            halfway_bytes = members.iter().map(read).collect();
        }
    }
    let took = watch.elapsed();
    let ended_at = members.iter().map(|member| member.ended_at).collect();
    let backups = members.into_iter().filter_map(|member| member.backup).collect();
    Crowd { took, halfway_bytes, ended_at, backups }
}

/// One session and its port.
struct Member {
    port: File,
    session: Session<Backup>,
    unsent: VecDeque<u8>,
    read_bytes: u64,
    backup: Option<Result<Backup>>,
    ended_at: Duration,
}

impl Member {
    fn new(path: &Path, options: &Arc<ConnectOptions>, watch: Stopwatch) -> Member {
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let port = rustix::fs::open(path, flags, Mode::empty()).expect("cannot open a port");
        let mut settings = tcgetattr(&port).expect("a terminal");
        settings.make_raw();
        settings.set_speed(options.boot_baud_bps).expect("a rate");
        tcsetattr(&port, OptionalActions::Now, &settings).expect("a terminal");
        let flow_options = Arc::clone(options);
        let flow = |link| backup(link, flow_options, None, After::Reset);
        let mut member = Member {
            port: File::from(port),
            session: Session::new(watch.elapsed().into(), options.boot_baud_bps, flow),
            unsent: VecDeque::new(),
            read_bytes: 0,
            backup: None,
            ended_at: Duration::ZERO,
        };
        member.follow(watch);
        member
    }

    fn is_under_way(&self) -> bool {
        self.backup.is_none()
    }

    /// Does what the session wants done.
    fn follow(&mut self, watch: Stopwatch) {
        while let Some(output) = self.session.poll_output() {
            match output {
                Output::Write(bytes) => {
                    self.unsent.extend(bytes);
                    self.send();
                }
                Output::SetBaud(baud_bps) => {
                    let mut settings = tcgetattr(&self.port).expect("a terminal");
                    settings.set_speed(baud_bps).expect("a rate");
                    tcsetattr(&self.port, OptionalActions::Now, &settings).expect("a terminal");
                }
                Output::PurgeInput => tcflush(&self.port, QueueSelector::IFlush).expect("a terminal"),
                Output::SetLines(_) => unreachable!("the session was told that there are no lines"),
            }
        }
        while let Some(event) = self.session.poll_event() {
            if let Event::Progress { phase: Phase::Read, done_bytes, .. } = event {
                self.read_bytes = done_bytes;
            }
        }
        if let Some(result) = self.session.finished() {
            self.backup = Some(result);
            self.ended_at = watch.elapsed();
        }
    }

    /// Hands over what the port takes.
    fn send(&mut self) {
        while !self.unsent.is_empty() {
            match self.port.write(self.unsent.make_contiguous()) {
                Ok(count) => drop(self.unsent.drain(..count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => panic!("writing to a port failed: {error}"),
            }
        }
    }

    fn hear(&mut self, watch: Stopwatch) {
        let mut buffer = [0; 16 * 1024];
        match self.port.read(&mut buffer) {
            Ok(count) => self.session.handle_input(watch.elapsed().into(), &buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => panic!("reading from a port failed: {error}"),
        }
    }
}

/// Waits until one of the members has something to do, and lets all do it that have.
fn wait(members: &mut [Member], watch: Stopwatch) {
    let now = Nanos::from(watch.elapsed());
    let due = members.iter().filter_map(|member| member.session.poll_timeout()).min();
    let left = Duration::from(due.unwrap_or(now).since(now));
    let timeout = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) };
    let mut waited: Vec<PollFd<'_>> = Vec::with_capacity(members.len());
    for member in &*members {
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::IN, member.is_under_way());
        flags.set(PollFlags::OUT, !member.unsent.is_empty());
        waited.push(PollFd::from_borrowed_fd(member.port.as_fd(), flags));
    }
    match poll(&mut waited, Some(&timeout)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(error) => panic!("waiting for the ports failed: {error}"),
    }
    let ready: Vec<PollFlags> = waited.iter().map(PollFd::revents).collect();
    for (member, ready) in members.iter_mut().zip(ready) {
        if !member.is_under_way() {
            continue;
        }
        if ready.contains(PollFlags::OUT) {
            member.send();
        }
        if ready.contains(PollFlags::IN) {
            member.hear(watch);
        }
        let now = Nanos::from(watch.elapsed());
        if member.session.poll_timeout().is_some_and(|due| due <= now) {
            member.session.handle_timeout(now);
        }
        member.follow(watch);
    }
}

/// Raises the soft limit of open files as far as needed and allowed.
fn allow_descriptors(needed: u64) {
    let limits = getrlimit(Resource::Nofile);
    if limits.current.is_some_and(|current| current < needed) {
        let current = limits.maximum.map_or(needed, |maximum| maximum.min(needed));
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(current), maximum: limits.maximum });
    }
}
