//! One request, one answer, strictly.

use bl702_protocol::code::Code;
use bl702_protocol::frame::{FAIL, OK, PENDING, Reply, ReplyDecoder};
use bl702_protocol::time::Nanos;

use crate::error::ErrorKind;
use crate::request::Request;
use crate::session::{Link, LinkError};
use crate::timing::Timing;

/// A write that failed after it was acknowledged (loader reference 4, 31h).
const LATE_WRITE_FAILURE: Code = Code(0x0006);

/// How much longer than its time an answer may take whose pieces keep coming: the largest one in pieces of 1 byte a
/// millisecond.
const LONGEST_TRICKLE: Nanos = Nanos::from_secs(10);

/// Why a request has no good answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    Halted,
    /// `pending`: how many `PD` came before the silence.
    NoAnswer {
        waited: Nanos,
        pending: u32,
    },
    Short {
        missing: usize,
    },
    Garbled {
        reason: String,
        heard: Vec<u8>,
    },
    WrongLength {
        expected: usize,
        got: usize,
    },
    Surplus {
        heard: Vec<u8>,
    },
    ExcessPending {
        allowed: u32,
    },
    Refused {
        code: Code,
    },
}

impl From<LinkError> for Trouble {
    fn from(error: LinkError) -> Trouble {
        match error {
            LinkError::Halted => Trouble::Halted,
            LinkError::TimedOut => Trouble::NoAnswer { waited: Nanos::ZERO, pending: 0 },
        }
    }
}

impl From<Trouble> for ErrorKind {
    fn from(trouble: Trouble) -> ErrorKind {
        match trouble {
            Trouble::Halted => ErrorKind::Interrupted,
            Trouble::NoAnswer { waited, pending } => ErrorKind::NoAnswer { waited, pending },
            Trouble::Short { missing } => ErrorKind::Short { missing },
            Trouble::Garbled { reason, .. } => ErrorKind::Garbled { reason },
            Trouble::WrongLength { expected, got } => ErrorKind::WrongLength { expected, got },
            Trouble::Surplus { heard } => ErrorKind::Surplus { heard },
            Trouble::ExcessPending { allowed } => ErrorKind::ExcessPending { allowed },
            Trouble::Refused { code } => ErrorKind::Refused { code },
        }
    }
}

/// The line to either side, one request at a time.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) link: Link,
    pub(crate) timing: Timing,
    /// The loader may still be programming what it acknowledged, and may yet say that it failed.
    write_in_flight: bool,
    /// Writes that were acknowledged and then failed, since the last [`Wire::take_late_failures`].
    late_failures: u32,
}

impl Wire {
    pub(crate) fn new(link: Link, timing: Timing) -> Wire {
        Wire { link, timing, write_in_flight: false, late_failures: 0 }
    }

    /// Forgets what a session that is over may have had to say.
    pub(crate) fn forget_writes(&mut self) {
        self.write_in_flight = false;
        self.late_failures = 0;
    }

    /// How many acknowledged writes failed; asking resets the number.
    pub(crate) fn take_late_failures(&mut self) -> u32 {
        std::mem::take(&mut self.late_failures)
    }

    /// Sends a request and takes its answer; gives the data of it (none for a bare `OK`).
    pub(crate) async fn exchange(&mut self, request: &Request) -> Result<Vec<u8>, Trouble> {
        if self.link.is_halted() {
            return Err(Trouble::Halted);
        }
        if self.link.input_len() > 0 && !self.write_in_flight {
            let surplus = self.link.drain(self.timing.quiet, self.timing.quiet * 10).await?;
            return Err(Trouble::Surplus { heard: surplus });
        }
        self.link.note_in_step(false);
        self.link.write(request.frame());
        let reply = match self.answer(request).await {
            Ok(reply) => reply,
            Err(trouble) => {
                self.link.note_in_step(matches!(trouble, Trouble::Refused { .. }));
                return Err(trouble);
            }
        };
        self.link.note_in_step(true);
        self.link.note_arrived();
        self.write_in_flight = request.may_fail_late();
        let data = match reply {
            Reply::Data(data) => data,
            _ => Vec::new(),
        };
        match request.data_len {
            Some(expected) if data.len() != expected => {
                Err(Trouble::WrongLength { expected, got: data.len() })
            }
            _ => Ok(data),
        }
    }

    /// Sends a request to which no answer comes.
    pub(crate) fn send_only(&mut self, request: &Request) {
        self.link.write(request.frame());
    }

    async fn answer(&mut self, request: &Request) -> Result<Reply, Trouble> {
        let patience = request.work + self.timing.reply_margin;
        let transfer = Nanos::byte_times(request.data_len.unwrap_or(0) as u64 + 4, self.link.baud_bps());
        let mut waiting_since = self.link.sent_at();
        let mut trickle_until = waiting_since + patience + transfer;
        let mut decoder = ReplyDecoder::new(request.shape());
        let mut pending = 0;
        loop {
            // An adapter may hand an answer over in small pieces: while they come, it is waited for.
            let deadline = (waiting_since + patience + transfer).max(trickle_until);
            let bytes = match self.link.read_answer(decoder.missing(), deadline).await {
                Ok(bytes) => bytes,
                Err(LinkError::Halted) => return Err(Trouble::Halted),
                Err(LinkError::TimedOut) if decoder.is_partial() => {
                    return Err(Trouble::Short { missing: decoder.missing() });
                }
                Err(LinkError::TimedOut) => {
                    return Err(Trouble::NoAnswer { waited: patience + transfer, pending });
                }
            };
            let latest = waiting_since + patience + transfer + LONGEST_TRICKLE;
            trickle_until = (self.link.now() + self.timing.reply_margin).min(latest);
            let reply = match decoder.push(&bytes) {
                Ok((_, reply)) => reply,
                Err(error) => return Err(self.garbled(&error.got, error.to_string()).await),
            };
            match reply {
                None => {}
                Some(Reply::Pending) if pending == request.most_pending => {
                    return Err(Trouble::ExcessPending { allowed: request.most_pending });
                }
                Some(Reply::Pending) => {
                    pending += 1;
                    waiting_since = self.link.now();
                }
                Some(Reply::Refused(code)) if code == LATE_WRITE_FAILURE && self.write_in_flight => {
                    // This belongs to the write before; the answer proper follows.
                    self.write_in_flight = false;
                    self.late_failures += 1;
                    decoder = ReplyDecoder::new(request.shape());
                }
                Some(Reply::Refused(code)) => return Err(Trouble::Refused { code }),
                Some(reply) => return Ok(reply),
            }
        }
    }

    /// Tells a `PD` that has no business here from other bytes that make no sense.
    async fn garbled(&mut self, got: &[u8], reason: String) -> Trouble {
        if got == b"P" {
            let deadline = self.link.now() + self.timing.quiet;
            if self.link.read_some(1, deadline).await.is_ok_and(|next| next == b"D") {
                return Trouble::ExcessPending { allowed: 0 };
            }
        }
        Trouble::Garbled { reason, heard: got.to_vec() }
    }
}

/// How many `PD` there are in bytes that hold nothing but `PD`s and, behind them, at most one other answer.
pub(super) fn pending_in(bytes: &[u8]) -> u32 {
    let (pairs, _) = bytes.as_chunks::<2>();
    let count = pairs.iter().take_while(|pair| **pair == PENDING).count();
    let rest = &bytes[count * PENDING.len()..];
    let is_answer = rest.is_empty() || rest == OK || (rest.len() == 4 && rest.starts_with(&FAIL));
    if is_answer { count as u32 } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::request::Side;
    use crate::session::{Output, Session};
    use rstest::rstest;

    #[test]
    fn an_answer_shows_that_its_request_has_arrived() {
        let flow = |link: Link| async move {
            let mut wire = Wire::new(link.clone(), Timing::default());
            wire.exchange(&Request::reset(Side::Rom)).await.map_err(ErrorKind::from)?;
            link.set_baud(2_000_000).await.map_err(ErrorKind::from)?;
            Ok::<(), Error>(())
        };
        let mut session = Session::new(Nanos::ZERO, 300, flow);
        assert!(matches!(session.poll_output(), Some(Output::Write(_))));
        session.handle_input(Nanos::from_millis(1), b"OK");
        // By the rate its 4 bytes take 133 ms; 2 ms are for what an adapter holds back.
        assert_eq!(session.poll_timeout(), Some(Nanos::from_millis(3)));
        session.handle_timeout(Nanos::from_millis(3));
        assert_eq!(session.poll_output(), Some(Output::SetBaud(2_000_000)));
        assert!(session.finished().is_some_and(|result| result.is_ok()));
    }

    #[rstest]
    #[case(b"", 0)]
    #[case(b"PD", 1)]
    #[case(b"PDPDPDOK", 3)]
    #[case(b"PDFL\x03\x00", 1)]
    #[case(b"OK", 0)]
    #[case(b"PDxx", 0)]
    #[case(b"xPD", 0)]
    fn pendings_are_told_from_data(#[case] bytes: &[u8], #[case] count: u32) {
        assert_eq!(pending_in(bytes), count);
    }
}
