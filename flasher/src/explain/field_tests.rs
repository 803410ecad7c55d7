//! Logs of the form that tools print and people paste into issues and forums (pine64/blisp 15, 47 and 53,
//! Spagett1/pineflash 62 and 104, spacemeowx2/blflash 17 and 19, openbouffalo/buildroot_bouffalo 51,
//! openshwprojects/OpenBK7231T_App 848, elektroda topics 4057549 and 4154003, forum.edgeimpulse.com 14511, the sources of
//! EasyFlasher, pyserial on Linux and Windows), with values of our own.

use rstest::rstest;

use super::explain_log;

#[rstest]
#[case::blisp_loader_mute(
    "Sending a handshake...\nHandshake successful!\nGetting chip info...\nBootROM version 1.0.2.7, ChipID: 00003412C0A80001\n0b / 59200 (0.00%)\n59200b / 59200 (100.00%)\nSending a handshake...\nReceived no response from chip.\nFailed to handshake with device.\n",
    "loader_silent"
)]
#[case::pineflash_that_went_well(
    "Testing if we can skip the handshake...\nFailed to receive response, ret: 0\nWe can't; ignore the previous error.\nSending a handshake...\nReceived incorrect handshake response from chip (attempt 1/5).\nCould not find 0x4F 0x4B ('O', 'K') in:\nHandshake successful!\nGetting chip info...\nBootROM version 1.0.2.7, ChipID: 00003412C0A80001\n59200b / 59200 (100.00%)\nSending a handshake...\nReceived incorrect handshake response from chip (attempt 1/5).\nHandshake with eflash_loader successful.\nErasing flash to flash boot header\nFlashing the firmware 194508 bytes @ 0x00002000...\nChecking program...\nProgram OK!\nFlash complete!\n",
    "success"
)]
#[case::pineflash_nobody(
    "PineFlash: Serial port is /dev/ttyACM0\nPineFlash: File extracted successfully\nBlisp: Sending a handshake...\nReceived no response from chip.\nFailed to handshake with device.\n",
    "nobody_answers"
)]
#[case::blisp_boot_header(
    "Sending a handshake... OK\nGetting chip info... BootROM version 1.0.2.7, ChipID: 000005AA41CF0EB4\nLoading eflash_loader...\nFailed to load boot header.\n",
    "upload_failed"
)]
#[case::blisp_segment(
    "Sending a handshake... OK\nGetting chip info... BootROM version 1.0.2.7, ChipID: 000005AA41CF0EB4\nFlashing 1. segment\n4092b / 59200b (6.91%)\nFailed to load segment data. (ret -4)\n",
    "upload_failed"
)]
#[case::blflash_at_a_bl602(
    "[INFO  blflash::flasher] Connection Succeed\n[INFO  blflash] Bootrom version: 1\n[INFO  blflash::flasher] Sending eflash_loader...\n[INFO  blflash::flasher] Finished 2.546792544s 11.22KiB/s\nError: Timeout while running command\n",
    "another_chip"
)]
#[case::blflash_258(
    "[INFO  blflash::flasher] Connection Succeed\nError: ROM error Other(258)\n",
    "surplus_handshake_bytes"
)]
#[case::devcube_verify(
    "[15:46:13.490] - ack is 4f4b\n[15:46:13.522] - shake hand success\n[15:46:30.400] - Sha caled by host: 2c7bd1\n[15:46:30.500] - Sha caled by dev: 9afe10\n[15:46:30.500] - Verify fail\n[15:46:30.501] - ErrorCode: 003E, ErrorMsg: BFLB FLASH LOAD VERIFY FAIL\n[15:46:30.501] - Burn Retry\n",
    "differs"
)]
#[case::devcube_nobody(
    "[11:08:40.100] - tx rx and power off, press the machine!\n[11:08:41.000] - send sync\n[11:08:41.500] - ack is\n[11:08:44.366] - shake hand fail\n[11:08:44.368] - Load helper bin time cost(ms): 4551.481689453125\n[11:08:44.368] - ErrorCode: 0003, ErrorMsg: BFLB LOAD HELP BIN FAIL\n[11:08:44.378] - Burn return with retry fail\n",
    "nobody_answers"
)]
#[case::devcube_hears_firmware(
    "[10:00:01.000] - send sync\n[10:00:01.400] - ack is 5374617274696e6720626c373032206e6f772e2e2e2e\n[10:00:03.000] - handshake failed\n[10:00:03.000] - ErrorCode: 0050, ErrorMsg: BFLB IMG LOAD HANDSHAKE FAIL\n",
    "firmware_runs"
)]
#[case::boot_log_alone(
    "Starting bl702 now....\nBooting BL702 Chip...\nRISC-V Core Feature:RV32-ACFIMX\nBuild Version: release_bl_iot_sdk_1.6.30-dirty\nblog init set power on level 2, 2, 2.\n",
    "firmware_runs"
)]
#[case::json_code(r#"{"ErrorCode":"0030","ErrorMsg":"BFLB READ FLASH JEDEC ID FAIL"}"#, "no_loader")]
#[case::easyflasher_as_bl602(
    "Flasher mode: BL602\nSync attempt 0/1000 ... OK!\nBootROM version: 117571585 (7020001)\nChip type: BL702\nSelected chip type is BL602, but current chip type is BL702! Will continue anyway...\nSending boot header...\nJumping...\nSync attempt 0/1000 ... failed, will retry!\n",
    "wrong_chip_selected"
)]
#[case::easyflasher_as_bl702_at_a_bl602(
    "Flasher mode: BL702\nSync attempt 0/1000 ... OK!\nBootROM version: 1 (1)\nSelected chip type is BL702, but current chip type is BL602! Will continue anyway...\nSync attempt 0/1000 ... failed, will retry!\n",
    "another_chip"
)]
#[case::easyflasher_no_info(
    "Flasher mode: BL702\nPort ready!\nSync attempt 0/1000 ... OK!\nCommand timed out!\nCommand timed out!\nInitial get info failed.\nThis may happen if you don't reset between flash operations\n",
    "mute_session"
)]
#[case::easyflasher_sha(
    "Sync attempt 0/1000 ... OK!\nFlash ID: C2201480\nFlash size is 1MB\nStarting flash write 1048576\nSHA mismatch!\n",
    "differs"
)]
#[case::net_unplugged(
    "Sync attempt 0/1000 ... OK!\nFlash ID: C2201480\nSystem.IO.IOException: A device attached to the system is not functioning.\n",
    "port_vanished"
)]
#[case::linux_rights(
    "error: [Errno 13] could not open port /dev/ttyUSB0: [Errno 13] Permission denied: '/dev/ttyUSB0'\n",
    "no_permission"
)]
#[case::linux_busy(
    "serial.serialutil.SerialException: [Errno 16] could not open port /dev/ttyACM0: [Errno 16] Device or resource busy: '/dev/ttyACM0'\n",
    "port_busy"
)]
#[case::windows_busy(
    "[12:00:00.200] - error: could not open port 'COM6': PermissionError(13, 'Access is denied.', None, 5)\n",
    "port_busy"
)]
#[case::windows_no_port(
    "error: could not open port 'COM6': FileNotFoundError(2, 'The system cannot find the file specified.', None, 2)\n",
    "no_port"
)]
#[case::windows_unplugged_while_reading(
    "handshake succeeded\nload image success\nerror: ClearCommError failed (PermissionError(13, 'The device does not recognize the command.', None, 22))\n",
    "port_vanished"
)]
#[case::windows_unplugged_while_writing(
    "serial.serialutil.SerialException: WriteFile failed (PermissionError(13, 'Access is denied.', None, 5))\n",
    "port_vanished"
)]
#[case::no_firmware_file(
    "[12:00:00.100] - Firmware is firmware.bin\nTraceback (most recent call last):\nFileNotFoundError: [Errno 2] No such file or directory: 'firmware.bin'\n",
    "no_input_file"
)]
#[case::blisp_port("Failed to open device.\n", "port_not_opened")]
#[case::our_own(
    "whatever goes wrong, this run ends within 722 s; less as soon as the size of the flash is known\nresetting the module through the modem lines\nno answer yet; perhaps a session that another program left behind is still open: silent for 4.2 s, so that it ends\nerror: no answer of the boot ROM to 26 handshakes at 500000 baud\n",
    "nobody_answers"
)]
#[case::chip_erase(
    "handshake succeeded\nload image success\nflash jedec id: c2201480\nchip erase all\nerase timeout\nerase failed\nErrorCode: 003C, ErrorMsg: BFLB FLASH CHIP ERASE FAIL\n",
    "erase_failed"
)]
#[case::devcube_as_bl616(
    "chiptype: bl616\nshake hand success\ndata read is b'0100020700000000000000002e0000083230376c62020000'\nack is not ok\nErrorCode: 0003, ErrorMsg: BFLB LOAD HELP BIN FAIL\n",
    "wrong_chip_selected"
)]
#[case::all_well(
    "Chip name is bl702\nhandshake succeeded\ndata read is b'0100020700000000000000002e0000083230376c62020000'\nload image success\nflash jedec id: c2201480\nverification succeeded\n[All Success]\n",
    "success"
)]
fn what_people_paste(#[case] log: &str, #[case] cause: &str) {
    let diagnosis = explain_log(log.as_bytes());
    let causes: Vec<&str> = diagnosis.findings.iter().map(|finding| finding.cause).collect();
    assert_eq!(causes, [cause], "{diagnosis:#?}");
}
