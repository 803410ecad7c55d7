//! A process that outlives the run and gives the flash back, whatever ended the run.
//!
//! Under nextest every scenario is a process, and none knows whether it is the last; a run may be interrupted, panic,
//! or be killed. So the first scenario starts this process, in a session of its own, which holds the lease, waits for
//! the end of the run's process, takes the turn, and restores the flash. What ends this process too, as a power
//! failure does, is put right by the next run's first contact.

use std::fs::OpenOptions;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use serde::{Deserialize, Serialize};

use super::bench::{Bench, BenchError};
use super::config::BenchConfig;
use super::lease::{self, Holder, Run, StateDir};

/// The first argument of a program that is to be the keeper.
pub const ARGUMENT: &str = "keep-bench";
/// What it says when it holds the lease.
const READY: &str = "ready";
/// How often it tries to restore: an adapter may be pulled and plugged in meanwhile.
const TRIES: u32 = 3;

/// What a keeper is told.
#[derive(Debug, Serialize, Deserialize)]
struct Order {
    state: PathBuf,
    config: BenchConfig,
    run: String,
    watched_pid: u32,
}

/// Starts a keeper and waits until it holds the lease.
///
/// # Errors
/// Why there is none, for people.
pub fn start(program: &Path, state: &StateDir, config: &BenchConfig, run: &Run) -> Result<(), String> {
    let order = Order {
        state: state.path().to_owned(),
        config: config.clone(),
        run: run.id.clone(),
        watched_pid: run.watched_pid,
    };
    let order = serde_json::to_string(&order).map_err(|error| error.to_string())?;
    let log_path = state.port_file(&config.port, "log");
    let failed = |what: &str, error: std::io::Error| format!("the bench's keeper: {what}: {error}");
    let log = OpenOptions::new().append(true).create(true).open(&log_path);
    let log = log.map_err(|error| failed(&log_path.display().to_string(), error))?;
    let mut child = Command::new(program)
        .args([ARGUMENT, &order])
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .map_err(|error| failed(&program.display().to_string(), error))?;
    let mut said = String::new();
    if let Some(stdout) = child.stdout.take() {
        BufReader::new(stdout).read_line(&mut said).map_err(|error| failed("it says nothing", error))?;
    }
    if said.trim_end() == READY {
        return Ok(());
    }
    let status = child.wait().map_err(|error| failed("it cannot be waited for", error))?;
    Err(format!("the bench's keeper ended at once ({status}), see {}", log_path.display()))
}

/// The keeper's own main function; `order` is its second argument.
pub fn main(order: Option<&str>) -> ExitCode {
    match keep(order) {
        Ok(done) => {
            eprintln!("{done}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn keep(order: Option<&str>) -> Result<String, String> {
    let order = order.ok_or("it is for the scenarios to call")?;
    let order: Order = serde_json::from_str(order).map_err(|error| error.to_string())?;
    // What ends the run's process group or terminal does not end this one.
    rustix::process::setsid().map_err(|error| format!("cannot begin a session: {error}"))?;
    let state = StateDir::at(order.state)?;
    let run = Run { id: order.run, watched_pid: order.watched_pid };
    let port = order.config.port.clone();
    let name = format!("run {} at {port}", run.id);
    let lease = lease::take(&state, &port, &Holder::keeper_of(&run))
        .map_err(|error| format!("{name}: cannot take the lease: {error}"))?;
    let bench = Bench::for_run(order.config, PathBuf::new(), state, run)
        .map_err(|error| format!("{name}: {error}"))?;
    eprintln!("{name}: begun by process {}", order.watched_pid);
    println!("{READY}");
    std::io::stdout().flush().map_err(|error| format!("{name}: {error}"))?;
    lease::wait_for_end(order.watched_pid, None).map_err(|error| format!("{name}: {error}"))?;
    // A scenario whose run was killed may still talk to the module.
    let turn = lease::take_turn(bench.state(), &port).map_err(|error| format!("{name}: {error}"))?;
    let done = restore(&bench);
    drop((turn, lease));
    match done {
        Ok(Some(done)) => Ok(format!("{name}: over. {done}")),
        Ok(None) => Ok(format!("{name}: over. Nothing was borrowed")),
        Err(error) => Err(format!(
            "{name}: over, but the flash is NOT restored: {error}. The next run with this module restores it, or \
             `cargo run -p bl702-harness --bin bl702-bench -- restore`"
        )),
    }
}

fn restore(bench: &Bench) -> Result<Option<String>, BenchError> {
    let mut result = bench.restore();
    for _ in 1..TRIES {
        match &result {
            Err(BenchError::Port(error)) => eprintln!("{error}; once more"),
            Err(BenchError::Module { port, source }) => eprintln!("{port}: {source}; once more"),
            _ => return result,
        }
        result = bench.restore();
    }
    result
}
