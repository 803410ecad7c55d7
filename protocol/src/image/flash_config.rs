//! The 84-byte flash configuration of boot headers and of loader command 3Bh.

/// Bytes of a flash configuration.
pub const FLASH_CONFIG_LEN: usize = 84;

/// A flash configuration; any 84 bytes are one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlashConfig(pub [u8; FLASH_CONFIG_LEN]);
