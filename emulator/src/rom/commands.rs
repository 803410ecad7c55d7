//! The boot ROM's commands: one handler each, and the table that leads to them.
//!
//! Payloads, replies and codes: `reference/rom-and-module.md` section 1.4.

use bl702_protocol::code::Code;
use bl702_protocol::command::RomCommand;
use bl702_protocol::frame;
use bl702_protocol::time::Nanos;

use super::flash_job::FlashJob;
use super::image::{HeaderEffect, ImageLoad};
use super::memory;
use super::otp_record::OtpRecord;
use super::secure::SecureLink;
use crate::chip::{Chip, Exit};
use crate::event::{Event, Stage};

/// Fuse words that boot info shows (`reference/rom-and-module.md` section 1.5).
const BOOT_INFO_FUSES: [u8; 5] = [0x00, 0x10, 0x14, 0x18, 0x74];
/// Bits of word 0 that a boot header must fit: AES mode, sign mode, encryption.
const SIGN_AND_ENCRYPT: u32 = 0x87;
/// Crystal type of a boot header that takes the RC oscillator.
const CRYSTAL_TYPE_RC: u8 = 2;

/// What a command comes to.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Answered at once.
    Reply(Vec<u8>),
    /// Not answered at all.
    Silent,
    /// Flash work; the answer comes at its end.
    Flash(FlashJob),
    /// The link goes on at another rate, in which the answer is sent already.
    ChangeRate { baud_bps: u32 },
    /// An answer (possibly none), then, so many delay units later, the end of this program.
    Leave { reply: Option<Vec<u8>>, delay_units: u64, exit: Exit },
}

/// What a handler works on besides the chip.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) otp: OtpRecord,
    pub(super) image: ImageLoad,
    pub(super) secure: SecureLink,
    pub(super) baud_bps: u32,
}

/// Runs `command` with the first `length` bytes of `buffer`, the whole payload buffer.
pub(super) fn execute(
    command: RomCommand,
    buffer: &[u8],
    length: usize,
    context: &mut Context,
    chip: &mut Chip,
    at: Nanos,
) -> Outcome {
    let payload = &buffer[..length];
    match command {
        RomCommand::GetBootInfo => {
            for offset in BOOT_INFO_FUSES {
                chip.faults.fuses_used(at, Stage::Rom, offset, u32::MAX, "the boot ROM answering boot info");
            }
            data(&context.otp.boot_info().to_bytes())
        }
        RomCommand::LoadBootHeader => boot_header(payload, context, chip, at),
        RomCommand::LoadPublicKey => status(context.image.public_key(payload, &context.otp)),
        RomCommand::LoadSignature => status(context.image.signature(buffer)),
        RomCommand::LoadAesIv => status(context.image.aes_iv(payload, &context.otp)),
        RomCommand::LoadSegmentHeader => match context.image.segment_header(payload) {
            Ok(header) => data(&header),
            Err(code) => refused(code),
        },
        RomCommand::LoadSegmentData => status(context.image.segment_data(payload, &mut chip.ram)),
        RomCommand::CheckImage => status(context.image.check_image()),
        RomCommand::RunImage => match context.image.run_image() {
            Ok(address) => leave(Some(frame::ok()), 0, Exit::Jump { address }),
            Err(code) => refused(code),
        },
        RomCommand::ChangeRate => change_rate(payload, context.baud_bps),
        RomCommand::Reset => leave(Some(frame::ok()), super::timing::RESET_DELAY_UNITS, Exit::SystemReset),
        RomCommand::FlashErase => flash_erase(payload),
        RomCommand::FlashWrite => flash_write(payload),
        RomCommand::FlashBoot if length == 4 => leave(Some(frame::ok()), 0, Exit::FlashBoot),
        // Other lengths are not answered; 32h never gets here, since the parser does not accept it.
        RomCommand::FlashBoot | RomCommand::FlashRead => Outcome::Silent,
        RomCommand::EfuseWrite => efuse_write(payload, chip, at),
        RomCommand::EfuseRead => efuse_read(payload, chip, at),
        RomCommand::MemoryWrite => memory::write(payload, &context.otp, chip, at),
        RomCommand::MemoryRead => memory::read(payload, &context.otp, chip, at),
        RomCommand::SealedEfuseWrite => match context.secure.open(payload) {
            Ok(payload) => efuse_write(&payload, chip, at),
            Err(code) => refused(code),
        },
        RomCommand::SealedEfuseRead => match efuse_range(payload, chip, at) {
            Ok(bytes) => data(&context.secure.seal(&bytes)),
            Err(code) => refused(code),
        },
        RomCommand::EcdhGetKey => match context.secure.exchange(payload) {
            Ok(public_key) => data_without_length(&public_key),
            Err(code) => refused(code),
        },
        RomCommand::EcdhChallenge => match context.secure.challenge(payload) {
            Ok(answer) => data_without_length(&answer),
            Err(code) => refused(code),
        },
    }
}

fn status(result: Result<(), Code>) -> Outcome {
    match result {
        Ok(()) => Outcome::Reply(frame::ok()),
        Err(code) => refused(code),
    }
}

pub(super) fn refused(code: Code) -> Outcome {
    Outcome::Reply(frame::fl(code))
}

pub(super) fn data(bytes: &[u8]) -> Outcome {
    Outcome::Reply(frame::ok_with_data(bytes))
}

/// 90h and 91h: the ROM overwrites its own length field with 0.
fn data_without_length(bytes: &[u8]) -> Outcome {
    let mut reply = frame::ok_with_data(&[]);
    reply.extend_from_slice(bytes);
    Outcome::Reply(reply)
}

pub(super) fn leave(reply: Option<Vec<u8>>, delay_units: u64, exit: Exit) -> Outcome {
    Outcome::Leave { reply, delay_units, exit }
}

fn boot_header(payload: &[u8], context: &mut Context, chip: &mut Chip, at: Nanos) -> Outcome {
    chip.faults.fuses_used(at, Stage::Rom, 0x00, SIGN_AND_ENCRYPT, "the boot ROM checking a boot header");
    let effect = context.image.boot_header(payload, &context.otp, |clock| {
        // Once per power-up (section 1.9). The link keeps its rate, as in the simulator.
        if !chip.pll_started {
            chip.pll_started = true;
            // Its result is ignored: the ROM goes on with its RC oscillator.
            let _ = chip.clock_hangs(at, clock.crystal == CRYSTAL_TYPE_RC, "the boot ROM");
            chip.emit(at, Event::Pll { xtal_type: clock.crystal, pll: clock.pll });
        }
    });
    match effect {
        Ok(HeaderEffect::Accepted) => Outcome::Reply(frame::ok()),
        Ok(HeaderEffect::RomBoot2) => leave(None, 0, Exit::RomBoot2),
        Err(code) => refused(code),
    }
}

fn change_rate(payload: &[u8], detected_bps: u32) -> Outcome {
    let Ok(bytes) = <[u8; 8]>::try_from(payload) else { return Outcome::Silent };
    let old = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    let new = u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]);
    // A RISC-V division by zero gives all ones; no UART runs at such a rate, so the link is lost either way.
    let rate = (u64::from(detected_bps) * u64::from(new)).checked_div(u64::from(old)).unwrap_or(u64::MAX);
    Outcome::ChangeRate { baud_bps: u32::try_from(rate).unwrap_or(u32::MAX).max(1) }
}

fn flash_erase(payload: &[u8]) -> Outcome {
    let Ok(bytes) = <[u8; 8]>::try_from(payload) else { return refused(Code(0x0002)) };
    let start = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    let end = u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]);
    Outcome::Flash(FlashJob::erase(start, end))
}

fn flash_write(payload: &[u8]) -> Outcome {
    let Some((address, data)) = payload.split_first_chunk::<4>().filter(|(_, data)| !data.is_empty()) else {
        return refused(Code(0x0004));
    };
    let address = u32::from_le_bytes(*address);
    if address == u32::MAX {
        return refused(Code(0x0005));
    }
    Outcome::Flash(FlashJob::write(address, data))
}

/// 40h. There is no key and no arming: whatever data the frame carries are burnt.
fn efuse_write(payload: &[u8], chip: &mut Chip, at: Nanos) -> Outcome {
    let Some((address, data)) = payload.split_first_chunk::<4>().filter(|(_, data)| !data.is_empty()) else {
        return refused(Code(0x0401));
    };
    let first = u32::from_le_bytes(*address) & !3;
    if first > 0x7F {
        return refused(Code(0x0402));
    }
    let words: Vec<(u8, u32)> = data
        .as_chunks::<4>()
        .0
        .iter()
        .zip((first..0x80).step_by(4))
        .map(|(word, offset)| (offset as u8, u32::from_le_bytes(*word)))
        .collect();
    for (offset, word) in chip.otp.program_words(&words) {
        chip.emit(at, Event::EfuseProgram { offset, word });
    }
    Outcome::Reply(frame::ok())
}

fn efuse_read(payload: &[u8], chip: &mut Chip, at: Nanos) -> Outcome {
    match efuse_range(payload, chip, at) {
        Ok(bytes) => data(&bytes),
        Err(code) => refused(code),
    }
}

/// The shadow bytes that 41h and 81h ask for: both ends rounded down to words, clipped at 80h.
fn efuse_range(payload: &[u8], chip: &mut Chip, at: Nanos) -> Result<Vec<u8>, Code> {
    let bytes = <[u8; 8]>::try_from(payload).map_err(|_| Code(0x0404))?;
    let address = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    let length = u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]);
    if address > 0x7F {
        return Err(Code(0x0405));
    }
    let first = (address & !3) as usize;
    let length = (length.min(0x80) as usize & !3).min(0x80 - first);
    chip.faults.fuses_read(at, Stage::Rom, first..first + length);
    Ok(chip.otp.shadow()[first..first + length].to_vec())
}
