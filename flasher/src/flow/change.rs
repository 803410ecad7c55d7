//! Bringing flash to hold given bytes: compare, erase, program, verify, repair.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::bound::announce_run;
use super::finish::{After, conclude};
use super::hex;
use super::readback::{add_readback_work, read_back};
use super::table::{Located, add_table_work, locate_files};
use crate::connect::ConnectOptions;
use crate::error::{Error, ErrorKind, FlashState, Rescue, Result};
use crate::event::{Event, Phase};
use crate::plan::{
    BLOCK_64K, Budget, Change, ChangePlan, Changes, Estimate, FlashRange, Piece, Pieces, PlacedFiles, SECTOR,
    Step, Targets, erase_units, join,
};
use crate::session::Link;
use crate::transfer::{BLOCK_LOOKS, Before, LOOKS, MAX_RESTARTS, RamLoader, STEADY_LOOKS};

/// How often sectors that do not verify are written again.
const REPAIRS: u32 = 2;

/// How a change is carried out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChangeMode {
    /// Only compare, and report what would be done: the flash stays as it is.
    pub dry_run: bool,
    /// After the comparison by SHA-256 read everything back and compare it byte by byte, too.
    pub readback: bool,
}

/// A piece that the flash holds, verified; after a dry run one that it would hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PieceReport {
    /// Where.
    pub range: FlashRange,
    /// The partition it was for, if it was named by one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition: Option<String>,
    /// SHA-256 of its bytes, in hex.
    pub sha256: String,
}

/// What was done to the flash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeReport {
    /// In the order of addresses.
    pub pieces: Vec<PieceReport>,
    /// Bytes of sectors that held what they should already.
    pub unchanged_bytes: u64,
    /// Bytes that were erased.
    pub erased_bytes: u64,
    /// Bytes that were programmed.
    pub programmed_bytes: u64,
    /// Sectors that had to be written more than once.
    pub repaired_sectors: u64,
    /// What was to be done, by the comparison at the beginning.
    pub plan: ChangePlan,
    /// Whether it was left at that.
    pub dry_run: bool,
    /// Bytes that were read back and compared, beside the SHA-256.
    pub readback_bytes: u64,
}

/// Writes pieces: only sectors that differ are erased and programmed, bytes beside a piece are kept, and everything is
/// verified by SHA-256 in the end.
///
/// # Errors
/// [`crate::error::ErrorKind::Plan`] for pieces past the end of the flash, before anything is changed;
/// [`crate::error::ErrorKind::Different`] if sectors do not verify after repairs; everything that connecting and
/// writing can run into.
pub async fn write(
    link: Link,
    options: Arc<ConnectOptions>,
    pieces: Pieces,
    after: After,
) -> Result<ChangeReport> {
    write_files(link, options, pieces.into(), ChangeMode::default(), after).await
}

/// As [`write()`], of files of which some belong into a partition of the module's own table, and in a mode.
///
/// # Errors
/// As [`write()`]; [`crate::error::ErrorKind::Table`] for a partition that is not there or too small, before anything is
/// changed.
pub async fn write_files(
    link: Link,
    options: Arc<ConnectOptions>,
    files: PlacedFiles,
    mode: ChangeMode,
    after: After,
) -> Result<ChangeReport> {
    announce_run(&link, &options, |budget, size| {
        let pieces = files.as_costly();
        if files.needs_table() {
            add_table_work(budget);
        }
        add_work(budget, &Targets::of(&pieces), size);
        if mode.readback {
            add_readback_work(budget, pieces.total_bytes());
        }
    });
    let mut loader = Arc::clone(&options).connect(&link).await?;
    let result = change_files(&mut loader, &files, mode).await;
    conclude(loader, &options, after, result).await
}

async fn change_files(loader: &mut RamLoader, files: &PlacedFiles, mode: ChangeMode) -> Result<ChangeReport> {
    let located: Located = locate_files(loader, files).await?;
    let mut report = change(loader, &located.pieces, mode).await?;
    for piece in &mut report.pieces {
        piece.partition = located.name_at(piece.range);
    }
    Ok(report)
}

/// Brings the flash to hold these pieces; in a dry run only says what that would take.
pub(super) async fn change(
    loader: &mut RamLoader,
    pieces: &Pieces,
    mode: ChangeMode,
) -> Result<ChangeReport> {
    pieces.check_within(loader.flash().size_bytes)?;
    let mut targets = Targets::of(pieces);
    let mut budget = loader.budget();
    add_work(&mut budget, &targets, loader.flash().size_bytes);
    if mode.readback {
        add_readback_work(&mut budget, pieces.total_bytes());
    }
    loader.announce_work(&budget);
    for sector in targets.incomplete() {
        let (now, _) = loader.read_verified(sector).await?;
        targets.keep(sector.start(), &now);
    }
    let mut work = Work {
        loader,
        targets,
        before: Before::new(),
        changed: Vec::new(),
        rescue: Vec::new(),
        erased_bytes: 0,
        programmed_bytes: 0,
        repaired_sectors: 0,
    };
    let changes = work.compare().await?;
    let steps = changes.steps(&work.targets);
    let touched: u64 = work.targets.ranges().iter().map(|range| u64::from(range.len())).sum();
    let unchanged_bytes = touched - changes.0.len() as u64 * u64::from(SECTOR);
    let plan = work.plan(&steps, unchanged_bytes, mode);
    work.report_plan(&plan, mode);
    let mut readback_bytes = 0;
    if !mode.dry_run {
        work.bring_about(&steps).await?;
        if mode.readback {
            readback_bytes = read_back(work.loader, pieces).await?;
        }
        if !steps.is_empty() {
            work.loader.link().set_flash_state(FlashState::Verified);
        }
    }
    Ok(ChangeReport {
        pieces: pieces.iter().map(PieceReport::of).collect(),
        unchanged_bytes,
        erased_bytes: work.erased_bytes,
        programmed_bytes: work.programmed_bytes,
        repaired_sectors: work.repaired_sectors,
        plan,
        dry_run: mode.dry_run,
        readback_bytes,
    })
}

impl PieceReport {
    pub(super) fn of(piece: &Piece) -> PieceReport {
        PieceReport { range: piece.range(), partition: None, sha256: hex(&Sha256::digest(piece.bytes())) }
    }
}

/// Hashes of all of it, to see that it stays as it is: those that agree, and the closer look if one does not.
const STEADY_CHECK: u64 = (STEADY_LOOKS + BLOCK_LOOKS) as u64;

/// Everything being different, all of it written twice and, after restarts, steps of it more often.
pub(super) fn add_work(budget: &mut Budget, targets: &Targets, flash_bytes: u32) {
    let ranges = targets.ranges();
    let bytes: u64 = ranges.iter().map(|range| u64::from(range.len())).sum();
    budget.read(targets.incomplete().len() as u64 * 2 * u64::from(SECTOR));
    for part in ranges.iter().flat_map(|range| range.aligned_parts(SECTOR)) {
        budget.hash(u64::from(part.len()) * (7 + STEADY_CHECK));
    }
    erase_units(&ranges).iter().for_each(|unit| budget.erase(unit));
    budget.program(bytes * 2);
    // What is not touched, before and after.
    budget.hash(u64::from(flash_bytes) * 2);
    for sector in FlashRange::whole(BLOCK_64K).aligned_parts(SECTOR) {
        for _ in 0..MAX_RESTARTS {
            budget.erase(&sector);
            budget.program(u64::from(SECTOR));
            budget.hash(u64::from(SECTOR));
        }
    }
    for _ in 0..LOOKS {
        budget.hash(u64::from(SECTOR));
        budget.read(u64::from(SECTOR));
    }
}

/// SHA-256 of a range of erased bytes. Those of a whole block, which is asked for again and again, are hashed once.
fn erased_digest(range: FlashRange) -> [u8; 32] {
    static BLOCK: OnceLock<[u8; 32]> = OnceLock::new();
    let hash = || Sha256::digest(vec![0xFF; range.len() as usize]).into();
    if range.len() == BLOCK_64K { *BLOCK.get_or_init(hash) } else { hash() }
}

struct Work<'l> {
    loader: &'l mut RamLoader,
    targets: Targets,
    /// What sectors held before they were changed.
    before: Before,
    /// What was changed and is not verified yet.
    changed: Vec<FlashRange>,
    /// Sectors with bytes to be kept that were erased and are not verified yet.
    rescue: Vec<Rescue>,
    erased_bytes: u64,
    programmed_bytes: u64,
    repaired_sectors: u64,
}

impl Work<'_> {
    /// What has to be done, by hashes: 64 KiB that hold their target or nothing at all are settled at once, others sector by
    /// sector. A hash of the whole before that would cost as much as all of these, for nothing where a byte differs.
    ///
    /// Behind a block of which no sector was right, one that is wrong at both of its ends counts as wrong in between: images
    /// have what they share with the flash in long pieces, and a sector that is written without need costs time, no more.
    async fn compare(&mut self) -> Result<Changes> {
        let mut changes = Changes::default();
        let ranges = self.targets.ranges();
        let total_bytes = ranges.iter().map(|range| u64::from(range.len())).sum();
        let mut done_bytes = 0;
        let mut all_wrong = false;
        for block in ranges.iter().flat_map(|range| range.aligned_parts(BLOCK_64K)) {
            if all_wrong && self.is_wrong_at_both_ends(block).await? {
                changes.note(block, Change::EraseAndProgram);
            } else if self.settle(block, &mut changes).await? {
                all_wrong = false;
            } else {
                all_wrong = self.compare_sectors(block, &mut changes).await?;
            }
            done_bytes += u64::from(block.len());
            self.loader.link().emit(Event::Progress { phase: Phase::Compare, done_bytes, total_bytes });
        }
        Ok(changes)
    }

    /// Whether one hash tells what a range needs: it holds its target, or it is erased.
    async fn settle(&mut self, range: FlashRange, changes: &mut Changes) -> Result<bool> {
        let digest = self.loader.sha256(range).await?;
        let Some(settled) = self.settled(range, &digest) else { return Ok(false) };
        if let Some(change) = settled {
            changes.note(range, change);
            let erased = Sha256::digest([0xFF; SECTOR as usize]).into();
            self.before.extend(range.aligned_parts(SECTOR).map(|sector| (sector.start(), erased)));
        }
        Ok(true)
    }

    /// Gives whether every sector has to be erased and programmed.
    async fn compare_sectors(&mut self, block: FlashRange, changes: &mut Changes) -> Result<bool> {
        let mut all_wrong = true;
        for sector in block.aligned_parts(SECTOR) {
            let settled = self.look_at(sector).await?;
            all_wrong &= settled.is_none();
            let change = settled.unwrap_or(Some(Change::EraseAndProgram));
            change.into_iter().for_each(|change| changes.note(sector, change));
        }
        Ok(all_wrong)
    }

    /// Whether neither the first nor the last sector of a whole block holds its target or nothing.
    async fn is_wrong_at_both_ends(&mut self, block: FlashRange) -> Result<bool> {
        if block.len() != BLOCK_64K {
            return Ok(false);
        }
        let sectors: Vec<FlashRange> = block.aligned_parts(SECTOR).collect();
        for sector in sectors.first().into_iter().chain(sectors.last()) {
            if self.look_at(*sector).await?.is_some() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// As [`settled`](Self::settled), of a sector; what it holds is kept in mind.
    async fn look_at(&mut self, sector: FlashRange) -> Result<Option<Option<Change>>> {
        let digest = self.loader.sha256(sector).await?;
        self.before.insert(sector.start(), digest);
        Ok(self.settled(sector, &digest))
    }

    /// `Some(None)`: holds its target; `Some(change)`: is erased; `None`: something else.
    fn settled(&self, range: FlashRange, digest: &[u8; 32]) -> Option<Option<Change>> {
        let target = self.targets.bytes(range);
        if digest[..] == Sha256::digest(&target)[..] {
            return Some(None);
        }
        (*digest == erased_digest(range)).then_some(Some(Change::Program))
    }

    fn plan(&self, steps: &[Step], unchanged_bytes: u64, mode: ChangeMode) -> ChangePlan {
        let kept_apart: Vec<FlashRange> = steps.iter().filter(|s| s.keeps).map(|s| s.range).collect();
        let is_changed = |part: &FlashRange| kept_apart.iter().any(|step| step.intersection(part).is_some());
        ChangePlan {
            unchanged_bytes,
            chip_erase: false,
            erase: steps.iter().flat_map(|step| step.erase.iter().copied()).collect(),
            program: steps.iter().flat_map(|step| step.program.iter().copied()).collect(),
            preserved: self.targets.kept().into_iter().filter(is_changed).collect(),
            estimate_ms: self.estimate_ms(steps, mode),
        }
    }

    /// What is hashed at the end and on both sides of the change, and the change itself.
    fn estimate_ms(&self, steps: &[Step], mode: ChangeMode) -> u64 {
        let touched = self.targets.ranges().iter().map(|range| u64::from(range.len())).sum();
        let mut estimate = Estimate::new(self.loader.link().baud_bps());
        if !steps.is_empty() {
            let rest = u64::from(self.loader.whole_flash().len()) - touched;
            estimate = estimate.steps(steps).hash(touched).hash(rest).hash(rest);
        }
        if mode.readback {
            estimate = estimate.read(touched).hash(touched);
        }
        estimate.millis()
    }

    fn report_plan(&self, plan: &ChangePlan, mode: ChangeMode) {
        self.loader.link().emit(Event::Plan {
            unchanged_bytes: plan.unchanged_bytes,
            erase_bytes: plan.erase_bytes(),
            erase_commands: plan.erase.len() as u64,
            program_bytes: plan.program_bytes(),
            preserved: plan.preserved.clone(),
            estimate_ms: plan.estimate_ms,
            dry_run: mode.dry_run,
        });
    }

    /// Carries out the steps and makes sure of the result. Without any, the comparison has just made sure of it.
    async fn bring_about(&mut self, steps: &[Step]) -> Result<()> {
        if steps.is_empty() {
            for range in self.targets.ranges() {
                let sha256 = hex(&Sha256::digest(self.targets.bytes(range)));
                self.loader.link().emit(Event::Verified { range, sha256 });
            }
            return Ok(());
        }
        let rest = self.hash_rest().await?;
        self.carry_out(steps).await?;
        self.verify_and_repair().await?;
        self.compare_rest(rest).await
    }

    /// Hashes of everything that is not to be changed. A command that is damaged on the way in just the right place
    /// changes other flash than was meant, and nothing in its answer tells.
    async fn hash_rest(&mut self) -> Result<Vec<(FlashRange, [u8; 32])>> {
        let mut hashes = Vec::new();
        for range in self.loader.whole_flash().without(&self.targets.ranges()) {
            hashes.push((range, self.loader.sha256(range).await?));
        }
        Ok(hashes)
    }

    async fn compare_rest(&mut self, hashes: Vec<(FlashRange, [u8; 32])>) -> Result<()> {
        for (range, before) in hashes {
            // Asked again, because the answer may be what was damaged.
            if self.loader.sha256(range).await? != before && self.loader.sha256(range).await? != before {
                self.loader.link().set_flash_state(FlashState::Damaged);
                return Err(Error::new(ErrorKind::Collateral { range }));
            }
        }
        Ok(())
    }

    async fn carry_out(&mut self, steps: &[Step]) -> Result<()> {
        let link = self.loader.link().clone();
        let mut progress = StepProgress::of(steps);
        let is_repair = !self.changed.is_empty();
        for (index, step) in steps.iter().enumerate() {
            if !is_repair {
                link.set_flash_state(FlashState::Changing {
                    written: join(steps[..index].iter().map(|step| step.range)),
                    unsettled: step.range,
                    untouched: join(steps[index + 1..].iter().map(|step| step.range)),
                });
            }
            self.hold_for_rescue(step);
            self.carry_out_step(step, &mut progress).await?;
        }
        if !steps.is_empty() && !is_repair {
            self.changed = join(steps.iter().map(|step| step.range));
            link.set_flash_state(FlashState::Unverified { ranges: self.changed.clone() });
        }
        Ok(())
    }

    /// Bytes that are to be kept are for the moment in nobody's hands but ours, until the hash at the end says that they
    /// are in the flash again: an acknowledged write can still be torn by a restart.
    fn hold_for_rescue(&mut self, step: &Step) {
        let address = step.range.start();
        if step.keeps && self.rescue.iter().all(|held| held.address != address) {
            self.rescue.push(Rescue { address, bytes: self.targets.bytes(step.range) });
            self.loader.link().set_rescue(self.rescue.clone());
        }
    }

    /// Carries out a step. If the module has restarted meanwhile, what was under way may be torn, so its sectors are
    /// compared by hash, and those that are not right are written again; so too, once, with a flash that the loader does
    /// not know.
    async fn carry_out_step(&mut self, step: &Step, progress: &mut StepProgress) -> Result<()> {
        let mut restarts = self.loader.restarts();
        let mut check = !self.loader.flash().identified;
        self.do_step(step, progress).await?;
        let mut tries = 1;
        while check || self.loader.restarts() != restarts {
            check = false;
            restarts = self.loader.restarts();
            let (right_sectors, torn) = self.compare_step(step).await?;
            self.loader.link().emit(Event::Resumed { right_sectors, torn: torn.clone() });
            if torn.is_empty() {
                continue;
            }
            if tries > REPAIRS {
                let bytes = self.targets.bytes(step.range.to_sectors());
                return Err(self.not_taken(step.range, &bytes, &torn, tries).await?);
            }
            tries += 1;
            check = true;
            for step in self.repair_steps(&torn) {
                let mut progress = StepProgress::of(std::slice::from_ref(&step));
                self.do_step(&step, &mut progress).await?;
            }
        }
        Ok(())
    }

    /// How many sectors of a step hold their targets, and which do not.
    async fn compare_step(&mut self, step: &Step) -> Result<(u64, Vec<FlashRange>)> {
        let touched = step.erase.iter().copied().chain(step.program.iter().map(FlashRange::to_sectors));
        let sectors = touched.flat_map(|range| range.aligned_parts(SECTOR).collect::<Vec<_>>());
        let sectors: BTreeSet<FlashRange> = sectors.collect();
        let mut torn = Vec::new();
        for sector in &sectors {
            let target = self.targets.bytes(*sector);
            if !self.loader.holds(*sector, &target).await? {
                torn.push(*sector);
            }
        }
        Ok((sectors.len() as u64 - torn.len() as u64, torn))
    }

    /// The steps that write these sectors again; counted, for the report.
    fn repair_steps(&mut self, sectors: &[FlashRange]) -> Vec<Step> {
        let count = sectors.len() as u64;
        self.repaired_sectors += count;
        self.loader.link().note_trouble(|troubles| troubles.rewritten_sectors += count);
        let mut changes = Changes::default();
        sectors.iter().for_each(|sector| changes.note(*sector, Change::EraseAndProgram));
        changes.steps(&self.targets)
    }

    async fn not_taken(
        &mut self,
        range: FlashRange,
        bytes: &[u8],
        sectors: &[FlashRange],
        tries: u32,
    ) -> Result<Error> {
        let kind = self.loader.not_taken(range, bytes, sectors, &self.before, tries).await?;
        Ok(Error::new(kind))
    }

    async fn do_step(&mut self, step: &Step, progress: &mut StepProgress) -> Result<()> {
        let link = self.loader.link().clone();
        for unit in &step.erase {
            self.loader.erase_unit(*unit).await?;
            self.erased_bytes += u64::from(unit.len());
            progress.erased += u64::from(unit.len());
            link.emit(progress.erase_event());
        }
        for run in &step.program {
            let sectors = run.to_sectors();
            let bytes = self.targets.bytes(sectors);
            let from = (run.start() - sectors.start()) as usize;
            let before = progress.clone();
            let report = |loader: &RamLoader, done: u64| loader.link().emit(before.program_event(done));
            self.loader.program(run.start(), &bytes[from..from + run.len() as usize], report).await?;
            self.programmed_bytes += u64::from(run.len());
            progress.programmed += u64::from(run.len());
        }
        Ok(())
    }

    async fn verify_and_repair(&mut self) -> Result<()> {
        let link = self.loader.link().clone();
        let mut repairs = 0;
        loop {
            let Some((range, sectors)) = self.first_bad_range().await? else {
                link.set_rescue(Vec::new());
                return self.check_steady().await;
            };
            // Writing a protected flash again is of no use.
            if repairs == REPAIRS || self.loader.protection().await.is_some() {
                let bytes = self.targets.bytes(range);
                link.set_flash_state(FlashState::NotRight { ranges: join(sectors.iter().copied()) });
                return Err(self.not_taken(range, &bytes, &sectors, repairs + 1).await?);
            }
            repairs += 1;
            link.emit(Event::Repair { sectors: sectors.clone() });
            let steps = self.repair_steps(&sectors);
            self.carry_out(&steps).await?;
        }
    }

    /// All of it has just been found right; whether it stays so. What was left as it was has had a look before, when it was
    /// compared; what was written gets that look here.
    async fn check_steady(&mut self) -> Result<()> {
        let looks = self.targets.ranges().into_iter().map(|range| (range, STEADY_LOOKS - 2));
        let written = self.changed.iter().map(|range| (range.to_sectors(), 1));
        for (range, more) in looks.chain(written).collect::<Vec<_>>() {
            let digest = Sha256::digest(self.targets.bytes(range)).into();
            if let Some(unstable) = self.loader.unsteady(range, &digest, more).await? {
                return Err(Error::new(unstable));
            }
        }
        Ok(())
    }

    /// The first of the touched ranges that does not hold its target, and the sectors of it that do not.
    async fn first_bad_range(&mut self) -> Result<Option<(FlashRange, Vec<FlashRange>)>> {
        let ranges = self.targets.ranges();
        let total_bytes = ranges.iter().map(|range| u64::from(range.len())).sum();
        let mut done_bytes = 0;
        for range in ranges {
            let bytes = self.targets.bytes(range);
            let sectors = self.loader.differing_sectors(range, &bytes).await?;
            if !sectors.is_empty() {
                return Ok(Some((range, sectors)));
            }
            let link = self.loader.link();
            done_bytes += u64::from(range.len());
            link.emit(Event::Progress { phase: Phase::Verify, done_bytes, total_bytes });
            link.emit(Event::Verified { range, sha256: hex(&Sha256::digest(&bytes)) });
        }
        Ok(None)
    }
}

/// How far erasing and programming have come, over all steps.
#[derive(Clone, Debug)]
struct StepProgress {
    erased: u64,
    to_erase: u64,
    programmed: u64,
    to_program: u64,
}

impl StepProgress {
    fn of(steps: &[Step]) -> StepProgress {
        let to_erase = steps.iter().flat_map(|step| &step.erase).map(|unit| u64::from(unit.len())).sum();
        let to_program = steps.iter().flat_map(|step| &step.program).map(|run| u64::from(run.len())).sum();
        StepProgress { erased: 0, to_erase, programmed: 0, to_program }
    }

    fn erase_event(&self) -> Event {
        Event::Progress { phase: Phase::Erase, done_bytes: self.erased, total_bytes: self.to_erase }
    }

    /// With so many more bytes programmed than were at the beginning of this run of bytes.
    fn program_event(&self, more: u64) -> Event {
        let done_bytes = self.programmed + more;
        Event::Progress { phase: Phase::Program, done_bytes, total_bytes: self.to_program }
    }
}
