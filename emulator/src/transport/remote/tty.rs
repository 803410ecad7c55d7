//! A module at a serial device of this computer.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Mode, OFlags};
use rustix::ioctl::{Opcode, Setter};
use rustix::termios::{OptionalActions, QueueSelector, SpecialCodeIndex};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::{FromRemote, Order, Remote, RemoteError, What, done};
use crate::transport::clock::WallClock;
use crate::transport::wiring::ModemLines;

/// `TIOCMBIS` and `TIOCMBIC` of Linux (`asm-generic/ioctls.h`); rustix has no functions for them.
const TIOCMBIS: Opcode = 0x5416;
const TIOCMBIC: Opcode = 0x5417;
const TIOCM_DTR: i32 = 0x002;
const TIOCM_RTS: i32 = 0x004;

/// Opens a device. A thread reads it, another one does orders: a serial driver knows no better way to wait for its line.
pub(super) fn open(path: &Path, baud_bps: u32, clock: WallClock) -> Result<Remote, RemoteError> {
    let tty = Arc::new(Tty::open(path, baud_bps)?);
    let (orders, to_do) = unbounded_channel();
    let (teller, heard) = unbounded_channel();
    let failed = |source| RemoteError::Tty { path: path.to_owned(), doing: "starting a thread for", source };
    let (reading, telling) = (Arc::clone(&tty), teller.clone());
    std::thread::Builder::new()
        .name("remote reader".to_owned())
        .spawn(move || read_on(&reading, &telling, clock))
        .map_err(failed)?;
    std::thread::Builder::new()
        .name("remote writer".to_owned())
        .spawn(move || write_on(&tty, to_do, &teller))
        .map_err(failed)?;
    Ok(Remote { orders, heard })
}

#[derive(Debug)]
struct Tty {
    fd: OwnedFd,
    path: PathBuf,
}

impl Tty {
    fn open(path: &Path, baud_bps: u32) -> Result<Tty, RemoteError> {
        // Without NONBLOCK an open may wait for a carrier.
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let at = |doing| {
            move |errno: rustix::io::Errno| RemoteError::Tty {
                path: path.to_owned(),
                doing,
                source: errno.into(),
            }
        };
        let fd = rustix::fs::open(path, flags, Mode::empty()).map_err(at("opening"))?;
        rustix::termios::ioctl_tiocexcl(&fd).map_err(at("locking"))?;
        let mut settings = rustix::termios::tcgetattr(&fd).map_err(at("reading the settings of"))?;
        settings.make_raw();
        settings.special_codes[SpecialCodeIndex::VMIN] = 1;
        settings.special_codes[SpecialCodeIndex::VTIME] = 0;
        settings.set_speed(baud_bps).map_err(at("setting the rate of"))?;
        rustix::termios::tcsetattr(&fd, OptionalActions::Now, &settings).map_err(at("setting up"))?;
        let flags = rustix::fs::fcntl_getfl(&fd).map_err(at("setting up"))?;
        rustix::fs::fcntl_setfl(&fd, flags - OFlags::NONBLOCK).map_err(at("setting up"))?;
        rustix::termios::tcflush(&fd, QueueSelector::IFlush).map_err(at("emptying"))?;
        Ok(Tty { fd, path: path.to_owned() })
    }

    fn perform(&self, what: &What) -> Result<(), (&'static str, io::Error)> {
        match what {
            What::Bytes(bytes) => self.write_all(bytes).map_err(|error| ("writing to", error)),
            What::Rate(bps) => self.set_rate(*bps).map_err(|error| ("setting the rate of", error)),
            What::Lines(lines) => self.set_lines(*lines).map_err(|error| ("setting the lines of", error)),
            What::Break => {
                rustix::termios::tcsendbreak(&self.fd).map_err(|errno| ("a break on", errno.into()))
            }
            What::PurgeReceived => rustix::termios::tcflush(&self.fd, QueueSelector::IFlush)
                .map_err(|errno| ("emptying", errno.into())),
            What::Drain => self.drain().map_err(|error| ("waiting for the line of", error)),
        }
    }

    fn drain(&self) -> io::Result<()> {
        loop {
            match rustix::termios::tcdrain(&self.fd) {
                Err(rustix::io::Errno::INTR) => {}
                result => return Ok(result?),
            }
        }
    }

    fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match rustix::io::write(&self.fd, bytes) {
                Ok(written) => bytes = &bytes[written..],
                Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }

    /// What was written before leaves at the rate it was written for.
    fn set_rate(&self, baud_bps: u32) -> io::Result<()> {
        self.drain()?;
        let mut settings = rustix::termios::tcgetattr(&self.fd)?;
        settings.set_speed(baud_bps)?;
        Ok(rustix::termios::tcsetattr(&self.fd, OptionalActions::Now, &settings)?)
    }

    fn set_lines(&self, lines: ModemLines) -> io::Result<()> {
        self.drain()?;
        let bits =
            |dtr: bool, rts: bool| (if dtr { TIOCM_DTR } else { 0 }) | (if rts { TIOCM_RTS } else { 0 });
        change_lines::<TIOCMBIS>(&self.fd, bits(lines.dtr, lines.rts))?;
        Ok(change_lines::<TIOCMBIC>(&self.fd, bits(!lines.dtr, !lines.rts))?)
    }
}

fn change_lines<const OPCODE: Opcode>(tty: &impl AsFd, bits: i32) -> rustix::io::Result<()> {
    if bits == 0 {
        return Ok(());
    }
    // SAFETY: TIOCMBIS and TIOCMBIC read one int through the pointer that `Setter` passes, and set or clear modem lines.
    #[allow(unsafe_code)]
    unsafe {
        rustix::ioctl::ioctl(tty, Setter::<OPCODE, i32>::new(bits))
    }
}

fn read_on(tty: &Tty, teller: &UnboundedSender<FromRemote>, clock: WallClock) {
    let mut buffer = [0; 4096];
    loop {
        let error = match rustix::io::read(&tty.fd, &mut buffer[..]) {
            Ok(0) => io::ErrorKind::UnexpectedEof.into(),
            Ok(length) => {
                if teller.send(FromRemote::Bytes(buffer[..length].to_vec(), clock.now())).is_err() {
                    return;
                }
                continue;
            }
            Err(rustix::io::Errno::INTR) => continue,
            Err(errno) => io::Error::from(errno),
        };
        let gone = RemoteError::Tty { path: tty.path.clone(), doing: "reading from", source: error };
        // Whoever used it may have ended first.
        let _ = teller.send(FromRemote::Gone(gone));
        return;
    }
}

fn write_on(tty: &Tty, mut to_do: UnboundedReceiver<Order>, teller: &UnboundedSender<FromRemote>) {
    let mut has_lines = true;
    while let Some(order) = to_do.blocking_recv() {
        let is_lines = matches!(order.what, What::Lines(_));
        match tty.perform(&order.what) {
            Ok(()) => {}
            // A pty has no lines; neither have some adapters.
            Err((_, error)) if is_lines && is_unknown(&error) => {
                if std::mem::take(&mut has_lines) {
                    let _ = teller.send(FromRemote::NoLines);
                }
            }
            Err((doing, source)) => {
                let gone = RemoteError::Tty { path: tty.path.clone(), doing, source };
                let _ = teller.send(FromRemote::Gone(gone));
                return;
            }
        }
        done(order.answer);
    }
}

fn is_unknown(error: &io::Error) -> bool {
    use rustix::io::Errno;
    matches!(Errno::from_io_error(error), Some(Errno::NOTTY | Errno::INVAL))
}
