//! How long a module took for what: one interval for each thing that can be told apart on the wire.

use std::fmt;

use bl702_protocol::time::Nanos;
use bl702_protocol::trace::{Exchange, Requested, Side, Word};
use serde::{Serialize, Serializer};

/// What a module did meanwhile. Intervals of one kind take about the same time on one module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// From the first 55h to `OK`.
    Handshake(Side),
    /// From the end of a command to the first byte of its answer.
    Answer {
        /// Who answers.
        side: Side,
        /// The command.
        id: u8,
    },
    /// The same of a command that comes while a page write may still be under way.
    AnswerBehindWrite {
        /// The command.
        id: u8,
        /// Bytes of the write.
        bytes: u32,
    },
    /// From the end of a read to the first byte of its answer.
    Read {
        /// Bytes read.
        bytes: u32,
    },
    /// From the end of a request for a hash to the first byte of its answer.
    Hash {
        /// Bytes hashed.
        bytes: u32,
    },
    /// From a `PD` to the next word: one unit is erased.
    EraseUnit {
        /// Bytes of the unit.
        bytes: u32,
    },
    /// From the end of a chip erase to its `OK`.
    ChipErase,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Handshake(side) => write!(f, "handshake of the {}", side.text()),
            Kind::Answer { side, id } => write!(f, "answer of the {} to {id:02x}h", side.text()),
            Kind::AnswerBehindWrite { id, bytes } => {
                write!(f, "answer to {id:02x}h behind a write of {bytes} bytes")
            }
            Kind::Read { bytes } => write!(f, "read of {bytes} bytes"),
            Kind::Hash { bytes } => write!(f, "hash of {bytes} bytes"),
            Kind::EraseUnit { bytes } => write!(f, "erase of {} KiB", bytes / 1024),
            Kind::ChipErase => f.write_str("chip erase"),
        }
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// What the module did.
    pub kind: Kind,
    /// Number of the exchange.
    pub exchange: usize,
    /// The words between which it lies, for people.
    pub between: (&'static str, &'static str),
    /// How long it took.
    pub took: Nanos,
    /// Whether the link's delay is in it.
    pub crosses_link: bool,
}

/// The intervals of all exchanges; the outer list has one entry per exchange.
pub fn intervals(exchanges: &[Exchange]) -> Vec<Vec<Interval>> {
    let mut written = None;
    let mut all = Vec::with_capacity(exchanges.len());
    for (number, exchange) in exchanges.iter().enumerate() {
        all.push(of_exchange(number, exchange, written));
        written = match exchange.id() {
            // What is programmed in one page, or in several one behind the other.
            Some(0x31) if exchange.side == Side::Loader => {
                Some((exchange.payload_bytes() as u32).saturating_sub(4))
            }
            _ => None,
        };
    }
    all
}

fn of_exchange(number: usize, exchange: &Exchange, written: Option<u32>) -> Vec<Interval> {
    let Some((first_at, first)) = exchange.words.first().copied() else { return Vec::new() };
    let mut intervals = Vec::new();
    let mut put = |kind, between, took, crosses_link| {
        intervals.push(Interval { kind, exchange: number, between, took, crosses_link });
    };
    let side = exchange.side;
    let Some(id) = exchange.id() else {
        if matches!(exchange.requested, Requested::Handshake { .. }) {
            let took = first_at.since(exchange.start);
            put(Kind::Handshake(side), ("the first 55h", "OK"), took, true);
        }
        return intervals;
    };
    let length = exchange.payload_word(4).unwrap_or(0);
    let kind = match (id, written) {
        (0x3c, _) => Kind::ChipErase,
        (_, Some(bytes)) => Kind::AnswerBehindWrite { id, bytes },
        (0x32 | 0x34, None) => Kind::Read { bytes: length },
        (0x3d | 0x3e, None) => Kind::Hash { bytes: length },
        (_, None) => Kind::Answer { side, id },
    };
    let took = first_at.since(exchange.sent);
    if id == 0x3c {
        // PD comes each second here, not with each unit.
        if let Some((done, Word::Ok)) = exchange.words.last().copied() {
            put(kind, ("the command", "OK"), done.since(exchange.sent), true);
        }
        return intervals;
    }
    put(kind, ("the command", text(first)), took, true);
    let units = erase_units(exchange);
    for (index, pair) in exchange.words.windows(2).enumerate() {
        let ((from, word), (to, next)) = (pair[0], pair[1]);
        if word == Word::Pending && id == 0x30 {
            let bytes = units.get(index).copied().unwrap_or(4096);
            put(Kind::EraseUnit { bytes }, (text(word), text(next)), to.since(from), false);
        }
    }
    intervals
}

fn text(word: Word) -> &'static str {
    match word {
        Word::Ok | Word::Data(_) => "OK",
        Word::Pending => "PD",
        Word::Refused(_) => "FL",
    }
}

/// Bytes of the units in which 30h erases its range, by the RAM loader's rule (`reference/loader-protocol.md` section 4).
fn erase_units(exchange: &Exchange) -> Vec<u32> {
    const MOST: usize = 4096;
    let (Some(start), Some(end)) = (exchange.payload_word(0), exchange.payload_word(4)) else {
        return Vec::new();
    };
    let mut position = u64::from(start) & !0xfff;
    let end = u64::from(end) + 1;
    let mut units = Vec::new();
    while position < end && units.len() < MOST {
        let left = end - position;
        let bytes: u32 = if position.is_multiple_of(0x1_0000) && left > 60 * 1024 {
            0x1_0000
        } else if position.is_multiple_of(0x8000) && left > 28 * 1024 {
            0x8000
        } else {
            0x1000
        };
        units.push(bytes);
        position += u64::from(bytes);
    }
    units
}
