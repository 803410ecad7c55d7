//! The four-digit `ErrorCode` numbers of the vendor's host tools (bflb-mcu-tool, bflb-iot-tool, DevCube).
//!
//! These come from the host program, not from the chip; texts are those of version 1.10. What lies behind them is from
//! `reference/clients.md` sections 6 and 7 and `reference/rom-and-module.md` sections 1.7 and 4.

/// One `ErrorCode` that the vendor's tools print.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VendorError {
    /// The four digits, hexadecimal as printed.
    pub code: u16,
    /// The text printed with it, without the "BFLB " that some versions put in front.
    pub text: &'static str,
    /// What lies behind it on a BL702, where that is known.
    pub explanation: Option<&'static str>,
}

const fn row(code: u16, text: &'static str) -> VendorError {
    VendorError { code, text, explanation: None }
}

const fn explained(code: u16, text: &'static str, explanation: &'static str) -> VendorError {
    VendorError { code, text, explanation: Some(explanation) }
}

/// The row of an `ErrorCode`.
pub fn vendor_error(code: u16) -> Option<&'static VendorError> {
    VENDOR_ERRORS.iter().find(|row| row.code == code)
}

/// The vendor's list, in the order of the numbers.
pub static VENDOR_ERRORS: &[VendorError] = &[
    row(0x0000, "SUCCESS"),
    explained(
        0x0001,
        "EFLASH LOADER HANDSHAKE FAIL",
        "The RAM loader did not answer its handshake: it did not start (hbn_jump_disable or tz_boot \
        in the eFuses, or a signed chip), the reset line pulled the chip back, or the transfer rate \
        is one the loader refuses, such as 1.2 Mbaud.",
    ),
    row(0x0002, "OPTION SET UNSUPPORTED"),
    explained(
        0x0003,
        "LOAD HELP BIN FAIL",
        "A ROM command was refused or not answered while the RAM loader was sent. With a RAM loader \
        already running the vendor's tool fails here too: reset the module.",
    ),
    row(0x0004, "RESET CPU FAIL"),
    explained(0x0005, "BURN RETRY FAIL", "All tries failed; the error before this one is the cause."),
    row(0x0006, "LOG READ FAIL"),
    row(0x0009, "CONNECT OPENOCD SERVER FAIL"),
    row(0x000A, "REPEAT BURN"),
    row(0x000B, "CONFIG FILE NOT FOUND"),
    explained(
        0x000C,
        "SET CLOCK PLL FAIL",
        "Command 22h was not taken. A BL702 has no such command: the tool is set to another chip \
        (BL702L, BL616, BL808). Select BL702.",
    ),
    explained(
        0x000D,
        "SET OPT FINISH FAIL",
        "Command 23h was not taken. A BL702 has no such command: the tool is set to another chip.",
    ),
    row(0x000E, "IMPORT PACKET FAIL"),
    explained(0x0020, "EFUSE READ FAIL", "Command 41h was refused."),
    explained(
        0x0021,
        "EFUSE WRITE FAIL",
        "Command 40h was refused or not answered. Fuses may have been burnt all the same: read them \
        back.",
    ),
    explained(
        0x0022,
        "EFUSE COMPARE FAIL",
        "The eFuses read back differ from what was burnt: read locks, or bits that were set before.",
    ),
    explained(
        0x0023,
        "EFUSE READ MAC ADDR FAIL",
        "Command 42h was refused: the parity of the MAC address in the eFuses is wrong (FL0407), or \
        the loader does not answer.",
    ),
    row(0x0024, "EFUSE WRITE MAC ADDR FAIL"),
    explained(
        0x0025,
        "EFUSE MAC ADDR CRC FAIL",
        "The MAC address came with a wrong CRC-32: the line garbles bytes.",
    ),
    explained(
        0x0030,
        "READ FLASH JEDEC ID FAIL",
        "Command 36h was not answered. Asked of the boot ROM, which has no such command, it never is: \
        the RAM loader is not running, often because the tool is set to another chip.",
    ),
    explained(
        0x0031,
        "READ FLASH STATUS REGISTER FAIL",
        "Command 37h was not answered; the loader is silent if the flash fails.",
    ),
    row(0x0032, "WRITE FLASH STATUS REGISTER FAIL"),
    explained(0x0033, "FLASH CHIP ERASE FAIL", "Command 3Ch was refused or took too long."),
    explained(
        0x0034,
        "FLASH ERASE FAIL",
        "Command 30h was refused or took too long. Erasing may have gone part of the way.",
    ),
    explained(
        0x0035,
        "FLASH READ FAIL",
        "Command 32h was refused or not answered; the boot ROM has no flash read.",
    ),
    explained(0x0036, "FLASH WRITE FAIL", "Command 31h was refused; the flash holds part of the data."),
    explained(0x0037, "FLASH WRITE CHECK FAIL", "Command 3Ah says that an earlier write failed (FL0006)."),
    explained(0x0038, "FLASH READ SHA FAIL", "Command 3Dh or 3Eh was refused or not answered."),
    row(0x0039, "FLASH XIP MODE ENTER FAIL"),
    row(0x003A, "FLASH XIP MODE EXIT FAIL"),
    explained(
        0x003B,
        "FLASH SET PARA FAIL",
        "Command 3Bh was refused, or sent to the boot ROM, which does not know it: the tool is set to \
        another chip.",
    ),
    row(0x003C, "FLASH LOAD FIRMWARE BIN FAIL"),
    row(0x003D, "FLASH MATCH TYPE FAIL"),
    explained(0x003E, "FLASH LOAD VERIFY FAIL", "What was read back differs from what was written."),
    row(0x003F, "FLASH BOOT FAIL"),
    explained(
        0x0040,
        "FLASH CFG NOT FIT WITH BOOTHEADER",
        "The flash configuration in the file's boot header is for another flash than the one found. \
        Field reports name it when a whole dump is written back.",
    ),
    row(0x0041, "FLASH LOAD ROMFS FAIL"),
    row(0x0042, "FLASH SWITCH BANK FAIL"),
    explained(
        0x0043,
        "FLASH IDENTIFY FAIL",
        "The loader read a JEDEC id but does not know the part (flag 80h missing): an old loader and \
        a newer flash, or a bad connection to the flash.",
    ),
    row(0x0044, "FLASH CHIPERASE CONFLICT WITH SKIP MODE"),
    explained(0x0045, "FLASH SIZE OVER FLOW", "The file is larger than the flash."),
    explained(
        0x0050,
        "IMG LOAD HANDSHAKE FAIL",
        "The boot ROM did not answer the handshake: the boot pin was not high at reset, TX and RX are \
        swapped, the module has no power, or uartboot_disable is burnt.",
    ),
    explained(
        0x0051,
        "IMG LOAD BOOT CHECK FAIL",
        "The boot info could not be read or is that of another chip.",
    ),
    row(0x0060, "IMG CREATE FAIL"),
    row(0x0061, "IMG FILE NOT SET"),
    row(0x0062, "IMG ADDR NOT SET"),
    row(0x0063, "BOOTINFO ADDR NOT SET"),
    row(0x0064, "AES KEY NOT SET"),
    row(0x0065, "AES IV NOT SET"),
    row(0x0066, "PUBLIC KEY NOT SET"),
    row(0x0067, "PRIVATE KEY NOT SET"),
    row(0x0068, "RAW DATA NOT NEED CREATE"),
    explained(0x0069, "FLASH ID NOT SUPPORT", "The tool has no configuration for this flash id."),
    explained(0x0070, "FLASH ID NOT FOUND", "The tool has no configuration for this flash id."),
    row(0x0071, "ENCRYPT KEY LEN ERROR"),
    row(0x0072, "AES IV LEN ERROR"),
    row(0x0073, "AES IV SHOULD END WITH 00000000"),
    row(0x0074, "IMG TYPE NOT FIT"),
    row(0x0075, "IMG CREATE ENTER EXCEPT"),
    row(0x0076, "PT NOT SET"),
    row(0x0077, "AES KEY DATA OR LEN ERROR"),
    row(0x0078, "AES IV DATA OR LEN ERROR"),
    row(0x0079, "FACTORY IMG NOT FOUND"),
    row(0x007A, "GENERATE ROMFS FAIL"),
    row(0x007B, "PT PARCEL IS NULL"),
    row(0x007C, "PT TABLE NOT SET"),
    row(0x007D, "BOOT2 BIN NOT SET"),
    row(0x007E, "FW BIN NOT SET"),
    row(0x007F, "MEDIA NOT SET"),
    row(0x0080, "ROMFS NOT SET"),
    row(0x0081, "MFG BIN NOT SET"),
    explained(0x0082, "PT CHECK FAIL", "The partition table file is malformed."),
    row(0x0083, "D0 FW BIN NOT SET"),
    row(0x0084, "IMTB BIN NOT SET"),
    row(0x0085, "IMG LOADER BIN NOT SET"),
    row(0x0086, "SBI BIN NOT SET"),
    row(0x0087, "KERNEL BIN NOT SET"),
    row(0x0088, "ROOTFS BIN NOT SET"),
    row(0x0089, "KV BIN NOT SET"),
    row(0x0090, "YOCBOOT BIN NOT SET"),
    row(0x0091, "DTB BIN NOT SET"),
    explained(0xFFFF, "BURN RETRY FAIL", "All tries failed; the error before this one is the cause."),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_ascend() {
        assert!(VENDOR_ERRORS.windows(2).all(|pair| pair[0].code < pair[1].code));
    }

    #[test]
    fn the_pll_error_is_explained_as_a_wrong_profile() {
        let row = vendor_error(0x000C).unwrap();
        assert_eq!(row.text, "SET CLOCK PLL FAIL");
        assert!(row.explanation.unwrap().contains("BL702L"));
        assert_eq!(vendor_error(0x0007), None);
    }
}
