//! Where a recording and the emulator part company.
//!
//! The host's side of a recording is sent to a fresh module in virtual time (`player`), and what the module answers is
//! compared with what was answered then, in bytes and in time ([`compare`]). The outcome is a [`Report`] for people and
//! programs. Nothing here reads a clock or a file.
//!
//! | part | what it does |
//! |---|---|
//! | [`script`] | what the host did, and what each act waited for |
//! | [`player`] | does the same to a module |
//! | [`intervals`] | how long the module took for what |
//! | [`compare`] | differing bytes and times |
//! | [`report`] | the report in words and as JSON |
//! | [`start`] | what the module held when the recording began: told, or learned from what it said |
//! | [`fixture`] | a recording as a file that may be committed |
//! | [`fit`] | times for a profile from recordings |

use bl702_protocol::trace::{Exchange, Record, Requested, exchanges};

use crate::Nanos;
use crate::module::Module;
use crate::profile::{Boot, Profile, ProfileError, Wiring};
use crate::transport::wiring::ModemLines;

pub mod bands;
pub mod compare;
pub mod fit;
pub mod fixture;
pub mod intervals;
pub mod player;
pub mod report;
pub mod script;
pub mod start;
#[cfg(test)]
mod tests;

pub use report::Report;
pub use script::Viewpoint;

/// What a replay is told beyond the recording and the module.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which recorded modem line drives EN.
    pub wiring: Wiring,
    /// What BOOT follows.
    pub boot: Boot,
    /// Recorded lines that the adapter inverted.
    pub invert: ModemLines,
    /// Times may differ by so much; by default it depends on where the recording was made.
    pub tolerance: Option<Nanos>,
    /// Differing times are not looked for.
    pub ignores_times: bool,
}

/// A recording that cannot be replayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// The host sent nothing and moved no line, and the module said nothing.
    #[error("nothing happens in this recording")]
    NothingToReplay,
}

/// Sends the host's side of `records` to the module that `fresh` makes (twice, where the link's delay has to be found
/// out first) and compares.
///
/// Gives the report, and what went over the wire this time.
///
/// # Errors
/// [`ReplayError`]
pub fn replay(
    records: &[Record],
    fresh: impl Fn() -> Module,
    options: &Options,
) -> Result<(Report, Vec<Record>), ReplayError> {
    let script = script::Script::of(records);
    if script.steps.is_empty() && script.chip_bytes == 0 {
        return Err(ReplayError::NothingToReplay);
    }
    let recorded = exchanges(records);
    let mut link_delay = Nanos::ZERO;
    let mut replayed = play(&script, fresh(), options, link_delay);
    let mut played = exchanges(&replayed.records);
    if script.viewpoint == Viewpoint::Host {
        link_delay = compare::link_delay(&recorded, &played);
        if link_delay >= WORTH_MENTIONING {
            replayed = play(&script, fresh(), options, link_delay);
            played = exchanges(&replayed.records);
        } else {
            link_delay = Nanos::ZERO;
        }
    }
    let report = compare::compare(&compare::Sides {
        script: &script,
        recorded: &recorded,
        played: &played,
        replayed: &replayed,
        link_delay,
        options,
    });
    Ok((report, replayed.records))
}

/// Replays a recording against a module as the recording itself tells it was at the start.
///
/// # Errors
/// [`ToldError`]
pub fn replay_as_told(records: &[Record]) -> Result<Report, ToldError> {
    let mut start = start::ModuleAtStart::told(records);
    if start.flash_unknown == Some(true) && start.flash.is_empty() {
        start.set_flash(&start::learn_flash(&exchanges(records)).bytes);
    }
    let profile = Profile::builtin(start.profile.as_deref().unwrap_or(DEFAULT_PROFILE))?;
    let options = Options {
        wiring: start.wiring.unwrap_or(profile.wiring),
        boot: start.boot.unwrap_or(profile.boot),
        invert: ModemLines::default(),
        tolerance: None,
        ignores_times: false,
    };
    let fresh = || start.apply(Module::builder(profile.clone()), options.boot).build();
    Ok(replay(records, fresh, &options)?.0)
}

/// The profile of recordings that name none.
const DEFAULT_PROFILE: &str = "xt-zb2";

/// Why a recording cannot be replayed as it tells.
#[derive(Debug, thiserror::Error)]
pub enum ToldError {
    /// Its profile is not built in.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// There is nothing to replay.
    #[error(transparent)]
    Replay(#[from] ReplayError),
}

/// A delay of the link that is smaller is within what cannot be told apart.
const WORTH_MENTIONING: Nanos = Nanos::from_micros(200);

fn play(script: &script::Script, module: Module, options: &Options, link_delay: Nanos) -> player::Replayed {
    player::Player::new(module, script, options, link_delay).play()
}

/// What was asked, in words: `30h erase at 0x2000`.
pub(crate) fn named(exchange: &Exchange) -> String {
    match &exchange.requested {
        Requested::Nothing => "the start".to_owned(),
        Requested::Handshake { bytes } => {
            format!("a handshake of {bytes} x 55h at {} baud", exchange.baud_bps)
        }
        Requested::Command { id, name, .. } => match (addressed(*id), exchange.payload_word(0)) {
            (true, Some(address)) => format!("{id:02x}h {name} at {address:#x}"),
            _ => format!("{id:02x}h {name}"),
        },
    }
}

/// Whether the first word of the payload is an address that people want to know.
fn addressed(id: u8) -> bool {
    matches!(id, 0x30..=0x32 | 0x34 | 0x3d | 0x3e | 0x40 | 0x41 | 0x50 | 0x51)
}
