//! `bl702-emu exec`: a module, and an unmodified client that runs against it.

use std::ffi::{OsStr, OsString};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use bl702_emulator::Nanos;
use bl702_emulator::launcher::{Client, ClientEnd, Guardian, LaunchError, PORT_VIA_ROOT_PLACEHOLDER};
use bl702_emulator::report::{ClientReport, Report, ReportBuilder};
use bl702_emulator::transport::clients::ClientWatch;
use bl702_emulator::transport::control::Observer;
use bl702_emulator::transport::link::Link;
use bl702_emulator::transport::modem::SerialDriver;
use bl702_emulator::transport::serve::Port;
use clap::Args;
use tokio::sync::mpsc::unbounded_channel;
use tokio::task::LocalSet;

use super::failure::Failure;
use super::options::ModuleOptions;
use super::run::tell;
use super::services::{Host, ServiceAddresses, ServiceOptions};

/// How much module time the last command of a client may take after the client's end: a chip erase at its worst.
const LAST_COMMAND: Nanos = Nanos::from_secs(120);

/// Arguments of `exec`.
#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP, override_usage = "bl702-emu exec [OPTIONS] -- CLIENT [ARGS]...")]
pub(crate) struct ExecArgs {
    #[command(flatten)]
    module: ModuleOptions,

    /// Symbolic link to the pty, removed at exit; nothing but a dangling link is replaced
    #[arg(long, value_name = "PATH")]
    link: Option<PathBuf>,

    #[command(flatten)]
    services: ServiceOptions,

    /// Write the summary as JSON to FILE too
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,

    /// The client and its arguments
    #[arg(last = true, required = true, value_name = "CLIENT")]
    client: Vec<OsString>,
}

const AFTER_HELP: &str = "\
In the client's arguments {port} is replaced by the path of the module's serial port; the environment has it as \
BL702_EMU_PORT. {port-via-root} is the same port under a name for clients that insist on /dev/NAME and look for \
/sys/class/tty/NAME (libserialport).

The client's modem lines drive EN and BOOT as --wiring and --boot say (the other way round with --invert-dtr, --invert-rts). They are asserted when the port is opened and \
released at the last close, as a serial driver does. Without --wiring the lines reach the module only once the client \
changes one, so that a client without any use for them finds the module running.

Also answered as a serial driver would: TIOCGSERIAL and TIOCSSERIAL (custom divisors), TIOCGICOUNT, TIOCMIWAIT, breaks, \
tcdrain and TIOCOUTQ (the line is busy for as long as the bytes take), and the settings that a pty does not keep (parity, \
data bits). What a client can still tell from a serial port: its name and device number, that /sys/class/tty and udev do not \
know it, and that closing it does not wait for the line.

`bl702-emu ctl PTY reset` and the like work meanwhile; stderr names the pty.

Programs that are set-user-id (sudo) gain no rights here. The kernel allows one launcher of this kind in a process tree; \
where it forbids one, use `bl702-emu run` with --rfc2217, or with --wiring none and `bl702-emu ctl`.

The exit status is the client's. A summary goes to stderr.";

/// Runs the client and gives its exit status.
pub(crate) fn run(arguments: &ExecArgs) -> Result<ExitCode, Failure> {
    // First of all: the guardian must not share what is opened from here on.
    let guardian = match Guardian::fork(arguments.client.clone()) {
        Ok(guardian) => guardian,
        Err(error) => return not_launched(error),
    };
    let report_file = arguments.report.as_deref().map(open_report).transpose()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .map_err(|error| Failure::failed(format!("cannot start the runtime: {error}"), ""))?;
    let tasks = LocalSet::new();
    let done = tasks.block_on(&runtime, serve(arguments, guardian));
    // The services go before the port: whoever gets its number next finds the sockets' names free.
    drop(tasks);
    // A look through /proc for a second client may still be under way; nobody waits for it any more.
    runtime.shutdown_background();
    let Done { report, end, port } = match done {
        Ok(done) => done,
        Err(Stop::Launch(error)) => return not_launched(error),
        Err(Stop::Failure(failure)) => return Err(failure),
    };
    drop(port);
    // Nobody may be there to read it any more; the client's exit status matters more.
    let summary = format!("bl702-emu exec\n{report}{}", note_on_lines(arguments, &report));
    let _ = io::stderr().write_all(summary.as_bytes());
    if let (Some(file), Some(path)) = (report_file, &arguments.report) {
        write_report(file, &report).map_err(|error| {
            Failure::failed(
                format!("writing the report {path:?} failed: {error}"),
                "free some space and start again",
            )
        })?;
    }
    Ok(ExitCode::from(end.repeat()))
}

/// A run that has come to its end.
struct Done {
    report: Report,
    end: ClientEnd,
    port: Port,
}

/// Why there is no report.
enum Stop {
    Launch(LaunchError),
    Failure(Failure),
}

impl<E: Into<Failure>> From<E> for Stop {
    fn from(error: E) -> Stop {
        Stop::Failure(error.into())
    }
}

async fn serve(arguments: &ExecArgs, guardian: Guardian) -> Result<Done, Stop> {
    let profile = arguments.module.profile()?;
    let (module, mut options) = arguments.module.build(&profile, None)?;
    let watch = ClientWatch::new().map_err(|error| {
        Failure::failed(format!("cannot watch who opens the pty: {error}"), INOTIFY_ADVICE)
    })?;
    let builder = Arc::new(Mutex::new(ReportBuilder::new(&module)));
    let observing = builder.clone();
    options.observer = Some(Observer::new(move |observation| {
        observing.lock().unwrap_or_else(PoisonError::into_inner).observe(observation);
    }));
    // Who names a wiring wants just that; else a client that knows of no lines finds a module that runs.
    let follows_at_once = arguments.module.board.wiring.is_some();
    options.driver = Some(SerialDriver { follows_at_once });
    let (notices, heard) = unbounded_channel();
    let mut port = Port::new(module, options, Some(watch.as_ref()), notices.clone())?;
    let place = Place::create(arguments, port.path())?;
    let host = Host {
        port: &port,
        index: None,
        link: arguments.link.as_deref(),
        profile: &profile.name,
        seed: arguments.module.seed_of(None),
        notices: &notices,
    };
    let services = arguments.services.start(host).await?;
    announce(arguments, port.path(), &services);

    let client =
        guardian.start(port.path(), place.link_path(), place.directory()).await.map_err(Stop::Launch)?;
    let (control, status) = (port.control(), port.status());
    let end = tokio::select! {
        biased;
        end = client.attend(control, status.clone(), notices.clone()) => end.map_err(Stop::Launch)?,
        ended = port.serve_on() => match ended {
            Ok(never) => match never {},
            Err(error) => return Err(error.into()),
        },
        error = watch.run() => {
            let what = format!("watching who opens the pty failed: {error}");
            return Err(Failure::failed(what, "").into());
        }
        () = tell(heard) => return Err(Failure::failed("the port no longer reports", "please report this").into()),
    };
    let module = port.finish(LAST_COMMAND)?;
    let mut report = builder.lock().unwrap_or_else(PoisonError::into_inner).finish(module);
    report.client = Some(client_report(arguments, end, status.get().line_changes > 0));
    drop(place);
    Client::farewell(client);
    Ok(Done { report, end, port })
}

/// Tells where the module is: nobody else knows, and a client may have been told no port.
fn announce(arguments: &ExecArgs, pty: &Path, services: &ServiceAddresses) {
    let network = services.rfc2217.map(|address| format!(", rfc2217://{address}")).unwrap_or_default();
    let name = arguments.link.as_deref().unwrap_or(pty).display();
    let control = if services.control.is_some() {
        format!("; its buttons: bl702-emu ctl {name} COMMAND")
    } else {
        String::new()
    };
    // Nobody may read it, and the client runs all the same.
    let _ = writeln!(io::stderr(), "bl702-emu exec: the module is at {}{network}{control}", pty.display());
}

pub(super) const INOTIFY_ADVICE: &str = "see /proc/sys/fs/inotify/max_user_instances";

fn client_report(arguments: &ExecArgs, end: ClientEnd, used_modem_lines: bool) -> ClientReport {
    let command = arguments.client.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let (exit_status, signal) = match end {
        ClientEnd::Exited(status) => (Some(status), None),
        ClientEnd::Killed(signal) => (None, Some(signal)),
    };
    ClientReport { command, exit_status, signal, used_modem_lines }
}

fn note_on_lines(arguments: &ExecArgs, report: &Report) -> &'static str {
    let used = report.client.as_ref().is_some_and(|client| client.used_modem_lines);
    if used || arguments.module.board.wiring.is_some() || report.bytes.to_module == 0 {
        return "";
    }
    "  note        the client changed no modem line, so none reached the module; with --wiring they do from the open on\n"
}

/// The names of the port beside its own. They go when this value is dropped.
#[derive(Debug, Default)]
struct Place {
    link: Option<Link>,
    directory: Option<PathBuf>,
}

impl Place {
    fn create(arguments: &ExecArgs, port: &Path) -> Result<Place, Failure> {
        if let Some(path) = &arguments.link {
            return Ok(Place { link: Some(Link::create(path, port)?), directory: None });
        }
        if !arguments.client.iter().any(|word| contains(word, PORT_VIA_ROOT_PLACEHOLDER)) {
            return Ok(Place::default());
        }
        let directory = private_directory().map_err(|error| {
            Failure::failed(format!("cannot make a directory for the link: {error}"), "give --link")
        })?;
        let mut place = Place { link: None, directory: Some(directory.clone()) };
        place.link = Some(Link::create(&directory.join("port"), port)?);
        Ok(place)
    }

    fn link_path(&self) -> Option<PathBuf> {
        let path = self.link.as_ref()?.path();
        Some(std::path::absolute(path).unwrap_or_else(|_| path.to_owned()))
    }

    fn directory(&self) -> Option<PathBuf> {
        self.directory.clone()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.link = None;
        if let Some(directory) = &self.directory {
            // An empty directory that cannot be removed is in nobody's way.
            let _ = std::fs::remove_dir(directory);
        }
    }
}

fn contains(word: &OsStr, part: &str) -> bool {
    word.as_bytes().windows(part.len()).any(|window| window == part.as_bytes())
}

/// A directory of our own under the system's temporary one.
fn private_directory() -> io::Result<PathBuf> {
    let parent = std::path::absolute(std::env::temp_dir())?;
    let mut number = 0;
    loop {
        let path = parent.join(format!("bl702-emu-{}-{number}", std::process::id()));
        match DirBuilder::new().mode(0o700).create(&path) {
            // Left by a killed emulator with the same process id.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < 100 => number += 1,
            done => return done.map(|()| path),
        }
    }
}

/// Opens the report before the client runs: a name that cannot be written is told at once.
fn open_report(path: &Path) -> Result<File, Failure> {
    OpenOptions::new().write(true).create(true).truncate(false).open(path).map_err(|error| {
        Failure::usage(
            format!("cannot write the report {path:?}: {error}"),
            "its directory must exist and be writable",
        )
    })
}

fn write_report(mut file: File, report: &Report) -> io::Result<()> {
    if file.metadata()?.is_file() {
        file.set_len(0)?;
    }
    let mut text = serde_json::to_vec_pretty(report)?;
    text.push(b'\n');
    file.write_all(&text)
}

/// The exit statuses are those of `env(1)` and shells where the client is at fault.
pub(super) fn not_launched(error: LaunchError) -> Result<ExitCode, Failure> {
    const FALLBACK: &str = "run the module by itself, `bl702-emu run --link PATH`, and the client against PATH: a pty has no modem lines, so \
        press reset and set BOOT by hand (--wiring none); or give the client a port with lines by --rfc2217";
    match &error {
        LaunchError::NotStarted { source, .. } => {
            let status = if source.kind() == io::ErrorKind::NotFound { 127 } else { 126 };
            let _ = writeln!(io::stderr(), "error: {error}");
            Ok(ExitCode::from(status))
        }
        LaunchError::Processor | LaunchError::Nested | LaunchError::Forbidden(_) | LaunchError::Io { .. } => {
            Err(Failure::failed(error, FALLBACK))
        }
        LaunchError::GuardianGone => Err(Failure::failed(error, "and the client with it; run it again")),
    }
}
