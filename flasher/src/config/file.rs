//! Reading `bl702.toml` and `bl702.local.toml`.

use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{ConfigError, Source, nearest};
use super::find::{LOCAL_FILE, PROJECT_FILE};
use super::key::{self, KEYS, Key, Kind};
use super::layer::{Layer, Origin};
use super::value::beside;

/// Whose file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// The project's, to be shared: names no port.
    Project,
    /// A bench's own: names its ports.
    Local,
}

/// A file that belongs into the flash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageEntry {
    /// Where: an address or the name of a partition.
    pub place: String,
    /// The file.
    pub file: PathBuf,
    /// The configuration that says so.
    pub origin: Origin,
}

/// What is said about one port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortSection {
    /// A path, or the serial number of an adapter.
    pub name: String,
    /// What holds there.
    pub layer: Layer,
}

/// A configuration file, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigFile {
    /// Which.
    pub path: PathBuf,
    /// What it says.
    pub layer: Layer,
    /// What it says about single ports.
    pub ports: Vec<PortSection>,
    /// What belongs into the flash.
    pub images: Vec<ImageEntry>,
}

impl ConfigFile {
    /// Reads the text of a file. Files that it names are seen from its own folder.
    ///
    /// # Errors
    /// [`ConfigError`] with line and column.
    pub fn parse(text: &str, path: &Path, kind: FileKind) -> Result<ConfigFile, ConfigError> {
        let source = Source { text, path: path.to_owned() };
        let document = DeTable::parse(text).map_err(|error| {
            source.error(&error.span().unwrap_or(0..0), format!("this is no TOML: {}", error.message()))
        })?;
        let mut reader = Reader { source, kind, port: None };
        reader.document(document.get_ref())
    }
}

/// A key as it stands in the file, and its value.
type Entry<'d> = (&'d Spanned<toml::de::DeString<'d>>, &'d Spanned<DeValue<'d>>);

struct Reader<'t> {
    source: Source<'t>,
    kind: FileKind,
    /// The port of whose section it is.
    port: Option<String>,
}

impl Reader<'_> {
    fn document(&mut self, document: &DeTable<'_>) -> Result<ConfigFile, ConfigError> {
        let mut file = ConfigFile {
            path: self.source.path.clone(),
            layer: Layer::default(),
            ports: Vec::new(),
            images: Vec::new(),
        };
        for entry in document {
            match entry.0.get_ref().as_ref() {
                "images" => file.images = self.images(entry.1)?,
                "ports" if self.kind == FileKind::Local => file.ports = self.ports(entry.1)?,
                "ports" => {
                    let what = format!(
                        "ports are a matter of your bench: they belong into {LOCAL_FILE} beside {PROJECT_FILE}"
                    );
                    return Err(self.source.error(&entry.0.span(), what));
                }
                _ => self.top(entry, &mut file.layer)?,
            }
        }
        Ok(file)
    }

    /// A key outside of all sections, or the section `[timing]`.
    fn top(&self, entry: Entry<'_>, layer: &mut Layer) -> Result<(), ConfigError> {
        let (name, found) = entry;
        if name.get_ref() != "timing" {
            return self.set(name.get_ref(), entry, layer);
        }
        for entry in self.table(found, "timing", "[timing], with a name and a value on each line below")? {
            self.set(&format!("timing.{}", entry.0.get_ref()), entry, layer)?;
        }
        Ok(())
    }

    fn set(&self, name: &str, entry: Entry<'_>, layer: &mut Layer) -> Result<(), ConfigError> {
        let key = key::find(name).ok_or_else(|| self.unknown(name, &entry.0.span()))?;
        if key.is_local && (self.kind == FileKind::Project || self.port.is_some()) {
            return Err(self.source.error(&entry.0.span(), self.misplaced(key)));
        }
        let text = self.text(key, entry.1)?;
        (key.check)(&text).map_err(|what| self.source.error(&entry.1.span(), format!("{name}: {what}")))?;
        let text = if key.kind == Kind::File { beside(self.folder(), &text) } else { text };
        layer.set(key.name, text, self.origin(&entry.0.span()));
        Ok(())
    }

    fn misplaced(&self, key: &Key) -> String {
        match self.port {
            Some(_) => format!("{} has no place in the section of a port", key.name),
            None => format!(
                "{} is a matter of your bench, not of the project: it belongs into {LOCAL_FILE} beside {PROJECT_FILE}",
                key.name
            ),
        }
    }

    fn folder(&self) -> &Path {
        self.source.path.parent().unwrap_or(Path::new(""))
    }

    fn origin(&self, at: &Range<usize>) -> Origin {
        let (path, line) = (self.source.path.clone(), self.source.line(at.start));
        Origin::File { path, line, port: self.port.clone() }
    }

    fn text(&self, key: &Key, found: &Spanned<DeValue<'_>>) -> Result<String, ConfigError> {
        match (key.kind, found.get_ref()) {
            (Kind::Text | Kind::File | Kind::Number, DeValue::String(text)) => Ok(text.to_string()),
            (Kind::Number, DeValue::Integer(number)) => Ok(number.to_string()),
            (Kind::Switch, DeValue::Boolean(on)) => Ok(on.to_string()),
            (kind, other) => {
                let wanted = match kind {
                    Kind::Text | Kind::File => "a text in quotes",
                    Kind::Number => "a whole number",
                    Kind::Switch => "true or false",
                };
                let what = format!("{} takes {wanted}, not {}", key.name, kind_of(other));
                Err(self.source.error(&found.span(), what))
            }
        }
    }

    fn unknown(&self, name: &str, at: &Range<usize>) -> ConfigError {
        let sections = match self.kind {
            FileKind::Project => ["images", "timing"].as_slice(),
            FileKind::Local => ["images", "timing", "ports"].as_slice(),
        };
        let known = KEYS.iter().map(|key| key.name).chain(sections.iter().copied());
        let short = name.strip_prefix("timing.");
        let meant = match nearest(name, known) {
            // A wait that stands outside of its section, or with another unit.
            None => KEYS.iter().map(|key| key.name).find(|key| {
                key.strip_prefix("timing.").is_some_and(|wait| {
                    let stem = wait.rsplit_once('_').map_or(wait, |(stem, _)| stem);
                    let asked = short.unwrap_or(name);
                    asked == wait
                        || asked == stem
                        || asked.rsplit_once('_').is_some_and(|(asked, _)| asked == stem)
                })
            }),
            nearest => nearest,
        };
        let meant = match meant.map(|meant| (meant, meant.strip_prefix("timing."))) {
            Some((_, Some(wait))) if short.is_none() => {
                format!("; did you mean {wait} in the section [timing]?")
            }
            Some((_, Some(wait))) => format!("; did you mean {wait}?"),
            Some((meant, None)) => format!("; did you mean {meant}?"),
            None => "; `bl702-flash config show` lists the keys".to_owned(),
        };
        let place = if short.is_some() { " in [timing]" } else { "" };
        self.source.error(at, format!("there is no key {:?}{place}{meant}", short.unwrap_or(name)))
    }

    fn table<'d>(
        &self,
        found: &'d Spanned<DeValue<'d>>,
        name: &str,
        wanted: &str,
    ) -> Result<&'d DeTable<'d>, ConfigError> {
        found.get_ref().as_table().ok_or_else(|| {
            let what = format!("{name} is a section, not {}: write {wanted}", kind_of(found.get_ref()));
            self.source.error(&found.span(), what)
        })
    }

    fn images(&self, found: &Spanned<DeValue<'_>>) -> Result<Vec<ImageEntry>, ConfigError> {
        let table = self.table(found, "images", "[images], with an address and a file on each line below")?;
        let entry = |(place, file): Entry<'_>| {
            let name = file.get_ref().as_str().filter(|name| !name.is_empty()).ok_or_else(|| {
                self.source.error(&file.span(), format!("{} takes the name of a file", place.get_ref()))
            })?;
            let origin = self.origin(&place.span());
            let file = self.folder().join(name);
            Ok(ImageEntry { place: place.get_ref().to_string(), file, origin })
        };
        table.iter().map(entry).collect()
    }

    fn ports(&mut self, found: &Spanned<DeValue<'_>>) -> Result<Vec<PortSection>, ConfigError> {
        let wanted = "[ports.\"/dev/ttyUSB0\"] or [ports.\"SERIAL NUMBER\"]";
        let mut sections = Vec::new();
        for (name, found) in self.table(found, "ports", wanted)? {
            let mut layer = Layer::default();
            let name = name.get_ref().to_string();
            self.port = Some(name.clone());
            for entry in self.table(found, "a port", wanted)? {
                self.top(entry, &mut layer)?;
            }
            self.port = None;
            sections.push(PortSection { name, layer });
        }
        Ok(sections)
    }
}

fn kind_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a point",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a section",
    }
}
