//! One row per code.

use super::CodeRow;

/// Every code of the vendor's list, and those the ROM sends although the list lacks them. Filled below.
pub static CODES: &[CodeRow] = &[];
