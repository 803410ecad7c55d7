//! Erasing, writing, reading, and what the flash calls itself.

use bl702_protocol::code::Code;
use bl702_protocol::jedec::{JedecId, LOADER_FLAG_IDENTIFIED};

use super::loader_ran;
use crate::explain::signal::{Seen, Signal, Step};
use crate::explain::{Certainty, Finding, finding};

/// What the flash did.
pub(super) fn rules(seen: &Seen) -> Vec<Finding> {
    [identify(seen), misfit(seen), too_large(seen), erase(seen), write(seen), read(seen), difference(seen)]
        .into_iter()
        .flatten()
        .collect()
}

fn identify(seen: &Seen) -> Option<Finding> {
    let unknown = seen.all().find_map(|(line, signal)| match signal {
        Signal::Jedec(id, flag)
            if JedecId(*id).is_absent() || flag.is_some_and(|flag| flag & LOADER_FLAG_IDENTIFIED == 0) =>
        {
            Some((*line, JedecId(*id)))
        }
        _ => None,
    });
    let mut lines = seen.lines(&Signal::Vendor(0x0043));
    lines.extend(unknown.map(|(line, _)| line));
    if lines.is_empty() {
        return None;
    }
    let absent = unknown.is_some_and(|(_, id)| id.is_absent());
    let found = match unknown {
        Some((_, id)) if absent => finding("no_flash", Certainty::Likely, format!("no flash answers (id {id})"), lines)
            .happened(&["The RAM loader asked the flash for its id and read a bus on which nobody speaks."]),
        _ => finding("unknown_flash", Certainty::Likely, "the RAM loader does not know this flash", lines).happened(&[
            "The fourth byte of the JEDEC answer is not 80h: the loader read an id but has no settings for the part. An old loader and a newer flash do this, and so do wrong flash pins.",
        ]),
    };
    Some(found.next(&[
        "take the newest loader there is (bl702-flash loader install; or update the tool) and choose BL702",
        "if the id is right and only unknown: bl702-flash --flash-size 1MiB works with the loader's default settings",
        "if no part has this id: check the module's supply and the solder joints of an external flash",
    ]))
}

fn misfit(seen: &Seen) -> Option<Finding> {
    seen.has_vendor(0x0040).then(|| {
        finding(
            "header_for_another_flash",
            Certainty::Certain,
            "the tool compares the file's boot header with the flash and declines",
            seen.lines(&Signal::Vendor(0x0040)),
        )
        .happened(&[
            "The flash configuration in the boot header of the file is for another flash than the one found. That happens when a whole dump is written to a module with another part. Nothing was written.",
        ])
        .next(&[
            "write it with a tool that takes the file as it is: bl702-flash --port PORT write dump.bin",
            "or put the right configuration in: bl702-flash image patch-header --board BOARD FILE -o NEW",
        ])
    })
}

fn too_large(seen: &Seen) -> Option<Finding> {
    seen.has_vendor(0x0045).then(|| {
        finding("too_large", Certainty::Certain, "the file is larger than the flash", seen.lines(&Signal::Vendor(0x0045)))
            .happened(&["Nothing past the end of the flash can be written. Layouts for 2 MiB do not fit the 1 MiB of an XT-ZB2."])
            .next(&["take the 1M layout: partition table at 1000h and 2000h, firmware at 3000h", "bl702-flash image info FILE shows what is in the file"])
    })
}

fn erase(seen: &Seen) -> Option<Finding> {
    let fails = [
        Signal::Code(Code::FLASH_ERASE_ERROR),
        Signal::Vendor(0x0034),
        Signal::Vendor(0x0033),
        Signal::Failed(Step::Erase),
    ];
    let lines = seen.lines_of(&fails);
    if lines.is_empty() {
        return None;
    }
    let refused = seen.has(&fails[0]);
    let happened = if refused {
        "The RAM loader began to erase and the flash did not finish: its supply sags, it is write-protected, or it is worn. Three such errors end the loader's session, and all that follows is silence."
    } else if loader_ran(seen) {
        "No answer came in time. Erasing the chip takes up to 50 s; a tool that waits less gives up while the flash is still at work. jq_flasher hangs if the loader answers with a single PD."
    } else {
        "The command was not answered. Nothing shows that the RAM loader was running."
    };
    Some(
        finding("erase_failed", Certainty::Likely, "the flash was not erased, or only in part", lines)
            .happened(&[happened])
            .next(&[
                "do not reset into the firmware: part of it may be gone",
                "check the 3.3 V supply under load (not from the adapter's 3.3 V pin), reset into ISP, erase again",
                "if it fails at the same place again, the flash is write-protected there or worn",
            ]),
    )
}

fn write(seen: &Seen) -> Option<Finding> {
    let fails = [
        Signal::Code(Code::FLASH_WRITE_ERROR),
        Signal::Vendor(0x0036),
        Signal::Vendor(0x0037),
        Signal::Failed(Step::Write),
    ];
    let lines = seen.lines_of(&fails);
    if lines.is_empty() || seen.has_vendor(0x0034) {
        return None;
    }
    let remembered = seen.has_vendor(0x0037) || seen.has(&fails[0]);
    let happened = if remembered {
        "The loader says OK before it programs and remembers a failure until the next erase: FL0006, or the answer to 3Ah, means that some write since then failed, not only the last one."
    } else {
        "A write was refused or not answered. Some tools (EasyFlasher, the vendor's) end with status 0 all the same."
    };
    Some(
        finding("write_failed", Certainty::Likely, "the flash holds only part of the data", lines)
            .happened(&[happened])
            .next(&[
                "reset the module into ISP (BOOT, D28, at 3.3 V), check the 3.3 V supply, write again: erasing clears the remembered error",
                "bl702-flash --port PORT write FILE compares first, writes only what differs, and verifies",
            ]),
    )
}

/// A read that the loader refused. One that was asked of the ROM is in [`super::chip::asked_the_rom`].
fn read(seen: &Seen) -> Option<Finding> {
    let fails = [Signal::Vendor(0x0035), Signal::Failed(Step::Read)];
    let lines = seen.lines_of(&fails);
    (!lines.is_empty() && loader_ran(seen)).then(|| {
        finding("read_failed", Certainty::Likely, "the RAM loader did not read what was asked for", lines)
            .happened(&["Command 32h was refused (FL0004: the request was cut on its way) or not answered. The vendor's tool sends it twice a try and then counts three errors of the loader, after which that says nothing more. The flash is unchanged."])
            .next(&["reset the module into ISP (BOOT, D28, at 3.3 V) and read again at a lower rate", "bl702-flash --port PORT backup flash.bin repeats lost pieces and compares with the module's own SHA-256"])
    })
}

fn difference(seen: &Seen) -> Option<Finding> {
    let fails = [
        Signal::Failed(Step::Verify),
        Signal::Vendor(0x003E),
        Signal::Vendor(0x0038),
        Signal::Vendor(0x0022),
    ];
    let lines = seen.lines_of(&fails);
    (!lines.is_empty()).then(|| {
        finding("differs", Certainty::Likely, "what is in the flash is not what was to be written", lines)
            .happened(&["The hash or the bytes read back differ. Either a write went wrong, or bytes were lost on the line, or the range was not erased before (programming only clears bits)."])
            .next(&["erase and write again at a lower rate", "bl702-flash --port PORT verify FILE names the first byte that differs"])
    })
}
