//! Runs an unmodified serial client against a served module, and answers for it what a pty cannot: modem lines, the
//! driver's settings with their odd speeds, counters and breaks.
//!
//! The client runs under a system-call filter that stops nothing but these ioctls (`filter`). The kernel reports them
//! here (`seccomp`), a thread looks whether they are for our port (`supervisor`), and the answers come from the served
//! port (`answers`). No privileges, no injected library: static programs, threads, forked children and passed
//! descriptors are all alike to the kernel.
//!
//! Order of use: [`Guardian::fork`] first of all, while the process has one thread and no files; then serve a port;
//! then [`Guardian::start`] the client; [`Client::attend`] to it until it has ended; [`Client::farewell`].

mod answers;
mod filter;
mod guardian;
mod memory;
mod messages;
mod request;
mod seccomp;
mod serial_struct;
mod settings;
mod signals;
mod supervisor;

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Signal, WaitOptions, pidfd_send_signal, waitpid};
use tokio::io::Interest;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::transport::control::PortControl;
use crate::transport::readiness::Readiness;
use crate::transport::status::{Notice, SharedStatus};
use answers::Answers;
pub use guardian::{PORT_PLACEHOLDER, PORT_VARIABLE, PORT_VIA_ROOT_PLACEHOLDER};
use messages::{FAREWELL, Places, Report, Step};
use seccomp::{Filter, Listener};
use supervisor::{PortIdentity, supervise};

/// Why a client does not run.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// We do not know how programs call the kernel on this processor.
    #[error("modem lines of clients can be answered on x86_64 and aarch64 only")]
    Processor,
    /// There is a listener already: the kernel allows one in a process tree.
    #[error(
        "this process already runs under a launcher that answers system calls (another `bl702-emu exec`, or a sandbox), \
         and the kernel allows one in a process tree"
    )]
    Nested,
    /// The kernel takes no such filter.
    #[error("the kernel does not let this process answer its client's system calls: {0}")]
    Forbidden(#[source] io::Error),
    /// The client could not be started.
    #[error("cannot run {client:?}: {source}")]
    NotStarted {
        /// Its program.
        client: OsString,
        /// What the kernel said.
        source: io::Error,
    },
    /// The guardian was killed, and the client with it.
    #[error("the process that looks after the client was killed")]
    GuardianGone,
    /// A call that should not fail did.
    #[error("{doing} failed: {source}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
}

fn failed(doing: &'static str) -> impl Fn(io::Error) -> LaunchError {
    move |source| LaunchError::Io { doing, source }
}

/// How a client ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientEnd {
    /// It exited with this status.
    Exited(u8),
    /// This signal ended it.
    Killed(i32),
}

impl ClientEnd {
    fn from_wait_status(status: i32) -> ClientEnd {
        if libc::WIFSIGNALED(status) {
            ClientEnd::Killed(libc::WTERMSIG(status))
        } else {
            ClientEnd::Exited(libc::WEXITSTATUS(status) as u8)
        }
    }

    /// The exit status that stands for this end: the client's own, or 128 plus the signal as shells have it.
    pub fn exit_status(self) -> u8 {
        match self {
            ClientEnd::Exited(status) => status,
            ClientEnd::Killed(signal) => 128_u8.saturating_add(signal as u8),
        }
    }

    /// Ends this process as the client has ended, a killed one by the same signal; else gives the exit status.
    pub fn repeat(self) -> u8 {
        if let ClientEnd::Killed(signal) = self {
            signals::die_of(signal);
        }
        self.exit_status()
    }
}

/// The process that will start the client. See [`guardian`](self).
#[derive(Debug)]
pub struct Guardian {
    pid: Pid,
    socket: OwnedFd,
    signals: OwnedFd,
    program: OsString,
}

impl Guardian {
    /// Forks the guardian and blocks the signals that are passed on to the client. `client` is a program and its
    /// arguments, in which the placeholders will be filled in.
    ///
    /// # Errors
    /// [`LaunchError::Processor`]; [`LaunchError::Io`] when the kernel refuses.
    ///
    /// # Panics
    /// Not by itself. Calling it while other threads run is a mistake.
    pub fn fork(client: Vec<OsString>) -> Result<Guardian, LaunchError> {
        let filter = Filter::new().ok_or(LaunchError::Processor)?;
        let (mask, signals) = signals::block_passed_on().map_err(failed("blocking signals"))?;
        let (socket, guardians_end) = messages::pair().map_err(failed("making a socket pair"))?;
        // Should the guardian be killed, its charges come here.
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
            .map_err(|errno| failed("becoming a reaper of orphans")(errno.into()))?;
        let program = client.first().cloned().unwrap_or_default();
        let job = guardian::Job { client, filter, mask };
        let pid = guardian::fork(job, &socket, guardians_end).map_err(failed("forking"))?;
        Ok(Guardian { pid, socket, signals, program })
    }

    /// Starts the client. Must be called inside a tokio runtime.
    ///
    /// `link` is an absolute path of a link to the port. If `directory` was made for it, the guardian removes both should
    /// this process be killed.
    ///
    /// # Errors
    /// Why the client does not run.
    pub async fn start(
        self,
        port: &Path,
        link: Option<PathBuf>,
        directory: Option<PathBuf>,
    ) -> Result<Client, LaunchError> {
        let places = Places { port: port.to_owned(), link, directory };
        let identity = PortIdentity::of(port).map_err(failed("looking at the port"))?;
        let message = places.encode();
        rustix::net::send(&self.socket, &message, rustix::net::SendFlags::NOSIGNAL)
            .map_err(|errno| failed("telling the guardian about the port")(errno.into()))?;
        let socket =
            Readiness::new(self.socket, Interest::READABLE).map_err(failed("watching the guardian"))?;
        let signals =
            Readiness::new(self.signals, Interest::READABLE).map_err(failed("watching for signals"))?;
        let mut listener = None;
        loop {
            let report = receive(&socket).await.inspect_err(|_| guardian::end_orphans())?;
            match report {
                (Report::Listening, descriptor) => listener = descriptor,
                (Report::Started { .. }, Some(process)) => {
                    let listener = listener.ok_or(LaunchError::GuardianGone)?;
                    let listener =
                        Listener::new(listener).map_err(failed("asking for the sizes of notifications"))?;
                    let listener = Arc::new(listener);
                    return Ok(Client { guardian: self.pid, socket, signals, process, listener, identity });
                }
                (Report::Refused { step, errno }, _) => return Err(refusal(step, errno, self.program)),
                (Report::Started { .. } | Report::Ended { .. }, _) => return Err(LaunchError::GuardianGone),
            }
        }
    }
}

fn refusal(step: Step, errno: i32, client: OsString) -> LaunchError {
    let source = io::Error::from_raw_os_error(errno);
    match (step, errno) {
        (Step::Filter, libc::EBUSY) => LaunchError::Nested,
        (Step::Watching | Step::Privileges | Step::Filter, _) => LaunchError::Forbidden(source),
        (Step::Passing, _) => LaunchError::Io { doing: "passing the listener on", source },
        (Step::Exec, _) => LaunchError::NotStarted { client, source },
    }
}

async fn receive(socket: &Readiness) -> Result<(Report, Option<OwnedFd>), LaunchError> {
    socket.wait(Interest::READABLE).await.map_err(failed("waiting for the guardian"))?;
    match Report::receive(socket.as_fd()) {
        Ok(Some(received)) => Ok(received),
        Ok(None) => Err(LaunchError::GuardianGone),
        Err(source) => Err(failed("listening to the guardian")(source)),
    }
}

/// A client that runs.
#[derive(Debug)]
pub struct Client {
    guardian: Pid,
    socket: Readiness,
    signals: Readiness,
    process: OwnedFd,
    listener: Arc<Listener>,
    identity: PortIdentity,
}

impl Client {
    /// Answers the client's calls on the port behind `control` and passes signals on to it, until it has ended.
    ///
    /// Must run in a `LocalSet` in which the port is served.
    ///
    /// `notices` hears of clients that cannot be looked at. If somebody kills the guardian, the client is killed as well.
    ///
    /// # Errors
    /// [`LaunchError::Io`].
    pub async fn attend(
        &self,
        control: PortControl,
        status: SharedStatus,
        notices: UnboundedSender<Notice>,
    ) -> Result<ClientEnd, LaunchError> {
        let (stop, _running) =
            pipe_with(PipeFlags::CLOEXEC).map_err(|errno| failed("making a pipe")(errno.into()))?;
        let (sender, calls) = unbounded_channel();
        let (listener, identity) = (self.listener.clone(), self.identity);
        std::thread::Builder::new()
            .name("supervisor".to_owned())
            .spawn(move || supervise(&listener, identity, &stop, &sender))
            .map_err(failed("starting the supervisor"))?;
        let answers = Answers::new(self.listener.clone(), control, status, notices);
        tokio::select! {
            end = self.ended() => match end {
                Err(LaunchError::GuardianGone) => {
                    // The kernel has killed the client with it.
                    guardian::end_orphans();
                    Ok(ClientEnd::Killed(libc::SIGKILL))
                }
                end => end,
            },
            error = self.pass_signals_on() => Err(failed("reading signals")(error)),
            // All calls are made by the client: its end ends them.
            () = answers_for_ever(answers, calls) => Err(LaunchError::GuardianGone),
        }
    }

    async fn ended(&self) -> Result<ClientEnd, LaunchError> {
        loop {
            if let (Report::Ended { status }, _) = receive(&self.socket).await? {
                return Ok(ClientEnd::from_wait_status(status));
            }
        }
    }

    async fn pass_signals_on(&self) -> io::Error {
        loop {
            if let Err(error) = self.signals.wait(Interest::READABLE).await {
                return error;
            }
            loop {
                match signals::receive(self.signals.as_fd()) {
                    Ok(None) => break,
                    // The client, in the same process group, has got it from the terminal already.
                    Ok(Some(received)) if received.from_terminal => {}
                    Ok(Some(received)) => {
                        if let Some(signal) = Signal::from_named_raw(received.signal) {
                            // A client that has just ended is about to be reported.
                            let _ = pidfd_send_signal(&self.process, signal);
                        }
                    }
                    Err(error) => return error,
                }
            }
        }
    }

    /// Lets the guardian end what the client has left behind, and waits for that: a second at most, if they obey.
    pub fn farewell(self) {
        // A guardian that is gone already needs no word, and has no status to wait for.
        let _ = rustix::net::send(&self.socket, FAREWELL, rustix::net::SendFlags::NOSIGNAL);
        while matches!(waitpid(Some(self.guardian), WaitOptions::empty()), Err(rustix::io::Errno::INTR)) {}
    }
}

/// Calls may stop coming (every process under the filter has closed itself off) while the client still runs.
async fn answers_for_ever(answers: Answers, calls: UnboundedReceiver<supervisor::Seen>) {
    answers.run(calls).await;
    std::future::pending().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_and_their_statuses() {
        assert_eq!(ClientEnd::from_wait_status(0x0300), ClientEnd::Exited(3));
        assert_eq!(ClientEnd::from_wait_status(9), ClientEnd::Killed(9));
        assert_eq!(ClientEnd::Exited(3).exit_status(), 3);
        assert_eq!(ClientEnd::Killed(9).exit_status(), 137);
    }

    #[test]
    fn refusals_are_told_apart() {
        let refused = |step, errno| refusal(step, errno, "client".into());
        assert!(matches!(refused(Step::Filter, libc::EBUSY), LaunchError::Nested));
        assert!(matches!(refused(Step::Filter, libc::EINVAL), LaunchError::Forbidden(_)));
        assert!(matches!(refused(Step::Exec, libc::ENOENT), LaunchError::NotStarted { .. }));
    }
}
