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
    fn is_descriptor(&self, thread: i32, number: u32) -> bool {
        // What cannot be looked at (closed meanwhile, another user's) is left to the kernel.
        std::fs::metadata(format!("/proc/{thread}/fd/{number}"))
            .is_ok_and(|found| PortIdentity::from(&found) == *self)
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

/// Runs until the client's process tree has ended, `stop` hangs up, or nobody takes calls any more.
pub(super) fn supervise(
    listener: &Listener,
    port: PortIdentity,
    stop: &OwnedFd,
    calls: &UnboundedSender<Call>,
) {
    while let Ok(Waited::Call) = listener.wait(stop) {
        let notification = match listener.receive() {
            Ok(Some(notification)) => notification,
            Ok(None) => continue,
            // Without the listener nothing can be answered; the kernel then fails these calls with ENOSYS.
            Err(_) => return,
        };
        match call_on_port(listener, port, &notification) {
            Some(call) if calls.send(call).is_ok() => {}
            _ => listener.pass(notification.id),
        }
    }
}

fn call_on_port(listener: &Listener, port: PortIdentity, notification: &Notification) -> Option<Call> {
    let Notification { id, thread, arch, arguments: [descriptor, number, argument] } = *notification;
    let convention = CONVENTIONS.iter().find(|convention| convention.arch == arch)?;
    let request = Request::of(number as u32, argument)?;
    // The second question is whether `/proc/THREAD` was still that of the caller at the first one.
    if !port.is_descriptor(thread, descriptor as u32) || !listener.waits(id) {
        return None;
    }
    let layout = if convention.is_64_bit { Layout::Bits64 } else { Layout::Bits32 };
    Some(Call { id, thread, request, argument, layout })
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
        assert!(null.is_descriptor(own, open("/dev/null").as_raw_fd() as u32));
        let zero = open("/dev/zero");
        assert!(!null.is_descriptor(own, zero.as_raw_fd() as u32));
        assert!(!null.is_descriptor(own, u32::MAX), "closed");
    }
}
