//! One run of a flasher under `bl702-emu exec`, and what report and recording say of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use bl702_protocol::time::Nanos;
use bl702_protocol::trace::{Direction, Record, parse_line};
use serde_json::Value;

use super::contestant::Contestant;
use super::{FLASH_BYTES, Work};
use crate::measure::Stopwatch;
use crate::programs::{Started, emulator, put};
use crate::workbench::Workbench;

/// Longest run: a flasher that repeats itself at 115,200 baud is not waited for.
const LIMIT: Duration = Duration::from_secs(240);

/// What a flasher took.
#[derive(Clone, Debug, PartialEq)]
pub struct Took {
    /// From before the start of its process to after its end.
    pub wall_s: f64,
    /// From the first byte or change of a line to the last byte, in the module's time.
    pub module_s: f64,
    /// Bytes to the module.
    pub to_module: u64,
    /// Bytes from it.
    pub from_module: u64,
    /// How often the module answered after the host had said something.
    pub round_trips: u64,
    /// Resets, by EN or by a command.
    pub resets: u64,
    /// The fastest rate of the host.
    pub baud_bps: u64,
}

/// What came of a run.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The data are right.
    Right(Took),
    /// They are not, and this is what can be said of it.
    Wrong(String),
}

/// Lets a flasher do some work; nothing if it cannot. `options` are `bl702-emu exec`'s.
///
/// # Panics
/// If the emulator fails, or the flasher has not ended after four minutes.
pub fn run(contestant: &Contestant, work: Work, options: &[&str]) -> Option<Outcome> {
    let folder = Workbench::new();
    let path = |name: &str| folder.path().join(name);
    let own = contestant.own_folder();
    let file = match (&own, work) {
        (Some(own), Work::Read) => own.read_file(),
        (_, Work::Read) => path("read.bin"),
        _ => path("image.bin"),
    };
    let words = contestant.command(work, &file)?;
    put(&path("flash.raw"), &work.before());
    if work != Work::Read {
        put(&file, &work.image());
    }
    let mut command = Command::new(emulator());
    command.arg("exec").args(options).arg("--flash").arg(path("flash.raw"));
    command.arg("--report").arg(path("report.json")).arg("--record").arg(path("recording.jsonl"));
    command.arg("--").args(words).current_dir(folder.path()).env("BL702_SETTINGS", "none");
    if let Some(own) = &own {
        command.env("PYTHONPATH", own.path("packages"));
    }
    let watch = Stopwatch::start();
    let ended = Started::new(&mut command).finish_within(LIMIT);
    let wall_s = watch.elapsed().as_secs_f64();
    let said = || format!("{}{}", String::from_utf8_lossy(&ended.stdout), ended.stderr);
    let report = fs::read(path("report.json")).unwrap_or_default();
    let report: Value = serde_json::from_slice(&report).unwrap_or_else(|_| panic!("no report: {}", said()));
    if let Some(wrong) = what_is_wrong(work, &report, &path("flash.raw"), &file) {
        return Some(Outcome::Wrong(format!("{wrong}\n{}", said())));
    }
    let recording = fs::read_to_string(path("recording.jsonl")).expect("a recording");
    let wire = Wire::of(&recording);
    let number = |field: &Value| field.as_u64().expect("a number");
    let rates = report["baud_bps"].as_array().expect("rates").iter().filter_map(Value::as_u64);
    Some(Outcome::Right(Took {
        wall_s,
        module_s: wire.span.as_secs_f64(),
        to_module: number(&report["bytes"]["to_module"]),
        from_module: number(&report["bytes"]["from_module"]),
        round_trips: wire.round_trips,
        resets: number(&report["resets"]) + number(&report["system_resets"]),
        baud_bps: rates.max().unwrap_or_default(),
    }))
}

/// Nobody believes a flasher: what counts are the bytes.
fn what_is_wrong(work: Work, report: &Value, flash: &Path, file: &PathBuf) -> Option<String> {
    let status = report["client"]["exit_status"].as_u64();
    let end = status.map_or("killed".to_owned(), |status| format!("exit status {status}"));
    if report["fuses_burnt"] != 0 {
        return Some("fuses were burnt".to_owned());
    }
    if fs::read(flash).unwrap_or_default() != work.after() {
        return Some(format!("the flash is not what it should be ({end})"));
    }
    if work == Work::Read && fs::read(file).unwrap_or_default() != work.after() {
        return Some(format!("the file does not hold the {FLASH_BYTES} bytes of the flash ({end})"));
    }
    None
}

/// What was on the wire.
#[derive(Debug, PartialEq, Eq)]
struct Wire {
    /// From the first sign of the host to the last byte of either side.
    span: Nanos,
    round_trips: u64,
}

impl Wire {
    fn of(recording: &str) -> Wire {
        let (mut first, mut last) = (None, Nanos::ZERO);
        let (mut round_trips, mut asked) = (0, false);
        for record in recording.lines().filter_map(|line| parse_line(line).ok()) {
            match record {
                Record::Lines(lines) => {
                    first.get_or_insert(lines.time_ns);
                }
                Record::Bytes(bytes) => {
                    first.get_or_insert(bytes.time_ns);
                    last = bytes.time_ns + Nanos::byte_times(bytes.bytes.len() as u64, bytes.baud_bps);
                    let answers = bytes.direction == Direction::Chip;
                    round_trips += u64::from(asked && answers);
                    asked = !answers;
                }
                Record::Header(_) | Record::Event(_) => {}
            }
        }
        Wire { span: last.since(first.unwrap_or(last)), round_trips }
    }
}

#[cfg(test)]
mod tests {
    use bl702_protocol::trace::to_line;

    use super::*;

    #[test]
    fn a_recording_tells_round_trips_and_the_time_between_first_and_last_byte() {
        let bytes =
            |at_ms, direction| Record::bytes(Nanos::from_millis(at_ms), direction, 1_000_000, vec![0; 100]);
        let records = [
            Record::header("xt-zb2", "test"),
            bytes(5, Direction::Host),
            bytes(6, Direction::Host),
            bytes(8, Direction::Chip),
            bytes(9, Direction::Chip),
            bytes(10, Direction::Host),
            bytes(14, Direction::Chip),
        ];
        let text: String = records.iter().map(|record| format!("{}\n", to_line(record))).collect();
        assert_eq!(Wire::of(&text), Wire { span: Nanos::from_millis(10), round_trips: 2 });
    }
}
