//! The subcommands of `bl702-emu`, one file each.

pub(crate) mod check;
#[cfg(target_os = "linux")]
pub(crate) mod exec;
pub(crate) mod failure;
pub(crate) mod options;
pub(crate) mod run;
pub(crate) mod trace;
