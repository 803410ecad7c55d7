//! The handshake: a burst of 55h, then `OK`.

use bl702_protocol::frame::{HANDSHAKE_BYTE, OK};
use bl702_protocol::time::Nanos;

use crate::baud::burst_len;
use crate::session::{Link, LinkError};
use crate::timing::Timing;

/// What a handshake or a series of them gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Handshake {
    /// Whether `OK` came.
    pub answered: bool,
    /// Bursts sent.
    pub bursts: u32,
    /// Bytes that came, at most the first 64, `OK` not among them.
    pub heard: Vec<u8>,
}

/// Bursts in a row before the chip is left in peace: if it is the RAM loader in a session, they all count toward the
/// 2408h bytes that hang it for good (loader reference 5).
const BURST_BYTES_IN_A_ROW: usize = 4096;

impl Handshake {
    /// How many bursts may follow each other at a rate without a silence that ends every session between them.
    pub(super) fn bursts_in_a_row(baud_bps: u32) -> u32 {
        (BURST_BYTES_IN_A_ROW / burst_len(baud_bps)).max(1) as u32
    }

    /// Sends one burst and waits `ok_wait` for `OK`, then until the line is quiet.
    ///
    /// The line is drained after `OK`, because the ROM reads and drops what comes within 1 ms, the loader loses a frame
    /// that comes within 0.5 ms, and surplus 55h can draw an `FL 0102` out of the ROM.
    pub(crate) async fn try_once(
        &mut self,
        link: &Link,
        timing: &Timing,
        ok_wait: Nanos,
    ) -> Result<bool, LinkError> {
        self.note(&link.take_input());
        link.note_session(None);
        link.write(vec![HANDSHAKE_BYTE; burst_len(link.baud_bps())]);
        self.bursts += 1;
        let deadline = link.sent_at() + ok_wait;
        let mut heard = Vec::new();
        loop {
            match link.read_some(usize::MAX, deadline).await {
                Ok(bytes) => heard.extend(bytes),
                Err(LinkError::Halted) => return Err(LinkError::Halted),
                Err(LinkError::TimedOut) => break,
            }
            if heard.windows(OK.len()).any(|pair| pair == OK) {
                self.answered = true;
                link.drain(timing.quiet, timing.quiet * 10).await?;
                return Ok(true);
            }
        }
        self.note(&heard);
        Ok(false)
    }

    fn note(&mut self, bytes: &[u8]) {
        let room = 64_usize.saturating_sub(self.heard.len());
        self.heard.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
}
