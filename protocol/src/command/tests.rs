use rstest::rstest;

use super::*;
use crate::code::CODES;

#[test]
fn ids_of_the_rom_are_those_of_the_reference() {
    let ids: Vec<u8> = ROM_COMMANDS.iter().map(|(_, row)| row.id).collect();
    let expected = [
        0x10, 0x11, 0x12, 0x14, 0x16, 0x17, 0x18, 0x19, 0x1A, 0x20, 0x21, 0x30, 0x31, 0x32, 0x33, 0x40, 0x41,
        0x50, 0x51, 0x80, 0x81, 0x90, 0x91,
    ];
    assert_eq!(ids, expected);
    let disabled: Vec<u8> =
        ROM_COMMANDS.iter().filter(|(_, row)| !row.enabled).map(|(_, row)| row.id).collect();
    assert_eq!(disabled, [0x32]);
}

#[test]
fn ids_of_the_loader_are_those_of_the_reference() {
    let ids: Vec<u8> = LOADER_COMMANDS.iter().map(|(_, row)| row.id).collect();
    let expected = [
        0x10, 0x21, 0x30, 0x31, 0x32, 0x34, 0x36, 0x37, 0x38, 0x3A, 0x3B, 0x3C, 0x3D, 0x3E, 0x40, 0x41, 0x42,
        0x50, 0x51, 0x60, 0x61, 0x71,
    ];
    assert_eq!(ids, expected);
    assert!(LOADER_COMMANDS.iter().all(|(_, row)| row.enabled));
}

#[test]
fn commands_and_ids_find_each_other() {
    for (command, row) in ROM_COMMANDS {
        assert_eq!(RomCommand::from_id(row.id), Some(*command));
        assert_eq!((command.id(), command.row()), (row.id, row));
    }
    for (command, row) in LOADER_COMMANDS {
        assert_eq!(LoaderCommand::from_id(row.id), Some(*command));
        assert_eq!((command.id(), command.row()), (row.id, row));
    }
}

#[test]
fn fuses_are_burnt_by_these_commands_alone() {
    let burning = |row: &CommandRow| row.burns_fuses;
    let rom: Vec<u8> = ROM_COMMANDS.iter().map(|(_, row)| row).filter(|r| burning(r)).map(|r| r.id).collect();
    let loader: Vec<u8> =
        LOADER_COMMANDS.iter().map(|(_, row)| row).filter(|r| burning(r)).map(|r| r.id).collect();
    assert_eq!((rom, loader), (vec![0x40, 0x80], vec![0x40]));
}

/// The codes in the rows of the commands and the senders in the rows of the codes are two views of one thing.
#[test]
fn command_rows_and_code_rows_agree() {
    let mut rom: Vec<Code> = ROM_COMMANDS.iter().flat_map(|(_, row)| row.codes).copied().collect();
    rom.push(Code::CMD_LEN_ERROR); // from the frame parser, whatever the command
    let mut loader: Vec<Code> = LOADER_COMMANDS.iter().flat_map(|(_, row)| row.codes).copied().collect();
    loader.push(Code::CMD_CRC_ERROR);
    for row in CODES {
        assert_eq!(row.rom.is_some(), rom.contains(&row.code), "{}", row.code);
        assert_eq!(row.loader.is_some(), loader.contains(&row.code), "{}", row.code);
    }
    let unknown = rom.iter().chain(&loader).find(|code| code.row().is_none());
    assert_eq!(unknown, None);
}

#[test]
fn errors_that_do_not_count_are_those_of_the_reference() {
    let free: Vec<u8> = LOADER_COMMANDS
        .iter()
        .filter(|(_, row)| !row.codes.is_empty() && !row.errors_count)
        .map(|(_, row)| row.id)
        .collect();
    assert_eq!(free, [0x3A]);
}

#[rstest]
#[case(LengthRule::Any, &[0, 1, 9], &[])]
#[case(LengthRule::Exactly(8), &[8], &[0, 7, 9])]
#[case(LengthRule::AtLeast(5), &[5, 6], &[0, 4])]
#[case(LengthRule::AtMost(256), &[0, 256], &[257])]
#[case(LengthRule::Either(4, 88), &[4, 88], &[0, 5, 87])]
#[case(LengthRule::MultipleOf(8), &[0, 8, 16], &[1, 4, 12])]
fn length_rules(#[case] rule: LengthRule, #[case] taken: &[usize], #[case] refused: &[usize]) {
    assert!(taken.iter().all(|length| rule.accepts(*length)));
    assert!(!refused.iter().any(|length| rule.accepts(*length)));
}

#[rstest]
#[case::three_hundred(&[5, 0, 0, 0, 0x2c, 1, 0, 0], 300)]
#[case::more_than_a_reply_can_hold(&[5, 0, 0, 0, 0, 0, 1, 0], 0)]
#[case::too_short(&[5, 0, 0, 0], 0)]
fn status_register_replies_have_the_length_asked_for(#[case] payload: &[u8], #[case] length: u16) {
    let shape = LoaderCommand::ReadStatusRegister.reply_shape(payload);
    assert_eq!(shape, ReplyShape::DataOfKnownLength(length));
}
