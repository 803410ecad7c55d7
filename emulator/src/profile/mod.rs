//! Board profiles: one TOML file tells all that differs between modules.

mod efuse;
mod error;

use serde::{Deserialize, Serialize};

use efuse::{RawEfuse, hex_bytes};
pub use error::ProfileError;

use crate::flash::{Flash, FlashPart, FlashSpeed, FlashTimes, StatusLayout};
use crate::otp::{EFUSE_BYTES, Otp};

/// The profiles that are built in: name and text.
const BUILTIN: &[(&str, &str)] = &[
    ("xt-zb2", include_str!("../../../fixtures/profiles/xt-zb2.toml")),
    ("bl702-512k-kh", include_str!("../../../fixtures/profiles/bl702-512k-kh.toml")),
    ("bl702-1m-gd", include_str!("../../../fixtures/profiles/bl702-1m-gd.toml")),
    ("bl702-1m-winbond", include_str!("../../../fixtures/profiles/bl702-1m-winbond.toml")),
    ("bl702-1m-xt", include_str!("../../../fixtures/profiles/bl702-1m-xt.toml")),
    ("bl702-2m", include_str!("../../../fixtures/profiles/bl702-2m.toml")),
    ("bl702-unknown-flash", include_str!("../../../fixtures/profiles/bl702-unknown-flash.toml")),
    ("vectors-rom", include_str!("../../../fixtures/profiles/vectors-rom.toml")),
    ("vectors-loader", include_str!("../../../fixtures/profiles/vectors-loader.toml")),
];

/// Which modem line of the host drives EN.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wiring {
    /// RTS drives EN, DTR drives BOOT (the vendor's tools).
    #[default]
    RtsEn,
    /// DTR drives EN, RTS drives BOOT.
    DtrEn,
    /// No line is connected.
    None,
}

/// What the BOOT pin follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Boot {
    /// Strapped high: ISP.
    #[default]
    High,
    /// Strapped low: boots the flash.
    Low,
    /// The host's DTR, asserted = low.
    Dtr,
    /// The host's RTS, asserted = low.
    Rts,
}

/// Everything about a module that is not the same for all.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// What users call it, as in `--profile`.
    pub name: String,
    /// One line for people.
    pub description: String,
    /// The chip; only "bl702" is known.
    pub chip: String,
    /// Crystal frequency in Hz.
    pub crystal_hz: u32,
    /// Which line of the host drives EN, unless told otherwise.
    pub wiring: Wiring,
    /// What BOOT follows, unless told otherwise.
    pub boot: Boot,
    /// Real over nominal duration of the ROM's own waits (`reference/rom-and-module.md` section 1.10).
    pub rom_time_scale: f64,
    /// From the end of reset to the ROM's first auto-baud window, in nominal microseconds, which
    /// [`rom_time_scale`](Profile::rom_time_scale) scales (assumed).
    pub boot_rom_start_us: u64,
    /// From the jump to the RAM loader to its first auto-baud window, in microseconds (assumed).
    pub ram_loader_start_us: u64,
    /// From the ROM's decision to boot the flash to the firmware's first output, in microseconds (assumed).
    pub firmware_start_us: u64,
    /// Whether the firmware in the flash prints the stock image's boot log.
    pub firmware_log: bool,
    /// How fast the chip's programs read flash, in bytes a second (assumed).
    pub flash_read_bytes_per_s: u32,
    /// How fast the chip hashes what it has read, in bytes a second (assumed).
    pub hash_bytes_per_s: u32,
    /// The flash.
    pub flash_part: FlashPart,
    /// Whether the flash takes its typical or worst times.
    pub flash_speed: FlashSpeed,
    /// Busy times that the profile sets instead of the part's.
    pub flash_times: FlashTimeOverrides,
    /// The fuses.
    pub efuse: [u8; EFUSE_BYTES],
}

/// Busy times in microseconds that replace a part's own, at both speeds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlashTimeOverrides {
    /// Programming a whole page.
    pub page_program_us: Option<u64>,
    /// Programming one byte.
    pub byte_program_us: Option<u64>,
    /// Erasing 4 KiB.
    pub sector_4k_us: Option<u64>,
    /// Erasing 32 KiB.
    pub block_32k_us: Option<u64>,
    /// Erasing 64 KiB.
    pub block_64k_us: Option<u64>,
    /// Erasing the chip; 0 = never seen busy.
    pub chip_us: Option<u64>,
    /// Writing a status register.
    pub write_status_us: Option<u64>,
}

impl FlashTimeOverrides {
    fn apply(&self, times: FlashTimes) -> FlashTimes {
        FlashTimes {
            page_program_us: self.page_program_us.unwrap_or(times.page_program_us),
            byte_program_us: self.byte_program_us.unwrap_or(times.byte_program_us),
            sector_4k_us: self.sector_4k_us.unwrap_or(times.sector_4k_us),
            block_32k_us: self.block_32k_us.unwrap_or(times.block_32k_us),
            block_64k_us: self.block_64k_us.unwrap_or(times.block_64k_us),
            chip_us: self.chip_us.unwrap_or(times.chip_us),
            write_status_us: self.write_status_us.unwrap_or(times.write_status_us),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawProfile {
    name: String,
    description: String,
    chip: String,
    crystal_hz: u32,
    #[serde(default)]
    wiring: Wiring,
    #[serde(default)]
    boot: Boot,
    rom_time_scale: f64,
    boot_rom_start_us: u64,
    ram_loader_start_us: u64,
    firmware_start_us: u64,
    firmware_log: bool,
    flash_read_bytes_per_s: u32,
    hash_bytes_per_s: u32,
    flash: RawFlash,
    efuse: RawEfuse,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFlash {
    part: String,
    #[serde(default)]
    speed: FlashSpeed,
    #[serde(default)]
    times: FlashTimeOverrides,
    /// Another id than the part's own, as command 9Fh gives it.
    jedec_id: Option<String>,
    /// Other status registers than the part's own.
    status: Option<StatusLayout>,
}

impl Profile {
    /// The names of the built-in profiles.
    pub fn names() -> impl Iterator<Item = &'static str> {
        BUILTIN.iter().map(|(name, _)| *name)
    }

    /// The built-in profile of this name.
    ///
    /// # Errors
    /// [`ProfileError::UnknownName`].
    pub fn builtin(name: &str) -> Result<Profile, ProfileError> {
        match BUILTIN.iter().find(|(builtin, _)| *builtin == name) {
            Some((_, text)) => Profile::from_toml(text),
            None => Err(ProfileError::UnknownName { name: name.to_owned(), known: join(Profile::names()) }),
        }
    }

    /// Reads a profile from TOML; `fixtures/profiles/xt-zb2.toml` shows every field.
    ///
    /// # Errors
    /// Every [`ProfileError`] but [`ProfileError::UnknownName`].
    pub fn from_toml(text: &str) -> Result<Profile, ProfileError> {
        let raw: RawProfile = toml::from_str(text)?;
        if raw.chip != "bl702" {
            return Err(ProfileError::Chip { chip: raw.chip });
        }
        let mut flash_part = *FlashPart::by_name(&raw.flash.part).ok_or_else(|| ProfileError::FlashPart {
            part: raw.flash.part.clone(),
            known: join(crate::flash::PARTS.iter().map(|part| part.name)),
        })?;
        if let Some(jedec_id) = &raw.flash.jedec_id {
            flash_part.jedec_id = hex_bytes("flash.jedec_id", jedec_id)?;
        }
        if let Some(status) = raw.flash.status {
            flash_part.status = status;
        }
        in_range(
            "rom_time_scale",
            raw.rom_time_scale,
            (0.01..=10.0).contains(&raw.rom_time_scale),
            "0.01 to 10",
        )?;
        in_range("crystal_hz", raw.crystal_hz, raw.crystal_hz > 0, "over 0")?;
        in_range(
            "flash_read_bytes_per_s",
            raw.flash_read_bytes_per_s,
            raw.flash_read_bytes_per_s > 0,
            "over 0",
        )?;
        in_range("hash_bytes_per_s", raw.hash_bytes_per_s, raw.hash_bytes_per_s > 0, "over 0")?;
        Ok(Profile {
            efuse: raw.efuse.fuses()?,
            name: raw.name,
            description: raw.description,
            chip: raw.chip,
            crystal_hz: raw.crystal_hz,
            wiring: raw.wiring,
            boot: raw.boot,
            rom_time_scale: raw.rom_time_scale,
            boot_rom_start_us: raw.boot_rom_start_us,
            ram_loader_start_us: raw.ram_loader_start_us,
            firmware_start_us: raw.firmware_start_us,
            firmware_log: raw.firmware_log,
            flash_read_bytes_per_s: raw.flash_read_bytes_per_s,
            hash_bytes_per_s: raw.hash_bytes_per_s,
            flash_part,
            flash_speed: raw.flash.speed,
            flash_times: raw.flash.times,
        })
    }

    /// The fuses as they are burnt, 128 bytes.
    pub fn efuse(&self) -> [u8; EFUSE_BYTES] {
        self.efuse
    }

    /// The module's flash, erased, with the times of the profile's speed and overrides.
    pub fn new_flash(&self) -> Flash {
        self.flash_of(&self.flash_part)
    }

    /// The same with another part.
    pub(crate) fn flash_of(&self, part: &FlashPart) -> Flash {
        Flash::with_times(part, self.flash_times.apply(part.times(self.flash_speed)))
    }

    /// The module's fuses.
    pub fn new_otp(&self) -> Otp {
        Otp::new(self.efuse)
    }
}

fn in_range(
    field: &'static str,
    value: impl ToString,
    ok: bool,
    range: &'static str,
) -> Result<(), ProfileError> {
    if ok { Ok(()) } else { Err(ProfileError::Range { field, value: value.to_string(), range }) }
}

fn join<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
