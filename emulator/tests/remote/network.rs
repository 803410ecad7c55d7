//! An RFC 2217 client in as few lines as it takes, and no line of the emulator's own codec.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use serde_json::Value;

use super::bench::{Emulator, readable};

/// Longer than anything takes on a busy machine; only a failing test waits so long.
const PATIENCE: Duration = Duration::from_secs(20);

/// A module with a free port for RFC 2217, and what `--json` says of it.
pub(crate) struct Served {
    pub(crate) emulator: Emulator,
    pub(crate) addresses: Value,
}

impl Served {
    pub(crate) fn run(args: &[&str]) -> Served {
        let emulator = Emulator::run(&[&["--json", "--rfc2217", "0"], args].concat());
        let addresses = serde_json::from_str(&emulator.first_line).unwrap();
        Served { emulator, addresses }
    }

    pub(crate) fn at(&self, name: &str) -> &str {
        self.addresses[name].as_str().unwrap()
    }

    pub(crate) fn connect(&self) -> NetworkClient {
        NetworkClient::connect(self.at("rfc2217"))
    }
}

/// A connected client.
pub(crate) struct NetworkClient {
    stream: TcpStream,
    /// What has come and was not looked at.
    pub(crate) data: Vec<u8>,
    pub(crate) options: Vec<[u8; 2]>,
    subnegotiations: Vec<Vec<u8>>,
    /// Bytes of a command that has not come as a whole.
    rest: Vec<u8>,
}

impl NetworkClient {
    pub(crate) fn connect(address: &str) -> NetworkClient {
        NetworkClient::over(TcpStream::connect(address).unwrap())
    }

    pub(crate) fn over(stream: TcpStream) -> NetworkClient {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        NetworkClient { stream, data: vec![], options: vec![], subnegotiations: vec![], rest: vec![] }
    }

    /// Connected, agreed on RFC 2217, at this rate, with the line that holds the module in reset (RTS) released.
    pub(crate) fn ready(served: &Served, baud_bps: u32) -> NetworkClient {
        let mut client = served.connect();
        client.write(b"\xff\xfb\x2c\xff\xfb\x00\xff\xfd\x00");
        client.set_baud(baud_bps);
        client.set_rts(false);
        client
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    pub(crate) fn send(&mut self, data: &[u8]) {
        let escaped: Vec<u8> =
            data.iter().flat_map(|byte| std::iter::repeat_n(*byte, 1 + usize::from(*byte == 0xff))).collect();
        self.write(&escaped);
    }

    /// Sends a command and gives the value of its answer.
    pub(crate) fn command(&mut self, code: u8, value: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0xff, 0xfa, 44, code];
        bytes
            .extend(value.iter().flat_map(|byte| std::iter::repeat_n(*byte, 1 + usize::from(*byte == 0xff))));
        bytes.extend([0xff, 0xf0]);
        self.write(&bytes);
        loop {
            if let Some(at) = self.subnegotiations.iter().position(|content| content[1] == 100 + code) {
                return self.subnegotiations.remove(at)[2..].to_vec();
            }
            assert!(self.read(), "the server has gone: {}", String::from_utf8_lossy(&self.data));
        }
    }

    pub(crate) fn set_baud(&mut self, baud_bps: u32) {
        assert_eq!(self.command(1, &baud_bps.to_be_bytes()), baud_bps.to_be_bytes());
    }

    pub(crate) fn set_dtr(&mut self, asserted: bool) {
        let value = if asserted { 8 } else { 9 };
        assert_eq!(self.command(5, &[value]), [value]);
    }

    pub(crate) fn set_rts(&mut self, asserted: bool) {
        let value = if asserted { 11 } else { 12 };
        assert_eq!(self.command(5, &[value]), [value]);
    }

    /// Exactly `count` bytes of data, or what came before the end.
    pub(crate) fn receive(&mut self, count: usize) -> Vec<u8> {
        while self.data.len() < count && self.read() {}
        self.data.drain(..count.min(self.data.len())).collect()
    }

    /// Whether no data come within `ms`.
    pub(crate) fn is_quiet(&mut self, ms: u64) -> bool {
        while self.data.is_empty() && readable(&self.stream, ms) {
            if !self.read() {
                break;
            }
        }
        self.data.is_empty()
    }

    pub(crate) fn ask(&mut self, request: &[u8], expected_bytes: usize) -> Vec<u8> {
        self.send(request);
        self.receive(expected_bytes)
    }

    /// 3 ms worth of 55h until `OK`, a few times; then waits for the drain to pass.
    pub(crate) fn shake_hands(&mut self, baud_bps: u32) {
        for _ in 0..5 {
            self.send(&vec![0x55; (baud_bps as usize * 3 / 10_000).max(1)]);
            if !self.is_quiet(2_000) {
                assert_eq!(self.receive(2), b"OK");
                assert!(self.is_quiet(5), "something came behind OK");
                return;
            }
        }
        panic!("no OK at {baud_bps} baud");
    }

    /// Everything up to the server's end of the connection.
    pub(crate) fn read_to_end(&mut self) -> Vec<u8> {
        while self.read() {}
        std::mem::take(&mut self.data)
    }

    pub(crate) fn close(self) {
        self.stream.shutdown(Shutdown::Both).unwrap();
    }

    /// Takes in what comes next; false at the end.
    fn read(&mut self) -> bool {
        let mut buffer = [0; 4096];
        let length = match self.stream.read(&mut buffer) {
            // A read with a bound is not begun again by itself when the process was stopped for a moment.
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => return true,
            Ok(0) => return false,
            Ok(length) => length,
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return false,
            Err(error) => panic!("nothing came: {error}"),
        };
        self.rest.extend_from_slice(&buffer[..length]);
        while let Some(used) = self.take() {
            self.rest.drain(..used);
        }
        true
    }

    /// Takes the first thing in `rest`; gives its length, or `None` when it has not come as a whole.
    fn take(&mut self) -> Option<usize> {
        match *self.rest.as_slice() {
            [] | [0xff] | [0xff, 0xfb..=0xfe] => None,
            [0xff, 0xff, ..] => {
                self.data.push(0xff);
                Some(2)
            }
            [0xff, verb @ 0xfb..=0xfe, option, ..] => {
                self.options.push([verb, option]);
                Some(3)
            }
            [0xff, 0xfa, ref content @ ..] => {
                let mut whole = Vec::new();
                let mut at = 0;
                loop {
                    match (content.get(at)?, content.get(at + 1)) {
                        (0xff, Some(0xf0)) => break,
                        (0xff, None) => return None,
                        (0xff, Some(_)) => at += 1,
                        _ => {}
                    }
                    whole.push(content[at]);
                    at += 1;
                }
                self.subnegotiations.push(whole);
                Some(2 + at + 2)
            }
            [0xff, ..] => Some(2),
            [byte, ..] => {
                self.data.push(byte);
                Some(1)
            }
        }
    }
}
