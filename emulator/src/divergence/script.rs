//! What the host did in a recording, and what each act of it waited for.

use bl702_protocol::time::Nanos;
use bl702_protocol::trace::{Direction, LineLevels, Record, RecordingHeader};

/// Where a recording was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Viewpoint {
    /// At the chip's pins: bytes as they were sent, times as they are.
    Chip,
    /// At the host: bytes as the host's rate makes of them, times with the link's delay.
    Host,
}

impl Viewpoint {
    /// The viewpoint of the program that made a recording.
    pub fn of(header: &RecordingHeader) -> Viewpoint {
        // The emulator records its own module; its proxy, like every flasher, sees a module from outside.
        let at_module = header.tool.starts_with("bl702-emu ") && !header.tool.starts_with("bl702-emu proxy");
        if at_module { Viewpoint::Chip } else { Viewpoint::Host }
    }
}

/// Something the host did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// It sent bytes.
    Send {
        /// At this rate.
        baud_bps: u32,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// It moved lines.
    Lines(LineLevels),
    /// It switched the supply.
    Power(bool),
}

/// An act, and what it waited for.
#[derive(Clone, Debug)]
pub struct Step {
    /// What.
    pub act: Act,
    /// When it began.
    pub start: Nanos,
    /// When its last byte had left.
    pub end: Nanos,
    /// How many bytes of the chip had been heard by then, since the recording began.
    pub heard_bytes: u64,
    /// When the last of these had arrived.
    pub heard_at: Option<Nanos>,
    /// The rate at which the host heard what came next, where something did.
    pub receive_bps: Option<u32>,
}

/// Bytes of the chip, as far as a script needs them.
#[derive(Clone, Copy, Debug)]
struct Run {
    start: Nanos,
    baud_bps: u32,
    bytes: u64,
    /// Bytes before it.
    before: u64,
}

/// The host's side of a recording.
#[derive(Clone, Debug)]
pub struct Script {
    /// The recording's first line.
    pub header: RecordingHeader,
    /// Where it was made.
    pub viewpoint: Viewpoint,
    /// What the host did, in order.
    pub steps: Vec<Step>,
    /// Bytes of the chip in all.
    pub chip_bytes: u64,
    /// The rate at which the host heard what came before its first act.
    pub first_receive_bps: Option<u32>,
    /// When the last thing that was recorded was over.
    pub end: Nanos,
}

impl Script {
    /// Takes a recording apart.
    pub fn of(records: &[Record]) -> Script {
        let header = records.iter().find_map(|record| match record {
            Record::Header(header) => Some(header.clone()),
            _ => None,
        });
        let header = header.unwrap_or(RecordingHeader {
            version: bl702_protocol::trace::FORMAT_VERSION,
            profile: String::new(),
            tool: String::new(),
        });
        let runs = runs(records);
        let mut acts: Vec<(Nanos, Nanos, Act)> = records.iter().filter_map(act).collect();
        // A recorder writes what it sees when it sees it; the wire has an order of its own.
        acts.sort_by_key(|(start, ..)| *start);
        let mut steps: Vec<Step> = Vec::with_capacity(acts.len());
        for (start, end, act) in acts {
            let (heard_bytes, heard_at) = heard(&runs, start);
            steps.push(Step { act, start, end, heard_bytes, heard_at, receive_bps: None });
        }
        set_receive_rates(&mut steps, &runs);
        let last = |record: &Record| match record {
            Record::Bytes(burst) => {
                burst.time_ns + Nanos::byte_times(burst.bytes.len() as u64, burst.baud_bps)
            }
            other => other.time(),
        };
        let first_act = steps.first().map_or(Nanos(u64::MAX), |step| step.start);
        let first_receive_bps = runs.first().filter(|run| run.start < first_act).map(|run| run.baud_bps);
        Script {
            first_receive_bps,
            viewpoint: Viewpoint::of(&header),
            header,
            steps,
            chip_bytes: runs.last().map_or(0, |run| run.before + run.bytes),
            end: records.iter().map(last).max().unwrap_or_default(),
        }
    }
}

fn act(record: &Record) -> Option<(Nanos, Nanos, Act)> {
    match record {
        Record::Bytes(burst) if burst.direction == Direction::Host && !burst.bytes.is_empty() => {
            let end = burst.time_ns + Nanos::byte_times(burst.bytes.len() as u64, burst.baud_bps);
            let act = Act::Send { baud_bps: burst.baud_bps, bytes: burst.bytes.clone() };
            Some((burst.time_ns, end, act))
        }
        Record::Lines(change) => Some((change.time_ns, change.time_ns, Act::Lines(change.lines))),
        Record::Event(event) => match event.event.as_str() {
            "power_on" => Some((event.time_ns, event.time_ns, Act::Power(true))),
            "power_off" => Some((event.time_ns, event.time_ns, Act::Power(false))),
            _ => None,
        },
        Record::Bytes(_) | Record::Header(_) => None,
    }
}

fn runs(records: &[Record]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut before = 0;
    for record in records {
        let Record::Bytes(burst) = record else { continue };
        if burst.direction != Direction::Chip || burst.bytes.is_empty() {
            continue;
        }
        // Read late and in one go, bytes may seem to begin before those in front of them have ended.
        let earliest = runs.last().map_or(Nanos::ZERO, |run| run.start);
        let bytes = burst.bytes.len() as u64;
        runs.push(Run { start: burst.time_ns.max(earliest), baud_bps: burst.baud_bps, bytes, before });
        before += bytes;
    }
    runs
}

impl Run {
    /// How many of its bytes have wholly arrived at `at`.
    fn arrived(&self, at: Nanos) -> u64 {
        let passed = u128::from(at.since(self.start).0);
        let mut count = (passed * u128::from(self.baud_bps) / 10_000_000_000) as u64;
        // The division rounds down; the arrival is rounded, too.
        if count < self.bytes && self.arrival(count + 1) <= at {
            count += 1;
        }
        count.min(self.bytes)
    }

    fn arrival(&self, count: u64) -> Nanos {
        self.start + Nanos::byte_times(count, self.baud_bps)
    }
}

/// How many bytes have wholly arrived at `at`, and when the last of them had.
fn heard(runs: &[Run], at: Nanos) -> (u64, Option<Nanos>) {
    let begun = &runs[..runs.partition_point(|run| run.start <= at)];
    // A run that has just begun may not have brought a byte yet; the one before it counts as over.
    let last = begun.iter().rev().find_map(|run| match run.arrived(at) {
        0 => None,
        count => Some((run.before + count, Some(run.arrival(count)))),
    });
    last.unwrap_or((0, None))
}

/// What came between an act and the next tells at which rate the host listened.
fn set_receive_rates(steps: &mut [Step], runs: &[Run]) {
    let mut runs = runs.iter().peekable();
    for index in 0..steps.len() {
        let until = steps.get(index + 1).map_or(Nanos(u64::MAX), |next| next.start);
        let from = steps[index].start;
        while let Some(run) = runs.peek() {
            if run.start >= until {
                break;
            }
            if run.start >= from && steps[index].receive_bps.is_none() {
                steps[index].receive_bps = Some(run.baud_bps);
            }
            runs.next();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chip(us: u64, bytes: &[u8]) -> Record {
        Record::bytes(Nanos::from_micros(us), Direction::Chip, 500_000, bytes)
    }

    fn host(us: u64, bytes: &[u8]) -> Record {
        Record::bytes(Nanos::from_micros(us), Direction::Host, 500_000, bytes)
    }

    #[test]
    fn each_act_knows_what_was_heard_before_it() {
        // A byte takes 20 us.
        let records = [
            Record::header("xt-zb2", "a test"),
            host(0, b"a"),
            chip(100, b"OK"),
            host(140, b"b"),
            chip(200, b"0123456789"),
            host(250, b"c"),
            chip(1_000, b"x"),
        ];
        let script = Script::of(&records);
        let heard: Vec<_> = script.steps.iter().map(|step| (step.heard_bytes, step.heard_at)).collect();
        let at = |us| Some(Nanos::from_micros(us));
        assert_eq!(heard, [(0, None), (2, at(140)), (4, at(240))]);
        assert_eq!(script.chip_bytes, 13);
        assert_eq!(script.end, Nanos::from_micros(1_020));
        assert_eq!(script.viewpoint, Viewpoint::Host);
        assert_eq!(script.steps[2].receive_bps, Some(500_000));
    }

    #[test]
    fn acts_stand_in_the_order_of_the_wire() {
        let late = Record::Lines(bl702_protocol::trace::LinesRecord {
            time_ns: Nanos::from_micros(50),
            lines: LineLevels { rts: Some(true), ..LineLevels::default() },
        });
        let script = Script::of(&[host(500, b"x"), late]);
        assert!(matches!(script.steps[0].act, Act::Lines(_)));
        assert!(matches!(script.steps[1].act, Act::Send { .. }));
    }

    #[test]
    fn who_recorded_tells_from_where() {
        let viewpoint = |tool: &str| {
            let Record::Header(header) = Record::header("p", tool) else { panic!() };
            Viewpoint::of(&header)
        };
        assert_eq!(viewpoint("bl702-emu 0.1.0"), Viewpoint::Chip);
        assert_eq!(viewpoint("bl702-emu proxy 0.1.0"), Viewpoint::Host);
        assert_eq!(viewpoint("bl702-flash 0.1.0"), Viewpoint::Host);
    }
}
