//! Which byte from the host belongs to which command.

use bl702_protocol::frame::HANDSHAKE_BYTE;
use bl702_protocol::time::Nanos;

use super::frame::addresses;
use super::trigger::Occasion;
use crate::event::Stage;
use crate::line::Burst;

const HEADER_BYTES: usize = 4;
/// A host that pauses so long inside a frame has given it up.
const GIVEN_UP: Nanos = Nanos::from_millis(100);

/// Where the host is in its frame. It follows what the host means to send, not what becomes of it.
#[derive(Clone, Debug, Default)]
pub(super) struct HostFrames {
    header: [u8; HEADER_BYTES],
    /// Bytes of the frame that have come.
    have: usize,
    /// Bytes of the whole frame, once they are known.
    length: Option<usize>,
    address: Option<(u64, u64)>,
    last: Nanos,
}

impl HostFrames {
    /// Before a burst is looked at.
    pub(super) fn begin(&mut self, burst: &Burst) {
        if burst.start.since(self.last) > GIVEN_UP {
            self.restart();
        }
        self.last = burst.end();
    }

    /// A new session: the next byte begins a frame.
    pub(super) fn restart(&mut self) {
        self.have = 0;
    }

    /// What byte `index` of a burst is part of. To be called for every byte, in order.
    pub(super) fn next(&mut self, stage: Option<Stage>, burst: &Burst, index: usize) -> Occasion {
        let byte = burst.bytes[index];
        if self.have == 0 {
            if byte == HANDSHAKE_BYTE {
                return Occasion { stage, ..Occasion::default() };
            }
            self.length = None;
            self.address = head(stage, &burst.bytes[index..]);
        }
        if self.have < HEADER_BYTES {
            self.header[self.have] = byte;
        }
        let frame_byte = self.have;
        self.have += 1;
        if self.have == HEADER_BYTES {
            let payload = usize::from(u16::from_le_bytes([self.header[2], self.header[3]]));
            self.length = Some(HEADER_BYTES + payload);
        }
        let occasion = Occasion {
            stage,
            command: Some(self.header[0]),
            address: self.address,
            frame_byte: Some(frame_byte as u64),
            ..Occasion::default()
        };
        if self.length.is_some_and(|length| self.have >= length) {
            self.have = 0;
        }
        occasion
    }

    /// The same as [`HostFrames::next`] for a whole burst that nobody looks at.
    pub(super) fn skip(&mut self, burst: &Burst) {
        let mut index = 0;
        while index < burst.bytes.len() {
            if let Some(length) = self.length.filter(|_| self.have >= HEADER_BYTES) {
                let n = (length - self.have).min(burst.bytes.len() - index);
                self.have += n;
                index += n;
                if self.have >= length {
                    self.have = 0;
                }
            } else {
                self.next(None, burst, index);
                index += 1;
            }
        }
    }
}

/// The addresses in a frame whose beginning is here.
fn head(stage: Option<Stage>, frame: &[u8]) -> Option<(u64, u64)> {
    let (header, rest) = frame.split_first_chunk::<HEADER_BYTES>()?;
    let length = usize::from(u16::from_le_bytes([header[2], header[3]]));
    addresses(stage.unwrap_or(Stage::Loader), header[0], &rest[..rest.len().min(length)])
}
