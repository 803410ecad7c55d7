//! 80h, 81h, 90h, 91h: eFuse access over an encrypted link.
//!
//! Lengths and codes are those of `reference/rom-and-module.md` section 1.4. The cryptography is assumed: nobody has
//! traced it. Here 90h makes a P-256 key pair and a shared AES-128 key (the first half of the shared X coordinate),
//! 91h encrypts the host's challenge under it, and sealed data are in AES-CTR with a zero counter.

use aes::cipher::{KeyIvInit, StreamCipher};
use bl702_protocol::code::Code;
use sha2::{Digest, Sha256};

use super::image::sec1_point;

/// The key agreement of one session.
#[derive(Debug)]
pub(super) struct SecureLink {
    chip_id: [u8; 8],
    exchanges: u32,
    key: Option<[u8; 16]>,
}

impl SecureLink {
    /// No key yet. The chip's random numbers come from its id, so that every run is the same.
    pub(super) fn new(chip_id: [u8; 8]) -> SecureLink {
        SecureLink { chip_id, exchanges: 0, key: None }
    }

    /// 90h: takes the host's public key (X, Y), gives the chip's.
    pub(super) fn exchange(&mut self, payload: &[u8]) -> Result<[u8; 64], Code> {
        let host: &[u8; 64] = payload.try_into().map_err(|_| Code(0x0601))?;
        let host = p256::PublicKey::from_sec1_bytes(&sec1_point(host)).map_err(|_| Code(0x0603))?;
        self.exchanges += 1;
        let secret = p256::SecretKey::from_slice(&self.random(b"key")).map_err(|_| Code(0x0602))?;
        let shared = p256::ecdh::diffie_hellman(secret.to_nonzero_scalar(), host.as_affine());
        let mut key = [0; 16];
        key.copy_from_slice(&shared.raw_secret_bytes()[..16]);
        self.key = Some(key);
        let mut public = [0; 64];
        public.copy_from_slice(&secret.public_key().to_sec1_bytes()[1..]);
        Ok(public)
    }

    /// 91h: 32 random bytes and the host's 64 bytes encrypted.
    pub(super) fn challenge(&mut self, payload: &[u8]) -> Result<[u8; 96], Code> {
        let host: &[u8; 64] = payload.try_into().map_err(|_| Code(0x0601))?;
        self.exchanges += 1;
        let mut answer = [0; 96];
        answer[..32].copy_from_slice(&self.random(b"challenge"));
        answer[32..].copy_from_slice(&self.crypt(host));
        Ok(answer)
    }

    /// What 80h burns: the payload decrypted, or as it came while there is no key.
    ///
    /// The reference says that without a key "the address word is taken as it came". That the data are then burnt
    /// as they came is assumed, because it is the worst that can happen to a module.
    pub(super) fn open(&self, payload: &[u8]) -> Result<Vec<u8>, Code> {
        if payload.len() <= 4 {
            return Err(Code(0x0401));
        }
        Ok(self.crypt(payload))
    }

    /// What 81h answers.
    pub(super) fn seal(&self, bytes: &[u8]) -> Vec<u8> {
        self.crypt(bytes)
    }

    fn crypt(&self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        if let Some(key) = &self.key {
            ctr::Ctr128BE::<aes::Aes128>::new(key.into(), &[0; 16].into()).apply_keystream(&mut bytes);
        }
        bytes
    }

    fn random(&self, purpose: &[u8]) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(self.chip_id);
        hash.update(self.exchanges.to_le_bytes());
        hash.update(purpose);
        hash.finalize().into()
    }
}
