//! `bl702-emu faults`: the catalogue of what can go wrong.

use std::io::{self, Write};

use bl702_emulator::fault::catalogue::{self, LoadError, Mode};
use clap::Args;

use super::failure::Failure;

/// Arguments of `faults`.
#[derive(Args, Debug)]
pub(crate) struct FaultsArgs {
    /// Explain this one: what it models, how sure that is, what a client sees
    name: Option<String>,

    /// Print its plan as it is built in, to be copied and changed
    #[arg(long, requires = "name")]
    toml: bool,
}

/// Lists the catalogue, or explains one entry.
pub(crate) fn run(arguments: &FaultsArgs) -> Result<(), Failure> {
    let text = match &arguments.name {
        None => list(&catalogue::modes()?),
        Some(name) if arguments.toml => catalogue::mode(name)?.text.to_owned(),
        Some(name) => catalogue::mode(name)?.to_string(),
    };
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(Failure::failed(format!("cannot write to standard output: {error}"), "")),
        Ok(()) => Ok(()),
    }
}

/// One line a mode, name first.
fn list(modes: &[Mode]) -> String {
    let mut text = String::new();
    for mode in modes {
        let about = &mode.about;
        let seam = mode.plan.faults.first().map_or("none", |fault| fault.effect.seam());
        text += &format!("{:26}{:8}{:14}{}\n", about.name, seam, about.evidence.in_words(), about.title);
        for alias in &about.aliases {
            text += &format!("{alias:26}{:8}{:14}alias of {}\n", seam, about.evidence.in_words(), about.name);
        }
    }
    text
}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Failure {
        let advice = match &error {
            LoadError::UnknownName { .. } => {
                "`bl702-emu faults` lists the names; a file's name ends in .toml or has a / in it"
            }
            LoadError::Unreadable { .. } => "`bl702-emu faults` lists what is built in",
            LoadError::Plan { .. } => {
                "`bl702-emu faults NAME --toml` prints a plan to begin with; fixtures/faults/README.md explains the form"
            }
        };
        Failure::usage(error, advice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_names_each_mode_first() {
        let modes = catalogue::modes().unwrap();
        let text = list(&modes);
        let names: Vec<&str> = text.lines().filter_map(|line| line.split_whitespace().next()).collect();
        assert_eq!(names, catalogue::names());
        assert!(names.len() >= 40);
        insta::assert_snapshot!("list", text);
    }

    #[test]
    fn explanations() {
        for name in ["efuse-locked", "wrong-profile", "ftdi-16ms", "brown-out"] {
            insta::assert_snapshot!(name, catalogue::mode(name).unwrap().to_string());
        }
    }
}
