//! A scripted peer in virtual time. What it answers comes from the conformance vectors, not from our own encoder.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bl702_flasher::Nanos;
use bl702_flasher::connect::ConnectOptions;
use bl702_flasher::error::Error;
use bl702_flasher::event::Event;
use bl702_flasher::session::{Link, Output, Session};

const LOADER: &str = include_str!("../../../fixtures/vectors/loader.jsonl");
const ROM: &str = include_str!("../../../fixtures/vectors/rom.jsonl");

/// Which vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Rom,
    Loader,
}

/// Bytes from hex.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn rows(side: Side) -> impl Iterator<Item = serde_json::Value> {
    let text = match side {
        Side::Rom => ROM,
        Side::Loader => LOADER,
    };
    text.lines().map(|line| serde_json::from_str(line).unwrap())
}

/// Request and response of the vector with this name.
pub(crate) fn row(side: Side, name: &str) -> (Vec<u8>, Vec<u8>) {
    let row =
        rows(side).find(|row| row["name"] == name).unwrap_or_else(|| panic!("no vector named {name:?}"));
    (hex(row["request"].as_str().unwrap()), hex(row["response"].as_str().unwrap()))
}

/// A peer that answers bursts with `OK` and frames from a table.
#[derive(Debug, Default)]
pub(crate) struct Peer {
    has_registers: bool,
    /// Answers to exact frames, used up in order; the last one stays.
    answers: BTreeMap<Vec<u8>, VecDeque<Vec<u8>>>,
    /// Bursts before this time get no answer.
    pub(crate) deaf_until: Nanos,
    /// Never answers a burst.
    pub(crate) deaf: bool,
    /// Everything that was written, with the time.
    pub(crate) written: Vec<(Nanos, Vec<u8>)>,
    /// Rates that were set.
    pub(crate) rates: Vec<u32>,
}

impl Peer {
    /// Answers every frame of the side's vectors that need no setup.
    pub(crate) fn of(side: Side) -> Peer {
        let mut peer = Peer::default();
        for row in rows(side).filter(|row| row["setup"].as_array().is_some_and(Vec::is_empty)) {
            if let (Some(request), Some(response)) = (row["request"].as_str(), row["response"].as_str()) {
                // The first of several: later ones have other fuses or injected failures.
                peer.answers.entry(hex(request)).or_insert_with(|| VecDeque::from([hex(response)]));
            }
        }
        peer
    }

    /// Answers a frame with these bytes, one after the other; the last ones again and again.
    pub(crate) fn answer(mut self, frame: &str, answers: &[&[u8]]) -> Peer {
        self.answers.insert(hex(frame), answers.iter().map(|answer| answer.to_vec()).collect());
        self
    }

    /// Answers what no vector has: fuses and registers of the flash that are all 0 (51h and 37h, shapes as in the vectors
    /// "mem read" and "read status 05 x1").
    pub(crate) fn with_registers(mut self) -> Peer {
        self.has_registers = true;
        self
    }

    /// Frames that were sent, bursts left out.
    pub(crate) fn frames(&self) -> Vec<Vec<u8>> {
        self.written.iter().filter(|(_, bytes)| bytes[0] != 0x55).map(|(_, bytes)| bytes.clone()).collect()
    }

    /// Bursts that were sent: when, and how many bytes.
    pub(crate) fn bursts(&self) -> Vec<(Nanos, usize)> {
        let bursts = self.written.iter().filter(|(_, bytes)| bytes.iter().all(|byte| *byte == 0x55));
        bursts.map(|(at, bytes)| (*at, bytes.len())).collect()
    }

    fn hear(&mut self, now: Nanos, bytes: &[u8]) -> Option<Vec<u8>> {
        self.written.push((now, bytes.to_vec()));
        if bytes.iter().all(|byte| *byte == 0x55) {
            return (!self.deaf && now >= self.deaf_until).then(|| b"OK".to_vec());
        }
        assert!(bytes[0] != 0x40 && bytes[0] != 0x80, "a command that burns fuses was sent");
        let Some(answers) = self.answers.get_mut(bytes) else {
            return match bytes[0] {
                0x51 if self.has_registers => Some(hex("4f4b040000000000")),
                0x37 if self.has_registers => Some(hex("4f4b010000")),
                _ => None,
            };
        };
        if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() }
    }
}

/// How a flow ended, and all it reported.
#[derive(Debug)]
pub(crate) struct Played<T> {
    pub(crate) result: Result<T, Error>,
    pub(crate) events: Vec<Event>,
    pub(crate) took: Nanos,
}

/// Options for a peer without lines, a loader that runs already, and both rates the same.
pub(crate) fn options() -> ConnectOptions {
    ConnectOptions { baud_bps: 500_000, ..ConnectOptions::default() }
}

/// Runs a flow against a peer until it ends. `stop_at` interrupts it.
pub(crate) fn play<T, F, R>(
    peer: &mut Peer,
    options: ConnectOptions,
    stop_at: Option<Nanos>,
    flow: F,
) -> Played<T>
where
    F: FnOnce(Link, Arc<ConnectOptions>) -> R,
    R: Future<Output = Result<T, Error>> + Send + 'static,
{
    // The clock of a driver need not start at zero.
    let mut now = Nanos::from_secs(1000);
    let start = now;
    let options = Arc::new(options);
    let mut session = Session::new(now, options.boot_baud_bps, |link| flow(link, options));
    let mut coming: VecDeque<(Nanos, Vec<u8>)> = VecDeque::new();
    let mut events = Vec::new();
    let mut baud_bps = 500_000;
    let mut stopping = false;
    loop {
        while let Some(output) = session.poll_output() {
            match output {
                Output::Write(bytes) => {
                    let arrived = now + Nanos::byte_times(bytes.len() as u64, baud_bps);
                    if let Some(answer) = peer.hear(now.since(start), &bytes) {
                        // 13 ms as from the loader's handshake, for everything.
                        coming.push_back((arrived + Nanos::from_millis(13), answer));
                    }
                }
                Output::SetBaud(rate) => {
                    baud_bps = rate;
                    peer.rates.push(rate);
                }
                Output::SetLines(_) => panic!("lines were set on a port that has none"),
                Output::PurgeInput => coming.retain(|(due, _)| *due > now),
            }
        }
        while let Some(event) = session.poll_event() {
            events.push(event);
        }
        if let Some(result) = session.finished() {
            assert_eq!(session.poll_timeout(), None);
            return Played { result, events, took: now.since(start) };
        }
        let timeout = session.poll_timeout().expect("every wait has an end");
        assert!(timeout > now, "a wait that is over already");
        if let Some(stop_at) = stop_at
            && !stopping
            && now.since(start) >= stop_at
        {
            stopping = true;
            session.interrupt(now);
            continue;
        }
        match coming.front() {
            Some((due, _)) if *due <= timeout => {
                now = now.max(*due);
                let (_, bytes) = coming.pop_front().unwrap();
                // In two parts, as adapters do.
                let (head, tail) = bytes.split_at(bytes.len() / 2);
                session.handle_input(now, head);
                session.handle_input(now + Nanos(1), tail);
            }
            _ => {
                now = timeout;
                session.handle_timeout(now);
            }
        }
    }
}
