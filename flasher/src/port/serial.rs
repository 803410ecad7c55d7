//! A serial port of the operating system. The only place in the library that reads a clock.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bl702_protocol::time::Nanos;
use serialport::SerialPort as _;

use super::{AdapterLatency, Port, PortError};
use crate::reset::Lines;

/// The longest wait in one read, so that a wish to stop is noticed soon.
const LONGEST_WAIT: Duration = Duration::from_millis(50);

/// What a write may take beyond the time the bytes need on the wire.
const WRITE_MARGIN: Duration = Duration::from_secs(2);

/// A tty, opened for this program alone.
pub struct SerialPort {
    port: NativePort,
    path: PathBuf,
    started: Instant,
    baud_bps: u32,
    latency: AdapterLatency,
    #[cfg(target_os = "linux")]
    timer: super::latency::LatencyTimer,
}

#[cfg(unix)]
type NativePort = serialport::TTYPort;
#[cfg(not(unix))]
type NativePort = Box<dyn serialport::SerialPort>;

impl std::fmt::Debug for SerialPort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SerialPort").field("path", &self.path).field("baud_bps", &self.baud_bps).finish()
    }
}

impl SerialPort {
    /// Opens a tty, 8N1 without flow control, and locks it against other programs (`TIOCEXCL` and `flock`).
    ///
    /// # Errors
    /// [`PortError`]
    pub fn open(path: &Path, baud_bps: u32) -> Result<SerialPort, PortError> {
        check_file(path)?;
        let port = open_native(path, baud_bps)?;
        #[allow(clippy::disallowed_methods, reason = "this is the driver at the edge")]
        let started = Instant::now();
        #[cfg(target_os = "linux")]
        let (timer, latency) =
            super::latency::LatencyTimer::lower(descriptor_of(&port), Path::new(super::sysfs::TTYS), path);
        #[cfg(not(target_os = "linux"))]
        let latency = AdapterLatency::Unknown;
        Ok(SerialPort {
            port,
            path: path.to_owned(),
            started,
            baud_bps,
            latency,
            #[cfg(target_os = "linux")]
            timer,
        })
    }

    fn system(&self, action: &'static str, error: &impl ToString) -> PortError {
        PortError::System { path: self.path.clone(), action, reason: error.to_string() }
    }

    /// An error in the middle of a transfer: where it is one that a pulled plug causes, the port has vanished.
    fn lost(&self, action: &'static str, error: &io::Error) -> PortError {
        match error.kind() {
            io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof | io::ErrorKind::NotConnected => {
                PortError::Vanished { path: self.path.clone() }
            }
            // EIO, ENXIO and ENODEV have no kind of their own.
            _ if is_device_gone(error) => PortError::Vanished { path: self.path.clone() },
            _ => self.system(action, error),
        }
    }
}

/// Tells apart what `serialport` lumps together when it opens.
fn check_file(path: &Path) -> Result<(), PortError> {
    let metadata = match std::fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return Err(PortError::Denied { path: path.to_owned() });
        }
        // Windows names ports that are no files.
        Err(_) if !cfg!(unix) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(PortError::NotFound { path: path.to_owned() });
        }
        Err(error) => {
            let reason = error.to_string();
            return Err(PortError::System { path: path.to_owned(), action: "open", reason });
        }
    };
    if is_device(&metadata) { Ok(()) } else { Err(PortError::NotATty { path: path.to_owned() }) }
}

#[cfg(unix)]
fn is_device(metadata: &std::fs::Metadata) -> bool {
    std::os::unix::fs::FileTypeExt::is_char_device(&metadata.file_type())
}

#[cfg(not(unix))]
fn is_device(_metadata: &std::fs::Metadata) -> bool {
    true
}

#[cfg(unix)]
fn open_native(path: &Path, baud_bps: u32) -> Result<NativePort, PortError> {
    let builder = serialport::new(path.to_string_lossy(), baud_bps).timeout(LONGEST_WAIT);
    let port = builder.open_native().map_err(|error| open_error(path, baud_bps, &error))?;
    // A blocking write waits without end for a peer that has stopped reading.
    set_nonblocking(&port).map_err(|error| PortError::System {
        path: path.to_owned(),
        action: "open",
        reason: error.to_string(),
    })?;
    Ok(port)
}

#[cfg(unix)]
fn descriptor_of(port: &serialport::TTYPort) -> std::os::fd::BorrowedFd<'_> {
    use std::os::fd::{AsRawFd, BorrowedFd};
    // SAFETY: the descriptor is open, and stays so while `port` is borrowed.
    #[allow(unsafe_code, reason = "serialport gives only the raw descriptor")]
    unsafe {
        BorrowedFd::borrow_raw(port.as_raw_fd())
    }
}

#[cfg(unix)]
fn set_nonblocking(port: &serialport::TTYPort) -> io::Result<()> {
    let descriptor = descriptor_of(port);
    let flags = rustix::fs::fcntl_getfl(descriptor)?;
    rustix::fs::fcntl_setfl(descriptor, flags | rustix::fs::OFlags::NONBLOCK)?;
    Ok(())
}

#[cfg(not(unix))]
fn open_native(path: &Path, baud_bps: u32) -> Result<NativePort, PortError> {
    let builder = serialport::new(path.to_string_lossy(), baud_bps).timeout(LONGEST_WAIT);
    builder.open().map_err(|error| open_error(path, baud_bps, &error))
}

fn open_error(path: &Path, baud_bps: u32, error: &serialport::Error) -> PortError {
    let path = path.to_owned();
    match error.kind() {
        // The file is there, so `NoDevice` is EBUSY of TIOCEXCL or a lock that another program holds.
        serialport::ErrorKind::NoDevice if cfg!(unix) => PortError::Busy { path },
        serialport::ErrorKind::NoDevice => PortError::NotFound { path },
        serialport::ErrorKind::Io(io::ErrorKind::NotFound) => PortError::NotFound { path },
        serialport::ErrorKind::Io(io::ErrorKind::PermissionDenied) => PortError::Denied { path },
        serialport::ErrorKind::InvalidInput => {
            PortError::BaudRefused { path, baud_bps, reason: error.to_string() }
        }
        _ if is_not_a_tty(error) => PortError::NotATty { path },
        _ => PortError::System { path, action: "open", reason: error.to_string() },
    }
}

/// `serialport` keeps only the text of ENOTTY.
fn is_not_a_tty(error: &serialport::Error) -> bool {
    error.kind() == serialport::ErrorKind::Unknown
        && ["Not a typewriter", "Inappropriate ioctl for device"]
            .iter()
            .any(|text| error.description == *text)
}

fn is_device_gone(error: &io::Error) -> bool {
    const EIO: i32 = 5;
    const ENXIO: i32 = 6;
    const ENODEV: i32 = 19;
    let texts = ["Input/output error", "I/O error", "No such device", "No such device or address"];
    match error.raw_os_error() {
        Some(code) => [EIO, ENXIO, ENODEV].contains(&code),
        None => texts.iter().any(|text| error.to_string().contains(text)),
    }
}

#[cfg(unix)]
impl Drop for SerialPort {
    fn drop(&mut self) {
        let descriptor = descriptor_of(&self.port);
        #[cfg(target_os = "linux")]
        self.timer.restore(descriptor);
        // Closing alone would not do: a process that another thread starts at this moment has the open port too until it
        // runs its program, and whoever opens the port next would find it busy.
        let _ = rustix::fs::flock(descriptor, rustix::fs::FlockOperation::Unlock);
    }
}

/// How far the rate of an adapter may be from the one that was asked for: what a UART of 8N1 bears with both sides' faults.
const MOST_OFF_PERCENT: u32 = 3;

impl Port for SerialPort {
    fn now(&self) -> Nanos {
        self.started.elapsed().into()
    }

    fn read(&mut self, buffer: &mut [u8], until: Nanos) -> Result<usize, PortError> {
        let wait = Duration::from(until.since(self.now())).min(LONGEST_WAIT);
        self.port.set_timeout(wait).map_err(|error| self.system("set up", &error))?;
        match self.port.read(buffer) {
            // The end of the file: the other end of a pty, or the device, is gone.
            Ok(0) => Err(PortError::Vanished { path: self.path.clone() }),
            Ok(count) => Ok(count),
            Err(error) => match error.kind() {
                io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(0),
                _ => Err(self.lost("read from", &error)),
            },
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), PortError> {
        let span = Duration::from(Nanos::byte_times(bytes.len() as u64, self.baud_bps)) + WRITE_MARGIN;
        let deadline = self.now() + span.into();
        self.port.set_timeout(LONGEST_WAIT).map_err(|error| self.system("set up", &error))?;
        let mut written = 0;
        while written < bytes.len() {
            match self.port.write(&bytes[written..]) {
                Ok(count) => written += count,
                Err(error) => match error.kind() {
                    io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => {}
                    _ => return Err(self.lost("write to", &error)),
                },
            }
            if written < bytes.len() && self.now() >= deadline {
                let (path, len, waited) = (self.path.clone(), bytes.len(), span.into());
                return Err(PortError::Stuck { path, written, len, waited });
            }
        }
        Ok(())
    }

    fn set_baud(&mut self, baud_bps: u32) -> Result<(), PortError> {
        if let Err(error) = self.port.set_baud_rate(baud_bps) {
            let (path, reason) = (self.path.clone(), error.to_string());
            return Err(PortError::BaudRefused { path, baud_bps, reason });
        }
        // Drivers take the nearest rate that the adapter does, and show which.
        if let Ok(real_bps) = self.port.baud_rate()
            && real_bps.abs_diff(baud_bps) > baud_bps / 100 * MOST_OFF_PERCENT
        {
            let (path, reason) = (self.path.clone(), format!("the adapter does {real_bps} baud instead"));
            return Err(PortError::BaudRefused { path, baud_bps, reason });
        }
        self.baud_bps = baud_bps;
        Ok(())
    }

    fn has_lines(&mut self) -> bool {
        // A pty answers every modem line ioctl with ENOTTY (`reference/clients.md` section 2).
        self.port.read_clear_to_send().is_ok()
    }

    fn set_lines(&mut self, lines: Lines) -> Result<(), PortError> {
        let dtr = self.port.write_data_terminal_ready(lines.dtr);
        dtr.and_then(|()| self.port.write_request_to_send(lines.rts))
            .map_err(|error| self.system("set the modem lines of", &error))
    }

    fn purge_input(&mut self) -> Result<(), PortError> {
        self.port.clear(serialport::ClearBuffer::Input).map_err(|error| self.system("empty", &error))
    }

    fn adapter_latency(&self) -> AdapterLatency {
        self.latency.clone()
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::fs::OpenOptions;
    use std::os::fd::OwnedFd;

    use rustix::fs::{FlockOperation, flock};
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    use super::*;

    /// The master of a new pty, and the path of its slave.
    fn pty() -> (OwnedFd, PathBuf) {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        (master, PathBuf::from(name.to_str().unwrap()))
    }

    #[test]
    fn what_is_no_port_is_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, b"").unwrap();
        let open = |path: &Path| SerialPort::open(path, 500_000).unwrap_err();
        assert!(matches!(open(&folder.path().join("nothing")), PortError::NotFound { .. }));
        assert!(matches!(open(&file), PortError::NotATty { .. }));
        assert!(matches!(open(folder.path()), PortError::NotATty { .. }));
        assert!(matches!(open(Path::new("/dev/null")), PortError::NotATty { .. }));
    }

    #[test]
    fn a_port_that_somebody_has_locked_is_busy() {
        let (_master, path) = pty();
        let holder = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        flock(&holder, FlockOperation::NonBlockingLockExclusive).unwrap();
        assert!(matches!(SerialPort::open(&path, 500_000), Err(PortError::Busy { .. })));
        flock(&holder, FlockOperation::Unlock).unwrap();
        let held = SerialPort::open(&path, 500_000).unwrap();
        assert!(matches!(SerialPort::open(&path, 500_000), Err(PortError::Busy { .. })));
        drop(held);
    }

    #[test]
    fn bytes_go_both_ways_and_rates_can_be_odd() {
        let (master, path) = pty();
        let mut port = SerialPort::open(&path, 500_000).unwrap();
        assert!(!port.has_lines(), "a pty has no modem lines");
        port.set_baud(2_000_000).unwrap();
        port.set_baud(1_234_567).unwrap();
        port.write(b"10\x00\x11\x13").unwrap();
        let mut heard = [0; 16];
        let count = rustix::io::read(&master, &mut heard).unwrap();
        assert_eq!(&heard[..count], b"10\x00\x11\x13");
        rustix::io::write(&master, b"OK\r\n\x04").unwrap();
        let mut buffer = [0; 16];
        let until = port.now() + Nanos::from_secs(5);
        let mut got = Vec::new();
        while got.len() < 5 && port.now() < until {
            let count = port.read(&mut buffer, until).unwrap();
            got.extend_from_slice(&buffer[..count]);
        }
        assert_eq!(got, b"OK\r\n\x04");
        let soon = port.now() + Nanos::from_millis(2);
        assert_eq!(port.read(&mut buffer, soon).unwrap(), 0, "nothing more comes");
    }

    #[test]
    fn a_port_whose_other_end_goes_away_has_vanished() {
        let (master, path) = pty();
        let mut port = SerialPort::open(&path, 500_000).unwrap();
        drop(master);
        let until = port.now() + Nanos::from_secs(5);
        assert!(matches!(port.read(&mut [0; 16], until), Err(PortError::Vanished { .. })));
        assert!(matches!(port.write(b"x"), Err(PortError::Vanished { .. })));
    }
}
