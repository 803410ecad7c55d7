//! The names under which a client finds the port.

use crate::bench::Bench;

#[test]
fn the_port_has_its_place_in_arguments_and_environment() {
    let bench = Bench::new();
    let script = "test -c \"$1\" && echo \"$1 $BL702_EMU_PORT $2\"";
    let done = bench.exec(&[], &["sh", "-c", script, "sh", "{port}", "--dev={port},raw"]).expect_success();
    let words: Vec<_> = done.stdout.split_whitespace().collect();
    assert!(words[0].starts_with("/dev/pts/"), "{done:#?}");
    assert_eq!(words, [words[0], words[0], &format!("--dev={},raw", words[0])]);
}

#[test]
fn a_client_finds_the_port_through_a_link() {
    let bench = Bench::new();
    let link = bench.path("tty-module");
    let Some(program) = bench.compile("reset", &[]) else { return };
    let options = ["--link", link.to_str().unwrap()];
    let done = bench.exec(&options, &[program.to_str().unwrap(), link.to_str().unwrap()]).expect_success();
    assert_eq!(done.count("resets"), 2);
}

#[test]
fn a_name_for_clients_that_look_under_sys_class_tty() {
    let bench = Bench::new();
    let Some(program) = bench.compile("reset", &[]) else { return };
    // What such a client does: the name must be in /dev, and a link of the same name must be in /sys/class/tty.
    let script =
        "test -h \"/sys/class/tty/${1#/dev/}\" && test -c \"$1\" && echo \"$1\" && exec \"$2\" \"$1\"";
    let client = ["sh", "-c", script, "sh", "{port-via-root}", program.to_str().unwrap()];
    let done = bench.exec(&[], &client).expect_success();
    let path = done.stdout.trim().strip_prefix("/dev/../../..").unwrap();
    let directory = std::path::Path::new(path).parent().unwrap();
    assert!(!directory.exists(), "{directory:?} was made for this run");

    let link = bench.path("named");
    let done = bench.exec(&["--link", link.to_str().unwrap()], &client).expect_success();
    assert_eq!(done.stdout.trim(), format!("/dev/../../..{}", link.display()));
}
