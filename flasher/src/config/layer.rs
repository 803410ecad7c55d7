//! Who said what, and who wins.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use super::error::ConfigError;
use super::file::{ConfigFile, ImageEntry, PortSection};
use super::key::{self, KEYS, environment_name};
use super::value::{self, MOST_BAUD_BPS, WiringChoice};
use crate::connect::ConnectOptions;
use crate::flow::After;
use crate::loader::LoaderImage;
use crate::reset::{Adapter, Lines, Wiring};
use crate::timing::{Pace, TIME_OUTS, Timing};

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The command line.
    CommandLine,
    /// A variable of the environment.
    Environment(String),
    /// A file.
    File {
        /// Which.
        path: PathBuf,
        /// Where in it, from 1.
        line: usize,
        /// The port of whose section it is.
        port: Option<String>,
    },
    /// It follows from the preset of waits.
    Preset(Pace),
    /// Nobody said anything.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::CommandLine => f.write_str("command line"),
            Origin::Environment(name) => write!(f, "environment, {name}"),
            Origin::File { path, line, port: None } => write!(f, "{}:{line}", path.display()),
            Origin::File { path, line, port: Some(port) } => {
                write!(f, "{}:{line}, for port {port}", path.display())
            }
            Origin::Preset(pace) => write!(f, "by timing.preset = {pace}"),
            Origin::Default => f.write_str("default"),
        }
    }
}

/// A value and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// As it was written.
    pub text: String,
    /// Who wrote it.
    pub origin: Origin,
}

/// What one place says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layer {
    values: BTreeMap<&'static str, Value>,
}

impl Layer {
    /// Notes a value. The key has to be one of [`KEYS`].
    pub fn set(&mut self, name: &'static str, text: impl Into<String>, origin: Origin) {
        debug_assert!(key::find(name).is_some(), "{name} is no key");
        self.values.insert(name, Value { text: text.into(), origin });
    }

    /// What the command line says about some keys.
    pub fn of_command_line(values: impl IntoIterator<Item = (&'static str, Option<String>)>) -> Layer {
        let mut layer = Layer::default();
        for (name, text) in values {
            if let Some(text) = text {
                layer.set(name, text, Origin::CommandLine);
            }
        }
        layer
    }

    /// What the environment says; `variable` gives the value of a name. Empty values say nothing.
    ///
    /// # Errors
    /// [`ConfigError`] for a value that cannot be.
    pub fn of_environment(variable: impl Fn(&str) -> Option<String>) -> Result<Layer, ConfigError> {
        let mut layer = Layer::default();
        for key in &KEYS {
            let name = environment_name(key);
            let Some(text) = variable(&name).filter(|text| !text.is_empty()) else { continue };
            (key.check)(&text).map_err(|what| ConfigError {
                place: name.clone(),
                what,
                hint: format!("Correct or unset the variable {name} of the environment."),
            })?;
            layer.set(key.name, text, Origin::Environment(name));
        }
        Ok(layer)
    }
}

/// All that is set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The one with the most weight first.
    layers: Vec<Layer>,
    /// Where the sections of ports go: behind command line and environment.
    own_layers: usize,
    ports: Vec<PortSection>,
    images: Vec<ImageEntry>,
    files: Vec<PathBuf>,
}

impl Settings {
    /// Piles up what there is: command line, environment, the bench's file, the project's file.
    pub fn new(
        command_line: Layer,
        environment: Layer,
        local: Option<ConfigFile>,
        project: Option<ConfigFile>,
    ) -> Settings {
        let mut settings =
            Settings { layers: vec![command_line, environment], own_layers: 2, ..Settings::default() };
        for file in [local, project].into_iter().flatten() {
            settings.layers.push(file.layer);
            settings.ports.extend(file.ports);
            settings.images.extend(file.images);
            settings.files.push(file.path);
        }
        settings
    }

    /// The files that were read, the one with more weight first.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// Files that belong into the flash, and where.
    pub fn images(&self) -> &[ImageEntry] {
        &self.images
    }

    /// The same with what is said about one port, which goes by these names: its path, the serial number of its adapter.
    #[must_use]
    pub fn at_port(&self, names: &[String]) -> Settings {
        let mut settings = self.clone();
        let sections = self.ports.iter().filter(|section| names.contains(&section.name));
        for section in sections {
            settings.layers.insert(settings.own_layers, section.layer.clone());
        }
        settings
    }

    /// Weight and value of a key: the lower, the more.
    fn weighed(&self, name: &str) -> Option<(usize, &Value)> {
        self.layers.iter().enumerate().find_map(|(weight, layer)| Some((weight, layer.values.get(name)?)))
    }

    /// What somebody said about a key, unless it is void.
    fn said(&self, name: &str) -> Option<&Value> {
        let (weight, value) = self.weighed(name)?;
        let governor = key::find(name)?.governed_by.and_then(|governor| self.weighed(governor));
        governor.is_none_or(|(other, _)| other >= weight).then_some(value)
    }

    /// The value of a key and where it comes from; `None` if it has none.
    pub fn value(&self, name: &str) -> Option<Value> {
        if let Some(value) = self.said(name) {
            return Some(value.clone());
        }
        if let Some(default) = key::find(name)?.default {
            return Some(Value { text: default.to_owned(), origin: Origin::Default });
        }
        let time_out =
            TIME_OUTS.iter().find(|time_out| name.strip_prefix("timing.") == Some(time_out.name))?;
        let pace = self.value("timing.preset")?.text.parse().ok()?;
        let text = time_out.get(&Timing::of(pace)).to_string();
        Some(Value { text, origin: Origin::Preset(pace) })
    }

    /// Text of a key that has one.
    pub fn text(&self, name: &str) -> Option<String> {
        self.value(name).map(|value| value.text)
    }

    fn read<T>(
        &self,
        name: &str,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, ConfigError> {
        let Some(value) = self.value(name) else { return Ok(None) };
        read(&value.text).map(Some).map_err(|what| ConfigError {
            place: format!("{name} ({})", value.origin),
            what,
            hint: "Correct it there.".to_owned(),
        })
    }

    /// What becomes of the module afterwards.
    ///
    /// # Errors
    /// [`ConfigError`]
    pub fn after(&self) -> Result<After, ConfigError> {
        Ok(self.read("after", value::after)?.unwrap_or_default())
    }

    /// The waits.
    ///
    /// # Errors
    /// [`ConfigError`]
    pub fn timing(&self) -> Result<Timing, ConfigError> {
        let pace = self.read("timing.preset", str::parse)?.unwrap_or_default();
        let mut timing = Timing::of(pace);
        for time_out in &TIME_OUTS {
            let name = format!("timing.{}", time_out.name);
            if let Some(value) = self.read(&name, |text| value::time_out(time_out, text))? {
                time_out.set(&mut timing, value);
            }
        }
        Ok(timing)
    }

    /// What a session needs to know, but for what only the port can tell.
    ///
    /// # Errors
    /// [`ConfigError`] for a value that cannot be.
    pub fn connect_options(&self, loader: Option<LoaderImage>) -> Result<ConnectOptions, ConfigError> {
        let switch = |name| Ok::<bool, ConfigError>(self.read(name, value::switch)?.unwrap_or_default());
        let usual = ConnectOptions::default();
        let (wiring, into_isp) = match self.read("wiring", str::parse)? {
            Some(WiringChoice::Named(wiring)) => (wiring, None),
            Some(WiringChoice::Sequence(sequence)) => (Wiring::None, Some(sequence)),
            None => (usual.wiring, None),
        };
        let baud = self.read("baud", value::baud)?.unwrap_or(Some(usual.baud_bps));
        Ok(ConnectOptions {
            boot_baud_bps: self.read("boot_baud", value::rate)?.unwrap_or(usual.boot_baud_bps),
            baud_bps: baud.unwrap_or(MOST_BAUD_BPS),
            climb: baud.is_none(),
            timing: self.timing()?,
            wiring,
            adapter: Adapter {
                invert: Lines { dtr: switch("invert_dtr")?, rts: switch("invert_rts")? },
                into_isp,
                into_firmware: self.read("into_firmware", value::sequence)?,
            },
            has_lines: false,
            loader: loader.map(Arc::new),
            flash_size: self.read("flash_size", value::size)?,
        })
    }
}
