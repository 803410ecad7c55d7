//! The loader on a module of its own: what `fixtures/vectors/loader.jsonl` does not show.

mod commands;
mod handshake;
mod properties;
mod receiving;
mod session;

use bl702_protocol::frame::{self, Checksum};
use bl702_protocol::time::Nanos;

use crate::event::{Event, TimedEvent};
use crate::line::Burst;
use crate::module::{Module, Running, Start};
use crate::profile::Profile;

/// A module that runs the loader, and a host beside it.
struct Bench {
    module: Module,
    baud_bps: u32,
    events: Vec<TimedEvent>,
}

impl Bench {
    /// Listens since the very moment at which [`Module::now`] stands.
    fn listening() -> Bench {
        Bench::listening_with(Bench::profile())
    }

    fn profile() -> Profile {
        Profile::builtin("vectors-loader").unwrap()
    }

    fn listening_with(profile: Profile) -> Bench {
        let pattern = (0..1u32 << 20).map(|i| (7 * i + 13 * (i >> 8)) as u8).collect();
        let module = Module::builder(profile).flash(pattern).start(Start::Loader).build();
        let mut bench = Bench { module, baud_bps: 500_000, events: Vec::new() };
        bench.settle();
        bench
    }

    fn in_session(baud_bps: u32) -> Bench {
        Bench::in_session_with(Bench::profile(), baud_bps)
    }

    fn in_session_with(profile: Profile, baud_bps: u32) -> Bench {
        let mut bench = Bench::listening_with(profile);
        bench.baud_bps = baud_bps;
        bench.handshake();
        bench
    }

    /// 3 ms worth of 0x55, `OK`, drain.
    fn handshake(&mut self) {
        let count = self.baud_bps as usize * 3 / 10_000;
        assert_eq!(self.ask(&vec![0x55; count.max(1)]), b"OK");
    }

    fn now(&self) -> Nanos {
        self.module.now()
    }

    /// Puts bytes on the line; gives when the last has arrived.
    fn send_at(&mut self, start: Nanos, bytes: &[u8]) -> Nanos {
        let burst = Burst { start, baud_bps: self.baud_bps, bytes: bytes.to_vec() };
        let end = burst.end();
        self.module.receive(burst);
        end
    }

    /// Lets the chip do what it has to do; gives all it sent.
    fn settle(&mut self) -> Vec<u8> {
        let mut sent = Vec::new();
        while !self.module.waits_for_host() {
            let Some(at) = self.module.next_wakeup() else { break };
            sent.append(&mut self.run_until(at));
        }
        sent
    }

    fn run_until(&mut self, at: Nanos) -> Vec<u8> {
        assert!(at >= self.now(), "time went back");
        self.module.advance(at);
        while let Some(event) = self.module.next_event() {
            self.events.push(event);
        }
        let mut sent = Vec::new();
        while let Some(burst) = self.module.transmit() {
            sent.extend_from_slice(&burst.bytes);
        }
        sent
    }

    fn sleep(&mut self, span: Nanos) -> Vec<u8> {
        self.run_until(self.now() + span)
    }

    /// Sends bytes now; gives the whole answer.
    fn ask(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.send_at(self.now(), bytes);
        self.settle()
    }

    fn command(&mut self, id: u8, payload: &[u8]) -> Vec<u8> {
        self.ask(&request(id, payload))
    }

    /// When the first byte of the answer to what was sent has wholly left the chip, and the answer.
    fn first_byte_out(&mut self) -> Nanos {
        loop {
            let at = self.module.next_wakeup().unwrap();
            self.module.advance(at);
            if let Some(burst) = self.module.transmit() {
                return burst.arrival(1);
            }
        }
    }

    fn in_session_now(&self) -> bool {
        matches!(self.module.running(), Running::Loader(state) if state.in_session())
    }

    fn lost(&self) -> Vec<(u32, &'static str)> {
        let lost = self.events.iter().filter_map(|timed| match timed.event {
            Event::BytesLost { count, why } => Some((count, why)),
            _ => None,
        });
        lost.collect()
    }

    fn count(&self, wanted: impl Fn(&Event) -> bool) -> usize {
        self.events.iter().filter(|timed| wanted(&timed.event)).count()
    }
}

fn request(id: u8, payload: &[u8]) -> Vec<u8> {
    frame::request(id, Checksum::Sum, payload)
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// 31h: address, data.
fn write(address: u32, data: &[u8]) -> Vec<u8> {
    request(0x31, &[&address.to_le_bytes(), data].concat())
}

fn us(us: u64) -> Nanos {
    Nanos::from_micros(us)
}

fn ms(ms: u64) -> Nanos {
    Nanos::from_millis(ms)
}

/// The answer to 36h on the bench's flash.
const JEDEC: [u8; 8] = [b'O', b'K', 4, 0, 0xc2, 0x20, 0x14, 0x80];
