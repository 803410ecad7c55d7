//! The subcommands of `bl702-emu`, one file each.

pub(crate) mod check;
pub(crate) mod ctl;
#[cfg(target_os = "linux")]
pub(crate) mod exec;
pub(crate) mod failure;
pub(crate) mod faults;
pub(crate) mod fit;
mod new_file;
pub(crate) mod options;
#[cfg(target_os = "linux")]
pub(crate) mod proxy;
pub(crate) mod recording;
pub(crate) mod replay;
pub(crate) mod run;
pub(crate) mod services;
pub(crate) mod trace;
