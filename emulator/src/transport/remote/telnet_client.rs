//! The client's end of RFC 2217: what goes into the stream and what its answers mean. Sans-IO.

use std::collections::VecDeque;

use bl702_protocol::rfc2217::com_port::{Code, Command, control, encode_request, purge};
use bl702_protocol::rfc2217::telnet::{
    BINARY, COM_PORT, Decoder, Item, SUPPRESS_GO_AHEAD, Verb, encode_data, encode_option,
};

use super::What;

/// Values of RFC 2217: no parity, one stop bit.
const NO_PARITY: u8 = 1;
const ONE_STOP_BIT: u8 = 1;

/// What the client offers and asks for.
const OPENING: [(Verb, u8); 5] = [
    (Verb::Will, COM_PORT),
    (Verb::Will, BINARY),
    (Verb::Do, BINARY),
    (Verb::Will, SUPPRESS_GO_AHEAD),
    (Verb::Do, SUPPRESS_GO_AHEAD),
];

/// Something the server said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// Bytes of the module.
    Bytes(Vec<u8>),
    /// It does COM-PORT-OPTION, so it is a serial port.
    IsAPort,
    /// It does not.
    IsNoPort,
    /// Everything up to this order has been done.
    Done(u64),
}

/// One connection.
#[derive(Debug, Default)]
pub(super) struct TelnetClient {
    decoder: Decoder,
    agreed: bool,
    /// Commands that the server has not acknowledged: its code, and the order that is done with it.
    unacknowledged: VecDeque<(Code, Option<u64>)>,
}

impl TelnetClient {
    /// A new connection; what is to be said first goes to `out`.
    pub(super) fn open(baud_bps: u32, out: &mut Vec<u8>) -> TelnetClient {
        let mut client = TelnetClient::default();
        for (verb, option) in OPENING {
            encode_option(verb, option, out);
        }
        client.command(Code::DataSize, &[8], None, out);
        client.command(Code::Parity, &[NO_PARITY], None, out);
        client.command(Code::StopSize, &[ONE_STOP_BIT], None, out);
        client.command(Code::Control, &[control::NO_FLOW], None, out);
        client.command(Code::BaudRate, &baud_bps.to_be_bytes(), None, out);
        client
    }

    /// Puts order number `number` into the stream. False if nothing will acknowledge it.
    pub(super) fn order(&mut self, number: u64, what: &What, out: &mut Vec<u8>) -> bool {
        let done = Some(number);
        match what {
            What::Bytes(bytes) => {
                encode_data(bytes, out);
                return false;
            }
            What::Drain => return false,
            What::Rate(bps) => self.command(Code::BaudRate, &bps.to_be_bytes(), done, out),
            What::Lines(lines) => {
                let dtr = if lines.dtr { control::DTR_ON } else { control::DTR_OFF };
                let rts = if lines.rts { control::RTS_ON } else { control::RTS_OFF };
                self.command(Code::Control, &[dtr], None, out);
                self.command(Code::Control, &[rts], done, out);
            }
            What::Break => {
                self.command(Code::Control, &[control::BREAK_ON], None, out);
                self.command(Code::Control, &[control::BREAK_OFF], done, out);
            }
            What::PurgeReceived => self.command(Code::Purge, &[purge::RECEIVED], done, out),
        }
        true
    }

    fn command(&mut self, code: Code, value: &[u8], done: Option<u64>, out: &mut Vec<u8>) {
        encode_request(code, value, out);
        self.unacknowledged.push_back((code, done));
    }

    /// Takes bytes of the server; what is to be said to them goes to `out`.
    pub(super) fn take(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Vec<Told> {
        let mut told = Vec::new();
        for item in self.decoder.decode(bytes) {
            match item {
                Item::Data(bytes) => told.push(Told::Bytes(bytes)),
                Item::Option(verb, option) => self.option(verb, option, &mut told, out),
                Item::Subnegotiation(content) => self.subnegotiation(&content, &mut told),
                Item::Break | Item::Command(_) | Item::Spoilt(_) => {}
            }
        }
        told
    }

    fn option(&mut self, verb: Verb, option: u8, told: &mut Vec<Told>, out: &mut Vec<u8>) {
        let known = OPENING.iter().any(|(_, known)| *known == option);
        match (verb, option) {
            (Verb::Do, COM_PORT) => self.agree(told),
            (Verb::Dont, COM_PORT) => told.push(Told::IsNoPort),
            // What was offered or asked for is being answered; nothing else is wanted.
            (Verb::Will, _) if !known => encode_option(Verb::Dont, option, out),
            (Verb::Do, _) if !known => encode_option(Verb::Wont, option, out),
            _ => {}
        }
    }

    fn agree(&mut self, told: &mut Vec<Told>) {
        if !std::mem::replace(&mut self.agreed, true) {
            told.push(Told::IsAPort);
        }
    }

    fn subnegotiation(&mut self, content: &[u8], told: &mut Vec<Told>) {
        let Some(Command { code, .. }) = Command::parse_server(content) else { return };
        self.agree(told);
        // Whatever stands before an acknowledged command has been done, too.
        let Some(place) = self.unacknowledged.iter().position(|(sent, _)| *sent == code) else {
            return;
        };
        let done = self.unacknowledged.drain(..=place).filter_map(|(_, done)| done).max();
        told.extend(done.map(Told::Done));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::wiring::ModemLines;

    #[test]
    fn lines_are_done_when_the_server_says_so() {
        let mut out = Vec::new();
        let mut client = TelnetClient::open(115_200, &mut out);
        // RFC 2217: IAC SB 44 1 and the rate, big-endian, IAC SE.
        assert!(out.windows(10).any(|bytes| bytes == [255, 250, 44, 1, 0, 1, 0xc2, 0, 255, 240]));
        out.clear();
        assert_eq!(client.take(&[255, 253, 44], &mut out), [Told::IsAPort]);
        let acknowledged = [(102, 8), (103, 1), (104, 1), (105, 1)];
        for (code, value) in acknowledged {
            assert_eq!(client.take(&[255, 250, 44, code, value, 255, 240], &mut out), []);
        }
        assert!(client.order(7, &What::Lines(ModemLines { dtr: true, rts: false }), &mut out));
        assert_eq!(out, [255, 250, 44, 5, 8, 255, 240, 255, 250, 44, 5, 12, 255, 240]);
        // The rate's acknowledgement comes late; then those of the lines.
        assert_eq!(client.take(&[255, 250, 44, 101, 0, 1, 0xc2, 0, 255, 240], &mut out), []);
        assert_eq!(client.take(&[255, 250, 44, 105, 8, 255, 240], &mut out), []);
        assert_eq!(client.take(&[255, 250, 44, 105, 12, 255, 240], &mut out), [Told::Done(7)]);
    }

    #[test]
    fn bytes_are_doubled_and_made_single() {
        let mut out = Vec::new();
        let mut client = TelnetClient::open(9_600, &mut Vec::new());
        assert!(!client.order(1, &What::Bytes(vec![1, 255, 2]), &mut out));
        assert_eq!(out, [1, 255, 255, 2]);
        assert_eq!(client.take(&[3, 255, 255, 4], &mut out), [Told::Bytes(vec![3, 255, 4])]);
    }

    #[test]
    fn what_nobody_asked_for_is_refused() {
        let mut client = TelnetClient::open(9_600, &mut Vec::new());
        let mut out = Vec::new();
        assert_eq!(client.take(&[255, 251, 1, 255, 253, 24, 255, 251, 0], &mut out), []);
        assert_eq!(out, [255, 254, 1, 255, 252, 24]);
        assert_eq!(client.take(&[255, 254, 44], &mut out), [Told::IsNoPort]);
    }
}
