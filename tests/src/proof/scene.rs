//! What a session does, to which module, under which faults.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Mutex, OnceLock, PoisonError};

use bl702_emulator::fault::{Fault, FaultPlan};
use bl702_emulator::module::{Module, Start};
use bl702_emulator::profile::{Profile, Wiring};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// Bytes in a flash sector, by the data sheets.
pub const SECTOR: u32 = 4096;

/// One session of the flasher with one module. The same scene plays the same on every machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scene {
    /// Decides all that is left to chance inside the module.
    pub seed: u64,
    /// Profile of the board.
    pub profile: String,
    /// Which modem lines are wired.
    #[serde(default)]
    pub wiring: Wiring,
    /// Whether somebody else's RAM loader runs already.
    #[serde(default)]
    pub loader_runs: bool,
    /// After how many looks at the port a person presses Ctrl-C.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interrupt_after: Option<u64>,
    /// What the flash holds.
    pub before: Before,
    /// What is done.
    pub work: Work,
    /// What goes wrong.
    #[serde(default, rename = "fault", skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<Fault>,
}

/// What the flash holds at the beginning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Before {
    /// From address 0 on so many bytes of noise, the rest is erased.
    pub noise_bytes: u32,
    /// Which noise.
    pub noise_seed: u32,
    /// Whether the pieces of the work are there already.
    #[serde(default)]
    pub pieces_there: bool,
    /// Addresses at which, after that, a byte is inverted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flaws: Vec<u32>,
}

/// What the flasher is told to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Work {
    /// `info`
    Info,
    /// `backup`
    Backup {
        /// First address.
        from: u32,
        /// The one behind the last.
        to: u32,
        /// What an interrupted run has left behind, which this one resumes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        part: Option<PartOf>,
    },
    /// `write`
    Write {
        /// What.
        pieces: Vec<PieceOf>,
    },
    /// `verify`
    Verify {
        /// What.
        pieces: Vec<PieceOf>,
    },
    /// `erase --range`
    Erase {
        /// First address.
        from: u32,
        /// The one behind the last.
        to: u32,
    },
    /// `erase --chip`
    EraseChip,
}

/// A part file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartOf {
    /// So many bytes from the first address on.
    pub bytes: u32,
    /// Where in it a byte is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flaw: Option<u32>,
}

impl PartOf {
    /// Its bytes, of a flash that holds these from the first address on.
    pub fn contents(&self, cells: &[u8]) -> Vec<u8> {
        let mut bytes = cells[..cells.len().min(self.bytes as usize)].to_vec();
        if let Some(byte) = self.flaw.and_then(|at| bytes.get_mut(at as usize)) {
            *byte ^= 0xFF;
        }
        bytes
    }
}

/// Bytes for the flash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PieceOf {
    /// Where they belong.
    pub address: u32,
    /// How many.
    pub bytes: u32,
    /// Which noise they are.
    pub seed: u32,
}

impl PieceOf {
    /// Its bytes.
    pub fn contents(&self) -> Vec<u8> {
        noise(self.seed, self.bytes as usize)
    }

    /// Its place.
    pub fn range(&self) -> Range<usize> {
        self.address as usize..(self.address + self.bytes) as usize
    }
}

/// Noise: some place in one fixed stretch of it, so that a megabyte costs no more than copying.
pub fn noise(seed: u32, len: usize) -> Vec<u8> {
    const STRETCH: usize = 1 << 20;
    static NOISE: OnceLock<Vec<u8>> = OnceLock::new();
    let stretch = NOISE.get_or_init(|| {
        let mut bytes = vec![0; STRETCH];
        ChaCha8Rng::seed_from_u64(0x0b17_0702).fill_bytes(&mut bytes);
        bytes
    });
    let mut bytes = Vec::with_capacity(len);
    let mut from = seed.wrapping_mul(2_654_435_761) as usize % STRETCH;
    while bytes.len() < len {
        let part = (STRETCH - from).min(len - bytes.len());
        bytes.extend_from_slice(&stretch[from..from + part]);
        from = 0;
    }
    bytes
}

impl Work {
    /// Its name in tables.
    pub fn name(&self) -> &'static str {
        match self {
            Work::Info => "info",
            Work::Backup { .. } => "backup",
            Work::Write { .. } => "write",
            Work::Verify { .. } => "verify",
            Work::Erase { .. } | Work::EraseChip => "erase",
        }
    }

    /// The pieces it was given.
    pub fn pieces(&self) -> &[PieceOf] {
        match self {
            Work::Write { pieces } | Work::Verify { pieces } => pieces,
            _ => &[],
        }
    }

    /// The addresses it is to change.
    pub fn changes(&self, capacity: usize) -> Vec<Range<usize>> {
        match self {
            Work::Write { pieces } => pieces.iter().map(PieceOf::range).collect(),
            Work::Erase { from, to } => std::iter::once(*from as usize..*to as usize).collect(),
            Work::EraseChip => std::iter::once(0..capacity).collect(),
            Work::Info | Work::Backup { .. } | Work::Verify { .. } => Vec::new(),
        }
    }
}

impl Scene {
    /// A scene in which nothing goes wrong, on a board with 512 KiB of flash whose first 128 KiB are in use.
    pub fn quiet(work: Work) -> Scene {
        Scene {
            seed: 1,
            profile: "bl702-512k-kh".to_owned(),
            wiring: Wiring::RtsEn,
            loader_runs: false,
            interrupt_after: None,
            before: Before { noise_bytes: 0x2_0000, noise_seed: 7, pieces_there: false, flaws: vec![] },
            work,
            faults: vec![],
        }
    }

    /// The module's profile.
    ///
    /// # Panics
    /// If there is none of this name.
    pub fn profile(&self) -> Profile {
        // Reading one takes longer than some sessions do.
        static READ: Mutex<BTreeMap<String, Profile>> = Mutex::new(BTreeMap::new());
        let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
        let profile = read
            .entry(self.profile.clone())
            .or_insert_with(|| Profile::builtin(&self.profile).unwrap_or_else(|error| panic!("{error}")));
        Profile { wiring: self.wiring, ..profile.clone() }
    }

    /// What the flash holds at the beginning.
    pub fn cells_before(&self) -> Vec<u8> {
        let capacity = self.profile().flash_part.capacity_bytes as usize;
        let mut cells = noise(self.before.noise_seed, (self.before.noise_bytes as usize).min(capacity));
        cells.resize(capacity, 0xFF);
        if self.before.pieces_there {
            for piece in self.work.pieces() {
                cells[piece.range()].copy_from_slice(&piece.contents());
            }
        }
        for flaw in &self.before.flaws {
            cells[*flaw as usize] ^= 0xFF;
        }
        cells
    }

    /// What the flash is to hold in the end.
    pub fn cells_after(&self, before: &[u8]) -> Vec<u8> {
        let mut cells = before.to_vec();
        match &self.work {
            Work::Write { pieces } => {
                pieces.iter().for_each(|piece| cells[piece.range()].copy_from_slice(&piece.contents()));
            }
            Work::Erase { from, to } => cells[*from as usize..*to as usize].fill(0xFF),
            Work::EraseChip => cells.fill(0xFF),
            Work::Info | Work::Backup { .. } | Work::Verify { .. } => {}
        }
        cells
    }

    /// The module, and what its flash holds: cells that are stuck are so from the beginning.
    pub fn powered_up(&self) -> (Module, Vec<u8>) {
        let cells = self.cells_before();
        let module = self.module(&cells);
        let cells = if self.faults.is_empty() { cells } else { module.flash().dump() };
        (module, cells)
    }

    /// The module, its faults armed, with these cells.
    pub fn module(&self, cells: &[u8]) -> Module {
        let used = cells.iter().rposition(|cell| *cell != 0xFF).map_or(0, |last| last + 1);
        Module::builder(self.profile())
            .flash(cells[..used].to_vec())
            .seed(self.seed)
            .start(if self.loader_runs { Start::Loader } else { Start::Rom })
            .faults(self.faults.iter().cloned().collect::<FaultPlan>())
            .build()
    }

    /// As TOML.
    ///
    /// # Panics
    /// If it cannot be written, which no scene is to do.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// From TOML.
    ///
    /// # Panics
    /// If the text is no scene; the message names the line.
    pub fn from_toml(text: &str) -> Scene {
        toml::from_str(text).unwrap_or_else(|error| panic!("{error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_differs_by_seed_and_is_as_long_as_asked() {
        assert_eq!(noise(3, 3_000_000).len(), 3_000_000);
        assert_ne!(noise(3, 64), noise(4, 64));
        assert_eq!(noise(3, 64), noise(3, 4096)[..64]);
    }

    #[test]
    fn a_scene_survives_its_text() {
        let scene = Scene::quiet(Work::Write { pieces: vec![PieceOf { address: 3, bytes: 9, seed: 1 }] });
        assert_eq!(Scene::from_toml(&scene.to_toml()), scene);
    }
}
