//! `explain`

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use bl702_flasher::explain::{Certainty, Diagnosis, Finding, Meaning, explain_log, look_up};
use serde_json::json;

use super::Outcome;
use crate::failure::Failure;

/// Longest log that is looked at.
const MAX_LOG_BYTES: u64 = 16 * 1024 * 1024;

const WIDTH: usize = 100;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  bl702-flash explain FL0104\n  bl702-flash explain 1026          (decimal, as blisp prints it)\n  bl702-flash explain devcube.log\n  xclip -o | bl702-flash explain -"
)]
pub(crate) struct Args {
    /// A code (FL0104, 000C, 1026, "SET CLOCK PLL FAIL"), the file of a log, or - for a log on standard input
    #[arg(required = true, value_name = "CODE|FILE|-")]
    what: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Result<Outcome, Failure> {
    let what = args.what.join(" ");
    if what == "-" {
        return of_log("standard input", &read("standard input", io::stdin().lock())?);
    }
    let path = Path::new(&what);
    let meanings = look_up(&what);
    if !meanings.is_empty() && !path.is_file() {
        return Ok(of_code(&meanings));
    }
    match File::open(path) {
        Ok(file) => of_log(&what, &read(&what, file)?),
        Err(_) => of_text(&what),
    }
}

fn read(name: &str, source: impl Read) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = source.take(MAX_LOG_BYTES + 1).read_to_end(&mut bytes);
    read.map_err(|error| Failure::io(name, "read", &error))?;
    if bytes.len() as u64 > MAX_LOG_BYTES {
        let reason = "it is larger than 16 MiB, which no log is".to_owned();
        return Err(Failure::File {
            path: name.into(),
            action: "read",
            reason,
            hint: "Cut out the part around the failure.",
        });
    }
    Ok(bytes)
}

/// What was given is neither code nor file; perhaps it is a line of a log.
fn of_text(text: &str) -> Result<Outcome, Failure> {
    let diagnosis = explain_log(text.as_bytes());
    if diagnosis.findings.is_empty() {
        return Err(Failure::usage(
            format!("{text:?} is neither a code that is known nor a file"),
            "Give a code as FL0104, 000C or 1026, the file of a log, or - and paste the log. A code that some tool does print and that is missing here: send us the tool's name, its version and the whole log.",
        ));
    }
    Ok(outcome(&diagnosis))
}

fn of_log(name: &str, bytes: &[u8]) -> Result<Outcome, Failure> {
    let diagnosis = explain_log(bytes);
    if diagnosis.findings.is_empty() {
        let reason = format!("nothing in its {} lines is a failure that this program knows", diagnosis.lines);
        return Err(Failure::File {
            path: name.into(),
            action: "explain",
            reason,
            hint: "If a tool failed with this log, send us the whole log, the tool's name and version, what was selected in it (chip, rate, wiring), and the output of `bl702-flash --port PORT info --record session.jsonl` with that file.",
        });
    }
    Ok(outcome(&diagnosis))
}

fn of_code(meanings: &[Meaning]) -> Outcome {
    let mut text = Vec::new();
    for meaning in meanings {
        if !text.is_empty() {
            text.push(String::new());
        }
        text.push(format!("{} {}", meaning.code, meaning.name));
        let rows = [
            ("read:   ", meaning.reading.as_deref()),
            ("means:  ", Some(meaning.meaning.as_str())),
            ("ROM:    ", meaning.rom),
            ("loader: ", meaning.loader),
            ("next:   ", Some(meaning.advice.as_str())),
        ];
        for (label, value) in rows {
            text.extend(value.into_iter().flat_map(|value| wrapped(label, value)));
        }
    }
    Outcome::new(text, json!({"meanings": meanings}))
}

fn outcome(diagnosis: &Diagnosis) -> Outcome {
    let mut text = Vec::new();
    for (at, finding) in diagnosis.findings.iter().enumerate() {
        if at > 0 {
            text.push(String::new());
        }
        text.extend(of_finding(finding));
    }
    if !diagnosis.codes.is_empty() {
        text.push("codes:".to_owned());
        for meaning in &diagnosis.codes {
            text.extend(wrapped(
                &format!("  {}  ", meaning.code),
                &format!("{}: {}", meaning.name, meaning.meaning),
            ));
        }
    }
    Outcome::new(text, json!(diagnosis))
}

fn of_finding(finding: &Finding) -> Vec<String> {
    let sure = match finding.certainty {
        Certainty::Certain => "cause:  ",
        Certainty::Likely => "likely: ",
        Certainty::Possible => "maybe:  ",
    };
    let mut text = wrapped(sure, &finding.headline);
    for (at, evidence) in finding.evidence.iter().enumerate() {
        let label = if at == 0 { "seen:   " } else { "        " };
        let shown: String = evidence.text.chars().take(WIDTH).collect();
        text.push(format!("{label}line {}: {shown}", evidence.line));
    }
    text.push("what happened:".to_owned());
    text.extend(finding.happened.iter().flat_map(|line| wrapped("  - ", line)));
    text.push("what to do:".to_owned());
    for (at, line) in finding.next.iter().enumerate() {
        text.extend(wrapped(&format!("  {}. ", at + 1), line));
    }
    text
}

/// A paragraph behind a label, broken between words.
fn wrapped(label: &str, paragraph: &str) -> Vec<String> {
    let indent = " ".repeat(label.chars().count());
    let mut lines = Vec::new();
    let mut line = label.to_owned();
    let mut has_words = false;
    for word in paragraph.split_whitespace() {
        if has_words && line.chars().count() + word.chars().count() > WIDTH {
            lines.push(line.trim_end().to_owned());
            line.clone_from(&indent);
        }
        line.push_str(word);
        line.push(' ');
        has_words = true;
    }
    lines.push(line.trim_end().to_owned());
    lines
}
