//! Plays a scene and keeps the evidence.

use std::sync::{Arc, OnceLock};

use bl702_emulator::fault::FaultReport;
use bl702_emulator::module::Module;
use bl702_emulator::profile::Wiring;
use bl702_flasher::connect::ConnectOptions;
use bl702_flasher::driver;
use bl702_flasher::error::Error;
use bl702_flasher::event::Event;
use bl702_flasher::flow::{self, After};
use bl702_flasher::loader::LoaderImage;
use bl702_flasher::plan::{FlashRange, Piece, Pieces};
use bl702_flasher::port::Port;
use bl702_flasher::port::emulated::{EmulatedPort, made_up_loader};
use bl702_flasher::reset;
use bl702_flasher::timing::{Pace, Timing};
use bl702_protocol::boot_info::BootInfo;
use bl702_protocol::time::Nanos;

use super::bench::Bench;
use super::mutant::Mutant;
use super::scene::{Scene, Work};

/// Rate of the port when it is opened.
pub const BOOT_BAUD_BPS: u32 = 500_000;

/// What a run that succeeded says it has achieved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    /// `info`: chip id (if the ROM answered), JEDEC id and MAC address (if they could be read).
    Info {
        /// As the ROM gives it.
        chip_id: Option<[u8; 8]>,
        /// As the loader gives it.
        jedec: Option<[u8; 3]>,
        /// As the loader gives it.
        mac: Option<[u8; 8]>,
    },
    /// `backup`: the bytes for the file.
    Backup(Vec<u8>),
    /// `write` or `erase`: how many sectors did not verify and were written again.
    Changed {
        /// Sectors.
        repaired: u64,
    },
    /// `verify`: all is as it should be.
    Verified,
}

/// A time that was announced, and by when the part of the run that began then had to be over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    /// When it was announced.
    pub told: Nanos,
    /// The end of the bound.
    pub until: Nanos,
}

/// What a run leaves behind.
#[derive(Debug)]
pub struct Evidence {
    /// What the run says.
    pub result: Result<Done, Error>,
    /// What it announced.
    pub deadlines: Vec<Deadline>,
    /// When it began.
    pub began: Nanos,
    /// When it was over.
    pub ended: Nanos,
    /// Whether it had to be stopped.
    pub hung: bool,
    /// Whether the bench cut the cable or the supply.
    pub cut: bool,
    /// Cells of the flash before.
    pub before: Arc<Vec<u8>>,
    /// Cells of the flash afterwards.
    pub cells: Vec<u8>,
    /// Fuses burnt.
    pub burnt: u32,
    /// Fuses of the chip, for what `info` says.
    pub fuses: [u8; 128],
    /// JEDEC id of the part that is fitted.
    pub jedec: [u8; 3],
    /// The faults, and which of them fired.
    pub faults: FaultReport,
}

/// Plays a scene on a module of its own.
pub fn play(scene: &Scene) -> Evidence {
    play_mutant(scene, Mutant::None)
}

/// Plays a scene with a flasher that is wrong on purpose.
pub fn play_mutant(scene: &Scene, mutant: Mutant) -> Evidence {
    let (module, before) = scene.powered_up();
    let mut bench = Bench::new(EmulatedPort::new(module, BOOT_BAUD_BPS));
    play_on(&mut bench, scene, Arc::new(before), mutant)
}

/// Plays a scene on a bench that is there already; its flash holds `before`.
pub fn play_on(bench: &mut Bench, scene: &Scene, before: Arc<Vec<u8>>, mutant: Mutant) -> Evidence {
    let began = bench.now();
    let burnt_before = bench.port().module().otp().burn_count();
    let mut deadlines = Vec::new();
    let on_event = |at: Nanos, event: Event| {
        if let Event::Bound { bound_ms, .. } = event {
            // The event rounds down to whole milliseconds.
            deadlines.push(Deadline { told: at, until: at + Nanos::from_millis(bound_ms + 1) });
        }
    };
    let mut looks = 0;
    let stop = || {
        looks += 1;
        scene.interrupt_after.is_some_and(|after| looks > after)
    };
    let options = options(scene, bench.has_lines());
    let result = if mutant == Mutant::None {
        session(scene, mutant, bench, &before, options, on_event, stop)
    } else {
        session(scene, mutant, &mut mutant.wrap(bench, scene, &before), &before, options, on_event, stop)
    };
    let result = mutant.retell(scene, result);
    let (hung, cut) = (bench.hung(), bench.has_cut());
    let ended = bench.now();
    let module = bench.port_mut().module_mut();
    settle(module);
    Evidence {
        result,
        deadlines,
        began,
        ended,
        hung,
        cut,
        before,
        cells: module.flash().dump(),
        burnt: module.otp().burn_count() - burnt_before,
        fuses: module.otp().fuses(),
        jedec: module.flash().jedec_id(),
        faults: module.fault_report(),
    }
}

/// What the module has heard it carries out, with nobody watching.
fn settle(module: &mut Module) {
    let end = module.now() + Nanos::from_secs(20);
    while !module.waits_for_host() && module.now() < end {
        let next = module.next_wakeup().unwrap_or(end).max(module.now() + Nanos(1));
        module.advance(next.min(end));
        while module.transmit().is_some() || module.next_event().is_some() {}
    }
}

fn options(scene: &Scene, has_lines: bool) -> Arc<ConnectOptions> {
    static LOADER: OnceLock<Arc<LoaderImage>> = OnceLock::new();
    let loader = LOADER.get_or_init(|| Arc::new(made_up_loader().expect("the made-up loader is an image")));
    Arc::new(ConnectOptions {
        has_lines,
        loader: Some(Arc::clone(loader)),
        timing: Timing::of(Pace::Fast),
        wiring: match scene.wiring {
            Wiring::RtsEn => reset::Wiring::RtsEn,
            Wiring::DtrEn => reset::Wiring::DtrEn,
            Wiring::None => reset::Wiring::None,
        },
        ..ConnectOptions::default()
    })
}

fn session(
    scene: &Scene,
    mutant: Mutant,
    port: &mut dyn Port,
    before: &[u8],
    options: Arc<ConnectOptions>,
    on_event: impl FnMut(Nanos, Event),
    stop: impl FnMut() -> bool,
) -> Result<Done, Error> {
    let after = After::Reset;
    match &scene.work {
        Work::Info => {
            let flow = |link| flow::info(link, options, after);
            driver::run(port, BOOT_BAUD_BPS, flow, on_event, stop).map(|report| Done::Info {
                chip_id: match report.boot_info {
                    BootInfo::Rom(info) => Some(info.chip_id),
                    BootInfo::Loader(_) => None,
                },
                jedec: report.flash.map(|flash| flash.jedec.0),
                mac: report.mac,
            })
        }
        Work::Backup { from, to, part } => {
            let range = FlashRange::new(*from, *to);
            let part = part.map(|part| part.contents(&before[*from as usize..*to as usize]));
            let flow = |link| flow::resume_backup(link, options, range, part.unwrap_or_default(), after);
            driver::run(port, BOOT_BAUD_BPS, flow, on_event, stop).map(|backup| Done::Backup(backup.bytes))
        }
        Work::Write { .. } => {
            let pieces = pieces(scene, mutant);
            let flow = |link| flow::write(link, options, pieces, after);
            let report = driver::run(port, BOOT_BAUD_BPS, flow, on_event, stop);
            report.map(|report| Done::Changed { repaired: report.repaired_sectors })
        }
        Work::Verify { .. } => {
            let pieces = pieces(scene, mutant);
            let flow = |link| flow::verify(link, options, pieces, after);
            driver::run(port, BOOT_BAUD_BPS, flow, on_event, stop).map(|_| Done::Verified)
        }
        Work::Erase { from, to } => {
            let range = FlashRange::new(*from, *to).expect("scenes have good ranges");
            let flow = |link| flow::erase_range(link, options, range, after);
            let report = driver::run(port, BOOT_BAUD_BPS, flow, on_event, stop);
            report.map(|report| Done::Changed {
                repaired: report.change.map_or(0, |change| change.repaired_sectors),
            })
        }
        Work::EraseChip => {
            let flow = |link| flow::erase_chip(link, options, after);
            let report = driver::run(port, BOOT_BAUD_BPS, flow, on_event, stop);
            report.map(|_| Done::Changed { repaired: 0 })
        }
    }
}

/// The pieces of a scene, as the flasher takes them.
fn pieces(scene: &Scene, mutant: Mutant) -> Pieces {
    let mut pieces: Vec<(u32, Vec<u8>)> =
        scene.work.pieces().iter().map(|piece| (piece.address, piece.contents())).collect();
    mutant.misread(&mut pieces);
    let pieces = pieces.into_iter().map(|(address, bytes)| Piece::new(u64::from(address), bytes));
    let pieces = pieces.collect::<Result<Vec<Piece>, _>>().expect("scenes have good pieces");
    Pieces::new(pieces).expect("pieces of a scene do not overlap")
}
