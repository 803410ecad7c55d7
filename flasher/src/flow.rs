//! What the commands of `bl702-flash` do, from an open port to the result.

mod backup;
mod bound;
mod change;
mod efuse;
mod erase;
mod finish;
mod info;
mod monitor;
mod reset;
mod run;
mod verify;

pub use backup::{Backup, backup, resume_backup};
pub use change::{ChangeReport, PieceReport, write};
pub use efuse::{BurnReport, FuseReport, burn_fuses, read_fuses};
pub use erase::{EraseReport, erase_chip, erase_range};
pub use finish::After;
pub use info::{InfoReport, info};
pub use monitor::{Heard, Keys, Listening, Stopped, Until, monitor};
pub use reset::reset;
pub use run::{RunReport, run_image};
pub use verify::{VerifyReport, verify};

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
