//! An emulated module at a port that plays tricks, and a flasher with a stop watch.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use bl702_emulator::module::Module;
use bl702_emulator::profile::{Boot, Profile, Wiring};
use bl702_flasher::Nanos;
use bl702_flasher::connect::ConnectOptions;
use bl702_flasher::driver;
use bl702_flasher::error::Error;
use bl702_flasher::event::Event;
use bl702_flasher::port::emulated::{EmulatedPort, made_up_loader};
use bl702_flasher::port::{Port, PortError};
use bl702_flasher::reset::{self, Lines};
use bl702_flasher::session::Link;
use bl702_flasher::timing::{Pace, Timing};

const STOCK: &[u8] = include_bytes!("../../../fixtures/images/made-up-stock-flash.bin");

/// What the port does on purpose.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Trick {
    /// Answers longer than this lose a byte at rates above this one.
    DamageAnswers { above_bps: u32, longer_than: usize },
    /// One bit in answers longer than this is flipped at rates above this one.
    FlipInAnswers { above_bps: u32, longer_than: usize },
    /// Above this rate nothing arrives as it was sent, in either direction.
    GarbageAbove { baud_bps: u32 },
    /// The supply is gone for a moment, so long after this command was sent the n-th time.
    PowerCutAfter { id: u8, nth: usize, delay: Nanos },
    /// The same each time.
    PowerCutAfterEach { id: u8, delay: Nanos },
    /// The supply is gone for a moment and BOOT is low when it comes back, with a firmware in flash.
    FirmwareAfter { id: u8, nth: usize },
    /// The adapter is unplugged when this command is sent the n-th time.
    UnpluggedAfter { id: u8, nth: usize },
    /// A person stops the run when this command is sent the n-th time.
    StopAfter { id: u8, nth: usize },
    /// The host hears nothing more from then on.
    MuteAfter { id: u8, nth: usize },
    /// Nothing arrives any more, in either direction.
    DeadLineAfter { id: u8, nth: usize },
    /// What the uploaded program says never arrives; a reset through the lines brings the ROM back.
    DeadAfterStart,
    /// A cell that changes from one hash to the next.
    WeakBit { address: u32 },
    /// Block protection that the loader cannot clear.
    Protected,
}

struct TrickyPort {
    port: EmulatedPort,
    tricks: Vec<Trick>,
    baud_bps: u32,
    sent: BTreeMap<u8, usize>,
    frames: Vec<u8>,
    cut_at: Option<(Nanos, bool)>,
    fired: bool,
    unplugged: bool,
    mute: bool,
    dead_line: bool,
    started: bool,
    stop: bool,
}

impl TrickyPort {
    fn play(&mut self, id: u8) {
        let count = self.sent.entry(id).or_default();
        *count += 1;
        let is = |this: u8, nth: usize| this == id && nth == *count;
        let now = self.port.now();
        for trick in &self.tricks {
            match *trick {
                Trick::PowerCutAfter { id, nth, delay } if is(id, nth) => {
                    self.cut_at = Some((now + delay, false))
                }
                Trick::PowerCutAfterEach { id: this, delay } if this == id => {
                    self.cut_at = Some((now + delay, false));
                }
                Trick::FirmwareAfter { id, nth } if is(id, nth) => {
                    self.cut_at = Some((now + Nanos::from_millis(1), true));
                }
                Trick::UnpluggedAfter { id, nth } if is(id, nth) => self.unplugged = true,
                Trick::StopAfter { id, nth } if is(id, nth) => self.stop = true,
                Trick::MuteAfter { id, nth } if is(id, nth) => self.mute = true,
                Trick::DeadLineAfter { id, nth } if is(id, nth) => self.dead_line = true,
                Trick::WeakBit { address } if id == 0x3d => {
                    let mut flash = pattern();
                    flash[address as usize] ^= (0b0110_1010 >> (*count % 8) & 1) << 3;
                    self.port.module_mut().flash_mut().load(&flash);
                }
                _ => {}
            }
        }
    }

    fn cut_power(&mut self, boot_low: bool) {
        let now = self.port.now();
        let module = self.port.module_mut();
        module.set_power(now, false);
        if boot_low {
            module.set_boot(now, false);
        }
        let later = now + Nanos::from_millis(5);
        module.set_power(later, true);
        self.fired = true;
    }

    fn vanished(&self) -> Result<(), PortError> {
        if self.unplugged { Err(PortError::Vanished { path: PathBuf::from("/dev/ttyUSB0") }) } else { Ok(()) }
    }

    fn is_damaging(&self, len: usize) -> Option<Trick> {
        self.tricks.iter().copied().find(|trick| match trick {
            Trick::DamageAnswers { above_bps, longer_than }
            | Trick::FlipInAnswers { above_bps, longer_than } => {
                self.baud_bps > *above_bps && len > *longer_than
            }
            Trick::GarbageAbove { baud_bps } => self.baud_bps > *baud_bps,
            _ => false,
        })
    }
}

impl Port for TrickyPort {
    fn now(&self) -> Nanos {
        self.port.now()
    }

    fn read(&mut self, buffer: &mut [u8], until: Nanos) -> Result<usize, PortError> {
        self.vanished()?;
        if let Some((at, boot_low)) = self.cut_at
            && (at <= until || at <= self.port.now())
        {
            let count = self.port.read(buffer, at)?;
            if count == 0 {
                self.cut_at = None;
                self.cut_power(boot_low);
            }
            return Ok(count);
        }
        let mut count = self.port.read(buffer, until)?;
        if self.mute || self.dead_line || self.started {
            return Ok(0);
        }
        match self.is_damaging(count) {
            Some(Trick::DamageAnswers { .. }) => count -= 1,
            Some(Trick::FlipInAnswers { .. }) => buffer[count / 2] ^= 4,
            Some(_) => buffer[..count].iter_mut().for_each(|byte| *byte = byte.rotate_left(3) ^ 0x91),
            None => {}
        }
        Ok(count)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), PortError> {
        self.vanished()?;
        if bytes[0] != 0x55 {
            assert!(bytes[0] != 0x40 && bytes[0] != 0x80, "a command that burns fuses");
            self.frames.push(bytes[0]);
            self.play(bytes[0]);
            self.vanished()?;
        }
        if self.dead_line {
            return Ok(());
        }
        // 50h of the word 2 to the reset register starts what was uploaded.
        if self.tricks.contains(&Trick::DeadAfterStart) && bytes[0] == 0x50 && bytes[8..] == [2, 0, 0, 0] {
            self.started = true;
        }
        if let Some(Trick::GarbageAbove { .. }) = self.is_damaging(bytes.len()) {
            let garbage: Vec<u8> = bytes.iter().map(|byte| byte.rotate_left(3) ^ 0x91).collect();
            return self.port.write(&garbage);
        }
        self.port.write(bytes)
    }

    fn set_baud(&mut self, baud_bps: u32) -> Result<(), PortError> {
        self.baud_bps = baud_bps;
        self.port.set_baud(baud_bps)
    }

    fn has_lines(&mut self) -> bool {
        self.port.has_lines()
    }

    fn set_lines(&mut self, lines: Lines) -> Result<(), PortError> {
        self.vanished()?;
        self.started = false;
        self.port.set_lines(lines)
    }

    fn purge_input(&mut self) -> Result<(), PortError> {
        self.port.purge_input()
    }
}

/// How a run ended.
pub(crate) struct Ran<T> {
    pub(crate) result: Result<T, Error>,
    pub(crate) events: Vec<Event>,
    /// What a part file would hold.
    pub(crate) part: Vec<u8>,
    pub(crate) took: Nanos,
    /// The bound that was announced last, from the start of the run.
    pub(crate) bound: Nanos,
    pub(crate) run_bound: Nanos,
}

impl<T> Ran<T> {
    /// The whole story of a failure, as the program tells it.
    pub(crate) fn told(&self) -> String {
        let Err(error) = &self.result else { return "no error".to_owned() };
        let failure = error.failure();
        format!(
            "error: {error}\nlikely cause: {}\nbefore that: {}\nflash: {}\nmodule: {}\nnext: {}\nexit {}",
            error.cause().unwrap_or_default(),
            failure.troubles,
            failure.flash,
            failure.module,
            error.advice(),
            error.exit_code(),
        )
    }
}

/// A module, a tricky port and a flasher.
pub(crate) struct Bench {
    port: TrickyPort,
    wiring: Wiring,
}

/// What the flash holds at the beginning.
pub(crate) fn pattern() -> Vec<u8> {
    (0..0x10_0000u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

/// Something else.
pub(crate) fn image(len: usize) -> Vec<u8> {
    (0..len as u32).map(|at| (at.wrapping_mul(40_503) >> 7) as u8).collect()
}

impl Bench {
    pub(crate) fn new() -> Bench {
        Bench::wired(Wiring::RtsEn)
    }

    pub(crate) fn wired(wiring: Wiring) -> Bench {
        Bench { port: tricky(wiring, Boot::Dtr), wiring }
    }

    /// A module with a firmware in its flash and BOOT tied high for now.
    pub(crate) fn with_firmware(wiring: Wiring) -> Bench {
        let mut port = tricky(wiring, Boot::High);
        let mut flash = pattern();
        flash[..STOCK.len()].copy_from_slice(STOCK);
        port.port.module_mut().flash_mut().load(&flash);
        Bench { port, wiring }
    }

    pub(crate) fn with(mut self, trick: Trick) -> Bench {
        if trick == Trick::Protected {
            let plan = bl702_emulator::fault::FaultPlan::from_toml(PROTECTED).unwrap();
            self.port.port.module_mut().arm(&plan);
        }
        self.port.tricks.push(trick);
        self
    }

    pub(crate) fn replug(&mut self) {
        self.port.unplugged = false;
        self.port.tricks.clear();
    }

    pub(crate) fn module(&self) -> &Module {
        self.port.port.module()
    }

    pub(crate) fn flash(&self) -> Vec<u8> {
        self.module().flash().dump()
    }

    /// Lets time pass.
    pub(crate) fn wait(&mut self, span: Nanos) {
        let module = self.port.port.module_mut();
        module.advance(module.now() + span);
    }

    pub(crate) fn fired(&self) -> bool {
        self.port.fired
    }

    pub(crate) fn baud_bps(&self) -> u32 {
        self.port.baud_bps
    }

    /// Ids of the commands that were sent.
    pub(crate) fn frames(&self) -> &[u8] {
        &self.port.frames
    }

    pub(crate) fn run<T, F, R>(&mut self, flow: F) -> Ran<T>
    where
        F: FnOnce(Link, Arc<ConnectOptions>) -> R,
        R: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let options = Arc::new(ConnectOptions {
            has_lines: self.port.has_lines(),
            wiring: match self.wiring {
                Wiring::None => reset::Wiring::None,
                _ => reset::Wiring::RtsEn,
            },
            loader: Some(Arc::new(made_up_loader().unwrap())),
            timing: Timing::of(Pace::Fast),
            ..ConnectOptions::default()
        });
        let start = self.port.now();
        let (mut events, mut part) = (Vec::new(), Vec::new());
        let (mut bound, mut run_bound) = (Nanos::ZERO, Nanos::ZERO);
        // The port is asked whether to stop by the driver, which holds it; so the port notes it in a place of its own.
        let port = std::cell::RefCell::new(&mut self.port);
        let mut shared = SharedPort(&port);
        shared.set_baud(500_000).unwrap();
        let result = driver::run(
            &mut shared,
            500_000,
            |link| flow(link, options),
            |at, event| match event {
                Event::Block { range, bytes } => {
                    part.resize(part.len().max(range.end() as usize), 0xA5);
                    part[range.start() as usize..range.end() as usize].copy_from_slice(&bytes);
                }
                event => {
                    match event {
                        Event::Bound { bound_ms, .. } => bound = at + Nanos::from_millis(bound_ms + 1),
                        Event::RunBound { bound_ms, .. } => run_bound = at + Nanos::from_millis(bound_ms + 1),
                        _ => {}
                    }
                    events.push(event);
                }
            },
            || port.borrow().stop,
        );
        let took = self.port.now().since(start);
        Ran { result, events, part, took, bound: bound.since(start), run_bound: run_bound.since(start) }
    }
}

/// As locked protection looks from the line: erases and writes are answered OK and do nothing, and the first status register
/// says SRWD and BP0 to BP3.
const PROTECTED: &str = r#"
[[fault]]
frame.answer = { bytes = "4f4b" }
when = { stage = "loader", command = 0x30 }
[[fault]]
frame.answer = { bytes = "4f4b" }
when = { stage = "loader", command = 0x31 }
[[fault]]
frame.answer = { bytes = "4f4b0100bc" }
when = { stage = "loader", command = 0x37 }
"#;

fn tricky(wiring: Wiring, boot: Boot) -> TrickyPort {
    // Without lines BOOT is tied high.
    let boot = if wiring == Wiring::None { Boot::High } else { boot };
    let profile = Profile { wiring, boot, ..Profile::builtin("xt-zb2").unwrap() };
    let module = Module::builder(profile).flash(pattern()).build();
    TrickyPort {
        port: EmulatedPort::new(module, 500_000),
        tricks: vec![],
        baud_bps: 500_000,
        sent: BTreeMap::new(),
        frames: vec![],
        cut_at: None,
        fired: false,
        unplugged: false,
        mute: false,
        dead_line: false,
        started: false,
        stop: false,
    }
}

struct SharedPort<'p, 'b>(&'p std::cell::RefCell<&'b mut TrickyPort>);

impl Port for SharedPort<'_, '_> {
    fn now(&self) -> Nanos {
        self.0.borrow().now()
    }

    fn read(&mut self, buffer: &mut [u8], until: Nanos) -> Result<usize, PortError> {
        self.0.borrow_mut().read(buffer, until)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), PortError> {
        self.0.borrow_mut().write(bytes)
    }

    fn set_baud(&mut self, baud_bps: u32) -> Result<(), PortError> {
        self.0.borrow_mut().set_baud(baud_bps)
    }

    fn has_lines(&mut self) -> bool {
        self.0.borrow_mut().has_lines()
    }

    fn set_lines(&mut self, lines: Lines) -> Result<(), PortError> {
        self.0.borrow_mut().set_lines(lines)
    }

    fn purge_input(&mut self) -> Result<(), PortError> {
        self.0.borrow_mut().purge_input()
    }
}
