//! How a module's virtual time follows the wall clock. Sans-IO: the wall clock is a number that the caller gives.
//!
//! `wire`: module time is wall-clock time. Bytes that the host writes go over the line at its rate, one burst behind the
//! other, from the moment they are read; everything takes the chip's time.
//!
//! `none`: module time is the wall clock plus what has been jumped over. Each received byte still takes ten bit times at
//! the client's rate; then time jumps from one thing that the chip does to the next, until it waits for the host. Three
//! things keep to the wall clock:
//! - the wait before a handshake's `OK`, so that a burst of 55h that comes in several reads is swallowed like on the
//!   chip, and a client that flushes its input behind the burst does not flush the `OK`;
//! - idle time-outs, because the host that they wait for lives by the wall clock;
//! - a module that nobody listens to, or whose listener does not read: nobody gains from a hurry.
//!
//! What the host sends is not read between a reply and the moment when the chip waits for the host again, so that it
//! arrives when the module is ready.

use crate::Nanos;
use crate::line::Burst;
use crate::loader::LoaderState;
use crate::module::{Module, Running};
use crate::rom::RomState;

/// How long a burst that the chip is sending may go on before the host gets what is sent of it: a full-speed USB frame,
/// in which an adapter hands over what it has.
const SLICE: Nanos = Nanos::from_millis(1);

/// How many bytes the host may be ahead of the line before its writes wait: the transmit buffer of a Linux serial port.
const HOST_BUFFER_BYTES: u64 = 4096;

/// After so many jumps without a byte sent the chip does something for ever by itself, and gets the wall clock's time.
const MOST_SILENT_JUMPS: u32 = 100_000;

/// How time passes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Pace {
    /// Everything takes the chip's time.
    #[default]
    Wire,
    /// Delays and busy times are jumped over.
    None,
}

/// What [`Paced::advance`] has left to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Nothing before [`Paced::deadline`].
    Settled,
    /// More can be done at once: deliver what was sent, then advance again.
    Jumping,
}

/// A module and the relation of its time to the wall clock.
#[derive(Debug)]
pub struct Paced {
    module: Module,
    pace: Pace,
    /// Module time less wall-clock time: what was jumped over.
    ahead: Nanos,
    /// Module time at which the last byte from the host has arrived.
    line_free: Nanos,
    baud_bps: u32,
    jumping: bool,
    silent_jumps: u32,
    handshake_answered: bool,
}

impl Paced {
    /// A module that has booted by wall-clock time 0: it listens, or its firmware is about to begin.
    ///
    /// Whoever learns of the port could not know that it was powered up this very moment.
    pub fn new(mut module: Module, pace: Pace) -> Paced {
        while is_booting(&module)
            && let Some(next) = module.next_wakeup()
        {
            module.advance(next);
        }
        Paced {
            ahead: module.now(),
            module,
            pace,
            line_free: Nanos::ZERO,
            baud_bps: 1,
            jumping: false,
            silent_jumps: 0,
            handshake_answered: false,
        }
    }

    /// The module.
    pub fn module(&self) -> &Module {
        &self.module
    }

    /// The module, to take from it or to change it.
    pub fn module_mut(&mut self) -> &mut Module {
        &mut self.module
    }

    /// The module's time at `wall`.
    pub fn module_time(&self, wall: Nanos) -> Nanos {
        (wall + self.ahead).max(self.module.now())
    }

    /// Module time at which all that the host has written has arrived at the chip.
    pub fn line_free(&self) -> Nanos {
        self.line_free
    }

    /// How many of the host's bytes have not been on the line at `wall`, a byte under way included.
    pub fn unsent_bytes(&self, wall: Nanos) -> u64 {
        let left = self.line_free.since(self.module_time(wall));
        left.0.div_ceil(Nanos::byte_times(1, self.baud_bps).0.max(1))
    }

    /// The wall-clock time at which the module's time is `at`, if nothing is jumped over.
    pub fn wall_time(&self, at: Nanos) -> Nanos {
        at.since(self.ahead)
    }

    /// Whether the host's bytes should be read now; [`Paced::deadline`] tells when to ask again.
    pub fn hears_host(&self, wall: Nanos) -> bool {
        !self.jumping && self.line_free <= self.module_time(wall) + self.host_buffer()
    }

    /// Bytes that the client has written at `wall` and rate `baud_bps`; gives the burst as the module hears it.
    pub fn host_wrote(&mut self, wall: Nanos, baud_bps: u32, bytes: &[u8]) -> Burst {
        let start = self.module_time(wall).max(self.line_free);
        let burst = Burst { start, baud_bps, bytes: bytes.to_vec() };
        self.line_free = burst.end();
        self.baud_bps = baud_bps;
        self.silent_jumps = 0;
        self.module.receive(burst.clone());
        burst
    }

    /// Lets time pass up to `wall`, and beyond it by one jump if time may be jumped over.
    ///
    /// `audience`: somebody listens to what the module sends, and reads it.
    pub fn advance(&mut self, wall: Nanos, audience: bool) -> Progress {
        self.advance_module(self.module_time(wall));
        self.jumping = self.pace == Pace::None && audience && self.jump(wall);
        if self.jumping { Progress::Jumping } else { Progress::Settled }
    }

    /// The next bytes that the module has sent, and whether more are under way.
    pub fn sent(&mut self) -> Option<(Burst, bool)> {
        let burst = self.module.transmit()?;
        self.silent_jumps = 0;
        self.handshake_answered = in_handshake(&self.module);
        // What the host sends after a reply is not heard before the module is ready for it.
        self.jumping |= self.pace == Pace::None;
        Some((burst, self.module.is_sending()))
    }

    /// The wall-clock time at which [`Paced::advance`] or [`Paced::hears_host`] has something new to say.
    pub fn deadline(&self) -> Option<Nanos> {
        if self.jumping {
            return Some(Nanos::ZERO);
        }
        let work = self.module.next_wakeup();
        let slice = self.module.is_sending().then(|| self.module.now() + SLICE);
        let host =
            Some(self.line_free.since(self.host_buffer())).filter(|resume| *resume > self.module.now());
        let first = [work, slice, host].into_iter().flatten().min()?;
        Some(first.since(self.ahead))
    }

    /// Goes on to the next thing that happens; false when the wall clock rules.
    fn jump(&mut self, wall: Nanos) -> bool {
        let to = if self.silent_jumps >= MOST_SILENT_JUMPS || self.waits_for_handshake_answer() {
            return false;
        } else if self.module.waits_for_host() {
            if self.line_free <= self.module.now() {
                return false;
            }
            self.line_free
        } else {
            match self.module.next_wakeup() {
                Some(next) => next,
                None => return false,
            }
        };
        self.silent_jumps += 1;
        self.advance_module(to);
        self.ahead = self.ahead.max(to.since(wall));
        true
    }

    /// Does at once what the module still has to do before it waits for a host, but no more than `limit` of its time.
    ///
    /// For the end of a run: nobody is left to wait for in real time.
    pub fn settle(&mut self, limit: Nanos) {
        let end = self.module.now() + limit;
        for _ in 0..MOST_SILENT_JUMPS {
            let line = Some(self.line_free).filter(|free| *free > self.module.now());
            if self.module.waits_for_host() && line.is_none() {
                break;
            }
            match [self.module.next_wakeup(), line].into_iter().flatten().min() {
                Some(next) if next <= end => self.advance_module(next),
                _ => break,
            }
        }
        self.jumping = false;
    }

    fn advance_module(&mut self, to: Nanos) {
        self.module.advance(to);
        self.handshake_answered &= in_handshake(&self.module);
    }

    fn waits_for_handshake_answer(&self) -> bool {
        in_handshake(&self.module) && !self.handshake_answered
    }

    fn host_buffer(&self) -> Nanos {
        Nanos::byte_times(HOST_BUFFER_BYTES, self.baud_bps)
    }
}

fn is_booting(module: &Module) -> bool {
    matches!(module.running(), Running::Rom(RomState::Booting) | Running::Loader(LoaderState::Starting))
}

/// Whether the chip is between the first 55h and the end of the drain behind its `OK`.
fn in_handshake(module: &Module) -> bool {
    matches!(module.running(), Running::Rom(RomState::Handshake) | Running::Loader(LoaderState::Handshake))
}

#[cfg(test)]
mod tests;
