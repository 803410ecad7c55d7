//! Bytes on their way from the chip to the client: what the client's rate makes of them, and when they are due.

use std::collections::VecDeque;

use crate::Nanos;
use crate::line::Burst;
use crate::uart::{rates_agree, resample};

/// How many bytes wait for a client that does not read, behind the 16 kB in the kernel; about what a Linux tty buffers.
/// More are lost, as on a real port.
pub const OUTBOX_BYTES: usize = 65_536;

/// The host's receiver: an 8N1 UART at the client's rate.
#[derive(Debug, Default)]
pub struct HostReceiver {
    /// A run of bytes without gaps at a rate that is not the host's: its bit stream can only be read as a whole.
    run: Option<Burst>,
}

impl HostReceiver {
    /// Takes what the chip has sent; gives what the host gets of it.
    ///
    /// `more` tells that the chip's line is not quiet yet, so that a run may go on.
    pub fn receive(&mut self, burst: Burst, host_bps: u32, more: bool) -> Vec<u8> {
        let mut heard = Vec::new();
        if rates_agree(burst.baud_bps, host_bps) {
            self.finish(host_bps, &mut heard);
            heard.extend_from_slice(&burst.bytes);
            return heard;
        }
        match &mut self.run {
            Some(run)
                if run.baud_bps == burst.baud_bps
                    && burst.start <= run.end() + Nanos::bit_times(1, run.baud_bps) =>
            {
                run.bytes.extend_from_slice(&burst.bytes);
            }
            _ => {
                self.finish(host_bps, &mut heard);
                self.run = Some(burst);
            }
        }
        if !more {
            self.finish(host_bps, &mut heard);
        }
        heard
    }

    fn finish(&mut self, host_bps: u32, heard: &mut Vec<u8>) {
        if let Some(run) = self.run.take() {
            heard.extend(resample(&run.bytes, run.baud_bps, host_bps));
        }
    }
}

/// The queue in front of the client.
#[derive(Debug)]
pub struct Outbox {
    latency: Nanos,
    queue: VecDeque<(Nanos, Vec<u8>)>,
    length: usize,
}

impl Outbox {
    /// An empty queue that keeps bytes for `latency`, like a slow adapter.
    pub fn new(latency: Nanos) -> Outbox {
        Outbox { latency, queue: VecDeque::new(), length: 0 }
    }

    /// Adds bytes that are on the host's side of the line at `wall`; gives how many found no room.
    pub fn push(&mut self, wall: Nanos, mut bytes: Vec<u8>) -> usize {
        let room = OUTBOX_BYTES - self.length;
        let lost = bytes.len().saturating_sub(room);
        bytes.truncate(room);
        if !bytes.is_empty() {
            self.length += bytes.len();
            self.queue.push_back((wall + self.latency, bytes));
        }
        lost
    }

    /// The first bytes that are due at `wall`.
    pub fn due(&self, wall: Nanos) -> Option<&[u8]> {
        self.queue.front().filter(|(due, _)| *due <= wall).map(|(_, bytes)| bytes.as_slice())
    }

    /// When the first bytes are due.
    pub fn next_due(&self) -> Option<Nanos> {
        self.queue.front().map(|(due, _)| *due)
    }

    /// Takes `count` bytes of the first ones off.
    pub fn consume(&mut self, count: usize) {
        let Some((_, bytes)) = self.queue.front_mut() else { return };
        let count = count.min(bytes.len());
        bytes.drain(..count);
        self.length -= count;
        if bytes.is_empty() {
            self.queue.pop_front();
        }
    }

    /// Throws away what is due at `wall`: it had arrived, and its reader wants none of it.
    pub fn discard_due(&mut self, wall: Nanos) {
        while self.due(wall).is_some() {
            if let Some((_, bytes)) = self.queue.pop_front() {
                self.length -= bytes.len();
            }
        }
    }

    /// How many bytes wait.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Whether so much waits that the chip should not be hurried.
    pub fn is_crowded(&self) -> bool {
        self.length > OUTBOX_BYTES / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn burst(start_us: u64, baud_bps: u32, bytes: &[u8]) -> Burst {
        Burst { start: Nanos::from_micros(start_us), baud_bps, bytes: bytes.to_vec() }
    }

    #[test]
    fn a_receiver_at_the_chips_rate_gets_the_bytes() {
        let mut receiver = HostReceiver::default();
        assert_eq!(receiver.receive(burst(0, 923_076, b"OK"), 921_600, true), b"OK");
    }

    #[test]
    fn a_run_at_another_rate_is_read_as_one_bit_stream_however_it_is_cut() {
        let text = b"a run of bytes, cut anywhere";
        let whole = resample(text, 500_000, 115_200);
        assert_ne!(whole, text);
        for cut in 1..text.len() {
            let mut receiver = HostReceiver::default();
            let mut heard = receiver.receive(burst(0, 500_000, &text[..cut]), 115_200, true);
            heard.extend(receiver.receive(burst(20 * cut as u64, 500_000, &text[cut..]), 115_200, false));
            assert_eq!(heard, whole);
        }
    }

    #[test]
    fn a_gap_ends_a_run() {
        let mut receiver = HostReceiver::default();
        assert!(receiver.receive(burst(0, 500_000, b"one"), 115_200, true).is_empty());
        let heard = receiver.receive(burst(1000, 500_000, b"two"), 115_200, false);
        let apart = [resample(b"one", 500_000, 115_200), resample(b"two", 500_000, 115_200)].concat();
        assert_eq!(heard, apart);
    }

    #[test]
    fn latency_holds_bytes_back() {
        let mut outbox = Outbox::new(Nanos::from_millis(2));
        outbox.push(Nanos::from_millis(1), b"OK".to_vec());
        assert_eq!(outbox.due(Nanos::from_micros(2_999)), None);
        assert_eq!(outbox.next_due(), Some(Nanos::from_millis(3)));
        assert_eq!(outbox.due(Nanos::from_millis(3)), Some(&b"OK"[..]));
        outbox.consume(1);
        assert_eq!(outbox.due(Nanos::from_millis(3)), Some(&b"K"[..]));
        outbox.consume(1);
        assert_eq!(outbox.next_due(), None);
    }

    #[test]
    fn what_does_not_fit_is_lost_and_counted() {
        let mut outbox = Outbox::new(Nanos::ZERO);
        assert_eq!(outbox.push(Nanos::ZERO, vec![0; OUTBOX_BYTES - 1]), 0);
        assert!(outbox.is_crowded());
        assert_eq!(outbox.push(Nanos::ZERO, b"abc".to_vec()), 2);
        outbox.discard_due(Nanos::ZERO);
        assert!(!outbox.is_crowded());
        assert_eq!(outbox.push(Nanos::ZERO, b"abc".to_vec()), 0);
    }
}
