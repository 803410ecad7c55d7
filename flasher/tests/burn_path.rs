//! There is one way to burn: read from the sources themselves, so that a second one cannot come in unseen.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::fs;
use std::path::{Path, PathBuf};

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

/// Where a text stands outside of comments: file and line, the tests at the end of a file left out.
fn places(text: &str) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    assert!(files.len() > 100, "only {} sources", files.len());
    files.sort();
    let mut found = Vec::new();
    for file in files {
        let source = fs::read_to_string(&file).unwrap();
        let code = source.split("#[cfg(test)]\nmod tests {").next().unwrap();
        for line in code.lines().map(str::trim).filter(|line| !line.starts_with("//")) {
            if line.contains(text) {
                found.push(format!("{}: {line}", file.strip_prefix(&root).unwrap().display()));
            }
        }
    }
    found
}

#[test]
fn one_request_burns() {
    // What the ROM would make of a damaged frame is worked out there from bytes; nothing in that file makes requests.
    let reader = "connect/misread.rs: ";
    let is_reader = |place: &String| place.starts_with(reader);
    assert!(!places("Request::").iter().any(is_reader), "what works out misreading makes requests");
    let mut found = places("EfuseWrite");
    found.retain(|place| !is_reader(place));
    assert_eq!(
        found,
        ["request.rs: Request::loader(LoaderCommand::EfuseWrite, \"burn an eFuse word\", payload)"],
        "a second request that burns"
    );
    // Commands by another name, or by number.
    for text in [
        "SealedEfuseWrite",
        "from_id(",
        "Command::from(",
        "0x40,",
        "0x43",
        "0x80,",
        "LOADER_COMMANDS",
        "ROM_COMMANDS",
    ] {
        let found: Vec<String> = places(text)
            .into_iter()
            .filter(|place| !is_reader(place))
            .filter(|place| {
                place.starts_with("request")
                    || place.starts_with("transfer")
                    || place.starts_with("flow")
                    || place.starts_with("connect")
            })
            .collect();
        assert_eq!(found, [""; 0], "{text}");
    }
}

#[test]
fn one_place_makes_frames_and_few_send_bytes() {
    assert_eq!(places("frame::request(").len(), 1, "{:?}", places("frame::request("));
    let senders: Vec<String> =
        places("link.write(").into_iter().map(|place| place.split(':').next().unwrap().to_owned()).collect();
    assert_eq!(
        senders,
        ["connect/handshake.rs", "flow/monitor.rs", "transfer/exchange.rs", "transfer/exchange.rs"]
    );
}

#[test]
fn one_caller_asks_for_the_permit_and_one_sends_the_burn() {
    assert_eq!(
        places("BurnPermit::from_option("),
        ["cmd/efuse/burn.rs: let permit = BurnPermit::from_option(args.yes_burn_fuses);"]
    );
    assert_eq!(places("_private: ()").len(), 2, "{:?}", places("_private: ()"));
    let senders = places("efuse_write(");
    assert_eq!(senders.len(), 2, "{senders:?}");
    assert!(senders[0].starts_with("request.rs: pub fn efuse_write(_: &BurnPermit"), "{senders:?}");
    assert!(senders[1].starts_with("transfer/fuses.rs: "), "{senders:?}");
}
