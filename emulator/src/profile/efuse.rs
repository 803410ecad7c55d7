//! The `[efuse]` table of a profile: fuses by name, by word or as a whole.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{ProfileError, join};
use crate::otp::EFUSE_BYTES;

/// Names of the lock bits in word 7Ch (`reference/rom-and-module.md` section 3).
const LOCKS: [(&str, u8); 19] = [
    ("slot4_l", 13),
    ("slot5_l", 14),
    ("boot_mode", 15),
    ("dbg_pwd", 16),
    ("sw_usage_0", 17),
    ("wifi_mac", 18),
    ("slot0", 19),
    ("slot1", 20),
    ("slot2", 21),
    ("slot3", 22),
    ("slot4_h", 23),
    ("slot5_h", 24),
    ("read_dbg_pwd", 25),
    ("read_slot0", 26),
    ("read_slot1", 27),
    ("read_slot2", 28),
    ("read_slot3", 29),
    ("read_slot4", 30),
    ("read_slot5", 31),
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawEfuse {
    hex: Option<String>,
    mac: Option<String>,
    device_info: Option<u32>,
    #[serde(default)]
    words: BTreeMap<String, u32>,
    #[serde(default)]
    locks: Vec<String>,
}

impl RawEfuse {
    pub(super) fn fuses(&self) -> Result<[u8; EFUSE_BYTES], ProfileError> {
        let mut fuses = match &self.hex {
            Some(hex) => hex_bytes::<EFUSE_BYTES>("efuse.hex", hex)?,
            None => [0; EFUSE_BYTES],
        };
        if let Some(mac) = &self.mac {
            fuses[0x14..0x1c].copy_from_slice(&hex_bytes::<8>("efuse.mac", mac)?);
        }
        if let Some(device_info) = self.device_info {
            fuses[0x74..0x78].copy_from_slice(&device_info.to_le_bytes());
        }
        for (key, word) in &self.words {
            let offset =
                usize::from_str_radix(key, 16).ok().filter(|offset| offset % 4 == 0 && *offset < EFUSE_BYTES);
            let offset = offset.ok_or_else(|| ProfileError::FuseWord { offset: key.clone() })?;
            fuses[offset..offset + 4].copy_from_slice(&word.to_le_bytes());
        }
        for lock in &self.locks {
            let Some((_, bit)) = LOCKS.iter().find(|(name, _)| name == lock) else {
                let known = join(LOCKS.iter().map(|(name, _)| *name));
                return Err(ProfileError::Lock { lock: lock.clone(), known });
            };
            fuses[0x7c + usize::from(*bit) / 8] |= 1 << (bit % 8);
        }
        Ok(fuses)
    }
}

pub(super) fn hex_bytes<const N: usize>(field: &'static str, text: &str) -> Result<[u8; N], ProfileError> {
    let error = || ProfileError::Hex { field, bytes: N };
    if text.len() != 2 * N || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(error());
    }
    let mut bytes = [0; N];
    for (i, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * i..2 * i + 2], 16).map_err(|_| error())?;
    }
    Ok(bytes)
}
