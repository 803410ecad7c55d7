//! Command ids that tools for other chips send. A BL702 has none of them; the table serves explanations only.

/// A command id that neither the boot ROM nor the RAM loader of a BL702 has.
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
/// Sources: `reference/rom-and-module.md` sections 1.4, 1.7 and 8; `reference/loader-protocol.md` section 4; the
/// vendor's host tools for the names.
pub static FOREIGN_COMMANDS: &[ForeignCommand] = &[
    row(0x05, "get chip id (BL616L and its relatives)"),
    row(0x13, "load second public key (BL606P, BL808)"),
    row(0x15, "load second signature (BL606P, BL808)"),
    row(0x1B, "load second part of a SHA-384 header (BL616L, BL616D)"),
    row(0x22, "set clock and PLL (BL702L, BL606P, BL808, BL616)"),
    row(0x23, "set time-out, or finish options (BL616)"),
    row(0x24, "a command of newer boot ROMs"),
    row(0x35, "switch flash bank (chips with two flashes)"),
    row(0x3F, "write compressed data to flash (RAM loaders of other chips)"),
    row(0x43, "write MAC address, which burns eFuses (newer chips)"),
];

/// What an id means on chips other than the BL702.
pub fn foreign_command(id: u8) -> Option<&'static str> {
    FOREIGN_COMMANDS.iter().find(|row| row.id == id).map(|row| row.meaning)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{LoaderCommand, RomCommand};

    #[test]
    fn no_foreign_id_is_one_of_ours() {
        for row in FOREIGN_COMMANDS {
            assert_eq!(RomCommand::from_id(row.id), None, "{:02x}", row.id);
            assert_eq!(LoaderCommand::from_id(row.id), None, "{:02x}", row.id);
        }
    }

    #[test]
    fn clock_set_belongs_to_another_chip() {
        assert!(foreign_command(0x22).is_some_and(|meaning| meaning.contains("BL702L")));
        assert_eq!(foreign_command(0x10), None);
    }
}
