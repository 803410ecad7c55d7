//! pyserial's `rfc2217://` client.
//!
//! Needs a Python that has pyserial, as the environment variable `BL702_PYTHON`; run with
//! `BL702_PYTHON=... cargo test -p bl702-emulator --test remote -- --ignored`.

use std::process::Command;

use serde_json::{Value, json};

use super::bench::vector;
use super::ctl::status;
use super::network::Served;

/// A Python that can import `serial`.
fn python() -> std::ffi::OsString {
    std::env::var_os("BL702_PYTHON").expect("set BL702_PYTHON to a Python that has pyserial")
}

#[test]
#[ignore = "needs BL702_PYTHON, a Python that has pyserial"]
fn pyserial_as_the_client() {
    let served = Served::run(&["--profile", "vectors-rom", "--wiring", "rts-en", "--boot", "dtr"]);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/remote/pyserial_client.py");
    let (request, reply) = vector("rom", "boot info (poll bytewise)");
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let output = Command::new(python())
        .args([script, &format!("rfc2217://{}", served.at("rfc2217")), &hex(&request)])
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        told,
        json!({
            "handshakes": ["4f4b", "4f4b"],
            "replies": [hex(&reply), hex(&reply)],
            "silence": "",
            "inputs": [false, false, false, false],
            "hardware_flow_control": "remote rejected value for option 'control'",
            "purged": "",
        }),
        "{errors}"
    );
    let after = status(served.at("control"));
    // One start at power-up, one when the script lets EN go, one for its own reset, one when it opens the port again.
    assert_eq!((after.resets, after.fuses_burnt, after.second_clients), (4, 0, 0));
}
