//! `bl702-emu proxy`: an unmodified client against a real or remote module, recorded.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use bl702_emulator::launcher::{Client, ClientEnd, Guardian, LaunchError};
use bl702_emulator::transport::clients::ClientWatch;
use bl702_emulator::transport::clock::WallClock;
use bl702_emulator::transport::proxy::{Proxy, ProxyError};
use bl702_emulator::transport::record::Recorder;
use bl702_emulator::transport::remote;
use clap::Args;
use tokio::sync::mpsc::unbounded_channel;
use tokio::task::LocalSet;

use super::exec::not_launched;
use super::failure::Failure;
use super::run::tell;

/// The `tool` of a recording; replays know by it that it was made at a host.
const TOOL: &str = concat!("bl702-emu proxy ", env!("CARGO_PKG_VERSION"));
/// The rate of the port before the client sets one.
const FIRST_BAUD_BPS: u32 = 115_200;

/// Arguments of `proxy`.
#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP, override_usage = "bl702-emu proxy --port PORT --record FILE -- CLIENT [ARGS]...")]
pub(crate) struct ProxyArgs {
    /// The module's port: /dev/NAME or rfc2217://HOST:PORT
    #[arg(long, value_name = "PORT")]
    port: String,

    /// Where the recording goes; an older recording there is replaced, anything else is not
    #[arg(long, value_name = "FILE", default_value = "recording.jsonl")]
    record: PathBuf,

    /// What the recording says of the module: a profile's name, or any word
    #[arg(long, value_name = "WORD", default_value = "a module behind a port")]
    module: String,

    /// The client and its arguments
    #[arg(last = true, required = true, value_name = "CLIENT")]
    client: Vec<OsString>,
}

const AFTER_HELP: &str = "\
In the client's arguments {port} is replaced by the path of a pty that leads to the module's port; the environment has it as \
BL702_EMU_PORT. Bytes, rates and modem lines go through in order, and are recorded with the time at which they pass here: the \
delays of adapter and network are in them. Only 8N1 goes through.

The module's port has its lines asserted while the client has the pty open, as a serial driver does, and released otherwise.

The exit status is the client's; 1 also if the port fails.

Examples:
  bl702-emu proxy --port /dev/ttyUSB0 --record night.jsonl -- bflb-iot-tool --chipname bl702 --port {port} --read ...
  bl702-emu trace night.jsonl
  bl702-emu replay night.jsonl --learn-flash --learn-efuse";

/// Runs the client and gives its exit status.
pub(crate) fn run(arguments: &ProxyArgs) -> Result<ExitCode, Failure> {
    // First of all: the guardian must not share what is opened from here on.
    let guardian = match Guardian::fork(arguments.client.clone()) {
        Ok(guardian) => guardian,
        Err(error) => return not_launched(error),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .map_err(|error| Failure::failed(format!("cannot start the runtime: {error}"), ""))?;
    let tasks = LocalSet::new();
    let done = tasks.block_on(&runtime, serve(arguments, guardian));
    drop(tasks);
    runtime.shutdown_background();
    match done {
        Ok(end) => Ok(ExitCode::from(end.repeat())),
        Err(Stop::Launch(error)) => not_launched(error),
        Err(Stop::Failure(failure)) => Err(failure),
    }
}

enum Stop {
    Launch(LaunchError),
    Failure(Failure),
}

impl<E: Into<Failure>> From<E> for Stop {
    fn from(error: E) -> Stop {
        Stop::Failure(error.into())
    }
}

async fn serve(arguments: &ProxyArgs, guardian: Guardian) -> Result<ClientEnd, Stop> {
    let watch = ClientWatch::new().map_err(|error| {
        Failure::failed(format!("cannot watch who opens the pty: {error}"), super::exec::INOTIFY_ADVICE)
    })?;
    let clock = WallClock::start();
    let remote = remote::open(&arguments.port, FIRST_BAUD_BPS, clock).await.map_err(ProxyError::from)?;
    let recorder = Recorder::create_as(&arguments.record, &arguments.module, TOOL)?;
    let (notices, heard) = unbounded_channel();
    let mut proxy = Proxy::new(remote, recorder, clock, &watch, notices.clone())?;
    let pty = proxy.path().to_owned();
    // Nobody may read it, and the client runs all the same.
    let _ = writeln!(
        io::stderr(),
        "bl702-emu proxy: {} leads to {}, recorded in {}",
        pty.display(),
        arguments.port,
        arguments.record.display()
    );
    let client = guardian.start(&pty, None, None).await.map_err(Stop::Launch)?;
    let (control, status) = (proxy.control(), proxy.status());
    let end = tokio::select! {
        biased;
        end = client.attend(control, status.clone(), notices.clone()) => end.map_err(Stop::Launch)?,
        ended = proxy.work() => match ended {
            Ok(never) => match never {},
            Err(error) => return Err(error.into()),
        },
        error = watch.run() => {
            let what = format!("watching who opens the pty failed: {error}");
            return Err(Failure::failed(what, "").into());
        }
        () = tell(heard) => {
            return Err(Failure::failed("the port no longer reports", "please report this").into());
        }
    };
    proxy.finish().await?;
    let status = status.get();
    let lines = match (proxy.has_lines(), status.line_changes) {
        (false, _) => "the port carries no modem lines".to_owned(),
        (true, changes) => format!("{changes} changes of modem lines"),
    };
    let _ = writeln!(
        io::stderr(),
        "bl702-emu proxy: {} bytes to the module, {} from it, {lines}; next: bl702-emu trace {}",
        status.host_bytes,
        status.chip_bytes,
        arguments.record.display()
    );
    Client::farewell(client);
    Ok(end)
}

impl From<ProxyError> for Failure {
    fn from(error: ProxyError) -> Failure {
        match error {
            ProxyError::Record(error) => error.into(),
            ProxyError::Remote(remote::RemoteError::Address { .. }) => {
                Failure::usage(error, "such as /dev/ttyUSB0 or rfc2217://127.0.0.1:2217")
            }
            other => Failure::failed(
                other,
                "see that the port exists, that nobody else uses it, and that this user may",
            ),
        }
    }
}
