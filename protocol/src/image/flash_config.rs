//! The 84-byte flash configuration of boot headers and of loader command 3Bh.
//!
//! Source: `reference/rom-and-module.md` section 2 (order of the bytes); I/O mode, sector size, page size and erase
//! commands are confirmed by the vendor's loader image (`reference/loader-protocol.md` section 1), and so is the tail: the
//! image holds 300, 1200, 1200 and 5 ms there, the limits of section 4.

/// Bytes of a flash configuration.
pub const FLASH_CONFIG_LEN: usize = 84;

/// A flash configuration; any 84 bytes are one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlashConfig(pub [u8; FLASH_CONFIG_LEN]);

/// One field of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlashConfigField {
    /// Name.
    pub name: &'static str,
    /// Offset of the first byte.
    pub offset: u8,
    /// Number of bytes.
    pub bytes: u8,
}

const fn field(name: &'static str, offset: u8, bytes: u8) -> FlashConfigField {
    FlashConfigField { name, offset, bytes }
}

/// All fields in order, without gaps.
pub static FLASH_CONFIG_FIELDS: &[FlashConfigField] = &[
    field("io_mode", 0, 1),
    field("continuous_read_support", 1, 1),
    field("clock_delay", 2, 1),
    field("clock_invert", 3, 1),
    field("reset_enable_command", 4, 1),
    field("reset_command", 5, 1),
    field("reset_continuous_read_command", 6, 1),
    field("reset_continuous_read_size", 7, 1),
    field("jedec_id_command", 8, 1),
    field("jedec_id_dummy_clocks", 9, 1),
    field("qpi_jedec_id_command", 10, 1),
    field("qpi_jedec_id_dummy_clocks", 11, 1),
    field("sector_size_kib", 12, 1),
    field("manufacturer_id", 13, 1),
    field("page_size_bytes", 14, 2),
    field("chip_erase_command", 16, 1),
    field("sector_erase_command", 17, 1),
    field("block_32k_erase_command", 18, 1),
    field("block_64k_erase_command", 19, 1),
    field("write_enable_command", 20, 1),
    field("page_program_command", 21, 1),
    field("quad_page_program_command", 22, 1),
    field("quad_page_program_address_mode", 23, 1),
    field("fast_read_command", 24, 1),
    field("fast_read_dummy_clocks", 25, 1),
    field("qpi_fast_read_command", 26, 1),
    field("qpi_fast_read_dummy_clocks", 27, 1),
    field("fast_read_dual_output_command", 28, 1),
    field("fast_read_dual_output_dummy_clocks", 29, 1),
    field("fast_read_dual_io_command", 30, 1),
    field("fast_read_dual_io_dummy_clocks", 31, 1),
    field("fast_read_quad_output_command", 32, 1),
    field("fast_read_quad_output_dummy_clocks", 33, 1),
    field("fast_read_quad_io_command", 34, 1),
    field("fast_read_quad_io_dummy_clocks", 35, 1),
    field("qpi_fast_read_quad_io_command", 36, 1),
    field("qpi_fast_read_quad_io_dummy_clocks", 37, 1),
    field("qpi_page_program_command", 38, 1),
    field("volatile_write_enable_command", 39, 1),
    field("write_enable_register_index", 40, 1),
    field("quad_enable_register_index", 41, 1),
    field("busy_register_index", 42, 1),
    field("write_enable_bit", 43, 1),
    field("quad_enable_bit", 44, 1),
    field("busy_bit", 45, 1),
    field("write_enable_write_length", 46, 1),
    field("write_enable_read_length", 47, 1),
    field("quad_enable_write_length", 48, 1),
    field("quad_enable_read_length", 49, 1),
    field("release_power_down_command", 50, 1),
    field("busy_read_length", 51, 1),
    field("read_register_commands", 52, 4),
    field("write_register_commands", 56, 4),
    field("enter_qpi_command", 60, 1),
    field("exit_qpi_command", 61, 1),
    field("continuous_read_mode", 62, 1),
    field("continuous_read_exit", 63, 1),
    field("burst_wrap", 64, 4),
    field("de_burst_wrap", 68, 4),
    field("sector_erase_time_ms", 72, 2),
    field("block_32k_erase_time_ms", 74, 2),
    field("block_64k_erase_time_ms", 76, 2),
    field("page_program_time_ms", 78, 2),
    field("chip_erase_time_ms", 80, 2),
    field("power_down_delay_us", 82, 1),
    field("quad_enable_data", 83, 1),
];

/// Value of an erase command that switches this size off.
pub const ERASE_COMMAND_OFF: u8 = 0xFF;

impl FlashConfig {
    /// The bytes of a field by its name in [`FLASH_CONFIG_FIELDS`].
    pub fn field(&self, name: &str) -> Option<&[u8]> {
        let field = FLASH_CONFIG_FIELDS.iter().find(|field| field.name == name)?;
        let start = usize::from(field.offset);
        self.0.get(start..start + usize::from(field.bytes))
    }

    fn half(&self, at: usize) -> u16 {
        u16::from_le_bytes([self.0[at], self.0[at + 1]])
    }

    /// I/O mode: 0 NIO, 1 DO, 2 QO, 3 DIO, 4 QIO; 10h added: unwrap.
    pub const fn io_mode(&self) -> u8 {
        self.0[0]
    }

    /// Erase sector in bytes; 0 makes the loader erase for ever.
    pub const fn sector_size_bytes(&self) -> u32 {
        self.0[12] as u32 * 1024
    }

    /// Page size in bytes.
    pub fn page_size_bytes(&self) -> u16 {
        self.half(14)
    }

    /// Whether the loader uses 32 KiB block erase.
    pub const fn erases_32k_blocks(&self) -> bool {
        self.0[18] != ERASE_COMMAND_OFF
    }

    /// Whether the loader uses 64 KiB block erase.
    pub const fn erases_64k_blocks(&self) -> bool {
        self.0[19] != ERASE_COMMAND_OFF
    }

    /// Time limit of a sector erase in milliseconds.
    pub fn sector_erase_time_ms(&self) -> u16 {
        self.half(72)
    }

    /// Time limit of a 32 KiB block erase in milliseconds.
    pub fn block_32k_erase_time_ms(&self) -> u16 {
        self.half(74)
    }

    /// Time limit of a 64 KiB block erase in milliseconds.
    pub fn block_64k_erase_time_ms(&self) -> u16 {
        self.half(76)
    }

    /// Time limit of a page program in milliseconds.
    pub fn page_program_time_ms(&self) -> u16 {
        self.half(78)
    }

    /// Time limit of a chip erase in milliseconds; the loader gives up after one and a half times this.
    pub fn chip_erase_time_ms(&self) -> u16 {
        self.half(80)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_cover_all_84_bytes_without_gaps() {
        let end = FLASH_CONFIG_FIELDS.iter().fold(0, |at, field| {
            assert_eq!(field.offset, at, "{}", field.name);
            at + field.bytes
        });
        assert_eq!(usize::from(end), FLASH_CONFIG_LEN);
    }

    #[test]
    fn default_of_the_rom_begins_as_in_the_reference() {
        // reference/rom-and-module.md section 2: the ROM's default configuration, as far as it is given there.
        let known =
            [0x04, 0x01, 0x00, 0x03, 0x66, 0x99, 0xff, 0x03, 0x9f, 0x00, 0x9f, 0x00, 0x04, 0xc8, 0x00, 0x01];
        let mut bytes = [0; FLASH_CONFIG_LEN];
        bytes[..16].copy_from_slice(&known);
        let config = FlashConfig(bytes);
        assert_eq!(config.io_mode(), 4);
        assert_eq!(config.sector_size_bytes(), 4096);
        assert_eq!(config.page_size_bytes(), 256);
        assert_eq!(config.field("jedec_id_command"), Some(&[0x9f][..]));
        assert_eq!(config.field("manufacturer_id"), Some(&[0xc8][..]));
        assert_eq!(config.field("no such field"), None);
    }
}
