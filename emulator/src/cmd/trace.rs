//! `bl702-emu trace`: a recording as text for people.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use bl702_emulator::transport::record::Growth;
use bl702_protocol::trace::{DecodedLine, Dissector, LineError, RecordReader};
use clap::Args;

use super::failure::Failure;

/// TraceArgs of `trace`.
#[derive(Args, Debug)]
pub(crate) struct TraceArgs {
    /// The recording, or `-` for standard input
    file: PathBuf,

    /// Go on as the recording grows, until the emulator that writes it ends
    #[arg(long)]
    follow: bool,
}

/// Prints the decoded recording.
pub(crate) fn run(arguments: &TraceArgs) -> Result<(), Failure> {
    let mut listing = Listing::new(&arguments.file);
    let done = if arguments.file == Path::new("-") {
        listing.read_to_end(&mut io::stdin().lock())
    } else {
        follow(&arguments.file, arguments.follow, &mut listing)
    };
    match done.and_then(|()| listing.finish()) {
        Err(Stop::ReaderGone) => Ok(()),
        Err(Stop::Failure(failure)) => Err(failure),
        Ok(()) => Ok(()),
    }
}

/// Why a listing ends before its recording.
pub(super) enum Stop {
    /// Nobody reads standard output any more (`| head`).
    ReaderGone,
    Failure(Failure),
}

fn follow(path: &Path, follow: bool, listing: &mut Listing) -> Result<(), Stop> {
    let cannot = |doing: &str, error: io::Error| {
        let what = format!("cannot {doing} {path:?}: {error}");
        Stop::Failure(Failure::usage(what, "give a file made with --record"))
    };
    let mut file = File::open(path).map_err(|error| cannot("open", error))?;
    if !follow {
        return listing.read_to_end(&mut file);
    }
    let growth = Growth::of(path).map_err(|error| cannot("watch", error))?;
    let mut goes_on = true;
    loop {
        listing.read_to_end(&mut file)?;
        listing.flush()?;
        if !goes_on {
            return Ok(());
        }
        // Once more after the recorder's end: all it has written is there by then.
        goes_on = growth.wait().map_err(|error| cannot("watch", error))?;
    }
}

/// A recording on its way to standard output.
pub(super) struct Listing {
    path: PathBuf,
    reader: RecordReader,
    dissector: Dissector,
    out: BufWriter<io::Stdout>,
    records: u64,
    bad_lines: u64,
}

impl Listing {
    /// One that calls the recording `path`.
    pub(super) fn new(path: &Path) -> Listing {
        Listing {
            path: path.to_owned(),
            reader: RecordReader::new(),
            dissector: Dissector::new(),
            out: BufWriter::new(io::stdout()),
            records: 0,
            bad_lines: 0,
        }
    }

    fn read_to_end(&mut self, from: &mut impl Read) -> Result<(), Stop> {
        let mut buffer = vec![0; 65_536];
        loop {
            match from.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(length) => self.take(&buffer[..length])?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    let what = format!("cannot read {:?}: {error}", self.path);
                    return Err(Stop::Failure(Failure::usage(what, "give a file made with --record")));
                }
            }
        }
    }

    /// Prints what the next bytes of the recording complete.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        self.reader.push(bytes);
        self.decode()
    }

    fn decode(&mut self) -> Result<(), Stop> {
        while let Some(record) = self.reader.next_record() {
            match record {
                Ok(record) => {
                    self.records += 1;
                    let lines = self.dissector.record(&record);
                    self.print(&lines)?;
                }
                Err(error) if self.records == 0 => {
                    let what = format!("{:?} is not a recording: {}", self.path, told(&error));
                    return Err(Stop::Failure(Failure::usage(what, "give a file made with --record")));
                }
                Err(error) => {
                    self.bad_lines += 1;
                    self.flush()?;
                    eprintln!("warning: {:?} {} was left out", self.path, told(&error));
                }
            }
        }
        Ok(())
    }

    /// The end of the recording.
    pub(super) fn finish(&mut self) -> Result<(), Stop> {
        let cut = self.reader.finish();
        self.decode()?;
        let lines = self.dissector.finish();
        self.print(&lines)?;
        self.flush()?;
        if self.records == 0 {
            let what = format!("{:?} is not a recording: it has no whole line", self.path);
            return Err(Stop::Failure(Failure::usage(what, "give a file made with --record")));
        }
        if let Some(cut) = cut {
            eprintln!(
                "note: {:?} ends within line {}: its writer was killed or still runs",
                self.path, cut.line
            );
        }
        match self.bad_lines {
            0 => Ok(()),
            count => {
                let what = format!("{:?} has {count} lines that are no records", self.path);
                Err(Stop::Failure(Failure::usage(what, "the rest was decoded")))
            }
        }
    }

    fn print(&mut self, lines: &[DecodedLine]) -> Result<(), Stop> {
        for line in lines {
            let seconds = line.time.as_secs_f64();
            writeln!(self.out, "{seconds:>12.6}  {:<5}  {}", line.kind.label(), line.text)
                .map_err(cannot_print)?;
        }
        Ok(())
    }

    pub(super) fn flush(&mut self) -> Result<(), Stop> {
        self.out.flush().map_err(cannot_print)
    }
}

fn told(error: &LineError) -> String {
    format!("line {}: {}", error.line, error.source)
}

fn cannot_print(error: io::Error) -> Stop {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Stop::ReaderGone;
    }
    Stop::Failure(Failure::failed(format!("cannot write to standard output: {error}"), ""))
}
