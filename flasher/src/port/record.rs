//! A port that writes down what goes over it.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use bl702_protocol::time::Nanos;
use bl702_protocol::trace::{Direction, LineLevels, LinesRecord, Record, to_line};

use super::{AdapterLatency, Port, PortError};
use crate::reset::Lines;

/// A port and a recording of all its bytes and lines, in the format of `bl702_protocol::trace`.
#[derive(Debug)]
pub struct Recorder<P> {
    port: P,
    file: BufWriter<File>,
    path: PathBuf,
    baud_bps: u32,
    /// When the last byte that was written has left, so that records are in order of their bytes on the wire.
    sent_at: Nanos,
}

impl<P: Port> Recorder<P> {
    /// Records `port`, which is at rate `baud_bps`, into a new file.
    ///
    /// # Errors
    /// [`PortError::Recording`]
    pub fn create(port: P, path: &Path, name: &str, baud_bps: u32) -> Result<Recorder<P>, PortError> {
        let file = File::create(path)
            .map_err(|error| PortError::Recording { path: path.to_owned(), reason: error.to_string() })?;
        let sent_at = port.now();
        let mut recorder =
            Recorder { port, file: BufWriter::new(file), path: path.to_owned(), baud_bps, sent_at };
        recorder.put(&Record::header(name, concat!("bl702-flash ", env!("CARGO_PKG_VERSION"))))?;
        Ok(recorder)
    }

    fn put(&mut self, record: &Record) -> Result<(), PortError> {
        writeln!(self.file, "{}", to_line(record))
            .map_err(|error| PortError::Recording { path: self.path.clone(), reason: error.to_string() })
    }
}

impl<P: Port> Port for Recorder<P> {
    fn now(&self) -> Nanos {
        self.port.now()
    }

    fn read(&mut self, buffer: &mut [u8], until: Nanos) -> Result<usize, PortError> {
        let count = self.port.read(buffer, until)?;
        if count > 0 {
            // Only the end of the bytes can be seen from here; their start follows from the rate.
            let start = self.port.now() - Nanos::byte_times(count as u64, self.baud_bps);
            self.put(&Record::bytes(start, Direction::Chip, self.baud_bps, &buffer[..count]))?;
        } else {
            // Nothing is going on, so there is time to write things down.
            let flushed = self.file.flush();
            flushed.map_err(|error| PortError::Recording {
                path: self.path.clone(),
                reason: error.to_string(),
            })?;
        }
        Ok(count)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), PortError> {
        let start = self.port.now().max(self.sent_at);
        self.sent_at = start + Nanos::byte_times(bytes.len() as u64, self.baud_bps);
        self.put(&Record::bytes(start, Direction::Host, self.baud_bps, bytes))?;
        self.port.write(bytes)
    }

    fn set_baud(&mut self, baud_bps: u32) -> Result<(), PortError> {
        self.baud_bps = baud_bps;
        self.port.set_baud(baud_bps)
    }

    fn has_lines(&mut self) -> bool {
        self.port.has_lines()
    }

    fn set_lines(&mut self, lines: Lines) -> Result<(), PortError> {
        let levels = LineLevels { dtr: Some(lines.dtr), rts: Some(lines.rts), ..LineLevels::default() };
        let time_ns = self.port.now();
        self.put(&Record::Lines(LinesRecord { time_ns, lines: levels }))?;
        self.port.set_lines(lines)
    }

    fn purge_input(&mut self) -> Result<(), PortError> {
        self.port.purge_input()
    }

    fn round_trip(&self) -> Nanos {
        self.port.round_trip()
    }

    fn adapter_latency(&self) -> AdapterLatency {
        self.port.adapter_latency()
    }
}
