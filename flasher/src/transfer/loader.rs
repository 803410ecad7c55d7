//! The RAM loader as a partner: what it is asked, and what it says about its flash.

use std::sync::Arc;

use bl702_protocol::boot_info::DeviceInfo;
use bl702_protocol::chip::BL702;
use bl702_protocol::frame::LOADER_MAX_READ;
use bl702_protocol::jedec::{JedecId, LOADER_FLAG_IDENTIFIED};
use bl702_protocol::time::Nanos;

use super::exchange::Wire;
use super::write_pace::WritePace;
use crate::baud::slowest_rate;
use crate::connect::ConnectOptions;
use crate::error::{During, Error, ErrorKind, FlashState, Result};
use crate::event::Event;
use crate::plan::{Budget, FlashRange, MAX_FLASH_BYTES, SECTOR};
use crate::request::{Request, Side};
use crate::session::Link;

/// How often the MAC address is asked for until its CRC-32 is right.
const MAC_TRIES: u32 = 3;

/// Flash configurations of the fuses (ROM reference 3).
const FUSED_512_KIB: u8 = 1;
const FUSED_1_MIB: u8 = 2;

/// Bytes of the answer to 36h: `OK`, a length, the id and a flag.
const JEDEC_ANSWER_BYTES: u64 = 8;

/// How often the JEDEC id is asked for again while answers differ.
const JEDEC_REPEATS: u32 = 3;

/// The flash that the loader sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlashId {
    /// JEDEC id.
    pub jedec: JedecId,
    /// Whether the loader knows the part.
    pub identified: bool,
    /// Size in bytes that is used.
    pub size_bytes: u32,
}

/// A RAM loader in a session at the transfer rate, with an identified flash.
#[derive(Debug)]
pub struct RamLoader {
    pub(super) wire: Wire,
    pub(super) options: Arc<ConnectOptions>,
    pub(super) flash: FlashId,
    pub(super) state: Counters,
}

/// What has to be counted of a run with a loader.
#[derive(Debug, Default)]
pub(super) struct Counters {
    /// Errors that the loader counts toward the three that end its session.
    pub(super) session_errors: u32,
    /// Writes that failed behind their acknowledgement and were not asked for yet.
    pub(super) late_failures: u32,
    /// Requests sent again.
    pub(super) repeats: u32,
    /// Sessions begun anew after silence.
    pub(super) resyncs: u32,
    /// Restarts of the module, its own or ours, that lost the loader.
    pub(super) restarts: u32,
    /// Lower rates taken.
    pub(super) fallbacks: u32,
    /// Damaged or missing answers at this rate, in a short time.
    pub(super) damage: u32,
    /// Good answers since the last damage.
    pub(super) good: u32,
    /// What came and was no answer, since the last good one.
    pub(super) heard: Vec<u8>,
    /// How fast flash and line are.
    pub(super) pace: WritePace,
}

impl RamLoader {
    pub(crate) fn new(wire: Wire, options: Arc<ConnectOptions>) -> RamLoader {
        let flash = FlashId { jedec: JedecId([0; 3]), identified: false, size_bytes: 0 };
        // On the way here a lower rate may have been taken.
        let options = options.at_rate(wire.link.baud_bps());
        RamLoader { wire, options, flash, state: Counters::default() }
    }

    /// The session's link.
    pub fn link(&self) -> &Link {
        &self.wire.link
    }

    /// The flash.
    pub fn flash(&self) -> FlashId {
        self.flash
    }

    /// The whole flash.
    pub fn whole_flash(&self) -> FlashRange {
        FlashRange::whole(self.flash.size_bytes)
    }

    /// A budget for work with these waits, at the lowest rate to which the run may fall back.
    pub(crate) fn budget(&self) -> Budget {
        Budget::new(slowest_rate(self.wire.link.baud_bps()), &self.wire.timing)
    }

    /// Asks for the JEDEC id and settles the size (ROM reference 4).
    ///
    /// # Errors
    /// [`ErrorKind::FlashAbsent`] if nothing answers on the flash bus, whatever size was given: reading would give
    /// nothing but that. [`ErrorKind::FlashUnknown`] if the loader does not know the part and no size was given.
    pub(crate) async fn identify_flash(&mut self) -> Result<()> {
        // Answers carry no checksum, and everything depends on this one: two in a row have to agree.
        let mut id = self.jedec().await?;
        let mut round_trip = self.round_trip();
        for _ in 0..JEDEC_REPEATS {
            let again = self.jedec().await?;
            round_trip = round_trip.min(self.round_trip());
            if again == id {
                break;
            }
            id = again;
        }
        self.state.pace.note_round_trip(round_trip);
        self.tell_link(round_trip);
        let (jedec, flag) = id;
        let identified = flag & LOADER_FLAG_IDENTIFIED != 0;
        if jedec.is_absent() && !identified {
            return Err(Error::new(ErrorKind::FlashAbsent { jedec, flag }));
        }
        let part = BL702.flash_part(jedec);
        let known_size = part.map(|part| part.size_bytes).or_else(|| jedec.size_bytes());
        let usable = |size: &u32| *size >= SECTOR && *size <= MAX_FLASH_BYTES;
        let size_bytes = match self.options.flash_size {
            Some(size) => size,
            None => known_size
                .filter(|size| identified && usable(size))
                .ok_or_else(|| Error::new(ErrorKind::FlashUnknown { jedec, flag }))?,
        };
        self.flash = FlashId { jedec, identified, size_bytes };
        let part = part.map(|part| part.name);
        self.link().emit(Event::Flash { jedec: jedec.to_string(), identified, part, size_bytes });
        if !identified {
            let text = format!(
                "the RAM loader does not know this flash ({jedec}) and uses its default settings for it, with the size that was given; each step of a write is verified before the next one begins"
            );
            self.link().emit(Event::Warning { text });
        }
        Ok(())
    }

    /// Compares the size that the flash claims with the one that the fuses name. A flash that claims more and repeats itself
    /// behind what the fuses name has no more than that: writing behind its end would overwrite its beginning.
    ///
    /// # Errors
    /// [`ErrorKind::FlashRepeats`], unless the size was given.
    pub(crate) async fn compare_size(&mut self, device_info: DeviceInfo) -> Result<()> {
        let fused_bytes = match device_info.flash_config() {
            FUSED_512_KIB => 512 * 1024,
            FUSED_1_MIB => 1024 * 1024,
            _ => return Ok(()),
        };
        let (jedec, claimed_bytes) = (self.flash.jedec, self.flash.size_bytes);
        if claimed_bytes == fused_bytes || self.options.flash_size.is_some() {
            return Ok(());
        }
        let text = format!(
            "the flash says that it has {} KiB ({jedec}), the eFuses say {}: it may have been replaced",
            claimed_bytes / 1024,
            device_info.flash_config_text()
        );
        self.link().emit(Event::Warning { text });
        let halves = FlashRange::new(0, fused_bytes).zip(FlashRange::new(fused_bytes, fused_bytes * 2));
        if let Some((first, second)) = halves.filter(|(_, second)| second.end() <= claimed_bytes)
            && self.sha256(first).await? == self.sha256(second).await?
        {
            let kind = ErrorKind::FlashRepeats { jedec, claimed_bytes, repeats_at: fused_bytes };
            return Err(Error::new(kind));
        }
        Ok(())
    }

    /// What the id that has just come took beyond its bytes on the wire.
    fn round_trip(&self) -> Nanos {
        let link = self.link();
        link.now().since(link.sent_at_last()).since(Nanos::byte_times(JEDEC_ANSWER_BYTES, link.baud_bps()))
    }

    fn tell_link(&self, took: Nanos) {
        let link = self.link();
        let baud_bps = link.baud_bps();
        let reads = (1_u64 << 20).div_ceil(LOADER_MAX_READ as u64);
        link.emit(Event::LinkMeasured {
            baud_bps,
            round_trip_us: took.0 / 1000,
            per_mib_ms: (took * reads).as_millis(),
        });
    }

    /// Looks whether the flash holds the boot header that the ROM may have taken for a write: bits that it would have set to 0
    /// and that are 1 say that it does not.
    ///
    /// # Errors
    /// [`ErrorKind::HeaderWritten`] if it may.
    pub(crate) async fn look_for_header(&mut self) -> Result<()> {
        let Some(header) = self.link().take_suspect_header() else {
            self.link().clear_of_misreading();
            return Ok(());
        };
        let (address, data) = header.split_at(4);
        let address = address.iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte));
        let place = FlashRange::with_len(address % self.flash.size_bytes.max(1), data.len() as u64);
        // Behind the end it goes on at the beginning; one byte of it tells enough.
        let Some(place) = place.and_then(|place| place.intersection(&self.whole_flash())) else {
            return Ok(());
        };
        let (held, _) = self.read_verified(place).await?;
        if held.iter().zip(data).any(|(held, data)| held & !data != 0) {
            self.link().clear_of_misreading();
            return Ok(());
        }
        self.link().set_flash_state(FlashState::Damaged);
        Err(Error::new(ErrorKind::HeaderWritten { range: place }))
    }

    async fn jedec(&mut self) -> Result<(JedecId, u8)> {
        let answer = self.ask(&Request::jedec_id()).await?;
        match answer.as_slice() {
            [id @ .., flag] if id.len() == 3 => Ok((JedecId([id[0], id[1], id[2]]), *flag)),
            _ => Err(Error::new(ErrorKind::WrongLength { expected: 4, got: answer.len() })),
        }
    }

    /// MAC address: eight bytes, their CRC-32 checked; `None` when the chip says that its parity is wrong.
    pub(crate) async fn mac(&mut self) -> Result<Option<[u8; 8]>> {
        for _ in 0..MAC_TRIES {
            let Some(answer) = self.ask_mac().await? else { return Ok(None) };
            let mut mac = [0; 8];
            mac.copy_from_slice(&answer[..8]);
            if answer[8..] == bl702_protocol::crc::crc32(&mac).to_le_bytes() {
                return Ok(Some(mac));
            }
        }
        let reason = "the CRC-32 behind the MAC address is wrong".to_owned();
        Err(Error::new(ErrorKind::Garbled { reason }))
    }

    /// The flash's status registers 05h, 35h and 15h; `None` if they cannot be read (loader reference 4, 37h: then it
    /// says nothing).
    pub(crate) async fn status_registers(&mut self) -> Option<[u8; 3]> {
        let mut registers = [0; 3];
        for (register, command) in registers.iter_mut().zip([0x05, 0x35, 0x15]) {
            let answer = self.ask(&Request::read_status(command)).await.ok()?;
            *register = *answer.first()?;
        }
        Some(registers)
    }

    /// 21h: `OK`, then the module restarts and this session is over. Tried once: nothing depends on it.
    pub(crate) async fn reset(mut self) -> Result<()> {
        self.link().emit(Event::ResetByCommand);
        let request = Request::reset(Side::Loader);
        match self.wire.exchange(&request).await {
            Ok(_) => {
                self.link().note_restarted();
                Ok(())
            }
            Err(trouble) => {
                Err(Error::during(trouble.into(), During { attempts: 1, ..self.during(&request, 1) }))
            }
        }
    }

    pub(super) fn during(&self, request: &Request, attempt: u32) -> During {
        During {
            side: request.side,
            id: request.id(),
            what: request.what,
            range: request.range,
            attempt,
            attempts: request.attempts(),
        }
    }
}
