//! A module in a process of its own, behind a pty: real time, real files, and it can be killed.

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::path::PathBuf;

use bl702_emulator::module::Start;
use bl702_emulator::profile::{Boot, Profile, Wiring};
use bl702_flasher::port::{Port, SerialPort};
use tempfile::TempDir;

use super::{Lacks, Setup, Target, Unready};
use crate::images;
use crate::programs::{Killer, Serving, put};

/// The rate of the port before somebody sets one.
const BAUD_BPS: u32 = 500_000;

/// `bl702-emu run` on files in a temporary folder.
pub struct ProcessTarget {
    // The port is closed before its process ends, the folder removed last.
    port: SerialPort,
    serving: Option<Serving>,
    arguments: Vec<OsString>,
    first_fuses: Vec<u8>,
    folder: TempDir,
}

impl ProcessTarget {
    /// Starts the process.
    ///
    /// # Errors
    /// None; other targets may lack what a set-up needs.
    pub fn power_up(setup: &Setup) -> Result<ProcessTarget, Lacks> {
        let profile = Profile::builtin(&setup.profile).unwrap_or_else(|error| panic!("{error}"));
        let folder = tempfile::tempdir().expect("cannot make a temporary folder");
        let capacity = profile.flash_part.capacity_bytes as usize;
        let first_fuses = setup.fuses.unwrap_or(profile.efuse).to_vec();
        put(
            &folder.path().join("flash.bin"),
            &images::padded(setup.flash.as_deref().unwrap_or_default(), capacity),
        );
        put(&folder.path().join("efuse.bin"), &first_fuses);
        let mut arguments: Vec<OsString> = vec!["--pace".into(), "none".into()];
        let mut option = |name: &str, value: OsString| arguments.extend([name.into(), value]);
        option("--profile", setup.profile.clone().into());
        option("--flash", folder.path().join("flash.bin").into());
        option("--efuse", folder.path().join("efuse.bin").into());
        option("--link", folder.path().join("port").into());
        option("--boot", boot_word(setup.boot).into());
        option("--wiring", wiring_word(setup.wiring).into());
        option("--start", if setup.start == Start::Loader { "loader" } else { "rom" }.into());
        setup.faults.iter().for_each(|fault| option("--fault", fault.into()));
        let serving = Serving::start(&arguments);
        let port = open(&folder);
        Ok(ProcessTarget { port, serving: Some(serving), arguments, first_fuses, folder })
    }

    fn read(&self, name: &str) -> Vec<u8> {
        let path: PathBuf = self.folder.path().join(name);
        fs::read(&path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()))
    }
}

fn open(folder: &TempDir) -> SerialPort {
    SerialPort::open(&folder.path().join("port"), BAUD_BPS)
        .unwrap_or_else(|error| panic!("cannot open the module's pty: {error}"))
}

fn boot_word(boot: Boot) -> &'static str {
    match boot {
        Boot::High => "high",
        Boot::Low => "low",
        Boot::Dtr => "dtr",
        Boot::Rts => "rts",
    }
}

fn wiring_word(wiring: Wiring) -> &'static str {
    match wiring {
        Wiring::RtsEn => "rts-en",
        Wiring::DtrEn => "dtr-en",
        Wiring::None => "none",
    }
}

impl Target for ProcessTarget {
    fn name(&self) -> String {
        "the module in a process of its own".to_owned()
    }

    fn port(&mut self) -> &mut dyn Port {
        &mut self.port
    }

    fn flash(&mut self) -> Result<Vec<u8>, Unready> {
        Ok(self.read("flash.bin"))
    }

    fn chip_id(&mut self) -> String {
        super::chip_id(&self.first_fuses)
    }

    fn capacity_bytes(&mut self) -> usize {
        self.read("flash.bin").len()
    }

    fn burnt_fuses(&mut self) -> Result<u32, Unready> {
        let now = self.read("efuse.bin");
        assert_eq!(now.len(), self.first_fuses.len(), "the file of the fuses has changed its size");
        Ok(now.iter().zip(&self.first_fuses).map(|(now, first)| (now ^ first).count_ones()).sum())
    }

    fn killer(&mut self) -> Result<Killer, Lacks> {
        Ok(self.serving.as_ref().expect("it was killed already").killer())
    }

    fn restart(&mut self) -> Result<(), Lacks> {
        // The old process has to be gone before its files are opened again.
        self.serving.take().expect("it was not running").wait();
        self.serving = Some(Serving::start(&self.arguments));
        self.port = open(&self.folder);
        Ok(())
    }
}

impl fmt::Debug for ProcessTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pty = self.serving.as_ref().map_or("no process", |serving| serving.first_line.as_str());
        write!(f, "bl702-emu at {pty}")
    }
}
