//! Flows against a scripted peer whose answers are those of the conformance vectors.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod peer;

use bl702_flasher::Nanos;
use bl702_flasher::error::{ErrorKind, FlashState};
use bl702_flasher::event::Event;
use bl702_flasher::flow::{self, After};
use bl702_flasher::loader::LoaderError;
use bl702_flasher::plan::{FlashRange, Piece, Pieces};
use peer::{Peer, Played, Side, hex, options, play, row};
use rstest::rstest;

/// The flash of the loader vectors in state "pattern".
fn pattern(range: std::ops::Range<u32>) -> Vec<u8> {
    range.map(|at| (7 * at + 13 * (at >> 8)) as u8).collect()
}

fn pieces(address: u64, bytes: Vec<u8>) -> Pieces {
    Pieces::new(vec![Piece::new(address, bytes).unwrap()]).unwrap()
}

fn texts(peer: &Peer) -> Vec<String> {
    let text = |frame: &Vec<u8>| frame.iter().map(|byte| format!("{byte:02x}")).collect();
    peer.frames().iter().map(text).collect()
}

#[test]
fn a_running_loader_is_used_and_the_whole_flash_verified_by_its_hash() {
    let mut peer = Peer::of(Side::Loader);
    let played = play(&mut peer, options(), None, |link, options| {
        flow::verify(link, options, pieces(0, pattern(0..0x10_0000)), After::Reset)
    });
    let report = played.result.unwrap();
    // The hash is that of vector "sha 1 MiB".
    let (_, answer) = row(Side::Loader, "sha 1 MiB");
    assert_eq!(hex(&report.pieces[0].sha256), answer[4..]);
    assert_eq!(
        texts(&peer),
        [
            "10000000", // boot info, twice
            "10000000",
            "36000000", // JEDEC id, twice
            "36000000",
            "3d1808000000000000001000", // SHA-256 of 1 MiB, which is to stay the same
            "3d1808000000000000001000",
            "3d1808000000000000001000",
            "3d1808000000000000001000",
            "21000000", // reset
        ]
    );
    assert_eq!(peer.bursts().len(), 1);
    assert_eq!(peer.bursts()[0].1, 150, "3 ms at 500 kbaud");
    assert!(played.events.contains(&Event::LoaderRunning));
}

#[test]
fn the_rate_of_a_running_loader_is_changed_by_ending_its_session() {
    let mut peer = Peer::of(Side::Loader).with_registers();
    let mut options = options();
    options.baud_bps = 2_000_000;
    let played = play(&mut peer, options, None, |link, options| flow::info(link, options, After::Stay));
    let flash = played.result.unwrap().flash.unwrap();
    assert_eq!((flash.jedec.0, flash.size_bytes), ([0xc2, 0x20, 0x14], 1 << 20));
    let frames = texts(&peer);
    // Boot info twice, since an answer carries no checksum; three refused reads end the session; then it is asked again.
    assert_eq!(frames[..6], ["10000000", "10000000", "32000000", "32000000", "32000000", "10000000"]);
    assert_eq!(peer.rates, [2_000_000]);
    assert_eq!(peer.bursts().iter().map(|(_, len)| *len).collect::<Vec<_>>(), [150, 600]);
}

#[test]
fn a_backup_takes_the_largest_blocks_and_asks_for_the_hash() {
    let range = FlashRange::new(0, 0x2404).unwrap();
    let hash = sha2_of(&pattern(0..0x2404));
    let mut peer = Peer::of(Side::Loader).answer("3d3008000000000004240000", &[&hash]);
    let played = play(&mut peer, options(), None, |link, options| {
        flow::backup(link, options, Some(range), After::Stay)
    });
    assert_eq!(played.result.unwrap().bytes, pattern(0..0x2404));
    // Vector "read largest".
    assert!(texts(&peer).contains(&"323008000000000004240000".to_owned()));
}

/// An answer with a hash, put together from its parts.
fn sha2_of(bytes: &[u8]) -> Vec<u8> {
    use sha2::{Digest, Sha256};
    let mut answer = b"OK\x20\x00".to_vec();
    answer.extend_from_slice(&Sha256::digest(bytes));
    answer
}

#[test]
fn a_byte_that_was_damaged_in_an_answer_is_read_again() {
    let range = FlashRange::new(0, 0x2404).unwrap();
    let hash = sha2_of(&pattern(0..0x2404));
    let (_, good) = row(Side::Loader, "read largest");
    let mut bad = good.clone();
    bad[1000] ^= 0x10;
    let mut peer = Peer::of(Side::Loader)
        .answer("3d3008000000000004240000", &[&hash])
        .answer("323008000000000004240000", &[&bad, &good]);
    let played = play(&mut peer, options(), None, |link, options| {
        flow::backup(link, options, Some(range), After::Stay)
    });
    assert_eq!(played.result.unwrap().bytes, pattern(0..0x2404));
    assert!(played.events.iter().any(|event| matches!(event, Event::Retry { .. })));
}

#[test]
fn bytes_that_never_agree_with_the_hash_are_no_backup() {
    let range = FlashRange::new(0, 0x2404).unwrap();
    let mut peer = Peer::of(Side::Loader).answer("3d3008000000000004240000", &[&sha2_of(b"something else")]);
    let played = play(&mut peer, options(), None, |link, options| {
        flow::backup(link, options, Some(range), After::Stay)
    });
    let error = played.result.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::ReadMismatch { .. }), "{error}");
    assert_eq!(error.exit_code(), 1);
}

#[test]
fn a_bad_checksum_is_answered_by_sending_again() {
    let (_, refused) = row(Side::Loader, "bad checksum, no payload");
    let (_, jedec) = row(Side::Loader, "jedec id");
    let mut peer = Peer::of(Side::Loader).answer("36000000", &[&refused, &jedec]).with_registers();
    let played = play(&mut peer, options(), None, |link, options| flow::info(link, options, After::Stay));
    assert!(played.result.unwrap().flash.is_some());
    // Some seventy answers at 13 ms each; a silence would be 4.1 s.
    assert!(played.took < Nanos::from_secs(2), "no silence was needed: {}", played.took);
}

#[test]
fn silence_ends_a_session_that_somebody_left_behind() {
    let mut peer = Peer::of(Side::Loader);
    peer.deaf_until = Nanos::from_secs(1);
    let played = play(&mut peer, options(), None, |link, options| flow::info(link, options, After::Stay));
    played.result.unwrap();
    let bursts = peer.bursts();
    let gap = bursts[3].0.since(bursts[2].0);
    assert!(gap >= Nanos::from_millis(4100), "the loader forgets a session after 4.1 s, silent for {gap}");
    assert!(played.events.iter().any(|event| matches!(event, Event::Silence { span_ms: 4100.., .. })));
}

#[rstest]
#[case::boot_header_crc("header: crc wrong", 0x0204)]
#[case::erase("erase bad length 0", 0x0002)]
fn vectors_hold_the_codes_that_errors_name(#[case] name: &str, #[case] code: u16) {
    let side = if name.starts_with("header") { Side::Rom } else { Side::Loader };
    let (_, answer) = row(side, name);
    assert_eq!(answer, [b'F', b'L', code as u8, (code >> 8) as u8]);
}

#[test]
fn nobody_answers_within_the_bound() {
    let mut peer = Peer::default();
    peer.deaf = true;
    let played = play(&mut peer, options(), None, |link, options| flow::info(link, options, After::Reset));
    let error = played.result.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::NoHandshake { .. }), "{error}");
    assert_eq!((error.exit_code(), &error.failure().flash), (1, &FlashState::Unchanged));
    let bound_ms = played.events.iter().find_map(|event| match event {
        Event::Bound { bound_ms, .. } => Some(*bound_ms),
        _ => None,
    });
    assert!(played.took.as_millis() <= bound_ms.unwrap());
    assert!(played.events.iter().any(|event| matches!(event, Event::NeedsHands { .. })));
    assert!(peer.frames().is_empty(), "nothing is sent to somebody who does not answer");
    // However often it is tried, a loader in a session must not be flooded: 2408h bytes hang it.
    let mut run = 0;
    let mut last = Nanos::ZERO;
    for (at, len) in peer.bursts() {
        run = if at.since(last) >= Nanos::from_millis(4100) { len } else { run + len };
        last = at;
        assert!(run < 0x2408, "{run} bytes of 55h without a silence");
    }
}

/// Boot info of the ROM vectors with some bytes changed.
fn boot_info(changes: &[(usize, u8)]) -> Vec<u8> {
    let (_, mut answer) = row(Side::Rom, "boot info (poll bytewise)");
    changes.iter().for_each(|(at, byte)| answer[4 + at] = *byte);
    answer
}

#[test]
fn another_chip_gets_boot_info_requests_and_nothing_else() {
    let mut peer = Peer::of(Side::Rom).answer("10000000", &[&boot_info(&[(2, 0x16), (3, 0x06)])]);
    let played = play(&mut peer, options(), None, |link, options| flow::info(link, options, After::Reset));
    let error = played.result.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::WrongChip { version: 0x0616_0001 }), "{error}");
    assert_eq!(error.exit_code(), 3);
    assert_eq!(texts(&peer), ["10000000", "10000000"]);
}

#[test]
fn a_bl602_is_refused() {
    // Version 1 and 20 bytes of boot info (ROM reference 1.5).
    let mut answer = b"OK\x14\x00".to_vec();
    answer.extend_from_slice(&[1, 0, 0, 0]);
    answer.extend_from_slice(&[0; 16]);
    let mut peer = Peer::of(Side::Rom).answer("10000000", &[&answer]);
    let played = play(&mut peer, options(), None, |link, options| flow::info(link, options, After::Reset));
    let error = played.result.unwrap_err();
    assert_eq!(error.exit_code(), 3);
    assert_eq!(
        error.to_string(),
        "this is a BL602/604 (boot info of 20 bytes, boot ROM version 00000001h), not a BL702: this program has not been verified with it and leaves it alone"
    );
    // Asked twice, since answers carry no checksum; nothing else was sent.
    assert_eq!(texts(&peer), ["10000000", "10000000"]);
    assert_eq!(texts(&peer), ["10000000", "10000000"]);
}

#[test]
fn without_a_loader_image_the_error_says_how_to_get_one() {
    let mut peer = Peer::of(Side::Rom);
    let played =
        play(&mut peer, options(), None, |link, options| flow::backup(link, options, None, After::Reset));
    let error = played.result.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Loader(LoaderError::None)), "{error}");
    assert_eq!(error.exit_code(), 2);
    assert!(error.advice().contains("bl702-flash loader install"), "{}", error.advice());
    // The ROM is left clean.
    assert_eq!(texts(&peer), ["10000000", "10000000", "21000000"]);
}

#[test]
fn info_without_a_loader_image_tells_what_the_rom_says() {
    let mut peer = Peer::of(Side::Rom);
    let played = play(&mut peer, options(), None, |link, options| flow::info(link, options, After::Reset));
    let report = played.result.unwrap();
    assert!(report.flash.is_none() && report.no_flash.is_some());
}

/// Writes the pattern of vector "sha 0 bytes" over one sector; the peer says that it holds something else.
fn write_one_sector(peer: Peer, stop_at: Option<Nanos>) -> (Peer, Played<flow::ChangeReport>) {
    let target = vec![0x5A; 0x1000];
    let other = sha2_of(b"what is there now");
    let mut peer = peer
        .answer("3d1808000000000000100000", &[&other, &other, &sha2_of(&target)])
        .answer("3d1708000010000000f00f00", &[&sha2_of(b"the rest")]);
    let played = play(&mut peer, options(), stop_at, |link, options| {
        flow::write(link, options, pieces(0, target), After::Stay)
    });
    (peer, played)
}

/// The only write of [`write_one_sector`]: 4096 bytes 5Ah to address 0; the sum of 04h, 10h and the data is 14h.
fn write_frame() -> String {
    format!("3114041000000000{}", "5a".repeat(0x1000))
}

#[test]
fn one_sector_is_erased_written_checked_and_verified() {
    let frame = write_frame();
    let (_, ok) = row(Side::Loader, "write");
    let (_, erased) = row(Side::Loader, "erase one sector 0..0");
    let peer = Peer::of(Side::Loader).answer(&frame, &[&ok]).answer("3016080000000000ff0f0000", &[&erased]);
    let (peer, played) = write_one_sector(peer, None);
    let report = played.result.unwrap();
    assert_eq!((report.erased_bytes, report.programmed_bytes, report.repaired_sectors), (0x1000, 0x1000, 0));
    let ids: Vec<u8> = peer.frames().iter().map(|frame| frame[0]).collect();
    let before = [0x10, 0x10, 0x36, 0x36, 0x3d, 0x3d, 0x3d];
    // Four hashes of what was written, one of the rest.
    let after = [0x30, 0x31, 0x36, 0x3a, 0x3d, 0x3d, 0x3d, 0x3d, 0x3d];
    assert_eq!(ids, [&before[..], &after].concat());
    assert!(
        peer.frames().iter().all(|frame| frame[0] != 0x31 || frame[1] != 0),
        "a checksum of 0 is no checksum"
    );
}

#[test]
fn a_write_that_fails_in_the_flash_is_repeated() {
    let frame = write_frame();
    let (_, failing) = row(Side::Loader, "write failure: OK then error");
    let (_, ok) = row(Side::Loader, "write");
    let (_, erased) = row(Side::Loader, "erase one sector 0..0");
    let peer = Peer::of(Side::Loader)
        .answer(&frame, &[&failing, &ok])
        .answer("3016080000000000ff0f0000", &[&erased]);
    let (peer, played) = write_one_sector(peer, None);
    played.result.unwrap();
    assert_eq!(peer.frames().iter().filter(|frame| frame[0] == 0x31).count(), 2);
}

#[test]
fn an_erase_that_fails_again_and_again_is_an_error_that_tells_all() {
    let (_, failing) = row(Side::Loader, "erase failure");
    // One unit was to be erased, so one PD.
    let peer = Peer::of(Side::Loader).answer("3016080000000000ff0f0000", &[&failing[2..]]);
    let (peer, played) = write_one_sector(peer, None);
    let error = played.result.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("erase flash at 0x0..0x1000"), "{text}");
    assert!(text.contains("command 30h, attempt 5 of 5"), "{text}");
    assert!(text.contains("FL0003"), "{text}");
    let FlashState::Changing { unsettled, .. } = &error.failure().flash else { panic!("{error:?}") };
    assert_eq!(unsettled.to_string(), "0x0..0x1000");
    assert_eq!(error.exit_code(), 1);
    // Three counted errors end the loader's session: a handshake follows the third.
    let writes: Vec<u8> = peer.written.iter().map(|(_, bytes)| bytes[0]).collect();
    let erases: Vec<usize> = (0..writes.len()).filter(|at| writes[*at] == 0x30).collect();
    assert_eq!(erases.len(), 5);
    assert_eq!(writes[erases[2]..erases[3]], [0x30, 0x55]);
}

#[test]
fn more_pending_than_units_means_that_too_much_is_erased() {
    let (_, whole) = row(Side::Loader, "erase whole 1 MiB 0..fffff");
    let peer = Peer::of(Side::Loader).answer("3016080000000000ff0f0000", &[&whole]);
    let (peer, played) = write_one_sector(peer, None);
    let error = played.result.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::ExcessPending { allowed: 1 }), "{error}");
    assert_eq!(error.failure().flash, FlashState::Damaged);
    assert_eq!(peer.frames().iter().filter(|frame| frame[0] == 0x30).count(), 1, "not tried again");
}

#[test]
fn an_interrupted_write_tells_what_the_flash_holds() {
    // The erase is never answered, so the run stands there when it is interrupted.
    let (_, played) = write_one_sector(Peer::of(Side::Loader), Some(Nanos::from_millis(900)));
    let error = played.result.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Interrupted), "{error}");
    assert!(matches!(error.failure().flash, FlashState::Changing { .. }), "{error:?}");
    assert!(error.advice().contains("same command again"), "{}", error.advice());
}

#[test]
fn addresses_past_the_end_are_refused_before_anything_is_read_or_written() {
    let mut peer = Peer::of(Side::Loader);
    let played = play(&mut peer, options(), None, |link, options| {
        flow::write(link, options, pieces(0xf_ffff, vec![1, 2]), After::Stay)
    });
    let error = played.result.unwrap_err();
    assert_eq!(error.exit_code(), 2);
    assert_eq!(texts(&peer), ["10000000", "10000000", "36000000", "36000000"]);
}

#[test]
fn a_difference_is_named_by_its_address() {
    let mut bytes = pattern(0..16);
    bytes[5] ^= 1;
    let (_, sha) = row(Side::Loader, "sha 16");
    let (request, _) = row(Side::Loader, "sha 16");
    // The vector hashes 16 bytes at 100h.
    assert_eq!(request, hex("3d1908000001000010000000"));
    let mut peer = Peer::of(Side::Loader);
    let expected: Vec<u8> = pattern(0x100..0x110);
    let mut wrong = expected.clone();
    wrong[5] ^= 1;
    let played = play(&mut peer, options(), None, |link, options| {
        flow::verify(link, options, pieces(0x100, wrong.clone()), After::Stay)
    });
    assert_eq!(sha, sha2_of(&expected));
    let error = played.result.unwrap_err();
    assert_eq!(error.exit_code(), 4);
    let ErrorKind::Different { first, found, .. } = error.kind() else { panic!("{error}") };
    assert_eq!((*first, *found), (0x105, Some((wrong[5], expected[5]))));
}

/// Answers of a loader whose flash is `answer` to 36h.
fn loader_with_flash(answer: &str) -> Peer {
    Peer::of(Side::Loader).answer("36000000", &[&hex(answer)])
}

fn told<T>(played: Played<T>) -> String {
    let error = played.result.err().unwrap();
    let cause = error.cause().unwrap_or_default();
    format!("error: {error}\nlikely cause: {cause}\nnext: {}\nexit {}", error.advice(), error.exit_code())
}

#[test]
fn a_flash_that_the_loader_does_not_know_needs_its_size() {
    let range = FlashRange::new(0, 0x2404);
    let mut peer = loader_with_flash("4f4b0400c2201400");
    let played =
        play(&mut peer, options(), None, |link, options| flow::backup(link, options, range, After::Stay));
    insta::assert_snapshot!("flash_unknown", told(played));

    let mut options = options();
    options.flash_size = Some(1 << 20);
    let hash = sha2_of(&pattern(0..0x2404));
    let mut peer = loader_with_flash("4f4b0400c2201400").answer("3d3008000000000004240000", &[&hash]);
    let played =
        play(&mut peer, options, None, |link, options| flow::backup(link, options, range, After::Stay));
    assert_eq!(played.result.unwrap().bytes, pattern(0..0x2404));
    let warned = played
        .events
        .iter()
        .any(|event| matches!(event, Event::Warning { text } if text.contains("default settings")));
    assert!(warned);
}

#[test]
fn a_bus_without_a_flash_is_no_flash_whatever_size_is_given() {
    let mut options = options();
    options.flash_size = Some(1 << 20);
    let mut peer = loader_with_flash("4f4b0400ffffff00");
    let played =
        play(&mut peer, options, None, |link, options| flow::backup(link, options, None, After::Stay));
    insta::assert_snapshot!("flash_absent", told(played));
}

#[test]
fn a_command_that_is_never_answered_is_told_from_a_dead_line() {
    let mut peer = Peer::of(Side::Loader).answer("36000000", &[]);
    let played =
        play(&mut peer, options(), None, |link, options| flow::backup(link, options, None, After::Stay));
    insta::assert_snapshot!("command_ignored", told(played));
    assert_eq!(peer.frames().iter().filter(|frame| frame[0] == 0x36).count(), 3);
}

#[test]
fn each_step_of_a_write_to_an_unknown_flash_is_verified_at_once() {
    let target = vec![0x5A; 0x1000];
    let (other, right) = (sha2_of(b"what is there now"), sha2_of(&target));
    let (_, ok) = row(Side::Loader, "write");
    let (_, erased) = row(Side::Loader, "erase one sector 0..0");
    let mut peer = loader_with_flash("4f4b0400c2201400")
        .answer(&write_frame(), &[&ok])
        .answer("3016080000000000ff0f0000", &[&erased])
        // Before; after the first try, which is torn, twice; after the second; in the end.
        .answer("3d1808000000000000100000", &[&other, &other, &other, &other, &right])
        .answer("3d1708000010000000f00f00", &[&sha2_of(b"the rest")]);
    let mut options = options();
    options.flash_size = Some(1 << 20);
    let played = play(&mut peer, options, None, |link, options| {
        flow::write(link, options, pieces(0, target), After::Stay)
    });
    assert_eq!(played.result.unwrap().repaired_sectors, 1);
    let resumed: Vec<usize> = played
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Resumed { torn, .. } => Some(torn.len()),
            _ => None,
        })
        .collect();
    assert_eq!(resumed, [1, 0]);
}
