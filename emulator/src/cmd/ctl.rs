//! `bl702-emu ctl`: a hand on the buttons of a running module.

use std::io::{self, BufRead, Write};
use std::path::{Path, PathBuf};

use bl702_emulator::control::client::{ClientError, ControlClient};
use bl702_emulator::control::message::{LONGEST_PRESS_MS, Level, Reply, Request, Status};
use bl702_emulator::control::place::resolve;
use bl702_emulator::fault::catalogue::load;
use clap::{Args, Subcommand, ValueEnum};

use super::failure::Failure;
use super::new_file::write_whole;
use super::trace::{Listing, Stop};

/// Arguments of `ctl`.
#[derive(Args, Debug)]
pub(crate) struct CtlArgs {
    /// The module: its control socket, its --link or its pty
    path: PathBuf,

    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Press the reset button: EN low, then released
    Reset {
        /// How long EN is low
        #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=i64::from(LONGEST_PRESS_MS)))]
        ms: u32,
    },
    /// Put the BOOT pin to a level; the next reset samples it (high: ISP)
    Boot {
        /// The level
        level: LevelWord,
    },
    /// Hold EN low, or let it go
    En {
        /// What to do
        action: EnAction,
    },
    /// Switch the supply
    Power {
        /// With or without
        state: PowerState,
    },
    /// Let something go wrong from now on
    Fault {
        /// A name that `bl702-emu faults` lists, or a plan in a TOML file
        #[arg(value_name = "NAME|FILE")]
        fault: String,
    },
    /// Write what the flash holds to a file
    DumpFlash(DumpArgs),
    /// Write the 128 bytes of fuses to a file
    DumpEfuse(DumpArgs),
    /// Tell what runs on the chip, and what has happened to the port
    Status {
        /// As one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Show what happens from now on, until interrupted
    Trace,
}

#[derive(Args, Debug)]
struct DumpArgs {
    /// The file, or `-` for standard output
    file: PathBuf,

    /// Replace the file if it exists
    #[arg(long)]
    force: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LevelWord {
    High,
    Low,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum EnAction {
    Hold,
    Release,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum PowerState {
    On,
    Off,
}

/// Does one command.
pub(crate) fn run(arguments: &CtlArgs) -> Result<(), Failure> {
    let socket = resolve(&arguments.path).map_err(|places| nobody(&arguments.path, &places))?;
    let mut client = ControlClient::connect(&socket)?;
    match &arguments.command {
        Command::Reset { ms } => tell(&mut client, Request::Reset { ms: *ms }),
        Command::Boot { level: LevelWord::High } => tell(&mut client, Request::Boot { level: Level::High }),
        Command::Boot { level: LevelWord::Low } => tell(&mut client, Request::Boot { level: Level::Low }),
        Command::En { action } => {
            tell(&mut client, Request::Enable { hold: matches!(action, EnAction::Hold) })
        }
        Command::Power { state } => tell(&mut client, Request::Power { on: matches!(state, PowerState::On) }),
        Command::Fault { fault } => arm(&mut client, fault),
        Command::DumpFlash(to) => dump(&mut client, Request::DumpFlash, to),
        Command::DumpEfuse(to) => dump(&mut client, Request::DumpEfuse, to),
        Command::Status { json } => show(&client.status()?, *json),
        Command::Trace => trace(client, &socket),
    }
}

fn tell(client: &mut ControlClient, request: Request) -> Result<(), Failure> {
    client.ask(&request)?;
    Ok(())
}

fn arm(client: &mut ControlClient, word: &str) -> Result<(), Failure> {
    let plan = load(word)?.to_toml().map_err(|error| Failure::failed(error, "please report this"))?;
    tell(client, Request::Fault { plan })
}

fn dump(client: &mut ControlClient, request: Request, to: &DumpArgs) -> Result<(), Failure> {
    let to_stdout = to.file == Path::new("-");
    // Before the module is asked: nothing would come of it.
    if !to_stdout && !to.force && to.file.symlink_metadata().is_ok() {
        return Err(exists(&to.file));
    }
    let bytes = client.dump(&request)?;
    if to_stdout {
        return print(|out| out.write_all(&bytes));
    }
    write_whole(&to.file, &bytes, to.force).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => exists(&to.file),
        io::ErrorKind::StorageFull => {
            Failure::failed(format!("cannot write {:?}: {error}", to.file), "free some space")
        }
        _ => Failure::usage(
            format!("cannot write {:?}: {error}", to.file),
            "its directory must exist and be writable",
        ),
    })?;
    eprintln!("{} bytes in {}", bytes.len(), to.file.display());
    Ok(())
}

fn exists(file: &Path) -> Failure {
    let advice =
        if file.is_file() { "give another name, or --force to replace it" } else { "give another name" };
    Failure::usage(format!("{file:?} exists; it was left as it is"), advice)
}

fn show(status: &Status, json: bool) -> Result<(), Failure> {
    if json {
        let line = serde_json::to_string(status).map_err(|error| {
            Failure::failed(format!("the status cannot be shown: {error}"), "please report this")
        })?;
        return print(|out| writeln!(out, "{line}"));
    }
    print(|out| write_status(status, out))
}

fn write_status(status: &Status, out: &mut impl Write) -> io::Result<()> {
    let level = |high| if high { "high" } else { "low" };
    let line = |asserted| if asserted { "asserted" } else { "released" };
    let pty = status.pty.display();
    let link = status.link.as_ref().map(|link| format!(" (link {})", link.display())).unwrap_or_default();
    writeln!(
        out,
        "module    {} at {pty}{link}, process {}, seed {}",
        status.profile, status.pid, status.seed
    )?;
    writeln!(out, "runs      {}", status.running)?;
    writeln!(
        out,
        "pins      supply {}, EN {}, BOOT {}; DTR {}, RTS {}",
        if status.power_on { "on" } else { "off" },
        level(status.enable_high),
        level(status.boot_high),
        line(status.dtr),
        line(status.rts),
    )?;
    writeln!(
        out,
        "so far    {:.3} s of module time, {} starts, {} fuses burnt",
        status.time_ns as f64 / 1e9,
        status.resets,
        status.fuses_burnt,
    )?;
    let rate = if status.send_bps == status.receive_bps {
        format!("{} baud", status.send_bps)
    } else {
        format!("{} baud to the module, {} from it", status.send_bps, status.receive_bps)
    };
    writeln!(out, "host      {rate}; {} bytes sent, {} received", status.host_bytes, status.chip_bytes)?;
    if status.unread_bytes_lost > 0 {
        writeln!(out, "          {} bytes lost because nobody read them", status.unread_bytes_lost)?;
    }
    let network = match (status.rfc2217, status.network_client) {
        (None, _) => "no RFC 2217".to_owned(),
        (Some(address), None) => format!("RFC 2217 at {address}, nobody connected"),
        (Some(address), Some(peer)) => format!("RFC 2217 at {address}, {peer} connected"),
    };
    writeln!(
        out,
        "clients   pty open {} times; {network}; came while in use: {}",
        status.opens, status.second_clients
    )?;
    writeln!(out, "flash     {} bytes, SHA-256 {}", status.flash_bytes, status.flash_sha256)?;
    for fault in &status.faults.faults {
        writeln!(out, "fault     {fault}")?;
    }
    Ok(())
}

/// Prints to standard output; that nobody reads any more is no failure.
fn print(write: impl FnOnce(&mut io::StdoutLock<'_>) -> io::Result<()>) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match write(&mut out).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(Failure::failed(format!("cannot write to standard output: {error}"), "")),
        Ok(()) => Ok(()),
    }
}

fn trace(client: ControlClient, socket: &Path) -> Result<(), Failure> {
    let mut lines = client.trace()?;
    let mut listing = Listing::new(socket);
    match follow(&mut lines, &mut listing) {
        Ok(why) => Err(Failure::failed(why, "what was shown is complete up to here")),
        Err(Stop::ReaderGone) => Ok(()),
        Err(Stop::Failure(failure)) => Err(failure),
    }
}

/// Shows the trace up to its end; gives why it ended.
fn follow(lines: &mut impl BufRead, listing: &mut Listing) -> Result<String, Stop> {
    let why = loop {
        let mut line = Vec::new();
        match lines.read_until(b'\n', &mut line) {
            Ok(0) => break "the emulator has ended".to_owned(),
            Err(error) => break format!("the trace broke off: {error}"),
            Ok(_) => {}
        }
        if let Some(why) = said_instead(&line) {
            break why;
        }
        listing.take(&line)?;
        listing.flush()?;
    };
    listing.finish()?;
    Ok(why)
}

/// What the emulator says in place of a record.
fn said_instead(line: &[u8]) -> Option<String> {
    serde_json::from_slice::<Reply>(line).ok()?.error
}

fn nobody(path: &Path, places: &[PathBuf]) -> Failure {
    let places: Vec<_> = places.iter().map(|place| place.display().to_string()).collect();
    Failure::usage(
        format!("no running module found by {path:?}: no socket at {}", places.join(", ")),
        "give the control socket that `bl702-emu run` names on stderr (with --json: `control`), its --link or its pty",
    )
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Failure {
        match &error {
            ClientError::Connect { .. } => Failure::usage(
                error,
                "the emulator that made this socket has ended, or belongs to another user",
            ),
            ClientError::Declined { .. } => Failure::failed(error, ""),
            ClientError::Lost(_) => Failure::failed(error, "look at what it says on its stderr"),
            ClientError::Nonsense { .. } => {
                Failure::failed(error, "are both ends the same version of bl702-emu?")
            }
        }
    }
}
