use proptest::prelude::*;
use rstest::rstest;

use super::boards::Board;
use super::build::{Locks, Payload, Target, build, header_for, ignore_checks};
use super::crypt::{AesKey, PrivateKey};
use super::inspect::{Verdict, inspect};
use super::merge::{extract, merge, patch_header};
use super::*;

/// A key made for these tests, with the block of parameters that `openssl ecparam -genkey` puts in front. Its public part is
/// cut short, as nobody reads it.
const PEM: &str = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n-----BEGIN EC PRIVATE KEY-----\n\
    MHcCAQEEIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8goAoGCCqGSM49\nAwEHoUQDQgAEUVw9bqmWJGg=\n-----END EC PRIVATE KEY-----\n";

/// An ELF file with one part of 16 bytes at this load address.
fn elf(address: u32) -> Vec<u8> {
    let mut file = vec![0x7F, b'E', b'L', b'F', 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    for half in [2_u16, 243] {
        file.extend(half.to_le_bytes());
    }
    // Version, entry, program headers behind this header, no section headers, flags.
    for word in [1, address + 4, 52, 0, 0] {
        file.extend(u32::to_le_bytes(word));
    }
    for half in [52_u16, 32, 1, 40, 0, 0] {
        file.extend(half.to_le_bytes());
    }
    // PT_LOAD, offset 84, virtual address, load address, sizes in file and memory, flags, alignment.
    for word in [1, 84, address, address, 16, 32, 5, 4] {
        file.extend(u32::to_le_bytes(word));
    }
    file.extend(1..=16);
    file
}

const HEX: &[u8] = b":020000042300D7\n:0400000001020304F2\n:00000001FF\n";

fn flash_image(locks: &Locks) -> Vec<u8> {
    let header = header_for(Board::find("xt-zb2").unwrap());
    build(&header, &[7; 5_003], Target::Flash, locks).unwrap().to_bytes().unwrap()
}

fn locked() -> Locks {
    let key = AesKey::new(&[3; 32]).unwrap();
    Locks { encryption: Some((key, [9; 16])), signer: Some(PrivateKey::from_pem(PEM).unwrap()) }
}

fn ram_image(locks: &Locks) -> Vec<u8> {
    let mut header = header_for(Board::find("generic").unwrap());
    header.ram_address = 0x2201_0000;
    build(&header, &[7; 100], Target::Ram { address: 0x2201_0000 }, locks).unwrap().to_bytes().unwrap()
}

#[rstest]
#[case::flash(flash_image(&Locks::default()), "image for flash")]
#[case::locked_flash(flash_image(&locked()), "image for flash")]
#[case::ram(ram_image(&Locks::default()), "image for RAM")]
#[case::locked_ram(ram_image(&locked()), "image for RAM")]
#[case::elf(elf(0x2300_0000), "ELF program")]
#[case::hex(HEX.to_vec(), "Intel HEX")]
#[case::erased(vec![0xFF; 9_000], "erased flash")]
#[case::raw(vec![1; 100], "raw data")]
fn what_was_built_is_found_right(#[case] file: Vec<u8>, #[case] kind: &str) {
    let found = inspect(&file).unwrap();
    assert!(found.kind.starts_with(kind), "{}", found.kind);
    assert!(!found.is_bad(), "{found:#?}");
}

/// Each check notices a changed byte: header, flash configuration, image, signature.
#[rstest]
#[case::flash_config(20)]
#[case::header(165)]
#[case::hash(140)]
#[case::image(0x1000)]
#[case::key(180)]
#[case::signature(260)]
#[case::iv(330)]
fn a_changed_byte_is_noticed(#[case] at: usize) {
    let mut file = flash_image(&locked());
    file[at] ^= 0x10;
    assert!(inspect(&file).unwrap().is_bad());
}

#[test]
fn a_wrong_hash_is_shown_with_the_right_one() {
    let mut file = flash_image(&Locks::default());
    file[0x1000] ^= 1;
    let found = inspect(&file).unwrap();
    let bad: Vec<&str> = found
        .lines
        .iter()
        .filter(|line| line.verdict == Some(Verdict::Bad))
        .map(|line| line.text.as_str())
        .collect();
    assert_eq!(bad.len(), 1);
    assert!(bad[0].starts_with("image hash is ") && bad[0].contains("should be"), "{bad:?}");
}

#[test]
fn checks_can_be_switched_off_as_the_vendors_tool_does() {
    let mut header = header_for(Board::find("xt-zb2").unwrap());
    ignore_checks(&mut header);
    let built = build(&header, &[7; 16], Target::Flash, &Locks::default()).unwrap();
    assert!(built.header.hash_is_ignored() && built.header.crc_is_accepted());
    assert_eq!(built.header.crc32, 0xDEAD_BEEF);
    assert!(!inspect(&built.to_bytes().unwrap()).unwrap().is_bad());
}

#[rstest]
#[case::flash(elf(0x2300_0000), Some(Target::Flash), Some(0x2300_0004))]
#[case::ram(elf(0x2201_0000), Some(Target::Ram { address: 0x2201_0000 }), Some(0x2201_0004))]
#[case::hex(HEX.to_vec(), Some(Target::Flash), None)]
#[case::raw(vec![1, 2, 3], None, None)]
fn programs(#[case] file: Vec<u8>, #[case] target: Option<Target>, #[case] entry: Option<u32>) {
    let payload = Payload::from_file(&file).unwrap();
    assert_eq!((payload.target, payload.entry), (target, entry));
}

#[test]
fn programs_that_cannot_run_are_refused() {
    let refused = |file: &[u8]| Payload::from_file(file).unwrap_err().to_string();
    assert!(refused(&elf(0x0800_0000)).contains("neither in flash"));
    let mut other = elf(0x2300_0000);
    other[18] = 40;
    assert!(refused(&other).contains("machine type at offset 0x12 is 40"));
    let mut wide = elf(0x2300_0000);
    wide[4] = 2;
    assert!(refused(&wide).contains("32-bit"), "{}", refused(&wide));
    let mut cut = elf(0x2300_0000);
    cut.truncate(90);
    assert!(refused(&cut).contains("offset 0x54"), "{}", refused(&cut));
    assert_eq!(refused(&[]), "nothing in it is to be loaded");
    let header = header_for(Board::find("generic").unwrap());
    assert!(build(&header, &[], Target::Flash, &Locks::default()).is_err());
    assert!(build(&header, &[0; 16], Target::Ram { address: 0x2000_0000 }, &Locks::default()).is_err());
    assert!(PrivateKey::from_pem("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n").is_err());
    assert!(AesKey::new(&[0; 17]).is_err());
}

#[test]
fn merging_and_extracting() {
    let part = |address, byte| Part { address, data: vec![byte; 4] };
    let whole = merge(vec![part(8, 2), part(2, 1)], Some(16)).unwrap();
    assert_eq!(whole, [255, 255, 1, 1, 1, 1, 255, 255, 2, 2, 2, 2, 255, 255, 255, 255]);
    assert_eq!(extract(&whole, 2, 6).unwrap(), [1; 4]);
    assert_eq!(merge(vec![part(0, 1), part(3, 2)], None), Err(ImageError::Overlap { address: 3 }));
    assert!(matches!(merge(vec![part(0, 1)], Some(3)), Err(ImageError::Range { .. })));
    assert!(matches!(merge(vec![part(0, 1), part(u32::MAX - 3, 1)], None), Err(ImageError::TooLarge { .. })));
    assert!(merge(Vec::new(), None).is_err());
    assert!(extract(&whole, 10, 17).is_err() && extract(&whole, 5, 5).is_err());
}

#[test]
fn a_patched_header_is_sealed_anew() {
    let mut file = flash_image(&Locks::default());
    let header = patch_header(&mut file, 0, |header| vendor_config::apply_one("pll_clk=4", header)).unwrap();
    assert_eq!(header.clock_config[1], 4);
    assert!(!inspect(&file).unwrap().is_bad());
    assert_eq!(patch_header(&mut file, 4096, |_| Ok(())), Err(ImageError::NoHeader { offset: 4096 }));
    assert!(patch_header(&mut file, usize::MAX, |_| Ok(())).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, rng_seed: proptest::test_runner::RngSeed::Fixed(7), ..ProptestConfig::with_cases(500) })]

    /// Good files of every kind, cut and with bytes changed: a result or a named error, never a panic.
    #[test]
    fn hostile_files(which in 0..6_usize, cut in any::<prop::sample::Index>(), changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6)) {
        let mut file = match which {
            0 => elf(0x2300_0000),
            1 => HEX.to_vec(),
            2 => flash_image(&locked()),
            3 => ram_image(&Locks::default()),
            4 => ram_image(&locked()),
            _ => include_bytes!("../../../fixtures/images/made-up-stock-flash.bin").to_vec(),
        };
        // Headers are where damage matters most.
        let head = file.len().min(400);
        for (at, byte) in changes {
            let at = at.index(head);
            file[at] = byte;
        }
        let keep = file.len() - cut.index(file.len()) / 3;
        file.truncate(keep);
        if let Err(error) = inspect(&file) {
            prop_assert!(!error.to_string().is_empty());
        }
        if let Ok(payload) = Payload::from_file(&file) {
            let header = header_for(Board::find("generic").unwrap());
            let _ = build(&header, &payload.data, payload.target.unwrap_or(Target::Flash), &Locks::default());
        }
        let _ = patch_header(&mut file, 0, |_| Ok(()));
        let _ = vendor_config::apply(&String::from_utf8_lossy(&file), &mut header_for(Board::find("generic").unwrap()));
    }

    /// Any bytes at all.
    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = inspect(&bytes);
        let _ = ihex::parse(&bytes);
        let _ = PrivateKey::from_pem(&String::from_utf8_lossy(&bytes));
    }

    /// What is built is found right again, for any length and place.
    #[test]
    fn images_of_any_length(len in 1..20_000_usize, offset in 0x160..0x4000_u32) {
        let mut header = header_for(Board::find("kh25v80").unwrap());
        header.ram_address = offset;
        let file = build(&header, &vec![0xA5; len], Target::Flash, &locked()).unwrap().to_bytes().unwrap();
        prop_assert!(!inspect(&file).unwrap().is_bad());
    }
}

/// A BL602 has the same header, and a crystal that no BL702 has.
#[test]
fn an_image_for_a_bl602_is_told_from_one_for_a_bl702() {
    use bl702_protocol::chip::{BL602, BL702};

    let image = |crystal| {
        let mut header = header_for(Board::find("xt-zb2").unwrap());
        header.clock_config[0] = crystal;
        build(&header, &[0x13; 64], Target::Flash, &Locks::default()).unwrap().to_bytes().unwrap()
    };
    let text = |crystal| {
        let found = inspect(&image(crystal)).unwrap();
        let lines: Vec<String> = found.lines.iter().map(|line| line.text.clone()).collect();
        (found.is_bad(), lines.join("\n"))
    };
    let forty_megahertz = BL602.crystals.iter().position(|name| name.starts_with("40 MHz")).unwrap() as u8;
    let (is_bad, said) = text(forty_megahertz);
    assert!(is_bad && said.contains("no BL702 has: this is for a BL602/604"), "{said}");
    for crystal in 0..BL702.crystals.len() as u8 {
        let (is_bad, said) = text(crystal);
        assert!(!is_bad && !said.contains("BL602"), "{said}");
    }
}
