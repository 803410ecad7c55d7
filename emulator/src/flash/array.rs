//! The cells of a NOR flash: 4 KiB sectors that take no memory while erased.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};

/// Bytes in one sector of the sparse array, and the smallest unit a part erases.
pub(super) const SECTOR_BYTES: usize = 4096;

static ERASED_SECTOR: [u8; SECTOR_BYTES] = [0xff; SECTOR_BYTES];

/// Digests of so many erased bytes, whoever asked for them first: sessions by the thousand begin with erased parts.
static ERASED_DIGESTS: Mutex<BTreeMap<u64, [u8; 32]>> = Mutex::new(BTreeMap::new());
/// No more lengths than these are remembered.
const ERASED_DIGESTS_KEPT: usize = 256;
/// So many digests of one part are remembered.
const DIGESTS_KEPT: usize = 8;

/// Sparse NOR contents. Addresses are taken modulo the capacity, as a part does that ignores the upper address bits.
#[derive(Clone, Debug)]
pub(super) struct Array {
    sectors: Vec<Option<Box<[u8; SECTOR_BYTES]>>>,
    changes: Vec<Range<u32>>,
    /// Digests of cells that have not changed since: first address, length, SHA-256.
    digests: Vec<(u32, u32, [u8; 32])>,
}

impl Array {
    pub(super) fn erased(capacity_bytes: u32) -> Array {
        let count = (capacity_bytes as usize).div_ceil(SECTOR_BYTES).max(1);
        Array { sectors: vec![None; count], changes: Vec::new(), digests: Vec::new() }
    }

    pub(super) fn capacity_bytes(&self) -> u32 {
        (self.sectors.len() * SECTOR_BYTES) as u32
    }

    pub(super) fn wrap(&self, address: u32) -> u32 {
        address % self.capacity_bytes()
    }

    /// Calls `each` with the pieces of the cells from `address` on, `len` bytes in all, wrapping at the end.
    fn for_each_piece(&self, address: u32, len: u64, mut each: impl FnMut(&[u8])) {
        let mut at = self.wrap(address) as usize;
        let mut left = len;
        while left > 0 {
            let offset = at % SECTOR_BYTES;
            let n = ((SECTOR_BYTES - offset) as u64).min(left) as usize;
            let sector = self.sectors[at / SECTOR_BYTES].as_deref().unwrap_or(&ERASED_SECTOR);
            each(&sector[offset..offset + n]);
            at = self.wrap((at + n) as u32) as usize;
            left -= n as u64;
        }
    }

    pub(super) fn read(&self, address: u32, out: &mut [u8]) {
        let mut filled = 0;
        self.for_each_piece(address, out.len() as u64, |piece| {
            out[filled..filled + piece.len()].copy_from_slice(piece);
            filled += piece.len();
        });
    }

    pub(super) fn sha256(&self, address: u32, len: u64) -> [u8; 32] {
        let mut hash = Sha256::new();
        self.for_each_piece(address, len, |piece| hash.update(piece));
        hash.finalize().into()
    }

    /// The same for cells inside the part, remembered until one of them changes. Most of a session's time would go by
    /// with hashing the same cells before and after something else was written.
    pub(super) fn remembered_sha256(&mut self, address: u32, len: u32) -> [u8; 32] {
        let known = self.digests.iter().find(|(from, bytes, _)| (*from, *bytes) == (address, len));
        if let Some((_, _, digest)) = known {
            return *digest;
        }
        let digest = if self.is_erased(address, len) {
            let mut known = ERASED_DIGESTS.lock().unwrap_or_else(PoisonError::into_inner);
            if known.len() >= ERASED_DIGESTS_KEPT {
                known.clear();
            }
            *known.entry(u64::from(len)).or_insert_with(|| self.sha256(address, u64::from(len)))
        } else {
            self.sha256(address, u64::from(len))
        };
        if self.digests.len() == DIGESTS_KEPT {
            self.digests.remove(0);
        }
        self.digests.push((address, len, digest));
        digest
    }

    /// Whether no sector that these cells touch takes memory. Those that do may be erased all the same.
    fn is_erased(&self, address: u32, len: u32) -> bool {
        let first = address as usize / SECTOR_BYTES;
        let end = (address as usize + len as usize).div_ceil(SECTOR_BYTES);
        self.sectors.get(first..end).is_some_and(|sectors| sectors.iter().all(Option::is_none))
    }

    /// Replaces bytes, whatever they were; for loading and for torn operations. Wraps at the end.
    pub(super) fn set(&mut self, address: u32, bytes: &[u8]) {
        self.change(address, bytes, |_, new| new);
    }

    /// What programming does: cells only go from 1 to 0.
    pub(super) fn program(&mut self, address: u32, bytes: &[u8]) {
        self.change(address, bytes, |old, new| old & new);
    }

    fn change(&mut self, address: u32, bytes: &[u8], combine: impl Fn(u8, u8) -> u8) {
        let mut at = self.wrap(address) as usize;
        let mut rest = bytes;
        while !rest.is_empty() {
            let offset = at % SECTOR_BYTES;
            let (now, later) = rest.split_at(rest.len().min(SECTOR_BYTES - offset));
            let slot = &mut self.sectors[at / SECTOR_BYTES];
            // An erased sector stays sparse when all that comes is FFh.
            if slot.is_some() || now.iter().any(|byte| *byte != 0xff) {
                let sector = slot.get_or_insert_with(|| Box::new(ERASED_SECTOR));
                for (cell, byte) in sector[offset..].iter_mut().zip(now) {
                    *cell = combine(*cell, *byte);
                }
            }
            self.note_change(at as u32, now.len() as u32);
            at = self.wrap((at + now.len()) as u32) as usize;
            rest = later;
        }
    }

    /// Erases whole sectors: `address` and `len` are multiples of 4096 inside the part.
    pub(super) fn erase(&mut self, address: u32, len: u32) {
        let first = self.wrap(address) as usize / SECTOR_BYTES;
        let count = (len as usize / SECTOR_BYTES).min(self.sectors.len() - first);
        self.sectors[first..first + count].fill(None);
        self.note_change((first * SECTOR_BYTES) as u32, (count * SECTOR_BYTES) as u32);
    }

    /// Bits that are stuck: those of `mask` are at 1 (or 0) whatever was done. `range` lies inside the part.
    pub(super) fn force(&mut self, range: Range<u32>, mask: u8, ones: bool) {
        let mut at = range.start as usize;
        while at < range.end as usize {
            let (index, offset) = (at / SECTOR_BYTES, at % SECTOR_BYTES);
            let len = (SECTOR_BYTES - offset).min(range.end as usize - at);
            let slot = &mut self.sectors[index];
            // Erased cells are at 1 already.
            if mask != 0 && (slot.is_some() || !ones) {
                let sector = slot.get_or_insert_with(|| Box::new(ERASED_SECTOR));
                for cell in &mut sector[offset..offset + len] {
                    *cell = if ones { *cell | mask } else { *cell & !mask };
                }
                self.note_change(at as u32, len as u32);
            }
            at += len;
        }
    }

    fn note_change(&mut self, start: u32, len: u32) {
        let end = start + len;
        self.digests.retain(|(from, bytes, _)| *from >= end || from + bytes <= start);
        match self.changes.last_mut() {
            Some(last) if start <= last.end && last.start <= end => {
                last.start = last.start.min(start);
                last.end = last.end.max(end);
            }
            _ => self.changes.push(start..end),
        }
    }

    pub(super) fn take_changes(&mut self) -> Vec<Range<u32>> {
        std::mem::take(&mut self.changes)
    }

    pub(super) fn sectors_in_memory(&self) -> usize {
        self.sectors.iter().flatten().count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn erased_cells_read_ff_and_take_no_memory() {
        let mut array = Array::erased(0x10_0000);
        let mut out = [0; 10_000];
        array.read(0xf_f000, &mut out);
        assert!(out.iter().all(|byte| *byte == 0xff));
        array.program(0x1000, &[0xff; 5000]);
        assert_eq!(array.sectors_in_memory(), 0);
        array.program(0x1fff, &[0xf0, 0x0f]);
        assert_eq!(array.sectors_in_memory(), 2);
        array.erase(0x1000, 0x2000);
        assert_eq!(array.sectors_in_memory(), 0);
    }

    #[test]
    fn reads_and_programs_wrap_at_the_end() {
        let mut array = Array::erased(0x8_0000);
        array.program(0x7_ffff, &[1, 2]);
        let mut out = [0; 2];
        array.read(0x17_ffff, &mut out);
        assert_eq!(out, [1, 2]);
        array.read(0, &mut out);
        assert_eq!(out, [2, 0xff]);
        assert_eq!(array.take_changes(), [0x7_ffff..0x8_0000, 0..1]);
    }

    #[test]
    fn a_remembered_hash_is_that_of_the_bytes_as_they_are_now() {
        let mut array = Array::erased(0x8_0000);
        let places =
            [(0, 0x8_0000), (0x1000, 0x1000), (0x0fff, 2), (0x2000, 0x1000), (0x10, 0), (0x7_f000, 0x1000)];
        let check = |array: &mut Array| {
            for (address, len) in places.into_iter().chain(places) {
                assert_eq!(array.remembered_sha256(address, len), array.sha256(address, u64::from(len)));
            }
        };
        check(&mut array);
        array.program(0x1fff, &[0x12, 0x34]);
        check(&mut array);
        array.force(0x1000..0x1001, 0x80, false);
        check(&mut array);
        array.erase(0x1000, 0x1000);
        check(&mut array);
        array.set(0x7_ffff, &[0, 1]);
        check(&mut array);
    }

    #[test]
    fn changes_that_touch_are_merged() {
        let mut array = Array::erased(0x10_0000);
        array.program(0x100, &[0; 0x100]);
        array.program(0x200, &[0; 0x100]);
        array.set(0x5000, &[1]);
        array.erase(0x5000, 0x1000);
        assert_eq!(array.take_changes(), [0x100..0x300, 0x5000..0x6000]);
        assert_eq!(array.take_changes(), []);
    }

    #[test]
    fn the_hash_is_that_of_the_bytes() {
        let mut array = Array::erased(0x8_0000);
        array.program(0x0ffe, b"hello");
        let mut bytes = vec![0; 0x3000];
        array.read(0x7_f000, &mut bytes);
        assert_eq!(array.sha256(0x7_f000, 0x3000), <[u8; 32]>::from(Sha256::digest(&bytes)));
        assert_eq!(array.sha256(0, 0), <[u8; 32]>::from(Sha256::digest(b"")));
    }
}
