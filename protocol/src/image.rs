//! Image formats: what the ROM loads, and the partition table.

pub mod boot_header;
pub mod flash_config;
pub mod partition;
pub mod ram_image;
pub mod segment;
pub mod signature;
