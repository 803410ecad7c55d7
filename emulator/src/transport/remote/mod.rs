//! A port that leads to a module somewhere else: a serial device of this computer, or RFC 2217.
//!
//! Whoever uses it puts [`Order`]s in, which are done in order, and takes [`FromRemote`] out.

use std::io;
use std::path::PathBuf;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::sync::oneshot;

use super::clock::WallClock;
use super::control::Answer;
use super::wiring::ModemLines;
use crate::Nanos;

mod network;
mod telnet_client;
mod tty;

/// What goes to a remote port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// Bytes.
    Bytes(Vec<u8>),
    /// The rate from now on, in bits a second.
    Rate(u32),
    /// Both modem lines.
    Lines(ModemLines),
    /// A break.
    Break,
    /// What the port has received and nobody has taken is thrown away.
    PurgeReceived,
    /// Nothing: its answer comes when all before it has been on the line.
    Drain,
}

/// Something to do, and who wants to know when it is done.
#[derive(Debug)]
pub struct Order {
    /// What.
    pub what: What,
    /// Is told when it is done.
    pub answer: Option<oneshot::Sender<Answer>>,
}

/// What comes from a remote port.
#[derive(Debug)]
pub enum FromRemote {
    /// Bytes, and when the last of them was there.
    Bytes(Vec<u8>, Nanos),
    /// The port carries no modem lines.
    NoLines,
    /// It is of no more use.
    Gone(RemoteError),
}

/// Why a remote port does not work.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// The address is none.
    #[error("{word:?} is no port: give /dev/NAME or rfc2217://HOST:PORT")]
    Address {
        /// What was given.
        word: String,
    },
    /// The device does not work.
    #[error("{doing} {path:?} failed: {source}")]
    Tty {
        /// The device.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// Nobody is there, or the connection broke.
    #[error("{doing} rfc2217://{address} failed: {source}")]
    Network {
        /// Where.
        address: String,
        /// What was tried.
        doing: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// Somebody else is there.
    #[error("rfc2217://{address} {what}")]
    NotAPort {
        /// Where.
        address: String,
        /// What is wrong.
        what: &'static str,
    },
}

/// Both ways of an open remote port.
#[derive(Debug)]
pub struct Remote {
    /// What is to be done there.
    pub orders: UnboundedSender<Order>,
    /// What comes from there.
    pub heard: UnboundedReceiver<FromRemote>,
}

/// Opens `/dev/NAME` (any path) or `rfc2217://HOST:PORT`. Must be called in a `LocalSet`.
///
/// # Errors
/// [`RemoteError`]
pub async fn open(word: &str, baud_bps: u32, clock: WallClock) -> Result<Remote, RemoteError> {
    match word.strip_prefix("rfc2217://") {
        Some(address) => network::open(address, baud_bps, clock).await,
        None if word.contains("://") || word.is_empty() => {
            Err(RemoteError::Address { word: word.to_owned() })
        }
        None => tty::open(word.as_ref(), baud_bps, clock),
    }
}

/// Tells whoever waits for an order.
fn done(answer: Option<oneshot::Sender<Answer>>) {
    if let Some(answer) = answer {
        // Who asked may have gone away in the meantime.
        let _ = answer.send(Answer::Done);
    }
}
