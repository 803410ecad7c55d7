//! Checks a module in before a scenario touches it.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bl702_flasher::loader::{self, Environment, LoaderImage};
use bl702_flasher::port::PortError;
use serde::{Deserialize, Serialize};

use super::client::{Client, ClientError};
use super::config::{BenchConfig, LOADER};
use super::keeper;
use super::lease::{self, Held, Lease, Run, StateDir};
use super::store::{ChipStore, StoreError, hex, put_in_place};
use super::wire::BenchPort;

/// Why a bench cannot be used at the moment.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The port failed.
    #[error(transparent)]
    Port(#[from] PortError),
    /// The module does not answer as a module does.
    #[error("the module at {port}: {source}")]
    Module {
        /// The port.
        port: String,
        /// What happened.
        source: ClientError,
    },
    /// Backups cannot be kept or read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Another run has it.
    #[error("{port} is leased to {holder}; waited {waited_s} s for it")]
    Leased {
        /// The port.
        port: String,
        /// By whom.
        holder: String,
        /// For how long was waited.
        waited_s: u64,
    },
    /// Somebody has changed the module under the run.
    #[error(
        "the module was swapped: this run has borrowed chip {expected}, and chip {found} answers at {port}; \
         nothing is written to it, and the other one is restored when it is back"
    )]
    Swapped {
        /// The port.
        port: String,
        /// The chip of the run.
        expected: String,
        /// The chip there is.
        found: String,
    },
    /// The flash's size is not known.
    #[error("the flash at {port} has the JEDEC id {jedec}, which tells no size")]
    UnknownFlash {
        /// The port.
        port: String,
        /// Its id.
        jedec: String,
    },
    /// Anything about files and processes.
    #[error("{0}")]
    System(String),
}

/// The module of a run, as its first contact found it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckedIn {
    /// The run.
    pub run: String,
    /// Chip id, 16 hex digits.
    pub chip_id: String,
    /// JEDEC id of its flash, 6 hex digits.
    pub jedec: String,
    /// Size of its flash.
    pub capacity_bytes: usize,
}

/// A bench in use by this process.
#[derive(Debug)]
pub struct Bench {
    /// What it is.
    pub config: BenchConfig,
    /// How long to wait for another run's lease.
    pub patience: Duration,
    state: StateDir,
    run: Run,
    keeper: PathBuf,
    loader_bytes: Vec<u8>,
    loader: Arc<LoaderImage>,
}

/// A module that is this scenario's until this is dropped.
#[derive(Debug)]
pub struct Guest {
    /// The open port.
    pub port: BenchPort,
    /// The module.
    pub module: CheckedIn,
    /// Its fuses at this moment.
    pub fuses: [u8; 128],
    /// What was done with it before the scenario.
    pub story: Vec<String>,
    _turn: Held,
}

impl Bench {
    /// The bench of a configuration, with this process's environment. `keeper` is the program that is called as
    /// `keeper keep-bench ...`.
    ///
    /// # Errors
    /// [`BenchError`]
    pub fn new(config: BenchConfig, keeper: PathBuf) -> Result<Bench, BenchError> {
        let state = StateDir::from_environment().map_err(BenchError::System)?;
        Bench::for_run(config, keeper, state, Run::of_process())
    }

    /// The bench of a configuration as part of a run.
    ///
    /// # Errors
    /// [`BenchError`]
    pub fn for_run(
        mut config: BenchConfig,
        keeper: PathBuf,
        state: StateDir,
        run: Run,
    ) -> Result<Bench, BenchError> {
        let named = config.loader.clone().or_else(|| std::env::var_os(LOADER).map(PathBuf::from));
        let system = |error: &dyn std::fmt::Display| BenchError::System(error.to_string());
        let file = match named {
            Some(file) => file,
            None => loader::candidates(&Environment::of_process()).into_iter().next().ok_or_else(|| {
                BenchError::System(format!(
                    "no RAM loader image for {}: name it as `loader` in the bench's file or with {LOADER}.\n{}",
                    config.port,
                    loader::HOW_TO_OBTAIN
                ))
            })?,
        };
        let loader_bytes =
            fs::read(&file).map_err(|error| BenchError::System(format!("{}: {error}", file.display())))?;
        let loader = Arc::new(LoaderImage::from_file(&file).map_err(|error| system(&error))?);
        config.loader = Some(std::path::absolute(file).map_err(|error| system(&error))?);
        Ok(Bench { config, patience: lease::patience(), state, run, keeper, loader_bytes, loader })
    }

    /// The state directory.
    pub fn state(&self) -> &StateDir {
        &self.state
    }

    /// The run.
    pub fn run(&self) -> &Run {
        &self.run
    }

    /// The RAM loader image.
    pub fn loader(&self) -> Arc<LoaderImage> {
        Arc::clone(&self.loader)
    }

    /// The RAM loader image as it stands in its file.
    pub fn loader_bytes(&self) -> &[u8] {
        &self.loader_bytes
    }

    /// Takes the turn, leases the port for the run if that is still to do, and looks who is there. At the run's first
    /// contact what a dead run left is put right, and the flash backed up. When this returns, the flash may be
    /// written to.
    ///
    /// # Errors
    /// [`BenchError`]
    pub fn check_in(&self) -> Result<Guest, BenchError> {
        let turn = self.lease()?;
        let mut port = BenchPort::open(&self.config)?;
        let (chip_id, fuses) = self.identify(&mut port)?;
        let mut story = vec![format!("chip {chip_id} answers at {}", self.config.port)];
        let module = match self.checked_in()? {
            Some(module) if module.chip_id == chip_id => module,
            Some(module) => {
                let (expected, port) = (module.chip_id, self.config.port.clone());
                return Err(BenchError::Swapped { port, expected, found: chip_id });
            }
            None => self.first_contact(&mut port, &chip_id, &fuses, &mut story)?,
        };
        Ok(Guest { port, module, fuses, story, _turn: turn })
    }

    /// The module of this run, if it was checked in already.
    fn checked_in(&self) -> Result<Option<CheckedIn>, BenchError> {
        Ok(read_checked_in(&self.state, &self.config.port)?.filter(|module| module.run == self.run.id))
    }

    /// Turn and lease. Whoever has neither waits, without keeping the holder of the lease from its turn.
    fn lease(&self) -> Result<Held, BenchError> {
        let port = &self.config.port;
        let system = |error: std::io::Error| BenchError::System(format!("the lease of {port}: {error}"));
        let patience = self.patience;
        let mut waited = false;
        loop {
            let turn = lease::take_turn(&self.state, port).map_err(system)?;
            match lease::look(&self.state, port).map_err(system)? {
                Lease::Held(holder) if holder.run == self.run.id => return Ok(turn),
                Lease::Free => {
                    keeper::start(&self.keeper, &self.state, &self.config, &self.run)
                        .map_err(BenchError::System)?;
                    return Ok(turn);
                }
                Lease::Held(holder) => {
                    drop(turn);
                    let here = lease::host_name() == holder.host;
                    eprintln!("{port} is leased to {holder}; waiting up to {} s", patience.as_secs());
                    let ended = here
                        && !waited
                        && lease::wait_for_end(holder.keeper_pid, Some(patience)).map_err(system)?;
                    if !ended {
                        let (port, holder) = (port.clone(), holder.to_string());
                        let waited_s = if here { patience.as_secs() } else { 0 };
                        return Err(BenchError::Leased { port, holder, waited_s });
                    }
                    waited = true;
                }
            }
        }
    }

    fn identify(&self, port: &mut BenchPort) -> Result<(String, [u8; 128]), BenchError> {
        let mut client = Client::new(port);
        let mut ask = || {
            client.enter_rom(self.config.boot_baud_bps)?;
            Ok((hex(&client.chip_id()?), client.fuses()?))
        };
        ask().map_err(|source| self.module_error(source))
    }

    fn module_error(&self, source: ClientError) -> BenchError {
        match source {
            ClientError::Port(error) => BenchError::Port(error),
            source => BenchError::Module { port: self.config.port.clone(), source },
        }
    }

    /// Gives the flash of this run's module back and takes the note away. Gives what was done, or nothing where nothing
    /// was borrowed. For the keeper, when the run is over.
    ///
    /// # Errors
    /// [`BenchError`]; the note is still there then.
    pub fn restore(&self) -> Result<Option<String>, BenchError> {
        let mut borrowed = None;
        for store in ChipStore::all(&self.state) {
            if let Some(note) = store.borrowed()?
                && note.run == self.run.id
            {
                borrowed = Some((store, note));
            }
        }
        let Some((store, note)) = borrowed else { return Ok(None) };
        let backup = store.load(&note.backup)?;
        let mut port = BenchPort::open(&self.config)?;
        let (found, fuses) = self.identify(&mut port)?;
        if found != store.chip_id() {
            let (expected, port) = (store.chip_id().to_owned(), self.config.port.clone());
            return Err(BenchError::Swapped { port, expected, found });
        }
        let mut client = Client::new(&mut port);
        let mut write = || {
            client.enter_rom(self.config.boot_baud_bps)?;
            client.start_loader(&self.loader_bytes, self.config.baud_bps)?;
            let sectors = client.write_flash(&backup.flash)?;
            client.reset()?;
            Ok(sectors)
        };
        let sectors = write().map_err(|source| self.module_error(source))?;
        store.give_back()?;
        let burnt: u32 = fuses.iter().zip(&backup.fuses).map(|(now, then)| (now ^ then).count_ones()).sum();
        Ok(Some(format!(
            "chip {found}: the flash equals {} ({sectors} sectors had to be written), {burnt} fuses were burnt",
            note.backup.display()
        )))
    }

    fn first_contact(
        &self,
        port: &mut BenchPort,
        chip_id: &str,
        fuses: &[u8; 128],
        story: &mut Vec<String>,
    ) -> Result<CheckedIn, BenchError> {
        let store = ChipStore::of(&self.state, chip_id)?;
        let mut client = Client::new(port);
        let mut start = || {
            client.enter_rom(self.config.boot_baud_bps)?;
            client.start_loader(&self.loader_bytes, self.config.baud_bps)?;
            client.jedec()
        };
        let id = start().map_err(|source| self.module_error(source))?;
        let jedec = hex(&id);
        let capacity_bytes = capacity_bytes(id).ok_or_else(|| BenchError::UnknownFlash {
            port: self.config.port.clone(),
            jedec: jedec.clone(),
        })?;
        let backup = match store.borrowed()? {
            Some(note) => {
                let backup = store.load(&note.backup)?;
                let sectors =
                    client.write_flash(&backup.flash).map_err(|source| self.module_error(source))?;
                story.push(format!(
                    "run {} ended without giving the flash back: restored from {}, {sectors} sectors differed",
                    note.run,
                    note.backup.display()
                ));
                backup
            }
            None => {
                let flash = client.read_flash(capacity_bytes).map_err(|source| self.module_error(source))?;
                let backup = store.keep(&jedec, &flash, fuses, &self.config.port, &self.run.id)?;
                story.push(format!("flash and fuses are backed up in {}", backup.folder.display()));
                backup
            }
        };
        let module =
            CheckedIn { run: self.run.id.clone(), chip_id: chip_id.to_owned(), jedec, capacity_bytes };
        // The note comes first: without it nobody would restore what the next scenario writes.
        store.borrow_flash(&self.run.id, &self.config.port, &backup)?;
        let text = serde_json::to_string(&module).map_err(|error| BenchError::System(error.to_string()))?;
        put_in_place(&self.state.port_file(&self.config.port, "module"), text.as_bytes())?;
        Ok(module)
    }
}

/// The module that the latest run at this port has checked in.
///
/// # Errors
/// [`BenchError::System`]
pub fn read_checked_in(state: &StateDir, port: &str) -> Result<Option<CheckedIn>, BenchError> {
    let file = state.port_file(port, "module");
    match fs::read(&file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(BenchError::System(format!("{}: {error}", file.display()))),
        Ok(text) => serde_json::from_slice(&text)
            .map(Some)
            .map_err(|error| BenchError::System(format!("{}: {error}", file.display()))),
    }
}

/// Size of a flash by the third byte of its JEDEC id (ROM reference 4): 13h is 512 KiB.
fn capacity_bytes(jedec: [u8; 3]) -> Option<usize> {
    let power = (jedec[2] & 0x1F).checked_sub(0x13)?;
    (power <= 5).then(|| (512 * 1024) << power)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_jedec_id_tells_the_size() {
        assert_eq!(capacity_bytes([0xc2, 0x20, 0x13]), Some(512 << 10));
        assert_eq!(capacity_bytes([0xc2, 0x20, 0x14]), Some(1 << 20));
        assert_eq!(capacity_bytes([0xef, 0x40, 0x15]), Some(2 << 20));
        assert_eq!(capacity_bytes([0xff, 0xff, 0xff]), None);
        assert_eq!(capacity_bytes([0, 0, 0]), None);
    }
}
