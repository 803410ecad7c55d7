//! `bl702-emu`: an emulated BL702 module for people who write, test or distrust flashers.

mod cmd;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// An emulated BL702 module (XT-ZB2) that a flasher cannot tell from the real one over a serial port.
#[derive(Parser, Debug)]
#[command(name = "bl702-emu", version, about, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Serve a module on a pty until interrupted; the first line on stdout is the pty's path
    Run(cmd::run::RunArgs),
    /// Serve a module and run an unmodified client against it
    #[cfg(target_os = "linux")]
    Exec(cmd::exec::ExecArgs),
    Check(cmd::check::CheckArgs),
    /// List what can be made to go wrong, or explain one of these
    Faults(cmd::faults::FaultsArgs),
    /// Drive a running module: reset, straps, supply, dumps, status, trace
    Ctl(cmd::ctl::CtlArgs),
    /// Decode a recording for people
    Trace(cmd::trace::TraceArgs),
    /// Run an unmodified client against a real or remote module, and record it
    #[cfg(target_os = "linux")]
    Proxy(cmd::proxy::ProxyArgs),
    /// Send the host's side of a recording to a fresh module, and tell where it answers otherwise
    Replay(cmd::replay::ReplayArgs),
    /// Times for a profile from recordings of a module
    Fit(cmd::fit::FitArgs),
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Run(args) => cmd::run::run(&args).map(|()| ExitCode::SUCCESS),
        #[cfg(target_os = "linux")]
        Command::Exec(args) => cmd::exec::run(&args),
        Command::Check(args) => return cmd::check::run(&args),
        Command::Faults(args) => cmd::faults::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Ctl(args) => cmd::ctl::run(&args).map(|()| ExitCode::SUCCESS),
        #[cfg(target_os = "linux")]
        Command::Proxy(args) => cmd::proxy::run(&args),
        Command::Replay(args) => cmd::replay::run(&args),
        Command::Fit(args) => cmd::fit::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Trace(args) => cmd::trace::run(&args).map(|()| ExitCode::SUCCESS),
    };
    match done {
        Ok(status) => status,
        Err(failure) => failure.report(),
    }
}
