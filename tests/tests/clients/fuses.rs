//! Reading and burning eFuses of an emulated part, every burnt fuse counted.

use std::path::Path;
use std::process::Command;

use bl702_emulator::profile::Profile;
use rstest::rstest;

use super::results::{EQUAL, passed};
use bl702_harness::clients::bench::{Bench, read};
use bl702_harness::clients::tools::{FLASH_COMMAND, Family, IOT_1_8_9, IOT_1_10_0, MCU_1_10_0, Tool};

/// The fuses of a module as it leaves the shop.
fn new_part() -> Vec<u8> {
    Profile::builtin("xt-zb2").unwrap().efuse().to_vec()
}

/// A fuse file as the tools take it: key slot 0 (fuse bytes 1Ch to 2Bh).
fn key() -> Vec<u8> {
    let mut fuses = vec![0; 128];
    fuses[0x1c..0x24].copy_from_slice(&[1, 2, 3, 4, 5, 6, 7, 8]);
    fuses
}

fn ones(bytes: &[u8]) -> u32 {
    bytes.iter().map(|byte| byte.count_ones()).sum()
}

/// Both fuse sets together: burning only adds.
fn both(left: &[u8], right: &[u8]) -> Vec<u8> {
    left.iter().zip(right).map(|(left, right)| left | right).collect()
}

fn option(path: &Path) -> [&str; 4] {
    ["--pace", "none", "--efuse", path.to_str().unwrap()]
}

#[test]
#[ignore = "needs the vendor's flashers: see main.rs"]
fn flash_command_reads_the_fuses() {
    let tool = &FLASH_COMMAND;
    let bench = Bench::new(tool);
    let part = both(&new_part(), &key());
    let fuses = bench.put("efuse.raw", &part);
    let file = bench.path("read.bin");
    let words = ["--efuse", "--read", "--start", "0x0", "--end", "0x7f", "--file", file.to_str().unwrap()];
    bench.exec(&option(&fuses), &tool.command(&words)).expect_clean(tool);
    assert_eq!(read(&file), part);
    assert_eq!(read(&fuses), part);
    passed(tool, "eFuse read", EQUAL);
}

#[rstest]
#[case::iot_1_8_9(&IOT_1_8_9)]
#[case::flash_command(&FLASH_COMMAND)]
#[ignore = "needs the vendor's flashers: see main.rs"]
fn burns_the_fuses_that_it_was_given_and_no_other(#[case] tool: &'static Tool) {
    let bench = Bench::new(tool);
    let fuses = bench.path("efuse.raw");
    let file = bench.put("fuses.bin", &key());
    let image = bench.put("image.bin", &[0x5a; 4096]);
    let mut command = match tool.family {
        Family::FlashCommand => tool.command(&["--write", "--efusefile"]),
        // It burns only along with a download.
        _ => [tool.write(&image, 0), vec!["--efuse".into()]].concat(),
    };
    command.push(file.clone().into());
    let done = bench.exec(&option(&fuses), &command).expect_clean_but_for_fuses(tool);
    assert_eq!(done.report["fuses_burnt"], ones(&key()), "{}", done.summary);
    assert_eq!(read(&fuses), both(&new_part(), &key()));
    assert!(done.summary.contains("13 BURNT"), "{}", done.summary);

    // What is burnt already is not burnt again.
    bench.exec(&option(&fuses), &command).expect_clean(tool);
    assert_eq!(read(&fuses), both(&new_part(), &key()));
    passed(tool, "eFuse write", "the fuses that were asked for are burnt, and no other");
}

/// bflb-iot-tool 1.10.0 writes the flash and then ends by an error of its own.
#[test]
#[ignore = "needs the vendor's flashers: see main.rs"]
fn iot_tool_1_10_0_does_not_come_to_burning() {
    let tool = &IOT_1_10_0;
    let bench = Bench::new(tool);
    let fuses = bench.path("efuse.raw");
    let file = bench.put("fuses.bin", &key());
    let image = bench.put("image.bin", &[0x5a; 4096]);
    let command = [tool.write(&image, 0), vec!["--efuse".into(), file.into()]].concat();
    let done = bench.exec(&option(&fuses), &command).expect_clean(tool);
    let done = done.expect_said("module 'config' has no attribute 'ENABLE_XIAOMI'");
    assert_eq!(done.count_of("loader", "40"), 0);
    assert_eq!(read(&fuses), new_part());
    assert_eq!(bench.flash()[..4096], [0x5a; 4096]);
    passed(
        tool,
        "eFuse write",
        "the tool ends by an error of its own before it sends anything; no fuse burnt",
    );
}

/// Makes a pair of keys as files. It is the same pair every time, so that the same fuses are burnt.
fn keys(bench: &Bench) -> [String; 2] {
    let script = "import sys, ecdsa\n\
        key = ecdsa.SigningKey.from_secret_exponent(0xb1702b1702b1702, ecdsa.NIST256p)\n\
        open(sys.argv[1], 'wb').write(key.to_pem())\n\
        open(sys.argv[2], 'wb').write(key.verifying_key.to_pem())\n";
    let files = ["secret.pem", "public.pem"].map(|name| bench.path(name));
    let made = Command::new(IOT_1_8_9.python()).args(["-c", script]).args(&files).status().unwrap();
    assert!(made.success());
    files.map(|file| file.to_str().unwrap().to_owned())
}

/// The vendor's tool signs an application and burns the hash of the key. From then on the part wants signatures, and the
/// tool's signed RAM loader has one: the emulated ROM checks the vendor's signature, nobody's but the vendor's code made it.
#[test]
#[ignore = "needs the vendor's flashers: see main.rs"]
fn iot_tool_1_8_9_locks_a_part_to_a_key_and_still_gets_in() {
    let tool = &IOT_1_8_9;
    let bench = Bench::new(tool);
    let fuses = bench.path("efuse.raw");
    let [secret, public] = keys(&bench);
    let firmware = bench.package("img/helloworld_bl702.bin");
    let partitions = bench.chip("partition/partition_cfg_1M.toml");
    let tree = bench.chip("device_tree/bl_factory_params_IoTKitA_32M.dts");
    let [firmware, partitions, tree] = [&firmware, &partitions, &tree].map(|path| path.to_str().unwrap());
    let words = ["--firmware", firmware, "--pt", partitions, "--dts", tree, "--sk", &secret, "--pk", &public];
    let signed = tool.command(&words);

    let done = bench.exec(&option(&fuses), &signed).expect_clean_but_for_fuses(tool);
    assert_eq!(done.count_of("rom", "12"), 0, "an open part needs no key");
    let burnt = read(&fuses);
    assert_eq!(done.report["fuses_burnt"], ones(&burnt) - ones(&new_part()));
    assert_eq!(burnt, both(&new_part(), &burnt), "nothing is undone");
    assert_eq!(burnt[0] & 0b100, 0b100, "the part is signed");
    assert!(burnt[0x1c..0x3c].iter().any(|byte| *byte != 0), "the hash of the key");

    let done = bench.exec(&option(&fuses), &signed).expect_clean(tool);
    assert_eq!((done.count_of("rom", "12"), done.count_of("rom", "14")), (1, 1), "key and signature");

    // Another tool of the same vendor, with the loader as it is published.
    let stranger = Bench::new(&MCU_1_10_0);
    let loader = stranger.chip("eflash_loader/eflash_loader_32m.bin");
    std::fs::copy(&loader, stranger.chip("eflash_loader/eflash_loader_32m_encrypt.bin")).unwrap();
    let image = stranger.put("image.bin", &[0; 4096]);
    let done = stranger.exec(&option(&fuses), &MCU_1_10_0.write(&image, 0x2000)).expect_no_burn();
    assert_eq!(done.refusals(), [("0206", 1)]);
    assert_eq!(read(&fuses), burnt);
    passed(
        tool,
        "sign, burn the key's hash, write again",
        "the key's hash is burnt; the boot ROM takes the signed loader and refuses others",
    );
}
