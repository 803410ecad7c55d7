//! The kernel's side of system-call notifications: the filter goes in, calls come out, answers go back.
//!
//! `seccomp(2)`, `seccomp_unotify(2)`. The unsafe blocks of this file are the system calls themselves.
#![allow(unsafe_code)]

use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};

use super::filter::{Instruction, program};

/// The longest filter that [`Filter::install`] takes.
const MOST_INSTRUCTIONS: usize = 64;

/// A filter in the kernel's form, made before a fork so that the child need not allocate.
#[derive(Clone)]
pub(super) struct Filter {
    instructions: [libc::sock_filter; MOST_INSTRUCTIONS],
    length: u16,
}

impl Filter {
    /// The filter for this processor; `None` where we know no calling convention.
    pub(super) fn new() -> Option<Filter> {
        if super::filter::CONVENTIONS.is_empty() {
            return None;
        }
        let program = program();
        let nothing = libc::sock_filter { code: 0, jt: 0, jf: 0, k: 0 };
        let mut instructions = [nothing; MOST_INSTRUCTIONS];
        for (place, instruction) in instructions.iter_mut().zip(&program) {
            let Instruction { code, jump_true, jump_false, k } = *instruction;
            *place = libc::sock_filter { code, jt: jump_true, jf: jump_false, k };
        }
        Some(Filter { instructions, length: program.len().min(MOST_INSTRUCTIONS) as u16 })
    }

    /// Puts this process and all its children under the filter; gives the descriptor on which calls are reported.
    ///
    /// Allocates nothing and takes no lock: for use between fork and exec. [`forbid_new_privileges`] comes first.
    pub(super) fn install(&self) -> io::Result<OwnedFd> {
        let filter = libc::sock_fprog {
            len: self.length,
            // The kernel only reads it; the field is not const for reasons of age.
            filter: self.instructions.as_ptr().cast_mut(),
        };
        // Without SPEC_ALLOW kernels before 5.16 would slow the client down with a mitigation meant for sandboxes.
        let flags = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER | libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW;
        // SAFETY: `filter` and the instructions it points to live through the call, which copies them; its length is that
        // of the array or less.
        let fd = unsafe {
            libc::syscall(
                libc::SYS_seccomp,
                libc::SECCOMP_SET_MODE_FILTER,
                flags,
                std::ptr::from_ref(&filter),
            )
        };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call gave a new descriptor that nobody else knows.
        Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
    }
}

/// What the kernel wants before an ordinary user may install a filter: set-user-id programs no longer gain rights.
///
/// For use between fork and exec.
pub(super) fn forbid_new_privileges() -> io::Result<()> {
    // SAFETY: prctl with this option takes four plain numbers.
    if unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) } == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// A system call of the client that waits for its answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Notification {
    /// The kernel's name for the call.
    pub(super) id: u64,
    /// The thread that makes it.
    pub(super) thread: i32,
    /// `AUDIT_ARCH_*` of its program.
    pub(super) arch: u32,
    /// The arguments of ioctl: descriptor, request, argument.
    pub(super) arguments: [u64; 3],
}

/// The descriptor on which the client's calls are reported.
#[derive(Debug)]
pub(super) struct Listener {
    fd: OwnedFd,
    call_bytes: usize,
    answer_bytes: usize,
}

/// What [`Listener::wait`] saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waited {
    /// A call may be there.
    Call,
    /// The process tree has ended, or `stop` hung up.
    Over,
}

impl Listener {
    pub(super) fn new(fd: OwnedFd) -> io::Result<Listener> {
        let mut sizes =
            libc::seccomp_notif_sizes { seccomp_notif: 0, seccomp_notif_resp: 0, seccomp_data: 0 };
        // SAFETY: the call writes one `seccomp_notif_sizes` through the pointer.
        let done = unsafe {
            libc::syscall(libc::SYS_seccomp, libc::SECCOMP_GET_NOTIF_SIZES, 0, std::ptr::from_mut(&mut sizes))
        };
        if done < 0 {
            return Err(io::Error::last_os_error());
        }
        // A newer kernel may know longer structs than we do, never shorter ones.
        let call_bytes = usize::from(sizes.seccomp_notif).max(size_of::<libc::seccomp_notif>());
        let answer_bytes = usize::from(sizes.seccomp_notif_resp).max(size_of::<libc::seccomp_notif_resp>());
        Ok(Listener { fd, call_bytes, answer_bytes })
    }

    /// Waits for a call, or for the other end of `stop` to close.
    pub(super) fn wait(&self, stop: &OwnedFd) -> io::Result<Waited> {
        let mut fds = [PollFd::new(&self.fd, PollFlags::IN), PollFd::new(stop, PollFlags::IN)];
        loop {
            match poll(&mut fds, None) {
                Ok(_) => break,
                Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        let is_over = !fds[1].revents().is_empty() || !fds[0].revents().contains(PollFlags::IN);
        Ok(if is_over { Waited::Over } else { Waited::Call })
    }

    /// Takes the next call; `None` when its thread was killed or interrupted meanwhile.
    pub(super) fn receive(&self) -> io::Result<Option<Notification>> {
        // In words, for the alignment; all zero, as the kernel demands.
        let mut buffer = vec![0_u64; self.call_bytes.div_ceil(8)];
        // SAFETY: the request writes one `seccomp_notif` of the kernel's size, which the buffer holds.
        let done = unsafe {
            libc::ioctl(self.fd.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_RECV as _, buffer.as_mut_ptr())
        };
        if done < 0 {
            let error = io::Error::last_os_error();
            return match error.raw_os_error() {
                Some(libc::ENOENT | libc::EINTR) => Ok(None),
                _ => Err(error),
            };
        }
        // SAFETY: the buffer is aligned, as long as the struct, and filled by the kernel; the struct is plain numbers.
        let call = unsafe { buffer.as_ptr().cast::<libc::seccomp_notif>().read() };
        let [descriptor, request, argument, ..] = call.data.args;
        Ok(Some(Notification {
            id: call.id,
            thread: call.pid as i32,
            arch: call.data.arch,
            arguments: [descriptor, request, argument],
        }))
    }

    /// Whether the call still waits: what was read of its thread before this says so was really its own.
    pub(super) fn waits(&self, id: u64) -> bool {
        // SAFETY: the request reads one u64 through the pointer.
        unsafe {
            libc::ioctl(self.fd.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_ID_VALID as _, std::ptr::from_ref(&id))
                == 0
        }
    }

    /// The call returns 0, or fails with `errno`.
    pub(super) fn answer(&self, id: u64, outcome: Result<(), i32>) {
        // The kernel wants errors negative.
        self.respond(id, outcome.err().map_or(0, |errno| -errno), 0);
    }

    /// The call goes on as if there was no filter.
    pub(super) fn pass(&self, id: u64) {
        if !self.respond(id, 0, libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32) {
            // Kernels before 5.5 cannot do that. A pty has none of these calls either.
            self.respond(id, -libc::ENOTTY, 0);
        }
    }

    /// False when the kernel takes no such answer. That the call no longer waits is no failure.
    fn respond(&self, id: u64, error: i32, flags: u32) -> bool {
        let mut buffer = vec![0_u64; self.answer_bytes.div_ceil(8)];
        let answer = libc::seccomp_notif_resp { id, val: 0, error, flags };
        // SAFETY: the buffer is aligned and at least as long as the struct.
        unsafe { buffer.as_mut_ptr().cast::<libc::seccomp_notif_resp>().write(answer) };
        // SAFETY: the request reads one `seccomp_notif_resp` of the kernel's size, which the buffer holds.
        let done = unsafe {
            libc::ioctl(self.fd.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SEND as _, buffer.as_mut_ptr())
        };
        done == 0 || io::Error::last_os_error().raw_os_error() != Some(libc::EINVAL)
    }
}
