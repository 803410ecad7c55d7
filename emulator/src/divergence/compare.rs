//! Differing bytes and times.

use std::collections::BTreeMap;

use bl702_protocol::code::Code;
use bl702_protocol::time::Nanos;
use bl702_protocol::trace::{Exchange, Requested, Word, to_hex};

use super::bands::Band;
use super::intervals::{Interval, Kind, intervals};
use super::player::Replayed;
use super::report::{Difference, REPORT_VERSION, Report, TimeRow, What};
use super::script::{Script, Viewpoint};
use super::{Options, named};

/// So many times of a kind make a band that says what is usual; fewer are compared one by one.
const BAND_FROM: usize = 8;
/// An answer that the emulator gives as fast as this tells of the link, not of the module.
const QUICK: Nanos = Nanos::from_millis(1);
/// So many of them are needed.
const QUICK_ANSWERS: usize = 3;
/// Bytes of an answer that are shown around a difference.
const SHOWN: usize = 8;

/// Both sides of a comparison.
#[derive(Debug)]
pub struct Sides<'a> {
    /// What was replayed.
    pub script: &'a Script,
    /// The recording's exchanges.
    pub recorded: &'a [Exchange],
    /// The replay's exchanges.
    pub played: &'a [Exchange],
    /// How the replay ended.
    pub replayed: &'a Replayed,
    /// What the link adds to each answer.
    pub link_delay: Nanos,
    /// What the user said.
    pub options: &'a Options,
}

/// How much the link adds to each answer: half of the quick ones are late by no more than that.
pub fn link_delay(recorded: &[Exchange], played: &[Exchange]) -> Nanos {
    let (recorded, played) = (intervals(recorded), intervals(played));
    let pairs = recorded.iter().zip(&played).filter_map(|(then, now)| Some((then.first()?, now.first()?)));
    let late: Vec<Nanos> = pairs
        .filter(|(then, now)| then.kind == now.kind && now.crosses_link && now.took < QUICK)
        .map(|(then, now)| then.took.since(now.took))
        .collect();
    if late.len() < QUICK_ANSWERS {
        return Nanos::ZERO;
    }
    Band::of(late).map_or(Nanos::ZERO, |band| band.p50)
}

/// Compares, and says what differs.
pub fn compare(sides: &Sides<'_>) -> Report {
    let partners = partners(sides.recorded, sides.played);
    let occurrences = occurrences(sides.recorded);
    let mut differences = Vec::new();
    let mut differing_bytes = 0;
    for (number, (exchange, partner)) in sides.recorded.iter().zip(&partners).enumerate() {
        let partner = partner.and_then(|index| sides.played.get(index));
        let place = Place { number, exchange, occurrence: occurrences[number] };
        differing_bytes += compare_bytes(&place, partner, &mut differences);
    }
    let (times, count) = if sides.options.ignores_times {
        (Vec::new(), 0)
    } else {
        compare_times(sides, &partners, &occurrences, &mut differences)
    };
    differences.sort_by_key(|difference| (difference.exchange, difference.what == What::Time));
    Report {
        version: REPORT_VERSION,
        recorded_profile: sides.script.header.profile.clone(),
        recorded_by: sides.script.header.tool.clone(),
        profile: sides.replayed.module.profile().name.clone(),
        assumed: Vec::new(),
        exchanges: sides.recorded.len(),
        chip_bytes: sides.script.chip_bytes,
        differing_bytes,
        intervals: count,
        link_delay_ns: sides.link_delay,
        fuses_burnt: sides.replayed.module.otp().burn_count(),
        differences,
        times,
    }
}

/// The replayed exchange of each recorded one: the same bytes of the host, cut in the same way.
fn partners(recorded: &[Exchange], played: &[Exchange]) -> Vec<Option<usize>> {
    let mut places: BTreeMap<(u64, Option<u8>), Vec<usize>> = BTreeMap::new();
    for (index, exchange) in played.iter().enumerate().rev() {
        places.entry((exchange.host_offset, exchange.id())).or_default().push(index);
    }
    let key = |exchange: &Exchange| (exchange.host_offset, exchange.id());
    recorded.iter().map(|exchange| places.get_mut(&key(exchange)).and_then(Vec::pop)).collect()
}

fn occurrences(exchanges: &[Exchange]) -> Vec<usize> {
    let mut counts: BTreeMap<Option<u8>, usize> = BTreeMap::new();
    let count = |exchange: &Exchange| {
        let count = counts.entry(exchange.id()).or_default();
        *count += 1;
        *count
    };
    exchanges.iter().map(count).collect()
}

#[derive(Clone, Copy, Debug)]
struct Place<'a> {
    number: usize,
    exchange: &'a Exchange,
    occurrence: usize,
}

impl Place<'_> {
    fn difference(&self, what: What, sort: String, text: String) -> Difference {
        Difference {
            what,
            text,
            sort,
            at_ns: self.exchange.start,
            exchange: self.number,
            id: self.exchange.id().map_or_else(String::new, |id| format!("{id:02x}")),
            occurrence: self.occurrence,
            offset: None,
            recorded_ns: None,
            emulated_ns: None,
        }
    }

    fn difference_in_bytes(&self, found: &Found, when: &str, text: String) -> Difference {
        let what = match &self.exchange.requested {
            Requested::Command { id, name, .. } => format!("{id:02x}h {name}"),
            Requested::Handshake { .. } => "a handshake".to_owned(),
            Requested::Nothing => "the start".to_owned(),
        };
        let mut difference = self.difference(found.what, format!("{when} {what}: {}", found.sort), text);
        difference.offset = Some(found.offset);
        difference
    }

    /// `30h erase at 0x2000 (the 3rd 30h)`.
    fn words(&self) -> String {
        let what = named(self.exchange);
        match self.exchange.id() {
            Some(id) if self.occurrence > 1 => format!("{what} (the {} {id:02x}h)", ordinal(self.occurrence)),
            None if self.occurrence > 1 => format!("{what} (the {})", ordinal(self.occurrence)),
            _ => what,
        }
    }
}

fn ordinal(number: usize) -> String {
    let ending = match (number % 10, number % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

/// Compares what came for one request; gives the number of bytes that differ.
fn compare_bytes(place: &Place<'_>, partner: Option<&Exchange>, differences: &mut Vec<Difference>) -> u64 {
    let nothing = (Vec::new(), Vec::new(), Vec::new());
    let (reply, words, stray) = partner
        .map_or(nothing, |partner| (partner.reply.clone(), partner.words.clone(), partner.stray.clone()));
    let mut differing = 0;
    let then = Answer { bytes: &place.exchange.reply, words: &place.exchange.words };
    let now = Answer { bytes: &reply, words: &words };
    if let Some(found) = difference_of(&then, &now) {
        differing += count_differing(then.bytes, now.bytes);
        let text = format!("after {} {}", place.words(), found.text);
        differences.push(place.difference_in_bytes(&found, "after", text));
    }
    let (then, now) =
        (Answer { bytes: &place.exchange.stray, words: &[] }, Answer { bytes: &stray, words: &[] });
    if let Some(found) = difference_of(&then, &now) {
        differing += count_differing(then.bytes, now.bytes);
        let text = format!("unasked, after {} {}", place.words(), found.text);
        differences.push(place.difference_in_bytes(&found, "unasked, after", text));
    }
    differing
}

fn count_differing(a: &[u8], b: &[u8]) -> u64 {
    let unequal = a.iter().zip(b).filter(|(a, b)| a != b).count();
    (unequal + a.len().abs_diff(b.len())) as u64
}

struct Answer<'a> {
    bytes: &'a [u8],
    words: &'a [(Nanos, Word)],
}

impl Answer<'_> {
    /// What was answered, as far as a few words can tell.
    fn told(&self) -> String {
        match self.words.last().map(|(_, word)| *word) {
            Some(Word::Ok) if self.bytes.len() <= SHOWN => "OK".to_owned(),
            Some(Word::Refused(code)) => refused(code),
            Some(Word::Data(length)) if self.bytes.len() > 2 * SHOWN => format!("OK and {length} bytes"),
            _ => shown(self.bytes, 0),
        }
    }

    /// How it ends, whatever data are in it.
    fn ends(&self) -> String {
        match self.last_word() {
            Some(Word::Refused(code)) => code.to_string(),
            Some(Word::Ok | Word::Data(_)) => "OK".to_owned(),
            Some(Word::Pending) => "PD".to_owned(),
            None => "other bytes".to_owned(),
        }
    }

    fn last_word(&self) -> Option<Word> {
        self.words.last().map(|(_, word)| *word)
    }
}

fn refused(code: Code) -> String {
    match code.row() {
        Some(row) => format!("{code} ({})", row.name),
        None => code.to_string(),
    }
}

/// Some bytes from `offset` on.
fn shown(bytes: &[u8], offset: usize) -> String {
    let rest = bytes.get(offset..).unwrap_or_default();
    let few = &rest[..rest.len().min(SHOWN)];
    let more = if rest.len() > few.len() { "..." } else { "" };
    format!("{}{more}", to_hex(few))
}

/// How two answers differ.
struct Found {
    what: What,
    /// First byte that differs.
    offset: usize,
    /// The same for answers that differ in the same way.
    sort: String,
    text: String,
}

fn difference_of(then: &Answer<'_>, now: &Answer<'_>) -> Option<Found> {
    if then.bytes == now.bytes {
        return None;
    }
    let offset = then.bytes.iter().zip(now.bytes).take_while(|(a, b)| a == b).count();
    let pending =
        |answer: &Answer<'_>| answer.words.iter().filter(|(_, word)| *word == Word::Pending).count();
    let is_refused = |answer: &Answer<'_>| matches!(answer.last_word(), Some(Word::Refused(_)));
    let (what, sort, text) = if now.bytes.is_empty() {
        let text = format!("the module answered {}, the emulator nothing", then.told());
        (What::Missing, format!("{}, the emulator nothing", then.ends()), text)
    } else if then.bytes.is_empty() {
        let text = format!("the module said nothing, the emulator {}", now.told());
        (What::Surplus, format!("nothing, the emulator {}", now.ends()), text)
    } else if pending(then) != pending(now) && then.last_word() == now.last_word() {
        let text = format!("the module sent PD {} times, the emulator {}", pending(then), pending(now));
        (What::Bytes, "another number of PD".to_owned(), text)
    } else if is_refused(then) || is_refused(now) {
        let text = format!("the module answered {}, the emulator {}", then.told(), now.told());
        (What::Bytes, format!("{}, the emulator {}", then.ends(), now.ends()), text)
    } else if offset == now.bytes.len() {
        let (all, came) = (then.bytes.len(), offset);
        let text = format!("the module answered {all} bytes, the emulator the first {came} of them");
        (What::Missing, "fewer bytes".to_owned(), text)
    } else if offset == then.bytes.len() {
        let more = shown(now.bytes, offset);
        let text = format!("the module's answer ends after {offset} bytes, the emulator adds {more}");
        (What::Surplus, "more bytes".to_owned(), text)
    } else {
        let (a, b) = (shown(then.bytes, offset), shown(now.bytes, offset));
        let text = format!(
            "byte {offset} of the answer and what follows: the module {a}, the emulator {b} ({} of {} bytes differ)",
            count_differing(then.bytes, now.bytes),
            then.bytes.len().max(now.bytes.len()),
        );
        (What::Bytes, "other bytes".to_owned(), text)
    };
    Some(Found { what, offset, sort, text })
}

/// An interval then and now.
#[derive(Clone, Copy, Debug)]
struct Pair {
    then: Interval,
    /// What the recorded module took, the link's delay taken off.
    recorded: Nanos,
    emulated: Nanos,
}

fn compare_times(
    sides: &Sides<'_>,
    partners: &[Option<usize>],
    occurrences: &[usize],
    differences: &mut Vec<Difference>,
) -> (Vec<TimeRow>, usize) {
    let mut kinds: BTreeMap<Kind, Vec<Pair>> = BTreeMap::new();
    let (recorded, played) = (intervals(sides.recorded), intervals(sides.played));
    for (then, partner) in recorded.iter().zip(partners) {
        let Some(now) = partner.and_then(|index| played.get(index)) else { continue };
        for (then, now) in then.iter().zip(now).filter(|(then, now)| then.kind == now.kind) {
            let delay = if then.crosses_link { sides.link_delay } else { Nanos::ZERO };
            let pair = Pair { then: *then, recorded: then.took.since(delay), emulated: now.took };
            kinds.entry(then.kind).or_default().push(pair);
        }
    }
    let mut rows = Vec::new();
    let mut count = 0;
    for (kind, pairs) in kinds {
        count += pairs.len();
        let bands = (
            Band::of(pairs.iter().map(|pair| pair.recorded)),
            Band::of(pairs.iter().map(|pair| pair.emulated)),
        );
        let (Some(band), Some(emulated)) = bands else { continue };
        let judge = Judge { sides, band };
        let found = judge.differences(&pairs, &emulated);
        let agrees = found.is_empty();
        for (pair, text) in found {
            let number = pair.then.exchange;
            let exchange = &sides.recorded[number];
            let place = Place { number, exchange, occurrence: occurrences[number] };
            let (from, to) = pair.then.between;
            let text = format!(
                "after {} the module took {} from {from} to {to}, the emulator {}{text}",
                place.words(),
                pair.recorded,
                pair.emulated
            );
            let longer = if pair.recorded > pair.emulated { "longer" } else { "shorter" };
            let sort = format!("{kind}, from {from} to {to}: {longer}");
            let mut difference = place.difference(What::Time, sort, text);
            difference.recorded_ns = Some(pair.recorded);
            difference.emulated_ns = Some(pair.emulated);
            differences.push(difference);
        }
        rows.push(TimeRow { kind, recorded: band, emulated, agrees });
    }
    (rows, count)
}

/// Decides about the times of one kind.
struct Judge<'a> {
    sides: &'a Sides<'a>,
    band: Band,
}

impl Judge<'_> {
    /// By how much two times may differ that count as the same.
    fn tolerance(&self, time: Nanos) -> Nanos {
        if let Some(tolerance) = self.sides.options.tolerance {
            return tolerance;
        }
        // Seen from the host, times hold what scheduler and adapter add; at the chip's pins there is nothing to add.
        let (least, percent) = match self.sides.script.viewpoint {
            Viewpoint::Chip => (Nanos::from_micros(100), 2),
            Viewpoint::Host => (Nanos::from_millis(3), 20),
        };
        least.max(Nanos(time.0 / 100 * percent))
    }

    fn differs(&self, pair: &Pair) -> bool {
        let apart = pair.recorded.since(pair.emulated).max(pair.emulated.since(pair.recorded));
        apart > self.tolerance(pair.recorded.max(pair.emulated))
    }

    /// The pairs that are worth a line, and what to add to it.
    fn differences(&self, pairs: &[Pair], emulated: &Band) -> Vec<(Pair, String)> {
        if pairs.len() < BAND_FROM {
            return pairs
                .iter()
                .filter(|pair| self.differs(pair))
                .map(|pair| (*pair, String::new()))
                .collect();
        }
        let tolerance = self.tolerance(self.band.p50.max(emulated.p50));
        if !self.band.holds(emulated.p50, tolerance) {
            let example = pairs.iter().find(|pair| self.differs(pair));
            let text = format!(
                " ({} such: the module {} to {}, the emulator {} to {})",
                pairs.len(),
                self.band.p5,
                self.band.p95,
                emulated.p5,
                emulated.p95
            );
            return example.map(|pair| (*pair, text)).into_iter().collect();
        }
        // The usual time is right. One that stands far apart from the others is still worth a word.
        let usual = self.band.p50.0;
        let is_far = |time: Nanos| time.0 > usual.saturating_mul(2) || time.0 < usual / 2;
        let is_unusual =
            |pair: &&Pair| self.differs(pair) && (is_far(pair.recorded) || is_far(pair.emulated));
        let text = format!(" (usually {})", self.band.p50);
        pairs.iter().filter(is_unusual).map(|pair| (*pair, text.clone())).collect()
    }
}
