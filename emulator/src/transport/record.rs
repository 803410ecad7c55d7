//! Writing a recording while a module runs.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Seek, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use bl702_protocol::trace::{
    BytesRecord, Direction, EventRecord, LineLevels, LinesRecord, Record, parse_line, to_line,
};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::FlockOperation;
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use serde_json::{Value, json};

use crate::Nanos;
use crate::event::{Event, SessionEnd, Stage, TimedEvent};
use crate::line::Burst;

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

/// A recording under way.
#[derive(Debug)]
pub struct Recorder {
    path: PathBuf,
    file: File,
    pending: Vec<u8>,
    /// What the chip is sending, until it pauses: one record per run, however the driver cuts it.
    run: Option<Burst>,
}

impl Recorder {
    /// Begins a recording in `path`. An older recording there is replaced, anything else is not.
    pub fn create(path: &Path, profile: &str) -> Result<Recorder, RecordError> {
        let io_error = |doing| move |source| RecordError::Io { path: path.to_owned(), doing, source };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(io_error("creating"))?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Err(RecordError::InUse { path: path.to_owned() }),
            Err(errno) => return Err(io_error("locking")(errno.into())),
        }
        let mut first = String::new();
        // What is not text is not a recording either: an error leaves `first` without a header.
        let length = BufReader::new(&file).read_line(&mut first).unwrap_or(1);
        if length > 0 && !matches!(parse_line(first.trim_end()), Ok(Record::Header(_))) {
            return Err(RecordError::NotARecording { path: path.to_owned() });
        }
        file.set_len(0).and_then(|()| file.rewind()).map_err(io_error("emptying"))?;
        let mut recorder = Recorder { path: path.to_owned(), file, pending: Vec::new(), run: None };
        recorder.push(&Record::header(profile, concat!("bl702-emu ", env!("CARGO_PKG_VERSION"))));
        recorder.flush()?;
        Ok(recorder)
    }

    /// Bytes from the host, as the module hears them.
    pub fn host(&mut self, burst: &Burst) {
        self.end_run();
        self.push(&bytes_record(Direction::Host, burst.clone()));
    }

    /// Bytes that the chip has sent; `more` tells that its line is not quiet yet.
    pub fn chip(&mut self, burst: &Burst, more: bool) {
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
        let lines = LineLevels { enable: Some(enable_high), boot: Some(boot_high), ..LineLevels::default() };
        self.push(&Record::Lines(LinesRecord { time_ns: at, lines }));
    }

    /// Something the chip did.
    pub fn event(&mut self, timed: &TimedEvent) {
        let (name, detail) = describe(&timed.event);
        self.push(&Record::Event(EventRecord { time_ns: timed.at, event: name.to_owned(), detail }));
    }

    /// Writes what there is to the file, whole lines only.
    pub fn flush(&mut self) -> Result<(), RecordError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        self.file.write_all(&self.pending).map_err(|source| RecordError::Io {
            path: self.path.clone(),
            doing: "writing",
            source,
        })?;
        self.pending.clear();
        Ok(())
    }

    fn end_run(&mut self) {
        if let Some(run) = self.run.take() {
            self.push(&bytes_record(Direction::Chip, run));
        }
    }

    fn push(&mut self, record: &Record) {
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

/// Tells when a recording grows and when its [`Recorder`] is gone.
#[derive(Debug)]
pub struct Growth {
    reports: OwnedFd,
    /// Hangs up when the recorder has let go of its lock.
    recorder_gone: OwnedFd,
}

impl Growth {
    /// Watches the recording `path` from now on.
    pub fn of(path: &Path) -> io::Result<Growth> {
        let reports = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        inotify::add_watch(&reports, path, WatchFlags::MODIFY)?;
        let (recorder_gone, alive) = pipe_with(PipeFlags::CLOEXEC)?;
        let file = File::open(path)?;
        // The lock goes with the recorder's process, whatever ends that. To wait for it takes a thread; a report of the
        // close would come before the lock is gone.
        std::thread::Builder::new().name("recorder's end".to_owned()).spawn(move || {
            // An error ends the wait as well: without locks nobody can tell whether a recorder is there.
            while rustix::fs::flock(&file, FlockOperation::LockShared) == Err(Errno::INTR) {}
            drop(alive);
        })?;
        Ok(Growth { reports, recorder_gone })
    }

    /// Waits for the recording to grow, or takes growth since the last call; false when its recorder is gone.
    pub fn wait(&self) -> io::Result<bool> {
        let mut fds = [PollFd::new(&self.reports, PollFlags::IN), PollFd::new(&self.recorder_gone, PollFlags::IN)];
        match poll(&mut fds, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let goes_on = fds[1].revents().is_empty();
        let mut reports = [0; 4096];
        match rustix::io::read(&self.reports, &mut reports) {
            Ok(_) | Err(Errno::INTR | Errno::AGAIN) => Ok(goes_on),
            Err(errno) => Err(errno.into()),
        }
    }
}

fn bytes_record(direction: Direction, burst: Burst) -> Record {
    Record::Bytes(BytesRecord {
        time_ns: burst.start,
        direction,
        baud_bps: burst.baud_bps,
        bytes: burst.bytes,
    })
}

/// Name and particulars of an event in a recording.
fn describe(event: &Event) -> (&'static str, Value) {
    match event {
        Event::FlashInit => ("flash_init", Value::Null),
        Event::FlashErase { start, end } => ("flash_erase", json!({"start": start, "end": end})),
        Event::FlashWrite { address, length, .. } => {
            ("flash_write", json!({"address": address, "length": length}))
        }
        Event::EfuseProgram { offset, word } => ("efuse_program", json!({"offset": offset, "word": word})),
        Event::RegWrite { address, value } => ("reg_write", json!({"address": address, "value": value})),
        Event::CpuReset => ("cpu_reset", Value::Null),
        Event::SystemReset => ("system_reset", Value::Null),
        Event::Jump { address } => ("jump", json!({"address": address})),
        Event::BootFromFlash => ("boot_from_flash", Value::Null),
        Event::RomBoot2 => ("rom_boot2", Value::Null),
        Event::Pll { xtal_type, pll } => ("pll", json!({"xtal_type": xtal_type, "pll": pll})),
        Event::Fault => ("fault", Value::Null),
        Event::Stuck { reason } => ("stuck", json!({"reason": reason})),
        Event::Reset { boot_high } => ("reset", json!({"boot_high": boot_high})),
        Event::Handshake { stage, baud_bps } => {
            ("handshake", json!({"stage": name(*stage), "baud_bps": baud_bps}))
        }
        Event::Command { stage, id, payload, known, checksum_ok } => (
            "command",
            json!({
                "stage": name(*stage), "id": id, "payload_bytes": payload.len(), "known": known,
                "checksum_ok": checksum_ok,
            }),
        ),
        Event::Refused { stage, id, code } => {
            ("refused", json!({"stage": name(*stage), "id": id, "code": format!("{code:04X}")}))
        }
        Event::SkippedByte { byte } => ("skipped_byte", json!({"byte": byte})),
        Event::Reran { unknown_id, id } => ("reran", json!({"unknown_id": unknown_id, "id": id})),
        Event::SessionEnded { stage, why } => {
            ("session_ended", json!({"stage": name(*stage), "why": reason(*why)}))
        }
        Event::BytesLost { count, why } => ("bytes_lost", json!({"count": count, "why": why})),
        Event::FlashUnitErased { address, length } => {
            ("flash_unit_erased", json!({"address": address, "length": length}))
        }
        Event::FlashProgrammed { address, length } => {
            ("flash_programmed", json!({"address": address, "length": length}))
        }
    }
}

fn name(stage: Stage) -> &'static str {
    match stage {
        Stage::Rom => "rom",
        Stage::Loader => "loader",
    }
}

fn reason(why: SessionEnd) -> &'static str {
    match why {
        SessionEnd::Idle => "idle",
        SessionEnd::ThreeErrors => "three errors",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
