//! The way between a client on the network and a port: a channel for bytes in each direction.
//!
//! Lines, breaks and purges go through the port's [`PortControl`](super::control::PortControl), which keeps them in order
//! with the bytes that were sent here before.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc::error::{TryRecvError, TrySendError};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::pty::HostRates;

/// Pieces that wait for the port; the rest waits in the kernel, and then at the client.
const PIECES_TO_PORT: usize = 4;
/// Pieces that wait for the network, of [`PIECE_BYTES`] at most: as much as a pty holds.
const PIECES_TO_NETWORK: usize = 16;
const PIECE_BYTES: usize = 1024;

/// What a client sends to the port.
#[derive(Debug)]
pub(super) enum FromNetwork {
    /// Bytes.
    Bytes(Vec<u8>),
    /// The rate from now on in both directions, in bits a second.
    Rate(u32),
}

/// The client's end. The connection is over when it is dropped.
#[derive(Debug)]
pub(super) struct ClientEnd {
    pub(super) to_port: Sender<FromNetwork>,
    pub(super) from_port: Receiver<Vec<u8>>,
    /// Set when bytes were lost because the client did not take them.
    pub(super) overrun: Arc<AtomicBool>,
}

/// The port's end.
#[derive(Debug)]
pub(super) struct PortEnd {
    from_client: Receiver<FromNetwork>,
    /// What was received while nobody asked for it.
    next: Option<FromNetwork>,
    to_client: Sender<Vec<u8>>,
    overrun: Arc<AtomicBool>,
    rates: HostRates,
}

/// What the port hears from the network.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NetworkHeard {
    /// Bytes, sent at the rate that [`PortEnd::rates`] now gives.
    Bytes(Vec<u8>),
    /// Nothing for now.
    Nothing,
    /// The client has gone, and all that it sent was heard.
    Gone,
}

/// A connection whose client begins with this rate.
pub(super) fn connection(baud_bps: u32) -> (ClientEnd, PortEnd) {
    let (to_port, from_client) = channel(PIECES_TO_PORT);
    let (to_client, from_port) = channel(PIECES_TO_NETWORK);
    let overrun = Arc::new(AtomicBool::new(false));
    let rates = both(baud_bps);
    let port_end = PortEnd { from_client, next: None, to_client, overrun: Arc::clone(&overrun), rates };
    (ClientEnd { to_port, from_port, overrun }, port_end)
}

fn both(bps: u32) -> HostRates {
    HostRates { send_bps: bps, receive_bps: bps }
}

impl PortEnd {
    pub(super) fn rates(&self) -> HostRates {
        self.rates
    }

    /// The next bytes from the client, without waiting.
    pub(super) fn hear(&mut self) -> NetworkHeard {
        loop {
            let next = match self.next.take() {
                Some(next) => Ok(next),
                None => self.from_client.try_recv(),
            };
            match next {
                Ok(FromNetwork::Bytes(bytes)) => return NetworkHeard::Bytes(bytes),
                Ok(FromNetwork::Rate(bps)) => self.rates = both(bps),
                Err(TryRecvError::Empty) => return NetworkHeard::Nothing,
                Err(TryRecvError::Disconnected) => return NetworkHeard::Gone,
            }
        }
    }

    /// Throws away bytes that were not heard yet. Rates stay in force.
    pub(super) fn discard(&mut self) {
        while let NetworkHeard::Bytes(_) = self.hear() {}
    }

    /// Hands bytes to the client; gives how many it takes (0 when it takes none for now).
    pub(super) fn say(&self, bytes: &[u8]) -> usize {
        let piece = &bytes[..bytes.len().min(PIECE_BYTES)];
        match self.to_client.try_send(piece.to_vec()) {
            // Who has gone loses what is for it.
            Ok(()) | Err(TrySendError::Closed(_)) => piece.len(),
            Err(TrySendError::Full(_)) => 0,
        }
    }

    /// Bytes for the client were lost.
    pub(super) fn overrun(&self) {
        self.overrun.store(true, Ordering::Relaxed);
    }

    /// Whether the client has gone and nothing of it is left.
    pub(super) fn is_over(&self) -> bool {
        self.next.is_none() && self.from_client.is_closed() && self.from_client.is_empty()
    }

    /// Waits until [`PortEnd::hear`] has something, if `reads`, or [`PortEnd::say`] may take something, if `writes`.
    ///
    /// Safe to drop at any time.
    pub(super) async fn ready(&mut self, reads: bool, writes: bool) {
        let has_something = self.next.is_some() || self.is_over();
        let receive = async {
            if !has_something {
                self.next = self.from_client.recv().await;
            }
        };
        tokio::select! {
            () = receive, if reads => {}
            // An error is a client that has gone, which takes everything.
            _ = self.to_client.reserve(), if writes => {}
            else => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(bytes: &[u8]) -> FromNetwork {
        FromNetwork::Bytes(bytes.to_vec())
    }

    #[test]
    fn a_rate_is_in_force_from_the_bytes_behind_it() {
        let (client, mut port) = connection(115_200);
        for piece in [bytes(b"slow"), FromNetwork::Rate(2_000_000), bytes(b"fast")] {
            client.to_port.try_send(piece).unwrap();
        }
        assert_eq!(port.hear(), NetworkHeard::Bytes(b"slow".to_vec()));
        assert_eq!(port.rates(), both(115_200));
        assert_eq!(port.hear(), NetworkHeard::Bytes(b"fast".to_vec()));
        assert_eq!(port.rates(), both(2_000_000));
        assert_eq!(port.hear(), NetworkHeard::Nothing);
    }

    #[test]
    fn what_a_client_sent_before_it_went_is_heard() {
        let (client, mut port) = connection(115_200);
        client.to_port.try_send(bytes(b"last")).unwrap();
        drop(client);
        assert!(!port.is_over());
        assert_eq!(port.hear(), NetworkHeard::Bytes(b"last".to_vec()));
        assert_eq!(port.hear(), NetworkHeard::Gone);
        assert!(port.is_over());
        assert_eq!(port.say(b"nobody hears this"), 17);
    }

    #[test]
    fn discarded_bytes_leave_the_rate() {
        let (client, mut port) = connection(115_200);
        for piece in [bytes(b"lost"), FromNetwork::Rate(500_000), bytes(b"lost, too")] {
            client.to_port.try_send(piece).unwrap();
        }
        port.discard();
        assert_eq!(port.hear(), NetworkHeard::Nothing);
        assert_eq!(port.rates(), both(500_000));
    }

    #[test]
    fn a_client_that_takes_nothing_gets_16_kib() {
        let (client, port) = connection(115_200);
        let mut taken = 0;
        loop {
            match port.say(&[0; 5000]) {
                0 => break,
                count => taken += count,
            }
        }
        assert_eq!(taken, 16_384);
        drop(client);
    }

    #[tokio::test]
    async fn a_wait_that_is_given_up_loses_nothing() {
        let (client, mut port) = connection(115_200);
        tokio::select! {
            biased;
            () = port.ready(true, false) => panic!("nothing was sent"),
            () = std::future::ready(()) => {}
        }
        client.to_port.send(bytes(b"x")).await.unwrap();
        port.ready(true, false).await;
        port.ready(true, false).await;
        assert_eq!(port.hear(), NetworkHeard::Bytes(b"x".to_vec()));
        drop(client);
        port.ready(true, false).await;
        assert_eq!(port.hear(), NetworkHeard::Gone);
    }
}
