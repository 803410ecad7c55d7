//! Decryption of an image that is uploaded.

use aes::cipher::{Array, BlockCipherDecrypt, KeyInit};
use aes::{Aes128, Aes192, Aes256};

use super::otp_record::OtpRecord;

/// AES in CBC mode with the key of slots 2 and 3.
///
/// Assumed: CBC over segment headers and data as one chain, since that is how the vendor's tools encrypt a RAM image
/// before they upload it (`encrypt_loader_bin_do`; they use counter mode for flash only). What the ROM does was not traced
/// (`reference/rom-and-module.md` section 2).
pub(super) struct Cipher {
    key: Key,
    /// The last encrypted block.
    chain: [u8; 16],
    /// The same before the last call.
    chain_before: [u8; 16],
}

enum Key {
    Aes128(Box<Aes128>),
    Aes192(Box<Aes192>),
    Aes256(Box<Aes256>),
}

impl Cipher {
    pub(super) fn new(otp: &OtpRecord, iv: [u8; 16]) -> Cipher {
        let key = &otp.image_key;
        let key = match otp.efuse.encrypt_type() {
            // Numbering of the boot header: 1 = 128, 2 = 256, 3 = 192 bits.
            2 => Key::Aes256(Box::new(Aes256::new(key.into()))),
            3 => Key::Aes192(Box::new(Aes192::new(&first(key).into()))),
            _ => Key::Aes128(Box::new(Aes128::new(&first(key).into()))),
        };
        Cipher { key, chain: iv, chain_before: iv }
    }

    /// Decrypts whole blocks; the ROM takes no others.
    pub(super) fn decrypt(&mut self, data: &mut [u8]) {
        self.chain_before = self.chain;
        let (blocks, _) = data.as_chunks_mut::<16>();
        for block in blocks {
            let encrypted = *block;
            let mut array = Array::from(encrypted);
            match &self.key {
                Key::Aes128(key) => key.decrypt_block(&mut array),
                Key::Aes192(key) => key.decrypt_block(&mut array),
                Key::Aes256(key) => key.decrypt_block(&mut array),
            }
            for ((byte, plain), before) in block.iter_mut().zip(array).zip(self.chain) {
                *byte = plain ^ before;
            }
            self.chain = encrypted;
        }
    }

    /// Takes the last call back.
    pub(super) fn step_back(&mut self) {
        self.chain = self.chain_before;
    }
}

fn first<const N: usize>(key: &[u8; 32]) -> [u8; N] {
    let mut short = [0; N];
    short.copy_from_slice(&key[..N]);
    short
}

impl std::fmt::Debug for Cipher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cipher")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes<const N: usize>(hex: &str) -> [u8; N] {
        std::array::from_fn(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
    }

    /// NIST SP 800-38A, F.2.2: CBC-AES128.Decrypt, blocks 1 and 2.
    #[test]
    fn blocks_are_chained_over_calls() {
        let key = Aes128::new(&bytes("2b7e151628aed2a6abf7158809cf4f3c").into());
        let iv = bytes("000102030405060708090a0b0c0d0e0f");
        let mut cipher = Cipher { key: Key::Aes128(Box::new(key)), chain: iv, chain_before: iv };
        let mut first: [u8; 16] = bytes("7649abac8119b246cee98e9b12e9197d");
        cipher.decrypt(&mut first);
        assert_eq!(first, bytes("6bc1bee22e409f96e93d7e117393172a"));
        let second: [u8; 16] = bytes("5086cb9b507219ee95db113a917678b2");
        for _ in 0..2 {
            let mut block = second;
            cipher.decrypt(&mut block);
            assert_eq!(block, bytes("ae2d8a571e03ac9c9eb76fac45af8e51"));
            cipher.step_back();
        }
    }
}
