//! One row per code.
//!
//! Names are the vendor's (host tools 1.10). When each side sends a code is from `reference/rom-and-module.md` section
//! 1.4 and `reference/loader-protocol.md` section 4.

use super::{Code, CodeRow};

const NOT_A_BL702: &str = "A BL702 never sends it: the host talks to another chip, or the link garbles bytes. Check the \
            chip and the wiring.";

macro_rules! codes {
    ($($name:ident = $value:literal {
        rom: $rom:expr, loader: $loader:expr, meaning: $meaning:literal, advice: $advice:expr $(,)?
    })*) => {
        impl Code {
            $(#[doc = concat!("`BFLB_", stringify!($name), "`: ", $meaning, ".")]
            pub const $name: Code = Code($value);)*
        }

        /// Every code of the vendor's list, in the order of the numbers.
        pub static CODES: &[CodeRow] = &[$(CodeRow {
            code: Code::$name,
            name: concat!("BFLB_", stringify!($name)),
            rom: $rom,
            loader: $loader,
            meaning: $meaning,
            advice: $advice,
        },)*];
    };
}

codes! {
    // Flash: class 00h
    FLASH_INIT_ERROR = 0x0001 {
        rom: None, loader: None,
        meaning: "the flash could not be initialised",
        advice: NOT_A_BL702,
    }
    FLASH_ERASE_PARA_ERROR = 0x0002 {
        rom: Some("30h: payload is not 8 bytes"),
        loader: Some("30h: payload is not 8 bytes"),
        meaning: "the erase command does not hold a start and an end address",
        advice: "Send start (4) and end (4, inclusive). A tool that sends this has a bug, or bytes were lost \
            on the line.",
    }
    FLASH_ERASE_ERROR = 0x0003 {
        rom: Some("30h: the flash did not erase"),
        loader: Some("30h: a unit did not erase (after its PD); 3Ch: write enable failed or the chip stayed busy \
            too long"),
        meaning: "erasing failed",
        advice: "Part of the range may be erased. Check the 3.3 V supply under load, then erase again; if it \
            fails at the same place, the flash is write-protected or worn.",
    }
    FLASH_WRITE_PARA_ERROR = 0x0004 {
        rom: Some("31h: payload holds no data"),
        loader: Some("31h: payload holds no data; 32h, 34h, 3Dh, 3Eh: payload is not 8 bytes"),
        meaning: "a flash command is too short or too long",
        advice: "For a write send address (4) and at least one byte, for a read or hash address (4) and \
            length (4). Bytes may have been lost on the line.",
    }
    FLASH_WRITE_ADDR_ERROR = 0x0005 {
        rom: Some("31h: address is FFFFFFFFh"),
        loader: Some("31h: address is FFFFFFFFh"),
        meaning: "the write address is not one",
        advice: "Check the address; FFFFFFFFh usually stands for one that was never set.",
    }
    FLASH_WRITE_ERROR = 0x0006 {
        rom: Some("31h: programming failed"),
        loader: Some("31h: programming failed, sent after its OK and remembered; 3Ah: a write failed since the \
            last erase or handshake"),
        meaning: "programming the flash failed",
        advice: "The range holds part of the data. Erase it, which also clears the remembered error, and \
            write again. Check the 3.3 V supply and write protection.",
    }
    FLASH_BOOT_PARA_ERROR = 0x0007 {
        rom: None, loader: None,
        meaning: "a flash boot command with bad parameters",
        advice: NOT_A_BL702,
    }
    FLASH_SET_PARA_ERROR = 0x0008 {
        rom: None,
        loader: Some("3Bh: payload is neither 4 nor 88 bytes"),
        meaning: "the flash parameters have a wrong length",
        advice: "Send pin, clock, I/O mode and one unused byte, and optionally the 84-byte flash \
            configuration.",
    }
    FLASH_READ_STATUS_REG_ERROR = 0x0009 {
        rom: None,
        loader: Some("37h: payload is not 8 bytes (a failure of the flash is silence)"),
        meaning: "a status register read has a wrong length",
        advice: "Send the flash command (4) and the number of bytes (4).",
    }
    FLASH_WRITE_STATUS_REG_ERROR = 0x000A {
        rom: None,
        loader: Some("38h: payload is not 12 bytes, or the flash failed"),
        meaning: "a status register could not be written",
        advice: "Send flash command (4), number of bytes (4) and value (4). If the length is right, the \
            status register is locked.",
    }
    FLASH_DECOMPRESS_WRITE_ERROR = 0x000B {
        rom: None, loader: None,
        meaning: "writing compressed data failed",
        advice: NOT_A_BL702,
    }
    FLASH_WRITE_XZ_ERROR = 0x000C {
        rom: None, loader: None,
        meaning: "writing compressed data failed",
        advice: NOT_A_BL702,
    }
    FLASH_SWITCH_BANK_ERROR = 0x000D {
        rom: None, loader: None,
        meaning: "switching the flash bank failed",
        advice: NOT_A_BL702,
    }
    // Command: class 01h
    CMD_ID_ERROR = 0x0101 {
        rom: None, loader: None,
        meaning: "unknown command",
        advice: "Neither side of a BL702 sends it: unknown commands get no answer at all. The host talks to \
            another chip, or the link garbles bytes.",
    }
    CMD_LEN_ERROR = 0x0102 {
        rom: Some("any command: length field over 4092, also when 55h bytes are taken for a frame"),
        loader: None,
        meaning: "the length field is too big",
        advice: "Send at most 4092 payload bytes. If it comes right after the handshake, the host sent too \
            many 55h and did not drain its input: drain, then ask for boot info.",
    }
    CMD_CRC_ERROR = 0x0103 {
        rom: None,
        loader: Some("any id, known or not: checksum byte neither 0 nor right"),
        meaning: "the checksum is wrong",
        advice: "The frame had no effect; send it again. If it comes often, lower the baud rate or shorten \
            the wires. Some tools put a fixed byte there: the loader wants the sum, or 0.",
    }
    CMD_SEQ_ERROR = 0x0104 {
        rom: Some("12h, 14h, 16h, 17h, 18h, 1Ah: not the step that is due"),
        loader: None,
        meaning: "a step of loading an image out of order",
        advice: "Start again with the boot header (11h). If it comes after a clock or flash command, the tool \
            is set to another chip: select BL702, not BL702L, BL616 or BL808. The ROM takes bytes inside \
            an unknown command (its length 18h) for commands.",
    }
    // Image: class 02h
    IMG_BOOTHEADER_LEN_ERROR = 0x0201 {
        rom: Some("11h: payload is not 176 bytes"),
        loader: None,
        meaning: "the boot header has a wrong length",
        advice: "A BL702 header has 176 bytes. A header of another length was built for another chip (240: \
            BL702L, 256: BL616, 352: BL808).",
    }
    IMG_BOOTHEADER_NOT_LOAD_ERROR = 0x0202 {
        rom: Some("11h: notload bit set"),
        loader: None,
        meaning: "the boot header says not to load the image",
        advice: "Clear bit 10 of the boot config, or use a loader image that is meant to be loaded.",
    }
    IMG_BOOTHEADER_MAGIC_ERROR = 0x0203 {
        rom: Some("11h: magic is not BFNP"),
        loader: None,
        meaning: "the boot header is not one of this processor",
        advice: "Use an image that begins with BFNP; BFAP is for another processor.",
    }
    IMG_BOOTHEADER_CRC_ERROR = 0x0204 {
        rom: Some("11h: CRC wrong and not ignored"),
        loader: None,
        meaning: "the boot header's CRC is wrong",
        advice: "Seal the header again. With crc_ignore set the field must be DEADBEEF or right. If the file \
            is known to be good, bytes were damaged on the line.",
    }
    IMG_BOOTHEADER_ENCRYPT_NOTFIT = 0x0205 {
        rom: Some("11h: encryption type differs from the eFuses; 16h: header is not encrypted"),
        loader: None,
        meaning: "the image's encryption does not fit the chip",
        advice: "The chip demands an encrypted image (boot info byte 5), or the image is encrypted and the \
            chip is not set up for it. Without the vendor's key an encrypted chip cannot be reloaded.",
    }
    IMG_BOOTHEADER_SIGN_NOTFIT = 0x0206 {
        rom: Some("11h: sign type differs from the eFuses; 12h: header is not signed"),
        loader: None,
        meaning: "the image's signing does not fit the chip",
        advice: "The chip demands a signed image (boot info byte 4), or the image is signed and the chip is \
            open. Without the owner's key a signed chip cannot be reloaded.",
    }
    IMG_SEGMENT_CNT_ERROR = 0x0207 {
        rom: Some("11h: segment count 0"),
        loader: None,
        meaning: "the boot header announces no segments",
        advice: "Set the segment count at offset 120. Some tools put it at another offset, which is right for \
            other chips only.",
    }
    IMG_AES_IV_LEN_ERROR = 0x0208 {
        rom: Some("16h: payload is not 20 bytes"),
        loader: None,
        meaning: "the IV block has a wrong length",
        advice: "Send the 16-byte IV and its CRC-32.",
    }
    IMG_AES_IV_CRC_ERROR = 0x0209 {
        rom: Some("16h: CRC wrong"),
        loader: None,
        meaning: "the IV block's CRC is wrong",
        advice: "Compute CRC-32 over the 16 bytes of the IV.",
    }
    IMG_PK_LEN_ERROR = 0x020A {
        rom: Some("12h: payload is not 68 bytes"),
        loader: None,
        meaning: "the public key block has a wrong length",
        advice: "Send X (32), Y (32) and their CRC-32.",
    }
    IMG_PK_CRC_ERROR = 0x020B {
        rom: Some("12h: CRC wrong"),
        loader: None,
        meaning: "the public key block's CRC is wrong",
        advice: "Compute CRC-32 over the 64 bytes of the key.",
    }
    IMG_PK_HASH_ERROR = 0x020C {
        rom: Some("12h: SHA-256 of the key differs from eFuse slots 0 and 1"),
        loader: None,
        meaning: "the public key is not the one the chip trusts",
        advice: "Sign with the key whose hash is in the eFuses. Nothing else can be loaded into this chip.",
    }
    IMG_SIGNATURE_LEN_ERROR = 0x020D {
        rom: Some("14h: length field over 256"),
        loader: None,
        meaning: "the signature block has a wrong length",
        advice: "Send length (4), signature and CRC-32; a P-256 signature has 64 bytes.",
    }
    IMG_SIGNATURE_CRC_ERROR = 0x020E {
        rom: Some("14h: CRC wrong"),
        loader: None,
        meaning: "the signature block's CRC is wrong",
        advice: "Compute CRC-32 over the length field and the signature.",
    }
    IMG_SECTIONHEADER_LEN_ERROR = 0x020F {
        rom: Some("17h: payload is not 16 bytes"),
        loader: None,
        meaning: "the segment header has a wrong length",
        advice: "Send destination, length, reserved word and CRC-32: 16 bytes.",
    }
    IMG_SECTIONHEADER_CRC_ERROR = 0x0210 {
        rom: Some("17h: CRC wrong"),
        loader: None,
        meaning: "the segment header's CRC is wrong",
        advice: "Compute CRC-32 over the first 12 bytes. If the image is encrypted, the key does not fit.",
    }
    IMG_SECTIONHEADER_DST_ERROR = 0x0211 {
        rom: Some("17h: destination outside the RAM that the ROM loads into"),
        loader: None,
        meaning: "the segment may not go there",
        advice: "Link the image for 22010000h to 2201FFFFh or 22020000h to 2202DFFFh; one segment may not \
            cross from one range into the other.",
    }
    IMG_SECTIONDATA_LEN_ERROR = 0x0212 {
        rom: Some("18h: encrypted and not a multiple of 16 bytes"),
        loader: None,
        meaning: "a piece of encrypted data has a wrong length",
        advice: "Send encrypted data in multiples of 16 bytes.",
    }
    IMG_SECTIONDATA_DEC_ERROR = 0x0213 {
        rom: None, loader: None,
        meaning: "segment data could not be decrypted",
        advice: NOT_A_BL702,
    }
    IMG_SECTIONDATA_TLEN_ERROR = 0x0214 {
        rom: Some("18h: more data than the segment header announced"),
        loader: None,
        meaning: "too much segment data",
        advice: "The piece was not taken; send what is missing and no more. After lost replies start again \
            with the boot header.",
    }
    IMG_SECTIONDATA_CRC_ERROR = 0x0215 {
        rom: None, loader: None,
        meaning: "CRC of the segment data is wrong",
        advice: NOT_A_BL702,
    }
    IMG_HALFBAKED_ERROR = 0x0216 {
        rom: Some("19h: not all segments have come, or the image was checked already"),
        loader: None,
        meaning: "the image is not complete",
        advice: "Send all announced segments, then check once. A second check is refused but does no harm.",
    }
    IMG_HASH_ERROR = 0x0217 {
        rom: Some("19h: SHA-256 differs"),
        loader: None,
        meaning: "the image's hash is wrong",
        advice: "Data were damaged on the way, or the header belongs to another image. hash_ignore works only \
            with DEADBEEF in the hash and no signature.",
    }
    IMG_SIGN_PARSE_ERROR = 0x0218 {
        rom: None, loader: None,
        meaning: "the signature could not be read",
        advice: NOT_A_BL702,
    }
    IMG_SIGN_ERROR = 0x0219 {
        rom: Some("19h: the signature does not fit"),
        loader: None,
        meaning: "the image's signature is wrong",
        advice: "Sign the image as it is sent: IV block if encrypted, then segment headers and data.",
    }
    IMG_DEC_ERROR = 0x021A {
        rom: None, loader: None,
        meaning: "the image could not be decrypted",
        advice: NOT_A_BL702,
    }
    IMG_ALL_INVALID_ERROR = 0x021B {
        rom: None, loader: None,
        meaning: "no valid image",
        advice: NOT_A_BL702,
    }
    // Interface: class 03h
    IF_RATE_LEN_ERROR = 0x0301 {
        rom: None, loader: None,
        meaning: "a change of rate with a wrong length (a BL702 is silent)",
        advice: NOT_A_BL702,
    }
    IF_RATE_PARA_ERROR = 0x0302 {
        rom: None, loader: None,
        meaning: "a change of rate with bad parameters",
        advice: NOT_A_BL702,
    }
    IF_PASSWORDERROR = 0x0303 {
        rom: None, loader: None,
        meaning: "wrong password",
        advice: NOT_A_BL702,
    }
    IF_PASSWORDCLOSE = 0x0304 {
        rom: None, loader: None,
        meaning: "the interface is closed by password",
        advice: NOT_A_BL702,
    }
    // EFuse: class 04h (the RAM loader also uses 0401h and 0404h for its memory commands)
    EFUSE_WRITE_PARA_ERROR = 0x0401 {
        rom: Some("40h, 80h: payload holds no data"),
        loader: Some("40h: payload holds no data; 50h: payload holds no data"),
        meaning: "an eFuse or memory write without data",
        advice: "Send address (4) and data. If you did not mean to write eFuses, stop: a stray 40h or 80h \
            burns fuses for ever.",
    }
    EFUSE_WRITE_ADDR_ERROR = 0x0402 {
        rom: Some("40h, 80h: address beyond 7Fh"),
        loader: Some("40h: address beyond 7Fh"),
        meaning: "an eFuse write outside the 128 bytes",
        advice: "No fuse was burnt. If nobody meant to write eFuses, the tool is set to another chip: bytes \
            inside a command that the BL702 does not know (80h or 40h of the baud rate) were taken for \
            an eFuse write. Select BL702 and read the eFuses back with 41h.",
    }
    EFUSE_WRITE_ERROR = 0x0403 {
        rom: None, loader: None,
        meaning: "eFuses could not be burnt",
        advice: NOT_A_BL702,
    }
    EFUSE_READ_PARA_ERROR = 0x0404 {
        rom: Some("41h, 81h: payload is not 8 bytes"),
        loader: Some("41h, 51h: payload is not 8 bytes"),
        meaning: "an eFuse or memory read with a wrong length",
        advice: "Send address (4) and length (4).",
    }
    EFUSE_READ_ADDR_ERROR = 0x0405 {
        rom: Some("41h, 81h: address beyond 7Fh"),
        loader: Some("41h: address beyond 7Fh"),
        meaning: "an eFuse read outside the 128 bytes",
        advice: "Read between 00h and 7Fh.",
    }
    EFUSE_READ_ERROR = 0x0406 {
        rom: None, loader: None,
        meaning: "eFuses could not be read",
        advice: NOT_A_BL702,
    }
    EFUSE_READ_MAC_ERROR = 0x0407 {
        rom: None,
        loader: Some("42h: number of 0 bits of the MAC differs from eFuse 74h"),
        meaning: "the MAC address in the eFuses fails its parity check",
        advice: "The MAC was never written, or fuses were burnt that should not have been. Read all eFuses \
            with 41h and keep them.",
    }
    EFUSE_WRITE_MAC_ERROR = 0x0408 {
        rom: None, loader: None,
        meaning: "the MAC address could not be burnt",
        advice: NOT_A_BL702,
    }
    // Memory: class 05h
    MEMORY_WRITE_PARA_ERROR = 0x0501 {
        rom: Some("50h: payload is not pairs of 8 bytes, or eFuse tz_boot is set"),
        loader: None,
        meaning: "a memory write was refused",
        advice: "Send address (4) and value (4). If that is right, tz_boot is burnt (boot info, sw_usage_0 \
            bit 20): a RAM image can then be started with 1Ah only.",
    }
    MEMORY_WRITE_ADDR_ERROR = 0x0502 {
        rom: None, loader: None,
        meaning: "a memory write to a bad address",
        advice: NOT_A_BL702,
    }
    MEMORY_WRITE_ERROR = 0x0503 {
        rom: None, loader: None,
        meaning: "a memory write failed",
        advice: NOT_A_BL702,
    }
    MEMORY_READ_PARA_ERROR = 0x0504 {
        rom: Some("51h: payload is not 8 bytes, length over 4092, lower 64 KiB of the ROM, or eFuse tz_boot is \
            set"),
        loader: None,
        meaning: "a memory read was refused",
        advice: "Read at most 4092 bytes, and not from the first 64 KiB of the ROM. With tz_boot burnt \
            nothing can be read.",
    }
    MEMORY_READ_ADDR_ERROR = 0x0505 {
        rom: None, loader: None,
        meaning: "a memory read from a bad address",
        advice: NOT_A_BL702,
    }
    MEMORY_READ_ERROR = 0x0506 {
        rom: None, loader: None,
        meaning: "a memory read failed",
        advice: NOT_A_BL702,
    }
    REG_WRITE_PARA_ERROR = 0x0508 {
        rom: None, loader: None,
        meaning: "a register write with a wrong length",
        advice: NOT_A_BL702,
    }
    REG_WRITE_ADDR_ERROR = 0x0509 {
        rom: None, loader: None,
        meaning: "a register write to a bad address",
        advice: NOT_A_BL702,
    }
    REG_WRITE_ERROR = 0x050A {
        rom: None, loader: None,
        meaning: "a register write failed",
        advice: NOT_A_BL702,
    }
    REG_READ_PARA_ERROR = 0x050B {
        rom: None, loader: None,
        meaning: "a register read with a wrong length",
        advice: NOT_A_BL702,
    }
    REG_READ_ADDR_ERROR = 0x050C {
        rom: None, loader: None,
        meaning: "a register read from a bad address",
        advice: NOT_A_BL702,
    }
    REG_READ_ERROR = 0x050D {
        rom: None, loader: None,
        meaning: "a register read failed",
        advice: NOT_A_BL702,
    }
    // Security: class 06h
    ECDH_PARA_ERROR = 0x0601 {
        rom: Some("90h, 91h: payload is not 64 bytes"),
        loader: None,
        meaning: "a key exchange with a wrong length",
        advice: "Send 64 bytes.",
    }
    ECDH_PRIVATE_KEY_ERROR = 0x0602 {
        rom: Some("90h: no private key could be made"),
        loader: None,
        meaning: "the key exchange failed",
        advice: "Reset the chip and try again.",
    }
    ECDH_SHARED_KEY_ERROR = 0x0603 {
        rom: Some("90h: no shared key could be made"),
        loader: None,
        meaning: "the key exchange failed",
        advice: "Send a point of P-256, X then Y.",
    }
    ECDH_RANDOM_VAL_ERROR = 0x0604 {
        rom: Some("91h: no random number could be made"),
        loader: None,
        meaning: "the key exchange failed",
        advice: "Reset the chip and try again.",
    }
    ECDH_DECRYPT_ERROR = 0x0605 {
        rom: Some("80h: data could not be decrypted"),
        loader: None,
        meaning: "encrypted eFuse data could not be read",
        advice: "Make a session key with 90h and 91h first.",
    }
    ECDH_ENCRYPT_ERROR = 0x0606 {
        rom: Some("81h: data could not be encrypted"),
        loader: None,
        meaning: "eFuse data could not be encrypted",
        advice: "Make a session key with 90h and 91h first.",
    }
    // Other classes
    SDCARD_MOUNT_ERROR = 0x0701 {
        rom: None, loader: None,
        meaning: "the SD card could not be mounted",
        advice: NOT_A_BL702,
    }
    SDCARD_FILE_NOT_FOUND_ERROR = 0x0702 {
        rom: None, loader: None,
        meaning: "no such file on the SD card",
        advice: NOT_A_BL702,
    }
    SDCARD_READ_LEN_ERROR = 0x0703 {
        rom: None, loader: None,
        meaning: "a read from the SD card with a wrong length",
        advice: NOT_A_BL702,
    }
    SDCARD_READ_ERROR = 0x0704 {
        rom: None, loader: None,
        meaning: "a read from the SD card failed",
        advice: NOT_A_BL702,
    }
    CODEPATH_CHECK_ERROR = 0x0901 {
        rom: None, loader: None,
        meaning: "the code path check failed",
        advice: NOT_A_BL702,
    }
    PASSWORD_LEN_CHECKERROR = 0x0A01 {
        rom: None, loader: None,
        meaning: "the password has a wrong length",
        advice: NOT_A_BL702,
    }
    PASSWORD_MODE_NEED_PSW = 0x0A02 {
        rom: None, loader: None,
        meaning: "a password is needed",
        advice: NOT_A_BL702,
    }
    PASSWORD_MODE_CLOSE = 0x0A03 {
        rom: None, loader: None,
        meaning: "access is closed",
        advice: NOT_A_BL702,
    }
    MODE_LEN_CHECK_ERROR = 0x0B01 {
        rom: None, loader: None,
        meaning: "a mode command with a wrong length",
        advice: NOT_A_BL702,
    }
    BOOT2_VERSION_CHECK_ERROR = 0x0C01 {
        rom: None, loader: None,
        meaning: "the version of boot2 is refused",
        advice: NOT_A_BL702,
    }
    PLL_ERROR = 0xFFFC {
        rom: None, loader: None,
        meaning: "the PLL could not be set",
        advice: NOT_A_BL702,
    }
    INVASION_ERROR = 0xFFFD {
        rom: None, loader: None,
        meaning: "tampering was noticed",
        advice: NOT_A_BL702,
    }
    POLLING = 0xFFFE {
        rom: None, loader: None,
        meaning: "still at work",
        advice: NOT_A_BL702,
    }
    FAIL = 0xFFFF {
        rom: None, loader: None,
        meaning: "failed",
        advice: NOT_A_BL702,
    }
}
