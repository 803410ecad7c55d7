//! Backups, and the note that says that a module's flash is not its owner's at the moment.
//!
//! ```text
//! chips/CHIP-ID/backups/N/flash.bin efuse.bin about.json     kept for ever
//! chips/CHIP-ID/borrowed.json                                while the flash may differ from that backup
//! ```
//! Everything is written beside its place, synced and renamed, so that a power failure leaves the old or the new.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::lease::StateDir;

/// Why the store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file system failed.
    #[error("{}: {source}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file is not what its description says.
    #[error("{}: {reason}", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

type Result<T> = std::result::Result<T, StoreError>;

/// What a backup is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// Chip id, 16 hex digits.
    pub chip_id: String,
    /// JEDEC id of the flash, 6 hex digits.
    pub jedec: String,
    /// SHA-256 of `flash.bin`.
    pub flash_sha256: String,
    /// SHA-256 of `efuse.bin`.
    pub efuse_sha256: String,
    /// The port the module was at.
    pub port: String,
    /// The run that made it.
    pub run: String,
}

/// A backup with its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backup {
    /// Its folder.
    pub folder: PathBuf,
    /// What it is of.
    pub about: About,
    /// The whole flash.
    pub flash: Vec<u8>,
    /// All fuses.
    pub fuses: Vec<u8>,
}

/// The note that a flash may differ from a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Borrowed {
    /// The run that has it.
    pub run: String,
    /// Where the module is.
    pub port: String,
    /// The folder of the backup.
    pub backup: PathBuf,
}

/// The records of one chip.
#[derive(Clone, Debug)]
pub struct ChipStore {
    folder: PathBuf,
    chip_id: String,
}

/// A chip id or another few bytes, as file names and reports have them.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn digest(bytes: &[u8]) -> String {
    hex(Sha256::digest(bytes).as_slice())
}

impl ChipStore {
    /// The records of the chip with this id.
    ///
    /// # Errors
    /// [`StoreError`]
    pub fn of(state: &StateDir, chip_id: &str) -> Result<ChipStore> {
        let folder = state.path().join("chips").join(chip_id);
        let made = fs::create_dir_all(folder.join("backups"));
        made.map_err(at(&folder))?;
        Ok(ChipStore { folder, chip_id: chip_id.to_owned() })
    }

    /// All chips there are records of.
    pub fn all(state: &StateDir) -> Vec<ChipStore> {
        let folders = fs::read_dir(state.path().join("chips")).into_iter().flatten().flatten();
        let mut chips: Vec<ChipStore> = folders
            .map(|entry| ChipStore {
                folder: entry.path(),
                chip_id: entry.file_name().to_string_lossy().into_owned(),
            })
            .collect();
        chips.sort_by(|a, b| a.chip_id.cmp(&b.chip_id));
        chips
    }

    /// The chip's id.
    pub fn chip_id(&self) -> &str {
        &self.chip_id
    }

    /// Keeps a backup; one that equals the newest is not kept twice.
    ///
    /// # Errors
    /// [`StoreError`]
    pub fn keep(&self, jedec: &str, flash: &[u8], fuses: &[u8], port: &str, run: &str) -> Result<Backup> {
        let about = About {
            chip_id: self.chip_id.clone(),
            jedec: jedec.to_owned(),
            flash_sha256: digest(flash),
            efuse_sha256: digest(fuses),
            port: port.to_owned(),
            run: run.to_owned(),
        };
        let newest = self.numbers()?.into_iter().max();
        if let Some(number) = newest {
            let found = self.load(&self.backup_folder(number));
            if let Ok(found) = found
                && (found.flash.as_slice(), found.fuses.as_slice()) == (flash, fuses)
            {
                return Ok(found);
            }
        }
        let folder = self.backup_folder(newest.unwrap_or(0) + 1);
        let draft = folder.with_extension("new");
        // What a power failure left of an earlier one.
        let _ = fs::remove_dir_all(&draft);
        fs::create_dir(&draft).map_err(at(&draft))?;
        put_synced(&draft.join("flash.bin"), flash)?;
        put_synced(&draft.join("efuse.bin"), fuses)?;
        put_synced(&draft.join("about.json"), json(&about).as_bytes())?;
        sync_folder(&draft)?;
        fs::rename(&draft, &folder).map_err(at(&folder))?;
        sync_folder(&self.folder.join("backups"))?;
        // What was kept is what can be read again.
        self.load(&folder)
    }

    fn backup_folder(&self, number: u32) -> PathBuf {
        self.folder.join("backups").join(format!("{number:04}"))
    }

    /// How many backups there are.
    ///
    /// # Errors
    /// [`StoreError`]
    pub fn backup_count(&self) -> Result<usize> {
        Ok(self.numbers()?.len())
    }

    fn numbers(&self) -> Result<Vec<u32>> {
        let folder = self.folder.join("backups");
        let entries = fs::read_dir(&folder).map_err(at(&folder))?;
        Ok(entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect())
    }

    /// Reads a backup and checks it against its description.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when it is not what it was.
    pub fn load(&self, folder: &Path) -> Result<Backup> {
        let read = |name: &str| {
            let path = folder.join(name);
            fs::read(&path).map_err(at(&path))
        };
        let damaged = |name: &str, reason: String| StoreError::Damaged { path: folder.join(name), reason };
        let about: About = serde_json::from_slice(&read("about.json")?)
            .map_err(|error| damaged("about.json", error.to_string()))?;
        let (flash, fuses) = (read("flash.bin")?, read("efuse.bin")?);
        if digest(&flash) != about.flash_sha256 {
            return Err(damaged("flash.bin", format!("its SHA-256 is not {}", about.flash_sha256)));
        }
        if digest(&fuses) != about.efuse_sha256 {
            return Err(damaged("efuse.bin", format!("its SHA-256 is not {}", about.efuse_sha256)));
        }
        if about.chip_id != self.chip_id {
            return Err(damaged("about.json", format!("it is of chip {}", about.chip_id)));
        }
        Ok(Backup { folder: folder.to_owned(), about, flash, fuses })
    }

    /// Whether, and by whom, the flash is borrowed.
    ///
    /// # Errors
    /// [`StoreError`]
    pub fn borrowed(&self) -> Result<Option<Borrowed>> {
        let path = self.note();
        match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(StoreError::File { path, source }),
            Ok(text) => match serde_json::from_slice(&text) {
                Ok(note) => Ok(Some(note)),
                Err(error) => Err(StoreError::Damaged { path, reason: error.to_string() }),
            },
        }
    }

    /// Writes the note. From then on the flash may be written to.
    ///
    /// # Errors
    /// [`StoreError`]
    pub fn borrow_flash(&self, run: &str, port: &str, backup: &Backup) -> Result<()> {
        let (run, port, backup) = (run.to_owned(), port.to_owned(), backup.folder.clone());
        let note = Borrowed { run, port, backup };
        put_in_place(&self.note(), json(&note).as_bytes())
    }

    /// Takes the note away: the flash was restored and read back.
    ///
    /// # Errors
    /// [`StoreError`]
    pub fn give_back(&self) -> Result<()> {
        let note = self.note();
        fs::remove_file(&note).map_err(at(&note))?;
        sync_folder(&self.folder)
    }

    fn note(&self) -> PathBuf {
        self.folder.join("borrowed.json")
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> StoreError + '_ {
    |source| StoreError::File { path: path.to_owned(), source }
}

fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string_pretty(value).expect("plain structures have a JSON form") + "\n"
}

/// Writes a file beside its place and renames it.
///
/// # Errors
/// [`StoreError`]
pub fn put_in_place(path: &Path, bytes: &[u8]) -> Result<()> {
    let draft = path.with_extension("new");
    put_synced(&draft, bytes)?;
    fs::rename(&draft, path).map_err(at(path))?;
    path.parent().map_or(Ok(()), sync_folder)
}

fn put_synced(path: &Path, bytes: &[u8]) -> Result<()> {
    let write = || {
        let mut file = File::create(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(at(path))
}

fn sync_folder(path: &Path) -> Result<()> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(at(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, ChipStore) {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::at(folder.path().to_owned()).unwrap();
        let store = ChipStore::of(&state, "3230376c62020000").unwrap();
        (folder, store)
    }

    #[test]
    fn a_backup_is_kept_once_and_read_again() {
        let (_folder, store) = store();
        let first = store.keep("c22014", b"flash", b"fuses", "port", "run 1").unwrap();
        let same = store.keep("c22014", b"flash", b"fuses", "port", "run 2").unwrap();
        assert_eq!(first, same);
        let other = store.keep("c22014", b"other", b"fuses", "port", "run 3").unwrap();
        assert_ne!(first.folder, other.folder);
        assert_eq!(store.load(&first.folder).unwrap().flash, b"flash");
    }

    #[test]
    fn a_damaged_backup_is_not_used() {
        let (_folder, store) = store();
        let backup = store.keep("c22014", b"flash", b"fuses", "port", "run").unwrap();
        fs::write(backup.folder.join("flash.bin"), b"flush").unwrap();
        let error = store.load(&backup.folder).unwrap_err().to_string();
        assert!(error.contains("its SHA-256 is not"), "{error}");
        // Nor is it taken for the newest.
        let anew = store.keep("c22014", b"flash", b"fuses", "port", "run").unwrap();
        assert_ne!(anew.folder, backup.folder);
    }

    #[test]
    fn a_backup_of_another_chip_is_not_used() {
        let (folder, store) = store();
        let backup = store.keep("c22014", b"flash", b"fuses", "port", "run").unwrap();
        let state = StateDir::at(folder.path().to_owned()).unwrap();
        let other = ChipStore::of(&state, "0000000000000001").unwrap();
        assert!(other.load(&backup.folder).unwrap_err().to_string().contains("of chip 3230376c62020000"));
        assert_eq!(ChipStore::all(&state).len(), 2);
    }

    #[test]
    fn the_note_is_there_until_the_flash_is_given_back() {
        let (_folder, store) = store();
        assert_eq!(store.borrowed().unwrap(), None);
        let backup = store.keep("c22014", b"flash", b"fuses", "port", "run").unwrap();
        store.borrow_flash("run", "port", &backup).unwrap();
        let note = store.borrowed().unwrap().unwrap();
        assert_eq!((note.run.as_str(), &note.backup), ("run", &backup.folder));
        store.give_back().unwrap();
        assert_eq!(store.borrowed().unwrap(), None);
    }
}
