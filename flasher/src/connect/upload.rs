//! Loading an image into RAM through the ROM, and starting it.

use bl702_protocol::boot_info::{BootInfo, RomBootInfo};
use bl702_protocol::code::Code;
use bl702_protocol::command::RomCommand;
use bl702_protocol::image::boot_header::HeaderPolicy;
use bl702_protocol::image::ram_image::RamImage;
use bl702_protocol::time::Nanos;

use super::frames::{UploadFrames, misread};
use super::needs_run_command;
use crate::error::{During, Error, ErrorKind, Result};
use crate::event::{Event, Phase};
use crate::request::{Request, SecurityBlock};
use crate::transfer::{Trouble, Wire};

/// HBN RSV0, the flag that the ROM looks at after a CPU reset (ROM reference 1.1 and 1.6).
const HBN_FLAG: u32 = 0x4000_F100;
/// HBN RSV1, the address it then jumps to.
const HBN_ADDRESS: u32 = 0x4000_F104;
/// "EHBN".
const HBN_MAGIC: u32 = 0x4E42_4845;
/// GLB `swrst_cfg2`; bit 1 resets the CPU.
const SOFTWARE_RESET: u32 = 0x4000_0018;

/// Refuses, before anything is sent, what the eFuses make the ROM refuse.
pub(super) fn check_policy(image: &RamImage, info: &RomBootInfo, is_loader: bool) -> Result<()> {
    let policy = HeaderPolicy { sign_required: info.sign != 0, encrypt_type: info.encrypt };
    image.header.check(&policy).map_err(|refusal| Error::new(ErrorKind::Locked { refusal, is_loader }))
}

/// Sends the image part by part and has the ROM check it: 11h, [12h, 14h, 16h], 17h and 18h per segment, 19h.
pub(super) async fn upload(
    wire: &mut Wire,
    image: &RamImage,
    frames: &UploadFrames,
    phase: Phase,
    (attempt, attempts): (u32, u32),
) -> Result<()> {
    let mut upload = Upload { wire, attempt, attempts, frames, header_is_proven: false };
    upload.send(&Request::boot_header(&frames.header.to_bytes())).await?;
    if let Some(key) = &image.public_key {
        upload.send(&Request::security_block(SecurityBlock::PublicKey, &key.to_bytes())).await?;
    }
    if let Some(signature) = &image.signature {
        upload.send(&Request::security_block(SecurityBlock::Signature, &signature.to_bytes())).await?;
    }
    if let Some(iv) = &image.iv {
        upload.send(&Request::security_block(SecurityBlock::AesIv, &iv.to_bytes())).await?;
    }
    let total_bytes = image.segments.iter().map(|segment| segment.data.len() as u64).sum();
    let mut done_bytes = 0;
    for (segment, lengths) in image.segments.iter().zip(&frames.lengths) {
        let header = segment.header.to_bytes();
        let request = Request::segment_header(&header);
        let echo = upload.send(&request).await?;
        // The ROM echoes the header decrypted; only a plain one can be compared.
        if image.iv.is_none() && echo != header {
            return Err(upload.error(&request, ErrorKind::SegmentEcho));
        }
        let mut rest = segment.data.as_slice();
        for length in lengths {
            let (data, tail) = rest.split_at(*length);
            rest = tail;
            upload.send(&Request::segment_data(data)).await?;
            done_bytes += data.len() as u64;
            upload.wire.link.emit(Event::Progress { phase, done_bytes, total_bytes });
        }
    }
    upload.send(&Request::check_image()).await?;
    Ok(())
}

/// Starts the image that was checked: by the HBN words and a CPU reset as the vendor's tool does, or by 1Ah where the
/// eFuses forbid that.
///
/// Where the jump is to go is read back before: a damaged address sends the CPU to where only its reset pin gets it out of.
pub(super) async fn start(
    wire: &mut Wire,
    image: &RamImage,
    frames: &UploadFrames,
    info: &BootInfo,
    (attempt, attempts): (u32, u32),
) -> Result<()> {
    let mut upload = Upload { wire, attempt, attempts, frames, header_is_proven: true };
    if needs_run_command(info) {
        upload.send(&Request::run_image()).await?;
        upload.wire.link.note_session(None);
        return Ok(());
    }
    upload.send(&Request::memory_write(HBN_FLAG, HBN_MAGIC)).await?;
    upload.send(&Request::memory_write(HBN_ADDRESS, image.header.start_address())).await?;
    let read_back = Request::memory_read(HBN_FLAG, 8);
    let expected = [HBN_MAGIC.to_le_bytes(), image.header.start_address().to_le_bytes()].concat();
    let held = upload.send(&read_back).await?;
    if held != expected {
        return Err(upload.error(&read_back, ErrorKind::StartWords { expected, held }));
    }
    upload.send(&Request::memory_write(SOFTWARE_RESET, 0)).await?;
    // The CPU resets inside this store: no answer (ROM reference 1.6).
    upload.wire.link.note_session(None);
    upload.wire.send_only(&Request::memory_write(SOFTWARE_RESET, 2));
    Ok(())
}

/// How long upload and start take at most.
pub(super) fn upload_bound(
    image: &RamImage,
    frames: &UploadFrames,
    baud_bps: u32,
    reply_margin: Nanos,
) -> Nanos {
    let bytes: usize = image.segments.iter().map(|segment| segment.data.len() + 20).sum();
    let frames: usize = frames.lengths.iter().map(|lengths| lengths.len() + 1).sum();
    let frames = frames as u64 + 11;
    let wire = Nanos::byte_times(bytes as u64 + frames * 8, baud_bps);
    wire + wire + Nanos::from_millis(60) * frames + reply_margin * 2
}

struct Upload<'w> {
    wire: &'w mut Wire,
    attempt: u32,
    attempts: u32,
    frames: &'w UploadFrames,
    /// A command that only follows a boot header was taken: the header was not taken for something else.
    header_is_proven: bool,
}

impl Upload<'_> {
    async fn send(&mut self, request: &Request) -> Result<Vec<u8>> {
        match self.wire.exchange(request).await {
            Ok(data) => {
                self.header_is_proven |= request.id() != RomCommand::LoadBootHeader.id();
                Ok(data)
            }
            Err(Trouble::Halted) => Err(Error::new(ErrorKind::Interrupted)),
            Err(trouble) => {
                let out_of_order = trouble == (Trouble::Refused { code: Code::CMD_SEQ_ERROR });
                if out_of_order || (!self.header_is_proven && !is_about_image(&trouble)) {
                    // 31h is one bit away from 11h: then the ROM has programmed the header into flash, at the address that
                    // its first four bytes are, and answered `OK` just so. It is the next command that would show it, by a
                    // refusal, if the module has not restarted meanwhile.
                    self.wire.link.suspect_header(self.frames.header.to_bytes());
                    self.wire.link.suspect_misreading();
                }
                self.tell_of_misreading(request, &trouble);
                Err(self.error(request, trouble.into()))
            }
        }
    }

    /// A frame went wrong, this one or one before it whose `OK` was for something else. What the ROM may have made of it
    /// nobody can see, and the flash has not been looked at yet.
    fn tell_of_misreading(&self, request: &Request, trouble: &Trouble) {
        let in_header = || misread(&Request::boot_header(&self.frames.header.to_bytes()));
        let what = match misread(request).or_else(in_header).or(self.frames.harm_in_data) {
            Some(id) => format!("for command {id:02X}h, which changes flash, fuses or registers"),
            None if !self.frames.is_foretold => {
                "for others, among them such as change flash or fuses".to_owned()
            }
            // Once is one damaged byte, which the frames are made for; this has not been once.
            None if self.attempt > 1 => {
                "for others; one damaged byte makes it change nothing, more of them may".to_owned()
            }
            // Or more than one in the same frame. If the next attempt gets through, it was no more than noise; if nothing
            // is heard of the module again, nobody knows.
            None => {
                if !is_about_image(trouble) {
                    self.wire.link.suspect_misreading();
                }
                return;
            }
        };
        let id = request.id();
        let text = format!(
            "command {id:02X}h was not answered as it should be: the boot ROM, which knows no checksum, may have taken parts of a damaged frame {what}. If the flash holds what matters, compare it with a backup"
        );
        self.wire.link.suspect_misreading();
        self.wire.link.note_trouble(|troubles| troubles.misread_frames += 1);
        self.wire.link.emit(Event::Warning { text });
    }

    fn error(&self, request: &Request, kind: ErrorKind) -> Error {
        let during = During {
            side: request.side,
            id: request.id(),
            what: request.what,
            range: None,
            attempt: self.attempt,
            attempts: self.attempts,
        };
        Error::during(kind, during)
    }
}

/// A refusal that only image commands give (ROM reference 1.4: class 02): it was a header that the ROM has looked at.
fn is_about_image(trouble: &Trouble) -> bool {
    matches!(trouble, Trouble::Refused { code } if code.0 >> 8 == 0x02)
}
