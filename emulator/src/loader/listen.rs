//! Waiting for a handshake: auto-baud, armed in turns with USB (`reference/loader-protocol.md` section 2).

use bl702_protocol::time::Nanos;

use crate::chip::Chip;
use crate::event::Event;
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
    let armed = Nanos::from_micros(ARMED_US);
    let round = next_turn(armed);
    let mut unheard = 0;
    let mut heard = None;
    while let Some(((byte, sent_bps), (end, _))) = chip.rx.peek().zip(chip.rx.next_arrival())
        && end <= until
        && heard.is_none()
    {
        chip.rx.skip_one();
        let begin = end - Nanos::byte_times(1, sent_bps);
        let into_round = Nanos(begin.since(origin).0 % round.0);
        if !uart::is_autobaud_byte(byte) {
            unheard += 1;
        } else if begin >= origin && into_round + (end - begin) <= armed {
            heard = Some(Heard { at: end, baud_bps: uart::loader_autobaud(sent_bps) });
        }
    }
    if unheard > 0 {
        let why = "no session: the RAM loader hears nothing but a handshake";
        chip.emit(heard.map_or(until, |heard| heard.at), Event::BytesLost { count: unheard, why });
    }
    heard
}
