//! Images and partition tables, against what the vendor's own code makes of the same input, byte for byte.
//!
//! Ignored until somebody asks for them, as they need the vendor's packages:
//!
//! ```text
//! eval "$(.ci/vendor-packages)"
//! cargo test -p bl702-harness --test vendor_build -- --ignored
//! ```
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code: a failure is a failed test")]

use std::path::{Path, PathBuf};
use std::process::Command;

use bl702_harness::images;
use bl702_harness::programs;
use bl702_harness::workbench::Workbench;
use rstest::rstest;

const KEY_128: &str = "000102030405060708090a0b0c0d0e0f";
const KEY_192: &str = "000102030405060708090a0b0c0d0e0f1011121314151617";
const KEY_256: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const IV: &str = "10112233445566778899aabb00000000";

fn packages() -> PathBuf {
    match std::env::var_os("BL702_VENDOR_PACKAGES") {
        Some(path) => path.into(),
        None => panic!("BL702_VENDOR_PACKAGES is not set: run `eval \"$(.ci/vendor-packages)\"` first"),
    }
}

/// The Python that has the packages: `bin/python` of their virtual environment.
fn python() -> PathBuf {
    packages().ancestors().nth(3).unwrap().join("bin/python")
}

/// Runs the vendor's code; its files are `vendor.*` in the bench.
fn vendor(bench: &Workbench, kind: &str, settings: &[&str]) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.ci/vendor-build");
    let mut command = Command::new(python());
    command
        .arg(script)
        .arg(bench.path())
        .args(["vendor", kind])
        .arg(bench.path().join("in.bin"))
        .args(settings);
    let ended = programs::run(command.current_dir(bench.path()));
    assert_eq!(ended.code(), Some(0), "{}\n{}", String::from_utf8_lossy(&ended.stdout), ended.stderr);
}

fn ours(bench: &Workbench, arguments: &[&str]) {
    let ended = programs::run(bench.flasher().args(["image", "build", "in.bin"]).args(arguments));
    assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
}

fn bench(len: usize) -> Workbench {
    let bench = Workbench::new();
    bench.put("in.bin", &images::other(len, 3));
    bench
}

/// A private key of P-256 in PEM, made by the library that the vendor's code signs with.
fn key() -> Vec<u8> {
    let code = "import sys; from cryptography.hazmat.primitives import serialization as s; \
        from cryptography.hazmat.primitives.asymmetric import ec; \
        sys.stdout.buffer.write(ec.generate_private_key(ec.SECP256R1()).private_bytes(\
        s.Encoding.PEM, s.PrivateFormat.TraditionalOpenSSL, s.NoEncryption()))";
    let made = programs::run(Command::new(python()).args(["-c", code]));
    assert_eq!(made.code(), Some(0), "{}", made.stderr);
    made.stdout
}

/// Settings for the vendor's code, options for ours.
#[rstest]
#[case::as_the_tool_comes(&[], &[])]
#[case::stock_firmware(&["img_start=0x1000"], &[])]
#[case::boot2_layout(&["img_start=0x2000", "boot2_enable=0", "boot2_pt_table_0=0xE000", "boot2_pt_table_1=0xF000"], &[])]
#[case::hash_and_crc_checked(&["hash_ignore=0", "crc_ignore=0"], &[])]
#[case::hash_checked_only(&["hash_ignore=0"], &[])]
#[case::pll_144(&["pll_clk=4", "bclk_div=1", "hclk_div=0", "crc_ignore=0"], &[])]
#[case::rc_oscillator(&["xtal_type=2", "pll_clk=0", "crc_ignore=0"], &[])]
#[case::quad_flash(&["io_mode=4", "mfg_id=0xef", "cont_read_support=1", "crc_ignore=0"], &[])]
#[case::aes_128(&["encrypt_type=1", "hash_ignore=0", "crc_ignore=0"], &["--encrypt", KEY_128])]
#[case::aes_192(&["encrypt_type=3", "hash_ignore=0", "crc_ignore=0"], &["--encrypt", KEY_192])]
#[case::aes_256(&["encrypt_type=2", "hash_ignore=0", "crc_ignore=0"], &["--encrypt", KEY_256])]
#[ignore = "needs the vendor's packages: see the head of this file"]
fn images_for_flash(#[case] settings: &[&str], #[case] options: &[&str]) {
    for len in [5_003, 4_096] {
        let bench = bench(len);
        let (mut theirs, mut arguments) =
            (settings.to_vec(), vec!["--config", "vendor.ini", "--front", "our.front", "-o", "our.img"]);
        arguments.extend(options);
        let (key, iv) = (format!(".key={}", options.get(1).unwrap_or(&"")), format!(".iv={IV}"));
        if !options.is_empty() {
            theirs.extend([key.as_str(), iv.as_str()]);
            arguments.extend(["--iv", IV]);
        }
        vendor(&bench, "flash", &theirs);
        ours(&bench, &arguments);
        assert!(bench.read("vendor.front") == bench.read("our.front"), "headers differ");
        assert!(bench.read("vendor.img") == bench.read("our.img"), "images differ");
    }
}

#[rstest]
#[case::plain(&[], &[])]
#[case::checked(&["hash_ignore=0", "crc_ignore=0", "boot2_enable=0"], &[])]
#[case::aes_128(&["encrypt_type=1", "hash_ignore=0", "crc_ignore=0"], &["--encrypt", KEY_128])]
#[ignore = "needs the vendor's packages: see the head of this file"]
fn images_for_ram(#[case] settings: &[&str], #[case] options: &[&str]) {
    let bench = bench(5_003);
    let (key, iv) = (format!(".key={}", options.get(1).unwrap_or(&"")), format!(".iv={IV}"));
    let mut theirs = settings.to_vec();
    let mut arguments = vec!["--ram", "0x22010000", "--config", "vendor.ini", "-o", "our.whole"];
    theirs.extend(["img_start=0x22010000", ".address=0x22010000"]);
    arguments.extend(options);
    if !options.is_empty() {
        theirs.extend([key.as_str(), iv.as_str()]);
        arguments.extend(["--iv", IV]);
    }
    vendor(&bench, "ram", &theirs);
    ours(&bench, &arguments);
    assert!(bench.read("vendor.whole") == bench.read("our.whole"), "images differ");
}

/// Signatures are random with the vendor, so that all but theirs must be the same, and both must verify.
#[rstest]
#[case::signed(&[])]
#[case::signed_and_encrypted(&["--encrypt", KEY_128, "--iv", IV])]
#[ignore = "needs the vendor's packages: see the head of this file"]
fn signed_images(#[case] options: &[&str]) {
    let bench = bench(5_003);
    bench.put("key.pem", &key());
    let (key, iv) = (format!(".key={KEY_128}"), format!(".iv={IV}"));
    let mut theirs = vec!["sign=1", "hash_ignore=0", "crc_ignore=0", "boot2_enable=0", ".pem=key.pem"];
    if !options.is_empty() {
        theirs.extend(["encrypt_type=1", key.as_str(), iv.as_str()]);
    }
    vendor(&bench, "flash", &theirs);
    let mut arguments =
        vec!["--config", "vendor.ini", "--sign", "key.pem", "--front", "our.front", "-o", "our.img"];
    arguments.extend(options);
    ours(&bench, &arguments);
    assert!(bench.read("vendor.img") == bench.read("our.img"), "images differ");
    let (mut theirs, mut ours) = (bench.read("vendor.front"), bench.read("our.front"));
    for front in [&theirs, &ours] {
        let mut whole = front.clone();
        whole.resize(0x2000, 0xFF);
        whole.extend(bench.read("our.img"));
        bench.put("whole.bin", &whole);
        let ended = programs::run(bench.flasher().args(["image", "info", "whole.bin"]));
        let text = String::from_utf8_lossy(&ended.stdout).into_owned();
        assert_eq!(ended.code(), Some(0), "{text}");
        assert!(text.contains("signature by the key"), "{text}");
    }
    // Header (176), key block (68), length (4); then r and s (64) and the CRC over them (4).
    for front in [&mut theirs, &mut ours] {
        front[248..316].fill(0);
    }
    assert!(theirs == ours, "headers differ beside the signature");
}

/// Every flash part that has a board of its own: the vendor's configuration file and ours give the same 84 bytes.
#[rstest]
#[case("KH25V80_c22014", "xt-zb2")]
#[case("KH25V40_c22013", "kh25v80")]
#[case("KH25V16_c22015", "kh25v80")]
#[case("GD25Q80E_c84014", "gd25q80e")]
#[case("GD25Q16E_c84015", "gd25q80e")]
#[case("W25Q80DV_ef4014", "w25q80dv")]
#[ignore = "needs the vendor's packages: see the head of this file"]
fn boards(#[case] part: &str, #[case] board: &str) {
    let bench = bench(100);
    let file = packages().join(format!("bflb_iot_tool/utils/flash/bl702/{part}.conf"));
    ours(&bench, &["--config", file.to_str().unwrap(), "-o", "theirs.img"]);
    ours(&bench, &["--board", board, "-o", "ours.img"]);
    assert!(bench.read("theirs.img") == bench.read("ours.img"), "{part} differs from {board}");
}

/// All layouts of the package: the vendor's code writes the table, and so do we; and back.
#[rstest]
#[case("partition_cfg_512K")]
#[case("partition_cfg_512K_boot2_isp")]
#[case("partition_cfg_1M")]
#[case("partition_cfg_1M_boot2_isp")]
#[case("partition_cfg_2M")]
#[case("partition_cfg_2M_boot2_isp")]
#[ignore = "needs the vendor's packages: see the head of this file"]
fn partition_tables(#[case] name: &str) {
    let bench = Workbench::new();
    let package = packages().join("bflb_iot_tool");
    let toml = package.join(format!("chips/bl702/partition/{name}.toml"));
    let code = "import sys; sys.path.insert(0, sys.argv[1]); from libs.bflb_pt_creater import PtCreater; \
        assert PtCreater(sys.argv[2]).create_pt_table(sys.argv[3])";
    let theirs = bench.path().join("theirs.bin");
    let ended = programs::run(Command::new(python()).args(["-c", code]).args([&package, &toml, &theirs]));
    assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
    let run = |arguments: &[&str]| {
        let ended = programs::run(bench.flasher().arg("partition").args(arguments));
        assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
    };
    run(&["build", toml.to_str().unwrap(), "-o", "ours.bin"]);
    assert!(bench.read("theirs.bin") == bench.read("ours.bin"), "tables differ");
    run(&["toml", "ours.bin", "-o", "back.toml"]);
    run(&["build", "back.toml", "-o", "again.bin"]);
    assert!(bench.read("ours.bin") == bench.read("again.bin"), "tables differ after TOML and back");
}

/// RAM loaders of the same package for the BL602, whose headers look like the BL702's: told apart, and never uploaded.
#[rstest]
#[case("24m")]
#[case("26m")]
#[case("32m")]
#[case("38p4m")]
#[case("40m")]
#[case("rc32m")]
#[case("none")]
#[ignore = "needs the vendor's packages: see the head of this file"]
fn loaders_of_the_bl602_are_told_apart(#[case] crystal: &str) {
    let bench = Workbench::new();
    let folder = packages().join("bflb_iot_tool/chips");
    let theirs = folder.join(format!("bl602/eflash_loader/eflash_loader_{crystal}.bin"));
    let info = programs::run(bench.flasher().args(["image", "info"]).arg(&theirs));
    let said = String::from_utf8_lossy(&info.stdout).into_owned();
    assert!(info.code() == Some(4) && said.contains("RAM loader for a BL602/604"), "{said}");
    let ended = programs::run(bench.flasher().args(["--port", "emulated", "info", "--loader"]).arg(&theirs));
    assert_eq!(ended.code(), Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("is the RAM loader for a BL602/604"), "{}", ended.stderr);
    let ours = folder.join("bl702/eflash_loader/eflash_loader_32m.bin");
    let info = programs::run(bench.flasher().args(["image", "info"]).arg(&ours));
    assert_eq!(info.code(), Some(0), "{}", String::from_utf8_lossy(&info.stdout));
}
