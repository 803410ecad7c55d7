//! The modes of failure that are built in, by name.

use std::fmt;
use std::path::Path;

use super::plan::{About, FaultPlan, PlanError};

/// Their texts.
const TEXTS: &[&str] = &[
    include_str!("../../../fixtures/faults/efuse-sign.toml"),
    include_str!("../../../fixtures/faults/efuse-encrypt.toml"),
    include_str!("../../../fixtures/faults/efuse-tz-boot.toml"),
    include_str!("../../../fixtures/faults/efuse-uart-disabled.toml"),
    include_str!("../../../fixtures/faults/efuse-hbn-jump-disabled.toml"),
    include_str!("../../../fixtures/faults/efuse-media-boot-disabled.toml"),
    include_str!("../../../fixtures/faults/efuse-read-refused.toml"),
    include_str!("../../../fixtures/faults/pll-fail.toml"),
    include_str!("../../../fixtures/faults/pll-refused.toml"),
    include_str!("../../../fixtures/faults/crystal-dead.toml"),
    include_str!("../../../fixtures/faults/jedec-fail.toml"),
    include_str!("../../../fixtures/faults/jedec-dead.toml"),
    include_str!("../../../fixtures/faults/jedec-dead-low.toml"),
    include_str!("../../../fixtures/faults/jedec-refused.toml"),
    include_str!("../../../fixtures/faults/wrong-profile.toml"),
    include_str!("../../../fixtures/faults/boot-strap-low.toml"),
    include_str!("../../../fixtures/faults/boot-strap-floating.toml"),
    include_str!("../../../fixtures/faults/en-held.toml"),
    include_str!("../../../fixtures/faults/loader-running.toml"),
    include_str!("../../../fixtures/faults/flash-protected.toml"),
    include_str!("../../../fixtures/faults/flash-worn.toml"),
    include_str!("../../../fixtures/faults/flash-smaller.toml"),
    include_str!("../../../fixtures/faults/flash-size-lie.toml"),
    include_str!("../../../fixtures/faults/program-fail.toml"),
    include_str!("../../../fixtures/faults/erase-fail.toml"),
    include_str!("../../../fixtures/faults/write-enable-fail.toml"),
    include_str!("../../../fixtures/faults/status-read-fail.toml"),
    include_str!("../../../fixtures/faults/flash-never-ready.toml"),
    include_str!("../../../fixtures/faults/write-lie.toml"),
    include_str!("../../../fixtures/faults/erase-lie.toml"),
    include_str!("../../../fixtures/faults/slow-erase.toml"),
    include_str!("../../../fixtures/faults/slow-program.toml"),
    include_str!("../../../fixtures/faults/weak-bits.toml"),
    include_str!("../../../fixtures/faults/stuck-bits.toml"),
    include_str!("../../../fixtures/faults/loader-hang.toml"),
    include_str!("../../../fixtures/faults/line-noise.toml"),
    include_str!("../../../fixtures/faults/bit-flip-to-module.toml"),
    include_str!("../../../fixtures/faults/bit-flip-to-host.toml"),
    include_str!("../../../fixtures/faults/dropped-byte.toml"),
    include_str!("../../../fixtures/faults/dropped-byte-to-module.toml"),
    include_str!("../../../fixtures/faults/duplicated-byte.toml"),
    include_str!("../../../fixtures/faults/inserted-zero.toml"),
    include_str!("../../../fixtures/faults/burst-noise.toml"),
    include_str!("../../../fixtures/faults/stall.toml"),
    include_str!("../../../fixtures/faults/clog-then-burst.toml"),
    include_str!("../../../fixtures/faults/damaged-ok.toml"),
    include_str!("../../../fixtures/faults/damaged-pd.toml"),
    include_str!("../../../fixtures/faults/stuck-line.toml"),
    include_str!("../../../fixtures/faults/tx-rx-swapped.toml"),
    include_str!("../../../fixtures/faults/adapter-1m-max.toml"),
    include_str!("../../../fixtures/faults/ftdi-16ms.toml"),
    include_str!("../../../fixtures/faults/short-reads.toml"),
    include_str!("../../../fixtures/faults/reply-lost.toml"),
    include_str!("../../../fixtures/faults/reply-delayed.toml"),
    include_str!("../../../fixtures/faults/reply-repeated.toml"),
    include_str!("../../../fixtures/faults/command-lost.toml"),
    include_str!("../../../fixtures/faults/write-refused-once.toml"),
    include_str!("../../../fixtures/faults/read-refused.toml"),
    include_str!("../../../fixtures/faults/handshake-lost.toml"),
    include_str!("../../../fixtures/faults/power-cut-program.toml"),
    include_str!("../../../fixtures/faults/power-cut-erase.toml"),
    include_str!("../../../fixtures/faults/power-lost.toml"),
    include_str!("../../../fixtures/faults/brown-out.toml"),
    include_str!("../../../fixtures/faults/en-glitch.toml"),
    include_str!("../../../fixtures/faults/usb-unplug.toml"),
    include_str!("../../../fixtures/faults/unplug-replug.toml"),
];

/// A mode of failure that is built in.
#[derive(Clone, Debug)]
pub struct Mode {
    /// Its text, as in `fixtures/faults`.
    pub text: &'static str,
    /// What it is.
    pub about: About,
    /// Its faults; none for a mode in which the module is healthy.
    pub plan: FaultPlan,
}

/// Why a mode or a plan cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// No mode has this name.
    #[error("no fault is called {name:?}{}", similar(.name))]
    UnknownName {
        /// The name.
        name: String,
    },
    /// The file cannot be read.
    #[error("cannot read the fault plan {file:?}: {source}")]
    Unreadable {
        /// The file.
        file: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// The text is no plan.
    #[error("{file:?} is {source}")]
    Plan {
        /// The file, or the name.
        file: String,
        /// What is wrong with it.
        source: PlanError,
    },
}

fn similar(name: &str) -> String {
    let near = names().into_iter().filter(|known| {
        known.split('-').any(|word| word.len() > 2 && name.contains(word)) || known.starts_with(name)
    });
    let near: Vec<String> = near.take(5).collect();
    if near.is_empty() { String::new() } else { format!("; there are {}", near.join(", ")) }
}

/// All modes, in the order of the list.
///
/// # Errors
/// [`LoadError::Plan`] when a text that was built in is no plan.
pub fn modes() -> Result<Vec<Mode>, LoadError> {
    TEXTS.iter().map(|text| mode_of(text)).collect()
}

fn mode_of(text: &'static str) -> Result<Mode, LoadError> {
    let plan = FaultPlan::from_toml(text)
        .map_err(|source| LoadError::Plan { file: "the catalogue".to_owned(), source })?;
    Ok(Mode { text, about: plan.about.clone().unwrap_or_default(), plan })
}

/// All names, aliases included.
pub fn names() -> Vec<String> {
    let modes = modes().unwrap_or_default();
    modes.into_iter().flat_map(|mode| [vec![mode.about.name], mode.about.aliases].concat()).collect()
}

/// The mode of this name.
///
/// # Errors
/// [`LoadError::UnknownName`].
pub fn mode(name: &str) -> Result<Mode, LoadError> {
    // A text names its mode in the first lines, so that few are parsed.
    let quoted = format!("\"{name}\"");
    for text in TEXTS.iter().filter(|text| text.contains(&quoted)) {
        let mode = mode_of(text)?;
        if mode.about.name == name || mode.about.aliases.iter().any(|alias| alias == name) {
            return Ok(mode);
        }
    }
    Err(LoadError::UnknownName { name: name.to_owned() })
}

/// The plan that `--fault` names: a word with a separator or a TOML ending is a file, anything else a name.
///
/// # Errors
/// [`LoadError`].
pub fn load(word: &str) -> Result<FaultPlan, LoadError> {
    let path = Path::new(word);
    if !word.contains('/') && path.extension().is_none_or(|extension| extension != "toml") {
        return Ok(mode(word)?.plan);
    }
    let file = || word.to_owned();
    let text =
        std::fs::read_to_string(path).map_err(|source| LoadError::Unreadable { file: file(), source })?;
    FaultPlan::from_toml(&text).map_err(|source| LoadError::Plan { file: file(), source })
}

/// Columns of the explanation.
const WIDTH: usize = 100;
const INDENT: usize = 15;

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let about = &self.about;
        writeln!(f, "{}: {}", about.name, about.title)?;
        if !about.aliases.is_empty() {
            writeln!(f, "also called {}", about.aliases.join(", "))?;
        }
        writeln!(f)?;
        paragraph(f, "models", &about.models)?;
        paragraph(f, "evidence", &format!("{} ({})", about.evidence.in_words(), about.source))?;
        paragraph(f, "on the wire", &about.wire)?;
        paragraph(f, "official tool", &about.official)?;
        let faults = self.text.find("[[fault]]").map_or("nothing is armed\n", |start| &self.text[start..]);
        write!(f, "\n{faults}")
    }
}

/// A field's name and its text, wrapped.
fn paragraph(f: &mut fmt::Formatter<'_>, name: &str, text: &str) -> fmt::Result {
    write!(f, "{name:INDENT$}")?;
    let mut column = INDENT;
    for (index, word) in text.split_whitespace().enumerate() {
        if index > 0 && column + 1 + word.len() > WIDTH {
            write!(f, "\n{:INDENT$}", "")?;
            column = INDENT;
        } else if index > 0 {
            f.write_str(" ")?;
            column += 1;
        }
        f.write_str(word)?;
        column += word.len();
    }
    writeln!(f)
}
