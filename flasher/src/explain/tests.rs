use proptest::prelude::*;
use rstest::rstest;

use super::*;

fn causes(log: &str) -> Vec<&'static str> {
    explain_log(log.as_bytes()).findings.iter().map(|finding| finding.cause).collect()
}

/// `reference/rom-and-module.md` section 5 and `reference/clients.md` section 7: the log of the field report.
const FORUM: &str = "FL0104(BFLB_CMD_SEQ_ERROR)\nFL0402(BFLB_EFUSE_WRITE_ADDR_ERROR)\nFL0104(BFLB_CMD_SEQ_ERROR)\n\
    clock PLL set fail\nread flash JEDEC ID fail\n";

#[test]
fn the_field_report() {
    let diagnosis = explain_log(FORUM.as_bytes());
    let [finding] = &diagnosis.findings[..] else { panic!("{diagnosis:?}") };
    assert_eq!(finding.headline, "the tool was set to BL702L; the module is a BL702");
    assert_eq!(finding.certainty, Certainty::Certain);
    assert!(finding.next[0].starts_with("choose BL702 in the tool"), "{finding:?}");
    assert!(finding.next[1].starts_with("BOOT is D28"), "{finding:?}");
    assert_eq!(finding.evidence.len(), 5);
    let codes: Vec<&str> = diagnosis.codes.iter().map(|code| code.code.as_str()).collect();
    assert_eq!(codes, ["FL0104", "FL0402", "ErrorCode 0030"]);
}

/// The same cause behind other tools, orders, languages, rates and ways of copying.
#[rstest]
#[case::crlf_times_colours(
    "[22:01:10.101] - \x1b[31mFL0104(BFLB_CMD_SEQ_ERROR)\x1b[0m\r\n[22:01:10.300] - FL0402(BFLB_EFUSE_WRITE_ADDR_ERROR)\r\n[22:01:10.4] - ErrorCode: 000C, ErrorMsg: BFLB SET CLOCK PLL FAIL\r\n"
)]
#[case::other_order(
    "ErrorCode: 0030, ErrorMsg: BFLB READ FLASH JEDEC ID FAIL\nFL0402(BFLB_EFUSE_WRITE_ADDR_ERROR)\npll set fail!!\nFL0104(BFLB_CMD_SEQ_ERROR)"
)]
#[case::chinese("设置 PLL 时钟 失败\n错误码: 000C\n读取 JEDEC ID 失败\nFL0104")]
#[case::german("PLL-Takt setzen fehlgeschlagen\nJEDEC-ID lesen fehlgeschlagen\n")]
#[case::russian("ошибка: FL0402\nошибка установки PLL\nошибка JEDEC\n")]
#[case::decimal_codes(
    "Setting clock parameters ...\nChip returned error: 260\nChip returned error: 1026\nFailed to set clock parameters.\n"
)]
#[case::web("Error 0x0104 (unknown)\nError 0x0402 (unknown)\n")]
#[case::raw_bytes("tx 22 8e 18 00\nrx 46 4c 04 01\nrx 46 4c 02 04\n")]
#[case::at_500000(
    "chip type: bl702l\nshake hand success\nFL0104(BFLB_CMD_SEQ_ERROR)\nFL0104(BFLB_CMD_SEQ_ERROR)\n"
)]
#[case::names_only("CMD_SEQ_ERROR, then EFUSE_WRITE_ADDR_ERROR")]
#[case::one_line("I get FL0104, FL0402 and FL0104 and then it says read JEDEC ID fail. Is it dead?")]
#[case::jedec_and_profile(
    "Chip name is bl616\nhandshake success\nread flash jedec id\nErrorCode: 0030, ErrorMsg: BFLB READ FLASH JEDEC ID FAIL"
)]
#[case::unpack(
    "chipname bl616\nhandshake success\ntoo many values to unpack (expected 2)\nErrorCode: 0003, ErrorMsg: BFLB LOAD HELP BIN FAIL"
)]
fn a_wrong_chip_was_selected(#[case] log: &str) {
    assert_eq!(causes(log).first(), Some(&"wrong_chip_selected"), "{:#?}", explain_log(log.as_bytes()));
}

/// Logs of bflb-iot-tool-uart 1.10.0 at an emulated module, cut to the lines that matter.
#[rstest]
#[case::bl702l_at_2000000(
    "[23:21:11.850] - Chip name is bl702l\n[23:21:13.508] - handshake succeeded\n[23:21:13.980] - data read is b'0100020700000000000000002e0000083230376c62020000'\n[23:21:14.026] - FL0104(BFLB_CMD_SEQ_ERROR)\n[23:21:14.026] - FL0402(BFLB_EFUSE_WRITE_ADDR_ERROR)\n[23:21:14.033] - ErrorCode: 000C, ErrorMsg: BFLB SET CLOCK PLL FAIL\n[23:21:14.033] - pll set failed\n[23:21:14.033] - burn return with retry failed\n",
    "BL702L"
)]
#[case::bl702l_at_1000000(
    "[23:22:16.772] - Chip name is bl702l\n[23:22:18.463] - handshake succeeded\n[23:22:34.986] - ErrorCode: 000C, ErrorMsg: BFLB SET CLOCK PLL FAIL\n[23:22:34.986] - pll set failed\n",
    "BL702L"
)]
#[case::bl616(
    "[23:21:37.828] - Chip name is bl616\n[23:21:39.480] - handshake succeeded\n[23:21:39.981] - data read is b'0100020700000000000000002e0000083230376c62020000'\n[23:21:55.994] - ErrorCode: 000C, ErrorMsg: BFLB SET CLOCK PLL FAIL\n",
    "BL616"
)]
#[case::bl602(
    "[23:21:14.900] - Chip name is bl602\n[23:21:16.046] - handshake succeeded\n[23:21:16.057] - data read is b'0100020700000000000000002e0000083230376c62020000'\n[23:21:16.609] - ErrorCode: 0025, ErrorMsg: BFLB EFUSE MAC ADDR CRC FAIL\n[23:21:16.609] - read mac addr failed\n",
    "BL602"
)]
fn real_logs_of_wrong_chips(#[case] log: &str, #[case] chip: &str) {
    let diagnosis = explain_log(log.as_bytes());
    let [finding] = &diagnosis.findings[..] else { panic!("{diagnosis:#?}") };
    assert_eq!(finding.headline, format!("the tool was set to {chip}; the module is a BL702"));
    assert_eq!(finding.certainty, Certainty::Certain);
}

#[test]
fn the_chip_that_was_selected_is_named() {
    let headline = |log: &str| explain_log(log.as_bytes()).findings[0].headline.clone();
    assert_eq!(
        headline("chip: bl808\npll set failed\nJEDEC fail"),
        "the tool was set to BL808; the module is a BL702"
    );
    assert_eq!(
        headline("FL0402\npll set failed"),
        "the tool was set to BL702L (or another newer chip: BL616, BL808); the module is a BL702"
    );
}

/// `reference/clients.md` section 6 and what else tools print.
#[rstest]
#[case::official_read(
    "shake hand success\neflash loader present\nload image success\nFL0004(BFLB_FLASH_WRITE_PARA_ERROR)\nRetry\nretry\nErrorCode: 0035, ErrorMsg: BFLB FLASH READ FAIL\nburn return with retry failed\n",
    "read_failed"
)]
#[case::no_handshake(
    "handshake failed\nErrorCode: 0050, ErrorMsg: BFLB IMG LOAD HANDSHAKE FAIL\n请按照以下描述排查问题：\nGPIO28是否上拉到板子自身的3.3V，而不是外部的3.3V",
    "nobody_answers"
)]
#[case::blisp_no_answer(
    "Sending a handshake...\nReceived incorrect handshake response from chip.\nCould not find 0x4F 0x4B ('O', 'K') in: \nFailed to handshake with device.\n",
    "nobody_answers"
)]
#[case::isp_no_answer(
    "\x1b[0;31m ========  [step.1] shake hand fail\r\n\x1b[0;31m ========  [step.1] shake hand fail\r\n",
    "nobody_answers"
)]
#[case::easyflasher_no_answer(
    "Sync attempt 10/1000 ... failed, will retry!\nOtherwise, please pull high BOOT/IO28 and reset.",
    "nobody_answers"
)]
#[case::loader_silent(
    "Handshake successful!\nBootROM version 1.0.2.7, ChipID: 0000271821A890C8\n59200b / 59200 (100.00%)\nSending a handshake...\nFailed to handshake with device.\n",
    "loader_silent"
)]
#[case::official_loader_silent(
    "handshake succeeded\nload image success\nErrorCode: 0001, ErrorMsg: BFLB EFLASH LOADER HANDSHAKE FAIL",
    "loader_silent"
)]
#[case::loader_running(
    "handshake succeeded\ndata read is b'ffffffff0000000028000008000100000824d00716250122'\neflash loader present\nhandshake with eflash loader found\nErrorCode: 0003, ErrorMsg: BFLB LOAD HELP BIN FAIL",
    "loader_running"
)]
#[case::upload("handshake succeeded\nErrorCode: 0003, ErrorMsg: BFLB LOAD HELP BIN FAIL", "upload_failed")]
#[case::signed("get boot info\nFL0206(BFLB_IMG_BOOTHEADER_SIGN_NOTFIT)\nErrorCode: 0003", "locked_chip")]
#[case::encrypted_blisp(
    "Handshake successful!\nChip returned error: 517\nFailed to load eflash_loader, ret: -6",
    "locked_chip"
)]
#[case::web_tool("Handshake OK\nboot header: error 0x0207", "bad_image")]
#[case::trusted_zone("Chip returned error: 1281\nFailed to run image.", "trusted_zone")]
#[case::identify(
    "flash jedec id: ef401500\nErrorCode: 0043, ErrorMsg: BFLB FLASH IDENTIFY FAIL",
    "unknown_flash"
)]
#[case::no_flash("Handshake with eflash_loader successful.\nflash id ffffff00", "no_flash")]
#[case::dump_written_back(
    "ErrorCode: 0040, ErrorMsg: BFLB FLASH CFG NOT FIT WITH BOOTHEADER",
    "header_for_another_flash"
)]
#[case::overflow("ErrorCode: 0045, ErrorMsg: BFLB FLASH SIZE OVER FLOW", "too_large")]
#[case::erase(
    "handshake\nload image success\nFL0003(BFLB_FLASH_ERASE_ERROR)\nErrorCode: 0034, ErrorMsg: BFLB FLASH ERASE FAIL",
    "erase_failed"
)]
#[case::easyflasher_write("Command 0x31 failed!\nWrite failed!", "write_failed")]
#[case::remembered(
    "FL0006(FLASH_WRITE_ERROR)\nErrorCode: 0037, ErrorMsg: FLASH WRITE CHECK FAIL\nAll programming failed",
    "write_failed"
)]
#[case::sha("Eflash loader is already uploaded!\nSHA mismatch!", "differs")]
#[case::checksum("FL0103(BFLB_CMD_CRC_ERROR)\nFL0103(BFLB_CMD_CRC_ERROR)", "line_garbles")]
#[case::surplus("FL0102(BFLB_CMD_LEN_ERROR)", "surplus_handshake_bytes")]
#[case::mac(
    "FL0407(BFLB_EFUSE_READ_MAC_ERROR)\nErrorCode: 0023, ErrorMsg: BFLB EFUSE READ MAC ADDR FAIL",
    "mac_parity"
)]
#[case::burn("ErrorCode: 0021, ErrorMsg: BFLB EFUSE WRITE FAIL", "efuse_write_refused")]
#[case::read_fuses("ErrorCode: 0020, ErrorMsg: BFLB EFUSE READ FAIL", "efuse_unread")]
#[case::no_lines("error: [Errno 25] Inappropriate ioctl for device", "no_modem_lines")]
#[case::permission(
    "serial.serialutil.SerialException: [Errno 13] could not open port /dev/ttyUSB0: [Errno 13] Permission denied: '/dev/ttyUSB0'",
    "no_permission"
)]
#[case::busy("could not open port '/dev/ttyUSB0': [Errno 16] Device or resource busy", "port_busy")]
#[case::missing(
    "could not open port 'COM7': FileNotFoundError(2, 'The system cannot find the file specified.', None, 2)",
    "no_port"
)]
#[case::vanished("OSError: [Errno 5] Input/output error", "port_vanished")]
#[case::jedec_alone(
    "handshake succeeded\nErrorCode: 0030, ErrorMsg: BFLB READ FLASH JEDEC ID FAIL",
    "no_loader"
)]
#[case::foreign("FL0302", "foreign_code")]
#[case::another_chip("BootROM version: 102105089 (6160001)\nErrorCode: 0003", "another_chip")]
#[case::success("burn retry\nErrorCode: 0035\n[All Success]", "success")]
fn other_causes(#[case] log: &str, #[case] cause: &str) {
    assert_eq!(causes(log).first(), Some(&cause), "{:#?}", explain_log(log.as_bytes()));
}

/// Logs that tell of no failure have no cause.
#[rstest]
#[case::nothing("")]
#[case::prose("hello, how do I solder this module? it has 12 pads and an EN pin")]
#[case::under_way("handshake retry\nerase pending\n12/100 %\n")]
fn nothing_to_explain(#[case] log: &str) {
    assert_eq!(causes(log), Vec::<&str>::new(), "{:#?}", explain_log(log.as_bytes()));
}

/// Every code of both tables, as a log of one line, is explained.
#[test]
fn every_code_alone_is_explained() {
    for row in bl702_protocol::code::CODES {
        let log = format!("[10:00:00.000] - {}({})", row.code, row.name);
        let diagnosis = explain_log(log.as_bytes());
        assert!(!diagnosis.findings.is_empty(), "{log}");
        assert_eq!(diagnosis.codes[0].code, row.code.to_string());
    }
    for row in bl702_protocol::code::VENDOR_ERRORS.iter().filter(|row| row.code != 0) {
        let log = format!("ErrorCode: {:04X}, ErrorMsg: BFLB {}", row.code, row.text);
        assert!(!explain_log(log.as_bytes()).findings.is_empty(), "{log}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, rng_seed: proptest::test_runner::RngSeed::Fixed(5), ..ProptestConfig::with_cases(400) })]

    /// Whatever is pasted, there is an answer, and each piece of evidence is a line of it.
    #[test]
    fn any_bytes_are_taken(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let diagnosis = explain_log(&bytes);
        for finding in &diagnosis.findings {
            for evidence in &finding.evidence {
                prop_assert!((1..=diagnosis.lines).contains(&evidence.line));
            }
        }
    }

    /// A damaged log: pieces of the vendor's lines in any order, cut anywhere.
    #[test]
    fn cut_and_mixed_logs_are_taken(
        pieces in proptest::collection::vec((0..12_usize, 0..80_usize), 0..30)
    ) {
        let all = ["FL0104(BFLB_CMD_SEQ_ERROR)", "b'FL\\x04\\x01'", "ErrorCode: 000C, ErrorMsg: X", "jedec id c2201480",
            "\x1b[0;31m", "error 错误码：0030", "46 4c 04", "FL", "Chip returned error: 1026", "err_msb: 1, err_lsb 4",
            "command 0x3", "data read is b'0100020700000000000000002800000832'"];
        let log: String = pieces.iter().map(|(which, cut)| {
            let piece: String = all[*which].chars().take(*cut).collect();
            piece + if cut % 3 == 0 { "\r\n" } else { " " }
        }).collect();
        let diagnosis = explain_log(log.as_bytes());
        prop_assert!(diagnosis.findings.len() <= MAX_FINDINGS);
    }
}
