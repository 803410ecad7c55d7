//! Reading and burning eFuses through the RAM loader.

use bl702_protocol::code::Code;
use bl702_protocol::efuse::{EFUSE_LEN, Efuse};

use super::ask::SESSION_ERRORS;
use super::exchange::Trouble;
use super::loader::RamLoader;
use crate::efuse::{BurnPermit, WordBurn};
use crate::error::{Error, ErrorKind, Result};
use crate::event::Event;
use crate::request::Request;

/// How often fuses are read until two readings in a row agree.
pub(crate) const FUSE_PASSES: u32 = 6;

/// The answer to 42h of a chip whose MAC does not agree with its parity.
const MAC_PARITY: Code = Code(0x0407);

impl RamLoader {
    /// 42h; `None` when the chip says that the parity is wrong, which is not asked twice since it counts as an error.
    pub(super) async fn ask_mac(&mut self) -> Result<Option<Vec<u8>>> {
        let request = Request::mac();
        if self.state.session_errors >= SESSION_ERRORS {
            self.new_session().await?;
        }
        let trouble = match self.wire.exchange(&request).await {
            Ok(answer) => return Ok(Some(answer)),
            Err(Trouble::Refused { code: MAC_PARITY }) => {
                self.state.session_errors += 1;
                return Ok(None);
            }
            Err(trouble) => trouble,
        };
        let during = self.during(&request, 1);
        if trouble == Trouble::Halted {
            return Err(Error::during(trouble.into(), during));
        }
        self.spend_repeat(&trouble, &during)?;
        self.get_over(&request, trouble, 1).await.map_err(|error| error.or_during(during))?;
        match self.ask(&request).await {
            Ok(answer) => Ok(Some(answer)),
            Err(error) if matches!(error.kind(), ErrorKind::Refused { code } if *code == MAC_PARITY) => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// All fuses, read until two readings in a row agree: answers carry no checksum.
    ///
    /// Each reading begins with 42h, which loads the shadow registers from the fuses (loader reference 4), whatever a
    /// damaged command may have left in them.
    ///
    /// # Errors
    /// [`ErrorKind::FusesUnstable`]
    pub(crate) async fn read_fuses(&mut self) -> Result<Efuse> {
        let offsets: Vec<u8> = (0..EFUSE_LEN as u8).step_by(4).collect();
        let words = self.read_fuse_words(&offsets).await?;
        let mut efuse = Efuse::default();
        for (offset, word) in offsets.iter().zip(words) {
            efuse.set_word(usize::from(*offset), word);
        }
        Ok(efuse)
    }

    /// Some fuse words, read afresh until two readings in a row agree.
    ///
    /// # Errors
    /// [`ErrorKind::FusesUnstable`]
    pub(crate) async fn read_fuse_words(&mut self, offsets: &[u8]) -> Result<Vec<u32>> {
        let mut last = self.fuse_pass(offsets).await?;
        for _ in 1..FUSE_PASSES {
            let again = self.fuse_pass(offsets).await?;
            if again == last {
                return Ok(again);
            }
            self.link().emit(Event::Retry { cause: "two readings of the eFuses differ".to_owned() });
            last = again;
        }
        Err(Error::new(ErrorKind::FusesUnstable { passes: FUSE_PASSES }))
    }

    async fn fuse_pass(&mut self, offsets: &[u8]) -> Result<Vec<u32>> {
        self.ask_mac().await?;
        let mut words = Vec::with_capacity(offsets.len());
        for offset in offsets {
            let answer = self.ask(&Request::shadow_word(*offset)).await?;
            let word: [u8; 4] = answer
                .as_slice()
                .try_into()
                .map_err(|_| Error::new(ErrorKind::WrongLength { expected: 4, got: answer.len() }))?;
            words.push(u32::from_le_bytes(word));
        }
        Ok(words)
    }

    /// Sends one burn, once. What came of it is for the caller to find out by reading back: `Some` says what went wrong with
    /// the answer.
    pub(crate) async fn burn_once(
        &mut self,
        permit: &BurnPermit,
        word: &WordBurn,
        attempt: u32,
    ) -> Result<Option<String>> {
        if self.state.session_errors >= SESSION_ERRORS {
            self.new_session().await?;
        }
        let request = Request::efuse_write(permit, word.offset, word.bits);
        let trouble = match self.wire.exchange(&request).await {
            Ok(_) => return Ok(None),
            Err(trouble) => trouble,
        };
        let during = self.during(&request, attempt);
        if trouble == Trouble::Halted {
            return Err(Error::during(trouble.into(), during));
        }
        self.spend_repeat(&trouble, &during)?;
        let said = ErrorKind::from(trouble.clone()).to_string();
        self.get_over(&request, trouble, 1).await.map_err(|error| error.or_during(during))?;
        Ok(Some(said))
    }
}
