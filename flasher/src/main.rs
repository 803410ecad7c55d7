//! `bl702-flash`: reads, writes, verifies and erases the flash of a BL702 module.
//!
//! Exit status: 0 done and verified; 1 the device or link failed; 2 usage or input file; 3 refused for safety;
//! 4 verification found a difference.

mod cmd;
mod failure;
mod report;

use std::process::ExitCode;

#[cfg(feature = "emulated")]
use bl702_flasher::port::emulated;

fn main() -> ExitCode {
    ExitCode::from(cmd::main(std::env::args_os().collect()))
}
