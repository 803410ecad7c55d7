//! A target whose port is written down.

use std::cell::RefCell;
use std::fmt;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use bl702_emulator::divergence::start::ModuleAtStart;
use bl702_emulator::module::{Module, Start};
use bl702_emulator::profile::Boot;
use bl702_flasher::loader::LoaderImage;
use bl702_flasher::port::{Port, PortError};
use bl702_flasher::reset::Lines;
use bl702_protocol::time::Nanos;
use bl702_protocol::trace::{Direction, EventRecord, LineLevels, LinesRecord, Record, to_line};
use serde_json::Value;

use crate::programs::Killer;
use crate::target::{Lacks, Rates, Seen, Setup, Target, Unready};

/// Another target, and a recording of all that goes over its port and that is done to it.
pub struct Recorded {
    // `Port::now` has only a shared reference, and a target gives its port to who may change it.
    inner: RefCell<Box<dyn Target>>,
    file: BufWriter<File>,
    baud_bps: u32,
    /// When the last byte that was written has left.
    sent_at: Nanos,
    /// Lines that the adapter inverts: recorded is what the module gets.
    inverted: Lines,
    /// Whether the module is restarted when somebody looks into it.
    restarts_to_look: bool,
}

/// What a scenario says of the module it begins with, or what was seen of it, for replays of its recording.
fn at_start(setup: &Setup, seen: Option<&Seen>) -> ModuleAtStart {
    let mut start = ModuleAtStart {
        profile: Some(setup.profile.clone()),
        loader_runs: Some(setup.start == Start::Loader),
        boot_high: Some(setup.boot != Boot::Low),
        boot: Some(setup.boot),
        wiring: Some(setup.wiring),
        ..ModuleAtStart::default()
    };
    start.set_flash(setup.flash.as_deref().unwrap_or_default());
    if let Some(fuses) = seen.map(|seen| &seen.fuses).or(setup.fuses.as_ref()) {
        start.set_fuses(fuses);
    }
    if seen.is_some_and(|seen| !seen.flash_is_known) {
        start.flash_unknown = Some(true);
    }
    start
}

impl Recorded {
    /// Records `inner` into a new file; its port is at rate `baud_bps`.
    ///
    /// # Errors
    /// What the file system says.
    pub fn new(
        inner: Box<dyn Target>,
        path: &Path,
        setup: &Setup,
        baud_bps: u32,
    ) -> std::io::Result<Recorded> {
        let file = BufWriter::new(File::create(path)?);
        let (seen, inner) = (inner.seen(), RefCell::new(inner));
        let mut recorded = Recorded {
            inner,
            file,
            baud_bps,
            sent_at: Nanos::ZERO,
            inverted: setup.invert,
            restarts_to_look: seen.is_some(),
        };
        recorded.put(&Record::header(
            setup.profile.clone(),
            concat!("bl702-harness ", env!("CARGO_PKG_VERSION")),
        ));
        for record in at_start(setup, seen.as_ref()).to_records() {
            recorded.put(&record);
        }
        if setup.invert != Lines::default() {
            recorded.modem_lines(Lines::default());
        }
        Ok(recorded)
    }

    fn put(&mut self, record: &Record) {
        // A full disk must not fail a scenario; the recording is then too short, which shows when it is replayed.
        let _ = writeln!(self.file, "{}", to_line(record));
    }

    fn event(&mut self, event: &str, detail: Value) {
        let time_ns = self.now();
        self.put(&Record::Event(EventRecord { time_ns, event: event.to_owned(), detail }));
    }

    fn lines(&mut self, lines: LineLevels) {
        let time_ns = self.now();
        self.put(&Record::Lines(LinesRecord { time_ns, lines }));
    }

    fn modem_lines(&mut self, lines: Lines) {
        let (dtr, rts) = (lines.dtr ^ self.inverted.dtr, lines.rts ^ self.inverted.rts);
        self.lines(LineLevels { dtr: Some(dtr), rts: Some(rts), ..LineLevels::default() });
    }

    /// Looks into the module; where that takes a restart, a replay restarts it, too.
    fn look<T>(&mut self, look: impl FnOnce(&mut dyn Target) -> T) -> T {
        let enable = |high| LineLevels { enable: Some(high), ..LineLevels::default() };
        if self.restarts_to_look {
            self.lines(enable(false));
        }
        let seen = look(self.inner.get_mut().as_mut());
        if self.restarts_to_look {
            self.lines(enable(true));
        }
        seen
    }
}

impl Port for Recorded {
    fn now(&self) -> Nanos {
        self.inner.borrow_mut().port().now()
    }

    fn read(&mut self, buffer: &mut [u8], until: Nanos) -> Result<usize, PortError> {
        let count = self.inner.get_mut().port().read(buffer, until)?;
        if count > 0 {
            // Only the end of the bytes can be seen from here; their start follows from the rate.
            let start = self.now() - Nanos::byte_times(count as u64, self.baud_bps);
            self.put(&Record::bytes(start, Direction::Chip, self.baud_bps, &buffer[..count]));
        }
        Ok(count)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), PortError> {
        let start = self.now().max(self.sent_at);
        self.sent_at = start + Nanos::byte_times(bytes.len() as u64, self.baud_bps);
        self.put(&Record::bytes(start, Direction::Host, self.baud_bps, bytes));
        self.inner.get_mut().port().write(bytes)
    }

    fn set_baud(&mut self, baud_bps: u32) -> Result<(), PortError> {
        self.baud_bps = baud_bps;
        self.inner.get_mut().port().set_baud(baud_bps)
    }

    fn has_lines(&mut self) -> bool {
        self.inner.get_mut().port().has_lines()
    }

    fn set_lines(&mut self, lines: Lines) -> Result<(), PortError> {
        self.modem_lines(lines);
        self.inner.get_mut().port().set_lines(lines)
    }

    fn purge_input(&mut self) -> Result<(), PortError> {
        self.inner.get_mut().port().purge_input()
    }

    fn round_trip(&self) -> Nanos {
        self.inner.borrow_mut().port().round_trip()
    }
}

impl Target for Recorded {
    fn name(&self) -> String {
        self.inner.borrow().name()
    }

    fn port(&mut self) -> &mut dyn Port {
        self
    }

    fn flash(&mut self) -> Result<Vec<u8>, Unready> {
        self.look(|target| target.flash())
    }

    fn burnt_fuses(&mut self) -> Result<u32, Unready> {
        self.look(|target| target.burnt_fuses())
    }

    fn chip_id(&mut self) -> String {
        self.inner.get_mut().chip_id()
    }

    fn capacity_bytes(&mut self) -> usize {
        self.inner.get_mut().capacity_bytes()
    }

    fn loader(&self) -> Arc<LoaderImage> {
        self.inner.borrow().loader()
    }

    fn rates(&self) -> Rates {
        self.inner.borrow().rates()
    }

    fn check_rate(&self, baud_bps: u32) -> Result<(), Lacks> {
        self.inner.borrow().check_rate(baud_bps)
    }

    fn check_firmware(&self) -> Result<(), Lacks> {
        self.inner.borrow().check_firmware()
    }

    fn check_prompt(&self) -> Result<(), Lacks> {
        self.inner.borrow().check_prompt()
    }

    fn seen(&self) -> Option<Seen> {
        self.inner.borrow().seen()
    }

    fn story(&self) -> Vec<String> {
        self.inner.borrow().story()
    }

    fn set_enable(&mut self, high: bool) -> Result<(), Unready> {
        self.inner.get_mut().set_enable(high)?;
        self.lines(LineLevels { enable: Some(high), ..LineLevels::default() });
        Ok(())
    }

    fn set_boot(&mut self, high: bool) -> Result<(), Unready> {
        self.inner.get_mut().set_boot(high)?;
        self.lines(LineLevels { boot: Some(high), ..LineLevels::default() });
        Ok(())
    }

    fn set_power(&mut self, on: bool) -> Result<(), Unready> {
        self.inner.get_mut().set_power(on)?;
        self.event(if on { "power_on" } else { "power_off" }, Value::Null);
        Ok(())
    }

    fn module_mut(&mut self) -> Result<&mut Module, Lacks> {
        self.inner.get_mut().module_mut()
    }

    fn killer(&mut self) -> Result<Killer, Lacks> {
        self.inner.get_mut().killer()
    }

    fn restart(&mut self) -> Result<(), Lacks> {
        self.inner.get_mut().restart()?;
        self.event("restarted", Value::Null);
        Ok(())
    }
}

impl fmt::Debug for Recorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.borrow().fmt(f)
    }
}
