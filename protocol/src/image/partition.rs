//! The partition table.
