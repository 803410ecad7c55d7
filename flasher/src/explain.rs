//! What an error code means, and what really happened when somebody else's tool printed a log.
//!
//! A log is read into [`Signal`]s first: codes, failed and finished steps, names of chips, versions of the ROM. Rules
//! then look at which signals came and in which order, never at whole sentences, so that a log in another language,
//! with time stamps, colours or another order of lines is understood as well.
//!
//! Facts: `reference/clients.md` sections 6 to 8, `reference/rom-and-module.md` sections 1.2, 1.4, 1.6 to 1.8.

mod lookup;
mod rules;
mod signal;
mod text;

use std::collections::BTreeSet;

use bl702_protocol::code::Code;
use serde::Serialize;

pub use lookup::{Meaning, look_up};
pub use signal::{Chip, HostTrouble, Rom, Signal, Step};

use signal::Seen;

/// How sure a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Certainty {
    /// One of several possible causes.
    Possible,
    /// The log fits this and hardly anything else.
    Likely,
    /// Nothing else does this.
    Certain,
}

/// A line of the log that a finding rests on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Evidence {
    /// Number of the line, from 1.
    pub line: usize,
    /// The line without colours and surrounding blanks.
    pub text: String,
}

/// One cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// A short name that stays the same between versions, such as `wrong_chip_selected`.
    pub cause: &'static str,
    /// How sure it is.
    pub certainty: Certainty,
    /// The cause in one sentence.
    pub headline: String,
    /// What happened between tool and module.
    pub happened: Vec<String>,
    /// What to do, in this order.
    pub next: Vec<String>,
    /// Lines that led here.
    pub evidence: Vec<Evidence>,
}

/// What a log tells.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Diagnosis {
    /// The causes, the best one first; none: nothing in the log is known.
    pub findings: Vec<Finding>,
    /// What each code in the log means, in the order of their first appearance.
    pub codes: Vec<Meaning>,
    /// Number of lines that were looked at.
    pub lines: usize,
}

/// Causes that are told of one log; those behind the first few confuse.
const MAX_FINDINGS: usize = 3;

/// Lines that are named for one finding.
const MAX_EVIDENCE: usize = 6;

/// Explains a log of any of the known tools. Bytes that are no text are skipped over.
pub fn explain_log(bytes: &[u8]) -> Diagnosis {
    let lines = text::lines(bytes);
    let seen = signal::read(&lines);
    let mut findings = rules::apply(&seen);
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.certainty));
    findings.truncate(MAX_FINDINGS);
    for finding in &mut findings {
        for evidence in &mut finding.evidence {
            evidence.text = lines.get(evidence.line - 1).cloned().unwrap_or_default();
        }
    }
    Diagnosis { findings, codes: codes_of(&seen), lines: lines.len() }
}

fn codes_of(seen: &Seen) -> Vec<Meaning> {
    let mut told = BTreeSet::new();
    let meanings = seen.signals().filter_map(Meaning::of_signal);
    meanings.filter(|meaning| told.insert(meaning.code.clone())).collect()
}

/// A finding, with the lines at these places.
fn finding(
    cause: &'static str,
    certainty: Certainty,
    headline: impl Into<String>,
    lines: impl IntoIterator<Item = usize>,
) -> Finding {
    let lines: BTreeSet<usize> = lines.into_iter().collect();
    let evidence = lines.into_iter().take(MAX_EVIDENCE).map(|line| Evidence { line, text: String::new() });
    Finding {
        cause,
        certainty,
        headline: headline.into(),
        happened: Vec::new(),
        next: Vec::new(),
        evidence: evidence.collect(),
    }
}

impl Finding {
    fn happened(mut self, lines: &[&str]) -> Finding {
        self.happened.extend(lines.iter().map(|line| (*line).to_owned()));
        self
    }

    fn next(mut self, lines: &[&str]) -> Finding {
        self.next.extend(lines.iter().map(|line| (*line).to_owned()));
        self
    }
}

/// Whether the boot ROM or the RAM loader of a BL702 ever sends a code.
fn is_of_a_bl702(code: Code) -> bool {
    code.row().is_some_and(|row| row.rom.is_some() || row.loader.is_some())
}

#[cfg(test)]
mod field_tests;
#[cfg(test)]
mod tests;
