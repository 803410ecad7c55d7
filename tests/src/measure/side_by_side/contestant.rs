//! The flashers, and how each is told what to do.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::Work;
use crate::clients::bench::Bench;
use crate::clients::tools::Tool;
use crate::programs::flasher;

/// A flasher.
#[derive(Clone, Debug)]
pub enum Contestant {
    /// `bl702-flash`, with this RAM loader.
    Ours {
        /// The file.
        loader: PathBuf,
    },
    /// One of the vendor's.
    Vendor(&'static Tool),
    /// One that somebody has described.
    Described(Described),
}

/// A flasher of which a file tells the command lines: `{port}` and `{file}` stand for what they say.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Described {
    /// What it is called in the table.
    pub name: String,
    /// Reads the whole flash into `{file}`; without it the flasher does not take part in reading.
    #[serde(default)]
    pub read: Vec<String>,
    /// Writes `{file}` to address 0; without it the flasher does not take part in writing.
    #[serde(default)]
    pub write: Vec<String>,
}

/// The file that `BL702_CLIENTS` names.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Clients {
    #[serde(default)]
    client: Vec<Described>,
}

impl Described {
    /// The flashers in a file.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn all_from_toml(text: &str) -> Result<Vec<Described>, String> {
        let clients: Clients = toml::from_str(text).map_err(|error| error.to_string())?;
        for client in &clients.client {
            for (command, words) in [("read", &client.read), ("write", &client.write)] {
                for place in ["{port}", "{file}"] {
                    if !words.is_empty() && !words.iter().any(|word| word.contains(place)) {
                        return Err(format!("{}: {command} names no {place}", client.name));
                    }
                }
            }
        }
        Ok(clients.client)
    }
}

impl Contestant {
    /// What it is called in the table.
    pub fn name(&self) -> String {
        match self {
            Contestant::Ours { .. } => "bl702-flash".to_owned(),
            Contestant::Vendor(tool) => format!("{} {}", tool.name, tool.version),
            Contestant::Described(client) => client.name.clone(),
        }
    }

    /// Program and arguments for some work with this file; nothing if it cannot do that. `{port}` stands for the port.
    pub fn command(&self, work: Work, file: &Path) -> Option<Vec<OsString>> {
        match self {
            Contestant::Ours { loader } => {
                let mut words: Vec<OsString> = vec![flasher().into()];
                words.extend(["--port", "{port}", "--baud", "2000000", "--loader"].map(OsString::from));
                words.push(loader.into());
                words.push(if work == Work::Read { "backup".into() } else { "write".into() });
                words.push(file.into());
                Some(words)
            }
            Contestant::Vendor(tool) => {
                let mut words: Vec<OsString> = vec![tool.python().into(), tool.program().into()];
                words.extend(match work {
                    Work::Read => tool.read(0, super::FLASH_BYTES as u32, file),
                    _ => tool.write(file, 0),
                });
                Some(words)
            }
            Contestant::Described(client) => {
                let words = if work == Work::Read { &client.read } else { &client.write };
                let file = file.to_string_lossy();
                let words = words.iter().map(|word| word.replace("{file}", &file).into());
                Some(words.collect::<Vec<OsString>>()).filter(|words| !words.is_empty())
            }
        }
    }

    /// A copy of the package, for a tool that keeps its state there.
    pub fn own_folder(&self) -> Option<Bench> {
        match self {
            Contestant::Vendor(tool) => Some(Bench::new(tool)),
            Contestant::Ours { .. } | Contestant::Described(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_described_flasher_takes_part_where_it_can() {
        let text = "[[client]]\nname = \"mine\"\nread = [\"mine\", \"-p\", \"{port}\", \"{file}\"]\n";
        let clients = Described::all_from_toml(text).unwrap();
        let mine = Contestant::Described(clients[0].clone());
        let words = mine.command(Work::Read, Path::new("/x/y.bin")).unwrap();
        assert_eq!(words, ["mine", "-p", "{port}", "/x/y.bin"]);
        assert_eq!(mine.command(Work::Write, Path::new("/x/y.bin")), None);
    }

    #[test]
    fn a_command_without_a_place_for_port_or_file_is_refused() {
        let text = "[[client]]\nname = \"mine\"\nwrite = [\"mine\", \"{port}\"]\n";
        assert_eq!(Described::all_from_toml(text).unwrap_err(), "mine: write names no {file}");
        assert!(Described::all_from_toml("[[client]]\nnom = 1\n").is_err());
    }
}
