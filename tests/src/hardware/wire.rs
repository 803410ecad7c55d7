//! The port of a bench: opened by its name, its modem lines as the bench wires them.

use std::path::Path;

use bl702_flasher::port::rfc2217::{Address, AddressError, Rfc2217Port};
use bl702_flasher::port::{Port, PortError, SerialPort};
use bl702_flasher::reset::{Lines, Wiring};
use bl702_protocol::time::Nanos;

use super::config::{BenchConfig, BootDrive};

/// The port, and what the bench's wires make of its lines.
pub struct BenchPort {
    port: Box<dyn Port>,
    wiring: Wiring,
    boot_on_line: bool,
    /// The scenario wants its lines the other way round.
    crossed: bool,
    /// The scenario wants these to be inverted by its adapter.
    inverted: Lines,
    /// Whether the scenario is to see that there are lines.
    offered: bool,
    sent: bool,
}

impl std::fmt::Debug for BenchPort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BenchPort").field("wiring", &self.wiring).field("crossed", &self.crossed).finish()
    }
}

impl BenchPort {
    /// Opens the port and lets go of its lines: the system asserts both when a tty is opened.
    ///
    /// # Errors
    /// [`PortError`]
    pub fn open(config: &BenchConfig) -> Result<BenchPort, PortError> {
        let name = &config.port;
        let port: Box<dyn Port> = if Address::is_meant_by(name) {
            let address = name.parse().map_err(|error: AddressError| PortError::Unreachable {
                path: name.into(),
                reason: error.to_string(),
            })?;
            Box::new(Rfc2217Port::open(&address, config.boot_baud_bps)?)
        } else {
            Box::new(SerialPort::open(Path::new(name), config.boot_baud_bps)?)
        };
        BenchPort::over(port, config)
    }

    /// A port that is open already.
    ///
    /// # Errors
    /// [`PortError`]
    pub fn over(mut port: Box<dyn Port>, config: &BenchConfig) -> Result<BenchPort, PortError> {
        let has_lines = port.has_lines();
        let wiring = if has_lines { config.host_wiring() } else { Wiring::None };
        let boot_on_line = wiring != Wiring::None && config.boot == BootDrive::Line;
        if has_lines {
            port.set_lines(Lines::default())?;
        }
        let inverted = Lines::default();
        Ok(BenchPort { port, wiring, boot_on_line, crossed: false, inverted, offered: true, sent: false })
    }

    /// Which line drives EN; none where the port has no lines.
    pub fn wiring(&self) -> Wiring {
        self.wiring
    }

    /// Whether a line drives BOOT.
    pub fn boot_on_line(&self) -> bool {
        self.boot_on_line
    }

    /// Has DTR and RTS change places from now on, for a scenario about the other wiring.
    pub fn cross_lines(&mut self, crossed: bool) {
        self.crossed = crossed;
    }

    /// Has an adapter that inverts these lines from now on, for a scenario about one. What the bench itself sets with
    /// [`set_pins`](Self::set_pins) stays what it says.
    pub fn invert_lines(&mut self, inverted: Lines) {
        self.inverted = inverted;
    }

    /// Whether the flasher is to see lines from now on; they can be set for the scenario all the same.
    pub fn offer_lines(&mut self, offered: bool) {
        self.offered = offered;
    }

    /// Puts EN and BOOT to these levels; nothing happens where no line is wired.
    ///
    /// # Errors
    /// [`PortError`]
    pub fn set_pins(&mut self, enable_high: bool, boot_high: bool) -> Result<(), PortError> {
        match self.wiring.lines(enable_high, boot_high) {
            Some(lines) => self.port.set_lines(lines),
            None => Ok(()),
        }
    }

    /// Whether bytes were sent since this was last asked.
    pub fn take_sent(&mut self) -> bool {
        std::mem::take(&mut self.sent)
    }
}

impl Port for BenchPort {
    fn now(&self) -> Nanos {
        self.port.now()
    }

    fn read(&mut self, buffer: &mut [u8], until: Nanos) -> Result<usize, PortError> {
        self.port.read(buffer, until)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), PortError> {
        self.sent = true;
        self.port.write(bytes)
    }

    fn set_baud(&mut self, baud_bps: u32) -> Result<(), PortError> {
        self.port.set_baud(baud_bps)
    }

    fn has_lines(&mut self) -> bool {
        self.offered && self.wiring != Wiring::None
    }

    fn set_lines(&mut self, lines: Lines) -> Result<(), PortError> {
        let Lines { dtr, rts } = self.inverted;
        let lines = Lines { dtr: lines.dtr ^ dtr, rts: lines.rts ^ rts };
        let lines = if self.crossed { Lines { dtr: lines.rts, rts: lines.dtr } } else { lines };
        self.port.set_lines(lines)
    }

    fn purge_input(&mut self) -> Result<(), PortError> {
        self.port.purge_input()
    }

    fn round_trip(&self) -> Nanos {
        self.port.round_trip()
    }
}
