//! Listening to what a module says.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bl702_protocol::time::Nanos;

use super::legible::{self, Legible};
use crate::connect::{ConnectOptions, run_steps};
use crate::error::{Error, ErrorKind, Result};
use crate::event::Event;
use crate::session::{Link, LinkError};

/// How often keys are looked for, where there is a keyboard.
const KEYS: Nanos = Nanos::from_millis(20);
/// How long a wait is otherwise, before it is begun again.
const SLICE: Nanos = Nanos::from_secs(1);
/// A line that is longer than this is looked at as it is.
const LONGEST_LINE: usize = 64 * 1024;

/// Bytes to be sent to the module, which somebody else fills in while it is listened to.
///
/// They never hold a zero. Should the boot ROM listen instead of a firmware, it takes typed bytes for commands; but one that
/// burns fuses (40h, 80h) needs an address below 80h, which has three bytes of zero.
#[derive(Clone, Debug, Default)]
pub struct Keys(Arc<Mutex<VecDeque<u8>>>);

impl Keys {
    /// Adds bytes; zeros are left out.
    pub fn press(&self, bytes: &[u8]) {
        let bytes = bytes.iter().filter(|byte| **byte != 0);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(bytes);
    }

    fn take(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect()
    }
}

/// What is waited for: called with each line, and with the beginning of one as it grows.
pub struct Until(Box<dyn FnMut(&str) -> bool + Send>);

impl Until {
    /// From a question about a line.
    pub fn new(is_it: impl FnMut(&str) -> bool + Send + 'static) -> Until {
        Until(Box::new(is_it))
    }
}

impl fmt::Debug for Until {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Until")
    }
}

/// How to listen.
#[derive(Debug, Default)]
pub struct Listening {
    /// Rate of the firmware; 2,000,000 for the stock one.
    pub baud_bps: u32,
    /// Whether the module is restarted into its firmware first.
    pub reset: bool,
    /// When to stop.
    pub timeout: Option<Nanos>,
    /// Stop when nothing has come for so long.
    pub quiet: Option<Nanos>,
    /// Stop when this has come.
    pub until: Option<Until>,
    /// What is sent meanwhile.
    pub keys: Option<Keys>,
}

/// Why listening ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// What was waited for came, in this line.
    Found(String),
    /// The time was over.
    TimedOut,
    /// Nothing came any more.
    Quiet,
    /// A person wanted it.
    Interrupted,
}

/// What was heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Why it ended.
    pub stopped: Stopped,
    /// Bytes that came.
    pub bytes: u64,
    /// How long was listened.
    pub span: Nanos,
}

/// Listens; what comes is handed out as [`Event::Heard`] at once. Where lines drive EN the module is restarted first, with
/// BOOT low, so that its firmware runs.
///
/// # Errors
/// Only those of the port: that nothing comes, or not what was waited for, is a result.
pub async fn monitor(link: Link, options: Arc<ConnectOptions>, listening: Listening) -> Result<Heard> {
    listen(&link, &options, listening).await
}

pub(super) async fn listen(link: &Link, options: &ConnectOptions, mut listening: Listening) -> Result<Heard> {
    link.set_baud(listening.baud_bps).await.map_err(ErrorKind::from)?;
    let mut steps = options.resets().into_firmware();
    if listening.reset && options.can_reset() && !steps.is_empty() {
        link.emit(Event::ResetByLines);
        link.purge();
        // What comes while the last step waits is kept: the module is listened to from its first byte on.
        if let Some(last) = steps.last_mut() {
            last.wait = Nanos::ZERO;
        }
        run_steps(link, &steps).await?;
        link.note_restarted();
    } else if listening.reset {
        link.emit(Event::NoLines);
    }
    let start = link.now();
    let (mut last, mut bytes, mut line) = (start, 0, Vec::new());
    let mut legible = Legible::default();
    loop {
        let ended = |stopped| {
            warn_of_rate(link, &mut legible.clone(), true);
            Heard { stopped, bytes, span: link.now().since(start) }
        };
        let end = listening.timeout.map_or(Nanos::MAX, |timeout| start + timeout);
        let quiet = listening.quiet.map_or(Nanos::MAX, |quiet| last + quiet);
        if let Some(keys) = &listening.keys {
            let pressed = keys.take();
            if !pressed.is_empty() {
                link.write(pressed);
            }
        }
        let slice = link.now() + if listening.keys.is_some() { KEYS } else { SLICE };
        match link.read_some(usize::MAX, slice.min(end).min(quiet)).await {
            Ok(came) => {
                bytes += came.len() as u64;
                last = link.now();
                legible.take(&came);
                let found = listening.until.as_mut().and_then(|until| look(&mut line, &came, until));
                link.emit(Event::Heard { bytes: came });
                if let Some(found) = found {
                    let span = link.now().since(start);
                    return Ok(Heard { stopped: Stopped::Found(found), bytes, span });
                }
                warn_of_rate(link, &mut legible, false);
            }
            Err(LinkError::TimedOut) if link.now() >= end => return Ok(ended(Stopped::TimedOut)),
            Err(LinkError::TimedOut) if link.now() >= quiet => return Ok(ended(Stopped::Quiet)),
            Err(LinkError::TimedOut) => {
                let is_pause = bytes > 0 && link.now().since(last) >= legible::PAUSE;
                warn_of_rate(link, &mut legible, is_pause);
            }
            Err(LinkError::Halted) if link.is_interrupted() => return Ok(ended(Stopped::Interrupted)),
            Err(LinkError::Halted) => return Err(Error::new(ErrorKind::Interrupted)),
        }
    }
}

/// Says once that what comes looks like what a wrong rate makes of text.
fn warn_of_rate(link: &Link, legible: &mut Legible, is_over: bool) {
    if let Some(text) = legible.hint(link.baud_bps(), is_over) {
        link.emit(Event::Warning { text });
    }
}

/// Adds what came to the line under way and gives the first line that is what was waited for.
fn look(line: &mut Vec<u8>, came: &[u8], until: &mut Until) -> Option<String> {
    let mut found = None;
    let mut ask = |line: &[u8]| {
        let text = String::from_utf8_lossy(line).trim_end_matches('\r').to_owned();
        if found.is_none() && (until.0)(&text) {
            found = Some(text);
        }
    };
    for byte in came {
        if *byte == b'\n' {
            ask(line);
            line.clear();
        } else if line.len() < LONGEST_LINE {
            line.push(*byte);
        }
    }
    if !line.is_empty() {
        ask(line);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_in_pieces() {
        let mut line = Vec::new();
        let mut until = Until::new(|line| line == "ready > " || line.starts_with("boot: "));
        assert_eq!(look(&mut line, b"one\r\nrea", &mut until), None);
        assert_eq!(look(&mut line, b"dy > ", &mut until), Some("ready > ".to_owned()));
        line.clear();
        let came = b"x\nboot: \xff\r\nboot: 2\n";
        assert_eq!(look(&mut line, came, &mut until), Some("boot: \u{fffd}".to_owned()));
    }

    #[test]
    fn nothing_that_is_typed_can_burn() {
        let keys = Keys::default();
        keys.press(b"@\x00\x08\x00\x10\x00\x00\x00\x02\x00\x00\x00ls\n");
        assert_eq!(keys.take(), b"@\x08\x10\x02ls\n");
    }
}
