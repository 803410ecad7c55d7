//! `info`

use bl702_flasher::efuse::{FieldValue, consequences, decode, locks};
use bl702_flasher::flow::{self, InfoReport, LoaderUsed};
use bl702_flasher::image::boards::{BOARDS, Board};
use bl702_flasher::status::FlashStatus;
use bl702_protocol::boot_info::{BootInfo, DeviceInfo};
use bl702_protocol::chip::BL702;
use bl702_protocol::efuse::{Efuse, offset};
use serde_json::{Value, json};

use super::Outcome;
use super::context::Context;
use super::options::Options;
use crate::failure::Failure;
use crate::report::Reporter;

const EXAMPLES: &str = "Examples:
  bl702-flash --port /dev/ttyUSB0 info
  bl702-flash --port /dev/ttyUSB0 info --board xt-zb2
  bl702-flash --port /dev/ttyUSB0 --format json info

Without a RAM loader image (see `loader`) only the boot ROM is asked: it tells chip, chip id and the fuses that matter to
it, not the flash.";

/// Why the fuses are not known where nothing has failed.
const FUSES_HIDDEN: &str = "tz_boot keeps the boot ROM from showing them, and no RAM loader runs";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Warn where the module is not as this board should be: xt-zb2, kh25v80, gd25q80e, w25q80dv [default: that of bl702.toml]
    #[arg(long, value_name = "BOARD", value_parser = board)]
    board: Option<&'static Board>,
}

fn board(name: &str) -> Result<&'static Board, String> {
    let names = || BOARDS.iter().map(|board| board.name).collect::<Vec<_>>().join(", ");
    Board::find(name).ok_or_else(|| format!("there is no board {name:?}, only {}", names()))
}

pub(crate) fn run(args: &Args, options: &Options, reporter: &mut dyn Reporter) -> Result<Outcome, Failure> {
    let mut context = Context::open(options, reporter)?;
    let (connect, after) = (context.options.clone(), options.after());
    let report = context.run(|link| flow::info(link, connect, after))?;
    let board = args.board.or_else(|| Board::find(&options.settings().text("board")?));
    let differences = match board {
        Some(board) => board.differences(device_info(&report), report.flash.map(|flash| flash.jedec)),
        None => Vec::new(),
    };
    let mut text = text(&report);
    if let Some(board) = board {
        text.extend(board_text(board, &differences));
    }
    let mut json = json(&report);
    json["board"] = json!(board.map(|board| board.name));
    json["board_differences"] = json!(differences);
    Ok(Outcome::new(text, json))
}

fn board_text(board: &Board, differences: &[String]) -> Vec<String> {
    if differences.is_empty() {
        return vec![row("board", format!("as the board {} should be", board.name))];
    }
    differences.iter().map(|line| row("board", format!("warning: {line}"))).collect()
}

fn row(name: &str, value: impl std::fmt::Display) -> String {
    format!("{name:<15} {value}")
}

fn device_info(report: &InfoReport) -> DeviceInfo {
    report.boot_info.device_info()
}

/// The fuses, or what boot info tells of them.
fn fuses(report: &InfoReport) -> Efuse {
    if let Some(fuses) = report.fuses {
        return fuses;
    }
    let mut fuses = Efuse::default();
    fuses.set_word(offset::SW_USAGE_0, report.boot_info.sw_usage_0());
    fuses.set_word(offset::DEVICE_INFO, device_info(report).0);
    if let BootInfo::Rom(rom) = &report.boot_info {
        // Encryption in the numbering of the fuses: 2 and 3 are the other way round (ROM reference 1.5).
        let aes = [0, 0x81, 0x83, 0x82].get(usize::from(rom.encrypt)).copied().unwrap_or(0x80);
        fuses.set_word(offset::CONFIG, u32::from(rom.sign) << 2 | aes);
        fuses.0[offset::MAC..offset::MAC + 8].copy_from_slice(&rom.chip_id);
    }
    fuses
}

/// Whether the eight bytes of the MAC address are known, so that their parity means something.
fn mac(report: &InfoReport) -> Option<[u8; 8]> {
    let known = report.fuses.is_some() || matches!(report.boot_info, BootInfo::Rom(_));
    if known { Some(fuses(report).mac()) } else { report.mac }
}

/// What the burnt fuses mean, the worst first; nothing for an open chip.
fn meanings(report: &InfoReport) -> Vec<String> {
    let mut said = consequences(&fuses(report));
    if mac(report).is_none() {
        said.retain(|line| !line.contains("parity"));
    }
    said
}

fn text(report: &InfoReport) -> Vec<String> {
    let mut lines = Vec::new();
    match &report.boot_info {
        BootInfo::Rom(rom) => {
            lines.push(row("chip", format!("BL702/704/706, boot ROM {:08x}h", rom.version)));
            lines.push(row("chip id", rom.chip_id_text()));
        }
        BootInfo::Loader(_) => {
            lines.push(row("chip", "a BL702/704/706: a RAM loader for it was running already"));
        }
    }
    let device = device_info(report);
    let swap =
        if device.flash_swap() == 0 { String::new() } else { format!(", {}", device.flash_swap_text()) };
    lines.push(row(
        "package",
        format!("{}, {}, {}{swap}", device.package_text(), device.flash_config_text(), device.psram_text()),
    ));
    lines.push(row("MAC", mac_text(report)));
    lines.extend(flash_lines(report));
    lines.extend(link_lines(report));
    lines.extend(fuse_lines(report));
    lines
}

fn mac_text(report: &InfoReport) -> String {
    let Some(mac) = mac(report) else {
        return "not told: its parity is wrong, or there is no RAM loader to ask".to_owned();
    };
    let bytes: Vec<String> = mac.iter().map(|byte| format!("{byte:02x}")).collect();
    let parity = if fuses(report).mac_parity_is_right() || report.mac.is_some() {
        "parity right"
    } else {
        "parity WRONG"
    };
    format!("{} ({parity})", bytes.join(" "))
}

fn flash_lines(report: &InfoReport) -> Vec<String> {
    let mut lines = Vec::new();
    match (&report.flash, &report.no_flash) {
        (Some(flash), _) => {
            let part = BL702.flash_part(flash.jedec).map_or("unknown part", |part| part.name);
            let known = if flash.identified { "" } else { ", not known to the RAM loader" };
            let size = flash.size_bytes / 1024;
            lines.push(row("flash", format!("{part} ({}), {size} KiB{known}", flash.jedec)));
        }
        (None, Some(error)) => {
            lines.push(row("flash", format!("not looked at: {error}\n{}", error.advice())));
        }
        (None, None) => {}
    }
    if let Some(status) = status(report) {
        let registers: Vec<String> =
            status.registers.iter().map(|(name, value)| format!("{name} = {value:02x}")).collect();
        lines.push(row("flash status", format!("{} ({})", status.meaning.join("; "), registers.join(", "))));
    } else if report.flash.is_some() {
        lines.push(row("flash status", "the flash does not tell its status registers"));
    }
    lines
}

fn status(report: &InfoReport) -> Option<FlashStatus> {
    Some(FlashStatus::of(report.flash?.jedec, report.status?))
}

fn link_lines(report: &InfoReport) -> Vec<String> {
    let loader = match &report.loader {
        LoaderUsed::None => "none was used".to_owned(),
        LoaderUsed::Running => "one that was running already; which build it is it does not say".to_owned(),
        LoaderUsed::Uploaded(image) => {
            let known = match image.known {
                Some(build) => format!("as published in {}", build.published_in),
                None => "none of the published builds".to_owned(),
            };
            format!("{}, {known}, SHA-256 {}", image.name, image.sha256)
        }
    };
    let rates = match report.baud_bps {
        Some(rate) => format!("{} baud at the start, {rate} baud for data", report.boot_baud_bps),
        None => format!("{} baud", report.boot_baud_bps),
    };
    vec![row("RAM loader", loader), row("link", rates)]
}

/// Every fuse that is set, and before them what they mean for somebody with a flasher.
fn fuse_lines(report: &InfoReport) -> Vec<String> {
    let said = meanings(report);
    let mut lines = match said.is_empty() {
        true => vec![row("security", "an open chip: any image may run, nothing is locked out")],
        false => said.iter().map(|line| row("security", format!("! {line}"))).collect(),
    };
    let efuse = fuses(report);
    let source = match (&report.fuses, &report.no_fuses) {
        (Some(_), _) => "those that are set:".to_owned(),
        (None, Some(error)) => {
            format!("not all could be read ({error}); by boot info these are set:")
        }
        (None, None) => format!("{FUSES_HIDDEN}; by boot info these are set:"),
    };
    lines.push(row("fuses", source));
    lines.extend(set_fields(&efuse).iter().map(field_text));
    lines.extend(locks(&efuse).iter().map(|line| format!("  locked: {line}")));
    lines
}

/// The MAC address has a line of its own.
fn set_fields(efuse: &Efuse) -> Vec<FieldValue> {
    decode(efuse).into_iter().filter(|field| field.is_set && field.name != "wifi_mac").collect()
}

fn field_text(field: &FieldValue) -> String {
    let effect =
        if field.effect.starts_with("none") { String::new() } else { format!(" ({})", field.effect) };
    format!("  {:<20} {}  {}{effect}", field.name, field.value, field.meaning)
}

fn json(report: &InfoReport) -> Value {
    let efuse = fuses(report);
    let device = device_info(report);
    let mut value = json!({
        "device_info": format!("{:08x}", device.0),
        "package": device.package_text(),
        "flash_config": device.flash_config_text(),
        "psram": device.psram_text(),
        "sw_usage_0": format!("{:08x}", report.boot_info.sw_usage_0()),
        "security": meanings(report),
        "fuses": set_fields(&efuse),
        "fuses_complete": report.fuses.is_some(),
        "locks": locks(&efuse),
        "loader": loader_json(&report.loader),
        "boot_baud_bps": report.boot_baud_bps,
        "baud_bps": report.baud_bps,
        "flash_status": status(report),
    });
    if let BootInfo::Rom(rom) = &report.boot_info {
        value["rom_version"] = json!(format!("{:08x}", rom.version));
        value["chip_id"] = json!(rom.chip_id_text());
        value["sign"] = json!(rom.sign);
        value["encrypt"] = json!(rom.encrypt);
    }
    if report.fuses.is_some() {
        value["efuse"] = json!(efuse.0.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    }
    if let Some(mac) = mac(report) {
        value["mac"] = json!(mac.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
        value["mac_parity_right"] = json!(efuse.mac_parity_is_right() || report.mac.is_some());
    }
    if let Some(flash) = &report.flash {
        value["jedec"] = json!(flash.jedec.to_string());
        value["flash_part"] = json!(BL702.flash_part(flash.jedec).map(|part| part.name));
        value["flash_identified"] = json!(flash.identified);
        value["flash_size_bytes"] = json!(flash.size_bytes);
    }
    if report.fuses.is_none() && report.no_fuses.is_none() {
        value["no_fuses"] = json!(FUSES_HIDDEN);
    }
    for (key, error) in [("no_flash", &report.no_flash), ("no_fuses", &report.no_fuses)] {
        if let Some(error) = error {
            value[key] = json!(error.to_string());
        }
    }
    value
}

fn loader_json(loader: &LoaderUsed) -> Value {
    match loader {
        LoaderUsed::None => Value::Null,
        LoaderUsed::Running => json!({"running_already": true}),
        LoaderUsed::Uploaded(image) => json!({
            "running_already": false,
            "name": image.name,
            "sha256": image.sha256,
            "published_in": image.known.map(|build| build.published_in),
        }),
    }
}
