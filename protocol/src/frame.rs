//! Frames in both directions: request header and checksum, replies, and a strict incremental reply decoder.
//!
//! ```text
//! request   id(1)  checksum(1)  length(2, little-endian)  payload(length)
//! reply     "OK"                                           4f 4b
//!           "OK"  length(2)  data(length)
//!           "FL"  code(2, little-endian)                   46 4c ..
//!           "PD"  any number of times before one of these  50 44   (loader commands 30h and 3Ch only)
//! ```
//!
//! Sources: `reference/loader-protocol.md` section 3, `reference/rom-and-module.md` section 1.3.

use crate::code::Code;

mod decoder;

pub use decoder::{ReplyDecoder, ReplyError, ReplyShape};

/// Longest payload the boot ROM takes (FFCh bytes); a longer one is answered `FL 0102`.
pub const ROM_MAX_PAYLOAD: usize = 4092;

/// Longest payload the RAM loader takes (2404h bytes); a longer one never completes and costs the session.
pub const LOADER_MAX_PAYLOAD: usize = 9220;

/// Largest number of data bytes in one write of the RAM loader (31h): its payload less the four address bytes.
pub const LOADER_MAX_WRITE: usize = LOADER_MAX_PAYLOAD - 4;

/// Largest number of data bytes in one flash write of the boot ROM (31h).
pub const ROM_MAX_WRITE: usize = ROM_MAX_PAYLOAD - 4;

/// Largest number of bytes one read of the RAM loader (32h) returns; longer requests are cut without a word.
pub const LOADER_MAX_READ: usize = 9220;

/// The byte that starts a handshake; also `U`, alternating bits for the chip's auto-baud hardware.
pub const HANDSHAKE_BYTE: u8 = 0x55;

/// First two bytes of a good reply, and the whole answer to a handshake.
pub const OK: [u8; 2] = *b"OK";

/// First two bytes of a refusal.
pub const FAIL: [u8; 2] = *b"FL";

/// "Pending": sent while the loader erases.
pub const PENDING: [u8; 2] = *b"PD";

/// How the second byte of a request is filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// Zero: the loader does not check, the ROM never looks.
    Zero,
    /// The loader's sum (see [`checksum`]).
    Sum,
}

/// The loader's checksum: low byte of the sum of both length bytes and all payload bytes. The id is not in it.
///
/// A sum that comes out as 0 means "not checked" to the loader (`reference/loader-protocol.md` section 3).
pub fn checksum(length: u16, payload: &[u8]) -> u8 {
    let [low, high] = length.to_le_bytes();
    payload.iter().fold(low.wrapping_add(high), |sum, byte| sum.wrapping_add(*byte))
}

/// The first four bytes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestHeader {
    /// Command id.
    pub id: u8,
    /// Checksum byte as it stands on the wire.
    pub checksum: u8,
    /// Number of payload bytes that follow.
    pub length: u16,
}

impl RequestHeader {
    /// Bytes of a header on the wire.
    pub const LEN: usize = 4;

    /// Reads a header.
    pub const fn parse(bytes: [u8; 4]) -> RequestHeader {
        RequestHeader { id: bytes[0], checksum: bytes[1], length: u16::from_le_bytes([bytes[2], bytes[3]]) }
    }

    /// The header as it goes over the wire.
    pub const fn encode(self) -> [u8; 4] {
        let [low, high] = self.length.to_le_bytes();
        [self.id, self.checksum, low, high]
    }

    /// Whether the loader takes this checksum for this payload: 0 is not checked, anything else must match.
    pub fn checksum_accepts(self, payload: &[u8]) -> bool {
        self.checksum == 0 || self.checksum == checksum(self.length, payload)
    }
}

/// A whole request frame.
///
/// Keep the payload within [`ROM_MAX_PAYLOAD`] or [`LOADER_MAX_PAYLOAD`]: neither side takes more. What the length
/// field cannot express (beyond 65,535 bytes) is left off, so header and payload always agree.
pub fn request(id: u8, checksum_kind: Checksum, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap_or(u16::MAX);
    let payload = &payload[..usize::from(length)];
    let checksum = match checksum_kind {
        Checksum::Zero => 0,
        Checksum::Sum => checksum(length, payload),
    };
    let mut frame = Vec::with_capacity(RequestHeader::LEN + payload.len());
    frame.extend_from_slice(&RequestHeader { id, checksum, length }.encode());
    frame.extend_from_slice(payload);
    frame
}

/// What one reply says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// `OK` and nothing else.
    Ok,
    /// `OK`, a length, and this data.
    Data(Vec<u8>),
    /// `FL` and a code.
    Refused(Code),
    /// `PD`: still at work; another reply follows.
    Pending,
}

/// The reply `OK`.
pub fn ok() -> Vec<u8> {
    OK.to_vec()
}

/// The reply `OK`, length, data. Data beyond what the length field can express are left off.
pub fn ok_with_data(data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).unwrap_or(u16::MAX);
    let mut reply = Vec::with_capacity(4 + data.len());
    reply.extend_from_slice(&OK);
    reply.extend_from_slice(&length.to_le_bytes());
    reply.extend_from_slice(&data[..usize::from(length)]);
    reply
}

/// The reply `FL` with a code, low byte first.
pub fn fl(code: Code) -> Vec<u8> {
    let [low, high] = code.to_wire();
    vec![FAIL[0], FAIL[1], low, high]
}

/// The reply `PD`.
pub fn pending() -> Vec<u8> {
    PENDING.to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_beyond_the_field_are_cut_so_that_header_and_payload_agree() {
        let frame = request(0x31, Checksum::Sum, &vec![1; 70_000]);
        assert_eq!(frame.len(), 4 + 65_535);
        let header = RequestHeader::parse([frame[0], frame[1], frame[2], frame[3]]);
        assert_eq!(header.length, 65_535);
        assert!(header.checksum_accepts(&frame[4..]));
        assert_eq!(ok_with_data(&vec![1; 70_000]).len(), 4 + 65_535);
    }

    #[test]
    fn only_zero_and_the_right_checksum_are_taken() {
        // fixtures/vectors/loader.jsonl "read, right checksum": 19h.
        let payload = [0x00, 0x01, 0x00, 0x00, 0x10, 0x00, 0x00, 0x00];
        let taken = (0..=255)
            .filter(|sum| RequestHeader { id: 0x32, checksum: *sum, length: 8 }.checksum_accepts(&payload));
        assert_eq!(taken.collect::<Vec<u8>>(), [0x00, 0x19]);
    }
}
