//! The codes of `FL` replies: what each one means, which side sends it when, and what to do about it.

use core::fmt;

use serde::{Deserialize, Serialize};

mod table;
mod vendor;

pub use table::CODES;
pub use vendor::{VENDOR_ERRORS, VendorError, vendor_error};

/// A code of an `FL` reply. On the wire low byte first: `46 4c 04 01` is code 0104h, shown as `FL0104`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Code(pub u16);

/// One row of the table [`CODES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeRow {
    /// The code.
    pub code: Code,
    /// The vendor's name for it, such as `BFLB_CMD_SEQ_ERROR`.
    pub name: &'static str,
    /// When the boot ROM of a BL702 sends it; `None`: it never does.
    pub rom: Option<&'static str>,
    /// When the RAM loader sends it; `None`: it never does.
    pub loader: Option<&'static str>,
    /// What it means.
    pub meaning: &'static str,
    /// What to do about it.
    pub advice: &'static str,
}

impl Code {
    /// From the two bytes after `FL`.
    pub const fn from_wire(bytes: [u8; 2]) -> Code {
        Code(u16::from_le_bytes(bytes))
    }

    /// The two bytes after `FL`.
    pub const fn to_wire(self) -> [u8; 2] {
        self.0.to_le_bytes()
    }

    /// The table row of this code, if it is a known one.
    pub fn row(self) -> Option<&'static CodeRow> {
        CODES.iter().find(|row| row.code == self)
    }

    /// The vendor's name, or `"unknown code"`.
    pub fn name(self) -> &'static str {
        self.row().map_or("unknown code", |row| row.name)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FL{:04X}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_ascend_and_say_something() {
        assert!(CODES.windows(2).all(|pair| pair[0].code < pair[1].code));
        for row in CODES {
            assert!(row.name.starts_with("BFLB_"), "{}", row.name);
            assert!(!row.meaning.is_empty() && row.advice.ends_with('.'), "{}", row.name);
        }
    }

    #[test]
    fn codes_of_the_loader_are_those_of_the_reference() {
        // reference/loader-protocol.md section 4, "All codes the loader can send".
        let sent: Vec<u16> = CODES.iter().filter(|row| row.loader.is_some()).map(|row| row.code.0).collect();
        let expected = [
            0x0002, 0x0003, 0x0004, 0x0005, 0x0006, 0x0008, 0x0009, 0x000A, 0x0103, 0x0401, 0x0402, 0x0404,
            0x0405, 0x0407,
        ];
        assert_eq!(sent, expected);
    }

    #[test]
    fn names_and_numbers_of_the_field_report() {
        // reference/rom-and-module.md section 5, quoted from the report.
        assert_eq!(Code::from_wire([0x04, 0x01]).to_string(), "FL0104");
        assert_eq!(Code::CMD_SEQ_ERROR.name(), "BFLB_CMD_SEQ_ERROR");
        assert_eq!(Code(0x0402).name(), "BFLB_EFUSE_WRITE_ADDR_ERROR");
        assert_eq!(Code(0x1234).name(), "unknown code");
        assert_eq!(Code(0x1234).row(), None);
    }
}
