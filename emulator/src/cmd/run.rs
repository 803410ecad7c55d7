//! `bl702-emu run`: one or more modules on ptys, until interrupted.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bl702_emulator::profile::Profile;
use bl702_emulator::transport::clients::ClientWatch;
use bl702_emulator::transport::link::Link;
use bl702_emulator::transport::serve::Port;
use bl702_emulator::transport::status::{Notice, SharedStatus};
use clap::Args;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{JoinSet, LocalSet};

use super::failure::Failure;
use super::options::{ModuleOptions, numbered};
use super::services::{Host, ServiceAddresses, ServiceOptions};

/// Descriptors a module takes at most: both ends of the pty, the timer, three files, two links, two listening sockets and
/// a client of each.
const DESCRIPTORS_A_MODULE: u64 = 12;
/// Descriptors the process takes besides.
const DESCRIPTORS_BESIDES: u64 = 64;

/// RunArgs of `run`.
#[derive(Args, Debug)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    module: ModuleOptions,

    /// Symbolic link to the pty, removed at exit; nothing but a dangling link is replaced
    #[arg(long, value_name = "PATH")]
    link: Option<PathBuf>,

    #[command(flatten)]
    services: ServiceOptions,

    /// Serve N modules; links, flash, eFuse and recording files are PATH-0, PATH-1...
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    count: Option<u16>,

    /// Print one JSON object with every address instead of the pty's path
    #[arg(long)]
    json: bool,
}

/// Serves modules until SIGINT, SIGTERM or SIGHUP.
pub(crate) fn run(arguments: &RunArgs) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .map_err(|error| Failure::failed(format!("cannot start the runtime: {error}"), ""))?;
    let done = LocalSet::new().block_on(&runtime, serve(arguments));
    // A look through /proc for a second client may still be under way; nobody waits for it any more.
    runtime.shutdown_background();
    done
}

/// One module that is being set up: where it is, and the link that goes when it goes.
struct Place {
    pty: PathBuf,
    index: Option<usize>,
    link: Option<Link>,
    services: ServiceAddresses,
    status: SharedStatus,
}

async fn serve(arguments: &RunArgs) -> Result<(), Failure> {
    let mut interrupts = Interrupts::new()?;
    let profile = arguments.module.profile()?;
    let count = usize::from(arguments.count.unwrap_or(1));
    allow_descriptors(count as u64 * DESCRIPTORS_A_MODULE + DESCRIPTORS_BESIDES);
    let watch = match ClientWatch::new() {
        Ok(watch) => Some(watch),
        Err(error) => {
            eprintln!("warning: cannot watch who opens the pty ({error}): a second client will go unnoticed");
            None
        }
    };
    let (notices, heard) = unbounded_channel();
    let mut ports = JoinSet::new();
    let mut places = Vec::with_capacity(count);
    for index in 0..count {
        let index = arguments.count.map(|_| index);
        let (port, place) = set_up(arguments, &profile, index, watch.as_deref(), &notices).await?;
        places.push(place);
        ports.spawn_local(port.serve());
    }
    announce(arguments, &profile, &places)
        .map_err(|error| Failure::failed(format!("cannot write to standard output: {error}"), ""))?;

    let done = tokio::select! {
        biased;
        () = interrupts.any() => Ok(()),
        Some(ended) = ports.join_next() => match ended {
            Ok(Ok(never)) => match never {},
            Ok(Err(error)) => Err(error.into()),
            Err(error) => Err(Failure::failed(format!("the emulator itself failed: {error}"), "please report this")),
        },
        () = tell_and_relink(heard, &mut places) => Ok(()),
        error = watch_clients(watch.as_ref()) => {
            Err(Failure::failed(format!("watching who opens the pty failed: {error}"), ""))
        }
    };
    tell_of_faults(arguments, &places);
    done
}

/// Tells people what ports report, and lets a link lead to where its module is now; never ends.
async fn tell_and_relink(mut notices: UnboundedReceiver<Notice>, places: &mut [Place]) {
    while let Some(notice) = notices.recv().await {
        eprintln!("warning: {notice}");
        let Notice::Replugged { was, pty } = notice else { continue };
        let Some(place) = places.iter_mut().find(|place| place.pty == was) else { continue };
        place.pty.clone_from(&pty);
        if let Some(link) = place.link.take() {
            let path = link.path().to_owned();
            drop(link);
            place.link = Link::create(&path, &pty).map_err(|error| eprintln!("warning: {error}")).ok();
        }
    }
    std::future::pending().await
}

/// What became of the faults, where any were armed.
fn tell_of_faults(arguments: &RunArgs, places: &[Place]) {
    let reports = places.iter().map(|place| (place, place.status.get().faults));
    let reports: Vec<_> = reports.filter(|(_, report)| !report.is_empty()).collect();
    if reports.is_empty() {
        return;
    }
    if arguments.json {
        let modules: Vec<Value> =
            reports.iter().map(|(place, faults)| json!({"pty": place.pty, "faults": faults})).collect();
        // Nobody may be there to read it any more.
        let _ = writeln!(io::stdout(), "{}", json!({"event": "finished", "modules": modules}));
        return;
    }
    for (place, report) in reports {
        for fault in &report.faults {
            let _ = writeln!(io::stderr(), "{}: fault {fault}", place.pty.display());
        }
    }
}

async fn set_up(
    arguments: &RunArgs,
    profile: &Profile,
    index: Option<usize>,
    watch: Option<&ClientWatch>,
    notices: &UnboundedSender<Notice>,
) -> Result<(Port, Place), Failure> {
    let (module, options) = arguments.module.build(profile, index)?;
    let port = Port::new(module, options, watch, notices.clone())?;
    let link = match &arguments.link {
        Some(path) => Some(Link::create(&numbered(path, index), port.path())?),
        None => None,
    };
    let host = Host {
        port: &port,
        index,
        link: link.as_ref().map(Link::path),
        profile: &profile.name,
        seed: arguments.module.seed_of(index),
        notices,
    };
    let services = arguments.services.start(host).await?;
    let place = Place { pty: port.path().to_owned(), index, link, services, status: port.status() };
    Ok((port, place))
}

fn announce(arguments: &RunArgs, profile: &Profile, places: &[Place]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if arguments.json {
        writeln!(out, "{}", addresses(arguments, profile, places))?;
    } else {
        for place in places {
            writeln!(out, "{}", place.pty.display())?;
        }
        // Not on standard output, which is for scripts.
        for place in places {
            let pty = place.pty.display();
            if let Some(address) = place.services.rfc2217 {
                eprintln!("{pty} is also rfc2217://{address}");
            }
            if let Some(path) = &place.services.control {
                eprintln!("{pty} is controlled by: bl702-emu ctl {} COMMAND", path.display());
            }
        }
    }
    out.flush()
}

/// Every address: of the first module at the top level, of each in `modules`.
fn addresses(arguments: &RunArgs, profile: &Profile, places: &[Place]) -> Value {
    let file = |path: &Option<PathBuf>, index| path.as_ref().map(|path| absolute(&numbered(path, index)));
    let modules: Vec<Value> = places
        .iter()
        .map(|place| {
            json!({
                "pty": place.pty,
                "link": place.link.as_ref().map(|link| absolute(link.path())),
                "rfc2217": place.services.rfc2217,
                "control": place.services.control,
                "flash": file(&arguments.module.flash, place.index),
                "efuse": file(&arguments.module.efuse, place.index),
                "record": file(&arguments.module.record, place.index),
            })
        })
        .collect();
    let mut all = modules.first().cloned().unwrap_or_default();
    all["pid"] = json!(std::process::id());
    all["profile"] = json!(profile.name);
    all["seed"] = json!(arguments.module.board.seed);
    all["modules"] = json!(modules);
    all
}

fn absolute(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).to_string_lossy().into_owned()
}

/// Tells people on stderr what ports report; never ends.
pub(super) async fn tell(mut notices: UnboundedReceiver<Notice>) {
    while let Some(notice) = notices.recv().await {
        eprintln!("warning: {notice}");
    }
    std::future::pending().await
}

async fn watch_clients(watch: Option<&Arc<ClientWatch>>) -> io::Error {
    match watch {
        Some(watch) => watch.run().await,
        None => std::future::pending().await,
    }
}

/// The signals that end `run`.
struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Interrupts {
    fn new() -> Result<Interrupts, Failure> {
        let catch = |kind| {
            signal(kind).map_err(|error| Failure::failed(format!("cannot catch signals: {error}"), ""))
        };
        Ok(Interrupts {
            interrupt: catch(SignalKind::interrupt())?,
            terminate: catch(SignalKind::terminate())?,
            hang_up: catch(SignalKind::hangup())?,
        })
    }

    async fn any(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
        }
    }
}

/// Raises the soft limit of open files as far as needed and allowed; what is still missing shows when a pty is opened.
fn allow_descriptors(needed: u64) {
    let limits = getrlimit(Resource::Nofile);
    if limits.current.is_some_and(|current| current < needed) {
        let current = limits.maximum.map_or(needed, |maximum| maximum.min(needed));
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(current), maximum: limits.maximum });
    }
}
