//! The stock image's boot log, line by line.

use std::fmt::Write;

use bl702_protocol::image::partition::PartitionEntry;
use bl702_protocol::time::Nanos;

use super::BootImage;

/// The recovered head of the log: pause before the line in microseconds (assumed) and the line
/// (`reference/rom-and-module.md` section 5).
const HEAD: &[(u64, &str)] = &[
    (0, "Starting bl702 now...."),
    (200, "Booting BL702 Chip..."),
    (0, "------------------------------------------------------------"),
    (0, "RISC-V Core Feature:RV32-ACFIMX"),
    (0, "Build Version: release_bl_iot_sdk_1.6.30-dirty"),
    (0, "Std BSP Driver Version: cfe99fb-dirty"),
    (0, "Std BSP Common Version: 8cf52ec-dirty"),
    (0, "RF Version: 1504071-dirty"),
    (0, "Build Date: Nov 22 2021"),
    (0, "Build Time: 19:00:17"),
    (0, "------------------------------------------------------------"),
    (500, "Heap 45320@0x4201cef8, 23552@0x42028400"),
    (500, "blog init set power on level 2, 2, 2."),
    (1000, "[IRQ] Clearing and Disable all the pending IRQ..."),
];

/// All lines with the pause before each. The partition table is printed as it stands in the flash; with the stock table
/// that gives the recovered text.
///
/// The recovered text stops within entry 3. That the rest of the entries follow in the same form and that the log
/// ends there, and that lines end with CR LF, is assumed.
pub(super) fn lines(image: &BootImage) -> Vec<(Nanos, String)> {
    let table = &image.table;
    let (bytes, crc32) = (table.to_bytes().map_or(0, |bytes| bytes.len()), table.header_crc32().unwrap_or(0));
    let mut lines: Vec<_> =
        HEAD.iter().map(|(pause_us, line)| (Nanos::from_micros(*pause_us), format!("{line}\r\n"))).collect();
    let mut line = |pause_us, text: String| lines.push((Nanos::from_micros(pause_us), text + "\r\n"));
    line(
        2000,
        format!(
            "[ 0][INFO : hal_boot2.c: 283] [HAL] [BOOT2] Active Partition[{}] consumed {bytes} Bytes",
            image.table_copy
        ),
    );
    line(100, "======= PtTable_Config @0x420164f4=======".to_owned());
    line(
        0,
        format!(
            "magicCode 0x54504642; version 0x{:04X}; entryCnt {}; age {}; crc32 0x{crc32:08X}",
            table.version,
            table.entries.len(),
            table.age
        ),
    );
    line(0, "idx type device activeIndex name Address[0] Address[1] Length[0] Length[1] age".to_owned());
    for (index, entry) in table.entries.iter().enumerate() {
        line(0, entry_line(index, entry));
    }
    lines
}

fn entry_line(index: usize, entry: &PartitionEntry) -> String {
    let mut line =
        format!("[{index:02}] {:02} {} {} {}", entry.kind, entry.device, entry.active, entry.name.text());
    for word in entry.addresses.iter().chain(&entry.sizes) {
        let _ = write!(line, " 0x{word:08x}");
    }
    let _ = write!(line, " {}", entry.age);
    line
}
