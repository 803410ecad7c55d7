//! Answers the client's calls on our port: asks the served module where it must, and keeps what is the driver's own.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::sync::oneshot;

use super::memory;
use super::request::{Request, TIOCSER_TEMT, bits_of, counters};
use super::seccomp::Listener;
use super::serial_struct::SerialSettings;
use super::settings::{Form, Settings};
use super::supervisor::{Call, Seen};
use crate::Nanos;
use crate::transport::clock::{Alarm, WallClock};
use crate::transport::control::{Answer, Control, PortControl, PortGone};
use crate::transport::status::{Notice, SharedStatus};

/// The answering side. Runs beside the port, on the same thread.
#[derive(Debug)]
pub(super) struct Answers {
    listener: Arc<Listener>,
    control: PortControl,
    status: SharedStatus,
    hidden: Rc<Hidden>,
    /// What the driver keeps beyond termios.
    driver_settings: SerialSettings,
    /// What the pty does not keep of termios.
    settings: Settings,
    /// A client has begun a break and not ended it.
    in_break: bool,
    /// Calls that wait for an input line to change. None ever does, so they end with the port or by a signal.
    parked: Vec<u64>,
}

impl Answers {
    pub(super) fn new(
        listener: Arc<Listener>,
        control: PortControl,
        status: SharedStatus,
        notices: UnboundedSender<Notice>,
    ) -> Answers {
        Answers {
            listener,
            control,
            status,
            hidden: Rc::new(Hidden { notices, told: Cell::new(false) }),
            driver_settings: SerialSettings::default(),
            settings: Settings::default(),
            in_break: false,
            parked: Vec::new(),
        }
    }

    /// Answers calls until no more can come. Must run in a `LocalSet`: slow answers become tasks of their own, so that
    /// one thread's call does not wait for another's.
    pub(super) async fn run(mut self, mut seen: UnboundedReceiver<Seen>) {
        while let Some(seen) = seen.recv().await {
            match seen {
                Seen::Call(call) => self.take(call),
                Seen::Hidden { thread, error } => self.hidden.tell(thread, &error),
            }
        }
    }

    fn take(&mut self, call: Call) {
        match call.request {
            Request::GetLines => {
                let caller = self.caller(&call);
                self.then(Control::AskLines, call.id, move |answer| match answer {
                    Answer::Lines(lines) => caller.give(&bits_of(lines).to_le_bytes()),
                    _ => Err(libc::EIO),
                });
            }
            Request::ChangeLines(change) => {
                let mut bits = [0; 4];
                match self.caller(&call).take(&mut bits) {
                    Ok(()) => {
                        let change = change.with(u32::from_le_bytes(bits));
                        self.then(Control::ChangeLines(change), call.id, |_| Ok(()));
                    }
                    Err(errno) => self.listener.answer(call.id, Err(errno)),
                }
            }
            Request::AwaitChange => {
                // Those that were interrupted, and perhaps begun again, are no longer there.
                self.parked.retain(|id| self.listener.waits(*id));
                self.parked.push(call.id);
            }
            Request::GetCounters => {
                let status = self.status.get();
                let bytes = counters(status.chip_bytes, status.host_bytes, status.unread_bytes_lost);
                self.listener.answer(call.id, self.caller(&call).give(&bytes));
            }
            Request::GetSerial => {
                let bytes = self.driver_settings.encode(call.layout);
                self.listener.answer(call.id, self.caller(&call).give(&bytes));
            }
            Request::SetSerial => self.set_serial(&call),
            Request::SendBreak { duration_ms } => self.send_break(call.id, duration_ms),
            Request::BeginBreak => {
                self.in_break = true;
                self.listener.answer(call.id, Ok(()));
            }
            Request::EndBreak if std::mem::take(&mut self.in_break) => {
                self.then(Control::Break, call.id, |_| Ok(()));
            }
            Request::EndBreak => self.listener.answer(call.id, Ok(())),
            Request::Drain => self.then(Control::Drain, call.id, |_| Ok(())),
            Request::GetSettings(form) => {
                let (caller, settings) = (self.caller(&call), self.settings);
                self.then(Control::AskSettings, call.id, move |answer| match answer {
                    Answer::Settings(of_pty) => caller.give(&settings.show(&of_pty, form)),
                    _ => Err(libc::EIO),
                });
            }
            Request::SetSettings { form, drains } => self.set_settings(&call, form, drains),
            Request::CountUnsent => self.count_unsent(&call, |unsent| unsent),
            Request::GetTransmitterState => {
                self.count_unsent(&call, |unsent| if unsent == 0 { TIOCSER_TEMT } else { 0 });
            }
        }
    }

    fn set_serial(&mut self, call: &Call) {
        let mut bytes = vec![0; call.layout.bytes()];
        match self.caller(call).take(&mut bytes) {
            Ok(()) => {
                self.driver_settings.take(&bytes);
                let rate = Control::ReplaceRate(self.driver_settings.replaced_rate_bps());
                self.then(rate, call.id, |_| Ok(()));
            }
            Err(errno) => self.listener.answer(call.id, Err(errno)),
        }
    }

    /// Remembers what the pty will not keep, and lets the kernel do the rest.
    fn set_settings(&mut self, call: &Call, form: Form, drains: bool) {
        let mut bytes = vec![0; form.bytes()];
        if self.caller(call).take(&mut bytes).is_err() {
            // The kernel finds the same fault.
            return self.listener.pass(call.id);
        }
        let framing = self.settings.take(form, &bytes);
        let (listener, control, id) = (self.listener.clone(), self.control.clone(), call.id);
        let drained = drains.then(|| self.control.begin(Control::Drain));
        tokio::task::spawn_local(async move {
            // A port that has gone keeps nobody waiting.
            if let Some(drained) = drained {
                let _ = answered(drained).await;
            }
            let _ = answered(control.begin(Control::Framing(framing))).await;
            listener.pass(id);
        });
    }

    /// Tells something that follows from the count of bytes that are not on the line yet.
    fn count_unsent(&self, call: &Call, word: impl FnOnce(u32) -> u32 + 'static) {
        let caller = self.caller(call);
        self.then(Control::AskUnsent, call.id, move |answer| match answer {
            Answer::Unsent(bytes) => {
                caller.give(&word(u32::try_from(bytes).unwrap_or(u32::MAX)).to_le_bytes())
            }
            _ => Err(libc::EIO),
        });
    }

    fn send_break(&self, id: u64, duration_ms: u64) {
        let (listener, broken) = (self.listener.clone(), self.control.begin(Control::Break));
        tokio::task::spawn_local(async move {
            let outcome = match answered(broken).await {
                Ok(_) => wait(Nanos::from_millis(duration_ms)).await.map_err(|_| libc::EIO),
                Err(errno) => Err(errno),
            };
            listener.answer(id, outcome);
        });
    }

    /// Asks the port, in the order of the calls, and answers when it has answered.
    fn then(&self, control: Control, id: u64, finish: impl FnOnce(Answer) -> Result<(), i32> + 'static) {
        let (listener, pending) = (self.listener.clone(), self.control.begin(control));
        tokio::task::spawn_local(async move {
            listener.answer(id, answered(pending).await.and_then(finish));
        });
    }

    fn caller(&self, call: &Call) -> Rc<Caller> {
        Rc::new(Caller { listener: self.listener.clone(), hidden: self.hidden.clone(), call: *call })
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        // As a driver says whose device has gone.
        for id in &self.parked {
            self.listener.answer(*id, Err(libc::EIO));
        }
    }
}

async fn answered(pending: Result<oneshot::Receiver<Answer>, PortGone>) -> Result<Answer, i32> {
    pending.map_err(|_| libc::EIO)?.await.map_err(|_| libc::EIO)
}

async fn wait(duration: Nanos) -> io::Result<()> {
    let clock = WallClock::start();
    let mut alarm = Alarm::new(clock)?;
    alarm.set(Some(duration))?;
    alarm.rings().await
}

/// Tells once that a client cannot be looked at.
#[derive(Debug)]
struct Hidden {
    notices: UnboundedSender<Notice>,
    told: Cell<bool>,
}

impl Hidden {
    fn tell(&self, thread: i32, error: &io::Error) {
        if !self.told.replace(true) {
            let name = std::fs::read_to_string(format!("/proc/{thread}/comm")).unwrap_or_default();
            let (thread, name, error) = (thread as u32, name.trim_end().to_owned(), error.to_string());
            // Nobody may be listening any more.
            let _ = self.notices.send(Notice::Hidden { thread, name, error });
        }
    }
}

/// The thread that waits for an answer, and where its argument lies.
#[derive(Debug)]
struct Caller {
    listener: Arc<Listener>,
    hidden: Rc<Hidden>,
    call: Call,
}

impl Caller {
    /// Reads what the argument points to.
    fn take(&self, bytes: &mut [u8]) -> Result<(), i32> {
        memory::read(self.call.thread, self.call.argument, bytes).map_err(|error| self.errno_of(&error))?;
        // Only now it is sure that this was read from the caller and not from a later process of the same number.
        if self.listener.waits(self.call.id) { Ok(()) } else { Err(libc::EINTR) }
    }

    /// Writes to where the argument points.
    fn give(&self, bytes: &[u8]) -> Result<(), i32> {
        if !self.listener.waits(self.call.id) {
            return Err(libc::EINTR);
        }
        memory::write(self.call.thread, self.call.argument, bytes).map_err(|error| self.errno_of(&error))
    }

    fn errno_of(&self, error: &io::Error) -> i32 {
        if matches!(error.raw_os_error(), Some(libc::EPERM | libc::ENOSYS)) {
            self.hidden.tell(self.call.thread, error);
        }
        error.raw_os_error().unwrap_or(libc::EFAULT)
    }
}
