//! Loading an image into RAM through the ROM, and starting it.

use bl702_protocol::boot_info::{BootInfo, RomBootInfo};
use bl702_protocol::frame::ROM_MAX_PAYLOAD;
use bl702_protocol::image::boot_header::HeaderPolicy;
use bl702_protocol::image::ram_image::RamImage;
use bl702_protocol::time::Nanos;

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
pub(super) fn check_policy(image: &RamImage, info: &RomBootInfo) -> Result<()> {
    let policy = HeaderPolicy { sign_required: info.sign != 0, encrypt_type: info.encrypt };
    image.header.check(&policy).map_err(|refusal| Error::new(ErrorKind::Locked { refusal }))
}

/// Sends the image part by part and has the ROM check it: 11h, [12h, 14h, 16h], 17h and 18h per segment, 19h.
pub(super) async fn upload(
    wire: &mut Wire,
    image: &RamImage,
    phase: Phase,
    (attempt, attempts): (u32, u32),
) -> Result<()> {
    let mut upload = Upload { wire, attempt, attempts };
    upload.send(&Request::boot_header(&image.header.to_bytes())).await?;
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
    for segment in &image.segments {
        let header = segment.header.to_bytes();
        let request = Request::segment_header(&header);
        let echo = upload.send(&request).await?;
        // The ROM echoes the header decrypted; only a plain one can be compared.
        if image.iv.is_none() && echo != header {
            return Err(upload.error(&request, ErrorKind::SegmentEcho));
        }
        for data in segment.data.chunks(ROM_MAX_PAYLOAD) {
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
pub(super) async fn start(
    wire: &mut Wire,
    image: &RamImage,
    info: &BootInfo,
    attempt: u32,
    attempts: u32,
) -> Result<()> {
    let mut upload = Upload { wire, attempt, attempts };
    if needs_run_command(info) {
        upload.send(&Request::run_image()).await?;
        upload.wire.link.note_session(None);
        return Ok(());
    }
    upload.send(&Request::memory_write(HBN_FLAG, HBN_MAGIC)).await?;
    upload.send(&Request::memory_write(HBN_ADDRESS, image.header.start_address())).await?;
    upload.send(&Request::memory_write(SOFTWARE_RESET, 0)).await?;
    // The CPU resets inside this store: no answer (ROM reference 1.6).
    upload.wire.link.note_session(None);
    upload.wire.send_only(&Request::memory_write(SOFTWARE_RESET, 2));
    Ok(())
}

/// How long upload and start take at most.
pub(super) fn upload_bound(image: &RamImage, baud_bps: u32, reply_margin: Nanos) -> Nanos {
    let bytes: usize = image.segments.iter().map(|segment| segment.data.len() + 20).sum();
    let frames = image.segments.iter().map(|segment| segment.data.len().div_ceil(ROM_MAX_PAYLOAD) + 1);
    let frames = frames.sum::<usize>() as u64 + 10;
    let wire = Nanos::byte_times(bytes as u64 + frames * 8, baud_bps);
    wire + wire + Nanos::from_millis(60) * frames + reply_margin * 2
}

struct Upload<'w> {
    wire: &'w mut Wire,
    attempt: u32,
    attempts: u32,
}

impl Upload<'_> {
    async fn send(&mut self, request: &Request) -> Result<Vec<u8>> {
        match self.wire.exchange(request).await {
            Ok(data) => Ok(data),
            Err(Trouble::Halted) => Err(Error::new(ErrorKind::Interrupted)),
            Err(trouble) => Err(self.error(request, trouble.into())),
        }
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
