//! Backs up the flash of a module into a new file, and tells how far it is.
//!
//! ```sh
//! cargo run --example back_up -- /dev/ttyUSB0 flash.bin
//! cargo run --example back_up -- emulated flash.bin
//! ```

use std::error::Error;
use std::fs::File;
use std::io::Write as _;
use std::process::ExitCode;

use bl702_flasher::Flasher;
use bl702_flasher::event::{Event, Phase};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [port, file] = arguments.as_slice() else {
        eprintln!("usage: back_up PORT FILE");
        return ExitCode::from(2);
    };
    match back_up(port, file) {
        Ok(sha256) => {
            println!("{file}: verified by the module, SHA-256 {sha256}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("failed: {error}");
            // Errors of the flasher also know what to do.
            if let Some(error) = error.downcast_ref::<bl702_flasher::error::Error>() {
                eprintln!("next: {}", error.advice());
            }
            ExitCode::FAILURE
        }
    }
}

fn back_up(port: &str, file: &str) -> Result<String, Box<dyn Error>> {
    // First, so that an hour of reading is not lost to a wrong name; never over an existing file.
    let mut file = File::create_new(file)?;
    let mut flasher = Flasher::open(port)?;
    flasher.on_event(|_, event| {
        if let Event::Progress { phase: Phase::Read, done_bytes, total_bytes } = event {
            eprint!("\r{:3} %", done_bytes * 100 / total_bytes.max(1));
        }
    });
    let backup = flasher.backup()?;
    eprintln!();
    file.write_all(&backup.bytes)?;
    file.sync_all()?;
    Ok(backup.sha256)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_emulated_module_is_backed_up_into_a_new_file_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("flash.bin");
        let path = path.to_str().unwrap();
        let sha256 = back_up("emulated", path).unwrap();
        assert_eq!(sha256, "f5fb04aa5b882706b9309e885f19477261336ef76a150c3b4d3489dfac3953ec");
        assert_eq!(std::fs::read(path).unwrap(), vec![0xFF; 1 << 20]);
        let error = back_up("emulated", path).unwrap_err();
        assert!(error.to_string().contains("exists"), "{error}");
    }
}
