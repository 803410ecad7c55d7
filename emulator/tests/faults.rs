//! Every mode of the catalogue in a session of bytes: each fires, or says why it never does.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use bl702_emulator::Nanos;
use bl702_emulator::fault::FaultReport;
use bl702_emulator::fault::catalogue::{self, Mode};
use bl702_emulator::module::Module;
use bl702_emulator::profile::Profile;
use bl702_emulator::transport::memory::MemoryLink;

const LOADER_IMAGE: &[u8] = include_bytes!("../../fixtures/images/made-up-ram-loader.bin");
/// 22h as the vendor's tool sends it when it is told that the chip is a BL702L (`reference/clients.md` section 7).
const CLOCK_SET: [u8; 28] = [
    0x22, 0x8e, 0x18, 0x00, 0x01, 0, 0, 0, 0x80, 0x84, 0x1e, 0x00, 0x50, 0x43, 0x46, 0x47, 0x01, 0x04, 0,
    0x01, 0, 0, 0, 0, 0x54, 0xd2, 0xa7, 0x60,
];

fn frame(id: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![id, 0];
    frame.extend((payload.len() as u16).to_le_bytes());
    frame.extend(payload);
    frame
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn power_up(mode: &Mode) -> MemoryLink {
    let contents = (0..0x1_0000_u32).map(|i| (7 * i) as u8).collect();
    let module = Module::builder(Profile::builtin("xt-zb2").unwrap())
        .flash(contents)
        .seed(7)
        .faults(mode.plan.clone());
    MemoryLink::new(module.build(), 500_000)
}

/// Pulses EN and shakes hands with the boot ROM, up to five times.
fn reach_rom(link: &mut MemoryLink) {
    for _ in 0..5 {
        let now = link.module().now();
        link.module_mut().set_enable(now, false);
        link.module_mut().set_enable(now + Nanos::from_millis(50), true);
        link.pause(Nanos::from_millis(100));
        if link.exchange(&[0x55; 150]) == b"OK" {
            return;
        }
    }
}

/// What a client does that reads, erases and writes.
fn standard_session(link: &mut MemoryLink) {
    reach_rom(link);
    link.exchange(&frame(0x10, &[]));
    link.exchange(&frame(0x11, &LOADER_IMAGE[..176]));
    link.exchange(&frame(0x17, &LOADER_IMAGE[176..192]));
    for part in LOADER_IMAGE[192..].chunks(4080) {
        link.exchange(&frame(0x18, part));
    }
    link.exchange(&frame(0x19, &[]));
    let start = [[0x4000_f100, 0x4e42_4845], [0x4000_f104, 0x2201_0000], [0x4000_0018, 0], [0x4000_0018, 2]];
    for store in start {
        link.exchange(&frame(0x50, &words(&store)));
    }
    link.pause(Nanos::from_millis(300));
    link.set_baud(2_000_000);
    link.exchange(&[0x55; 600]);
    for id in [0x10, 0x36, 0x42] {
        link.exchange(&frame(id, &[]));
    }
    link.exchange(&frame(0x41, &words(&[0, 128])));
    link.exchange(&frame(0x37, &words(&[0x05, 1])));
    for round in 0..3 {
        link.exchange(&frame(0x30, &words(&[0x2000, 0x3fff])));
        for address in (0x2000..0x4000).step_by(1024) {
            let data: Vec<u8> = (0..1024_u32).map(|i| (i + round) as u8).collect();
            link.exchange(&frame(0x31, &[words(&[address]), data].concat()));
            link.exchange(&frame(0x3a, &[]));
        }
        for address in (0x2000..0x4000).step_by(1024) {
            link.exchange(&frame(0x32, &words(&[address, 1024])));
        }
        link.exchange(&frame(0x3d, &words(&[0x2000, 0x2000])));
    }
    link.exchange(&frame(0x3c, &[]));
    link.exchange(&frame(0x32, &words(&[0x10_2000, 64])));
    link.exchange(&frame(0x21, &[]));
}

/// What the vendor's tool does that is told of another chip.
fn session_of_another_chip(link: &mut MemoryLink) {
    reach_rom(link);
    link.exchange(&frame(0x10, &[]));
    for _ in 0..4 {
        link.exchange(&CLOCK_SET);
    }
    link.exchange(&frame(0x36, &[]));
}

/// The session in which a mode fires.
fn session_of(name: &str) -> fn(&mut MemoryLink) {
    match name {
        "wrong-profile" | "pll-refused" => session_of_another_chip,
        _ => standard_session,
    }
}

fn report_of(mode: &Mode) -> FaultReport {
    let mut link = power_up(mode);
    session_of(&mode.about.name)(&mut link);
    assert_eq!(link.module().otp().burn_count(), 0, "{}", mode.about.name);
    link.module().fault_report()
}

#[test]
fn every_mode_fires_in_its_session() {
    let mut silent = Vec::new();
    for mode in catalogue::modes().unwrap() {
        let report = report_of(&mode);
        assert_eq!(report.faults.len(), mode.plan.faults.len());
        silent.extend(report.never_fired().map(|fault| fault.name.clone()));
    }
    assert_eq!(silent, [""; 0]);
}

#[test]
fn the_same_seed_does_the_same() {
    for mode in catalogue::modes().unwrap() {
        assert_eq!(report_of(&mode), report_of(&mode), "{}", mode.about.name);
    }
}

#[test]
fn only_a_healthy_module_has_no_faults() {
    let healthy = catalogue::modes().unwrap().into_iter().filter(|mode| mode.plan.is_empty());
    assert_eq!(healthy.map(|mode| mode.about.name).collect::<Vec<_>>(), ["wrong-profile"]);
}

#[test]
fn a_fault_of_the_loader_never_fires_for_who_stays_with_the_rom() {
    for name in
        ["jedec-fail", "flash-protected", "dropped-byte", "power-cut-erase", "usb-unplug", "program-fail"]
    {
        let mut link = power_up(&catalogue::mode(name).unwrap());
        reach_rom(&mut link);
        assert_eq!(link.exchange(&frame(0x10, &[])).len(), 28);
        let report = link.module().fault_report();
        assert_eq!(report.fired().count(), 0, "{name}: {report:?}");
        assert_eq!(report.faults[0].to_string().split_once(": ").unwrap().1, "armed, never fired");
    }
}

#[test]
fn modes_are_documented_and_their_names_are_those_that_were_promised() {
    for mode in catalogue::modes().unwrap() {
        let about = &mode.about;
        for text in [&about.name, &about.title, &about.models, &about.source, &about.wire, &about.official] {
            assert!(!text.is_empty(), "{}", about.name);
        }
        assert!(mode.plan.faults.iter().all(|fault| fault.title() == about.name));
    }
    let names = catalogue::names();
    for name in [
        "efuse-locked",
        "efuse-sign",
        "efuse-encrypt",
        "efuse-tz-boot",
        "efuse-uart-disabled",
        "efuse-hbn-jump-disabled",
        "efuse-media-boot-disabled",
        "efuse-read-refused",
        "pll-fail",
        "pll-refused",
        "jedec-fail",
        "jedec-dead",
        "jedec-refused",
        "wrong-profile",
        "boot-strap-low",
        "boot-strap-floating",
        "en-held",
        "loader-running",
        "flash-protected",
        "flash-worn",
        "adapter-1m-max",
        "ftdi-16ms",
        "usb-unplug",
        "brown-out",
    ] {
        assert!(names.contains(&name.to_owned()), "{name}");
    }
    assert_eq!(catalogue::mode("efuse-locked").unwrap().about.name, "efuse-sign");
    let error = catalogue::mode("efuse-lock").unwrap_err().to_string();
    assert!(error.contains("no fault is called \"efuse-lock\"; there are efuse-"), "{error}");
}

#[test]
fn the_readme_names_every_mode() {
    let readme = include_str!("../../README.md");
    let missing: Vec<String> =
        catalogue::names().into_iter().filter(|name| !readme.contains(&format!("`{name}`"))).collect();
    assert_eq!(missing, [""; 0]);
}

#[test]
fn the_catalogue_is_what_lies_in_the_fixtures() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/faults");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<String> = files
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    files.sort();
    let mut modes: Vec<String> =
        catalogue::modes().unwrap().into_iter().map(|mode| mode.about.name).collect();
    modes.sort();
    assert_eq!(files, modes);
    assert!(
        catalogue::load(&format!("{folder}/stall.toml")).unwrap() == catalogue::mode("stall").unwrap().plan
    );
}
