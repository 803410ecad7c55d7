//! Settings in files and the environment, through the real program.
#![allow(clippy::unwrap_used, reason = "test code: a failure is a failed test")]

use std::fs;
use std::process::Command;

use bl702_harness::images;
use bl702_harness::programs::{self, Ended};
use bl702_harness::workbench::Workbench;
use rstest::rstest;

fn said(ended: &Ended, exit: i32) -> String {
    assert_eq!(ended.code(), Some(exit), "{}", ended.stderr);
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    String::from_utf8_lossy(&ended.stdout).into_owned() + &ended.stderr
}

const PROJECT: &str = "\
# of the project
board = \"xt-zb2\"
baud = 1000000
wiring = \"rts-en\"
loader = \"loader.bin\"

[images]
0x2000 = \"fw.bin\"

[timing]
quiet_ms = 10
";

const LOCAL: &str = "\
port = \"emulated\"

[ports.emulated]
invert_rts = true
";

fn bench() -> Workbench {
    let bench = Workbench::new();
    bench.put("bl702.toml", PROJECT.as_bytes());
    bench.put("bl702.local.toml", LOCAL.as_bytes());
    bench
}

#[test]
fn show_tells_every_value_and_where_it_comes_from() {
    let bench = bench();
    let mut command = bench.flasher();
    command.env("BL702_TIMING", "fast").args(["config", "show", "--after", "stay"]);
    let text = said(&programs::run(&mut command), 0);
    insta::assert_snapshot!(bench.redacted(&text));
    let mut command = bench.flasher();
    command.args(["config", "show", "--format", "json"]);
    let text = said(&programs::run(&mut command), 0);
    let last: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!(last["values"]["baud"]["value"], "1000000");
    assert!(last["values"]["baud"]["origin"].as_str().unwrap().ends_with("bl702.toml:3"));
    assert_eq!(last["values"]["flash_size"], serde_json::Value::Null);
}

#[test]
fn init_writes_a_file_that_changes_nothing_and_never_replaces_one() {
    let bench = Workbench::new();
    let init = |arguments: &[&str]| programs::run(bench.flasher().args(["config", "init"]).args(arguments));
    let text = said(&init(&[]), 0);
    insta::assert_snapshot!(text, @r"
    bl702.toml: written; it changes nothing until you do
    Add the line /bl702.local.toml to .gitignore: ports are a matter of each bench.
    ");
    insta::assert_snapshot!("bl702.toml", fs::read_to_string(bench.path().join("bl702.toml")).unwrap());
    bench.put(".gitignore", b"target\n/bl702.local.toml\n");
    insta::assert_snapshot!(said(&init(&["--local"]), 0), @"bl702.local.toml: written; it changes nothing until you do");
    insta::assert_snapshot!(
        "bl702.local.toml",
        fs::read_to_string(bench.path().join("bl702.local.toml")).unwrap()
    );
    let text = said(&init(&[]), 2);
    assert!(text.contains("it exists"), "{text}");
    let shown = said(&programs::run(bench.flasher().args(["config", "show"])), 0);
    assert!(shown.contains("2000000          default"), "{shown}");
}

#[test]
fn settings_are_found_from_folders_below_and_can_be_left_out() {
    let bench = bench();
    fs::create_dir(bench.path().join("below")).unwrap();
    let show = |arguments: &[&str], folder: &str| {
        let mut command = bench.flasher();
        command.current_dir(bench.path().join(folder)).args(["config", "show"]).args(arguments);
        said(&programs::run(&mut command), 0)
    };
    assert!(show(&[], "below").contains("1000000"));
    assert!(!show(&["--settings", "none"], "below").contains("1000000"));
    assert!(show(&["--settings", "../bl702.toml"], "below").contains("1000000"));
    let missing = programs::run(bench.flasher().args(["--settings", "no.toml", "info"]));
    assert!(said(&missing, 2).contains("no.toml: there is no such file"));
}

#[rstest]
#[case::unknown_key(&["info"], "baudd = 5", 2, "bl702.toml:1:1: there is no key \"baudd\"; did you mean baud?")]
#[case::port_of_a_project(&["info"], "port = \"emulated\"", 2, "it belongs into bl702.local.toml")]
#[case::image_build_wants_it_too(&["image", "info", "fw.bin"], "board = \"x\"", 2, "there is no board \"x\"")]
#[case::explain_does_not(&["explain", "FL0206"], "baudd = 5", 0, "0206")]
#[case::nor_does_init(&["config", "init", "--local", "."], "baudd = 5", 0, "written")]
fn a_wrong_file_is_told_with_its_place(
    #[case] arguments: &[&str],
    #[case] text: &str,
    #[case] exit: i32,
    #[case] says: &str,
) {
    let bench = Workbench::new();
    bench.put("bl702.toml", text.as_bytes());
    let heard = said(&programs::run(bench.flasher().args(arguments)), exit);
    assert!(heard.contains(says), "{heard:?} does not say {says:?}");
}

#[rstest]
#[case(&["--wiring", "D0|X"], "at column 4: expected D0, D1, R0, R1")]
#[case(&["--wiring", "rst-en"], "did you mean rts-en?")]
#[case(&["--into-firmware", "D0,R1"], "at column 3: expected | or the end, found")]
#[case(&["--invert-dtr=maybe"], "maybe")]
fn a_wrong_wiring_is_told_with_its_column(#[case] arguments: &[&str], #[case] says: &str) {
    let bench = Workbench::new();
    let heard = said(&programs::run(bench.flasher().args(arguments).args(["--port", "emulated", "info"])), 2);
    assert!(heard.contains(says), "{heard:?} does not say {says:?}");
}

#[test]
fn a_wrong_variable_is_told_by_its_name() {
    let bench = Workbench::new();
    let mut command = bench.flasher();
    command.env("BL702_BAUD", "1200000").args(["--port", "emulated", "info"]);
    let heard = said(&programs::run(&mut command), 2);
    insta::assert_snapshot!(heard, @r"
    error: BL702_BAUD: 1200000 baud cannot be used: the RAM loader rounds what is above 970000 to the nearest multiple of 500000
    next:  Correct or unset the variable BL702_BAUD of the environment.
    ");
}

#[test]
fn a_project_and_a_bench_are_all_that_info_needs() {
    let bench = bench();
    // Inverted as the file says, but the emulated module is not: it is held in reset, and only a person could help.
    let mut command = bench.flasher();
    command.args(["info", "--loader"]).arg(images::made_up_loader()).arg("--invert-rts=false");
    let heard = said(&programs::run(&mut command), 0);
    assert!(heard.contains("handshake at 1000000 baud"), "{heard}");
}

#[test]
fn a_port_as_of_an_ftdi_adapter_is_asked_for_low_latency_while_it_is_open() {
    let bench = Workbench::new();
    let mut command = Command::new(programs::emulator());
    command.args(["exec", "--wiring", "rts-en", "--boot", "dtr", "--"]).arg(programs::flasher());
    command.args(["--port", "{port}", "--format", "json", "--loader"]).arg(images::made_up_loader());
    let heard = said(&programs::run(command.arg("info").current_dir(bench.path())), 0);
    assert!(heard.contains(r#"{"event":"adapter","state":"lowered""#), "{heard}");
    assert!(heard.contains(r#"{"event":"link_measured","baud_bps":2000000"#), "{heard}");
    assert!(heard.contains("fuses       none burnt"), "{heard}");
}
