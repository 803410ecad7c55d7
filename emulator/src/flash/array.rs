//! The cells of a NOR flash: 4 KiB sectors that take no memory while erased, or while they hold what an image says.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest, Sha256};

use super::image::FlashImage;

/// Bytes in one sector of the sparse array, and the smallest unit a part erases.
pub(super) const SECTOR_BYTES: usize = 4096;

static ERASED_SECTOR: [u8; SECTOR_BYTES] = [0xff; SECTOR_BYTES];

/// Digests of so many erased bytes, whoever asked for them first: sessions by the thousand begin with erased parts.
static ERASED_DIGESTS: Mutex<BTreeMap<u64, [u8; 32]>> = Mutex::new(BTreeMap::new());
/// No more lengths than these are remembered.
const ERASED_DIGESTS_KEPT: usize = 256;
/// So many digests of one part are remembered.
const DIGESTS_KEPT: usize = 8;

/// What one sector holds.
#[derive(Clone, Debug)]
enum Sector {
    Erased,
    /// What the image holds there.
    Image,
    Own(Box<[u8; SECTOR_BYTES]>),
}

/// Sparse NOR contents. Addresses are taken modulo the capacity, as a part does that ignores the upper address bits.
#[derive(Clone, Debug)]
pub(super) struct Array {
    sectors: Vec<Sector>,
    /// What sectors may share with other arrays.
    image: Arc<FlashImage>,
    changes: Vec<Range<u32>>,
    /// Digests of cells that have not changed since: first address, length, SHA-256.
    digests: Vec<(u32, u32, [u8; 32])>,
}

impl Array {
    pub(super) fn erased(capacity_bytes: u32) -> Array {
        Array::with_image(capacity_bytes, Arc::default())
    }

    /// An array that begins with an image; what does not fit is left off.
    pub(super) fn with_image(capacity_bytes: u32, image: Arc<FlashImage>) -> Array {
        let count = (capacity_bytes as usize).div_ceil(SECTOR_BYTES).max(1);
        let mut sectors = vec![Sector::Erased; count];
        let shared = image.bytes().len() / SECTOR_BYTES;
        sectors.iter_mut().take(shared).for_each(|sector| *sector = Sector::Image);
        Array { sectors, image, changes: Vec::new(), digests: Vec::new() }
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
            each(&self.sector(at / SECTOR_BYTES)[offset..offset + n]);
            at = self.wrap((at + n) as u32) as usize;
            left -= n as u64;
        }
    }

    fn sector(&self, index: usize) -> &[u8] {
        match &self.sectors[index] {
            Sector::Erased => &ERASED_SECTOR,
            Sector::Image => self.image_sector(index),
            Sector::Own(cells) => cells.as_slice(),
        }
    }

    fn image_sector(&self, index: usize) -> &[u8] {
        &self.image.bytes()[index * SECTOR_BYTES..][..SECTOR_BYTES]
    }

    /// Changes a sector's cells, which are its own from then on.
    fn change_sector(&mut self, index: usize, change: impl FnOnce(&mut [u8; SECTOR_BYTES])) {
        let mut cells = match std::mem::replace(&mut self.sectors[index], Sector::Erased) {
            Sector::Own(cells) => cells,
            Sector::Erased => Box::new(ERASED_SECTOR),
            Sector::Image => {
                let mut cells = Box::new(ERASED_SECTOR);
                cells.copy_from_slice(self.image_sector(index));
                cells
            }
        };
        change(&mut cells);
        self.sectors[index] = Sector::Own(cells);
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
        let digest = if self.is_all(address, len, |sector| matches!(sector, Sector::Image)) {
            self.image.sha256(address, len)
        } else if self.is_all(address, len, |sector| matches!(sector, Sector::Erased)) {
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

    /// Whether every sector that these cells touch is of a kind. Those that have cells of their own may be erased all the
    /// same, or hold what the image does.
    fn is_all(&self, address: u32, len: u32, kind: impl Fn(&Sector) -> bool) -> bool {
        let first = address as usize / SECTOR_BYTES;
        let end = (address as usize + len as usize).div_ceil(SECTOR_BYTES);
        self.sectors.get(first..end).is_some_and(|sectors| sectors.iter().all(kind))
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
            let index = at / SECTOR_BYTES;
            // An erased sector stays sparse when all that comes is FFh.
            if !matches!(self.sectors[index], Sector::Erased) || now.iter().any(|byte| *byte != 0xff) {
                self.change_sector(index, |sector| {
                    for (cell, byte) in sector[offset..].iter_mut().zip(now) {
                        *cell = combine(*cell, *byte);
                    }
                });
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
        self.sectors[first..first + count].fill(Sector::Erased);
        self.note_change((first * SECTOR_BYTES) as u32, (count * SECTOR_BYTES) as u32);
    }

    /// Bits that are stuck: those of `mask` are at 1 (or 0) whatever was done. `range` lies inside the part.
    pub(super) fn force(&mut self, range: Range<u32>, mask: u8, ones: bool) {
        let mut at = range.start as usize;
        while at < range.end as usize {
            let (index, offset) = (at / SECTOR_BYTES, at % SECTOR_BYTES);
            let len = (SECTOR_BYTES - offset).min(range.end as usize - at);
            // Erased cells are at 1 already.
            if mask != 0 && (!matches!(self.sectors[index], Sector::Erased) || !ones) {
                self.change_sector(index, |sector| {
                    for cell in &mut sector[offset..offset + len] {
                        *cell = if ones { *cell | mask } else { *cell & !mask };
                    }
                });
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
        self.sectors.iter().filter(|sector| matches!(sector, Sector::Own(_))).count()
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
    fn an_image_is_shared_until_a_sector_is_changed() {
        let bytes: Vec<u8> = (0..0x5100_u32).map(|i| (i % 251) as u8).collect();
        let image = Arc::new(FlashImage::new(bytes.clone()));
        let mut array = Array::with_image(0x8_0000, Arc::clone(&image));
        let untouched = Array::with_image(0x8_0000, Arc::clone(&image));
        let mut expected = bytes;
        expected.resize(0x8_0000, 0xff);
        let check = |array: &mut Array, expected: &[u8]| {
            let mut out = vec![0; 0x8_0000];
            array.read(0, &mut out);
            assert!(out == expected);
            for (address, len) in
                [(0, 0x6000), (0x1000, 0x2000), (0x1003, 5), (0x4000, 0x8000), (0, 0x8_0000)]
            {
                let bytes = &expected[address..][..len];
                let digest = array.remembered_sha256(address as u32, len as u32);
                assert_eq!(digest, <[u8; 32]>::from(Sha256::digest(bytes)), "{address:#x} {len:#x}");
            }
        };
        check(&mut array, &expected);
        assert_eq!(array.sectors_in_memory(), 0);

        array.program(0x1002, &[0x0f; 3]);
        expected[0x1002..0x1005].iter_mut().for_each(|cell| *cell &= 0x0f);
        check(&mut array, &expected);
        array.erase(0x3000, 0x1000);
        expected[0x3000..0x4000].fill(0xff);
        check(&mut array, &expected);
        array.force(0x2000..0x2001, 0x80, true);
        expected[0x2000] |= 0x80;
        check(&mut array, &expected);
        array.set(0x5fff, &[7, 8]);
        expected[0x5fff..0x6001].copy_from_slice(&[7, 8]);
        check(&mut array, &expected);
        assert_eq!(array.sectors_in_memory(), 4);
        assert_eq!(
            untouched.sha256(0, 0x6000),
            image.sha256(0, 0x6000),
            "the others keep what they began with"
        );

        let small = Array::with_image(0x4000, image);
        assert_eq!(small.capacity_bytes(), 0x4000, "what does not fit is left off");
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
