//! `info`

use bl702_flasher::flow;
use bl702_flasher::flow::InfoReport;
use bl702_protocol::boot_info::{BootInfo, RomBootInfo};
use serde_json::json;

use super::Outcome;
use super::context::Context;
use super::options::Options;
use crate::failure::Failure;
use crate::report::Reporter;

pub(crate) fn run(options: &Options, reporter: &mut dyn Reporter) -> Result<Outcome, Failure> {
    let mut context = Context::open(options, reporter)?;
    let (connect, after) = (context.options.clone(), options.after());
    let report = context.run(|link| flow::info(link, connect, after))?;
    Ok(Outcome::new(text(&report), json(&report)))
}

/// eFuse switches of `sw_usage_0` that change what can be done over UART (ROM reference 1.8).
const SWITCHES: [(u32, &str, &str); 6] = [
    (20, "tz_boot", "the ROM's memory commands are refused"),
    (22, "hbn_check_sign", "images are checked on wake-up too"),
    (24, "mediaboot_disable", "always ISP, the flash is never booted"),
    (25, "uartboot_disable", "the ROM does not answer on UART"),
    (26, "sdioboot_disable", "the USB interface of the ROM is off"),
    (27, "hbn_jump_disable", "images cannot be started through the HBN words"),
];

fn switches(info: &BootInfo) -> Vec<&'static (u32, &'static str, &'static str)> {
    SWITCHES.iter().filter(|(bit, _, _)| info.sw_usage_0() >> bit & 1 == 1).collect()
}

fn secure_boot(rom: &RomBootInfo) -> String {
    let signed = if rom.sign == 0 { "no signature needed" } else { "images must be signed" };
    let encrypted = match rom.encrypt {
        0 => "no encryption needed",
        1 => "images must be encrypted with AES-128",
        2 => "images must be encrypted with AES-256",
        3 => "images must be encrypted with AES-192",
        _ => "images must be encrypted in an unknown way",
    };
    format!("{signed}, {encrypted}")
}

fn text(report: &InfoReport) -> Vec<String> {
    let mut lines = Vec::new();
    match &report.boot_info {
        BootInfo::Rom(rom) => {
            lines.push(format!("chip            BL702/704/706, boot ROM {:08x}h", rom.version));
            lines.push(format!("chip id         {}", rom.chip_id_text()));
            lines.push(format!("secure boot     {}", secure_boot(rom)));
        }
        BootInfo::Loader(_) => lines.push("chip            a RAM loader was running already".to_owned()),
    }
    let device = report.boot_info.device_info();
    lines.push(format!(
        "package         {}, {}, {}",
        device.package_text(),
        device.flash_config_text(),
        device.psram_text()
    ));
    for (_, name, effect) in switches(&report.boot_info) {
        lines.push(format!("fuse            {name}: {effect}"));
    }
    if let Some(mac) = report.mac {
        let bytes: Vec<String> = mac.iter().map(|byte| format!("{byte:02x}")).collect();
        lines.push(format!("MAC fuses       {}", bytes.join(" ")));
    }
    match (&report.flash, &report.no_flash) {
        (Some(flash), _) => {
            let part = flash.jedec.part().map_or("unknown part", |part| part.name);
            let known = if flash.identified { "" } else { ", not known to the RAM loader" };
            let size = flash.size_bytes / 1024;
            lines.push(format!("flash           {part} ({}), {size} KiB{known}", flash.jedec));
        }
        (None, Some(error)) => {
            lines.push(format!("flash           not looked at: {error}\n{}", error.advice()))
        }
        (None, None) => {}
    }
    lines
}

fn json(report: &InfoReport) -> serde_json::Value {
    let mut value = json!({
        "device_info": format!("{:08x}", report.boot_info.device_info().0),
        "sw_usage_0": format!("{:08x}", report.boot_info.sw_usage_0()),
        "fuses": switches(&report.boot_info).iter().map(|(_, name, _)| *name).collect::<Vec<_>>(),
    });
    if let BootInfo::Rom(rom) = &report.boot_info {
        value["rom_version"] = json!(format!("{:08x}", rom.version));
        value["chip_id"] = json!(rom.chip_id_text());
        value["sign"] = json!(rom.sign);
        value["encrypt"] = json!(rom.encrypt);
    }
    if let Some(mac) = report.mac {
        value["mac"] = json!(mac.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    }
    if let Some(flash) = &report.flash {
        value["jedec"] = json!(flash.jedec.to_string());
        value["flash_part"] = json!(flash.jedec.part().map(|part| part.name));
        value["flash_identified"] = json!(flash.identified);
        value["flash_size_bytes"] = json!(flash.size_bytes);
    }
    if let Some(error) = &report.no_flash {
        value["no_flash"] = json!(error.to_string());
    }
    value
}
