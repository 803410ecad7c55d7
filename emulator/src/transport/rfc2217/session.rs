//! One client's connection as a state machine (RFC 2217, the access server's side). Sans-IO: bytes from the network go
//! in, steps come out in the order in which they are to be done.
//!
//! What a client asks for and this port has not, is answered with what is in force, as the RFC wants it: the module
//! has no CTS, and its frames hold every byte value, so that neither hardware nor XON/XOFF flow control exists.

use std::collections::VecDeque;

use bl702_protocol::rfc2217::com_port::{Code, Command, LINE_STATE_OVERRUN, control, encode_answer};
use bl702_protocol::rfc2217::options::Options;
use bl702_protocol::rfc2217::telnet::{Decoder, Item, encode_data};

use super::com_port;
use super::framing::{EIGHT_N_ONE, Framing, reframe};
use super::options;
use crate::transport::wiring::ModemLines;

/// The rate of a new connection, until the client sets one (as of a fresh pty).
pub const INITIAL_BAUD_BPS: u32 = 115_200;

/// Rates that a client may set, in bits a second: from the slowest of termios to the fastest of USB adapters (assumed;
/// the chip itself says what it follows).
const BAUD_RANGE_BPS: std::ops::RangeInclusive<u32> = 50..=12_000_000;

/// CTS, DSR, RI and CD are not wired: released for ever. No bit of change either.
const MODEM_STATE: u8 = 0;

/// Something to be done for the connection, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Send this to the client.
    Reply(Vec<u8>),
    /// Give these bytes to the module: what an 8N1 receiver hears.
    Send(Vec<u8>),
    /// The rate of both directions from now on, in bits a second.
    Rate(u32),
    /// The modem lines take these levels.
    Lines(ModemLines),
    /// The line is low for longer than a byte.
    Break,
    /// Throw data away.
    Purge {
        /// What came from the module and was not sent to the client.
        received: bool,
        /// What came from the client and has not reached the module's line.
        unsent: bool,
    },
    /// Send no data to the client from now on, or do so again.
    Hold(bool),
}

/// The state of a connection.
#[derive(Debug)]
pub struct Session {
    decoder: Decoder,
    options: Options,
    /// What this end calls itself.
    signature: String,
    baud_bps: u32,
    framing: Framing,
    lines: ModemLines,
    is_broken: bool,
    line_state_mask: u8,
    modem_state_mask: u8,
    /// Line errors that nobody was told of.
    line_state: u8,
    /// The client was told of the modem lines for the first time.
    introduced: bool,
    steps: VecDeque<Step>,
}

impl Session {
    /// A connection that has just been made. The server has asserted both lines, like a driver at open.
    pub fn new(signature: impl Into<String>) -> Session {
        let mut opening = Vec::new();
        let options = options::open(&mut opening);
        let mut session = Session {
            decoder: Decoder::new(),
            options,
            signature: signature.into(),
            baud_bps: INITIAL_BAUD_BPS,
            framing: EIGHT_N_ONE,
            lines: ModemLines { dtr: true, rts: true },
            is_broken: false,
            // The initial masks are RFC 2217's: nothing of the line, everything of the modem.
            line_state_mask: 0,
            modem_state_mask: 0xff,
            line_state: 0,
            introduced: false,
            steps: VecDeque::new(),
        };
        session.reply(&opening);
        session
    }

    /// Takes bytes from the network. Do all steps before the next call: they are as many as the bytes.
    pub fn handle_input(&mut self, bytes: &[u8]) {
        for item in self.decoder.decode(bytes) {
            match item {
                Item::Data(data) => self.send(&data),
                Item::Option(verb, option) => {
                    let mut answer = Vec::new();
                    self.options.hear(verb, option, &mut answer);
                    self.reply(&answer);
                    self.introduce();
                }
                Item::Subnegotiation(content) => {
                    if let Some(command) = Command::parse(&content) {
                        self.command(command);
                    }
                }
                Item::Break => self.break_once(),
                // Nothing of it concerns a serial port.
                Item::Command(_) | Item::Spoilt(_) => {}
            }
        }
    }

    /// The next thing to be done.
    pub fn next_step(&mut self) -> Option<Step> {
        self.steps.pop_front()
    }

    /// What the module has sent, as it goes to the network.
    pub fn encode(&self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 64);
        encode_data(&reframe(bytes, EIGHT_N_ONE, self.framing), &mut out);
        out
    }

    /// Bytes for the client were lost because it did not read. Gives what is to be sent of it, if anything.
    pub fn overrun(&mut self) -> Vec<u8> {
        let mut told = Vec::new();
        self.line_state |= LINE_STATE_OVERRUN;
        if self.introduced && self.line_state & self.line_state_mask != 0 {
            self.encode_line_state(self.line_state_mask, &mut told);
        }
        told
    }

    /// The modem lines as the client has set them.
    pub fn lines(&self) -> ModemLines {
        self.lines
    }

    fn reply(&mut self, bytes: &[u8]) {
        match self.steps.back_mut() {
            _ if bytes.is_empty() => {}
            Some(Step::Reply(earlier)) => earlier.extend_from_slice(bytes),
            _ => self.steps.push_back(Step::Reply(bytes.to_vec())),
        }
    }

    fn answer(&mut self, code: Code, value: &[u8]) {
        let mut bytes = Vec::new();
        encode_answer(code, value, &mut bytes);
        self.reply(&bytes);
    }

    /// The first notification, as soon as both ends speak RFC 2217: without it a client knows of no modem lines.
    fn introduce(&mut self) {
        if !self.introduced && self.options.com_port() {
            self.introduced = true;
            self.answer(Code::NotifyModemState, &[MODEM_STATE & self.modem_state_mask]);
        }
    }

    /// Errors are told once.
    fn encode_line_state(&mut self, mask: u8, out: &mut Vec<u8>) {
        let state = std::mem::take(&mut self.line_state);
        encode_answer(Code::NotifyLineState, &[state & mask], out);
    }

    fn send(&mut self, data: &[u8]) {
        // A line that is held low carries nothing.
        if !self.is_broken {
            self.steps.push_back(Step::Send(reframe(data, self.framing, EIGHT_N_ONE)));
        }
    }

    fn break_once(&mut self) {
        if !self.is_broken {
            self.steps.push_back(Step::Break);
        }
    }

    fn command(&mut self, command: Command<'_>) {
        match (command.code, command.byte()) {
            // A client that gives its own signature wants no answer.
            (Code::Signature, _) if command.value.is_empty() => {
                let signature = self.signature.clone();
                self.answer(Code::Signature, signature.as_bytes());
            }
            (Code::Signature, _) => {}
            (Code::BaudRate, _) => self.set_rate(command.value),
            (code @ (Code::DataSize | Code::Parity | Code::StopSize), Some(value)) => {
                self.framing = com_port::reframed(self.framing, code, value);
                self.answer(code, &[com_port::framing_value(self.framing, code)]);
            }
            (Code::Control, Some(value)) => self.control(value),
            (Code::NotifyLineState, _) => {
                let mut told = Vec::new();
                self.encode_line_state(0xff, &mut told);
                self.reply(&told);
            }
            (Code::NotifyModemState, _) => self.answer(Code::NotifyModemState, &[MODEM_STATE]),
            (Code::Suspend, _) => self.steps.push_back(Step::Hold(true)),
            (Code::Resume, _) => self.steps.push_back(Step::Hold(false)),
            (Code::LineStateMask, Some(mask)) => {
                self.line_state_mask = mask;
                self.answer(Code::LineStateMask, &[mask]);
            }
            (Code::ModemStateMask, Some(mask)) => {
                self.modem_state_mask = mask;
                self.answer(Code::ModemStateMask, &[mask]);
            }
            (Code::Purge, Some(which @ 1..=3)) => {
                self.steps.push_back(Step::Purge { received: which & 1 != 0, unsent: which & 2 != 0 });
                self.answer(Code::Purge, &[which]);
            }
            // A value of the wrong length, or one that RFC 2217 does not know: there is nothing right to answer.
            _ => {}
        }
    }

    /// Sets the rate; 0, and what no adapter does, only asks for it.
    fn set_rate(&mut self, value: &[u8]) {
        let Ok(value) = <[u8; 4]>::try_from(value) else { return };
        let baud_bps = u32::from_be_bytes(value);
        if BAUD_RANGE_BPS.contains(&baud_bps) {
            self.baud_bps = baud_bps;
            self.steps.push_back(Step::Rate(baud_bps));
        }
        self.answer(Code::BaudRate, &self.baud_bps.to_be_bytes());
    }

    fn control(&mut self, value: u8) {
        let now = match value {
            control::ASK_FLOW..=control::HARDWARE_FLOW | control::CD_FLOW | control::DSR_FLOW => {
                control::NO_FLOW
            }
            control::ASK_FLOW_IN..=control::HARDWARE_FLOW_IN | control::DTR_FLOW_IN => control::NO_FLOW_IN,
            control::ASK_BREAK..=control::BREAK_OFF => {
                if value == control::BREAK_ON {
                    self.break_once();
                }
                if value != control::ASK_BREAK {
                    self.is_broken = value == control::BREAK_ON;
                }
                if self.is_broken { control::BREAK_ON } else { control::BREAK_OFF }
            }
            control::ASK_DTR..=control::DTR_OFF => {
                if value != control::ASK_DTR {
                    self.set_lines(ModemLines { dtr: value == control::DTR_ON, ..self.lines });
                }
                if self.lines.dtr { control::DTR_ON } else { control::DTR_OFF }
            }
            control::ASK_RTS..=control::RTS_OFF => {
                if value != control::ASK_RTS {
                    self.set_lines(ModemLines { rts: value == control::RTS_ON, ..self.lines });
                }
                if self.lines.rts { control::RTS_ON } else { control::RTS_OFF }
            }
            // The RFC has no such value, and nothing to say about it.
            _ => return,
        };
        self.answer(Code::Control, &[now]);
    }

    fn set_lines(&mut self, lines: ModemLines) {
        if lines != self.lines {
            self.lines = lines;
            self.steps.push_back(Step::Lines(lines));
        }
    }
}

#[cfg(test)]
mod tests;
