//! Loading a RAM image: commands 11h to 1Ah and the state machine behind them.
//!
//! States, order of checks and codes: `reference/rom-and-module.md` section 1.4.

use bl702_protocol::code::Code;
use bl702_protocol::crc::crc32;
use bl702_protocol::image::boot_header::{BOOT_HEADER_LEN, BootHeader, ClockConfig};
use bl702_protocol::image::segment::{SegmentHeader, destination_allowed};
use bl702_protocol::image::signature::{IvBlock, PublicKeyBlock};
use p256::ecdsa::signature::hazmat::PrehashVerifier;
use sha2::{Digest, Sha256};

use super::cipher::Cipher;
use super::otp_record::OtpRecord;
use crate::ram::Ram;

/// Where the load stands (byte 1 of the ROM's context).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Idle = 0,
    WantsPublicKey = 1,
    WantsSignature = 2,
    WantsIv = 3,
    WantsSegmentHeader = 4,
    WantsSegmentData = 5,
    Complete = 6,
    Checked = 7,
}

/// What a boot header led to, when the ROM does not refuse it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeaderEffect {
    /// Answered `OK`.
    Accepted,
    /// The header asks for the boot2 inside the ROM: it is called on the spot, without an answer.
    RomBoot2,
}

/// The state of one load, cleared by every handshake.
#[derive(Debug, Default)]
pub(super) struct ImageLoad {
    state: State,
    header: Option<BootHeader>,
    public_key: Option<[u8; 64]>,
    signature: Vec<u8>,
    cipher: Option<Cipher>,
    hash: Sha256,
    segments_done: u32,
    segment: Option<(SegmentHeader, u32)>,
}

impl ImageLoad {
    /// 11h. `pll` is told of a valid clock configuration, whose result the ROM ignores.
    pub(super) fn boot_header(
        &mut self,
        payload: &[u8],
        otp: &OtpRecord,
        pll: impl FnOnce(ClockConfig),
    ) -> Result<HeaderEffect, Code> {
        let bytes: &[u8; BOOT_HEADER_LEN] = payload.try_into().map_err(|_| Code(0x0201))?;
        let header = BootHeader::parse(bytes);
        if header.crc_is_accepted() {
            // From here on an earlier load is gone; before, it stays usable.
            *self = ImageLoad::default();
        }
        header.check_before_clock().map_err(|refusal| refusal.code())?;
        if let Some(clock) = header.usable_clock_config() {
            pll(clock);
        }
        if header.boot_config.boot2_enable() {
            return Ok(HeaderEffect::RomBoot2);
        }
        header.check_after_clock(&otp.header_policy()).map_err(|refusal| refusal.code())?;
        self.state = match (header.boot_config.sign() != 0, header.boot_config.encrypt() != 0) {
            (true, _) => State::WantsPublicKey,
            (false, true) => State::WantsIv,
            (false, false) => State::WantsSegmentHeader,
        };
        self.header = Some(header);
        Ok(HeaderEffect::Accepted)
    }

    /// 12h: X, Y and a CRC.
    pub(super) fn public_key(&mut self, payload: &[u8], otp: &OtpRecord) -> Result<(), Code> {
        self.expect(State::WantsPublicKey)?;
        let block = PublicKeyBlock::parse(payload).ok_or(Code(0x020A))?;
        if !block.crc_is_right() {
            return Err(Code(0x020B));
        }
        if Sha256::digest(block.key).as_slice() != otp.efuse.public_key_hash() {
            return Err(Code(0x020C));
        }
        self.public_key = Some(block.key);
        self.state = State::WantsSignature;
        Ok(())
    }

    /// 14h: length, signature and a CRC. The frame's own length is not compared, so `buffer` is the whole payload
    /// buffer with what earlier frames left in it.
    pub(super) fn signature(&mut self, buffer: &[u8]) -> Result<(), Code> {
        self.expect(State::WantsSignature)?;
        let n = u32_at(buffer, 0) as usize;
        if n > 256 {
            return Err(Code(0x020D));
        }
        if crc32(&buffer[..4 + n]) != u32_at(buffer, 4 + n) {
            return Err(Code(0x020E));
        }
        self.signature = buffer[4..4 + n].to_vec();
        self.state = if self.encrypted() { State::WantsIv } else { State::WantsSegmentHeader };
        Ok(())
    }

    /// 16h: initialisation vector and a CRC. The block is part of the hashed image.
    pub(super) fn aes_iv(&mut self, payload: &[u8], otp: &OtpRecord) -> Result<(), Code> {
        self.expect(State::WantsIv)?;
        let block = IvBlock::parse(payload).ok_or(Code(0x0208))?;
        if !block.crc_is_right() {
            return Err(Code(0x0209));
        }
        self.cipher = Some(Cipher::new(otp, block.iv));
        self.hash.update(payload);
        self.state = State::WantsSegmentHeader;
        Ok(())
    }

    /// 17h: answers the (decrypted) header.
    pub(super) fn segment_header(&mut self, payload: &[u8]) -> Result<[u8; 16], Code> {
        self.expect(State::WantsSegmentHeader)?;
        let mut bytes: [u8; 16] = payload.try_into().map_err(|_| Code(0x020F))?;
        if let Some(cipher) = &mut self.cipher {
            cipher.decrypt(&mut bytes);
        }
        let header = SegmentHeader::parse(&bytes);
        let refusal = if !header.crc_is_right() {
            Some(Code(0x0210))
        } else if !destination_allowed(header.destination, header.length) {
            Some(Code(0x0211))
        } else {
            None
        };
        if let Some(code) = refusal {
            // A refused header must not count as the block before the next one, or the corrected one could never be read.
            if let Some(cipher) = &mut self.cipher {
                cipher.step_back();
            }
            return Err(code);
        }
        self.hash.update(payload);
        self.segment = Some((header, 0));
        self.state = State::WantsSegmentData;
        Ok(bytes)
    }

    /// 18h: stores the (decrypted) data in RAM.
    pub(super) fn segment_data(&mut self, payload: &[u8], ram: &mut Ram) -> Result<(), Code> {
        self.expect(State::WantsSegmentData)?;
        let Some((header, received)) = self.segment else { return Err(Code(0x0104)) };
        if self.encrypted() && !payload.len().is_multiple_of(16) {
            return Err(Code(0x0212));
        }
        let length = payload.len() as u32;
        if length > header.length - received {
            return Err(Code(0x0214));
        }
        let mut data = std::borrow::Cow::Borrowed(payload);
        if let Some(cipher) = &mut self.cipher {
            cipher.decrypt(data.to_mut());
        }
        if self.hash_matters() {
            self.hash.update(payload);
        }
        let destination = header.destination.wrapping_add(received);
        if ram.write(destination, &data).is_none() {
            // A segment of length FFFFFFFFh passes the range check (its end wraps); what lies outside RAM is lost.
            for (index, byte) in (0u32..).zip(data.iter()) {
                let _ = ram.write_byte(destination.wrapping_add(index), *byte);
            }
        }
        let received = received + length;
        self.segment = Some((header, received));
        if received == header.length {
            self.segments_done += 1;
            let announced = self.header.as_ref().map_or(0, |header| header.segment_count);
            self.state =
                if self.segments_done >= announced { State::Complete } else { State::WantsSegmentHeader };
        }
        Ok(())
    }

    /// Whether 19h looks at the hash.
    fn hash_matters(&self) -> bool {
        let header = self.header.as_ref();
        header.is_none_or(|header| !header.hash_is_ignored() || header.boot_config.sign() != 0)
    }

    /// 19h: hash and signature of what was loaded.
    pub(super) fn check_image(&mut self) -> Result<(), Code> {
        if self.state != State::Complete {
            return Err(Code(0x0216));
        }
        self.state = State::Idle;
        let Some(header) = &self.header else { return Err(Code(0x0216)) };
        let signed = header.boot_config.sign() != 0;
        let digest = self.hash.clone().finalize();
        if !header.hash_is_ignored() && digest.as_slice() != header.hash {
            return Err(Code(0x0217));
        }
        if signed && !self.signature_is_good(&digest) {
            return Err(Code(0x0219));
        }
        self.state = State::Checked;
        Ok(())
    }

    /// 1Ah: where to jump.
    pub(super) fn run_image(&mut self) -> Result<u32, Code> {
        self.expect(State::Checked)?;
        let header = self.header.as_ref().ok_or(Code(0x0104))?;
        Ok(header.start_address())
    }

    fn expect(&self, state: State) -> Result<(), Code> {
        if self.state == state { Ok(()) } else { Err(Code(0x0104)) }
    }

    fn encrypted(&self) -> bool {
        self.header.as_ref().is_some_and(|header| header.boot_config.encrypt() != 0)
    }

    fn signature_is_good(&self, digest: &[u8]) -> bool {
        let Some(key) = self.public_key else { return false };
        let Ok(key) = p256::ecdsa::VerifyingKey::from_sec1_bytes(&sec1_point(&key)) else { return false };
        let Ok(signature) = p256::ecdsa::Signature::from_slice(&self.signature) else { return false };
        key.verify_prehash(digest, &signature).is_ok()
    }
}

/// X and Y as an uncompressed SEC1 point.
pub(super) fn sec1_point(key: &[u8; 64]) -> [u8; 65] {
    let mut point = [4; 65];
    point[1..].copy_from_slice(key);
    point
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(word)
}
