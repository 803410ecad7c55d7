//! A pseudo-terminal that stands for the module's serial port.
//!
//! The client opens the slave like any serial port. The master is in packet mode with EXTPROC set, which tells of
//! changed settings and of flushes (`reference/clients.md` section 3), and shows the client's rate at any time.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use pty_process::blocking::Pts;
use rustix::fs::OFlags;
use rustix::ioctl::{Getter, Opcode, Setter};
use rustix::termios::{ControlModes, LocalModes, OptionalActions, QueueSelector, SpecialCodeIndex};
use tokio::io::Interest;

use super::readiness::Readiness;

/// `TIOCPKT` of Linux, from its `asm-generic/ioctls.h`; rustix has no function for it.
const TIOCPKT: Opcode = 0x5420;
/// `TCGETS2` of Linux; what it gives is wanted as it is.
const TCGETS2: Opcode = 0x802c_542a;
/// Size of Linux's `struct termios2`.
pub const TERMIOS2_BYTES: usize = 44;
/// Control bits of packet mode, from Linux's `asm-generic/ioctls.h`.
const TIOCPKT_FLUSHREAD: u8 = 0x01;
const TIOCPKT_FLUSHWRITE: u8 = 0x02;
const TIOCPKT_IOCTL: u8 = 0x40;

/// What a slave shows before any client has set a rate (assumed; the chip follows any rate).
const INITIAL_BAUD_BPS: u32 = 115_200;

/// An input rate that follows the output rate (termios(3)).
const SAME_AS_OUTPUT: u32 = 0;

/// Why a pty does not work.
#[derive(Debug, thiserror::Error)]
pub enum PtyError {
    /// The kernel gave none.
    #[error("cannot open a pseudo-terminal: {0}")]
    Open(#[source] pty_process::Error),
    /// It was there, and then a call on it failed.
    #[error("pseudo-terminal {path:?}: {doing} failed: {source}")]
    Io {
        /// The slave's path, empty when that is not known yet.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
}

/// The rates that the client has set, in bits a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostRates {
    /// From the host to the module.
    pub send_bps: u32,
    /// From the module to the host.
    pub receive_bps: u32,
}

/// What one read of the master found.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard<'a> {
    /// Bytes the client has written.
    Bytes(&'a [u8]),
    /// Something the client has done to its side.
    Note(Note),
    /// Nothing for now.
    Nothing,
}

/// What a client has done to its side of the pty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Note {
    /// It threw away what it had not read. The kernel has emptied its own queue.
    pub flushed_input: bool,
    /// It asked to throw away what it had written and the port had not sent. On a pty that is already with the master.
    pub flushed_output: bool,
    /// It changed its settings (rate among them), perhaps to the same ones.
    pub settings: bool,
}

/// Both ends of a pty.
pub struct Pty {
    master: Readiness,
    /// Kept open so that clients may come and go: with no slave open the master would report a hang-up for ever, and an
    /// exclusive lock (TIOCEXCL) left by a killed client could not be taken off without privileges.
    slave: Pts,
    path: PathBuf,
    rates: HostRates,
    /// Output and input rate as they stood in the settings at the last sample.
    settings_bps: (u32, u32),
    packet: Vec<u8>,
}

impl Pty {
    /// Opens a pty whose slave is raw, 8 bits, without echo. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// [`PtyError::Open`] when there is none left or `/dev/pts` is not there; [`PtyError::Io`] when it cannot be set up.
    pub fn open() -> Result<Pty, PtyError> {
        let (master, slave) = pty_process::blocking::open().map_err(PtyError::Open)?;
        let master = OwnedFd::from(master);
        let name =
            rustix::pty::ptsname(&master, Vec::new()).map_err(at(Path::new(""), "asking for its name"))?;
        let path = PathBuf::from(String::from_utf8_lossy(name.as_bytes()).into_owned());

        let mut settings = rustix::termios::tcgetattr(&slave).map_err(at(&path, "reading its settings"))?;
        settings.make_raw();
        // As a serial port has it, unlike a pty; it tells a driver to release the modem lines at the last close.
        settings.control_modes |= ControlModes::HUPCL;
        settings.special_codes[SpecialCodeIndex::VMIN] = 1;
        settings.special_codes[SpecialCodeIndex::VTIME] = 0;
        settings.set_speed(INITIAL_BAUD_BPS).map_err(at(&path, "setting its rate"))?;
        settings.set_input_speed(SAME_AS_OUTPUT).map_err(at(&path, "setting its rate"))?;
        rustix::termios::tcsetattr(&slave, OptionalActions::Now, &settings)
            .map_err(at(&path, "making it raw"))?;
        set_packet_mode(&master).map_err(at(&path, "switching to packet mode"))?;

        let flags = rustix::fs::fcntl_getfl(&master).map_err(at(&path, "reading its flags"))?;
        rustix::fs::fcntl_setfl(&master, flags | OFlags::NONBLOCK)
            .map_err(at(&path, "making it non-blocking"))?;
        let master = Readiness::new(master, Interest::READABLE | Interest::WRITABLE | Interest::PRIORITY)
            .map_err(|source| PtyError::Io { path: path.clone(), doing: "watching it", source })?;
        let rates = HostRates { send_bps: INITIAL_BAUD_BPS, receive_bps: INITIAL_BAUD_BPS };
        let settings_bps = (INITIAL_BAUD_BPS, INITIAL_BAUD_BPS);
        let mut pty = Pty { master, slave, path, rates, settings_bps, packet: vec![0; 4097] };
        pty.sample()?;
        Ok(pty)
    }

    /// The slave: what a client opens.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The rates at the last [`Pty::sample`].
    pub fn rates(&self) -> HostRates {
        self.rates
    }

    /// Asks for the client's rates, and sets EXTPROC again if a client has cleared it.
    ///
    /// Call it when a burst starts: a client has then finished with its settings, so that setting EXTPROC (which
    /// writes all settings) cannot undo half of them. A rate of 0 (hang up) leaves the last one in force.
    pub fn sample(&mut self) -> Result<HostRates, PtyError> {
        let mut settings =
            rustix::termios::tcgetattr(&self.master).map_err(at(&self.path, "reading the client's rate"))?;
        let settings_bps = (settings.output_speed(), settings.input_speed());
        self.rates = rates_of(settings_bps, self.settings_bps, self.rates);
        self.settings_bps = settings_bps;
        if !settings.local_modes.contains(LocalModes::EXTPROC) {
            settings.local_modes |= LocalModes::EXTPROC;
            rustix::termios::tcsetattr(&self.master, OptionalActions::Now, &settings)
                .map_err(at(&self.path, "setting EXTPROC"))?;
        }
        Ok(self.rates)
    }

    /// Reads what the client has written or done, without waiting.
    pub fn hear(&mut self) -> Result<Heard<'_>, PtyError> {
        loop {
            match rustix::io::read(&self.master, &mut self.packet[..]) {
                Ok(0) => return Ok(Heard::Nothing),
                Ok(length) => {
                    let (control, bytes) = (self.packet[0], &self.packet[1..length]);
                    return Ok(match (control, bytes) {
                        (0, []) => Heard::Nothing,
                        (0, bytes) => Heard::Bytes(bytes),
                        (bits, _) => Heard::Note(Note::from_control(bits)),
                    });
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => return Ok(Heard::Nothing),
                Err(error) => return Err(at(&self.path, "reading")(error)),
            }
        }
    }

    /// Hands bytes to the client; gives how many the kernel took (0 when the client's queue, about 16 kB, is full).
    pub fn say(&self, bytes: &[u8]) -> Result<usize, PtyError> {
        loop {
            match rustix::io::write(&self.master, bytes) {
                Ok(written) => return Ok(written),
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => return Ok(0),
                Err(error) => return Err(at(&self.path, "writing")(error)),
            }
        }
    }

    /// What a serial driver does when the last client has closed the port: unread bytes and an exclusive lock are gone.
    pub fn forget_client(&self) -> Result<(), PtyError> {
        self.flush_unread()?;
        rustix::termios::ioctl_tiocnxcl(&self.slave).map_err(at(&self.path, "taking off TIOCEXCL"))
    }

    /// Throws away what no client has read.
    pub fn flush_unread(&self) -> Result<(), PtyError> {
        rustix::termios::tcflush(&self.slave, QueueSelector::IFlush).map_err(at(&self.path, "flushing"))
    }

    /// Whether a driver would release the modem lines at the last close (HUPCL).
    pub fn hangs_up(&self) -> Result<bool, PtyError> {
        let settings =
            rustix::termios::tcgetattr(&self.slave).map_err(at(&self.path, "reading its settings"))?;
        Ok(settings.control_modes.contains(ControlModes::HUPCL))
    }

    /// The settings in the kernel's own form, `struct termios2`.
    #[allow(unsafe_code)]
    pub fn settings(&self) -> Result<[u8; TERMIOS2_BYTES], PtyError> {
        // SAFETY: TCGETS2 writes one `struct termios2` through the pointer that `Getter` passes: so many plain bytes.
        let read =
            unsafe { rustix::ioctl::ioctl(&self.slave, Getter::<TCGETS2, [u8; TERMIOS2_BYTES]>::new()) };
        read.map_err(at(&self.path, "reading its settings"))
    }

    /// How many bytes wait for the client to read them.
    pub fn unread_bytes(&self) -> Result<usize, PtyError> {
        let count =
            rustix::io::ioctl_fionread(&self.slave).map_err(at(&self.path, "counting unread bytes"))?;
        Ok(count as usize)
    }

    /// How many bytes the client has written that [`Pty::hear`] has not given yet.
    pub fn unheard_bytes(&self) -> Result<usize, PtyError> {
        let count =
            rustix::io::ioctl_fionread(&self.master).map_err(at(&self.path, "counting unheard bytes"))?;
        Ok(count as usize)
    }

    /// Waits until [`Pty::hear`] has something.
    pub(crate) async fn readable(&self) -> io::Result<()> {
        self.master.wait(Interest::READABLE | Interest::PRIORITY).await
    }

    /// Waits until [`Pty::say`] may take something.
    pub(crate) async fn writable(&self) -> io::Result<()> {
        self.master.wait(Interest::WRITABLE).await
    }
}

impl Note {
    fn from_control(bits: u8) -> Note {
        Note {
            flushed_input: bits & TIOCPKT_FLUSHREAD != 0,
            flushed_output: bits & TIOCPKT_FLUSHWRITE != 0,
            settings: bits & TIOCPKT_IOCTL != 0,
        }
    }
}

/// The rates that a client means by output and input rate `set`, when there was `before` and it meant `last`.
///
/// Most programs set their rate through glibc, which leaves the input rate's field (CIBAUD) as somebody else has left it,
/// and serial drivers have but one rate: an input rate counts only if it was changed.
fn rates_of(set: (u32, u32), before: (u32, u32), last: HostRates) -> HostRates {
    if set == before {
        return last;
    }
    let (output_bps, input_bps) = set;
    let or_last = |bps: u32, last: u32| if bps == 0 { last } else { bps };
    let send_bps = or_last(output_bps, last.send_bps);
    let receive_bps = if input_bps == before.1 { send_bps } else { or_last(input_bps, send_bps) };
    HostRates { send_bps, receive_bps }
}

fn set_packet_mode(master: &impl AsFd) -> rustix::io::Result<()> {
    // SAFETY: TIOCPKT reads one int through the pointer that `Setter` passes, and has no other effect than to switch the
    // format of reads from this master.
    #[allow(unsafe_code)]
    unsafe {
        rustix::ioctl::ioctl(master, Setter::<TIOCPKT, i32>::new(1))
    }
}

fn at<'a>(path: &'a Path, doing: &'static str) -> impl FnOnce(rustix::io::Errno) -> PtyError + 'a {
    move |errno| PtyError::Io { path: path.to_owned(), doing, source: errno.into() }
}

impl std::fmt::Debug for Pty {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pty").field("path", &self.path).field("rates", &self.rates).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn rates(send_bps: u32, receive_bps: u32) -> HostRates {
        HostRates { send_bps, receive_bps }
    }

    #[rstest]
    #[case::both((500_000, 500_000), (115_200, 115_200), rates(500_000, 500_000))]
    #[case::output_alone((500_000, 2_000_000), (2_000_000, 2_000_000), rates(500_000, 500_000))]
    #[case::input_alone((500_000, 115_200), (500_000, 500_000), rates(500_000, 115_200))]
    #[case::each_its_own((500_000, 115_200), (9_600, 9_600), rates(500_000, 115_200))]
    #[case::input_follows((500_000, 0), (115_200, 115_200), rates(500_000, 500_000))]
    #[case::hang_up((0, 0), (115_200, 115_200), rates(9_600, 9_600))]
    #[case::nothing((1, 2), (1, 2), rates(9_600, 19_200))]
    fn meanings(#[case] set: (u32, u32), #[case] before: (u32, u32), #[case] meant: HostRates) {
        assert_eq!(rates_of(set, before, rates(9_600, 19_200)), meant);
    }

    /// What glibc's `cfsetspeed` and `tcsetattr` come to: the input rate stays as it was found.
    fn set_rate_like_glibc(pty: &Pty, bps: u32) {
        let mut settings = rustix::termios::tcgetattr(&pty.slave).unwrap();
        settings.set_output_speed(bps).unwrap();
        rustix::termios::tcsetattr(&pty.slave, OptionalActions::Now, &settings).unwrap();
    }

    #[tokio::test]
    async fn a_client_that_sets_one_rate_has_it_in_both_directions() {
        let mut pty = Pty::open().unwrap();
        set_rate_like_glibc(&pty, 500_000);
        assert_eq!(pty.sample().unwrap(), rates(500_000, 500_000));
        // Another program sets both, and leaves that to the next one.
        let mut settings = rustix::termios::tcgetattr(&pty.slave).unwrap();
        settings.set_speed(2_000_000).unwrap();
        rustix::termios::tcsetattr(&pty.slave, OptionalActions::Now, &settings).unwrap();
        assert_eq!(pty.sample().unwrap(), rates(2_000_000, 2_000_000));
        set_rate_like_glibc(&pty, 115_200);
        assert_eq!(pty.sample().unwrap(), rates(115_200, 115_200));
    }
}
