//! The host's end of the line: whoever has the pty open, or the client on the network while one is connected.
//!
//! One at a time. Who comes over the network finds the port busy while a program has the pty open. While one is
//! connected, it is the host: the pty stays there for nobody, and what is written to it is thrown away.

use std::io;
use std::path::Path;

use tokio::task::JoinHandle;

use super::clients::{Access, Accesses, Change, ClientWatch, Presence, holders};
use super::network::{NetworkHeard, PortEnd};
use super::pty::{Heard, HostRates, Note, Pty, PtyError, TERMIOS2_BYTES};

/// How many packets of the pty are thrown away at a stretch while it is there for nobody.
const PACKETS_AT_A_STRETCH: u32 = 16;

/// What a port hears from its host.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum HostHeard {
    /// Bytes it has sent.
    Bytes(Vec<u8>),
    /// Something it did to its side of the pty.
    Note(Note),
    /// The client on the network has gone.
    Left,
    /// Nothing for now.
    Nothing,
}

/// What opens and closes of the pty mean for the port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HostChange {
    /// Nothing.
    None,
    /// The first client is there.
    Opened,
    /// The last one has gone. `hangs_up` was its setting HUPCL.
    Closed { hangs_up: bool },
    /// The pty was opened while it was open.
    Another { opens: u32 },
    /// The pty was opened while a client on the network is connected.
    Outsider,
}

/// Both ways to a port.
#[derive(Debug)]
pub(super) struct HostSide {
    pty: Pty,
    /// Opens and closes of the pty; `None` when nobody watches.
    clients: Option<Accesses>,
    presence: Presence,
    /// Looks whether somebody has the pty open.
    search: Option<JoinHandle<bool>>,
    network: Option<PortEnd>,
}

impl HostSide {
    /// A new pty. Without a watch somebody is taken to have it open always.
    pub(super) fn open(watch: Option<&ClientWatch>) -> Result<HostSide, HostError> {
        let pty = Pty::open()?;
        let clients = watch.map(|watch| watch.watch(pty.path())).transpose()?;
        Ok(HostSide { pty, clients, presence: Presence::default(), search: None, network: None })
    }

    pub(super) fn path(&self) -> &Path {
        self.pty.path()
    }

    /// The cable is pulled: every client loses the port. What stands in its place is known to nobody yet.
    ///
    /// Nobody watches who opens it.
    pub(super) fn hang_up(&mut self) -> Result<(), PtyError> {
        self.pty = Pty::open()?;
        self.clients = None;
        self.presence = Presence::default();
        self.search = None;
        self.network = None;
        Ok(())
    }

    /// How many times the pty is open.
    pub(super) fn opens(&self) -> u32 {
        self.presence.opens()
    }

    /// Whether nobody has the pty open, as far as is known.
    pub(super) fn is_pty_free(&self) -> bool {
        self.presence.is_absent()
    }

    /// The host has sent bytes, so it is there.
    ///
    /// Unless all its opens are known to have been closed: then either the count is wrong, or it has gone while its bytes
    /// waited for the line. A look at all processes will tell.
    pub(super) fn speaks(&mut self) {
        if self.network.is_some() {
            return;
        }
        if self.presence.is_absent() && self.clients.is_some() {
            let path = self.pty.path().to_owned();
            self.search = Some(tokio::task::spawn_blocking(move || !holders(&path).is_empty()));
        }
        self.presence.speaks();
    }

    /// Whether nobody is there to hear the module.
    pub(super) fn is_alone(&self) -> bool {
        self.network.is_none() && self.clients.is_some() && self.presence.is_absent()
    }

    /// Lets a client on the network be the host; false when another one is.
    pub(super) fn attach(&mut self, end: PortEnd) -> bool {
        if self.network.as_ref().is_some_and(|network| !network.is_over()) {
            return false;
        }
        self.network = Some(end);
        true
    }

    /// Whether a client on the network is the host.
    pub(super) fn is_network(&self) -> bool {
        self.network.is_some()
    }

    /// The settings of the pty.
    pub(super) fn settings(&self) -> Result<[u8; TERMIOS2_BYTES], PtyError> {
        self.pty.settings()
    }

    /// The host's rates, as last sampled.
    pub(super) fn rates(&self) -> HostRates {
        self.network.as_ref().map_or_else(|| self.pty.rates(), PortEnd::rates)
    }

    /// Looks at the host's rates.
    pub(super) fn sample(&mut self) -> Result<(), PtyError> {
        self.pty.sample().map(|_| ())
    }

    /// The next thing from the host, without waiting.
    pub(super) fn hear(&mut self) -> Result<HostHeard, PtyError> {
        let Some(network) = &mut self.network else {
            return Ok(match self.pty.hear()? {
                Heard::Nothing => HostHeard::Nothing,
                Heard::Note(note) => HostHeard::Note(note),
                Heard::Bytes(bytes) => HostHeard::Bytes(bytes.to_vec()),
            });
        };
        match network.hear() {
            NetworkHeard::Bytes(bytes) => Ok(HostHeard::Bytes(bytes)),
            NetworkHeard::Nothing => {
                for _ in 0..PACKETS_AT_A_STRETCH {
                    if self.pty.hear()? == Heard::Nothing {
                        break;
                    }
                }
                Ok(HostHeard::Nothing)
            }
            NetworkHeard::Gone => {
                self.network = None;
                // Who has had the pty open all the time starts anew as well.
                self.pty.forget_client()?;
                Ok(HostHeard::Left)
            }
        }
    }

    /// Throws away what the client on the network has sent and the port has not heard.
    pub(super) fn discard_unheard(&mut self) {
        if let Some(network) = &mut self.network {
            network.discard();
        }
    }

    /// Hands bytes to the host; gives how many it takes (0 when it takes none for now).
    pub(super) fn say(&self, bytes: &[u8]) -> Result<usize, PtyError> {
        match &self.network {
            Some(network) => Ok(network.say(bytes)),
            None => self.pty.say(bytes),
        }
    }

    /// How many bytes were handed to a client of the pty that it has not read.
    pub(super) fn unread_bytes(&self) -> Result<usize, PtyError> {
        if self.network.is_some() { Ok(0) } else { self.pty.unread_bytes() }
    }

    /// How many bytes a client of the pty has written that were not heard yet.
    pub(super) fn unheard_bytes(&self) -> Result<usize, PtyError> {
        if self.network.is_some() { Ok(0) } else { self.pty.unheard_bytes() }
    }

    /// Bytes for the host were lost.
    pub(super) fn overrun(&self) {
        if let Some(network) = &self.network {
            network.overrun();
        }
    }

    /// The next open or close that was reported.
    pub(super) fn next_access(&mut self) -> Option<Access> {
        self.clients.as_mut().and_then(Accesses::try_next)
    }

    /// Takes in the opens and closes that have happened by now.
    pub(super) fn catch_up(&self) -> io::Result<()> {
        self.clients.as_ref().map_or(Ok(()), Accesses::catch_up)
    }

    /// Takes an open or close.
    pub(super) fn note(&mut self, access: Access) -> Result<HostChange, PtyError> {
        let change = self.presence.note(access);
        Ok(match change {
            Change::None => HostChange::None,
            Change::First if self.network.is_some() => HostChange::Outsider,
            // A port starts empty, also for a client that comes before the last one's close was seen.
            // A lock is another matter: the last one's went with its close, and this client may have taken its own by now.
            Change::First => {
                self.pty.flush_unread()?;
                HostChange::Opened
            }
            Change::Last => {
                let hangs_up = self.pty.hangs_up()?;
                self.pty.forget_client()?;
                if self.network.is_some() { HostChange::None } else { HostChange::Closed { hangs_up } }
            }
            Change::Another { opens } => HostChange::Another { opens },
        })
    }

    /// Waits for an open or close (and gives it), for news of who is there, for something to hear, if `hears`, or until
    /// the host may take bytes again, if `is_blocked`. Safe to drop at any time.
    pub(super) async fn wait(&mut self, hears: bool, is_blocked: bool) -> io::Result<Option<Access>> {
        let (pty, network) = (&self.pty, &mut self.network);
        let pty_is_host = network.is_none();
        let network = async {
            match network {
                Some(network) => network.ready(hears, is_blocked).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            access = next_access(&mut self.clients) => Ok(Some(access)),
            somebody = found(&mut self.search) => {
                self.search = None;
                if !somebody {
                    self.presence.was_nobody();
                }
                Ok(None)
            }
            () = network => Ok(None),
            result = pty.readable(), if hears => result.map(|()| None),
            result = pty.writable(), if is_blocked && pty_is_host => result.map(|()| None),
        }
    }
}

/// Why a host's side cannot be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum HostError {
    /// There is no pty.
    #[error(transparent)]
    Pty(#[from] PtyError),
    /// Its clients cannot be watched.
    #[error(transparent)]
    Watch(#[from] io::Error),
}

/// The next open or close; for ever away when nobody watches.
async fn next_access(clients: &mut Option<Accesses>) -> Access {
    if let Some(accesses) = clients {
        if let Some(access) = accesses.next().await {
            return access;
        }
        // The watch has ended: from now on somebody is taken to be there.
        *clients = None;
    }
    std::future::pending().await
}

/// What a search has found; for ever away when there is none.
async fn found(search: &mut Option<JoinHandle<bool>>) -> bool {
    match search {
        // One that failed has not shown that nobody is there.
        Some(search) => search.await.unwrap_or(true),
        None => std::future::pending().await,
    }
}
