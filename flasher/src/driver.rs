//! Runs a session over a port, blocking.

use bl702_protocol::time::Nanos;

use crate::error::Result;
use crate::event::Event;
use crate::port::{Port, PortError};
use crate::session::{Link, Output, Session};

/// Bytes taken from the port at once: more than the largest answer of the RAM loader.
const READ_BUFFER: usize = 16 * 1024;

/// Runs a flow over a port, which is at rate `baud_bps`, until it ends.
///
/// `on_event` gets every event at once, with the port's time. `stop` is asked between reads, so at least every 50 ms on a serial port; when it
/// says `true` no new command is begun, and the flow soon ends with
/// [`ErrorKind::Interrupted`](crate::error::ErrorKind::Interrupted).
///
/// # Errors
/// The error of the flow; a failed port ends it too.
///
/// ```
/// # #[cfg(feature = "emulated")] {
/// use std::sync::Arc;
/// use bl702_emulator::{module::Module, profile::Profile};
/// use bl702_flasher::connect::ConnectOptions;
/// use bl702_flasher::flow::{After, backup};
/// use bl702_flasher::port::emulated::{EmulatedPort, made_up_loader};
///
/// let module = Module::new(Profile::builtin("xt-zb2").unwrap());
/// let mut port = EmulatedPort::new(module, 500_000);
/// let loader = Some(Arc::new(made_up_loader().unwrap()));
/// let options = Arc::new(ConnectOptions { loader, has_lines: true, ..ConnectOptions::default() });
/// let flow = |link| backup(link, options, None, After::Reset);
/// let read = bl702_flasher::driver::run(&mut port, 500_000, flow, |_, _| {}, || false).unwrap();
/// assert_eq!(read.bytes, vec![0xFF; 1 << 20]);
/// # }
/// ```
pub fn run<T, F, R>(
    port: &mut dyn Port,
    baud_bps: u32,
    flow: F,
    mut on_event: impl FnMut(Nanos, Event),
    mut stop: impl FnMut() -> bool,
) -> Result<T>
where
    F: FnOnce(Link) -> R,
    R: Future<Output = Result<T>> + Send + 'static,
{
    let mut session = Session::new(port.now(), baud_bps, flow);
    let mut buffer = vec![0; READ_BUFFER];
    let mut stopping = false;
    loop {
        let mut failure = None;
        while let Some(output) = session.poll_output() {
            // After a failure the flow still has to be told; what it wanted to do before is moot.
            if failure.is_none() {
                failure = perform(port, output).err();
            }
        }
        while let Some(event) = session.poll_event() {
            on_event(port.now(), event);
        }
        if let Some(result) = session.finished() {
            return result;
        }
        if let Some(error) = failure {
            session.handle_port_error(port.now(), error);
        } else if !stopping && stop() {
            stopping = true;
            session.interrupt(port.now());
        } else {
            let until = session.poll_timeout().unwrap_or(Nanos::ZERO);
            match port.read(&mut buffer, until) {
                Ok(0) => session.handle_timeout(port.now()),
                Ok(count) => session.handle_input(port.now(), &buffer[..count]),
                Err(error) => session.handle_port_error(port.now(), error),
            }
        }
    }
}

fn perform(port: &mut dyn Port, output: Output) -> std::result::Result<(), PortError> {
    match output {
        Output::Write(bytes) => port.write(&bytes),
        Output::SetBaud(baud_bps) => port.set_baud(baud_bps),
        Output::SetLines(lines) => port.set_lines(lines),
        Output::PurgeInput => port.purge_input(),
    }
}
