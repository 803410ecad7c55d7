//! The part file of a backup: what was read so far, beside the file to be, for `--resume`.
//!
//! A line of its own at the head tells it from any other file, so that no file of the user's is ever taken for one,
//! overwritten or removed. Its content is not trusted: the module confirms it by SHA-256 or it is read again.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use bl702_flasher::plan::{FlashRange, MAX_FLASH_BYTES};

use crate::failure::Failure;

/// Length of the head: one line, padded with blanks.
const HEAD_BYTES: usize = 64;

/// A part file, made when there is something to put into it.
#[derive(Debug)]
pub(crate) struct PartFile {
    path: PathBuf,
    head: [u8; HEAD_BYTES],
    start: u32,
    file: Option<File>,
    stored: bool,
    trouble: Option<io::Error>,
}

impl PartFile {
    /// The part file for a backup of `range` (the whole flash, if `None`) into the file `target`, and what an earlier run
    /// has left in it.
    ///
    /// # Errors
    /// Exit status 2: there is one already and nobody said `resume`; or there is a file of this name that is no part file,
    /// or one of another range.
    pub(crate) fn begin(
        target: &Path,
        range: Option<FlashRange>,
        resume: bool,
    ) -> Result<(PartFile, Vec<u8>), Failure> {
        let mut name = target.as_os_str().to_owned();
        name.push(".part");
        let path = PathBuf::from(name);
        let head = head(range);
        let start = range.map_or(0, |range| range.start());
        let mut part = PartFile { path, head, start, file: None, stored: false, trouble: None };
        let bytes = match fs::symlink_metadata(&part.path) {
            Err(_) => Vec::new(),
            Ok(_) if !resume => {
                return Err(part.refused(
                    "it exists",
                    "If it is what an interrupted backup has left, add --resume to go on from it; otherwise remove it or name another file.",
                ));
            }
            Ok(found) if !found.is_file() => {
                return Err(part.refused("it is not a regular file", "Remove it or name another file."));
            }
            Ok(_) => part.open()?,
        };
        Ok((part, bytes))
    }

    fn refused(&self, reason: &str, hint: &'static str) -> Failure {
        let reason = reason.to_owned();
        Failure::File { path: self.path.clone(), action: "use the part file", reason, hint }
    }

    fn open(&mut self) -> Result<Vec<u8>, Failure> {
        let failed = |error: io::Error| Failure::io(&self.path, "read the part file", &error);
        let mut file = OpenOptions::new().read(true).write(true).open(&self.path).map_err(failed)?;
        let mut head = [0; HEAD_BYTES];
        let is_head = file.read_exact(&mut head).is_ok() && head.starts_with(MAGIC.as_bytes());
        if !is_head {
            return Err(self.refused(
                "it is no part file of this program",
                "It may be somebody's own: nothing was done to it. Move it away or name another file.",
            ));
        }
        if head != self.head {
            return Err(self.refused(
                "it is of a backup of another range",
                "Give the same --range as then, or remove it to begin anew.",
            ));
        }
        let mut bytes = Vec::new();
        // More than the largest flash is not looked at.
        (&file).take(u64::from(MAX_FLASH_BYTES)).read_to_end(&mut bytes).map_err(failed)?;
        self.file = Some(file);
        self.stored = !bytes.is_empty();
        Ok(bytes)
    }

    /// Puts bytes into it. That it fails is no reason to end the backup, which holds the bytes in memory as well.
    pub(crate) fn store(&mut self, range: FlashRange, bytes: &[u8]) {
        if self.trouble.is_some() {
            return;
        }
        match self.try_store(range, bytes) {
            Ok(()) => self.stored = true,
            Err(error) => self.trouble = Some(error),
        }
    }

    fn try_store(&mut self, range: FlashRange, bytes: &[u8]) -> io::Result<()> {
        let mut file = match self.file.take() {
            Some(file) => file,
            None => {
                let mut file = OpenOptions::new().write(true).create_new(true).open(&self.path)?;
                file.write_all(&self.head)?;
                file
            }
        };
        let offset = HEAD_BYTES as u64 + u64::from(range.start().saturating_sub(self.start));
        file.seek(SeekFrom::Start(offset))?;
        file.write_all(bytes)?;
        self.file = Some(file);
        Ok(())
    }

    /// After a backup that failed: sees to it that the bytes are on the disk; gives what to tell, if there is anything.
    pub(crate) fn keep(self) -> Option<String> {
        if let Some(error) = self.trouble {
            return Some(format!("the part file {} could not be written: {error}", self.path.display()));
        }
        let file = self.file.filter(|_| self.stored)?;
        let len = file.sync_all().and_then(|()| file.metadata()).map(|found| found.len());
        let bytes = len.unwrap_or_default().saturating_sub(HEAD_BYTES as u64);
        Some(format!(
            "{bytes} bytes that were read are kept in {}; the same command with --resume checks them by hash and goes on from there",
            self.path.display()
        ))
    }

    /// After a backup that went well: removes it.
    pub(crate) fn remove(self) {
        if self.file.is_some() {
            // That it stays behind changes nothing about the backup.
            let _ = fs::remove_file(&self.path);
        }
    }
}

const MAGIC: &str = "bl702-flash part file 1 ";

fn head(range: Option<FlashRange>) -> [u8; HEAD_BYTES] {
    let what = range.map_or("whole flash".to_owned(), |range| range.to_string());
    let mut head = [b' '; HEAD_BYTES];
    head[HEAD_BYTES - 1] = b'\n';
    for (to, from) in head[..HEAD_BYTES - 1].iter_mut().zip(format!("{MAGIC}{what}").bytes()) {
        *to = from;
    }
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(start: u32, end: u32) -> FlashRange {
        FlashRange::new(start, end).unwrap()
    }

    #[test]
    fn what_was_stored_is_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("flash.bin");
        let whole = Some(range(0x1000, 0x3000));
        let (mut part, bytes) = PartFile::begin(&target, whole, false).unwrap();
        assert!(bytes.is_empty());
        part.store(range(0x1000, 0x1004), b"abcd");
        part.store(range(0x1004, 0x1006), b"ef");
        part.store(range(0x1001, 0x1002), b"X");
        assert!(part.keep().unwrap().starts_with("6 bytes"));
        assert_eq!(PartFile::begin(&target, whole, false).unwrap_err().exit_code(), 2);
        assert_eq!(PartFile::begin(&target, None, true).unwrap_err().exit_code(), 2);
        let (part, bytes) = PartFile::begin(&target, whole, true).unwrap();
        assert_eq!(bytes, b"aXcdef");
        part.remove();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_file_of_the_users_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("flash.bin");
        let path = folder.path().join("flash.bin.part");
        for content in [&b""[..], b"precious", &[b'x'; 100]] {
            fs::write(&path, content).unwrap();
            for resume in [false, true] {
                assert_eq!(PartFile::begin(&target, None, resume).unwrap_err().exit_code(), 2);
            }
            assert_eq!(fs::read(&path).unwrap(), content);
        }
    }

    #[test]
    fn a_file_that_appeared_meanwhile_is_not_touched() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("flash.bin");
        let (mut part, _) = PartFile::begin(&target, None, true).unwrap();
        fs::write(folder.path().join("flash.bin.part"), b"somebody else's").unwrap();
        part.store(range(0, 4), b"abcd");
        assert!(part.keep().unwrap().contains("could not be written"));
        assert_eq!(fs::read(folder.path().join("flash.bin.part")).unwrap(), b"somebody else's");
    }

    #[test]
    fn nothing_read_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (part, _) = PartFile::begin(&folder.path().join("flash.bin"), None, false).unwrap();
        assert_eq!(part.keep(), None);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
