//! Does what is asked of a module over its control socket.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;

use bl702_protocol::trace::to_hex;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::mpsc::channel;
use tokio::task::JoinSet;

use super::message::{LONGEST_PRESS_MS, Level, REQUEST_LIMIT_BYTES, Reply, Request, Status};
use super::socket::ControlSocket;
use super::words;
use crate::Nanos;
use crate::fault::FaultPlan;
use crate::transport::clock::{Alarm, WallClock};
use crate::transport::control::{Answer, Control, PortControl, PortGone};
use crate::transport::serve::Port;
use crate::transport::status::SharedStatus;

/// How many clients may be connected; each takes a descriptor.
const MOST_CLIENTS: usize = 32;
/// How many pieces of a trace may wait for a client that reads slowly; then it is cut off.
const WAITING_TRACE_PIECES: usize = 1024;

/// A served module, as its control socket knows it.
#[derive(Debug)]
pub struct Served {
    /// The name of its profile.
    pub profile: String,
    /// Seed of all that is left to chance.
    pub seed: u64,
    /// The link to its pty.
    pub link: Option<PathBuf>,
    /// Where RFC 2217 is served.
    pub rfc2217: Option<SocketAddr>,
    port: PortControl,
    status: SharedStatus,
}

impl Served {
    /// What is known of `port`; the rest is to be filled in.
    pub fn new(port: &Port, profile: impl Into<String>, seed: u64) -> Served {
        Served {
            profile: profile.into(),
            seed,
            link: None,
            rfc2217: None,
            port: port.control(),
            status: port.status(),
        }
    }
}

/// Serves clients of `socket`. Must be polled inside a [`LocalSet`](tokio::task::LocalSet).
///
/// # Errors
/// When no client can be accepted any more.
pub async fn serve(socket: ControlSocket, served: Served) -> io::Result<Infallible> {
    let served = Rc::new(served);
    let mut clients = JoinSet::new();
    loop {
        let stream = tokio::select! {
            Some(_) = clients.join_next() => continue,
            accepted = socket.listener().accept() => accepted?.0,
        };
        let is_full = clients.len() >= MOST_CLIENTS;
        let served = Rc::clone(&served);
        clients.spawn_local(async move {
            let mut client = Client { stream, unread: Vec::new() };
            // Its only errors are a client or a module that has gone.
            let _ = if is_full {
                client.reply(&Reply::error("too many clients are connected")).await
            } else {
                client.converse(&served).await
            };
        });
    }
}

struct Client {
    stream: UnixStream,
    /// What was read behind the last request.
    unread: Vec<u8>,
}

/// A request as it came.
enum Line {
    Whole(Vec<u8>),
    TooLong,
    End,
}

impl Client {
    async fn converse(&mut self, served: &Served) -> io::Result<()> {
        loop {
            let line = match self.next_line().await? {
                Line::Whole(line) => line,
                Line::TooLong => {
                    let why = format!("a request has {REQUEST_LIMIT_BYTES} bytes at most");
                    // Where the next one begins is not known.
                    return self.reply(&Reply::error(why)).await;
                }
                Line::End => return Ok(()),
            };
            let request = match serde_json::from_slice(&line) {
                Ok(request) => request,
                Err(error) => {
                    self.reply(&Reply::error(error.to_string())).await?;
                    continue;
                }
            };
            if request == Request::Trace {
                return self.trace(served).await;
            }
            let reply = match served.obey(request).await {
                Ok(reply) => reply,
                Err(PortGone) => Reply::error(PortGone.to_string()),
            };
            self.reply(&reply).await?;
        }
    }

    async fn next_line(&mut self) -> io::Result<Line> {
        loop {
            if let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let rest = self.unread.split_off(end + 1);
                let line = std::mem::replace(&mut self.unread, rest);
                return Ok(if end < REQUEST_LIMIT_BYTES { Line::Whole(line) } else { Line::TooLong });
            }
            if self.unread.len() >= REQUEST_LIMIT_BYTES {
                return Ok(Line::TooLong);
            }
            let mut piece = [0; 1024];
            match self.stream.read(&mut piece).await? {
                // A last request may come without its line feed.
                0 if self.unread.is_empty() => return Ok(Line::End),
                0 => return Ok(Line::Whole(std::mem::take(&mut self.unread))),
                length => self.unread.extend_from_slice(&piece[..length]),
            }
        }
    }

    async fn reply(&mut self, reply: &Reply) -> io::Result<()> {
        let mut line = serde_json::to_vec(reply)?;
        line.push(b'\n');
        self.stream.write_all(&line).await
    }

    /// Sends all that happens, until the client goes.
    async fn trace(&mut self, served: &Served) -> io::Result<()> {
        let (follower, mut lines) = channel(WAITING_TRACE_PIECES);
        if served.port.follow(follower).is_err() {
            return self.reply(&Reply::error(PortGone.to_string())).await;
        }
        self.reply(&Reply::done()).await?;
        let (mut reader, mut writer) = self.stream.split();
        let mut ignored = [0; 1024];
        loop {
            tokio::select! {
                read = reader.read(&mut ignored) => if read? == 0 { return Ok(()) },
                piece = lines.recv() => match piece {
                    Some(piece) => writer.write_all(&piece).await?,
                    None => break,
                },
            }
        }
        self.reply(&Reply::error("the trace is cut off: it was not read fast enough, or the module has gone"))
            .await
    }
}

impl Served {
    async fn obey(&self, request: Request) -> Result<Reply, PortGone> {
        let control = match request {
            Request::Reset { ms } => return self.press_reset(ms).await,
            Request::Status => return self.report().await,
            Request::Boot { level } => Control::Boot { high: level == Level::High },
            Request::Enable { hold } => Control::Enable { high: !hold },
            Request::Power { on } => Control::Power { on },
            Request::Fault { plan } => match FaultPlan::from_toml(&plan) {
                Ok(plan) => Control::Arm(plan),
                Err(error) => return Ok(Reply::error(error.to_string())),
            },
            Request::DumpFlash => Control::DumpFlash,
            Request::DumpEfuse => Control::DumpFuses,
            // Has been taken out by the caller.
            Request::Trace => return Ok(Reply::error("a trace is a conversation of its own")),
        };
        Ok(match self.port.send(control).await? {
            Answer::Bytes(bytes) => Reply {
                hex: Some(to_hex(&bytes)),
                sha256: Some(to_hex(&Sha256::digest(&bytes))),
                ..Reply::done()
            },
            _ => Reply::done(),
        })
    }

    async fn press_reset(&self, ms: u32) -> Result<Reply, PortGone> {
        if !(1..=LONGEST_PRESS_MS).contains(&ms) {
            return Ok(Reply::error(format!("the button is pressed for 1 to {LONGEST_PRESS_MS} ms")));
        }
        let clock = WallClock::start();
        let mut alarm = match Alarm::new(clock) {
            Ok(alarm) => alarm,
            Err(error) => return Ok(Reply::error(format!("no timer is to be had: {error}"))),
        };
        self.port.send(Control::Enable { high: false }).await?;
        // Nothing runs while EN is low, so that module time keeps to the wall clock with any pace.
        let pressed = alarm.set(Some(clock.now() + Nanos::from_millis(u64::from(ms))));
        let waited = match pressed {
            Ok(()) => alarm.rings().await,
            error => error,
        };
        self.port.send(Control::Enable { high: true }).await?;
        Ok(match waited {
            Ok(()) => Reply::done(),
            Err(error) => Reply::error(format!("the button was released too early: {error}")),
        })
    }

    async fn report(&self) -> Result<Reply, PortGone> {
        let Answer::Status(module) = self.port.send(Control::Status).await? else { return Err(PortGone) };
        let Answer::Lines(lines) = self.port.send(Control::AskLines).await? else { return Err(PortGone) };
        let Answer::Bytes(flash) = self.port.send(Control::DumpFlash).await? else { return Err(PortGone) };
        let port = self.status.get();
        let status = Status {
            pid: std::process::id(),
            profile: self.profile.clone(),
            seed: self.seed,
            pty: port.pty,
            link: self.link.clone(),
            rfc2217: self.rfc2217,
            running: words::running(module.running),
            time_ns: module.now.0,
            power_on: module.power_on,
            enable_high: module.enable_high,
            boot_high: module.boot_high,
            dtr: lines.dtr,
            rts: lines.rts,
            resets: module.resets,
            fuses_burnt: module.burns,
            send_bps: port.rates.send_bps,
            receive_bps: port.rates.receive_bps,
            host_bytes: port.host_bytes,
            chip_bytes: port.chip_bytes,
            unread_bytes_lost: port.unread_bytes_lost,
            input_flushes: port.input_flushes,
            opens: port.opens,
            network_client: port.network_client,
            second_clients: port.second_clients,
            flash_bytes: flash.len() as u64,
            flash_sha256: to_hex(&Sha256::digest(&flash)),
            faults: module.faults,
        };
        Ok(Reply { status: Some(Box::new(status)), ..Reply::done() })
    }
}
