//! What is left of an operation when the power goes.

use bl702_protocol::time::Nanos;
use rand::Rng;

use super::Flash;
use super::operation::{Operation, Page};

impl Flash {
    /// Takes the power away at `now`: what is done stays, what is under way is torn, volatile bits are as after power-up.
    ///
    /// Assumed, as no data sheet says: a page keeps a prefix of its bytes, then one byte of which some bits are
    /// programmed; a unit being erased is first driven to zeros (a tenth of the time) and then rises to ones bit by bit; a
    /// status register is either old or new. The same seed gives the same damage.
    pub fn power_cut(&mut self, now: Nanos, rng: &mut (impl Rng + ?Sized)) {
        self.settle(now);
        match self.operation.take() {
            Some(Operation::Program { pages, .. }) => {
                if let Some(page) = pages.front().filter(|page| page.start < now) {
                    self.tear_page(page, progress(page.start, page.done, now), rng);
                    self.after_change(page.address..page.address + page.bytes.len() as u32);
                }
            }
            Some(Operation::Erase { start, done, address, len, works: true, left }) if start < now => {
                self.tear_erase(address, len, progress(start, done, now), rng);
                for (cell, mask) in left {
                    self.array.program(cell, &[!mask]);
                }
                self.after_change(address..address + len);
            }
            Some(Operation::Status { start, new, .. }) if start < now && rng.next_u32() & 1 == 1 => {
                self.status = new
            }
            _ => {}
        }
        self.status.power_cycled();
    }

    fn tear_page(&mut self, page: &Page, progress: f64, rng: &mut (impl Rng + ?Sized)) {
        let whole = (page.bytes.len() as f64 * progress) as usize;
        let mut torn = page.bytes[..whole].to_vec();
        if let Some(byte) = page.bytes.get(whole) {
            // Bits that were to become 0 and did not get there stay 1.
            torn.push(byte | rng.next_u32() as u8);
        }
        self.array.program(page.address, &torn);
    }

    fn tear_erase(&mut self, address: u32, len: u32, progress: f64, rng: &mut (impl Rng + ?Sized)) {
        const ZEROING: f64 = 0.1;
        let mut cells = vec![0; len as usize];
        self.array.read(address, &mut cells);
        let mut draws = [0; 8];
        for cell in &mut cells {
            rng.fill_bytes(&mut draws);
            if progress < ZEROING {
                if f64::from(draws[0]) < 256.0 * progress / ZEROING {
                    *cell = 0;
                }
            } else {
                let risen = 256.0 * (progress - ZEROING) / (1.0 - ZEROING);
                *cell = (0..8).fold(0, |byte, bit| byte | u8::from(f64::from(draws[bit]) < risen) << bit);
            }
        }
        self.array.set(address, &cells);
    }
}

/// How much of the span from `start` to `done` has passed at `now`, from 0 to 1.
fn progress(start: Nanos, done: Nanos, now: Nanos) -> f64 {
    let whole = done.since(start).0.max(1);
    (now.since(start).0 as f64 / whole as f64).min(1.0)
}
