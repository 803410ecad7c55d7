//! `loader`: which RAM loader would be uploaded, and getting one from the vendor's published package.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Output, Stdio};

use bl702_flasher::loader::{self, Environment, IN_PACKAGES, LoaderError, LoaderImage, MAX_FILE_BYTES};
use serde_json::{Value, json};

use super::Outcome;
use super::files::NewFile;
use super::options::Options;
use crate::failure::Failure;

const EXAMPLES: &str = "Examples:
  bl702-flash loader status
  bl702-flash loader install                                        by pip, from PyPI
  bl702-flash loader install bflb_mcu_tool_uart-1.10.1.tar.gz       a package that is here already
  bl702-flash loader install eflash_loader_32m.bin                  the file itself";

/// The package that is fetched; of the vendor's four that hold the file the smallest.
const PACKAGE: &str = "bflb-mcu-tool-uart";

#[derive(Debug, clap::Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum Command {
    /// Say which RAM loader would be uploaded, where it is, and whether it is a published build
    Status,
    /// Take the RAM loader out of the vendor's published Python package and keep it for this user
    Install(InstallArgs),
    /// Remove what `install` has kept
    Remove,
}

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct InstallArgs {
    /// The package (.whl, .tar.gz, .zip) or the image (.bin) [default: the package, downloaded by pip]
    file: Option<PathBuf>,

    /// Take an image that is none of the published builds
    #[arg(long)]
    allow_unknown: bool,

    /// Replace another image that was installed before
    #[arg(long)]
    force: bool,
}

impl Command {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Command::Status => "loader status",
            Command::Install(_) => "loader install",
            Command::Remove => "loader remove",
        }
    }
}

pub(crate) fn run(command: &Command, options: &Options) -> Result<Outcome, Failure> {
    match command {
        Command::Status => status(options.loader().as_deref()),
        Command::Install(args) => install(args),
        Command::Remove => remove(),
    }
}

/// What every command would upload: the file that was named, or the first that is found.
fn status(named: Option<&Path>) -> Result<Outcome, Failure> {
    let (image, how) = match named {
        Some(path) => (LoaderImage::from_file(path)?, "named with --loader"),
        None => {
            let environment = Environment::of_process();
            let image = loader::find(&environment)?;
            let installed =
                environment.installed().is_some_and(|path| path.display().to_string() == image.name);
            (image, if installed { "installed by `loader install`" } else { "found in a Python package" })
        }
    };
    let mut text = vec![format!("RAM loader      {}, {how}", image.name)];
    text.extend(describe(&image));
    let mut json = to_json(&image);
    json["how"] = json!(how);
    Ok(Outcome::new(text, json))
}

fn describe(image: &LoaderImage) -> Vec<String> {
    let data_bytes: usize = image.image.segments.iter().map(|segment| segment.data.len()).sum();
    let build = match image.known {
        Some(build) => format!("published in {}", build.published_in),
        None => "none of the published builds".to_owned(),
    };
    vec![
        format!("SHA-256         {}", image.sha256),
        format!("build           {build}"),
        format!(
            "boot header     right: magic, CRC-32 and hash are those the boot ROM asks for; {} segment, {data_bytes} bytes",
            image.image.segments.len()
        ),
    ]
}

fn to_json(image: &LoaderImage) -> Value {
    json!({
        "file": image.name,
        "sha256": image.sha256,
        "known": image.known.is_some(),
        "published_in": image.known.map(|build| build.published_in),
        "segments": image.image.segments.len(),
    })
}

fn install(args: &InstallArgs) -> Result<Outcome, Failure> {
    let target = Environment::of_process().installed().ok_or_else(|| {
        Failure::usage(
            "there is no folder for this user's data",
            "Set HOME or XDG_DATA_HOME, or use --loader FILE.",
        )
    })?;
    let (bytes, source) = match &args.file {
        Some(file) => (from_file(file)?, file.display().to_string()),
        None => download()?,
    };
    let image = LoaderImage::from_bytes(source.clone(), &bytes)?;
    if image.known.is_none() && !args.allow_unknown {
        return Err(Failure::Refused {
            what: format!(
                "the RAM loader in {source} (SHA-256 {}) is none of the published builds",
                image.sha256
            ),
            hint: "A program that the chip runs should be one that others have run before. If you know where it is from, give --allow-unknown.".to_owned(),
        });
    }
    let same = fs::read(&target).is_ok_and(|found| found == bytes);
    if !same {
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder).map_err(|error| Failure::io(folder, "make the folder", &error))?;
        }
        NewFile::begin(&target, args.force)?.finish(&bytes)?;
    }
    let done = if same { "is installed already" } else { "is installed" };
    let mut text = vec![format!("the RAM loader of {source} {done}: {}", target.display())];
    text.extend(describe(&image));
    let mut json = to_json(&image);
    json["file"] = json!(target);
    json["source"] = json!(source);
    Ok(Outcome::new(text, json))
}

fn remove() -> Result<Outcome, Failure> {
    let target = Environment::of_process().installed().filter(|path| path.is_file()).ok_or_else(|| {
        Failure::usage("no RAM loader was installed for this user", "`loader status` says which one is used.")
    })?;
    fs::remove_file(&target).map_err(|error| Failure::io(&target, "remove", &error))?;
    Ok(Outcome::new(vec![format!("{} is removed", target.display())], json!({"file": target})))
}

/// The image in a file, which may be a package.
fn from_file(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut head = Vec::new();
    let file = fs::File::open(path).map_err(|error| Failure::io(path, "read", &error))?;
    file.take(MAX_FILE_BYTES + 1)
        .read_to_end(&mut head)
        .map_err(|error| Failure::io(path, "read", &error))?;
    // A zip archive, as a wheel is one; gzip.
    if head.starts_with(b"PK\x03\x04") || head.starts_with(&[0x1f, 0x8b]) {
        return from_package(path);
    }
    if head.len() as u64 > MAX_FILE_BYTES {
        return Err(LoaderError::TooLarge { path: path.to_owned() }.into());
    }
    Ok(head)
}

/// Reads one file of an archive and runs nothing of it: what is in it is looked at, not installed.
const EXTRACT: &str = "
import sys, tarfile, zipfile
path, limit, names = sys.argv[1], int(sys.argv[2]), tuple(sys.argv[3:])
if zipfile.is_zipfile(path):
    archive = zipfile.ZipFile(path)
    found = [name for name in archive.namelist() if name.endswith(names)]
    stream = archive.open(found[0]) if found else None
else:
    archive = tarfile.open(path)
    found = [member for member in archive if member.isfile() and member.name.endswith(names)]
    stream = archive.extractfile(found[0]) if found else None
if stream is None:
    sys.exit('there is no bl702 eflash_loader_32m.bin in it')
sys.stdout.buffer.write(stream.read(limit))
";

fn from_package(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut python = python()?;
    python.args(["-I", "-c", EXTRACT]).arg(path).arg((MAX_FILE_BYTES + 1).to_string()).args(IN_PACKAGES);
    let output = run_tool(&mut python, "python3")?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err(Failure::File {
        path: path.to_owned(),
        action: "take the RAM loader out of",
        reason: last_line(&output),
        hint: "Give one of the vendor's packages: bflb-mcu-tool-uart, bflb-mcu-tool, bflb-iot-tool-uart or bflb-iot-tool.",
    })
}

/// Downloads the package and takes the image out of it.
fn download() -> Result<(Vec<u8>, String), Failure> {
    let folder =
        tempfile::tempdir().map_err(|error| Failure::io(std::env::temp_dir(), "make a folder in", &error))?;
    let mut pip = python()?;
    pip.args(["-m", "pip", "download", "--no-deps", "--no-input", "--disable-pip-version-check", "--dest"]);
    let output = run_tool(pip.arg(folder.path()).arg(PACKAGE), "python3")?;
    if !output.status.success() {
        return Err(Failure::usage(
            format!("`pip download --no-deps {PACKAGE}` failed: {}", last_line(&output)),
            "If pip is missing, install it (on Debian: apt install python3-pip). Without a network, download the package elsewhere (https://pypi.org/project/bflb-mcu-tool-uart/#files) and give the file: loader install FILE.",
        ));
    }
    let entries = fs::read_dir(folder.path()).map_err(|error| Failure::io(folder.path(), "list", &error))?;
    let package = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).next();
    let package = package.ok_or_else(|| {
        Failure::usage("pip has downloaded nothing", "Download the package by hand: loader install FILE.")
    })?;
    let name = package.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok((from_package(&package)?, name))
}

/// Python, of which pip is a part, and which can read the archives that it knows.
fn python() -> Result<Process, Failure> {
    let names: &[&str] = if cfg!(windows) { &["py", "python"] } else { &["python3", "python"] };
    let found = std::env::var_os("PATH").and_then(|path| {
        let files = std::env::split_paths(&path).flat_map(|folder| {
            names.iter().map(move |name| folder.join(name).with_extension(std::env::consts::EXE_EXTENSION))
        });
        files.into_iter().find(|file| file.is_file())
    });
    let python = found.ok_or_else(|| {
        Failure::usage(
            "python3 is not on this machine, or not in PATH",
            "Packages are downloaded and unpacked with it. Unpack the package by hand and give the file in it that ends in bl702/eflash_loader/eflash_loader_32m.bin.",
        )
    })?;
    Ok(Process::new(python))
}

fn run_tool(command: &mut Process, name: &'static str) -> Result<Output, Failure> {
    let output = command.stdin(Stdio::null()).output();
    output.map_err(|error| Failure::io(name, "run", &error))
}

/// What a program says last, which is where Python and pip tell what is wrong.
fn last_line(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    match lines.iter().rev().find(|line| line.starts_with("ERROR:")).or(lines.last()) {
        Some(line) => (*line).to_owned(),
        None => format!("it ended with {}", output.status),
    }
}
