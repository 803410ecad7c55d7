//! `monitor`

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Read, Write};
use std::path::PathBuf;

use bl702_flasher::Nanos;
use bl702_flasher::event::Event;
use bl702_flasher::flow::{self, Heard, Keys, Listening, Stopped, Until};
use regex::Regex;
use serde_json::{Value, json};

use super::Outcome;
use super::context::Context;
use super::options::{Format, Options};
use crate::failure::Failure;
use crate::report::{Reporter, print_event};

const EXAMPLES: &str = "Examples:
  bl702-flash monitor --port /dev/ttyUSB0
  bl702-flash monitor --until 'PtTable_Config' --timeout 5 --port /dev/ttyUSB0   status 0 if it came, 1 if not
  bl702-flash monitor --no-reset --monitor-baud 115200 --log boot.log --timestamps --port /dev/ttyUSB0";

/// An emulated module that has nothing more to say is not listened to for ever.
const EMULATED_QUIET: Nanos = Nanos::from_secs(10);

/// How to listen, for `monitor` and `run --monitor`.
#[derive(Debug, clap::Args)]
pub(crate) struct ListenArgs {
    /// Rate of the firmware's UART, whatever --baud and --boot-baud are
    #[arg(long, value_name = "BAUD", default_value_t = 2_000_000, value_parser = clap::value_parser!(u32).range(300..=8_000_000))]
    monitor_baud: u32,

    /// Stop when a line matches this regular expression: status 0, or 1 if the time is over before
    #[arg(long, value_name = "REGEX", value_parser = Regex::new)]
    until: Option<Regex>,

    /// Stop after so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    timeout: Option<Nanos>,

    /// Write all that comes to this file as well
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,

    /// Replace a log file that exists
    #[arg(long, requires = "log")]
    force: bool,

    /// Seconds since the start before each line
    #[arg(long)]
    timestamps: bool,
}

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    listen: ListenArgs,

    /// Do not restart the module first
    #[arg(long)]
    no_reset: bool,
}

fn seconds(text: &str) -> Result<Nanos, String> {
    let seconds: f64 = text.parse().map_err(|_| format!("{text:?} is no number of seconds"))?;
    if !(0.001..=604_800.0).contains(&seconds) {
        return Err("between 0.001 and 604800 seconds (a week)".to_owned());
    }
    Ok(Nanos::from_micros((seconds * 1e6) as u64))
}

pub(crate) fn run(args: &Args, options: &Options, reporter: &mut dyn Reporter) -> Result<Outcome, Failure> {
    let mut listener = Listener::new(&args.listen, options)?;
    let listening = args.listen.listening(options, !args.no_reset);
    let mut context = Context::open(options, reporter)?;
    let connect = context.options.clone();
    let heard = context.run_watching(
        |link| flow::monitor(link, connect, listening),
        |at, event| listener.watch(at, event),
    )?;
    listener.finish()?;
    Ok(outcome(&heard, args.listen.until.is_some()))
}

impl ListenArgs {
    pub(super) fn listening(&self, options: &Options, reset: bool) -> Listening {
        let is_emulated = options.port.as_deref().is_some_and(|port| port.starts_with("emulated"));
        Listening {
            baud_bps: self.monitor_baud,
            reset,
            timeout: self.timeout,
            // Its time is not ours: it would be over in a moment, again and again.
            quiet: (is_emulated && self.timeout.is_none()).then_some(EMULATED_QUIET),
            until: self.until.clone().map(|regex| Until::new(move |line| regex.is_match(line))),
            keys: (io::stdin().is_terminal() && !is_emulated).then(keyboard),
        }
    }
}

/// What is typed, line by line as the terminal hands it over.
fn keyboard() -> Keys {
    let keys = Keys::default();
    let typed = keys.clone();
    // It ends with the program; a read from a terminal cannot be given up otherwise.
    std::thread::spawn(move || {
        let mut buffer = [0; 256];
        while let Ok(count @ 1..) = io::stdin().lock().read(&mut buffer) {
            typed.press(&buffer[..count]);
        }
    });
    keys
}

/// What becomes of the bytes that come.
#[derive(Debug)]
pub(super) struct Listener {
    format: Format,
    timestamps: bool,
    log: Option<(PathBuf, File)>,
    failed: Option<Failure>,
    start: Option<Nanos>,
    /// Whether the next byte begins a line.
    at_line_start: bool,
    /// The line under way, for programs.
    line: Vec<u8>,
    line_at: Nanos,
}

impl Listener {
    /// Opens the log file.
    pub(super) fn new(args: &ListenArgs, options: &Options) -> Result<Listener, Failure> {
        let log = match &args.log {
            None => None,
            Some(path) => {
                let mut how = OpenOptions::new();
                how.write(true).create(true).truncate(args.force).create_new(!args.force);
                let file = how.open(path).map_err(|error| match error.kind() {
                    io::ErrorKind::AlreadyExists => Failure::File {
                        path: path.clone(),
                        action: "write",
                        reason: "it exists".to_owned(),
                        hint: "Name another file, or give --force to replace it.",
                    },
                    _ => Failure::io(path, "create", &error),
                })?;
                Some((path.clone(), file))
            }
        };
        Ok(Listener {
            format: options.format,
            timestamps: args.timestamps,
            log,
            failed: None,
            start: None,
            at_line_start: true,
            line: Vec::new(),
            line_at: Nanos::ZERO,
        })
    }

    /// Takes what was heard.
    pub(super) fn watch(&mut self, at: Nanos, event: &Event) -> bool {
        // The first thing that happens is the reset, if there is one.
        let since = at.since(*self.start.get_or_insert(at));
        let Event::Heard { bytes } = event else { return false };
        let stamped = self.stamp(since, bytes);
        if let Some((path, file)) = &mut self.log
            && let Err(error) = file.write_all(&stamped)
            && self.failed.is_none()
        {
            self.failed = Some(Failure::io(path.clone(), "write", &error));
        }
        match self.format {
            Format::Text => {
                let mut stdout = io::stdout().lock();
                // That nobody reads it any more is no reason to stop.
                let _ = stdout.write_all(&stamped).and_then(|()| stdout.flush());
            }
            Format::Json => self.lines(at, bytes),
        }
        true
    }

    fn stamp(&mut self, since: Nanos, bytes: &[u8]) -> Vec<u8> {
        let mut stamped = Vec::with_capacity(bytes.len());
        for byte in bytes {
            if self.at_line_start && self.timestamps {
                let micros = since.0 / 1_000;
                stamped.extend(format!("[{:5}.{:06}] ", micros / 1_000_000, micros % 1_000_000).bytes());
            }
            stamped.push(*byte);
            self.at_line_start = *byte == b'\n';
        }
        stamped
    }

    fn lines(&mut self, at: Nanos, bytes: &[u8]) {
        for byte in bytes {
            if self.line.is_empty() {
                self.line_at = at;
            }
            if *byte == b'\n' {
                self.end_line();
            } else {
                self.line.push(*byte);
            }
        }
    }

    fn end_line(&mut self) {
        let text = String::from_utf8_lossy(&self.line).trim_end_matches('\r').to_owned();
        print_event("line", json!({"text": text, "time_ms": self.line_at.as_millis()}));
        self.line.clear();
    }

    /// Ends what is under way.
    pub(super) fn finish(mut self) -> Result<(), Failure> {
        if !self.line.is_empty() {
            self.end_line();
        }
        if self.format == Format::Text && !self.at_line_start {
            let _ = io::stdout().lock().write_all(b"\n");
        }
        self.failed.map_or(Ok(()), Err)
    }
}

/// How listening ended, in words.
pub(super) fn ended_text(heard: &Heard) -> String {
    let seconds = heard.span.0 as f64 / 1e9;
    let nothing = if heard.bytes == 0 {
        "; nothing came at all: is it the rate of its firmware, is BOOT low, is there a firmware in the flash?"
    } else {
        ""
    };
    match &heard.stopped {
        Stopped::Found(line) => format!("found after {seconds:.3} s: {line}"),
        Stopped::TimedOut => format!("stopped after {seconds:.3} s, as asked{nothing}"),
        Stopped::Quiet => format!("stopped: the emulated module has nothing more to say{nothing}"),
        Stopped::Interrupted => "stopped by you".to_owned(),
    }
}

/// Fields for programs.
pub(super) fn heard_json(heard: &Heard) -> Value {
    let (stopped, line) = match &heard.stopped {
        Stopped::Found(line) => ("found", Some(line)),
        Stopped::TimedOut => ("timed_out", None),
        Stopped::Quiet => ("quiet", None),
        Stopped::Interrupted => ("interrupted", None),
    };
    json!({"stopped": stopped, "line": line, "bytes": heard.bytes, "span_ms": heard.span.as_millis()})
}

/// Status of a run that listened: 1 if what was waited for has not come.
pub(super) fn exit_code(heard: &Heard, waited: bool) -> u8 {
    u8::from(waited && !matches!(heard.stopped, Stopped::Found(_)))
}

fn outcome(heard: &Heard, waited: bool) -> Outcome {
    let mut text = ended_text(heard);
    if exit_code(heard, waited) != 0 {
        text = format!("what was waited for did not come; {text}");
    }
    let mut outcome = Outcome::new(vec![text], heard_json(heard));
    outcome.exit_code = exit_code(heard, waited);
    outcome.aside = true;
    outcome
}

impl ListenArgs {
    /// Whether something is waited for.
    pub(super) fn waits(&self) -> bool {
        self.until.is_some()
    }
}
