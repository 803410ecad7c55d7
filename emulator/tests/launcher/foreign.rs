//! Clients in other languages, each on the serial library that its people use.
//!
//! They need programs and libraries that not every machine has: `.ci/serial-clients` installs them and tells where they
//! are, `eval "$(.ci/serial-clients)" && cargo test -p bl702-emulator --test launcher -- --ignored`.

use std::path::{Path, PathBuf};
use std::process::Command;

use rstest::rstest;

use crate::bench::{Bench, Done};

/// The value of a variable that `.ci/serial-clients` sets.
fn place_of(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| panic!("set {variable}: see .ci/serial-clients"))
}

fn script(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/launcher/clients")
        .join(name)
        .to_str()
        .unwrap()
        .to_owned()
}

/// The client has reset the module and printed the boot info that it got.
fn expect_boot_info(done: Done) {
    let done = done.expect_success();
    let boot_info = "4f4b18000100020700000000000000002e0000083230376c62020000";
    assert_eq!(done.stdout.trim(), boot_info, "{done:#?}");
    assert_eq!((done.handshakes(), done.count("fuses_burnt")), (1, 0), "{done:#?}");
    assert_eq!(done.report["client"]["used_modem_lines"], true);
    assert_eq!(done.report["baud_bps"], serde_json::json!([500_000]), "{done:#?}");
    assert_eq!(done.report["warnings"], serde_json::json!([]), "{done:#?}");
}

#[test]
#[ignore = "needs mono and its compiler: .ci/serial-clients"]
fn c_sharp_with_system_io_ports() {
    let bench = Bench::new();
    let program = bench.path("session.exe");
    let mut compiler = Command::new(place_of("BL702_MCS"));
    let out = format!("-out:{}", program.display());
    let done = bench.run(compiler.args(["-r:System", &out, &script("session.cs")]));
    done.expect_success();
    expect_boot_info(bench.exec(&[], &[&place_of("BL702_MONO"), program.to_str().unwrap(), "{port}"]));
}

#[test]
#[ignore = "needs node and the package serialport: .ci/serial-clients"]
fn javascript_with_serialport() {
    let bench = Bench::new();
    let modules = format!("NODE_PATH={}", place_of("BL702_NODE_MODULES"));
    expect_boot_info(bench.exec(&[], &["env", &modules, "node", &script("session.js"), "{port}"]));
}

#[rstest]
#[case::as_it_comes("{}")]
#[case::locked(r#"{"exclusive": true}"#)]
#[case::with_flow_control(r#"{"rtscts": true}"#)]
#[ignore = "needs BL702_PYTHON, a Python that has pyserial: .ci/serial-clients"]
fn python_with_pyserial(#[case] keywords: &str) {
    let bench = Bench::new();
    expect_boot_info(
        bench.exec(&[], &[&place_of("BL702_PYTHON"), &script("session.py"), "{port}", keywords]),
    );
}

#[test]
#[ignore = "needs BL702_PYTHON, a Python that has pyserial-asyncio: .ci/serial-clients"]
fn python_with_pyserial_asyncio() {
    let bench = Bench::new();
    expect_boot_info(bench.exec(&[], &[&place_of("BL702_PYTHON"), &script("session_asyncio.py"), "{port}"]));
}

#[test]
#[ignore = "needs libserialport-dev: .ci/serial-clients"]
fn c_with_libserialport() {
    let bench = Bench::new();
    let program = compiled(&bench, "libserialport", "-lserialport");
    let done = bench.exec(&[], &[program.to_str().unwrap(), "{port-via-root}"]).expect_success();
    assert_eq!(done.count("resets"), 1);
}

/// They call the kernel in another way, and their structs are shorter.
#[rstest]
#[case("reset")]
#[case("custom_rate")]
#[case("drain")]
#[case("framing")]
#[case("other_files")]
#[case("passing")]
#[ignore = "needs a C compiler for 32-bit programs: .ci/serial-clients"]
fn c_with_32_bits(#[case] name: &str) {
    let bench = Bench::new();
    let program = compiled(&bench, name, "-m32");
    bench.exec(&[], &[program.to_str().unwrap(), "{port}"]).expect_success();
}

fn compiled(bench: &Bench, name: &str, flag: &str) -> PathBuf {
    bench.compile(name, &[flag]).unwrap_or_else(|| panic!("{flag} does not compile: see .ci/serial-clients"))
}

/// setserial(8) wants root for some settings, not for these.
#[test]
#[ignore = "needs setserial: .ci/serial-clients"]
fn setserial() {
    let bench = Bench::new();
    let line = "setserial \"$1\" spd_cust divisor 48 low_latency && setserial -a \"$1\"";
    let done = bench.exec(&[], &["sh", "-c", line, "sh", "{port}"]).expect_success();
    for expected in ["Baud_base: 24000000", "divisor: 48", "spd_cust low_latency"] {
        assert!(done.stdout.contains(expected), "{expected}: {done:#?}");
    }
}
