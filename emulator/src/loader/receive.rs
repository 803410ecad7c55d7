//! The receive path: hardware FIFO, the two interrupts that empty it, and the two buffers they copy into
//! (`reference/loader-protocol.md` section 6).
//!
//! What has arrived on the line and was not taken from it is what stands in the FIFO. The FIFO holds 128 bytes, but an
//! interrupt empties it at 16, whatever the main loop does, so it can only fill when the buffer has no room; then the
//! level interrupt repeats for ever and the loader hangs before the FIFO is full.

use bl702_protocol::time::Nanos;

use super::memory_map::{self, BUFFER_BYTES};
use crate::chip::Chip;
use crate::line::LineRx;
use crate::ram::Ram;
use crate::uart;

/// Bytes in the FIFO that raise the level interrupt.
const LEVEL: usize = 16;
/// Silence in bit times after which the time-out interrupt comes.
const TIMEOUT_BITS: u64 = 80;
const HEADER_BYTES: usize = 4;

/// What [`Receiver::service`] came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Served {
    /// No interrupt is left up to the limit.
    Nothing,
    /// The main loop sees a whole frame at this time.
    Frame(Nanos),
    /// The FIFO is at its level, the buffer is full: from this time on the interrupt repeats for ever.
    Storm(Nanos),
}

/// A frame that the main loop has taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// Where it stands: header, then payload.
    pub(super) address: u32,
    /// Bytes of payload.
    pub(super) payload_bytes: usize,
    /// Bytes behind it in the same buffer, which are lost.
    pub(super) lost: usize,
}

/// The interrupt handlers and their two variables: which buffer, and how much is in it.
#[derive(Debug)]
pub(super) struct Receiver {
    baud_bps: u32,
    current: usize,
    filled: usize,
    /// The time of the last interrupt, so that none comes before an earlier one.
    now: Nanos,
    /// The silence since this time, and any before it, has had its time-out interrupt, which found no room.
    timed_out_since: Option<Nanos>,
}

impl Receiver {
    pub(super) fn new() -> Receiver {
        Receiver { baud_bps: 0, current: 0, filled: 0, now: Nanos::ZERO, timed_out_since: None }
    }

    /// The UART is reset and set to a rate. Buffer and fill count stay what they were.
    pub(super) fn set_up(&mut self, at: Nanos, baud_bps: u32) {
        self.baud_bps = baud_bps;
        self.now = at;
        self.timed_out_since = None;
    }

    /// A session begins: buffer 0, empty, its first word cleared.
    pub(super) fn restart(&mut self, ram: &mut Ram) {
        self.current = 0;
        self.filled = 0;
        memory_map::store(ram, memory_map::buffer(0), &[0; 4]);
    }

    /// Which buffer the handlers copy into.
    pub(super) fn current(&self) -> usize {
        self.current
    }

    /// What stands in that buffer.
    pub(super) fn partial<'ram>(&self, ram: &'ram Ram) -> &'ram [u8] {
        ram.slice(memory_map::buffer(self.current), self.filled).unwrap_or_default()
    }

    /// Does every interrupt up to and including `limit`. With `watch`, stops at the first that completes a frame.
    pub(super) fn service(&mut self, chip: &mut Chip, limit: Nanos, watch: bool) -> Served {
        chip.rx.receive_at(self.baud_bps);
        while let Some(at) = self.next_interrupt(&chip.rx).filter(|at| *at <= limit) {
            let room = BUFFER_BYTES - self.filled;
            if chip.rx.nth_arrival(LEVEL - 1).is_some_and(|level_at| level_at <= at) {
                if room == 0 {
                    return Served::Storm(at);
                }
                self.level_interrupts(chip, limit, watch, room);
            } else {
                let (waiting, silent_since) = chip.rx.unbroken(self.pause(), self.timed_out_since, LEVEL);
                if waiting > room {
                    self.timed_out_since = Some(silent_since);
                }
                self.now = at;
                self.copy(chip, at, waiting.min(room));
            }
            if watch && self.frame_bytes(&chip.ram).is_some() {
                return Served::Frame(self.now);
            }
        }
        Served::Nothing
    }

    /// As many level interrupts in a row as nothing can tell from one copy: the main loop looks at the buffer only when a
    /// frame may be complete.
    fn level_interrupts(&mut self, chip: &mut Chip, limit: Nanos, watch: bool, room: usize) {
        let mut count = chip.rx.unbroken(self.pause(), self.timed_out_since, usize::MAX).0 / LEVEL;
        count = count.min(chip.rx.available(limit) / LEVEL).min(room / LEVEL);
        if watch {
            let missing = match self.announced_bytes(&chip.ram) {
                Some(frame_bytes) => frame_bytes.saturating_sub(self.filled),
                None => 1,
            };
            count = count.min(missing.div_ceil(LEVEL));
        }
        let bytes = count.max(1) * LEVEL;
        let at = chip.rx.nth_arrival(bytes - 1).map_or(self.now, |at| at.max(self.now));
        self.now = at;
        self.copy(chip, at, bytes.min(room));
    }

    fn copy(&mut self, chip: &mut Chip, at: Nanos, bytes: usize) {
        let address = memory_map::buffer(self.current) + self.filled as u32;
        if let Some(place) = chip.ram.slice_mut(address, bytes) {
            self.filled += chip.rx.take_into(at, place);
        }
    }

    /// When the next interrupt comes, as far as the line is known. One that finds no room in the end is none.
    pub(super) fn next_interrupt(&self, rx: &LineRx) -> Option<Nanos> {
        let (bytes, silent_since) = rx.unbroken(self.pause(), self.timed_out_since, LEVEL);
        if bytes >= LEVEL {
            return rx.nth_arrival(LEVEL - 1).map(|at| at.max(self.now));
        }
        (bytes > 0 && self.timed_out_since.is_none_or(|heeded| silent_since > heeded))
            .then(|| (silent_since + self.pause()).max(self.now))
    }

    /// A time before which the main loop has no cause to look at the buffer, for whoever drives the chip: not every
    /// interrupt is worth a wake-up. `None` when nothing is on the line or in the FIFO that could raise one.
    pub(super) fn next_work(&self, rx: &LineRx, ram: &Ram) -> Option<Nanos> {
        let interrupt_at = match self.next_known_interrupt(rx)? {
            Ok(at) => at,
            Err(garbled_at) => return Some(garbled_at),
        };
        let Some(frame_bytes) = self.announced_bytes(ram) else { return Some(interrupt_at) };
        let missing = frame_bytes.min(BUFFER_BYTES).saturating_sub(self.filled).max(1);
        let arrived_at = rx.nth_arrival(missing.min(rx.queued()) - 1);
        Some(arrived_at.map_or(interrupt_at, |at| at.max(interrupt_at)))
    }

    /// A time before which the loader cannot hang, if more is on the line than the buffer and the FIFO take.
    pub(super) fn next_storm(&self, rx: &LineRx) -> Option<Nanos> {
        match self.next_known_interrupt(rx)? {
            Ok(interrupt_at) => {
                let level_at = rx.nth_arrival(BUFFER_BYTES - self.filled + LEVEL - 1)?;
                Some(level_at.max(interrupt_at))
            }
            Err(garbled_at) => Some(garbled_at),
        }
    }

    /// The next interrupt, or the arrival of a byte at another rate, of which garbage is still to be made.
    fn next_known_interrupt(&self, rx: &LineRx) -> Option<Result<Nanos, Nanos>> {
        let (next_at, sent_bps) = rx.next_arrival()?;
        if uart::rates_agree(sent_bps, self.baud_bps) {
            self.next_interrupt(rx).map(Ok)
        } else {
            Some(Err(next_at))
        }
    }

    fn pause(&self) -> Nanos {
        Nanos::bit_times(TIMEOUT_BITS, self.baud_bps)
    }

    /// Bytes of the frame that the header in the buffer announces.
    fn announced_bytes(&self, ram: &Ram) -> Option<usize> {
        let header = self.partial(ram).first_chunk::<HEADER_BYTES>()?;
        Some(HEADER_BYTES + usize::from(u16::from_le_bytes([header[2], header[3]])))
    }

    /// Bytes of the frame in the buffer, if it is whole. One longer than a buffer never is.
    pub(super) fn frame_bytes(&self, ram: &Ram) -> Option<usize> {
        self.announced_bytes(ram).filter(|bytes| *bytes <= self.filled)
    }

    /// The main loop takes a whole frame and makes the other buffer the current one.
    pub(super) fn take_frame(&mut self, ram: &Ram) -> Option<Frame> {
        let frame_bytes = self.frame_bytes(ram)?;
        let frame = Frame {
            address: memory_map::buffer(self.current),
            payload_bytes: frame_bytes - HEADER_BYTES,
            lost: self.filled - frame_bytes,
        };
        self.current ^= 1;
        self.filled = 0;
        Some(frame)
    }
}
