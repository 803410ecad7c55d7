//! `TARGET`: which module the scenarios run on.

use std::fs;
use std::path::{Path, PathBuf};

use bl702_flasher::reset::Wiring;
use serde::{Deserialize, Serialize};

/// The environment variable that names the target.
pub const TARGET: &str = "TARGET";
/// The environment variable that names the RAM loader image, if the bench's file does not.
pub const LOADER: &str = "BL702_LOADER";

/// The environment variable that names modules whose fuses may be burnt, besides those of the bench's file.
pub const SACRIFICIAL: &str = "BL702_SACRIFICIAL";

/// What `TARGET` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chosen {
    /// `emulated`, or nothing: each scenario gets an emulated module of its own.
    Emulated,
    /// A module behind a port.
    Bench(Box<BenchConfig>),
}

/// A bench, as its TOML file describes it. `tests/targets/bench-1.toml` explains every key.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct BenchConfig {
    /// `/dev/ttyUSB0` or `rfc2217://host:port`.
    pub port: String,
    /// Which modem line drives EN.
    #[serde(default)]
    pub wiring: WiringName,
    /// What drives BOOT.
    #[serde(default)]
    pub boot: BootDrive,
    /// Rate for the boot ROM.
    #[serde(default = "boot_baud")]
    pub boot_baud_bps: u32,
    /// Rate for the RAM loader.
    #[serde(default = "baud")]
    pub baud_bps: u32,
    /// The RAM loader image; else `BL702_LOADER`, else where the flasher looks.
    pub loader: Option<PathBuf>,
    /// The adapter between computer and module.
    #[serde(default)]
    pub adapter: Adapter,
    /// Commands that switch the module's supply.
    pub power: Option<PowerSwitch>,
    /// Chip ids of modules whose fuses may be burnt.
    #[serde(default)]
    pub sacrificial_chips: Vec<String>,
}

/// Which modem line drives EN.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum WiringName {
    /// EN on RTS.
    #[default]
    RtsEn,
    /// EN on DTR.
    DtrEn,
    /// EN on no line.
    None,
}

/// What drives BOOT.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BootDrive {
    /// The modem line that does not drive EN.
    #[default]
    Line,
    /// A resistor to 3.3 V: the module is always in programming mode.
    High,
}

/// The adapter between computer and module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Adapter {
    /// What it is, for reports.
    pub name: Option<String>,
    /// The fastest rate it can do.
    pub max_baud_bps: Option<u32>,
}

/// Commands that switch the module's supply; the first word is the program.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PowerSwitch {
    /// Switches it on.
    pub on: Vec<String>,
    /// Switches it off.
    pub off: Vec<String>,
}

fn boot_baud() -> u32 {
    500_000
}

fn baud() -> u32 {
    2_000_000
}

impl Chosen {
    /// What the environment names.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub fn from_environment() -> Result<Chosen, String> {
        match std::env::var(TARGET) {
            Ok(text) => Chosen::parse(&text),
            Err(std::env::VarError::NotPresent) => Ok(Chosen::Emulated),
            Err(error) => Err(format!("{TARGET}: {error}")),
        }
    }

    /// Reads a value of `TARGET`.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub fn parse(text: &str) -> Result<Chosen, String> {
        if text.is_empty() || text == "emulated" {
            return Ok(Chosen::Emulated);
        }
        if text.starts_with("emulated") {
            return Err(format!(
                "{TARGET}={text}: scenarios choose their emulated module themselves, so say just `emulated`"
            ));
        }
        let mut config = if Path::new(text).extension().is_some_and(|extension| extension == "toml") {
            BenchConfig::read(Path::new(text))?
        } else {
            BenchConfig::of_port(text)
        };
        for id in std::env::var(SACRIFICIAL).unwrap_or_default().split([',', ' ']).filter(|id| !id.is_empty())
        {
            check_chip_id(id).map_err(|error| format!("{SACRIFICIAL}: {error}"))?;
            config.sacrificial_chips.push(id.to_owned());
        }
        Ok(Chosen::Bench(Box::new(config)))
    }
}

impl BenchConfig {
    /// A bench of which nothing but the port is known: wired as the vendor's tools want it, if the port has lines.
    pub fn of_port(port: &str) -> BenchConfig {
        BenchConfig {
            port: port.to_owned(),
            wiring: WiringName::default(),
            boot: BootDrive::default(),
            boot_baud_bps: boot_baud(),
            baud_bps: baud(),
            loader: None,
            adapter: Adapter::default(),
            power: None,
            sacrificial_chips: Vec::new(),
        }
    }

    /// Reads a bench's file.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub fn read(file: &Path) -> Result<BenchConfig, String> {
        let failed = |reason: String| format!("{TARGET}={}: {reason}", file.display());
        let found = find(file).ok_or_else(|| failed("there is no such file".to_owned()))?;
        let text = fs::read_to_string(&found).map_err(|error| failed(error.to_string()))?;
        let mut config: BenchConfig = toml::from_str(&text).map_err(|error| failed(error.to_string()))?;
        // What the file names is beside it.
        if let (Some(loader), Some(folder)) = (&config.loader, found.parent()) {
            config.loader = Some(folder.join(loader));
        }
        config.sacrificial_chips.iter().try_for_each(|id| check_chip_id(id)).map_err(failed)?;
        Ok(config)
    }

    /// The wiring as the flasher names it.
    pub fn host_wiring(&self) -> Wiring {
        match self.wiring {
            WiringName::RtsEn => Wiring::RtsEn,
            WiringName::DtrEn => Wiring::DtrEn,
            WiringName::None => Wiring::None,
        }
    }
}

fn check_chip_id(id: &str) -> Result<(), String> {
    if id.len() == 16 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        return Ok(());
    }
    Err(format!(
        "sacrificial chips: {id:?} is no chip id: 16 hex digits in lower case, as `bl702-flash info` says"
    ))
}

/// A file as it is named, or in the workspace: cargo runs tests in their package's folder.
fn find(file: &Path) -> Option<PathBuf> {
    let in_workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
    [file.to_owned(), in_workspace].into_iter().find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_and_emulated_are_the_emulated_module() {
        assert_eq!(Chosen::parse(""), Ok(Chosen::Emulated));
        assert_eq!(Chosen::parse("emulated"), Ok(Chosen::Emulated));
        assert!(Chosen::parse("emulated:bl702-2m").unwrap_err().contains("choose their emulated module"));
    }

    #[test]
    fn a_port_is_taken_to_be_wired_as_the_vendor_does() {
        let Ok(Chosen::Bench(config)) = Chosen::parse("/dev/ttyUSB0") else { panic!("not a bench") };
        assert_eq!((config.host_wiring(), config.boot), (Wiring::RtsEn, BootDrive::Line));
        assert_eq!(config.sacrificial_chips, Vec::<String>::new());
    }

    #[test]
    fn the_example_file_is_read_and_says_all_there_is() {
        let Ok(Chosen::Bench(config)) = Chosen::parse("tests/targets/bench-1.toml") else {
            panic!("not a bench")
        };
        assert!(config.power.is_some() && config.adapter.max_baud_bps.is_some());
        assert!(config.loader.is_some_and(|loader| loader.is_absolute() || loader.starts_with("tests")));
    }

    #[test]
    fn mistakes_in_a_file_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("bench.toml");
        let fails = |text: &str| {
            fs::write(&file, text).unwrap();
            BenchConfig::read(&file).unwrap_err()
        };
        assert!(fails("port = 'x'\nwirring = 'rts-en'").contains("wirring"));
        assert!(fails("wiring = 'rts-en'").contains("port"));
        assert!(fails("port = 'x'\nsacrificial_chips = ['3230376C62020000']").contains("lower case"));
        let missing = BenchConfig::read(&folder.path().join("none.toml")).unwrap_err();
        assert!(missing.contains("no such file"), "{missing}");
    }
}
