//! One module behind one pty, in real time.

use std::convert::Infallible;
use std::io;
use std::path::Path;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

use super::clients::{Access, Change, ClientWatch, Presence, holders};
use super::clock::{Alarm, WallClock};
use super::control::{Answer, Control, ModuleStatus, Observation, Observer, PortControl, Request};
use super::held_file::{HeldFileError, HeldMemories};
use super::modem::{Modem, SerialDriver};
use super::outbox::{HostReceiver, Outbox};
use super::pace::{Pace, Paced, Progress};
use super::pty::{Heard, HostRates, Note, Pty, PtyError};
use super::record::{RecordError, Recorder};
use super::status::{Notice, SharedStatus};
use crate::Nanos;
use crate::module::Module;
use crate::profile::{Boot, Wiring};

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
    /// A serial driver's ways with the modem lines; by default nothing but a [`Control`] moves a line.
    pub driver: Option<SerialDriver>,
    /// Is told what happens.
    pub observer: Option<Observer>,
}

/// A module at a pty.
#[derive(Debug)]
pub struct Port {
    pty: Pty,
    paced: Paced,
    clock: WallClock,
    alarm: Alarm,
    clients: Option<UnboundedReceiver<Access>>,
    presence: Presence,
    receiver: HostReceiver,
    outbox: Outbox,
    /// The kernel's queue to the client is full.
    blocked: bool,
    memories: HeldMemories,
    recorder: Option<Recorder>,
    status: SharedStatus,
    notices: UnboundedSender<Notice>,
    modem: Modem,
    observer: Option<Observer>,
    control: PortControl,
    requests: UnboundedReceiver<Request>,
    /// Rates that somebody knows better than termios.
    known_rates: Option<HostRates>,
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
        let pty = Pty::open()?;
        let clients = watch.map(|watch| watch.watch(pty.path())).transpose()?;
        let clock = WallClock::start();
        let mut recorder = options.recorder;
        if let Some(recorder) = &mut recorder {
            recorder.pins(module.now(), module.enable_high(), module.boot_high());
        }
        let (control, requests) = PortControl::channel();
        Ok(Port {
            modem: Modem::new(options.driver, options.wiring, options.boot),
            observer: options.observer,
            control,
            requests,
            known_rates: None,
            status: SharedStatus::new(pty.path().to_owned(), pty.rates()),
            alarm: Alarm::new(clock)?,
            paced: Paced::new(module, options.pace),
            outbox: Outbox::new(options.latency),
            memories: options.memories,
            presence: Presence::default(),
            receiver: HostReceiver::default(),
            blocked: false,
            pty,
            clock,
            clients,
            recorder,
            notices,
        })
    }

    /// What clients open.
    pub fn path(&self) -> &Path {
        self.pty.path()
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
            self.control_port(request)?;
        }
        self.hear(wall)?;
        self.move_pins(wall);
        let audience = !self.is_alone() && !self.blocked && !self.outbox.is_crowded();
        let progress = self.paced.advance(wall, audience);
        // The host must not hear of anything that a kill could undo.
        let module = self.paced.module_mut();
        self.memories.keep(module.flash_mut())?;
        self.memories.keep_fuses(module.otp_mut())?;
        self.collect(wall)?;
        self.deliver(wall)?;
        if let Some(recorder) = &mut self.recorder {
            recorder.flush()?;
        }
        Ok(progress)
    }

    /// Takes the opens and closes that have been reported.
    fn look_for_clients(&mut self) -> Result<(), ServeError> {
        while let Some(access) = self.clients.as_mut().and_then(|clients| clients.try_recv().ok()) {
            self.note_access(access)?;
        }
        Ok(())
    }

    /// Takes the opens and closes that have happened, where the modem lines depend on them.
    fn ask_for_clients(&mut self) -> Result<(), ServeError> {
        if let Some(watch) = self.modem.watch() {
            watch.dispatch()?;
            self.look_for_clients()?;
        }
        Ok(())
    }

    /// Reads what the client has written, if the module should hear it now.
    fn hear(&mut self, wall: Nanos) -> Result<(), ServeError> {
        let mut sampled = false;
        // What comes behind a change of lines that waits for the line stays where it is.
        while self.modem.due().is_none() && self.paced.hears_host(wall) {
            let bytes = match self.pty.hear()? {
                Heard::Nothing => {
                    self.modem.drained(self.paced.line_free());
                    break;
                }
                Heard::Note(note) => {
                    self.note(note, wall)?;
                    continue;
                }
                Heard::Bytes(bytes) => bytes.to_vec(),
            };
            if !sampled {
                sampled = true;
                if self.presence.is_absent() {
                    self.ask_for_clients()?;
                    self.move_pins(wall);
                }
                self.sample()?;
            }
            self.presence.speaks();
            self.take_from_host(wall, &bytes)?;
        }
        Ok(())
    }

    fn take_from_host(&mut self, wall: Nanos, bytes: &[u8]) -> Result<(), ServeError> {
        self.status.change(|status| status.host_bytes += bytes.len() as u64);
        let burst = self.paced.host_wrote(wall, self.rates().send_bps, bytes);
        if let Some(recorder) = &mut self.recorder {
            recorder.host(&burst);
        }
        if let Some(observer) = &mut self.observer {
            let unread_bytes = self.outbox.length() + self.pty.unread_bytes()?;
            observer.observe(Observation::Host { burst: &burst, unread_bytes });
        }
        Ok(())
    }

    /// The client's rates.
    fn rates(&self) -> HostRates {
        self.known_rates.unwrap_or_else(|| self.modem.rates(self.pty.rates()))
    }

    /// Does what somebody asks of the module, behind all that the client has written before.
    fn control_port(&mut self, (control, answer): Request) -> Result<(), ServeError> {
        let wall = self.clock.now();
        self.ask_for_clients()?;
        self.paced.advance(wall, false);
        self.hear(wall)?;
        let answered = match control {
            Control::Lines(_)
            | Control::ChangeLines(_)
            | Control::Enable { .. }
            | Control::Boot { .. }
            | Control::Power { .. }
            | Control::Break => {
                self.modem.ask(control, answer);
                return Ok(());
            }
            Control::AskLines => Answer::Lines(self.modem.lines()),
            Control::Rates(rates) => {
                self.known_rates = rates;
                self.sample()?;
                Answer::Done
            }
            Control::ReplaceRate(bps) => {
                self.modem.replace_rate(bps);
                self.sample()?;
                Answer::Done
            }
            Control::Status => Answer::Status(Box::new(ModuleStatus::of(self.paced.module()))),
            Control::DumpFlash => Answer::Bytes(self.paced.module().flash().dump()),
            Control::DumpFuses => Answer::Bytes(self.paced.module().otp().fuses().to_vec()),
        };
        // Who asked may have gone away in the meantime.
        let _ = answer.send(answered);
        Ok(())
    }

    /// Does what was asked of lines and pins, as far as its time has come.
    fn move_pins(&mut self, wall: Nanos) {
        while let Some((control, answer)) = self.modem.next(self.paced.module_time(wall)) {
            match control {
                Control::Lines(lines) => {
                    let drive = self.modem.drive(lines);
                    self.set_pins(wall, drive.enable_high, drive.boot_high);
                }
                Control::Enable { high } => self.set_pins(wall, Some(high), None),
                Control::Boot { high } => self.set_pins(wall, None, Some(high)),
                Control::Power { on } => {
                    let at = self.paced.module_time(wall);
                    self.paced.module_mut().set_power(at, on);
                }
                Control::Break => self.take_break(wall),
                // Nothing else is queued.
                _ => {}
            }
            if let Some(answer) = answer {
                // Who asked may have gone away in the meantime.
                let _ = answer.send(Answer::Done);
            }
        }
    }

    /// A low level for longer than a byte. Assumed, as in [`crate::uart::resample`]: the chip's UART takes it for one 00h.
    fn take_break(&mut self, wall: Nanos) {
        let burst = self.paced.host_wrote(wall, self.rates().send_bps, &[0]);
        if let Some(recorder) = &mut self.recorder {
            recorder.host(&burst);
        }
    }

    fn set_pins(&mut self, wall: Nanos, enable: Option<bool>, boot: Option<bool>) {
        let at = self.paced.module_time(wall);
        let module = self.paced.module_mut();
        let before = (module.enable_high(), module.boot_high());
        // BOOT first: the edge of EN that comes with it must find the strap in place.
        if let Some(high) = boot {
            module.set_boot(at, high);
        }
        if let Some(high) = enable {
            module.set_enable(at, high);
        }
        let (at, enable_high, boot_high) = (module.now(), module.enable_high(), module.boot_high());
        if (enable_high, boot_high) == before {
            return;
        }
        if let Some(recorder) = &mut self.recorder {
            recorder.pins(at, enable_high, boot_high);
        }
        if let Some(observer) = &mut self.observer {
            observer.observe(Observation::Pins { at, enable_high, boot_high });
        }
    }

    fn sample(&mut self) -> Result<(), PtyError> {
        self.pty.sample()?;
        let rates = self.rates();
        self.status.change(|status| status.rates = rates);
        Ok(())
    }

    fn note(&mut self, note: Note, wall: Nanos) -> Result<(), PtyError> {
        if note.flushed_input {
            // The kernel has emptied its queue; what waits here had come to the port as well.
            self.outbox.discard_due(wall);
            self.blocked = false;
            self.status.change(|status| status.input_flushes += 1);
        }
        if note.settings {
            self.sample()?;
        }
        Ok(())
    }

    fn note_access(&mut self, access: Access) -> Result<(), PtyError> {
        match self.presence.note(access) {
            Change::None => {}
            // A port starts empty, also for a client that comes before the last one's close was seen.
            Change::First => {
                self.pty.forget_client()?;
                self.modem.opened();
            }
            Change::Last => {
                self.modem.closed(self.pty.hangs_up()?);
                self.pty.forget_client()?;
                self.blocked = false;
            }
            Change::Another { opens } => {
                self.status.change(|status| status.second_clients += 1);
                let (pty, notices) = (self.pty.path().to_owned(), self.notices.clone());
                tokio::task::spawn_blocking(move || {
                    let holders = holders(&pty);
                    // Nobody may be listening any more.
                    let _ = notices.send(Notice::SecondClient { pty, opens, holders });
                });
            }
        }
        self.status.change(|status| status.opens = self.presence.opens());
        Ok(())
    }

    fn is_alone(&self) -> bool {
        self.clients.is_some() && self.presence.is_absent()
    }

    /// Takes what the chip has sent and done.
    fn collect(&mut self, wall: Nanos) -> Result<(), ServeError> {
        let mut sampled = false;
        while let Some((burst, more)) = self.paced.sent() {
            if !sampled {
                sampled = true;
                self.sample()?;
            }
            if let Some(recorder) = &mut self.recorder {
                recorder.chip(&burst, more);
            }
            if let Some(observer) = &mut self.observer {
                observer.observe(Observation::Chip { burst: &burst });
            }
            let bytes = self.receiver.receive(burst, self.rates().receive_bps, more);
            let lost = self.outbox.push(wall, bytes);
            if lost > 0 {
                if self.status.get().unread_bytes_lost == 0 {
                    let _ = self.notices.send(Notice::Unread { pty: self.pty.path().to_owned() });
                }
                self.status.change(|status| status.unread_bytes_lost += lost as u64);
            }
        }
        while let Some(event) = self.paced.module_mut().next_event() {
            if let Some(recorder) = &mut self.recorder {
                recorder.event(&event);
            }
            if let Some(observer) = &mut self.observer {
                observer.observe(Observation::Event(&event));
            }
        }
        Ok(())
    }

    /// Hands what is due to the client.
    fn deliver(&mut self, wall: Nanos) -> Result<(), ServeError> {
        if self.is_alone() {
            // Nobody has the port open: what comes in is lost, as with any serial port.
            self.outbox.discard_due(wall);
            return Ok(());
        }
        self.blocked = false;
        while let Some(bytes) = self.outbox.due(wall) {
            let written = self.pty.say(bytes)?;
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
            access = next_access(&mut self.clients) => self.note_access(access)?,
            Some(request) = self.requests.recv() => self.control_port(request)?,
            result = self.pty.readable(), if hears_host => result?,
            result = self.pty.writable(), if self.blocked => result?,
            result = self.alarm.rings(), if deadline.is_some() => result?,
        }
        Ok(())
    }
}

/// The next open or close; for ever away when nobody watches.
async fn next_access(clients: &mut Option<UnboundedReceiver<Access>>) -> Access {
    if let Some(receiver) = clients {
        if let Some(access) = receiver.recv().await {
            return access;
        }
        // The watch has ended: from now on somebody is taken to be there.
        *clients = None;
    }
    std::future::pending().await
}
