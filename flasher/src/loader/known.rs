//! The published builds of the vendor's RAM loader.

use bl702_protocol::image::ram_image::RamImage;
use sha2::{Digest, Sha256};

use super::image::hex;

/// A published build, told by the SHA-256 of its body (the segment data).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownBuild {
    /// First digits of the SHA-256 of the body, in hex.
    pub body_sha256_prefix: &'static str,
    /// Where it is published.
    pub published_in: &'static str,
}

/// The builds of loader reference 1, and the RC32M variant of the first, which differs in one byte.
pub static PUBLISHED: &[KnownBuild] = &[
    KnownBuild {
        body_sha256_prefix: "e35083e8c0bf2b14",
        published_in: "bflb-mcu-tool and bflb-iot-tool 1.10.0, blisp (32 MHz crystal)",
    },
    KnownBuild {
        body_sha256_prefix: RC32M,
        published_in: "bflb-mcu-tool and bflb-iot-tool 1.10.0 (RC oscillator)",
    },
    KnownBuild { body_sha256_prefix: "205e660beada", published_in: "bouffalo_isp" },
    KnownBuild { body_sha256_prefix: "228dadf01839", published_in: "bflb_flash_command_uart 1.4.3.post1" },
    KnownBuild { body_sha256_prefix: "3343a5bc159f", published_in: "BK7231GUIFlashTool" },
];

/// Computed from `eflash_loader_rc32m.bin` of bflb-mcu-tool-uart 1.10.1.
const RC32M: &str = "08cd08d3b1b3dc9b";

/// Which published build an image is.
pub(crate) fn known_build(image: &RamImage) -> Option<&'static KnownBuild> {
    let [segment] = image.segments.as_slice() else { return None };
    let digest = hex(&Sha256::digest(&segment.data));
    PUBLISHED.iter().find(|build| digest.starts_with(build.body_sha256_prefix))
}
