//! The vendor's configuration files: `[BOOTHEADER_CFG]` of `efuse_bootheader_cfg.ini`, `[FLASH_CFG]` of a flash part's
//! `.conf`, and single settings as `pll_clk=4`. Names and places are the vendor's.

use bl702_protocol::image::boot_header::{BOOT_HEADER_LEN, BootHeader};

use super::ImageError;

/// A setting of a boot header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its name in the vendor's files.
    pub name: &'static str,
    /// Offset of its word in the header.
    pub offset: usize,
    /// Lowest bit in that word.
    pub low_bit: u32,
    /// Number of bits.
    pub bits: u32,
}

const fn key(name: &'static str, offset: usize, low_bit: u32, bits: u32) -> Key {
    Key { name, offset, low_bit, bits }
}

/// All settings, in the order of the header.
#[rustfmt::skip]
pub static KEYS: &[Key] = &[
    key("magic_code", 0, 0, 32),
    key("revision", 4, 0, 32),
    key("flashcfg_magic_code", 8, 0, 32),
    key("io_mode", 12, 0, 8),
    key("cont_read_support", 12, 8, 8),
    key("sfctrl_clk_delay", 12, 16, 8),
    key("sfctrl_clk_invert", 12, 24, 8),
    key("reset_en_cmd", 16, 0, 8),
    key("reset_cmd", 16, 8, 8),
    key("exit_contread_cmd", 16, 16, 8),
    key("exit_contread_cmd_size", 16, 24, 8),
    key("jedecid_cmd", 20, 0, 8),
    key("jedecid_cmd_dmy_clk", 20, 8, 8),
    key("qpi_jedecid_cmd", 20, 16, 8),
    key("qpi_jedecid_dmy_clk", 20, 24, 8),
    key("sector_size", 24, 0, 8),
    key("mfg_id", 24, 8, 8),
    key("page_size", 24, 16, 16),
    key("chip_erase_cmd", 28, 0, 8),
    key("sector_erase_cmd", 28, 8, 8),
    key("blk32k_erase_cmd", 28, 16, 8),
    key("blk64k_erase_cmd", 28, 24, 8),
    key("write_enable_cmd", 32, 0, 8),
    key("page_prog_cmd", 32, 8, 8),
    key("qpage_prog_cmd", 32, 16, 8),
    key("qual_page_prog_addr_mode", 32, 24, 8),
    key("fast_read_cmd", 36, 0, 8),
    key("fast_read_dmy_clk", 36, 8, 8),
    key("qpi_fast_read_cmd", 36, 16, 8),
    key("qpi_fast_read_dmy_clk", 36, 24, 8),
    key("fast_read_do_cmd", 40, 0, 8),
    key("fast_read_do_dmy_clk", 40, 8, 8),
    key("fast_read_dio_cmd", 40, 16, 8),
    key("fast_read_dio_dmy_clk", 40, 24, 8),
    key("fast_read_qo_cmd", 44, 0, 8),
    key("fast_read_qo_dmy_clk", 44, 8, 8),
    key("fast_read_qio_cmd", 44, 16, 8),
    key("fast_read_qio_dmy_clk", 44, 24, 8),
    key("qpi_fast_read_qio_cmd", 48, 0, 8),
    key("qpi_fast_read_qio_dmy_clk", 48, 8, 8),
    key("qpi_page_prog_cmd", 48, 16, 8),
    key("write_vreg_enable_cmd", 48, 24, 8),
    key("wel_reg_index", 52, 0, 8),
    key("qe_reg_index", 52, 8, 8),
    key("busy_reg_index", 52, 16, 8),
    key("wel_bit_pos", 52, 24, 8),
    key("qe_bit_pos", 56, 0, 8),
    key("busy_bit_pos", 56, 8, 8),
    key("wel_reg_write_len", 56, 16, 8),
    key("wel_reg_read_len", 56, 24, 8),
    key("qe_reg_write_len", 60, 0, 8),
    key("qe_reg_read_len", 60, 8, 8),
    key("release_power_down", 60, 16, 8),
    key("busy_reg_read_len", 60, 24, 8),
    key("reg_read_cmd0", 64, 0, 8),
    key("reg_read_cmd1", 64, 8, 8),
    key("reg_write_cmd0", 68, 0, 8),
    key("reg_write_cmd1", 68, 8, 8),
    key("enter_qpi_cmd", 72, 0, 8),
    key("exit_qpi_cmd", 72, 8, 8),
    key("cont_read_code", 72, 16, 8),
    key("cont_read_exit_code", 72, 24, 8),
    key("burst_wrap_cmd", 76, 0, 8),
    key("burst_wrap_dmy_clk", 76, 8, 8),
    key("burst_wrap_data_mode", 76, 16, 8),
    key("burst_wrap_code", 76, 24, 8),
    key("de_burst_wrap_cmd", 80, 0, 8),
    key("de_burst_wrap_cmd_dmy_clk", 80, 8, 8),
    key("de_burst_wrap_code_mode", 80, 16, 8),
    key("de_burst_wrap_code", 80, 24, 8),
    key("sector_erase_time", 84, 0, 16),
    key("blk32k_erase_time", 84, 16, 16),
    key("blk64k_erase_time", 88, 0, 16),
    key("page_prog_time", 88, 16, 16),
    key("chip_erase_time", 92, 0, 16),
    key("power_down_delay", 92, 16, 8),
    key("qe_data", 92, 24, 8),
    key("flashcfg_crc32", 96, 0, 32),
    key("clkcfg_magic_code", 100, 0, 32),
    key("xtal_type", 104, 0, 8),
    key("pll_clk", 104, 8, 8),
    key("hclk_div", 104, 16, 8),
    key("bclk_div", 104, 24, 8),
    key("flash_clk_type", 108, 0, 8),
    key("flash_clk_div", 108, 8, 8),
    key("clkcfg_crc32", 112, 0, 32),
    key("sign", 116, 0, 2),
    key("encrypt_type", 116, 2, 2),
    key("key_sel", 116, 4, 2),
    key("no_segment", 116, 8, 1),
    key("cache_enable", 116, 9, 1),
    key("notload_in_bootrom", 116, 10, 1),
    key("aes_region_lock", 116, 11, 1),
    key("cache_way_disable", 116, 12, 4),
    key("crc_ignore", 116, 16, 1),
    key("hash_ignore", 116, 17, 1),
    key("boot2_enable", 116, 19, 1),
    key("boot2_rollback", 116, 20, 1),
    key("img_len", 120, 0, 32),
    key("bootentry", 124, 0, 32),
    key("img_start", 128, 0, 32),
    key("hash_0", 132, 0, 32),
    key("hash_1", 136, 0, 32),
    key("hash_2", 140, 0, 32),
    key("hash_3", 144, 0, 32),
    key("hash_4", 148, 0, 32),
    key("hash_5", 152, 0, 32),
    key("hash_6", 156, 0, 32),
    key("hash_7", 160, 0, 32),
    key("boot2_pt_table_0", 164, 0, 32),
    key("boot2_pt_table_1", 168, 0, 32),
    key("crc32", 172, 0, 32),
];

/// Sections that are read.
const SECTIONS: [&str; 2] = ["BOOTHEADER_CFG", "FLASH_CFG"];

/// Applies all settings of a file to a header. CRCs are not computed anew.
///
/// Settings outside of `[BOOTHEADER_CFG]` and `[FLASH_CFG]` are skipped, as are names that are not known: the vendor's
/// tool does the same.
///
/// # Errors
/// [`ImageError::Config`] with the line: a value that is no number or does not fit; no section that counts.
pub fn apply(text: &str, header: &mut BootHeader) -> Result<(), ImageError> {
    let mut bytes = header.to_bytes();
    let (mut inside, mut met) = (false, false);
    for (at, line) in text.lines().enumerate() {
        let line = line.trim_start_matches('\u{feff}').trim();
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.split(']').next()) {
            inside = SECTIONS.contains(&name.trim());
            met |= inside;
        } else if inside && !line.is_empty() && !line.starts_with(['#', ';']) {
            set(line, &mut bytes).map_err(|what| ImageError::Config { line: at + 1, what })?;
        }
    }
    if !met {
        let what = "there is no section [BOOTHEADER_CFG] or [FLASH_CFG]".to_owned();
        return Err(ImageError::Config { line: text.lines().count().max(1), what });
    }
    *header = BootHeader::parse(&bytes);
    Ok(())
}

/// Applies one setting, `NAME=VALUE`.
///
/// # Errors
/// [`ImageError::Config`]: the name is not known, or the value is no number or does not fit.
pub fn apply_one(setting: &str, header: &mut BootHeader) -> Result<(), ImageError> {
    let mut bytes = header.to_bytes();
    let wrong = |what| ImageError::Config { line: 1, what };
    if !set(setting, &mut bytes).map_err(wrong)? {
        return Err(wrong(format!("{setting:?}: there is no setting of this name")));
    }
    *header = BootHeader::parse(&bytes);
    Ok(())
}

/// Sets one value; gives whether the name is known.
fn set(line: &str, bytes: &mut [u8; BOOT_HEADER_LEN]) -> Result<bool, String> {
    let (name, value) = line.split_once('=').ok_or_else(|| format!("{line:?} is no NAME = VALUE"))?;
    let name = name.trim();
    let value = value.split(['#', ';']).next().unwrap_or_default().trim();
    let Some(key) = KEYS.iter().find(|key| key.name == name) else { return Ok(false) };
    let number = match value.strip_prefix("0x").or_else(|| value.strip_prefix("0X")) {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => value.parse(),
    };
    let number = number.map_err(|_| format!("{name} is {value:?}, which is no number of 32 bits"))?;
    let mask = if key.bits >= 32 { u32::MAX } else { (1 << key.bits) - 1 };
    if number & !mask != 0 {
        return Err(format!("{name} is {value}, it has {} bits", key.bits));
    }
    let Some(place) = bytes.get_mut(key.offset..key.offset + 4) else { return Ok(false) };
    let word = u32::from_le_bytes([place[0], place[1], place[2], place[3]]);
    let word = word & !(mask << key.low_bit) | number << key.low_bit;
    place.copy_from_slice(&word.to_le_bytes());
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn empty() -> BootHeader {
        BootHeader::parse(&[0; BOOT_HEADER_LEN])
    }

    #[test]
    fn a_file_of_the_vendors_form() {
        let text = "[EFUSE_CFG]\npll_clk = 9\n[BOOTHEADER_CFG]\n#comment\nmagic_code = 0x504e4642\npll_clk = 4 # 144 MHz\nhash_ignore=1\nnot_a_name = what\nimg_start = 0x2000\n";
        let mut header = empty();
        apply(text, &mut header).unwrap();
        assert_eq!(&header.magic, b"BFNP");
        assert_eq!(header.clock_config, [0, 4, 0, 0, 0, 0, 0, 0]);
        assert!(header.boot_config.hash_ignore());
        assert_eq!(header.ram_address, 0x2000);
    }

    #[rstest]
    #[case::number("[FLASH_CFG]\nio_mode = fast\n", 2, "io_mode is \"fast\", which is no number of 32 bits")]
    #[case::width("[FLASH_CFG]\nio_mode = 256\n", 2, "io_mode is 256, it has 8 bits")]
    #[case::no_pair("[FLASH_CFG]\n\nio_mode\n", 3, "\"io_mode\" is no NAME = VALUE")]
    #[case::no_section("io_mode = 1\n", 1, "there is no section [BOOTHEADER_CFG] or [FLASH_CFG]")]
    fn refused(#[case] text: &str, #[case] line: usize, #[case] what: &str) {
        assert_eq!(apply(text, &mut empty()), Err(ImageError::Config { line, what: what.to_owned() }));
    }

    #[test]
    fn single_settings() {
        let mut header = empty();
        apply_one("xtal_type=2", &mut header).unwrap();
        assert_eq!(header.clock_config[0], 2);
        assert!(apply_one("colour=1", &mut header).is_err());
    }

    #[test]
    fn keys_lie_inside_the_header_without_overlap() {
        let places: Vec<usize> = KEYS.iter().map(|key| key.offset * 8 + key.low_bit as usize).collect();
        assert!(places.windows(2).all(|pair| pair[0] < pair[1]));
        for pair in KEYS.windows(2) {
            let end = pair[0].offset * 8 + (pair[0].low_bit + pair[0].bits) as usize;
            assert!(end <= pair[1].offset * 8 + pair[1].low_bit as usize, "{}", pair[0].name);
        }
    }
}
