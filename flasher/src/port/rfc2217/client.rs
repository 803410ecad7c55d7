//! The client's end of a connection (RFC 2217) as a state machine. Sans-IO: bytes of the network go in; bytes of the
//! module, bytes to send and answers come out.

use std::collections::VecDeque;

use bl702_protocol::rfc2217::com_port::{Code, Command, control, encode_request};
use bl702_protocol::rfc2217::options::{Options, State};
use bl702_protocol::rfc2217::telnet::{
    BINARY, COM_PORT, Decoder, ECHO, Item, SUPPRESS_GO_AHEAD, Verb, encode_data,
};

/// What this end does when it is asked to.
const OURS: [u8; 3] = [BINARY, SUPPRESS_GO_AHEAD, COM_PORT];
/// What this end agrees to the other's doing. ECHO is about what a person types.
const THEIRS: [u8; 4] = [BINARY, ECHO, SUPPRESS_GO_AHEAD, COM_PORT];
/// What this end asks for. A client offers COM-PORT-OPTION and the server asks for it (RFC 2217 section 2).
const OPENING: [(Verb, u8); 5] = [
    (Verb::Will, COM_PORT),
    (Verb::Will, BINARY),
    (Verb::Do, BINARY),
    (Verb::Will, SUPPRESS_GO_AHEAD),
    (Verb::Do, SUPPRESS_GO_AHEAD),
];

/// Answers that nobody has fetched; a server that goes on sending them drives out its oldest.
const MOST_ANSWERS: usize = 32;
/// How much is kept of what a server says before it agrees.
const GREETING_BYTES: usize = 512;

/// Whether the server lets its port be controlled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Agreement {
    /// It has not said yet.
    Open,
    /// It does.
    Yes,
    /// It has refused COM-PORT-OPTION.
    Refused,
}

/// The state of a connection.
#[derive(Debug)]
pub(super) struct Client {
    decoder: Decoder,
    options: Options,
    to_send: Vec<u8>,
    received: VecDeque<u8>,
    greeting: Vec<u8>,
    answers: VecDeque<(Code, Vec<u8>)>,
    is_suspended: bool,
}

impl Client {
    /// A connection that has just been made; what is to be said first waits in [`take_to_send`](Self::take_to_send).
    pub(super) fn new() -> Client {
        let mut to_send = Vec::new();
        let options = Options::open(&OURS, &THEIRS, &OPENING, &mut to_send);
        Client {
            decoder: Decoder::new(),
            options,
            to_send,
            received: VecDeque::new(),
            greeting: Vec::new(),
            answers: VecDeque::new(),
            is_suspended: false,
        }
    }

    /// Takes bytes from the network.
    pub(super) fn handle_input(&mut self, bytes: &[u8]) {
        for item in self.decoder.decode(bytes) {
            match item {
                Item::Data(data) if self.agreement() == Agreement::Yes => self.received.extend(data),
                Item::Data(data) => {
                    let room = GREETING_BYTES - self.greeting.len();
                    self.greeting.extend(data.into_iter().take(room));
                }
                Item::Option(verb, option) => self.options.hear(verb, option, &mut self.to_send),
                Item::Subnegotiation(content) => {
                    if let Some(command) = Command::parse_server(&content) {
                        self.answer(command);
                    }
                }
                // Nothing of it concerns a serial port.
                Item::Break | Item::Command(_) | Item::Spoilt(_) => {}
            }
        }
    }

    fn answer(&mut self, command: Command<'_>) {
        match command.code {
            Code::Suspend => self.is_suspended = true,
            Code::Resume => self.is_suspended = false,
            // Told without being asked for, though this end says it wants to hear nothing of it.
            Code::NotifyLineState | Code::NotifyModemState => {}
            code => {
                if self.answers.len() == MOST_ANSWERS {
                    self.answers.pop_front();
                }
                self.answers.push_back((code, command.value.to_vec()));
            }
        }
    }

    /// Whether the server lets its port be controlled.
    pub(super) fn agreement(&self) -> Agreement {
        if self.options.com_port() {
            Agreement::Yes
        } else if self.options.ours(COM_PORT) == State::Asked {
            Agreement::Open
        } else {
            Agreement::Refused
        }
    }

    /// What the server said as text before it agreed: a banner, a prompt, why it turns a client away.
    pub(super) fn greeting(&self) -> String {
        let text = String::from_utf8_lossy(&self.greeting);
        let printable = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>();
        printable.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Whether the server sees data as text of its own.
    pub(super) fn prompts_for_login(&self) -> bool {
        let greeting = self.greeting().to_ascii_lowercase();
        ["login:", "username:", "user name:", "password:", "passphrase:"]
            .iter()
            .any(|prompt| greeting.ends_with(prompt))
    }

    /// Asks the server for something; older answers about it are forgotten.
    pub(super) fn request(&mut self, code: Code, value: &[u8]) {
        self.answers.retain(|answer| !is_about(answer, code, value));
        encode_request(code, value, &mut self.to_send);
    }

    /// The answer to a request, once it is there.
    pub(super) fn take_answer(&mut self, code: Code, value: &[u8]) -> Option<Vec<u8>> {
        let index = self.answers.iter().position(|answer| is_about(answer, code, value))?;
        self.answers.remove(index).map(|(_, answer)| answer)
    }

    /// Whether the server wants no more data for now.
    pub(super) fn is_suspended(&self) -> bool {
        self.is_suspended
    }

    /// What the network has to carry.
    pub(super) fn take_to_send(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.to_send)
    }

    /// Bytes for the module, as they go over the network.
    pub(super) fn encode(bytes: &[u8]) -> Vec<u8> {
        let mut encoded = Vec::with_capacity(bytes.len() + 16);
        encode_data(bytes, &mut encoded);
        encoded
    }

    /// Hands over bytes of the module, as much as fits.
    pub(super) fn take_received(&mut self, buffer: &mut [u8]) -> usize {
        let count = buffer.len().min(self.received.len());
        for (to, from) in buffer.iter_mut().zip(self.received.drain(..count)) {
            *to = from;
        }
        count
    }

    /// Throws away what came from the module.
    pub(super) fn forget_received(&mut self) {
        self.received.clear();
    }
}

/// Whether an answer is one to such a request.
fn is_about((answered, answer): &(Code, Vec<u8>), code: Code, value: &[u8]) -> bool {
    *answered == code && (code != Code::Control || control_group(answer) == control_group(value))
}

/// SET-CONTROL is one code for several things, each of which has its own range of values.
fn control_group(value: &[u8]) -> u8 {
    match value {
        [control::ASK_BREAK..=control::BREAK_OFF] => 1,
        [control::ASK_DTR..=control::DTR_OFF] => 2,
        [control::ASK_RTS..=control::RTS_OFF] => 3,
        [control::ASK_FLOW_IN..=control::HARDWARE_FLOW_IN | control::DTR_FLOW_IN] => 4,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A client whose server has agreed.
    fn agreed() -> Client {
        let mut client = Client::new();
        client.handle_input(b"\xff\xfd\x2c");
        client.take_to_send();
        client
    }

    fn data(client: &mut Client) -> Vec<u8> {
        let mut buffer = [0; 64];
        let count = client.take_received(&mut buffer);
        buffer[..count].to_vec()
    }

    #[test]
    fn the_opening_offers_to_control_a_port() {
        let mut client = Client::new();
        let opening = client.take_to_send();
        assert_eq!(opening, b"\xff\xfb\x2c\xff\xfb\x00\xff\xfd\x00\xff\xfb\x03\xff\xfd\x03");
        assert_eq!(client.agreement(), Agreement::Open);
    }

    // ser2net 4: answers to the opening, as it sends them.
    #[test]
    fn ser2nets_opening() {
        let mut client = Client::new();
        client.take_to_send();
        client.handle_input(b"\xff\xfb\x03\xff\xfb\x01\xff\xfe\x01\xff\xfd\x00\xff\xfb\x00\xff\xfd\x2c");
        assert_eq!(client.agreement(), Agreement::Yes);
        assert_eq!(client.take_to_send(), b"\xff\xfd\x01", "its ECHO is agreed to, the rest was asked for");
    }

    #[test]
    fn a_server_can_refuse_or_be_no_server() {
        let mut client = Client::new();
        client.handle_input(b"Debian\r\n\xff\xfe\x2c\r\nlogin: ");
        assert_eq!(client.agreement(), Agreement::Refused);
        assert!(client.prompts_for_login());
        assert_eq!(client.greeting(), "Debian login:");
        let mut client = Client::new();
        client.handle_input(b"SSH-2.0-OpenSSH_9.2\r\n");
        assert_eq!((client.agreement(), client.prompts_for_login()), (Agreement::Open, false));
    }

    #[test]
    fn what_a_server_says_before_it_agrees_is_not_the_modules() {
        let mut client = Client::new();
        client.handle_input(b"ser2net port 4000\r\n\xff\xfd\x2cOK");
        assert_eq!(data(&mut client), b"OK");
        assert_eq!(client.greeting(), "ser2net port 4000");
    }

    #[test]
    fn answers_are_told_apart() {
        let mut client = agreed();
        client.request(Code::BaudRate, &2_000_000_u32.to_be_bytes());
        client.request(Code::Control, &[control::DTR_ON]);
        client.request(Code::Control, &[control::RTS_OFF]);
        assert_eq!(
            client.take_to_send(),
            b"\xff\xfa\x2c\x01\x00\x1e\x84\x80\xff\xf0\xff\xfa\x2c\x05\x08\xff\xf0\xff\xfa\x2c\x05\x0c\xff\xf0"
        );
        client.handle_input(b"\xff\xfa\x2c\x69\x0c\xff\xf0");
        assert_eq!(client.take_answer(Code::Control, &[control::DTR_ON]), None);
        assert_eq!(client.take_answer(Code::Control, &[control::RTS_OFF]), Some(vec![control::RTS_OFF]));
        client.handle_input(b"\xff\xfa\x2c\x69\x08\xff\xf0\xff\xfa\x2c\x65\x00\x1e\x84\x80\xff\xf0");
        assert_eq!(client.take_answer(Code::Control, &[control::DTR_ON]), Some(vec![control::DTR_ON]));
        assert_eq!(client.take_answer(Code::BaudRate, &[]), Some(2_000_000_u32.to_be_bytes().to_vec()));
        assert_eq!(client.take_answer(Code::BaudRate, &[]), None, "once");
    }

    #[test]
    fn an_old_answer_is_not_taken_for_a_new_one() {
        let mut client = agreed();
        client.handle_input(b"\xff\xfa\x2c\x65\x00\x00\x25\x80\xff\xf0\xff\xfa\x2c\x69\x08\xff\xf0");
        client.request(Code::BaudRate, &[0, 0, 0x12, 0xc0]);
        assert_eq!(client.take_answer(Code::BaudRate, &[]), None);
        client.request(Code::Control, &[control::RTS_ON]);
        assert_eq!(client.take_answer(Code::Control, &[control::DTR_ON]), Some(vec![control::DTR_ON]));
    }

    #[test]
    fn a_server_that_is_full_says_so() {
        let mut client = agreed();
        client.handle_input(b"\xff\xfa\x2c\x6c\xff\xf0");
        assert!(client.is_suspended());
        client.handle_input(b"\xff\xfa\x2c\x6d\xff\xf0");
        assert!(!client.is_suspended());
    }

    proptest! {
        #[test]
        fn no_stream_takes_more_memory_than_it_has(stream in proptest::collection::vec(prop_oneof![any::<u8>(), Just(255), Just(44), 240_u8..=255], 0..2000), cut in 1_usize..50) {
            let mut client = Client::new();
            for piece in stream.chunks(cut) {
                client.handle_input(piece);
            }
            prop_assert!(client.answers.len() <= MOST_ANSWERS);
            prop_assert!(client.greeting.len() <= GREETING_BYTES);
            prop_assert!(client.received.len() <= stream.len());
        }
    }
}
