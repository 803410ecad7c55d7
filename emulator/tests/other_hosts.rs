//! Hosts that no package registry has, byte by byte with their own pauses, in virtual time: what blisp (pine64/blisp),
//! EasyFlasher (openshwprojects/BK7231GUIFlashTool) and jq_flasher (Jatsekku/jq_flasher) send, in what pieces, how long they
//! wait for what, and how they read it. Told from their published sources, nothing is taken from them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test support code: a failure is a failed test")]

use bl702_emulator::Nanos;
use bl702_emulator::line::Burst;
use bl702_emulator::module::Module;
use bl702_emulator::profile::Profile;
use rstest::rstest;
use sha2::{Digest, Sha256};

const BOOT_HEADER_BYTES: usize = 176;
const SEGMENT_HEADER_BYTES: usize = 16;

fn ms(count: u64) -> Nanos {
    Nanos::from_millis(count)
}

/// A host's serial port, both of whose ends keep time.
struct Wire {
    module: Module,
    baud_bps: u32,
    /// When the host's line is free again.
    free_at: Nanos,
    heard: Vec<u8>,
}

impl Wire {
    fn new(baud_bps: u32) -> Wire {
        let mut module = Module::new(Profile::builtin("xt-zb2").unwrap());
        module.advance(ms(50));
        Wire { module, baud_bps, free_at: Nanos::ZERO, heard: Vec::new() }
    }

    /// Gives bytes to the port and does not wait.
    fn write(&mut self, bytes: &[u8]) {
        let burst = Burst {
            start: self.free_at.max(self.module.now()),
            baud_bps: self.baud_bps,
            bytes: bytes.to_vec(),
        };
        self.free_at = burst.end();
        self.module.receive(burst);
    }

    /// Waits until all that was written is on the line.
    fn drain(&mut self) {
        self.run_to(self.free_at.max(self.module.now()));
    }

    fn run_to(&mut self, at: Nanos) {
        self.module.advance(at);
        while let Some(burst) = self.module.transmit() {
            self.heard.extend(burst.bytes);
        }
    }

    fn sleep(&mut self, span: Nanos) {
        self.run_to(self.module.now() + span);
    }

    /// Throws away what has come.
    fn discard(&mut self) {
        self.heard.clear();
    }

    /// Up to `count` bytes, as soon as they are there, or what has come after `limit`.
    fn read(&mut self, count: usize, limit: Nanos) -> Vec<u8> {
        let deadline = self.module.now() + limit;
        while self.heard.len() < count && self.module.now() < deadline {
            let next = self.module.next_wakeup().unwrap_or(deadline);
            self.run_to(next.clamp(self.module.now() + Nanos::from_micros(1), deadline));
        }
        self.heard.drain(..count.min(self.heard.len())).collect()
    }

    fn reset(&mut self, held: Nanos) {
        let now = self.module.now();
        self.module.set_enable(now, false);
        self.sleep(held);
        let now = self.module.now();
        self.module.set_enable(now, true);
    }
}

/// A frame; `checksum` is the second byte, or the right one.
fn frame(id: u8, checksum: Option<u8>, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap().to_le_bytes();
    let sum = length.iter().chain(payload).fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    [&[id, checksum.unwrap_or(sum)], &length[..], payload].concat()
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// The image that emulated modules take for the RAM loader.
fn loader() -> Vec<u8> {
    std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/images/made-up-ram-loader.bin")).unwrap()
}

fn firmware(len: usize) -> Vec<u8> {
    (0..len).map(|index| (index * 7 + index / 251) as u8).collect()
}

/// blisp waits for each answer but the last one of the start, and shakes hands with the loader at once.
struct Blisp(Wire);

impl Blisp {
    fn ask(&mut self, request: &[u8]) -> Vec<u8> {
        self.0.write(request);
        self.answer()
    }

    /// An answer without data; every `PD` before it is dropped.
    fn answer(&mut self) -> Vec<u8> {
        loop {
            match &self.0.read(2, ms(1000))[..] {
                b"PD" => {}
                other => return other.to_vec(),
            }
        }
    }

    fn ask_for_data(&mut self, request: &[u8]) -> Vec<u8> {
        assert_eq!(self.ask(request), b"OK");
        let length = self.0.read(2, ms(100));
        self.0.read(usize::from(u16::from_le_bytes([length[0], length[1]])), ms(100))
    }

    /// Up to five times: the loader is not there yet when the first 55h come.
    fn shake_hands(&mut self, with_loader: bool) {
        let count = (self.0.baud_bps as usize * 3 / 10_000).min(600);
        let answered = (0..5).any(|_| {
            self.0.write(&vec![0x55; count]);
            if !with_loader {
                self.0.drain();
                self.0.discard();
            }
            self.0.read(20, ms(50)).windows(2).any(|pair| pair == b"OK")
        });
        assert!(answered, "no OK, with the loader: {with_loader}");
    }
}

#[rstest]
#[case(115_200)]
#[case(460_800)]
#[case(500_000)]
#[case(2_000_000)]
fn blisp_writes_a_firmware(#[case] baud_bps: u32) {
    let mut blisp = Blisp(Wire::new(baud_bps));
    blisp.0.reset(ms(150));
    blisp.0.sleep(ms(50));
    blisp.shake_hands(false);
    assert_eq!(blisp.ask_for_data(&frame(0x10, Some(0), &[]))[..4], [1, 0, 2, 7]);
    let loader = loader();
    let (header, rest) = loader.split_at(BOOT_HEADER_BYTES);
    let (segment, data) = rest.split_at(SEGMENT_HEADER_BYTES);
    assert_eq!(blisp.ask(&frame(0x11, Some(0), header)), b"OK");
    assert_eq!(blisp.ask_for_data(&frame(0x17, Some(0), segment)), segment);
    for part in data.chunks(4092) {
        assert_eq!(blisp.ask(&frame(0x18, Some(0), part)), b"OK");
    }
    assert_eq!(blisp.ask(&frame(0x19, Some(0), &[])), b"OK");
    for word in [[0x4000_f100, 0x4e42_4845], [0x4000_f104, 0x2201_0000]] {
        assert_eq!(blisp.ask(&frame(0x50, None, &words(&word))), b"OK");
    }
    blisp.0.write(&frame(0x50, None, &words(&[0x4000_0018, 2])));
    blisp.shake_hands(true);

    let firmware = firmware(30_001);
    assert_eq!(blisp.ask(&frame(0x30, None, &words(&[0x2000, 0x2000 + 30_000]))), b"OK");
    for (index, part) in firmware.chunks(2052).enumerate() {
        let address = words(&[0x2000 + index as u32 * 2052]);
        assert_eq!(blisp.ask(&frame(0x31, None, &[&address, part].concat())), b"OK");
    }
    assert_eq!(blisp.ask(&frame(0x3a, None, &[])), b"OK");
    assert_eq!(blisp.0.module.flash().dump()[0x2000..0x2000 + 30_001], firmware);
    assert_eq!(blisp.ask(&frame(0x21, None, &[])), b"OK");
    assert_eq!(blisp.0.module.otp().burn_count(), 0);
}

/// EasyFlasher sends header and payload of a frame in two pieces, takes the first two bytes that come, and then whatever
/// has come behind them.
struct EasyFlasher(Wire);

impl EasyFlasher {
    fn sync(&mut self) {
        for _ in 0..1000 {
            self.0.discard();
            self.0.write(&[0x55; 16]);
            match &self.0.read(2, ms(75))[..] {
                // The adapter's packets come once a millisecond.
                b"OK" => return self.0.sleep(ms(1)),
                _ => self.0.sleep(ms(50)),
            }
        }
        panic!("no OK after 1000 times 16 bytes");
    }

    fn ask(&mut self, request: &[u8], expected_len: usize, limit: Nanos) -> Vec<u8> {
        self.0.discard();
        let (head, payload) = request.split_at(4);
        self.0.write(head);
        if !payload.is_empty() {
            self.0.sleep(Nanos::from_micros(50));
            self.0.write(payload);
        }
        let mut heard = self.0.read(expected_len, limit);
        while heard == b"PD" {
            self.0.sleep(ms(20));
            heard = self.0.read(2, ms(10_000));
        }
        // An adapter hands over a packet, not a byte.
        self.0.sleep(ms(2));
        heard.append(&mut self.0.heard);
        heard
    }
}

#[rstest]
#[case(500_000)]
#[case(2_000_000)]
fn easy_flasher_reads_and_writes(#[case] baud_bps: u32) {
    let mut host = EasyFlasher(Wire::new(baud_bps));
    host.sync();
    let info = host.ask(&frame(0x10, Some(1), &[]), 2, ms(100));
    assert_eq!((&info[..8], info.len()), (&b"OK\x18\x00\x01\x00\x02\x07"[..], 28));
    let loader = loader();
    let (header, rest) = loader.split_at(BOOT_HEADER_BYTES);
    let (segment, data) = rest.split_at(SEGMENT_HEADER_BYTES);
    assert_eq!(host.ask(&frame(0x11, Some(1), header), 2, ms(100)), b"OK");
    assert!(host.ask(&frame(0x17, Some(1), segment), 2, ms(100)).starts_with(b"OK"));
    for part in data.chunks(4092) {
        assert_eq!(host.ask(&frame(0x18, Some(1), part), 2, ms(100)), b"OK");
    }
    assert_eq!(host.ask(&frame(0x19, Some(1), &[]), 2, ms(100)), b"OK");
    assert_eq!(host.ask(&frame(0x1a, Some(1), &[]), 2, ms(100)), b"OK");
    host.0.sleep(ms(100));
    host.sync();
    assert_eq!(host.ask(&frame(0x36, Some(0), &[]), 6, ms(100)), b"OK\x04\x00\xc2\x20\x14\x80");

    let contents = firmware(8192);
    let range = words(&[0x1_0000, 0x1_1fff]);
    assert!(host.ask(&frame(0x30, None, &range), 2, ms(30_000)).ends_with(b"OK"));
    host.0.sleep(ms(1000));
    for (index, part) in contents.chunks(4096).enumerate() {
        let address = words(&[0x1_0000 + index as u32 * 4096]);
        assert_eq!(host.ask(&frame(0x31, None, &[&address, part].concat()), 2, ms(5000)), b"OK");
    }
    let hash = host.ask(&frame(0x3d, None, &words(&[0x1_0000, 8192])), 34, ms(10_000));
    assert_eq!(hash, [&b"OK\x20\x00"[..], &Sha256::digest(&contents)].concat());
    let read = host.ask(&frame(0x32, None, &words(&[0x1_0000, 4096])), 4100, ms(5000));
    assert_eq!(read, [&b"OK\x00\x10"[..], &contents[..4096]].concat());
    assert!(host.ask(&frame(0x3c, Some(0), &[]), 2, ms(60_000)).ends_with(b"OK"));
    assert!(host.0.module.flash().dump().iter().all(|byte| *byte == 0xff));
}

/// jq_flasher sends 6 ms of 55h, so that half of it comes after the ROM's OK, waits 100 ms after everything that it
/// writes, and starts the image with four frames whose answers it does not read.
#[test]
fn jq_flasher_writes_a_firmware() {
    let mut wire = Wire::new(500_000);
    let ask = |wire: &mut Wire, request: &[u8]| {
        wire.write(request);
        wire.drain();
        wire.sleep(ms(100));
        std::mem::take(&mut wire.heard)
    };
    wire.reset(ms(100));
    wire.sleep(ms(100));
    assert_eq!(ask(&mut wire, &[0x55; 300]), b"OK");
    assert_eq!(ask(&mut wire, &[0x10, 0, 0, 0]).len(), 28);
    let loader = loader();
    let (header, rest) = loader.split_at(BOOT_HEADER_BYTES);
    let (segment, data) = rest.split_at(SEGMENT_HEADER_BYTES);
    assert_eq!(ask(&mut wire, &frame(0x11, Some(0), header)), b"OK");
    assert_eq!(ask(&mut wire, &frame(0x17, Some(0), segment))[..2], *b"OK");
    for part in data.chunks(4080) {
        assert_eq!(ask(&mut wire, &frame(0x18, Some(0), part)), b"OK");
    }
    assert_eq!(ask(&mut wire, &frame(0x19, Some(0), &[])), b"OK");
    for word in [[0x4000_f100, 0x4e42_4845], [0x4000_f104, 0x2201_0000], [0x4000_0018, 0], [0x4000_0018, 2]] {
        wire.write(&frame(0x50, Some(0), &words(&word)));
    }
    wire.drain();
    wire.sleep(ms(100));
    wire.discard();
    assert_eq!(ask(&mut wire, &[0x55; 300]), b"OK");
    assert_eq!(ask(&mut wire, &frame(0x36, Some(0), &[])), b"OK\x04\x00\xc2\x20\x14\x80");
    let firmware = firmware(200_000);
    wire.write(&frame(0x30, None, &words(&[0, 199_999])));
    // Whatever is erased. After a short erase the loader would have left the session by then.
    wire.sleep(ms(5000));
    assert_eq!(std::mem::take(&mut wire.heard), b"PDPDPDPDOK");
    for (index, part) in firmware.chunks(2048).enumerate() {
        let address = words(&[index as u32 * 2048]);
        assert_eq!(ask(&mut wire, &frame(0x31, None, &[&address, part].concat())), b"OK");
    }
    for id in [0x3a, 0x60] {
        assert_eq!(ask(&mut wire, &frame(id, Some(0), &[])), b"OK");
    }
    let hash = ask(&mut wire, &frame(0x3e, None, &words(&[0, 176])));
    assert_eq!(hash, [&b"OK\x20\x00"[..], &Sha256::digest(&firmware[..176])].concat());
    assert_eq!(ask(&mut wire, &frame(0x61, Some(0), &[])), b"OK");
    assert_eq!(wire.module.flash().dump()[..200_000], firmware);
    assert_eq!(wire.module.otp().burn_count(), 0);
}
