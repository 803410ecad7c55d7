//! The port between both ends: counts, cuts, and ends what would never end.

use std::path::PathBuf;

use bl702_flasher::port::emulated::EmulatedPort;
use bl702_flasher::port::{Port, PortError};
use bl702_flasher::reset::Lines;
use bl702_protocol::time::Nanos;

/// A session that looks at its port more often than this hangs: the longest that end take a hundredth of it.
const MOST_LOOKS: u64 = 3_000_000;

/// Where the cable is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkCut {
    /// Whether bytes to the module are counted, or those to the host.
    pub to_module: bool,
    /// How many of them still pass.
    pub after_bytes: u64,
    /// Whether the port vanishes with it, as an adapter that is pulled out; otherwise nothing passes any more, in either
    /// direction.
    pub vanishes: bool,
}

/// When the supply goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PowerCut {
    /// Module time.
    pub at: Nanos,
    /// When it comes back; never if not given.
    pub back: Option<Nanos>,
}

/// What happened in the flash, in the order of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlashOperation {
    /// When it began.
    pub start: Nanos,
    /// When it was done.
    pub done: Nanos,
}

/// A module at a cable that can be cut.
pub struct Bench {
    port: EmulatedPort,
    link_cut: Option<LinkCut>,
    power_cuts: Vec<PowerCut>,
    is_cut: bool,
    was_powered_off: bool,
    looks: u64,
    sent: u64,
    received: u64,
    watched: Option<Vec<FlashOperation>>,
}

impl Bench {
    /// A good cable to this module.
    pub fn new(port: EmulatedPort) -> Bench {
        Bench {
            port,
            link_cut: None,
            power_cuts: Vec::new(),
            is_cut: false,
            was_powered_off: false,
            looks: 0,
            sent: 0,
            received: 0,
            watched: None,
        }
    }

    /// The module and its cable.
    pub fn port(&self) -> &EmulatedPort {
        &self.port
    }

    /// The module and its cable.
    pub fn port_mut(&mut self) -> &mut EmulatedPort {
        &mut self.port
    }

    /// Cuts the cable once so many bytes have passed.
    pub fn cut_link(mut self, cut: LinkCut) -> Bench {
        self.link_cut = Some(cut);
        self
    }

    /// Cuts the supply at these times, which are in order.
    pub fn cut_power(mut self, cuts: Vec<PowerCut>) -> Bench {
        self.power_cuts = cuts;
        self
    }

    /// Notes every operation of the flash.
    pub fn watch_flash(mut self) -> Bench {
        self.watched = Some(Vec::new());
        self
    }

    /// The operations noted.
    pub fn operations(&self) -> &[FlashOperation] {
        self.watched.as_deref().unwrap_or_default()
    }

    /// Mends cable and supply.
    pub fn mend(&mut self) {
        self.link_cut = None;
        self.is_cut = false;
        self.was_powered_off = false;
        self.power_cuts.clear();
        let now = self.port.now();
        self.port.module_mut().set_power(now, true);
        self.looks = 0;
    }

    /// Bytes to the module and to the host.
    pub fn bytes(&self) -> (u64, u64) {
        (self.sent, self.received)
    }

    /// Whether cable or supply have been cut.
    pub fn has_cut(&self) -> bool {
        self.is_cut || self.was_powered_off
    }

    /// Whether the session was ended because it would not have ended.
    pub fn hung(&self) -> bool {
        self.looks > MOST_LOOKS
    }

    fn look(&mut self) -> Result<(), PortError> {
        self.looks += 1;
        if self.hung() {
            let reason = "the session does not end".to_owned();
            return Err(PortError::System { path: name(), action: "go on with", reason });
        }
        self.check_cable()
    }

    fn check_cable(&self) -> Result<(), PortError> {
        match self.link_cut {
            Some(LinkCut { vanishes: true, .. }) if self.is_cut => Err(PortError::Vanished { path: name() }),
            _ => Ok(()),
        }
    }

    /// How many of `count` bytes pass; the cable is cut behind them if they are the last.
    fn pass(&mut self, to_module: bool, count: usize) -> usize {
        let passed = if to_module { &mut self.sent } else { &mut self.received };
        let before = *passed;
        *passed += count as u64;
        match self.link_cut {
            Some(cut) if cut.to_module == to_module && before + count as u64 >= cut.after_bytes => {
                self.is_cut = true;
                cut.after_bytes.saturating_sub(before) as usize
            }
            _ => count,
        }
    }

    /// Switches the supply if it is time to, and gives the time up to which nothing is switched.
    fn switch_power(&mut self, until: Nanos) -> Nanos {
        let Some(cut) = self.power_cuts.first().copied() else { return until };
        let now = self.port.now();
        if now < cut.at {
            return until.min(cut.at);
        }
        if self.port.module().power_on() {
            self.port.module_mut().set_power(now, false);
            self.was_powered_off = true;
        }
        match cut.back {
            Some(back) if now < back => until.min(back),
            Some(_) => {
                self.port.module_mut().set_power(now, true);
                self.power_cuts.remove(0);
                self.switch_power(until)
            }
            None => until,
        }
    }

    fn read_watched(&mut self, buffer: &mut [u8], until: Nanos) -> Result<usize, PortError> {
        if self.watched.is_none() {
            return self.port.read(buffer, until);
        }
        let step = self.port.module().next_wakeup().map_or(until, |wake| wake.min(until));
        let before = self.port.module().flash().operations();
        let was_busy_until = self.port.module().flash().busy_until();
        let count = self.port.read(buffer, step.max(self.port.now() + Nanos(1)))?;
        let flash = self.port.module().flash();
        let after = flash.operations();
        let pages = after.pages_programmed - before.pages_programmed;
        let others = after.units_erased + after.chip_erases + after.status_writes
            - before.units_erased
            - before.chip_erases
            - before.status_writes;
        if let (Some(done), true) = (flash.busy_until(), flash.busy_until() != was_busy_until) {
            let start = self.port.now();
            let times = flash.times();
            let page = Nanos::from_micros(times.page_program_us);
            // Pages follow one another; all but the last are whole.
            let operations = (0..pages + others).map(|index| {
                let start = start + page * index;
                let done = if index + 1 < pages { start + page } else { done };
                FlashOperation { start, done }
            });
            self.watched.iter_mut().for_each(|watched| watched.extend(operations.clone()));
        }
        Ok(count)
    }
}

fn name() -> PathBuf {
    PathBuf::from("the bench")
}

impl Port for Bench {
    fn now(&self) -> Nanos {
        self.port.now()
    }

    fn read(&mut self, buffer: &mut [u8], until: Nanos) -> Result<usize, PortError> {
        self.look()?;
        let step = self.switch_power(until);
        let count = self.read_watched(buffer, step)?;
        if self.is_cut {
            return Ok(0);
        }
        let passed = self.pass(false, count);
        if passed == 0 && count > 0 {
            self.check_cable()?;
        }
        Ok(passed)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), PortError> {
        self.look()?;
        if self.is_cut {
            return Ok(());
        }
        let passed = self.pass(true, bytes.len());
        self.port.write(&bytes[..passed])
    }

    fn set_baud(&mut self, baud_bps: u32) -> Result<(), PortError> {
        self.check_cable()?;
        self.port.set_baud(baud_bps)
    }

    fn has_lines(&mut self) -> bool {
        self.port.has_lines()
    }

    fn set_lines(&mut self, lines: Lines) -> Result<(), PortError> {
        self.check_cable()?;
        if self.is_cut {
            return Ok(());
        }
        self.port.set_lines(lines)
    }

    fn purge_input(&mut self) -> Result<(), PortError> {
        self.check_cable()?;
        self.port.purge_input()
    }
}

impl std::fmt::Debug for Bench {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Bench at {}, {} bytes sent, {} received", self.port.now(), self.sent, self.received)
    }
}
