//! Everything that reads bytes from outside, as targets for fuzzing: a slice of bytes goes in, and nothing may panic or
//! take memory without end.
//!
//! `tests/fuzz.rs` feeds each with mutations of `fixtures/corpus/NAME` in `cargo test`; `tests/fuzz/` has the same for
//! cargo-fuzz.

use std::path::{Path, PathBuf};

use bl702_emulator::conformance::Vector;
use bl702_emulator::control::message;
use bl702_emulator::fault::FaultPlan;
use bl702_emulator::line::Burst;
use bl702_emulator::module::{Module, Start};
use bl702_emulator::profile::Profile;
use bl702_emulator::transport::rfc2217::session::{Session, Step};
use bl702_flasher::config::{ConfigFile, FileKind, Layer, Settings};
use bl702_flasher::connect::ConnectOptions;
use bl702_flasher::flow::{self, After};
use bl702_flasher::loader::LoaderImage;
use bl702_flasher::port::emulated::EmulatedOptions;
use bl702_flasher::reset::duration;
use bl702_flasher::session as host;
use bl702_flasher::timing::TIME_OUTS;
use bl702_protocol::boot_info::BootInfo;
use bl702_protocol::frame::{ReplyDecoder, ReplyShape};
use bl702_protocol::image::boot_header::BootHeader;
use bl702_protocol::image::partition::{self, PartitionTable};
use bl702_protocol::image::ram_image::RamImage;
use bl702_protocol::image::signature::{IvBlock, PublicKeyBlock, SignatureBlock};
use bl702_protocol::time::Nanos;
use bl702_protocol::trace::{Dissector, RecordReader};

/// A reader of bytes.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, and that of its folder in `fixtures/corpus`.
    pub name: &'static str,
    /// Feeds it.
    pub feed: fn(&[u8]),
    /// Whether a run takes so long that few are enough.
    pub is_slow: bool,
}

/// All of them.
pub const TARGETS: [Target; 13] = [
    Target { name: "replies", feed: replies, is_slow: false },
    Target { name: "images", feed: images, is_slow: false },
    Target { name: "partitions", feed: partitions, is_slow: false },
    Target { name: "rom", feed: rom, is_slow: true },
    Target { name: "loader", feed: loader, is_slow: true },
    Target { name: "host", feed: host_hears, is_slow: true },
    Target { name: "rfc2217", feed: rfc2217, is_slow: false },
    Target { name: "control", feed: control, is_slow: false },
    Target { name: "recording", feed: recording, is_slow: false },
    Target { name: "fault-plan", feed: fault_plan, is_slow: false },
    Target { name: "profile", feed: profile, is_slow: false },
    Target { name: "vector", feed: vector, is_slow: false },
    Target { name: "config", feed: config, is_slow: false },
];

/// Where the inputs of a target are that mutation begins with.
pub fn corpus(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/corpus").join(target)
}

/// Answers of either side, as the host decodes them: the first byte chooses the shape, the second the size of pieces.
fn replies(bytes: &[u8]) {
    let [shape, size, rest @ ..] = bytes else { return };
    let shape = match shape % 4 {
        0 => ReplyShape::Status,
        1 => ReplyShape::Data,
        2 => ReplyShape::PendingThenStatus,
        _ => ReplyShape::DataOfKnownLength(u16::from(*shape)),
    };
    let mut decoder = ReplyDecoder::new(shape);
    for mut piece in rest.chunks(usize::from(*size).max(1)) {
        while !piece.is_empty() && !decoder.is_finished() {
            let Ok((taken, _)) = decoder.push(piece) else { return };
            assert!(taken > 0 || decoder.is_finished(), "a decoder that takes nothing never ends");
            piece = &piece[taken..];
        }
    }
    if let Ok(info) = BootInfo::parse(rest) {
        assert!(!format!("{info:?}").is_empty());
    }
}

/// Images for the boot ROM, and what is in front of them.
fn images(bytes: &[u8]) {
    if let Some(header) = bytes.first_chunk() {
        let header = BootHeader::parse(header);
        assert_eq!(BootHeader::parse(&header.to_bytes()).to_bytes(), header.to_bytes());
        let _ = header.check_before_clock();
    }
    if let Ok(image) = RamImage::parse(bytes) {
        assert!(image.upload_bytes() <= bytes.len(), "an image has no more bytes than its file");
        let again = RamImage::parse(&image.to_bytes()).expect("what was read can be read again");
        assert_eq!(again.to_bytes(), image.to_bytes());
    }
    let _ = LoaderImage::from_bytes("fuzz", bytes);
    let _ = (PublicKeyBlock::parse(bytes), SignatureBlock::parse(bytes).is_ok(), IvBlock::parse(bytes));
}

/// Partition tables, alone and in pairs.
fn partitions(bytes: &[u8]) {
    if let Ok(table) = PartitionTable::parse(bytes) {
        let written = table.to_bytes().expect("what was read can be written");
        assert!(written.len() <= bytes.len(), "a table has no more bytes than its flash");
    }
    let (first, second) = bytes.split_at(bytes.len() / 2);
    let _ = partition::select(first, second);
}

/// A module that hears these bytes behind its handshake: `pause, length, bytes` again and again, pauses in 0.1 ms.
fn module_hears(start: Start, bytes: &[u8]) {
    let profile = Profile::builtin("bl702-512k-kh").expect("it is built in");
    let mut module = Module::builder(profile).start(start).build();
    let mut now = Nanos::from_millis(20);
    module.advance(now);
    let mut say = |module: &mut Module, bytes: &[u8], pause: Nanos| {
        let burst = Burst { start: now, baud_bps: 500_000, bytes: bytes.to_vec() };
        now = burst.end() + pause;
        module.receive(burst);
        let mut sent = 0;
        let mut steps = 0;
        while let Some(at) = module.next_wakeup().filter(|at| *at < now) {
            module.advance(at.max(module.now() + Nanos(1)));
            sent += std::iter::from_fn(|| module.transmit()).map(|burst| burst.bytes.len()).sum::<usize>();
            while module.next_event().is_some() {}
            steps += 1;
            assert!(steps < 1_000_000, "time does not go on");
        }
        module.advance(now);
        assert!(sent < 1 << 20, "the module never stops talking");
    };
    say(&mut module, &[0x55; 150], Nanos::from_millis(30));
    let mut rest = bytes;
    while let [pause, length, more @ ..] = rest {
        let length = usize::from(*length).min(more.len());
        say(&mut module, &more[..length], Nanos::from_micros(100 * u64::from(*pause)));
        rest = &more[length..];
    }
    say(&mut module, &[], Nanos::from_secs(5));
    assert!(module.flash().sectors_in_memory() <= 128);
}

fn rom(bytes: &[u8]) {
    module_hears(Start::Rom, bytes);
}

fn loader(bytes: &[u8]) {
    module_hears(Start::Loader, bytes);
}

/// A host that hears these bytes instead of a module's: `pause, length, bytes` again and again, pauses in milliseconds.
fn host_hears(bytes: &[u8]) {
    let options = std::sync::Arc::new(ConnectOptions::default());
    let flow = |link| flow::info(link, options, After::Reset);
    let mut session = host::Session::new(Nanos::ZERO, 500_000, flow);
    let (mut now, mut rest, mut ended) = (Nanos::ZERO, bytes, false);
    for _ in 0..20_000 {
        while session.poll_output().is_some() || session.poll_event().is_some() {}
        if session.finished().is_some() {
            ended = true;
            break;
        }
        let deadline = session.poll_timeout().expect("a session that waits says until when");
        match rest {
            [pause, length, more @ ..] => {
                let length = usize::from(*length).min(more.len());
                now = (now + Nanos::from_millis(u64::from(*pause))).min(deadline.max(now));
                session.handle_input(now, &more[..length]);
                rest = &more[length..];
            }
            _ => {
                now = deadline.max(now);
                session.handle_timeout(now);
            }
        }
    }
    assert!(ended, "the session is still not over at {now}");
}

/// What a network client sends.
fn rfc2217(bytes: &[u8]) {
    let mut session = Session::new("fuzz");
    for piece in bytes.chunks(97) {
        session.handle_input(piece);
        let mut steps = 0;
        while let Some(step) = session.next_step() {
            steps += 1;
            if let Step::Send(data) = step {
                assert!(data.len() <= piece.len() * 2, "data out of nothing");
            }
        }
        assert!(steps <= piece.len() + 4, "{steps} steps for {} bytes", piece.len());
        let _ = (session.encode(piece), session.overrun());
    }
}

/// Requests and replies of the control socket.
fn control(bytes: &[u8]) {
    for line in bytes.split(|byte| *byte == b'\n') {
        if let Ok(request) = serde_json::from_slice::<message::Request>(line) {
            let text = serde_json::to_vec(&request).expect("what was read can be written");
            assert_eq!(serde_json::from_slice::<message::Request>(&text).expect("and read again"), request);
        }
        let _ = serde_json::from_slice::<message::Reply>(line);
    }
}

/// Recordings, and what is told of them.
fn recording(bytes: &[u8]) {
    let (mut reader, mut dissector) = (RecordReader::new(), Dissector::new());
    for piece in bytes.chunks(61) {
        reader.push(piece);
        while let Some(record) = reader.next_record() {
            if let Ok(record) = record {
                dissector.record(&record).iter().for_each(|line| assert!(!format!("{line:?}").is_empty()));
            }
        }
    }
    let _ = (reader.finish(), reader.next_record(), dissector.finish());
}

fn fault_plan(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(plan) = FaultPlan::from_toml(text) else { return };
    let written = plan.to_toml().expect("what was read can be written");
    assert_eq!(FaultPlan::from_toml(&written).expect("and read again"), plan);
    let profile = Profile::builtin("bl702-512k-kh").expect("it is built in");
    let mut module = Module::builder(profile).faults(plan).build();
    module.receive(Burst { start: Nanos::from_millis(20), baud_bps: 500_000, bytes: vec![0x55; 150] });
    module.advance(Nanos::from_millis(60));
}

fn profile(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let _ = EmulatedOptions::parse(&format!("?{}", text.lines().next().unwrap_or_default()));
    if let Ok(profile) = Profile::from_toml(text) {
        let mut module = Module::new(profile);
        module.advance(Nanos::from_millis(50));
    }
}

fn vector(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    text.lines().for_each(|line| drop(Vector::parse(line)));
}

/// Settings of either kind. What is taken makes options of a session, whose waits stay within their bounds, and its
/// sequences can be written and read again.
fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let path = Path::new("folder/bl702.toml");
    let project = ConfigFile::parse(text, path, FileKind::Project);
    let local = ConfigFile::parse(text, path, FileKind::Local);
    for error in [&project, &local].into_iter().filter_map(|read| read.as_ref().err()) {
        assert!(error.place.starts_with("folder/bl702.toml:"), "{error} has no place");
    }
    let names: Vec<String> =
        local.iter().flat_map(|file| &file.ports).map(|port| port.name.clone()).collect();
    let settings =
        Settings::new(Layer::default(), Layer::default(), local.ok(), project.ok()).at_port(&names);
    let options = settings.connect_options(None).expect("what was taken can be used");
    assert!(TIME_OUTS.iter().all(|wait| (wait.least..=wait.most).contains(&wait.get(&options.timing))));
    for sequence in [&options.adapter.into_isp, &options.adapter.into_firmware].into_iter().flatten() {
        assert_eq!(sequence.to_string().parse().as_ref(), Ok(sequence));
        assert!(duration(&sequence.steps()) <= Nanos::from_secs(30));
    }
    assert!(settings.after().is_ok());
}

/// Feeds a target by name.
///
/// # Panics
/// If there is none of this name, or if the target does what no input may make it do.
pub fn feed(target: &str, bytes: &[u8]) {
    let found = TARGETS.iter().find(|known| known.name == target);
    (found.unwrap_or_else(|| panic!("no target is called {target}")).feed)(bytes);
}
