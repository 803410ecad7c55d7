//! The flasher over `rfc2217://`, against a module that the emulator serves on the network: two programs, one socket.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code: a failure is a failed test")]

use bl702_harness::images;
use bl702_harness::programs::{self, Ended, Serving};
use bl702_harness::workbench::Workbench;
use rstest::rstest;
use serde_json::Value;

const FLASH_BYTES: usize = 1024 * 1024;

/// A module with its flash in `flash.raw`, its fuses in `efuse.raw`; and its port's address.
fn serve(bench: &Workbench, listen: &str, options: &[&str]) -> (Serving, String) {
    let file = |name: &str| bench.path().join(name).display().to_string();
    let (flash, efuse) = (file("flash.raw"), file("efuse.raw"));
    let fixed = ["--flash", &flash, "--efuse", &efuse, "--json", "--rfc2217", listen];
    let serving = Serving::start(fixed.iter().chain(options));
    let first: Value = serde_json::from_str(&serving.first_line).unwrap();
    let address = first["modules"][0]["rfc2217"].as_str().unwrap_or_else(|| panic!("{first}"));
    let port = format!("rfc2217://{address}");
    (serving, port)
}

fn flash(bench: &Workbench, port: &str, arguments: &[&str]) -> Ended {
    let mut command = bench.flasher();
    command.args(["--port", port, "--format", "json", "--loader"]).arg(images::made_up_loader());
    programs::run(command.args(arguments))
}

fn last_line(ended: &Ended) -> Value {
    let stdout = String::from_utf8_lossy(&ended.stdout).into_owned();
    serde_json::from_str(stdout.lines().last().unwrap_or_else(|| panic!("{}", ended.stderr))).unwrap()
}

#[rstest]
#[case::ipv4("127.0.0.1:0", &["--pace", "none"])]
#[case::ipv6("[::1]:0", &["--pace", "none"])]
#[case::other_wiring("127.0.0.1:0", &["--pace", "none", "--wiring", "dtr-en", "--boot", "rts"])]
#[case::slow_network("127.0.0.1:0", &["--pace", "none", "--latency-ms", "60"])]
fn what_is_written_over_a_network_comes_back(#[case] listen: &str, #[case] options: &[&str]) {
    let bench = Workbench::new();
    let image = images::other(40_000, 3);
    bench.put("image.bin", &image);
    let (_serving, port) = serve(&bench, listen, options);
    let fuses = bench.read("efuse.raw");
    let wiring = if options.contains(&"dtr-en") { "dtr-en" } else { "rts-en" };

    let written = flash(&bench, &port, &["--wiring", wiring, "write", "0x2100=image.bin"]);
    assert_eq!(written.code(), Some(0), "{}", last_line(&written));
    assert!(
        String::from_utf8_lossy(&written.stdout).contains("\"event\":\"reset_by_lines\""),
        "it has lines"
    );
    let range = format!("0x2100..{:#x}", 0x2100 + image.len());
    let read = flash(&bench, &port, &["--wiring", wiring, "backup", "--range", &range, "backup.bin"]);
    assert_eq!(read.code(), Some(0), "{}", last_line(&read));

    assert!(bench.read("backup.bin") == image, "the backup differs");
    let mut expected = images::padded(&[], FLASH_BYTES);
    expected[0x2100..0x2100 + image.len()].copy_from_slice(&image);
    assert!(bench.read("flash.raw") == expected, "the flash differs");
    assert_eq!(bench.read("efuse.raw"), fuses, "fuses were burnt");
}

#[test]
fn a_module_on_the_network_has_one_client_at_a_time() {
    let bench = Workbench::new();
    let (_serving, port) = serve(&bench, "127.0.0.1:0", &["--pace", "none"]);
    let holder = std::net::TcpStream::connect(port.strip_prefix("rfc2217://").unwrap()).unwrap();
    // The server's first word: it has let this client in.
    let mut first = [0];
    std::io::Read::read_exact(&mut &holder, &mut first).unwrap();
    let refused = flash(&bench, &port, &["info"]);
    let last = last_line(&refused);
    assert_eq!(refused.code(), Some(1), "{last}");
    let error = last["error"].as_str().unwrap();
    assert!(error.starts_with(&format!("{port} turned this program away, saying: ")), "{error}");
    assert!(error.contains("is connected"), "{error}");
    drop(holder);
}

#[test]
fn a_server_that_is_killed_is_told_as_such() {
    let bench = Workbench::new();
    let (serving, port) = serve(&bench, "127.0.0.1:0", &["--pace", "none"]);
    let mut command = bench.flasher();
    command.args(["--port", &port, "--format", "json", "--loader"]).arg(images::made_up_loader());
    let mut backup = programs::Started::new(command.args(["backup", "first.bin"]));
    backup.wait_for_line("\"phase\":\"read\"");
    serving.killer().kill();
    let ended = backup.finish();
    let last = last_line(&ended);
    assert_eq!(ended.code(), Some(1), "{last}");
    assert_eq!(
        last["error"].as_str().map(|error| error.contains("has vanished while it was in use")),
        Some(true),
        "{last}"
    );
    assert!(!bench.path().join("first.bin").exists(), "half a backup is none");
}

#[rstest]
#[case("rfc2217://host", "it needs a port number")]
#[case("rfc2217://me:secret@host:1", "it names a user")]
#[case("socket://host:1", "is of no kind that this version knows")]
fn mistakes_in_addresses_are_usage(#[case] port: &str, #[case] why: &str) {
    let bench = Workbench::new();
    let ended = flash(&bench, port, &["info"]);
    assert_eq!(ended.code(), Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains(why), "{}", ended.stderr);
}
