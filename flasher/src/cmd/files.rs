//! Files: pieces to write, a backup that appears whole or not at all, rescued sectors.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use bl702_flasher::error::Rescue;
use bl702_flasher::image::Part;
use bl702_flasher::plan::{MAX_FLASH_BYTES, Place, PlacedFile, PlacedFiles, parse_number};
use tempfile::NamedTempFile;

use super::Outcome;
use crate::failure::Failure;

/// A piece as named on the command line: where it goes and which file it is.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Named {
    place: Option<Place>,
    path: PathBuf,
}

/// What stands before the first `=` is a number or the name of a partition, unless it has a `/`: then all of it is the
/// name of a file.
fn name(text: &str) -> Named {
    match text.split_once('=') {
        Some((place, path)) if !place.contains('/') => {
            let address = parse_number(place).map(Place::Address);
            let place = address.unwrap_or_else(|_| Place::Partition(place.to_owned()));
            Named { place: Some(place), path: PathBuf::from(path) }
        }
        _ => Named { place: None, path: PathBuf::from(text) },
    }
}

/// Pieces with their addresses, which may overlap and lie anywhere: any number of `ADDRESS=FILE`.
pub(crate) fn read_parts(texts: &[String]) -> Result<Vec<Part>, Failure> {
    let hint = "Each file needs an address below 4 GiB, as 0x2000=firmware.bin.";
    let parts = texts.iter().map(|text| {
        let named = name(text);
        let address = match named.place {
            Some(Place::Address(address)) => u32::try_from(address).ok(),
            _ => None,
        };
        let address = address.ok_or_else(|| Failure::usage(format!("{text} has no usable address"), hint))?;
        Ok(Part { address, data: read_file(&named.path)? })
    });
    parts.collect()
}

/// Writes a file that is made here: beside its place first, synced, renamed; `-` is standard output.
pub(crate) fn write_output(
    path: &Path,
    force: bool,
    bytes: &[u8],
    outcome: &mut Outcome,
) -> Result<(), Failure> {
    if path == Path::new("-") {
        outcome.data = Some(bytes.to_vec());
        return Ok(());
    }
    NewFile::begin(path, force)?.finish(bytes).map(|_| ())
}

/// Reads the pieces: any number of `ADDRESS=FILE` and `PARTITION=FILE`, or one `FILE` for address 0.
pub(crate) fn read_pieces(texts: &[String]) -> Result<PlacedFiles, Failure> {
    let files = texts.iter().map(|text| {
        let named = name(text);
        let place = match named.place {
            Some(place) => checked(place, text)?,
            None if texts.len() == 1 => Place::Address(0),
            None => {
                return Err(Failure::usage(
                    format!("{text} has no address"),
                    "With more than one file each needs an address or a partition, as 0x2000=firmware.bin or FW=firmware.bin.",
                ));
            }
        };
        Ok(PlacedFile { place, bytes: read_file(&named.path)? })
    });
    Ok(PlacedFiles::new(files.collect::<Result<Vec<_>, Failure>>()?)?)
}

/// Refuses what can be no partition, so that a mistyped address shows before anything is sent.
fn checked(place: Place, text: &str) -> Result<Place, Failure> {
    match &place {
        Place::Partition(name) if !is_partition_name(name) => Err(Failure::usage(
            format!("{name:?} in {text} is neither an address nor the name of a partition"),
            "Addresses are hexadecimal (0x2000) or decimal, sizes may end in KiB or MiB; names of partitions have 1 to 9 characters. A file with a = in its name needs its address, as 0=a=b.bin.",
        )),
        _ => Ok(place),
    }
}

/// Names have at most nine bytes; one that begins as a number is most probably a number with a slip in it.
pub(crate) fn is_partition_name(name: &str) -> bool {
    (1..=9).contains(&name.len()) && !name.starts_with(|first: char| first.is_ascii_digit())
}

/// A whole file of at most 16 MiB, not empty.
pub(crate) fn read_file(path: &Path) -> Result<Vec<u8>, Failure> {
    let refused = |error: io::Error| Failure::io(path, "read", &error);
    let file = File::open(path).map_err(refused)?;
    if file.metadata().map_err(refused)?.is_dir() {
        let reason = "it is a directory".to_owned();
        return Err(Failure::File { path: path.into(), action: "read", reason, hint: "Name a file." });
    }
    let limit = u64::from(MAX_FLASH_BYTES);
    let mut bytes = Vec::new();
    // One byte more than allowed shows that there is more.
    file.take(limit + 1).read_to_end(&mut bytes).map_err(refused)?;
    let wrong = match bytes.len() as u64 {
        0 => "it is empty".to_owned(),
        len if len > limit => "it is larger than 16 MiB, the largest flash".to_owned(),
        _ => return Ok(bytes),
    };
    Err(Failure::File { path: path.into(), action: "use", reason: wrong, hint: "Name the right file." })
}

/// A file to be, hidden beside its place until it is complete.
#[derive(Debug)]
pub(crate) struct NewFile {
    path: PathBuf,
    file: NamedTempFile,
    replace: bool,
}

impl NewFile {
    /// Makes sure that the file can be written, and refuses to replace one unless `replace`.
    pub(crate) fn begin(path: &Path, replace: bool) -> Result<NewFile, Failure> {
        // A link is followed, so that what it points to is replaced and not the link.
        let path = &path.canonicalize().unwrap_or_else(|_| path.to_owned());
        match fs::symlink_metadata(path) {
            Ok(found) if !found.is_file() => {
                let reason = "it exists and is not a regular file".to_owned();
                let hint = "Name a new file, or `-` for standard output.";
                return Err(Failure::File { path: path.clone(), action: "write", reason, hint });
            }
            Ok(_) if !replace => {
                let reason = "it exists".to_owned();
                let hint = "Name another file, or give --force to replace it.";
                return Err(Failure::File { path: path.clone(), action: "write", reason, hint });
            }
            _ => {}
        }
        let folder = folder_of(path);
        fs::metadata(folder).map_err(|error| Failure::io(path, "create", &error))?;
        let mut builder = tempfile::Builder::new();
        builder.prefix(".bl702-flash-").suffix(".part");
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        // Of the error only the kind: its text names the hidden file.
        let file = builder
            .tempfile_in(folder)
            .map_err(|error| Failure::io(path, "create a file beside", &error.kind().into()))?;
        Ok(NewFile { path: path.clone(), file, replace })
    }

    /// Writes the bytes, makes sure that they are on the disk, and gives the file its name.
    pub(crate) fn finish(mut self, bytes: &[u8]) -> Result<PathBuf, Failure> {
        let refused = |error: io::Error| Failure::io(&self.path, "write", &error);
        self.file.write_all(bytes).and_then(|()| self.file.as_file().sync_all()).map_err(refused)?;
        let named = if self.replace {
            self.file.persist(&self.path)
        } else {
            self.file.persist_noclobber(&self.path)
        };
        named.map_err(|error| Failure::io(&self.path, "create", &error.error))?;
        // The name, too, has to reach the disk. Some file systems cannot sync folders; then nothing more can be done.
        #[cfg(unix)]
        let _ = File::open(folder_of(&self.path)).and_then(|folder| folder.sync_all());
        Ok(self.path)
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Writes data to standard output.
pub(crate) fn write_stdout(bytes: &[u8]) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(bytes).and_then(|()| stdout.flush());
    written.map_err(|error| Failure::io("standard output", "write", &error))
}

/// Writes a rescued sector to a new file in the working folder.
pub(crate) fn write_rescue(rescue: &Rescue) -> Result<PathBuf, Failure> {
    let plain = PathBuf::from(format!("bl702-rescue-{:#08x}.bin", rescue.address));
    let numbered = (1..100).map(|n| PathBuf::from(format!("bl702-rescue-{:#08x}-{n}.bin", rescue.address)));
    let free = std::iter::once(plain.clone()).chain(numbered).find(|path| !path.exists()).unwrap_or(plain);
    NewFile::begin(&free, false)?.finish(&rescue.bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("fw.bin", None, "fw.bin")]
    #[case("0x2000=fw.bin", Some(Place::Address(0x2000)), "fw.bin")]
    #[case("8KiB=fw=2.bin", Some(Place::Address(0x2000)), "fw=2.bin")]
    #[case("FW=fw=2.bin", Some(Place::Partition("FW".to_owned())), "fw=2.bin")]
    #[case("./build=3.bin", None, "./build=3.bin")]
    #[case("0=", Some(Place::Address(0)), "")]
    fn names(#[case] text: &str, #[case] place: Option<Place>, #[case] path: &str) {
        assert_eq!(name(text), Named { place, path: PathBuf::from(path) });
    }

    #[rstest]
    #[case("FW", true)]
    #[case("media", true)]
    #[case("0x20O0", false)]
    #[case("factory-10", false)]
    #[case("", false)]
    fn partition_names(#[case] name: &str, #[case] is_one: bool) {
        assert_eq!(is_partition_name(name), is_one);
    }

    #[test]
    fn a_new_file_appears_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("flash.bin");
        drop(NewFile::begin(&path, false).unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        NewFile::begin(&path, false).unwrap().finish(b"whole").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"whole");
        assert_eq!(NewFile::begin(&path, false).unwrap_err().exit_code(), 2);
        NewFile::begin(&path, true).unwrap().finish(b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_appeared_meanwhile_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("flash.bin");
        let file = NewFile::begin(&path, false).unwrap();
        fs::write(&path, b"somebody else's").unwrap();
        assert_eq!(file.finish(b"ours").unwrap_err().exit_code(), 2);
        assert_eq!(fs::read(&path).unwrap(), b"somebody else's");
    }

    #[test]
    fn folders_and_devices_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(NewFile::begin(folder.path(), true).unwrap_err().exit_code(), 2);
        assert_eq!(NewFile::begin(Path::new("/dev/null"), true).unwrap_err().exit_code(), 2);
        assert_eq!(NewFile::begin(&folder.path().join("no/such/folder"), true).unwrap_err().exit_code(), 2);
        assert_eq!(read_pieces(&[folder.path().display().to_string()]).unwrap_err().exit_code(), 2);
    }

    #[test]
    fn several_files_need_addresses() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a");
        fs::write(&file, b"abc").unwrap();
        let file = file.display().to_string();
        assert_eq!(read_pieces(std::slice::from_ref(&file)).unwrap().iter().count(), 1);
        assert!(matches!(read_pieces(&[file.clone(), file.clone()]), Err(Failure::Usage { .. })));
        let both = [format!("0x10={file}"), format!("0={file}")];
        assert_eq!(read_pieces(&both).unwrap().iter().count(), 2);
        let overlapping = [format!("0x2={file}"), format!("0={file}")];
        assert_eq!(read_pieces(&overlapping).unwrap_err().exit_code(), 2);
    }
}
