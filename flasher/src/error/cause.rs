//! The likely cause of each error, by the evidence.

use bl702_protocol::code::Code;

use super::{ErrorKind, Failure, quoted_text};
use crate::port::PortError;
use crate::request::Side;

/// What most probably is behind a failure; `None` where the error itself says all there is to say.
pub(super) fn cause(failure: &Failure) -> Option<String> {
    if let (ErrorKind::NoHandshake { side: Side::Rom, heard, .. }, Some(_)) = (&failure.kind, &failure.during)
        && quoted_text(heard).is_none()
    {
        return Some(
            "it had answered before in this run, so supply or line were lost in the middle of it: a loose contact, or EN held low"
                .to_owned(),
        );
    }
    of_kind(&failure.kind).map(str::to_owned).or_else(|| special(&failure.kind))
}

/// Causes that name what was found.
fn special(kind: &ErrorKind) -> Option<String> {
    match kind {
        ErrorKind::Locked { refusal, .. } => Some(format!(
            "eFuses of this chip let it run only images of its maker, says its boot info; to any other boot header the ROM answers {}",
            refusal.code()
        )),
        ErrorKind::Refused { code: Code(0x0003) } => Some(
            "erasing failed: the flash did not become ready in the time that the RAM loader gives it; a weak supply, or a worn, damaged or protected part".to_owned(),
        ),
        ErrorKind::Refused { code: Code(0x0006) } => Some(
            "programming failed: the flash did not become ready in the time that the RAM loader gives it; a weak supply, or a worn or damaged part".to_owned(),
        ),
        ErrorKind::Refused { code } if is_about_form(*code) => Some(
            "the module takes a command that is well-formed for one that is not: bytes of it were lost on the line, or this is not the vendor's RAM loader".to_owned(),
        ),
        ErrorKind::Refused { code } => code.row().map(|row| row.meaning.trim_end_matches('.').to_owned()),
        _ => None,
    }
}

/// Codes that say that a command is too short, too long or names an address that cannot be. None that is sent is so.
pub(super) fn is_about_form(code: Code) -> bool {
    matches!(code.0, 0x0002 | 0x0004 | 0x0005 | 0x0008 | 0x0201 | 0x020F | 0x0401 | 0x0404)
}

fn of_kind(kind: &ErrorKind) -> Option<&'static str> {
    Some(match kind {
        ErrorKind::Port(PortError::Vanished { .. }) => {
            "the adapter was unplugged, or what serves the port has ended"
        }
        ErrorKind::Port(PortError::Stuck { .. }) => "nothing takes the bytes",
        ErrorKind::NoHandshake { side: Side::Rom, heard, .. } if heard.is_empty() => {
            "the module has no power, TX and RX are crossed wrongly, BOOT was low when it left reset, EN is held low, or an eFuse has switched the UART off (then nothing ever answers)"
        }
        ErrorKind::NoHandshake { side: Side::Rom, heard, .. } if quoted_text(heard).is_some() => {
            "the module runs its firmware, since BOOT was low when it left reset"
        }
        ErrorKind::NoHandshake { side: Side::Rom, .. } => {
            "something sends, but not what the boot ROM answers: another rate, a bad line, or the module runs a program"
        }
        ErrorKind::NoHandshake { side: Side::Loader, .. } => {
            "the RAM loader does not answer at this rate, or it hangs"
        }
        ErrorKind::LoaderSilent { .. } => {
            "the crystal or the PLL of the chip does not start (the boot ROM runs without them, the RAM loader does not), or the image is not a RAM loader for this board; the line is not to blame, since the upload went well over it"
        }
        ErrorKind::FlashUnknown { .. } => {
            "a flash part that is not in the RAM loader's list, or a damaged one that misreports its id"
        }
        ErrorKind::FlashRepeats { .. } => {
            "a part with a wrong id (remarked): addresses behind its end lead to its beginning again, so that writing there would destroy what is at the beginning"
        }
        ErrorKind::FlashAbsent { .. } => {
            "the flash has no supply, is not soldered, is on other pins, or is dead; eFuses and boot ROM are not involved"
        }
        ErrorKind::FlashChanged { .. } => "another module than before, or a flash whose contacts are loose",
        ErrorKind::NotStarted => {
            "the image is not a RAM loader for this chip, or an eFuse keeps the ROM from starting it"
        }
        ErrorKind::Ignored { .. } => {
            "this RAM loader does not know the command, or its flash hangs it; the line is good"
        }
        ErrorKind::NotTaken { unchanged: true, .. } => {
            "the flash acknowledges and does nothing: it is protected in a way its status does not show, or dead"
        }
        ErrorKind::NotTaken { .. } => "worn or damaged cells, or a supply that is too weak for writing",
        ErrorKind::Protected { .. } => {
            "block protection locked by SRP (SRWD) with WP# held low, since the RAM loader clears plain protection when it starts"
        }
        ErrorKind::Unstable { .. } => {
            "weak cells, or a supply at the edge of what the flash needs; the line is not to blame, since the module's own hashes differ"
        }
        ErrorKind::ReadMismatch { .. } => {
            "the line damages data on the way; the flash is not to blame, since the module's own hash stays the same"
        }
        ErrorKind::ExcessPending { .. } => "the line is unreliable, and flash was lost by it",
        ErrorKind::HeaderWritten { .. } => {
            "one bit of the command was inverted on the line, and the boot ROM knows no checksum; it answered OK, and the next step showed that it had no header"
        }
        ErrorKind::Collateral { .. } => {
            "a command was damaged on the way and changed it, or the first answer was damaged"
        }
        ErrorKind::BoundReached { .. } => "line or adapter are much slower than they should be, or very bad",
        ErrorKind::TooManyRestarts { .. } => {
            "the supply breaks down under the load of erasing and writing (brown-out), or EN has a loose contact"
        }
        ErrorKind::NoAnswer { pending: 1.., .. } => {
            "the flash is slower than any data sheet allows, or its supply is weak"
        }
        ErrorKind::NoAnswer { .. }
        | ErrorKind::Short { .. }
        | ErrorKind::Garbled { .. }
        | ErrorKind::WrongLength { .. }
        | ErrorKind::Surplus { .. }
        | ErrorKind::BootInfoVaries { .. }
        | ErrorKind::IdentityDiffers { .. }
        | ErrorKind::SegmentEcho
        | ErrorKind::StartWords { .. }
        | ErrorKind::TooManyRepeats { .. } => "the line is unreliable",
        _ => return None,
    })
}
