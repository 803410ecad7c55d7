//! Payloads, reply data and codes in words.

use crate::boot_info::BootInfo;
use crate::chip::BL702;
use crate::code::Code;
use crate::command::CommandRow;
use crate::image::boot_header::BootHeader;
use crate::image::segment::SegmentHeader;
use crate::jedec::{JedecId, LOADER_FLAG_IDENTIFIED};
use crate::trace::to_hex;

/// Most bytes shown whole.
const SHOWN: usize = 32;

/// Bytes in hex; beyond [`SHOWN`] the first sixteen and how many more.
pub(super) fn bytes(bytes: &[u8]) -> String {
    match bytes.len() {
        0 => "(none)".to_owned(),
        1..=SHOWN => to_hex(bytes),
        count => format!("{}... and {} more", to_hex(&bytes[..16]), count - 16),
    }
}

/// A code with its name, where it belongs, and its meaning.
pub(super) fn code(code: Code, belongs: &str) -> String {
    match code.row() {
        Some(row) => format!("{code} ({}) {belongs}: {}", row.name, row.meaning),
        None => format!("{code} (unknown code) {belongs}"),
    }
}

/// A number of bytes in words.
pub(super) fn count(bytes: usize) -> String {
    format!("{bytes} byte{}", if bytes == 1 { "" } else { "s" })
}

fn word(payload: &[u8], at: usize) -> Option<u32> {
    payload.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes)
}

/// The fields of a request, ready to stand after its name.
pub(super) fn request(id: u8, row: &CommandRow, payload: &[u8]) -> String {
    if payload.is_empty() {
        return String::new();
    }
    match (id, payload.len()) {
        (0x11, 176) => boot_header(payload),
        (0x17, 16) => segment_header(payload),
        (0x50, length) if row.fields.is_empty() && length % 8 == 0 => memory_pairs(payload),
        _ => fields(row, payload),
    }
}

fn fields(row: &CommandRow, payload: &[u8]) -> String {
    let mut rest = payload;
    let mut words = Vec::new();
    for field in row.fields {
        let Some((value, after)) = rest.split_at_checked(usize::from(field.bytes)) else { break };
        let number = value.iter().rev().fold(0u64, |number, byte| number << 8 | u64::from(*byte));
        words.push(match field.name {
            "length" | "segment length" | "bytes" | "signature length" | "old rate" | "new rate" => {
                format!("{} {number}", field.name)
            }
            name => format!("{name} {number:0width$x}h", width = value.len() * 2),
        });
        rest = after;
    }
    if !rest.is_empty() {
        words.push(format!("{} {}", row.tail.unwrap_or("ignored payload"), bytes(rest)));
    }
    format!(": {}", words.join(", "))
}

fn boot_header(payload: &[u8]) -> String {
    let Ok(bytes) = payload.try_into() else { return String::new() };
    let header = BootHeader::parse(bytes);
    let refusal = header.check_before_clock().err().map(|refusal| format!("; {refusal}")).unwrap_or_default();
    let plural = if header.segment_count == 1 { "" } else { "s" };
    let BootHeader { segment_count, ram_address, .. } = header;
    let start = header.start_address();
    let config = header.boot_config;
    format!(
        ": {segment_count} segment{plural}, RAM address {ram_address:08x}h, start {start:08x}h, {config}{refusal}"
    )
}

fn segment_header(payload: &[u8]) -> String {
    let Ok(bytes) = payload.try_into() else { return String::new() };
    let header = SegmentHeader::parse(bytes);
    let crc = if header.crc_is_right() { "" } else { "; CRC wrong, or encrypted" };
    format!(": {} bytes to {:08x}h{crc}", header.length, header.destination)
}

/// The register of the CPU reset and its bit; the words that tell the ROM where to wake up.
const CPU_RESET_REGISTER: u32 = 0x4000_0018;
const CPU_RESET_BIT: u32 = 2;
const WAKE_FLAG: u32 = 0x4000_F100;
const WAKE_FLAG_VALUE: u32 = u32::from_le_bytes(*b"EHBN");
const WAKE_ADDRESS: u32 = 0x4000_F104;

fn pairs(payload: &[u8]) -> impl Iterator<Item = (u32, u32)> + '_ {
    payload.chunks_exact(8).filter_map(|pair| Some((word(pair, 0)?, word(pair, 4)?)))
}

/// Whether a memory write of the ROM resets the processor.
pub(super) fn resets_cpu(payload: &[u8]) -> bool {
    pairs(payload).any(|(address, value)| address == CPU_RESET_REGISTER && value & CPU_RESET_BIT != 0)
}

fn memory_pairs(payload: &[u8]) -> String {
    let words = pairs(payload).take(8).map(|(address, value)| {
        let note = match (address, value) {
            (WAKE_FLAG, WAKE_FLAG_VALUE) => " (wake-up flag \"EHBN\")",
            (WAKE_ADDRESS, _) => " (wake-up address)",
            (CPU_RESET_REGISTER, value) if value & CPU_RESET_BIT != 0 => " (CPU reset)",
            _ => "",
        };
        format!("{address:08x}h = {value:08x}h{note}")
    });
    let mut text = format!(": {}", words.collect::<Vec<_>>().join(", "));
    if payload.len() > 64 {
        text += &format!(", {} more", payload.len() / 8 - 8);
    }
    text
}

/// The data of a reply.
pub(super) fn reply_data(id: u8, data: &[u8]) -> String {
    match (id, data) {
        (0x10, _) => boot_info(data),
        (0x17, _) if data.len() == 16 => format!("segment header{}", segment_header(data)),
        (0x36, [manufacturer, kind, capacity, flag]) => {
            let id = JedecId([*manufacturer, *kind, *capacity]);
            let part = BL702.flash_part(id).map_or("a part without BL702 profile", |part| part.name);
            let known = if flag & LOADER_FLAG_IDENTIFIED != 0 { "known" } else { "NOT known" };
            format!("JEDEC id {id} ({part}), {known} to the loader")
        }
        (0x42, _) if data.len() == 12 => {
            let crc = if word(data, 8) == Some(crate::crc::crc32(&data[..8])) { "" } else { ", CRC wrong" };
            format!("MAC {}{crc}", to_hex(&data[..8]))
        }
        (0x71, _) => {
            text_lines(data).map_or_else(|| bytes(data), |lines| format!("{} lines of log", lines.len()))
        }
        _ => format!("{} {}", count(data.len()), bytes(data)),
    }
}

fn boot_info(data: &[u8]) -> String {
    match BootInfo::parse(data) {
        Ok(BootInfo::Rom(info)) => format!(
            "boot ROM version {:08x}h{}, sign {}, encrypt {}, {}, {}, chip id {}",
            info.version,
            if info.is_bl702() { " (BL702)" } else { " (not a BL702)" },
            info.sign,
            info.encrypt,
            info.device_info.package_text(),
            info.device_info.flash_config_text(),
            info.chip_id_text(),
        ),
        Ok(BootInfo::Loader(info)) => format!("RAM loader, {}", info.device_info.flash_config_text()),
        Err(error) => format!("{error}: {}", bytes(data)),
    }
}

/// The lines of a text; `None` if the bytes are not printable.
pub(super) fn text_lines(bytes: &[u8]) -> Option<Vec<String>> {
    let text = core::str::from_utf8(bytes).ok()?;
    let printable =
        text.chars().all(|char| !char.is_control() || matches!(char, '\r' | '\n' | '\t' | '\x1b'));
    let lines = text.lines().map(|line| line.replace('\x1b', "\\e"));
    (printable && bytes.len() > 2).then(|| lines.filter(|line| !line.trim().is_empty()).collect())
}
