//! One client's TCP connection, from the moment the port is its own.

use std::cell::RefCell;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::session::{Session, Step};
use crate::transport::control::{Control, PortControl, PortGone};
use crate::transport::network::{ClientEnd, FromNetwork};

/// How much is read from the network at a time.
const READ_BYTES: usize = 4096;
/// Answers that wait to be sent; a client that reads none of them is not read either.
const WAITING_ANSWERS: usize = 16;

/// Something for the half that writes to the network, in order.
enum Outgoing {
    Reply(Vec<u8>),
    /// What came from the module and was not sent is thrown away.
    Purge,
    /// Data wait, or go on.
    Hold(bool),
}

/// Serves a client until it goes or the port does.
pub(super) async fn converse(mut stream: TcpStream, client: ClientEnd, port: &PortControl, signature: &str) {
    let (reader, writer) = stream.split();
    let (outgoing, to_send) = channel(WAITING_ANSWERS);
    let session = RefCell::new(Session::new(signature));
    let ClientEnd { to_port, from_port, overrun } = client;
    let listener = Listener { session: &session, to_port, port, outgoing };
    // Both directions at once: the module goes on talking while the line is busy with what the client has sent. However
    // the connection ends, all that is left to do is the same.
    tokio::select! {
        _ = listener.run(reader) => {}
        _ = speak(writer, &session, from_port, to_send, &overrun) => {}
    }
}

/// From the network to the port.
struct Listener<'a> {
    session: &'a RefCell<Session>,
    to_port: Sender<FromNetwork>,
    port: &'a PortControl,
    outgoing: Sender<Outgoing>,
}

/// The other end of a channel has gone, and with it the port or the connection.
struct Gone;

impl From<PortGone> for Gone {
    fn from(_: PortGone) -> Gone {
        Gone
    }
}

impl Listener<'_> {
    async fn run(self, mut reader: ReadHalf<'_>) -> Result<(), Gone> {
        let mut buffer = vec![0; READ_BYTES];
        loop {
            self.do_steps().await?;
            match reader.read(&mut buffer).await {
                Ok(0) | Err(_) => return Ok(()),
                Ok(length) => self.session.borrow_mut().handle_input(&buffer[..length]),
            }
        }
    }

    async fn do_steps(&self) -> Result<(), Gone> {
        loop {
            let step = self.session.borrow_mut().next_step();
            match step {
                None => return Ok(()),
                Some(Step::Reply(bytes)) => self.say(Outgoing::Reply(bytes)).await?,
                Some(Step::Send(bytes)) => self.hand_over(FromNetwork::Bytes(bytes)).await?,
                Some(Step::Rate(bps)) => self.hand_over(FromNetwork::Rate(bps)).await?,
                Some(Step::Lines(lines)) => self.obey(Control::Lines(lines)).await?,
                Some(Step::Break) => self.obey(Control::Break).await?,
                Some(Step::Purge { received, unsent }) => {
                    self.obey(Control::Purge { received, unsent }).await?;
                    if received {
                        self.say(Outgoing::Purge).await?;
                    }
                }
                Some(Step::Hold(holds)) => self.say(Outgoing::Hold(holds)).await?,
            }
        }
    }

    async fn say(&self, outgoing: Outgoing) -> Result<(), Gone> {
        self.outgoing.send(outgoing).await.map_err(|_| Gone)
    }

    async fn hand_over(&self, piece: FromNetwork) -> Result<(), Gone> {
        self.to_port.send(piece).await.map_err(|_| Gone)
    }

    /// The answer to a client comes when the module has taken the new level.
    async fn obey(&self, control: Control) -> Result<(), Gone> {
        self.port.send(control).await?;
        Ok(())
    }
}

/// From the port to the network.
async fn speak(
    mut writer: WriteHalf<'_>,
    session: &RefCell<Session>,
    mut from_port: Receiver<Vec<u8>>,
    mut to_send: Receiver<Outgoing>,
    overrun: &AtomicBool,
) -> io::Result<()> {
    let mut is_held = false;
    loop {
        let bytes = tokio::select! {
            biased;
            Some(outgoing) = to_send.recv() => match outgoing {
                Outgoing::Reply(bytes) => bytes,
                Outgoing::Purge => {
                    while from_port.try_recv().is_ok() {}
                    continue;
                }
                Outgoing::Hold(holds) => {
                    is_held = holds;
                    continue;
                }
            },
            Some(bytes) = from_port.recv(), if !is_held => {
                let mut encoded = session.borrow().encode(&bytes);
                if overrun.swap(false, Ordering::Relaxed) {
                    encoded.extend(session.borrow_mut().overrun());
                }
                encoded
            }
            else => return Ok(()),
        };
        writer.write_all(&bytes).await?;
    }
}
