//! Asks a module over its control socket. Blocking, for programs that do nothing else meanwhile.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bl702_protocol::trace::from_hex;
use sha2::{Digest, Sha256};

use super::message::{LONGEST_PRESS_MS, Reply, Request, Status};

/// Longer than any answer takes: the longest press, and time for a busy machine.
const PATIENCE: Duration = Duration::from_millis(LONGEST_PRESS_MS as u64 + 30_000);

/// Longest reply: 16 MiB of flash in hex digits, and room for the rest.
const REPLY_LIMIT_BYTES: u64 = 33 * 1024 * 1024;

/// Why a request came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody answers at the socket.
    #[error("nobody answers at {path:?}: {source}")]
    Connect {
        /// The socket.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The connection broke, or no answer came.
    #[error("the emulator went away before it had answered: {0}")]
    Lost(#[from] io::Error),
    /// The answer makes no sense.
    #[error("the answer makes no sense: {what}")]
    Nonsense {
        /// What is wrong with it.
        what: String,
    },
    /// The emulator declined.
    #[error("{why}")]
    Declined {
        /// Its own words.
        why: String,
    },
}

/// A connection to a control socket.
#[derive(Debug)]
pub struct ControlClient {
    stream: BufReader<UnixStream>,
}

impl ControlClient {
    /// Connects to the socket at `path`.
    ///
    /// # Errors
    /// [`ClientError::Connect`].
    pub fn connect(path: &Path) -> Result<ControlClient, ClientError> {
        let connected = UnixStream::connect(path).and_then(|stream| {
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            Ok(stream)
        });
        match connected {
            Ok(stream) => Ok(ControlClient { stream: BufReader::new(stream) }),
            Err(source) => Err(ClientError::Connect { path: path.to_owned(), source }),
        }
    }

    /// Sends a request and waits for its reply.
    ///
    /// # Errors
    /// [`ClientError::Declined`] when the emulator says no; the others when there is no usable answer.
    pub fn ask(&mut self, request: &Request) -> Result<Reply, ClientError> {
        let mut line = serde_json::to_vec(request).map_err(|error| nonsense(error.to_string()))?;
        line.push(b'\n');
        self.stream.get_mut().write_all(&line)?;
        let mut answer = Vec::new();
        io::Read::take(&mut self.stream, REPLY_LIMIT_BYTES).read_until(b'\n', &mut answer)?;
        if answer.is_empty() {
            return Err(ClientError::Lost(io::ErrorKind::UnexpectedEof.into()));
        }
        let reply: Reply = serde_json::from_slice(&answer).map_err(|error| nonsense(error.to_string()))?;
        match reply {
            Reply { ok: true, .. } => Ok(reply),
            Reply { error, .. } => {
                Err(ClientError::Declined { why: error.unwrap_or_else(|| "no reason given".to_owned()) })
            }
        }
    }

    /// The state of the module.
    ///
    /// # Errors
    /// As [`ControlClient::ask`].
    pub fn status(&mut self) -> Result<Status, ClientError> {
        let reply = self.ask(&Request::Status)?;
        reply.status.map(|status| *status).ok_or_else(|| nonsense("it has no status"))
    }

    /// The bytes of a memory: for [`Request::DumpFlash`] and [`Request::DumpEfuse`].
    ///
    /// # Errors
    /// As [`ControlClient::ask`]; [`ClientError::Nonsense`] when the bytes do not have their own SHA-256.
    pub fn dump(&mut self, request: &Request) -> Result<Vec<u8>, ClientError> {
        let reply = self.ask(request)?;
        let bytes = reply.hex.as_deref().and_then(from_hex).ok_or_else(|| nonsense("it has no bytes"))?;
        let digest = from_hex(reply.sha256.as_deref().unwrap_or_default());
        if digest.as_deref() != Some(Sha256::digest(&bytes).as_slice()) {
            return Err(nonsense("its bytes do not have the SHA-256 that it names"));
        }
        Ok(bytes)
    }

    /// Asks for a trace, and gives what its lines can be read from; without a limit on how long nothing happens.
    ///
    /// # Errors
    /// As [`ControlClient::ask`].
    pub fn trace(mut self) -> Result<impl BufRead, ClientError> {
        self.ask(&Request::Trace)?;
        self.stream.get_ref().set_read_timeout(None)?;
        Ok(self.stream)
    }
}

fn nonsense(what: impl Into<String>) -> ClientError {
    ClientError::Nonsense { what: what.into() }
}
