//! A request-response loop without any protocol, between two processes and through a pty: what the kernel allows.
//!
//! The client writes as many bytes as a request to read flash has, the server answers with as many as the largest answer
//! has, and so on. Both block in `read`, and nothing else happens.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use bl702_protocol::frame::LOADER_MAX_READ;
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::OptionalActions;

use super::Stopwatch;
use crate::images;

/// The word that makes a benchmark's program the client: `CLIENT PATH BYTES`.
pub const CLIENT: &str = "--be-the-client-of-a-bare-loop";

/// A read of the RAM loader: 4 bytes of header, address, length (`reference/loader-protocol.md` section 4).
const REQUEST_BYTES: usize = 12;
/// `OK`, and the length.
const HEAD_BYTES: usize = 4;

/// How many bytes a second the loop moves, `bytes` in all, headers left out of the account.
///
/// The calling program is run once more, as the client: it has to call [`be_the_client`] first thing in `main`.
///
/// # Panics
/// If there is no pty, or the client fails or finds wrong bytes.
pub fn bytes_per_s(bytes: usize) -> f64 {
    let (mut master, slave) = open_pty();
    let path = PathBuf::from(std::ffi::OsStr::new(
        ptsname(&master, Vec::new()).expect("a name of the pty").to_str().expect("a plain name"),
    ));
    let own = std::env::current_exe().expect("no path of this program");
    let client = Command::new(own)
        .arg(CLIENT)
        .arg(&path)
        .arg(bytes.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .expect("cannot run this program again");
    let contents = images::pattern(bytes);
    for block in contents.chunks(LOADER_MAX_READ) {
        let mut request = [0; REQUEST_BYTES];
        master.read_exact(&mut request).expect("the client of the bare loop is gone");
        let mut answer = vec![0; HEAD_BYTES];
        answer.extend_from_slice(block);
        master.write_all(&answer).expect("the client of the bare loop is gone");
    }
    let output = client.wait_with_output().expect("the client of the bare loop is gone");
    assert!(output.status.success(), "the client of the bare loop failed");
    // Until here, so that the pty has somebody on either side.
    drop(slave);
    let seconds: f64 = String::from_utf8_lossy(&output.stdout).trim().parse().expect("seconds");
    bytes as f64 / seconds
}

/// If the program was started as the client, does the client's work and says so.
///
/// # Panics
/// On wrong bytes, and if the server is gone.
pub fn be_the_client() -> bool {
    let words: Vec<String> = std::env::args().collect();
    let Some(at) = words.iter().position(|word| word == CLIENT) else { return false };
    let path = Path::new(&words[at + 1]);
    let bytes: usize = words[at + 2].parse().expect("a number of bytes");
    let mut port = open_raw(path);
    let expected = images::pattern(bytes);
    let mut answer = vec![0; HEAD_BYTES + LOADER_MAX_READ];
    let watch = Stopwatch::start();
    let mut right = true;
    for block in expected.chunks(LOADER_MAX_READ) {
        port.write_all(&[0x32; REQUEST_BYTES]).expect("the server of the bare loop is gone");
        let answer = &mut answer[..HEAD_BYTES + block.len()];
        port.read_exact(answer).expect("the server of the bare loop is gone");
        right &= answer[HEAD_BYTES..] == *block;
    }
    let seconds = watch.elapsed().as_secs_f64();
    assert!(right, "WRONG DATA through a bare loop");
    println!("{seconds}");
    true
}

/// A pty in raw mode, and its slave, which keeps it alive.
fn open_pty() -> (File, File) {
    let master: OwnedFd =
        openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("no pty");
    grantpt(&master).and_then(|()| unlockpt(&master)).expect("no pty");
    let name = ptsname(&master, Vec::new()).expect("a name of the pty");
    let slave = open_raw(Path::new(name.to_str().expect("a plain name")));
    (File::from(master), slave)
}

fn open_raw(path: &Path) -> File {
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let port = rustix::fs::open(path, flags, Mode::empty()).expect("cannot open the pty");
    let mut settings = rustix::termios::tcgetattr(&port).expect("a terminal");
    settings.make_raw();
    rustix::termios::tcsetattr(&port, OptionalActions::Now, &settings).expect("a terminal");
    File::from(port)
}
