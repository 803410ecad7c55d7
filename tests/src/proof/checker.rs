//! The contract, and whether a run kept it.
//!
//! Of every run, whatever went wrong:
//!
//! 1. It ends by itself, by the time it announced.
//! 2. No fuse is burnt.
//! 3. Success means that the flash holds what it is to hold and nothing else was changed; that a backup is what the cells
//!    hold; that `verify` compared cells that are right; that `info` tells what is in fuses and flash.
//! 4. Failure is a named error with an exit status of its own and a next step, which tells the state of the flash as it is.
//!    (Not so where stretches of bytes, or ten bytes and more, became noise, and the module has carried out what nobody asked
//!    for: it has changed other sectors, or its host never got past the handshake.)
//! 5. A byte that nobody asked to change is in its cell, or in the error's rescue, or the error says that it may be lost.
//!
//! A bit of a cell that reads as either value, by chance, has none, and every comparison leaves such bits out: which of the
//! two a flasher hands over, or finds where it looks, it cannot owe, since it has nothing but what the module reads. It owes
//! to say so when it has seen the bit change, and to look often enough for that: `campaign::weak_cells_are_noticed` counts.
//!
//! Of runs in which little went wrong, more:
//!
//! 6. Where no fault fired, the run succeeds (and `verify` finds a difference exactly where there is one).
//! 7. Where one byte of the line was damaged once, the run succeeds all the same, without having had wrong bytes in the flash.

use std::ops::Range;

use bl702_emulator::fault::{DeviceEffect, Effect, Fault, FaultStatus, LineEffect};
use bl702_flasher::error::{Error, ErrorKind, FlashState};
use bl702_flasher::plan::FlashRange;

use super::run::{Done, Evidence};
use super::scene::{PieceOf, SECTOR, Scene, Work};

/// How a run that kept the contract ended.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// With success.
    Survived,
    /// With this error.
    Refused(String),
}

/// How a run broke the contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Broken {
    /// It did not end by itself, or later than announced.
    Late(String),
    /// A fuse was burnt.
    Fuse,
    /// Success with a wrong flash or a wrong file.
    WrongSuccess(String),
    /// An error without name, exit status or next step.
    Nameless(String),
    /// What the error tells of the flash is not so.
    WrongStory(String),
    /// Bytes that were to stay are gone, and nobody was told.
    SilentLoss(String),
    /// Failure where nothing, or next to nothing, was wrong.
    Weak(String),
}

/// Judges a run.
///
/// # Errors
/// Every way in which it broke the contract.
pub fn judge(scene: &Scene, evidence: &Evidence) -> Result<Verdict, Vec<Broken>> {
    let mut broken = Vec::new();
    broken.extend(late(evidence));
    if evidence.burnt > 0 {
        broken.push(Broken::Fuse);
    }
    match &evidence.result {
        Ok(done) => broken.extend(wrong_success(scene, evidence, done)),
        Err(error) => {
            broken.extend(nameless(error));
            // Who never got an answer has sent nothing but 55h, and cannot know what they became.
            let only_handshakes = matches!(error.kind(), ErrorKind::NoHandshake { .. });
            let did_as_it_likes = only_handshakes || changed_elsewhere(scene, evidence);
            if !module_heard_noise(scene, evidence) || !did_as_it_likes {
                broken.extend(wrong_story(scene, evidence, error));
                broken.extend(silent_loss(scene, evidence, error));
            }
        }
    }
    broken.extend(weak(scene, evidence));
    if !broken.is_empty() {
        return Err(broken);
    }
    Ok(match &evidence.result {
        Ok(_) => Verdict::Survived,
        Err(error) => Verdict::Refused(name_of(error.kind())),
    })
}

/// The name of an error, without what it tells.
pub fn name_of(kind: &ErrorKind) -> String {
    let text = format!("{kind:?}");
    text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_owned()
}

fn late(evidence: &Evidence) -> Option<Broken> {
    if evidence.hung {
        return Some(Broken::Late("the session does not end".to_owned()));
    }
    let Some(last) = evidence.deadlines.last() else {
        return Some(Broken::Late("no bound was announced".to_owned()));
    };
    let mut ends = evidence.deadlines.iter().skip(1).map(|next| next.told).chain([evidence.ended]);
    let overrun =
        evidence.deadlines.iter().find(|deadline| ends.next().is_some_and(|end| end > deadline.until));
    let overrun = overrun.or((evidence.ended > last.until).then_some(last))?;
    let (span, took) = (overrun.until - overrun.told, evidence.ended - overrun.told);
    Some(Broken::Late(format!("{span} were announced, and it took {took}")))
}

fn wrong_success(scene: &Scene, evidence: &Evidence, done: &Done) -> Option<Broken> {
    let weak = WeakBits::of(scene);
    let after = scene.cells_after(&evidence.before);
    let wrong = |text: String| Some(Broken::WrongSuccess(text));
    let everywhere = if module_heard_noise(scene, evidence) && changed_elsewhere(scene, evidence) {
        scene.work.changes(after.len())
    } else {
        std::iter::once(0..after.len()).collect()
    };
    if let Some(at) =
        everywhere.into_iter().find_map(|range| weak.differs_within(&evidence.cells, &after, range))
    {
        return wrong(format!(
            "the cell at {at:#x} holds {:02x} instead of {:02x}",
            evidence.cells[at], after[at]
        ));
    }
    match (done, &scene.work) {
        (Done::Backup(bytes), Work::Backup { from, to, .. }) => {
            let cells = &evidence.cells[*from as usize..*to as usize];
            let at = weak.first_difference(bytes, cells, *from as usize)?;
            wrong(format!("the file differs from the cells at {at:#x}"))
        }
        (Done::Verified, Work::Verify { pieces }) => {
            let piece = pieces.iter().find(|piece| weak.piece_differs(piece, &evidence.cells))?;
            wrong(format!("the piece at {:#x} is not in the flash", piece.address))
        }
        // What somebody makes up in good form is believed: no answer to these commands has a checksum, but for the MAC.
        (Done::Info { .. }, Work::Info) if fired(evidence, "frame") => None,
        (Done::Info { chip_id, jedec, mac }, Work::Info) => {
            let fused = &evidence.fuses[0x14..0x1C];
            if chip_id.is_some_and(|id| id != fused) || mac.is_some_and(|mac| mac != fused) {
                return wrong(format!("chip id {chip_id:02x?}, MAC {mac:02x?}, in the fuses {fused:02x?}"));
            }
            // A flash that says it is another one is believed.
            let says = |jedec: [u8; 3]| {
                let is_it = |effect: &Effect| matches!(effect, Effect::Device(DeviceEffect::JedecId { id }) if *id == jedec);
                scene.faults.iter().any(|fault| is_it(&fault.effect))
            };
            // So is one that the line makes of it each time alike: what is said the same twice is believed.
            if alike(evidence) {
                return None;
            }
            let fitted = evidence.jedec;
            let other = jedec.filter(|jedec| *jedec != fitted && !says(*jedec))?;
            wrong(format!("JEDEC id {other:02x?}, that of the part is {fitted:02x?}"))
        }
        (Done::Changed { .. }, Work::Write { .. } | Work::Erase { .. } | Work::EraseChip) => None,
        (done, work) => wrong(format!("{done:?} of {work:?}")),
    }
}

fn nameless(error: &Error) -> Option<Broken> {
    let (text, advice, code) = (error.to_string(), error.advice(), error.exit_code());
    let is_named = !text.is_empty() && !name_of(error.kind()).is_empty();
    let good = is_named && advice.len() > 10 && (1..=4).contains(&code);
    (!good).then(|| Broken::Nameless(format!("{text:?}, exit status {code}, advice {advice:?}")))
}

/// Whether a stretch of bytes became noise, or so many single ones that frames with several of them pass a checksum of eight
/// bits. Then the module may have heard any command whatever, and no host can know of it.
fn module_heard_noise(scene: &Scene, evidence: &Evidence) -> bool {
    const MANY: u64 = 10;
    let told = evidence.faults.faults.iter().zip(&scene.faults);
    let mut fired = told.filter(|(told, _)| told.fired > 0);
    fired.any(|(told, armed)| match armed.effect {
        Effect::Line(LineEffect::GarbageAbove { .. } | LineEffect::Noise { .. }) => true,
        Effect::Line(_) => told.fired >= MANY,
        _ => false,
    })
}

/// Whether a sector changed that the command has nothing to do with: the module has carried out what nobody asked for.
fn changed_elsewhere(scene: &Scene, evidence: &Evidence) -> bool {
    let (before, cells) = (&evidence.before, &evidence.cells);
    let mut touched = vec![false; cells.len().div_ceil(SECTOR as usize)];
    for range in scene.work.changes(cells.len()) {
        touched[range.start / SECTOR as usize..range.end.div_ceil(SECTOR as usize)].fill(true);
    }
    let mut sectors = cells.chunks(SECTOR as usize).zip(before.chunks(SECTOR as usize)).zip(touched);
    sectors.any(|((now, before), touched)| !touched && now != before)
}

/// Whether a fault of the line fired more than once, so that it may have damaged two answers in the same way.
fn alike(evidence: &Evidence) -> bool {
    evidence.faults.faults.iter().any(|fault| fault.seam == "line" && fault.fired > 1)
}

/// Whether a fault of this seam fired.
fn fired(evidence: &Evidence, seam: &str) -> bool {
    evidence.faults.faults.iter().any(|fault| fault.seam == seam && fault.fired > 0)
}

fn wrong_story(scene: &Scene, evidence: &Evidence, error: &Error) -> Option<Broken> {
    let (before, cells) = (&evidence.before, &evidence.cells);
    let weak = WeakBits::of(scene);
    let story = &error.failure().flash;
    if let (ErrorKind::Different { .. }, Work::Verify { pieces }) = (error.kind(), &scene.work)
        && pieces.iter().all(|piece| cells[piece.range()] == piece.contents()[..])
        && !fired(evidence, "device")
        && !fired(evidence, "frame")
        // What is said the same twice is believed, also if the line made it of something else both times.
        && !alike(evidence)
    {
        return Some(Broken::WrongStory("it found a difference where there is none".to_owned()));
    }
    let wrong = |what: &str, at: usize| {
        Some(Broken::WrongStory(format!("{error}: {story}; but {at:#x} is not {what} ({:02x})", cells[at])))
    };
    match story {
        FlashState::Unchanged => wrong("as before", weak.first_difference(cells, before, 0)?),
        FlashState::Verified => {
            wrong("as it should be", weak.first_difference(cells, &scene.cells_after(before), 0)?)
        }
        // Of what was written it claims nothing before it is verified; all else is to be as it was.
        FlashState::Changing { written, unsettled, .. } => {
            let mut touched: Vec<FlashRange> = written.iter().copied().chain([*unsettled]).collect();
            touched.sort();
            let mut from = 0;
            for (start, end) in touched.iter().map(bounds).chain([(cells.len(), 0)]) {
                if let Some(at) =
                    start.checked_sub(from).and(weak.differs_within(cells, before, from..start.max(from)))
                {
                    return wrong("as before", at);
                }
                from = end.max(from);
            }
            None
        }
        _ => None,
    }
}

/// Bytes beside the pieces, in the sectors that they share.
fn beside(scene: &Scene, capacity: usize) -> Vec<Range<usize>> {
    let changes = scene.work.changes(capacity);
    let sector = SECTOR as usize;
    let mut sectors: Vec<usize> =
        changes.iter().flat_map(|range| range.start / sector..range.end.div_ceil(sector)).collect();
    sectors.dedup();
    let mut kept = Vec::new();
    for start in sectors.into_iter().map(|index| index * sector) {
        let mut from = start;
        for change in changes.iter().filter(|change| change.start < start + sector && change.end > start) {
            kept.push(from..change.start.max(from));
            from = change.end;
        }
        kept.push(from.min(start + sector)..start + sector);
    }
    kept.retain(|range| !range.is_empty());
    kept
}

fn silent_loss(scene: &Scene, evidence: &Evidence, error: &Error) -> Option<Broken> {
    let failure = error.failure();
    if matches!(failure.flash, FlashState::Damaged) || scene.work == Work::EraseChip {
        return None;
    }
    let rescued = |at: usize| {
        failure.rescue.iter().find_map(|rescue| {
            at.checked_sub(rescue.address as usize).and_then(|offset| rescue.bytes.get(offset)).copied()
        })
    };
    let (before, cells) = (&evidence.before, &evidence.cells);
    let weak = WeakBits::of(scene);
    let kept =
        beside(scene, before.len()).into_iter().filter(|range| cells[range.clone()] != before[range.clone()]);
    let is_lost = |at: &usize| {
        weak.differs(cells[*at], before[*at], *at)
            && rescued(*at).is_none_or(|byte| weak.differs(byte, before[*at], *at))
    };
    let at = kept.flatten().find(is_lost)?;
    let story = &failure.flash;
    Some(Broken::SilentLoss(format!("{error}: {story}; but the byte at {at:#x} is lost, and not rescued")))
}

/// What is asked of runs in which little went wrong.
fn weak(scene: &Scene, evidence: &Evidence) -> Option<Broken> {
    // The report keeps the order of the plan.
    let told = evidence.faults.faults.iter().zip(&scene.faults);
    let fired: Vec<_> = told.filter(|(told, _)| told.fired > 0).collect();
    if scene.interrupt_after.is_some() || evidence.cut {
        return None;
    }
    match fired.as_slice() {
        [] => match &evidence.result {
            Err(error) if is_right_difference(scene, evidence, error) => None,
            Err(error) => Some(Broken::Weak(format!("nothing was wrong, and yet: {error}"))),
            Ok(Done::Changed { repaired }) if *repaired > 0 => Some(Broken::Weak(format!(
                "nothing was wrong, and yet {repaired} sectors were written twice"
            ))),
            Ok(_) => None,
        },
        [(told, armed)] if told.fired == 1 && damages_one_byte(armed) => match &evidence.result {
            Err(error) if is_right_difference(scene, evidence, error) => None,
            Err(error) if is_beyond_repair(scene, error) => None,
            Err(error) => Some(Broken::Weak(format!("one byte was damaged, and the run failed: {error}"))),
            Ok(Done::Changed { repaired }) if *repaired > sectors_a_byte_may_spoil(told, armed) => {
                let text = format!("one byte was damaged, and {repaired} sectors had wrong bytes in them");
                Some(Broken::Weak(text))
            }
            Ok(_) => None,
        },
        _ => None,
    }
}

fn damages_one_byte(fault: &Fault) -> bool {
    use LineEffect::{Drop, Duplicate, FlipBit, Insert};
    matches!(fault.effect, Effect::Line(FlipBit { .. } | Drop | Duplicate | Insert { .. }))
}

/// A flipped bit always shows in a sum of eight bits, but for one in the id, which the sum does not cover: an erase that
/// was taken for another command leaves its sectors as they were. A byte too many or too few shifts the rest of the frame,
/// and the sum misses one such shift in 256. The hash finds those sectors, and they are written again.
fn sectors_a_byte_may_spoil(told: &FaultStatus, armed: &Fault) -> u64 {
    const SECTORS_OF_A_FRAME: u64 = 3;
    let in_an_id = told.first.as_ref().is_some_and(|first| first.on.contains("to the module, byte 0 of "));
    let is_flip = matches!(armed.effect, Effect::Line(LineEffect::FlipBit { .. }));
    if is_flip && !in_an_id { 0 } else { SECTORS_OF_A_FRAME }
}

/// `verify` that found the difference there is.
fn is_right_difference(scene: &Scene, evidence: &Evidence, error: &Error) -> bool {
    let differs =
        |work: &Work| work.pieces().iter().any(|piece| evidence.cells[piece.range()] != piece.contents()[..]);
    matches!((error.kind(), &scene.work), (ErrorKind::Different { .. }, Work::Verify { .. }))
        && differs(&scene.work)
}

/// One bad byte is to be survived, but for a command that turned into an erase or a write on the way (11h to the boot ROM is
/// one bit away from 31h, and nothing is checked there), and for one that keeps the module busy for minutes (a hash of 256 MiB), or jump into the void, where no line can reset it.
fn is_beyond_repair(scene: &Scene, error: &Error) -> bool {
    match error.kind() {
        ErrorKind::ExcessPending { .. } | ErrorKind::Collateral { .. } | ErrorKind::HeaderWritten { .. } => {
            true
        }
        ErrorKind::NoHandshake { .. } | ErrorKind::LoaderSilent { .. } => {
            scene.wiring == bl702_emulator::profile::Wiring::None
        }
        _ => false,
    }
}

fn bounds(range: &FlashRange) -> (usize, usize) {
    (range.start() as usize, range.end() as usize)
}

/// Bits of cells that have no value of their own.
struct WeakBits(Vec<(Range<u64>, u8)>);

impl WeakBits {
    /// Those that the scene's faults make weak.
    fn of(scene: &Scene) -> WeakBits {
        let weak = scene.faults.iter().filter_map(|fault| match fault.effect {
            Effect::Device(DeviceEffect::WeakBits { mask }) => {
                let place = fault.when.address.map_or(0..u64::MAX, |span| span.from..span.to);
                Some((place, mask))
            }
            _ => None,
        });
        WeakBits(weak.collect())
    }

    /// Whether two bytes of the cell at `at` differ in a bit that has a value.
    fn differs(&self, a: u8, b: u8, at: usize) -> bool {
        let here = self.0.iter().filter(|(place, _)| place.contains(&(at as u64)));
        (a ^ b) & !here.fold(0, |mask, (_, more)| mask | more) != 0
    }

    /// The first difference of bytes of the cells from `from` on.
    fn first_difference(&self, a: &[u8], b: &[u8], from: usize) -> Option<usize> {
        if a == b {
            return None;
        }
        let differs = (0..a.len().min(b.len())).find(|at| self.differs(a[*at], b[*at], from + at));
        differs.or_else(|| (a.len() != b.len()).then(|| a.len().min(b.len())))
    }

    fn differs_within(&self, a: &[u8], b: &[u8], range: Range<usize>) -> Option<usize> {
        let from = range.start;
        self.first_difference(&a[range.clone()], &b[range], from).map(|at| from + at)
    }

    fn piece_differs(&self, piece: &PieceOf, cells: &[u8]) -> bool {
        self.first_difference(&cells[piece.range()], &piece.contents(), piece.address as usize).is_some()
    }
}
