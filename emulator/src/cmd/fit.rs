//! `bl702-emu fit`: times for a profile from recordings.

use std::io::{self, Write};
use std::path::PathBuf;

use bl702_emulator::divergence::fit::Samples;
use clap::Args;

use super::failure::Failure;
use super::recording;

/// Arguments of `fit`.
#[derive(Args, Debug)]
#[command(after_help = "\
Prints keys of a board profile in TOML, each with what was measured: the times of which 5, 50 and 95 in 100 are no longer, and \
how many there were. What a flasher does decides what can be told: erases of all sizes, long reads, hashes.

Example: bl702-emu fit night-*.jsonl >> my-board.toml")]
pub(crate) struct FitArgs {
    /// Recordings of one module
    #[arg(required = true, value_name = "RECORDING")]
    recordings: Vec<PathBuf>,
}

/// Prints the keys.
pub(crate) fn run(arguments: &FitArgs) -> Result<(), Failure> {
    let mut samples = Samples::default();
    for path in &arguments.recordings {
        samples.add(&recording::read(path)?);
    }
    let fit = samples.fit();
    if fit.keys.is_empty() {
        let what = "these recordings tell nothing of a module's times";
        return Err(Failure::usage(what, "record a whole session: a backup, or a write with its erases"));
    }
    let mut text = fit.to_string();
    if let Some(band) = samples.loader_handshakes() {
        text += &format!(
            "# handshake of the RAM loader {}, {}, {} ({}); 12 ms of it are in its program\n",
            band.p5, band.p50, band.p95, band.count
        );
    }
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::failed(format!("cannot write to standard output: {error}"), ""))
        }
        _ => Ok(()),
    }
}
