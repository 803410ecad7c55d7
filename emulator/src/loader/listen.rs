//! Waiting for a handshake: auto-baud, armed in turns with USB (`reference/loader-protocol.md` section 2).

use bl702_protocol::time::Nanos;

use crate::chip::Chip;
use crate::event::Event;
use crate::line::LineRx;
use crate::uart;

/// UART0 is armed this long.
const ARMED_US: u64 = 2000;
/// Then USB is looked at. The same turn comes before UART0 after a session or a refused rate.
const USB_TURN_US: u64 = 900;

/// The first byte that auto-baud caught.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Heard {
    /// When it has wholly arrived. The program sees it at once.
    pub(super) at: Nanos,
    /// The rate it leads to, or none if that is refused.
    pub(super) baud_bps: Option<u32>,
}

/// When UART0 is armed again after it was given up at `at`.
pub(super) fn next_turn(at: Nanos) -> Nanos {
    at + Nanos::from_micros(USB_TURN_US)
}

/// Looks through what has arrived up to `until` for a 55h or D5h that lies wholly in an armed window, the first of which
/// begins at `origin`. Everything up to it is gone.
///
/// A host that sends 55h without a pause is heard at the end of its first byte, or up to a USB turn later: the measured
/// 12.96 ms from the first 55h to the end of `OK` at 500 kbaud are a whole USB turn, 20 us, the 12 ms and the 40 us of `OK`.
pub(super) fn listen(chip: &mut Chip, origin: Nanos, until: Nanos) -> Option<Heard> {
    let arrived = chip.rx.available(until);
    let found = chip.rx.untaken().take(arrived).position(|byte| is_heard(origin, byte));
    let heard = found
        .and_then(|index| chip.rx.untaken().nth(index))
        .map(|(_, sent_bps, at)| Heard { at, baud_bps: uart::loader_autobaud(sent_bps) });
    let gone = found.map_or(arrived, |index| index + 1);
    let unheard = chip.rx.untaken().take(gone).filter(|(byte, ..)| !uart::is_autobaud_byte(*byte)).count();
    chip.rx.skip(gone);
    if unheard > 0 {
        let why = "no session: the RAM loader hears nothing but a handshake";
        chip.emit(heard.map_or(until, |heard| heard.at), Event::BytesLost { count: unheard as u32, why });
    }
    heard
}

/// When [`listen`] has something to do, given what is on the line: at the first byte it will hear, or when all that was
/// sent has passed unheard.
pub(super) fn next_work(rx: &LineRx, origin: Nanos) -> Option<Nanos> {
    let mut last = None;
    for byte in rx.untaken() {
        last = Some(byte.2);
        if is_heard(origin, byte) {
            break;
        }
    }
    last
}

/// Whether auto-baud takes a byte of this value and rate that ended at this time.
fn is_heard(origin: Nanos, (byte, sent_bps, end): (u8, u32, Nanos)) -> bool {
    let armed = Nanos::from_micros(ARMED_US);
    let begin = end - Nanos::byte_times(1, sent_bps);
    let into_round = Nanos(begin.since(origin).0 % next_turn(armed).0);
    uart::is_autobaud_byte(byte) && begin >= origin && into_round + (end - begin) <= armed
}
