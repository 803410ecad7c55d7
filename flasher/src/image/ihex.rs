//! Intel HEX.

use super::{ImageError, Part};

/// Whether a file begins like Intel HEX: a colon and eight hexadecimal digits.
pub fn looks_like(bytes: &[u8]) -> bool {
    let text = bytes.trim_ascii_start();
    text.first() == Some(&b':') && text.len() >= 11 && text[1..11].iter().all(u8::is_ascii_hexdigit)
}

/// Reads records 00 (data), 01 (end), 02 and 04 (upper address); 03 and 05 (start address) are skipped.
///
/// # Errors
/// [`ImageError::Hex`] with the line: no colon, odd or missing digits, a wrong sum, an unknown record, data past the
/// end of the address space, a missing end record.
pub fn parse(bytes: &[u8]) -> Result<Vec<Part>, ImageError> {
    let mut parts: Vec<Part> = Vec::new();
    let mut base: u32 = 0;
    let mut line = 0;
    for text in bytes.split(|byte| *byte == b'\n') {
        line += 1;
        let text = text.trim_ascii();
        if text.is_empty() {
            continue;
        }
        let wrong = |what| ImageError::Hex { line, what };
        let record = decode(text).map_err(wrong)?;
        let [count, high, low, kind, data @ .., _sum] = &record[..] else {
            return Err(wrong("the record is too short"));
        };
        if usize::from(*count) != data.len() {
            return Err(wrong("the byte count differs from the number of bytes"));
        }
        let offset = u32::from(u16::from_be_bytes([*high, *low]));
        match (kind, data) {
            (0, data) => add(&mut parts, base, offset, data).map_err(wrong)?,
            (1, []) => return Ok(parts),
            (2, [high, low]) => base = u32::from(u16::from_be_bytes([*high, *low])) << 4,
            (4, [high, low]) => base = u32::from(u16::from_be_bytes([*high, *low])) << 16,
            (3 | 5, [_, _, _, _]) => {}
            _ => return Err(wrong("the record is of an unknown type, or has a wrong length")),
        }
    }
    Err(ImageError::Hex { line, what: "the end record (:00000001FF) is missing; the file was cut" })
}

fn add(parts: &mut Vec<Part>, base: u32, offset: u32, data: &[u8]) -> Result<(), &'static str> {
    let address = base.checked_add(offset).ok_or("the address is past 4 GiB")?;
    let fits = u64::from(address) + data.len() as u64 <= 1 << 32;
    if !fits {
        return Err("the data go past 4 GiB");
    }
    match parts.last_mut() {
        Some(part) if u64::from(part.address) + part.data.len() as u64 == u64::from(address) => {
            part.data.extend_from_slice(data);
        }
        _ => parts.push(Part { address, data: data.to_vec() }),
    }
    Ok(())
}

/// The bytes of a record, sum included.
fn decode(text: &[u8]) -> Result<Vec<u8>, &'static str> {
    let digits = text.strip_prefix(b":").ok_or("the line does not begin with a colon")?;
    let (pairs, rest) = digits.as_chunks::<2>();
    if !rest.is_empty() {
        return Err("the number of digits is odd");
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let bytes = pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?));
    let bytes: Vec<u8> = bytes.collect::<Option<_>>().ok_or("something is no hexadecimal digit")?;
    let sum = bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    if sum == 0 { Ok(bytes) } else { Err("the checksum is wrong") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[test]
    fn upper_addresses_and_gaps() {
        // Records as an assembler writes them, two of them adjoining.
        let text = b":020000042300D7\r\n:0400000001020304F2\r\n:0400040005060708DE\r\n:02100000AABB89\n:00000001FF\n:junk";
        let parts = parse(text).unwrap();
        assert_eq!(
            parts,
            [
                Part { address: 0x2300_0000, data: vec![1, 2, 3, 4, 5, 6, 7, 8] },
                Part { address: 0x2300_1000, data: vec![0xAA, 0xBB] },
            ]
        );
    }

    #[rstest]
    #[case::no_colon(b"0400000001020304F2\n", 1, "the line does not begin with a colon")]
    #[case::sum(b":0400000001020304F3\n", 1, "the checksum is wrong")]
    #[case::odd(b":0400000001020304F\n", 1, "the number of digits is odd")]
    #[case::digit(b":04000000010203G4F2\n", 1, "something is no hexadecimal digit")]
    #[case::count(b":0500000001020304F1\n", 1, "the byte count differs from the number of bytes")]
    #[case::unknown(b":00000006FA\n", 1, "the record is of an unknown type, or has a wrong length")]
    #[case::short(b":0000\n", 1, "the record is too short")]
    #[case::cut(b":0400000001020304F2\n", 2, "the end record (:00000001FF) is missing; the file was cut")]
    #[case::past(b":02000004FFFFFC\n:04FFFE0001020304F5\n", 2, "the data go past 4 GiB")]
    fn refused(#[case] text: &[u8], #[case] line: usize, #[case] what: &'static str) {
        assert_eq!(parse(text), Err(ImageError::Hex { line, what }));
    }
}
