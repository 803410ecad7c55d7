//! A module at a port, for programs that only want something done: each method runs one command from reset to result.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};

use bl702_protocol::time::Nanos;

use crate::connect::{ConnectOptions, OptionsError};
use crate::driver;
use crate::error::{Error, Result};
use crate::event::Event;
use crate::flow::{self, After, Backup, ChangeReport, EraseReport, InfoReport, VerifyReport};
use crate::loader::{self, Environment, LoaderError, LoaderImage};
use crate::plan::{FlashRange, Piece, Pieces, PlanError};
use crate::port::rfc2217::{Address, AddressError, Rfc2217Port};
use crate::port::{Port, PortError, SerialPort};
use crate::session::Link;

/// Ends a run from another thread, or from a handler of Ctrl-C. Clones are the same button.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// No new command is begun; the run under way soon ends with
    /// [`ErrorKind::Interrupted`](crate::error::ErrorKind::Interrupted) and an account of flash and module. Runs that are begun
    /// later end at once.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was pressed.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A module at a port.
///
/// Nothing is printed, and nothing ends the program: what goes on is told as [`Event`]s, what went wrong by the [`Error`],
/// which knows the state of flash and module and what to do. Every run has a bound, which is the first thing it tells.
///
/// ```
/// # #[cfg(feature = "emulated")] {
/// use bl702_flasher::Flasher;
///
/// // On a bench: Flasher::open("/dev/ttyUSB0")
/// let backup = Flasher::open("emulated")?.backup()?;
/// assert_eq!(backup.bytes.len(), 1 << 20);
/// # }
/// # Ok::<(), bl702_flasher::error::Error>(())
/// ```
///
/// Options, events, and more than one command:
///
/// ```
/// # #[cfg(feature = "emulated")] {
/// use bl702_flasher::Flasher;
/// use bl702_flasher::event::Event;
/// use bl702_flasher::timing::{Pace, Timing};
///
/// let mut flasher = Flasher::open("emulated")?;
/// flasher.options_mut().baud_bps = 1_000_000;
/// flasher.options_mut().timing = Timing::of(Pace::Fast);
/// let events = flasher.events();
/// let report = flasher.write(0x2000, b"firmware".to_vec())?;
/// assert_eq!(report.pieces[0].range.len(), 8);
/// assert!(events.try_iter().any(|(_, event)| matches!(event, Event::Verified { .. })));
/// assert_eq!(flasher.backup_range(0x2000, 8)?.bytes, b"firmware");
/// # }
/// # Ok::<(), bl702_flasher::error::Error>(())
/// ```
pub struct Flasher {
    port: Box<dyn Port + Send>,
    options: ConnectOptions,
    after: After,
    on_event: Box<dyn FnMut(Nanos, Event) + Send>,
    cancel: Cancel,
}

impl fmt::Debug for Flasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flasher")
            .field("options", &self.options)
            .field("after", &self.after)
            .finish_non_exhaustive()
    }
}

impl Flasher {
    /// Opens a serial port, as `/dev/ttyUSB0`, or one on a network, as `rfc2217://HOST:PORT`, and looks for the vendor's RAM
    /// loader where his Python packages put it. With the feature `emulated`, `emulated[:PROFILE][?OPTIONS]` is a module in virtual
    /// time.
    ///
    /// # Errors
    /// The port cannot be opened, or a loader was found that is none. That there is none is told by the first command that
    /// needs one: a loader may be running already.
    pub fn open(port: &str) -> Result<Flasher> {
        let image = match loader::find(&Environment::of_process()) {
            Ok(image) => Some(image),
            Err(LoaderError::None) => None,
            Err(error) => return Err(Error::new(error)),
        };
        let boot_baud_bps = ConnectOptions::default().boot_baud_bps;
        #[cfg(feature = "emulated")]
        if let Some(rest) = port.strip_prefix("emulated") {
            use crate::port::emulated::{EmulatedOptions, made_up_loader};
            let unusable = |reason| Error::new(PortError::Emulated { reason });
            let port =
                EmulatedOptions::parse(rest).map_err(unusable)?.open(boot_baud_bps).map_err(Error::new)?;
            let image = image.map_or_else(made_up_loader, Ok).map_err(Error::new)?;
            return Ok(Flasher::over(port).with_loader(image));
        }
        let flasher = if Address::is_meant_by(port) {
            let unusable = |error: AddressError| {
                let (path, reason) = (port.into(), error.to_string());
                Error::new(PortError::System { path, action: "open", reason })
            };
            let address = port.parse().map_err(unusable)?;
            Flasher::over(Rfc2217Port::open(&address, boot_baud_bps).map_err(Error::new)?)
        } else {
            Flasher::over(SerialPort::open(Path::new(port), boot_baud_bps).map_err(Error::new)?)
        };
        Ok(match image {
            Some(image) => flasher.with_loader(image),
            None => flasher,
        })
    }

    /// Takes any port, with the usual options and no RAM loader.
    pub fn over(mut port: impl Port + Send + 'static) -> Flasher {
        let mut options = ConnectOptions { has_lines: port.has_lines(), ..ConnectOptions::default() };
        options.timing = options.timing.allowing_for(port.round_trip());
        Flasher {
            port: Box::new(port),
            options,
            after: After::Reset,
            on_event: Box::new(|_, _| {}),
            cancel: Cancel::default(),
        }
    }

    /// The same with this RAM loader.
    #[must_use]
    pub fn with_loader(mut self, image: LoaderImage) -> Flasher {
        self.options.loader = Some(Arc::new(image));
        self
    }

    /// Rates, waits, wiring, size of the flash.
    pub fn options_mut(&mut self) -> &mut ConnectOptions {
        &mut self.options
    }

    /// What becomes of the module when a command is done; by default it is reset.
    pub fn set_after(&mut self, after: After) {
        self.after = after;
    }

    /// Has every event from now on told to this function, at once, with the port's time.
    pub fn on_event(&mut self, on_event: impl FnMut(Nanos, Event) + Send + 'static) {
        self.on_event = Box::new(on_event);
    }

    /// Every event from now on as a stream, which ends with the flasher. It may be read from another thread, and need not be
    /// read.
    pub fn events(&mut self) -> Receiver<(Nanos, Event)> {
        let (sender, receiver) = channel();
        self.on_event(move |at, event| {
            // Nobody has to listen.
            let _ = sender.send((at, event));
        });
        receiver
    }

    /// The button that ends runs of this flasher.
    pub fn canceller(&self) -> Cancel {
        self.cancel.clone()
    }

    /// Has another button end the runs of this flasher, so that one ends those of many.
    pub fn set_canceller(&mut self, cancel: Cancel) {
        self.cancel = cancel;
    }

    /// What the module is.
    ///
    /// # Errors
    /// As [`flow::info`].
    pub fn info(&mut self) -> Result<InfoReport> {
        let after = self.after;
        self.run(|link, options| flow::info(link, options, after))
    }

    /// Reads the whole flash, compared with the SHA-256 that the module computes.
    ///
    /// # Errors
    /// As [`flow::backup`].
    pub fn backup(&mut self) -> Result<Backup> {
        let after = self.after;
        self.run(|link, options| flow::backup(link, options, None, after))
    }

    /// Reads a part of the flash.
    ///
    /// # Errors
    /// As [`flow::backup`]; a range that cannot be.
    pub fn backup_range(&mut self, address: u32, len_bytes: u32) -> Result<Backup> {
        let (after, range) = (self.after, range(address, len_bytes)?);
        self.run(|link, options| flow::backup(link, options, Some(range), after))
    }

    /// Writes bytes to an address: what differs is erased and programmed, what shares a sector with it is kept, all of it is
    /// verified.
    ///
    /// # Errors
    /// As [`flow::write`].
    pub fn write(&mut self, address: u32, bytes: Vec<u8>) -> Result<ChangeReport> {
        self.write_pieces(one_piece(address, bytes)?)
    }

    /// As [`write`](Self::write), several pieces at once.
    ///
    /// # Errors
    /// As [`flow::write`].
    pub fn write_pieces(&mut self, pieces: Pieces) -> Result<ChangeReport> {
        let after = self.after;
        self.run(|link, options| flow::write(link, options, pieces, after))
    }

    /// Compares bytes with the flash.
    ///
    /// # Errors
    /// As [`flow::verify`]: [`ErrorKind::Different`](crate::error::ErrorKind::Different) if they differ.
    pub fn verify(&mut self, address: u32, bytes: Vec<u8>) -> Result<VerifyReport> {
        let (after, pieces) = (self.after, one_piece(address, bytes)?);
        self.run(|link, options| flow::verify(link, options, pieces, after))
    }

    /// Erases a part of the flash; bytes beside it are kept.
    ///
    /// # Errors
    /// As [`flow::erase_range`].
    pub fn erase_range(&mut self, address: u32, len_bytes: u32) -> Result<EraseReport> {
        let (after, range) = (self.after, range(address, len_bytes)?);
        self.run(|link, options| flow::erase_range(link, options, range, after))
    }

    /// Erases the whole flash.
    ///
    /// # Errors
    /// As [`flow::erase_chip`].
    pub fn erase_chip(&mut self) -> Result<EraseReport> {
        let after = self.after;
        self.run(|link, options| flow::erase_chip(link, options, after))
    }

    /// Restarts the module.
    ///
    /// # Errors
    /// As [`flow::reset`].
    pub fn reset(&mut self) -> Result<()> {
        self.run(flow::reset)
    }

    /// Runs any flow, those of one's own included.
    ///
    /// # Errors
    /// Options that cannot work; the error of the flow.
    pub fn run<T, F, R>(&mut self, flow: F) -> Result<T>
    where
        F: FnOnce(Link, Arc<ConnectOptions>) -> R,
        R: Future<Output = Result<T>> + Send + 'static,
    {
        self.options.check().map_err(|error| match error {
            OptionsError::Baud(error) => Error::new(error),
            OptionsError::Plan(error) => Error::new(error),
        })?;
        let baud_bps = self.options.boot_baud_bps;
        // An earlier run may have left it at another rate.
        self.port.set_baud(baud_bps).map_err(Error::new)?;
        let options = Arc::new(self.options.clone());
        let cancel = self.cancel.clone();
        let flow = |link| flow(link, options);
        driver::run(&mut *self.port, baud_bps, flow, &mut self.on_event, || cancel.is_cancelled())
    }
}

fn one_piece(address: u32, bytes: Vec<u8>) -> Result<Pieces> {
    let piece = Piece::new(u64::from(address), bytes).map_err(Error::new)?;
    Pieces::new(vec![piece]).map_err(Error::new)
}

fn range(address: u32, len_bytes: u32) -> Result<FlashRange> {
    let (start, len) = (u64::from(address), u64::from(len_bytes));
    if len == 0 {
        return Err(Error::new(PlanError::Empty { start: address }));
    }
    FlashRange::with_len(address, len).ok_or_else(|| Error::new(PlanError::PastAddresses { start, len }))
}

#[cfg(test)]
#[cfg(feature = "emulated")]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn kind_of<T>(result: Result<T>) -> String {
        format!("{:?}", result.err().unwrap().kind())
    }

    #[test]
    fn what_is_no_port_is_an_error_and_nothing_else() {
        assert!(kind_of(Flasher::open("/dev/ttyNOSUCH0")).contains("NotFound"));
        let error = Flasher::open("rfc2217://").err().unwrap();
        assert!(error.to_string().contains("it needs a port number"), "{error}");
        assert!(kind_of(Flasher::open("emulated:no-such-profile")).contains("Emulated"));
    }

    #[test]
    fn nothing_is_sent_for_what_cannot_be() {
        let mut flasher = Flasher::open("emulated").unwrap();
        assert!(kind_of(flasher.backup_range(0x1000, 0)).contains("Empty"));
        assert!(kind_of(flasher.backup_range(u32::MAX, 2)).contains("PastAddresses"));
        flasher.options_mut().baud_bps = 1_200_000;
        assert!(kind_of(flasher.info()).contains("Rounded"));
    }

    #[test]
    fn one_after_the_other_whatever_rate_the_last_one_left() {
        let mut flasher = Flasher::open("emulated").unwrap();
        flasher.write(0x4000, vec![0x11; 5000]).unwrap();
        flasher.verify(0x4000, vec![0x11; 5000]).unwrap();
        let error = flasher.verify(0x4000, vec![0x10; 5000]).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Different { .. }), "{error}");
        flasher.set_after(After::Stay);
        flasher.erase_range(0x4000, 0x1000).unwrap();
        assert_eq!(flasher.backup_range(0x4000, 0x1001).unwrap().bytes.last(), Some(&0x11));
        flasher.reset().unwrap();
        assert!(flasher.info().unwrap().flash.is_some());
    }

    #[test]
    fn the_button_ends_this_run_and_all_that_follow() {
        let mut flasher = Flasher::open("emulated").unwrap();
        let button = flasher.canceller();
        flasher.on_event(move |_, event| {
            if matches!(event, Event::Progress { .. }) {
                button.cancel();
            }
        });
        let error = flasher.backup().unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Interrupted), "{error}");
        assert!(matches!(flasher.info().unwrap_err().kind(), ErrorKind::Interrupted));
    }
}
