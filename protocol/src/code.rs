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
