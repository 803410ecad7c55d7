//! One module at one port, in real time.

use std::borrow::Cow;
use std::convert::Infallible;
use std::io;
use std::path::{Path, PathBuf};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

use super::clients::ClientWatch;
use super::clock::{Alarm, WallClock};
use super::control::{Observer, PortControl, Request};
use super::held_file::{HeldFileError, HeldMemories};
use super::host::{HostError, HostHeard, HostSide};
use super::journal::Journal;
use super::modem::{Modem, SerialDriver};
use super::outbox::{FIRST_PACKET_WAIT, HostReceiver, Outbox};
use super::pace::{Pace, Paced, Progress};
use super::pty::{HostRates, PtyError};
use super::record::{RecordError, Recorder};
use super::rfc2217::framing::{EIGHT_N_ONE, Framing, reframe};
use super::status::{Notice, SharedStatus};
use super::wiring::ModemLines;
use crate::Nanos;
use crate::event::Event;
use crate::module::Module;
use crate::profile::{Boot, Wiring};

mod arrivals;
mod orders;

/// So many rounds without waiting, then other tasks of the runtime get their turn.
const ROUNDS_AT_A_STRETCH: u32 = 64;

/// Why a port is no longer served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The pty failed.
    #[error(transparent)]
    Pty(#[from] PtyError),
    /// A memory could not be written through.
    #[error(transparent)]
    Memory(#[from] HeldFileError),
    /// The recording could not be written.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The runtime's timer or poller failed.
    #[error("waiting for the next event failed: {0}")]
    Wait(#[from] io::Error),
}

/// What a port is made of besides its module.
#[derive(Debug, Default)]
pub struct PortOptions {
    /// How time passes.
    pub pace: Pace,
    /// How long every byte from the chip takes through the adapter.
    pub latency: Nanos,
    /// The files behind the memories.
    pub memories: HeldMemories,
    /// The recording.
    pub recorder: Option<Recorder>,
    /// Which modem line drives EN; none by default.
    pub wiring: Option<Wiring>,
    /// What BOOT follows; by default it stays as it is.
    pub boot: Option<Boot>,
    /// Lines that the adapter inverts: high at the pin while they are asserted.
    pub invert: ModemLines,
    /// A serial driver's ways with the modem lines; by default nothing but a [`PortControl`] moves a line.
    pub driver: Option<SerialDriver>,
    /// Is told what happens.
    pub observer: Option<Observer>,
}

/// A module at a pty, and at the network while somebody is connected there.
#[derive(Debug)]
pub struct Port {
    host: HostSide,
    paced: Paced,
    clock: WallClock,
    alarm: Alarm,
    receiver: HostReceiver,
    outbox: Outbox,
    /// The host takes no bytes for now.
    blocked: bool,
    memories: HeldMemories,
    journal: Journal,
    status: SharedStatus,
    notices: UnboundedSender<Notice>,
    modem: Modem,
    control: PortControl,
    requests: UnboundedReceiver<Request>,
    /// Rates that somebody knows better than termios.
    known_rates: Option<HostRates>,
    /// How the client of the pty frames bytes.
    framing: Framing,
    /// The pty of a cable that was pulled out of the host.
    unplugged: Option<PathBuf>,
}

impl Port {
    /// Puts a module behind a new pty; its time 0 is now. Must be called inside a tokio runtime.
    ///
    /// `watch` tells of clients that come and go; without it one is taken to be there always.
    pub fn new(
        module: Module,
        options: PortOptions,
        watch: Option<&ClientWatch>,
        notices: UnboundedSender<Notice>,
    ) -> Result<Port, ServeError> {
        let host = HostSide::open(watch).map_err(|error| match error {
            HostError::Pty(error) => ServeError::Pty(error),
            HostError::Watch(error) => ServeError::Wait(error),
        })?;
        let clock = WallClock::start();
        let (control, requests) = PortControl::channel();
        let status = SharedStatus::new(host.path().to_owned(), host.rates());
        status.change(|status| status.faults = module.fault_report());
        let first_packet_wait = match options.pace {
            Pace::Wire => FIRST_PACKET_WAIT,
            Pace::None => Nanos::ZERO,
        };
        Ok(Port {
            unplugged: None,
            modem: Modem::new(options.driver, options.wiring, options.boot, options.invert),
            control,
            requests,
            known_rates: None,
            framing: EIGHT_N_ONE,
            status,
            alarm: Alarm::new(clock)?,
            journal: Journal::new(options.recorder, options.observer, &module),
            paced: Paced::new(module, options.pace),
            outbox: Outbox::new(options.latency, first_packet_wait),
            memories: options.memories,
            receiver: HostReceiver::default(),
            blocked: false,
            host,
            clock,
            notices,
        })
    }

    /// What clients open.
    pub fn path(&self) -> &Path {
        self.host.path()
    }

    /// A view of the port that stays good while it is served.
    pub fn status(&self) -> SharedStatus {
        self.status.clone()
    }

    /// A handle that stays good while the port is served.
    pub fn control(&self) -> PortControl {
        self.control.clone()
    }

    /// Serves the module until something fails. Dropping the future is the module losing power.
    pub async fn serve(mut self) -> Result<Infallible, ServeError> {
        self.serve_on().await
    }

    /// Serves the module until something fails. Dropping the future is a pause, in which the module's time goes on.
    pub async fn serve_on(&mut self) -> Result<Infallible, ServeError> {
        let mut rounds = 0;
        loop {
            let progress = self.round()?;
            rounds += 1;
            if rounds >= ROUNDS_AT_A_STRETCH {
                rounds = 0;
                tokio::task::yield_now().await;
            }
            if progress == Progress::Settled {
                self.wait().await?;
            }
        }
    }

    /// The last client has gone for good: what it has written still reaches the module, which does what it was told.
    ///
    /// Module time runs freely meanwhile, up to `limit` of it. Gives the module as it is then.
    pub fn finish(&mut self, limit: Nanos) -> Result<&Module, ServeError> {
        self.ask_for_clients()?;
        // What was jumped over by one round may let the next one read on, or move a pin.
        let mut heard = None;
        while heard != Some(self.status.get().host_bytes) || !self.modem.is_idle() {
            heard = Some(self.status.get().host_bytes);
            self.round()?;
            self.paced.settle(limit);
            self.round()?;
        }
        Ok(self.paced.module())
    }

    /// Everything that can be done now.
    fn round(&mut self) -> Result<Progress, ServeError> {
        let wall = self.clock.now();
        self.look_for_clients()?;
        while let Ok(request) = self.requests.try_recv() {
            self.serve_request(request)?;
        }
        self.hear(wall)?;
        // Behind a change that is made, the next one may be due as soon as what was written between them is read.
        while self.move_pins(wall) {
            self.hear(wall)?;
        }
        let audience = !self.host.is_alone() && !self.blocked && !self.outbox.is_crowded();
        let progress = self.paced.advance(wall, audience);
        // The host must not hear of anything that a kill could undo.
        let module = self.paced.module_mut();
        self.memories.keep(module.flash_mut())?;
        self.memories.keep_fuses(module.otp_mut())?;
        self.collect(wall)?;
        self.deliver(wall)?;
        self.follow_cable(wall)?;
        self.journal.flush()?;
        Ok(progress)
    }

    /// Reads what the client has written, if the module should hear it now.
    fn hear(&mut self, wall: Nanos) -> Result<(), ServeError> {
        let mut sampled = false;
        // What comes behind a change of lines that waits for the line stays where it is.
        while self.modem.due().is_none() && self.paced.hears_host(wall) {
            let bytes = match self.host.hear()? {
                HostHeard::Nothing => {
                    self.modem.drained(self.paced.line_free());
                    break;
                }
                HostHeard::Note(note) => {
                    self.note(note, wall)?;
                    continue;
                }
                HostHeard::Left => {
                    self.start_empty(wall);
                    continue;
                }
                HostHeard::Bytes(bytes) => bytes,
            };
            if !sampled {
                sampled = true;
                // Who has written has opened before, and whoever was there before may have closed: what that does to
                // lines and queues comes first.
                self.ask_for_clients()?;
                self.move_pins(wall);
                self.sample()?;
            }
            self.host.speaks();
            self.take_from_host(wall, &bytes)?;
        }
        Ok(())
    }

    fn take_from_host(&mut self, wall: Nanos, bytes: &[u8]) -> Result<(), ServeError> {
        self.status.change(|status| {
            status.host_bytes += bytes.len() as u64;
            status.opens = self.host.opens();
        });
        let heard = self.reframed(bytes, self.framing, EIGHT_N_ONE);
        let burst = self.paced.host_wrote(wall, self.rates().send_bps, &heard);
        let unread_bytes =
            if self.journal.is_observed() { self.outbox.length() + self.host.unread_bytes()? } else { 0 };
        self.journal.host(&burst, unread_bytes);
        Ok(())
    }

    /// What one end makes of bytes that the other has sent; a client on the network sees to that itself.
    fn reframed<'a>(&self, bytes: &'a [u8], sent: Framing, received: Framing) -> Cow<'a, [u8]> {
        if sent == received || self.host.is_network() {
            Cow::Borrowed(bytes)
        } else {
            Cow::Owned(reframe(bytes, sent, received))
        }
    }

    /// A host has come or gone: nothing of what waits is for the next one.
    fn start_empty(&mut self, wall: Nanos) {
        self.outbox.discard_due(wall);
        self.receiver = HostReceiver::default();
        self.blocked = false;
    }

    /// The client's rates.
    fn rates(&self) -> HostRates {
        self.known_rates.unwrap_or_else(|| self.modem.rates(self.host.rates()))
    }

    fn sample(&mut self) -> Result<(), PtyError> {
        self.host.sample()?;
        let rates = self.rates();
        self.status.change(|status| status.rates = rates);
        Ok(())
    }

    /// Takes what the chip has sent and done.
    fn collect(&mut self, wall: Nanos) -> Result<(), ServeError> {
        let mut sampled = false;
        while let Some((burst, more)) = self.paced.sent() {
            if !sampled {
                sampled = true;
                self.sample()?;
            }
            self.journal.chip(&burst, more);
            let bytes = self.receiver.receive(burst, self.rates().receive_bps, more);
            let bytes = match self.reframed(&bytes, EIGHT_N_ONE, self.framing) {
                Cow::Owned(garbled) => garbled,
                Cow::Borrowed(_) => bytes,
            };
            let lost = self.outbox.push(wall, bytes, more);
            if lost > 0 {
                self.host.overrun();
                if self.status.get().unread_bytes_lost == 0 {
                    let _ = self.notices.send(Notice::Unread { pty: self.host.path().to_owned() });
                }
                self.status.change(|status| status.unread_bytes_lost += lost as u64);
            }
        }
        let mut fired = false;
        while let Some(event) = self.paced.module_mut().next_event() {
            fired |= matches!(event.event, Event::FaultFired { .. });
            self.journal.event(&event);
        }
        if fired {
            self.note_faults();
        }
        Ok(())
    }

    /// Lets others see what became of faults.
    fn note_faults(&self) {
        let report = self.paced.module().fault_report();
        self.status.change(|status| status.faults = report);
    }

    /// A fault has pulled the cable out of the host, or has put it back.
    fn follow_cable(&mut self, wall: Nanos) -> Result<(), ServeError> {
        let plugged = self.paced.module().is_plugged_in();
        match (plugged, self.unplugged.take()) {
            (false, None) => {
                let was = self.host.path().to_owned();
                self.host.hang_up()?;
                self.start_empty(wall);
                let _ = self.notices.send(Notice::Unplugged { pty: was.clone() });
                self.unplugged = Some(was);
            }
            (true, Some(was)) => {
                let pty = self.host.path().to_owned();
                self.status.change(|status| status.pty.clone_from(&pty));
                let _ = self.notices.send(Notice::Replugged { was, pty });
            }
            (_, was) => self.unplugged = was,
        }
        Ok(())
    }

    /// Hands what is due to the client.
    fn deliver(&mut self, wall: Nanos) -> Result<(), ServeError> {
        if self.host.is_alone() {
            // Nobody has the port open: what comes in is lost, as with any serial port.
            self.outbox.discard_due(wall);
            return Ok(());
        }
        self.blocked = false;
        while let Some(bytes) = self.outbox.due(wall) {
            let written = self.host.say(bytes)?;
            if written == 0 {
                self.blocked = true;
                break;
            }
            self.outbox.consume(written);
            self.status.change(|status| status.chip_bytes += written as u64);
        }
        Ok(())
    }

    /// Waits until there is something to do.
    async fn wait(&mut self) -> Result<(), ServeError> {
        let due = if self.blocked { None } else { self.outbox.next_due() };
        let change = self.modem.due().map(|at| self.paced.wall_time(at));
        let deadline = [self.paced.deadline(), due, change].into_iter().flatten().min();
        let wall = self.clock.now();
        if deadline.is_some_and(|deadline| deadline <= wall) {
            return Ok(());
        }
        self.alarm.set(deadline)?;
        let hears_host = self.modem.due().is_none() && self.paced.hears_host(wall);
        tokio::select! {
            biased;
            result = self.host.wait(hears_host, self.blocked) => {
                match result? {
                    Some(access) => self.note_access(access)?,
                    None => self.status.change(|status| status.opens = self.host.opens()),
                }
            }
            Some(request) = self.requests.recv() => self.serve_request(request)?,
            result = self.alarm.rings(), if deadline.is_some() => result?,
        }
        Ok(())
    }
}
