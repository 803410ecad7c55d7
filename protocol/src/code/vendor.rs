//! The four-digit `ErrorCode` numbers of the vendor's host tools.

/// One `ErrorCode` that the vendor's tools print.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VendorError {
    /// The four digits (hexadecimal) as printed.
    pub code: u16,
    /// The text printed with it, without the "BFLB " that newer versions put in front.
    pub text: &'static str,
    /// What usually lies behind it on a BL702, where that is known.
    pub explanation: Option<&'static str>,
}

/// The vendor's list.
pub static VENDOR_ERRORS: &[VendorError] = &[];

/// The row of an `ErrorCode`.
pub fn vendor_error(code: u16) -> Option<&'static VendorError> {
    VENDOR_ERRORS.iter().find(|row| row.code == code)
}
