//! A pty in front of a port that leads to a module somewhere else: all that a client does to the one is done to the other,
//! and written down.

use std::convert::Infallible;
use std::io;
use std::path::Path;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::sync::oneshot;

use super::clients::ClientWatch;
use super::clock::WallClock;
use super::control::{Answer, Control, PortControl, Request};
use super::host::{HostChange, HostError, HostHeard, HostSide};
use super::modem::Modem;
use super::pty::{HostRates, PtyError};
use super::record::{RecordError, Recorder};
use super::remote::{FromRemote, Order, Remote, RemoteError, What};
use super::status::{Notice, SharedStatus};
use super::wiring::ModemLines;
use crate::Nanos;
use crate::line::Burst;

/// Bytes for a client that does not read; what comes beyond is lost, as from a serial driver.
const QUEUE_BYTES: usize = 64 * 1024;

/// Why a proxy ends.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// The pty failed.
    #[error(transparent)]
    Pty(#[from] PtyError),
    /// The module's port failed.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// The recording cannot be written.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// Waiting failed.
    #[error("waiting for the next event failed: {0}")]
    Wait(#[from] io::Error),
}

/// A pty and the port behind it.
#[derive(Debug)]
pub struct Proxy {
    host: HostSide,
    remote: Remote,
    recorder: Recorder,
    clock: WallClock,
    modem: Modem,
    lines: ModemLines,
    /// The port carries modem lines.
    has_lines: bool,
    rates: HostRates,
    control: PortControl,
    requests: UnboundedReceiver<Request>,
    status: SharedStatus,
    notices: UnboundedSender<Notice>,
    /// When the last byte of either side had left, as far as can be told from here.
    sent_at: Nanos,
    heard_at: Nanos,
    /// Bytes of the module that the client has not taken.
    queue: Vec<u8>,
}

impl Proxy {
    /// Puts a pty in front of `remote`. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// [`ProxyError`]
    pub fn new(
        remote: Remote,
        recorder: Recorder,
        clock: WallClock,
        watch: &ClientWatch,
        notices: UnboundedSender<Notice>,
    ) -> Result<Proxy, ProxyError> {
        let host = HostSide::open(Some(watch)).map_err(|error| match error {
            HostError::Pty(error) => ProxyError::Pty(error),
            HostError::Watch(error) => ProxyError::Wait(error),
        })?;
        let (control, requests) = PortControl::channel();
        let status = SharedStatus::new(host.path().to_owned(), host.rates());
        let rates = host.rates();
        let proxy = Proxy {
            host,
            remote,
            recorder,
            clock,
            modem: Modem::new(None, None, None, ModemLines::default()),
            lines: ModemLines::default(),
            has_lines: true,
            rates,
            control,
            requests,
            status,
            notices,
            sent_at: Nanos::ZERO,
            heard_at: Nanos::ZERO,
            queue: Vec::new(),
        };
        // Opening a device has asserted its lines. Nobody has the pty open, so they are released, as behind a closed port.
        proxy.order(What::Lines(ModemLines::default()), None);
        proxy.order(What::Rate(rates.send_bps), None);
        Ok(proxy)
    }

    /// What clients open.
    pub fn path(&self) -> &Path {
        self.host.path()
    }

    /// A handle that stays good while the proxy works.
    pub fn control(&self) -> PortControl {
        self.control.clone()
    }

    /// A view that stays good while the proxy works.
    pub fn status(&self) -> SharedStatus {
        self.status.clone()
    }

    /// Whether the port carries modem lines, as far as was found out.
    pub fn has_lines(&self) -> bool {
        self.has_lines
    }

    /// Works until something fails. Dropping the future is a pause.
    ///
    /// # Errors
    /// [`ProxyError`]
    pub async fn work(&mut self) -> Result<Infallible, ProxyError> {
        loop {
            self.take_accesses()?;
            self.hear()?;
            self.deliver()?;
            self.recorder.flush()?;
            tokio::select! {
                biased;
                Some(request) = self.requests.recv() => self.serve_request(request)?,
                heard = self.remote.heard.recv() => self.hear_remote(heard)?,
                access = self.host.wait(true, !self.queue.is_empty()) => {
                    if let Some(access) = access? {
                        let change = self.host.note(access)?;
                        self.note_change(change);
                    }
                }
            }
        }
    }

    /// The client has ended: what it has written is still sent, and the lines are as behind a closed port.
    ///
    /// # Errors
    /// [`ProxyError`]
    pub async fn finish(&mut self) -> Result<(), ProxyError> {
        self.take_accesses()?;
        self.hear()?;
        let (answer, answered) = oneshot::channel();
        self.order(What::Drain, Some(answer));
        tokio::pin!(answered);
        loop {
            tokio::select! {
                biased;
                heard = self.remote.heard.recv() => self.hear_remote(heard)?,
                // A port that has gone answers nobody.
                _ = &mut answered => break,
            }
        }
        while let Ok(heard) = self.remote.heard.try_recv() {
            self.hear_remote(Some(heard))?;
        }
        Ok(self.recorder.flush()?)
    }

    fn order(&self, what: What, answer: Option<oneshot::Sender<Answer>>) {
        // A port that has gone tells so itself.
        let _ = self.remote.orders.send(Order { what, answer });
    }

    fn take_accesses(&mut self) -> Result<(), ProxyError> {
        self.host.catch_up()?;
        while let Some(access) = self.host.next_access() {
            let change = self.host.note(access)?;
            self.note_change(change);
        }
        Ok(())
    }

    fn note_change(&mut self, change: HostChange) {
        match change {
            // As a serial driver does at the first open and at the last close.
            HostChange::Opened => self.set_lines(ModemLines { dtr: true, rts: true }, None),
            HostChange::Closed { hangs_up: true } => self.set_lines(ModemLines::default(), None),
            HostChange::Closed { hangs_up: false }
            | HostChange::None
            | HostChange::Another { .. }
            | HostChange::Outsider => {}
        }
        self.status.change(|status| status.opens = self.host.opens());
    }

    fn set_lines(&mut self, lines: ModemLines, answer: Option<oneshot::Sender<Answer>>) {
        self.lines = lines;
        if self.has_lines {
            let at = self.clock.now().max(self.sent_at);
            self.recorder.modem_lines(at, lines);
        }
        self.order(What::Lines(lines), answer);
    }

    /// Reads what the client has written.
    fn hear(&mut self) -> Result<(), ProxyError> {
        loop {
            match self.host.hear()? {
                HostHeard::Nothing | HostHeard::Left => return Ok(()),
                HostHeard::Note(note) => {
                    if note.flushed_input {
                        self.queue.clear();
                        self.order(What::PurgeReceived, None);
                    }
                    if note.settings {
                        self.follow_rate()?;
                    }
                }
                HostHeard::Bytes(bytes) => {
                    self.take_accesses()?;
                    self.follow_rate()?;
                    self.host.speaks();
                    self.send(bytes);
                }
            }
        }
    }

    fn follow_rate(&mut self) -> Result<(), ProxyError> {
        self.host.sample()?;
        let rates = self.modem.rates(self.host.rates());
        if rates != self.rates {
            self.rates = rates;
            self.status.change(|status| status.rates = rates);
            // A serial port has one rate.
            self.order(What::Rate(rates.send_bps), None);
        }
        Ok(())
    }

    fn send(&mut self, bytes: Vec<u8>) {
        let start = self.clock.now().max(self.sent_at);
        let burst = Burst { start, baud_bps: self.rates.send_bps, bytes };
        self.sent_at = burst.end();
        self.recorder.host(&burst);
        self.status.change(|status| status.host_bytes += burst.bytes.len() as u64);
        self.order(What::Bytes(burst.bytes), None);
    }

    fn hear_remote(&mut self, heard: Option<FromRemote>) -> Result<(), ProxyError> {
        match heard {
            Some(FromRemote::Bytes(bytes, at)) => {
                let baud_bps = self.rates.receive_bps;
                // Only the end of the bytes can be seen from here; their start follows from the rate.
                let start = (at - Nanos::byte_times(bytes.len() as u64, baud_bps)).max(self.heard_at);
                self.heard_at = at;
                let burst = Burst { start, baud_bps, bytes };
                self.recorder.chip(&burst, false);
                let room = QUEUE_BYTES.saturating_sub(self.queue.len());
                let lost = burst.bytes.len().saturating_sub(room);
                self.queue.extend_from_slice(&burst.bytes[..burst.bytes.len() - lost]);
                if lost > 0 && self.status.get().unread_bytes_lost == 0 {
                    let _ = self.notices.send(Notice::Unread { pty: self.host.path().to_owned() });
                }
                self.status.change(|status| status.unread_bytes_lost += lost as u64);
                self.deliver()
            }
            Some(FromRemote::NoLines) => {
                self.has_lines = false;
                Ok(())
            }
            Some(FromRemote::Gone(error)) => Err(error.into()),
            None => Err(io::Error::from(io::ErrorKind::BrokenPipe).into()),
        }
    }

    /// Hands the client what it takes.
    fn deliver(&mut self) -> Result<(), ProxyError> {
        if self.host.is_alone() {
            self.queue.clear();
        }
        while !self.queue.is_empty() {
            let written = self.host.say(&self.queue)?;
            if written == 0 {
                break;
            }
            self.queue.drain(..written);
            self.status.change(|status| status.chip_bytes += written as u64);
        }
        Ok(())
    }

    fn serve_request(&mut self, request: Request) -> Result<(), ProxyError> {
        self.take_accesses()?;
        // What the client has written before comes before.
        self.hear()?;
        let Request::Control(control, answer) = request else { return Ok(()) };
        let answered = match control {
            Control::Lines(_) | Control::ChangeLines(_) => {
                let lines = match control {
                    Control::ChangeLines(change) => change.apply(self.lines),
                    Control::Lines(lines) => lines,
                    _ => self.lines,
                };
                self.status.change(|status| status.line_changes += 1);
                self.set_lines(lines, Some(answer));
                return Ok(());
            }
            Control::Break => {
                self.order(What::Break, Some(answer));
                return Ok(());
            }
            Control::Drain => {
                self.order(What::Drain, Some(answer));
                return Ok(());
            }
            Control::AskLines => Answer::Lines(self.lines),
            Control::AskUnsent => {
                let line = self.sent_at.since(self.clock.now()).0 as u128;
                let on_line = (line * u128::from(self.rates.send_bps)).div_ceil(10_000_000_000) as u64;
                Answer::Unsent(self.host.unheard_bytes()? as u64 + on_line)
            }
            Control::AskSettings => Answer::Settings(Box::new(self.host.settings()?)),
            Control::ReplaceRate(bps) => {
                self.modem.replace_rate(bps);
                self.follow_rate()?;
                Answer::Done
            }
            // Only 8N1 goes through: no module speaks anything else.
            Control::Framing(_) => Answer::Done,
            Control::Purge { received, .. } => {
                if received {
                    self.queue.clear();
                    self.order(What::PurgeReceived, None);
                }
                Answer::Done
            }
            // Buttons of an emulated module: a real one has none that can be pressed from here.
            Control::Enable { .. }
            | Control::Boot { .. }
            | Control::Power { .. }
            | Control::Rates(_)
            | Control::Arm(_)
            | Control::Status
            | Control::DumpFlash
            | Control::DumpFuses => return Ok(()),
        };
        // Who asked may have gone away in the meantime.
        let _ = answer.send(answered);
        Ok(())
    }
}
