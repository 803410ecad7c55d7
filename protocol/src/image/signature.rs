//! The blocks that go with signed and encrypted images: public key, signature, IV.
//!
//! Source: `reference/rom-and-module.md` sections 1.4 and 2.

use crate::crc::crc32;

fn word_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes)
}

/// Public key block, 68 bytes: X (32, big-endian), Y (32), CRC-32 of both (4).
///
/// The ROM compares SHA-256 of the 64 key bytes with eFuse key slots 0 and 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKeyBlock {
    /// X and Y of the P-256 point, big-endian, without a leading 04h.
    pub key: [u8; 64],
    /// CRC-32 of the key.
    pub crc32: u32,
}

impl PublicKeyBlock {
    /// Bytes of the block.
    pub const LEN: usize = 68;

    /// A block with the right CRC.
    pub fn new(key: [u8; 64]) -> PublicKeyBlock {
        PublicKeyBlock { key, crc32: crc32(&key) }
    }

    /// Reads a block; `None` unless it has 68 bytes (ROM: `FL 020A`).
    pub fn parse(bytes: &[u8]) -> Option<PublicKeyBlock> {
        bytes.try_into().ok().map(PublicKeyBlock::read)
    }

    /// Reads the fields.
    pub fn read(bytes: &[u8; 68]) -> PublicKeyBlock {
        let mut key = [0; 64];
        key.copy_from_slice(&bytes[..64]);
        PublicKeyBlock { key, crc32: u32::from_le_bytes([bytes[64], bytes[65], bytes[66], bytes[67]]) }
    }

    /// The 68 bytes.
    pub fn to_bytes(&self) -> [u8; 68] {
        let mut bytes = [0; 68];
        bytes[..64].copy_from_slice(&self.key);
        bytes[64..].copy_from_slice(&self.crc32.to_le_bytes());
        bytes
    }

    /// Whether the CRC is right (ROM: `FL 020B`).
    pub fn crc_is_right(&self) -> bool {
        self.crc32 == crc32(&self.key)
    }
}

/// Why a signature block cannot be read, in the order in which the ROM looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureBlockError {
    /// The length field is over 256 (`FL 020D`).
    #[error("signature length field is {length}, at most {} is allowed", SignatureBlock::MAX_SIGNATURE)]
    TooLong {
        /// The field.
        length: u32,
    },
    /// Fewer bytes than the length field needs.
    #[error("signature block needs {needed} bytes, has {have}")]
    Truncated {
        /// Bytes that the length field asks for, the field and the CRC included.
        needed: usize,
        /// Bytes there are.
        have: usize,
    },
}

/// Signature block: length n (4), signature (n), CRC-32 of length and signature (4).
///
/// For P-256 n is 64: r and s, 32 bytes each, big-endian.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureBlock {
    /// The signature, `r` then `s`.
    pub signature: Vec<u8>,
    /// CRC-32 of the length field and the signature.
    pub crc32: u32,
}

impl SignatureBlock {
    /// Longest signature the ROM takes.
    pub const MAX_SIGNATURE: usize = 256;

    /// A block with the right CRC.
    pub fn new(signature: &[u8]) -> SignatureBlock {
        let mut block = SignatureBlock { signature: signature.to_vec(), crc32: 0 };
        block.crc32 = block.computed_crc32();
        block
    }

    /// Reads a block from the front of `bytes`; what follows it is ignored, as the ROM does.
    ///
    /// # Errors
    /// [`SignatureBlockError`] if the length field is too big or bytes are missing.
    pub fn parse(bytes: &[u8]) -> Result<SignatureBlock, SignatureBlockError> {
        let have = bytes.len();
        let length = word_at(bytes, 0).ok_or(SignatureBlockError::Truncated { needed: 8, have })?;
        let too_long = SignatureBlockError::TooLong { length };
        let n = usize::try_from(length).map_err(|_| too_long)?;
        if n > Self::MAX_SIGNATURE {
            return Err(too_long);
        }
        let truncated = SignatureBlockError::Truncated { needed: n + 8, have };
        let crc32 = word_at(bytes, 4 + n).ok_or(truncated)?;
        Ok(SignatureBlock { signature: bytes[4..4 + n].to_vec(), crc32 })
    }

    /// The block as it stands in a file and on the wire.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.length_and_signature();
        bytes.extend_from_slice(&self.crc32.to_le_bytes());
        bytes
    }

    /// The CRC that belongs in [`crc32`](Self::crc32).
    pub fn computed_crc32(&self) -> u32 {
        crc32(&self.length_and_signature())
    }

    /// Whether the CRC is right (ROM: `FL 020E`).
    pub fn crc_is_right(&self) -> bool {
        self.crc32 == self.computed_crc32()
    }

    fn length_and_signature(&self) -> Vec<u8> {
        let length = u32::try_from(self.signature.len()).unwrap_or(u32::MAX);
        let mut bytes = length.to_le_bytes().to_vec();
        bytes.extend_from_slice(&self.signature);
        bytes
    }
}

/// IV block, 20 bytes: AES-CTR initial value (16), CRC-32 of it (4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IvBlock {
    /// Initial counter block.
    pub iv: [u8; 16],
    /// CRC-32 of the IV.
    pub crc32: u32,
}

impl IvBlock {
    /// Bytes of the block.
    pub const LEN: usize = 20;

    /// A block with the right CRC.
    pub fn new(iv: [u8; 16]) -> IvBlock {
        IvBlock { iv, crc32: crc32(&iv) }
    }

    /// Reads a block; `None` unless it has 20 bytes (ROM: `FL 0208`).
    pub fn parse(bytes: &[u8]) -> Option<IvBlock> {
        bytes.try_into().ok().map(IvBlock::read)
    }

    /// Reads the fields.
    pub fn read(bytes: &[u8; 20]) -> IvBlock {
        let mut iv = [0; 16];
        iv.copy_from_slice(&bytes[..16]);
        IvBlock { iv, crc32: u32::from_le_bytes([bytes[16], bytes[17], bytes[18], bytes[19]]) }
    }

    /// The 20 bytes. They are hashed before the segments of an encrypted image.
    pub fn to_bytes(&self) -> [u8; 20] {
        let mut bytes = [0; 20];
        bytes[..16].copy_from_slice(&self.iv);
        bytes[16..].copy_from_slice(&self.crc32.to_le_bytes());
        bytes
    }

    /// Whether the CRC is right (ROM: `FL 0209`).
    pub fn crc_is_right(&self) -> bool {
        self.crc32 == crc32(&self.iv)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// A block whose length field says `length`, with `have` bytes in all.
    fn block(length: u32, have: usize) -> Vec<u8> {
        let mut bytes = length.to_le_bytes().to_vec();
        bytes.resize(have, 0);
        bytes
    }

    // fixtures/vectors/rom.jsonl "signed chip: signature n 257" (FL 020D); the ROM compares the field alone, so what
    // follows the block is ignored.
    #[rstest]
    #[case::too_long(257, 308, Err(SignatureBlockError::TooLong { length: 257 }))]
    #[case::absurd(u32::MAX, 8, Err(SignatureBlockError::TooLong { length: u32::MAX }))]
    #[case::longest(256, 264, Ok(256))]
    #[case::surplus(64, 100, Ok(64))]
    #[case::crc_missing(64, 71, Err(SignatureBlockError::Truncated { needed: 72, have: 71 }))]
    #[case::length_missing(0, 3, Err(SignatureBlockError::Truncated { needed: 8, have: 3 }))]
    fn lengths(#[case] length: u32, #[case] have: usize, #[case] result: Result<usize, SignatureBlockError>) {
        let bytes = if have < 4 { vec![0; have] } else { block(length, have) };
        assert_eq!(SignatureBlock::parse(&bytes).map(|block| block.signature.len()), result);
    }

    #[test]
    fn one_wrong_bit_is_noticed() {
        let mut block = SignatureBlock::new(&[7; 64]);
        block.signature[63] ^= 1;
        assert!(!block.crc_is_right());
        assert_eq!(PublicKeyBlock::parse(&[0; 67]), None);
        assert_eq!(IvBlock::parse(&[0; 21]), None);
    }
}
