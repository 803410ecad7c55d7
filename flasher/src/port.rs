//! What the driver needs of a port, and what can go wrong with one.

#[cfg(feature = "emulated")]
pub mod emulated;
mod latency;
pub mod list;
mod record;
pub mod rfc2217;
mod serial;
mod sysfs;

use std::path::PathBuf;

use bl702_protocol::time::Nanos;

use crate::reset::Lines;

pub use latency::AdapterLatency;
pub use record::Recorder;
pub use serial::SerialPort;
pub use sysfs::usb_serial_number;

/// A byte stream to a module, with a clock.
pub trait Port {
    /// The port's clock. It does not go back.
    fn now(&self) -> Nanos;

    /// Waits until bytes come or until `until`, whichever is first; puts what came into `buffer` and says how many.
    /// May return early with 0, so that the driver can look whether somebody wants to stop.
    ///
    /// # Errors
    /// [`PortError`], for good: the port is of no more use.
    fn read(&mut self, buffer: &mut [u8], until: Nanos) -> Result<usize, PortError>;

    /// Sends all bytes. They may still be on their way when it returns.
    ///
    /// # Errors
    /// [`PortError`], for good.
    fn write(&mut self, bytes: &[u8]) -> Result<(), PortError>;

    /// Changes the rate.
    ///
    /// # Errors
    /// [`PortError::BaudRefused`] if the port cannot do it.
    fn set_baud(&mut self, baud_bps: u32) -> Result<(), PortError>;

    /// Whether there are modem lines that can be set; a pty has none.
    fn has_lines(&mut self) -> bool;

    /// Sets both modem lines.
    ///
    /// # Errors
    /// [`PortError`]
    fn set_lines(&mut self, lines: Lines) -> Result<(), PortError>;

    /// Throws away what was received and not read.
    ///
    /// # Errors
    /// [`PortError`]
    fn purge_input(&mut self) -> Result<(), PortError>;

    /// How long a question and its answer take on the way, without the module's part; as measured when it was opened.
    /// Only of interest where it is long: on a network.
    fn round_trip(&self) -> Nanos {
        Nanos::ZERO
    }

    /// What became of the adapter's latency timer when the port was opened.
    fn adapter_latency(&self) -> AdapterLatency {
        AdapterLatency::Unknown
    }
}

impl<P: Port + ?Sized> Port for Box<P> {
    fn now(&self) -> Nanos {
        (**self).now()
    }

    fn read(&mut self, buffer: &mut [u8], until: Nanos) -> Result<usize, PortError> {
        (**self).read(buffer, until)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), PortError> {
        (**self).write(bytes)
    }

    fn set_baud(&mut self, baud_bps: u32) -> Result<(), PortError> {
        (**self).set_baud(baud_bps)
    }

    fn has_lines(&mut self) -> bool {
        (**self).has_lines()
    }

    fn set_lines(&mut self, lines: Lines) -> Result<(), PortError> {
        (**self).set_lines(lines)
    }

    fn purge_input(&mut self) -> Result<(), PortError> {
        (**self).purge_input()
    }

    fn round_trip(&self) -> Nanos {
        (**self).round_trip()
    }

    fn adapter_latency(&self) -> AdapterLatency {
        (**self).adapter_latency()
    }
}

/// What can go wrong with a port.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// No such file.
    #[error("port {} does not exist", path.display())]
    NotFound {
        /// The port.
        path: PathBuf,
    },
    /// The file is no terminal.
    #[error("{} is not a serial port", path.display())]
    NotATty {
        /// The port.
        path: PathBuf,
    },
    /// Another program has it.
    #[error("port {} is in use by another program", path.display())]
    Busy {
        /// The port.
        path: PathBuf,
    },
    /// Not allowed.
    #[error("no permission to open port {}", path.display())]
    Denied {
        /// The port.
        path: PathBuf,
    },
    /// It was there, and is no more.
    #[error("port {} has vanished while it was in use", path.display())]
    Vanished {
        /// The port.
        path: PathBuf,
    },
    /// It takes no more bytes.
    #[error("port {} took only {written} of {len} bytes within {waited}", path.display())]
    Stuck {
        /// The port.
        path: PathBuf,
        /// Bytes it took.
        written: usize,
        /// Bytes there were.
        len: usize,
        /// How long was waited.
        waited: Nanos,
    },
    /// It cannot do this rate.
    #[error("port {} does not take the rate of {baud_bps} baud: {reason}", path.display())]
    BaudRefused {
        /// The port.
        path: PathBuf,
        /// The rate.
        baud_bps: u32,
        /// What the system says.
        reason: String,
    },
    /// Anything else the system says.
    #[error("failed to {action} port {}: {reason}", path.display())]
    System {
        /// The port.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system says.
        reason: String,
    },
    /// No connection to the host that serves the port.
    #[error("failed to connect to {}: {reason}", path.display())]
    Unreachable {
        /// The port.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// What listens there does not let its port be controlled.
    #[error("{} is no serial port that can be controlled (RFC 2217): {reason}", path.display())]
    NoRemoteControl {
        /// The port.
        path: PathBuf,
        /// What it did instead.
        reason: String,
    },
    /// The server wants a user or a password first.
    #[error("{} asks for a login ({prompt:?}), which RFC 2217 has no way to answer", path.display())]
    Login {
        /// The port.
        path: PathBuf,
        /// What it says.
        prompt: String,
    },
    /// The server has closed the connection at once.
    #[error("{} turned this program away{}", path.display(), if said.is_empty() { String::new() } else { format!(", saying: {said}") })]
    TurnedAway {
        /// The port.
        path: PathBuf,
        /// What it said.
        said: String,
    },
    /// The recording cannot be written.
    #[error("failed to write the recording {}: {reason}", path.display())]
    Recording {
        /// The file.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// The emulated module cannot be built.
    #[error("the emulated module cannot be used: {reason}")]
    Emulated {
        /// Why.
        reason: String,
    },
}
