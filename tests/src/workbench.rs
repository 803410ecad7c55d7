//! A folder in which the flasher is run as a person runs it, and a look at what it left there.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::programs::{flasher, put};

/// A user without rights: `nobody` on every Linux.
const NOBODY: u32 = 65_534;

/// A temporary folder with files.
#[derive(Debug)]
pub struct Workbench {
    folder: TempDir,
}

impl Default for Workbench {
    fn default() -> Workbench {
        Workbench::new()
    }
}

impl Workbench {
    /// An empty folder, open to every user.
    ///
    /// # Panics
    /// If it cannot be made.
    pub fn new() -> Workbench {
        let folder = tempfile::tempdir().expect("cannot make a temporary folder");
        fs::set_permissions(folder.path(), Permissions::from_mode(0o777))
            .expect("cannot open the folder to all");
        Workbench { folder }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Puts a file into it.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path().join(name);
        put(&path, bytes);
        path
    }

    /// Puts a file of `len` zeros into it that takes no space.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn put_hollow(&self, name: &str, len: u64) {
        let file = fs::File::create(self.path().join(name)).expect("cannot create a file");
        file.set_len(len).expect("cannot make a file so long");
    }

    /// A file's bytes.
    ///
    /// # Panics
    /// If it cannot be read.
    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path().join(name)).unwrap_or_else(|error| panic!("cannot read {name}: {error}"))
    }

    /// Everything in the folder: the bytes of files, nothing for what is no file or may not be read.
    ///
    /// # Panics
    /// If it cannot be listed.
    pub fn contents(&self) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
        let entries = fs::read_dir(self.path()).expect("cannot list the folder");
        entries
            .map(|entry| {
                let path = entry.expect("cannot list the folder").path();
                let is_file = fs::symlink_metadata(&path).is_ok_and(|found| found.is_file());
                let bytes = is_file.then(|| fs::read(&path).ok()).flatten();
                (path, bytes)
            })
            .collect()
    }

    /// `bl702-flash` in this folder, with nothing in its environment that could lead to a RAM loader.
    pub fn flasher(&self) -> Command {
        self.clean(Command::new(flasher()))
    }

    /// `bl702-flash` in this folder by somebody who has no rights but those that everybody has.
    ///
    /// # Panics
    /// If the program cannot be copied to where that user can run it.
    pub fn flasher_of_nobody(&self) -> Command {
        if !rustix::process::geteuid().is_root() {
            return self.flasher();
        }
        let copy = self.path().join("bl702-flash");
        if !copy.exists() {
            // Not by this process: another thread may start a program meanwhile, which then holds the copy open for
            // writing until it has begun, and nothing that is open for writing can be run.
            let copied = Command::new("cp").arg(flasher()).arg(&copy).status().expect("cannot run cp");
            assert!(copied.success(), "cannot copy the program");
        }
        let mut command = self.clean(Command::new(copy));
        // Other groups are dropped with the user id.
        command.uid(NOBODY).gid(NOBODY);
        command
    }

    fn clean(&self, mut command: Command) -> Command {
        command
            .env_clear()
            .env("HOME", self.path())
            .env("PATH", "")
            .env("TZ", "UTC")
            // No adapter of this machine is ever found by itself.
            .env("BL702_SYSTEM_ROOT", self.path().join("no-system"))
            .current_dir(self.path());
        command
    }

    /// What a program said, without what differs from run to run: the folder's own name.
    pub fn redacted(&self, text: &str) -> String {
        text.replace(&self.path().display().to_string(), "[folder]")
    }
}
