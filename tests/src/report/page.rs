//! The page: one file with everything in it, which asks for nothing from anywhere.

use bl702_emulator::divergence::report::Difference;
use bl702_protocol::time::Nanos;
use bl702_protocol::trace::{Direction, Dissector, Record};
use serde::Serialize;

use super::collect::{Attempt, Recording, Run, Verdict};
use super::{Outcome, StepLine};

/// The page without its data.
const TEMPLATE: &str = include_str!("page.html");
/// Where they belong.
const PLACE: &str = "/*DATA*/null";
/// Entries of a timeline; a longer one is cut and says so.
const TIMELINE_ENTRIES: usize = 3_000;
/// Entries of all timelines; beyond, only scenarios that did not simply pass have one.
const ALL_ENTRIES: usize = 60_000;

#[derive(Serialize)]
struct Data<'a> {
    runs: Vec<RunHead<'a>>,
    targets: Vec<&'a str>,
    scenarios: Vec<Scenario<'a>>,
    divergences: Vec<Divergence<'a>>,
}

#[derive(Serialize)]
struct RunHead<'a> {
    name: &'a str,
    commit: &'a str,
    started_unix_s: u64,
    module: &'a str,
}

#[derive(Serialize)]
struct Scenario<'a> {
    id: &'a str,
    title: &'a str,
    feature: &'a str,
    file: &'a str,
    line: usize,
    tags: &'a [String],
    /// By target and run: one letter of a verdict, blank where it was not run.
    history: Vec<String>,
    /// By target: the last run.
    details: Vec<Option<Detail<'a>>>,
}

#[derive(Serialize)]
struct Detail<'a> {
    verdict: Verdict,
    duration_us: u64,
    reason: &'a str,
    attempts: Vec<AttemptHead<'a>>,
    steps: &'a [StepLine],
    timelines: Vec<Timeline>,
}

#[derive(Serialize)]
struct AttemptHead<'a> {
    verdict: Option<Outcome>,
    failed: Option<String>,
    started_unix_ms: u64,
    reason: &'a str,
}

#[derive(Serialize)]
struct Timeline {
    file: String,
    entries: Vec<Entry>,
    cut: bool,
    left_out: bool,
    marks: Vec<Mark>,
    headline: Option<String>,
}

/// Something on the wire: start and length in microseconds, who, what, bytes.
#[derive(Serialize)]
struct Entry(f64, f64, &'static str, String, usize);

#[derive(Serialize)]
struct Mark {
    at_us: f64,
    text: String,
}

#[derive(Serialize)]
struct Divergence<'a> {
    scenario: &'a str,
    target: &'a str,
    at_us: f64,
    recording: usize,
    number: usize,
    difference: &'a Difference,
}

/// The page of some runs, oldest first; details are those of the last.
pub fn page(runs: &[Run]) -> serde_json::Result<String> {
    let data = serde_json::to_string(&data(runs))?;
    // Inside a script element nothing may look like its end.
    Ok(TEMPLATE.replace(PLACE, &data.replace('<', "\\u003c")))
}

fn data(runs: &[Run]) -> Data<'_> {
    let mut targets: Vec<&str> =
        runs.iter().flat_map(|run| run.cases.keys().map(|(_, target)| target.as_str())).collect();
    targets.sort_unstable();
    targets.dedup();
    let mut ids: Vec<&str> =
        runs.iter().flat_map(|run| run.cases.keys().map(|(id, _)| id.as_str())).collect();
    ids.sort_unstable();
    ids.dedup();
    let mut budget = ALL_ENTRIES;
    let scenarios = ids.iter().filter_map(|id| scenario(runs, &targets, id, &mut budget)).collect();
    Data {
        runs: runs
            .iter()
            .map(|run| RunHead {
                name: &run.info.name,
                commit: &run.info.commit,
                started_unix_s: run.info.started_unix_s,
                module: &run.info.module,
            })
            .collect(),
        scenarios,
        divergences: runs.last().map(divergences).unwrap_or_default(),
        targets,
    }
}

fn letter(verdict: Verdict) -> char {
    match verdict {
        Verdict::Passed => 'p',
        Verdict::Flaky => 'y',
        Verdict::Failed => 'f',
        Verdict::Died => 'd',
        Verdict::Skipped => 's',
    }
}

fn scenario<'a>(runs: &'a [Run], targets: &[&str], id: &'a str, budget: &mut usize) -> Option<Scenario<'a>> {
    let case = |run: &'a Run, target: &str| run.cases.get(&(id.to_owned(), target.to_owned()));
    let newest = runs.iter().rev().find_map(|run| targets.iter().find_map(|target| case(run, target)))?;
    let begun = &newest.last().begun;
    let history = targets.iter().map(|target| {
        let letters = runs.iter().map(|run| case(run, target).map_or(' ', |case| letter(case.verdict)));
        letters.collect()
    });
    let mut details = Vec::new();
    for target in targets {
        let found = runs.last().and_then(|run| case(run, target));
        details.push(found.map(|case| Detail {
            verdict: case.verdict,
            duration_us: case.duration_us(),
            reason: case.last().reason(),
            attempts: case.attempts.iter().map(attempt_head).collect(),
            steps: &case.last().steps,
            timelines: timelines(case.last(), case.verdict, budget),
        }));
    }
    Some(Scenario {
        id,
        title: &begun.title,
        feature: &begun.feature,
        file: &begun.file,
        line: begun.line,
        tags: &begun.tags,
        history: history.collect(),
        details,
    })
}

fn attempt_head(attempt: &Attempt) -> AttemptHead<'_> {
    AttemptHead {
        verdict: attempt.finished.as_ref().map(|finished| finished.verdict),
        failed: attempt.failed_step(),
        started_unix_ms: attempt.begun.started_unix_ms,
        reason: attempt.reason(),
    }
}

fn timelines(attempt: &Attempt, verdict: Verdict, budget: &mut usize) -> Vec<Timeline> {
    let is_wanted = !matches!(verdict, Verdict::Passed | Verdict::Skipped);
    attempt.recordings.iter().map(|recording| timeline(recording, is_wanted, budget)).collect()
}

fn timeline(recording: &Recording, is_wanted: bool, budget: &mut usize) -> Timeline {
    let differences = recording.report.iter().flat_map(|report| &report.differences);
    let marks: Vec<Mark> = differences
        .map(|difference| Mark { at_us: us(difference.at_ns), text: difference.text.clone() })
        .collect();
    let name = recording.path.file_name().unwrap_or_default().to_string_lossy();
    let mut timeline = Timeline {
        file: format!("recordings/{name}"),
        entries: Vec::new(),
        cut: false,
        left_out: false,
        headline: recording.report.as_ref().map(|report| report.headline()),
        marks,
    };
    if *budget == 0 && !is_wanted && timeline.marks.is_empty() {
        timeline.left_out = true;
        return timeline;
    }
    // Of a long one, what is around the differences matters most; else its beginning.
    let mut entries = entries(&recording.records);
    if entries.len() > TIMELINE_ENTRIES {
        timeline.cut = true;
        let first = timeline.marks.first().map_or(0.0, |mark| mark.at_us);
        let place = entries.partition_point(|entry| entry.0 < first);
        let from = place.saturating_sub(TIMELINE_ENTRIES / 2).min(entries.len() - TIMELINE_ENTRIES);
        entries = entries.split_off(from);
        entries.truncate(TIMELINE_ENTRIES);
    }
    *budget = budget.saturating_sub(entries.len());
    timeline.entries = entries;
    timeline
}

/// The decoded wire: what the dissector says, with the length of the bursts it speaks of.
fn entries(records: &[Record]) -> Vec<Entry> {
    let mut dissector = Dissector::new();
    let mut entries = Vec::new();
    for record in records {
        let (length, bytes) = match record {
            Record::Bytes(burst) => {
                (Nanos::byte_times(burst.bytes.len() as u64, burst.baud_bps), burst.bytes.len())
            }
            _ => (Nanos::ZERO, 0),
        };
        let lane = match record {
            Record::Bytes(burst) if burst.direction == Direction::Host => "host",
            Record::Bytes(_) => "chip",
            Record::Lines(_) => "lines",
            Record::Header(_) | Record::Event(_) => "event",
        };
        let decoded = dissector.record(record);
        // A burst is one bar; what else the dissector has to say of it stands at points in time.
        let mut spoken = decoded.into_iter();
        let first = spoken.next();
        let text = first.as_ref().map_or_else(|| "...".to_owned(), |line| line.text.clone());
        if bytes > 0 || first.is_some() {
            entries.push(Entry(us(record.time()), us(length), lane, short(text), bytes));
        }
        entries.extend(spoken.map(|line| Entry(us(line.time), 0.0, line.kind.label(), short(line.text), 0)));
    }
    let rest = dissector.finish();
    entries.extend(
        rest.into_iter().map(|line| Entry(us(line.time), 0.0, line.kind.label(), short(line.text), 0)),
    );
    entries.sort_by(|a, b| a.0.total_cmp(&b.0));
    entries
}

fn short(text: String) -> String {
    const MOST: usize = 240;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

fn us(time: Nanos) -> f64 {
    time.0 as f64 / 1_000.0
}

fn divergences(run: &Run) -> Vec<Divergence<'_>> {
    let mut all = Vec::new();
    for ((id, target), case) in &run.cases {
        for (recording, of) in case.last().recordings.iter().enumerate() {
            let differences = of.report.iter().flat_map(|report| &report.differences).enumerate();
            all.extend(differences.map(|(number, difference)| Divergence {
                scenario: id,
                target,
                at_us: us(difference.at_ns),
                recording,
                number,
                difference,
            }));
        }
    }
    all
}
