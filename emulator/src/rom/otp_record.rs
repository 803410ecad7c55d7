//! What the ROM reads out of the fuses once, at reset.

use bl702_protocol::boot_info::RomBootInfo;
use bl702_protocol::efuse::Efuse;
use bl702_protocol::image::boot_header::HeaderPolicy;

use crate::otp::Otp;

/// Byte offset of key slots 2 and 3, the key of encrypted images.
const IMAGE_KEY: usize = 0x3C;

/// The ROM's `otp` record and the public key hash. Fuses burnt later show only after the next reset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OtpRecord {
    /// The shadow registers as a reset has loaded them from the fuses.
    pub(super) efuse: Efuse,
    /// From the fuses themselves: a read lock keeps the key from programs, not from the AES engine.
    pub(super) image_key: [u8; 32],
}

impl OtpRecord {
    /// Reads the fuses.
    pub(super) fn read(otp: &Otp) -> OtpRecord {
        let mut image_key = [0; 32];
        image_key.copy_from_slice(&otp.fuses()[IMAGE_KEY..IMAGE_KEY + 32]);
        OtpRecord { efuse: Efuse(otp.shadow()), image_key }
    }

    /// The 24 bytes of boot info.
    pub(super) fn boot_info(&self) -> RomBootInfo {
        RomBootInfo::from_efuse(&self.efuse)
    }

    /// What a boot header must say.
    pub(super) fn header_policy(&self) -> HeaderPolicy {
        HeaderPolicy { sign_required: self.efuse.sign_required(), encrypt_type: self.efuse.encrypt_type() }
    }
}
