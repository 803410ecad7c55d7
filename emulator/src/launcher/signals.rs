//! Signals that are read from a descriptor instead of interrupting: those that people send to the launcher are passed
//! on to the client.
//!
//! Nothing here installs a handler, so the client inherits every disposition as the launcher found it.
#![allow(unsafe_code)]

use std::io;
use std::mem::{MaybeUninit, size_of};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

/// What the launcher passes on.
const PASSED_ON: &[i32] =
    &[libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM, libc::SIGUSR1, libc::SIGUSR2];

/// Which signals are blocked.
#[derive(Clone, Copy)]
pub(super) struct SignalMask(libc::sigset_t);

impl SignalMask {
    fn of(signals: impl IntoIterator<Item = i32>) -> SignalMask {
        let mut set = MaybeUninit::uninit();
        // SAFETY: sigemptyset fills in the whole set, sigaddset changes a set that is filled in.
        unsafe {
            libc::sigemptyset(set.as_mut_ptr());
            for signal in signals {
                libc::sigaddset(set.as_mut_ptr(), signal);
            }
            SignalMask(set.assume_init())
        }
    }

    fn all() -> SignalMask {
        let mut set = MaybeUninit::uninit();
        // SAFETY: sigfillset fills in the whole set.
        unsafe {
            libc::sigfillset(set.as_mut_ptr());
            SignalMask(set.assume_init())
        }
    }

    /// Blocks exactly these signals in this thread. For use between fork and exec too.
    pub(super) fn restore(&self) -> io::Result<()> {
        self.apply(libc::SIG_SETMASK).map(|_| ())
    }

    fn apply(&self, how: libc::c_int) -> io::Result<SignalMask> {
        let mut before = SignalMask::of([]);
        // SAFETY: both pointers are to sets that are filled in; the second one is written.
        match unsafe { libc::pthread_sigmask(how, &self.0, &mut before.0) } {
            0 => Ok(before),
            errno => Err(io::Error::from_raw_os_error(errno)),
        }
    }

    fn descriptor(&self) -> io::Result<OwnedFd> {
        // SAFETY: the call reads a set that is filled in, and gives a new descriptor that nobody else knows.
        unsafe {
            match libc::signalfd(-1, &self.0, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) {
                -1 => Err(io::Error::last_os_error()),
                fd => Ok(OwnedFd::from_raw_fd(fd)),
            }
        }
    }
}

impl std::fmt::Debug for SignalMask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SignalMask")
    }
}

/// Blocks what is passed on, apart from what was ignored before (`nohup`, a shell's background jobs).
///
/// Gives the mask as it was, and the descriptor on which the signals arrive. Threads made later inherit the block.
pub(super) fn block_passed_on() -> io::Result<(SignalMask, OwnedFd)> {
    let mask = SignalMask::of(PASSED_ON.iter().copied().filter(|signal| !is_ignored(*signal)));
    let before = mask.apply(libc::SIG_BLOCK)?;
    Ok((before, mask.descriptor()?))
}

/// Blocks everything; gives a descriptor that is readable when a child has ended.
pub(super) fn block_all_but_report_children() -> io::Result<OwnedFd> {
    SignalMask::all().apply(libc::SIG_SETMASK)?;
    SignalMask::of([libc::SIGCHLD]).descriptor()
}

/// Takes all that is there.
pub(super) fn drain(descriptor: &OwnedFd) -> io::Result<()> {
    while receive(descriptor)?.is_some() {}
    Ok(())
}

/// A signal that has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Received {
    pub(super) signal: i32,
    /// The terminal sent it, and did so to the client as well, which is in the same process group.
    pub(super) from_terminal: bool,
}

/// The next signal, without waiting.
pub(super) fn receive(descriptor: impl AsFd) -> io::Result<Option<Received>> {
    let mut info = MaybeUninit::<libc::signalfd_siginfo>::zeroed();
    // SAFETY: reads at most one struct of plain numbers into memory of that size.
    let count = unsafe {
        libc::read(
            descriptor.as_fd().as_raw_fd(),
            info.as_mut_ptr().cast(),
            size_of::<libc::signalfd_siginfo>(),
        )
    };
    if count < 0 {
        let error = io::Error::last_os_error();
        return match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(None),
            _ => Err(error),
        };
    }
    // SAFETY: all bytes are initialised, and any value is a valid struct.
    let info = unsafe { info.assume_init() };
    Ok(Some(Received { signal: info.ssi_signo as i32, from_terminal: info.ssi_code == libc::SI_KERNEL }))
}

fn is_ignored(signal: i32) -> bool {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: with no new action the call only writes the present one.
    unsafe {
        libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr()) == 0
            && action.assume_init().sa_sigaction == libc::SIG_IGN
    }
}

/// Ends this process by `signal`, so that whoever waits for it sees what became of the client. Does not return where
/// the signal's default is to end a process.
pub(super) fn die_of(signal: i32) {
    // The client has left a core already, if it was to leave one.
    let none = rustix::process::Rlimit { current: Some(0), maximum: Some(0) };
    let _ = rustix::process::setrlimit(rustix::process::Resource::Core, none);
    // SAFETY: sets the default disposition, which runs no code of ours; then plain numbers.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
    }
    // A mask that cannot be changed leaves the signal pending, and the caller's exit code stands for it.
    let _ = SignalMask::of([signal]).apply(libc::SIG_UNBLOCK);
    // SAFETY: plain numbers.
    unsafe {
        libc::kill(libc::getpid(), signal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blocked_signal_comes_by_the_descriptor() {
        // In a thread of its own: the block must not spread to other tests.
        std::thread::spawn(|| {
            let mask = SignalMask::of([libc::SIGUSR2]);
            let before = mask.apply(libc::SIG_BLOCK).unwrap();
            let descriptor = mask.descriptor().unwrap();
            assert_eq!(receive(&descriptor).unwrap(), None);
            // SAFETY: sends a signal that this thread blocks to this thread.
            unsafe { libc::pthread_kill(libc::pthread_self(), libc::SIGUSR2) };
            let received = receive(&descriptor).unwrap();
            assert_eq!(received, Some(Received { signal: libc::SIGUSR2, from_terminal: false }));
            assert_eq!(receive(&descriptor).unwrap(), None);
            before.restore().unwrap();
        })
        .join()
        .unwrap();
    }
}
