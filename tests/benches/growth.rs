//! How time grows with what there is to do: `cargo bench -p bl702-harness --bench growth`.
//!
//! Straight lines are fitted through whole sessions by least squares: the fixed cost, and what a byte, a bit time, a
//! delay of the adapter or one module more adds. Module time where it is the wire's, so these figures are the same on
//! every machine; wall time and memory where it is the number of modules. Wrong data are the only failure.
//!
//! Beside a slope stands what line and flash alone make of it: of a byte read its ten bit times at 2,000,000 baud and the reading
//! of the flash, of one written erasing and programming. What a slope has more is hashing: the module reads everything
//! again, more than once, before a backup or a write is called right.
#![allow(clippy::unwrap_used, reason = "what cannot go on ends with its reason")]

use std::path::Path;
use std::sync::Arc;

use bl702_flasher::connect::ConnectOptions;
use bl702_flasher::timing::{Pace, Timing};
use bl702_harness::images;
use bl702_harness::measure::crowd::back_up_all;
use bl702_harness::measure::fit::Fit;
use bl702_harness::measure::process::Usage;
use bl702_harness::measure::session::{Ended, Setting};
use bl702_harness::programs::Serving;
use bl702_protocol::frame::LOADER_MAX_READ;
use bl702_protocol::time::Nanos;
use serde_json::Value;

const KIB: u32 = 1024;
const FLASHES_KIB: [u32; 6] = [512, 1024, 2048, 4096, 8192, 16_384];
const RATES_BPS: [u32; 8] = [115_200, 230_400, 460_800, 500_000, 921_600, 1_000_000, 2_000_000, 3_000_000];
const LATENCIES_US: [u64; 6] = [0, 200, 1000, 4000, 8000, 16_000];
const CROWDS: [usize; 5] = [1, 25, 50, 100, 200];
/// Of the module XT-ZB2.
const FLASH_BYTES: u32 = 1024 * KIB;
const BAUD_BPS: u32 = 2_000_000;

fn seconds(ended: Ended) -> f64 {
    assert!(ended.right, "WRONG DATA, or {:?}", ended.failure);
    ended.took.as_secs_f64()
}

/// A line of the table; values are in microseconds, fixed costs are told in milliseconds.
fn tell(what: &str, fit: Fit, each: &str, should_be: Option<f64>) {
    let should_be = should_be.map(|slope| format!(" ({slope:.3} by line and flash)")).unwrap_or_default();
    println!(
        "{what:46} {:9.1} ms fixed, {:9.3} {each}{should_be}, {:.1} % off at most",
        fit.fixed / 1e3,
        fit.slope,
        fit.worst_off * 100.0
    );
}

fn main() {
    println!(
        "fitted by least squares; boot ROM at 500,000 baud, RAM loader at {BAUD_BPS} if nothing else is said"
    );
    flash_size();
    rates();
    latencies();
    modules();
}

fn flash_size() {
    let (mut reads, mut writes) = (Vec::new(), Vec::new());
    let mut setting = Setting::new();
    for kib in FLASHES_KIB {
        setting = setting.with_flash_bytes(kib * KIB);
        let bytes = f64::from(kib * KIB);
        reads.push((bytes, seconds(setting.backup()) * 1e6));
        writes.push((bytes, seconds(setting.write(&images::other((kib * KIB) as usize, 1))) * 1e6));
    }
    let part = setting.profile.flash_part.times(setting.profile.flash_speed);
    let line_us = Nanos::byte_times(1_000_000, BAUD_BPS).as_secs_f64();
    let read_us = line_us + 1e6 / f64::from(setting.profile.flash_read_bytes_per_s);
    let program_us = part.page_program_us as f64 / f64::from(setting.profile.flash_part.page_bytes);
    let write_us = part.block_64k_us as f64 / 65_536.0 + program_us.max(line_us);
    tell("flash of 512 KiB to 16 MiB: backup", Fit::through(&reads), "µs a byte", Some(read_us));
    tell("flash of 512 KiB to 16 MiB: write over it", Fit::through(&writes), "µs a byte", Some(write_us));
}

fn rates() {
    let mut reads = Vec::new();
    for baud_bps in RATES_BPS {
        let setting = Setting::new().with_baud_bps(baud_bps);
        reads.push((1e6 / f64::from(baud_bps), seconds(setting.backup()) * 1e6));
    }
    let bits = f64::from(FLASH_BYTES) * 10.0;
    let what = "115,200 to 3,000,000 baud: backup of 1 MiB";
    tell(what, Fit::through(&reads), "bit times", Some(bits));
}

fn latencies() {
    let (mut reads, mut writes) = (Vec::new(), Vec::new());
    for us in LATENCIES_US {
        let setting = Setting { latency: Nanos::from_micros(us), ..Setting::new() };
        reads.push((us as f64, seconds(setting.backup()) * 1e6));
        writes.push((us as f64, seconds(setting.write(&images::other(FLASH_BYTES as usize, 1))) * 1e6));
    }
    let blocks = f64::from(FLASH_BYTES) / LOADER_MAX_READ as f64;
    let trips = "round trips that wait for it";
    tell("adapter of 0 to 16 ms: backup of 1 MiB", Fit::through(&reads), trips, Some(blocks.ceil()));
    tell("adapter of 0 to 16 ms: write of 1 MiB", Fit::through(&writes), trips, None);
}

fn modules() {
    let (mut times, mut memory) = (Vec::new(), Vec::new());
    for count in CROWDS {
        let (took_us, resident_kib) = crowd(count);
        times.push((count as f64, took_us));
        memory.push((count as f64, resident_kib));
    }
    tell("1 to 200 modules of one emulator: backup", Fit::through(&times), "µs a module on the wall", None);
    let memory = Fit::through(&memory);
    let (fixed, slope) = (memory.fixed, memory.slope);
    println!(
        "1 to 200 modules: resident while idle          {fixed:9.1} KiB fixed, {slope:8.3} KiB a module"
    );
}

/// Backs up all of so many modules at once: microseconds on the wall, and memory of the emulator before, in KiB.
fn crowd(count: usize) -> (f64, f64) {
    let serving = Serving::start(["--pace", "none", "--json", "--count", &count.to_string()]);
    let told: Value = serde_json::from_str(&serving.first_line).unwrap();
    let modules = told["modules"].as_array().unwrap();
    let ports: Vec<&Path> = modules.iter().map(|module| Path::new(module["pty"].as_str().unwrap())).collect();
    let resident = Usage::of(serving.id()).resident_bytes;
    let loader = Some(Arc::new(images::long_loader()));
    let options = ConnectOptions { loader, timing: Timing::of(Pace::Slow), ..ConnectOptions::default() };
    let crowd = back_up_all(&ports, &Arc::new(options), u64::from(FLASH_BYTES));
    for backup in &crowd.backups {
        let right = backup.as_ref().is_ok_and(|backup| backup.bytes.iter().all(|byte| *byte == 0xff));
        assert!(right, "WRONG DATA or {:?}", backup.as_ref().err());
    }
    assert_eq!(crowd.backups.len(), count);
    (crowd.took.as_secs_f64() * 1e6, resident as f64 / 1024.0)
}
