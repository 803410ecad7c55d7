//! Writes the same image to several modules at once, one thread each, and gives one verdict for each. A module that fails
//! has no effect on the others; Ctrl-C in a real program would press `Cancel` for all.
//!
//! ```sh
//! cargo run --example flash_three_boards -- firmware.img /dev/ttyUSB0 /dev/ttyUSB1 /dev/ttyUSB2
//! ```

use std::process::ExitCode;
use std::thread;

use bl702_flasher::error::Error;
use bl702_flasher::flow::ChangeReport;
use bl702_flasher::{Cancel, Flasher};

/// Where the image goes: behind boot2 and the partition tables.
const ADDRESS: u32 = 0x3000;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (Some(file), ports) = (arguments.next(), arguments.collect::<Vec<String>>()) else {
        eprintln!("usage: flash_three_boards FILE PORT...");
        return ExitCode::from(2);
    };
    let image = match std::fs::read(&file) {
        Ok(image) => image,
        Err(error) => {
            eprintln!("{file}: {error}");
            return ExitCode::from(2);
        }
    };
    let mut all_well = true;
    for (port, result) in flash_all(&image, &ports, &Cancel::default()) {
        match result {
            Ok(report) => {
                println!("{port}: written and verified, {} bytes programmed", report.programmed_bytes)
            }
            Err(error) => {
                all_well = false;
                println!(
                    "{port}: FAILED: {error}; flash: {}; next: {}",
                    error.failure().flash,
                    error.advice()
                );
            }
        }
    }
    if all_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// One thread a board; the results are in the order of the ports.
fn flash_all(image: &[u8], ports: &[String], cancel: &Cancel) -> Vec<(String, Result<ChangeReport, Error>)> {
    thread::scope(|scope| {
        let boards: Vec<_> = ports
            .iter()
            .map(|port| (port, scope.spawn(move || flash(port, image.to_vec(), cancel.clone()))))
            .collect();
        boards
            .into_iter()
            .map(|(port, board)| {
                let result = board.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
                (port.clone(), result)
            })
            .collect()
    })
}

fn flash(port: &str, image: Vec<u8>, cancel: Cancel) -> Result<ChangeReport, Error> {
    let mut flasher = Flasher::open(port)?;
    flasher.set_canceller(cancel);
    flasher.write(ADDRESS, image)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bl702_flasher::error::ErrorKind;

    #[test]
    fn three_boards_at_once_and_the_one_with_a_bad_cable_fails_alone() {
        let folder = tempfile::tempdir().unwrap();
        let flash = |name: &str| folder.path().join(name);
        let port = |name: &str, more: &str| format!("emulated?flash={}{more}", flash(name).display());
        let ports = [port("a", ""), port("b", "&fault=usb-unplug"), port("c", "")];
        let image: Vec<u8> = (0..20_000_u32).map(|n| (n * 7 % 251) as u8).collect();
        let results = flash_all(&image, &ports, &Cancel::default());
        let well: Vec<bool> = results.iter().map(|(_, result)| result.is_ok()).collect();
        assert_eq!(well, [true, false, true], "{results:?}");
        for name in ["a", "c"] {
            let bytes = std::fs::read(flash(name)).unwrap();
            assert_eq!(&bytes[ADDRESS as usize..][..image.len()], image);
        }
        let cancel = Cancel::default();
        cancel.cancel();
        for (_, result) in flash_all(&image, &ports, &cancel) {
            assert!(matches!(result.unwrap_err().kind(), ErrorKind::Interrupted));
        }
    }
}
