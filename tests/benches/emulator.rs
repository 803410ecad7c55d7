//! What `bl702-emu` takes of a machine: `cargo bench -p bl702-harness --bench emulator`.
//!
//! `... --bench emulator -- 200` makes the crowd one of 200 modules instead of 1000. A figure behind its goal is no failure; wrong data are.
#![allow(clippy::unwrap_used, reason = "what cannot go on ends with its reason")]

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use bl702_flasher::connect::ConnectOptions;
use bl702_flasher::timing::{Pace, Timing};
use bl702_harness::images;
use bl702_harness::measure::crowd::back_up_all;
use bl702_harness::measure::figures::{Goal, row};
use bl702_harness::measure::process::Usage;
use bl702_harness::measure::{Stopwatch, median, milliseconds};
use bl702_harness::programs::{Serving, emulator};
use bl702_harness::workbench::Workbench;
use rustix::event::{Timespec, poll};
use serde_json::Value;

const FLASH_BYTES: usize = 1 << 20;
const STARTS: usize = 15;
/// So long an emulator is watched while nobody wants anything of it.
const IDLE_S: i64 = 3;
const CROWD: usize = 1000;
/// What differs between the modules of the crowd; the rest of their flashes is erased.
const CONTENT_BYTES: usize = 16 * 1024;
const MIB: f64 = 1024.0 * 1024.0;

fn main() {
    // Cargo adds --bench.
    let count = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(CROWD);
    // Built, and in the page cache.
    drop(Serving::start(["--pace", "none"]));
    start_up();
    exec();
    idle();
    crowd(count);
}

/// From exec to the line that tells the pty, which can be opened then.
fn start_up() {
    let ready = |_| {
        let watch = Stopwatch::start();
        let serving = Serving::start(["--pace", "wire"]);
        let took = milliseconds(watch.elapsed());
        assert!(Path::new(&serving.first_line).exists(), "no pty at {}", serving.first_line);
        took
    };
    let took: Vec<f64> = (0..STARTS).map(ready).collect();
    row("bl702-emu run: ready after", median(&took), "ms", Goal::AtMost(20.0));
}

/// `exec -- true` beside `true`, by turns.
fn exec() {
    let time = |command: &mut Command| {
        let watch = Stopwatch::start();
        let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
        assert!(status.success(), "{command:?}: {status}");
        milliseconds(watch.elapsed())
    };
    let more = |_| {
        let with = time(Command::new(emulator()).args(["exec", "--", "true"]));
        with - time(&mut Command::new("true"))
    };
    let more: Vec<f64> = (0..STARTS).map(more).collect();
    row("bl702-emu exec: adds to a client's life", median(&more), "ms", Goal::AtMost(30.0));
}

/// What an emulator takes while nothing happens, once before any client and once with a client that does nothing.
fn idle() {
    for (state, pace) in [("nobody has the port open", "wire"), ("a client holds the port open", "none")] {
        let serving = Serving::start(["--pace", pace]);
        let client = (pace == "none").then(|| std::fs::File::open(&serving.first_line).unwrap());
        // Whatever the opening has set off is over.
        pause(1);
        let before = Usage::of(serving.id());
        pause(IDLE_S);
        let after = Usage::of(serving.id());
        drop(client);
        let turns = (after.turns - before.turns) as f64;
        let used = milliseconds(after.on_processor - before.on_processor);
        row(&format!("idle, {state}: processor in {IDLE_S} s"), used, "ms", Goal::AtMost(0.0));
        row(&format!("idle, {state}: woken in {IDLE_S} s"), turns, "", Goal::AtMost(0.0));
        let resident = after.peak_resident_bytes as f64 / MIB;
        row(&format!("idle, {state}: resident"), resident, "MiB", Goal::AtMost(16.0));
    }
}

/// Nothing sleeps in this project's tests; a measurement of idleness has to.
fn pause(seconds: i64) {
    poll(&mut [], Some(&Timespec { tv_sec: seconds, tv_nsec: 0 })).unwrap();
}

/// Many modules in one process, all being backed up at once by one other.
fn crowd(count: usize) {
    let folder = Workbench::new();
    let content = |index: usize| images::padded(&images::other(CONTENT_BYTES, index as u32), FLASH_BYTES);
    for index in 0..count {
        folder.put(&format!("flash-{index}"), &content(index));
    }
    let file = |name: &str| folder.path().join(name).display().to_string();
    let (flash, link) = (file("flash"), file("port"));
    let words =
        ["--pace", "none", "--json", "--flash", &flash, "--link", &link, "--count", &count.to_string()];
    let watch = Stopwatch::start();
    let serving = Serving::start(words);
    let ready = milliseconds(watch.elapsed());
    let idle = Usage::of(serving.id());
    let told: Value = serde_json::from_str(&serving.first_line).unwrap();
    let modules = told["modules"].as_array().unwrap();
    assert_eq!(modules.len(), count);
    let ports: Vec<&Path> =
        modules.iter().map(|module| Path::new(module["link"].as_str().unwrap())).collect();

    let loader = Some(Arc::new(images::long_loader()));
    // One thread drives all of them, so everything may wait longer than on a port of its own.
    let options = ConnectOptions { loader, timing: Timing::of(Pace::Slow), ..ConnectOptions::default() };
    let crowd = back_up_all(&ports, &Arc::new(options), FLASH_BYTES as u64);
    let right = crowd
        .backups
        .iter()
        .enumerate()
        .filter(|(index, backup)| backup.as_ref().is_ok_and(|backup| backup.bytes == content(*index)));
    let right = right.count();
    let first = crowd.backups.iter().find_map(|backup| backup.as_ref().err());
    assert_eq!((right, crowd.backups.len()), (count, count), "WRONG DATA; {first:?}");

    let usage = Usage::of(serving.id());
    // The goal is for 1000 modules.
    let goal = if count == CROWD { Goal::AtMost(300.0) } else { Goal::None };
    row(&format!("{count} modules: ready after"), ready, "ms", Goal::None);
    row(&format!("{count} modules: resident, idle"), idle.resident_bytes as f64 / MIB, "MiB", goal);
    let peak = usage.peak_resident_bytes as f64 / MIB;
    row(&format!("{count} modules: resident at most, all backed up at once"), peak, "MiB", goal);
    let seconds = crowd.took.as_secs_f64();
    row(&format!("{count} modules: all backed up after"), seconds, "s", Goal::None);
    let rate = (count * FLASH_BYTES) as f64 / 1e6 / seconds;
    row(&format!("{count} modules: all together"), rate, "MB/s", Goal::None);
    let mean = crowd.halfway_bytes.iter().sum::<u64>() as f64 / count as f64;
    let least = *crowd.halfway_bytes.iter().min().unwrap() as f64;
    let most = *crowd.halfway_bytes.iter().max().unwrap() as f64;
    // "Fair" is not defined; this floor is ours.
    let what = format!("{count} modules: slowest when half is read, of the mean");
    row(&what, least / mean, "", Goal::AtLeast(0.5));
    row(&format!("{count} modules: fastest when half is read, of the mean"), most / mean, "", Goal::None);
    let ends: Vec<f64> = crowd.ended_at.iter().map(|at| at.as_secs_f64() / seconds).collect();
    let earliest = ends.iter().copied().fold(1.0, f64::min);
    row(&format!("{count} modules: first to end, of the last"), earliest, "", Goal::None);
}
