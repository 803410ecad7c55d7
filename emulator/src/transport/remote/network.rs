//! A module at the other end of an RFC 2217 connection.

use std::collections::VecDeque;
use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

use super::telnet_client::{TelnetClient, Told};
use super::{FromRemote, Order, Remote, RemoteError, What, done};
use crate::Nanos;
use crate::transport::clock::{Alarm, WallClock};
use crate::transport::control::Answer;

/// How long a server may take to say that it is a serial port.
const AGREEMENT: Nanos = Nanos::from_secs(10);

pub(super) async fn open(address: &str, baud_bps: u32, clock: WallClock) -> Result<Remote, RemoteError> {
    let failed = |doing| move |source| RemoteError::Network { address: address.to_owned(), doing, source };
    let stream = TcpStream::connect(address).await.map_err(failed("connecting to"))?;
    stream.set_nodelay(true).map_err(failed("setting up"))?;
    let (reader, writer) = stream.into_split();
    let (orders, to_do) = unbounded_channel();
    let (teller, heard) = unbounded_channel();
    let mut opening = Vec::new();
    let client = TelnetClient::open(baud_bps, &mut opening);
    let alarm = Alarm::new(clock).map_err(failed("setting up"))?;
    let mut connection = Connection {
        reader,
        writer,
        client,
        clock,
        alarm,
        to_do,
        teller,
        waiting: VecDeque::new(),
        next_order: 0,
        baud_bps,
        line_free: Nanos::ZERO,
        drains: VecDeque::new(),
    };
    connection.writer.write_all(&opening).await.map_err(failed("writing to"))?;
    connection.agree(address).await?;
    let address = address.to_owned();
    tokio::task::spawn_local(async move {
        let source = connection.serve().await;
        let gone = RemoteError::Network { address, doing: "the connection to", source };
        // Whoever used it may have ended first.
        let _ = connection.teller.send(FromRemote::Gone(gone));
    });
    Ok(Remote { orders, heard })
}

struct Connection {
    reader: OwnedReadHalf,
    writer: OwnedWriteHalf,
    client: TelnetClient,
    clock: WallClock,
    alarm: Alarm,
    to_do: UnboundedReceiver<Order>,
    teller: UnboundedSender<FromRemote>,
    /// Orders that the server will acknowledge.
    waiting: VecDeque<(u64, Option<oneshot::Sender<Answer>>)>,
    next_order: u64,
    baud_bps: u32,
    /// When all that was sent has left the server's port, as far as can be told from here.
    line_free: Nanos,
    /// RFC 2217 does not tell when bytes have left, so these wait for as long as they take.
    drains: VecDeque<(Nanos, Option<oneshot::Sender<Answer>>)>,
}

impl Connection {
    /// Waits until the server has said whether it is a serial port.
    async fn agree(&mut self, address: &str) -> Result<(), RemoteError> {
        let not = |what| RemoteError::NotAPort { address: address.to_owned(), what };
        let failed =
            |source| RemoteError::Network { address: address.to_owned(), doing: "reading from", source };
        self.alarm.set(Some(self.clock.now() + AGREEMENT)).map_err(failed)?;
        let mut buffer = [0; 4096];
        loop {
            let length = tokio::select! {
                read = self.reader.read(&mut buffer) => read.map_err(failed)?,
                rung = self.alarm.rings() => {
                    rung.map_err(failed)?;
                    return Err(not("does not say that it is a serial port (COM-PORT-OPTION)"));
                }
            };
            if length == 0 {
                return Err(not("hung up at once: its port is in use, or it wants other clients"));
            }
            let told = self.take(&buffer[..length]).await.map_err(failed)?;
            if told.contains(&Told::IsNoPort) {
                return Err(not("is no serial port: it refuses COM-PORT-OPTION"));
            }
            if told.contains(&Told::IsAPort) {
                self.alarm.set(None).map_err(failed)?;
                return Ok(());
            }
        }
    }

    async fn serve(&mut self) -> io::Error {
        let mut buffer = [0; 4096];
        loop {
            let drain = self.drains.front().map(|(at, _)| *at);
            if let Err(error) = self.alarm.set(drain) {
                return error;
            }
            let done = tokio::select! {
                biased;
                order = self.to_do.recv() => match order {
                    Some(order) => self.order(order).await,
                    // Nobody uses it any more.
                    None => return io::ErrorKind::NotConnected.into(),
                },
                read = self.reader.read(&mut buffer) => match read {
                    Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
                    Ok(length) => self.take(&buffer[..length]).await.map(|_| ()),
                    Err(error) => Err(error),
                },
                rung = self.alarm.rings(), if drain.is_some() => rung.map(|()| self.end_drains()),
            };
            if let Err(error) = done {
                return error;
            }
        }
    }

    async fn order(&mut self, order: Order) -> io::Result<()> {
        let number = self.next_order;
        self.next_order += 1;
        let mut out = Vec::new();
        let is_acknowledged = self.client.order(number, &order.what, &mut out);
        let now = self.clock.now();
        match &order.what {
            What::Rate(bps) => self.baud_bps = *bps,
            What::Bytes(bytes) => {
                self.line_free =
                    self.line_free.max(now) + Nanos::byte_times(bytes.len() as u64, self.baud_bps.max(1));
            }
            _ => {}
        }
        self.writer.write_all(&out).await?;
        if is_acknowledged {
            self.waiting.push_back((number, order.answer));
        } else if order.what == What::Drain {
            self.drains.push_back((self.line_free.max(now), order.answer));
        } else {
            done(order.answer);
        }
        Ok(())
    }

    fn end_drains(&mut self) {
        let now = self.clock.now();
        while let Some((_, answer)) = self.drains.pop_front_if(|(at, _)| *at <= now) {
            done(answer);
        }
    }

    /// Takes what the server has sent.
    async fn take(&mut self, bytes: &[u8]) -> io::Result<Vec<Told>> {
        let now = self.clock.now();
        let mut out = Vec::new();
        let told = self.client.take(bytes, &mut out);
        for told in &told {
            match told {
                Told::Bytes(bytes) => {
                    // Who used the port may have ended.
                    let _ = self.teller.send(FromRemote::Bytes(bytes.clone(), now));
                }
                Told::Done(number) => {
                    while let Some((_, answer)) = self.waiting.pop_front_if(|(waits, _)| *waits <= *number) {
                        done(answer);
                    }
                }
                Told::IsAPort | Told::IsNoPort => {}
            }
        }
        if !out.is_empty() {
            self.writer.write_all(&out).await?;
        }
        Ok(told)
    }
}
