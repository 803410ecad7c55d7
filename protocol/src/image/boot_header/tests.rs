//! What the vectors do not show; they are replayed in `tests/vectors.rs`.

use rstest::rstest;

use super::*;

fn good() -> BootHeader {
    let mut header = BootHeader::parse(&[0; BOOT_HEADER_LEN]);
    header.magic = BOOT_MAGIC;
    header.segment_count = 1;
    header.seal();
    header
}

#[test]
fn sealing_fills_all_three_crcs() {
    let mut header = good();
    header.flash_config[0] = 4;
    header.clock_config[0] = 1;
    header.seal();
    assert_eq!(header.flash_config_crc32, crc32(&header.flash_config));
    assert_eq!(header.clock_config_crc32, crc32(&header.clock_config));
    assert_eq!(header.check(&HeaderPolicy::default()), Ok(()));
}

/// All three must agree: hash_ignore, DEADBEEFh in place of the hash, unsigned.
#[rstest]
#[case(true, true, 0, true)]
#[case(true, true, 1, false)]
#[case(true, false, 0, false)]
#[case(false, true, 0, false)]
fn hash_is_ignored_only_if_all_agree(
    #[case] bit: bool,
    #[case] deadbeef: bool,
    #[case] sign: u32,
    #[case] ignored: bool,
) {
    let mut header = good();
    header.boot_config = BootConfig(u32::from(bit) << 17 | sign);
    if deadbeef {
        header.hash[..4].copy_from_slice(&[0xef, 0xbe, 0xad, 0xde]);
    }
    assert_eq!(header.hash_is_ignored(), ignored);
}

#[rstest]
#[case(0x0000_0003, "sign 3 encrypt 0")]
#[case(0x0000_000c, "sign 0 encrypt 3")]
#[case(0x0003_0300, "sign 0 encrypt 0 no_segment cache_enable crc_ignore hash_ignore")]
#[case(0x001c_0c00, "sign 0 encrypt 0 notload aes_region_lock halt_ap boot2_enable boot2_rollback")]
fn boot_config_in_words(#[case] word: u32, #[case] text: &str) {
    assert_eq!(BootConfig(word).to_string(), text);
}

#[test]
fn boot_config_fields() {
    let config = BootConfig(0x0000_A020);
    assert_eq!((config.key_sel(), config.cache_way_disable()), (2, 0xA));
}

#[test]
fn refusals_have_messages_for_people() {
    let mut header = good();
    header.magic = *b"BFAP";
    let refusal = header.check(&HeaderPolicy::default()).unwrap_err();
    assert!(matches!(refusal, HeaderRefusal::Crc { .. }), "the CRC is looked at first");
    header.seal();
    let refusal = header.check(&HeaderPolicy::default()).unwrap_err();
    assert_eq!(refusal.to_string(), "header magic is [42, 46, 41, 50], should be \"BFNP\"");
    let policy = HeaderPolicy { sign_required: true, encrypt_type: 0 };
    let refusal = good().check(&policy).unwrap_err();
    assert_eq!(refusal.to_string(), "header says sign type 0, the chip demands 1");
}

#[test]
fn a_clock_configuration_needs_magic_crc_and_crystal() {
    let mut header = good();
    header.clock_config = [1, 4, 0, 0, 1, 2, 0, 0];
    header.clock_config_magic = CLOCK_CONFIG_MAGIC;
    header.seal();
    assert_eq!(header.usable_clock_config().map(|clock| clock.pll), Some(4));
    let mut no_crystal = header.clone();
    no_crystal.clock_config[0] = 0;
    no_crystal.seal();
    assert_eq!(no_crystal.usable_clock_config(), None);
    let mut wrong_crc = header.clone();
    wrong_crc.clock_config_crc32 ^= 1;
    assert_eq!(wrong_crc.usable_clock_config(), None);
    let mut no_magic = header;
    no_magic.clock_config_magic = 0;
    assert_eq!(no_magic.usable_clock_config(), None);
}
