//! The two directions of UART0 as queues of bytes with times.

use std::collections::VecDeque;

use bl702_protocol::time::Nanos;

/// Bytes that follow each other on a line without a gap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Burst {
    /// When the first start bit begins.
    pub start: Nanos,
    /// The sender's rate in bits a second (8N1: ten bit times a byte).
    pub baud_bps: u32,
    /// The bytes.
    pub bytes: Vec<u8>,
}

impl Burst {
    /// When the last stop bit ends.
    pub fn end(&self) -> Nanos {
        self.arrival(self.bytes.len())
    }

    /// When byte `count - 1` has wholly arrived (the end of its stop bit).
    pub fn arrival(&self, count: usize) -> Nanos {
        self.start + Nanos::byte_times(count as u64, self.baud_bps)
    }
}

/// The receive pin: what the host has sent and the chip has not yet taken.
#[derive(Debug, Default)]
pub struct LineRx {
    bursts: VecDeque<Burst>,
    taken_of_first: usize,
}

impl LineRx {
    /// Adds bytes. Bursts come in the order of time and do not overlap.
    pub fn push(&mut self, burst: Burst) {
        if !burst.bytes.is_empty() {
            self.bursts.push_back(burst);
        }
    }

    /// When the next byte has wholly arrived, and the rate it was sent at.
    pub fn next_arrival(&self) -> Option<(Nanos, u32)> {
        self.nth_arrival(0).map(|at| (at, self.bursts[0].baud_bps))
    }

    /// The next byte with its sender's rate, without taking it.
    pub fn peek(&self) -> Option<(u8, u32)> {
        let burst = self.bursts.front()?;
        burst.bytes.get(self.taken_of_first).map(|byte| (*byte, burst.baud_bps))
    }

    /// When the byte `n` places behind the next one has wholly arrived, if it was sent already.
    pub fn nth_arrival(&self, n: usize) -> Option<Nanos> {
        let mut n = n + self.taken_of_first;
        for burst in &self.bursts {
            if n < burst.bytes.len() {
                return Some(burst.arrival(n + 1));
            }
            n -= burst.bytes.len();
        }
        None
    }

    /// The end of the last byte that follows `from`, or other bytes behind it, within `gap`; else `from`.
    pub fn heard_until(&self, from: Nanos, gap: Nanos) -> Nanos {
        let mut heard = from;
        for (index, burst) in self.bursts.iter().enumerate() {
            let first = if index == 0 { self.taken_of_first + 1 } else { 1 };
            if burst.arrival(first) > heard + gap {
                break;
            }
            heard = heard.max(burst.end());
        }
        heard
    }

    /// Every byte that was not taken yet, arrived or on its way: its value, its sender's rate and the end of its stop bit.
    pub fn untaken(&self) -> impl Iterator<Item = (u8, u32, Nanos)> + '_ {
        let bytes = self.bursts.iter().flat_map(|burst| {
            let timed = burst.bytes.iter().enumerate();
            timed.map(|(index, byte)| (*byte, burst.baud_bps, burst.arrival(index + 1)))
        });
        bytes.skip(self.taken_of_first)
    }

    /// How many bytes, arrived or on their way, follow each other without a pause of `pause` between the end of one and
    /// the beginning of the next, and when the last of them ends. Pauses that begin at `heeded` or earlier do not count.
    ///
    /// Stops looking when there are `most` or more.
    pub fn unbroken(&self, pause: Nanos, heeded: Option<Nanos>, most: usize) -> (usize, Nanos) {
        let mut count = 0;
        let mut end = Nanos::ZERO;
        for (index, burst) in self.bursts.iter().enumerate() {
            let is_pause = burst.start >= end + pause && heeded.is_none_or(|heeded| end > heeded);
            if index > 0 && (count >= most || is_pause) {
                break;
            }
            count += burst.bytes.len() - if index == 0 { self.taken_of_first } else { 0 };
            end = burst.end();
        }
        (count, end)
    }

    /// How many bytes the host has sent that were not taken yet, arrived or still on their way.
    pub fn queued(&self) -> usize {
        self.bursts.iter().map(|burst| burst.bytes.len()).sum::<usize>() - self.taken_of_first
    }

    /// How many bytes have wholly arrived at `at`.
    pub fn available(&self, at: Nanos) -> usize {
        let mut count = 0;
        for (index, burst) in self.bursts.iter().enumerate() {
            let skip = if index == 0 { self.taken_of_first } else { 0 };
            let arrived = if burst.end() <= at {
                burst.bytes.len()
            } else {
                let mut k = burst.bytes.len();
                // The division is an estimate; rounding of single arrivals is put right by the loop.
                let span = at.since(burst.start).0 as u128 * u128::from(burst.baud_bps) / 10_000_000_000;
                k = k.min(span as usize + 1);
                while k > 0 && burst.arrival(k) > at {
                    k -= 1;
                }
                k
            };
            count += arrived.saturating_sub(skip);
            if arrived < burst.bytes.len() {
                break;
            }
        }
        count
    }

    /// Takes up to `limit` bytes that have wholly arrived at `at`, appending them to `out`; gives their number.
    pub fn take(&mut self, at: Nanos, limit: usize, out: &mut Vec<u8>) -> usize {
        let count = self.available(at).min(limit);
        let mut left = count;
        while left > 0 {
            let burst = &self.bursts[0];
            let n = left.min(burst.bytes.len() - self.taken_of_first);
            out.extend_from_slice(&burst.bytes[self.taken_of_first..self.taken_of_first + n]);
            self.advance(n);
            left -= n;
        }
        count
    }

    /// Takes bytes that have wholly arrived at `at` until `place` is full; gives their number.
    pub fn take_into(&mut self, at: Nanos, place: &mut [u8]) -> usize {
        let count = self.available(at).min(place.len());
        let mut done = 0;
        while done < count {
            let unread = &self.bursts[0].bytes[self.taken_of_first..];
            let n = unread.len().min(count - done);
            place[done..done + n].copy_from_slice(&unread[..n]);
            self.advance(n);
            done += n;
        }
        count
    }

    /// Throws away what has wholly arrived at `at`; gives the number of bytes.
    pub fn discard(&mut self, at: Nanos) -> usize {
        let count = self.available(at);
        let mut left = count;
        while left > 0 {
            let n = left.min(self.bursts[0].bytes.len() - self.taken_of_first);
            self.advance(n);
            left -= n;
        }
        count
    }

    /// Throws the next byte away.
    pub fn skip_one(&mut self) {
        self.skip(1);
    }

    /// Throws the next `count` bytes away, or all if there are fewer.
    pub fn skip(&mut self, mut count: usize) {
        while count > 0 && !self.bursts.is_empty() {
            let n = count.min(self.bursts[0].bytes.len() - self.taken_of_first);
            self.advance(n);
            count -= n;
        }
    }

    /// A FIFO of `depth` bytes that nobody read up to `at`: what has arrived beyond it is lost; gives the number.
    ///
    /// `baud_bps` is the receiver's rate, see [`LineRx::receive_at`].
    pub fn overrun(&mut self, at: Nanos, depth: usize, baud_bps: u32) -> usize {
        let arrived = self.available(at);
        if arrived <= depth {
            return 0;
        }
        let mut kept = Vec::with_capacity(depth);
        self.take(at, depth, &mut kept);
        let lost = self.discard(at);
        // They are all in the FIFO at `at`; their own times of arrival no longer matter.
        let start = at - Nanos::byte_times(depth as u64, baud_bps);
        if self.taken_of_first > 0 {
            let first = &mut self.bursts[0];
            let start = first.arrival(self.taken_of_first);
            first.bytes.drain(..self.taken_of_first);
            first.start = start;
            self.taken_of_first = 0;
        }
        self.bursts.push_front(Burst { start, baud_bps, bytes: kept });
        lost
    }

    /// The line is cut at `at`: what has not wholly arrived never will.
    pub(crate) fn cut_after(&mut self, at: Nanos) {
        let mut kept = self.available(at) + self.taken_of_first;
        self.bursts.retain_mut(|burst| {
            let keep = kept.min(burst.bytes.len());
            kept -= keep;
            burst.bytes.truncate(keep);
            keep > 0
        });
        if self.bursts.front().is_none_or(|burst| burst.bytes.len() == self.taken_of_first) {
            self.bursts.pop_front();
            self.taken_of_first = 0;
        }
    }

    /// Throws away everything, also what is still on its way.
    pub fn clear(&mut self) {
        self.bursts.clear();
        self.taken_of_first = 0;
    }

    /// Replaces what the host sent at a rate other than `baud_bps` by what a receiver at that rate makes of it.
    pub fn receive_at(&mut self, baud_bps: u32) {
        if self.bursts.iter().all(|burst| crate::uart::rates_agree(burst.baud_bps, baud_bps)) {
            return;
        }
        if self.taken_of_first > 0 {
            let burst = &mut self.bursts[0];
            let start = burst.arrival(self.taken_of_first);
            burst.bytes.drain(..self.taken_of_first);
            burst.start = start;
            self.taken_of_first = 0;
        }
        for burst in &mut self.bursts {
            if !crate::uart::rates_agree(burst.baud_bps, baud_bps) {
                burst.bytes = crate::uart::resample(&burst.bytes, burst.baud_bps, baud_bps);
                burst.baud_bps = baud_bps;
            }
        }
        self.bursts.retain(|burst| !burst.bytes.is_empty());
    }

    fn advance(&mut self, n: usize) {
        self.taken_of_first += n;
        if self.taken_of_first == self.bursts[0].bytes.len() {
            self.bursts.pop_front();
            self.taken_of_first = 0;
        }
    }
}

/// The transmit pin: what the chip has committed to send.
#[derive(Debug, Default)]
pub struct LineTx {
    bursts: VecDeque<Burst>,
    free_at: Nanos,
    sent_bytes: u64,
}

impl LineTx {
    /// Queues `bytes` behind what is being sent, not before `at`; gives the time when the last stop bit ends.
    pub fn push(&mut self, at: Nanos, baud_bps: u32, bytes: &[u8]) -> Nanos {
        let start = at.max(self.free_at);
        self.free_at = start + Nanos::byte_times(bytes.len() as u64, baud_bps);
        if !bytes.is_empty() {
            self.sent_bytes += bytes.len() as u64;
            self.bursts.push_back(Burst { start, baud_bps, bytes: bytes.to_vec() });
        }
        self.free_at
    }

    /// The line stays idle for as long as so many bytes would take; gives the time when that ends.
    pub(crate) fn keep_quiet(&mut self, at: Nanos, baud_bps: u32, count: usize) -> Nanos {
        self.free_at = at.max(self.free_at) + Nanos::byte_times(count as u64, baud_bps);
        self.free_at
    }

    /// How many bytes were queued since power-up, those excluded that a reset has cut off.
    pub(crate) fn sent_bytes(&self) -> u64 {
        self.sent_bytes
    }

    /// How many of them were taken.
    pub(crate) fn taken_bytes(&self) -> u64 {
        self.sent_bytes - self.bursts.iter().map(|burst| burst.bytes.len() as u64).sum::<u64>()
    }

    /// Bytes not taken yet from number `from` of all on: their numbers and when they begin.
    pub(crate) fn queued_from(&self, from: u64) -> impl Iterator<Item = (u64, Nanos)> + '_ {
        let begins =
            self.bursts.iter().flat_map(|burst| (0..burst.bytes.len()).map(|index| burst.arrival(index)));
        (self.taken_bytes()..).zip(begins).filter(move |(number, _)| *number >= from)
    }

    /// When the last queued stop bit ends (in the past when the line is quiet).
    pub fn free_at(&self) -> Nanos {
        self.free_at
    }

    /// When the byte now on the line, with all that follows in its burst, has been sent.
    pub fn next_end(&self) -> Option<Nanos> {
        self.bursts.front().map(Burst::end)
    }

    /// Takes the bytes of the first burst that are wholly sent at `at`.
    pub fn take(&mut self, at: Nanos) -> Option<Burst> {
        let burst = self.bursts.front_mut()?;
        if burst.end() <= at {
            return self.bursts.pop_front();
        }
        let mut sent =
            (at.since(burst.start).0 as u128 * u128::from(burst.baud_bps) / 10_000_000_000) as usize;
        while sent > 0 && burst.arrival(sent) > at {
            sent -= 1;
        }
        if sent == 0 {
            return None;
        }
        let start = burst.start;
        let rest_start = burst.arrival(sent);
        let rest = burst.bytes.split_off(sent);
        let bytes = std::mem::replace(&mut burst.bytes, rest);
        burst.start = rest_start;
        Some(Burst { start, baud_bps: burst.baud_bps, bytes })
    }

    /// The bytes of the last burst whose transmission has not begun at `at` (their source may still change).
    pub fn unsent_mut(&mut self, at: Nanos) -> &mut [u8] {
        match self.bursts.back_mut() {
            None => &mut [],
            Some(burst) => {
                let begun = if at <= burst.start {
                    0
                } else {
                    let n = at.since(burst.start).0 as u128 * u128::from(burst.baud_bps) / 10_000_000_000 + 1;
                    (n as usize).min(burst.bytes.len())
                };
                &mut burst.bytes[begun..]
            }
        }
    }

    /// A reset: what is not wholly sent at `at` is lost; what is sent can still be taken.
    pub fn cut_keeping_sent(&mut self, at: Nanos) {
        let mut sent = VecDeque::new();
        while let Some(burst) = self.take(at) {
            sent.push_back(burst);
        }
        self.sent_bytes -= self.bursts.iter().map(|burst| burst.bytes.len() as u64).sum::<u64>();
        self.bursts = sent;
        self.free_at = at;
    }
}
