//! Bytes on their way from the chip to the client: what the client's rate makes of them, and when they are due.

use std::collections::VecDeque;

use crate::Nanos;
use crate::line::Burst;
use crate::uart::{rates_agree, resample};

/// How many bytes wait for a client that does not read, behind the 16 kB in the kernel; about what a Linux tty buffers.
/// More are lost, as on a real port.
pub const OUTBOX_BYTES: usize = 65_536;

/// An adapter hands over what has come when the line goes quiet, or so many bytes have come, or the first of them has
/// waited so long: hosts that poll see short replies whole. About what USB adapters do (CH340: 32 bytes; FTDI: 62 bytes
/// or 16 ms; CP210x: 64 bytes).
const PACKET_BYTES: usize = 62;
const PACKET_WAIT: Nanos = Nanos::from_millis(2);

/// The first packet after a silence waits for the host to ask for it, once a millisecond (USB frame). What follows is under
/// way while the host takes that one. Hosts rely on it: a frame that follows the `OK` of a handshake within half a
/// millisecond is lost, and behind an adapter nobody can be that fast.
pub const FIRST_PACKET_WAIT: Nanos = Nanos::from_millis(1);

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

/// The longest an adapter may keep a reply: a minute.
const LONGEST_LATENCY_MS: f64 = 60_000.0;

/// Reads how many milliseconds an adapter keeps each reply: 0 to 60000, fractions allowed (`0.2`).
///
/// # Errors
/// What it must be, in words.
pub fn parse_latency_ms(text: &str) -> Result<Nanos, String> {
    let ms = text.parse().ok().filter(|ms: &f64| (0.0..=LONGEST_LATENCY_MS).contains(ms));
    let ms =
        ms.ok_or_else(|| format!("{text:?} is no number of milliseconds from 0 to 60000, such as 0.2"))?;
    Ok(Nanos((ms * 1e6).round() as u64))
}

/// The queue in front of the client.
#[derive(Debug)]
pub struct Outbox {
    latency: Nanos,
    first_packet_wait: Nanos,
    queue: VecDeque<(Nanos, Vec<u8>)>,
    length: usize,
    /// More may come for the last packet in the queue.
    open: bool,
    /// Nothing was on the line before the last packet.
    first: bool,
    /// The line is quiet.
    quiet: bool,
}

impl Outbox {
    /// An empty queue that keeps bytes for `latency`, like a slow adapter, and the first after a silence for
    /// `first_packet_wait` more.
    pub fn new(latency: Nanos, first_packet_wait: Nanos) -> Outbox {
        let queue = VecDeque::new();
        Outbox { latency, first_packet_wait, queue, length: 0, open: false, first: true, quiet: true }
    }

    /// Adds bytes that are on the host's side of the line at `wall`; gives how many found no room.
    ///
    /// `more` tells that the line is not quiet yet.
    pub fn push(&mut self, wall: Nanos, mut bytes: Vec<u8>, more: bool) -> usize {
        let room = OUTBOX_BYTES - self.length;
        let lost = bytes.len().saturating_sub(room);
        bytes.truncate(room);
        self.length += bytes.len();
        let was_quiet = std::mem::replace(&mut self.quiet, !more);
        match self.queue.back_mut() {
            Some((_, packet)) if self.open => packet.extend(bytes),
            _ if !bytes.is_empty() => {
                self.first = was_quiet;
                self.queue.push_back((wall + PACKET_WAIT + self.latency, bytes));
            }
            _ => return lost,
        }
        self.open = more;
        let wait = if self.first { self.first_packet_wait } else { Nanos::ZERO };
        if let Some((due, packet)) = self.queue.back_mut()
            && (!more || packet.len() >= PACKET_BYTES)
        {
            *due = (*due).min(wall + wait + self.latency);
            self.open = false;
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
    fn a_latency_may_be_less_than_a_millisecond() {
        for (text, us) in [("0", 0), ("0.2", 200), ("1", 1_000), ("16", 16_000), ("60000", 60_000_000)] {
            assert_eq!(parse_latency_ms(text), Ok(Nanos::from_micros(us)), "{text}");
        }
        for text in ["", "-1", "60000.1", "inf", "NaN", "1 ms"] {
            let error = parse_latency_ms(text).unwrap_err();
            assert!(error.ends_with("is no number of milliseconds from 0 to 60000, such as 0.2"), "{error}");
        }
    }

    #[test]
    fn latency_holds_bytes_back() {
        let mut outbox = Outbox::new(Nanos::from_millis(2), Nanos::ZERO);
        outbox.push(Nanos::from_millis(1), b"OK".to_vec(), false);
        assert_eq!(outbox.due(Nanos::from_micros(2_999)), None);
        assert_eq!(outbox.next_due(), Some(Nanos::from_millis(3)));
        assert_eq!(outbox.due(Nanos::from_millis(3)), Some(&b"OK"[..]));
        outbox.consume(1);
        assert_eq!(outbox.due(Nanos::from_millis(3)), Some(&b"K"[..]));
        outbox.consume(1);
        assert_eq!(outbox.next_due(), None);
    }

    #[test]
    fn a_reply_comes_whole_unless_it_is_long_or_slow() {
        let at = Nanos::from_micros;
        let mut outbox = Outbox::new(Nanos::ZERO, Nanos::ZERO);
        outbox.push(at(0), b"OK\x02\x00".to_vec(), true);
        assert_eq!(outbox.due(at(100)), None);
        outbox.push(at(100), b"ab".to_vec(), false);
        assert_eq!(outbox.due(at(100)), Some(&b"OK\x02\x00ab"[..]));
        outbox.consume(6);

        outbox.push(at(200), b"slow".to_vec(), true);
        assert_eq!((outbox.due(at(2_199)), outbox.next_due()), (None, Some(at(2_200))));
        outbox.consume(4);
        outbox.push(at(2_300), b"rest".to_vec(), false);
        assert_eq!(outbox.due(at(2_300)), Some(&b"rest"[..]));
        outbox.consume(4);

        outbox.push(at(3_000), vec![1; PACKET_BYTES], true);
        outbox.push(at(3_001), vec![2; 3], true);
        assert_eq!(outbox.due(at(3_001)), Some(&[1; PACKET_BYTES][..]));
        outbox.consume(PACKET_BYTES);
        assert_eq!(outbox.due(at(3_001)), None);
        outbox.push(at(3_002), Vec::new(), false);
        assert_eq!(outbox.due(at(3_002)), Some(&[2; 3][..]));
    }

    #[test]
    fn the_first_packet_after_a_silence_waits_and_what_follows_it_does_not() {
        let at = Nanos::from_micros;
        let mut outbox = Outbox::new(Nanos::ZERO, FIRST_PACKET_WAIT);
        outbox.push(at(0), b"OK".to_vec(), false);
        assert_eq!((outbox.due(at(999)), outbox.due(at(1_000))), (None, Some(&b"OK"[..])));
        outbox.consume(2);
        outbox.push(at(5_000), vec![1; PACKET_BYTES], true);
        outbox.push(at(7_000), vec![2; 3], false);
        assert_eq!((outbox.due(at(5_999)), outbox.due(at(6_000))), (None, Some(&[1; PACKET_BYTES][..])));
        outbox.consume(PACKET_BYTES);
        assert_eq!(outbox.due(at(7_000)), Some(&[2; 3][..]));
    }

    #[test]
    fn what_does_not_fit_is_lost_and_counted() {
        let mut outbox = Outbox::new(Nanos::ZERO, Nanos::ZERO);
        assert_eq!(outbox.push(Nanos::ZERO, vec![0; OUTBOX_BYTES - 1], false), 0);
        assert!(outbox.is_crowded());
        assert_eq!(outbox.push(Nanos::ZERO, b"abc".to_vec(), false), 2);
        outbox.discard_due(Nanos::ZERO);
        assert!(!outbox.is_crowded());
        assert_eq!(outbox.push(Nanos::ZERO, b"abc".to_vec(), false), 0);
    }
}
