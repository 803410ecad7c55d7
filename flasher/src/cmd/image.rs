//! `image`

use std::path::{Path, PathBuf};

use bl702_flasher::image::boards::{BOARDS, Board};
use bl702_flasher::image::build::{Locks, Payload, Target, build, header_for, ignore_checks};
use bl702_flasher::image::crypt::{AesKey, PrivateKey};
use bl702_flasher::image::inspect::{Inspection, Verdict, inspect};
use bl702_flasher::image::merge::{extract, merge, patch_header};
use bl702_flasher::image::{ImageError, vendor_config};
use bl702_flasher::plan::{FlashRange, parse_number};
use bl702_protocol::image::boot_header::{BOOT_HEADER_LEN, BootHeader};
use bl702_protocol::image::partition::PartitionTable;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::Outcome;
use super::files::{read_file, read_parts, write_output};
use crate::failure::Failure;

const EXAMPLES: &str = "Examples:
  bl702-flash image info dump.bin
  bl702-flash image build firmware.elf --board xt-zb2 -o firmware.img
  bl702-flash image build boot2.bin --config efuse_bootheader_cfg.ini --set img_start=0x2000 -o boot2.img
  bl702-flash image merge 0=boot2.img 0xE000=pt.bin 0xF000=pt.bin 0x10000=firmware.img -o whole.bin
  bl702-flash image extract dump.bin --partition FW -o fw.bin";

const CONFIG_HINT: &str = "Names and numbers are as in [BOOTHEADER_CFG] of the vendor's efuse_bootheader_cfg.ini, as pll_clk=4 or img_start=0x2000.";

#[derive(Debug, clap::Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum Command {
    /// Say what is in a file and check every CRC, hash and signature (status 4 if one is wrong)
    Info {
        /// Image, dump, partition table, ELF, Intel HEX or RAM loader
        file: PathBuf,
    },
    /// Make a bootable image of an ELF, Intel HEX or raw file
    Build(BuildArgs),
    /// Join files into an image of the flash
    Merge {
        /// Files and where they go, as 0x2000=firmware.bin
        #[arg(required = true, value_name = "ADDRESS=FILE")]
        pieces: Vec<String>,
        /// Length of the image, as 1MiB; else it ends with the last file
        #[arg(long, value_parser = number)]
        size: Option<u32>,
        #[command(flatten)]
        output: Output,
    },
    /// Take a part out of a dump
    Extract {
        /// Dump
        file: PathBuf,
        #[command(flatten)]
        part: ExtractPart,
        #[command(flatten)]
        output: Output,
    },
    /// Change the boot header of an image and set its CRCs and hash anew
    PatchHeader {
        /// Image or dump
        file: PathBuf,
        /// Offset of the header in the file
        #[arg(long, default_value = "0", value_parser = number)]
        at: u32,
        #[command(flatten)]
        header: HeaderArgs,
        #[command(flatten)]
        output: Output,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct BuildArgs {
    /// ELF, Intel HEX or raw program
    input: PathBuf,
    #[command(flatten)]
    header: HeaderArgs,
    /// Make an image for RAM at this address (an ELF or HEX file says so itself)
    #[arg(long, value_name = "ADDRESS", value_parser = number)]
    ram: Option<u32>,
    /// Sign with a P-256 private key (PEM)
    #[arg(long, value_name = "PEM")]
    sign: Option<PathBuf>,
    /// Encrypt with this AES key, 32, 48 or 64 hexadecimal digits
    #[arg(long, value_name = "KEY", requires = "iv")]
    encrypt: Option<String>,
    /// IV of the encryption, 32 hexadecimal digits
    #[arg(long, value_name = "IV", requires = "encrypt")]
    iv: Option<String>,
    /// Do not fill the gap between header and image: write the front to this file, the image to --output
    #[arg(long, value_name = "FILE")]
    front: Option<PathBuf>,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, clap::Args)]
pub(crate) struct HeaderArgs {
    /// Flash and clock configuration of a board: generic, xt-zb2, kh25v80, gd25q80e, w25q80dv
    /// [default of image build: the board of bl702.toml]
    #[arg(long)]
    board: Option<String>,
    /// Settings of a vendor's file: efuse_bootheader_cfg.ini, or the .conf of a flash part
    #[arg(long, value_name = "FILE")]
    config: Vec<PathBuf>,
    /// One setting by the vendor's name, as pll_clk=4 or img_start=0x2000
    #[arg(long, value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// Let the ROM check neither hash nor CRC, as the vendor's tool does by default
    #[arg(long)]
    ignore_checks: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Output {
    /// File to write; - is standard output
    #[arg(long, short, value_name = "FILE")]
    pub(super) output: PathBuf,
    /// Replace an existing file
    #[arg(long)]
    pub(super) force: bool,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub(crate) struct ExtractPart {
    /// A partition by its name in the dump's own table
    #[arg(long, value_name = "NAME")]
    partition: Option<String>,
    /// A range, as 0x3000..0x93000
    #[arg(long, value_name = "A..B")]
    range: Option<FlashRange>,
}

/// `board` is that of the project, for images that are built and name none.
pub(crate) fn run(command: &Command, board: Option<&str>) -> Result<Outcome, Failure> {
    match command {
        Command::Info { file } => info(file),
        Command::Build(args) => run_build(args, board),
        Command::Merge { pieces, size, output } => {
            let image =
                merge(read_parts(pieces)?, *size).map_err(|error| refused(Path::new("the image"), &error))?;
            written(output, &image)
        }
        Command::Extract { file, part, output } => run_extract(file, part, output),
        Command::PatchHeader { file, at, header, output } => {
            let change = HeaderChange::read(header, None)?;
            let mut bytes = read_file(file)?;
            patch_header(&mut bytes, *at as usize, |found| change.apply(found))
                .map_err(|error| refused(file, &error))?;
            written(output, &bytes)
        }
    }
}

/// An image that cannot be used, or an option that does not fit it.
pub(super) fn refused(path: &Path, error: &ImageError) -> Failure {
    let hint = match error {
        ImageError::Hex { .. } | ImageError::Elf(_) => {
            "Make the file again; it was cut or changed on its way, or is of another kind."
        }
        ImageError::Place { .. } => {
            "Link the program for flash (23000000h) or RAM (22010000h to 2201FFFFh, 22020000h to 2202DFFFh)."
        }
        ImageError::NoHeader { .. } => {
            "Name the offset of the header with --at; `image info` shows where headers are."
        }
        ImageError::Config { .. } => CONFIG_HINT,
        ImageError::Key(_) => "Make a key with: openssl ecparam -name prime256v1 -genkey -noout -out key.pem",
        _ => "Check file, addresses and options; `image info FILE` shows what is in a file.",
    };
    Failure::File { path: path.into(), action: "use", reason: error.to_string(), hint }
}

fn info(path: &Path) -> Result<Outcome, Failure> {
    let bytes = read_file(path)?;
    let found = inspect(&bytes).map_err(|error| refused(path, &error))?;
    let mut text = vec![format!("{}: {}", path.display(), found.kind)];
    text.extend(lines(&found));
    let bad = found.is_bad();
    if bad {
        text.push("something in it is WRONG, see above: do not write it to a module".to_owned());
    }
    let mut outcome = Outcome::new(text, json!(found));
    outcome.exit_code = if bad { 4 } else { 0 };
    Ok(outcome)
}

fn lines(found: &Inspection) -> impl Iterator<Item = String> {
    found.lines.iter().map(|line| {
        let offset = line.offset.map_or_else(|| " ".repeat(10), |offset| format!("{offset:#010x}"));
        let verdict = match line.verdict {
            None => "",
            Some(Verdict::Good) => ": right",
            Some(Verdict::Ignored) => ": not checked by the ROM (the header says so)",
            Some(Verdict::Unchecked) => ": cannot be checked here",
            Some(Verdict::Bad) => ": WRONG",
        };
        format!("{offset}  {}{verdict}", line.text)
    })
}

/// What is to become of a header, read and found good.
struct HeaderChange<'a> {
    board: Option<&'static Board>,
    configs: Vec<String>,
    args: &'a HeaderArgs,
}

impl<'a> HeaderChange<'a> {
    /// Reads the files and looks at each setting, so that an error names the one that is wrong.
    fn read(args: &'a HeaderArgs, default_board: Option<&str>) -> Result<HeaderChange<'a>, Failure> {
        let known: Vec<&str> = BOARDS.iter().map(|board| board.name).collect();
        let board = |name: &str| {
            let what = format!("there is no board {name:?}, only {}", known.join(", "));
            Board::find(name).ok_or_else(|| {
                Failure::usage(what, "For another flash part give the vendor's .conf of it with --config.")
            })
        };
        let board = args.board.as_deref().or(default_board).map(board).transpose()?;
        let mut scratch = BootHeader::parse(&[0; BOOT_HEADER_LEN]);
        let mut configs = Vec::new();
        for path in &args.config {
            let text = String::from_utf8_lossy(&read_file(path)?).into_owned();
            vendor_config::apply(&text, &mut scratch).map_err(|error| refused(path, &error))?;
            configs.push(text);
        }
        for setting in &args.set {
            vendor_config::apply_one(setting, &mut scratch).map_err(|error| {
                let what = match error {
                    ImageError::Config { what, .. } => what,
                    error => error.to_string(),
                };
                Failure::usage(format!("--set: {what}"), CONFIG_HINT)
            })?;
        }
        Ok(HeaderChange { board, configs, args })
    }

    fn apply(&self, header: &mut BootHeader) -> Result<(), ImageError> {
        if let Some(board) = self.board {
            let of_board = header_for(board);
            header.flash_config_magic = of_board.flash_config_magic;
            header.flash_config = of_board.flash_config;
            header.clock_config_magic = of_board.clock_config_magic;
            header.clock_config = of_board.clock_config;
        }
        self.configs.iter().try_for_each(|text| vendor_config::apply(text, header))?;
        if self.args.ignore_checks {
            ignore_checks(header);
        }
        self.args.set.iter().try_for_each(|setting| vendor_config::apply_one(setting, header))
    }
}

fn run_build(args: &BuildArgs, board: Option<&str>) -> Result<Outcome, Failure> {
    let wrong = |error: &ImageError| refused(&args.input, error);
    let payload = Payload::from_file(&read_file(&args.input)?).map_err(|error| wrong(&error))?;
    let generic = Board::find("generic").map(header_for);
    let mut header = generic.unwrap_or_else(|| BootHeader::parse(&[0; BOOT_HEADER_LEN]));
    let target = match (args.ram, payload.target) {
        (Some(address), _) => Target::Ram { address },
        (None, target) => target.unwrap_or(Target::Flash),
    };
    if let Target::Ram { address } = target {
        header.ram_address = address;
        header.entry = payload.entry.unwrap_or_default();
        header.partition_addresses = [0; 2];
    }
    HeaderChange::read(&args.header, board)?.apply(&mut header).map_err(|error| wrong(&error))?;
    if target != Target::Flash {
        // As the vendor's tool does for images for RAM, so that the ROM leaves flash and clock alone.
        (header.flash_config_magic, header.clock_config_magic) = (0, 0);
    }
    let built = build(&header, &payload.data, target, &locks(args)?).map_err(|error| wrong(&error))?;
    if let Some(front) = &args.front {
        let mut outcome = written(&args.output, &built.body)?;
        write_output(front, args.output.force, &built.front, &mut Outcome::default())?;
        outcome.text.push(format!("{}: {} bytes of header", front.display(), built.front.len()));
        return Ok(outcome);
    }
    written(&args.output, &built.to_bytes().map_err(|error| wrong(&error))?)
}

fn locks(args: &BuildArgs) -> Result<Locks, Failure> {
    let mut locks = Locks::default();
    if let Some(path) = &args.sign {
        let text = String::from_utf8_lossy(&read_file(path)?).into_owned();
        locks.signer = Some(PrivateKey::from_pem(&text).map_err(|error| refused(path, &error))?);
    }
    if let (Some(key), Some(iv)) = (&args.encrypt, &args.iv) {
        let wrong = |what: &str| {
            Failure::usage(what, "Keys and IVs are hexadecimal digits without blanks, two for each byte.")
        };
        let key = hex_bytes(key).and_then(|key| AesKey::new(&key).ok());
        let key = key.ok_or_else(|| wrong("--encrypt is no AES key of 32, 48 or 64 hexadecimal digits"))?;
        let iv = hex_bytes(iv).and_then(|iv| iv.try_into().ok());
        locks.encryption = Some((key, iv.ok_or_else(|| wrong("--iv is not 32 hexadecimal digits"))?));
    }
    Ok(locks)
}

fn hex_bytes(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok());
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

fn run_extract(path: &Path, part: &ExtractPart, output: &Output) -> Result<Outcome, Failure> {
    let bytes = read_file(path)?;
    let (start, end) = match (&part.partition, &part.range) {
        (Some(name), _) => partition_range(path, &bytes, name)?,
        (None, Some(range)) => (range.start() as usize, range.end() as usize),
        (None, None) => (0, bytes.len()),
    };
    let taken =
        extract(&bytes, start, end.min(bytes.len().max(start))).map_err(|error| refused(path, &error))?;
    written(output, taken)
}

/// Where the first good table of a dump has a partition.
fn partition_range(path: &Path, bytes: &[u8], name: &str) -> Result<(usize, usize), Failure> {
    let tables = (0..bytes.len()).step_by(4096).filter_map(|at| PartitionTable::parse(&bytes[at..]).ok());
    let newest = tables.reduce(|first, next| if next.age > first.age { next } else { first });
    let file = |reason: String, hint| Failure::File { path: path.into(), action: "use", reason, hint };
    let table = newest.ok_or_else(|| {
        file("there is no good partition table in it".to_owned(), "Take the part by --range.")
    })?;
    let entry = table.find(name).ok_or_else(|| {
        let names: Vec<String> = table.entries.iter().map(|entry| entry.name.text()).collect();
        file(format!("its table has no partition {name:?}, only {}", names.join(", ")), "Name one of these.")
    })?;
    let start = entry.active_address() as usize;
    Ok((start, start.saturating_add(entry.active_size() as usize)))
}

/// Writes a file and says what it is.
pub(super) fn written(output: &Output, bytes: &[u8]) -> Result<Outcome, Failure> {
    let sha256: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    let text = vec![format!("{}: {} bytes, SHA-256 {sha256}", output.output.display(), bytes.len())];
    let mut outcome =
        Outcome::new(text, json!({"file": output.output, "bytes": bytes.len(), "sha256": sha256}));
    write_output(&output.output, output.force, bytes, &mut outcome)?;
    Ok(outcome)
}

fn number(text: &str) -> Result<u32, String> {
    let number = parse_number(text).map_err(|error| error.to_string())?;
    u32::try_from(number).map_err(|_| format!("{number} is past 4 GiB"))
}
