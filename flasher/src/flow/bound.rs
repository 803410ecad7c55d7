//! The bound of a whole run, announced before anything is sent.

use bl702_protocol::time::Nanos;

use crate::baud::slowest_rate;
use crate::connect::ConnectOptions;
use crate::event::Event;
use crate::plan::{Budget, MAX_FLASH_BYTES};
use crate::session::Link;
use crate::transfer::work_bound;

/// Announces how long the whole run takes at most and has the session keep it; once in a run. `work` adds up what is to be
/// done with a flash of so many bytes: the size that was given, or the largest there is, since the module has not been
/// asked yet.
pub(super) fn announce_run(link: &Link, options: &ConnectOptions, work: impl FnOnce(&mut Budget, u32)) {
    let size = options.flash_size;
    announce(link, options, size.is_some(), |budget| work(budget, size.unwrap_or(MAX_FLASH_BYTES)));
}

/// The same for work that does not depend on the size of the flash.
pub(super) fn announce_sizeless_run(link: &Link, options: &ConnectOptions, work: impl FnOnce(&mut Budget)) {
    announce(link, options, true, work);
}

fn announce(link: &Link, options: &ConnectOptions, size_known: bool, work: impl FnOnce(&mut Budget)) {
    let slowest = options.timing.allowing_for(Nanos::MAX);
    let mut budget = Budget::new(slowest_rate(options.baud_bps), &slowest);
    work(&mut budget);
    let span = options.connect_bound() + work_bound(options, &budget);
    if link.set_run_bound(span) {
        link.emit(Event::RunBound { bound_ms: span.as_millis(), size_known });
    }
}
