//! What the user wants in flash: bytes with addresses.

use super::PlanError;
use super::erase::SECTOR;
use super::range::{FlashRange, MAX_FLASH_BYTES};

/// Bytes and where they belong.
#[derive(Clone, PartialEq, Eq)]
pub struct Piece {
    address: u32,
    bytes: Vec<u8>,
}

/// Pieces in the order of their addresses, not overlapping, none empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pieces(Vec<Piece>);

/// A part of a flash, as a person names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Area {
    /// All of it.
    Whole,
    /// From here to there.
    Range(FlashRange),
    /// A partition of the table on the module, where it is in use.
    Partition(String),
}

/// Where bytes belong, as a person names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A flash address.
    Address(u64),
    /// A partition of the table on the module, where it is in use.
    Partition(String),
}

/// Bytes with a named place.
#[derive(Clone, PartialEq, Eq)]
pub struct PlacedFile {
    /// Where they belong.
    pub place: Place,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// What is wanted in flash, by address or by partition; where partitions are is known when the module was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlacedFiles(Vec<PlacedFile>);

impl PlacedFiles {
    /// Checks what can be checked without a module.
    ///
    /// # Errors
    /// [`PlanError`] for empty files, for addresses past 16 MiB, and for overlaps of those that have addresses.
    pub fn new(files: Vec<PlacedFile>) -> Result<PlacedFiles, PlanError> {
        let mut pieces = Vec::new();
        for file in &files {
            match &file.place {
                Place::Address(address) => pieces.push(Piece::new(*address, file.bytes.clone())?),
                Place::Partition(_) => drop(Piece::new(0, file.bytes.clone())?),
            }
        }
        Pieces::new(pieces)?;
        Ok(PlacedFiles(files))
    }

    /// The files.
    pub fn iter(&self) -> std::slice::Iter<'_, PlacedFile> {
        self.0.iter()
    }

    /// Whether the module's partition table is needed.
    pub fn needs_table(&self) -> bool {
        self.0.iter().any(|file| matches!(file.place, Place::Partition(_)))
    }

    /// Pieces that take as long as these will, wherever their partitions are: each begins within a sector of its own.
    pub fn as_costly(&self) -> Pieces {
        let mut at = 1;
        let mut pieces = Vec::new();
        for file in &self.0 {
            let start = match file.place {
                Place::Address(address) if !self.needs_table() => address,
                _ => at,
            };
            // What goes past 16 MiB is refused as soon as the size of the flash is known.
            pieces.extend(Piece::new(start, file.bytes.clone()));
            at += (file.bytes.len() as u64).next_multiple_of(u64::from(SECTOR)) + u64::from(SECTOR);
        }
        Pieces(pieces)
    }
}

impl From<Pieces> for PlacedFiles {
    fn from(pieces: Pieces) -> PlacedFiles {
        let placed =
            |piece: Piece| PlacedFile { place: Place::Address(u64::from(piece.address)), bytes: piece.bytes };
        PlacedFiles(pieces.0.into_iter().map(placed).collect())
    }
}

impl std::fmt::Debug for PlacedFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PlacedFile({:?}, {} bytes)", self.place, self.bytes.len())
    }
}

impl Piece {
    /// A piece.
    ///
    /// # Errors
    /// [`PlanError::Empty`], or [`PlanError::PastAddresses`] if it does not lie within 16 MiB.
    pub fn new(address: u64, bytes: Vec<u8>) -> Result<Piece, PlanError> {
        let past = PlanError::PastAddresses { start: address, len: bytes.len() as u64 };
        let start =
            u32::try_from(address).ok().filter(|start| *start <= MAX_FLASH_BYTES).ok_or(past.clone())?;
        if bytes.is_empty() {
            return Err(PlanError::Empty { start });
        }
        FlashRange::with_len(start, bytes.len() as u64).ok_or(past)?;
        Ok(Piece { address: start, bytes })
    }

    /// Where it belongs.
    pub fn range(&self) -> FlashRange {
        // `new` has checked that it fits.
        FlashRange::with_len(self.address, self.bytes.len() as u64).unwrap_or(FlashRange::whole(0))
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl Pieces {
    /// Sorts pieces.
    ///
    /// # Errors
    /// [`PlanError::Overlap`] if two want the same place.
    pub fn new(mut pieces: Vec<Piece>) -> Result<Pieces, PlanError> {
        pieces.sort_by_key(|piece| piece.address);
        for pair in pieces.windows(2) {
            let (first, second) = (pair[0].range(), pair[1].range());
            if second.start() < first.end() {
                return Err(PlanError::Overlap { first, second });
            }
        }
        Ok(Pieces(pieces))
    }

    /// A range that is to hold FFh.
    ///
    /// # Errors
    /// [`PlanError::Empty`]
    pub fn erased(range: FlashRange) -> Result<Pieces, PlanError> {
        Ok(Pieces(vec![Piece::new(u64::from(range.start()), vec![0xFF; range.len() as usize])?]))
    }

    /// In the order of addresses.
    pub fn iter(&self) -> std::slice::Iter<'_, Piece> {
        self.0.iter()
    }

    /// Number of bytes in all.
    pub fn total_bytes(&self) -> u64 {
        self.0.iter().map(|piece| piece.bytes.len() as u64).sum()
    }

    /// Refuses pieces that leave a flash of this size.
    ///
    /// # Errors
    /// [`PlanError::PastEnd`]
    pub fn check_within(&self, flash_size: u32) -> Result<(), PlanError> {
        self.0.iter().try_for_each(|piece| piece.range().check_within(flash_size))
    }
}

impl std::fmt::Debug for Piece {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Piece({})", self.range())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_sorted_and_neighbours_may_touch() {
        let pieces = Pieces::new(vec![
            Piece::new(0x1000, vec![1; 16]).unwrap(),
            Piece::new(0xff0, vec![2; 16]).unwrap(),
        ])
        .unwrap();
        let starts: Vec<u32> = pieces.iter().map(|piece| piece.range().start()).collect();
        assert_eq!(starts, [0xff0, 0x1000]);
        assert_eq!(pieces.total_bytes(), 32);
    }

    #[test]
    fn overlapping_pieces_are_refused() {
        let error = Pieces::new(vec![
            Piece::new(0x1000, vec![1; 16]).unwrap(),
            Piece::new(0xff1, vec![2; 16]).unwrap(),
        ])
        .unwrap_err();
        assert!(matches!(error, PlanError::Overlap { first, .. } if first.start() == 0xff1), "{error:?}");
    }

    #[test]
    fn empty_and_far_pieces_are_refused() {
        assert_eq!(Piece::new(5, vec![]).unwrap_err(), PlanError::Empty { start: 5 });
        assert!(matches!(Piece::new(0xff_ffff, vec![0; 2]), Err(PlanError::PastAddresses { .. })));
        assert!(matches!(Piece::new(u64::MAX, vec![0]), Err(PlanError::PastAddresses { .. })));
        assert!(Piece::new(0xff_ffff, vec![0]).is_ok());
    }

    #[test]
    fn files_for_partitions_cost_as_much_as_they_may() {
        let file = |place, len| PlacedFile { place, bytes: vec![1; len] };
        let named = Place::Partition("FW".to_owned());
        let files =
            PlacedFiles::new(vec![file(named.clone(), 0x1000), file(Place::Address(0x5000), 16)]).unwrap();
        assert!(files.needs_table());
        let ranges: Vec<String> = files.as_costly().iter().map(|piece| piece.range().to_string()).collect();
        assert_eq!(ranges, ["0x1..0x1001", "0x2001..0x2011"]);
        let files = PlacedFiles::new(vec![file(Place::Address(0x5000), 16)]).unwrap();
        assert_eq!(files.as_costly().iter().next().unwrap().range().start(), 0x5000);
        assert!(PlacedFiles::new(vec![file(named, 0)]).is_err());
    }

    #[test]
    fn the_end_of_the_flash_is_checked() {
        let pieces = Pieces::new(vec![Piece::new(0xf_ffff, vec![0; 2]).unwrap()]).unwrap();
        assert!(matches!(pieces.check_within(0x10_0000), Err(PlanError::PastEnd { .. })));
        assert_eq!(pieces.check_within(0x20_0000), Ok(()));
    }
}
