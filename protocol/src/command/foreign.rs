//! Command ids that tools for other chips send. A BL702 has none of them; the table serves explanations only.

/// A command id that neither side of a BL702 has, or that only one side has in another meaning elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForeignCommand {
    /// Id on the wire.
    pub id: u8,
    /// What it is on the chips that have it.
    pub meaning: &'static str,
}

const fn row(id: u8, meaning: &'static str) -> ForeignCommand {
    ForeignCommand { id, meaning }
}

/// The table.
///
/// Sources: `reference/rom-and-module.md` sections 1.4, 1.7 and 8; `reference/loader-protocol.md` section 4; names of
/// the vendor's host tools.
pub static FOREIGN_COMMANDS: &[ForeignCommand] = &[
    row(0x05, "get chip id (BL616L and later)"),
    row(0x13, "load second public key (BL808, BL606P)"),
    row(0x15, "load second signature (BL808, BL606P)"),
    row(0x22, "set clock and PLL (BL702L, BL808, BL616 and later)"),
    row(0x23, "set time-out (BL616) or finish options"),
    row(0x24, "get or set options of newer ROMs"),
    row(0x33, "flash boot (ROM only; the RAM loader has none)"),
    row(0x35, "flash read with decryption, newer loaders"),
    row(0x3F, "write compressed data (newer loaders; off on BL702)"),
    row(0x43, "write MAC address (burns eFuses on newer chips)"),
];

/// What an id means on chips other than the BL702.
pub fn foreign_command(id: u8) -> Option<&'static str> {
    FOREIGN_COMMANDS.iter().find(|row| row.id == id).map(|row| row.meaning)
}
