//! The one CRC that every BL702 format uses.

/// CRC-32 as zlib computes it (polynomial 04C11DB7h reflected, start and final value FFFFFFFFh).
///
/// Stored little-endian wherever it appears: boot header, segment header, key, signature and IV blocks, partition
/// table, reply of loader command 42h (`reference/rom-and-module.md` section 2).
pub fn crc32(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_value_of_the_zlib_polynomial() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
    }

    #[test]
    fn mac_reply_of_the_loader() {
        // fixtures/vectors/loader.jsonl "mac": MAC 81 12 d1 e7 38 c1 b4 00, CRC on the wire 0a 44 3f 6c.
        let mac = [0x81, 0x12, 0xd1, 0xe7, 0x38, 0xc1, 0xb4, 0x00];
        assert_eq!(crc32(&mac).to_le_bytes(), [0x0a, 0x44, 0x3f, 0x6c]);
    }
}
