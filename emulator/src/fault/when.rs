//! The conditions under which a fault acts.

use std::fmt;

use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::event::Stage;

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// From the host.
    ToModule,
    /// From the chip.
    ToHost,
}

/// What an answer of the chip is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReplyKind {
    /// `OK` to auto-baud.
    Handshake,
    /// `OK` and nothing else.
    Ok,
    /// `OK`, a length and data.
    Data,
    /// `PD`: the command goes on.
    Pending,
    /// `FL` and a code.
    Refusal,
}

/// What a power fault counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Moment {
    /// Pages programmed, units erased, status registers written.
    Operation,
    /// Bytes on the line.
    Byte,
    /// Whole commands that a stage has taken.
    Command,
    /// Answers that the chip begins to send.
    Reply,
    /// Nothing: it acts once, at the beginning of `time_us`.
    Time,
}

/// Numbers from `from` up to, but without, `to`. In a plan: one number, or `{ from = 1, to = 5 }` with either end left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Span {
    /// The first.
    pub from: u64,
    /// The one behind the last.
    pub to: u64,
}

impl Span {
    /// One number.
    pub fn one(number: u64) -> Span {
        Span { from: number, to: number.saturating_add(1) }
    }

    /// Whether the number is among them.
    pub fn contains(&self, number: u64) -> bool {
        (self.from..self.to).contains(&number)
    }

    /// Whether any number from `from` up to, but without, `to` is among them.
    pub fn meets(&self, from: u64, to: u64) -> bool {
        self.from < to && from < self.to
    }
}

/// The largest integer that TOML can hold stands for "no end".
const NO_END: u64 = i64::MAX as u64;

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        if self.to == self.from.saturating_add(1) {
            return serializer.serialize_u64(self.from);
        }
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("from", &self.from)?;
        if self.to != NO_END {
            map.serialize_entry("to", &self.to)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Span, D::Error> {
        deserializer.deserialize_any(SpanVisitor)
    }
}

struct SpanVisitor;

impl<'de> Visitor<'de> for SpanVisitor {
    type Value = Span;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .write_str("a number from 0 on, or { from = NUMBER, to = NUMBER }, whose `to` is not included")
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Span, E> {
        Ok(Span::one(number))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Span, E> {
        let number = u64::try_from(number);
        number.map(Span::one).map_err(|_| E::custom("a number here is never negative"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Span, A::Error> {
        let mut span = Span { from: 0, to: NO_END };
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "from" => span.from = map.next_value()?,
                "to" => span.to = map.next_value()?,
                _ => return Err(de::Error::unknown_field(&key, &["from", "to"])),
            }
        }
        if span.from >= span.to {
            return Err(de::Error::custom("`to` is not included and must be larger than `from`"));
        }
        Ok(span)
    }
}

/// When a fault acts: on the occasions that meet every condition given, and of those, on the ones picked out.
///
/// What an occasion is depends on the effect: a byte, a command, an answer, a flash operation, a look at a state.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct When {
    /// What is counted (power faults only).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on: Option<Moment>,
    /// Who runs on the chip.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<Stage>,
    /// The command being sent, worked on or answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<u8>,
    /// The kind of answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply: Option<ReplyKind>,
    /// The way of the bytes; both if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// Flash (or eFuse, or memory) addresses that are touched: the first four bytes of a command's payload and what follows
    /// from them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<Span>,
    /// Which byte in its direction, from 0 at power-up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub byte: Option<Span>,
    /// Which byte in its direction, from 0 behind the last handshake's `OK`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_byte: Option<Span>,
    /// Which byte of its frame: of the command (0 is the id), or of the answer (0 is the `O` of `OK`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frame_byte: Option<Span>,
    /// Module time in microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_us: Option<Span>,
    /// Only the n-th of the occasions that meet all conditions above; 1 is the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nth: Option<u64>,
    /// Only every n-th of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every: Option<u64>,
    /// Only each with this probability, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probability: Option<f64>,
    /// At most so often.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
}

impl When {
    /// Always.
    pub fn always() -> When {
        When::default()
    }

    /// Names of the conditions that are given.
    pub(super) fn given(&self) -> impl Iterator<Item = &'static str> + use<> {
        let conditions = [
            ("on", self.on.is_some()),
            ("stage", self.stage.is_some()),
            ("command", self.command.is_some()),
            ("reply", self.reply.is_some()),
            ("direction", self.direction.is_some()),
            ("address", self.address.is_some()),
            ("byte", self.byte.is_some()),
            ("session_byte", self.session_byte.is_some()),
            ("frame_byte", self.frame_byte.is_some()),
            ("time_us", self.time_us.is_some()),
            ("nth", self.nth.is_some()),
            ("every", self.every.is_some()),
            ("probability", self.probability.is_some()),
            ("times", self.times.is_some()),
        ];
        conditions.into_iter().filter(|(_, given)| *given).map(|(name, _)| name)
    }
}
