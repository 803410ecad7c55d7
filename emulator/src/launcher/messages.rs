//! What launcher, guardian and client say to each other over a socket pair, one datagram a message.

use std::ffi::OsString;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};

/// What was being done when it was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Not even started: the guardian tried whether it can watch a process.
    Watching,
    /// Giving up new privileges.
    Privileges,
    /// Installing the filter.
    Filter,
    /// Passing the listener on.
    Passing,
    /// Becoming the client.
    Exec,
}

const STEPS: [Step; 5] = [Step::Watching, Step::Privileges, Step::Filter, Step::Passing, Step::Exec];

/// To the launcher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Report {
    /// The client's process is under the filter; the listener comes with it.
    Listening,
    /// The client runs under this process id; a descriptor of the process comes with it.
    Started { pid: i32 },
    /// The client was not started.
    Refused { step: Step, errno: i32 },
    /// The client has ended; a status as `waitpid` gives it.
    Ended { status: i32 },
}

impl Report {
    const BYTES: usize = 12;

    fn encode(self) -> [u8; Self::BYTES] {
        let (kind, first, second) = match self {
            Report::Listening => (1, 0, 0),
            Report::Started { pid } => (2, pid, 0),
            Report::Refused { step, errno } => {
                (3, STEPS.iter().position(|known| *known == step).unwrap_or(0) as i32, errno)
            }
            Report::Ended { status } => (4, status, 0),
        };
        let mut bytes = [0; Self::BYTES];
        for (place, field) in bytes.chunks_exact_mut(4).zip([kind, first, second]) {
            place.copy_from_slice(&i32::to_le_bytes(field));
        }
        bytes
    }

    fn decode(bytes: [u8; Self::BYTES]) -> Option<Report> {
        let mut fields = bytes.chunks_exact(4).map(|field| field.try_into().map_or(0, i32::from_le_bytes));
        let (kind, first, second) = (fields.next()?, fields.next()?, fields.next()?);
        Some(match kind {
            1 => Report::Listening,
            2 => Report::Started { pid: first },
            3 => Report::Refused { step: *STEPS.get(first as usize)?, errno: second },
            4 => Report::Ended { status: first },
            _ => return None,
        })
    }

    /// Sends it. Allocates nothing: for use between fork and exec too.
    pub(super) fn send(self, socket: BorrowedFd<'_>, descriptor: Option<BorrowedFd<'_>>) -> io::Result<()> {
        let bytes = self.encode();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        let descriptors = descriptor.as_slice();
        if !descriptors.is_empty() {
            ancillary.push(SendAncillaryMessage::ScmRights(descriptors));
        }
        // The other end may have been killed; that must not kill this one too.
        sendmsg(socket, &[IoSlice::new(&bytes)], &mut ancillary, SendFlags::NOSIGNAL)?;
        Ok(())
    }

    /// Takes the next one and what comes with it; `None` when the other end has closed.
    pub(super) fn receive(socket: BorrowedFd<'_>) -> io::Result<Option<(Report, Option<OwnedFd>)>> {
        let mut bytes = [0; Self::BYTES];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let received = loop {
            match recvmsg(socket, &mut [IoSliceMut::new(&mut bytes)], &mut ancillary, RecvFlags::CMSG_CLOEXEC)
            {
                Err(rustix::io::Errno::INTR) => {}
                other => break other?,
            }
        };
        if received.bytes == 0 {
            return Ok(None);
        }
        let descriptor = ancillary.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
            _ => None,
        });
        let report = Report::decode(bytes).ok_or(io::ErrorKind::InvalidData)?;
        Ok(Some((report, descriptor)))
    }
}

/// To the guardian: where the port is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Places {
    /// The pty.
    pub(super) port: PathBuf,
    /// An absolute path of a link to it, if there is one.
    pub(super) link: Option<PathBuf>,
    /// A directory that was made for the link; the guardian removes both when the launcher is killed.
    pub(super) directory: Option<PathBuf>,
}

impl Places {
    /// The longest message.
    pub(super) const MOST_BYTES: usize = 3 * 4096 + 2;

    /// The paths with a NUL between, which no path contains.
    pub(super) fn encode(&self) -> Vec<u8> {
        let of =
            |path: &Option<PathBuf>| path.as_deref().unwrap_or(Path::new("")).as_os_str().as_bytes().to_vec();
        [self.port.as_os_str().as_bytes().to_vec(), of(&self.link), of(&self.directory)].join(&0)
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Places> {
        let path = |bytes: &[u8]| PathBuf::from(OsString::from_vec(bytes.to_vec()));
        let some = |bytes: &[u8]| (!bytes.is_empty()).then(|| path(bytes));
        let mut fields = bytes.split(|byte| *byte == 0);
        let (port, link, directory) = (fields.next()?, fields.next()?, fields.next()?);
        Some(Places { port: path(port), link: some(link), directory: some(directory) })
    }
}

/// The guardian may let go: the launcher has ended its work.
pub(super) const FAREWELL: &[u8] = &[0];

/// Two ends of a socket that keeps messages apart.
pub(super) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn reports_cross_the_socket_with_what_comes_along() {
        let (here, there) = pair().unwrap();
        let reports = [
            Report::Listening,
            Report::Started { pid: 4711 },
            Report::Refused { step: Step::Filter, errno: libc::EBUSY },
            Report::Ended { status: 0x0100 },
        ];
        for report in reports {
            report.send(here.as_fd(), Some(here.as_fd())).unwrap();
            let (received, descriptor) = Report::receive(there.as_fd()).unwrap().unwrap();
            assert_eq!(received, report);
            assert!(descriptor.is_some());
            report.send(here.as_fd(), None).unwrap();
            assert!(Report::receive(there.as_fd()).unwrap().unwrap().1.is_none());
        }
        drop(here);
        assert!(Report::receive(there.as_fd()).unwrap().is_none());
    }

    #[test]
    fn places_with_and_without_a_link() {
        let with = Places {
            port: "/dev/pts/3".into(),
            link: Some("/tmp/a b/port".into()),
            directory: Some("/tmp/a b".into()),
        };
        let without = Places { port: "/dev/pts/3".into(), link: None, directory: None };
        for places in [with, without] {
            assert_eq!(Places::decode(&places.encode()).unwrap(), places);
        }
        assert!(Places::decode(FAREWELL).is_none());
    }
}
