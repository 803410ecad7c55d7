//! Telling what goes on at several modules at once: a line of progress each, then one report.

use std::collections::BTreeMap;

use bl702_flasher::Nanos;
use bl702_flasher::event::Event;
use indicatif::MultiProgress;
use serde_json::{Value, json};

use super::bar::Progress;
use super::json::{event_fields, print_event};
use super::text::{failure_lines, line_of};
use super::{Reporter, print_error, print_line};
use crate::cmd::{Format, Outcome};
use crate::failure::Failure;

/// What all units share.
pub(crate) struct Board {
    format: Format,
    bars: MultiProgress,
    labels: BTreeMap<String, Vec<String>>,
}

impl Board {
    pub(crate) fn new(format: Format) -> Board {
        Board { format, bars: MultiProgress::new(), labels: BTreeMap::new() }
    }

    pub(crate) fn started(&self, command: &str) {
        if self.format == Format::Json {
            print_event("started", json!({"command": command}));
        }
    }

    /// The reporter of one unit.
    pub(crate) fn unit(&mut self, label: String, port: String) -> UnitReporter {
        self.labels.entry(port.clone()).or_default().push(label.clone());
        let progress = match self.format {
            Format::Text => Some(Progress::of_unit(label.clone(), self.bars.clone())),
            Format::Json => None,
        };
        UnitReporter { label, port, progress, facts: Facts::default() }
    }

    /// Nothing was begun.
    pub(crate) fn refused(&self, command: &str, failure: &Failure) {
        if self.format == Format::Json {
            print_error(&format!("error: {}", failure.message()));
            let mut value = failure.to_json();
            value["command"] = json!(command);
            print_event("finished", value);
        } else {
            failure_lines(failure).iter().for_each(|line| print_error(line));
        }
    }

    /// All units have ended.
    pub(crate) fn finished(&mut self, command: &str, results: &[UnitResult], unwritten: Option<&Failure>) {
        let all = crate::cmd::worst(results.iter().map(|result| result.exit_code));
        let exit_code = unwritten.map_or(all, |failure| if all == 0 { failure.exit_code() } else { all });
        if self.format == Format::Json {
            let units: Vec<Value> = results.iter().map(|result| result.json(command)).collect();
            let mut value =
                json!({"command": command, "ok": exit_code == 0, "exit_code": exit_code, "units": units});
            if let Some(failure) = unwritten {
                value["error"] = json!(failure.message());
            }
            print_event("finished", value);
            return;
        }
        summary(results, |port| self.label(port)).iter().for_each(|line| print_line(line));
        if let Some(failure) = unwritten {
            failure_lines(failure).iter().for_each(|line| print_error(line));
        }
    }

    /// The next label of this port; the same port may stand for several emulated modules.
    fn label(&mut self, port: &str) -> String {
        match self.labels.get_mut(port) {
            Some(labels) if !labels.is_empty() => labels.remove(0),
            _ => port.to_owned(),
        }
    }
}

/// How many went well, and a line for each.
fn summary(results: &[UnitResult], mut label: impl FnMut(&str) -> String) -> Vec<String> {
    let right = results.iter().filter(|result| result.exit_code == 0).count();
    let modules = if results.len() == 1 { "module" } else { "modules" };
    let mut lines = vec![match results.len() - right {
        0 => format!("{right} {modules}, all well"),
        wrong => format!("{} {modules}: {right} well, {wrong} not", results.len()),
    }];
    let labels: Vec<String> = results.iter().map(|result| label(&result.port)).collect();
    let width = labels.iter().map(String::len).max().unwrap_or(0);
    for (result, label) in results.iter().zip(labels) {
        let what = match (&result.error, &result.facts.chip_id) {
            (Some(error), _) => error.clone(),
            (None, Some(chip_id)) => format!("chip id {chip_id}"),
            (None, None) => String::new(),
        };
        let line = format!("  {label:width$}  {:9}  {:7.2} s  {what}", result.verdict(), result.seconds());
        lines.push(line.trim_end().to_owned());
    }
    lines
}

/// What was heard of a module on the way.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    chip_id: Option<String>,
    jedec: Option<String>,
    /// Time of its port when something last happened.
    at: Nanos,
}

/// Tells of one unit.
pub(crate) struct UnitReporter {
    label: String,
    port: String,
    /// For people; programs get JSON.
    progress: Option<Progress>,
    facts: Facts,
}

impl UnitReporter {
    pub(crate) fn facts(self) -> Facts {
        self.facts
    }

    fn lines(&self, lines: impl IntoIterator<Item = String>) {
        if let Some(progress) = &self.progress {
            let text = lines.into_iter().flat_map(|line| line.lines().map(str::to_owned).collect::<Vec<_>>());
            text.for_each(|line| progress.line(&format!("{}: {line}", self.label)));
        }
    }
}

impl Reporter for UnitReporter {
    fn started(&mut self, _command: &str, _port: &str) {}

    fn event(&mut self, at: Nanos, event: &Event) {
        self.facts.at = self.facts.at.max(at);
        match event {
            Event::BootInfo { chip_id: Some(chip_id), .. } => self.facts.chip_id = Some(chip_id.clone()),
            Event::Flash { jedec, .. } => self.facts.jedec = Some(jedec.clone()),
            _ => {}
        }
        match (&mut self.progress, event) {
            (None, event) => {
                let (name, mut fields) = event_fields(at, event);
                fields["port"] = json!(self.port);
                print_event(&name, fields);
            }
            (Some(progress), Event::Progress { phase, done_bytes, total_bytes }) => {
                progress.update(at, *phase, *done_bytes, *total_bytes);
            }
            (Some(_), event) if is_usual(event) => {}
            (Some(_), event) => self.lines(line_of(event)),
        }
    }

    fn text_to_stderr(&mut self) {}

    fn finished(&mut self, command: &str, result: &Result<Outcome, Failure>) {
        if let Some(progress) = &mut self.progress {
            progress.end();
            match result {
                Ok(outcome) => self.lines(outcome.text.clone()),
                Err(failure) => self.lines(failure_lines(failure)),
            }
            return;
        }
        let mut value = match result {
            Ok(outcome) => {
                let mut value = Value::Object(outcome.json.clone());
                value["ok"] = json!(outcome.exit_code == 0);
                value["exit_code"] = json!(outcome.exit_code);
                value
            }
            Err(failure) => failure.to_json(),
        };
        value["command"] = json!(command);
        value["port"] = json!(self.port);
        print_event("unit_finished", value);
    }
}

/// What happens in every run; of many modules at once it would be too much to read.
fn is_usual(event: &Event) -> bool {
    matches!(
        event,
        Event::Bound { .. }
            | Event::RetryBudget { .. }
            | Event::ResetByLines
            | Event::NoLines
            | Event::Adapter(_)
            | Event::Handshake { .. }
            | Event::BootInfo { .. }
            | Event::LoaderRunning
            | Event::Upload { .. }
            | Event::Flash { .. }
            | Event::Plan { .. }
    )
}

/// How a unit has ended.
#[derive(Debug)]
pub(crate) struct UnitResult {
    pub(crate) port: String,
    pub(crate) exit_code: u8,
    error: Option<String>,
    sha256: Option<String>,
    mac: Option<String>,
    elapsed_ms: u64,
    facts: Facts,
}

impl UnitResult {
    /// The columns of [`csv_row`](Self::csv_row).
    pub(crate) const CSV_HEAD: &'static str =
        "port,command,verdict,exit_code,seconds,chip_id,mac,jedec,sha256,error\n";

    pub(crate) fn new(port: String, result: Result<Outcome, Failure>, facts: Facts) -> UnitResult {
        let field =
            |outcome: &Outcome, name: &str| outcome.json.get(name).and_then(Value::as_str).map(str::to_owned);
        let elapsed_ms = facts.at.as_millis();
        let mut unit =
            UnitResult { port, exit_code: 0, error: None, sha256: None, mac: None, elapsed_ms, facts };
        match result {
            Ok(outcome) => {
                unit.exit_code = outcome.exit_code;
                unit.sha256 = crate::cmd::image_digest(&outcome);
                unit.mac = field(&outcome, "mac");
                if let Some(elapsed_ms) = outcome.json.get("elapsed_ms").and_then(Value::as_u64) {
                    unit.elapsed_ms = elapsed_ms;
                }
            }
            Err(failure) => (unit.exit_code, unit.error) = (failure.exit_code(), Some(failure.message())),
        }
        // The chip id is the MAC address of the eFuses (ROM reference, eFuse words 14h and 18h).
        unit.mac = unit.mac.take().or_else(|| unit.facts.chip_id.clone());
        unit
    }

    fn verdict(&self) -> &'static str {
        match self.exit_code {
            0 => "ok",
            2 => "usage",
            3 => "refused",
            4 => "different",
            _ => "failed",
        }
    }

    /// By the clock of its port, which for an emulated module is the module's.
    fn seconds(&self) -> f64 {
        self.elapsed_ms as f64 / 1000.0
    }

    pub(crate) fn json(&self, command: &str) -> Value {
        json!({
            "port": self.port,
            "command": command,
            "verdict": self.verdict(),
            "exit_code": self.exit_code,
            "seconds": self.seconds(),
            "chip_id": self.facts.chip_id,
            "mac": self.mac,
            "jedec": self.facts.jedec,
            "sha256": self.sha256,
            "error": self.error,
        })
    }

    pub(crate) fn csv_row(&self, command: &str) -> String {
        let text = |field: &Option<String>| field.clone().unwrap_or_default();
        let fields = [
            self.port.clone(),
            command.to_owned(),
            self.verdict().to_owned(),
            self.exit_code.to_string(),
            format!("{:.3}", self.seconds()),
            text(&self.facts.chip_id),
            text(&self.mac),
            text(&self.facts.jedec),
            text(&self.sha256),
            text(&self.error),
        ];
        format!("{}\n", fields.map(|field| csv_field(&field)).join(","))
    }
}

/// RFC 4180, on one line: what a spreadsheet or a script reads as one field.
fn csv_field(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.contains([',', '"']) { format!("\"{}\"", line.replace('"', "\"\"")) } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed() -> UnitResult {
        let failure = Failure::usage("nothing \"works\",\nat all", "Begin again.");
        let facts = Facts {
            chip_id: Some("00ff".to_owned()),
            jedec: Some("c2 20 14".to_owned()),
            at: Nanos::from_millis(1_250),
        };
        UnitResult::new("/dev/ttyUSB1".to_owned(), Err(failure), facts)
    }

    #[test]
    fn a_row_is_one_line_whatever_the_error() {
        assert_eq!(
            failed().csv_row("write"),
            "/dev/ttyUSB1,write,usage,2,1.250,00ff,00ff,c2 20 14,,\"nothing \"\"works\"\", at all\"\n"
        );
        assert_eq!(UnitResult::CSV_HEAD.split(',').count(), 10);
    }

    #[test]
    fn the_summary_says_how_many_and_what() {
        let right = UnitResult::new("b".to_owned(), Ok(Outcome::default()), Facts::default());
        let lines = summary(&[right, failed()], |port| port.trim_start_matches("/dev/").to_owned());
        assert_eq!(
            lines,
            [
                "2 modules: 1 well, 1 not",
                "  b        ok            0.00 s",
                "  ttyUSB1  usage         1.25 s  nothing \"works\",\nat all"
            ]
        );
    }
}
