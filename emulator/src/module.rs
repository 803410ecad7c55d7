//! The module: chip, flash, power, EN and BOOT pins, and the program that runs.

use std::collections::VecDeque;
use std::sync::Arc;

use bl702_protocol::time::Nanos;
use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;

use crate::chip::{Chip, Exit, Program, Wake};
use crate::event::{Event, Stage, TimedEvent};
use crate::fault::device::DeviceFaults;
use crate::fault::{Action, Engine, FaultPlan, FaultReport};
use crate::firmware::Firmware;
use crate::flash::{Flash, FlashImage};
use crate::line::{Burst, LineRx, LineTx};
use crate::loader::{LoaderState, RamLoader};
use crate::otp::Otp;
use crate::profile::Profile;
use crate::ram::Ram;
use crate::registers::Registers;
use crate::rom::{BootRom, PollModel, RomState};

/// How far time goes when the next wake-up has passed already.
const STEP: Nanos = Nanos::from_micros(1);

/// What the module begins with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// The boot ROM, just out of reset.
    #[default]
    Rom,
    /// The RAM loader already runs, as after somebody else's upload.
    Loader,
}

/// What runs on the chip's CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Running {
    /// Nothing: no power, or EN is low.
    Nothing,
    /// The boot ROM.
    Rom(RomState),
    /// The RAM loader.
    Loader(LoaderState),
    /// The firmware in flash (or the ROM trying to boot an empty flash for ever).
    Firmware,
    /// The boot2 inside the ROM.
    RomBoot2,
    /// Nothing useful any more, until a reset, and why.
    Dead(&'static str),
}

#[derive(Debug)]
enum Cpu {
    Off,
    Rom(BootRom),
    Loader(Box<RamLoader>),
    Firmware(Box<Firmware>),
    RomBoot2,
    Dead(&'static str),
}

/// Settings of a [`Module`] that differ from the profile.
#[derive(Debug)]
pub struct ModuleBuilder {
    profile: Profile,
    efuse: Option<[u8; 128]>,
    flash: Option<Vec<u8>>,
    flash_image: Option<Arc<FlashImage>>,
    boot_high: bool,
    start: Start,
    poll_model: PollModel,
    seed: u64,
    faults: FaultPlan,
}

impl ModuleBuilder {
    /// Other fuses than the profile's.
    pub fn efuse(mut self, fuses: [u8; 128]) -> ModuleBuilder {
        self.efuse = Some(fuses);
        self
    }

    /// What the flash holds from address 0; the rest is erased, and what does not fit is left off.
    pub fn flash(mut self, contents: Vec<u8>) -> ModuleBuilder {
        self.flash = Some(contents);
        self
    }

    /// The same, of an image that many modules begin with; [`ModuleBuilder::flash`] goes before it.
    pub fn flash_image(mut self, image: Arc<FlashImage>) -> ModuleBuilder {
        self.flash_image = Some(image);
        self
    }

    /// The level of the BOOT pin at power-up (high, the default, is ISP).
    pub fn boot_high(mut self, high: bool) -> ModuleBuilder {
        self.boot_high = high;
        self
    }

    /// What runs first.
    pub fn start(mut self, start: Start) -> ModuleBuilder {
        self.start = start;
        self
    }

    /// How the ROM's polls find bytes.
    pub fn poll_model(mut self, model: PollModel) -> ModuleBuilder {
        self.poll_model = model;
        self
    }

    /// Seed of everything that is left to chance (what a power cut leaves in the flash).
    pub fn seed(mut self, seed: u64) -> ModuleBuilder {
        self.seed = seed;
        self
    }

    /// What goes wrong, besides what was named before. The builder's seed decides what is left to chance.
    pub fn faults(mut self, plan: FaultPlan) -> ModuleBuilder {
        self.faults.extend(plan);
        self
    }

    /// The module, powered up at time 0.
    pub fn build(self) -> Module {
        let fuses = self.efuse.unwrap_or(self.profile.efuse);
        let mut flash = self.profile.new_flash();
        if let Some(contents) = &self.flash {
            flash.load(contents);
        } else if let Some(image) = self.flash_image {
            flash.load_image(image);
        }
        let chip = Chip {
            profile: Arc::new(self.profile),
            flash,
            otp: Otp::new(fuses),
            ram: Ram::new(),
            registers: Registers::default(),
            boot_high: self.boot_high,
            pll_started: false,
            rx: LineRx::default(),
            tx: LineTx::default(),
            faults: DeviceFaults::default(),
            frames: None,
            events: VecDeque::new(),
        };
        let mut module = Module {
            chip,
            cpu: Cpu::Off,
            now: Nanos::ZERO,
            power: true,
            enable: true,
            poll_model: self.poll_model,
            rng: ChaCha12Rng::seed_from_u64(self.seed),
            seed: self.seed,
            resets: 0,
            engine: None,
        };
        module.arm_engine(&self.faults);
        module.chip.boot_high = module.chip.boot_level(self.boot_high);
        if module.is_on() {
            module.leave_reset(Nanos::ZERO);
        }
        if module.is_on() && (self.start == Start::Loader || module.chip.starts_with_loader()) {
            module.cpu = Cpu::Loader(Box::new(RamLoader::start(&mut module.chip, Nanos::ZERO)));
        }
        module
    }
}

/// One emulated module, in virtual time.
///
/// The caller gives it bytes ([`Module::receive`]) and pin levels with the times at which they happen, lets time
/// pass ([`Module::advance`]) and collects what the chip sent ([`Module::transmit`]) and did
/// ([`Module::next_event`]). Nothing happens by itself: without `advance` the module stands still.
#[derive(Debug)]
pub struct Module {
    chip: Chip,
    cpu: Cpu,
    now: Nanos,
    power: bool,
    enable: bool,
    poll_model: PollModel,
    rng: ChaCha12Rng,
    seed: u64,
    resets: u64,
    /// Nothing unless a fault was ever armed.
    engine: Option<Box<Engine>>,
}

impl Module {
    /// A module of this profile, powered, EN and BOOT high, its flash erased.
    pub fn new(profile: Profile) -> Module {
        Module::builder(profile).build()
    }

    /// Settings before power-up.
    pub fn builder(profile: Profile) -> ModuleBuilder {
        ModuleBuilder {
            profile,
            efuse: None,
            flash: None,
            flash_image: None,
            boot_high: true,
            start: Start::Rom,
            poll_model: PollModel::Timed,
            seed: 0,
            faults: FaultPlan::default(),
        }
    }

    /// Arms every fault of this plan besides those that are armed.
    pub fn arm(&mut self, plan: &FaultPlan) {
        let was_on = self.is_on();
        self.arm_engine(plan);
        self.chip.boot_high = self.chip.boot_level(self.chip.boot_high);
        self.apply_supply(was_on);
    }

    fn arm_engine(&mut self, plan: &FaultPlan) {
        if !plan.is_empty() {
            self.engine.get_or_insert_default().arm(&mut self.chip, plan, self.seed, self.now);
        }
    }

    /// What became of every fault that was armed, in the order of arming.
    pub fn fault_report(&self) -> FaultReport {
        self.engine.as_ref().map(|engine| engine.report(&self.chip)).unwrap_or_default()
    }

    /// Module time: nanoseconds since power-up, as far as it has been advanced.
    pub fn now(&self) -> Nanos {
        self.now
    }

    /// Bytes on the RX pin. They must begin at [`Module::now`] or later, and not before the last burst ends.
    ///
    /// They go to the chip as time passes; a chip that is off does not hear them.
    pub fn receive(&mut self, burst: Burst) {
        if matches!(self.cpu, Cpu::Off) {
            self.chip.miss_enable(burst.start, "bytes come while EN is held low");
            return;
        }
        let stage = match &self.cpu {
            _ if self.engine.is_none() => return self.chip.rx.push(burst),
            Cpu::Rom(_) => Some(Stage::Rom),
            Cpu::Loader(_) => Some(Stage::Loader),
            _ => None,
        };
        if stage == Some(Stage::Loader) {
            self.chip.meet_loader(burst.start);
        }
        if let Some(engine) = &mut self.engine {
            engine.receive(&mut self.chip, stage, burst);
        }
    }

    /// The EN pin: low holds the module off, a rising edge restarts it. Advances to `at`.
    pub fn set_enable(&mut self, at: Nanos, high: bool) {
        self.advance(at);
        let was_on = self.is_on();
        self.enable = high;
        if high {
            self.chip.miss_enable(self.now, "a rising edge of EN while it is held low");
        }
        self.apply_supply(was_on);
    }

    /// The supply. Advances to `at`.
    pub fn set_power(&mut self, at: Nanos, on: bool) {
        self.advance(at);
        let was_on = self.is_on();
        self.power = on;
        if let (true, Some(engine)) = (on, &mut self.engine) {
            engine.supply_given();
        }
        self.apply_supply(was_on);
    }

    /// The BOOT pin, which the ROM samples after a reset. Advances to `at`.
    pub fn set_boot(&mut self, at: Nanos, high: bool) {
        self.advance(at);
        self.chip.boot_high = self.chip.boot_level(high);
    }

    /// Lets time pass up to `to` (not backwards) and does all that happens until then.
    pub fn advance(&mut self, to: Nanos) {
        let to = to.max(self.now);
        if self.engine.is_some() {
            self.advance_with_faults(to);
        } else {
            self.run_until(to);
        }
    }

    fn run_until(&mut self, to: Nanos) {
        while let Some((at, exit)) = self.run_cpu(to) {
            self.hand_over(at, exit);
        }
        self.chip.flash.settle(to);
        self.now = to;
    }

    /// The same in steps: the engine looks at what was done, and supply, EN and cable go when they have to.
    fn advance_with_faults(&mut self, to: Nanos) {
        loop {
            let Some(engine) = &self.engine else { return };
            let mut step = engine.next_action().map_or(to, |at| at.clamp(self.now, to));
            if engine.watches_chip()
                && let Some(next) = self.next_of_chip()
            {
                // A time that has passed already must not stop the clock.
                let least = if next > self.now { next } else { self.now + STEP };
                step = step.min(least);
            }
            self.run_until(step);
            let was_on = self.is_on();
            let Some(engine) = &mut self.engine else { return };
            engine.look(&mut self.chip, step);
            let mut acted = false;
            while let Some(action) = engine.take_action(&mut self.chip, step) {
                acted = true;
                if action == Action::Supply(false) || action == Action::Enable(false) {
                    break;
                }
            }
            self.apply_supply(was_on);
            if step == to && !acted {
                break;
            }
        }
        if let Some(engine) = &mut self.engine {
            engine.tell(&mut self.chip, self.now);
        }
    }

    /// The next bytes that the chip has wholly sent by [`Module::now`].
    pub fn transmit(&mut self) -> Option<Burst> {
        match &mut self.engine {
            None => self.chip.tx.take(self.now),
            Some(engine) => engine.transmit(&mut self.chip, self.now),
        }
    }

    /// Whether the cable is in the host's port; a fault may pull it out.
    pub fn is_plugged_in(&self) -> bool {
        self.engine.as_ref().is_none_or(|engine| !engine.is_unplugged())
    }

    /// When something happens by itself next: work of the chip, the end of what it is sending, an idle time-out.
    pub fn next_wakeup(&self) -> Option<Nanos> {
        let fault = self
            .engine
            .as_ref()
            .and_then(|engine| [engine.next_due(), engine.next_action()].into_iter().flatten().min());
        [self.next_of_chip(), fault].into_iter().flatten().min()
    }

    fn next_of_chip(&self) -> Option<Nanos> {
        let wake = match self.wake() {
            Wake::Work(at) | Wake::Idle(at) => Some(at),
            Wake::Never => None,
        };
        [wake, self.chip.tx.next_end()].into_iter().flatten().min()
    }

    /// Whether the chip has nothing left to do but wait for the host (or for an idle time-out).
    pub fn waits_for_host(&self) -> bool {
        !matches!(self.wake(), Wake::Work(_)) && !self.is_sending()
    }

    /// Whether bytes are on their way out of the chip, or wait to be.
    pub fn is_sending(&self) -> bool {
        self.chip.tx.next_end().is_some()
            || self.engine.as_ref().is_some_and(|engine| engine.next_due().is_some())
    }

    /// The next thing the chip did.
    pub fn next_event(&mut self) -> Option<TimedEvent> {
        self.chip.events.pop_front()
    }

    /// What runs on the CPU.
    pub fn running(&self) -> Running {
        match &self.cpu {
            Cpu::Off => Running::Nothing,
            Cpu::Rom(rom) => Running::Rom(rom.state()),
            Cpu::Loader(loader) => Running::Loader(loader.state()),
            Cpu::Firmware(_) => Running::Firmware,
            Cpu::RomBoot2 => Running::RomBoot2,
            Cpu::Dead(reason) => Running::Dead(reason),
        }
    }

    /// The level of the BOOT pin.
    pub fn boot_high(&self) -> bool {
        self.chip.boot_high
    }

    /// The level of the EN pin.
    pub fn enable_high(&self) -> bool {
        self.enable
    }

    /// Whether the module has its supply.
    pub fn power_on(&self) -> bool {
        self.power
    }

    /// How often the module has left reset, power-up included, command and CPU resets excluded.
    pub fn resets(&self) -> u64 {
        self.resets
    }

    /// The flash.
    pub fn flash(&self) -> &Flash {
        &self.chip.flash
    }

    /// The flash, to change it behind the chip's back.
    pub fn flash_mut(&mut self) -> &mut Flash {
        &mut self.chip.flash
    }

    /// The fuses.
    pub fn otp(&self) -> &Otp {
        &self.chip.otp
    }

    /// The fuses, for drivers that write burns through to a file.
    pub fn otp_mut(&mut self) -> &mut Otp {
        &mut self.chip.otp
    }

    /// The module's profile.
    pub fn profile(&self) -> &Profile {
        &self.chip.profile
    }

    fn is_on(&self) -> bool {
        let held_off = self.engine.as_ref().is_some_and(|engine| engine.holds_off());
        self.power && self.enable && !held_off && !self.chip.enable_is_held()
    }

    fn apply_supply(&mut self, was_on: bool) {
        match (was_on, self.is_on()) {
            (true, false) => {
                self.chip.tx.cut_keeping_sent(self.now);
                self.chip.rx.clear();
                // That EN low takes the supply from the flash as well is assumed: the worst case for a write.
                self.chip.flash.power_cut(self.now, &mut self.rng);
                self.chip.ram.clear();
                self.chip.registers.power_off();
                self.chip.pll_started = false;
                self.cpu = Cpu::Off;
            }
            (false, true) => self.leave_reset(self.now),
            _ => {}
        }
    }

    fn leave_reset(&mut self, at: Nanos) {
        self.resets += 1;
        self.chip.emit(at, Event::Reset { boot_high: self.chip.boot_high });
        self.cpu = Cpu::Rom(BootRom::start(&mut self.chip, at, self.poll_model));
    }

    fn wake(&self) -> Wake {
        match &self.cpu {
            Cpu::Off | Cpu::RomBoot2 | Cpu::Dead(_) => Wake::Never,
            Cpu::Rom(rom) => rom.wake(&self.chip),
            Cpu::Loader(loader) => loader.wake(&self.chip),
            Cpu::Firmware(firmware) => firmware.wake(&self.chip),
        }
    }

    fn run_cpu(&mut self, until: Nanos) -> Option<(Nanos, Exit)> {
        match &mut self.cpu {
            Cpu::Rom(rom) => rom.run(&mut self.chip, until),
            Cpu::Loader(loader) => loader.run(&mut self.chip, until),
            Cpu::Firmware(firmware) => firmware.run(&mut self.chip, until),
            Cpu::Off | Cpu::RomBoot2 | Cpu::Dead(_) => {
                self.chip.rx.discard(until);
                None
            }
        }
    }

    fn hand_over(&mut self, at: Nanos, exit: Exit) {
        match exit {
            Exit::Jump { address } => self.jump(at, address),
            Exit::FlashBoot => {
                self.chip.emit(at, Event::BootFromFlash);
                if let Some(reason) = self.chip.clock_hangs(at, false, "the firmware") {
                    return self.hand_over(at, Exit::Dead { reason });
                }
                self.cpu = Cpu::Firmware(Box::new(Firmware::start(&mut self.chip, at)));
            }
            Exit::RomBoot2 => self.cpu = Cpu::RomBoot2,
            Exit::CpuReset | Exit::SystemReset => {
                self.chip.rx.discard(at);
                // A CPU reset leaves the UART alone: what is in its transmit FIFO still goes out.
                if exit == Exit::SystemReset {
                    self.chip.tx.cut_keeping_sent(at);
                }
                self.chip.registers.reset();
                self.cpu = Cpu::Rom(BootRom::start(&mut self.chip, at, self.poll_model));
            }
            Exit::Dead { reason } => {
                self.chip.emit(at, Event::Stuck { reason });
                self.cpu = Cpu::Dead(reason);
            }
        }
    }

    /// Any image in RAM is taken for a RAM loader; all-zero words are an illegal instruction, so empty RAM hangs.
    fn jump(&mut self, at: Nanos, address: u32) {
        self.chip.emit(at, Event::Jump { address });
        match self.chip.ram.read_word(address & !1) {
            Some(word) if word != 0 => {
                if let Some(reason) = self.chip.image_hangs(at, address) {
                    return self.hand_over(at, Exit::Dead { reason });
                }
                self.cpu = Cpu::Loader(Box::new(RamLoader::start(&mut self.chip, at)));
            }
            Some(_) => self.hand_over(at, Exit::Dead { reason: "jumped into RAM that holds no program" }),
            None => self.hand_over(at, Exit::Dead { reason: "jumped to an address outside RAM" }),
        }
    }
}
