//! JUnit XML as CI systems read it: a suite a target, a case a scenario.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::Outcome;
use super::collect::{Attempt, Case, Run, Verdict};

/// The file for one run.
///
/// Class and name of a case are the halves of its stable id. An attempt that failed before one that passed stands as
/// `flakyFailure`, as Surefire has it: readers that do not know it see a passed case, and all see the property `flaky`.
pub fn junit(run: &Run) -> String {
    let mut suites: BTreeMap<&str, Vec<(&str, &Case)>> = BTreeMap::new();
    for ((id, target), case) in &run.cases {
        suites.entry(target).or_default().push((id, case));
    }
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(xml, "<testsuites name=\"{}\">", attribute(&run.info.name));
    for (target, cases) in suites {
        let count =
            |wanted: &[Verdict]| cases.iter().filter(|(_, case)| wanted.contains(&case.verdict)).count();
        let seconds: f64 = cases.iter().map(|(_, case)| seconds(case.duration_us())).sum();
        let _ = writeln!(
            xml,
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" time=\"{seconds:.6}\">",
            attribute(target),
            cases.len(),
            count(&[Verdict::Failed]),
            count(&[Verdict::Died]),
            count(&[Verdict::Skipped]),
        );
        for (id, case) in cases {
            put_case(&mut xml, id, case);
        }
        xml.push_str("  </testsuite>\n");
    }
    xml.push_str("</testsuites>\n");
    xml
}

fn put_case(xml: &mut String, id: &str, case: &Case) {
    let (class, name) = id.split_once("::").unwrap_or(("", id));
    let _ = writeln!(
        xml,
        "    <testcase classname=\"{}\" name=\"{}\" time=\"{:.6}\">",
        attribute(class),
        attribute(name),
        seconds(case.duration_us())
    );
    let divergences: Vec<&str> =
        case.last().divergences().map(|difference| difference.text.as_str()).collect();
    if case.verdict == Verdict::Flaky || !divergences.is_empty() {
        xml.push_str("      <properties>\n");
        if case.verdict == Verdict::Flaky {
            xml.push_str("        <property name=\"flaky\" value=\"true\"/>\n");
        }
        for text in divergences {
            let _ = writeln!(xml, "        <property name=\"divergence\" value=\"{}\"/>", attribute(text));
        }
        xml.push_str("      </properties>\n");
    }
    let (last, before) = (case.last(), &case.attempts[..case.attempts.len() - 1]);
    match case.verdict {
        Verdict::Passed => {}
        Verdict::Flaky => before.iter().for_each(|attempt| put_failure(xml, "flakyFailure", attempt)),
        Verdict::Skipped => {
            let _ = writeln!(xml, "      <skipped message=\"{}\"/>", attribute(last.reason()));
        }
        Verdict::Died => {
            xml.push_str("      <error message=\"the process died before the scenario ended\"/>\n")
        }
        Verdict::Failed => {
            put_failure(xml, "failure", last);
            before.iter().for_each(|attempt| put_failure(xml, "rerunFailure", attempt));
        }
    }
    xml.push_str("    </testcase>\n");
}

fn put_failure(xml: &mut String, element: &str, attempt: &Attempt) {
    let (message, text) =
        (attempt.failed_step().unwrap_or_else(|| first_line(attempt.reason())), attempt.reason());
    let _ = writeln!(
        xml,
        "      <{element} message=\"{}\" type=\"scenario\">{}</{element}>",
        attribute(&message),
        escaped(text)
    );
}

fn first_line(text: &str) -> String {
    text.lines().find(|line| !line.trim().is_empty()).unwrap_or("failed").trim().to_owned()
}

fn seconds(us: u64) -> f64 {
    us as f64 / 1e6
}

impl Attempt {
    /// Why it ended as it did.
    pub fn reason(&self) -> &str {
        self.finished
            .as_ref()
            .map_or("the process died before the scenario ended", |finished| &finished.reason)
    }

    /// The step that failed and what it said.
    pub fn failed_step(&self) -> Option<String> {
        let step = self.steps.iter().find(|step| step.verdict == Outcome::Failed)?;
        Some(format!("{} {}: {}", step.keyword, step.text, first_line(&step.message)))
    }

    /// What differs from the emulator.
    pub fn divergences(&self) -> impl Iterator<Item = &bl702_emulator::divergence::report::Difference> {
        self.recordings
            .iter()
            .filter_map(|recording| recording.report.as_ref())
            .flat_map(|report| &report.differences)
    }
}

/// Text for XML 1.0: what it cannot hold (a module may have sent anything) becomes a question mark.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' => out.push(letter),
            '\u{fffe}' | '\u{ffff}' => out.push('?'),
            letter if letter.is_control() => out.push('?'),
            letter => out.push(letter),
        }
    }
    out
}

/// The same for an attribute, where a line feed would become a blank.
fn attribute(text: &str) -> String {
    escaped(text).replace('\n', "&#10;").replace('\t', "&#9;")
}
