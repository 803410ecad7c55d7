//! What keeps a module on a bench from harm, with a module in a process of its own behind RFC 2217: leases, backups, a
//! keeper that outlives the run, runs that die, modules that are swapped.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code: a failure is a failed test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bl702_harness::hardware::bench::{Bench, BenchError, Guest};
use bl702_harness::hardware::client::Client;
use bl702_harness::hardware::config::BenchConfig;
use bl702_harness::hardware::lease::{self, Holder, Lease, Run, StateDir};
use bl702_harness::hardware::store::ChipStore;
use bl702_harness::images;
use bl702_harness::programs::{LIMIT, Serving, put};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

const FLASH_BYTES: usize = 1 << 20;
const BENCH: &str = env!("CARGO_BIN_EXE_bl702-bench");

/// A module with its owner's flash, at a network port.
struct Served {
    _serving: Serving,
    files: PathBuf,
    port: String,
}

impl Served {
    fn start(folder: &Path, name: &str, mac: [u8; 8], listen: &str) -> Served {
        let files = folder.join(name);
        if !files.exists() {
            fs::create_dir(&files).unwrap();
            put(&files.join("flash.bin"), &images::other(FLASH_BYTES, u32::from(mac[0])));
            let mut fuses = [0; 128];
            fuses[0x14..0x1c].copy_from_slice(&mac);
            // The number of 0 bits, which the RAM loader checks; and the crystal's settings of every module.
            let zeros: u32 = mac.iter().map(|byte| byte.count_zeros()).sum();
            fuses[0x74..0x78].copy_from_slice(&(0x0800_0000 | (zeros & 0x3f)).to_le_bytes());
            put(&files.join("efuse.bin"), &fuses);
        }
        let file = |name: &str| files.join(name).display().to_string();
        let (flash, efuse) = (file("flash.bin"), file("efuse.bin"));
        let options =
            ["--json", "--pace", "none", "--wiring", "rts-en", "--boot", "dtr", "--rfc2217", listen];
        let serving = Serving::start(["--flash", &flash, "--efuse", &efuse].iter().chain(&options));
        let first: Value = serde_json::from_str(&serving.first_line).unwrap();
        let address = first["modules"][0]["rfc2217"].as_str().unwrap_or_else(|| panic!("{first}"));
        let port = format!("rfc2217://{address}");
        Served { _serving: serving, files, port }
    }

    fn flash(&self) -> Vec<u8> {
        fs::read(self.files.join("flash.bin")).unwrap()
    }
}

/// A process that stands for the run, until it is ended.
struct RunProcess(Child);

impl RunProcess {
    fn start() -> RunProcess {
        // It reads until its input ends, which it does not.
        RunProcess(Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap())
    }

    fn run(&self, id: &str) -> Run {
        Run { id: id.to_owned(), watched_pid: self.0.id() }
    }

    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for RunProcess {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Room {
    folder: TempDir,
    state: StateDir,
}

impl Room {
    fn new() -> Room {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::at(folder.path().join("state")).unwrap();
        Room { folder, state }
    }

    fn bench(&self, port: &str, run: Run) -> Bench {
        let mut config = BenchConfig::of_port(port);
        config.loader = Some(images::made_up_loader());
        Bench::for_run(config, PathBuf::from(BENCH), self.state.clone(), run).unwrap()
    }

    fn holder(&self, port: &str) -> Holder {
        match lease::look(&self.state, port).unwrap() {
            Lease::Held(holder) => holder,
            Lease::Free => panic!("nobody holds the lease"),
        }
    }

    /// Waits until the keeper of whoever has the port has done its work.
    fn wait_for_keeper(&self, port: &str) {
        if let Lease::Held(holder) = lease::look(&self.state, port).unwrap() {
            assert!(lease::wait_for_end(holder.keeper_pid, Some(LIMIT)).unwrap(), "the keeper lives on");
        }
    }

    fn borrowed(&self, chip_id: &str) -> bool {
        ChipStore::of(&self.state, chip_id).unwrap().borrowed().unwrap().is_some()
    }

    fn log(&self, port: &str) -> String {
        fs::read_to_string(self.state.port_file(port, "log")).unwrap()
    }
}

fn write(guest: &mut Guest, image: &[u8]) {
    let loader = fs::read(images::made_up_loader()).unwrap();
    let mut client = Client::new(&mut guest.port);
    client.enter_rom(500_000).unwrap();
    client.start_loader(&loader, 2_000_000).unwrap();
    client.write_flash(image).unwrap();
}

const MAC: [u8; 8] = [0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88];
const CHIP_ID: &str = "1122334455667788";
const OTHER_MAC: [u8; 8] = [0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11];

#[test]
fn the_flash_is_given_back_when_the_run_is_killed() {
    let room = Room::new();
    let module = Served::start(room.folder.path(), "module", MAC, "127.0.0.1:0");
    let owners = module.flash();
    let mut process = RunProcess::start();
    let bench = room.bench(&module.port, process.run("first"));
    let mut guest = bench.check_in().unwrap();
    assert_eq!((guest.module.chip_id.as_str(), guest.module.capacity_bytes), (CHIP_ID, FLASH_BYTES));
    assert!(guest.story.iter().any(|line| line.contains("are backed up in")), "{:?}", guest.story);
    assert!(room.borrowed(CHIP_ID));
    write(&mut guest, &images::pattern(FLASH_BYTES));
    assert_ne!(module.flash(), owners);
    drop(guest);
    // The second scenario of the run finds everything done.
    let guest = bench.check_in().unwrap();
    assert_eq!(guest.story.len(), 1, "{:?}", guest.story);
    drop(guest);
    process.kill();
    room.wait_for_keeper(&module.port);
    assert!(!room.borrowed(CHIP_ID), "{}", room.log(&module.port));
    assert!(module.flash() == owners, "{}", room.log(&module.port));
    let log = room.log(&module.port);
    assert!(log.contains("the flash equals") && log.contains("0 fuses were burnt"), "{log}");
}

/// As when the power fails: nobody is left who could give anything back.
#[test]
fn the_next_run_gives_back_what_a_dead_one_left() {
    let room = Room::new();
    let module = Served::start(room.folder.path(), "module", MAC, "127.0.0.1:0");
    let owners = module.flash();
    let mut process = RunProcess::start();
    let mut guest = room.bench(&module.port, process.run("first")).check_in().unwrap();
    write(&mut guest, &images::pattern(FLASH_BYTES));
    let keeper = room.holder(&module.port).keeper_pid;
    kill_process(Pid::from_raw(i32::try_from(keeper).unwrap()).unwrap(), Signal::KILL).unwrap();
    process.kill();
    drop(guest);
    assert!(lease::wait_for_end(keeper, Some(LIMIT)).unwrap());
    assert!(room.borrowed(CHIP_ID));

    let mut process = RunProcess::start();
    let guest = room.bench(&module.port, process.run("second")).check_in().unwrap();
    let restored =
        guest.story.iter().any(|line| line.contains("run first ended without giving the flash back"));
    assert!(restored, "{:?}", guest.story);
    assert!(module.flash() == owners, "the flash is not what its owner had");
    drop(guest);
    process.kill();
    room.wait_for_keeper(&module.port);
    assert!(!room.borrowed(CHIP_ID) && module.flash() == owners, "{}", room.log(&module.port));
    assert_eq!(ChipStore::of(&room.state, CHIP_ID).unwrap().backup_count().unwrap(), 1);
}

#[test]
fn nothing_is_written_to_a_module_that_was_swapped_in() {
    let room = Room::new();
    let module = Served::start(room.folder.path(), "module", MAC, "127.0.0.1:0");
    let owners = module.flash();
    let (port, listen) = (module.port.clone(), module.port.strip_prefix("rfc2217://").unwrap().to_owned());
    let mut process = RunProcess::start();
    let bench = room.bench(&port, process.run("first"));
    let mut guest = bench.check_in().unwrap();
    write(&mut guest, &images::pattern(FLASH_BYTES));
    drop(guest);
    drop(module);
    let other = Served::start(room.folder.path(), "other", OTHER_MAC, &listen);
    let others = other.flash();
    let error = bench.check_in().unwrap_err();
    assert!(matches!(error, BenchError::Swapped { .. }), "{error}");
    assert!(error.to_string().contains("chip 8877665544332211 answers"), "{error}");
    process.kill();
    room.wait_for_keeper(&port);
    assert!(other.flash() == others, "something was written to the other module");
    assert!(room.log(&port).contains("NOT restored"), "{}", room.log(&port));
    drop(other);

    // The right one is back, and a person asks for it.
    let module = Served::start(room.folder.path(), "module", MAC, &listen);
    assert_ne!(module.flash(), owners);
    let restored = Command::new(BENCH)
        .arg("restore")
        .env("TARGET", &port)
        .env("BL702_BENCH_STATE", room.state.path())
        .env("BL702_LOADER", images::made_up_loader())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&restored.stdout).into_owned();
    assert!(restored.status.success() && told.contains("nothing is borrowed"), "{told}{restored:?}");
    assert!(module.flash() == owners, "{told}");
}

#[test]
fn a_second_run_is_told_who_has_the_port() {
    let room = Room::new();
    let module = Served::start(room.folder.path(), "module", MAC, "127.0.0.1:0");
    let mut first = RunProcess::start();
    let guest = room.bench(&module.port, first.run("first")).check_in().unwrap();
    drop(guest);
    let mut second = RunProcess::start();
    let mut bench = room.bench(&module.port, second.run("second"));
    bench.patience = Duration::ZERO;
    let error = bench.check_in().unwrap_err().to_string();
    let (pid, host) = (first.0.id(), lease::host_name());
    assert!(error.contains(&format!("is leased to process {pid} on {host} (`cat`, run first)")), "{error}");
    // One that waits gets its turn when the first is over.
    bench.patience = LIMIT;
    first.kill();
    let guest = bench.check_in().unwrap();
    assert_eq!(guest.module.run, "second");
    drop(guest);
    second.kill();
    room.wait_for_keeper(&module.port);
    assert!(!room.borrowed(CHIP_ID), "{}", room.log(&module.port));
}
