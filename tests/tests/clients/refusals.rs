//! Modules that a tool cannot work with, and what tool and report say of them.

use bl702_emulator::otp::EFUSE_BYTES;
use bl702_emulator::profile::Profile;
use rstest::rstest;

use super::results::passed;
use bl702_harness::clients::bench::Bench;
use bl702_harness::clients::tools::{FLASH_COMMAND, Family, IOT_1_8_9, IOT_1_10_0, MCU_1_10_0, Tool};

/// Fuse file of a module with one more fuse burnt.
fn fuses_with(bench: &Bench, byte: usize, bit: u8) -> String {
    let mut fuses: [u8; EFUSE_BYTES] = Profile::builtin("xt-zb2").unwrap().efuse();
    fuses[byte] |= 1 << bit;
    bench.put("efuse.raw", &fuses).to_str().unwrap().to_owned()
}

/// Something that every tool can do.
fn any_operation(bench: &Bench) -> Vec<std::ffi::OsString> {
    match bench.tool.family {
        Family::Mcu => bench.tool.write(&bench.put("image.bin", &[0; 4096]), 0x2000),
        Family::Iot | Family::FlashCommand => bench.tool.read(0, 0x1000, &bench.read_file()),
    }
}

#[rstest]
#[case::iot(&IOT_1_10_0, "ErrorCode: 0043, ErrorMsg: BFLB FLASH IDENTIFY FAIL")]
#[case::iot_1_8_9(&IOT_1_8_9, "ErrorCode: 0043")]
#[case::mcu(&MCU_1_10_0, "ErrorCode: 0043, ErrorMsg: BFLB FLASH IDENTIFY FAIL")]
#[ignore = "needs the vendor's flashers: see main.rs"]
fn an_unknown_flash(#[case] tool: &'static Tool, #[case] complaint: &str) {
    let bench = Bench::new(tool);
    let options = ["--pace", "none", "--profile", "bl702-unknown-flash"];
    let done = bench.exec(&options, &any_operation(&bench)).expect_no_burn().expect_said(complaint);
    assert_eq!((done.count_of("loader", "31"), done.count_of("loader", "32")), (0, 0));
    done.expect_cause("the RAM loader does not know the flash (JEDEC id a5 40 14)");
    passed(tool, UNKNOWN_FLASH, "0043 FLASH IDENTIFY FAIL");
}

const UNKNOWN_FLASH: &str = "unknown flash (`--profile bl702-unknown-flash`)";

#[test]
#[ignore = "needs the vendor's flashers: see main.rs"]
fn flash_command_does_not_mind_an_unknown_flash() {
    let tool = &FLASH_COMMAND;
    let bench = Bench::new(tool);
    bench.set_flash(&vec![0x5a; 1024 * 1024]);
    let options = ["--pace", "none", "--profile", "bl702-unknown-flash"];
    bench.exec(&options, &any_operation(&bench)).expect_clean(tool);
    assert_eq!(bl702_harness::clients::bench::read(&bench.read_file()), [0x5a; 0x1000]);
    passed(tool, UNKNOWN_FLASH, super::results::EQUAL);
}

/// Where no line resets the module, what ran before runs on. The tools of version 1.10 find the loader and stop; 1.8.9
/// does not understand it; flash-command is content.
#[rstest]
#[case::iot(&IOT_1_10_0, "ErrorCode: 0003, ErrorMsg: BFLB LOAD HELP BIN FAIL", "0003 LOAD HELP BIN FAIL")]
#[case::iot_1_8_9(&IOT_1_8_9, "ErrorCode: 0001, ErrorMsg: BFLB EFLASH LOADER SHAKEHAND FAIL", "0001 SHAKEHAND FAIL")]
#[case::mcu(&MCU_1_10_0, "ErrorCode: 0003, ErrorMsg: BFLB LOAD HELP BIN FAIL", "0003 LOAD HELP BIN FAIL")]
#[ignore = "needs the vendor's flashers: see main.rs"]
fn a_loader_that_is_running_already(
    #[case] tool: &'static Tool,
    #[case] complaint: &str,
    #[case] result: &str,
) {
    let bench = Bench::new(tool);
    let options = ["--pace", "none", "--start", "loader", "--wiring", "none"];
    let done = bench.exec(&options, &any_operation(&bench)).expect_no_burn().expect_said(complaint);
    assert_eq!((done.number("resets"), done.count_of("rom", "10")), (0, 0));
    done.expect_cause("the RAM loader was already running");
    passed(tool, RUNNING_LOADER, result);
}

const RUNNING_LOADER: &str = "RAM loader running already (`--start loader --wiring none`)";

#[test]
#[ignore = "needs the vendor's flashers: see main.rs"]
fn flash_command_goes_on_with_a_loader_that_is_running_already() {
    let tool = &FLASH_COMMAND;
    let bench = Bench::new(tool);
    bench.set_flash(&vec![0x5a; 1024 * 1024]);
    let options = ["--pace", "none", "--start", "loader", "--wiring", "none"];
    let done = bench.exec(&options, &any_operation(&bench)).expect_no_burn();
    assert_eq!(bl702_harness::clients::bench::read(&bench.read_file()), [0x5a; 0x1000]);
    assert_eq!((done.number("resets"), done.refusals()), (0, vec![]));
    passed(tool, RUNNING_LOADER, super::results::EQUAL);
}

/// Fuse word 0 bit 2. The tools read the boot info and look for a signed loader, which is not there.
#[rstest]
#[case::iot(&IOT_1_10_0, "ErrorCode: 0003, ErrorMsg: BFLB LOAD HELP BIN FAIL")]
#[case::mcu(&MCU_1_10_0, "ErrorCode: 0003, ErrorMsg: BFLB LOAD HELP BIN FAIL")]
#[case::flash_command(&FLASH_COMMAND, "ErrorCode: 0003, ErrorMsg: LOAD HELP BIN FAIL")]
#[ignore = "needs the vendor's flashers: see main.rs"]
fn a_signed_part(#[case] tool: &'static Tool, #[case] complaint: &str) {
    let bench = Bench::new(tool);
    let fuses = fuses_with(&bench, 0, 2);
    let options = ["--pace", "none", "--efuse", &fuses];
    let done = bench.exec(&options, &any_operation(&bench)).expect_no_burn().expect_said(complaint);
    assert_eq!(done.count_of("rom", "11"), 0, "no boot header was tried");
    done.expect_cause("the part is signed");

    // The user gives it the unsigned one under the name that it asks for.
    let unsigned = bench.chip("eflash_loader/eflash_loader_32m.bin");
    std::fs::copy(&unsigned, bench.chip("eflash_loader/eflash_loader_32m_encrypt.bin")).unwrap();
    let done = bench.exec(&options, &any_operation(&bench)).expect_no_burn();
    let done = done.expect_said("FL0206").expect_said(complaint);
    assert_eq!(done.refusals(), [("0206", 1)]);
    done.expect_cause("the part is signed: it refuses an unsigned image (FL0206)");
    passed(
        tool,
        "signed part (`--efuse`)",
        "0003 LOAD HELP BIN FAIL, FL0206 if it is given an unsigned loader",
    );
}

/// Fuse `sw_usage_0` bit 25: the ROM never says OK. The tools try for a while, with resets.
#[rstest]
#[case::iot(&IOT_1_10_0, "ErrorCode: 0050, ErrorMsg: BFLB IMG LOAD HANDSHAKE FAIL")]
#[case::iot_1_8_9(&IOT_1_8_9, "ErrorCode: 0050, ErrorMsg: BFLB IMG LOAD SHAKEHAND FAIL")]
#[case::mcu(&MCU_1_10_0, "ErrorCode: 0003, ErrorMsg: BFLB LOAD HELP BIN FAIL")]
#[case::flash_command(&FLASH_COMMAND, "ErrorCode: 0003, ErrorMsg: LOAD HELP BIN FAIL")]
#[ignore = "needs the vendor's flashers: see main.rs"]
fn a_part_without_uart_boot(#[case] tool: &'static Tool, #[case] complaint: &str) {
    let bench = Bench::new(tool);
    let fuses = fuses_with(&bench, 0x13, 1);
    let options = ["--pace", "none", "--efuse", &fuses];
    let done = bench.exec(&options, &any_operation(&bench)).expect_no_burn().expect_said(complaint);
    assert_eq!(
        (&done.report["handshakes"], &done.report["bytes"]["from_module"]),
        (&serde_json::json!([]), &0.into())
    );
    done.expect_cause("UART boot is disabled in the eFuses");
    let (_, result) = complaint.split_once(": ").unwrap();
    passed(tool, "UART boot disabled (`--efuse`)", &result.replace(", ErrorMsg:", "").replace("BFLB ", ""));
}
