use rstest::rstest;

use super::*;

/// eFuses of the vectors: MAC 81 12 d1 e7 38 c1 b4 00, word 74h = 08000028h.
fn of_the_vectors() -> Efuse {
    let mut efuse = Efuse::default();
    efuse.0[0x14..0x1C].copy_from_slice(&[0x81, 0x12, 0xd1, 0xe7, 0x38, 0xc1, 0xb4, 0x00]);
    efuse.set_word(0x74, 0x0800_0028);
    efuse
}

#[test]
fn mac_parity() {
    let mut efuse = of_the_vectors();
    assert_eq!(efuse.mac_zero_bits(), 40);
    assert!(efuse.mac_parity_is_right());
    // fixtures/vectors/loader.jsonl "mac bad parity: code 0407": FFFFh burnt over the first word.
    efuse.set_word(0x14, efuse.word(0x14) | 0xFFFF);
    assert!(!efuse.mac_parity_is_right());
}

#[test]
fn sixty_four_zero_bits_count_as_none() {
    let efuse = Efuse::default();
    assert_eq!(efuse.mac_zero_bits(), 0);
    assert!(efuse.mac_parity_is_right());
}

/// A bit of `sw_usage_0` and the getter that sees it.
#[rstest]
#[case(0, Efuse::bootrom_protect)]
#[case(1, Efuse::uart_log_disable)]
#[case(20, Efuse::tz_boot)]
#[case(22, Efuse::hbn_check_sign)]
#[case(24, Efuse::mediaboot_disable)]
#[case(25, Efuse::uartboot_disable)]
#[case(26, Efuse::sdioboot_disable)]
#[case(27, Efuse::hbn_jump_disable)]
fn sw_usage_0(#[case] bit: u32, #[case] getter: fn(&Efuse) -> bool) {
    let mut efuse = Efuse::default();
    assert!(!getter(&efuse));
    efuse.set_word(0x10, 1 << bit);
    assert!(getter(&efuse));
    efuse.set_word(0x10, !(1 << bit));
    assert!(!getter(&efuse));
}

#[test]
fn the_log_stays_on_if_bit_2_is_set_too() {
    let mut efuse = Efuse::default();
    efuse.set_word(0x10, 0b110);
    assert!(!efuse.uart_log_disable());
}

#[rstest]
#[case(0x00, false, 0)]
#[case(0x04, true, 0)]
#[case(0x08, false, 0)]
#[case(0x03, false, 0)]
#[case(0x80, false, 0)]
#[case(0x81, false, 1)]
#[case(0x82, false, 3)]
#[case(0x83, false, 2)]
fn word_0(#[case] word: u32, #[case] sign_required: bool, #[case] encrypt_type: u8) {
    let mut efuse = Efuse::default();
    efuse.set_word(0, word);
    assert_eq!((efuse.sign_required(), efuse.encrypt_type()), (sign_required, encrypt_type));
}

#[test]
fn words_outside_are_zero_and_stay_so() {
    let mut efuse = Efuse([0xFF; 128]);
    assert_eq!(efuse.word(0x7F), u32::MAX);
    assert_eq!(efuse.word(0x80), 0);
    efuse.set_word(0x80, 1);
    assert_eq!(efuse, Efuse([0xFF; 128]));
    assert_eq!(efuse.key_slot(5), Some([0xFF; 16]));
    assert_eq!(efuse.key_slot(6), None);
    assert_eq!(efuse.key_slot(usize::MAX), None);
}

#[test]
fn locks_cover_their_bytes_only() {
    let mut efuse = Efuse::default();
    // wr_lock of the MAC, set in the factory, and rd_lock of key slot 2.
    efuse.set_word(0x7C, 1 << 18 | 1 << 28);
    let names: Vec<&str> = efuse.locks().map(|lock| lock.name).collect();
    assert_eq!(names, ["wifi_mac", "key_slot_2"]);
    let locked = |kind| (0..EFUSE_LEN).filter(|at| efuse.byte_is_locked(kind, *at)).collect::<Vec<_>>();
    assert_eq!(locked(LockKind::Write), (0x14..0x1C).collect::<Vec<_>>());
    assert_eq!(locked(LockKind::Read), (0x3C..0x4C).collect::<Vec<_>>());
}

#[test]
fn each_lock_has_its_own_bit_and_whole_words() {
    let bits: Vec<u8> = LOCKS.iter().map(|lock| lock.bit).collect();
    assert_eq!(bits, (13..=31).collect::<Vec<_>>());
    assert!(LOCKS.iter().all(|lock| lock.start < lock.end && lock.start % 4 == 0 && lock.end % 4 == 0));
}

#[test]
fn debug_shows_words_that_are_not_zero() {
    assert_eq!(
        format!("{:?}", of_the_vectors()),
        r#"Efuse{"14": "e7d11281", "18": "00b4c138", "74": "08000028"}"#
    );
}
