//! What can be done to a module while it is served: by hand, by modem lines, or to look inside.

use tokio::sync::{mpsc, oneshot};

use super::network::{ClientEnd, PortEnd, connection};
use super::pty::{HostRates, TERMIOS2_BYTES};
use super::record::Follower;
use super::rfc2217::framing::Framing;
use super::wiring::{LineChange, ModemLines};
use crate::Nanos;
use crate::event::TimedEvent;
use crate::fault::{FaultPlan, FaultReport};
use crate::line::Burst;
use crate::module::{Module, Running};

/// Something to do to a served module.
#[derive(Clone, Debug, PartialEq)]
pub enum Control {
    /// The adapter's modem lines take these levels; the port's wiring says what that does to EN and BOOT.
    Lines(ModemLines),
    /// Some of the modem lines change, the others stay.
    ChangeLines(LineChange),
    /// Which lines are asserted; answered at once, with [`Answer::Lines`].
    AskLines,
    /// The EN pin, by hand: a button that pulls it low while it is pressed, whatever the modem lines do.
    Enable {
        /// High: the button is released.
        high: bool,
    },
    /// The BOOT pin, by hand.
    Boot {
        /// High: the next reset leads to the ROM's serial protocol.
        high: bool,
    },
    /// The supply.
    Power {
        /// With supply.
        on: bool,
    },
    /// The host's line goes low for longer than a byte, and high again.
    Break,
    /// Nothing but its answer, which comes when all that the host has written has been on the line.
    Drain,
    /// How many bytes the host has written that have not been on the line; answered at once, with [`Answer::Unsent`].
    AskUnsent,
    /// The client's rates, where termios does not tell them (custom divisors); `None` goes back to termios.
    Rates(Option<HostRates>),
    /// The rate that [`REPLACED_RATE_BPS`](super::modem::REPLACED_RATE_BPS) in termios stands for; `None`: itself.
    ReplaceRate(Option<u32>),
    /// How the client of the pty frames bytes, where somebody knows; a pty itself is always 8N1, and so is the chip.
    Framing(Framing),
    /// The pty's settings, as the kernel's `struct termios2`; answered at once, with [`Answer::Settings`].
    AskSettings,
    /// Data are thrown away.
    Purge {
        /// What the host's side of the line has received, and the host was not given.
        received: bool,
        /// What a client on the network has sent, and the adapter (4096 bytes) has not taken. Of a pty nothing waits.
        unsent: bool,
    },
    /// Faults are armed besides those that are.
    Arm(FaultPlan),
    /// A snapshot of the module.
    Status,
    /// The contents of the flash.
    DumpFlash,
    /// The fuses.
    DumpFuses,
}

/// What came of a [`Control`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It has been done: the module has taken the new level.
    Done,
    /// The lines that are asserted.
    Lines(ModemLines),
    /// The bytes asked for.
    Bytes(Vec<u8>),
    /// A count of bytes.
    Unsent(u64),
    /// A `struct termios2`.
    Settings(Box<[u8; TERMIOS2_BYTES]>),
    /// A snapshot.
    Status(Box<ModuleStatus>),
}

/// A snapshot of a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleStatus {
    /// Module time.
    pub now: Nanos,
    /// What runs on the chip.
    pub running: Running,
    /// The supply.
    pub power_on: bool,
    /// The EN pin.
    pub enable_high: bool,
    /// The BOOT pin.
    pub boot_high: bool,
    /// How often the module has left reset.
    pub resets: u64,
    /// Fuses burnt since the module was made.
    pub burns: u32,
    /// What became of the faults that were armed.
    pub faults: FaultReport,
}

impl ModuleStatus {
    /// Looks at a module.
    pub fn of(module: &Module) -> ModuleStatus {
        ModuleStatus {
            now: module.now(),
            running: module.running(),
            power_on: module.power_on(),
            enable_high: module.enable_high(),
            boot_high: module.boot_high(),
            resets: module.resets(),
            burns: module.otp().burn_count(),
            faults: module.fault_report(),
        }
    }
}

/// The port is no longer served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the module is no longer served")]
pub struct PortGone;

/// The port is in use: a program has its pty open, or another client is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the port is in use")]
pub struct PortBusy;

/// What is asked of a serving task.
#[derive(Debug)]
pub(super) enum Request {
    Control(Control, oneshot::Sender<Answer>),
    Attach(PortEnd, oneshot::Sender<Result<(), PortBusy>>),
    Follow(Follower),
}

/// A handle to a served port, for any thread or task.
#[derive(Clone, Debug)]
pub struct PortControl(mpsc::UnboundedSender<Request>);

impl PortControl {
    pub(super) fn channel() -> (PortControl, mpsc::UnboundedReceiver<Request>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (PortControl(sender), receiver)
    }

    /// Does `control` behind all that the client has written before, and waits until it is done.
    ///
    /// # Errors
    /// [`PortGone`] when the port is no longer served.
    pub async fn send(&self, control: Control) -> Result<Answer, PortGone> {
        self.begin(control)?.await.map_err(|_| PortGone)
    }

    /// Puts `control` in the queue at once; its answer comes when it is done, and never when the port has gone.
    ///
    /// # Errors
    /// [`PortGone`] when the port is no longer served.
    pub fn begin(&self, control: Control) -> Result<oneshot::Receiver<Answer>, PortGone> {
        let (answer, answered) = oneshot::channel();
        self.0.send(Request::Control(control, answer)).map_err(|_| PortGone)?;
        Ok(answered)
    }

    /// Makes a connection whose client begins with this rate the port's host.
    ///
    /// # Errors
    /// [`PortGone`] when the port is no longer served; inside, [`PortBusy`].
    pub(super) async fn attach(&self, baud_bps: u32) -> Result<Result<ClientEnd, PortBusy>, PortGone> {
        let (client_end, port_end) = connection(baud_bps);
        let (answer, answered) = oneshot::channel();
        self.0.send(Request::Attach(port_end, answer)).map_err(|_| PortGone)?;
        let attached = answered.await.map_err(|_| PortGone)?;
        Ok(attached.map(|()| client_end))
    }

    /// Sends `follower` the lines of a recording that begins now. It ends when the port is no longer served, or when
    /// the follower does not keep up.
    ///
    /// # Errors
    /// [`PortGone`] when the port is no longer served.
    pub fn follow(&self, follower: Follower) -> Result<(), PortGone> {
        self.0.send(Request::Follow(follower)).map_err(|_| PortGone)
    }

    /// The same for a thread outside the runtime.
    ///
    /// # Errors
    /// [`PortGone`] when the port is no longer served.
    pub fn send_blocking(&self, control: Control) -> Result<Answer, PortGone> {
        self.begin(control)?.blocking_recv().map_err(|_| PortGone)
    }
}

/// Something that happened at a port.
#[derive(Clone, Copy, Debug)]
pub enum Observation<'a> {
    /// Bytes from the host, as the module hears them.
    Host {
        /// The bytes, with module time and the host's rate.
        burst: &'a Burst,
        /// How many bytes from the module the host had not read when it wrote them.
        unread_bytes: usize,
    },
    /// Bytes that the chip has sent.
    Chip {
        /// The bytes, with module time and the chip's rate.
        burst: &'a Burst,
    },
    /// Something the chip did.
    Event(&'a TimedEvent),
    /// The levels at the pins were set.
    Pins {
        /// Module time.
        at: Nanos,
        /// The EN pin.
        enable_high: bool,
        /// The BOOT pin.
        boot_high: bool,
    },
}

/// Is told all that happens at a port, in order.
pub struct Observer(Box<dyn FnMut(Observation<'_>) + Send>);

impl Observer {
    /// Calls `observe` for each observation.
    pub fn new(observe: impl FnMut(Observation<'_>) + Send + 'static) -> Observer {
        Observer(Box::new(observe))
    }

    pub(super) fn observe(&mut self, observation: Observation<'_>) {
        (self.0)(observation);
    }
}

impl std::fmt::Debug for Observer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Observer")
    }
}
