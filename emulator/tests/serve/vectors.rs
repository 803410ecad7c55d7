//! The conformance vectors again, this time through the program and its pty.
//!
//! `bl702-emu check` runs them in virtual time; here it is seen that pty, pacing and files put nothing between client and chip.

use std::path::Path;

use bl702_emulator::conformance::{Action, Step, Vector};
use rstest::rstest;

use super::bench::{Client, Emulator, SILENCE_MS, arg, vectors, write};

const BAUD_BPS: u32 = 500_000;

fn pattern() -> Vec<u8> {
    (0..1_u32 << 20).map(|i| (7 * i + 13 * (i >> 8)) as u8).collect()
}

/// Rows whose steps are all things that a client can do.
fn is_for_a_client(row: &Vector) -> bool {
    let plain = |step: &Step| matches!(step.action, Action::Send(_) | Action::Handshake);
    row.flash_fail.is_empty() && row.boot_high && row.setup.iter().all(plain) && plain(&row.request)
}

fn play(row: &Vector, pace: &str, dir: &Path) {
    let mut args = vec!["--pace", pace];
    let (flash, efuse) = (dir.join("flash.bin"), dir.join("efuse.bin"));
    if row.is_for_loader() {
        args.extend(["--profile", "vectors-loader", "--start", "loader"]);
    } else {
        args.extend(["--profile", "vectors-rom"]);
    }
    if row.state.as_deref() == Some("pattern") {
        write(&flash, &pattern());
        args.extend(["--flash", arg(&flash)]);
    }
    if let Some(fuses) = row.efuse {
        write(&efuse, &fuses);
        args.extend(["--efuse", arg(&efuse)]);
    }
    let recording = dir.join("session.jsonl");
    args.extend(["--record", arg(&recording)]);
    let emulator = Emulator::run(&args);
    let baud_bps = row.baud_bps.unwrap_or(BAUD_BPS);
    let client = emulator.open(baud_bps);
    client.shake_hands(baud_bps);
    let mut baud_bps = baud_bps;
    for step in row.setup.iter().chain([&row.request]) {
        baud_bps = perform(&client, step, baud_bps, pace).unwrap_or_else(|difference| {
            let recording = std::fs::read_to_string(&recording).unwrap();
            panic!("{}: {difference}\n{recording}", row.name);
        });
    }
}

/// Does a step at this rate; gives the rate for the next one.
fn perform(client: &Client, step: &Step, baud_bps: u32, pace: &str) -> Result<u32, String> {
    let burst = vec![0x55; baud_bps as usize * 3 / 10_000];
    let request = match &step.action {
        Action::Send(request) => request,
        Action::Handshake if step.response.as_ref().is_some_and(|answer| !answer.is_empty()) => {
            client.shake_hands(baud_bps);
            return Ok(baud_bps);
        }
        // In vain, says the row.
        _ => &burst,
    };
    let answer_bps = changed_rate(request, baud_bps).unwrap_or(baud_bps);
    client.set_rates(baud_bps, answer_bps);
    match &step.response {
        Some(expected) if !expected.is_empty() => {
            let answer = client.ask(request, expected.len());
            if answer != *expected {
                return Err(format!("expected {expected:02x?}, got {answer:02x?}"));
            }
        }
        _ => {
            client.send(request);
            let on_the_line_ms =
                if pace == "wire" { request.len() as u64 * 10_000 / u64::from(baud_bps) } else { 0 };
            if !client.is_quiet(on_the_line_ms + SILENCE_MS) {
                return Err("an answer where none is expected".to_owned());
            }
        }
    }
    client.set_rates(answer_bps, answer_bps);
    Ok(answer_bps)
}

/// The ROM's command 20h names an old and a new rate, and is answered at the new one.
fn changed_rate(request: &[u8], baud_bps: u32) -> Option<u32> {
    let word = |at: usize| Some(u64::from(u32::from_le_bytes(request.get(at..at + 4)?.try_into().ok()?)));
    let (old_bps, new_bps) = (word(4)?, word(8)?);
    (request.len() == 12 && request.starts_with(&[0x20, 0, 8, 0]))
        .then(|| (u64::from(baud_bps) * new_bps / old_bps) as u32)
}

fn play_all(rows: impl Iterator<Item = Vector>, pace: &str) -> usize {
    let dir = tempfile::tempdir().unwrap();
    rows.filter(is_for_a_client).map(|row| play(&row, pace, dir.path())).count()
}

#[rstest]
fn rom_rows_that_hold_for_every_poll(#[values(0, 1, 2, 3)] quarter: usize) {
    let rows = vectors("rom").into_iter().filter(|row| row.class == "core").skip(quarter).step_by(4);
    assert!(play_all(rows, "none") > 40);
}

#[rstest]
fn rom_rows_that_hold_for_the_wire(#[values("wire", "none")] pace: &str) {
    let rows = vectors("rom").into_iter().filter(|row| row.class == "wire");
    assert_eq!(play_all(rows, pace), 19);
}

#[rstest]
fn loader_rows(#[values(0, 1, 2, 3)] quarter: usize) {
    let rows = vectors("loader").into_iter().filter(|row| matches!(row.class.as_str(), "core" | "quirk"));
    assert!(play_all(rows.skip(quarter).step_by(4), "none") > 30);
}

#[rstest]
fn loader_rows_on_the_wire(#[values(0, 1)] half: usize) {
    // Those that need no erase: 64 KiB take the flash of the vectors 300 ms.
    let short =
        |row: &Vector| row.class == "core" && !row.name.contains("erase") && row.request.response.is_some();
    let rows = vectors("loader").into_iter().filter(short);
    assert!(play_all(rows.skip(half).step_by(12), "wire") > 5);
}
