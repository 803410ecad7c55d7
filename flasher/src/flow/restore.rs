//! Writing a backup of the whole flash back.

use std::sync::Arc;

use super::bound::announce_run;
use super::change::{ChangeMode, ChangeReport, add_work, change};
use super::finish::{After, conclude};
use super::hex;
use super::readback::add_readback_work;
use crate::connect::ConnectOptions;
use crate::error::{BackupMismatch, Error, Result};
use crate::event::Event;
use crate::plan::{Piece, Pieces, Targets};
use crate::session::Link;
use crate::transfer::RamLoader;

/// Writes a backup of the whole flash back, as [`write`](super::write) does. `of_module` is the chip id that the backup
/// has to be of, in hex, if it is known.
///
/// # Errors
/// [`crate::error::ErrorKind::NotThisBackup`], before anything is changed, if it has another length than the flash or is
/// of another module; as [`write`](super::write).
pub async fn restore(
    link: Link,
    options: Arc<ConnectOptions>,
    backup: Vec<u8>,
    of_module: Option<String>,
    mode: ChangeMode,
    after: After,
) -> Result<ChangeReport> {
    let pieces = Pieces::new(vec![Piece::new(0, backup)?])?;
    announce_run(&link, &options, |budget, size| {
        add_work(budget, &Targets::of(&pieces), size);
        if mode.readback {
            add_readback_work(budget, pieces.total_bytes());
        }
    });
    let mut loader = Arc::clone(&options).connect(&link).await?;
    let result = put_back(&mut loader, &pieces, of_module, mode).await;
    conclude(loader, &options, after, result).await
}

async fn put_back(
    loader: &mut RamLoader,
    pieces: &Pieces,
    of_module: Option<String>,
    mode: ChangeMode,
) -> Result<ChangeReport> {
    let (file_bytes, flash_bytes) = (pieces.total_bytes(), loader.flash().size_bytes);
    if file_bytes != u64::from(flash_bytes) {
        return Err(Error::new(BackupMismatch::Size { file_bytes, flash_bytes }));
    }
    if let Some(named) = of_module {
        check_module(loader, named).await?;
    }
    change(loader, pieces, mode).await
}

/// The chip id is the MAC address of the fuses (ROM reference 1.5), which the loader tells, too.
async fn check_module(loader: &mut RamLoader, named: String) -> Result<()> {
    let Some(mac) = loader.mac().await? else {
        let text = format!(
            "the module does not tell its chip id (its parity is wrong), so nobody knows whether it is {named}"
        );
        loader.link().emit(Event::Warning { text });
        return Ok(());
    };
    let found = hex(&mac);
    if found == named { Ok(()) } else { Err(Error::new(BackupMismatch::Module { named, found })) }
}
