//! Programming flash.

use bl702_protocol::code::Code;

use super::exchange::Trouble;
use super::loader::RamLoader;
use crate::baud::data_within_session;
use crate::error::{Error, ErrorKind, Result};
use crate::event::Event;
use crate::plan::{FlashRange, PAGE};
use crate::request::{Request, write_len};

/// How often a write that failed in the flash is tried.
const PASSES: u32 = 3;

/// A write failed in the flash.
const WRITE_FAILED: Code = Code(0x0006);

impl RamLoader {
    /// Programs a run of bytes into erased flash and waits until all of it is done.
    ///
    /// The loader acknowledges a write before it programs, so the next one travels meanwhile, and a failure is told
    /// behind the acknowledgement. Writes that failed are repeated: programming the same bytes twice is harmless.
    /// `progress` is called with the number of bytes done.
    pub(crate) async fn program(
        &mut self,
        start: u32,
        bytes: &[u8],
        mut progress: impl FnMut(&Self, u64),
    ) -> Result<()> {
        let mut todo = vec![(0, bytes.len())];
        for pass in 1..=PASSES {
            let mut failed = Vec::new();
            let mut before: Option<(usize, usize)> = None;
            for (mut at, len) in todo {
                let end = at + len;
                while at < end {
                    let len = self.frame_len(start + at as u32, &bytes[at..end]);
                    let request = Request::write(start + at as u32, &bytes[at..at + len]);
                    let (began, baud_bps) = (self.link().now(), self.link().baud_bps());
                    self.ask(&request).await?;
                    let took = self.link().now().since(began);
                    let programmed = before.map_or(0, |(_, len)| len);
                    self.state.pace.note(programmed, len, took, baud_bps);
                    if self.take_late_failures() > 0 {
                        failed.extend(before);
                    }
                    before = Some((at, len));
                    at += len;
                    if pass == 1 {
                        progress(self, at as u64);
                    }
                }
            }
            // Its answer comes when the last write is done, and tells a late failure from the answer to 3Ah.
            self.ask(&Request::jedec_id()).await?;
            if self.take_late_failures() > 0 {
                failed.extend(before);
            }
            if failed.is_empty() {
                return self.write_check(pass).await;
            }
            todo = failed;
            self.report_failed(start, &todo, pass)?;
        }
        Ok(())
    }

    /// How many of these bytes the next frame takes. All but the last end with a page, so that none is programmed in two parts.
    fn frame_len(&self, address: u32, bytes: &[u8]) -> usize {
        let baud_bps = self.link().baud_bps();
        let limit = data_within_session(baud_bps, self.state.pace.frame_bytes(baud_bps));
        let whole_pages = limit.saturating_sub((address as usize + limit) % PAGE as usize);
        write_len(address, bytes, if whole_pages == 0 { limit } else { whole_pages })
    }

    /// A write that failed is told, and an error when there is no pass left.
    fn report_failed(&self, start: u32, failed: &[(usize, usize)], pass: u32) -> Result<()> {
        let Some((at, len)) = failed.first() else { return Ok(()) };
        let range = FlashRange::with_len(start + *at as u32, *len as u64);
        let mut during = self.during(&Request::write_check(), pass);
        (during.what, during.range, during.attempts) = ("program flash", range, PASSES);
        let kind = ErrorKind::Refused { code: WRITE_FAILED };
        if pass == PASSES {
            return Err(Error::during(kind, during));
        }
        self.link().emit(Event::Retry { cause: format!("{during}: {kind}") });
        Ok(())
    }

    /// 3Ah. After a failure that was repeated with success it still says that there was one: the flag stays until an
    /// erase or a new session. So only in the first pass a refusal is news, and then the hashes at the end tell which
    /// sector it was.
    async fn write_check(&mut self, pass: u32) -> Result<()> {
        let request = Request::write_check();
        match self.wire.exchange(&request).await {
            Ok(_) => Ok(()),
            Err(Trouble::Refused { code }) if code == WRITE_FAILED => {
                if pass == 1 {
                    let during = self.during(&request, 1);
                    self.link()
                        .emit(Event::Retry { cause: format!("{during}: {}", ErrorKind::Refused { code }) });
                }
                Ok(())
            }
            // Anything else is trouble on the line.
            Err(trouble) => {
                let during = self.during(&request, 1);
                self.spend_repeat(&trouble, &during)?;
                self.get_over(&request, trouble, 1).await?;
                Ok(())
            }
        }
    }
}
