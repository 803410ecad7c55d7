//! A module without a port, for tests: what a host sends goes in, what it hears comes out, in virtual time.

use super::outbox::HostReceiver;
use crate::Nanos;
use crate::line::Burst;
use crate::module::Module;

/// How much module time an exchange takes at most: more than a chip erase may (49.5 s), less than for ever.
const EXCHANGE_LIMIT: Nanos = Nanos::from_secs(120);

/// A host's serial port with a module at its other end.
///
/// Time passes only inside its methods, and as much as the chip needs: nothing waits, and every run is the same.
#[derive(Debug)]
pub struct MemoryLink {
    module: Module,
    baud_bps: u32,
    receiver: HostReceiver,
}

impl MemoryLink {
    /// A port at `baud_bps` (both directions); the module has booted.
    pub fn new(module: Module, baud_bps: u32) -> MemoryLink {
        let mut link = MemoryLink { module, baud_bps, receiver: HostReceiver::default() };
        link.settle();
        link
    }

    /// Sends bytes without gaps and gives all that the host hears until the chip waits for it again.
    ///
    /// A chip that never does (an erase up to FFFFFFFFh) is left after 120 s of module time.
    pub fn exchange(&mut self, bytes: &[u8]) -> Vec<u8> {
        let start = self.module.now();
        self.module.receive(Burst { start, baud_bps: self.baud_bps, bytes: bytes.to_vec() });
        let mut heard = self.settle();
        // What the chip did not wait for has gone over the line all the same.
        let end = start + Nanos::byte_times(bytes.len() as u64, self.baud_bps);
        heard.extend(self.pause(end.since(self.module.now())));
        heard
    }

    /// Lets time pass, also idle time-outs; gives what the host hears meanwhile.
    pub fn pause(&mut self, span: Nanos) -> Vec<u8> {
        self.module.advance(self.module.now() + span);
        let mut heard = Vec::new();
        self.hear(&mut heard);
        heard
    }

    /// Changes the host's rate.
    pub fn set_baud(&mut self, baud_bps: u32) {
        self.baud_bps = baud_bps;
    }

    /// The module.
    pub fn module(&self) -> &Module {
        &self.module
    }

    /// The module, to move its pins or change its memories.
    pub fn module_mut(&mut self) -> &mut Module {
        &mut self.module
    }

    fn settle(&mut self) -> Vec<u8> {
        let limit = self.module.now() + EXCHANGE_LIMIT;
        let mut heard = Vec::new();
        while !self.module.waits_for_host()
            && let Some(next) = self.module.next_wakeup()
            && next <= limit
        {
            self.module.advance(next);
            self.hear(&mut heard);
        }
        heard
    }

    fn hear(&mut self, heard: &mut Vec<u8>) {
        while let Some(burst) = self.module.transmit() {
            let more = self.module.is_sending();
            heard.extend(self.receiver.receive(burst, self.baud_bps, more));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::module::Start;
    use crate::profile::Profile;

    fn link(start: Start, baud_bps: u32) -> MemoryLink {
        MemoryLink::new(Module::builder(Profile::builtin("xt-zb2").unwrap()).start(start).build(), baud_bps)
    }

    #[test]
    fn a_session_takes_as_long_as_on_the_chip() {
        let mut link = link(Start::Loader, 2_000_000);
        assert_eq!(link.exchange(&[0x55; 600]), b"OK");
        let before = link.module().now();
        // Vector "erase 64K block 10000..1ffff".
        assert_eq!(link.exchange(&[0x30, 0, 8, 0, 0, 0, 1, 0, 0xff, 0xff, 1, 0]), b"PDOK");
        assert!(link.module().now().since(before) > Nanos::from_millis(100));
    }

    #[test]
    fn another_rate_gives_garbage_and_an_idle_session_ends() {
        let mut link = link(Start::Rom, 500_000);
        assert_eq!(link.exchange(&[0x55; 150]), b"OK");
        link.set_baud(115_200);
        assert_ne!(link.exchange(&[0x10, 0, 0, 0]).len(), 28);
        link.set_baud(500_000);
        link.pause(Nanos::from_millis(2_100));
        assert_eq!(link.exchange(&[0x10, 0, 0, 0]), b"");
        assert_eq!(link.exchange(&[0x55; 150]), b"OK");
        assert_eq!(link.exchange(&[0x10, 0, 0, 0]).len(), 28);
    }

    #[test]
    fn an_endless_erase_is_left() {
        let mut link = link(Start::Loader, 2_000_000);
        assert_eq!(link.exchange(&[0x55; 600]), b"OK");
        let heard = link.exchange(&[0x30, 0, 8, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]);
        assert!(heard.starts_with(b"PDPD") && !heard.ends_with(b"OK"));
    }
}
