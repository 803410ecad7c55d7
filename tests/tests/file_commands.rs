//! Commands that work on files alone, through the real program: what they say, how they end, and that nothing is lost.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code: a failure is a failed test")]

use bl702_harness::images;
use bl702_harness::programs::{self, Ended};
use bl702_harness::workbench::Workbench;
use rstest::rstest;

const LAYOUT: &str = "[pt_table]\naddress0 = 0x1000\naddress1 = 0x2000\n\n[[pt_entry]]\ntype = 0\nname = \"FW\"\ndevice = 0\naddress0 = 0x3000\nsize0 = 0x90000\naddress1 = 0x93000\nsize1 = 0x66000\nlen = 0\nactiveindex = 0\nage = 0\n\n[[pt_entry]]\ntype = 2\nname = \"PSM\"\ndevice = 0\naddress0 = 0xF9000\nsize0 = 0x2000\naddress1 = 0\nsize1 = 0\nlen = 0\n";

/// The field report, as BLDevCube prints it on Windows.
const FORUM: &[u8] = b"[21:03:11.204] - chip type: bl702l\r\n[21:03:11.310] - shake hand success\r\n[21:03:11.402] - \x1b[31mFL0104(BFLB_CMD_SEQ_ERROR)\x1b[0m\r\n[21:03:11.903] - FL0402(BFLB_EFUSE_WRITE_ADDR_ERROR)\r\n[21:03:12.404] - FL0104(BFLB_CMD_SEQ_ERROR)\r\n[21:03:12.405] - ErrorCode: 000C, ErrorMsg: BFLB SET CLOCK PLL FAIL\r\n[21:03:12.905] - ErrorCode: 0030, ErrorMsg: BFLB READ FLASH JEDEC ID FAIL\r\n";

fn bench() -> Workbench {
    let bench = Workbench::new();
    bench.put("forum.log", FORUM);
    bench.put("hello.txt", b"hello\n");
    bench.put("empty.bin", b"");
    bench.put("raw.bin", &images::other(5_003, 3));
    bench.put("layout.toml", LAYOUT.as_bytes());
    bench.put("bad.toml", LAYOUT.replace("size1 = 0x66000\n", "").as_bytes());
    bench.put("crossing.toml", LAYOUT.replace("0xF9000", "0x92000").as_bytes());
    bench.put("cut.hex", b":0400000001020304F2\n");
    bench.put("bad.hex", b":0400000001020304F2\n:0400040005060708DF\n:00000001FF\n");
    bench.put("cut.elf", b"\x7fELF\x01\x01\x01\0\0\0\0\0");
    bench.put("bad.ini", b"[BOOTHEADER_CFG]\nmagic_code = 0x504e4642\npll_clk = fast\n");
    bench.put("stock.bin", &images::stock());
    let mut damaged = images::stock();
    damaged[0x1008] ^= 1;
    damaged[0x30A0] ^= 1;
    bench.put("damaged.bin", &damaged);
    let mut loader = std::fs::read(images::made_up_loader()).unwrap();
    loader.truncate(300);
    bench.put("cut-loader.bin", &loader);
    let mut fuses = [0; 128];
    fuses[0x14..0x1C].copy_from_slice(&[0x81, 0x12, 0xd1, 0xe7, 0x38, 0xc1, 0xb4, 0x00]);
    fuses[0x74..0x78].copy_from_slice(&0x0800_0028_u32.to_le_bytes());
    bench.put("efuse.bin", &fuses);
    fuses[0] = 0x04;
    fuses[0x13] = 0x02;
    bench.put("burnt.bin", &fuses);
    bench.put("kept.bin", b"somebody's only copy");
    bench
}

fn run(bench: &Workbench, arguments: &[&str]) -> Ended {
    programs::run(bench.flasher().args(arguments))
}

/// What a person reads on both outputs.
fn words(bench: &Workbench, ended: &Ended) -> String {
    let stdout = String::from_utf8_lossy(&ended.stdout).into_owned();
    bench.redacted(&format!("{stdout}{}", ended.stderr))
}

#[rstest]
#[case("explain_forum_log", &["explain", "forum.log"], 0)]
#[case("explain_code", &["explain", "FL0206"], 0)]
#[case("explain_decimal", &["explain", "1026"], 0)]
#[case("explain_words", &["explain", "SET", "CLOCK", "PLL", "FAIL"], 0)]
#[case("explain_nothing", &["explain", "hello.txt"], 2)]
#[case("explain_no_code", &["explain", "FL"], 2)]
#[case("image_info_stock", &["image", "info", "stock.bin"], 0)]
#[case("image_info_damaged", &["image", "info", "damaged.bin"], 4)]
#[case("image_info_cut_loader", &["image", "info", "cut-loader.bin"], 4)]
#[case("image_info_raw", &["image", "info", "raw.bin"], 0)]
#[case("image_info_cut_hex", &["image", "info", "cut.hex"], 2)]
#[case("image_info_cut_elf", &["image", "info", "cut.elf"], 2)]
#[case("image_build_existing", &["image", "build", "raw.bin", "-o", "kept.bin"], 2)]
#[case("image_build_bad_hex", &["image", "build", "bad.hex", "-o", "new.bin"], 2)]
#[case("image_build_bad_config", &["image", "build", "raw.bin", "--config", "bad.ini", "-o", "new.bin"], 2)]
#[case("image_build_bad_setting", &["image", "build", "raw.bin", "--set", "colour=1", "-o", "new.bin"], 2)]
#[case("image_build_bad_key", &["image", "build", "raw.bin", "--sign", "raw.bin", "-o", "new.bin"], 2)]
#[case("image_build_short_aes_key", &["image", "build", "raw.bin", "--encrypt", "0011", "--iv", "00", "-o", "new.bin"], 2)]
#[case("image_build_outside_ram", &["image", "build", "raw.bin", "--ram", "0x20000000", "-o", "new.bin"], 2)]
#[case("image_build_unknown_board", &["image", "build", "raw.bin", "--board", "esp32", "-o", "new.bin"], 2)]
#[case("image_merge_overlap", &["image", "merge", "0=raw.bin", "0x1000=raw.bin", "-o", "new.bin"], 2)]
#[case("image_merge_no_address", &["image", "merge", "raw.bin", "-o", "new.bin"], 2)]
#[case("image_extract_unknown", &["image", "extract", "stock.bin", "--partition", "OTA", "-o", "new.bin"], 2)]
#[case("image_extract_outside", &["image", "extract", "raw.bin", "--range", "0x2000..0x3000", "-o", "new.bin"], 2)]
#[case("image_patch_no_header", &["image", "patch-header", "raw.bin", "--board", "xt-zb2", "-o", "new.bin"], 2)]
#[case("partition_show", &["partition", "show", "stock.bin"], 0)]
#[case("partition_show_damaged", &["partition", "show", "damaged.bin"], 4)]
#[case("partition_show_none", &["partition", "show", "raw.bin"], 2)]
#[case("partition_build_bad", &["partition", "build", "bad.toml", "-o", "new.bin"], 2)]
#[case("partition_build_crossing", &["partition", "build", "crossing.toml", "-o", "new.bin"], 2)]
#[case("partition_install_short", &["partition", "install", "layout.toml", "raw.bin", "-o", "new.bin"], 2)]
#[case("efuse_decode", &["efuse", "decode", "efuse.bin"], 0)]
#[case("efuse_decode_burnt", &["efuse", "decode", "burnt.bin"], 0)]
#[case("efuse_dump", &["efuse", "dump", "efuse.bin"], 0)]
#[case("efuse_diff", &["efuse", "diff", "efuse.bin", "burnt.bin"], 4)]
#[case("efuse_wrong_size", &["efuse", "decode", "raw.bin"], 2)]
#[case("compare_differing", &["compare", "stock.bin", "damaged.bin"], 4)]
#[case("compare_same", &["compare", "stock.bin", "stock.bin"], 0)]
#[case("compare_empty", &["compare", "stock.bin", "empty.bin"], 2)]
fn what_a_person_reads(#[case] name: &str, #[case] arguments: &[&str], #[case] exit: i32) {
    let bench = bench();
    let before = bench.contents();
    let ended = run(&bench, arguments);
    assert_eq!(ended.code(), Some(exit), "{}", words(&bench, &ended));
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    assert!(before == bench.contents(), "files have changed");
    insta::assert_snapshot!(name, words(&bench, &ended));
}

/// Files that are made: whole, of the right content, and never in the place of another one.
#[test]
fn a_flash_is_put_together_and_taken_apart_again() {
    let bench = bench();
    let done = |arguments: &[&str]| {
        let ended = run(&bench, arguments);
        assert_eq!(ended.code(), Some(0), "{arguments:?}: {}", words(&bench, &ended));
    };
    done(&["image", "build", "raw.bin", "--board", "xt-zb2", "-o", "fw.img"]);
    done(&["partition", "build", "layout.toml", "-o", "pt.bin"]);
    done(&[
        "image",
        "merge",
        "0x1000=pt.bin",
        "0x2000=pt.bin",
        "0x3000=fw.img",
        "--size",
        "1MiB",
        "-o",
        "whole.bin",
    ]);
    done(&["image", "info", "whole.bin"]);
    done(&["image", "extract", "whole.bin", "--partition", "FW", "-o", "out.img"]);
    assert!(bench.read("out.img").starts_with(&bench.read("fw.img")), "the firmware differs");
    assert_eq!(bench.read("whole.bin").len(), 1024 * 1024);
    // A table that is put in again is newer, in both places.
    done(&["partition", "install", "layout.toml", "whole.bin", "-o", "newer.bin"]);
    let newer = bench.read("newer.bin");
    assert_eq!(newer[0x1008], 1);
    assert_eq!(newer[0x1000..0x2000], newer[0x2000..0x3000]);
    done(&["partition", "toml", "newer.bin", "-o", "back.toml"]);
    done(&["image", "patch-header", "fw.img", "--set", "pll_clk=4", "-o", "fast.img"]);
    done(&["image", "info", "fast.img"]);
    assert_eq!(bench.read("fast.img")[105], 4);
    let ended = run(&bench, &["image", "patch-header", "fw.img", "--set", "pll_clk=4", "-o", "fast.img"]);
    assert_eq!(ended.code(), Some(2), "{}", ended.stderr);
    done(&["image", "patch-header", "fw.img", "--set", "pll_clk=3", "-o", "fast.img", "--force"]);
    assert_eq!(bench.read("fast.img")[105], 3);
}

#[test]
fn what_is_made_can_go_to_standard_output() {
    let bench = bench();
    let ended = run(&bench, &["image", "extract", "raw.bin", "--range", "0..16", "-o", "-"]);
    assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
    assert_eq!(ended.stdout, bench.read("raw.bin")[..16]);
}

/// For programs: one last line, with status and findings.
#[test]
fn json() {
    let bench = bench();
    for (arguments, exit, key) in [
        (&["explain", "forum.log"][..], 0, "findings"),
        (&["explain", "FL0104"], 0, "meanings"),
        (&["explain", "hello.txt"], 2, "next_step"),
        (&["image", "info", "damaged.bin"], 4, "lines"),
        (&["efuse", "decode", "burnt.bin"], 0, "consequences"),
        (&["compare", "stock.bin", "damaged.bin"], 4, "map"),
        (&["partition", "show", "stock.bin"], 0, "entries"),
    ] {
        let ended = programs::run(bench.flasher().args(["--format", "json"]).args(arguments));
        assert_eq!(ended.code(), Some(exit), "{}", ended.stderr);
        let stdout = String::from_utf8(ended.stdout).unwrap();
        let last: serde_json::Value = serde_json::from_str(stdout.lines().last().unwrap()).unwrap();
        assert_eq!((&last["event"], &last["exit_code"]), (&"finished".into(), &exit.into()), "{last}");
        assert_eq!(last["ok"], exit == 0, "{last}");
        assert!(!last[key].is_null(), "{arguments:?}: {last}");
    }
}

#[test]
fn shells_and_manual() {
    let bench = bench();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let ended = run(&bench, &["completions", shell]);
        assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
        assert!(String::from_utf8_lossy(&ended.stdout).contains("patch-header"), "{shell}");
    }
    let ended = run(&bench, &["man"]);
    assert!(ended.stdout.starts_with(b".ie") || ended.stdout.windows(3).any(|part| part == b".TH"));
    std::fs::create_dir(bench.path().join("man")).unwrap();
    assert_eq!(run(&bench, &["man", "--dir", "man"]).code(), Some(0));
    assert!(bench.path().join("man/bl702-flash-image-build.1").exists());
    assert_eq!(run(&bench, &["man", "--dir", "no/such/folder"]).code(), Some(2));
}

/// The README shows what the program prints: its log, read by `explain`, and two looks into a fixture.
#[test]
fn the_readme_shows_real_output() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let bench = bench();
    let log = readme.split("You read:\n\n```text\n").nth(1).unwrap().split("```").next().unwrap();
    bench.put("devcube.log", log.as_bytes());
    let fixture = "fixtures/images/made-up-stock-flash.bin";
    std::fs::create_dir_all(bench.path().join("fixtures/images")).unwrap();
    bench.put(fixture, &images::stock());
    for arguments in
        [&["explain", "devcube.log"][..], &["image", "info", fixture], &["partition", "show", fixture]]
    {
        let ended = run(&bench, arguments);
        let text = String::from_utf8(ended.stdout).unwrap();
        assert!(readme.contains(&format!("```text\n{text}```\n")), "{arguments:?} prints:\n{text}");
    }
}
