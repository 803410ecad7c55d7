//! Reading and burning eFuses.

use std::sync::Arc;

use bl702_protocol::boot_info::BootInfo;
use bl702_protocol::efuse::{EFUSE_LEN, Efuse, offset};

use super::bound::announce_sizeless_run;
use super::finish::{After, conclude};
use super::hex;
use crate::connect::{ConnectOptions, Reached, farewell};
use crate::efuse::{BurnPermit, BurnPlan, Effect, Wanted, WordBurn, as_read};
use crate::error::{During, Error, ErrorKind, FuseState, Result};
use crate::event::Event;
use crate::plan::Budget;
use crate::request::{Request, Side};
use crate::session::Link;
use crate::transfer::{RamLoader, Trouble};

/// `sw_usage_0` bit 20: the ROM's memory commands are refused.
pub(super) const TZ_BOOT: u32 = 1 << 20;

/// How often the ROM may be reached again because an answer was damaged.
const ROM_ROUNDS: u32 = 3;

/// How often a word is burnt at most. Each time but the first only what the reading before says is missing.
const BURNS: u32 = 2;

/// Nothing is gained by burning fast: at this rate or less.
const BURN_BAUD_BPS: u32 = 500_000;

/// Short requests of one reading: 42h and a word each.
const PASS: u32 = 1 + EFUSE_LEN as u32 / 4;

/// Fuses that were read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FuseReport {
    /// The fuses; what is read-locked comes as 0.
    pub efuse: Efuse,
    /// Who gave them.
    pub side: Side,
}

/// What was burnt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BurnReport {
    /// What was planned.
    pub plan: BurnPlan,
    /// Whether it was burnt and verified; if not, no command that burns was sent.
    pub burnt: bool,
}

/// Reads all fuses, twice at least: from the boot ROM if it answers and its fuses let it, else through the RAM loader.
///
/// No frame that it sends is one flipped bit away from a burn; see [`Request::shadow_registers`].
///
/// # Errors
/// Everything that connecting can run into; [`ErrorKind::FusesUnstable`].
pub async fn read_fuses(link: Link, options: Arc<ConnectOptions>, after: After) -> Result<FuseReport> {
    announce_sizeless_run(&link, &options, add_reading);
    Event::announce_bound(&link, "connect", options.connect_bound());
    let result = read(&link, &options, after).await;
    if let Err(error) = &result {
        farewell(&link, &options.timing, error).await;
    }
    result
}

fn add_reading(budget: &mut Budget) {
    budget.exchanges(PASS * 3);
}

async fn read(link: &Link, options: &Arc<ConnectOptions>, after: After) -> Result<FuseReport> {
    let mut reached = options.reach(link).await?;
    if matches!(reached.info, BootInfo::Rom(_)) && reached.info.sw_usage_0() & TZ_BOOT == 0 {
        let (efuse, now) = from_rom(link, options, reached).await?;
        if let Some(efuse) = efuse {
            if after == After::Reset {
                options.leave_rom(link).await;
            }
            return Ok(FuseReport { efuse, side: Side::Rom });
        }
        reached = now;
    }
    let boot_info = reached.info;
    let mut loader = match to_loader(link, options, reached).await {
        Ok(loader) => loader,
        Err(error) => return Err(hidden_by(&boot_info, error)),
    };
    let efuse = loader.read_fuses().await;
    let efuse = conclude(loader, options, after, efuse).await?;
    Ok(FuseReport { efuse, side: Side::Loader })
}

/// Why fuses cannot be read, if the ROM does not show them and the RAM loader cannot be started.
pub(super) fn hidden_by(info: &BootInfo, error: Error) -> Error {
    match (info, error.kind()) {
        (BootInfo::Rom(rom), ErrorKind::Loader(_) | ErrorKind::Locked { .. }) => {
            error.map_kind(|why| ErrorKind::FusesHidden { told: *rom, why: Box::new(why) })
        }
        _ => error,
    }
}

async fn to_loader(link: &Link, options: &Arc<ConnectOptions>, reached: Reached) -> Result<RamLoader> {
    match options.bring_up(reached).await {
        Ok(wire) => Ok(RamLoader::new(wire, Arc::clone(options))),
        Err(error) => {
            if matches!(error.kind(), ErrorKind::Loader(_) | ErrorKind::Locked { .. }) {
                options.leave_rom(link).await;
            }
            Err(error)
        }
    }
}

/// From the ROM's shadow registers, which are those of the last reset. No fuses: something else answers now.
pub(super) async fn from_rom(
    link: &Link,
    options: &Arc<ConnectOptions>,
    mut reached: Reached,
) -> Result<(Option<Efuse>, Reached)> {
    let request = Request::shadow_registers();
    let mut last: Option<Efuse> = None;
    let mut readings = 0;
    let mut attempt = 1;
    loop {
        let trouble = match reached.wire.exchange(&request).await {
            Ok(bytes) => {
                let efuse = Efuse::from_slice(&bytes);
                readings += 1;
                match efuse {
                    Some(_) if efuse == last => return Ok((efuse, reached)),
                    _ if readings > 2 * ROM_ROUNDS => {
                        return Err(Error::new(ErrorKind::FusesUnstable { passes: readings }));
                    }
                    _ => last = efuse,
                }
                continue;
            }
            Err(trouble) => trouble,
        };
        let during = During {
            side: Side::Rom,
            id: request.id(),
            what: "read the eFuses",
            range: None,
            attempt,
            attempts: ROM_ROUNDS,
        };
        // A bare OK: the request had become a memory write (50h), and a shadow register is wrong until a reset.
        let is_stale = matches!(trouble, Trouble::WrongLength { got: 0, .. });
        let error = Error::during(trouble.into(), during);
        if attempt == ROM_ROUNDS || matches!(error.kind(), ErrorKind::Interrupted) {
            return Err(error);
        }
        link.emit(Event::retry_of(&error));
        link.note_trouble(|troubles| troubles.repeats += 1);
        attempt += 1;
        last = None;
        if is_stale && !options.can_reset() {
            options.leave_rom(link).await;
        }
        reached = options.reach(link).await?;
        if matches!(reached.info, BootInfo::Loader(_)) {
            return Ok((None, reached));
        }
    }
}

/// Reads the fuses through the RAM loader, plans, tells the plan as an event, and, with a permit, burns it word by word.
///
/// Every word is read back before the next is begun. After trouble the word is read first, and only what is missing is
/// burnt, twice at most. Then all fuses are read and compared. For any error that comes, the error's
/// [`fuses`](crate::error::Failure::fuses) tells which words are burnt.
///
/// # Errors
/// Everything that connecting can run into; [`ErrorKind::Burn`] before anything is burnt; [`ErrorKind::FusesNotTaken`],
/// [`ErrorKind::FusesChanged`].
pub async fn burn_fuses(
    link: Link,
    options: Arc<ConnectOptions>,
    after: After,
    wanted: Wanted,
    accepted: Vec<&'static Effect>,
    permit: Option<BurnPermit>,
) -> Result<BurnReport> {
    let options = options.at_rate(options.baud_bps.min(BURN_BAUD_BPS));
    announce_sizeless_run(&link, &options, add_burning);
    Event::announce_bound(&link, "connect", options.connect_bound());
    let result = plan_and_burn(&link, &options, after, wanted, &accepted, permit).await;
    if let Err(error) = &result {
        farewell(&link, &options.timing, error).await;
    }
    result
}

/// A reading before, one after, and for each word two short ones.
fn add_burning(budget: &mut Budget) {
    add_reading(budget);
    add_reading(budget);
    // 42h and three words, twice before the burn and twice after it.
    budget.exchanges(EFUSE_LEN as u32 / 4 * (2 * 2 * 4 + 1));
}

async fn plan_and_burn(
    link: &Link,
    options: &Arc<ConnectOptions>,
    after: After,
    wanted: Wanted,
    accepted: &[&Effect],
    permit: Option<BurnPermit>,
) -> Result<BurnReport> {
    let reached = options.reach(link).await?;
    let mut loader = to_loader(link, options, reached).await?;
    let mut budget = loader.budget();
    add_burning(&mut budget);
    loader.announce_work(&budget);
    let result = work(&mut loader, &wanted, accepted, permit).await;
    conclude(loader, options, after, result).await
}

async fn work(
    loader: &mut RamLoader,
    wanted: &Wanted,
    accepted: &[&Effect],
    permit: Option<BurnPermit>,
) -> Result<BurnReport> {
    let before = loader.read_fuses().await?;
    let plan = BurnPlan::new(&before, &wanted.target(&before)).map_err(ErrorKind::from)?;
    loader.link().emit(Event::BurnPlan(Box::new(plan.clone())));
    let Some(permit) = permit else { return Ok(BurnReport { plan, burnt: false }) };
    plan.check_accepted(accepted).map_err(ErrorKind::from)?;
    let mut expected = before;
    for (index, word) in plan.words.iter().enumerate() {
        let mut progress = Progress { plan: &plan, index };
        burn_word(loader, &permit, &mut progress, &expected).await?;
        expected.set_word(usize::from(word.offset), word.after());
        loader.link().set_fuse_state(progress.state(true, false));
        loader.link().emit(Event::FusesBurnt { offset: word.offset, bits: word.bits });
    }
    let found = loader.read_fuses().await?;
    let should = as_read(&plan.after);
    match (0..EFUSE_LEN).step_by(4).find(|at| found.word(*at) != should.word(*at)) {
        None => Ok(BurnReport { burnt: true, plan }),
        Some(at) => Err(Error::new(ErrorKind::FusesChanged {
            offset: at as u8,
            wanted: should.word(at),
            found: found.word(at),
        })),
    }
}

/// How far a burn has come.
struct Progress<'p> {
    plan: &'p BurnPlan,
    index: usize,
}

impl Progress<'_> {
    fn state(&self, done: bool, under_way: bool) -> FuseState {
        let (burnt, rest) = self.plan.words.split_at(self.index + usize::from(done));
        let (unsettled, left) = match rest.split_first() {
            Some((word, left)) if under_way => (Some(*word), left),
            _ => (None, rest),
        };
        FuseState::Burning { burnt: burnt.to_vec(), unsettled, left: left.to_vec() }
    }
}

/// Burns one word and reads it back, until it is as it shall be.
async fn burn_word(
    loader: &mut RamLoader,
    permit: &BurnPermit,
    progress: &mut Progress<'_>,
    expected: &Efuse,
) -> Result<()> {
    let word = progress.plan.words[progress.index];
    let mut burns = 0;
    loop {
        let now = look(loader, &word, expected).await?;
        if now == word.after() {
            return Ok(());
        }
        if now & !word.after() != 0 || word.before & !now != 0 {
            return Err(Error::new(ErrorKind::FusesChanged {
                offset: word.offset,
                wanted: word.after(),
                found: now,
            }));
        }
        if burns == BURNS {
            let kind = ErrorKind::FusesNotTaken {
                offset: word.offset,
                wanted: word.after(),
                found: now,
                times: burns,
            };
            return Err(Error::new(kind));
        }
        burns += 1;
        let missing = WordBurn { bits: word.after() & !now, ..word };
        loader.link().set_fuse_state(progress.state(false, true));
        loader.burn_once(permit, &missing, burns).await?;
    }
}

/// The word as it is now. That it is the word of the same module is seen by the MAC address, which is the chip id.
async fn look(loader: &mut RamLoader, word: &WordBurn, expected: &Efuse) -> Result<u32> {
    const MAC: [u8; 2] = [offset::MAC as u8, offset::MAC as u8 + 4];
    let found = loader.read_fuse_words(&[MAC[0], MAC[1], word.offset]).await?;
    let mac = [found[0], found[1]];
    let same = MAC.iter().zip(mac).all(|(at, now)| {
        let was = expected.word(usize::from(*at));
        // While the MAC itself is burnt, more of its bits may be set.
        was == now || (*at == word.offset && was & !now == 0)
    });
    if same {
        return Ok(found[2]);
    }
    let bytes: Vec<u8> = mac.iter().flat_map(|word| word.to_le_bytes()).collect();
    Err(Error::new(ErrorKind::OtherModule { before: hex(&expected.mac()), now: hex(&bytes) }))
}
