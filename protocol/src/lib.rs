//! Wire and image formats of the Bouffalo Lab BL702 boot ROM and of the vendor's RAM loader.
//!
//! Both ends of the project share this crate and nothing else. It does no input or output and reads no clock.
#![forbid(unsafe_code)]

pub mod boot_info;
pub mod chip;
pub mod code;
pub mod command;
pub mod crc;
pub mod efuse;
pub mod frame;
pub mod image;
pub mod jedec;
pub mod rfc2217;
pub mod time;
pub mod trace;
