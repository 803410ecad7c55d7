//! Upward from a safe rate, as long as a checked exchange proves the next one.
//!
//! A rate is proven when both directions carried some KiB without a fault: to the module by frames whose checksum the
//! loader checks, to the host by a piece of the flash whose SHA-256 the loader computes.

use bl702_protocol::boot_info::BootInfo;
use bl702_protocol::time::Nanos;
use sha2::{Digest, Sha256};

use super::start::end_session;
use super::{ConnectOptions, Handshake, reach};
use crate::baud::{check_loader, rates_above};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, SilenceReason};
use crate::plan::FlashRange;
use crate::request::Request;
use crate::timing::SESSION_END_SILENCE;
use crate::transfer::Wire;

/// Handshakes at a rate before it is given up.
const BURSTS: u32 = 2;

/// Rounds of proof at each rate.
const ROUNDS: u32 = 2;

/// Payload of a frame of the proof: less than the loader takes (9220 bytes).
const FRAME_BYTES: usize = 4096;

/// How much of the flash is read in a round.
const READ_BYTES: u32 = 8192;

/// What the frames are filled with: many edges and long runs. None of these is a command, or less than three bits away from 40h,
/// which burns fuses: should the loader lose step in such a frame it finds nothing to do in it.
const PATTERN: [u8; 8] = [0xAA, 0xFF, 0x99, 0x87, 0xCC, 0xF0, 0x0F, 0xB3];

impl ConnectOptions {
    /// Where a climb begins: the rate of the boot ROM, at which the module was heard already, or one that every adapter does.
    pub(super) fn safe_rate(&self) -> u32 {
        let rate = self.boot_baud_bps.min(self.baud_bps);
        if check_loader(rate).is_ok() { rate } else { 500_000 }
    }

    /// What a climb takes at most.
    pub(super) fn climb_bound(&self) -> Nanos {
        if !self.climb {
            return Nanos::ZERO;
        }
        let safe_bps = self.safe_rate();
        let bytes = (FRAME_BYTES as u64 + u64::from(READ_BYTES)) * u64::from(ROUNDS);
        let proof =
            Nanos::byte_times(bytes, safe_bps) + self.timing.reply_margin * (3 * u64::from(ROUNDS) + 8);
        let back = SESSION_END_SILENCE + self.loader_handshake_bound() + self.timing.reply_margin * 4;
        // Half a second for each hash and read of the flash.
        (proof + Nanos::from_secs(2)) * rates_above(safe_bps, self.baud_bps).count() as u64 + back
    }

    /// Climbs from the rate at which the loader talks. A rate that is not proven is left for the last that was.
    pub(super) async fn climb(&self, wire: &mut Wire) -> Result<()> {
        let link = wire.link.clone();
        for tried_bps in rates_above(link.baud_bps(), self.baud_bps) {
            let kept_bps = link.baud_bps();
            end_session(wire).await;
            let reason = match link.try_set_baud(tried_bps).await.map_err(ErrorKind::from)? {
                Err(refused) => refused,
                Ok(()) => match self.prove(wire).await {
                    Ok(checked_bytes) => {
                        link.emit(Event::RateProven { baud_bps: tried_bps, checked_bytes });
                        continue;
                    }
                    Err(error) if matches!(error.kind(), ErrorKind::Interrupted) => return Err(error),
                    Err(error) => {
                        reach::silence(&link, SilenceReason::LostStep).await?;
                        error.kind().to_string()
                    }
                },
            };
            link.emit(Event::RateNotProven { tried_bps, kept_bps, reason });
            link.set_baud(kept_bps).await.map_err(ErrorKind::from)?;
            link.purge();
            wire.forget_writes();
            return self.expect_loader(wire).await;
        }
        Ok(())
    }

    /// A handshake and some KiB in both directions, each checked by the loader; gives how many bytes.
    async fn prove(&self, wire: &mut Wire) -> Result<u64> {
        let link = wire.link.clone();
        link.purge();
        let mut handshake = Handshake::default();
        let mut answered = false;
        for burst in 1..=BURSTS {
            let ok_wait = wire.timing.ok_wait * u64::from(burst);
            answered = handshake.try_once(&link, &wire.timing, ok_wait).await.map_err(ErrorKind::from)?;
            if answered {
                break;
            }
        }
        if !answered {
            let (baud_bps, heard, bursts) = (link.baud_bps(), handshake.heard, handshake.bursts);
            return Err(Error::new(ErrorKind::NoHandshake {
                side: crate::request::Side::Loader,
                baud_bps,
                heard,
                bursts,
            }));
        }
        link.note_session(Some(crate::request::Side::Loader));
        let payload: Vec<u8> = PATTERN.iter().copied().cycle().take(FRAME_BYTES).collect();
        let range = FlashRange::new(0, READ_BYTES).ok_or_else(|| Error::new(ErrorKind::Interrupted))?;
        for _ in 0..ROUNDS {
            let info = wire.exchange(&Request::echo_of(payload.clone())).await.map_err(ErrorKind::from)?;
            match BootInfo::parse(&info).map_err(ErrorKind::from)? {
                BootInfo::Loader(_) => {}
                BootInfo::Rom(_) => return Err(Error::new(ErrorKind::NotStarted)),
            }
            let bytes = wire.exchange(&Request::read(range)).await.map_err(ErrorKind::from)?;
            let hash = wire.exchange(&Request::sha256(range)).await.map_err(ErrorKind::from)?;
            if hash != Sha256::digest(&bytes).as_slice() {
                let reason = "what was read has another SHA-256 than the flash".to_owned();
                return Err(Error::new(ErrorKind::Garbled { reason }));
            }
        }
        Ok((FRAME_BYTES as u64 + u64::from(READ_BYTES)) * u64::from(ROUNDS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bl702_protocol::command::LoaderCommand;

    #[test]
    fn the_pattern_holds_no_command_and_nothing_like_the_one_that_burns() {
        const BURN: u8 = 0x40;
        for byte in PATTERN {
            assert!((byte ^ BURN).count_ones() >= 3, "{byte:02x}");
            assert!(LoaderCommand::from_id(byte).is_none(), "{byte:02x}");
        }
    }

    #[test]
    fn a_climb_begins_where_the_module_was_heard() {
        let from = |boot_baud_bps| ConnectOptions { boot_baud_bps, ..ConnectOptions::default() }.safe_rate();
        assert_eq!((from(500_000), from(115_200), from(1_200_000)), (500_000, 115_200, 500_000));
        assert_eq!(rates_above(500_000, 2_000_000).collect::<Vec<_>>(), [1_000_000, 2_000_000]);
        assert_eq!(rates_above(3_000_000, 3_000_000).count(), 0);
    }
}
