//! A module on a real bench: known through its port and nothing else.

use std::fmt;
use std::process::Command;
use std::sync::Arc;

use bl702_emulator::module::Start;
use bl702_emulator::profile::{Boot, Profile, Wiring as ModuleWiring};
use bl702_flasher::connect::ConnectOptions;
use bl702_flasher::driver;
use bl702_flasher::error::Error;
use bl702_flasher::flow::{self, After};
use bl702_flasher::loader::LoaderImage;
use bl702_flasher::plan::{Piece, Pieces};
use bl702_flasher::port::Port;
use bl702_flasher::reset::{Lines, Wiring};
use bl702_flasher::session::Link;
use bl702_flasher::timing::Timing;
use bl702_protocol::time::Nanos;

use super::{Capability, Lacks, Place, Rates, Seen, Setup, Target, Unready};
use crate::hardware::bench::{Bench, Guest};
use crate::hardware::client::{Client, ClientError};
use crate::hardware::config::PowerSwitch;
use crate::hardware::store::hex;
use crate::{host, images};

/// How long EN is low when a scenario's module is restarted.
const RESET: Nanos = Nanos::from_millis(50);

/// A module that is this scenario's, brought to the state the scenario begins with.
pub struct HardwareTarget {
    bench: Arc<Bench>,
    guest: Guest,
    enable_high: bool,
    boot_high: bool,
    /// As of the last look; looking takes a restart, so it is done only if something was sent since.
    burnt: u32,
    first_fuses: [u8; 128],
    flash_is_known: bool,
}

impl HardwareTarget {
    /// Checks the module in and brings it to what the scenario begins with.
    ///
    /// # Errors
    /// [`Unready`]
    pub fn power_up(bench: &Arc<Bench>, setup: &Setup) -> Result<HardwareTarget, Unready> {
        let lacks = |capability| Lacks { target: name(bench), capability };
        if !setup.faults.is_empty() {
            return Err(lacks(Capability::Faults).into());
        }
        if setup.fuses.is_some() {
            return Err(lacks(Capability::OtherBoard).into());
        }
        if setup.place == Place::OwnProcess {
            return Err(lacks(Capability::Kill).into());
        }
        let guest = bench.check_in().map_err(|error| Unready::Failed(error.to_string()))?;
        let first_fuses = guest.fuses;
        let mut target = HardwareTarget {
            bench: Arc::clone(bench),
            guest,
            enable_high: true,
            boot_high: true,
            burnt: 0,
            first_fuses,
            flash_is_known: setup.flash.is_some(),
        };
        target.suits(setup)?;
        if let Some(contents) = &setup.flash {
            let image = images::padded(contents, target.guest.module.capacity_bytes);
            target.write(image)?;
        }
        if setup.start == Start::Loader {
            target.start_loader()?;
        } else {
            target.boot_high = setup.boot != Boot::Low;
            target.restart()?;
        }
        let how = match (setup.start, setup.boot) {
            (Start::Loader, _) => "the RAM loader was uploaded and its session ended",
            (_, Boot::Low) => "restarted with BOOT low",
            _ => "restarted with BOOT high",
        };
        target.guest.story.push(how.to_owned());
        let crossed = target.is_crossed(setup.wiring);
        if crossed {
            target.guest.story.push("DTR and RTS change places in software".to_owned());
        }
        target.guest.port.cross_lines(crossed);
        if setup.invert != Lines::default() {
            target.guest.story.push("its adapter's lines are inverted in software".to_owned());
            target.guest.port.invert_lines(setup.invert);
            let at_rest = target.guest.port.set_lines(Lines::default());
            at_rest.map_err(|error| Unready::Failed(error.to_string()))?;
        }
        target.guest.port.offer_lines(setup.wiring != ModuleWiring::None);
        target.guest.port.take_sent();
        Ok(target)
    }

    /// Whether the bench can be what the scenario asks for.
    fn suits(&self, setup: &Setup) -> Result<(), Unready> {
        let profile = Profile::builtin(&setup.profile).map_err(|error| Unready::Failed(error.to_string()))?;
        if hex(&profile.flash_part.jedec_id) != self.guest.module.jedec {
            return Err(self.lacks(Capability::OtherBoard).into());
        }
        let port = &self.guest.port;
        if setup.wiring != ModuleWiring::None && port.wiring() == Wiring::None {
            return Err(self.lacks(Capability::EnablePin).into());
        }
        let moves_boot = matches!(setup.boot, Boot::Low | Boot::Dtr | Boot::Rts);
        if moves_boot && !port.boot_on_line() {
            return Err(self.lacks(Capability::BootPin).into());
        }
        if setup.burns {
            let chip = &self.guest.module.chip_id;
            if !self.bench.config.sacrificial_chips.contains(chip) {
                return Err(self.lacks(Capability::Burning).into());
            }
        }
        if let Some(lack) = super::fuses_lack(setup, &self.first_fuses) {
            return Err(self.lacks(lack).into());
        }
        Ok(())
    }

    /// A scenario about the other wiring gets it by DTR and RTS changing places.
    fn is_crossed(&self, wanted: ModuleWiring) -> bool {
        matches!(
            (wanted, self.guest.port.wiring()),
            (ModuleWiring::RtsEn, Wiring::DtrEn) | (ModuleWiring::DtrEn, Wiring::RtsEn)
        )
    }

    fn client_error(&self, error: &ClientError) -> Unready {
        Unready::Failed(format!("{}: {error}", self.name()))
    }

    /// Has the flasher write what the flash is to hold, which it verifies.
    fn write(&mut self, image: Vec<u8>) -> Result<(), Unready> {
        let len = image.len();
        let wrong = |error: &dyn fmt::Display| Unready::Failed(error.to_string());
        let piece = Piece::new(0, image).map_err(|error| wrong(&error))?;
        let pieces = Pieces::new(vec![piece]).map_err(|error| wrong(&error))?;
        let report = self.run(|link, options| flow::write(link, options, pieces, After::Reset))?;
        self.guest.story.push(format!(
            "the flasher made the flash hold {len} bytes: {} erased, {} programmed, verified",
            report.erased_bytes, report.programmed_bytes
        ));
        Ok(())
    }

    fn run<T, F, R>(&mut self, flow: F) -> Result<T, Unready>
    where
        F: FnOnce(Link, Arc<ConnectOptions>) -> R,
        R: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let config = &self.bench.config;
        let options = Arc::new(ConnectOptions {
            boot_baud_bps: config.boot_baud_bps,
            baud_bps: config.baud_bps,
            wiring: self.guest.port.wiring(),
            has_lines: self.guest.port.has_lines(),
            loader: Some(self.bench.loader()),
            timing: Timing::default().allowing_for(self.guest.port.round_trip()),
            ..ConnectOptions::default()
        });
        let baud_bps = config.boot_baud_bps;
        let port = &mut self.guest.port;
        port.set_baud(baud_bps).map_err(|error| Unready::Failed(error.to_string()))?;
        driver::run(port, baud_bps, |link| flow(link, options), |_, _| {}, || false)
            .map_err(|error| Unready::Failed(format!("to prepare the module: {error}")))
    }

    fn start_loader(&mut self) -> Result<(), Unready> {
        let (bench, port) = (&self.bench, &mut self.guest.port);
        let mut client = Client::new(port);
        let mut start = || {
            client.enter_rom(bench.config.boot_baud_bps)?;
            client.start_loader(bench.loader_bytes(), bench.config.baud_bps)?;
            client.end_loader_session()
        };
        let started = start();
        started.map_err(|error| self.client_error(&error))
    }

    /// EN low and high again, or, where no line drives it, a restart by command.
    fn restart(&mut self) -> Result<(), Unready> {
        let baud_bps = self.bench.config.boot_baud_bps;
        let (enable_high, boot_high) = (self.enable_high, self.boot_high);
        let port = &mut self.guest.port;
        let mut go = || {
            if port.wiring() == Wiring::None {
                let mut client = Client::new(port);
                client.enter_rom(baud_bps)?;
                return client.reset();
            }
            port.set_pins(false, boot_high)?;
            host::listen(port, RESET)?;
            port.set_pins(enable_high, boot_high)?;
            Ok(())
        };
        let gone = go();
        gone.map_err(|error| self.client_error(&error))
    }

    fn set_pins(&mut self) -> Result<(), Unready> {
        let (enable_high, boot_high) = (self.enable_high, self.boot_high);
        let set = self.guest.port.set_pins(enable_high, boot_high);
        set.map_err(|error| Unready::Failed(error.to_string()))
    }

    fn switch(&self, command: &[String]) -> Result<(), Unready> {
        let failed = |reason: String| Unready::Failed(format!("`{}`: {reason}", command.join(" ")));
        let (program, arguments) = command.split_first().ok_or_else(|| failed("no command".to_owned()))?;
        let done =
            Command::new(program).args(arguments).output().map_err(|error| failed(error.to_string()))?;
        if done.status.success() {
            return Ok(());
        }
        Err(failed(format!("{}: {}", done.status, String::from_utf8_lossy(&done.stderr))))
    }
}

fn name(bench: &Bench) -> String {
    format!("the module at {}", bench.config.port)
}

impl Target for HardwareTarget {
    fn name(&self) -> String {
        name(&self.bench)
    }

    fn port(&mut self) -> &mut dyn Port {
        &mut self.guest.port
    }

    fn flash(&mut self) -> Result<Vec<u8>, Unready> {
        let (bench, port) = (&self.bench, &mut self.guest.port);
        let len = self.guest.module.capacity_bytes;
        let mut client = Client::new(port);
        let mut read = || {
            client.enter_rom(bench.config.boot_baud_bps)?;
            client.start_loader(bench.loader_bytes(), bench.config.baud_bps)?;
            client.read_flash(len)
        };
        let read = read();
        let flash = read.map_err(|error| self.client_error(&error))?;
        self.restart()?;
        Ok(flash)
    }

    fn burnt_fuses(&mut self) -> Result<u32, Unready> {
        if !self.guest.port.take_sent() {
            return Ok(self.burnt);
        }
        let (bench, port) = (&self.bench, &mut self.guest.port);
        let mut client = Client::new(port);
        let mut read = || {
            client.enter_rom(bench.config.boot_baud_bps)?;
            client.fuses()
        };
        let read = read();
        let now = read.map_err(|error| self.client_error(&error))?;
        self.burnt = now.iter().zip(&self.first_fuses).map(|(now, first)| (now ^ first).count_ones()).sum();
        self.restart()?;
        self.guest.port.take_sent();
        Ok(self.burnt)
    }

    fn chip_id(&mut self) -> String {
        self.guest.module.chip_id.clone()
    }

    fn capacity_bytes(&mut self) -> usize {
        self.guest.module.capacity_bytes
    }

    fn loader(&self) -> Arc<LoaderImage> {
        self.bench.loader()
    }

    fn rates(&self) -> Rates {
        let config = &self.bench.config;
        Rates { boot_baud_bps: config.boot_baud_bps, baud_bps: config.baud_bps }
    }

    fn check_rate(&self, baud_bps: u32) -> Result<(), Lacks> {
        match self.bench.config.adapter.max_baud_bps {
            Some(limit) if baud_bps > limit => Err(self.lacks(Capability::Rate { baud_bps })),
            _ => Ok(()),
        }
    }

    fn check_prompt(&self) -> Result<(), Lacks> {
        Err(self.lacks(Capability::Prompt))
    }

    fn check_firmware(&self) -> Result<(), Lacks> {
        Err(self.lacks(Capability::MadeUpFirmware))
    }

    fn seen(&self) -> Option<Seen> {
        Some(Seen { fuses: self.first_fuses, flash_is_known: self.flash_is_known })
    }

    fn story(&self) -> Vec<String> {
        self.guest.story.clone()
    }

    fn set_enable(&mut self, high: bool) -> Result<(), Unready> {
        if self.guest.port.wiring() == Wiring::None {
            return Err(self.lacks(Capability::EnablePin).into());
        }
        self.enable_high = high;
        self.set_pins()
    }

    fn set_boot(&mut self, high: bool) -> Result<(), Unready> {
        if !self.guest.port.boot_on_line() {
            return Err(self.lacks(Capability::BootPin).into());
        }
        self.boot_high = high;
        self.set_pins()
    }

    fn set_power(&mut self, on: bool) -> Result<(), Unready> {
        let Some(PowerSwitch { on: switch_on, off }) = self.bench.config.power.clone() else {
            return Err(self.lacks(Capability::Power).into());
        };
        self.switch(if on { &switch_on } else { &off })
    }
}

impl fmt::Debug for HardwareTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name(), self.guest.story.join("; "))
    }
}
