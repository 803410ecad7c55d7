//! The published builds of the vendor's RAM loader.

use bl702_protocol::chip::{BL602, BL702, Chip};
use bl702_protocol::image::ram_image::RamImage;
use sha2::{Digest, Sha256};

use super::image::hex;

/// A published build, told by the SHA-256 of its body (the segment data).
#[derive(Clone, Copy, Debug)]
pub struct KnownBuild {
    /// The chip whose ROM loads it. The header does not tell: those of all chips here look alike.
    pub chip: &'static Chip,
    /// First digits of the SHA-256 of the body, in hex.
    pub body_sha256_prefix: &'static str,
    /// Where it is published.
    pub published_in: &'static str,
}

const fn build(
    chip: &'static Chip,
    body_sha256_prefix: &'static str,
    published_in: &'static str,
) -> KnownBuild {
    KnownBuild { chip, body_sha256_prefix, published_in }
}

/// For the BL702 the builds of loader reference 1, and the RC32M variant of the first, which differs in one byte. For the
/// BL602, so that they are told apart, those of bflb-mcu-tool and bflb-iot-tool 1.10.0, computed from their files.
pub static PUBLISHED: &[KnownBuild] = &[
    build(&BL702, "e35083e8c0bf2b14", "bflb-mcu-tool and bflb-iot-tool 1.10.0, blisp (32 MHz crystal)"),
    build(&BL702, RC32M, "bflb-mcu-tool and bflb-iot-tool 1.10.0 (RC oscillator)"),
    build(&BL702, "205e660beada", "bouffalo_isp"),
    build(&BL702, "228dadf01839", "bflb_flash_command_uart 1.4.3.post1"),
    build(&BL702, "3343a5bc159f", "BK7231GUIFlashTool"),
    build(&BL602, "06f13410193678d3", "bflb-mcu-tool and bflb-iot-tool 1.10.0 (24 MHz crystal)"),
    build(&BL602, "bdce1c970afb69ba", "bflb-mcu-tool and bflb-iot-tool 1.10.0 (32 MHz crystal)"),
    build(&BL602, "cf3f23c733022942", "bflb-mcu-tool and bflb-iot-tool 1.10.0 (38.4 MHz crystal)"),
    build(&BL602, "90bc92ac6a939fb7", "bflb-mcu-tool and bflb-iot-tool 1.10.0 (40 MHz crystal)"),
    build(&BL602, "26b344063dfff0cf", "bflb-mcu-tool and bflb-iot-tool 1.10.0 (26 MHz crystal)"),
    build(&BL602, "2f037a70b67850c1", "bflb-mcu-tool and bflb-iot-tool 1.10.0 (RC oscillator)"),
];

/// Computed from `eflash_loader_rc32m.bin` of bflb-mcu-tool-uart 1.10.1.
const RC32M: &str = "08cd08d3b1b3dc9b";

/// Which published build an image is.
pub(crate) fn known_build(image: &RamImage) -> Option<&'static KnownBuild> {
    let [segment] = image.segments.as_slice() else { return None };
    let digest = hex(&Sha256::digest(&segment.data));
    PUBLISHED.iter().find(|build| digest.starts_with(build.body_sha256_prefix))
}
