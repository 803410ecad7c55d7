//! "FL0104, FL0402, SET CLOCK PLL FAIL": a healthy module, and a tool that was told another chip.
//!
//! `reference/rom-and-module.md` section 1.7 tells what the vendor's tool prints against the real ROM's code. Nothing in
//! the emulator knows of this case: it reads what comes as the ROM does.

use rstest::rstest;
use serde_json::json;

use super::results::passed;
use bl702_harness::clients::bench::{Bench, Done};
use bl702_harness::clients::tools::IOT_1_8_9;

const SEQUENCE: &str = "FL0104(BFLB_CMD_SEQ_ERROR)";
const FUSE_ADDRESS: &str = "FL0402(BFLB_EFUSE_WRITE_ADDR_ERROR)";
const END: &str = "ErrorCode: 000C, ErrorMsg: BFLB SET CLOCK PLL FAIL";
const CAUSE: &str =
    "wrong chip profile: command 0x22 does not exist in this ROM; its payload was read as commands";

/// What the tool printed that a user would copy into a question, in its order.
fn complaints(done: &Done) -> Vec<&str> {
    let lines = done.said.lines().filter_map(|line| line.split_once(" - ").map(|(_, text)| text.trim()));
    lines.filter(|text| text.starts_with("FL0") || text.starts_with("ErrorCode")).collect()
}

/// The rate decides which byte of the payload the ROM takes for a command: 20h (change rate, which is silent), 40h (burn
/// fuses), 80h (burn encrypted fuses).
#[rstest]
#[case("500000", [SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE], &[("0104", 4)])]
#[case("1000000", [SEQUENCE, FUSE_ADDRESS, SEQUENCE, FUSE_ADDRESS], &[("0104", 4), ("0402", 4)])]
#[case("2000000", [SEQUENCE, FUSE_ADDRESS, SEQUENCE, FUSE_ADDRESS], &[("0104", 2), ("0402", 2)])]
#[ignore = "needs the vendor's flashers: see main.rs"]
fn a_tool_set_to_bl702l_reports_a_pll_failure_of_a_healthy_module(
    #[case] rate: &str,
    #[case] printed: [&str; 4],
    #[case] answered: &[(&str, u64)],
) {
    let bench = Bench::new(&IOT_1_8_9);
    let command = ["--chipname", "bl702l", "--port", "{port}", "--baudrate", rate, "--xtal", "32M"];
    let read = ["--read", "--start", "0x0", "--end", "0xfffff"];
    let command: Vec<_> = command.iter().chain(&read).map(Into::into).collect();
    let done = bench.exec(&[], &command).expect_no_burn().expect_cause(CAUSE);
    let found = complaints(&done);
    assert_eq!(found[..4], printed, "{}", done.said);
    assert_eq!(found[4..], [END, END], "at once, and again as the last word");
    assert_eq!(done.refusals(), answered);
    assert_eq!(done.report["flash"]["changed"], false);
    assert!(done.report["explanation"].as_str().unwrap().contains("BL702L"));
    assert_eq!(done.report["handshakes"], json!([{ "stage": "rom", "baud_bps": 500_000, "count": 1 }]));

    // The same module and tool, told the right chip.
    let bench = Bench::new(&IOT_1_8_9);
    bench.exec(&["--pace", "none"], &IOT_1_8_9.read(0, 0x1000, &bench.read_file())).expect_clean(&IOT_1_8_9);
    let operation = format!("read as `--chipname bl702l` at {rate}");
    passed(
        &IOT_1_8_9,
        &operation,
        "000C SET CLOCK PLL FAIL; the report names the wrong chip profile, no fuse burnt",
    );
}
