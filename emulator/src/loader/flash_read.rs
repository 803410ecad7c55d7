//! 32h, 34h, 3Dh and 3Eh: reading and hashing, over SPI or through the memory map.
//!
//! Both ways give the same bytes here, whether 60h came before or not (assumed; the reference knows it only after 60h).

use bl702_protocol::time::Nanos;
use sha2::{Digest, Sha256};

use super::commands::{Cpu, Job, Next, Request};
use super::memory_map::{self, ANSWER_DATA, ANSWER_DATA_BYTES, BUFFER_BYTES};
use crate::chip::Chip;

/// Bytes of a SHA-256 digest.
const DIGEST_BYTES: u16 = 32;

/// 32h, 34h: address (4), length (4), cut to what an answer holds.
pub(super) fn read(request: &Request, cpu: &mut Cpu<'_>) -> Next {
    let Some([address, length]) = request.words(cpu.chip) else { return Next::refuse(cpu.at, 0x0004) };
    let length = length.min(ANSWER_DATA_BYTES);
    memory_map::begin_answer(&mut cpu.chip.ram, length as u16);
    let bytes_per_s = cpu.chip.profile.flash_read_bytes_per_s;
    let read = Read { address, length, copied: 0, begun_at: cpu.at, bytes_per_s };
    Next::At(cpu.at + time_of(length, bytes_per_s), Job::Read(read))
}

/// Flash that is being copied to receive buffer 1.
#[derive(Debug)]
pub(super) struct Read {
    address: u32,
    length: u32,
    copied: u32,
    begun_at: Nanos,
    bytes_per_s: u32,
}

impl Read {
    pub(super) fn run(mut self, cpu: &mut Cpu<'_>) -> Next {
        let length = self.length;
        self.copy_to(cpu.chip, cpu.at, length);
        Next::answer(cpu.at, length + 4)
    }

    /// Copies what has been read by `at`.
    pub(super) fn copy_until(&mut self, chip: &mut Chip, at: Nanos) {
        let passed = u128::from(at.since(self.begun_at).0);
        let read = passed * u128::from(self.bytes_per_s) / 1_000_000_000;
        self.copy_to(chip, at, read.min(u128::from(self.length)) as u32);
    }

    fn copy_to(&mut self, chip: &mut Chip, at: Nanos, end: u32) {
        let bytes = end.saturating_sub(self.copied);
        if let Some(place) = chip.ram.slice_mut(ANSWER_DATA + self.copied, bytes as usize) {
            chip.flash.read_out(at, self.address.wrapping_add(self.copied), place);
            self.copied += bytes;
        }
    }
}

/// 3Dh, 3Eh: address (4), length (4), without a limit.
pub(super) fn sha256(request: &Request, cpu: &mut Cpu<'_>) -> Next {
    let Some([address, left]) = request.words(cpu.chip) else { return Next::refuse(cpu.at, 0x0004) };
    if let Some(digest) = cpu.chip.flash.settled_sha256(cpu.at, address, left) {
        let chunk = BUFFER_BYTES as u32;
        let took = Hash::time(cpu.chip, chunk) * u64::from(left / chunk) + Hash::time(cpu.chip, left % chunk);
        return Next::At(cpu.at + took, Job::Digest(digest));
    }
    Next::At(cpu.at, Job::Hash(Hash { address, left, sha256: Sha256::new() }))
}

/// Answers with a digest.
pub(super) fn answer_digest(cpu: &mut Cpu<'_>, digest: &[u8]) -> Next {
    memory_map::store(&mut cpu.chip.ram, ANSWER_DATA, digest);
    memory_map::begin_answer(&mut cpu.chip.ram, DIGEST_BYTES);
    Next::answer(cpu.at, u32::from(DIGEST_BYTES) + 4)
}

/// A hash over what was read so far.
#[derive(Debug)]
pub(super) struct Hash {
    address: u32,
    left: u32,
    sha256: Sha256,
}

impl Hash {
    /// The next chunk of 2408h bytes, or the answer.
    pub(super) fn run(mut self, cpu: &mut Cpu<'_>) -> Next {
        let length = self.left.min(BUFFER_BYTES as u32);
        if length == 0 {
            return answer_digest(cpu, &self.sha256.finalize());
        }
        let mut chunk = [0; BUFFER_BYTES];
        let chunk = &mut chunk[..length as usize];
        cpu.chip.flash.read_out(cpu.at, self.address, chunk);
        self.sha256.update(&*chunk);
        self.address = self.address.wrapping_add(length);
        self.left -= length;
        Next::At(cpu.at + Hash::time(cpu.chip, length), Job::Hash(self))
    }

    /// How long one chunk takes: "time is that of reading flash" (loader reference 4, 3Dh), so the SHA-256 engine works
    /// while the flash is read, unless a profile makes it the slower of both.
    fn time(chip: &Chip, bytes: u32) -> Nanos {
        let profile = &chip.profile;
        time_of(bytes, profile.flash_read_bytes_per_s.min(profile.hash_bytes_per_s))
    }
}

fn time_of(bytes: u32, bytes_per_s: u32) -> Nanos {
    Nanos(u64::from(bytes) * 1_000_000_000 / u64::from(bytes_per_s.max(1)))
}
