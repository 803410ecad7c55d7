//! Cuts: the supply at every operation of the flash, the cable behind every byte. Whatever the first run leaves behind, a
//! second one puts right.
//!
//! A cable can be cut in two ways, an adapter that is pulled out or a wire that breaks. By day the write has the one behind
//! every byte and the backup the other, and the two others have it behind every 31st. `BL702_NIGHTLY=1` makes it every byte
//! for all, with a second run behind each, and adds all pairs of power cuts.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use bl702_flasher::port::Port;
use bl702_flasher::port::emulated::EmulatedPort;
use bl702_harness::proof::bench::{Bench, FlashOperation, LinkCut, PowerCut};
use bl702_harness::proof::campaign::in_parallel;
use bl702_harness::proof::checker::{Verdict, judge};
use bl702_harness::proof::mutant::Mutant;
use bl702_harness::proof::run::{BOOT_BAUD_BPS, Done, Evidence, play_on};
use bl702_harness::proof::scene::{PieceOf, SECTOR, Scene, Work};
use bl702_protocol::time::Nanos;
use sha2::{Digest, Sha256};

/// A write that begins and ends inside a sector, so that there are bytes beside it to be kept.
fn write_of(bytes: u32) -> Scene {
    Scene::quiet(Work::Write { pieces: vec![PieceOf { address: 0x2800, bytes, seed: 5 }] })
}

fn bench_of(scene: &Scene) -> (Bench, Arc<Vec<u8>>) {
    let before = Arc::new(scene.cells_before());
    (bench_with(scene, &before), before)
}

fn bench_with(scene: &Scene, cells: &[u8]) -> Bench {
    Bench::new(EmulatedPort::new(scene.module(cells), BOOT_BAUD_BPS))
}

/// Every operation that a write makes the flash do.
fn operations(scene: &Scene) -> Vec<FlashOperation> {
    let (bench, before) = bench_of(scene);
    let mut bench = bench.watch_flash();
    let evidence = play_on(&mut bench, scene, before, Mutant::None);
    assert_eq!(judge(scene, &evidence), Ok(Verdict::Survived));
    let flash = bench.port().module().flash().operations();
    let counted = flash.pages_programmed + flash.units_erased + flash.status_writes;
    assert_eq!(bench.operations().len() as u64, counted, "the bench saw every operation");
    bench.operations().to_vec()
}

/// Before, inside and after each operation; an erase is torn in both of its phases.
fn moments(operations: &[FlashOperation]) -> Vec<Nanos> {
    let mut moments = BTreeSet::new();
    for FlashOperation { start, done } in operations {
        let span = *done - *start;
        moments.extend([*start, *start + span.scale(0.05), *start + span.scale(0.6), *done]);
    }
    moments.into_iter().collect()
}

/// What a second run does with what the first one left: as a person would who read its error.
fn second_run(bench: &mut Bench, scene: &Scene, first: &Evidence) -> Evidence {
    bench.mend();
    let plain = Scene { faults: vec![], interrupt_after: None, ..scene.clone() };
    if let Err(error) = &first.result
        && !error.failure().rescue.is_empty()
    {
        // The files it wrote with the content of sectors that were erased.
        let sectors = error.failure().rescue.iter();
        for sector in sectors {
            restore(bench, sector.address, &sector.bytes);
        }
    }
    let before = Arc::new(bench.port().module().flash().dump());
    play_on(bench, &plain, before, Mutant::None)
}

/// Puts a rescued sector back, as `write ADDRESS=FILE` does.
fn restore(bench: &mut Bench, address: u32, bytes: &[u8]) {
    assert_eq!((address % SECTOR, bytes.len() % SECTOR as usize), (0, 0), "whole sectors are rescued");
    let mut cells = bench.port().module().flash().dump();
    cells[address as usize..address as usize + bytes.len()].copy_from_slice(bytes);
    bench.port_mut().module_mut().flash_mut().load(&cells);
}

/// Cuts the supply, once or more; complaints about the run, and about the one after it.
fn complaint_of_power(scene: &Scene, cuts: Vec<PowerCut>) -> Option<String> {
    let (bench, before) = bench_of(scene);
    let mut bench = bench.cut_power(cuts.clone());
    let after = scene.cells_after(&before);
    let first = play_on(&mut bench, scene, before, Mutant::None);
    if let Err(broken) = judge(scene, &first) {
        return Some(format!("{cuts:?}: {broken:?}"));
    }
    let second = second_run(&mut bench, scene, &first);
    complaint_of_second(scene, &second, &after).map(|text| format!("{cuts:?}: {text}"))
}

fn complaint_of_second(scene: &Scene, second: &Evidence, after: &[u8]) -> Option<String> {
    match judge(scene, second) {
        Err(broken) => Some(format!("the second run: {broken:?}")),
        Ok(Verdict::Refused(name)) => Some(format!("the second run ended with {name}")),
        Ok(Verdict::Survived)
            if matches!(second.result, Ok(Done::Changed { .. })) && second.cells != after =>
        {
            Some("the second run left bytes that are not what they were before the first".to_owned())
        }
        Ok(Verdict::Survived) => None,
    }
}

fn assert_none(complaints: Vec<Option<String>>) {
    let runs = complaints.len();
    let complaints: Vec<String> = complaints.into_iter().flatten().collect();
    let few: Vec<&String> = complaints.iter().take(5).collect();
    assert!(complaints.is_empty(), "{} of {runs} cuts: {few:#?}", complaints.len());
}

#[test]
fn power_cut_at_every_operation_of_64_kib() {
    let scene = write_of(0x1_0000);
    let operations = operations(&scene);
    assert!(operations.len() > 260, "only {} operations", operations.len());
    let off = Nanos::from_millis(150);
    let cuts = moments(&operations)
        .into_iter()
        .flat_map(|at| [PowerCut { at, back: None }, PowerCut { at, back: Some(at + off) }]);
    let cuts: Vec<PowerCut> = cuts.collect();
    assert_none(in_parallel(&cuts, |cut| complaint_of_power(&scene, vec![*cut])));
}

/// The second cut comes in the run that goes on after the first, or, if that one gave up, finds the module idle.
#[test]
fn all_pairs_of_power_cuts_of_a_small_image() {
    if !is_nightly() {
        return;
    }
    let scene = write_of(0x900);
    let off = Nanos::from_millis(150);
    let single = moments(&operations(&scene));
    let mut pairs = Vec::new();
    for at in single {
        let first = PowerCut { at, back: Some(at + off) };
        let (bench, before) = bench_of(&scene);
        let mut bench = bench.cut_power(vec![first]).watch_flash();
        play_on(&mut bench, &scene, before, Mutant::None);
        let later: Vec<FlashOperation> =
            bench.operations().iter().filter(|operation| operation.start > at + off).copied().collect();
        pairs.extend(
            moments(&later).into_iter().map(|second| vec![first, PowerCut { at: second, back: None }]),
        );
        pairs.extend(
            moments(&later)
                .into_iter()
                .map(|second| vec![first, PowerCut { at: second, back: Some(second + off) }]),
        );
    }
    assert!(pairs.len() > 100, "only {} pairs", pairs.len());
    assert_none(in_parallel(&pairs, |cuts| complaint_of_power(&scene, cuts.clone())));
}

fn is_nightly() -> bool {
    std::env::var_os("BL702_NIGHTLY").is_some()
}

/// Cuts the cable behind every byte of a session, in both directions. What the module holds then, flash and program, decides
/// all that follows, so by day a second run is made once for each content of the flash.
fn link_cuts(scene: &Scene, vanishes: bool, stride: usize) {
    let (mut bench, before) = bench_of(scene);
    let after = scene.cells_after(&before);
    let clean = play_on(&mut bench, scene, Arc::clone(&before), Mutant::None);
    assert_eq!(judge(scene, &clean), Ok(Verdict::Survived));
    let (sent, received) = bench.bytes();
    let cuts = [(true, sent), (false, received)].into_iter().flat_map(|(to_module, count)| {
        (0..count).map(move |after_bytes| LinkCut { to_module, after_bytes, vanishes })
    });
    let cuts: Vec<LinkCut> = cuts.step_by(stride).collect();
    let seen = Mutex::new(BTreeSet::new());
    assert_none(in_parallel(&cuts, |cut| {
        let mut bench = bench_with(scene, &before).cut_link(*cut);
        let first = play_on(&mut bench, scene, Arc::clone(&before), Mutant::None);
        if let Err(broken) = judge(scene, &first) {
            return Some(format!("{cut:?}: {broken:?}"));
        }
        assert!(first.cut, "{cut:?} was never reached");
        if first.result.is_ok() && bench.port().module().flash().dump() != after {
            return Some(format!("{cut:?}: success, and yet another flash"));
        }
        let is_new = seen.lock().unwrap().insert(Vec::from(Sha256::digest(&first.cells).as_slice()));
        if !is_new && !is_nightly() {
            return None;
        }
        let second = second_run(&mut bench, scene, &first);
        complaint_of_second(scene, &second, &after).map(|text| format!("{cut:?}: {text}"))
    }));
}

/// A backup by a loader that runs already; the upload is part of the write.
fn backup_of_16_kib() -> Scene {
    Scene { loader_runs: true, ..Scene::quiet(Work::Backup { from: 0x2800, to: 0x6800, part: None }) }
}

/// Every byte is what `stride` leaves of them by day.
fn by_day(stride: usize) -> usize {
    if is_nightly() { 1 } else { stride }
}

#[test]
fn adapter_pulled_behind_every_byte_of_a_write() {
    link_cuts(&write_of(0x4000), true, 1);
}

#[test]
fn adapter_pulled_in_a_backup() {
    link_cuts(&backup_of_16_kib(), true, by_day(31));
}

#[test]
fn wire_broken_in_a_write() {
    link_cuts(&write_of(0x4000), false, by_day(31));
}

#[test]
fn wire_broken_behind_every_byte_of_a_backup() {
    link_cuts(&backup_of_16_kib(), false, 1);
}

#[test]
fn a_bench_without_cuts_is_a_plain_port() {
    let (bench, _) = bench_of(&backup_of_16_kib());
    assert_eq!((bench.now(), bench.bytes(), bench.has_cut()), (Nanos::ZERO, (0, 0), false));
}
