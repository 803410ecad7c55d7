//! One run at a time for each port.
//!
//! Two locks in the state directory, both released by the system when their holder dies:
//! - the **lease**, held by the run's [`keeper`](super::keeper) from first contact until the flash was given back; the
//!   file says who holds it;
//! - the **turn**, held by whoever talks to the module at the moment: one scenario after the other, the keeper last.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde::{Deserialize, Serialize};

/// The environment variable that names the state directory.
pub const STATE: &str = "BL702_BENCH_STATE";
/// The environment variable that says for how many seconds a run waits for another one's lease.
pub const WAIT: &str = "BL702_BENCH_WAIT_S";
/// How long that is if nobody says.
const DEFAULT_WAIT_S: u64 = 600;

/// Where leases, backups and notes are kept: they have to outlive everything, so not in `target`.
#[derive(Clone, Debug)]
pub struct StateDir(PathBuf);

impl StateDir {
    /// `BL702_BENCH_STATE`, or else `bl702-bench` in the user's state directory.
    ///
    /// # Errors
    /// What is wrong, for people.
    pub fn from_environment() -> Result<StateDir, String> {
        let named = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let folder = named(STATE)
            .or_else(|| named("XDG_STATE_HOME").map(|folder| folder.join("bl702-bench")))
            .or_else(|| named("HOME").map(|folder| folder.join(".local/state/bl702-bench")))
            .ok_or_else(|| {
                format!("set {STATE}: there is neither XDG_STATE_HOME nor HOME to keep backups below")
            })?;
        StateDir::at(folder)
    }

    /// A folder, made if need be.
    ///
    /// # Errors
    /// What is wrong, for people.
    pub fn at(folder: PathBuf) -> Result<StateDir, String> {
        let made = fs::create_dir_all(folder.join("ports"));
        made.map_err(|error| format!("cannot make the state directory {}: {error}", folder.display()))?;
        Ok(StateDir(folder))
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A file about a port. Names of one tty are told to be one where the system knows.
    pub fn port_file(&self, port: &str, kind: &str) -> PathBuf {
        let real = fs::canonicalize(port).map_or_else(|_| port.to_owned(), |path| path.display().to_string());
        let plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-');
        let name: String = real
            .trim_start_matches('/')
            .chars()
            .map(|letter| if plain(letter) { letter } else { '_' })
            .collect();
        self.0.join("ports").join(format!("{name}.{kind}"))
    }
}

/// A run: all scenarios of one call of `cargo test` or `cargo nextest run`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Its name, the same in all its processes.
    pub id: String,
    /// The process whose end is the run's end.
    pub watched_pid: u32,
}

impl Run {
    /// The run that this process is part of. Under nextest each scenario is a process, and nextest their parent.
    pub fn of_process() -> Run {
        let own = std::process::id();
        match (std::env::var("NEXTEST_RUN_ID"), rustix::process::getppid()) {
            (Ok(id), Some(parent)) => Run { id, watched_pid: parent.as_raw_nonzero().get().unsigned_abs() },
            _ => Run { id: format!("process-{own}-{}", started_at(own)), watched_pid: own },
        }
    }
}

/// When a process was started, in ticks since the system was: with its id it is unlike all others.
fn started_at(pid: u32) -> String {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name in parentheses may hold anything; field 22 is the 20th behind it.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    fields.split_whitespace().nth(19).unwrap_or("0").to_owned()
}

/// The name of this computer.
pub fn host_name() -> String {
    fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned()
}

/// Who holds a lease, as its file says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The run.
    pub run: String,
    /// The process whose end is the run's end.
    pub watched_pid: u32,
    /// The keeper that holds the lock.
    pub keeper_pid: u32,
    /// The computer.
    pub host: String,
    /// What was called.
    pub command: String,
}

impl Holder {
    /// This process as the keeper of a run.
    pub fn keeper_of(run: &Run) -> Holder {
        let command = fs::read(format!("/proc/{}/cmdline", run.watched_pid)).unwrap_or_default();
        let words: Vec<String> = command
            .split(|byte| *byte == 0)
            .filter(|word| !word.is_empty())
            .map(|word| String::from_utf8_lossy(word).into_owned())
            .collect();
        Holder {
            run: run.id.clone(),
            watched_pid: run.watched_pid,
            keeper_pid: std::process::id(),
            host: host_name(),
            command: words.join(" "),
        }
    }
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "process {} on {} (`{}`, run {})", self.watched_pid, self.host, self.command, self.run)?;
        write!(f, ", kept by process {}", self.keeper_pid)
    }
}

/// The state of a port's lease.
#[derive(Debug)]
pub enum Lease {
    /// Nobody holds it.
    Free,
    /// This one does.
    Held(Holder),
}

/// Looks who holds a port's lease.
///
/// # Errors
/// What the system says.
pub fn look(state: &StateDir, port: &str) -> io::Result<Lease> {
    let path = state.port_file(port, "lease");
    let mut file = open(&path)?;
    // Shared, so that two who look do not take each other for a holder.
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => {
            drop(Held(file));
            Ok(Lease::Free)
        }
        Err(rustix::io::Errno::WOULDBLOCK) => {
            let mut text = String::new();
            file.read_to_string(&mut text)?;
            let holder = serde_json::from_str(&text).map_err(|error| {
                io::Error::other(format!("{} is locked and says not by whom: {error}", path.display()))
            })?;
            Ok(Lease::Held(holder))
        }
        Err(error) => Err(error.into()),
    }
}

/// A lock that is held as long as this lives.
#[derive(Debug)]
pub struct Held(File);

impl Drop for Held {
    /// Closing alone would not do: a process that another thread starts at this moment has the open file too until it
    /// runs its program.
    fn drop(&mut self) {
        // A file without a lock can only be closed, which comes next.
        let _ = flock(&self.0, FlockOperation::Unlock);
    }
}

/// Takes a port's lease for a keeper.
///
/// # Errors
/// What the system says, also when somebody else holds it.
pub fn take(state: &StateDir, port: &str, holder: &Holder) -> io::Result<Held> {
    let file = open(&state.port_file(port, "lease"))?;
    flock(&file, FlockOperation::NonBlockingLockExclusive)?;
    let mut held = Held(file);
    held.0.set_len(0)?;
    held.0.rewind()?;
    held.0.write_all(serde_json::to_string(holder)?.as_bytes())?;
    held.0.sync_all()?;
    Ok(held)
}

/// Waits for the turn to talk to the module: others of the run end, or are ended.
///
/// # Errors
/// What the system says.
pub fn take_turn(state: &StateDir, port: &str) -> io::Result<Held> {
    let file = open(&state.port_file(port, "turn"))?;
    flock(&file, FlockOperation::LockExclusive)?;
    Ok(Held(file))
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}

/// How long to wait for another run's lease.
pub fn patience() -> Duration {
    let seconds = std::env::var(WAIT).ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(DEFAULT_WAIT_S))
}

/// Waits until a process has ended, at most `limit` (for ever without one). Gives whether it has.
///
/// # Errors
/// What the system says.
pub fn wait_for_end(pid: u32, limit: Option<Duration>) -> io::Result<bool> {
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return Ok(true) };
    let process = match pidfd_open(pid, PidfdFlags::empty()) {
        Err(rustix::io::Errno::SRCH) => return Ok(true),
        opened => opened?,
    };
    let limit = limit.map(|limit| Timespec { tv_sec: limit.as_secs() as i64, tv_nsec: 0 });
    loop {
        let mut waited = [PollFd::new(&process, PollFlags::IN)];
        match poll(&mut waited, limit.as_ref()) {
            Err(rustix::io::Errno::INTR) => {}
            count => return Ok(count? > 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> (tempfile::TempDir, StateDir) {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::at(folder.path().join("state")).unwrap();
        (folder, state)
    }

    #[test]
    fn a_lease_is_held_by_one_and_says_by_whom() {
        let (_folder, state) = state();
        let port = "rfc2217://127.0.0.1:7000";
        assert!(matches!(look(&state, port).unwrap(), Lease::Free));
        let run = Run::of_process();
        let holder = Holder::keeper_of(&run);
        let held = take(&state, port, &holder).unwrap();
        assert!(take(&state, port, &holder).is_err());
        let Lease::Held(found) = look(&state, port).unwrap() else { panic!("nobody holds it") };
        assert_eq!(found, holder);
        let text = found.to_string();
        assert!(text.contains(&format!("process {}", std::process::id())), "{text}");
        assert!(!found.host.is_empty() && !found.command.is_empty(), "{found:?}");
        // Another port is another lease.
        assert!(matches!(look(&state, "rfc2217://127.0.0.1:7001").unwrap(), Lease::Free));
        drop(held);
        assert!(matches!(look(&state, port).unwrap(), Lease::Free));
    }

    #[test]
    fn two_names_of_a_tty_are_one_port() {
        let (folder, state) = state();
        let device = folder.path().join("ttyUSB0");
        fs::write(&device, "").unwrap();
        let link = folder.path().join("by-id");
        std::os::unix::fs::symlink(&device, &link).unwrap();
        let name = |path: &Path| state.port_file(&path.display().to_string(), "lease");
        assert_eq!(name(&device), name(&link));
    }

    #[test]
    fn the_end_of_a_process_is_seen() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        assert!(wait_for_end(child.id(), Some(Duration::from_secs(60))).unwrap());
        child.wait().unwrap();
        assert!(wait_for_end(child.id(), Some(Duration::from_secs(60))).unwrap(), "gone is ended");
        assert!(!wait_for_end(std::process::id(), Some(Duration::ZERO)).unwrap(), "this one lives");
    }
}
