//! A serial port of another machine, served by RFC 2217: ser2net, `bl702-emu run --rfc2217`, or the like.
//!
//! | part | what it does |
//! |---|---|
//! | [`Address`] | `rfc2217://HOST:PORT`, taken apart |
//! | `client` | telnet and COM-PORT-OPTION, the client's end (sans-IO) |
//! | [`Rfc2217Port`] | the TCP connection |

mod address;
mod client;

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bl702_protocol::rfc2217::com_port::{Code, control, purge};
use bl702_protocol::time::Nanos;

use super::{Port, PortError};
use crate::reset::Lines;
pub use address::{Address, AddressError};
use client::{Agreement, Client};

/// The longest wait in one read, so that a wish to stop is noticed soon.
const LONGEST_WAIT: Duration = Duration::from_millis(50);
/// How long is waited for the server.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// For the connection, and then for the server's word that it speaks RFC 2217.
    connect: Duration,
    /// For the answer to a setting. pyserial's client waits as long.
    answer: Duration,
    /// For answers that a server may owe without being of no use.
    optional: Duration,
}

const LIMITS: Limits = Limits {
    connect: Duration::from_secs(5),
    answer: Duration::from_secs(3),
    optional: Duration::from_secs(1),
};

/// What a write may take beyond the time the bytes need on the wire.
const WRITE_MARGIN: Duration = Duration::from_secs(5);
/// Bytes taken from the network at once.
const READ_BYTES: usize = 16 * 1024;
/// A server may tell the rate its adapter really has. The chip's auto-baud follows what comes, but data at its own rate
/// need both ends to be alike: two in a hundred are half of what 8N1 bears.
const RATE_TOLERANCE_PERCENT: u64 = 2;

/// A port of another machine, held by this program alone as long as the server lets only one in.
#[derive(Debug)]
pub struct Rfc2217Port {
    stream: TcpStream,
    path: PathBuf,
    limits: Limits,
    started: Instant,
    client: Client,
    baud_bps: u32,
    has_lines: bool,
    /// Whether the server answers when it is told to throw data away.
    purges: bool,
    round_trip: Duration,
    buffer: Vec<u8>,
}

impl Rfc2217Port {
    /// Connects, and sets the port up: this rate, 8N1 without flow control.
    ///
    /// # Errors
    /// [`PortError`]: nobody there, a server of another kind, one that turns clients away, one that cannot do the rate.
    pub fn open(address: &Address, baud_bps: u32) -> Result<Rfc2217Port, PortError> {
        Rfc2217Port::open_within(LIMITS, address, baud_bps)
    }

    fn open_within(limits: Limits, address: &Address, baud_bps: u32) -> Result<Rfc2217Port, PortError> {
        let path = PathBuf::from(address.to_string());
        let stream = connect(address, limits.connect)
            .map_err(|error| PortError::Unreachable { path: path.clone(), reason: error.to_string() })?;
        #[allow(clippy::disallowed_methods, reason = "this is a driver at the edge")]
        let started = Instant::now();
        let mut port = Rfc2217Port {
            stream,
            path,
            limits,
            started,
            client: Client::new(),
            baud_bps,
            has_lines: false,
            purges: true,
            round_trip: Duration::ZERO,
            buffer: vec![0; READ_BYTES],
        };
        // Requests are short and waited for.
        port.stream.set_nodelay(true).map_err(|error| port.system("set up", &error))?;
        port.stream.set_write_timeout(Some(LONGEST_WAIT)).map_err(|error| port.system("set up", &error))?;
        port.agree()?;
        port.set_up()?;
        Ok(port)
    }

    /// Waits until the server says that its port can be controlled.
    fn agree(&mut self) -> Result<(), PortError> {
        let until = self.started.elapsed() + self.limits.connect;
        let path = self.path.clone();
        loop {
            // Even if nothing can be sent any more, there may be something to hear.
            let sent = self.flush();
            let lost = self.hear_until(until).and(sent).err();
            let said = self.client.greeting();
            match self.client.agreement() {
                _ if self.client.prompts_for_login() => return Err(PortError::Login { path, prompt: said }),
                Agreement::Yes if lost.is_none() => return Ok(()),
                _ if matches!(lost, Some(PortError::Vanished { .. })) => {
                    return Err(PortError::TurnedAway { path, said });
                }
                Agreement::Refused => {
                    let reason = "it refuses telnet's COM-PORT-OPTION".to_owned();
                    return Err(PortError::NoRemoteControl { path, reason });
                }
                Agreement::Open | Agreement::Yes => {}
            }
            if let Some(error) = lost {
                return Err(error);
            }
            if self.started.elapsed() >= until {
                let within = Nanos::from(self.limits.connect);
                let reason = match said.as_str() {
                    "" => format!("it says nothing within {within}"),
                    said => format!("it does not speak telnet within {within}, but says: {said}"),
                };
                return Err(PortError::NoRemoteControl { path, reason });
            }
        }
    }

    /// Everything that makes data bytes arrive as they are, and what the port can do.
    fn set_up(&mut self) -> Result<(), PortError> {
        let before = self.started.elapsed();
        self.set_baud(self.baud_bps)?;
        self.round_trip = self.started.elapsed() - before;
        let settings: [(Code, u8, &str); 4] = [
            (Code::DataSize, 8, "eight data bits"),
            (Code::Parity, 1, "no parity"),
            (Code::StopSize, 1, "one stop bit"),
            (Code::Control, control::NO_FLOW, "no flow control"),
        ];
        for (code, value, what) in settings {
            // A server that only knows ports of this kind need not answer.
            if let Some(answer) = self.ask(code, &[value], self.limits.optional)?
                && answer != [value]
            {
                let reason = format!("asked for {what}, it answers {answer:?}");
                return Err(PortError::NoRemoteControl { path: self.path.clone(), reason });
            }
        }
        // No answer is needed to these: nothing of it is wanted.
        self.client.request(Code::LineStateMask, &[0]);
        self.client.request(Code::ModemStateMask, &[0]);
        let dtr = self.ask(Code::Control, &[control::ASK_DTR], self.limits.optional)?;
        self.has_lines = matches!(dtr.as_deref(), Some([control::DTR_ON | control::DTR_OFF]));
        self.purge_input()
    }

    /// Asks the server for something; `None` if it does not answer in time.
    fn ask(&mut self, code: Code, value: &[u8], limit: Duration) -> Result<Option<Vec<u8>>, PortError> {
        self.client.request(code, value);
        self.flush()?;
        let until = self.started.elapsed() + limit;
        loop {
            if let Some(answer) = self.client.take_answer(code, value) {
                return Ok(Some(answer));
            }
            if self.started.elapsed() >= until {
                return Ok(None);
            }
            self.hear_until(until)?;
            self.flush()?;
        }
    }

    /// Sets a line, and waits until the server has done so: what is timed counts from there.
    fn set_line(&mut self, value: u8) -> Result<(), PortError> {
        match self.ask(Code::Control, &[value], self.limits.answer)? {
            Some(answer) if answer == [value] => Ok(()),
            Some(answer) => {
                let error = format!("the server answers {answer:?} instead of {value}");
                Err(self.system("set the modem lines of", &error))
            }
            None => Err(self.silent("set the modem lines of")),
        }
    }

    fn silent(&self, action: &'static str) -> PortError {
        let reason = format!("the server does not answer within {}", Nanos::from(self.limits.answer));
        PortError::System { path: self.path.clone(), action, reason }
    }

    fn system(&self, action: &'static str, error: &impl ToString) -> PortError {
        PortError::System { path: self.path.clone(), action, reason: error.to_string() }
    }

    /// An error of a connection that was there: where it means that the other end has gone, the port has vanished.
    fn lost(&self, action: &'static str, error: &io::Error) -> PortError {
        match error.kind() {
            io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::NotConnected
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::NetworkDown
            | io::ErrorKind::TimedOut
            | io::ErrorKind::UnexpectedEof => PortError::Vanished { path: self.path.clone() },
            _ => self.system(action, error),
        }
    }

    /// Takes what the network brings until then; returns after the first piece.
    fn hear_until(&mut self, until: Duration) -> Result<(), PortError> {
        let wait = until.saturating_sub(self.started.elapsed()).clamp(Duration::from_micros(1), LONGEST_WAIT);
        self.stream.set_read_timeout(Some(wait)).map_err(|error| self.system("set up", &error))?;
        match self.stream.read(&mut self.buffer) {
            Ok(0) => Err(PortError::Vanished { path: self.path.clone() }),
            Ok(count) => {
                self.client.handle_input(&self.buffer[..count]);
                Ok(())
            }
            // A time-out of a read is WouldBlock on Unix and TimedOut elsewhere; one of the connection, `lost` cannot
            // tell from it there.
            Err(error) if is_for_now(&error) => Ok(()),
            Err(error) => Err(self.lost("read from", &error)),
        }
    }

    /// Sends what the telnet layer has to say.
    fn flush(&mut self) -> Result<(), PortError> {
        let bytes = self.client.take_to_send();
        self.send(&bytes, WRITE_MARGIN)
    }

    fn send(&mut self, bytes: &[u8], limit: Duration) -> Result<(), PortError> {
        let until = self.started.elapsed() + limit;
        let mut written = 0;
        while written < bytes.len() {
            match self.stream.write(&bytes[written..]) {
                Ok(count) => written += count,
                Err(error) if is_for_now(&error) => {}
                Err(error) => return Err(self.lost("write to", &error)),
            }
            if written < bytes.len() && self.started.elapsed() >= until {
                return Err(self.stuck(written, bytes.len(), limit));
            }
        }
        Ok(())
    }

    fn stuck(&self, written: usize, len: usize, waited: Duration) -> PortError {
        PortError::Stuck { path: self.path.clone(), written, len, waited: waited.into() }
    }
}

fn is_for_now(error: &io::Error) -> bool {
    let kinds = [io::ErrorKind::WouldBlock, io::ErrorKind::Interrupted];
    kinds.contains(&error.kind()) || (!cfg!(unix) && error.kind() == io::ErrorKind::TimedOut)
}

/// Connects to the first address of the host that answers.
fn connect(address: &Address, limit: Duration) -> io::Result<TcpStream> {
    let found: Vec<SocketAddr> = (address.host.as_str(), address.port).to_socket_addrs()?.collect();
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for address in found {
        match TcpStream::connect_timeout(&address, limit) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

impl Port for Rfc2217Port {
    fn now(&self) -> Nanos {
        self.started.elapsed().into()
    }

    fn read(&mut self, buffer: &mut [u8], until: Nanos) -> Result<usize, PortError> {
        let count = self.client.take_received(buffer);
        if count > 0 {
            return Ok(count);
        }
        self.hear_until(until.into())?;
        self.flush()?;
        Ok(self.client.take_received(buffer))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), PortError> {
        let on_wire = Duration::from(Nanos::byte_times(bytes.len() as u64, self.baud_bps));
        let limit = on_wire + WRITE_MARGIN;
        let until = self.started.elapsed() + limit;
        while self.client.is_suspended() {
            if self.started.elapsed() >= until {
                return Err(self.stuck(0, bytes.len(), limit));
            }
            self.hear_until(until)?;
            self.flush()?;
        }
        self.send(&Client::encode(bytes), limit)
    }

    fn set_baud(&mut self, baud_bps: u32) -> Result<(), PortError> {
        let answer = self.ask(Code::BaudRate, &baud_bps.to_be_bytes(), self.limits.answer)?;
        let Some(answer) = answer else { return Err(self.silent("set the rate of")) };
        let got = <[u8; 4]>::try_from(answer).map_or(0, u32::from_be_bytes);
        let off = u64::from(got.abs_diff(baud_bps));
        if off * 100 > u64::from(baud_bps) * RATE_TOLERANCE_PERCENT {
            let reason = format!("the server stays at {got} baud");
            return Err(PortError::BaudRefused { path: self.path.clone(), baud_bps, reason });
        }
        self.baud_bps = baud_bps;
        Ok(())
    }

    fn has_lines(&mut self) -> bool {
        self.has_lines
    }

    fn set_lines(&mut self, lines: Lines) -> Result<(), PortError> {
        self.set_line(if lines.dtr { control::DTR_ON } else { control::DTR_OFF })?;
        self.set_line(if lines.rts { control::RTS_ON } else { control::RTS_OFF })
    }

    /// Throws away what waits in the server as well: what comes before its answer.
    fn purge_input(&mut self) -> Result<(), PortError> {
        if self.purges {
            let answer = self.ask(Code::Purge, &[purge::RECEIVED], self.limits.optional)?;
            self.purges = answer.is_some();
        }
        self.client.forget_received();
        Ok(())
    }

    fn round_trip(&self) -> Nanos {
        self.round_trip.into()
    }
}

#[cfg(test)]
mod tests;
