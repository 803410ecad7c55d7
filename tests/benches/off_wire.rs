//! What emulator and flasher themselves take, as two programs with a real pty between them and nothing that waits for a wire:
//! `cargo bench -p bl702-harness --bench off_wire`.
//!
//! Every round measures everything once, one after the other, so that a machine that others use as well treats all
//! alike; the figures are medians of the rounds. A figure behind its goal is no failure; wrong data are.
//!
//! The flasher waits where a real module needs it (`bl702-flash config show` lists the waits), in real time and whatever the emulator could do,
//! so a run from reset to reset is measured three times: as it is by default, with every wait at the least that can be
//! set, and against a RAM loader that runs already. What the programs take is the same in all three.
#![allow(clippy::unwrap_used, reason = "what cannot go on ends with its reason")]

use bl702_harness::images;
use bl702_harness::measure::figures::{Goal, row};
use bl702_harness::measure::two_programs::{Took, TwoPrograms, Which};
use bl702_harness::measure::{bare_loop, median, milliseconds};

const FLASH_BYTES: usize = 1 << 20;
const ROUNDS: usize = 9;
/// Every wait at the least that its key in the configuration takes, and that this emulator needs: it never has to be waited for.
const LEAST_WAITS: [(&str, &str); 6] = [
    ("BL702_TIMING_RESET_HOLD_MS", "1"),
    ("BL702_TIMING_STRAP_SETTLE_MS", "0"),
    ("BL702_TIMING_RESET_TO_BURST_MS", "0"),
    ("BL702_TIMING_OK_WAIT_MS", "40"),
    ("BL702_TIMING_QUIET_MS", "3"),
    ("BL702_TIMING_JUMP_TO_BURST_MS", "0"),
];

/// How a run begins.
#[derive(Clone, Copy)]
struct Way {
    name: &'static str,
    emulator: &'static [&'static str],
    settings: &'static [(&'static str, &'static str)],
}

const WAYS: [Way; 3] = [
    Way {
        name: "from the boot ROM, waits as they are by default",
        emulator: &["--pace", "none"],
        settings: &[],
    },
    Way {
        name: "from the boot ROM, every wait at its least",
        emulator: &["--pace", "none"],
        settings: &LEAST_WAITS,
    },
    Way {
        name: "RAM loader running, every wait at its least",
        emulator: &["--pace", "none", "--start", "loader"],
        settings: &LEAST_WAITS,
    },
];

/// The figures of one way to begin, one of each round.
#[derive(Default)]
struct Figures {
    backup_ms: Vec<f64>,
    write_ms: Vec<f64>,
    backup_connect_ms: Vec<f64>,
    read_bytes_per_s: Vec<f64>,
    write_work_ms: Vec<f64>,
}

/// Backs up a flash of old bytes, then writes new ones over it.
fn round(way: Way, figures: &mut Figures) {
    let (old, new) = (images::pattern(FLASH_BYTES), images::other(FLASH_BYTES, 1));
    let module = TwoPrograms::new(&old, way.emulator);
    let read = module.flash(&["backup", "backup.bin"], way.settings);
    assert!(module.folder.read("backup.bin") == old, "WRONG DATA in the backup");
    figures.backup_ms.push(milliseconds(read.wall));
    figures.backup_connect_ms.push(connect_ms(&read));
    // Whole milliseconds; a tenth at most of what is measured here.
    figures.read_bytes_per_s.push(FLASH_BYTES as f64 / (read.work_ms("read").max(1.0) / 1e3));
    drop(module);

    // Another module, because the one before has left its RAM loader.
    let module = TwoPrograms::new(&old, way.emulator);
    module.folder.put("new.bin", &new);
    let written = module.flash(&["write", "new.bin"], way.settings);
    assert!(module.folder.read("flash.raw") == new, "WRONG DATA in the flash");
    figures.write_ms.push(milliseconds(written.wall));
    figures.write_work_ms.push(written.work_ms("verify"));
}

fn connect_ms(run: &Took) -> f64 {
    run.at_ms(Which::First, |event| event["event"] == "flash")
}

fn main() {
    if bare_loop::be_the_client() {
        return;
    }
    println!("two programs, a real pty, --pace none, {FLASH_BYTES} bytes; medians of {ROUNDS} rounds");
    let mut bare = Vec::new();
    let mut figures: [Figures; WAYS.len()] = Default::default();
    for _ in 0..ROUNDS {
        bare.push(bare_loop::bytes_per_s(FLASH_BYTES));
        for (way, figures) in WAYS.into_iter().zip(&mut figures) {
            round(way, figures);
        }
    }
    let bare = median(&bare);
    row("bare request-response loop of the same block size", bare / 1e6, "MB/s", Goal::None);
    let read: Vec<f64> = figures.iter().flat_map(|way| way.read_bytes_per_s.clone()).collect();
    let read = median(&read);
    row("backup, while it reads", read / 1e6, "MB/s", Goal::None);
    row("backup, while it reads, of the bare loop", read / bare, "", Goal::AtLeast(0.5));
    for (way, figures) in WAYS.iter().zip(&figures) {
        println!("\n{}", way.name);
        let goals = way.is_without_idle_waits();
        let goal = |goal| if goals { Goal::AtMost(goal) } else { Goal::None };
        row("backup, from start to exit of bl702-flash", median(&figures.backup_ms), "ms", goal(60.0));
        row("of that, until the flash is known", median(&figures.backup_connect_ms), "ms", Goal::None);
        row("write over other bytes, from start to exit", median(&figures.write_ms), "ms", goal(100.0));
        row(
            "of that, from the flash being known to verified",
            median(&figures.write_work_ms),
            "ms",
            Goal::None,
        );
    }
}

impl Way {
    /// Whether the programs, not the waits for a chip that is not there, are what takes the time.
    fn is_without_idle_waits(self) -> bool {
        !self.settings.is_empty()
    }
}
