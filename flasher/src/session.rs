//! The sans-IO host: a flow, polled by hand, with its queues of input, output and events.

mod link;
mod state;

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use bl702_protocol::time::Nanos;

use crate::error::{Error, FlashState, Halt};
use crate::event::Event;
use crate::port::PortError;
use crate::reset::Lines;

pub use link::{Link, LinkError};
use state::Shared;

/// What the driver must do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send these bytes, as one write.
    Write(Vec<u8>),
    /// Change the rate of the port. All bytes written before have had the time to leave the wire.
    SetBaud(u32),
    /// Set both modem lines. Only comes when the session was told that there are lines.
    SetLines(Lines),
    /// Throw away what the port has received and not yet handed over.
    PurgeInput,
}

type Flow<T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send>>;

/// One run of a flow against a module.
///
/// # Contract of polling
/// 1. After [`new`](Self::new) and after every `handle_*` call: call [`poll_output`](Self::poll_output) until it gives
///    `None` and do each thing in its order; call [`poll_event`](Self::poll_event) until it gives `None`.
/// 2. If [`finished`](Self::finished) gives a result, stop.
/// 3. Otherwise wait until bytes come or until [`poll_timeout`](Self::poll_timeout), whichever is first, and call
///    [`handle_input`](Self::handle_input) or [`handle_timeout`](Self::handle_timeout).
///
/// # In an async program
/// Any runtime will do; this is a driver for tokio over anything that reads and writes bytes. The flow here is a small one of
/// one's own; those of [`flow`](crate::flow) run the same way. A port that has rates and lines sets them where the comment says so.
///
/// ```
/// use bl702_flasher::Nanos;
/// use bl702_flasher::error::{Error, ErrorKind};
/// use bl702_flasher::session::{Link, Output, Session};
/// use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
/// use tokio::time::{Duration, Instant, sleep_until};
///
/// async fn drive<T>(
///     mut session: Session<T>,
///     began: Instant,
///     port: &mut (impl AsyncRead + AsyncWrite + Unpin),
/// ) -> Result<T, Error> {
///     let mut buffer = [0; 16 * 1024];
///     loop {
///         while let Some(output) = session.poll_output() {
///             match output {
///                 Output::Write(bytes) => port.write_all(&bytes).await.expect("a port of one's own reports its errors"),
///                 // Here the port sets its rate or lines, or forgets what it has received.
///                 Output::SetBaud(_) | Output::SetLines(_) | Output::PurgeInput => {}
///             }
///         }
///         while let Some(_event) = session.poll_event() {}
///         if let Some(result) = session.finished() {
///             return result;
///         }
///         let wake = session.poll_timeout().map_or(Duration::ZERO, Duration::from);
///         tokio::select! {
///             read = port.read(&mut buffer) => {
///                 let count = read.expect("a port of one's own reports its errors");
///                 session.handle_input(began.elapsed().into(), &buffer[..count]);
///             }
///             () = sleep_until(began + wake) => session.handle_timeout(began.elapsed().into()),
///         }
///     }
/// }
///
/// async fn say_hello(link: Link) -> Result<Vec<u8>, Error> {
///     link.write(b"hello".to_vec());
///     let deadline = link.now() + Nanos::from_secs(5);
///     Ok(link.read_some(16, deadline).await.map_err(ErrorKind::from)?)
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let (mut port, mut other_end) = tokio::io::duplex(64);
/// let session = Session::new(Nanos::ZERO, 500_000, say_hello);
/// let answer = async {
///     let mut heard = [0; 5];
///     other_end.read_exact(&mut heard).await.unwrap();
///     other_end.write_all(&heard).await.unwrap();
/// };
/// let (said, ()) = tokio::join!(drive(session, Instant::now(), &mut port), answer);
/// assert_eq!(said.unwrap(), b"hello");
/// # });
/// ```
///
/// Times are those of any clock that does not go back; they need not start at zero. Nothing happens between calls, so
/// a driver that calls late makes waits longer, never shorter.
pub struct Session<T> {
    flow: Option<Flow<T>>,
    shared: Arc<Mutex<Shared>>,
    result: Option<Result<T, Error>>,
}

impl<T> Session<T> {
    /// Starts a flow at time `now`, with the port at rate `baud_bps`. It runs up to its first wait at once.
    pub fn new<F, R>(now: Nanos, baud_bps: u32, flow: F) -> Session<T>
    where
        F: FnOnce(Link) -> R,
        R: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let shared = Arc::new(Mutex::new(Shared::new(now, baud_bps)));
        let flow: Flow<T> = Box::pin(flow(Link::new(Arc::clone(&shared))));
        let mut session = Session { flow: Some(flow), shared, result: None };
        session.run();
        session
    }

    /// Bytes that were received up to `now`, in order. Any number of them; an empty slice only moves the clock.
    pub fn handle_input(&mut self, now: Nanos, bytes: &[u8]) {
        self.with(|shared| {
            shared.advance(now);
            shared.input.extend(bytes);
        });
        self.run();
    }

    /// Nothing was received until `now`. Calling it before [`poll_timeout`](Self::poll_timeout) is harmless.
    pub fn handle_timeout(&mut self, now: Nanos) {
        self.with(|shared| shared.advance(now));
        self.run();
    }

    /// The port failed: the flow ends with this error, at once. Only a rate that the port refuses may be one of several that
    /// the flow tries; then it goes on at another.
    pub fn handle_port_error(&mut self, now: Nanos, error: PortError) {
        let tried = matches!(error, PortError::BaudRefused { .. }) && self.with(|shared| shared.trying_baud);
        if tried {
            self.with(|shared| {
                shared.advance(now);
                shared.baud_refused = Some(error.to_string());
            });
            return self.run();
        }
        self.halt(now, Halt::Port(error));
    }

    /// A person wants the run to end: no new command is begun. The answer to one that is under way is waited for, for
    /// 5 s at most, so that the module can be restarted in step; then the flow ends with an error that tells the state of
    /// flash and module. To be called once; polling goes on as before.
    pub fn interrupt(&mut self, now: Nanos) {
        self.halt(now, Halt::Interrupted);
    }

    /// The next thing to do, in order; `None` when there is nothing more before the next `handle_*` call.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.with(|shared| shared.outputs.pop_front())
    }

    /// The next event, in order; `None` when there are no more before the next `handle_*` call.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.with(|shared| shared.events.pop_front())
    }

    /// When [`handle_timeout`](Self::handle_timeout) must be called at the latest. `None` only when finished: every
    /// wait of a flow has an end.
    pub fn poll_timeout(&self) -> Option<Nanos> {
        self.flow.as_ref()?;
        self.with_ref(|shared| shared.wake_at)
    }

    /// The result, once, when the flow has ended. Outputs and events that were queued before stay available.
    pub fn finished(&mut self) -> Option<Result<T, Error>> {
        self.result.take()
    }

    /// What the run has done to the flash so far.
    pub fn flash_state(&self) -> FlashState {
        self.with_ref(|shared| shared.flash.clone())
    }

    fn halt(&mut self, now: Nanos, halt: Halt) {
        self.with(|shared| {
            shared.advance(now);
            shared.halt(halt);
        });
        self.run();
    }

    fn run(&mut self) {
        let Some(flow) = self.flow.as_mut() else { return };
        let mut context = Context::from_waker(Waker::noop());
        if let Poll::Ready(result) = flow.as_mut().poll(&mut context) {
            self.flow = None;
            let result = result.map_err(|error| self.with(|shared| shared.complete(error)));
            self.result = Some(result);
        }
    }

    fn with<R>(&mut self, f: impl FnOnce(&mut Shared) -> R) -> R {
        self.with_ref(f)
    }

    fn with_ref<R>(&self, f: impl FnOnce(&mut Shared) -> R) -> R {
        f(&mut self.shared.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

impl<T> std::fmt::Debug for Session<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("running", &self.flow.is_some()).finish_non_exhaustive()
    }
}
