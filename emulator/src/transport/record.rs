//! Writing a recording while a module runs: to a file, and to those who follow it.

use std::fs::OpenOptions;
use std::io::{self, BufRead, BufReader, Seek, Write};
use std::path::{Path, PathBuf};

use bl702_protocol::trace::{
    BytesRecord, Direction, EventRecord, LineLevels, LinesRecord, Record, parse_line, to_line,
};
use tokio::sync::mpsc;

use crate::Nanos;
use crate::event::TimedEvent;
use crate::line::Burst;
use crate::module::Module;
use crate::transport::locked::Locked;
use crate::transport::wiring::ModemLines;

mod describe;
mod growth;

pub use growth::Growth;

use describe::describe;

/// The `tool` of a recording.
const TOOL: &str = concat!("bl702-emu ", env!("CARGO_PKG_VERSION"));

/// Why a recording is not made.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The file holds something that is not a recording.
    #[error("{path:?} exists and is not a recording; it was left as it is")]
    NotARecording {
        /// The file.
        path: PathBuf,
    },
    /// Another emulator writes it.
    #[error("{path:?} is being written by another emulator")]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The file system refused.
    #[error("{doing} the recording {path:?} failed: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
}

/// Takes the lines of a recording, whole lines at a time. One that does not keep up is left behind: its channel closes.
pub type Follower = mpsc::Sender<Vec<u8>>;

/// A recording under way; by default one that nobody wants.
#[derive(Debug, Default)]
pub struct Recorder {
    file: Option<(PathBuf, Locked)>,
    followers: Vec<Follower>,
    /// Lines that were not handed out yet.
    pending: Vec<u8>,
    /// What the chip is sending, until it pauses: one record per run, however the driver cuts it.
    run: Option<Burst>,
}

impl Recorder {
    /// Begins a recording in `path`. An older recording there is replaced, anything else is not.
    pub fn create(path: &Path, profile: &str) -> Result<Recorder, RecordError> {
        Recorder::create_as(path, profile, TOOL)
    }

    /// The same for a recording that is not made at the chip: `tool` tells where.
    pub fn create_as(path: &Path, profile: &str, tool: &str) -> Result<Recorder, RecordError> {
        let io_error = |doing| move |source| RecordError::Io { path: path.to_owned(), doing, source };
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(io_error("creating"))?;
        let file = Locked::take(file).map_err(io_error("locking"))?;
        let file = file.ok_or_else(|| RecordError::InUse { path: path.to_owned() })?;
        let mut first = String::new();
        // What is not text is not a recording either: an error leaves `first` without a header.
        let length = BufReader::new(&*file).read_line(&mut first).unwrap_or(1);
        if length > 0 && !matches!(parse_line(first.trim_end()), Ok(Record::Header(_))) {
            return Err(RecordError::NotARecording { path: path.to_owned() });
        }
        file.set_len(0).and_then(|()| (&*file).rewind()).map_err(io_error("emptying"))?;
        let file = Some((path.to_owned(), file));
        let mut recorder = Recorder { file, followers: Vec::new(), pending: Vec::new(), run: None };
        recorder.push(&Record::header(profile, tool));
        recorder.flush()?;
        Ok(recorder)
    }

    /// Lets `follower` have a recording that begins now: a header and the pins of `module`, then what happens.
    pub fn follow(&mut self, follower: Follower, module: &Module) -> Result<(), RecordError> {
        self.flush()?;
        let header = to_line(&Record::header(&module.profile().name, TOOL));
        let pins = to_line(&pins_record(module.now(), module.enable_high(), module.boot_high()));
        if follower.try_send(format!("{header}\n{pins}\n").into_bytes()).is_ok() {
            self.followers.push(follower);
        }
        Ok(())
    }

    /// Bytes from the host, as the module hears them.
    pub fn host(&mut self, burst: &Burst) {
        if self.is_unwanted() {
            return;
        }
        self.end_run();
        self.push(&bytes_record(Direction::Host, burst.clone()));
    }

    /// Bytes that the chip has sent; `more` tells that its line is not quiet yet.
    pub fn chip(&mut self, burst: &Burst, more: bool) {
        if self.is_unwanted() {
            return;
        }
        match &mut self.run {
            Some(run) if run.baud_bps == burst.baud_bps && burst.start.since(run.end()).0 <= 1_000 => {
                run.bytes.extend_from_slice(&burst.bytes);
            }
            _ => {
                self.end_run();
                self.run = Some(burst.clone());
            }
        }
        if !more {
            self.end_run();
        }
    }

    /// Levels at the module's pins.
    pub fn pins(&mut self, at: Nanos, enable_high: bool, boot_high: bool) {
        self.end_run();
        self.push(&pins_record(at, enable_high, boot_high));
    }

    /// Modem lines as a program sets them.
    pub fn modem_lines(&mut self, at: Nanos, lines: ModemLines) {
        self.end_run();
        let lines = LineLevels { dtr: Some(lines.dtr), rts: Some(lines.rts), ..LineLevels::default() };
        self.push(&Record::Lines(LinesRecord { time_ns: at, lines }));
    }

    /// Something the chip did.
    pub fn event(&mut self, timed: &TimedEvent) {
        if self.is_unwanted() {
            return;
        }
        let (name, detail) = describe(&timed.event);
        self.push(&Record::Event(EventRecord { time_ns: timed.at, event: name.to_owned(), detail }));
    }

    /// Writes what there is to the file and hands it to the followers, whole lines only.
    pub fn flush(&mut self) -> Result<(), RecordError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let lines = std::mem::take(&mut self.pending);
        self.followers.retain(|follower| follower.try_send(lines.clone()).is_ok());
        if let Some((path, file)) = &self.file {
            (&**file).write_all(&lines).map_err(|source| RecordError::Io {
                path: path.clone(),
                doing: "writing",
                source,
            })?;
        }
        Ok(())
    }

    fn is_unwanted(&self) -> bool {
        self.file.is_none() && self.followers.is_empty()
    }

    fn end_run(&mut self) {
        if let Some(run) = self.run.take() {
            self.push(&bytes_record(Direction::Chip, run));
        }
    }

    fn push(&mut self, record: &Record) {
        if self.is_unwanted() {
            return;
        }
        self.pending.extend_from_slice(to_line(record).as_bytes());
        self.pending.push(b'\n');
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.end_run();
        // An error here has nobody left to hear it; each earlier one ended the run.
        let _ = self.flush();
    }
}

fn pins_record(at: Nanos, enable_high: bool, boot_high: bool) -> Record {
    let lines = LineLevels { enable: Some(enable_high), boot: Some(boot_high), ..LineLevels::default() };
    Record::Lines(LinesRecord { time_ns: at, lines })
}

fn bytes_record(direction: Direction, burst: Burst) -> Record {
    Record::Bytes(BytesRecord {
        time_ns: burst.start,
        direction,
        baud_bps: burst.baud_bps,
        bytes: burst.bytes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Profile;

    fn burst(start_us: u64, bytes: &[u8]) -> Burst {
        Burst { start: Nanos::from_micros(start_us), baud_bps: 500_000, bytes: bytes.to_vec() }
    }

    fn records(path: &Path) -> Vec<Record> {
        std::fs::read_to_string(path).unwrap().lines().map(|line| parse_line(line).unwrap()).collect()
    }

    #[test]
    fn a_reply_cut_by_the_driver_is_one_record() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("recording.jsonl");
        let mut recorder = Recorder::create(&path, "xt-zb2").unwrap();
        recorder.host(&burst(0, &[0x55; 3]));
        recorder.chip(&burst(8_000, b"O"), true);
        recorder.chip(&burst(8_020, b"K"), false);
        recorder.flush().unwrap();
        let found = records(&path);
        assert_eq!(found.len(), 3);
        assert!(matches!(&found[0], Record::Header(header) if header.profile == "xt-zb2"));
        assert_eq!(found[2], bytes_record(Direction::Chip, burst(8_000, b"OK")));
    }

    #[test]
    fn a_follower_gets_a_recording_of_its_own_and_a_slow_one_is_left_behind() {
        let module = Module::new(Profile::builtin("xt-zb2").unwrap());
        let mut recorder = Recorder::default();
        recorder.host(&burst(0, b"nobody hears this"));
        recorder.flush().unwrap();
        let (follower, mut lines) = mpsc::channel(8);
        let (slow, mut few_lines) = mpsc::channel(1);
        recorder.follow(follower, &module).unwrap();
        recorder.follow(slow, &module).unwrap();
        recorder.chip(&burst(10, b"OK"), false);
        recorder.flush().unwrap();
        let mut followed = Vec::new();
        while let Ok(piece) = lines.try_recv() {
            followed.extend(piece);
        }
        let text = String::from_utf8(followed).unwrap();
        let found: Vec<_> = text.lines().map(|line| parse_line(line).unwrap()).collect();
        assert!(matches!(&found[0], Record::Header(header) if header.profile == "xt-zb2"));
        assert_eq!(
            found[1..],
            [pins_record(Nanos::ZERO, true, true), bytes_record(Direction::Chip, burst(10, b"OK"))]
        );
        assert!(few_lines.try_recv().is_ok());
        assert_eq!(few_lines.try_recv(), Err(mpsc::error::TryRecvError::Disconnected));
    }

    #[test]
    fn a_recording_is_replaced_and_other_files_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("recording.jsonl");
        for _ in 0..2 {
            Recorder::create(&path, "xt-zb2").unwrap().host(&burst(0, b"x"));
            assert_eq!(records(&path).len(), 2);
        }
        for precious in [&b"notes"[..], &[0xff; 300], b"\n"] {
            std::fs::write(&path, precious).unwrap();
            let error = Recorder::create(&path, "xt-zb2").unwrap_err();
            assert!(matches!(error, RecordError::NotARecording { .. }), "{error}");
            assert_eq!(std::fs::read(&path).unwrap(), precious);
        }
    }
}
