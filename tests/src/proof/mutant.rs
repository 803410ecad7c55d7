//! Flashers that are wrong on purpose: what the checker has to catch.
//!
//! None of them changes the flasher's code. A port that lies between flasher and module makes the flasher behave as if a
//! check were missing: one that always hears the hash it hopes for is a flasher that does not verify. Others are given
//! other bytes than the scene says, or have their result retold.

use std::ops::Range;

use bl702_flasher::error::{Error, ErrorKind};
use bl702_flasher::port::{Port, PortError};
use bl702_flasher::reset::Lines;
use bl702_protocol::time::Nanos;
use sha2::{Digest, Sha256};

use super::bench::Bench;
use super::run::Done;
use super::scene::{SECTOR, Scene};

/// What is wrong with the flasher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// Nothing.
    None,
    /// It does not look at what it has written or erased.
    SkipsVerify,
    /// It does not compare what it has read with the module's hash.
    TrustsReads,
    /// It takes any answer to a write or an erase for `OK`.
    AcceptsDamagedOk,
    /// It sends frames without a checksum, so that the module checks nothing.
    SendsNoChecksum,
    /// It does not erase.
    SkipsErase,
    /// It writes whole sectors, whatever was beside the piece.
    LosesBytesBeside,
    /// It leaves off the last byte of a piece.
    DropsLastByte,
    /// It writes a sector further on.
    WrongAddress,
    /// It takes what it reads from a file of an earlier run without looking.
    TrustsPartFile,
    /// It waits without end.
    IgnoresBound,
    /// It burns a fuse.
    BurnsFuse,
    /// It says that the flash is unchanged, whatever it did.
    ForgetsFlash,
    /// It says that all went well.
    NeverFails,
}

/// All of them.
pub const MUTANTS: [Mutant; 13] = [
    Mutant::SkipsVerify,
    Mutant::TrustsReads,
    Mutant::AcceptsDamagedOk,
    Mutant::SendsNoChecksum,
    Mutant::SkipsErase,
    Mutant::LosesBytesBeside,
    Mutant::DropsLastByte,
    Mutant::WrongAddress,
    Mutant::TrustsPartFile,
    Mutant::IgnoresBound,
    Mutant::BurnsFuse,
    Mutant::ForgetsFlash,
    Mutant::NeverFails,
];

impl Mutant {
    /// The port as this flasher sees it.
    pub(super) fn wrap<'b>(self, bench: &'b mut Bench, scene: &Scene, before: &[u8]) -> impl Port + 'b {
        let hoped = match self {
            Mutant::SkipsVerify => scene.cells_after(before),
            _ => vec![0; before.len()],
        };
        Liar { bench, mutant: self, hoped, asked: Asked::default(), has_changed: false, done: false }
    }

    /// What this flasher takes the pieces for.
    pub(super) fn misread(self, pieces: &mut Vec<(u32, Vec<u8>)>) {
        if self == Mutant::WrongAddress {
            // Alone, so that it meets no other.
            pieces.truncate(1);
        }
        let Some((address, bytes)) = pieces.first_mut() else { return };
        match self {
            Mutant::LosesBytesBeside => {
                let head = *address % SECTOR;
                *address -= head;
                bytes.splice(0..0, std::iter::repeat_n(0xFF, head as usize));
            }
            Mutant::DropsLastByte if bytes.len() > 1 => drop(bytes.pop()),
            Mutant::WrongAddress => *address += SECTOR,
            _ => {}
        }
    }

    /// What this flasher makes of its result.
    pub(super) fn retell(self, scene: &Scene, result: Result<Done, Error>) -> Result<Done, Error> {
        use super::scene::Work;
        match (self, result) {
            (Mutant::ForgetsFlash, Err(_)) => Err(Error::new(ErrorKind::Interrupted)),
            (Mutant::NeverFails, Err(_)) => Ok(match scene.work {
                Work::Info => Done::Info { chip_id: None, jedec: Some([0; 3]), mac: None },
                Work::Backup { .. } => Done::Backup(Vec::new()),
                Work::Verify { .. } => Done::Verified,
                Work::Write { .. } | Work::Erase { .. } | Work::EraseChip => Done::Changed { repaired: 0 },
            }),
            (Mutant::TrustsPartFile, Ok(Done::Backup(mut bytes))) => {
                let part = bytes.len() / 2;
                bytes[..part].fill(0);
                Ok(Done::Backup(bytes))
            }
            (_, result) => result,
        }
    }
}

/// The request under way, and how far its answer has come.
#[derive(Clone, Debug, Default)]
struct Asked {
    id: u8,
    place: Range<usize>,
    /// Bytes of the answer so far.
    heard: Vec<u8>,
}

struct Liar<'b> {
    bench: &'b mut Bench,
    mutant: Mutant,
    /// What this flasher takes for the content of the flash.
    hoped: Vec<u8>,
    asked: Asked,
    has_changed: bool,
    done: bool,
}

/// Commands of the RAM loader (loader reference 4).
const ERASE: u8 = 0x30;
const WRITE: u8 = 0x31;
const READ: u8 = 0x32;
const CHIP_ERASE: u8 = 0x3C;
const SHA256: u8 = 0x3D;
const EFUSE_WRITE: u8 = 0x40;

impl Liar<'_> {
    /// Notes what a frame asks for.
    fn note(&mut self, frame: &[u8]) {
        let word = |at: usize| {
            frame.get(at..at + 4).map_or(0, |word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]))
        };
        let (from, len) = (word(4) as usize, word(8) as usize);
        let end = self.hoped.len();
        let place = from.min(end)..from.saturating_add(len).min(end);
        self.asked = Asked { id: frame[0], place, heard: Vec::new() };
        self.has_changed |= matches!(frame[0], ERASE | WRITE | CHIP_ERASE);
    }

    /// What the flasher hears instead of `bytes`.
    fn twist(&mut self, bytes: &mut Vec<u8>) {
        let from = self.asked.heard.len();
        self.asked.heard.extend_from_slice(bytes);
        let is_data = self.asked.heard.first() == Some(&b'O');
        match (self.mutant, self.asked.id) {
            (Mutant::SkipsVerify, SHA256) if self.has_changed && is_data => self.replace_hash(from, bytes),
            (Mutant::TrustsReads, SHA256) if is_data => self.replace_hash(from, bytes),
            (Mutant::TrustsReads, READ) if is_data => {
                for (at, byte) in (from..).zip(bytes.iter()).filter(|(at, _)| *at >= 4) {
                    let cell = self.asked.place.start + at - 4;
                    if self.asked.place.contains(&cell) {
                        self.hoped[cell] = *byte;
                    }
                }
            }
            (Mutant::AcceptsDamagedOk, ERASE | WRITE) => {
                let mut told = Vec::new();
                for (at, byte) in (from..).zip(bytes.iter()) {
                    let pair = at / 2 * 2;
                    let pending = self.asked.heard[..pair].chunks(2).all(|pair| pair == b"PD");
                    match (pending, self.asked.heard[pair]) {
                        (true, b'P') => told.push(*byte),
                        (true, _) => told.push(b"OK"[at % 2]),
                        // What follows belongs to the damaged answer.
                        (false, _) => {}
                    }
                }
                *bytes = told;
            }
            _ => {}
        }
    }

    fn replace_hash(&self, from: usize, bytes: &mut [u8]) {
        let digest = Sha256::digest(&self.hoped[self.asked.place.clone()]);
        for (at, byte) in (from..).zip(bytes.iter_mut()) {
            if let Some(good) = at.checked_sub(4).and_then(|at| digest.get(at)) {
                *byte = *good;
            }
        }
    }

    /// Sends a frame and waits for two bytes of an answer.
    fn slip_in(&mut self, frame: &[u8]) -> Result<(), PortError> {
        self.bench.write(frame)?;
        let until = self.bench.now() + Nanos::from_millis(50);
        let (mut buffer, mut heard) = ([0; 2], 0);
        while heard < 2 && self.bench.now() < until {
            heard += self.bench.read(&mut buffer[heard..], until)?;
        }
        Ok(())
    }
}

impl Port for Liar<'_> {
    fn now(&self) -> Nanos {
        self.bench.now()
    }

    fn read(&mut self, buffer: &mut [u8], until: Nanos) -> Result<usize, PortError> {
        let until = match self.mutant {
            Mutant::IgnoresBound if self.asked.id == SHA256 => until + Nanos::from_secs(4000),
            _ => until,
        };
        let mut part = vec![0; buffer.len()];
        let count = self.bench.read(&mut part, until)?;
        part.truncate(count);
        self.twist(&mut part);
        buffer[..part.len()].copy_from_slice(&part);
        if self.mutant == Mutant::IgnoresBound && self.asked.id == SHA256 && !self.done {
            self.done = true;
            while self.bench.now() < until {
                self.bench.read(&mut [0; 64], until)?;
            }
        }
        Ok(part.len())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), PortError> {
        if bytes.first().is_none_or(|first| *first == 0x55) {
            return self.bench.write(bytes);
        }
        self.note(bytes);
        match self.mutant {
            Mutant::SendsNoChecksum if matches!(bytes[0], ERASE | WRITE) => {
                let mut frame = bytes.to_vec();
                frame[1] = 0;
                self.bench.write(&frame)
            }
            Mutant::SkipsErase if bytes[0] == ERASE => {
                // An erase of nothing: the end before the start.
                self.bench.write(&[ERASE, 0, 8, 0, 1, 0, 0, 0, 0, 0, 0, 0])
            }
            Mutant::BurnsFuse if bytes[0] == SHA256 && !self.done => {
                self.done = true;
                self.slip_in(&[EFUSE_WRITE, 0, 8, 0, 0x0C, 0, 0, 0, 1, 0, 0, 0])?;
                self.bench.write(bytes)
            }
            _ => self.bench.write(bytes),
        }
    }

    fn set_baud(&mut self, baud_bps: u32) -> Result<(), PortError> {
        self.bench.set_baud(baud_bps)
    }

    fn has_lines(&mut self) -> bool {
        self.bench.has_lines()
    }

    fn set_lines(&mut self, lines: Lines) -> Result<(), PortError> {
        self.bench.set_lines(lines)
    }

    fn purge_input(&mut self) -> Result<(), PortError> {
        self.bench.purge_input()
    }
}
