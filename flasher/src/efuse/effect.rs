//! What burning a fuse takes away for good: one row a consequence, by the bits that bring it about.
//!
//! Facts: `reference/rom-and-module.md` sections 1.8 and 3. What is not known to be harmless has to be named.

use bl702_protocol::efuse::{EFUSE_LEN, Efuse};
use serde::Serialize;

/// Something that cannot be undone, which a person has to name before it is burnt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Effect {
    /// What it is called, as in `--accept NAME`.
    pub name: &'static str,
    /// What it means, in words.
    pub says: &'static str,
    /// Byte offsets of words, with the bits that bring it about.
    #[serde(skip)]
    pub bits: &'static [(u8, u32)],
}

const fn effect(name: &'static str, says: &'static str, bits: &'static [(u8, u32)]) -> Effect {
    Effect { name, says, bits }
}

const ALL: u32 = u32::MAX;

/// Every consequence that has to be named, the worst first.
#[rustfmt::skip]
pub static EFFECTS: &[Effect] = &[
    effect("flash-interface-off",
        "the flash interface is off for ever: the module can neither boot from flash nor be flashed",
        &[(0x00, 1 << 19)]),
    effect("uart-boot-disabled",
        "the boot ROM never answers on UART again: this flasher cannot reach the module any more",
        &[(0x10, 1 << 25)]),
    effect("usb-boot-disabled",
        "the USB interface of the boot ROM is off for ever",
        &[(0x10, 1 << 26)]),
    effect("flash-boot-disabled",
        "the firmware in flash never runs again: the module always waits in ISP",
        &[(0x10, 1 << 24)]),
    effect("signed-images-only",
        "secure boot: the ROM takes only images signed with the key whose hash is in key slots 0 and 1; a plain RAM loader is refused (FL0206)",
        &[(0x00, 0x3C)]),
    effect("encrypted-images-only",
        "the ROM takes only images encrypted with the key in slots 2 and 3; a plain RAM loader is refused (FL0205), a dump of the flash is ciphertext",
        &[(0x00, 0x83)]),
    effect("memory-commands-refused",
        "tz_boot: the ROM refuses memory commands (FL0501, FL0504); a RAM loader starts by command 1Ah only",
        &[(0x10, 1 << 20)]),
    effect("ram-start-disabled",
        "hbn_jump_disable: a RAM loader starts by command 1Ah only; tools that start it the usual way land in flash boot",
        &[(0x10, 1 << 27)]),
    effect("signed-wake-up",
        "images are checked on wake-up too: an unsigned RAM image may not start on a signed chip",
        &[(0x10, 1 << 22)]),
    effect("jtag-closed",
        "debugging by JTAG is limited or closed for ever: a debugger cannot rescue this module",
        &[(0x00, 0xFCE0_0000), (0x10, 1 << 23)]),
    effect("debug-password",
        "the debug password is burnt: without it, debugging by password is impossible",
        &[(0x04, ALL), (0x08, ALL)]),
    effect("public-key-hash",
        "the hash of the owner's public key is burnt: with signing on, images of any other key are refused for ever (FL020C)",
        &[(0x1C, ALL), (0x20, ALL), (0x24, ALL), (0x28, ALL), (0x2C, ALL), (0x30, ALL), (0x34, ALL), (0x38, ALL)]),
    effect("aes-key",
        "the AES key of the flash is burnt: who loses it cannot make images for this chip",
        &[(0x3C, ALL), (0x40, ALL), (0x44, ALL), (0x48, ALL), (0x4C, ALL), (0x50, ALL), (0x54, ALL), (0x58, ALL)]),
    effect("clock-from-fuses",
        "the ROM sets the PLL from the fuses before ISP: values that do not fit the crystal leave a module that never answers",
        &[(0x10, 0xFFF0)]),
    effect("mac-changed",
        "the MAC address, which is the chip id, or its parity changes; software and licences may be tied to it",
        &[(0x14, ALL), (0x18, ALL), (0x74, 0x3F)]),
    effect("device-info-changed",
        "package, PSRAM or flash pins as the chip knows them change: the BOOT pin may move, and the flash may not be found any more",
        &[(0x74, 0xDFC0_0000)]),
    effect("bluetooth-off",
        "the radio of this module cannot do Bluetooth any more",
        &[(0x00, 1 << 15)]),
    effect("usb-ids-changed",
        "the ROM calls itself otherwise on USB: tools may not find it any more",
        &[(0x64, ALL), (0x68, ALL)]),
    effect("factory-values-changed",
        "trim values measured in the factory change: radio and clocks may go out of tolerance",
        &[(0x00, 1 << 12), (0x0C, ALL), (0x78, ALL)]),
    effect("write-locked",
        "fuses are locked against further burning",
        &[(0x7C, 0x01FF_E000)]),
    effect("read-locked",
        "fuses (key slots, password) are locked against reading: nobody can tell any more what is in them",
        &[(0x7C, 0xFE00_0000)]),
    effect("unknown-effect",
        "fuses of which nobody here knows what they do",
        &[(0x00, 0x0316_0F40), (0x10, 0xF02F_0009), (0x74, 0x203F_FFC0), (0x7C, 0x1FFF)]),
];

impl Effect {
    /// The one with this name.
    pub fn named(name: &str) -> Option<&'static Effect> {
        EFFECTS.iter().find(|effect| effect.name == name)
    }

    fn is_brought_about(&self, before: &Efuse, after: &Efuse) -> bool {
        self.bits.iter().any(|(word, mask)| {
            let word = usize::from(*word);
            after.word(word) & !before.word(word) & mask != 0
        })
    }
}

/// What burning from one state to the other brings about.
pub fn effects(before: &Efuse, after: &Efuse) -> Vec<&'static Effect> {
    EFFECTS.iter().filter(|effect| effect.is_brought_about(before, after)).collect()
}

/// Bits that may be burnt without naming anything: their effect is known and takes nothing away.
#[cfg(test)]
const HARMLESS: [(u8, u32); 6] = [
    (0x00, 1 << 13 | 1 << 14 | 1 << 16), // sw_usage_1, SDIO unit, Wi-Fi, which a BL702 does not have
    (0x10, 1 << 1 | 1 << 2),             // debug log of the ROM, SDIO pins
    (0x5C, ALL),                         // lower half of key slot 4, without a use
    (0x60, ALL),
    (0x6C, ALL), // a second MAC address
    (0x70, ALL),
];

const _: () = assert!(EFUSE_LEN == 128);

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn with_bit(word: usize, bit: u32) -> Efuse {
        let mut efuse = Efuse::default();
        efuse.set_word(word, 1 << bit);
        efuse
    }

    #[test]
    fn every_bit_has_one_consequence_or_is_known_to_be_harmless() {
        for word in (0..EFUSE_LEN).step_by(4) {
            for bit in 0..32 {
                let found = effects(&Efuse::default(), &with_bit(word, bit));
                let free = HARMLESS.iter().any(|(at, mask)| usize::from(*at) == word && mask >> bit & 1 == 1);
                assert_eq!(found.len(), usize::from(!free), "word {word:02x}h bit {bit}: {found:?}");
            }
        }
    }

    #[rstest]
    #[case(0x00, 2, "signed-images-only")]
    #[case(0x00, 7, "encrypted-images-only")]
    #[case(0x00, 26, "jtag-closed")]
    #[case(0x00, 30, "jtag-closed")]
    #[case(0x10, 20, "memory-commands-refused")]
    #[case(0x10, 24, "flash-boot-disabled")]
    #[case(0x10, 25, "uart-boot-disabled")]
    #[case(0x10, 27, "ram-start-disabled")]
    #[case(0x10, 4, "clock-from-fuses")]
    #[case(0x74, 25, "device-info-changed")]
    #[case(0x7C, 13, "write-locked")]
    #[case(0x7C, 28, "read-locked")]
    #[case(0x10, 0, "unknown-effect")]
    fn what_a_bit_brings_about(#[case] word: usize, #[case] bit: u32, #[case] name: &str) {
        let found = effects(&Efuse::default(), &with_bit(word, bit));
        assert_eq!(found.iter().map(|effect| effect.name).collect::<Vec<_>>(), [name]);
        assert_eq!(Effect::named(name), Some(found[0]));
        // What is burnt already brings nothing new.
        assert!(effects(&with_bit(word, bit), &with_bit(word, bit)).is_empty());
    }
}
