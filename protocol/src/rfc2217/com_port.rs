//! The subnegotiations of COM-PORT-OPTION (RFC 2217): a table of codes, and values as the wire has them. Pure.

use super::telnet::{COM_PORT, encode_subnegotiation};

/// The server's code of a command is the client's code and this.
const SERVER: u8 = 100;

/// The commands of a client, and of the server with `SERVER` added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// Who is there, as text.
    Signature,
    /// Bits a second, 4 bytes, big-endian.
    BaudRate,
    /// Data bits.
    DataSize,
    /// Parity.
    Parity,
    /// Stop bits.
    StopSize,
    /// Flow control, break, DTR and RTS: see [`control`].
    Control,
    /// Errors of the line; from a client: tell me now.
    NotifyLineState,
    /// CTS, DSR, RI and CD; from a client: tell me now.
    NotifyModemState,
    /// Send no more data.
    Suspend,
    /// Go on.
    Resume,
    /// Which line errors to tell of.
    LineStateMask,
    /// Which modem lines to tell of.
    ModemStateMask,
    /// Throw data away.
    Purge,
}

impl Code {
    /// In the order of their numbers, from 0.
    const ALL: [Code; 13] = [
        Code::Signature,
        Code::BaudRate,
        Code::DataSize,
        Code::Parity,
        Code::StopSize,
        Code::Control,
        Code::NotifyLineState,
        Code::NotifyModemState,
        Code::Suspend,
        Code::Resume,
        Code::LineStateMask,
        Code::ModemStateMask,
        Code::Purge,
    ];
}

/// Values of [`Code::Control`].
pub mod control {
    /// Asks for the flow control towards the module, or of both directions.
    pub const ASK_FLOW: u8 = 0;
    /// None.
    pub const NO_FLOW: u8 = 1;
    /// The last of the values that switch it on: XON/XOFF 2, hardware 3.
    pub const HARDWARE_FLOW: u8 = 3;
    /// Asks whether there is a break.
    pub const ASK_BREAK: u8 = 4;
    /// The line is held low.
    pub const BREAK_ON: u8 = 5;
    /// It is not.
    pub const BREAK_OFF: u8 = 6;
    /// Asks for DTR.
    pub const ASK_DTR: u8 = 7;
    /// Asserted.
    pub const DTR_ON: u8 = 8;
    /// Released.
    pub const DTR_OFF: u8 = 9;
    /// Asks for RTS.
    pub const ASK_RTS: u8 = 10;
    /// Asserted.
    pub const RTS_ON: u8 = 11;
    /// Released.
    pub const RTS_OFF: u8 = 12;
    /// Asks for the flow control towards the client.
    pub const ASK_FLOW_IN: u8 = 13;
    /// None.
    pub const NO_FLOW_IN: u8 = 14;
    /// Hardware; XON/XOFF is 15.
    pub const HARDWARE_FLOW_IN: u8 = 16;
    /// By the modem's CD, towards the module.
    pub const CD_FLOW: u8 = 17;
    /// By DTR, towards the client.
    pub const DTR_FLOW_IN: u8 = 18;
    /// By the modem's DSR, towards the module.
    pub const DSR_FLOW: u8 = 19;
}

/// Values of [`Code::Purge`].
pub mod purge {
    /// What the server has received from the module and not sent on.
    pub const RECEIVED: u8 = 1;
    /// What the server has been sent and has not given to the module.
    pub const UNSENT: u8 = 2;
    /// Both.
    pub const BOTH: u8 = 3;
}

/// A bit of the line state: bytes were lost because nobody read them.
pub const LINE_STATE_OVERRUN: u8 = 0x02;

/// A command with its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Command<'a> {
    /// What it is about.
    pub code: Code,
    /// The rest.
    pub value: &'a [u8],
}

impl<'a> Command<'a> {
    /// The client's command in a subnegotiation, which begins with the option; `None` for anything else.
    pub fn parse(content: &'a [u8]) -> Option<Command<'a>> {
        match content {
            [COM_PORT, code, value @ ..] => {
                Code::ALL.get(usize::from(*code)).map(|code| Command { code: *code, value })
            }
            _ => None,
        }
    }

    /// The server's command in a subnegotiation, as [`parse`](Self::parse).
    pub fn parse_server(content: &'a [u8]) -> Option<Command<'a>> {
        match content {
            [COM_PORT, code, value @ ..] => {
                let code = Code::ALL.get(usize::from(code.checked_sub(SERVER)?))?;
                Some(Command { code: *code, value })
            }
            _ => None,
        }
    }

    /// The value, if it is of one byte.
    pub fn byte(&self) -> Option<u8> {
        match self.value {
            [byte] => Some(*byte),
            _ => None,
        }
    }
}

/// Appends a client's command to `out`.
pub fn encode_request(code: Code, value: &[u8], out: &mut Vec<u8>) {
    encode_subnegotiation(COM_PORT, &[&[code as u8], value].concat(), out);
}

/// Appends the server's side of a command to `out`.
pub fn encode_answer(code: Code, value: &[u8], out: &mut Vec<u8>) {
    let mut content = vec![code as u8 + SERVER];
    content.extend_from_slice(value);
    encode_subnegotiation(COM_PORT, &content, out);
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    // The numbers are RFC 2217's, page 4.
    #[rstest]
    #[case(Code::Signature, 0)]
    #[case(Code::BaudRate, 1)]
    #[case(Code::DataSize, 2)]
    #[case(Code::Parity, 3)]
    #[case(Code::StopSize, 4)]
    #[case(Code::Control, 5)]
    #[case(Code::NotifyLineState, 6)]
    #[case(Code::NotifyModemState, 7)]
    #[case(Code::Suspend, 8)]
    #[case(Code::Resume, 9)]
    #[case(Code::LineStateMask, 10)]
    #[case(Code::ModemStateMask, 11)]
    #[case(Code::Purge, 12)]
    fn codes(#[case] code: Code, #[case] number: u8) {
        assert_eq!(Command::parse(&[44, number, 9]), Some(Command { code, value: &[9] }));
        let mut out = Vec::new();
        encode_answer(code, &[0xff], &mut out);
        assert_eq!(out, [0xff, 0xfa, 44, 100 + number, 0xff, 0xff, 0xff, 0xf0]);
        assert_eq!(Command::parse_server(&[44, 100 + number, 9]), Some(Command { code, value: &[9] }));
        out.clear();
        encode_request(code, &[0xff], &mut out);
        assert_eq!(out, [0xff, 0xfa, 44, number, 0xff, 0xff, 0xff, 0xf0]);
    }

    #[test]
    fn what_is_no_command() {
        for content in [&[][..], &[44], &[44, 13], &[44, 101, 0], &[1, 1]] {
            assert_eq!(Command::parse(content), None, "{content:?}");
        }
        for content in [&[][..], &[44], &[44, 12], &[44, 99], &[44, 113, 1], &[1, 101]] {
            assert_eq!(Command::parse_server(content), None, "{content:?}");
        }
    }
}
