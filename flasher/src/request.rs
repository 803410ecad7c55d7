//! Every request the flasher can send.
//!
//! A [`Request`] can only be made by the constructors here, one per command in use, from the tables of
//! `bl702-protocol`. Of the commands that burn fuses (40h, 80h, and 43h of newer chips) there is one, 40h to the RAM
//! loader, for which a [`BurnPermit`] is needed. Erase and write take ranges that are known to lie in 24-bit
//! addresses, so the loader's endless erase (end FFFFFFFFh, loader reference 4) cannot be asked for.

use std::fmt;

use bl702_protocol::command::{CommandRow, LoaderCommand, RomCommand};
use bl702_protocol::efuse::EFUSE_LEN;
use bl702_protocol::frame::{self, Checksum, LOADER_MAX_READ, LOADER_MAX_WRITE, ReplyShape};
use bl702_protocol::image::boot_header::BOOT_HEADER_LEN;
use bl702_protocol::image::segment::SEGMENT_HEADER_LEN;
use bl702_protocol::time::Nanos;
use serde::Serialize;

use crate::efuse::BurnPermit;
use crate::plan::{FlashRange, SECTOR};

mod fuses;

/// Who is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The mask ROM.
    Rom,
    /// The vendor's RAM loader.
    Loader,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Side::Rom => "boot ROM",
            Side::Loader => "RAM loader",
        })
    }
}

/// One request, with what is known about its answer.
#[derive(Clone, Debug)]
pub struct Request {
    pub(crate) side: Side,
    pub(crate) row: &'static CommandRow,
    pub(crate) what: &'static str,
    pub(crate) payload: Vec<u8>,
    /// Number of data bytes a good answer holds; `None` for a bare `OK`.
    pub(crate) data_len: Option<usize>,
    /// Flash range it is about.
    pub(crate) range: Option<FlashRange>,
    /// What the chip may need before its answer, or between two `PD`.
    pub(crate) work: Nanos,
    /// How many `PD` may come before the answer.
    pub(crate) most_pending: u32,
}

/// Slowest reading and hashing of flash that is still waited for: 512 KiB a second. An assumption; single-wire SPI at
/// the slowest clock the loader sets (18 MHz) is four times faster.
fn flash_read_time(length: u32) -> Nanos {
    Nanos(u64::from(length) * 1_000_000_000 / 524_288)
}

/// Time limit for erasing one unit: 64 KiB take 2 s at most in a data sheet of such a part (ROM reference 4).
const ERASE_UNIT_LIMIT: Nanos = Nanos::from_millis(4_000);

/// Time limit for programming what the loader may still hold: one write of 36 pages at 5 ms each.
const PROGRAM_LIMIT: Nanos = Nanos::from_millis(400);

impl Request {
    fn rom(command: RomCommand, what: &'static str, payload: Vec<u8>) -> Request {
        let row = command.row();
        Request {
            side: Side::Rom,
            row,
            what,
            payload,
            data_len: None,
            range: None,
            work: Nanos::from_millis(50),
            most_pending: 0,
        }
    }

    fn loader(command: LoaderCommand, what: &'static str, payload: Vec<u8>) -> Request {
        // A write that was acknowledged may still be programming when the next command comes.
        Request {
            side: Side::Loader,
            row: command.row(),
            what,
            payload,
            data_len: None,
            range: None,
            work: PROGRAM_LIMIT,
            most_pending: 0,
        }
    }

    fn over(mut self, range: FlashRange) -> Request {
        self.range = Some(range);
        self
    }

    fn answered_by(mut self, data_len: usize) -> Request {
        self.data_len = Some(data_len);
        self
    }

    /// 10h to either side. The length of the answer tells the chip, as [`bl702_protocol::chip`] has it.
    pub fn boot_info() -> Request {
        Request::rom(RomCommand::GetBootInfo, "get boot info", Vec::new())
    }

    /// 10h to the RAM loader with a payload, which it checks and does not look at (loader reference 3 and 4).
    pub(crate) fn echo_of(payload: Vec<u8>) -> Request {
        Request { payload, ..Request::rom(RomCommand::GetBootInfo, "get boot info", Vec::new()) }
            .answered_by(24)
    }

    /// 21h to either side: `OK`, then a system reset.
    pub fn reset(side: Side) -> Request {
        match side {
            Side::Rom => Request::rom(RomCommand::Reset, "reset the module", Vec::new()),
            Side::Loader => Request::loader(LoaderCommand::Reset, "reset the module", Vec::new()),
        }
    }

    /// 11h: starts loading an image.
    pub fn boot_header(header: &[u8; BOOT_HEADER_LEN]) -> Request {
        Request::rom(RomCommand::LoadBootHeader, "load the boot header", header.to_vec())
    }

    /// 12h, 14h or 16h: public key, signature, AES IV block as they stand in the image.
    pub fn security_block(command: SecurityBlock, block: &[u8]) -> Request {
        let (command, what) = match command {
            SecurityBlock::PublicKey => (RomCommand::LoadPublicKey, "load the public key"),
            SecurityBlock::Signature => (RomCommand::LoadSignature, "load the signature"),
            SecurityBlock::AesIv => (RomCommand::LoadAesIv, "load the AES IV"),
        };
        Request::rom(command, what, block.to_vec())
    }

    /// 17h: announces a segment; echoed.
    pub fn segment_header(header: &[u8; SEGMENT_HEADER_LEN]) -> Request {
        Request::rom(RomCommand::LoadSegmentHeader, "load a segment header", header.to_vec())
            .answered_by(SEGMENT_HEADER_LEN)
    }

    /// 18h: up to 4092 bytes of the announced segment; the rest of `data` is left off.
    pub fn segment_data(data: &[u8]) -> Request {
        let data = &data[..data.len().min(frame::ROM_MAX_PAYLOAD)];
        Request::rom(RomCommand::LoadSegmentData, "load segment data", data.to_vec())
    }

    /// 19h: compares hash and signature.
    pub fn check_image() -> Request {
        let mut request = Request::rom(RomCommand::CheckImage, "check the image", Vec::new());
        // SHA-256 over at most 120 KiB and, for a signed image, one ECDSA verification in hardware.
        request.work = Nanos::from_millis(500);
        request
    }

    /// 1Ah: jumps into the image after `OK`.
    pub fn run_image() -> Request {
        Request::rom(RomCommand::RunImage, "run the image", Vec::new())
    }

    /// 50h with one word, for the start through the HBN words (ROM reference 1.6).
    pub fn memory_write(address: u32, value: u32) -> Request {
        let payload = [address.to_le_bytes(), value.to_le_bytes()].concat();
        Request::rom(RomCommand::MemoryWrite, "write a register", payload)
    }

    /// 51h to the ROM: `length` bytes from `address`, both multiples of 4.
    pub fn memory_read(address: u32, length: u32) -> Request {
        Request::rom(RomCommand::MemoryRead, "read registers", words(address, length))
            .answered_by(length as usize)
    }

    /// 36h: three id bytes and the loader's flag.
    pub fn jedec_id() -> Request {
        Request::loader(LoaderCommand::ReadJedecId, "read the JEDEC id", Vec::new()).answered_by(4)
    }

    /// 42h: eight MAC bytes and their CRC-32.
    pub fn mac() -> Request {
        Request::loader(LoaderCommand::ReadMac, "read the MAC address", Vec::new()).answered_by(12)
    }

    /// 51h to the ROM: all shadow registers of the eFuses, 128 bytes.
    ///
    /// Not 41h: one flipped bit would make it 40h, with the length as data to burn, and the ROM has no checksum. The
    /// same flip makes this one 41h with an address that is refused, or 50h, which burns nothing.
    pub fn shadow_registers() -> Request {
        let payload = words(fuses::SHADOW, EFUSE_LEN as u32);
        Request::rom(RomCommand::MemoryRead, "read the eFuses", payload).answered_by(EFUSE_LEN)
    }

    /// 51h to the loader: one shadow register, as 41h or 42h have loaded it last. It gives the same word again and again,
    /// so one is all that can be asked for (loader reference 4). Not 41h, as with
    /// [`shadow_registers`](Self::shadow_registers): the loader's checksum does not cover the id.
    pub fn shadow_word(offset: u8) -> Request {
        let payload = fuses::shadow_word(offset);
        Request::loader(LoaderCommand::MemoryRead, "read an eFuse word", payload).answered_by(4)
    }

    /// 40h to the loader: **burns** these bits of a fuse word, for ever. The only request that burns.
    ///
    /// To the loader and not to the ROM, because it takes a frame only whole and with the right checksum.
    pub fn efuse_write(_: &BurnPermit, offset: u8, bits: u32) -> Request {
        let payload = fuses::burn_payload(offset, bits);
        Request::loader(LoaderCommand::EfuseWrite, "burn an eFuse word", payload)
    }

    /// 32h: reads up to 9220 bytes; the range is cut to that.
    pub fn read(range: FlashRange) -> Request {
        let range = range.head(LOADER_MAX_READ as u32);
        Request::loader(LoaderCommand::FlashRead, "read flash", words(range.start(), range.len()))
            .answered_by(range.len() as usize)
            .taking(flash_read_time(range.len()))
            .over(range)
    }

    /// 3Dh: SHA-256 of a range.
    pub fn sha256(range: FlashRange) -> Request {
        Request::loader(LoaderCommand::Sha256, "hash flash", words(range.start(), range.len()))
            .answered_by(32)
            .taking(flash_read_time(range.len()))
            .over(range)
    }

    /// 30h: erases a range of whole sectors.
    ///
    /// The end on the wire is inclusive and may be any byte of the last sector. It is chosen so that the checksum
    /// byte is not 0, which would mean "not checked" (loader reference 3): a damaged erase must not be obeyed.
    pub fn erase(range: FlashRange) -> Request {
        let last = range.end().saturating_sub(1);
        let checked = |end: &u32| frame::checksum(8, &words(range.start(), *end)) != 0;
        let end = [last, last.saturating_sub(1)].into_iter().find(checked).unwrap_or(last);
        // One PD a unit: one for an aligned block, or one a sector where somebody switched the block commands off.
        Request::loader(LoaderCommand::FlashErase, "erase flash", words(range.start(), end))
            .taking(ERASE_UNIT_LIMIT)
            .over(range)
            .pending(range.len().div_ceil(SECTOR))
    }

    /// 3Ch: erases the whole flash.
    pub fn chip_erase(whole: FlashRange) -> Request {
        // One PD after each full second; the flash of the boot config gives up after 49.5 s (loader reference 4).
        Request::loader(LoaderCommand::ChipErase, "erase the whole flash", Vec::new())
            .taking(Nanos::from_secs(3))
            .over(whole)
            .pending(60)
    }

    /// 31h: writes up to 9216 bytes; see [`write_len`] for how many of a longer run to take.
    pub fn write(address: u32, data: &[u8]) -> Request {
        let data = &data[..data.len().min(LOADER_MAX_WRITE)];
        let mut payload = Vec::with_capacity(4 + data.len());
        payload.extend_from_slice(&address.to_le_bytes());
        payload.extend_from_slice(data);
        let request = Request::loader(LoaderCommand::FlashWrite, "write flash", payload);
        match FlashRange::with_len(address, data.len() as u64) {
            Some(range) => request.over(range),
            None => request,
        }
    }

    /// 3Ah: whether a write failed since the last erase or handshake.
    pub fn write_check() -> Request {
        Request::loader(LoaderCommand::WriteCheck, "check the writes", Vec::new())
    }

    /// 37h: one byte of the flash's status register that this command of the flash reads (05h, 35h or 15h).
    pub fn read_status(command: u8) -> Request {
        let payload = words(u32::from(command), 1);
        Request::loader(LoaderCommand::ReadStatusRegister, "read a status register", payload).answered_by(1)
    }

    /// 32h without a payload: refused with 0004 and counted. Three of them end the loader's session at once
    /// (loader reference 5), for a handshake at another rate.
    pub fn counted_error() -> Request {
        Request::loader(LoaderCommand::FlashRead, "end the session", Vec::new())
    }

    fn pending(mut self, most: u32) -> Request {
        self.most_pending = most;
        self
    }

    fn taking(mut self, work: Nanos) -> Request {
        self.work += work;
        self
    }

    /// Command id.
    pub fn id(&self) -> u8 {
        self.row.id
    }

    /// The frame as it goes over the wire, always with its checksum.
    pub fn frame(&self) -> Vec<u8> {
        frame::request(self.row.id, Checksum::Sum, &self.payload)
    }

    /// Whether it is a write: acknowledged before it is done, so that its failure may be told later.
    pub(crate) fn may_fail_late(&self) -> bool {
        self.side == Side::Loader && self.row.id == LoaderCommand::FlashWrite.id()
    }

    /// Whether a refusal counts toward the three that end a session of the loader.
    pub(crate) fn errors_count(&self) -> bool {
        self.side == Side::Loader && self.row.errors_count
    }

    /// How often to try it, if nothing speaks against it.
    pub(crate) fn attempts(&self) -> u32 {
        // A chip erase that failed has failed after most of a minute.
        if self.side == Side::Loader && self.row.id == LoaderCommand::ChipErase.id() { 2 } else { 5 }
    }

    pub(crate) fn shape(&self) -> ReplyShape {
        self.row.reply_shape(&self.payload)
    }
}

/// The optional parts of an image, in the order the ROM wants them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecurityBlock {
    /// 12h.
    PublicKey,
    /// 14h.
    Signature,
    /// 16h.
    AesIv,
}

fn words(first: u32, second: u32) -> Vec<u8> {
    [first.to_le_bytes(), second.to_le_bytes()].concat()
}

/// How many of these bytes one write (31h) at `address` should take, at most `limit`.
///
/// As many as fit, less one or two where that makes a safer frame:
/// - a checksum byte of 0 means "not checked" to the loader (loader reference 3);
/// - with four data bytes the payload has the eight bytes of an erase (30h), which is one flipped bit away from a
///   write (31h), and the id is not in the checksum.
pub fn write_len(address: u32, data: &[u8], limit: usize) -> usize {
    let most = data.len().min(limit).min(LOADER_MAX_WRITE);
    let safe = |len: &usize| {
        let mut payload = address.to_le_bytes().to_vec();
        payload.extend_from_slice(&data[..*len]);
        *len != 4 && frame::checksum(payload.len() as u16, &payload) != 0
    };
    (most.saturating_sub(8).max(1)..=most).rev().find(safe).unwrap_or(most)
}
