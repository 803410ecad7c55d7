//! The listening socket: lets one client at a time have the port.

use std::cell::Cell;
use std::future::{pending, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinSet;

use super::connection::converse;
use super::session::INITIAL_BAUD_BPS;
use crate::transport::control::{Control, PortBusy, PortControl, PortGone};
use crate::transport::network::ClientEnd;
use crate::transport::serve::Port;
use crate::transport::status::{Notice, SharedStatus};
use crate::transport::wiring::ModemLines;

/// So many clients that are turned away may take their time to read why.
const MOST_REFUSALS: usize = 8;
/// How much of what they send is read before the connection is closed on them: bytes that nobody has read would make
/// the kernel reset the connection, and the client lose what it was told.
const REFUSAL_READ_BYTES: u64 = 65_536;

/// A port on the network.
///
/// One client at a time: another one, or one that comes while a program has the port's pty open, is told so in a line of
/// text and turned away. Both modem lines are asserted when a client is connected and released when it has gone, behind
/// all that it has sent, as a serial driver does; what they do is the port's wiring.
///
/// There is no authentication and no encryption (RFC 2217 has none): bind it to a loopback address unless every host on
/// the network may have the module.
#[derive(Debug)]
pub struct Rfc2217Server {
    listener: TcpListener,
    address: SocketAddr,
    port: PortControl,
    status: SharedStatus,
    notices: UnboundedSender<Notice>,
    signature: String,
}

impl Rfc2217Server {
    /// Listens at the first of `addresses` that can be had; port 0 is any free one. Must be called in a tokio runtime.
    ///
    /// `signature` is what the server calls itself.
    ///
    /// # Errors
    /// What the kernel says to the last of the addresses.
    pub async fn bind(
        addresses: &[SocketAddr],
        port: &Port,
        notices: UnboundedSender<Notice>,
        signature: impl Into<String>,
    ) -> io::Result<Rfc2217Server> {
        let listener = TcpListener::bind(addresses).await?;
        Ok(Rfc2217Server {
            address: listener.local_addr()?,
            listener,
            port: port.control(),
            status: port.status(),
            notices,
            signature: signature.into(),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves clients until the port is no longer served, or nobody can connect any more.
    pub async fn run(self) {
        let mut refusals = JoinSet::new();
        let is_leaving = Cell::new(false);
        let mut client: Option<Conversation<'_>> = None;
        loop {
            let conversation = async {
                match &mut client {
                    Some(client) => client.progress.as_mut().await,
                    None => pending().await,
                }
            };
            let accepted = tokio::select! {
                // A client that has gone is seen before the next one, which often is the same program again.
                biased;
                () = conversation => {
                    client = None;
                    continue;
                }
                Some(_) = refusals.join_next() => continue,
                accepted = poll_fn(|context| self.poll_accept(&is_leaving, context)) => accepted,
            };
            match (accepted, &client) {
                (Ok((stream, peer)), Some(client)) => {
                    self.refuse(stream, peer, format!("{} is connected", client.peer), &mut refusals);
                }
                (Ok((stream, peer)), None) => match self.admit().await {
                    Ok(Ok(end)) => {
                        let progress = Box::pin(self.serve(stream, peer, end, &is_leaving));
                        client = Some(Conversation { peer, progress });
                    }
                    Ok(Err(why)) => self.refuse(stream, peer, why, &mut refusals),
                    Err(PortGone) => break,
                },
                (Err(error), _) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                (Err(error), _) => {
                    let notice = Notice::NetworkDown { address: self.address, error: error.to_string() };
                    let _ = self.notices.send(notice);
                    break;
                }
            }
        }
        // Who is connected stays.
        if let Some(client) = client {
            client.progress.await;
        }
    }

    /// The next client, which waits while the one before is leaving: it may have found that out in this very round.
    fn poll_accept(
        &self,
        is_leaving: &Cell<bool>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        if is_leaving.get() { Poll::Pending } else { self.listener.poll_accept(context) }
    }

    /// Asks for the port; gives why not, as a client may be told.
    async fn admit(&self) -> Result<Result<ClientEnd, String>, PortGone> {
        let attached = self.port.attach(INITIAL_BAUD_BPS).await?;
        Ok(attached.map_err(|PortBusy| {
            format!("a program on the module's own machine has {} open", self.status.get().pty.display())
        }))
    }

    async fn serve(&self, stream: TcpStream, peer: SocketAddr, end: ClientEnd, is_leaving: &Cell<bool>) {
        self.status.change(|status| status.network_client = Some(peer));
        // Replies are short and waited for. A peer whose machine has died must not keep the port for ever. Without either
        // the connection works as well.
        let _ = stream.set_nodelay(true);
        let _ = rustix::net::sockopt::set_socket_keepalive(&stream, true);
        // An error is a port that has gone, which the conversation sees as well.
        let _ = self.port.send(Control::Lines(ModemLines { dtr: true, rts: true })).await;
        converse(stream, end, &self.port, &self.signature).await;
        is_leaving.set(true);
        let _ = self.port.send(Control::Lines(ModemLines::default())).await;
        is_leaving.set(false);
        self.status.change(|status| status.network_client = None);
    }

    fn refuse(&self, stream: TcpStream, peer: SocketAddr, why: String, refusals: &mut JoinSet<()>) {
        self.status.change(|status| status.second_clients += 1);
        if refusals.len() >= MOST_REFUSALS {
            refusals.abort_all();
        }
        refusals.spawn(turn_away(stream, format!("bl702-emu: one client at a time: {why}\r\n")));
        let _ = self.notices.send(Notice::Refused { peer, why });
    }
}

/// The client that has the port.
struct Conversation<'a> {
    peer: SocketAddr,
    progress: Pin<Box<dyn Future<Output = ()> + 'a>>,
}

/// Tells a client why, and closes the connection when it has, or when it has said too much.
async fn turn_away(mut stream: TcpStream, why: String) {
    let told = async {
        stream.write_all(why.as_bytes()).await?;
        stream.shutdown().await?;
        tokio::io::copy(&mut (&mut stream).take(REFUSAL_READ_BYTES), &mut tokio::io::sink()).await
    };
    // It has gone already, then.
    let _ = told.await;
}
