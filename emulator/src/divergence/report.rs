//! The divergence report: for programs as data, for people in words.

use std::fmt;

use bl702_protocol::time::Nanos;
use serde::Serialize;

use super::bands::Band;
use super::intervals::Kind;

/// The version of the report's form. It grows when a field changes its meaning or goes.
pub const REPORT_VERSION: u32 = 1;
/// Differences that people are shown; programs get all.
const SHOWN: usize = 12;

/// Where a recording and the emulator part company.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// [`REPORT_VERSION`].
    pub version: u32,
    /// The profile that the recording names.
    pub recorded_profile: String,
    /// The program that made it.
    pub recorded_by: String,
    /// The profile of the module it was sent to.
    pub profile: String,
    /// What was taken for granted about the module at the start.
    pub assumed: Vec<String>,
    /// Requests of the host.
    pub exchanges: usize,
    /// Bytes of the recorded module.
    pub chip_bytes: u64,
    /// How many of them this module sends otherwise, or not, and how many it sends besides.
    pub differing_bytes: u64,
    /// Times that were compared.
    pub intervals: usize,
    /// Delay that the link added to each answer, taken off before times were compared.
    pub link_delay_ns: Nanos,
    /// Fuses that the host's bytes burnt in this module.
    pub fuses_burnt: u32,
    /// What differs, in the order of the recording.
    pub differences: Vec<Difference>,
    /// Times by kind.
    pub times: Vec<TimeRow>,
}

/// What kind of difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// Both answer, not with the same bytes.
    Bytes,
    /// The recorded module answered, this one does not.
    Missing,
    /// This module says what the recorded one did not.
    Surplus,
    /// The same bytes at other times.
    Time,
}

/// One difference.
#[derive(Clone, Debug, Serialize)]
pub struct Difference {
    /// Which kind.
    pub what: What,
    /// In words.
    pub text: String,
    /// What it has in common with others of its sort, in this recording and in those of other scenarios: the same request
    /// was answered otherwise in the same way, or the same kind of time was longer, or shorter.
    pub sort: String,
    /// When the request began in the recording.
    pub at_ns: Nanos,
    /// Number of the request from 0.
    pub exchange: usize,
    /// The command, two hexadecimal digits; empty for handshakes.
    pub id: String,
    /// The how many-th of this command, from 1.
    pub occurrence: usize,
    /// First byte of the answer that differs, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<usize>,
    /// What the recorded module took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recorded_ns: Option<Nanos>,
    /// What this one takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub emulated_ns: Option<Nanos>,
}

/// Times of one kind.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct TimeRow {
    /// What the module did.
    pub kind: Kind,
    /// The recorded module.
    pub recorded: Band,
    /// This one.
    pub emulated: Band,
    /// Whether the emulated ones lie within the recorded ones.
    pub agrees: bool,
}

impl Report {
    /// Whether nothing differs.
    pub fn is_equal(&self) -> bool {
        self.differences.is_empty()
    }

    /// One line: what matters most.
    pub fn headline(&self) -> String {
        let bytes = self.differences.iter().filter(|difference| difference.what != What::Time).count();
        let times = self.differences.len() - bytes;
        let count = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
        match (bytes, times) {
            (0, 0) => {
                format!("0 differing bytes of {} in {}", self.chip_bytes, count(self.exchanges, "exchange"))
                    + if self.intervals == 0 { "; times were not compared" } else { "; no differing times" }
            }
            (0, _) => format!("0 differing bytes of {}, {}", self.chip_bytes, count(times, "differing time")),
            (_, _) => format!(
                "{} of {} differ, in {} of {}; {}",
                count(self.differing_bytes as usize, "byte"),
                self.chip_bytes,
                count(bytes, "place"),
                count(self.exchanges, "exchange"),
                count(times, "differing time"),
            ),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.headline())?;
        writeln!(
            f,
            "recording of {} by {}, replayed against {}",
            or_unnamed(&self.recorded_profile),
            or_unnamed(&self.recorded_by),
            self.profile
        )?;
        for assumed in &self.assumed {
            writeln!(f, "taken for granted: {assumed}")?;
        }
        if self.link_delay_ns > Nanos::ZERO {
            writeln!(f, "the link adds about {} to each answer; that was taken off", self.link_delay_ns)?;
        }
        if self.fuses_burnt > 0 {
            writeln!(f, "the host's bytes burn {} fuses", self.fuses_burnt)?;
        }
        self.show_differences(f)?;
        self.show_times(f)
    }
}

impl Report {
    fn show_differences(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sorts = by_sort(&self.differences);
        for (number, sort) in sorts.iter().take(SHOWN).enumerate() {
            let head = if number == 0 { "\nfirst difference:\n" } else { "" };
            let Some(first) = sort.first() else { continue };
            write!(f, "{head}{:>12.6} s  {}", first.at_ns.as_secs_f64(), first.text)?;
            if sort.len() > 1 {
                write!(f, "\n{:>14}  {}", "", common(sort))?;
            }
            if number == 0 && sorts.len() > 1 {
                write!(f, "\n\nthen:")?;
            }
            writeln!(f)?;
        }
        match sorts.get(SHOWN..).unwrap_or_default().iter().map(Vec::len).sum::<usize>() {
            0 => Ok(()),
            more => {
                writeln!(f, "and {more} more (--json has all); what follows a difference is often its result")
            }
        }
    }

    fn show_times(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.times.is_empty() {
            return Ok(());
        }
        writeln!(f, "\ntimes of which 5, 50, 95 in 100 are no longer:")?;
        writeln!(f, "{:<48} {:>5}  {:<31}  emulated", "", "count", "recorded")?;
        for row in &self.times {
            let band = |band: &Band| format!("{}, {}, {}", band.p5, band.p50, band.p95);
            let kind = row.kind.to_string();
            let verdict = if row.agrees { "" } else { "  DIFFERS" };
            let (recorded, emulated) = (band(&row.recorded), band(&row.emulated));
            writeln!(f, "{kind:<48} {:>5}  {recorded:<31}  {emulated}{verdict}", row.recorded.count)?;
        }
        Ok(())
    }
}

/// The differences of each sort, in the order in which the first of each came.
fn by_sort(differences: &[Difference]) -> Vec<Vec<&Difference>> {
    let mut sorts: Vec<Vec<&Difference>> = Vec::new();
    for difference in differences {
        match sorts.iter_mut().find(|sort| sort.first().is_some_and(|first| first.sort == difference.sort)) {
            Some(sort) => sort.push(difference),
            None => sorts.push(vec![difference]),
        }
    }
    sorts
}

/// What is to be said of several of one sort: how many, how far apart, where the last one is.
fn common(sort: &[&Difference]) -> String {
    let range = |time: fn(&Difference) -> Option<Nanos>| {
        let times = || sort.iter().filter_map(|difference| time(difference));
        Some(format!("{} to {}", times().min()?, times().max()?))
    };
    let times = match (range(|difference| difference.recorded_ns), range(|difference| difference.emulated_ns))
    {
        (Some(recorded), Some(emulated)) => format!(": the module {recorded}, the emulator {emulated}"),
        _ => String::new(),
    };
    let last = sort.last().map_or(0.0, |difference| difference.at_ns.as_secs_f64());
    format!("{} such until {last:.6} s{times}", sort.len())
}

fn or_unnamed(name: &str) -> &str {
    if name.is_empty() { "something unnamed" } else { name }
}
