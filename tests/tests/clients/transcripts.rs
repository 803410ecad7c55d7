//! What each tool and the module say to each other in a short session, decoded by `bl702-emu trace`.

use std::process::Command;

use bl702_harness::images::other;
use bl702_harness::programs::{emulator, run};
use rstest::rstest;

use bl702_harness::clients::bench::Bench;
use bl702_harness::clients::tools::{FLASH_COMMAND, Family, IOT_1_8_9, IOT_1_10_0, MCU_1_10_0, Tool};

/// Durations, and how long somebody was silent: they depend on the machine.
const DURATION: &str = r"\b\d+(\.\d+)? (us|ms|s)\b";
const TIME: &str = r"(?m)^ *\d+\.\d{6}  ";
/// What the chip tells of commands is what the lines around it say already; when it has programmed something, and which
/// pause is long enough for a line, depends on the machine.
const LEFT_OUT: &str = r"(?m)^(event  (command|reg_write|flash_\w+): |pause ).*\n";

#[rstest]
#[case::iot("bflb-iot-tool-1.10.0", &IOT_1_10_0)]
#[case::iot_1_8_9("bflb-iot-tool-1.8.9", &IOT_1_8_9)]
#[case::mcu("bflb-mcu-tool-1.10.0", &MCU_1_10_0)]
#[case::flash_command("bflb-flash-command-uart-1.4.3.post1", &FLASH_COMMAND)]
#[ignore = "needs the vendor's flashers: see main.rs"]
fn a_short_session(#[case] name: &str, #[case] tool: &'static Tool) {
    let bench = Bench::new(tool);
    let contents = other(1024 * 1024, 5);
    bench.set_flash(&contents);
    let recording = bench.path("recording.jsonl");
    let command = match tool.family {
        Family::Mcu => tool.write(&bench.put("image.bin", &contents[..4096]), 0x2000),
        Family::Iot | Family::FlashCommand => tool.read(0, 0x1000, &bench.read_file()),
    };
    // Without waits on the wall clock nothing depends on how busy the machine is.
    bench.exec(&["--pace", "none", "--record", recording.to_str().unwrap()], &command).expect_clean(tool);
    let trace = run(Command::new(emulator()).arg("trace").arg(&recording));
    assert_eq!(trace.code(), Some(0), "{}", trace.stderr);
    let filters =
        [(TIME, ""), (LEFT_OUT, ""), (DURATION, "[time]"), (r"(made by bl702-emu) \S+", "$1 [version]")];
    let text = String::from_utf8(trace.stdout).unwrap();
    insta::with_settings!({ filters => filters, prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(name, text);
    });
}
