//! `bl702-bench`: what there is to know and to do about a bench between the runs.

use std::process::ExitCode;

use bl702_harness::hardware::bench::{Bench, read_checked_in};
use bl702_harness::hardware::config::{BenchConfig, Chosen, TARGET};
use bl702_harness::hardware::keeper;
use bl702_harness::hardware::lease::{self, Holder, Lease, Run, StateDir};
use bl702_harness::hardware::store::ChipStore;

const USAGE: &str = "\
usage: TARGET=PORT|FILE.toml bl702-bench COMMAND

  status   who has the port, which modules are backed up, whose flash is not its owner's at the moment
  release  waits until the run that has the port has given the flash back; 0 if it has, 1 if it could not
  restore  gives a flash back that a dead run has left; 0 if there is nothing left to give back, 1 if it could not
  check    leases the port, looks at the module, backs it up and gives it back: a first run without scenarios

Backups and leases are in BL702_BENCH_STATE (default: bl702-bench in the user's state directory).
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some(keeper::ARGUMENT) => keeper::main(arguments.get(1).map(String::as_str)),
        Some("--help" | "-h" | "help") => {
            print!("{USAGE}");
            ExitCode::SUCCESS
        }
        Some(command @ ("status" | "release" | "restore" | "check")) if arguments.len() == 1 => {
            match run(command) {
                Ok(true) => ExitCode::SUCCESS,
                Ok(false) => ExitCode::FAILURE,
                Err(reason) => {
                    eprintln!("{reason}");
                    ExitCode::FAILURE
                }
            }
        }
        _ => {
            eprint!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn run(command: &str) -> Result<bool, String> {
    let state = StateDir::from_environment()?;
    let config = match Chosen::from_environment()? {
        Chosen::Bench(config) => *config,
        Chosen::Emulated => return Err(format!("name a port or a bench's file with {TARGET}")),
    };
    match command {
        "status" => status(&state, &config.port),
        "release" => release(&state, &config.port),
        "restore" => restore(&state, &config),
        _ => check(config),
    }
}

fn status(state: &StateDir, port: &str) -> Result<bool, String> {
    println!("state directory  {}", state.path().display());
    match look(state, port)? {
        Lease::Free => println!("lease            {port} is free"),
        Lease::Held(holder) => println!("lease            {port} is leased to {holder}"),
    }
    if let Some(module) = read_checked_in(state, port).map_err(|error| error.to_string())? {
        println!(
            "last module      chip {}, flash {}, {} bytes",
            module.chip_id, module.jedec, module.capacity_bytes
        );
    }
    for chip in ChipStore::all(state) {
        let count = chip.backup_count().map_err(|error| error.to_string())?;
        let note = match chip.borrowed().map_err(|error| error.to_string())? {
            None => "its flash is its owner's".to_owned(),
            Some(note) => {
                format!("borrowed by run {} at {}: restore {}", note.run, note.port, note.backup.display())
            }
        };
        println!("chip {}  {count} backups; {note}", chip.chip_id());
    }
    Ok(true)
}

fn look(state: &StateDir, port: &str) -> Result<Lease, String> {
    lease::look(state, port).map_err(|error| format!("the lease of {port}: {error}"))
}

fn release(state: &StateDir, port: &str) -> Result<bool, String> {
    if let Lease::Held(holder) = look(state, port)? {
        eprintln!("{port} is leased to {holder}; waiting until it has given the flash back");
        let ended = lease::wait_for_end(holder.keeper_pid, Some(lease::patience()));
        if !ended.map_err(|error| error.to_string())? {
            return Err(format!("{port} is still leased to {holder}"));
        }
    }
    let mut all_given_back = true;
    for chip in ChipStore::all(state) {
        if let Some(note) = chip.borrowed().map_err(|error| error.to_string())?
            && note.port == port
        {
            println!(
                "chip {}: the flash is NOT restored; see {}",
                chip.chip_id(),
                state.port_file(port, "log").display()
            );
            all_given_back = false;
        }
    }
    if all_given_back {
        println!("{port}: nothing is borrowed");
    }
    Ok(all_given_back)
}

fn restore(state: &StateDir, config: &BenchConfig) -> Result<bool, String> {
    let port = &config.port;
    let system = |error: std::io::Error| format!("the lease of {port}: {error}");
    if let Lease::Held(holder) = look(state, port)? {
        return Err(format!("{port} is leased to {holder}, whose keeper restores the flash when it is over"));
    }
    let lease = lease::take(state, port, &Holder::keeper_of(&Run::of_process())).map_err(system)?;
    let turn = lease::take_turn(state, port).map_err(system)?;
    for chip in ChipStore::all(state) {
        let Some(note) = chip.borrowed().map_err(|error| error.to_string())? else { continue };
        if note.port != *port {
            println!("chip {} was last at {}: restore it with that port", chip.chip_id(), note.port);
            continue;
        }
        let run = Run { id: note.run, watched_pid: std::process::id() };
        let bench = Bench::for_run(config.clone(), std::path::PathBuf::new(), state.clone(), run)
            .map_err(|error| error.to_string())?;
        if let Some(done) = bench.restore().map_err(|error| error.to_string())? {
            println!("{done}");
        }
    }
    drop((turn, lease));
    release(state, port)
}

fn check(config: BenchConfig) -> Result<bool, String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let bench = Bench::new(config, own).map_err(|error| error.to_string())?;
    let guest = bench.check_in().map_err(|error| error.to_string())?;
    guest.story.iter().for_each(|line| println!("{line}"));
    println!("flash {}, {} bytes", guest.module.jedec, guest.module.capacity_bytes);
    println!("EN: {:?}, BOOT on a line: {}", guest.port.wiring(), guest.port.boot_on_line());
    Ok(true)
}
