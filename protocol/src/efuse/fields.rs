//! One row per eFuse field.

use super::Efuse;

/// One field of the eFuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Name, as in the vendor's tools.
    pub name: &'static str,
    /// Byte offset of the word it begins in.
    pub word: u8,
    /// Lowest bit within that word.
    pub low_bit: u8,
    /// Number of bits; more than 32 for keys and addresses, which start at bit 0.
    pub bits: u16,
    /// What it says.
    pub meaning: &'static str,
    /// What it does to ISP, or means for the owner.
    pub effect: &'static str,
}

impl Field {
    /// The field's bytes, little-endian, the last one filled up with zero bits.
    pub fn value(&self, efuse: &Efuse) -> Vec<u8> {
        if self.bits > 32 {
            let start = usize::from(self.word);
            let end = start + usize::from(self.bits).div_ceil(8);
            return efuse.0.get(start..end).map(<[u8]>::to_vec).unwrap_or_default();
        }
        let value = efuse.bits(usize::from(self.word), u32::from(self.low_bit), u32::from(self.bits));
        value.to_le_bytes()[..usize::from(self.bits).div_ceil(8)].to_vec()
    }
}

const fn field(
    name: &'static str,
    word: u8,
    low_bit: u8,
    bits: u16,
    meaning: &'static str,
    effect: &'static str,
) -> Field {
    Field { name, word, low_bit, bits, meaning, effect }
}

/// Every field of the map, in the order of the bits; bits that are in no field have no known meaning.
#[rustfmt::skip]
pub static FIELDS: &[Field] = &[
    field("sf_aes_mode", 0x00, 0, 2,
        "encryption of the flash image: 0 none, 1 AES-128, 2 AES-192, 3 AES-256",
        "with cpu_enc_en the ROM takes images of this encryption only (FL0205)"),
    field("sboot_sign_mode", 0x00, 2, 2,
        "signing of images; bit 2 alone counts",
        "with bit 2 set the ROM takes images only that are signed with the owner's key (FL0206)"),
    field("sboot_en", 0x00, 4, 2,
        "secure boot is on",
        "set together with signing or encryption by the vendor's tools"),
    field("cpu_enc_en", 0x00, 7, 1,
        "the processor reads encrypted flash",
        "images must be encrypted (FL0205), and a dump of the flash is ciphertext"),
    field("trim_enable", 0x00, 12, 1,
        "analogue trim values are valid",
        "none on ISP"),
    field("sw_usage_1", 0x00, 13, 1,
        "second software word is valid",
        "none on ISP"),
    field("sdu_dis", 0x00, 14, 1,
        "SDIO unit off",
        "none on UART ISP"),
    field("ble_dis", 0x00, 15, 1,
        "Bluetooth off",
        "the radio of this module cannot do Bluetooth any more"),
    field("wifi_dis", 0x00, 16, 1,
        "Wi-Fi off",
        "none: a BL702 has no Wi-Fi"),
    field("key_enc_en", 0x00, 17, 1,
        "keys are stored encrypted",
        "none known on ISP"),
    field("sf_dis", 0x00, 19, 1,
        "flash interface off",
        "the module can neither boot from flash nor be flashed"),
    field("cpu_rst_dbg_dis", 0x00, 21, 1,
        "no debug through a processor reset",
        "none on UART ISP"),
    field("se_dbg_dis", 0x00, 22, 1,
        "no debug of the security engine",
        "none on UART ISP"),
    field("efuse_dbg_dis", 0x00, 23, 1,
        "no reading of eFuses by debug",
        "none on UART ISP"),
    field("dbg_jtag_dis", 0x00, 26, 2,
        "JTAG off",
        "a debugger cannot rescue this module"),
    field("dbg_mode", 0x00, 28, 4,
        "debug: 0 open, 1 by password, 4 closed",
        "a debugger needs the password, or cannot be used at all"),
    field("dbg_pwd", 0x04, 0, 64,
        "debug password",
        "none on UART ISP"),
    field("ana_trim", 0x0C, 0, 32,
        "analogue trim values from the factory",
        "none on ISP; never change it"),
    field("bootrom_protect", 0x10, 0, 1,
        "protection of the boot ROM",
        "not known"),
    field("uart_log_disable", 0x10, 1, 1,
        "the ROM's debug log on UART1 is off",
        "the log is silent (if bit 2 is 0); ISP itself is not changed"),
    field("sdio_pin_init", 0x10, 2, 1,
        "SDIO pins are set up at start",
        "together with bit 1: the debug log stays on"),
    field("cci", 0x10, 3, 1,
        "CCI interface",
        "none known on ISP"),
    field("xtal_type", 0x10, 4, 3,
        "crystal",
        "if not 0 the ROM sets the PLL from the eFuses before ISP"),
    field("pll_clk", 0x10, 7, 3,
        "PLL output",
        "used with xtal_type"),
    field("hclk_div", 0x10, 10, 1,
        "processor clock divider",
        "used with xtal_type"),
    field("bclk_div", 0x10, 11, 1,
        "bus clock divider",
        "used with xtal_type"),
    field("flash_clk_type", 0x10, 12, 3,
        "flash clock",
        "used with xtal_type"),
    field("flash_clk_div", 0x10, 15, 1,
        "flash clock divider",
        "used with xtal_type"),
    field("flash_cfg", 0x10, 16, 2,
        "flash configuration",
        "seen by the ROM; effect not traced"),
    field("flash_power_delay", 0x10, 18, 2,
        "delay after flash power-up",
        "seen by the ROM; effect not traced"),
    field("tz_boot", 0x10, 20, 1,
        "trusted zone",
        "memory commands 50h and 51h of the ROM are refused (FL0501, FL0504): a loader can be started with 1Ah only"),
    field("enc_tz", 0x10, 21, 1,
        "encrypted trusted zone",
        "none known on ISP"),
    field("hbn_check_sign", 0x10, 22, 1,
        "hash and signature are checked on wake-up too",
        "a RAM image started by the HBN words must be signed on a signed chip"),
    field("keep_dbg_closed", 0x10, 23, 1,
        "debug stays closed",
        "none on UART ISP"),
    field("mediaboot_disable", 0x10, 24, 1,
        "never boot from flash",
        "the module always waits in ISP, whatever the boot pin says; its firmware never runs"),
    field("uartboot_disable", 0x10, 25, 1,
        "no ISP on UART",
        "the ROM never answers on UART: the module cannot be read or written this way"),
    field("sdioboot_disable", 0x10, 26, 1,
        "no ISP on SDIO, which is USB on this chip",
        "the USB interface of the ROM is off"),
    field("hbn_jump_disable", 0x10, 27, 1,
        "no jump to the address in the HBN words",
        "starting a loader by memory writes lands in flash boot: use 1Ah"),
    field("jtag_switch", 0x10, 28, 2,
        "JTAG pins",
        "none on UART ISP"),
    field("qfn40", 0x10, 30, 1,
        "package",
        "none on ISP"),
    field("log_reopen", 0x10, 31, 1,
        "log is opened again",
        "none known on ISP"),
    field("wifi_mac", 0x14, 0, 64,
        "MAC address, 8 bytes",
        "the chip id in boot info; every part differs"),
    field("key_slot_0", 0x1C, 0, 128,
        "first half of SHA-256 of the owner's public key",
        "must agree with the key of a signed image (FL020C)"),
    field("key_slot_1", 0x2C, 0, 128,
        "second half of SHA-256 of the owner's public key",
        "must agree with the key of a signed image (FL020C)"),
    field("key_slot_2", 0x3C, 0, 128,
        "AES key of the flash, first half",
        "needed to make images for an encrypted chip; usually read-locked"),
    field("key_slot_3", 0x4C, 0, 128,
        "AES key of the flash, second half",
        "needed to make images for an encrypted chip; usually read-locked"),
    field("key_slot_4_w0_w1", 0x5C, 0, 64,
        "lower half of key slot 4",
        "no known use"),
    field("usb_vid_pid_customer", 0x64, 0, 32,
        "USB ids of the customer",
        "what the ROM calls itself on USB"),
    field("usb_vid_pid_chip", 0x68, 0, 32,
        "USB ids of the chip maker",
        "what the ROM calls itself on USB"),
    field("alternate_mac", 0x6C, 0, 64,
        "a second MAC address",
        "none on ISP"),
    field("mac_parity", 0x74, 0, 6,
        "number of 0 bits in the MAC address",
        "must agree, or the loader refuses to tell the MAC (FL0407)"),
    field("sf_swap", 0x74, 22, 2,
        "swapped flash pins: 0 none, 1 CS and IO2, 2 IO0 and IO3, 3 both",
        "the loader sets its flash pins accordingly"),
    field("psram", 0x74, 24, 2,
        "PSRAM: 0 none, 1 2 MiB inside, 2 external",
        "with 1 the boot pin is GPIO31 instead of GPIO28"),
    field("device_flash_cfg", 0x74, 26, 3,
        "flash: 0 external on GPIO23 to 28, 1 512 KiB inside, 2 1 MiB inside, 3 external on GPIO17 to 22",
        "where the loader looks for the flash"),
    field("package", 0x74, 30, 2,
        "package: 0 QFN32, 1 QFN40, 2 QFN48",
        "none on ISP"),
    field("cap_code", 0x78, 0, 32,
        "crystal load capacitance and other factory values",
        "none on ISP; never change it"),
    field("wr_lock", 0x7C, 13, 12,
        "write locks of boot mode, password, software word, MAC and keys",
        "locked fuses cannot be burnt further"),
    field("rd_lock", 0x7C, 25, 7,
        "read locks of password and keys",
        "locked fuses cannot be read"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_follow_each_other_without_overlap() {
        let mut end = 0;
        for field in FIELDS {
            let start = usize::from(field.word) * 8 + usize::from(field.low_bit);
            assert!(start >= end, "{} begins inside the field before it", field.name);
            end = start + usize::from(field.bits);
        }
        assert_eq!(end, 1024);
    }

    #[test]
    fn no_small_field_leaves_its_word() {
        assert!(FIELDS.iter().all(|field| field.bits > 32 || u16::from(field.low_bit) + field.bits <= 32));
    }

    #[test]
    fn values() {
        let mut efuse = Efuse::default();
        efuse.set_word(0x74, 0x0800_0028);
        efuse.0[0x14..0x1C].copy_from_slice(&[0x81, 0x12, 0xd1, 0xe7, 0x38, 0xc1, 0xb4, 0x00]);
        let value = |name: &str| FIELDS.iter().find(|field| field.name == name).unwrap().value(&efuse);
        assert_eq!(value("wifi_mac"), [0x81, 0x12, 0xd1, 0xe7, 0x38, 0xc1, 0xb4, 0x00]);
        assert_eq!(value("mac_parity"), [0x28]);
        assert_eq!(value("device_flash_cfg"), [2]);
    }
}
