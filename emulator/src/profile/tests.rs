use rstest::rstest;

use super::*;

const XT_ZB2: &str = include_str!("../../../fixtures/profiles/xt-zb2.toml");

#[test]
fn every_built_in_profile_reads_and_has_its_own_name() {
    assert!(Profile::names().count() >= 8);
    for name in Profile::names() {
        let profile = Profile::builtin(name).unwrap();
        assert_eq!(profile.name, name);
        // The check of the RAM loader's command 42h: bits 5..0 of word 74h hold the number of 0 bits in the MAC.
        let zeros: u32 = profile.efuse[0x14..0x1c].iter().map(|byte| byte.count_zeros()).sum();
        assert_eq!(u32::from(profile.efuse[0x74] & 0x3f), zeros, "{name}");
    }
}

#[test]
fn the_default_is_the_module_of_the_issue() {
    let profile = Profile::builtin("xt-zb2").unwrap();
    let flash = profile.new_flash();
    assert_eq!((flash.jedec_id(), flash.capacity_bytes()), ([0xc2, 0x20, 0x14], 0x10_0000));
    assert_eq!(flash.times(), flash.part().typical);
    assert_eq!((profile.crystal_hz, profile.rom_time_scale), (32_000_000, 0.5));
    assert_eq!((profile.wiring, profile.boot), (Wiring::RtsEn, Boot::High));
    let mut otp = profile.new_otp();
    assert_eq!(otp.fuses()[0x14..0x1c], *b"207lb\x02\0\0");
    assert_eq!(otp.program_words(&[(0x18, u32::MAX)]), [], "the MAC is locked at the factory");
}

#[rstest]
#[case::rom("vectors-rom", 7_500_000)]
#[case::loader("vectors-loader", 0)]
fn the_vectors_ran_on_these(#[case] name: &str, #[case] chip_us: u64) {
    let profile = Profile::builtin(name).unwrap();
    let mut fuses = [0; EFUSE_BYTES];
    fuses[0x14..0x1c].copy_from_slice(&[0x81, 0x12, 0xd1, 0xe7, 0x38, 0xc1, 0xb4, 0x00]);
    fuses[0x74..0x78].copy_from_slice(&[0x28, 0x00, 0x00, 0x08]);
    assert_eq!(profile.efuse(), fuses);
    let times = profile.new_flash().times();
    assert_eq!([times.sector_4k_us, times.block_32k_us, times.block_64k_us], [45_000, 150_000, 300_000]);
    assert_eq!([times.page_program_us, times.byte_program_us, times.chip_us], [500, 500, chip_us]);
}

#[test]
fn worst_speed_and_overrides_make_the_times() {
    let text = XT_ZB2.replace("speed = \"typical\"", "speed = \"worst\"\n[flash.times]\nsector_4k_us = 7");
    let times = Profile::from_toml(&text).unwrap().new_flash().times();
    assert_eq!((times.sector_4k_us, times.page_program_us), (7, 5000));
}

#[test]
fn a_flash_may_have_another_id_than_its_part() {
    let flash = Profile::builtin("bl702-unknown-flash").unwrap().new_flash();
    assert_eq!((flash.jedec_id(), flash.capacity_bytes()), ([0xa5, 0x40, 0x14], 0x10_0000));
}

#[test]
fn fuses_come_as_a_whole_by_word_and_by_name() {
    let whole = "hex = \"".to_owned() + &"01".repeat(128) + "\"\n[efuse.words]\n\"10\" = 0x00100000\n";
    let (head, _) = XT_ZB2.split_once("[efuse]").unwrap();
    let text = format!("{head}[efuse]\nlocks = [\"boot_mode\", \"read_slot5\"]\n{whole}");
    let fuses = Profile::from_toml(&text).unwrap().efuse();
    assert_eq!(fuses[0x0c..0x18], [1, 1, 1, 1, 0, 0, 0x10, 0, 1, 1, 1, 1]);
    assert_eq!(fuses[0x7c..], [1, 0x81, 1, 0x81]);
}

#[rstest]
#[case::unknown_field("boot = \"high\"", "booot = \"high\"", "unknown field `booot`")]
#[case::missing_field("firmware_log = true", "", "missing field `firmware_log`")]
#[case::wrong_type("crystal_hz = 32_000_000", "crystal_hz = \"fast\"", "invalid type: string \"fast\"")]
#[case::no_such_wiring(
    "rts-en",
    "cts-en",
    "unknown variant `cts-en`, expected one of `rts-en`, `dtr-en`, `none`"
)]
#[case::other_chip("\"bl702\"", "\"bl602\"", "chip \"bl602\" is not known; only \"bl702\" is")]
#[case::other_part("KH25V80", "KH25V81", "flash part \"KH25V81\" is not known; there are: KH25V80, ")]
#[case::scale("rom_time_scale = 0.5", "rom_time_scale = 0.0", "rom_time_scale is 0, must be 0.01 to 10")]
#[case::scale_nan(
    "rom_time_scale = 0.5",
    "rom_time_scale = nan",
    "rom_time_scale is NaN, must be 0.01 to 10"
)]
#[case::rate(
    "hash_bytes_per_s = 72_000_000",
    "hash_bytes_per_s = 0",
    "hash_bytes_per_s is 0, must be over 0"
)]
#[case::short_mac("3230376c62020000", "3230376c6202", "efuse.mac must be 8 bytes in hex")]
#[case::mac_digits("3230376c62020000", "3230376c6202000g", "efuse.mac must be 8 bytes in hex")]
#[case::mac_sign("3230376c62020000", "3230376c620200+0", "efuse.mac must be 8 bytes in hex")]
#[case::jedec_id("speed = ", "jedec_id = \"c220\"\nspeed = ", "flash.jedec_id must be 3 bytes in hex")]
#[case::no_such_lock("\"wifi_mac\"", "\"mac\"", "efuse lock \"mac\" is not known; there are: slot4_l, ")]
#[case::fuse_word("locks = [", "words = { \"82\" = 1 }\nlocks = [", "efuse.words.82 is no word")]
#[case::not_toml("name = ", "name ", "profile is not valid")]
fn a_bad_profile_is_refused_with_its_reason(#[case] from: &str, #[case] to: &str, #[case] reason: &str) {
    assert!(XT_ZB2.contains(from));
    let error = Profile::from_toml(&XT_ZB2.replace(from, to)).unwrap_err().to_string();
    assert!(error.contains(reason), "{error}");
}

#[test]
fn an_unknown_name_lists_what_there_is() {
    let error = Profile::builtin("xt-zb3").unwrap_err().to_string();
    assert!(error.starts_with("no profile named \"xt-zb3\"; there are: xt-zb2, "), "{error}");
}
