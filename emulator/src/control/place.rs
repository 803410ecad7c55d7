//! Where control sockets are.
//!
//! | started with | socket |
//! |---|---|
//! | `--control PATH` | PATH |
//! | `--link LINK` | LINK.sock |
//! | neither | `pts-N.PID.sock` in the [runtime directory](runtime_directory), for the pty `/dev/pts/N` of process PID |
//!
//! A socket that is elsewhere has a symbolic link of the third form, so that the pty's path leads to it as well.
//!
//! The kernel gives a pty's number to the next emulator as soon as the pty is closed, while the one before may still be
//! ending, or was killed and has left its socket. With the process id in it no name is ever wanted by two at once.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::process::{Pid, test_kill_process};

/// The end of all names.
const ENDING: &str = ".sock";

/// This user's directory of sockets: `$XDG_RUNTIME_DIR/bl702-emu`, or `bl702-emu-UID` among the temporary files.
pub fn runtime_directory() -> PathBuf {
    let given = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute());
    match given {
        Some(directory) => directory.join("bl702-emu"),
        None => env::temp_dir().join(format!("bl702-emu-{}", rustix::process::getuid().as_raw())),
    }
}

/// Makes the runtime directory, for this user only, if it is not there.
///
/// # Errors
/// What the file system says; [`io::ErrorKind::PermissionDenied`] when it belongs to somebody else or others may write
/// to it.
pub fn make_runtime_directory() -> io::Result<PathBuf> {
    let path = runtime_directory();
    match DirBuilder::new().mode(0o700).create(&path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => made?,
    }
    let found = fs::symlink_metadata(&path)?;
    let is_ours = found.uid() == rustix::process::getuid().as_raw() && found.mode() & 0o022 == 0;
    if found.is_dir() && is_ours {
        Ok(path)
    } else {
        Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            format!("{path:?} is not this user's own directory"),
        ))
    }
}

/// What the names of a pty's sockets begin with: `pts-7.` for `/dev/pts/7`.
fn beginning_for_pty(pty: &Path) -> OsString {
    let path = pty.strip_prefix("/dev").unwrap_or(pty);
    let name: Vec<_> = path.iter().filter(|part| *part != "/").collect();
    let mut name = name.join(OsStr::new("-"));
    name.push(".");
    name
}

/// The place in the runtime directory for the socket (or the link to it) of a pty that this process has just opened.
///
/// What emulators that were killed have left in the directory is removed.
///
/// # Errors
/// Those of [`make_runtime_directory`].
pub fn claim_for_pty(pty: &Path) -> io::Result<PathBuf> {
    let directory = make_runtime_directory()?;
    let beginning = beginning_for_pty(pty);
    sweep(&directory, &beginning);
    let mut name = beginning;
    name.push(format!("{}{ENDING}", std::process::id()));
    Ok(directory.join(name))
}

/// Removes the sockets, and links to sockets, at which nobody answers: of processes that have ended, and of this pty's
/// number, which nobody else has now.
fn sweep(directory: &Path, beginning: &OsStr) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let is_candidate = name.as_bytes().starts_with(beginning.as_bytes())
            || process_of(&name).is_some_and(|process| !is_running(process));
        if is_candidate && is_abandoned(&entry.path()) {
            // Another emulator may be sweeping too, and what stays is in nobody's way.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// The process id in the name of a socket.
fn process_of(name: &OsStr) -> Option<Pid> {
    let (_, process) = name.to_str()?.strip_suffix(ENDING)?.rsplit_once('.')?;
    Pid::from_raw(process.parse().ok().filter(|process| *process > 0)?)
}

fn is_running(process: Pid) -> bool {
    // Of another user's process it says that it may not be signalled, so it is there.
    test_kill_process(process) != Err(rustix::io::Errno::SRCH)
}

/// Whether `path` is a socket, or a link to one or to nothing, and nobody listens.
fn is_abandoned(path: &Path) -> bool {
    let is_ours = |found: fs::Metadata| found.file_type().is_symlink() || found.file_type().is_socket();
    let refused = [io::ErrorKind::ConnectionRefused, io::ErrorKind::NotFound];
    fs::symlink_metadata(path).is_ok_and(is_ours)
        && UnixStream::connect(path).is_err_and(|error| refused.contains(&error.kind()))
}

/// The socket of a link: `module.sock` for `module`.
pub fn beside_link(link: &Path) -> PathBuf {
    let mut name = link.as_os_str().to_owned();
    name.push(".sock");
    PathBuf::from(name)
}

/// The socket that `path` means: itself, or that of a link or a pty.
///
/// # Errors
/// All the places where none was found.
pub fn resolve(path: &Path) -> Result<PathBuf, Vec<PathBuf>> {
    let is_socket = |path: &PathBuf| fs::metadata(path).is_ok_and(|found| found.file_type().is_socket());
    let mut places = vec![path.to_owned(), beside_link(path)];
    if let Some(place) = places.iter().find(|place| is_socket(place)) {
        return Ok(place.clone());
    }
    let Ok(target) = fs::canonicalize(path) else { return Err(places) };
    let beginning = beginning_for_pty(&target);
    let found = newest_first(&runtime_directory(), &beginning);
    // Of several, all but one are of emulators that have ended or are about to.
    let answers = |place: &&PathBuf| UnixStream::connect(place).is_ok();
    if let Some(place) = found.iter().find(answers).or(found.first()) {
        return Ok(place.clone());
    }
    let mut pattern = beginning;
    pattern.push(format!("*{ENDING}"));
    places.push(runtime_directory().join(pattern));
    Err(places)
}

/// The sockets of a pty's number.
fn newest_first(directory: &Path, beginning: &OsStr) -> Vec<PathBuf> {
    let mut found: Vec<(SystemTime, PathBuf)> = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let name = entry.file_name();
        if !name.as_bytes().starts_with(beginning.as_bytes()) || process_of(&name).is_none() {
            continue;
        }
        // A link's own time: that of the emulator's start.
        if let Ok(made) = fs::symlink_metadata(entry.path()).and_then(|found| found.modified()) {
            found.push((made, entry.path()));
        }
    }
    found.sort();
    found.into_iter().rev().map(|(_, path)| path).collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("/dev/pts/7", "pts-7.")]
    #[case("/tmp/pts/7", "tmp-pts-7.")]
    fn names(#[case] pty: &str, #[case] beginning: &str) {
        assert_eq!(beginning_for_pty(Path::new(pty)), beginning);
    }

    #[rstest]
    #[case::a_socket("pts-7.12.sock", Some(12))]
    #[case::of_the_first_form("pts-7.sock", None)]
    #[case::no_socket("pts-7.12", None)]
    #[case::no_process("pts-7.0.sock", None)]
    #[case::negative("pts-7.-1.sock", None)]
    fn processes_in_names(#[case] name: &str, #[case] process: Option<i32>) {
        assert_eq!(process_of(OsStr::new(name)), process.and_then(Pid::from_raw));
    }

    /// No process has this id: it is beyond what the kernel gives.
    const NOBODY: &str = "2000000000";

    #[test]
    fn only_what_nobody_answers_at_is_swept() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let own = std::process::id();
        let bind = |name: &str| std::os::unix::net::UnixListener::bind(path(name)).unwrap();
        let ended = format!("pts-3.{NOBODY}.sock");
        let (running, this_number) = (format!("pts-3.{own}.sock"), format!("pts-7.{own}.sock"));
        let living = [format!("pts-4.{NOBODY}.sock"), format!("pts-7.{NOBODY}.sock")];
        let link = format!("pts-5.{NOBODY}.sock");
        let beyond = format!("pts-77.{own}.sock");
        let text = format!("pts-6.{NOBODY}.sock");
        for dead in [&ended, &running, &this_number, &beyond] {
            drop(bind(dead));
        }
        let _listening = living.each_ref().map(|name| bind(name));
        std::os::unix::fs::symlink(path("nowhere"), path(&link)).unwrap();
        fs::write(path(&text), "precious").unwrap();

        sweep(dir.path(), OsStr::new("pts-7."));
        for gone in [&ended, &this_number, &link] {
            assert!(fs::symlink_metadata(path(gone)).is_err(), "{gone}");
        }
        // One of a process that runs may be about to listen.
        for kept in [&running, &beyond, &living[0], &living[1], &text] {
            assert!(path(kept).exists(), "{kept}");
        }
    }

    #[test]
    fn the_newest_socket_comes_first() {
        let dir = tempfile::tempdir().unwrap();
        let make = |name: &str, age_s: u64| {
            let file = fs::File::create(dir.path().join(name)).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1000 - age_s)).unwrap();
        };
        make("pts-7.30.sock", 20);
        make("pts-7.4.sock", 10);
        make("pts-7.50.sock", 30);
        make("pts-70.1.sock", 0);
        let found = newest_first(dir.path(), OsStr::new("pts-7."));
        let names: Vec<_> = found.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["pts-7.4.sock", "pts-7.30.sock", "pts-7.50.sock"]);
    }

    #[test]
    fn a_path_means_itself_or_its_neighbour() {
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("module");
        std::os::unix::fs::symlink("/dev/null", &link).unwrap();
        let places = resolve(&link).unwrap_err();
        assert_eq!(places[..2], [link.clone(), beside_link(&link)]);
        assert!(places[2].ends_with("null.*.sock"));
        let _socket = std::os::unix::net::UnixListener::bind(beside_link(&link)).unwrap();
        assert_eq!(resolve(&link).unwrap(), beside_link(&link));
        assert_eq!(resolve(&beside_link(&link)).unwrap(), beside_link(&link));
        fs::write(dir.path().join("file.sock"), "no socket").unwrap();
        assert!(resolve(&dir.path().join("file")).is_err());
    }
}
