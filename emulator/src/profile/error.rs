//! What can be wrong with a profile.

/// Why a text is no profile.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// Not TOML, or a field that is unknown, missing or of the wrong type; the message has line and column.
    #[error("profile is not valid: {0}")]
    Syntax(#[from] toml::de::Error),
    /// No built-in profile has this name.
    #[error("no profile named {name:?}; there are: {known}")]
    UnknownName {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// The chip is not one that is emulated.
    #[error("chip {chip:?} is not known; only \"bl702\" is")]
    Chip {
        /// What the file says.
        chip: String,
    },
    /// The flash part is not in the table.
    #[error("flash part {part:?} is not known; there are: {known}")]
    FlashPart {
        /// What the file says.
        part: String,
        /// What there is.
        known: String,
    },
    /// A number is out of its range.
    #[error("{field} is {value}, must be {range}")]
    Range {
        /// The field's name in the file.
        field: &'static str,
        /// What the file says.
        value: String,
        /// What is allowed.
        range: &'static str,
    },
    /// A text of hex digits is malformed or of the wrong length.
    #[error("{field} must be {bytes} bytes in hex")]
    Hex {
        /// The field's name in the file.
        field: &'static str,
        /// How many bytes it takes.
        bytes: usize,
    },
    /// A fuse word is addressed that does not exist.
    #[error("efuse.words.{offset} is no word of the eFuse block: 00 to 7c in hex, a multiple of 4")]
    FuseWord {
        /// The key in the file.
        offset: String,
    },
    /// A lock has no such name.
    #[error("efuse lock {lock:?} is not known; there are: {known}")]
    Lock {
        /// What the file says.
        lock: String,
        /// What there is.
        known: String,
    },
}
