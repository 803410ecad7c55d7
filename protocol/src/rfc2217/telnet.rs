//! Telnet on a byte stream: data, commands, option requests and subnegotiations (RFC 854, 855). Sans-IO.
//!
//! ```text
//! ff ff            the data byte ffh
//! ff fb|fc|fd|fe O WILL, WONT, DO, DONT option O
//! ff fa O .. ff f0 subnegotiation of option O; ffh inside is doubled
//! ff X             command X
//! ```
//!
//! Data are taken as they come, whether BINARY was agreed on or not: a module's frames hold 0Dh and 00h, and what a
//! network terminal would make of a carriage return without BINARY (RFC 854) would destroy them. ser2net does the same.

/// "Interpret as command": begins everything that is not data.
pub const IAC: u8 = 255;
const SB: u8 = 250;
const SE: u8 = 240;
/// The break key of RFC 854.
const BREAK: u8 = 243;

/// Option: eight-bit data (RFC 856).
pub const BINARY: u8 = 0;
/// Option: the other end shows what a person types, or not (RFC 857).
pub const ECHO: u8 = 1;
/// Option: no turn taking (RFC 858).
pub const SUPPRESS_GO_AHEAD: u8 = 3;
/// Option: control of a serial port (RFC 2217).
pub const COM_PORT: u8 = 44;

/// Longest content of a subnegotiation, option code included. RFC 2217 needs 6 bytes; the rest is for signatures.
pub const SUBNEGOTIATION_LIMIT_BYTES: usize = 256;

/// What one end says about an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    /// The sender does it, or wants to.
    Will,
    /// The sender does not.
    Wont,
    /// The receiver shall do it, or may.
    Do,
    /// The receiver shall not.
    Dont,
}

impl Verb {
    /// The code on the wire.
    pub const fn code(self) -> u8 {
        match self {
            Verb::Will => 251,
            Verb::Wont => 252,
            Verb::Do => 253,
            Verb::Dont => 254,
        }
    }

    fn from_code(code: u8) -> Option<Verb> {
        [Verb::Will, Verb::Wont, Verb::Do, Verb::Dont].into_iter().find(|verb| verb.code() == code)
    }
}

/// Something found in the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// Data, doubled ffh made single. Never empty.
    Data(Vec<u8>),
    /// An option is offered, asked for or refused.
    Option(Verb, u8),
    /// The content of a subnegotiation, the option's code first. Never empty.
    Subnegotiation(Vec<u8>),
    /// The break key.
    Break,
    /// Another command (nothing, interrupt, are you there...).
    Command(u8),
    /// A subnegotiation that was thrown away, and why.
    Spoilt(&'static str),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Data,
    Iac,
    Option(Verb),
    Sub,
    SubIac,
}

/// Takes a stream apart. Holds [`SUBNEGOTIATION_LIMIT_BYTES`] at most.
#[derive(Debug, Default)]
pub struct Decoder {
    state: State,
    sub: Vec<u8>,
    sub_is_too_long: bool,
}

impl Decoder {
    /// A decoder at the start of a connection.
    pub fn new() -> Decoder {
        Decoder::default()
    }

    /// Takes the next bytes; gives what they complete, in order. An item needs at least one byte of input.
    pub fn decode(&mut self, bytes: &[u8]) -> Vec<Item> {
        let mut items = Vec::new();
        for &byte in bytes {
            self.state = self.step(byte, &mut items);
        }
        items
    }

    fn step(&mut self, byte: u8, items: &mut Vec<Item>) -> State {
        match (self.state, byte) {
            (State::Data, IAC) => State::Iac,
            (State::Data, data) | (State::Iac, data @ IAC) => {
                match items.last_mut() {
                    Some(Item::Data(run)) => run.push(data),
                    _ => items.push(Item::Data(vec![data])),
                }
                State::Data
            }
            (State::Iac, code) => self.command(code, items),
            (State::Option(verb), option) => {
                items.push(Item::Option(verb, option));
                State::Data
            }
            (State::Sub, IAC) => State::SubIac,
            (State::Sub, content) | (State::SubIac, content @ IAC) => {
                self.extend_sub(content);
                State::Sub
            }
            (State::SubIac, SE) => {
                items.push(self.end_sub());
                State::Data
            }
            (State::SubIac, code) => {
                // RFC 855 knows no commands in there: the end got lost.
                self.sub.clear();
                items.push(Item::Spoilt("subnegotiation without an end"));
                self.command(code, items)
            }
        }
    }

    /// IAC and then `code`, which is not IAC.
    fn command(&mut self, code: u8, items: &mut Vec<Item>) -> State {
        match (Verb::from_code(code), code) {
            (Some(verb), _) => return State::Option(verb),
            (None, SB) => {
                self.sub.clear();
                self.sub_is_too_long = false;
                return State::Sub;
            }
            (None, BREAK) => items.push(Item::Break),
            (None, code) => items.push(Item::Command(code)),
        }
        State::Data
    }

    fn extend_sub(&mut self, content: u8) {
        if self.sub.len() < SUBNEGOTIATION_LIMIT_BYTES {
            self.sub.push(content);
        } else {
            self.sub_is_too_long = true;
        }
    }

    fn end_sub(&mut self) -> Item {
        let content = std::mem::take(&mut self.sub);
        if self.sub_is_too_long {
            Item::Spoilt("subnegotiation longer than 256 bytes")
        } else if content.is_empty() {
            Item::Spoilt("empty subnegotiation")
        } else {
            Item::Subnegotiation(content)
        }
    }
}

/// Appends data to `out`, ffh doubled.
pub fn encode_data(data: &[u8], out: &mut Vec<u8>) {
    for &byte in data {
        if byte == IAC {
            out.push(IAC);
        }
        out.push(byte);
    }
}

/// Appends an option request to `out`.
pub fn encode_option(verb: Verb, option: u8, out: &mut Vec<u8>) {
    out.extend_from_slice(&[IAC, verb.code(), option]);
}

/// Appends a subnegotiation of `option` to `out`.
pub fn encode_subnegotiation(option: u8, content: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&[IAC, SB]);
    encode_data(&[option], out);
    encode_data(content, out);
    out.extend_from_slice(&[IAC, SE]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn data(bytes: &[u8]) -> Item {
        Item::Data(bytes.to_vec())
    }

    #[rstest]
    #[case::plain(b"OK", &[data(b"OK")])]
    #[case::carriage_returns_stay(b"\r\0\r\n", &[data(b"\r\0\r\n")])]
    #[case::doubled(b"a\xff\xffb", &[data(b"a\xffb")])]
    #[case::will_binary(b"\xff\xfb\x00", &[Item::Option(Verb::Will, 0)])]
    #[case::dont_echo(b"x\xff\xfe\x01y", &[data(b"x"), Item::Option(Verb::Dont, 1), data(b"y")])]
    #[case::break_key(b"\xff\xf3", &[Item::Break])]
    #[case::are_you_there(b"\xff\xf6", &[Item::Command(246)])]
    // RFC 2217: IAC SB COM-PORT-OPTION SET-BAUD 115200 IAC SE.
    #[case::set_baud(b"\xff\xfa\x2c\x01\x00\x01\xc2\x00\xff\xf0", &[Item::Subnegotiation(b"\x2c\x01\x00\x01\xc2\x00".to_vec())])]
    // A rate of 65535 has two bytes ffh, doubled on the wire.
    #[case::doubled_inside(b"\xff\xfa\x2c\x01\x00\x00\xff\xff\xff\xff\xff\xf0", &[Item::Subnegotiation(b"\x2c\x01\x00\x00\xff\xff".to_vec())])]
    #[case::empty(b"\xff\xfa\xff\xf0z", &[Item::Spoilt("empty subnegotiation"), data(b"z")])]
    #[case::no_end(b"\xff\xfa\x2c\x05\xff\xfb\x03", &[Item::Spoilt("subnegotiation without an end"), Item::Option(Verb::Will, 3)])]
    #[case::a_new_one_inside(b"\xff\xfa\x2c\x05\xff\xfa\x2c\x05\x08\xff\xf0", &[Item::Spoilt("subnegotiation without an end"), Item::Subnegotiation(b"\x2c\x05\x08".to_vec())])]
    fn streams(#[case] stream: &[u8], #[case] items: &[Item]) {
        assert_eq!(Decoder::new().decode(stream), items);
    }

    #[test]
    fn a_subnegotiation_may_have_256_bytes_and_no_more() {
        for (length, fits) in [(SUBNEGOTIATION_LIMIT_BYTES, true), (SUBNEGOTIATION_LIMIT_BYTES + 1, false)] {
            let mut stream = vec![IAC, SB];
            stream.resize(2 + length, 0x2c);
            stream.extend_from_slice(b"\xff\xf0after");
            let mut decoder = Decoder::new();
            let items = decoder.decode(&stream);
            assert_eq!(matches!(items[0], Item::Subnegotiation(_)), fits);
            assert_eq!(items[1], data(b"after"));
        }
    }

    #[test]
    fn an_endless_subnegotiation_takes_no_more_memory() {
        let mut decoder = Decoder::new();
        decoder.decode(&[IAC, SB]);
        for _ in 0..100 {
            assert_eq!(decoder.decode(&[0x41; 10_000]), []);
        }
        assert!(decoder.sub.capacity() <= 2 * SUBNEGOTIATION_LIMIT_BYTES);
    }

    proptest! {
        #[test]
        fn data_come_back_whatever_the_cuts(bytes in proptest::collection::vec(any::<u8>(), 0..300), cut in 1_usize..9) {
            let mut stream = Vec::new();
            encode_data(&bytes, &mut stream);
            let mut decoder = Decoder::new();
            let mut received = Vec::new();
            for piece in stream.chunks(cut) {
                for item in decoder.decode(piece) {
                    match item {
                        Item::Data(run) => received.extend(run),
                        other => prop_assert!(false, "{other:?}"),
                    }
                }
            }
            prop_assert_eq!(received, bytes);
        }

        #[test]
        fn a_subnegotiation_comes_back(option in any::<u8>(), content in proptest::collection::vec(any::<u8>(), 0..255)) {
            let mut stream = Vec::new();
            encode_subnegotiation(option, &content, &mut stream);
            let whole = [&[option], content.as_slice()].concat();
            prop_assert_eq!(Decoder::new().decode(&stream), [Item::Subnegotiation(whole)]);
        }

        #[test]
        fn any_stream_gives_no_more_than_it_has(stream in proptest::collection::vec(prop_oneof![any::<u8>(), Just(IAC), 240_u8..=255], 0..600)) {
            let mut decoder = Decoder::new();
            let items = decoder.decode(&stream);
            let size: usize = items.iter().map(|item| match item {
                Item::Data(run) | Item::Subnegotiation(run) => run.len(),
                _ => 1,
            }).sum();
            prop_assert!(size <= stream.len());
            prop_assert!(decoder.sub.len() <= SUBNEGOTIATION_LIMIT_BYTES);
        }

        // An error does not stick: behind anything, SE and a gap of commands, data are data again.
        #[test]
        fn a_decoder_finds_its_way_back(stream in proptest::collection::vec(any::<u8>(), 0..100)) {
            let mut decoder = Decoder::new();
            decoder.decode(&stream);
            // Ends an option request, a subnegotiation or nothing, whichever was open.
            decoder.decode(&[0, IAC, SE]);
            prop_assert_eq!(decoder.decode(b"data"), [Item::Data(b"data".to_vec())]);
        }
    }
}
