//! What is sent to the boot ROM does no harm when a byte of it is damaged: the ROM has no checksum, and where it does not know
//! an id it looks for one in the bytes that follow (ROM reference 1.3). Each frame of an upload is damaged in each byte of its
//! head and sent to the emulated ROM; no flash cell and no fuse may change. Where that cannot be had, the run says so.
#![cfg(feature = "emulated")]
#![allow(clippy::unwrap_used, reason = "a test")]

use std::sync::Arc;

use bl702_emulator::event::Stage;
use bl702_emulator::fault::{Direction, Effect, Fault, FaultPlan, LineEffect, Span, When};
use bl702_emulator::module::Module;
use bl702_emulator::profile::Profile;
use bl702_flasher::Nanos;
use bl702_flasher::connect::ConnectOptions;
use bl702_flasher::driver;
use bl702_flasher::error::{Error, FlashState};
use bl702_flasher::event::Event;
use bl702_flasher::flow::{self, After};
use bl702_flasher::loader::LoaderImage;
use bl702_flasher::port::emulated::EmulatedPort;
use bl702_flasher::port::{Port, PortError};
use bl702_flasher::reset::Lines;
use bl702_protocol::image::boot_header::DEADBEEF;
use bl702_protocol::image::ram_image::RamImage;

const BOOT_BAUD_BPS: u32 = 500_000;

/// As many bytes as the vendor's loader has, with as many command ids in them as chance puts there.
fn noise() -> Vec<u8> {
    let mut state = 0x0702_0001_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..59_200).map(|_| next()).collect()
}

/// An image whose header says, as the vendor's, that neither it nor the data are to be compared with anything.
fn unchecked_image() -> RamImage {
    let mut image = RamImage::from_segment(0x2201_0000, &noise());
    // In the vendor's header these erase commands stand; 31h is there, too.
    image.header.flash_config[4..13].copy_from_slice(&[0x31, 0, 5, 0, 0x12, 0, 0, 0, 0x01]);
    image.header.flash_config[16..24].copy_from_slice(&[0xC7, 0x20, 0x52, 0xD8, 0x06, 0x02, 0x32, 0x00]);
    image.header.boot_config.0 |= 3 << 16;
    image.header.hash[..4].copy_from_slice(&DEADBEEF.to_le_bytes());
    image.header.crc32 = DEADBEEF;
    image
}

/// Counts what is sent before the transfer rate is taken.
struct Tap {
    port: EmulatedPort,
    frames: Vec<Vec<u8>>,
    is_rom: bool,
}

impl Port for Tap {
    fn now(&self) -> Nanos {
        self.port.now()
    }

    fn read(&mut self, buffer: &mut [u8], until: Nanos) -> Result<usize, PortError> {
        self.port.read(buffer, until)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), PortError> {
        if self.is_rom && bytes.iter().any(|byte| *byte != 0x55) {
            self.frames.push(bytes.to_vec());
        }
        self.port.write(bytes)
    }

    fn set_baud(&mut self, baud_bps: u32) -> Result<(), PortError> {
        self.is_rom &= baud_bps == BOOT_BAUD_BPS;
        self.port.set_baud(baud_bps)
    }

    fn has_lines(&mut self) -> bool {
        self.port.has_lines()
    }

    fn set_lines(&mut self, lines: Lines) -> Result<(), PortError> {
        self.port.set_lines(lines)
    }

    fn purge_input(&mut self) -> Result<(), PortError> {
        self.port.purge_input()
    }
}

fn module(faults: FaultPlan) -> Module {
    let profile = Profile::builtin("bl702-512k-kh").unwrap();
    Module::builder(profile).flash(vec![0x5A; 0x8_0000]).faults(faults).build()
}

/// Runs `info` with an image; the frames that the ROM got, and the events.
fn upload(image: &RamImage, faults: FaultPlan) -> (Tap, Vec<Event>) {
    let (tap, events, result) = try_upload(image, faults);
    result.unwrap();
    (tap, events)
}

fn try_upload(image: &RamImage, faults: FaultPlan) -> (Tap, Vec<Event>, Result<(), Error>) {
    let loader = LoaderImage::from_bytes("noise", &image.to_bytes()).unwrap();
    let options =
        Arc::new(ConnectOptions { loader: Some(Arc::new(loader)), has_lines: true, ..Default::default() });
    let port = EmulatedPort::new(module(faults), BOOT_BAUD_BPS);
    let mut tap = Tap { port, frames: Vec::new(), is_rom: true };
    let mut events = Vec::new();
    let flow = |link| flow::info(link, options, After::Stay);
    let result = driver::run(&mut tap, BOOT_BAUD_BPS, flow, |_, event| events.push(event), || false);
    (tap, events, result.map(|report| assert!(report.flash.is_some())))
}

/// The n-th byte of a command of the ROM has this bit flipped, once.
fn flipped(command: u8, byte: u64, bit: u8) -> FaultPlan {
    let when = When {
        stage: Some(Stage::Rom),
        command: Some(command),
        direction: Some(Direction::ToModule),
        frame_byte: Some(Span::one(byte)),
        times: Some(1),
        ..When::always()
    };
    FaultPlan::from_iter([Fault::new(Effect::Line(LineEffect::FlipBit { bit: Some(bit) })).when(when)])
}

/// Each bit of the head flipped; each byte of it lost, doubled, or one that begins harm slipped in before it.
fn damaged(frame: &[u8]) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    for at in 0..4 {
        for bit in 0..8 {
            let mut flipped = frame.to_vec();
            flipped[at] ^= 1 << bit;
            frames.push(flipped);
        }
        let mut lost = frame.to_vec();
        lost.remove(at);
        frames.push(lost);
        for byte in [frame[at], 0x10, 0x20, 0x30, 0x31, 0x33, 0x40, 0x50, 0x80, 0x81, 0x90] {
            let mut longer = frame.to_vec();
            longer.insert(at, byte);
            frames.push(longer);
        }
    }
    frames
}

fn hear(port: &mut EmulatedPort, span: Nanos) -> Vec<u8> {
    let (end, mut heard, mut buffer) = (port.now() + span, Vec::new(), [0; 64]);
    while port.now() < end {
        let count = port.read(&mut buffer, end).unwrap();
        heard.extend_from_slice(&buffer[..count]);
    }
    heard
}

/// How many operations of flash and fuses come of these frames, the last of which nobody answers for long.
fn operations(frames: &[&[u8]]) -> u64 {
    let mut port = EmulatedPort::new(module(FaultPlan::default()), BOOT_BAUD_BPS);
    hear(&mut port, Nanos::from_millis(30));
    port.write(&[0x55; 150]).unwrap();
    assert!(hear(&mut port, Nanos::from_millis(30)).starts_with(b"OK"));
    for frame in frames {
        port.write(frame).unwrap();
        hear(&mut port, Nanos::from_millis(120));
    }
    hear(&mut port, Nanos::from_secs(3));
    let flash = port.module().flash().operations();
    flash.pages_programmed
        + flash.units_erased
        + flash.chip_erases
        + u64::from(port.module().otp().burn_count())
}

#[test]
fn a_damaged_byte_makes_the_rom_change_nothing() {
    let (tap, _) = upload(&unchecked_image(), FaultPlan::default());
    let frames = tap.frames;
    let ids: Vec<u8> = frames.iter().map(|frame| frame[0]).collect();
    assert_eq!(ids[..4], [0x10, 0x10, 0x11, 0x17]);
    assert!(ids.iter().filter(|id| **id == 0x18).count() > 15, "{ids:02x?}");
    let mut played = 0;
    for (index, frame) in frames.iter().enumerate() {
        // 11h and 31h differ in one bit: see below.
        for damaged in damaged(frame).iter().filter(|damaged| (frame[0], damaged[0]) != (0x11, 0x31)) {
            // What came before matters as far as the ROM remembers it: the header, and the frame before.
            let before = frames[..index].iter().filter(|frame| frame[0] == 0x17).take(1);
            let before: Vec<&[u8]> =
                before.chain(frames[..index].last()).map(Vec::as_slice).chain([damaged.as_slice()]).collect();
            let count = operations(&before);
            assert_eq!(
                count,
                0,
                "frame {index}, {:02x?} ... damaged to {:02x?} ...",
                &frame[..4],
                &damaged[..4]
            );
            played += 1;
        }
    }
    assert!(played > 2_000, "{played} damaged frames");
}

/// The danger is real: data cut as others cut them do make the ROM write, and this test would see it.
#[test]
fn data_cut_without_care_would_be_written_to_flash() {
    let harmful = noise()
        .chunks(4092)
        .filter(|data| {
            let mut frame = vec![0x98, 0, data.len() as u8, (data.len() >> 8) as u8];
            frame.extend_from_slice(data);
            operations(&[&frame]) > 0
        })
        .count();
    assert!(harmful > 0);
}

/// One bit makes 11h a write (31h) of the header, and the ROM answers `OK` to either. The next command shows it, and the flash.
#[test]
fn a_header_that_became_a_write_is_found_out() {
    let (tap, _, result) = try_upload(&unchecked_image(), flipped(0x11, 0, 5));
    assert_eq!(tap.port.module().flash().operations().pages_programmed, 1);
    let error = result.unwrap_err();
    // 504E4642h ("BFNP") in a flash of 512 KiB.
    insta::assert_snapshot!(error, @"the boot ROM took the boot header (11h) for a write (31h) and programmed it into flash at 0x64642..0x646ee, which nobody wanted: bits there have become 0");
    assert_eq!((error.exit_code(), &error.failure().flash), (1, &FlashState::Damaged));
    let (cause, next) = (error.cause().unwrap_or_default(), error.advice());
    insta::assert_snapshot!(cause, @"one bit of the command was inverted on the line, and the boot ROM knows no checksum; it answered OK, and the next step showed that it had no header");
    insta::assert_snapshot!(next, @"Shorten the wires and lower --boot-baud (115200). Then run the same command again, and write that range anew, from a backup or the firmware's file, unless the run does so anyway.");
}

/// A header that must go as it is, and holds what the ROM can take for a write.
#[test]
fn what_cannot_be_helped_is_told() {
    let mut image = unchecked_image();
    image.header.boot_config.0 &= !(3 << 16);
    image.header.hash = RamImage::from_segment(0x2201_0000, &noise()).header.hash;
    image.header.seal();
    let (tap, events) = upload(&image, flipped(0x11, 0, 1));
    assert!(tap.port.module().flash().operations().pages_programmed > 0, "the ROM did take it for a write");
    let warnings: Vec<&String> = events
        .iter()
        .filter_map(|event| match event {
            Event::Warning { text } => Some(text),
            _ => None,
        })
        .collect();
    insta::assert_snapshot!(warnings[0], @"command 17h was not answered as it should be: the boot ROM, which knows no checksum, may have taken parts of a damaged frame for command 31h, which changes flash, fuses or registers. If the flash holds what matters, compare it with a backup");
    let survived =
        events.iter().any(|event| matches!(event, Event::Survived(troubles) if troubles.misread_frames == 1));
    assert!(survived);
}

/// A bit of the data that is lost on the way: the vendor's header would let it pass, and a damaged program would run.
#[test]
fn a_damaged_program_is_not_run() {
    let (tap, events) = upload(&unchecked_image(), flipped(0x18, 20, 3));
    let refused = |event: &&Event| matches!(event, Event::Retry { cause } if cause.contains("FL0217"));
    assert_eq!(events.iter().filter(refused).count(), 1, "{events:#?}");
    assert_eq!(tap.frames.iter().filter(|frame| frame[0] == 0x19).count(), 2);
}
