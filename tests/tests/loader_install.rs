//! `bl702-flash loader`: from a package or file into the user's data, checked, and found from there.
//!
//! Packages are made here, with Python as the vendor makes them, around the made-up image of the fixtures. The test
//! with the vendor's real package downloads it: ignored by default, and run by `.ci/run`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code: a failure is a failed test")]

use std::path::PathBuf;
use std::process::Command;

use bl702_harness::images;
use bl702_harness::programs::{self, Ended};
use bl702_harness::workbench::Workbench;
use rstest::rstest;

const INSTALLED: &str = ".local/share/bl702-flash/eflash_loader_32m.bin";
const IN_PACKAGE: &str = "bflb_mcu_tool/chips/bl702/eflash_loader/eflash_loader_32m.bin";

/// The flasher with the machine's own PATH, so that it finds Python.
fn flasher(bench: &Workbench, arguments: &[&str]) -> Command {
    let mut command = bench.flasher();
    command.env("PATH", std::env::var_os("PATH").unwrap()).args(arguments);
    command
}

fn run(bench: &Workbench, arguments: &[&str]) -> Ended {
    programs::run(&mut flasher(bench, arguments))
}

fn made_up_loader() -> Vec<u8> {
    std::fs::read(images::made_up_loader()).unwrap()
}

const PACK: &str = "
import io, sys, tarfile, zipfile
package, image, inside = sys.argv[1:]
if package.endswith('.tar.gz'):
    with tarfile.open(package, 'w:gz') as archive:
        archive.add(image, 'bflb-mcu-tool-uart-1.0/' + inside)
else:
    info = 'bflb_mcu_tool_uart-1.0.dist-info/'
    with zipfile.ZipFile(package, 'w') as archive:
        archive.write(image, inside)
        archive.writestr(info + 'METADATA', 'Metadata-Version: 2.1\\nName: bflb-mcu-tool-uart\\nVersion: 1.0\\n')
        archive.writestr(info + 'WHEEL', 'Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')
        archive.writestr(info + 'RECORD', '')
";

/// A package with an image in it.
fn package(bench: &Workbench, name: &str, inside: &str) -> PathBuf {
    let image = bench.put("image-to-pack", &made_up_loader());
    let package = bench.path().join(name);
    let mut python = Command::new("python3");
    python.args(["-c", PACK]).arg(&package).arg(image).arg(inside);
    let ended = programs::run(&mut python);
    assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
    package
}

#[rstest]
#[case::wheel("bflb_mcu_tool_uart-1.0-py3-none-any.whl")]
#[case::source("bflb-mcu-tool-uart-1.0.tar.gz")]
fn a_package_is_unpacked_checked_and_found(#[case] name: &str) {
    let bench = Workbench::new();
    let package = package(&bench, name, IN_PACKAGE).display().to_string();
    // Nobody knows this build: it is refused until somebody takes it upon himself.
    let refused = run(&bench, &["loader", "install", &package]);
    assert_eq!(refused.code(), Some(3), "{}", refused.stderr);
    assert!(refused.stderr.contains("none of the published builds"), "{}", refused.stderr);
    assert!(!bench.path().join(INSTALLED).exists());

    let installed = run(&bench, &["loader", "install", "--allow-unknown", &package]);
    assert_eq!(installed.code(), Some(0), "{}", installed.stderr);
    assert_eq!(bench.read(INSTALLED), made_up_loader());
    let status = run(&bench, &["loader", "status"]);
    assert_eq!(status.code(), Some(0), "{}", status.stderr);
    let text = String::from_utf8(status.stdout).unwrap();
    assert!(text.contains(INSTALLED) && text.contains("installed by `loader install`"), "{text}");

    // The same once more is no mistake; another one is not replaced by accident.
    assert_eq!(run(&bench, &["loader", "install", "--allow-unknown", &package]).code(), Some(0));
    bench.put(INSTALLED, b"another");
    assert_eq!(run(&bench, &["loader", "install", "--allow-unknown", &package]).code(), Some(2));
    assert_eq!(bench.read(INSTALLED), b"another");
    assert_eq!(run(&bench, &["loader", "install", "--allow-unknown", "--force", &package]).code(), Some(0));
    assert_eq!(bench.read(INSTALLED), made_up_loader());
    assert_eq!(run(&bench, &["loader", "remove"]).code(), Some(0));
    assert!(!bench.path().join(INSTALLED).exists());
    assert_eq!(run(&bench, &["loader", "remove"]).code(), Some(2));
    assert_eq!(run(&bench, &["loader", "status"]).code(), Some(2), "there is none any more");
}

/// What pip downloads, here from a folder instead of PyPI.
#[test]
fn pip_downloads_the_package() {
    let bench = Workbench::new();
    package(&bench, "bflb_mcu_tool_uart-1.0-py3-none-any.whl", IN_PACKAGE);
    let mut command = flasher(&bench, &["loader", "install", "--allow-unknown"]);
    let ended = programs::run(command.env("PIP_NO_INDEX", "1").env("PIP_FIND_LINKS", bench.path()));
    assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
    assert_eq!(bench.read(INSTALLED), made_up_loader());
}

#[test]
fn what_goes_wrong_is_told() {
    let bench = Workbench::new();
    let other = package(&bench, "other-1.0.tar.gz", "other/file.bin").display().to_string();
    let refused = run(&bench, &["loader", "install", &other]);
    assert_eq!(refused.code(), Some(2), "{}", refused.stderr);
    assert!(refused.stderr.contains("there is no bl702 eflash_loader_32m.bin in it"), "{}", refused.stderr);
    let half = package(&bench, "half.whl", IN_PACKAGE);
    bench.put("half.whl", &std::fs::read(half).unwrap()[..100]);
    assert_eq!(run(&bench, &["loader", "install", "half.whl"]).code(), Some(2));
    bench.put("text.bin", b"no image");
    assert_eq!(run(&bench, &["loader", "install", "text.bin"]).code(), Some(2));
    bench.put_hollow("huge.bin", 300 * 1024);
    assert_eq!(run(&bench, &["loader", "install", "huge.bin"]).code(), Some(2));
    // No package anywhere.
    let mut command = flasher(&bench, &["loader", "install"]);
    let ended = programs::run(command.env("PIP_NO_INDEX", "1"));
    assert_eq!(ended.code(), Some(2), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("`pip download --no-deps bflb-mcu-tool-uart` failed: ERROR: "),
        "{}",
        ended.stderr
    );
    // No Python: the workbench's own PATH is empty.
    let ended = programs::run(bench.flasher().args(["loader", "install"]));
    assert_eq!(ended.code(), Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("python3 is not on this machine"), "{}", ended.stderr);
    assert!(!bench.path().join(INSTALLED).exists(), "nothing of it was installed");
}

/// The vendor's package from PyPI holds a build that is known.
#[test]
#[ignore = "downloads the vendor's package; .ci/run does"]
fn the_vendors_package_is_known() {
    let bench = Workbench::new();
    let ended = run(&bench, &["loader", "install"]);
    assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
    let text = String::from_utf8(ended.stdout).unwrap();
    assert!(text.contains("published in bflb-mcu-tool"), "{text}");
    assert!(bench.path().join(INSTALLED).is_file());
}
