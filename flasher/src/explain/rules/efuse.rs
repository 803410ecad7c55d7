//! eFuses and the MAC address.

use bl702_protocol::code::Code;

use super::loader_ran;
use crate::explain::signal::{Seen, Signal, Step};
use crate::explain::{Certainty, Finding, finding};

/// Fuses that were read, burnt or taken for something else.
pub(super) fn rules(seen: &Seen) -> Vec<Finding> {
    [mac(seen), burnt(seen), unread(seen)].into_iter().flatten().collect()
}

fn mac(seen: &Seen) -> Option<Finding> {
    let lines = seen.lines_of(&[Signal::Code(Code::EFUSE_READ_MAC_ERROR), Signal::Vendor(0x0023)]);
    if lines.is_empty() {
        return None;
    }
    let certainty = if seen.has_code(0x0407) { Certainty::Certain } else { Certainty::Likely };
    Some(
        finding("mac_parity", certainty, "the MAC address in the eFuses fails its parity check", lines)
            .happened(&[
                "Command 42h counts the zero bits of the eight MAC bytes and compares with eFuse 74h bits 5:0. The vendor's tool stops there, though flash commands would work.",
            ])
            .next(&[
                "bl702-flash does not need the MAC: back up with it",
                "look at the fuses: bl702-flash efuse decode FILE; a MAC of zeros was never written, one extra bit was burnt by accident",
            ]),
    )
}

fn burnt(seen: &Seen) -> Option<Finding> {
    let burns = [Signal::Vendor(0x0021), Signal::Vendor(0x0024), Signal::Code(Code::EFUSE_WRITE_PARA_ERROR)];
    let address = Signal::Code(Code::EFUSE_WRITE_ADDR_ERROR);
    let mut lines = seen.lines_of(&burns);
    if loader_ran(seen) {
        lines.extend(seen.lines(&address));
    }
    (!lines.is_empty()).then(|| {
        finding("efuse_write_refused", Certainty::Likely, "an eFuse write was refused or not answered; fuses may have been burnt all the same", lines)
            .happened(&["40h burns at once, without arming, and is never read back by the chip. A refusal by length or address (FL0401, FL0402) burns nothing; a missing answer says nothing either way."])
            .next(&["stop burning; read all 128 bytes and compare with what you had: bl702-flash efuse diff BEFORE AFTER"])
    })
}

fn unread(seen: &Seen) -> Option<Finding> {
    let fails = [
        Signal::Vendor(0x0020),
        Signal::Code(Code(0x0404)),
        Signal::Code(Code(0x0405)),
        Signal::Failed(Step::Efuse),
    ];
    let lines = seen.lines_of(&fails);
    (!lines.is_empty() && !seen.has_code(0x0407) && !seen.has_vendor(0x0023) && !seen.has_vendor(0x0021)).then(|| {
        finding("efuse_unread", Certainty::Possible, "the eFuses could not be read", lines)
            .happened(&["Command 41h was refused or not answered. No fuse of a BL702 forbids it: the request had a wrong length or address, or the session was lost before."])
            .next(&["reset the module into ISP (BOOT, D28, at 3.3 V) and read again"])
    })
}
