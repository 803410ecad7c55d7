//! A host below the flasher: it sends bytes and listens, and knows nothing of commands.

use bl702_flasher::port::{Port, PortError};
use bl702_protocol::time::Nanos;

/// How long the first byte of an answer may take. Less than the 0.9 s after which a session of the boot ROM might be
/// over (ROM reference 1.10), so that silence can be waited for without losing the session.
pub const FIRST_BYTE: Nanos = Nanos::from_millis(700);
/// How long the line is quiet after an answer.
const QUIET: Nanos = Nanos::from_millis(50);
/// How long the module may be busy after `PD`: one erase unit at its worst (2 s, ROM reference 4), or one second of a
/// chip erase.
const PENDING: Nanos = Nanos::from_millis(2_500);
/// No answer lasts longer.
const LONGEST: Nanos = Nanos::from_secs(120);

/// Sends bytes at the port's rate `baud_bps` and waits until the last has left the wire.
///
/// Gives what came meanwhile.
///
/// # Errors
/// [`PortError`]
pub fn send(port: &mut dyn Port, baud_bps: u32, bytes: &[u8]) -> Result<Vec<u8>, PortError> {
    let sent_at = port.now() + Nanos::byte_times(bytes.len() as u64, baud_bps);
    port.write(bytes)?;
    listen_until(port, sent_at)
}

/// Sends bytes and gives what the module answers, until it is quiet; it may take `first` to begin.
///
/// # Errors
/// [`PortError`]
pub fn ask(port: &mut dyn Port, baud_bps: u32, bytes: &[u8], first: Nanos) -> Result<Vec<u8>, PortError> {
    let mut answer = send(port, baud_bps, bytes)?;
    let end = port.now() + LONGEST;
    loop {
        let patience = if answer.is_empty() {
            first
        } else if answer.ends_with(b"PD") {
            PENDING
        } else {
            QUIET
        };
        let until = (port.now() + patience).min(end);
        let heard = listen_some(port, until)?;
        if heard.is_empty() {
            return Ok(answer);
        }
        answer.extend(heard);
    }
}

/// Listens for a span of time; gives what came.
///
/// # Errors
/// [`PortError`]
pub fn listen(port: &mut dyn Port, span: Nanos) -> Result<Vec<u8>, PortError> {
    let until = port.now() + span;
    listen_until(port, until)
}

fn listen_until(port: &mut dyn Port, until: Nanos) -> Result<Vec<u8>, PortError> {
    let mut heard = Vec::new();
    while port.now() < until {
        heard.extend(listen_some(port, until)?);
    }
    Ok(heard)
}

/// What comes first, or nothing until then.
fn listen_some(port: &mut dyn Port, until: Nanos) -> Result<Vec<u8>, PortError> {
    let mut buffer = [0; 4096];
    loop {
        let count = port.read(&mut buffer, until)?;
        if count > 0 || port.now() >= until {
            return Ok(buffer[..count].to_vec());
        }
    }
}
