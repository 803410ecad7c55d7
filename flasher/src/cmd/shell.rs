//! `completions` and `man`

use std::path::PathBuf;

use clap::CommandFactory;
use clap_complete::Shell;
use serde_json::json;

use super::{Cli, Outcome};
use crate::failure::Failure;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  bl702-flash completions bash > ~/.local/share/bash-completion/completions/bl702-flash"
)]
pub(crate) struct CompletionsArgs {
    /// Shell
    shell: Shell,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  bl702-flash man --dir ~/.local/share/man/man1")]
pub(crate) struct ManArgs {
    /// Write one page for each command into this folder; else the main page goes to standard output
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
}

/// The script that completes options and commands.
pub(crate) fn completions(args: &CompletionsArgs) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "bl702-flash", &mut script);
    Outcome { data: Some(script), ..Outcome::default() }
}

/// The manual page.
pub(crate) fn man(args: &ManArgs) -> Result<Outcome, Failure> {
    if let Some(folder) = &args.dir {
        clap_mangen::generate_to(Cli::command(), folder)
            .map_err(|error| Failure::io(folder, "write pages to", &error))?;
        let text = format!("{}: pages of all commands", folder.display());
        return Ok(Outcome::new(vec![text], json!({"folder": folder})));
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(Cli::command())
        .render(&mut page)
        .map_err(|error| Failure::io("standard output", "write", &error))?;
    Ok(Outcome { data: Some(page), ..Outcome::default() })
}
