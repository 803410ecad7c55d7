//! Commands at an emulated module, through the real program: what a person reads, how they end, and what they leave.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code: a failure is a failed test")]

use bl702_harness::images;
use bl702_harness::programs::{self, Ended};
use bl702_harness::workbench::Workbench;
use rstest::rstest;
use serde_json::Value;

const FLASH_BYTES: usize = 1024 * 1024;

/// The module whose flash and fuses are files of the folder.
const MODULE: &str = "emulated?flash=flash.raw&efuse=efuse.raw";

const LAYOUT: &str = "[pt_table]\naddress0 = 0x1000\naddress1 = 0x2000\n\n[[pt_entry]]\ntype = 0\nname = \"FW\"\naddress0 = 0x3000\nsize0 = 0x90000\naddress1 = 0x93000\nsize1 = 0x66000\nlen = 0\n\n[[pt_entry]]\ntype = 2\nname = \"PSM\"\naddress0 = 0xF9000\nsize0 = 0x2000\naddress1 = 0\nsize1 = 0\nlen = 0\n";

/// Fuses of a module as it is delivered: MAC address, its parity, flash inside.
fn fuses() -> [u8; 128] {
    let mut fuses = [0; 128];
    fuses[0x14..0x1C].copy_from_slice(&[0x81, 0x12, 0xd1, 0xe7, 0x38, 0xc1, 0xb4, 0x00]);
    fuses[0x74..0x78].copy_from_slice(&0x0800_0028_u32.to_le_bytes());
    fuses
}

fn bench() -> Workbench {
    let bench = Workbench::new();
    let stock = images::padded(&images::stock(), FLASH_BYTES);
    bench.put("flash.raw", &stock);
    bench.put("efuse.raw", &fuses());
    let mut burnt = fuses();
    // hbn_jump_disable and mediaboot_disable; the write lock of the MAC address.
    burnt[0x13] = 0x09;
    burnt[0x7E] = 0x04;
    bench.put("burnt.raw", &burnt);
    bench.put("app.bin", &images::other(5_000, 1));
    bench.put("large.bin", &images::other(10_000, 2));
    bench.put("app.elf", b"\x7fELF\x01\x01\x01\0\0\0\0\0");
    bench.put("stock.bin", &images::stock());
    bench.put("backup.bin", &stock);
    bench.put("flash-0011223344556677.bin", &stock);
    bench.put("flash-8112d1e738c1b400.bin", &stock);
    bench.put("erased.bin", &vec![0xFF; FLASH_BYTES]);
    bench.put("half.bin", &images::pattern(FLASH_BYTES / 2));
    bench.put("layout.toml", LAYOUT.as_bytes());
    bench.put(
        "elsewhere.toml",
        LAYOUT
            .replace("0x1000", "0xE000")
            .replace("0x2000\n\n", "0xF000\n\n")
            .replace("address0 = 0x3000\nsize0 = 0x90000", "address0 = 0x10000\nsize0 = 0x80000")
            .as_bytes(),
    );
    bench
}

fn run(bench: &Workbench, port: &str, arguments: &[&str]) -> Ended {
    programs::run(bench.flasher().args(["--port", port]).args(arguments))
}

/// The result, and for a failure the last words; not what is told on the way.
fn words(bench: &Workbench, ended: &Ended) -> String {
    let stdout = String::from_utf8_lossy(&ended.stdout).into_owned();
    let error = ended.stderr.find("error: ").map_or("", |from| &ended.stderr[from..]);
    let warnings: String = ended
        .stderr
        .lines()
        .filter(|line| line.starts_with("warning: "))
        .fold(String::new(), |all, line| all + line + "\n");
    bench.redacted(&format!("{warnings}{stdout}{error}"))
}

/// Commands that leave the flash as it is.
#[rstest]
#[case("info", MODULE, &["info"], 0)]
#[case("info_board", MODULE, &["info", "--board", "xt-zb2"], 0)]
#[case("info_other_board", "emulated:bl702-2m", &["info", "--board", "xt-zb2"], 0)]
#[case("info_burnt", "emulated?efuse=burnt.raw", &["info"], 0)]
#[case("info_running_loader", "emulated?start=loader&wiring=none", &["--wiring", "none", "info"], 0)]
#[case("info_signed_only", "emulated?fault=efuse-sign", &["info"], 0)]
#[case("info_no_fuses", "emulated?fault=efuse-read-refused", &["info"], 0)]
#[case("info_unknown_board", MODULE, &["info", "--board", "xt-zb3"], 2)]
#[case("partition_show", MODULE, &["partition", "show"], 0)]
#[case("partition_show_empty", "emulated", &["partition", "show"], 1)]
#[case("partition_install_dry", MODULE, &["partition", "install", "layout.toml", "--dry-run"], 0)]
#[case("partition_install_elsewhere", MODULE, &["partition", "install", "elsewhere.toml"], 3)]
#[case("write_dry", MODULE, &["write", "FW=app.bin", "0xFB100=app.bin", "--dry-run"], 0)]
#[case("write_dry_nothing", MODULE, &["write", "stock.bin", "--dry-run"], 0)]
#[case("write_too_large", MODULE, &["write", "PSM=large.bin"], 2)]
#[case("write_unknown_partition", MODULE, &["write", "fw=app.bin"], 2)]
#[case("write_no_partition_name", MODULE, &["write", "0x20G0=app.bin"], 2)]
#[case("write_elf", MODULE, &["write", "FW=app.elf"], 3)]
#[case("verify_partition", MODULE, &["verify", "FW=app.bin"], 4)]
#[case("verify_readback", MODULE, &["verify", "stock.bin", "--readback"], 0)]
#[case("erase_dry", MODULE, &["erase", "--partition", "FW", "--dry-run"], 0)]
#[case("erase_chip_dry", MODULE, &["erase", "--chip", "--dry-run"], 0)]
#[case("restore_dry", MODULE, &["restore", "backup.bin", "--dry-run"], 0)]
#[case("restore_erased_dry", MODULE, &["restore", "erased.bin", "--dry-run"], 0)]
#[case("restore_no_backup", MODULE, &["restore", "stock.bin"], 3)]
#[case("restore_elf", MODULE, &["restore", "app.elf"], 3)]
#[case("restore_half", MODULE, &["restore", "half.bin"], 3)]
#[case("restore_other_module", MODULE, &["restore", "flash-0011223344556677.bin"], 3)]
#[case("reset_into_isp", MODULE, &["reset", "--into", "isp"], 0)]
#[case("reset_into_firmware", "emulated?flash=flash.raw&boot=dtr", &["reset", "--into", "firmware"], 0)]
#[case("reset_still_in_isp", "emulated?wiring=none", &["--wiring", "none", "reset", "--into", "firmware"], 1)]
fn what_a_person_reads(
    #[case] name: &str,
    #[case] port: &str,
    #[case] arguments: &[&str],
    #[case] exit: i32,
) {
    let bench = bench();
    let before = bench.contents();
    let ended = run(&bench, port, arguments);
    assert_eq!(ended.code(), Some(exit), "{}", words(&bench, &ended));
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    assert!(before == bench.contents(), "files have changed, be it the flash or the fuses");
    insta::assert_snapshot!(name, words(&bench, &ended));
}

/// Commands that change the flash, one after the other, and what it holds in the end.
#[test]
fn a_partition_is_written_backed_up_erased_and_the_module_restored() {
    let bench = bench();
    let mut told = String::new();
    let mut done = |arguments: &[&str]| {
        let ended = run(&bench, MODULE, arguments);
        assert_eq!(ended.code(), Some(0), "{arguments:?}: {}", words(&bench, &ended));
        told.push_str(&format!("$ {}\n{}\n", arguments.join(" "), words(&bench, &ended)));
    };
    done(&["write", "media=app.bin", "--verify", "readback"]);
    let flash = bench.read("flash.raw");
    assert!(flash[0xFB000..0xFB000 + 5_000] == images::other(5_000, 1), "the file is not there");
    done(&["backup", "--partition", "media", "media.bin"]);
    assert!(bench.read("media.bin") == flash[0xFB000..0xFF000], "the backup of the partition differs");
    done(&["erase", "--partition", "media"]);
    assert!(bench.read("flash.raw")[0xFB000..0xFF000].iter().all(|byte| *byte == 0xFF));
    done(&["partition", "toml", "-o", "there.toml"]);
    done(&["partition", "install", "layout.toml"]);
    done(&["partition", "show"]);
    done(&["restore", "flash-8112d1e738c1b400.bin"]);
    assert!(bench.read("flash.raw") == bench.read("backup.bin"), "the module is not restored");
    assert!(bench.read("efuse.raw") == fuses(), "fuses were burnt");
    insta::assert_snapshot!("a_session", told);
}

/// For programs: every command ends with one line that says how it went and what it found.
#[rstest]
#[case(&["info", "--board", "xt-zb2"], 0, &["chip_id", "mac", "jedec", "flash_status", "security", "fuses", "efuse", "loader", "board"])]
#[case(&["write", "FW=app.bin", "--dry-run"], 0, &["plan", "pieces", "dry_run"])]
#[case(&["erase", "--partition", "PSM", "--dry-run"], 0, &["plan", "range", "partition"])]
#[case(&["restore", "backup.bin", "--dry-run"], 0, &["plan", "file"])]
#[case(&["restore", "half.bin"], 3, &["error", "next_step"])]
#[case(&["partition", "show"], 0, &["entries", "age", "offset"])]
#[case(&["partition", "install", "layout.toml", "--dry-run"], 0, &["entries", "places", "changes"])]
#[case(&["verify", "backup.bin", "--readback"], 0, &["pieces", "readback_bytes"])]
#[case(&["reset", "--into", "isp"], 0, &["found", "by_lines"])]
fn json(#[case] arguments: &[&str], #[case] exit: i32, #[case] keys: &[&str]) {
    let bench = bench();
    let before = bench.contents();
    let ended = programs::run(bench.flasher().args(["--format", "json", "--port", MODULE]).args(arguments));
    assert_eq!(ended.code(), Some(exit), "{}", ended.stderr);
    assert!(before == bench.contents(), "files have changed");
    let stdout = String::from_utf8(ended.stdout).unwrap();
    let lines: Vec<Value> = stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let last = lines.last().unwrap();
    assert_eq!((&last["event"], &last["exit_code"]), (&"finished".into(), &exit.into()), "{last}");
    for key in keys {
        assert!(!last[key].is_null(), "{key} is missing: {last}");
    }
}

/// Every command that takes arguments shows how it is called.
#[rstest]
#[case::info("info")]
#[case::backup("backup")]
#[case::write("write")]
#[case::restore("restore")]
#[case::verify("verify")]
#[case::erase("erase")]
#[case::reset("reset")]
#[case::partition("partition")]
#[case::image("image")]
#[case::efuse("efuse")]
#[case::compare("compare")]
#[case::explain("explain")]
#[case::completions("completions")]
#[case::man("man")]
fn help_has_an_example(#[case] command: &str) {
    let bench = bench();
    let ended = programs::run(bench.flasher().args([command, "--help"]));
    assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
    let help = String::from_utf8(ended.stdout).unwrap();
    assert!(help.contains("Example") && help.contains("bl702-flash"), "{help}");
    assert!(help.rsplit("Example").next().unwrap().contains(command), "{help}");
}
