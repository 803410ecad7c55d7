//! What the commands of `bl702-flash` do, from an open port to the result.

mod backup;
mod bound;
mod change;
mod efuse;
mod erase;
mod finish;
mod info;
mod install;
mod legible;
mod monitor;
mod readback;
mod reset;
mod restore;
mod run;
mod table;
mod verify;
mod who;

pub use backup::{Backup, backup, backup_area, resume_backup};
pub use change::{ChangeMode, ChangeReport, PieceReport, write, write_files};
pub use efuse::{BurnReport, FuseReport, burn_fuses, read_fuses};
pub use erase::{EraseReport, erase_area, erase_chip, erase_range, plan_chip_erase};
pub use finish::After;
pub use info::{InfoReport, LoaderUsed, info};
pub use install::{InstallReport, install_table};
pub use monitor::{Heard, Keys, Listening, Stopped, Until, monitor};
pub use reset::{Found, ResetInto, ResetReport, reset, reset_into};
pub use restore::restore;
pub use run::{RunReport, run_image};
pub use table::read_table;
pub use verify::{VerifyReport, verify, verify_files};
pub use who::who_answers;

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
