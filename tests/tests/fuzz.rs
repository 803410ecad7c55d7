//! Mutations of known inputs, and plain noise, for everything that reads bytes from outside: no panic, no memory without end.
//!
//! `BL702_FUZZ_ROUNDS` makes it more rounds than `cargo test` plays. What cargo-fuzz finds goes into `fixtures/corpus`.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::fs;

use bl702_harness::fuzz::{TARGETS, corpus};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rstest::rstest;

/// No target keeps more than a few megabytes; the rest is the test program with all its threads.
const MOST_KIB: u64 = 400 * 1024;

/// The most memory that this process ever had.
fn peak_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// One step away from an input: bytes changed, removed, repeated, or taken from another one.
fn mutate(rng: &mut ChaCha8Rng, inputs: &[Vec<u8>]) -> Vec<u8> {
    let any = |rng: &mut ChaCha8Rng| inputs[rng.random_range(0..inputs.len() as u32) as usize].clone();
    let mut bytes = any(rng);
    for _ in 0..rng.random_range(1..6u32) {
        let len = bytes.len() as u32;
        let at = rng.random_range(0..len + 1) as usize;
        let span = rng.random_range(0..len.min(64) + 1) as usize;
        let end = (at + span).min(bytes.len());
        match rng.random_range(0..7u32) {
            0 => drop(bytes.drain(at..end)),
            1 => bytes.insert(at, rng.next_u32() as u8),
            2 => {
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
            3 => {
                let other = any(rng);
                let from = rng.random_range(0..other.len() as u32 + 1) as usize;
                let to = (from + 64).min(other.len());
                bytes.splice(at..end, other[from..to].iter().copied());
            }
            4 => bytes[at..end].iter_mut().for_each(|byte| *byte = rng.next_u32() as u8),
            5 if at < bytes.len() => bytes[at] = [0x00, 0xFF, 0x7F, 0x80, b'0', b'9', b'"'][span % 7],
            _ if at < bytes.len() => bytes[at] ^= 1 << (span % 8),
            _ => {}
        }
    }
    bytes.truncate(64 * 1024);
    bytes
}

fn inputs(target: &str) -> Vec<Vec<u8>> {
    let mut files: Vec<_> =
        fs::read_dir(corpus(target)).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

#[rstest]
fn no_input_does_harm(#[values(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)] index: usize) {
    let target = TARGETS[index];
    let inputs = inputs(target.name);
    assert!(!inputs.is_empty(), "no corpus for {}", target.name);
    inputs.iter().for_each(|input| (target.feed)(input));
    let more = std::env::var("BL702_FUZZ_ROUNDS").ok().and_then(|rounds| rounds.parse().ok());
    let rounds = more.unwrap_or(if target.is_slow { 1_500 } else { 20_000 });
    let mut rng = ChaCha8Rng::seed_from_u64(index as u64);
    for round in 0..rounds {
        let mut input = mutate(&mut rng, &inputs);
        if round % 16 == 0 {
            input = vec![0; rng.random_range(0..600u32) as usize];
            rng.fill_bytes(&mut input);
        }
        let caught = std::panic::catch_unwind(|| (target.feed)(&input));
        assert!(caught.is_ok(), "{}, round {round}: {}", target.name, hex(&input));
    }
    let peak = peak_kib();
    assert!(peak < MOST_KIB, "{}: {peak} KiB", target.name);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn every_target_has_a_case() {
    assert_eq!(TARGETS.len(), 13, "the values above name every target");
}
