//! An emulated module on a cable that exists only here, in virtual time: a backup takes milliseconds.
//!
//! It stands behind `--port emulated`, and in tests under everything that speaks to a [`Port`].

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use bl702_emulator::fault::FaultPlan;
use bl702_emulator::fault::catalogue::load as load_fault;
use bl702_emulator::flash::FlashSpeed;
use bl702_emulator::line::Burst;
use bl702_emulator::module::{Module, Start};
use bl702_emulator::profile::{Boot, Profile, Wiring};
use bl702_emulator::transport::held_file::{HeldMemories, open_efuse, open_flash};
use bl702_emulator::transport::outbox::{HostReceiver, parse_latency_ms};
use bl702_emulator::transport::wiring::{ModemLines, pins};
use bl702_protocol::time::Nanos;

use super::{Port, PortError};
use crate::loader::{LoaderError, LoaderImage};
use crate::reset::Lines;

/// What can follow `emulated`.
pub const HELP: &str = "\
Write emulated[:PROFILE][?OPTION=VALUE&...], PROFILE being a built-in name or a TOML file. Options: flash, efuse (files), \
fault (a name that `bl702-emu faults` lists or a TOML file; may be given more than once), boot (high, low, dtr, rts), wiring (rts-en, dtr-en, none), invert-dtr, invert-rts (true, false: an adapter whose line is high while it is asserted), start (rom, loader), seed, flash-speed (typical, worst), \
rom-time-scale, latency-ms, pace (wire, none: both run in virtual time).";

/// The image that is uploaded into an emulated module when no real one is at hand. A chip would crash on it.
const MADE_UP_LOADER: &[u8] = include_bytes!("../../../fixtures/images/made-up-ram-loader.bin");

/// The made-up RAM loader image, for emulated modules only. It is always the same one, which knows the frames of its upload
/// once they were found.
///
/// # Errors
/// [`LoaderError::NotAnImage`] if the image that was built in is none.
pub fn made_up_loader() -> Result<LoaderImage, LoaderError> {
    static IMAGE: OnceLock<LoaderImage> = OnceLock::new();
    if let Some(image) = IMAGE.get() {
        return Ok(image.clone());
    }
    let image = LoaderImage::from_bytes("the made-up image for emulated modules", MADE_UP_LOADER)?;
    Ok(IMAGE.get_or_init(|| image).clone())
}

/// The options behind `emulated`, checked.
#[derive(Debug)]
pub struct EmulatedOptions {
    profile: Profile,
    flash: Option<PathBuf>,
    efuse: Option<PathBuf>,
    start: Start,
    seed: u64,
    latency: Nanos,
    invert: Lines,
    faults: FaultPlan,
}

impl EmulatedOptions {
    /// Reads what follows the word `emulated`: nothing, `:PROFILE`, `?OPTIONS`, or both.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(rest: &str) -> Result<EmulatedOptions, String> {
        let (profile, query) = rest.split_once('?').unwrap_or((rest, ""));
        let profile = profile.strip_prefix(':').unwrap_or(profile);
        let profile = load_profile(if profile.is_empty() { "xt-zb2" } else { profile })?;
        let start = Start::Rom;
        let mut options = EmulatedOptions {
            profile,
            flash: None,
            efuse: None,
            start,
            seed: 0,
            latency: Nanos::ZERO,
            invert: Lines::default(),
            faults: FaultPlan::default(),
        };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').ok_or_else(|| format!("{pair:?} is not OPTION=VALUE"))?;
            options.set(key, value)?;
        }
        Ok(options)
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        let bad = || format!("{value:?} is no value for the emulated module's option {key:?}");
        match key {
            "flash" => self.flash = Some(PathBuf::from(value)),
            "efuse" => self.efuse = Some(PathBuf::from(value)),
            "fault" => self.faults.extend(load_fault(value).map_err(|error| error.to_string())?),
            "seed" => self.seed = value.parse().map_err(|_| bad())?,
            "latency-ms" => self.latency = parse_latency_ms(value)?,
            "invert-dtr" => self.invert.dtr = value.parse().map_err(|_| bad())?,
            "invert-rts" => self.invert.rts = value.parse().map_err(|_| bad())?,
            // Both paces are the same in virtual time.
            "pace" => word(value, &[("wire", ()), ("none", ())]).ok_or_else(bad)?,
            "start" => {
                self.start =
                    word(value, &[("rom", Start::Rom), ("loader", Start::Loader)]).ok_or_else(bad)?;
            }
            "boot" => {
                let words =
                    [("high", Boot::High), ("low", Boot::Low), ("dtr", Boot::Dtr), ("rts", Boot::Rts)];
                self.profile.boot = word(value, &words).ok_or_else(bad)?;
            }
            "wiring" => {
                let words = [("rts-en", Wiring::RtsEn), ("dtr-en", Wiring::DtrEn), ("none", Wiring::None)];
                self.profile.wiring = word(value, &words).ok_or_else(bad)?;
            }
            "flash-speed" => {
                let words = [("typical", FlashSpeed::Typical), ("worst", FlashSpeed::Worst)];
                self.profile.flash_speed = word(value, &words).ok_or_else(bad)?;
            }
            "rom-time-scale" => {
                let scale: f64 = value.parse().map_err(|_| bad())?;
                self.profile.rom_time_scale =
                    Some(scale).filter(|scale| (0.01..=10.0).contains(scale)).ok_or_else(bad)?;
            }
            _ => return Err(format!("the emulated module has no option {key:?}")),
        }
        Ok(())
    }

    /// Powers the module up, the host's side of the cable at rate `baud_bps`.
    ///
    /// # Errors
    /// [`PortError::Emulated`] for files that cannot hold flash or fuses.
    pub fn open(self, baud_bps: u32) -> Result<EmulatedPort, PortError> {
        let levels = pins(self.profile.wiring, self.profile.boot, ModemLines::default());
        let mut memories = HeldMemories::default();
        let mut builder = Module::builder(self.profile.clone())
            .boot_high(levels.boot_high)
            .start(self.start)
            .seed(self.seed)
            .faults(self.faults);
        if let Some(path) = &self.flash {
            let capacity_bytes = self.profile.flash_part.capacity_bytes;
            let (file, contents) = open_flash(path, capacity_bytes).map_err(unusable)?;
            memories.flash = Some(file);
            builder = builder.flash(contents);
        }
        if let Some(path) = &self.efuse {
            let (file, fuses) = open_efuse(path, &self.profile.efuse).map_err(unusable)?;
            memories.efuse = Some(file);
            builder = builder.efuse(fuses);
        }
        let mut port = EmulatedPort::new(builder.build(), baud_bps);
        port.memories = memories;
        port.latency = self.latency;
        port.set_inverted(self.invert)?;
        Ok(port)
    }
}

fn unusable(error: impl std::fmt::Display) -> PortError {
    PortError::Emulated { reason: error.to_string() }
}

/// A word with a separator or a TOML ending is a file, anything else a name.
fn load_profile(name: &str) -> Result<Profile, String> {
    let path = Path::new(name);
    if !name.contains('/') && path.extension().is_none_or(|extension| extension != "toml") {
        return Profile::builtin(name).map_err(|error| error.to_string());
    }
    let text =
        std::fs::read_to_string(path).map_err(|error| format!("cannot read the profile {name}: {error}"))?;
    Profile::from_toml(&text).map_err(|error| format!("{name}: {error}"))
}

fn word<T: Copy>(value: &str, words: &[(&str, T)]) -> Option<T> {
    words.iter().find(|(name, _)| *name == value).map(|(_, meaning)| *meaning)
}

/// A module on a cable. Its clock is the module's.
#[derive(Debug)]
pub struct EmulatedPort {
    module: Module,
    memories: HeldMemories,
    wiring: Wiring,
    boot: Boot,
    baud_bps: u32,
    latency: Nanos,
    /// Lines that are high at the pin while they are asserted.
    invert: Lines,
    /// When the last byte from the host has arrived.
    line_free: Nanos,
    receiver: HostReceiver,
    /// Bytes for the host, and when the adapter hands them over.
    received: VecDeque<(Nanos, Vec<u8>)>,
    /// A fault has pulled the cable: the port is of no more use until it is opened again.
    gone: bool,
}

impl EmulatedPort {
    /// A cable to this module, wired as its profile says, the host's side at rate `baud_bps`.
    pub fn new(module: Module, baud_bps: u32) -> EmulatedPort {
        let (wiring, boot) = (module.profile().wiring, module.profile().boot);
        EmulatedPort {
            module,
            memories: HeldMemories::default(),
            wiring,
            boot,
            baud_bps,
            latency: Nanos::ZERO,
            invert: Lines::default(),
            line_free: Nanos::ZERO,
            receiver: HostReceiver::default(),
            received: VecDeque::new(),
            gone: false,
        }
    }

    /// Makes the adapter one that inverts some of its lines. They are released then, as those of a port that was just opened.
    ///
    /// # Errors
    /// [`PortError::Vanished`]
    pub fn set_inverted(&mut self, invert: Lines) -> Result<(), PortError> {
        let changed = self.invert != invert;
        self.invert = invert;
        if changed { self.set_lines(Lines::default()) } else { Ok(()) }
    }

    /// Opens the port again after its cable was pulled.
    ///
    /// # Errors
    /// [`PortError::Vanished`] while the cable is out.
    pub fn reopen(&mut self) -> Result<(), PortError> {
        self.gone = false;
        self.received.clear();
        self.receiver = HostReceiver::default();
        self.present()
    }

    /// From now on the adapter hands every answer over this much later.
    pub fn set_latency(&mut self, latency: Nanos) {
        self.latency = latency;
    }

    /// Whether the port is there.
    fn present(&mut self) -> Result<(), PortError> {
        self.gone |= !self.module.is_plugged_in();
        if self.gone { Err(PortError::Vanished { path: PathBuf::from("emulated") }) } else { Ok(()) }
    }

    /// The module at the other end.
    pub fn module(&self) -> &Module {
        &self.module
    }

    /// The module at the other end, to do to it what no cable can: pins, power, flash and fuses.
    pub fn module_mut(&mut self) -> &mut Module {
        &mut self.module
    }

    /// Takes from the module what it has sent; files are up to date before the host hears of it.
    fn collect(&mut self) -> Result<(), PortError> {
        while let Some(burst) = self.module.transmit() {
            let due = burst.end() + self.latency;
            let more = self.module.is_sending();
            let bytes = self.receiver.receive(burst, self.baud_bps, more);
            if !bytes.is_empty() {
                self.received.push_back((due, bytes));
            }
        }
        // The module reports what it did; nobody listens here.
        while self.module.next_event().is_some() {}
        self.memories.keep(self.module.flash_mut()).map_err(unusable)?;
        self.memories.keep_fuses(self.module.otp_mut()).map_err(unusable)
    }

    /// Hands over what is due, as much as fits.
    fn take_due(&mut self, buffer: &mut [u8]) -> usize {
        let now = self.module.now();
        let mut count = 0;
        while let Some((due, bytes)) = self.received.front_mut()
            && *due <= now
            && count < buffer.len()
        {
            let part = bytes.len().min(buffer.len() - count);
            buffer[count..count + part].copy_from_slice(&bytes[..part]);
            bytes.drain(..part);
            count += part;
            if bytes.is_empty() {
                self.received.pop_front();
            }
        }
        count
    }
}

impl Port for EmulatedPort {
    fn now(&self) -> Nanos {
        self.module.now()
    }

    fn read(&mut self, buffer: &mut [u8], until: Nanos) -> Result<usize, PortError> {
        loop {
            self.collect()?;
            let count = self.take_due(buffer);
            let now = self.module.now();
            if count > 0 {
                return Ok(count);
            }
            self.present()?;
            if now >= until {
                return Ok(0);
            }
            let due = self.received.front().map(|(due, _)| *due);
            let next = [self.module.next_wakeup(), due].into_iter().flatten().min().unwrap_or(until);
            // Time has to go on, whatever the module says.
            self.module.advance(next.max(now + Nanos(1)).min(until));
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), PortError> {
        self.present()?;
        let start = self.module.now().max(self.line_free);
        let burst = Burst { start, baud_bps: self.baud_bps, bytes: bytes.to_vec() };
        self.line_free = burst.end();
        self.module.receive(burst);
        Ok(())
    }

    fn set_baud(&mut self, baud_bps: u32) -> Result<(), PortError> {
        self.present()?;
        self.baud_bps = baud_bps;
        Ok(())
    }

    fn has_lines(&mut self) -> bool {
        self.wiring != Wiring::None
    }

    fn set_lines(&mut self, lines: Lines) -> Result<(), PortError> {
        self.present()?;
        let lines = lines.inverted(self.invert);
        let levels = pins(self.wiring, self.boot, ModemLines { dtr: lines.dtr, rts: lines.rts });
        let now = self.module.now();
        self.module.set_boot(now, levels.boot_high);
        self.module.set_enable(now, levels.enable_high);
        Ok(())
    }

    fn purge_input(&mut self) -> Result<(), PortError> {
        self.collect()?;
        let now = self.module.now();
        self.received.retain(|(due, _)| *due > now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(query: &str) -> EmulatedPort {
        EmulatedOptions::parse(&format!("?start=loader&{query}")).unwrap().open(2_000_000).unwrap()
    }

    #[test]
    fn faults_are_named_and_may_be_many() {
        let port = port("fault=stall&fault=brown-out&seed=3");
        let names = port.module().fault_report().faults.into_iter().map(|fault| fault.name);
        assert_eq!(names.collect::<Vec<_>>(), ["stall", "brown-out"]);
        let error = EmulatedOptions::parse("?fault=stal").unwrap_err();
        assert_eq!(error, "no fault is called \"stal\"; there are stall");
    }

    #[test]
    fn a_pulled_cable_is_a_port_that_vanished_until_it_is_opened_again() {
        let mut port = port("fault=unplug-replug");
        // The RAM loader listens from 5 ms on.
        port.module_mut().advance(Nanos::from_millis(10));
        port.write(&[0x55; 600]).unwrap();
        let mut heard = Vec::new();
        let mut buffer = [0; 64];
        let mut until = Nanos::from_millis(100);
        // The fifth answer is the one that is never heard.
        let error = loop {
            assert!(port.now() < Nanos::from_secs(1), "heard {heard:02x?}");
            match port.read(&mut buffer, until) {
                Ok(0) => {
                    if let Err(error) = port.write(&[0x36, 0, 0, 0]) {
                        break error;
                    }
                    until = port.now() + Nanos::from_millis(10);
                }
                Ok(count) => heard.extend_from_slice(&buffer[..count]),
                Err(error) => break error,
            }
        };
        assert_eq!(error.to_string(), "port emulated has vanished while it was in use");
        assert_eq!(heard.len(), 2 + 3 * 8);
        assert!(matches!(port.reopen(), Err(PortError::Vanished { .. })));
        let now = port.module().now();
        port.module_mut().advance(now + Nanos::from_secs(3));
        assert!(matches!(port.write(&[0]), Err(PortError::Vanished { .. })));
        port.reopen().unwrap();
        port.write(&[0x36, 0, 0, 0]).unwrap();
        assert_eq!(port.read(&mut buffer, port.now() + Nanos::from_millis(10)).unwrap(), 8);
    }
}
