//! What the module was like when a recording began: told by the recording, or learned from what the module said.

use bl702_protocol::boot_info::BootInfo;
use bl702_protocol::efuse::offset;
use bl702_protocol::time::Nanos;
use bl702_protocol::trace::{EventRecord, Exchange, Record, Side, Word, from_hex, to_hex};
use serde::{Deserialize, Serialize};

use crate::module::{ModuleBuilder, Start};
use crate::otp::EFUSE_BYTES;
use crate::profile::{Boot, Wiring};

/// The event that tells.
pub const EVENT: &str = "module_at_start";
/// Flash bytes that one such event holds; a line has an end.
const BYTES_AN_EVENT: usize = 64 * 1024;
/// A run of one value at least this long is written in short.
const SHORT_FROM: usize = 32;
/// Beyond this address no BL702 flash is.
const FLASH_END: usize = 16 * 1024 * 1024;
const SECTOR: usize = 4096;

/// A piece of flash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlashPiece {
    /// Where it begins.
    pub address: u32,
    /// Its bytes, hexadecimal.
    pub bytes: String,
    /// How often they follow each other.
    #[serde(default = "once", skip_serializing_if = "is_once")]
    pub repeat: u32,
}

fn once() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
fn is_once(repeat: &u32) -> bool {
    *repeat == 1
}

/// The module at the start of a recording; what is `None` nobody knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ModuleAtStart {
    /// Its profile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Whether a RAM loader was running.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loader_runs: Option<bool>,
    /// The level of BOOT.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boot_high: Option<bool>,
    /// What BOOT follows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boot: Option<Boot>,
    /// Which line drives EN.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wiring: Option<Wiring>,
    /// 128 bytes of fuses, hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub efuse: Option<String>,
    /// Nobody knows what the flash held: it is what the host reads before it writes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flash_unknown: Option<bool>,
    /// What its flash held; the rest was erased.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub flash: Vec<FlashPiece>,
}

impl ModuleAtStart {
    /// What a recording tells itself.
    pub fn told(records: &[Record]) -> ModuleAtStart {
        let mut told = ModuleAtStart::default();
        for record in records {
            let Record::Event(event) = record else { continue };
            if event.event != EVENT {
                continue;
            }
            let Ok(more) = serde_json::from_value::<ModuleAtStart>(event.detail.clone()) else { continue };
            told.flash.extend(more.flash);
            told.profile = more.profile.or(told.profile);
            told.loader_runs = more.loader_runs.or(told.loader_runs);
            told.boot_high = more.boot_high.or(told.boot_high);
            told.boot = more.boot.or(told.boot);
            told.wiring = more.wiring.or(told.wiring);
            told.efuse = more.efuse.or(told.efuse);
            told.flash_unknown = more.flash_unknown.or(told.flash_unknown);
        }
        if told.boot_high.is_none() {
            told.boot_high = first_boot_level(records);
        }
        told
    }

    /// The events that tell it.
    pub fn to_records(&self) -> Vec<Record> {
        let mut pieces = self.flash.as_slice();
        let mut first = ModuleAtStart { flash: Vec::new(), ..self.clone() };
        let mut records = Vec::new();
        loop {
            let mut taken = 0;
            let mut bytes = 0;
            while taken < pieces.len()
                && (taken == 0 || bytes + pieces[taken].bytes.len() / 2 <= BYTES_AN_EVENT)
            {
                bytes += pieces[taken].bytes.len() / 2;
                taken += 1;
            }
            first.flash = pieces[..taken].to_vec();
            pieces = &pieces[taken..];
            // Plain strings, numbers and lists cannot fail to serialise.
            let detail = serde_json::to_value(&first).unwrap_or_default();
            records.push(Record::Event(EventRecord {
                time_ns: Nanos::ZERO,
                event: EVENT.to_owned(),
                detail,
            }));
            if pieces.is_empty() {
                return records;
            }
            first = ModuleAtStart::default();
        }
    }

    /// What the flash held from address 0 on; `None` if nothing is told.
    pub fn flash_bytes(&self) -> Option<Vec<u8>> {
        if self.flash.is_empty() {
            return None;
        }
        let mut flash = Vec::new();
        for piece in &self.flash {
            let Some(bytes) = from_hex(&piece.bytes) else { continue };
            let length = bytes.len().saturating_mul(piece.repeat as usize);
            let start = piece.address as usize;
            let end = start.saturating_add(length);
            if end > FLASH_END {
                continue;
            }
            if flash.len() < end {
                flash.resize(end, 0xff);
            }
            flash[start..end].copy_from_slice(&bytes.repeat(piece.repeat as usize));
        }
        Some(flash)
    }

    /// The fuses.
    pub fn fuses(&self) -> Option<[u8; EFUSE_BYTES]> {
        from_hex(self.efuse.as_deref()?)?.try_into().ok()
    }

    /// The module as it was, as far as this tells; `boot` is what BOOT follows.
    pub fn apply(&self, builder: ModuleBuilder, boot: Boot) -> ModuleBuilder {
        let start = if self.loader_runs == Some(true) { Start::Loader } else { Start::Rom };
        let mut builder = builder.boot_high(self.boot_high.unwrap_or(boot != Boot::Low)).start(start);
        if let Some(flash) = self.flash_bytes() {
            builder = builder.flash(flash);
        }
        if let Some(fuses) = self.fuses() {
            builder = builder.efuse(fuses);
        }
        builder
    }

    /// Notes what the flash held.
    pub fn set_flash(&mut self, flash: &[u8]) {
        self.flash = pieces(flash);
    }

    /// Notes the fuses.
    pub fn set_fuses(&mut self, fuses: &[u8; EFUSE_BYTES]) {
        self.efuse = Some(to_hex(fuses));
    }
}

/// The level of BOOT that the recording begins with, if it names one.
fn first_boot_level(records: &[Record]) -> Option<bool> {
    for record in records {
        match record {
            Record::Lines(change) => return change.lines.boot,
            Record::Bytes(_) => return None,
            Record::Header(_) | Record::Event(_) => {}
        }
    }
    None
}

/// Flash in short: erased sectors are left out, long runs of one value are counted.
fn pieces(flash: &[u8]) -> Vec<FlashPiece> {
    let mut pieces = Vec::new();
    for (index, sector) in flash.chunks(SECTOR).enumerate() {
        if sector.iter().all(|byte| *byte == 0xff) {
            continue;
        }
        let base = (index * SECTOR) as u32;
        for (at, bytes, repeat) in in_short(sector) {
            pieces.push(FlashPiece {
                address: base + at as u32,
                bytes: to_hex(bytes),
                repeat: repeat as u32,
            });
        }
    }
    pieces
}

/// Cuts bytes into runs of one value, which are counted, and what is between them: (offset, bytes, how often).
pub(super) fn in_short(bytes: &[u8]) -> Vec<(usize, &[u8], usize)> {
    let mut cuts = Vec::new();
    let mut plain_from = 0;
    let mut at = 0;
    while at < bytes.len() {
        let run = bytes[at..].iter().take_while(|byte| **byte == bytes[at]).count();
        if run >= SHORT_FROM {
            if plain_from < at {
                cuts.push((plain_from, &bytes[plain_from..at], 1));
            }
            cuts.push((at, &bytes[at..=at], run));
            plain_from = at + run;
        }
        at += run;
    }
    if plain_from < bytes.len() {
        cuts.push((plain_from, &bytes[plain_from..], 1));
    }
    cuts
}

/// Flash as it was before the host changed it, as far as the host has read it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LearnedFlash {
    /// From address 0 on; what was not read is erased.
    pub bytes: Vec<u8>,
    /// How many bytes were read.
    pub known_bytes: usize,
}

/// What reads tell of the flash before it was written.
pub fn learn_flash(exchanges: &[Exchange]) -> LearnedFlash {
    let mut flash = LearnedFlash::default();
    // One for each byte of the flash: read, or no longer as it was.
    let mut settled: Vec<bool> = Vec::new();
    for exchange in exchanges {
        let (Some(id), Some(address)) = (exchange.id(), exchange.payload_word(0)) else {
            if exchange.id() == Some(0x3c) && exchange.side == Side::Loader {
                break;
            }
            continue;
        };
        let start = address as usize;
        match id {
            0x32 | 0x34 => flash.learn(&mut settled, start, data_of(exchange)),
            0x31 if exchange.side == Side::Loader => {
                let bytes = exchange.payload_bytes().saturating_sub(4);
                settle(&mut settled, start, start.saturating_add(bytes));
            }
            0x30 if exchange.side == Side::Loader => {
                let end = exchange.payload_word(4).unwrap_or(address) as usize;
                settle(&mut settled, start & !(SECTOR - 1), (end | (SECTOR - 1)).saturating_add(1));
            }
            _ => {}
        }
    }
    flash
}

impl LearnedFlash {
    fn learn(&mut self, settled: &mut Vec<bool>, start: usize, data: &[u8]) {
        let end = start.saturating_add(data.len());
        if end > FLASH_END {
            return;
        }
        let length = self.bytes.len().max(end);
        self.bytes.resize(length, 0xff);
        settled.resize(settled.len().max(end), false);
        for (index, byte) in data.iter().enumerate() {
            if !std::mem::replace(&mut settled[start + index], true) {
                self.bytes[start + index] = *byte;
                self.known_bytes += 1;
            }
        }
    }
}

fn settle(settled: &mut Vec<bool>, start: usize, end: usize) {
    let end = end.min(FLASH_END);
    if start < end {
        settled.resize(settled.len().max(end), false);
        settled[start..end].fill(true);
    }
}

/// The data of a good answer.
fn data_of(exchange: &Exchange) -> &[u8] {
    match exchange.words.last() {
        Some((_, Word::Data(length))) => exchange.reply.get(4..4 + length).unwrap_or_default(),
        _ => &[],
    }
}

/// What the module tells of its fuses, laid over `fuses`; gives in words what it was. Fuses are what they were at the
/// start until the first burn.
pub fn learn_fuses(exchanges: &[Exchange], fuses: &mut [u8; EFUSE_BYTES]) -> Vec<&'static str> {
    let mut learned = Vec::new();
    let mut note = |what| {
        if !learned.contains(&what) {
            learned.push(what);
        }
    };
    for exchange in exchanges {
        let data = data_of(exchange);
        match exchange.id() {
            Some(0x40) => break,
            Some(0x10) => match BootInfo::parse(data) {
                Ok(BootInfo::Rom(info)) => {
                    put(fuses, offset::MAC, &info.chip_id);
                    put(fuses, offset::SW_USAGE_0, &info.sw_usage_0.to_le_bytes());
                    put(fuses, offset::DEVICE_INFO, &info.device_info.0.to_le_bytes());
                    note("chip id, sw_usage_0 and device info from boot info");
                }
                Ok(BootInfo::Loader(info)) => {
                    put(fuses, offset::SW_USAGE_0, &info.sw_usage_0.to_le_bytes());
                    put(fuses, offset::DEVICE_INFO, &info.device_info.0.to_le_bytes());
                    note("sw_usage_0 and device info from the RAM loader's boot info");
                }
                Err(_) => {}
            },
            Some(0x41) if exchange.side == Side::Loader && !data.is_empty() => {
                let at = exchange.payload_word(0).unwrap_or(0) as usize & !3;
                put(fuses, at, data);
                note("what 41h read");
            }
            Some(0x42) if data.len() == 12 => {
                put(fuses, offset::MAC, &data[..8]);
                note("the MAC that 42h read");
            }
            _ => {}
        }
    }
    learned
}

fn put(fuses: &mut [u8; EFUSE_BYTES], at: usize, bytes: &[u8]) {
    if let Some(place) = fuses.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}

/// Whether a RAM loader answers that the host of the recording did not start.
pub fn loader_ran_before(exchanges: &[Exchange]) -> bool {
    for exchange in exchanges {
        let answered = !exchange.words.is_empty();
        match exchange.id() {
            // Started in the recording, by "run image" or by a jump that memory writes lead to.
            Some(0x1a) if answered => return false,
            Some(0x50) => return false,
            Some(0x10) => match BootInfo::parse(data_of(exchange)) {
                Ok(BootInfo::Loader(_)) => return true,
                Ok(BootInfo::Rom(_)) => return false,
                Err(_) => {}
            },
            // Commands that only the RAM loader answers.
            Some(0x30..=0x3e) if exchange.reply.starts_with(b"OK") || exchange.reply.starts_with(b"PD") => {
                return true;
            }
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use bl702_protocol::trace::{Direction, exchanges};

    use super::*;

    #[test]
    fn what_is_told_can_be_read_again() {
        let mut flash = vec![0xff; 300_000];
        flash[10] = 1;
        flash[4096..8192].fill(0xa5);
        flash[200_000..299_999].iter_mut().enumerate().for_each(|(index, byte)| *byte = (index % 251) as u8);
        let mut start = ModuleAtStart { loader_runs: Some(true), ..ModuleAtStart::default() };
        start.set_flash(&flash);
        start.set_fuses(&[7; EFUSE_BYTES]);
        let records = start.to_records();
        assert!(records.len() > 1, "a line has an end");
        let told = ModuleAtStart::told(&records);
        assert_eq!(told, start);
        let mut read = told.flash_bytes().unwrap();
        read.resize(flash.len(), 0xff);
        assert_eq!(read, flash);
        assert_eq!(told.fuses(), Some([7; EFUSE_BYTES]));
    }

    #[test]
    fn runs_are_counted_and_the_rest_is_kept() {
        let bytes = [&[1, 2, 3][..], &[9; 40], &[4], &[8; 100]].concat();
        let cuts: Vec<_> =
            in_short(&bytes).into_iter().map(|(at, bytes, n)| (at, bytes.to_vec(), n)).collect();
        assert_eq!(cuts, [(0, vec![1, 2, 3], 1), (3, vec![9], 40), (43, vec![4], 1), (44, vec![8], 100)]);
    }

    /// A session with a running RAM loader: (who, hex).
    fn session(story: &[(Direction, &str)]) -> Vec<Exchange> {
        let records: Vec<Record> = story
            .iter()
            .enumerate()
            .map(|(index, (direction, hex))| {
                let at = Nanos::from_millis(10 * index as u64);
                Record::bytes(at, *direction, 500_000, from_hex(hex).unwrap())
            })
            .collect();
        exchanges(&records)
    }

    #[test]
    fn only_what_was_read_before_it_was_written_is_learned() {
        use Direction::{Chip, Host};
        let exchanges = session(&[
            (Host, "5555555555"),
            (Chip, "4f4b"),
            (Host, "10000000"),
            (Chip, "4f4b1800ffffffff0000000028000008000100000824d00716250122"),
            (Host, "320008000000000004000000"),
            (Chip, "4f4b0400aabbccdd"),
            (Host, "310008000400000001020304"),
            (Chip, "4f4b"),
            (Host, "320008000000000008000000"),
            (Chip, "4f4b0800aabbccdd01020304"),
        ]);
        assert!(loader_ran_before(&exchanges));
        let learned = learn_flash(&exchanges);
        assert_eq!(learned.known_bytes, 4);
        assert_eq!(learned.bytes, [0xaa, 0xbb, 0xcc, 0xdd, 0xff, 0xff, 0xff, 0xff]);
        let mut fuses = [0; EFUSE_BYTES];
        learn_fuses(&exchanges, &mut fuses);
        assert_eq!(fuses[0x74..0x78], [0x28, 0, 0, 8]);
    }
}
