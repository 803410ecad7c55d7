//! Looks at each call that the filter stops: calls on other files go on at once, calls on our port go to the answers.
//!
//! A thread of its own, so that a client's calls on other files never wait for the module.

use std::fs::Metadata;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use tokio::sync::mpsc::UnboundedSender;

use super::filter::CONVENTIONS;
use super::request::Request;
use super::seccomp::{Listener, Notification, Waited};
use super::serial_struct::Layout;

/// What makes a file the same as another, whatever path led to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PortIdentity {
    device: u64,
    inode: u64,
    special_device: u64,
}

impl PortIdentity {
    pub(super) fn of(path: &Path) -> io::Result<PortIdentity> {
        std::fs::metadata(path).map(|found| PortIdentity::from(&found))
    }

    /// Whether descriptor `number` of `thread` is this port.
    fn is_descriptor(&self, thread: i32, number: u32) -> io::Result<bool> {
        match std::fs::metadata(format!("/proc/{thread}/fd/{number}")) {
            Ok(found) => Ok(PortIdentity::from(&found) == *self),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(error),
            // Closed meanwhile.
            Err(_) => Ok(false),
        }
    }
}

impl From<&Metadata> for PortIdentity {
    fn from(found: &Metadata) -> PortIdentity {
        PortIdentity { device: found.dev(), inode: found.ino(), special_device: found.rdev() }
    }
}

/// A call on our port that waits for its answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    pub(super) id: u64,
    pub(super) thread: i32,
    pub(super) request: Request,
    /// Most often an address in the client's memory.
    pub(super) argument: u64,
    pub(super) layout: Layout,
}

/// What the supervisor has to tell.
#[derive(Debug)]
pub(super) enum Seen {
    /// A call on our port.
    Call(Call),
    /// A call about modem lines, perhaps on our port: the kernel does not show which file it is on.
    Hidden { thread: i32, error: io::Error },
}

/// Runs until the client's process tree has ended, `stop` hangs up, or nobody takes calls any more.
pub(super) fn supervise(
    listener: &Listener,
    port: PortIdentity,
    stop: &OwnedFd,
    seen: &UnboundedSender<Seen>,
) {
    while let Ok(Waited::Call) = listener.wait(stop) {
        let notification = match listener.receive() {
            Ok(Some(notification)) => notification,
            Ok(None) => continue,
            // Without the listener nothing can be answered; the kernel then fails these calls with ENOSYS.
            Err(_) => return,
        };
        match call_on_port(listener, port, &notification) {
            Ok(Some(call)) if seen.send(Seen::Call(call)).is_ok() => continue,
            Err(error) if is_about_lines(&notification) => {
                let _ = seen.send(Seen::Hidden { thread: notification.thread, error });
            }
            _ => {}
        }
        // What is not ours, or cannot be looked at, is left to the kernel.
        listener.pass(notification.id);
    }
}

fn is_about_lines(notification: &Notification) -> bool {
    let [_, number, argument] = notification.arguments;
    matches!(Request::of(number as u32, argument), Some(Request::GetLines | Request::ChangeLines(_)))
}

fn call_on_port(
    listener: &Listener,
    port: PortIdentity,
    notification: &Notification,
) -> io::Result<Option<Call>> {
    let Notification { id, thread, arch, arguments: [descriptor, number, argument] } = *notification;
    let convention = CONVENTIONS.iter().find(|convention| convention.arch == arch);
    let (Some(convention), Some(request)) = (convention, Request::of(number as u32, argument)) else {
        return Ok(None);
    };
    // The second question is whether `/proc/THREAD` was still that of the caller at the first one.
    if !port.is_descriptor(thread, descriptor as u32)? || !listener.waits(id) {
        return Ok(None);
    }
    let layout = if convention.is_64_bit { Layout::Bits64 } else { Layout::Bits32 };
    Ok(Some(Call { id, thread, request, argument, layout }))
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn a_file_is_known_by_any_of_its_names() {
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("null");
        std::os::unix::fs::symlink("/dev/null", &link).unwrap();
        let null = PortIdentity::of(&link).unwrap();
        let own = std::process::id() as i32;
        let open = |path: &str| std::fs::File::open(path).unwrap();
        let file = open("/dev/null");
        assert!(null.is_descriptor(own, file.as_raw_fd() as u32).unwrap());
        let zero = open("/dev/zero");
        assert!(!null.is_descriptor(own, zero.as_raw_fd() as u32).unwrap());
        assert!(!null.is_descriptor(own, u32::MAX).unwrap(), "closed");
    }
}
