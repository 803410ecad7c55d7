//! Leaving a module in a known state when a person ends the run.

use bl702_protocol::time::Nanos;

use crate::error::{Error, ErrorKind};
use crate::event::Event;
use crate::request::Request;
use crate::session::Link;
use crate::timing::Timing;
use crate::transfer::Wire;

/// If a person ended the run and the module waits for a command, restarts it by command 21h, so that it is in no session.
/// Where it is in the middle of something nothing is sent. The error's account of the module tells which it was.
pub(crate) async fn farewell(link: &Link, timing: &Timing, error: &Error) {
    if !matches!(error.kind(), ErrorKind::Interrupted) {
        return;
    }
    let span = timing.reply_margin + Nanos::from_secs(2);
    let Some(side) = link.begin_farewell(span) else { return };
    link.emit(Event::ResetByCommand);
    let mut wire = Wire::new(link.clone(), *timing);
    if wire.exchange(&Request::reset(side)).await.is_ok() {
        link.note_restarted();
    }
}
