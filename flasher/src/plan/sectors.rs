//! Sector by sector: what is to stand there, what has to be done for it, and in which steps.

use std::collections::BTreeMap;

use super::erase::{BLOCK_64K, SECTOR, erase_units};
use super::pieces::Pieces;
use super::program::program_runs;
use super::range::{FlashRange, join};

/// What one sector is to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// All of its bytes; those that no piece covers are FFh until [`Targets::keep`] fills them in.
    pub bytes: Vec<u8>,
    /// Parts that no piece covers: they are to stay as they are.
    pub kept: Vec<FlashRange>,
}

/// What the sectors that a write touches are to hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Targets(BTreeMap<u32, Target>);

/// What has to be done to a sector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is erased already.
    Program,
    /// It holds something else.
    EraseAndProgram,
}

/// What has to be done, by address of the sector. Sectors that hold their target are not in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes(pub BTreeMap<u32, Change>);

/// Erase these units, then program these runs: after it all of `sectors` hold their targets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// From the first to the last sector of this step.
    pub range: FlashRange,
    /// Erase commands.
    pub erase: Vec<FlashRange>,
    /// Runs to program.
    pub program: Vec<FlashRange>,
    /// Whether a sector of it holds bytes that no piece covers.
    pub keeps: bool,
}

impl Targets {
    /// The sectors that these pieces touch.
    pub fn of(pieces: &Pieces) -> Targets {
        let mut targets = Targets::default();
        for piece in pieces.iter() {
            for sector in piece.range().to_sectors().aligned_parts(SECTOR) {
                let Some(part) = sector.intersection(&piece.range()) else { continue };
                let target = targets
                    .0
                    .entry(sector.start())
                    .or_insert_with(|| Target { bytes: vec![0xFF; SECTOR as usize], kept: vec![sector] });
                let from = (part.start() - piece.range().start()) as usize;
                let bytes = &piece.bytes()[from..from + part.len() as usize];
                let to = (part.start() - sector.start()) as usize;
                target.bytes[to..to + bytes.len()].copy_from_slice(bytes);
                target.kept = target.kept.iter().flat_map(|kept| kept.without(&[part])).collect();
            }
        }
        targets
    }

    /// Sectors with parts that no piece covers.
    pub fn incomplete(&self) -> Vec<FlashRange> {
        self.0
            .iter()
            .filter(|(_, target)| !target.kept.is_empty())
            .filter_map(|(at, _)| sector(*at))
            .collect()
    }

    /// Fills in what stays of a sector from what it holds now (all of its bytes).
    pub fn keep(&mut self, address: u32, now: &[u8]) {
        let Some(target) = self.0.get_mut(&address) else { return };
        for part in &target.kept {
            let (from, to) = ((part.start() - address) as usize, (part.end() - address) as usize);
            if let (Some(to), Some(from)) = (target.bytes.get_mut(from..to), now.get(from..to)) {
                to.copy_from_slice(from);
            }
        }
    }

    /// The touched sectors, joined where they touch.
    pub fn ranges(&self) -> Vec<FlashRange> {
        join(self.0.keys().filter_map(|at| sector(*at)))
    }

    /// Parts that stay as they are.
    pub fn kept(&self) -> Vec<FlashRange> {
        join(self.0.values().flat_map(|target| target.kept.iter().copied()))
    }

    /// The bytes a range of whole touched sectors is to hold.
    pub fn bytes(&self, range: FlashRange) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(range.len() as usize);
        for target in self.0.range(range.start()..range.end()).map(|(_, target)| target) {
            bytes.extend_from_slice(&target.bytes);
        }
        bytes
    }

    fn keeps(&self, address: u32) -> bool {
        self.0.get(&address).is_some_and(|target| !target.kept.is_empty())
    }
}

impl Changes {
    /// Notes what a range of whole sectors needs.
    pub fn note(&mut self, range: FlashRange, change: Change) {
        self.0.extend(range.aligned_parts(SECTOR).map(|sector| (sector.start(), change)));
    }

    /// The steps, in the order of addresses: 64 KiB at a time, so that little is unsettled at any moment. A sector
    /// with bytes that no piece covers is a step of its own, so that these are erased as shortly as can be.
    pub fn steps(&self, targets: &Targets) -> Vec<Step> {
        let mut groups: BTreeMap<(u32, u32), Vec<u32>> = BTreeMap::new();
        for address in self.0.keys() {
            let alone = if targets.keeps(*address) { address + 1 } else { 0 };
            groups.entry((address / BLOCK_64K, alone)).or_default().push(*address);
        }
        let mut steps: Vec<Step> =
            groups.into_values().filter_map(|sectors| self.step(&sectors, targets)).collect();
        steps.sort_by_key(|step| step.range);
        steps
    }

    fn step(&self, addresses: &[u32], targets: &Targets) -> Option<Step> {
        let sectors: Vec<FlashRange> = addresses.iter().filter_map(|at| sector(*at)).collect();
        let to_erase: Vec<FlashRange> = sectors
            .iter()
            .filter(|sector| self.0.get(&sector.start()) == Some(&Change::EraseAndProgram))
            .copied()
            .collect();
        let (first, last) = (sectors.first()?, sectors.last()?);
        Some(Step {
            range: FlashRange::new(first.start(), last.end())?,
            erase: erase_units(&to_erase),
            program: join(
                sectors.iter().flat_map(|sector| program_runs(sector.start(), &targets.bytes(*sector))),
            ),
            keeps: addresses.iter().any(|at| targets.keeps(*at)),
        })
    }
}

fn sector(address: u32) -> Option<FlashRange> {
    FlashRange::with_len(address, u64::from(SECTOR))
}

#[cfg(test)]
mod tests {
    use super::super::pieces::Piece;
    use super::*;
    use proptest::prelude::*;

    fn pieces(list: &[(u64, usize)]) -> Pieces {
        Pieces::new(list.iter().map(|(at, len)| Piece::new(*at, vec![0xA5; *len]).unwrap()).collect())
            .unwrap()
    }

    fn texts(ranges: &[FlashRange]) -> Vec<String> {
        ranges.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn whole_sectors_keep_nothing() {
        let targets = Targets::of(&pieces(&[(0x1000, 0x2000)]));
        assert_eq!(texts(&targets.ranges()), ["0x1000..0x3000"]);
        assert_eq!(targets.incomplete(), []);
        assert_eq!(targets.kept(), []);
    }

    #[test]
    fn bytes_around_a_piece_are_kept() {
        let mut targets = Targets::of(&pieces(&[(0x1ff0, 0x20), (0x2800, 0x10)]));
        assert_eq!(texts(&targets.incomplete()), ["0x1000..0x2000", "0x2000..0x3000"]);
        assert_eq!(texts(&targets.kept()), ["0x1000..0x1ff0", "0x2010..0x2800", "0x2810..0x3000"]);
        targets.keep(0x2000, &[7; 0x1000]);
        let bytes = targets.bytes("0x2000..0x3000".parse().unwrap());
        assert_eq!(
            (bytes[0x0f], bytes[0x10], bytes[0x7ff], bytes[0x800], bytes[0x810]),
            (0xA5, 7, 7, 0xA5, 7)
        );
    }

    #[test]
    fn a_sector_that_keeps_bytes_is_a_step_of_its_own() {
        let targets = Targets::of(&pieces(&[(0x800, 0xf800)]));
        let mut changes = Changes::default();
        changes.note("0..0x10000".parse().unwrap(), Change::EraseAndProgram);
        let steps = changes.steps(&targets);
        let ranges: Vec<(String, bool)> = steps.iter().map(|s| (s.range.to_string(), s.keeps)).collect();
        assert_eq!(ranges, [("0x0..0x1000".to_owned(), true), ("0x1000..0x10000".to_owned(), false)]);
        assert_eq!(steps[0].erase.len(), 1);
        assert_eq!(texts(&steps[1].erase).last().unwrap(), "0x8000..0x10000");
    }

    #[test]
    fn erased_sectors_are_only_programmed() {
        let targets = Targets::of(&pieces(&[(0, 0x2000)]));
        let mut changes = Changes::default();
        changes.note("0..0x1000".parse().unwrap(), Change::Program);
        changes.note("0x1000..0x2000".parse().unwrap(), Change::EraseAndProgram);
        let steps = changes.steps(&targets);
        assert_eq!(texts(&steps[0].erase), ["0x1000..0x2000"]);
        assert_eq!(texts(&steps[0].program), ["0x0..0x2000"]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Carrying out the steps on a model of a flash gives the pieces, and changes nothing else.
        #[test]
        fn the_steps_do_what_was_asked(
            list in proptest::collection::vec((0u64..0x20000, 1usize..0x3000), 1..4),
            seed in any::<u8>(),
        ) {
            let list: Vec<Piece> =
                list.into_iter().map(|(at, len)| Piece::new(at, vec![seed; len]).unwrap()).collect();
            let Ok(pieces) = Pieces::new(list) else { return Ok(()) };
            let before: Vec<u8> = (0..0x30000u32).map(|at| (at.wrapping_mul(31) >> 3) as u8).collect();
            let mut flash = before.clone();
            let mut targets = Targets::of(&pieces);
            for sector in targets.incomplete() {
                targets.keep(sector.start(), &flash[sector.start() as usize..sector.end() as usize]);
            }
            let mut changes = Changes::default();
            for range in targets.ranges() {
                changes.note(range, Change::EraseAndProgram);
            }
            for step in changes.steps(&targets) {
                for unit in step.erase {
                    flash[unit.start() as usize..unit.end() as usize].fill(0xFF);
                }
                for run in step.program {
                    let sectors = run.to_sectors();
                    let bytes = &targets.bytes(sectors)[(run.start() - sectors.start()) as usize..];
                    for (cell, byte) in flash[run.start() as usize..run.end() as usize].iter_mut().zip(bytes) {
                        *cell &= byte;
                    }
                }
            }
            let mut expected = before;
            for piece in pieces.iter() {
                let range = piece.range();
                expected[range.start() as usize..range.end() as usize].copy_from_slice(piece.bytes());
            }
            prop_assert!(flash == expected);
        }
    }
}
