//! What the boot ROM says of images, and codes that stand alone.

use bl702_protocol::code::Code;

use crate::explain::signal::{Seen, Signal, Step};
use crate::explain::{Certainty, Finding, Meaning, finding};

fn at(seen: &Seen, codes: &[u16]) -> Vec<usize> {
    seen.lines_of(&codes.iter().map(|code| Signal::Code(Code(*code))).collect::<Vec<_>>())
}

/// Refused images, and starts that are forbidden.
pub(super) fn rules(seen: &Seen) -> Vec<Finding> {
    [locked(seen), header(seen), trusted_zone(seen), help_bin(seen)].into_iter().flatten().collect()
}

fn locked(seen: &Seen) -> Option<Finding> {
    let lines = at(seen, &[0x0205, 0x0206, 0x020C, 0x0219]);
    if lines.is_empty() {
        return None;
    }
    let what = if seen.has_code(0x0205) { "encrypted" } else { "signed" };
    let headline = format!("the chip takes {what} images of its owner only");
    Some(
        finding("locked_chip", Certainty::Certain, headline, lines)
            .happened(&[
                "The eFuses of this chip demand signed or encrypted images, and the loader that was sent is plain (or of another key). Boot info says so in bytes 4 and 5.",
            ])
            .next(&[
                "without the owner's key this chip can be neither read nor written over UART: name a loader signed with it, --loader FILE",
                "an image of your own: bl702-flash image build --sign KEY, if the fuses hold the hash of your key",
            ]),
    )
}

fn header(seen: &Seen) -> Option<Finding> {
    let lines = at(seen, &[0x0201, 0x0202, 0x0203, 0x0204, 0x0207, 0x0210, 0x0211, 0x0214, 0x0216]);
    if lines.is_empty() {
        return None;
    }
    let (headline, happened) = if seen.has_code(0x0207) {
        (
            "the boot header announces no segments where a BL702 looks for them",
            "The BL702 reads the segment count at offset 120. bflb-web-tool puts it at 116 and sends the header as part of the segment: it cannot start a BL702.",
        )
    } else if seen.has_code(0x0201) || seen.has_code(0x0203) {
        (
            "the loader that was sent is for another chip",
            "A BL702 header has 176 bytes and begins with BFNP. The tool sent another length (240: BL702L, 256: BL616, 352: BL808) or another magic.",
        )
    } else {
        (
            "the image that was sent is damaged, or its header belongs to another image",
            "The ROM checked header, segments and order of what came, and refused it.",
        )
    };
    Some(finding("bad_image", Certainty::Likely, headline, lines).happened(&[happened]).next(&[
        "choose BL702 in the tool, and its own eflash_loader_32m.bin",
        "look at the file: bl702-flash image info FILE tells what is wrong with it and where",
    ]))
}

fn trusted_zone(seen: &Seen) -> Option<Finding> {
    let lines = at(seen, &[0x0501, 0x0504]);
    (!lines.is_empty()).then(|| {
        finding("trusted_zone", Certainty::Likely, "tz_boot is burnt: memory commands are refused", lines)
            .happened(&[
                "Tools start the RAM loader by memory writes (50h). With the fuse tz_boot the ROM refuses these, and the loader never starts.",
            ])
            .next(&["use a tool that starts the loader by command 1Ah; bl702-flash does so by itself when it sees the fuse"])
    })
}

/// ErrorCode 0003 with nothing before it.
fn help_bin(seen: &Seen) -> Option<Finding> {
    let fails = [Signal::Vendor(0x0003), Signal::Failed(Step::Load)];
    let explained = seen
        .signals()
        .any(|signal| matches!(signal, Signal::Code(_) | Signal::Rom(crate::explain::Rom::Loader)));
    let handshake =
        seen.has_any(&[Signal::Failed(Step::Handshake), Signal::Vendor(0x0050), Signal::Vendor(0x0001)]);
    if !seen.has_any(&fails) || explained || handshake {
        return None;
    }
    Some(
        finding("upload_failed", Certainty::Possible, "the RAM loader could not be uploaded", seen.lines_of(&fails))
            .happened(&[
                "A command of the boot ROM was not answered. If a RAM loader of an earlier run was still there this is what happens, as it knows no upload; else bytes were lost.",
            ])
            .next(&[
                "reset the module with BOOT (D28) at 3.3 V and run the tool again",
                "if it stays so: 115200 baud for the upload, shorter wires",
            ]),
    )
}

/// Codes that no rule explains: the last one, as the table has it.
pub(super) fn by_code_alone(seen: &Seen) -> Option<Finding> {
    let (line, meaning) =
        seen.all().filter_map(|(line, signal)| Some((*line, Meaning::of_signal(signal)?))).last()?;
    let headline = format!("{}: {}", meaning.code, meaning.meaning);
    let mut finding = finding("code_alone", Certainty::Possible, headline, [line]);
    finding.next.push(meaning.advice);
    Some(finding)
}
