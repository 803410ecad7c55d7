//! Times for a profile, from recordings of a module.

use std::collections::BTreeMap;
use std::fmt;

use bl702_protocol::time::Nanos;
use bl702_protocol::trace::{Exchange, Record, Requested, Side, Word, exchanges};

use super::bands::Band;
use super::script::{Script, Viewpoint};

/// How long the boot ROM waits before the `OK` of a handshake if its timer counts as it means to
/// (`reference/rom-and-module.md` section 1.2).
const NOMINAL_ROM_HANDSHAKE: Nanos = Nanos::from_millis(8);
/// A page that is programmed keeps the next answer back by at least this; less is not told from no wait at all.
const NOTABLE_WAIT: Nanos = Nanos::from_micros(200);
const PAGE_BYTES: u32 = 256;
/// Reads shorter than this say more about the answer than about the flash.
const LONG_READ: u32 = 1024;
const LONG_HASH: u32 = 16 * 1024;

/// A key of a profile and what recordings say of it.
#[derive(Clone, Debug, PartialEq)]
pub struct FittedKey {
    /// Where it stands: empty for the top level.
    pub table: &'static str,
    /// Its name.
    pub key: &'static str,
    /// The value, as TOML has it.
    pub value: String,
    /// What was measured, in words.
    pub measured: String,
}

/// The keys that recordings say something of.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fit {
    /// In the order of a profile.
    pub keys: Vec<FittedKey>,
    /// What could not be told, and why.
    pub missing: Vec<&'static str>,
}

/// Measurements of one or more recordings.
#[derive(Debug, Default)]
pub struct Samples {
    /// What the link adds to an answer: the quickest answers.
    rom_handshakes: Vec<Nanos>,
    loader_handshakes: Vec<Nanos>,
    units: BTreeMap<u32, Vec<Nanos>>,
    chip_erases: Vec<Nanos>,
    pages: Vec<Nanos>,
    status_writes: Vec<Nanos>,
    /// Bytes a second.
    reads: Vec<f64>,
    /// Seconds a byte, reading and hashing together.
    hashes: Vec<f64>,
}

impl Samples {
    /// Adds what a recording says.
    pub fn add(&mut self, records: &[Record]) {
        let viewpoint = Script::of(records).viewpoint;
        let exchanges = exchanges(records);
        let delay = usual_delay(&exchanges, viewpoint);
        for (index, exchange) in exchanges.iter().enumerate() {
            self.take(exchange, index.checked_sub(1).and_then(|index| exchanges.get(index)), delay);
        }
    }

    fn take(&mut self, exchange: &Exchange, before: Option<&Exchange>, delay: Nanos) {
        let Some(answered) = exchange.answered_at() else { return };
        let took = answered.since(exchange.sent).since(delay);
        let bytes = exchange.payload_word(4).unwrap_or(0);
        if matches!(exchange.requested, Requested::Handshake { .. }) {
            let took = answered.since(exchange.start).since(delay);
            match exchange.side {
                Side::Loader => self.loader_handshakes.push(took),
                Side::Rom => self.rom_handshakes.push(took),
                Side::Unknown => {}
            }
            return;
        }
        if exchange.side != Side::Loader {
            return;
        }
        self.take_program(exchange, before, delay);
        let behind_write = before.is_some_and(|before| before.id() == Some(0x31));
        match exchange.id() {
            Some(0x30) => self.take_units(exchange),
            Some(0x3c) => {
                if let Some((done, Word::Ok)) = exchange.words.last() {
                    self.chip_erases.push(done.since(exchange.sent).since(delay));
                }
            }
            Some(0x32 | 0x34) if bytes >= LONG_READ && !behind_write && took > Nanos::ZERO => {
                self.reads.push(f64::from(bytes) / took.as_secs_f64());
            }
            Some(0x3d | 0x3e) if bytes >= LONG_HASH && !behind_write && took > Nanos::ZERO => {
                self.hashes.push(took.as_secs_f64() / f64::from(bytes));
            }
            Some(0x38) => self.status_writes.push(took),
            _ => {}
        }
    }

    fn take_units(&mut self, exchange: &Exchange) {
        for interval in super::intervals::intervals(std::slice::from_ref(exchange)).into_iter().flatten() {
            if let super::intervals::Kind::EraseUnit { bytes } = interval.kind {
                self.units.entry(bytes).or_default().push(interval.took);
            }
        }
    }

    /// A write is acknowledged before it is done, so its time shows only where it keeps the next answer back.
    fn take_program(&mut self, exchange: &Exchange, before: Option<&Exchange>, delay: Nanos) {
        let Some(write) = before.filter(|before| before.id() == Some(0x31)) else { return };
        // What the next command takes itself must be next to nothing.
        if !matches!(exchange.id(), Some(0x10 | 0x31 | 0x36 | 0x3a)) {
            return;
        }
        let (Some(acknowledged), Some(answered)) = (write.answered_at(), exchange.answered_at()) else {
            return;
        };
        let waited = answered.since(exchange.sent).since(delay);
        let length = (write.payload_bytes() as u32).saturating_sub(4);
        let start = write.payload_word(0).unwrap_or(0);
        let whole = start.is_multiple_of(PAGE_BYTES) && length.is_multiple_of(PAGE_BYTES) && length > 0;
        if whole && waited > NOTABLE_WAIT {
            self.pages.push(Nanos(answered.since(acknowledged).0 / u64::from(length / PAGE_BYTES)));
        }
    }

    /// What all of it comes to.
    pub fn fit(&self) -> Fit {
        let mut fit = Fit::default();
        let scale = Band::of(self.rom_handshakes.iter().copied()).map(|band| {
            let of = |time: Nanos| time.as_secs_f64() / NOMINAL_ROM_HANDSHAKE.as_secs_f64();
            let measured =
                format!("handshake of the boot ROM {}, {}, {} ({})", band.p5, band.p50, band.p95, band.count);
            (format!("{:.2}", of(band.p50)), measured)
        });
        fit.put("", "rom_time_scale", scale, "no handshake of the boot ROM");
        let read = rate(&self.reads);
        fit.put("", "flash_read_bytes_per_s", read.map(worded), "no read of 1 KiB or more");
        fit.put(
            "",
            "hash_bytes_per_s",
            self.hash_rate(read.map(|read| read.0)),
            "no hash of 16 KiB or more, or no read to tell its time from reading,",
        );
        let page = Band::of(self.pages.iter().copied()).map(microseconds);
        fit.put(TIMES, "page_program_us", page, "no write that keeps the next answer back");
        for (key, bytes, missing) in [
            ("sector_4k_us", 0x1000, "no erase of 4 KiB"),
            ("block_32k_us", 0x8000, "no erase of 32 KiB"),
            ("block_64k_us", 0x1_0000, "no erase of 64 KiB"),
        ] {
            let band = self.units.get(&bytes).and_then(|times| Band::of(times.iter().copied()));
            fit.put(TIMES, key, band.map(microseconds), missing);
        }
        let chip = Band::of(self.chip_erases.iter().copied()).map(microseconds);
        fit.put(TIMES, "chip_us", chip, "no chip erase");
        let status = Band::of(self.status_writes.iter().copied()).map(microseconds);
        fit.put(TIMES, "write_status_us", status, "no write of a status register");
        fit
    }

    /// A hash takes the time of reading and of hashing; what is left when reading is known.
    fn hash_rate(&self, read_bytes_per_s: Option<f64>) -> Option<(String, String)> {
        let read = read_bytes_per_s?;
        let per_byte = middle(&self.hashes)?;
        let hashing = per_byte - 1.0 / read;
        let measured = format!("{:.0} bytes/s with reading ({})", 1.0 / per_byte, self.hashes.len());
        (hashing > 0.0).then(|| (format!("{:.0}", 1.0 / hashing), measured))
    }

    /// Handshakes of the RAM loader: the profile has no key for them, its wait is part of the program.
    pub fn loader_handshakes(&self) -> Option<Band> {
        Band::of(self.loader_handshakes.iter().copied())
    }
}

const TIMES: &str = "flash.times";

/// The smallest delays of answers that need no work: what link and host add.
fn usual_delay(exchanges: &[Exchange], viewpoint: Viewpoint) -> Nanos {
    if viewpoint == Viewpoint::Chip {
        return Nanos::ZERO;
    }
    let quick = exchanges.iter().filter(|exchange| matches!(exchange.id(), Some(0x10 | 0x36 | 0x3a)));
    let delays = quick.filter_map(|exchange| Some(exchange.answered_at()?.since(exchange.sent)));
    Band::of(delays).map_or(Nanos::ZERO, |band| band.p5)
}

fn microseconds(band: Band) -> (String, String) {
    let text = format!("{}, {}, {} ({})", band.p5, band.p50, band.p95, band.count);
    ((band.p50.0 / 1_000).to_string(), text)
}

fn middle(values: &[f64]) -> Option<f64> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len().checked_sub(1)? / 2).copied()
}

/// The middle rate, and the lowest and highest.
fn rate(rates: &[f64]) -> Option<(f64, usize)> {
    Some((middle(rates)?, rates.len()))
}

fn worded((rate, count): (f64, usize)) -> (String, String) {
    (format!("{rate:.0}"), format!("middle of {count} reads"))
}

impl Fit {
    fn put(
        &mut self,
        table: &'static str,
        key: &'static str,
        fitted: Option<(String, String)>,
        missing: &'static str,
    ) {
        match fitted {
            Some((value, measured)) => self.keys.push(FittedKey { table, key, value, measured }),
            None => self.missing.push(missing),
        }
    }
}

impl fmt::Display for Fit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = "";
        for key in &self.keys {
            if key.table != table {
                table = key.table;
                writeln!(f, "\n[{table}]")?;
            }
            writeln!(f, "{:<32} # {}", format!("{} = {}", key.key, key.value), key.measured)?;
        }
        for missing in &self.missing {
            writeln!(f, "# {missing} in these recordings")?;
        }
        Ok(())
    }
}
