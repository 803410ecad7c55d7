//! The flashers, and how each spells an operation.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Tools that take the same arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// `bflb-iot-tool`.
    Iot,
    /// `bflb-mcu-tool`.
    Mcu,
    /// `bflb-flash-command-uart`.
    FlashCommand,
}

/// A published flasher.
#[derive(Debug)]
pub struct Tool {
    /// Its name on PyPI.
    pub name: &'static str,
    /// Its version there.
    pub version: &'static str,
    /// Which arguments it takes.
    pub family: Family,
    /// The rate that it speaks to the RAM loader at when told 2,000,000.
    pub loader_baud_bps: u32,
    /// The folder in `site-packages` that holds it, and its state.
    pub package: &'static str,
    /// The environment variable that names its program.
    variable: &'static str,
}

/// `bflb-iot-tool` of today.
pub static IOT_1_10_0: Tool = Tool {
    name: "bflb-iot-tool",
    version: "1.10.0",
    family: Family::Iot,
    loader_baud_bps: 2_000_000,
    package: "bflb_iot_tool",
    variable: "BL702_CLIENT_IOT_1_10_0",
};

/// `bflb-iot-tool` before it was renewed.
pub static IOT_1_8_9: Tool = Tool {
    name: "bflb-iot-tool",
    version: "1.8.9",
    family: Family::Iot,
    loader_baud_bps: 2_000_000,
    package: "bflb_iot_tool",
    variable: "BL702_CLIENT_IOT_1_8_9",
};

/// `bflb-mcu-tool`.
pub static MCU_1_10_0: Tool = Tool {
    name: "bflb-mcu-tool",
    version: "1.10.0",
    family: Family::Mcu,
    loader_baud_bps: 2_000_000,
    package: "bflb_mcu_tool",
    variable: "BL702_CLIENT_MCU_1_10_0",
};

/// `bflb-flash-command-uart`.
pub static FLASH_COMMAND: Tool = Tool {
    name: "bflb-flash-command-uart",
    version: "1.4.3.post1",
    family: Family::FlashCommand,
    // Whatever it is told.
    loader_baud_bps: 500_000,
    package: "bflb_flash_command",
    variable: "BL702_CLIENT_FLASH_COMMAND",
};

impl Tool {
    /// Its program in its virtual environment: where the environment says, or where `.ci/client-packages` puts it.
    ///
    /// # Panics
    /// If it is in neither place.
    pub fn program(&self) -> PathBuf {
        match std::env::var_os(self.variable).map(PathBuf::from).or_else(|| self.fetched()) {
            Some(path) => path,
            None => panic!("{} is not set: run `eval \"$(.ci/client-packages)\"` first", self.variable),
        }
    }

    /// Whether it is on this machine.
    pub fn is_here(&self) -> bool {
        std::env::var_os(self.variable).is_some() || self.fetched().is_some()
    }

    /// Below the target directory of this program.
    fn fetched(&self) -> Option<PathBuf> {
        let own = std::env::current_exe().ok()?;
        // target/PROFILE/deps/TEST
        let environment = format!("ci-clients/{}-{}", self.name, self.version);
        let program = match self.family {
            Family::FlashCommand => "flash_command.py",
            Family::Iot | Family::Mcu => self.name,
        };
        let path = own.ancestors().nth(3)?.join(environment).join("bin").join(program);
        path.exists().then_some(path)
    }

    /// The `python` beside its program.
    pub fn python(&self) -> PathBuf {
        self.program().with_file_name("python")
    }

    /// `site-packages` of its virtual environment.
    pub fn site_packages(&self) -> PathBuf {
        let library = self.program().parent().unwrap().with_file_name("lib");
        let versions = std::fs::read_dir(&library).unwrap_or_else(|error| panic!("{library:?}: {error}"));
        let mut versions = versions.map(|entry| entry.unwrap().path());
        versions
            .find(|path| path.file_name().unwrap().to_string_lossy().starts_with("python"))
            .unwrap()
            .join("site-packages")
    }

    /// What every command line begins with.
    fn common(&self) -> Vec<OsString> {
        let words: &[&str] = match self.family {
            Family::Iot | Family::Mcu => {
                &["--chipname", "bl702", "--port", "{port}", "--baudrate", "2000000", "--xtal", "32M"]
            }
            Family::FlashCommand => &["--chipname", "bl702", "--port", "{port}", "--baudrate", "2000000"],
        };
        words.iter().map(OsString::from).collect()
    }

    /// A command line: what every one begins with, and these words.
    pub fn command(&self, words: &[&str]) -> Vec<OsString> {
        let mut command = self.common();
        command.extend(words.iter().map(OsString::from));
        command
    }

    /// Reads flash. `file` is where flash-command puts it; the other tools choose themselves
    /// ([`Bench::read_file`](super::bench::Bench::read_file)).
    pub fn read(&self, start: u32, len: u32, file: &Path) -> Vec<OsString> {
        match self.family {
            Family::Iot => self.command(&["--read", "--start", &hex(start), "--end", &hex(start + len - 1)]),
            Family::FlashCommand => {
                let file = file.to_str().unwrap();
                self.command(&[
                    "--flash",
                    "--read",
                    "--start",
                    &hex(start),
                    "--len",
                    &hex(len),
                    "--file",
                    file,
                ])
            }
            Family::Mcu => panic!("{} cannot read", self.name),
        }
    }

    /// Writes a file as it is (mcu-tool: with a boot header of its own at 0).
    pub fn write(&self, file: &Path, address: u32) -> Vec<OsString> {
        let file = file.to_str().unwrap();
        let address = hex(address);
        match self.family {
            Family::Iot => self.command(&["--single", "--firmware", file, "--addr", &address]),
            Family::Mcu => self.command(&["--firmware", file, "--addr", &address]),
            Family::FlashCommand => {
                self.command(&["--flash", "--write", "--start", &address, "--file", file])
            }
        }
    }

    /// Erases the chip and nothing else.
    pub fn erase_chip(&self) -> Vec<OsString> {
        match self.family {
            Family::Iot => self.command(&["--erase"]),
            Family::FlashCommand => self.command(&["--flash", "--erase", "--whole_chip"]),
            Family::Mcu => panic!("{} cannot only erase", self.name),
        }
    }

    /// Erases a range.
    pub fn erase_range(&self, start: u32, len: u32) -> Vec<OsString> {
        match self.family {
            Family::Iot => self.command(&["--erase", "--start", &hex(start), "--end", &hex(start + len - 1)]),
            Family::FlashCommand => {
                self.command(&["--flash", "--erase", "--start", &hex(start), "--len", &hex(len)])
            }
            Family::Mcu => panic!("{} cannot only erase", self.name),
        }
    }
}

fn hex(number: u32) -> String {
    format!("{number:#x}")
}
