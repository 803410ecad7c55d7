//! The reply to command 10h, in the form of the boot ROM and of the RAM loader.
//!
//! ```text
//! ROM     0..4   version 01 00 02 07 (07020001h)
//!         4      sign type (eFuse word 0 bit 2)
//!         5      encryption: 0 none, 1 AES-128, 2 AES-256, 3 AES-192
//!         6..8   0
//!         8..12  sw_usage_0 (eFuse word 10h)
//!         12..16 device info (eFuse word 74h)
//!         16..24 chip id (eFuse 14h..1Ch)
//! loader  0..4   ff ff ff ff
//!         4..8   sw_usage_0, as at the start of the loader
//!         8..12  device info, as at the start of the loader
//!         12..24 bytes left over in the loader's memory
//! ```
//!
//! Sources: `reference/rom-and-module.md` section 1.5, `reference/loader-protocol.md` section 4.

use crate::efuse::Efuse;

/// Bytes of a boot info, of either form.
pub const BOOT_INFO_LEN: usize = 24;

/// Version of the BL702/704/706 boot ROM.
pub const ROM_VERSION: u32 = 0x0702_0001;

/// The version field of the RAM loader.
pub const LOADER_VERSION: u32 = 0xFFFF_FFFF;

/// The twelve bytes the vendor's loader leaks after the two words.
pub const LOADER_LEAKED_BYTES: [u8; 12] =
    [0x00, 0x01, 0x00, 0x00, 0x08, 0x24, 0xd0, 0x07, 0x16, 0x25, 0x01, 0x22];

/// Boot info of the ROM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RomBootInfo {
    /// ROM version; [`ROM_VERSION`] on a BL702.
    pub version: u32,
    /// 0 or 1: images must be signed.
    pub sign: u8,
    /// Encryption that images must have, in the boot header's numbering.
    pub encrypt: u8,
    /// Two bytes that the ROM never fills.
    pub reserved: [u8; 2],
    /// eFuse word 10h.
    pub sw_usage_0: u32,
    /// eFuse word 74h.
    pub device_info: DeviceInfo,
    /// eFuse bytes 14h..1Ch.
    pub chip_id: [u8; 8],
}

/// Boot info of the RAM loader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoaderBootInfo {
    /// eFuse word 10h as it was when the loader started.
    pub sw_usage_0: u32,
    /// eFuse word 74h as it was when the loader started.
    pub device_info: DeviceInfo,
    /// Left-overs, no meaning.
    pub leaked: [u8; 12],
}

/// Boot info of either form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootInfo {
    /// The boot ROM answered.
    Rom(RomBootInfo),
    /// A RAM loader is running.
    Loader(LoaderBootInfo),
}

/// Why a boot info cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BootInfoError {
    /// BL702 replies have 24 bytes; a BL602 has 20.
    #[error("boot info has {length} bytes, a BL702 sends 24")]
    Length {
        /// Bytes there are.
        length: usize,
    },
}

/// The device info word, decoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeviceInfo(pub u32);

impl DeviceInfo {
    /// Bits 5:0: number of 0 bits in the MAC address.
    pub const fn mac_parity(self) -> u8 {
        (self.0 & 0x3F) as u8
    }

    /// Bits 23:22: swapped flash pins: 0 none, 1 CS and IO2, 2 IO0 and IO3, 3 both.
    pub const fn flash_swap(self) -> u8 {
        (self.0 >> 22 & 3) as u8
    }

    /// Bits 25:24: PSRAM: 0 none, 1 2 MiB inside, 2 external.
    pub const fn psram(self) -> u8 {
        (self.0 >> 24 & 3) as u8
    }

    /// Bits 28:26: flash: 0 external on GPIO23 to 28, 1 512 KiB inside, 2 1 MiB inside, 3 external on GPIO17 to 22.
    pub const fn flash_config(self) -> u8 {
        (self.0 >> 26 & 7) as u8
    }

    /// Bits 31:30: package: 0 QFN32, 1 QFN40, 2 QFN48.
    pub const fn package(self) -> u8 {
        (self.0 >> 30) as u8
    }

    /// The flash configuration in words.
    pub const fn flash_config_text(self) -> &'static str {
        match self.flash_config() {
            0 => "external flash on GPIO23 to GPIO28",
            1 => "512 KiB flash inside",
            2 => "1 MiB flash inside",
            3 => "external flash on GPIO17 to GPIO22",
            _ => "unknown flash configuration",
        }
    }

    /// The PSRAM configuration in words.
    pub const fn psram_text(self) -> &'static str {
        match self.psram() {
            0 => "no PSRAM",
            1 => "2 MiB PSRAM inside",
            2 => "external PSRAM",
            _ => "unknown PSRAM configuration",
        }
    }

    /// The package in words.
    pub const fn package_text(self) -> &'static str {
        match self.package() {
            0 => "QFN32",
            1 => "QFN40",
            2 => "QFN48",
            _ => "unknown package",
        }
    }

    /// The swapped flash pins in words.
    pub const fn flash_swap_text(self) -> &'static str {
        match self.flash_swap() {
            0 => "no flash pins swapped",
            1 => "flash CS and IO2 swapped",
            2 => "flash IO0 and IO3 swapped",
            _ => "flash CS with IO2 and IO0 with IO3 swapped",
        }
    }
}

impl BootInfo {
    /// Reads a boot info; the first word tells which side answered.
    ///
    /// # Errors
    /// [`BootInfoError::Length`] unless there are 24 bytes.
    pub fn parse(bytes: &[u8]) -> Result<BootInfo, BootInfoError> {
        let length = bytes.len();
        let bytes: &[u8; BOOT_INFO_LEN] = bytes.try_into().map_err(|_| BootInfoError::Length { length })?;
        if word(bytes, 0) == LOADER_VERSION {
            return Ok(BootInfo::Loader(LoaderBootInfo::parse(bytes)));
        }
        Ok(BootInfo::Rom(RomBootInfo::parse(bytes)))
    }

    /// The 24 bytes.
    pub fn to_bytes(&self) -> [u8; BOOT_INFO_LEN] {
        match self {
            BootInfo::Rom(info) => info.to_bytes(),
            BootInfo::Loader(info) => info.to_bytes(),
        }
    }

    /// eFuse word 10h.
    pub fn sw_usage_0(&self) -> u32 {
        match self {
            BootInfo::Rom(info) => info.sw_usage_0,
            BootInfo::Loader(info) => info.sw_usage_0,
        }
    }

    /// eFuse word 74h.
    pub fn device_info(&self) -> DeviceInfo {
        match self {
            BootInfo::Rom(info) => info.device_info,
            BootInfo::Loader(info) => info.device_info,
        }
    }
}

impl RomBootInfo {
    /// What the ROM answers with these eFuses.
    pub fn from_efuse(efuse: &Efuse) -> RomBootInfo {
        RomBootInfo {
            version: ROM_VERSION,
            sign: u8::from(efuse.sign_required()),
            encrypt: efuse.encrypt_type(),
            reserved: [0; 2],
            sw_usage_0: efuse.sw_usage_0(),
            device_info: DeviceInfo(efuse.device_info()),
            chip_id: efuse.mac(),
        }
    }

    /// Reads the fields of the ROM's form.
    pub fn parse(bytes: &[u8; BOOT_INFO_LEN]) -> RomBootInfo {
        let mut chip_id = [0; 8];
        chip_id.copy_from_slice(&bytes[16..24]);
        RomBootInfo {
            version: word(bytes, 0),
            sign: bytes[4],
            encrypt: bytes[5],
            reserved: [bytes[6], bytes[7]],
            sw_usage_0: word(bytes, 8),
            device_info: DeviceInfo(word(bytes, 12)),
            chip_id,
        }
    }

    /// The 24 bytes.
    pub fn to_bytes(&self) -> [u8; BOOT_INFO_LEN] {
        let mut bytes = [0; BOOT_INFO_LEN];
        bytes[0..4].copy_from_slice(&self.version.to_le_bytes());
        bytes[4] = self.sign;
        bytes[5] = self.encrypt;
        bytes[6..8].copy_from_slice(&self.reserved);
        bytes[8..12].copy_from_slice(&self.sw_usage_0.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.device_info.0.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.chip_id);
        bytes
    }

    /// Whether the version is that of a BL702, BL704 or BL706.
    pub fn is_bl702(&self) -> bool {
        self.version == ROM_VERSION
    }

    /// Chip id as the vendor's tools print it: bytes in wire order, lower-case hex.
    pub fn chip_id_text(&self) -> String {
        self.chip_id.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl LoaderBootInfo {
    /// What the loader answers if it started with these eFuses.
    pub fn from_efuse(efuse: &Efuse) -> LoaderBootInfo {
        LoaderBootInfo {
            sw_usage_0: efuse.sw_usage_0(),
            device_info: DeviceInfo(efuse.device_info()),
            leaked: LOADER_LEAKED_BYTES,
        }
    }

    /// Reads the fields of the loader's form; the first word is not looked at.
    pub fn parse(bytes: &[u8; BOOT_INFO_LEN]) -> LoaderBootInfo {
        let mut leaked = [0; 12];
        leaked.copy_from_slice(&bytes[12..24]);
        LoaderBootInfo { sw_usage_0: word(bytes, 4), device_info: DeviceInfo(word(bytes, 8)), leaked }
    }

    /// The 24 bytes.
    pub fn to_bytes(&self) -> [u8; BOOT_INFO_LEN] {
        let mut bytes = [0; BOOT_INFO_LEN];
        bytes[0..4].copy_from_slice(&LOADER_VERSION.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.sw_usage_0.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.device_info.0.to_le_bytes());
        bytes[12..24].copy_from_slice(&self.leaked);
        bytes
    }
}

fn word(bytes: &[u8; BOOT_INFO_LEN], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    // Bit positions from reference/rom-and-module.md section 3.
    #[rstest]
    #[case(0x0800_0028, "QFN32, 1 MiB flash inside, no PSRAM, no flash pins swapped")]
    #[case(0x0400_0000, "QFN32, 512 KiB flash inside, no PSRAM, no flash pins swapped")]
    #[case(
        0x4100_0000,
        "QFN40, external flash on GPIO23 to GPIO28, 2 MiB PSRAM inside, no flash pins swapped"
    )]
    #[case(
        0x8E40_0000,
        "QFN48, external flash on GPIO17 to GPIO22, external PSRAM, flash CS and IO2 swapped"
    )]
    #[case(0x1080_0000, "QFN32, unknown flash configuration, no PSRAM, flash IO0 and IO3 swapped")]
    fn device_info(#[case] word: u32, #[case] text: &str) {
        let info = DeviceInfo(word);
        let parts =
            [info.package_text(), info.flash_config_text(), info.psram_text(), info.flash_swap_text()];
        assert_eq!(parts.join(", "), text);
        assert_eq!(u32::from(info.mac_parity()), word & 0x3F);
    }

    #[test]
    fn a_bl602_reply_is_refused_by_its_length() {
        let error = BootInfo::parse(&[0; 20]).unwrap_err();
        assert_eq!(error.to_string(), "boot info has 20 bytes, a BL702 sends 24");
    }
}
