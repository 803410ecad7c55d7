//! Burning fuses, over every single damage to a line and through every cut of the supply: no fuse beyond those that were
//! asked for is ever burnt, success is told only if all of them are, and an error tells which are.
#![cfg(feature = "emulated")]
#![allow(clippy::unwrap_used, reason = "a test")]

use std::sync::Arc;

use bl702_emulator::module::{Module, Start};
use bl702_emulator::profile::{Profile, Wiring};
use bl702_flasher::Nanos;
use bl702_flasher::connect::ConnectOptions;
use bl702_flasher::driver;
use bl702_flasher::efuse::{BurnPermit, Effect, Wanted, WordBurn, parse_settings};
use bl702_flasher::error::{Error, FuseState};
use bl702_flasher::flow::{self, After, BurnReport};
use bl702_flasher::port::emulated::{EmulatedPort, made_up_loader};
use bl702_flasher::port::{Port, PortError};
use bl702_flasher::reset::Lines;
use bl702_flasher::timing::{Pace, Timing};
use bl702_protocol::efuse::Efuse;
use rstest::rstest;

/// What happens to the bytes that the host sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Damage {
    Flip(u8),
    Lost,
    Doubled,
    /// The supply is gone for a moment when this byte has been sent.
    PowerCut,
    /// The adapter is unplugged instead of sending this byte.
    Unplugged,
}

struct FaultyPort {
    port: EmulatedPort,
    fault: Option<(usize, Damage)>,
    sent: usize,
    fired: bool,
    unplugged: bool,
    /// Offset, id and length of each frame sent.
    frames: Vec<(usize, u8, usize)>,
}

impl FaultyPort {
    fn cut_power(&mut self) {
        let now = self.port.now();
        self.port.module_mut().set_power(now, false);
        self.port.module_mut().set_power(now + Nanos::from_millis(5), true);
    }
}

impl Port for FaultyPort {
    fn now(&self) -> Nanos {
        self.port.now()
    }

    fn read(&mut self, buffer: &mut [u8], until: Nanos) -> Result<usize, PortError> {
        self.port.read(buffer, until)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), PortError> {
        if self.unplugged {
            return Err(PortError::Vanished { path: "/dev/ttyUSB0".into() });
        }
        let start = self.sent;
        self.sent += bytes.len();
        if bytes[0] != 0x55 {
            self.frames.push((start, bytes[0], bytes.len()));
        }
        let Some((at, damage)) = self.fault.filter(|(at, _)| (start..self.sent).contains(at)) else {
            return self.port.write(bytes);
        };
        self.fired = true;
        let (index, mut bytes) = (at - start, bytes.to_vec());
        match damage {
            Damage::Flip(mask) => bytes[index] ^= mask,
            Damage::Lost => drop(bytes.remove(index)),
            Damage::Doubled => bytes.insert(index, bytes[index]),
            Damage::PowerCut => {
                bytes.truncate(index + 1);
                self.port.write(&bytes)?;
                // So that the last byte has left the wire; a burn takes the loader longer than that.
                let sent = self.port.now() + Nanos::byte_times(bytes.len() as u64, 500_000);
                self.port.module_mut().advance(sent);
                self.cut_power();
                return Ok(());
            }
            Damage::Unplugged => {
                bytes.truncate(index);
                self.unplugged = true;
                if !bytes.is_empty() {
                    self.port.write(&bytes)?;
                }
                return Err(PortError::Vanished { path: "/dev/ttyUSB0".into() });
            }
        }
        if bytes.is_empty() { Ok(()) } else { self.port.write(&bytes) }
    }

    fn set_baud(&mut self, baud_bps: u32) -> Result<(), PortError> {
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

struct Run {
    result: Result<BurnReport, Error>,
    before: Efuse,
    fuses: Efuse,
    burnt: u32,
    sent: usize,
    frames: Vec<(usize, u8, usize)>,
    fired: bool,
}

/// Two words, one of them with single bits among zeros, which a plain checksum guards badly.
const SETTINGS: [&str; 2] = ["uart_log_disable=1", "key_slot_4_w0_w1=0180000000000000"];

fn run(settings: &[&str], start: Start, wiring: Wiring, permit: bool, fault: Option<(usize, Damage)>) -> Run {
    let profile = Profile { wiring, ..Profile::builtin("xt-zb2").unwrap() };
    let before = Efuse(profile.efuse);
    let port = EmulatedPort::new(Module::builder(profile).start(start).build(), 500_000);
    let mut port = FaultyPort { port, fault, sent: 0, fired: false, unplugged: false, frames: vec![] };
    let options = Arc::new(ConnectOptions {
        has_lines: port.has_lines(),
        loader: Some(Arc::new(made_up_loader().unwrap())),
        timing: Timing::of(Pace::Fast),
        ..ConnectOptions::default()
    });
    let settings: Vec<String> = settings.iter().map(|text| (*text).to_owned()).collect();
    let wanted = Wanted::Fields(parse_settings(&settings).unwrap());
    let accepted = vec![Effect::named("write-locked").unwrap()];
    let permit = BurnPermit::from_option(permit);
    let flow = |link| flow::burn_fuses(link, options, After::Reset, wanted, accepted, permit);
    let result = driver::run(&mut port, 500_000, flow, |_, _| {}, || false);
    let otp = port.port.module().otp();
    Run {
        result,
        before,
        fuses: Efuse(otp.fuses()),
        burnt: otp.burn_count(),
        sent: port.sent,
        frames: port.frames,
        fired: port.fired,
    }
}

fn holds(fuses: &Efuse, word: &WordBurn) -> bool {
    fuses.word(usize::from(word.offset)) == word.after()
}

/// What is wrong with how a run ended.
fn complaint(run: &Run, target: &Efuse) -> Option<String> {
    let beyond = (0..128).step_by(4).find(|at| run.fuses.word(*at) & !target.word(*at) != 0);
    if let Some(at) = beyond {
        return Some(format!("word {at:02x}h is {:08x}: more than was asked for", run.fuses.word(at)));
    }
    let error = match &run.result {
        Ok(report) if !report.burnt => return Some("told that it burnt nothing".to_owned()),
        Ok(_) => return (run.fuses != *target).then(|| "success, but not all is burnt".to_owned()),
        Err(error) => error,
    };
    let told = match &error.failure().fuses {
        FuseState::Untouched => run.burnt == 0,
        FuseState::Burning { burnt, unsettled: _, left } => {
            burnt.iter().all(|word| holds(&run.fuses, word))
                && left.iter().all(|word| run.fuses.word(usize::from(word.offset)) == word.before)
        }
    };
    (!told).then(|| format!("{error}; fuses said to be {}", error.failure().fuses))
}

fn campaign(start: Start, wiring: Wiring, faults: impl Fn(&Run) -> Vec<(usize, Damage)>) {
    let clean = run(&SETTINGS, start, wiring, true, None);
    let report = clean.result.as_ref().unwrap();
    let target = report.plan.after;
    assert_eq!((clean.fuses, clean.burnt), (target, 3));
    assert_eq!(clean.frames.iter().filter(|(_, id, _)| *id == 0x40).count(), 2);
    let faults = faults(&clean);
    let mut wrong = Vec::new();
    for fault in &faults {
        let run = run(&SETTINGS, start, wiring, true, Some(*fault));
        assert!(run.fired, "{fault:?} never fired");
        wrong.extend(complaint(&run, &target).map(|text| format!("{fault:?}: {text}")));
        // One bad byte is to be survived; a cable that is out is not.
        let survivable =
            matches!(fault.1, Damage::Flip(_) | Damage::Lost | Damage::Doubled | Damage::PowerCut);
        if survivable && wiring != Wiring::None {
            wrong.extend(run.result.err().map(|error| format!("{fault:?}: {error}")));
        }
    }
    println!("{} runs", faults.len());
    assert!(wrong.is_empty(), "{} of {} runs went wrong: {wrong:#?}", wrong.len(), faults.len());
}

/// Offsets of all bytes of frames with these ids, the first `most` and the last `most` frames of each.
fn bytes_of(run: &Run, ids: &[u8], most: usize) -> Vec<usize> {
    let mut offsets = Vec::new();
    for id in ids {
        let frames: Vec<_> = run.frames.iter().filter(|(_, this, _)| this == id).collect();
        let chosen =
            frames.iter().take(most).chain(frames.iter().skip(most.max(frames.len().saturating_sub(most))));
        offsets.extend(chosen.flat_map(|(start, _, len)| *start..start + len));
    }
    offsets
}

/// Every bit of every frame, from the handshake to the reset at the end.
#[rstest]
fn every_flipped_bit_of_a_burn(#[values(0, 1, 2, 3, 4, 5, 6, 7)] bit: u8, #[values(0, 1)] half: usize) {
    campaign(Start::Loader, Wiring::RtsEn, |clean| {
        (half..clean.sent).step_by(2).map(|at| (at, Damage::Flip(1 << bit))).collect()
    });
}

/// The head of every frame of the whole session, upload included, and of every reading.
#[test]
fn every_flipped_bit_of_every_command_id() {
    campaign(Start::Rom, Wiring::RtsEn, |clean| {
        let heads = clean.frames.iter().map(|(start, _, _)| *start);
        heads.flat_map(|at| (0..8).map(move |bit| (at, Damage::Flip(1 << bit)))).collect()
    });
}

#[test]
fn every_lost_and_every_doubled_byte_of_a_burn() {
    campaign(Start::Loader, Wiring::RtsEn, |clean| {
        let offsets = bytes_of(clean, &[0x40, 0x42, 0x10], usize::MAX).into_iter();
        let offsets = offsets.chain(bytes_of(clean, &[0x51], 8));
        offsets.flat_map(|at| [(at, Damage::Lost), (at, Damage::Doubled)]).collect()
    });
}

#[rstest]
fn a_cut_after_every_byte(#[values(0, 1, 2, 3)] quarter: usize) {
    campaign(Start::Loader, Wiring::RtsEn, |clean| {
        (quarter..clean.sent).step_by(4).map(|at| (at, Damage::PowerCut)).collect()
    });
}

#[test]
fn a_pulled_cable_at_every_byte() {
    campaign(Start::Loader, Wiring::RtsEn, |clean| {
        (0..clean.sent).map(|at| (at, Damage::Unplugged)).collect()
    });
}

/// Where no line can reset the module, not all is survived, but nothing is burnt that was not to be.
#[test]
fn damage_without_lines() {
    campaign(Start::Rom, Wiring::None, |clean| {
        let burns = bytes_of(clean, &[0x40, 0x42], usize::MAX).into_iter();
        burns
            .flat_map(|at| {
                [Damage::Flip(0x10), Damage::Flip(1), Damage::Lost, Damage::PowerCut].map(|d| (at, d))
            })
            .collect()
    });
}

#[test]
fn without_a_permit_nothing_is_sent_that_burns() {
    let run = run(&SETTINGS, Start::Rom, Wiring::RtsEn, false, None);
    assert_eq!((run.burnt, run.fuses), (0, run.before));
    assert!(run.frames.iter().all(|(_, id, _)| !matches!(*id, 0x40 | 0x43 | 0x80)));
    let report = run.result.unwrap();
    assert!(!report.burnt && report.plan.words.len() == 2);
}

#[test]
fn what_was_not_named_is_refused_before_anything_is_burnt() {
    let run = run(&["uartboot_disable=1", "wr_lock.key_slot_0=1"], Start::Rom, Wiring::RtsEn, true, None);
    assert_eq!(run.burnt, 0);
    assert!(run.frames.iter().all(|(_, id, _)| *id != 0x40));
    let error = run.result.unwrap_err();
    assert_eq!(error.exit_code(), 3);
    assert_eq!(error.to_string(), "this would bring about what was not named: uart-boot-disabled");
}
