//! The one place of the emulator that reads a clock, and a timer that is precise enough for a fast line.

use std::io;

use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
    timerfd_create, timerfd_settime,
};
use tokio::io::Interest;

use super::readiness::Readiness;
use crate::Nanos;

/// Wall-clock time as nanoseconds since the clock was made.
#[derive(Clone, Copy, Debug)]
pub struct WallClock {
    /// The zero point on `CLOCK_MONOTONIC`.
    origin_ns: u64,
}

impl WallClock {
    /// A clock that shows 0 now.
    pub fn start() -> WallClock {
        WallClock { origin_ns: monotonic_ns() }
    }

    /// The time since [`WallClock::start`].
    pub fn now(&self) -> Nanos {
        Nanos(monotonic_ns().saturating_sub(self.origin_ns))
    }
}

/// `CLOCK_MONOTONIC` in nanoseconds.
///
/// Not `Instant`, because a timerfd wants the number itself and `Instant` hides it.
fn monotonic_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// A timer on a [`WallClock`].
///
/// tokio's own timers count milliseconds, in which a 2 Mbaud line carries 200 bytes; a timerfd fires within some tens
/// of microseconds, and costs nothing while it is disarmed.
#[derive(Debug)]
pub struct Alarm {
    clock: WallClock,
    timer: Readiness,
    armed: Option<Nanos>,
}

impl Alarm {
    /// A disarmed alarm. Must be made inside a tokio runtime.
    pub fn new(clock: WallClock) -> io::Result<Alarm> {
        let timer =
            timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        Ok(Alarm { clock, timer: Readiness::new(timer, Interest::READABLE)?, armed: None })
    }

    /// Sets the time at which [`Alarm::rings`] is done; `None` disarms.
    pub fn set(&mut self, at: Option<Nanos>) -> io::Result<()> {
        if self.armed == at {
            return Ok(());
        }
        self.armed = at;
        // A value of zero would disarm the timer, so a time in the past becomes one nanosecond after boot.
        let at_ns = at.map_or(0, |at| self.clock.origin_ns.saturating_add(at.0).clamp(1, i64::MAX as u64));
        let value =
            Timespec { tv_sec: (at_ns / 1_000_000_000) as i64, tv_nsec: (at_ns % 1_000_000_000) as _ };
        let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: value };
        timerfd_settime(&self.timer, TimerfdTimerFlags::ABSTIME, &once)?;
        Ok(())
    }

    /// Waits until the time that was set last; for ever while the alarm is disarmed.
    ///
    /// Safe to drop at any time.
    pub async fn rings(&mut self) -> io::Result<()> {
        self.timer.wait(Interest::READABLE).await?;
        let mut count = [0; 8];
        match rustix::io::read(&self.timer, &mut count) {
            // Set anew after it became readable: the caller looks at the clock anyway.
            Ok(_) | Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {
                self.armed = None;
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }
}
