//! What a served module offers besides its pty: a control socket and RFC 2217.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};

use bl702_emulator::control::place::{beside_link, claim_for_pty};
use bl702_emulator::control::server::{Served, serve};
use bl702_emulator::control::socket::{ControlSocket, SocketError};
use bl702_emulator::transport::rfc2217::server::Rfc2217Server;
use bl702_emulator::transport::serve::Port;
use bl702_emulator::transport::status::Notice;
use clap::Args;
use tokio::sync::mpsc::UnboundedSender;

use super::failure::Failure;
use super::options::numbered;

/// Which services there are, and where.
#[derive(Args, Debug)]
pub(crate) struct ServiceOptions {
    /// Serve the module by RFC 2217 too, at HOST:PORT or at PORT of 127.0.0.1 (0: any free one); no authentication
    #[arg(long, value_name = "ADDR")]
    rfc2217: Option<String>,

    /// Control socket [default: LINK.sock with --link, else $XDG_RUNTIME_DIR/bl702-emu/pts-N.PID.sock]
    #[arg(long, value_name = "PATH")]
    control: Option<PathBuf>,
}

/// Where the services of a module are.
#[derive(Debug, Default)]
pub(crate) struct ServiceAddresses {
    pub(crate) rfc2217: Option<SocketAddr>,
    pub(crate) control: Option<PathBuf>,
}

/// A module that gets services.
pub(crate) struct Host<'a> {
    pub(crate) port: &'a Port,
    pub(crate) index: Option<usize>,
    pub(crate) link: Option<&'a Path>,
    pub(crate) profile: &'a str,
    pub(crate) seed: u64,
    pub(crate) notices: &'a UnboundedSender<Notice>,
}

impl ServiceOptions {
    /// Starts the services of a module as tasks of the current `LocalSet`; they end with it.
    pub(crate) async fn start(&self, host: Host<'_>) -> Result<ServiceAddresses, Failure> {
        let rfc2217 = self.serve_network(&host).await?;
        let control = self.control_socket(&host)?.map(|socket| {
            let path = socket.path().to_owned();
            let mut served = Served::new(host.port, host.profile, host.seed);
            served.link = host.link.map(|link| std::path::absolute(link).unwrap_or_else(|_| link.to_owned()));
            served.rfc2217 = rfc2217;
            tokio::task::spawn_local(async move {
                let Err(error) = serve(socket, served).await;
                eprintln!("warning: the control socket no longer takes clients: {error}");
            });
            path
        });
        Ok(ServiceAddresses { rfc2217, control })
    }

    async fn serve_network(&self, host: &Host<'_>) -> Result<Option<SocketAddr>, Failure> {
        let Some(word) = &self.rfc2217 else { return Ok(None) };
        let wrong = |error: io::Error| {
            let advice = "give HOST:PORT or a port number, such as 127.0.0.1:2217 or 0";
            Failure::usage(format!("cannot serve RFC 2217 at {word:?}: {error}"), advice)
        };
        let addresses = addresses(word, host.index).map_err(wrong)?;
        let signature = format!("bl702-emu {} {}", env!("CARGO_PKG_VERSION"), host.profile);
        let server = Rfc2217Server::bind(&addresses, host.port, host.notices.clone(), signature)
            .await
            .map_err(wrong)?;
        let address = server.address();
        if !address.ip().is_loopback() {
            eprintln!("warning: {address} is open to the network, and RFC 2217 knows no passwords");
        }
        tokio::task::spawn_local(server.run());
        Ok(Some(address))
    }

    /// The socket that was asked for; of the default ones, what can be had.
    fn control_socket(&self, host: &Host<'_>) -> Result<Option<ControlSocket>, Failure> {
        let by_pty = claim_for_pty(host.port.path());
        if let Some(path) = &self.control {
            return Ok(Some(with_alias(ControlSocket::bind(&numbered(path, host.index))?, by_pty)));
        }
        let made = match (host.link, by_pty) {
            (Some(link), by_pty) => {
                ControlSocket::bind(&beside_link(link)).map(|socket| with_alias(socket, by_pty))
            }
            (None, Ok(path)) => ControlSocket::bind(&path),
            (None, Err(error)) => {
                eprintln!("warning: no control socket: {error}");
                return Ok(None);
            }
        };
        // Nobody asked for it, and the module runs without.
        Ok(made.map_err(|error| eprintln!("warning: no control socket: {error}")).ok())
    }
}

/// Lets the pty's path lead to the socket, where that can be had; its own path does in any case.
fn with_alias(mut socket: ControlSocket, by_pty: io::Result<PathBuf>) -> ControlSocket {
    if let Ok(path) = by_pty {
        let _ = socket.add_alias(&path);
    }
    socket
}

/// What `HOST:PORT`, `:PORT` or `PORT` stands for. Of several modules, each has the next port.
fn addresses(word: &str, index: Option<usize>) -> io::Result<Vec<SocketAddr>> {
    let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidInput, what);
    let (host, port) = word.rsplit_once(':').unwrap_or(("", word));
    let first: u16 = port.parse().map_err(|_| invalid("the port is no number from 0 to 65535"))?;
    let port = match (first, index) {
        (0, _) | (_, None) => first,
        (first, Some(index)) => u16::try_from(index)
            .ok()
            .and_then(|index| first.checked_add(index))
            .ok_or_else(|| invalid("there are not that many ports behind it"))?,
    };
    let host = match host {
        "" => "127.0.0.1",
        host => host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host),
    };
    let found: Vec<_> = (host, port).to_socket_addrs()?.collect();
    if found.is_empty() { Err(invalid("the host has no address")) } else { Ok(found) }
}

impl From<SocketError> for Failure {
    fn from(error: SocketError) -> Failure {
        let advice = match &error {
            SocketError::InUse { .. } => {
                "give another --control; `bl702-emu ctl PATH status` tells whose it is"
            }
            SocketError::Occupied { .. } => "remove it if nobody needs it, or give another --control",
            SocketError::TooLong { .. } => "give a shorter --control",
            SocketError::Io { .. } => "its directory must exist and be writable",
        };
        Failure::usage(error, advice)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::a_port("4000", None, "127.0.0.1:4000")]
    #[case::any_port("0", Some(3), "127.0.0.1:0")]
    #[case::no_host(":4000", None, "127.0.0.1:4000")]
    #[case::an_address("127.0.0.2:4000", None, "127.0.0.2:4000")]
    #[case::the_next_port("127.0.0.1:4000", Some(2), "127.0.0.1:4002")]
    #[case::everywhere("0.0.0.0:4000", None, "0.0.0.0:4000")]
    #[case::version_6("[::1]:4000", None, "[::1]:4000")]
    fn where_it_listens(#[case] word: &str, #[case] index: Option<usize>, #[case] address: &str) {
        assert_eq!(addresses(word, index).unwrap(), [address.parse().unwrap()]);
    }

    #[rstest]
    #[case::no_port("127.0.0.1", None)]
    #[case::empty("", None)]
    #[case::too_big("127.0.0.1:65536", None)]
    #[case::no_number("127.0.0.1:telnet", None)]
    #[case::beyond_the_last("127.0.0.1:65535", Some(1))]
    #[case::no_such_address("127.0.0.256.1:4000", None)]
    fn what_is_no_address(#[case] word: &str, #[case] index: Option<usize>) {
        assert!(addresses(word, index).is_err());
    }
}
