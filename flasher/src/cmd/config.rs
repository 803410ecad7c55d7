//! `config`

use std::path::{Path, PathBuf};

use bl702_flasher::config::{FileKind, GIT_IGNORE_HINT, KEYS, LOCAL_FILE, PROJECT_FILE, Settings, example};
use serde_json::{Map, Value, json};

use super::Outcome;
use super::files::NewFile;
use super::options::Options;
use crate::failure::Failure;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Every setting, its value, and where that comes from
    Show,
    /// Write a file to begin with, every line of it a remark; never over a file
    Init(InitArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct InitArgs {
    /// Folder to write it into
    #[arg(value_name = "FOLDER", default_value = ".")]
    folder: PathBuf,

    /// Write bl702.local.toml, for the ports of this bench, instead of bl702.toml
    #[arg(long)]
    local: bool,
}

impl Command {
    /// Who wants a file to begin with may have one that is wrong.
    pub(super) fn uses_settings(&self) -> bool {
        matches!(self, Command::Show)
    }
}

pub(crate) fn run(command: &Command, options: &Options) -> Result<Outcome, Failure> {
    match command {
        Command::Show => Ok(show(options)),
        Command::Init(args) => init(args),
    }
}

fn show(options: &Options) -> Outcome {
    let settings = match &options.port {
        Some(port) => options.at_port(port),
        None => options.settings().clone(),
    };
    Outcome::new(text(&settings), json_of(&settings))
}

fn text(settings: &Settings) -> Vec<String> {
    let mut lines: Vec<String> =
        settings.files().iter().map(|path| format!("file {}", path.display())).collect();
    if lines.is_empty() {
        lines.push(format!("no {PROJECT_FILE} or {LOCAL_FILE}, here or above"));
    }
    for key in &KEYS {
        let line = match settings.value(key.name) {
            Some(value) => format!("{:<24} {:<16} {}", key.name, value.text, value.origin),
            None => format!("{:<24} {:<16} not set", key.name, "-"),
        };
        lines.push(line);
    }
    for image in settings.images() {
        lines.push(format!("{:<24} {:<16} {}", "image", image.place, image.origin));
        lines.push(format!("{:<24} {}", "", image.file.display()));
    }
    lines
}

fn json_of(settings: &Settings) -> Value {
    let values: Map<String, Value> = KEYS
        .iter()
        .map(|key| {
            let value = settings.value(key.name).map_or(
                Value::Null,
                |value| json!({"value": value.text, "origin": value.origin.to_string()}),
            );
            (key.name.to_owned(), value)
        })
        .collect();
    let images: Vec<Value> = settings
        .images()
        .iter()
        .map(|image| json!({"place": image.place, "file": image.file, "origin": image.origin.to_string()}))
        .collect();
    json!({"files": settings.files(), "values": values, "images": images})
}

fn init(args: &InitArgs) -> Result<Outcome, Failure> {
    let (kind, name) =
        if args.local { (FileKind::Local, LOCAL_FILE) } else { (FileKind::Project, PROJECT_FILE) };
    let path = if args.folder == Path::new(".") { PathBuf::from(name) } else { args.folder.join(name) };
    let path = NewFile::begin(&path, false)?.finish(example(kind).as_bytes())?;
    let mut lines = vec![format!("{}: written; it changes nothing until you do", path.display())];
    if !is_ignored(&args.folder) {
        lines.push(GIT_IGNORE_HINT.to_owned());
    }
    Ok(Outcome::new(lines, json!({"file": path})))
}

/// Whether the folder's `.gitignore`, or that of one above it up to the top of the repository, names the bench's file.
fn is_ignored(folder: &Path) -> bool {
    let Ok(folder) = folder.canonicalize() else { return false };
    for folder in folder.ancestors() {
        let ignored = std::fs::read_to_string(folder.join(".gitignore")).unwrap_or_default();
        let named = |line: &str| {
            let line = line.trim().trim_start_matches('/').trim_start_matches("**/");
            [LOCAL_FILE, "*.local.toml"].contains(&line)
        };
        if ignored.lines().any(named) {
            return true;
        }
        if folder.join(".git").exists() {
            return false;
        }
    }
    false
}
