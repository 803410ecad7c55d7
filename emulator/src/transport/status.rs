//! What is known of a port while it is served, and what its user should be told.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::pty::HostRates;
use crate::fault::FaultReport;

/// A snapshot of a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortStatus {
    /// The slave: what clients open.
    pub pty: PathBuf,
    /// How many times it is open now.
    pub opens: u32,
    /// The client on the network, while one is connected.
    pub network_client: Option<SocketAddr>,
    /// How often somebody came while the port was in use.
    pub second_clients: u64,
    /// The client's rates, as last sampled.
    pub rates: HostRates,
    /// Bytes from the host so far.
    pub host_bytes: u64,
    /// Bytes handed to a client so far.
    pub chip_bytes: u64,
    /// Bytes that were lost because a client did not read them.
    pub unread_bytes_lost: u64,
    /// How often a client has flushed its input.
    pub input_flushes: u64,
    /// How often a change of modem lines was asked for.
    pub line_changes: u64,
    /// What became of the faults that were armed.
    pub faults: FaultReport,
}

/// A status that the serving task writes and others read.
#[derive(Clone, Debug)]
pub struct SharedStatus(Arc<Mutex<PortStatus>>);

impl SharedStatus {
    pub(crate) fn new(pty: PathBuf, rates: HostRates) -> SharedStatus {
        SharedStatus(Arc::new(Mutex::new(PortStatus {
            pty,
            opens: 0,
            network_client: None,
            second_clients: 0,
            rates,
            host_bytes: 0,
            chip_bytes: 0,
            unread_bytes_lost: 0,
            input_flushes: 0,
            line_changes: 0,
            faults: FaultReport::default(),
        })))
    }

    /// The status now.
    pub fn get(&self) -> PortStatus {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut PortStatus)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Something that the user of a port should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The pty was opened while a client had it open. Both get a part of the replies.
    SecondClient {
        /// The slave.
        pty: PathBuf,
        /// How many times it is open.
        opens: u32,
        /// The processes that have it open, as far as this user may see them.
        holders: Vec<(u32, String)>,
    },
    /// The pty was opened while a client on the network is connected; nothing of it reaches the module.
    Outsider {
        /// The slave.
        pty: PathBuf,
        /// The processes that have it open, as far as this user may see them.
        holders: Vec<(u32, String)>,
    },
    /// A client on the network was turned away.
    Refused {
        /// Where it came from.
        peer: SocketAddr,
        /// Why, as it was told.
        why: String,
    },
    /// Nobody can connect over the network any more.
    NetworkDown {
        /// Where the port was served.
        address: SocketAddr,
        /// What the kernel said.
        error: String,
    },
    /// A client's calls on the pty cannot be answered, because the kernel does not let this process look at the client.
    Hidden {
        /// The client's thread.
        thread: u32,
        /// Its name.
        name: String,
        /// What the kernel said.
        error: String,
    },
    /// A fault has pulled the cable: whoever had the port open has lost it.
    Unplugged {
        /// The slave.
        pty: PathBuf,
    },
    /// The cable is plugged in again. As with any adapter, the port has another name.
    Replugged {
        /// The slave before.
        was: PathBuf,
        /// The slave now.
        pty: PathBuf,
    },
    /// A client does not read, and bytes for it were lost for the first time.
    Unread {
        /// The slave.
        pty: PathBuf,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Notice::SecondClient { pty, opens, holders } => write!(
                f,
                "second client on {}: it is open {opens} times; each reply goes to whoever reads first; open in {}",
                pty.display(),
                named(holders),
            ),
            Notice::Outsider { pty, holders } => write!(
                f,
                "{} was opened while a client is connected by RFC 2217: nothing gets from it to the module; open in {}",
                pty.display(),
                named(holders),
            ),
            Notice::Refused { peer, why } => write!(f, "RFC 2217 client {peer} was turned away: {why}"),
            Notice::NetworkDown { address, error } => {
                write!(f, "nobody can connect to {address} any more: {error}")
            }
            Notice::Hidden { thread, name, error } => write!(
                f,
                "what {name} (pid {thread}) does to modem lines cannot be answered, because the kernel shows nothing of it \
                 ({error}): its program file is not readable, or a sandbox forbids it",
            ),
            Notice::Unplugged { pty } => write!(f, "a fault has unplugged {}", pty.display()),
            Notice::Replugged { was, pty } => {
                write!(f, "{} is plugged in again and is now {}", was.display(), pty.display())
            }
            Notice::Unread { pty } => write!(
                f,
                "a client on {} does not read what the module sends; the oldest 80 kB are kept, the rest is lost",
                pty.display(),
            ),
        }
    }
}

/// Processes as people know them.
fn named(holders: &[(u32, String)]) -> String {
    if holders.is_empty() {
        return "processes that have closed it since or that this user may not see".to_owned();
    }
    holders.iter().map(|(pid, name)| format!("{name} (pid {pid})")).collect::<Vec<_>>().join(", ")
}
