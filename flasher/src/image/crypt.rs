//! Encryption and signatures as the vendor's tool makes them.
//!
//! Images for flash are encrypted in counter mode, images for RAM in CBC mode (`img_create_encrypt_data` of the vendor's
//! package). ECDSA over P-256 with SHA-256; a signature here is deterministic (RFC 6979), the vendor's is not.

use aes::cipher::{BlockCipherEncrypt, KeyInit, KeyIvInit, StreamCipher};
use aes::{Aes128, Aes192, Aes256};
use p256::ecdsa::signature::{Signer, Verifier};
use p256::ecdsa::{Signature, SigningKey, VerifyingKey};

use super::ImageError;

/// An AES key; its length says which AES.
#[derive(Clone, PartialEq, Eq)]
pub struct AesKey(Vec<u8>);

impl core::fmt::Debug for AesKey {
    // A key is not for logs.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "AesKey({} bits)", self.0.len() * 8)
    }
}

impl AesKey {
    /// A key of 16, 24 or 32 bytes.
    ///
    /// # Errors
    /// [`ImageError::Key`] for another length.
    pub fn new(bytes: &[u8]) -> Result<AesKey, ImageError> {
        match bytes.len() {
            16 | 24 | 32 => Ok(AesKey(bytes.to_vec())),
            _ => Err(ImageError::Key("an AES key has 16, 24 or 32 bytes (32, 48 or 64 hexadecimal digits)")),
        }
    }

    /// The number of the encryption in a boot header: 1 AES-128, 2 AES-256, 3 AES-192.
    pub fn header_type(&self) -> u8 {
        match self.0.len() {
            16 => 1,
            24 => 3,
            _ => 2,
        }
    }
}

/// Counter mode over the whole of `data`, as for flash. Encrypting again decrypts.
pub fn counter_mode(key: &AesKey, iv: &[u8; 16], data: &mut [u8]) {
    // The lengths of key and IV are those of the types, so none of these can fail.
    match key.0.len() {
        16 => apply::<ctr::Ctr128BE<Aes128>>(key, iv, data),
        24 => apply::<ctr::Ctr128BE<Aes192>>(key, iv, data),
        _ => apply::<ctr::Ctr128BE<Aes256>>(key, iv, data),
    }
}

fn apply<C: KeyIvInit + StreamCipher>(key: &AesKey, iv: &[u8; 16], data: &mut [u8]) {
    if let Ok(mut cipher) = C::new_from_slices(&key.0, iv) {
        cipher.apply_keystream(data);
    }
}

/// CBC over `data`, whose length is a multiple of 16; bytes behind the last whole block stay plain.
pub fn cbc_mode(key: &AesKey, iv: &[u8; 16], data: &mut [u8]) {
    match key.0.len() {
        16 => chain::<Aes128>(key, iv, data),
        24 => chain::<Aes192>(key, iv, data),
        _ => chain::<Aes256>(key, iv, data),
    }
}

fn chain<C: KeyInit + BlockCipherEncrypt>(key: &AesKey, iv: &[u8; 16], data: &mut [u8]) {
    let Ok(cipher) = C::new_from_slice(&key.0) else { return };
    let mut previous = *iv;
    let (blocks, _) = data.as_chunks_mut::<16>();
    for block in blocks {
        block.iter_mut().zip(previous).for_each(|(byte, before)| *byte ^= before);
        if let Ok(block) = (&mut block[..]).try_into() {
            cipher.encrypt_block(block);
        }
        previous = *block;
    }
}

/// A private key of P-256.
#[derive(Clone)]
pub struct PrivateKey(SigningKey);

impl core::fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("PrivateKey")
    }
}

impl PrivateKey {
    /// From a PEM file: `EC PRIVATE KEY` (SEC 1) or `PRIVATE KEY` (PKCS 8), P-256, without a password.
    ///
    /// # Errors
    /// [`ImageError::Key`].
    pub fn from_pem(text: &str) -> Result<PrivateKey, ImageError> {
        let wrong = ImageError::Key(
            "no P-256 private key in it (PEM with EC PRIVATE KEY or PRIVATE KEY, without a password, is needed)",
        );
        let der = pem_body(text).ok_or(wrong.clone())?;
        // Both forms hold the scalar as an octet string of 32 bytes: 04 20 ..., first in SEC 1 behind the version, and
        // inside an octet string in PKCS 8.
        let scalar = der.windows(5).position(|window| matches!(window, [0x02, 0x01, 0x01, 0x04, 0x20]));
        let scalar = scalar.and_then(|at| der.get(at + 5..at + 37)).ok_or(wrong.clone())?;
        SigningKey::from_slice(scalar).map(PrivateKey).map_err(|_| wrong)
    }

    /// X and Y of the public key, big-endian.
    pub fn public_key(&self) -> [u8; 64] {
        let point = self.0.verifying_key().to_sec1_point(false);
        let mut key = [0; 64];
        if let Some(bytes) = point.as_bytes().get(1..65) {
            key.copy_from_slice(bytes);
        }
        key
    }

    /// r and s of a signature over SHA-256 of `data`.
    pub fn sign(&self, data: &[u8]) -> [u8; 64] {
        let signature: Signature = self.0.sign(data);
        signature.to_bytes().into()
    }
}

/// Whether `signature` (r, s) over SHA-256 of `data` is by the owner of `public_key` (X, Y).
pub fn verifies(public_key: &[u8; 64], data: &[u8], signature: &[u8]) -> bool {
    let mut point = vec![4];
    point.extend_from_slice(public_key);
    let key = VerifyingKey::from_sec1_bytes(&point);
    let signature = Signature::from_slice(signature);
    key.ok().zip(signature.ok()).is_some_and(|(key, signature)| key.verify(data, &signature).is_ok())
}

/// The bytes between the lines `-----BEGIN` and `-----END`, of the first block that is a private key.
fn pem_body(text: &str) -> Option<Vec<u8>> {
    let begin = text
        .match_indices("-----BEGIN ")
        .find(|(at, _)| text[*at..].lines().next().is_some_and(|line| line.contains("PRIVATE KEY")))?;
    let body = &text[begin.0..];
    let body = &body[body.find('\n')?..];
    let body = &body[..body.find("-----END")?];
    base64(body)
}

fn base64(text: &str) -> Option<Vec<u8>> {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = Vec::new();
    let (mut bits, mut have) = (0_u32, 0);
    for letter in text.bytes().filter(|letter| !letter.is_ascii_whitespace() && *letter != b'=') {
        let value = LETTERS.iter().position(|known| *known == letter)?;
        bits = (bits << 6 | u32::try_from(value).ok()?) & 0xFF_FFFF;
        have += 6;
        if have >= 8 {
            have -= 8;
            bytes.push((bits >> have & 0xFF) as u8);
        }
    }
    Some(bytes)
}
